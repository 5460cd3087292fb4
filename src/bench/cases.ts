/**
 * What the benchmark times: single ops at the sizes that published networks have, in each direction, as plain data.
 *
 * `paper` is the network of Simonyan, Vedaldi & Zisserman 2013 with CNN-F's kernels, `alexnet` Caffe's reference network (its groups of two),
 * `squeezenet` SqueezeNet 1.1, `googlenet`, `vgg16`, and `mobilenet` MobileNet 1 (its depthwise layers), all for 224 x 224 pixels.
 */
import type { Attrs } from '../ops/op.ts';
import { RULES, type Rule } from '../rule.ts';
import type { Shape } from '../tensor.ts';

/**
 * What is timed. `forward` as it runs where no backward pass follows; `forward-saving` with what the backward pass needs (switches, LRN's
 * scale); `dx` and `dw` the backward pass to the input and to the weights, each alone.
 */
export type Direction = 'forward' | 'forward-saving' | 'dx' | 'dw';

/** One row of the benchmark. */
export interface BenchCase {
  /** `conv3x3/vgg16.conv5_2/dx/b1`: kind, layer, direction (with the rule of a ReLU), batch. */
  readonly id: string;
  readonly kind: string;
  /** Network and layer: `vgg16.conv5_2`. */
  readonly layer: string;
  readonly op: string;
  readonly attrs: Attrs;
  /** x, then weights and bias where the op has them; of concat the parts. */
  readonly inputs: readonly Shape[];
  readonly direction: Direction;
  readonly batch: number;
  /** ReLU's backward only. */
  readonly rule?: Rule;
  /** Small enough to be timed on a software adapter. */
  readonly software: boolean;
}

/** A layer in the directions and batches it is timed in. */
interface Layer {
  readonly kind: string;
  readonly layer: string;
  readonly op: string;
  readonly attrs?: Attrs;
  /** For one item; the first axis of x is multiplied by the batch. */
  readonly inputs: readonly Shape[];
  readonly directions: readonly Direction[];
  readonly batches: readonly number[];
  readonly rules?: readonly Rule[];
  /** Batches that a software adapter is given. */
  readonly software?: readonly number[];
}

interface ConvOptions {
  readonly stride?: number;
  readonly pad?: number;
  readonly groups?: number;
  readonly batches?: readonly number[];
  readonly software?: boolean;
  readonly kind?: string;
}

const BOTH = [1, 32];

function conv(layer: string, [C, H, W]: Shape, outputs: number, k: number, options: ConvOptions = {}): Layer {
  const { stride = 1, pad = 0, groups = 1, batches = BOTH, software = false } = options;
  const { kind = groups === 1 ? `conv${k}x${k}${stride > 1 ? `s${stride}` : ''}` : groups === C ? 'depthwise' : 'grouped' } = options;
  return {
    kind,
    layer,
    op: 'conv2d',
    attrs: { stride: [stride, stride], pad: [pad, pad, pad, pad], groups },
    inputs: [[1, C, H, W], [outputs, C / groups, k, k], [outputs]],
    directions: ['forward', 'dx', 'dw'],
    batches,
    software: software ? [1] : [],
  };
}

/** A full layer; `software` tells the batches that a software adapter is given. */
const full = (layer: string, inputs: number, outputs: number, software: readonly number[] = []): Layer => ({
  kind: 'linear',
  layer,
  op: 'linear',
  inputs: [[1, inputs], [outputs, inputs], [outputs]],
  directions: ['forward', 'dx', 'dw'],
  batches: BOTH,
  software,
});

interface OtherOptions {
  readonly directions?: readonly Direction[];
  readonly batches?: readonly number[];
  readonly software?: boolean;
  readonly rules?: readonly Rule[];
}

function other(kind: string, layer: string, op: string, inputs: readonly Shape[], attrs: Attrs, options: OtherOptions = {}): Layer {
  const { directions = ['forward', 'dx'], batches = BOTH, software = false, rules } = options;
  return { kind, layer, op, attrs, inputs, directions, batches, software: software ? [1] : [], rules };
}

const SAME = { pad: 1 };
const RELU_DIRECTIONS: OtherOptions = { directions: ['forward', 'dx'], rules: RULES };
const SAVING: readonly Direction[] = ['forward', 'forward-saving', 'dx'];
const MAX3 = { kernel: [3, 3], stride: [2, 2], ceilMode: true };

const LAYERS: readonly Layer[] = [
  conv('squeezenet.fire2_squeeze', [64, 55, 55], 16, 1, { software: true }),
  conv('squeezenet.fire9_squeeze', [512, 13, 13], 64, 1),
  conv('squeezenet.conv10', [512, 13, 13], 1000, 1, { software: true }),
  conv('googlenet.4a_1x1', [480, 14, 14], 192, 1, { software: true }),
  conv('googlenet.5b_1x1', [832, 7, 7], 384, 1),

  conv('squeezenet.conv1', [3, 224, 224], 64, 3, { stride: 2, software: true }),
  conv('squeezenet.fire2_expand3', [16, 55, 55], 64, 3, { ...SAME, software: true }),
  conv('squeezenet.fire9_expand3', [64, 13, 13], 256, 3, SAME),
  conv('googlenet.conv2', [64, 56, 56], 192, 3, SAME),
  conv('googlenet.3a_3x3', [96, 28, 28], 128, 3, { ...SAME, software: true }),
  conv('googlenet.4e_3x3', [160, 14, 14], 320, 3, SAME),
  conv('paper.conv3', [256, 13, 13], 256, 3, { ...SAME, software: true }),
  conv('vgg16.conv1_1', [3, 224, 224], 64, 3, { ...SAME, batches: [1] }),
  conv('vgg16.conv1_2', [64, 224, 224], 64, 3, { ...SAME, batches: [1] }),
  conv('vgg16.conv2_2', [128, 112, 112], 128, 3, { ...SAME, batches: [1] }),
  conv('vgg16.conv3_2', [256, 56, 56], 256, 3, SAME),
  conv('vgg16.conv4_2', [512, 28, 28], 512, 3, SAME),
  conv('vgg16.conv5_2', [512, 14, 14], 512, 3, SAME),

  conv('paper.conv2', [64, 27, 27], 256, 5, { pad: 2, software: true }),
  conv('googlenet.3a_5x5', [16, 28, 28], 32, 5, { pad: 2, software: true }),
  conv('googlenet.5b_5x5', [48, 7, 7], 128, 5, { pad: 2 }),
  conv('googlenet.conv1', [3, 224, 224], 64, 7, { stride: 2, pad: 3, software: true }),
  conv('paper.conv1', [3, 224, 224], 64, 11, { stride: 4, software: true }),
  conv('alexnet.conv2', [96, 27, 27], 256, 5, { pad: 2, groups: 2 }),
  conv('alexnet.conv4', [384, 13, 13], 384, 3, { ...SAME, groups: 2, software: true }),
  conv('mobilenet.dw1', [32, 112, 112], 32, 3, { ...SAME, groups: 32 }),
  conv('mobilenet.dw4', [128, 56, 56], 128, 3, { ...SAME, stride: 2, groups: 128 }),
  conv('mobilenet.dw8', [512, 14, 14], 512, 3, { ...SAME, groups: 512, software: true }),

  full('paper.fc6', 9216, 4096, [1]),
  full('paper.fc7', 4096, 4096, [1, 32]),
  full('paper.fc8', 4096, 1000),
  full('vgg16.fc6', 25088, 4096),
  full('googlenet.classifier', 1024, 1000, [1, 32]),

  other('maxpool', 'squeezenet.pool1', 'maxpool2d', [[1, 64, 111, 111]], MAX3, { directions: SAVING, software: true }),
  other('maxpool', 'paper.pool1', 'maxpool2d', [[1, 64, 54, 54]], MAX3, { directions: SAVING }),
  other(
    'maxpool',
    'vgg16.pool2',
    'maxpool2d',
    [[1, 128, 112, 112]],
    { kernel: [2, 2], stride: [2, 2] },
    { directions: SAVING, software: true },
  ),
  other('maxpool', 'googlenet.3a_pool', 'maxpool2d', [[1, 192, 28, 28]], { kernel: [3, 3], pad: [1, 1, 1, 1] }, { directions: SAVING }),
  other('avgpool', 'googlenet.pool5', 'avgpool2d', [[1, 1024, 7, 7]], { kernel: [7, 7] }, { software: true }),
  other('globalavgpool', 'squeezenet.pool10', 'globalavgpool', [[1, 1000, 13, 13]], {}, { software: true }),
  other(
    'lrn',
    'paper.norm1',
    'lrn',
    [[1, 64, 54, 54]],
    { size: 5, alpha: 5e-4, beta: 0.75, bias: 2 },
    { directions: SAVING, software: true },
  ),
  other('lrn', 'googlenet.norm2', 'lrn', [[1, 192, 56, 56]], { size: 5, alpha: 1e-4, beta: 0.75 }, { directions: SAVING }),
  other('relu', 'squeezenet.relu1', 'relu', [[1, 64, 111, 111]], {}, { ...RELU_DIRECTIONS, software: true }),
  other('relu', 'vgg16.relu2_2', 'relu', [[1, 128, 112, 112]], {}, RELU_DIRECTIONS),
  other('softmax', 'googlenet.prob', 'softmax', [[1, 1000]], {}, { software: true }),
  other(
    'concat',
    'squeezenet.fire2',
    'concat',
    [
      [1, 64, 55, 55],
      [1, 64, 55, 55],
    ],
    { axis: 1 },
    { software: true },
  ),
  other(
    'concat',
    'googlenet.3a',
    'concat',
    [
      [1, 64, 28, 28],
      [1, 128, 28, 28],
      [1, 32, 28, 28],
      [1, 32, 28, 28],
    ],
    { axis: 1 },
  ),
];

/** Inputs that are parameters, and so have no batch: what follows x in convolutions and full layers. */
export const hasParameters = (op: string): boolean => op === 'conv2d' || op === 'linear';

function casesOf({ kind, layer, op, attrs = {}, inputs, directions, batches, rules, software = [] }: Layer): BenchCase[] {
  return directions.flatMap((direction) =>
    batches.flatMap((batch) =>
      (direction === 'dx' && rules ? rules : [undefined]).map((rule): BenchCase => ({
        id: `${kind}/${layer}/${direction}${rule ? `-${rule}` : ''}/b${batch}`,
        kind,
        layer,
        op,
        attrs,
        inputs: inputs.map((shape, k) => (k > 0 && hasParameters(op) ? shape : [batch * shape[0], ...shape.slice(1)])),
        direction,
        batch,
        ...(rule ? { rule } : {}),
        software: software.includes(batch),
      })),
    ),
  );
}

/** Every case, grouped by kind. */
export const BENCH_CASES: readonly BenchCase[] = LAYERS.flatMap(casesOf);

/**
 * The cases whose id matches one of the patterns, in which `*` stands for any characters; a pattern without `*` need only occur in the id.
 * Without patterns, those that suit the adapter.
 */
export function selectCases(patterns: readonly string[], software: boolean, cases: readonly BenchCase[] = BENCH_CASES): BenchCase[] {
  if (patterns.length === 0) return cases.filter((c) => c.software || !software);
  const matchers = patterns.map((pattern) => {
    const text = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
    return new RegExp(pattern.includes('*') ? `^${text}$` : text);
  });
  return cases.filter(({ id }) => matchers.some((matcher) => matcher.test(id)));
}

/** Patterns of a short run: each kind of op at one size or two, one image at a time, all of them feasible on a software adapter. */
export const QUICK: readonly string[] = [
  'conv1x1/squeezenet.fire2_squeeze/*/b1',
  'conv3x3/squeezenet.fire2_expand3/*/b1',
  'conv3x3/paper.conv3/forward/b1',
  'conv3x3/paper.conv3/dx/b1',
  'conv7x7s2/googlenet.conv1/forward/b1',
  'depthwise/mobilenet.dw8/*/b1',
  'linear/paper.fc7/forward/b1',
  'linear/paper.fc7/dx/b1',
  'maxpool/squeezenet.pool1/*/b1',
  'avgpool/googlenet.pool5/*/b1',
  'lrn/paper.norm1/*/b1',
  'relu/squeezenet.relu1/forward/b1',
  'relu/squeezenet.relu1/dx-gradient/b1',
  'softmax/googlenet.prob/*/b1',
  'concat/squeezenet.fire2/*/b1',
];
