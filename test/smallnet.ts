// A small classifier of pictures, whose every value has a known name.
import type { Graph } from '../src/graph.ts';
import { size, type AnyTensor } from '../src/tensor.ts';
import { fill, normal } from '../src/verify/random.ts';

/** conv, ReLU, max-pool, conv, ReLU, linear on RGB pictures of 16 x 12 pixels, 6 classes. */
export function smallNet(seed: number): { graph: Graph; parameters: Map<string, AnyTensor> } {
  const gauss = normal(seed);
  const parameters = new Map<string, AnyTensor>();
  const spec = (name: string, shape: number[], scale: number): { name: string; shape: number[] } => {
    parameters.set(name, { shape, data: fill(size(shape), () => scale * gauss()) });
    return { name, shape };
  };
  return {
    parameters,
    graph: {
      name: 'small net',
      inputs: [{ name: 'x', shape: [1, 3, 16, 12] }],
      parameters: [spec('w1', [8, 3, 3, 3], 0.3), spec('w2', [8, 8, 3, 3], 0.2), spec('w3', [6, 8 * 8 * 6], 0.1), spec('b3', [6], 0.1)],
      nodes: [
        { name: 'conv1', op: 'conv2d', inputs: ['x', 'w1'], outputs: ['c1'], attrs: { pad: [1, 1, 1, 1] } },
        { name: 'relu1', op: 'relu', inputs: ['c1'], outputs: ['r1'] },
        { name: 'pool1', op: 'maxpool2d', inputs: ['r1'], outputs: ['p1'], attrs: { kernel: [2, 2], stride: [2, 2] } },
        { name: 'conv2', op: 'conv2d', inputs: ['p1', 'w2'], outputs: ['c2'], attrs: { pad: [1, 1, 1, 1] } },
        { name: 'relu2', op: 'relu', inputs: ['c2'], outputs: ['r2'] },
        { name: 'flat', op: 'flatten', inputs: ['r2'], outputs: ['f'] },
        { name: 'fc', op: 'linear', inputs: ['f', 'w3', 'b3'], outputs: ['s'] },
      ],
      outputs: ['s'],
      scores: 's',
    },
  };
}
