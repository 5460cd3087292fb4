// Graphs and calls at the edge of what is allowed: values that are inputs, parameters or reshapes of either, names with a history in JavaScript,
// builds that fail half-way, tensors that do not fill their shape.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError, ShaderError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { ParameterStore } from '../../src/gpu/store.ts';
import type { Graph } from '../../src/graph.ts';
import { Network } from '../../src/network.ts';
import { compile, type CompileOptions } from '../../src/plan.ts';
import type { AnyTensor, Tensor } from '../../src/tensor.ts';
import { randomNet } from '../nets.ts';

const gpu = await openDevice();
test.after(() => gpu.dispose());

const t = (shape: readonly number[], ...data: number[]): Tensor => ({ shape, data: Float32Array.from(data) });
const list = ({ data }: AnyTensor): number[] => [...data];
const X = t([2, 3], 1, -2, 3, -4, 5, -6);
const W = t([3], 2, 3, 4);

/** x -> relu "a" -> times w "b", and x flattened "f". */
const graph: Graph = {
  name: 'edges',
  inputs: [{ name: 'x', shape: [2, 3] }],
  parameters: [{ name: 'w', shape: [3] }],
  nodes: [
    { name: 'flatten', op: 'reshape', inputs: ['x'], outputs: ['f'], attrs: { shape: [6] } },
    { name: 'relu', op: 'relu', inputs: ['x'], outputs: ['a'] },
    { name: 'times', op: 'mul', inputs: ['a', 'w'], outputs: ['b'] },
    { name: 'square', op: 'mul', inputs: ['b', 'b'], outputs: ['c'] },
  ],
  outputs: ['x', 'w', 'f', 'b'],
};

async function running(options: CompileOptions, use: (executor: Executor) => Promise<void>, of: Graph = graph): Promise<void> {
  const executor = await Executor.create(gpu, compile(of, options), new Map([['w', W]]));
  try {
    executor.poison();
    await use(executor);
  } finally {
    executor.dispose();
  }
}

async function refuses(work: () => Promise<unknown>, message: RegExp, kind: new (...args: never[]) => Error = InputError): Promise<void> {
  const error = await work().then(
    () => null,
    (e: Error) => e,
  );
  assert.instance(error, kind);
  assert.match(error!.message, message);
}

test('outputs that are an input, a parameter, or a reshape of the input', () =>
  running({}, async (executor) => {
    await executor.forward({ x: X });
    assert.equal(list(await executor.read('x')), list(X));
    assert.equal(list(await executor.read('w')), list(W));
    assert.equal(list(await executor.read('f')), list(X));
    assert.equal((await executor.read('f')).shape, [6]);
    assert.equal(list(await executor.read('b')), [2, 0, 12, 0, 15, 0]);
  }));

test('a target that is the input itself, or a reshape of it', async () => {
  for (const target of ['x', 'f']) {
    await running({ target, keep: [target] }, async (executor) => {
      const { shape } = executor.plan.values[target];
      await executor.run({ x: X }, { shape, data: Float32Array.of(1, 2, 3, 4, 5, 6) });
      const gradient = await executor.readGradient('x');
      assert.equal(
        [gradient.shape, list(gradient)],
        [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
      );
    });
  }
});

test('a target in the middle, used again above it; gradients at values in the middle and at the target', () =>
  running({ target: 'b', keepAll: true, wrt: ['x', 'a', 'w', 'b'], signals: 'all' }, async (executor) => {
    await executor.run({ x: X }, t([2, 3], 1, 1, 1, 2, 2, 2));
    assert.equal(list(await executor.readGradient('b')), [1, 1, 1, 2, 2, 2]);
    assert.equal(list(await executor.readGradient('a')), [2, 3, 4, 4, 6, 8]);
    assert.equal(list(await executor.readGradient('x')), [2, 0, 4, 0, 6, 0]);
    assert.equal(list(await executor.readGradient('w')), [1, 10, 3]);
    assert.equal(list(await executor.read('c')), [4, 0, 144, 0, 225, 0]);
  }));

test('a value that enters one node twice gets both contributions', () =>
  running({ target: 'c', keep: ['c'] }, async (executor) => {
    await executor.run({ x: X }, t([2, 3], 1, 1, 1, 1, 1, 1));
    assert.equal(list(await executor.readGradient('x')), [8, 0, 96, 0, 90, 0]);
  }));

test('names that every object has are names like others', async () => {
  for (const name of ['__proto__', 'constructor', 'hasOwnProperty', 'toString']) {
    const rename = (n: string): string => (n === 'a' ? name : n);
    const renamed = {
      ...graph,
      nodes: graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) })),
    };
    await running(
      { target: 'b', keepAll: true, signals: 'all' },
      async (executor) => {
        await executor.run({ x: X }, t([2, 3], 1, 1, 1, 1, 1, 1));
        assert.equal(list(await executor.read(name)), [1, 0, 3, 0, 5, 0]);
        assert.equal(list(await executor.readGradient(name)), [2, 3, 4, 2, 3, 4]);
      },
      renamed,
    );
  }
});

test('tensors that do not fill their shape, or hold numbers of another kind, are refused', () =>
  running({ target: 'b' }, async (executor) => {
    const ones = t([2, 3], 1, 1, 1, 1, 1, 1);
    await refuses(
      () => executor.forward({ x: { shape: [2, 3], data: Float32Array.of(1) } }),
      /input "x": expected 6 values for shape 2x3, got 1\./,
    );
    await refuses(
      () => executor.forward({ x: { shape: [2, 3], data: new Float64Array(6) } as unknown as Tensor }),
      /input "x": expected f32, got Float64Array/,
    );
    await refuses(() => executor.forward({ x: { shape: [2, 3], data: new Int32Array(6) } }), /input "x": expected f32, got Int32Array/);
    await refuses(
      () => executor.run({ x: ones }, { shape: [2, 3], data: new Float32Array(7) }),
      /seed: expected 6 values for shape 2x3, got 7\./,
    );
  }));

test('a build that fails leaves no half-made weights to the next one on the same store', async () => {
  const net = randomNet(8);
  const plan = compile(net.graph, { target: net.graph.scores });
  const alone = await Executor.create(gpu, plan, net.parameters);
  await alone.forward({ x: net.input });
  const want = list(await alone.read(net.graph.scores!));
  alone.dispose();

  const store = new ParameterStore(gpu, net.parameters);
  const broken = { ...plan, forward: plan.forward.map((step) => ({ ...step, entry: 'sideways' })) };
  await refuses(() => Executor.create(gpu, broken, store), /expected an entry point/, ShaderError);
  const executor = await Executor.create(gpu, plan, store);
  await executor.forward({ x: net.input });
  assert.equal(list(await executor.read(net.graph.scores!)), want);
  executor.dispose();
  store.dispose();
});

test('questions of a network that look alike are kept apart', async () => {
  const spaced: Graph = {
    name: 'spaced',
    inputs: [{ name: 'x', shape: [2, 3] }],
    parameters: [],
    nodes: [
      { name: 'relu', op: 'relu', inputs: ['x'], outputs: ['a b'] },
      { name: 'a', op: 'identity', inputs: ['x'], outputs: ['a'] },
      { name: 'b', op: 'mul', inputs: ['x', 'x'], outputs: ['b'] },
      { name: 'sum', op: 'linear', inputs: ['b', 'a'], outputs: ['s'], attrs: {} },
    ],
    outputs: ['s'],
    scores: 's',
  };
  const network = new Network(gpu, spaced, new Map());
  try {
    assert.equal([...(await network.forward(X, ['a b'])).keys()], ['a b']);
    assert.equal([...(await network.forward(X, ['a', 'b'])).keys()], ['a', 'b']);
    // The posterior by its inner name carries no scores; the posterior of a class does.
    assert.is((await network.gradient(X, { neuron: { tensor: '#posterior', at: [1] } })).scores, null);
    assert.ok((await network.gradient(X, { target: 1, score: 'posterior' })).scores);
    assert.equal(await network.gradients(X, []), []);
  } finally {
    await network.dispose();
  }
});

test('the one unit of a scalar', async () => {
  const loss: Graph = {
    name: 'loss',
    inputs: [{ name: 'x', shape: [2, 3] }],
    parameters: [{ name: 't', shape: [2], dtype: 'i32' }],
    nodes: [{ name: 'loss', op: 'crossentropy', inputs: ['x', 't'], outputs: ['l'] }],
    outputs: ['l'],
  };
  const network = new Network(gpu, loss, new Map<string, AnyTensor>([['t', { shape: [2], data: Int32Array.of(0, 2) }]]));
  try {
    const { values, gradient } = await network.gradient(X, { neuron: { tensor: 'l', at: [0] } });
    assert.equal(values, [(await network.forward(X, ['l'])).get('l')!.data[0]]);
    assert.ok(gradient.data.every(Number.isFinite));
  } finally {
    await network.dispose();
  }
});

test.run();
