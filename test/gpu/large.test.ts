// Sizes at which engines break: more workgroups than one dimension takes, bindings beyond the default 128 MiB, tensors beyond what a device
// allows.
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LimitError } from '../../src/errors.ts';
import { chooseAdapter } from '../../src/gpu/adapter.ts';
import { adoptDevice, openDevice } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { reflect } from '../../src/gpu/kernel.ts';
import { typeGraph, valueInfo, type Graph } from '../../src/graph.ts';
import { compile, type Plan, type Step } from '../../src/plan.ts';
import { sumBound } from '../../src/reference/bounds.ts';
import { size, type Shape, type Tensor } from '../../src/tensor.ts';
import { describeCase, type OpCase } from '../../src/verify/cases.ts';
import { gradcheck } from '../../src/verify/gradcheck.ts';
import { checkCase, explainFailure } from '../../src/verify/kernels.ts';
import { fill, normal, uniform } from '../../src/verify/random.ts';
import { randomNet } from '../nets.ts';

const gpu = await openDevice();
const { limits } = gpu.device;
const DEFAULT_BINDING = 2 ** 27;

/** The graph of one op on x0, x1, ...; those listed as parameters are. */
function oneNode(op: string, inputs: readonly Shape[], attrs: OpCase['attrs'], parameters: readonly number[] = []): Graph {
  const specs = inputs.map((shape, k) => ({ name: `x${k}`, shape }));
  return {
    name: op,
    inputs: specs.filter((_, k) => !parameters.includes(k)),
    parameters: specs.filter((_, k) => parameters.includes(k)),
    nodes: [{ name: op, op, inputs: specs.map((spec) => spec.name), outputs: ['y'], attrs }],
    outputs: ['y'],
  };
}

/** Steps that need more workgroups than one dimension takes. */
function folded(plan: Plan, steps: readonly Step[]): Step[] {
  return steps.filter(({ shader, entry, invocations }) => {
    const { workgroupSize } = reflect(shader, plan.shaders[shader]).entries.get(entry)!;
    return invocations > limits.maxComputeWorkgroupsPerDimension * workgroupSize;
  });
}

// A few elements more than 65,535 workgroups of 64 make, in extents that no power of two divides.
const PLANES: Shape = [1, 3, 1183, 1187];
const MANY: readonly OpCase[] = [
  { op: 'conv2d', inputs: [[1, 2, 2051, 2053], [1, 2, 3, 3], [1]], attrs: { pad: [1, 1, 1, 1] }, parameters: [1, 2], fill: ['ties'] },
  {
    op: 'conv2d',
    inputs: [
      [1, 2_100_000, 1, 1],
      [4_200_000, 1, 1, 1],
    ],
    attrs: { groups: 2_100_000 },
    parameters: [1],
    fill: ['ties'],
  },
  // A column wide: backward makes four columns to an invocation. What makes four elements in any case (ReLU, blocks of a copy, max-pooling
  // forward) would take 67 million of them; the self-test has all of them in several rows of workgroups.
  { op: 'maxpool2d', inputs: [[1, 1, 8_400_001, 1]], attrs: { kernel: [2, 1] }, fill: ['ties'] },
  { op: 'batchnorm', inputs: [PLANES, [3], [3], [3], [3]], fill: ['ties', , , , 'positive'] },
  { op: 'add', inputs: [PLANES, [3, 1, 1]], fill: ['ties'] },
  { op: 'pad', inputs: [PLANES], attrs: { before: [0, 0, 1, 0], after: [0, 1, 0, 2] }, fill: ['ties'] },
  { op: 'globalmaxpool', inputs: [[1, 4_200_001, 1]], fill: ['ties'] },
  { op: 'softmax', inputs: [[4_200_001, 1]], fill: ['ties'] },
  { op: 'dropout', inputs: [PLANES], training: true, fill: ['ties'] },
];

/** What each of these reaches beyond one dimension, as `shader.entry`. */
const reached = new Set<string>();

for (const c of MANY) {
  test(`more than 65,535 workgroups: ${describeCase(c)}`, async () => {
    const plan = compile(oneNode(c.op, c.inputs, c.attrs, c.parameters), { target: 'y', training: c.training });
    const steps = folded(plan, [...plan.prepare, ...plan.forward, ...plan.backward]);
    assert.ok(steps.length > 0, 'a dispatch needs more workgroups than one dimension takes');
    for (const { shader, entry } of steps) reached.add(`${shader}.${entry}`);
    const report = await checkCase(gpu, c);
    assert.ok(report.comparisons.length > 1);
    assert.ok(report.passed, explainFailure(report));
  });
}

test('these were reached by more than 65,535 workgroups', () => {
  const windows = ['conv2d.direct', 'pack.pack', 'maxpool2d.backward', 'globalpool.maxForward'];
  const pointwise = ['batchnorm.forward', 'batchnorm.backwardInput', 'binary.addBroadcast'];
  const rows = ['copy.pad', 'copy.crop', 'softmax.softmax', 'softmax.softmaxBackward', 'dropout.apply'];
  for (const entry of [...windows, ...pointwise, ...rows]) assert.ok(reached.has(entry), `${entry} is among ${[...reached].join(', ')}`);
});

test('every entry point finds its index across both dimensions of the dispatch', () => {
  // The roofs' kernels are dispatched in one row.
  for (const file of readdirSync('shaders').filter((name) => name.endsWith('.wgsl') && name !== 'roof.wgsl')) {
    const source = readFileSync(`shaders/${file}`, 'utf8');
    for (const { name, workgroupSize } of reflect(file.replace('.wgsl', ''), source).entries.values()) {
      if (workgroupSize === 1) continue; // One invocation in all.
      const from = source.search(new RegExp(`fn ${name}\\(`));
      const body = source.slice(from, source.indexOf('@compute', from) < 0 ? undefined : source.indexOf('@compute', from));
      // By itself, in a helper, of the invocation, or of the workgroup whose invocations share the work.
      const whole = body.includes('places(group, groups, local)') ? source : body;
      assert.match(whole, /\bgroup\.y \* groups\.x \+ group\.x\b/, `${file} ${name}`);
      const own = new RegExp(`\\(group\\.y \\* groups\\.x \\+ group\\.x\\) \\* (4u \\+ j\\) \\* )?(\\d+)u \\+ local\\b`).exec(whole);
      if (own) assert.is(Number(own[2]) % workgroupSize, 0, `${file} ${name}: ${own[0]}`);
    }
  }
});

// 134.6 MB of weights: a fully-connected layer as linear, and as the 1x1 convolution that packs them.
const [OUT, IN] = [8209, 4099];
const layers: readonly { readonly op: string; readonly x: Shape; readonly w: Shape }[] = [
  { op: 'linear', x: [1, IN], w: [OUT, IN] },
  { op: 'conv2d', x: [1, IN, 1, 1], w: [OUT, IN, 1, 1] },
];
const weightBytes = 4 * OUT * IN;
assert.ok(weightBytes > DEFAULT_BINDING);
const roomy = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) >= 1.01 * weightBytes;

if (!roomy) {
  console.log(`skipped: bindings over 128 MiB: ${gpu.info.name} allows ${limits.maxStorageBufferBindingSize} bytes`);
  test.skip('bindings over 128 MiB');
} else {
  const next = uniform(5);
  const weights = fill(OUT * IN, () => next() - 0.5);
  const x = fill(IN, normal(6));
  const seed = fill(OUT, normal(7));
  /** First, last, and some between. */
  const sample = (n: number): number[] => [1, 2, ...Array.from({ length: 61 }, (_, i) => Math.floor((i * n) / 61)), n - 2, n - 1];

  /** Holds a sum of products to gamma_K sum|a||b|, evaluated here in f64. */
  const check = (what: string, got: number, terms: number, a: (k: number) => number, b: (k: number) => number): void => {
    let [sum, magnitude] = [0, 0];
    for (let k = 0; k < terms; k++) {
      const product = a(k) * b(k);
      sum += product;
      magnitude += Math.abs(product);
    }
    const bound = sumBound(terms, magnitude);
    assert.ok(Math.abs(got - sum) <= bound, `${what}: expected ${sum} within ${bound}, got ${got}`);
  };

  for (const { op, x: xShape, w: wShape } of layers) {
    test(`a binding over 128 MiB: ${op} with ${OUT} x ${IN} weights, forward and backward to both`, async () => {
      const graph = oneNode(op, [xShape, wShape], {}, [1]);
      const plan = compile(graph, { target: 'y', wrt: ['x0', 'x1'] });
      const executor = await Executor.create(gpu, plan, new Map([['x1', { shape: wShape, data: weights }]]));
      try {
        executor.poison();
        const yShape = valueInfo(typeGraph(graph), 'y').shape;
        await executor.run({ x0: { shape: xShape, data: x } }, { shape: yShape, data: seed });
        const y = await executor.readTensor('y');
        const dx = await executor.readGradient('x0');
        const dw = await executor.readGradient('x1');
        assert.equal([y.data.length, dx.data.length, dw.data.length], [OUT, IN, OUT * IN]);
        for (const o of sample(OUT))
          check(
            `y[${o}]`,
            y.data[o],
            IN,
            (k) => x[k],
            (k) => weights[o * IN + k],
          );
        for (const i of sample(IN))
          check(
            `dx[${i}]`,
            dx.data[i],
            OUT,
            (k) => seed[k],
            (k) => weights[k * IN + i],
          );
        for (const at of sample(OUT * IN))
          check(
            `dw[${at}]`,
            dw.data[at],
            1,
            () => seed[Math.floor(at / IN)],
            () => x[at % IN],
          );
      } finally {
        executor.dispose();
      }
    });
  }
}

/** A device as WebGPU gives it when nothing is asked for: default limits, no features. */
async function defaultDevice(): Promise<GPUDevice> {
  const { adapter } = await chooseAdapter();
  return adapter.requestDevice();
}

test('a tensor over the limit is an error that names it, its node, its bytes and the limit', async () => {
  const device = await defaultDevice();
  try {
    const small = adoptDevice(device);
    assert.is(small.info.limits.maxStorageBufferBindingSize, DEFAULT_BINDING);
    // One element more than 128 MiB; buffers are whole units of 16 bytes.
    const huge = 33_554_433;
    const graphs: readonly { readonly graph: Graph; readonly names: readonly RegExp[] }[] = [
      // Made by a node, given as an input, given as a parameter, made from a parameter by packing it.
      { graph: oneNode('pad', [[1]], { before: [0], after: [huge - 1] }), names: [/^node "pad"/, /"y" 33554433 of/, /134217744 bytes/] },
      { graph: oneNode('relu', [[huge]], {}), names: [/^graph "relu"/, /"x0" 33554433 of/, /134217744 bytes/] },
      {
        graph: oneNode(
          'linear',
          [
            [1, 4099],
            [8209, 4099],
          ],
          {},
          [1],
        ),
        names: [/^graph "linear"/, /"x1" 8209x4099 of/, /134594768 bytes/],
      },
      {
        graph: oneNode(
          'conv2d',
          [
            [1, 4000, 1, 1],
            [8387, 4000, 1, 1],
          ],
          {},
          [1],
        ),
        names: [/^node "conv2d"/, /"x1#/, /134\d{6} bytes/],
      },
    ];
    for (const { graph, names } of graphs) {
      let error: unknown;
      try {
        // No values: the limit is checked before anything is uploaded.
        (await Executor.create(small, compile(graph), new Map())).dispose();
      } catch (caught) {
        error = caught;
      }
      assert.instance(error, LimitError, String(error));
      const { message } = error as LimitError;
      for (const part of [...names, /at most 134217728 bytes/, /Use a smaller batch or another adapter/]) assert.match(message, part);
    }
    small.check();
  } finally {
    device.destroy();
  }
});

test('default limits and no features suffice for a network', async () => {
  const device = await defaultDevice();
  try {
    const small = adoptDevice(device);
    const { graph, parameters, input } = randomNet(3);
    const { shape } = valueInfo(typeGraph(graph), graph.scores!);
    const seed: Tensor = { shape, data: fill(size(shape), normal(1)) };
    const wrt = ['x', ...graph.parameters.map((p) => p.name).filter((name) => !/^(mean|variance)/.test(name))];
    const report = await gradcheck(small, graph, parameters, input, { target: graph.scores!, seed, rule: { relu: 'gradient' }, wrt });
    assert.equal(
      report.layers.filter((layer) => !layer.passed),
      [],
    );
    small.check();
  } finally {
    device.destroy();
  }
});

test.after(() => gpu.dispose());
test.run();
