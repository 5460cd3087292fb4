// The executor: nothing is allocated by a run, everything is freed, misuse is told in one line, parameters are shared.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError, ShaderError, ValidationError } from '../../src/errors.ts';
import { adoptDevice, openDevice } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { KernelCache } from '../../src/gpu/kernel.ts';
import { ParameterStore } from '../../src/gpu/store.ts';
import { typeGraph, valueInfo } from '../../src/graph.ts';
import { compile, type Plan } from '../../src/plan.ts';
import { size } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { randomNet } from '../nets.ts';

const owner = await openDevice();

/** Counts what a device makes and frees. */
const live = { buffers: 0, bytes: 0, made: 0, pipelines: 0, bindGroups: 0 };
const { device } = owner;
const [createBuffer, createPipeline, createBindGroup] = [
  device.createBuffer.bind(device),
  device.createComputePipelineAsync.bind(device),
  device.createBindGroup.bind(device),
];
device.createBuffer = (descriptor) => {
  const buffer = createBuffer(descriptor);
  live.buffers++;
  live.made++;
  live.bytes += descriptor.size;
  const destroy = buffer.destroy.bind(buffer);
  let alive = true;
  buffer.destroy = () => {
    if (alive) {
      live.buffers--;
      live.bytes -= descriptor.size;
    }
    alive = false;
    return destroy();
  };
  return buffer;
};
device.createComputePipelineAsync = (descriptor) => {
  live.pipelines++;
  return createPipeline(descriptor);
};
device.createBindGroup = (descriptor) => {
  live.bindGroups++;
  return createBindGroup(descriptor);
};
const gpu = adoptDevice(device);

const net = randomNet(8);
const plan = compile(net.graph, { target: net.graph.scores });
const seedShape = valueInfo(typeGraph(net.graph), net.graph.scores!).shape;
const seed = { shape: seedShape, data: fill(size(seedShape), normal(1)) };

test('a run allocates nothing, and dispose frees everything', async () => {
  const executor = await Executor.create(gpu, plan, net.parameters);
  const before = { ...live };
  for (let i = 0; i < 3; i++) {
    await executor.forward({ x: net.input });
    await executor.backward(seed);
    await executor.readTensor(net.graph.scores!);
    await executor.readGradient('x');
    await executor.run({ x: net.input }, seed);
  }
  assert.equal(live, before);
  assert.ok(executor.stats.bufferBytes > 0);
  executor.dispose();
  executor.dispose();
  assert.is(live.buffers, 0);
  assert.is(live.bytes, 0);
});

test('a build that fails frees what it had made', async () => {
  const parameters = new Map(net.parameters);
  parameters.delete('fc2.w');
  let message = '';
  await Executor.create(gpu, plan, parameters).catch((error: Error) => (message = error.message));
  assert.match(message, /expected a value for "fc2\.w", got none/);
  assert.is(live.buffers, 0);
});

test('executors of one network share parameters and their packed forms, and pipelines', async () => {
  const store = new ParameterStore(gpu, net.parameters);
  const first = await Executor.create(gpu, plan, store);
  const { pipelines } = live;
  const bytes = live.bytes;
  const second = await Executor.create(gpu, compile(net.graph, { target: net.graph.scores, rule: { relu: 'gradient' } }), store);
  assert.is(live.pipelines, pipelines, 'no pipeline is compiled again');
  assert.is(second.stats.dispatches.prepare, 0, 'nothing is packed again');
  assert.ok(live.bytes - bytes <= first.stats.bufferBytes, 'weights are not uploaded again');
  await first.run({ x: net.input }, seed);
  await second.run({ x: net.input }, seed);
  assert.equal((await first.readGradient('x')).data, (await second.readGradient('x')).data);
  first.dispose();
  await second.forward({ x: net.input });
  second.dispose();
  store.dispose();
  assert.is(live.buffers, 0);
});

const rejects = async (promise: Promise<unknown>, kind: new (...args: never[]) => Error, message: RegExp): Promise<void> => {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  assert.ok(error instanceof kind, `expected ${kind.name}, got ${String(error)}`);
  assert.match((error as Error).message, message);
};

test('misuse is told in one line', async () => {
  const executor = await Executor.create(gpu, plan, net.parameters);
  await rejects(executor.backward(seed), InputError, /expected a forward pass before it/);
  await rejects(executor.read(net.graph.scores!), InputError, /expected a forward pass before it/);
  await rejects(executor.forward({}), InputError, /input "x": expected a tensor .*, got none/);
  await rejects(executor.forward({ y: net.input }), InputError, /expected one of x, got "y"/);
  await rejects(
    executor.forward({ x: { shape: [1], data: new Float32Array(1) } }),
    InputError,
    /expected shape .*, got 1\. Compile a plan/,
  );
  await rejects(
    executor.forward({ x: { shape: net.input.shape, data: new Int32Array(size(net.input.shape)) } }),
    InputError,
    /expected f32, got Int32Array/,
  );
  await executor.forward({ x: net.input });
  await rejects(executor.read('nothing'), InputError, /expected one of the values kept/);
  await rejects(executor.readGradient('x'), InputError, /expected a backward pass/);
  await rejects(executor.backward({ shape: [3], data: new Float32Array(3) }), InputError, /seed: expected the shape of/);
  const [a, b] = [executor.forward({ x: net.input }), executor.forward({ x: net.input })];
  await rejects(b, Error, /expected one call at a time/);
  await a;
  executor.dispose();
  await rejects(executor.forward({ x: net.input }), InputError, /expected a live executor/);
});

const broken = (
  change: (step: Plan['forward'][number]) => Partial<Plan['forward'][number]>,
  shaders: Record<string, string> = {},
): Plan => ({
  ...plan,
  forward: plan.forward.map((step, i) => (i === 0 ? { ...step, ...change(step) } : step)),
  shaders: { ...plan.shaders, ...shaders },
});

test('a step that does not match its shader names both lists', async () => {
  const create = (p: Plan): Promise<unknown> => Executor.create(gpu, p, net.parameters);
  const unheard: Error[] = [];
  const unsubscribe = gpu.onUncapturedError((error) => unheard.push(error));
  await rejects(
    create(broken((s) => ({ bind: { x: s.bind.x } }))),
    ValidationError,
    /node ".+": expected .*\.wgsl .* to be bound .*, got x\./,
  );
  await rejects(create(broken(() => ({ entry: 'sideways' }))), ShaderError, /expected an entry point among .*, got "sideways"/);
  await rejects(create(broken(() => ({ constants: { tile: 3 } }))), ShaderError, /expected overrides among .*, got tile/);
  await rejects(create(broken((s) => ({ geometry: { ...s.geometry, hight: 1 } }))), ShaderError, /expected geometry among .*, got .*hight/);
  await rejects(create(broken((s) => ({ geometry: { ...s.geometry, batch: 0.5 } }))), ShaderError, /expected batch to be u32, got 0\.5/);
  await rejects(create(broken(() => ({ shader: 'bad' }), { bad: 'fn (' })), ShaderError, /^bad\.wgsl: expected valid WGSL/);
  const semantic =
    '@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n@compute @workgroup_size(1)\nfn forward() {\n  y[0] = 1u;\n}\n';
  await rejects(
    create(broken((s) => ({ shader: 'typo', entry: 'forward', constants: {}, geometry: {}, bind: { y: s.bind.y } }), { typo: semantic })),
    ShaderError,
    /^typo\.wgsl:4:\d+ .*\n  y\[0\] = 1u;\n +\^/,
  );
  assert.is(live.buffers, 0, 'failed builds leave nothing behind');
  assert.equal(unheard, [], 'what was told to the caller is not told again to the device');
  unsubscribe();
  // A failure is not remembered as a kernel.
  assert.ok(KernelCache.of(gpu).stats.pipelines > 0);
  const executor = await Executor.create(gpu, plan, net.parameters);
  await executor.forward({ x: net.input });
  executor.dispose();
});

test.after(() => owner.dispose());
test.run();
