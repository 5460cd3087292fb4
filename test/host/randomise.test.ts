// Layers with weights, in order, and what is drawn for them.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import type { Graph } from '../../src/graph.ts';
import { size, type AnyTensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { DRAWS, drawLayer, weightLayers } from '../../src/visualise/randomise.ts';
import { smallNet } from '../smallnet.ts';

const spec = (name: string, ...shape: number[]) => ({ name, shape });
const node = (name: string, op: string, inputs: string[], attrs = {}) => ({ name, op, inputs, outputs: [name], attrs });

/** conv, batch normalisation, a scale and a shift behind it, a shared convolution twice, a product with its weights first, and a head of its own. */
const graph: Graph = {
  name: 'kinds',
  inputs: [spec('x', 1, 2, 4, 4)],
  parameters: [
    spec('w', 2, 2, 3, 3),
    spec('gamma', 2),
    spec('beta', 2),
    spec('mean', 2),
    spec('variance', 2),
    spec('factor', 2, 1, 1),
    spec('shift', 2, 1, 1),
    spec('shared', 2, 2, 1, 1),
    spec('m', 32, 5),
    spec('bias', 5),
    spec('unrelated', 3, 32),
    spec('brightness', 2, 1, 1),
  ],
  nodes: [
    // Scaling of the input belongs to no layer.
    node('lit', 'mul', ['x', 'brightness']),
    node('conv', 'conv2d', ['lit', 'w'], { pad: [1, 1, 1, 1] }),
    node('norm', 'batchnorm', ['conv', 'gamma', 'beta', 'mean', 'variance']),
    node('scaled', 'mul', ['norm', 'factor']),
    node('shifted', 'add', ['shift', 'scaled']),
    node('relu', 'relu', ['shifted']),
    node('once', 'conv2d', ['relu', 'shared']),
    node('twice', 'conv2d', ['once', 'shared']),
    node('sum', 'add', ['twice', 'relu']),
    node('flat', 'flatten', ['sum']),
    node('fc', 'linear', ['flat', 'm', 'bias'], { transB: false }),
    node('aside', 'linear', ['flat', 'unrelated']),
  ],
  outputs: ['fc', 'aside'],
  scores: 'fc',
};
const gauss = normal(1);
const values = new Map<string, AnyTensor>(
  graph.parameters.map(({ name, shape }) => [name, { shape, data: fill(size(shape), () => 3 + 0.5 * gauss()) }]),
);

test('layers from the first to the last, with what belongs to each', () => {
  assert.equal(
    weightLayers(graph, 'fc').map(({ name, op, parameters }) => [name, op, parameters.map((p) => [p.name, p.role, p.place])]),
    [
      ['conv', 'conv2d', [['w', 'weight', 0]]],
      [
        'norm',
        'batchnorm',
        [
          ['gamma', 'scale', 1],
          ['beta', 'bias', 2],
          ['mean', 'mean', 3],
          ['variance', 'variance', 4],
          ['factor', 'scale', 5],
          ['shift', 'bias', 6],
        ],
      ],
      // Shared weights belong to the last that uses them.
      ['twice', 'conv2d', [['shared', 'weight', 7]]],
      [
        'fc',
        'linear',
        [
          ['m', 'weight', 8],
          ['bias', 'bias', 9],
        ],
      ],
    ],
  );
  assert.equal(
    weightLayers(graph, 'relu').map(({ name }) => name),
    ['conv', 'norm'],
  );
  assert.throws(
    () => weightLayers(graph, 'lit'),
    (e: unknown) => e instanceof InputError && /expected layers with weights/.test(e.message),
  );
});

const layers = weightLayers(graph, 'fc');
const deviationOf = (data: ArrayLike<number>): number => {
  const list = Array.from(data);
  const mean = list.reduce((x, y) => x + y, 0) / list.length;
  return Math.sqrt(list.reduce((s, v) => s + (v - mean) ** 2, 0) / list.length);
};

test('initial: variance 2 / fan-in, biases zero, the identity for batch normalisation', () => {
  const drawn = new Map(layers.flatMap((layer) => [...drawLayer(layer, values, 'initial', 5)]));
  const of = (name: string): number[] => [...drawn.get(name)!.data];
  assert.equal(
    [of('gamma'), of('beta'), of('mean'), of('variance'), of('factor'), of('shift')],
    [
      [1, 1],
      [0, 0],
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ],
  );
  assert.equal(of('bias'), [0, 0, 0, 0, 0]);
  // [in, out] with 32 inputs; 160 draws have a deviation within 25 % of the true one (4.5 of its standard errors).
  assert.ok(Math.abs(deviationOf(of('m')) / Math.sqrt(2 / 32) - 1) < 0.25);
  const { graph: net, parameters } = smallNet(1);
  const all = weightLayers(net, 's').map((layer) => drawLayer(layer, parameters, 'initial', 5));
  for (const [name, fan] of [
    ['w1', 27],
    ['w2', 72],
    ['w3', 384],
  ] as const) {
    const { data } = all.find((layer) => layer.has(name))!.get(name)!;
    assert.ok(Math.abs(deviationOf(data) / Math.sqrt(2 / fan) - 1) < 4.5 / Math.sqrt(2 * data.length), name);
  }
});

test('matched: the mean and deviation of the old; variances stay positive. shuffled: the old ones', () => {
  for (const layer of layers) {
    const matched = drawLayer(layer, values, 'matched', 5);
    const shuffled = drawLayer(layer, values, 'shuffled', 5);
    for (const { name } of layer.parameters) {
      const old = values.get(name)!.data;
      assert.equal([...shuffled.get(name)!.data].sort(), [...old].sort());
      assert.equal([matched.get(name)!.shape, shuffled.get(name)!.shape], [values.get(name)!.shape, values.get(name)!.shape]);
    }
  }
  const wide = { shape: [4000], data: fill(4000, () => 0.3 + 2 * gauss()) };
  const layer = { name: 'l', op: 'linear', parameters: [{ name: 'v', shape: [4000], role: 'variance', fanIn: 1, place: 0 }] } as const;
  const data = drawLayer(layer, new Map([['v', wide]]), 'matched', 5).get('v')!.data;
  assert.ok(data.every((v) => v >= 0));
  const signed = { ...layer, parameters: [{ ...layer.parameters[0], role: 'bias' }] } as const;
  const again = drawLayer(signed, new Map([['v', wide]]), 'matched', 5).get('v')!.data;
  assert.ok(Math.abs(deviationOf(again) / deviationOf(wide.data) - 1) < 0.06);
  assert.ok(Math.abs(again.reduce((s, v) => s + v, 0) / 4000 - 0.3) < 0.16);
  assert.equal(again.map(Math.abs), data);
});

test('a draw is a function of the seed and the parameter’s place', () => {
  for (const draw of DRAWS) {
    const [m] = [...drawLayer(layers[3], values, draw, 5).values()];
    assert.equal([...drawLayer(layers[3], values, draw, 5).values()][0], m);
    assert.not.equal([...drawLayer(layers[3], values, draw, 6).values()][0], m);
  }
  const twin = { ...layers[3], parameters: [{ ...layers[3].parameters[0], place: 11 }] };
  assert.not.equal(drawLayer(twin, values, 'initial', 5).get('m'), drawLayer(layers[3], values, 'initial', 5).get('m'));
});

test.run();
