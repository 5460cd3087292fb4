/**
 * The network of Simonyan, Vedaldi & Zisserman 2013, section 1: conv64 - conv256 x 4 - full4096 - full4096 - full1000, at any width and size.
 */
import { InputError } from '../errors.ts';
import type { Graph, GraphNode, ValueSpec } from '../graph.ts';
import type { Shape } from '../tensor.ts';

type Attrs = NonNullable<GraphNode['attrs']>;

export interface PaperNetOptions {
  /** Channels of the second to fifth convolution; the first has a quarter of it, the full layers 16 times as many units. Default 256. */
  readonly width?: number;
  /** Height and width of the input. Default 224. */
  readonly input?: number;
  /** Default 1000. */
  readonly classes?: number;
  /** Default 1. */
  readonly batch?: number;
  /** Share of the units of the two hidden full layers that training drops. Default 0.5. */
  readonly dropout?: number;
  /** Units of the two hidden full layers. Default 16 times the width. */
  readonly hidden?: number;
}

/** How the first convolution and its surroundings scale: window, stride and pad of conv1, window of conv2, and the normalisation. */
interface Geometry {
  readonly conv1: { readonly kernel: number; readonly stride: number; readonly pad: number };
  readonly conv2: number;
  readonly lrn: Attrs;
}

/**
 * At full size the geometry that Chatfield et al. 2014 published for the same widths as CNN-F: 11 x 11 with stride 4 and no padding, then 5 x 5;
 * normalisation over 5 channels with k = 2, alpha = 5e-4 (divided by the window's size), beta = 0.75, for pixels of 0 to 255.
 */
const FULL: Geometry = {
  conv1: { kernel: 11, stride: 4, pad: 0 },
  conv2: 5,
  lrn: { size: 5, alpha: 5e-4, beta: 0.75, bias: 2 },
};

/**
 * For small images, half the windows and half the stride, so that 64 x 64 pixels leave 4 x 4 for the full layers where 224 x 224 leave 6 x 6.
 * Inputs are in units of 64 grey levels, and alpha is 64 x 64 times as large: the same normalisation.
 */
const MINI: Geometry = {
  conv1: { kernel: 5, stride: 2, pad: 2 },
  conv2: 3,
  lrn: { size: 5, alpha: 2, beta: 0.75, bias: 2 },
};

/** Inputs from here on take the full geometry. */
const FULL_FROM = 160;

/**
 * Builds the graph. Eight weight layers: conv1 to conv5 with ReLU, normalisation after the first two, max-pooling 3 x 3 with stride 2 (windows may
 * hang over the far edge) after the first, second and fifth; fc6 and fc7 with ReLU and dropout; fc8, whose output is the scores [N, classes].
 * Weights are named `conv1.weight` [OC, C, KH, KW], `fc6.weight` [out, in], biases `conv1.bias`.
 * @see the paper, section 1; Chatfield, Simonyan, Vedaldi & Zisserman 2014, table 1 (CNN-F)
 * @throws InputError if a number is not a positive integer, or the width is no multiple of 4
 */
export function paperNet(options: PaperNetOptions = {}): Graph {
  const { width = 256, input = 224, classes = 1000, batch = 1, dropout = 0.5 } = options;
  const { hidden = 16 * width } = options;
  for (const [name, value] of Object.entries({ width, input, classes, batch, hidden })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new InputError(`paperNet: expected ${name} to be a positive integer, got ${value}.`);
  }
  if (width % 4 !== 0) throw new InputError(`paperNet: expected a width that is a multiple of 4, got ${width}. conv1 has a quarter of it.`);
  const geometry = input >= FULL_FROM ? FULL : MINI;
  const nodes: GraphNode[] = [];
  const parameters: ValueSpec[] = [];
  let value = 'data';
  let channels = 3;
  let extent = input;

  const add = (op: string, name: string, attrs: Attrs = {}, extra: readonly string[] = []): void => {
    nodes.push({ name, op, inputs: [value, ...extra], outputs: [name], attrs });
    value = name;
  };
  const weighted = (op: string, name: string, shape: Shape, attrs: Attrs = {}): void => {
    parameters.push({ name: `${name}.weight`, shape }, { name: `${name}.bias`, shape: [shape[0]] });
    add(op, name, attrs, [`${name}.weight`, `${name}.bias`]);
  };
  const conv = (i: number, outputs: number, kernel: number, stride: number, pad: number): void => {
    weighted('conv2d', `conv${i}`, [outputs, channels, kernel, kernel], { stride: [stride, stride], pad: [pad, pad, pad, pad] });
    add('relu', `relu${i}`);
    channels = outputs;
    extent = Math.floor((extent + 2 * pad - kernel) / stride) + 1;
  };
  const pool = (i: number): void => {
    add('maxpool2d', `pool${i}`, { kernel: [3, 3], stride: [2, 2], ceilMode: true });
    extent = Math.ceil((extent - 3) / 2) + 1;
    if (extent < 1) throw new InputError(`paperNet: expected an input large enough for three poolings, got ${input}. Give at least 32.`);
  };
  const full = (i: number, outputs: number): void => {
    weighted('linear', `fc${i}`, [outputs, i === 6 ? channels * extent * extent : hidden]);
  };

  const { kernel, stride, pad } = geometry.conv1;
  conv(1, width / 4, kernel, stride, pad);
  add('lrn', 'norm1', geometry.lrn);
  pool(1);
  conv(2, width, geometry.conv2, 1, (geometry.conv2 - 1) / 2);
  add('lrn', 'norm2', geometry.lrn);
  pool(2);
  for (const i of [3, 4, 5]) conv(i, width, 3, 1, 1);
  pool(5);
  add('flatten', 'flat5');
  for (const i of [6, 7]) {
    full(i, hidden);
    add('relu', `relu${i}`);
    add('dropout', `drop${i}`, { ratio: dropout });
  }
  full(8, classes);
  return {
    name: `paper-${width}-${input}`,
    inputs: [{ name: 'data', shape: [batch, 3, input, input] }],
    parameters,
    nodes,
    outputs: ['fc8'],
    scores: 'fc8',
  };
}
