// The certificate: a decision that f32 takes otherwise than f64 is found, with its margin and its effect; and a wrong kernel gets none.
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph, type Graph } from '../../src/graph.ts';
import type { Plan } from '../../src/plan.ts';
import { ulpOf } from '../../src/reference/ambiguity.ts';
import { size, type AnyTensor, type Tensor } from '../../src/tensor.ts';
import { certify } from '../../src/verify/certify.ts';
import { randomNet } from '../nets.ts';
import { fill, normal } from '../../src/verify/random.ts';

const gpu = await openDevice();
const row = (shape: number[], data: number[]): Tensor => ({ shape, data: Float32Array.from(data) });

/**
 * s = relu(h) . v with h = (x0 + x1 - x2, 2 x0, -3 x0) at x = (1, e, 1), e below what f32 keeps beside 1: on the device the first ReLU's input is
 * zero and it is shut, in f64 it is e and it is open.
 */
const E = 2 ** -30;
const TIE: Graph = {
  name: 'tie',
  inputs: [{ name: 'x', shape: [1, 3] }],
  parameters: [
    { name: 'w', shape: [3, 3] },
    { name: 'v', shape: [1, 3] },
  ],
  nodes: [
    { name: 'fc1', op: 'linear', inputs: ['x', 'w'], outputs: ['h'] },
    { name: 'relu1', op: 'relu', inputs: ['h'], outputs: ['r'] },
    { name: 'fc2', op: 'linear', inputs: ['r', 'v'], outputs: ['s'] },
  ],
  outputs: ['s'],
  scores: 's',
};
const PARAMETERS = new Map<string, AnyTensor>([
  ['w', row([3, 3], [1, 1, -1, 2, 0, 0, -3, 0, 0])],
  ['v', row([1, 3], [10, 1, 1])],
]);

test('a sign that rounding turns is found, with its margin, and explains the deviation', async () => {
  const c = await certify(gpu, TIE, PARAMETERS, row([1, 3], [1, E, 1]), { target: 's', seed: row([1, 1], [1]), rule: {} });
  assert.equal(c.reasons, []);
  assert.ok(c.certified);
  assert.is(c.decisions.differing, 1);
  const [d] = c.decisions.list;
  assert.equal([d.node, d.index, d.exact, d.device, d.margin, d.differs], ['relu1', 0, E, 0, E, true]);
  const rms = Math.sqrt((E ** 2 + 4 + 9) / 3);
  assert.is(d.marginUlp, E / ulpOf(rms));
  assert.ok(d.allowance >= E);
  // f64: 10 (1, 1, -1) + (2, 0, 0); the device: (2, 0, 0).
  assert.is(c.endToEnd.norm, Math.hypot(12, 10, 10));
  assert.is(c.takenBranch.relativeL2, 0);
  assert.ok(Math.abs(c.endToEnd.relativeL2 - Math.hypot(10, 10, 10) / Math.hypot(12, 10, 10)) < 1e-15);
  assert.is(c.byDecisions.relativeL2, c.endToEnd.relativeL2);
  assert.is(c.explained, 1);
  assert.equal(c.effects, [{ node: 'relu1', relativeL2: c.endToEnd.relativeL2 }]);
});

test('under DeconvNet the sign of the input is nobody’s question', async () => {
  const c = await certify(gpu, TIE, PARAMETERS, row([1, 3], [1, E, 1]), {
    target: 's',
    seed: row([1, 1], [1]),
    rule: { relu: 'deconvnet' },
  });
  assert.ok(c.certified);
  assert.equal([c.decisions.differing, c.decisions.open, c.explained], [0, 0, null]);
  assert.is(c.endToEnd.relativeL2, 0);
});

test('zeros on both sides, and copies of one number, are ties but not open', async () => {
  const pool = { kernel: [2, 2], stride: [1, 1] };
  const graph: Graph = {
    name: 'copies',
    inputs: [{ name: 'x', shape: [1, 1, 4, 4] }],
    parameters: [],
    nodes: [
      { name: 'relu1', op: 'relu', inputs: ['x'], outputs: ['r'] },
      { name: 'pool1', op: 'maxpool2d', inputs: ['r'], outputs: ['p'], attrs: pool },
      { name: 'pool2', op: 'maxpool2d', inputs: ['p'], outputs: ['q'], attrs: pool },
    ],
    outputs: ['q'],
  };
  const x = row([1, 1, 4, 4], [-1, -2, -3, -4, -1, 5, -2, -3, -1, -1, -1, -1, -2, -2, -2, -2]);
  const c = await certify(gpu, graph, new Map(), x, { target: 'q', seed: row([1, 1, 2, 2], [1, 2, 3, 4]), rule: {} });
  assert.ok(c.certified);
  assert.equal([c.decisions.open, c.decisions.differing, c.endToEnd.relativeL2], [0, 0, 0]);
});

const net = randomNet(2);
const scores = net.graph.scores!;

async function certificate(change?: (plan: Plan) => Plan) {
  const { shape } = typeGraph(net.graph).values.get(scores)!;
  const seed = { shape, data: fill(size(shape), normal(5)) };
  return certify(gpu, net.graph, net.parameters, net.input, { target: scores, seed, rule: {}, change });
}

test('a random network is certified', async () => {
  const c = await certificate();
  assert.equal(c.reasons, []);
});

const FAULTS: readonly (readonly [shader: string, find: string, replace: string])[] = [
  ['relu', 'v > vec4f()', 'v < vec4f()'],
  ['pack', 'g.outputPitch', 'g.inputPitch'],
];
for (const [shader, find, replace] of FAULTS) {
  test(`a fault in ${shader}.wgsl gets no certificate, and a layer is named`, async () => {
    const source = readFileSync(`shaders/${shader}.wgsl`, 'utf8');
    assert.ok(source.includes(find));
    const broken = source.replaceAll(find, replace);
    const c = await certificate((plan) => {
      assert.ok(plan.shaders[shader], `the network uses ${shader}.wgsl`);
      return { ...plan, shaders: { ...plan.shaders, [shader]: broken } };
    });
    assert.not(c.certified);
    assert.match(c.reasons[0], /^beyond its rounding bound: /);
  });
}

test.after(() => gpu.dispose());
test.run();
