/** A small classifier of pictures for the tests of class models. */
import type { Graph } from '../../src/graph.ts';
import { size, type AnyTensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';

export interface Net {
  readonly graph: Graph;
  readonly parameters: ReadonlyMap<string, AnyTensor>;
}

/** A small classifier of three-channel images, two convolutions with ReLUs and a max-pool between; `classes` scores. */
export function smallNet(batch: number, classes = 5): Net {
  const parameters = new Map<string, AnyTensor>();
  const weights = (name: string, shape: number[], seed: number): void => {
    const scale = name.endsWith('b') ? 0.1 : Math.sqrt(2 / size(shape.slice(1)));
    parameters.set(name, { shape, data: fill(size(shape), normal(seed)).map((v) => scale * v) });
  };
  weights('c1.w', [8, 3, 3, 3], 1);
  weights('c1.b', [8], 2);
  weights('c2.w', [12, 8, 3, 3], 3);
  weights('c2.b', [12], 4);
  weights('fc.w', [classes, 12 * 5 * 6], 5);
  weights('fc.b', [classes], 6);
  const pad = [1, 1, 1, 1];
  const graph: Graph = {
    name: 'small',
    inputs: [{ name: 'x', shape: [batch, 3, 10, 12] }],
    parameters: [...parameters].map(([name, { shape }]) => ({ name, shape })),
    nodes: [
      { name: 'c1', op: 'conv2d', inputs: ['x', 'c1.w', 'c1.b'], outputs: ['c1'], attrs: { pad } },
      { name: 'r1', op: 'relu', inputs: ['c1'], outputs: ['r1'] },
      { name: 'p', op: 'maxpool2d', inputs: ['r1'], outputs: ['p'], attrs: { kernel: [2, 2], stride: [2, 2] } },
      { name: 'c2', op: 'conv2d', inputs: ['p', 'c2.w', 'c2.b'], outputs: ['c2'], attrs: { pad } },
      { name: 'r2', op: 'relu', inputs: ['c2'], outputs: ['r2'] },
      { name: 'f', op: 'flatten', inputs: ['r2'], outputs: ['f'] },
      { name: 'fc', op: 'linear', inputs: ['f', 'fc.w', 'fc.b'], outputs: ['fc'] },
    ],
    outputs: ['fc'],
    scores: 'fc',
  };
  return { graph, parameters };
}
