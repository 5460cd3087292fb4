// ReLUs computed by the kernels of their neighbours: the very bits of steps of their own, under every rule, with every kind of kernel, and with what is
// no number; whatever lies between can still be asked for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice, traitsOf } from '../../src/gpu/device.ts';
import { Executor, sharesForward } from '../../src/gpu/executor.ts';
import { ParameterStore } from '../../src/gpu/store.ts';
import { typeGraph, type Graph, type TypedGraph } from '../../src/graph.ts';
import { loadModel } from '../../src/models/model.ts';
import { LOSS_INPUT, LOSS_VALUE, withLoss } from '../../src/network.ts';
import { compile, type CompileOptions, type DeviceTraits } from '../../src/plan.ts';
import { RULE_AXES, RULES, type RuleSpec } from '../../src/rule.ts';
import { size, type AnyTensor, type Shape, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { randomNet, type RandomNet } from '../nets.ts';

const gpu = await openDevice();
const bits = ({ data }: AnyTensor): Uint32Array => new Uint32Array(data.buffer, data.byteOffset, data.length);
const drawn = (shape: Shape, seed: number): Tensor => ({ shape, data: fill(size(shape), normal(seed)) });

interface Layer {
  readonly channels: number;
  readonly kernel: readonly [number, number];
  readonly attrs?: Readonly<Record<string, unknown>>;
}

/** A ReLU, and convolutions with ReLUs between: x, r0, c0, r1, c1, ... */
function chain(name: string, shape: Shape, layers: readonly Layer[]): RandomNet {
  const parameters = new Map<string, AnyTensor>();
  const nodes = [{ name: 'r0', op: 'relu', inputs: ['x'], outputs: ['r0'] }] as Graph['nodes'][number][];
  let channels = shape[1];
  for (const [i, layer] of layers.entries()) {
    const { groups = 1 } = (layer.attrs ?? {}) as { groups?: number };
    const w = [layer.channels, channels / groups, ...layer.kernel];
    const scale = 1.4 / Math.sqrt(size(w.slice(1)));
    parameters.set(`w${i}`, { shape: w, data: drawn(w, i + 1).data.map((v) => scale * v) });
    if (i % 2 === 0) parameters.set(`b${i}`, drawn([layer.channels], i + 11));
    const inputs = [`r${i}`, `w${i}`, ...(i % 2 === 0 ? [`b${i}`] : [])];
    nodes.push({ name: `c${i}`, op: 'conv2d', inputs, outputs: [`c${i}`], attrs: layer.attrs });
    if (i + 1 < layers.length) nodes.push({ name: `r${i + 1}`, op: 'relu', inputs: [`c${i}`], outputs: [`r${i + 1}`] });
    channels = layer.channels;
  }
  const graph: Graph = {
    name,
    inputs: [{ name: 'x', shape }],
    parameters: [...parameters].map(([parameter, { shape: extent }]) => ({ name: parameter, shape: extent })),
    nodes,
    outputs: [`c${layers.length - 1}`],
  };
  const input = drawn(shape, 5);
  // Zeros of both signs: where [x > 0] and [x >= 0] differ.
  input.data.forEach((_, i) => (i % 5 === 0 ? (input.data[i] = i % 2 === 0 ? 0 : -0) : 0));
  return { graph, parameters, input };
}

const CHAINS: readonly RandomNet[] = [
  chain(
    'wide',
    [2, 16, 13, 12],
    [
      { channels: 40, kernel: [3, 3], attrs: { pad: [1, 1, 1, 1] } },
      { channels: 34, kernel: [1, 1] },
      { channels: 36, kernel: [3, 2], attrs: { pad: [1, 0, 1, 1] } },
    ],
  ),
  chain(
    'pictures',
    [2, 3, 25, 23],
    [
      { channels: 17, kernel: [5, 5], attrs: { stride: [2, 2], pad: [2, 2, 1, 2] } },
      { channels: 1, kernel: [3, 3], attrs: { dilation: [2, 1] } },
      { channels: 5, kernel: [2, 3], attrs: { stride: [1, 2], pad: [1, 1, 0, 1] } },
    ],
  ),
  chain(
    'strides',
    [2, 6, 19, 17],
    [
      { channels: 12, kernel: [1, 1], attrs: { stride: [3, 2], groups: 2 } },
      { channels: 12, kernel: [3, 3], attrs: { groups: 12, pad: [1, 1, 1, 1] } },
      { channels: 70, kernel: [3, 3], attrs: { stride: [2, 3], dilation: [2, 1], pad: [2, 1, 2, 1], groups: 2 } },
      { channels: 18, kernel: [2, 2], attrs: { pad: [1, 1, 1, 1] } },
    ],
  ),
];

const DEVICES: readonly (readonly [string, DeviceTraits])[] = [
  ['plain', { quads: false, tiles: false }],
  ...(traitsOf(gpu).quads ? ([['quads', { quads: true, tiles: false }]] as const) : []),
  ['tiles', { quads: false, tiles: true }],
];

const CUBE: readonly RuleSpec[] = RULES.flatMap((relu) => RULE_AXES.zero.map((zero) => ({ relu, zero })));

/** Everything that a plan leaves for whoever asked, as bits. */
async function answers(
  store: ParameterStore,
  typed: TypedGraph,
  options: CompileOptions,
  inputs: Readonly<Record<string, AnyTensor>>,
  seed: Tensor,
): Promise<Record<string, Uint32Array>> {
  const executor = await Executor.create(gpu, compile(typed, options), store);
  try {
    executor.poison();
    await executor.run(inputs, seed);
    const read: Record<string, Uint32Array> = {};
    for (const name of executor.plan.readable) read[name] = bits(await executor.read(name));
    for (const name of Object.keys(executor.plan.gradients)) read[`d(${name})`] = bits(await executor.readGradient(name));
    return read;
  } finally {
    executor.dispose();
  }
}

/** The same with and without: bit by bit. */
async function same(
  store: ParameterStore,
  typed: TypedGraph,
  options: CompileOptions,
  inputs: Readonly<Record<string, AnyTensor>>,
  seed: Tensor,
): Promise<void> {
  const apart = await answers(store, typed, { ...options, fuse: false }, inputs, seed);
  const fused = await answers(store, typed, options, inputs, seed);
  assert.equal(Object.keys(fused), Object.keys(apart));
  for (const [name, want] of Object.entries(apart)) {
    const at = fused[name].findIndex((word, i) => word !== want[i]);
    assert.ok(at < 0, `${name}[${at}]: ${fused[name][at]?.toString(16)}, apart ${want[at]?.toString(16)}`);
  }
}

for (const { graph, parameters, input } of CHAINS) {
  const typed = typeGraph(graph);
  const [target] = graph.outputs;
  const { shape } = typed.values.get(target)!;
  const relus = graph.nodes.filter(({ op }) => op === 'relu').length;
  for (const [device, traits] of DEVICES) {
    test(`${graph.name}, ${device}: every rule, numbers and what is none, the bits of steps apart`, async () => {
      const store = new ParameterStore(gpu, parameters);
      const odd = { ...input, data: input.data.slice() };
      [NaN, Infinity, -Infinity].forEach((v, i) => (odd.data[Math.floor(((i + 1) * odd.data.length) / 4)] = v));
      const seed = drawn(shape, 9);
      const oddSeed = { shape, data: seed.data.slice() };
      oddSeed.data[size(shape) >> 1] = NaN;
      oddSeed.data[size(shape) >> 2] = -Infinity;
      for (const rule of CUBE) {
        const options = { target, wrt: ['x', ...parameters.keys()], rule, traits };
        const { fused } = compile(typed, options);
        const readsX = rule.zero === 'open' && (rule.relu === 'gradient' || rule.relu === 'guided');
        assert.is(fused.filter(({ pass }) => pass === 'forward').length, readsX ? 0 : relus - 1);
        assert.is(fused.filter(({ pass }) => pass === 'backward').length, relus);
        await same(store, typed, options, { x: input }, seed);
        await same(store, typed, options, { x: odd }, oddSeed);
      }
      store.dispose();
    });
  }

  test(`${graph.name}: every value and every signal can be asked for`, async () => {
    const store = new ParameterStore(gpu, parameters);
    const seed = drawn(shape, 9);
    const common = { target, wrt: ['x'], rule: { relu: 'guided' }, traits: traitsOf(gpu) } as const;
    const all = await answers(store, typed, { ...common, keepAll: true, signals: 'all' }, { x: input }, seed);
    for (const { outputs, name: node } of graph.nodes) {
      const [name] = outputs;
      const asked = await answers(store, typed, { ...common, keep: [name], signals: [name] }, { x: input }, seed);
      assert.equal(asked[name], all[name], name);
      assert.equal(asked[`d(${name})`], all[`d(${name})`], `d(${name})`);
      // Or looked at.
      const executor = await Executor.create(gpu, compile(typed, { ...common, observe: [node] }), store);
      executor.poison();
      const { inputs } = graph.nodes.find((other) => other.name === node)!;
      await executor.forward({ x: input }, async ({ moment, read }) => {
        assert.equal(bits({ shape: [], data: await read(moment.y[0]!) }), all[name]);
        assert.equal(bits({ shape: [], data: await read(moment.x[0]!) }), all[inputs[0]]);
      });
      await executor.backward(seed, async ({ moment, read }) => {
        assert.equal(bits({ shape: [], data: await read(moment.dy[0]!) }), all[`d(${name})`]);
        assert.equal(bits({ shape: [], data: await read(moment.dx[0]!) }), all[`d(${inputs[0]})`]);
      });
      executor.dispose();
    }
    store.dispose();
  });

  test(`${graph.name}: one forward pass serves all rules`, async () => {
    const store = new ParameterStore(gpu, parameters);
    const seed = drawn(shape, 9);
    const plans = RULES.map((relu) => compile(typed, { target, wrt: ['x'], rule: { relu }, traits: traitsOf(gpu) }));
    const lender = await Executor.create(gpu, plans[0], store);
    await lender.forward({ x: input });
    for (const plan of plans) {
      assert.ok(plan.fused.length > 2 && sharesForward(plan, lender.plan));
      const alone = await Executor.create(gpu, plan, store);
      await alone.run({ x: input }, seed);
      const other = await Executor.create(gpu, plan, store, { forwardOf: lender });
      await other.backward(seed);
      assert.equal(bits(await other.readGradient('x')), bits(await alone.readGradient('x')));
      other.dispose();
      alone.dispose();
    }
    lender.dispose();
    store.dispose();
  });
}

test('random networks: scores, input gradients and parameter gradients have the bits of steps apart', async () => {
  const count = { forward: 0, backward: 0 };
  for (let n = 0; n < 12; n++) {
    const { graph, parameters, input } = randomNet(n);
    const store = new ParameterStore(gpu, parameters);
    const typed = typeGraph(graph);
    const { shape } = typed.values.get(graph.scores!)!;
    const rule = CUBE[n % CUBE.length];
    const options = { target: graph.scores!, rule, traits: DEVICES[n % DEVICES.length][1] };
    for (const { pass } of compile(typed, options).fused) count[pass]++;
    await same(store, typed, options, { x: input }, drawn(shape, n));
    const wrt = graph.parameters.map(({ name }) => name).filter((name) => !/^(mean|variance)/.test(name));
    const labels = { shape: [shape[0]], data: new Int32Array(shape[0]) };
    const lossy = typeGraph(withLoss(graph));
    const one = { shape: [], data: Float32Array.of(1) };
    await same(
      store,
      lossy,
      { keep: [LOSS_VALUE], target: LOSS_VALUE, wrt, traits: options.traits },
      { x: input, [LOSS_INPUT]: labels },
      one,
    );
    store.dispose();
  }
  assert.ok(count.forward > 12 && count.backward > 2, JSON.stringify(count));
});

if (dataPresent) {
  test('SqueezeNet: scores and gradients under every rule have the bits of steps apart', async () => {
    const { graph, parameters } = (await loadModel(dataPath('models', 'squeezenet1.1.onnx'))).at();
    const store = new ParameterStore(gpu, parameters);
    const typed = typeGraph(graph);
    const [{ name, shape }] = graph.inputs;
    const input = drawn(shape, 3);
    input.data.forEach((v, i) => (input.data[i] = 50 * v));
    const seed = { shape: typed.values.get(graph.scores!)!.shape, data: new Float32Array(1000) };
    seed.data[7] = 1;
    const common = { keep: [graph.scores!], target: graph.scores!, wrt: [name], traits: traitsOf(gpu) };
    assert.is(compile(typed, common).fused.filter(({ pass }) => pass === 'forward').length, 26);
    for (const relu of RULES) await same(store, typed, { ...common, rule: { relu } }, { [name]: input }, seed);
    store.dispose();
  });
} else {
  sayMissing('SqueezeNet, fused');
  test.skip('SqueezeNet: scores and gradients under every rule have the bits of steps apart');
}

test.after(() => gpu.dispose());
test.run();
