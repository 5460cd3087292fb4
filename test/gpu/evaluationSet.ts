// A set of images with boxes and a small classifier of them on a device, for the tests of evaluation.
import * as assert from 'uvu/assert';
import { parseMethods } from '../../src/evaluate/methods.ts';
import type { LocalisationOptions } from '../../src/evaluate/localisation.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { Network } from '../../src/network.ts';
import type { Annotation } from '../../src/evaluate/annotation.ts';
import type { Item } from '../../src/evaluate/batches.ts';
import { withInputShapes, type Graph } from '../../src/graph.ts';
import type { Picture } from '../../src/image/picture.ts';
import type { Preprocess } from '../../src/image/preprocess.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { fill, normal, uniform } from '../../src/verify/random.ts';

// A small random classifier of 7 classes on 20 x 24 pixels.
export const SIDE: readonly [number, number] = [20, 24];
export const CLASSES = 7;
export const shapes: Record<string, readonly number[]> = {
  w1: [8, 3, 3, 3],
  b1: [8],
  w2: [12, 8, 3, 3],
  b2: [12],
  w3: [CLASSES, 12],
  b3: [CLASSES],
};
export const graph: Graph = {
  name: 'small',
  inputs: [{ name: 'x', shape: [1, 3, ...SIDE] }],
  parameters: Object.entries(shapes).map(([name, shape]) => ({ name, shape })),
  nodes: [
    { name: 'conv1', op: 'conv2d', inputs: ['x', 'w1', 'b1'], outputs: ['conv1'], attrs: { pad: [1, 1, 1, 1] } },
    { name: 'relu1', op: 'relu', inputs: ['conv1'], outputs: ['relu1'] },
    { name: 'pool1', op: 'maxpool2d', inputs: ['relu1'], outputs: ['pool1'], attrs: { kernel: [2, 2], stride: [2, 2] } },
    { name: 'conv2', op: 'conv2d', inputs: ['pool1', 'w2', 'b2'], outputs: ['conv2'], attrs: { pad: [1, 1, 1, 1] } },
    { name: 'relu2', op: 'relu', inputs: ['conv2'], outputs: ['relu2'] },
    { name: 'pool2', op: 'globalavgpool', inputs: ['relu2'], outputs: ['pool2'] },
    { name: 'flat', op: 'flatten', inputs: ['pool2'], outputs: ['flat'] },
    { name: 'scores', op: 'linear', inputs: ['flat', 'w3', 'b3'], outputs: ['scores'] },
  ],
  outputs: ['scores'],
  scores: 'scores',
};
const gauss = normal(5);
export const parameters = new Map<string, Tensor>(
  Object.entries(shapes).map(([name, shape]) => [name, { shape, data: fill(size(shape), () => 0.5 * gauss()) }]),
);

// Pictures of several sizes: grey noise, and a large bright patch that is the object.
const IMAGES = 11;
const next = uniform(3);
export const pictures: readonly Picture[] = Array.from({ length: IMAGES }, () => {
  const [width, height] = [24 + Math.floor(20 * next()), 24 + Math.floor(20 * next())];
  return { width, height, data: Uint8Array.from({ length: 3 * width * height }, () => 90 + Math.floor(40 * next())) };
});
export const annotations: readonly Annotation[] = pictures.map(({ width, height, data }, k) => {
  const [w, h] = [width, height].map((side) => Math.floor(side * (0.5 + 0.4 * next())));
  const [x0, y0] = [Math.floor((width - w) * next()), Math.floor((height - h) * next())];
  for (let y = y0; y < y0 + h; y++) for (let x = x0; x < x0 + w; x++) data.set([250, 200, (40 * k) % 255], 3 * (y * width + x));
  return { image: `p${k}.png`, class: k % CLASSES, extent: [height, width], boxes: [{ x0, y0, x1: x0 + w, y1: y0 + h }] };
});
export const items: readonly Item[] = annotations.map((annotation, index) => ({ index, annotation, load: async () => pictures[index] }));
export const spec: Preprocess = { size: SIDE, fit: 'squash', channels: 'rgb', scale: 1 / 255, mean: [0.4, 0.4, 0.4], std: [0.2, 0.2, 0.2] };

export const gpu = await openDevice();
export const collect = async <T>(rows: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
};
export async function atBatch<T>(batch: number, work: (network: Network) => AsyncIterable<T>): Promise<T[]> {
  const network = new Network(gpu, withInputShapes(graph, { x: [batch, 3, ...SIDE] }), parameters);
  try {
    return await collect(work(network));
  } finally {
    await network.dispose();
  }
}
/** Rows that should be equal, told by the first that is not: a diff of them all takes minutes. */
export function sameRows(got: readonly unknown[], want: readonly unknown[], what = ''): void {
  assert.is(got.length, want.length, what);
  for (const [k, row] of got.entries()) {
    const [a, b] = [JSON.stringify(row), JSON.stringify(want[k])];
    const at = [...a].findIndex((char, i) => char !== b[i]);
    assert.ok(a === b, `${what}, row ${k}: ${a.slice(Math.max(0, at - 90), at + 30)} and ${b.slice(Math.max(0, at - 90), at + 30)}`);
  }
}
export const options = (changes: Partial<LocalisationOptions> = {}): LocalisationOptions => ({
  preprocess: spec,
  classes: 'given',
  rules: ['gradient', 'guided'],
  maps: ['saliency', 'fused'],
  methods: parseMethods(['mean:2', 'value:0.3', 'energy:0.2', 'centre', 'whole', 'pointing']),
  tolerance: 4,
  ...changes,
});
