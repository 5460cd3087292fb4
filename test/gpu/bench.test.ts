// The benchmark's cases at small sizes: every kind in every direction passes both of its checks, a wrong kernel is never given a speed, and the
// command writes what it measured.
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BENCH_CASES, measureRoofs, runCase, runNetwork, SCHEMA, vgg16, type BenchCase, type BenchReport } from '../../src/bench/index.ts';
import { checkResult } from '../../src/bench/check.ts';
import { identityError } from '../../src/bench/networkCheck.ts';
import { makeProblem, randomTensor } from '../../src/bench/problem.ts';
import { openDevice, traitsOf } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { GpuTimer } from '../../src/gpu/timer.ts';
import { paperNet } from '../../src/models/paper.ts';
import { heParameters } from '../../src/bench/geometry.ts';
import { compile, type Plan } from '../../src/plan.ts';
import { size } from '../../src/tensor.ts';
import { buildCommand } from '../command.ts';

const gpu = await openDevice({ quantizeTimestamps: false });
const timer = await GpuTimer.create(gpu);
const QUICK = { samples: 2, budget: 0.01 };

/** A case with less of everything that does not make its kind: places, channels, images. */
function reduced(c: BenchCase): BenchCase {
  const batch = Math.min(c.batch, 3);
  const inputs = c.inputs.map((shape, k) => {
    if (c.op === 'linear') return shape.map((extent, axis) => (k === 0 && axis === 0 ? batch : Math.min(extent, axis === 0 ? 37 : 45)));
    const most = 2 * 13 + k;
    if (c.op !== 'conv2d')
      return shape.map((extent, axis) => (axis === 0 ? batch : axis === 1 ? Math.min(extent, most) : Math.min(extent, 15)));
    const { groups } = c.attrs as { groups: number };
    const perGroup = groups > 2 ? 1 : Math.min(c.inputs[1][1], 11);
    const kept = groups > 2 ? 10 : groups;
    if (k === 0) return [batch, perGroup * kept, Math.min(shape[2], 19), Math.min(shape[3], 19)];
    return [groups > 2 ? kept : kept * 9, ...(k === 1 ? [perGroup, shape[2], shape[3]] : [])];
  });
  const attrs = c.op === 'conv2d' && (c.attrs as { groups: number }).groups > 2 ? { ...c.attrs, groups: 10 } : c.attrs;
  return { ...c, batch, inputs, attrs };
}

/** One case for each kind, direction and rule, with one image and with several. */
const KINDS = [...new Map(BENCH_CASES.map((c) => [`${c.kind} ${c.direction} ${c.rule} ${c.batch > 1}`, reduced(c)])).values()];

for (const c of KINDS) {
  test(`${c.id}, reduced`, async () => {
    const problem = makeProblem(c, traitsOf(gpu));
    const executor = await Executor.create(gpu, problem.plan, problem.tensors);
    try {
      executor.poison();
      const inputs = Object.fromEntries(problem.plan.inputs.map((name) => [name, problem.tensors.get(name)!]));
      if (problem.part === 'backward') await executor.run(inputs, problem.seed!);
      else await executor.forward(inputs);
      const got = problem.wrt === undefined ? await executor.readTensor('y') : await executor.readGradient(`x${problem.wrt}`);
      for (const sample of [false, true]) {
        const check = checkResult(problem, got, { sample });
        assert.ok(check.passed, `${sample ? 'sample' : 'whole'}: ${check.failure}`);
        assert.ok(check.compared >= Math.min(size(got.shape), sample ? 512 : Infinity), `${check.compared} of ${size(got.shape)}`);
      }
      // Either check sees one element that is wrong by a thousandth, where it looks; and one that nobody wrote, anywhere.
      const off = { shape: got.shape, data: got.data.map((v) => v * 1.001 + 1e-6) };
      for (const sample of [false, true]) assert.not.ok(checkResult(problem, off, { sample }).passed, 'values off by a thousandth');
      const hole = { shape: got.shape, data: got.data.slice() };
      hole.data[hole.data.length >> 1] = NaN;
      for (const sample of [false, true]) assert.not.ok(checkResult(problem, hole, { sample }).passed, 'an element not written');
      const zeros = { shape: got.shape, data: new Float32Array(got.data.length) };
      for (const sample of [false, true]) assert.not.ok(checkResult(problem, zeros, { sample }).passed, 'zeros');
    } finally {
      executor.dispose();
    }
  });
}

test('a row has its time, its work and its kernels; packing stands apart', async () => {
  const c = KINDS.find(({ kind, direction }) => kind === 'conv3x3' && direction === 'dx')!;
  const row = await runCase(gpu, timer, c, QUICK);
  assert.ok(row.check?.passed && row.timing && row.timing.device.median > 0);
  assert.ok(row.timing.device.median <= 1.05 * row.timing.wall.median, 'device time is part of wall time');
  assert.is(row.steps.length, 1);
  assert.ok(row.steps[0].shader.startsWith('conv2d'));
  assert.ok(row.packing, 'weights are packed for backward-input');
  assert.equal(row.repeats, { runs: 10, same: true });
  const [x, w] = c.inputs;
  assert.is(row.flop, 2 * size(w) * c.batch * x[2] * x[3]);
  assert.is(row.bytes, 4 * (size(x) + size(w) + c.batch * w[0] * x[2] * x[3]));
});

test('a wrong result has no time', async () => {
  const c = KINDS.find(({ kind, direction }) => kind === 'relu' && direction === 'forward')!;
  const change = (plan: Plan): Plan => ({ ...plan, forward: plan.forward.map((step) => ({ ...step, invocations: step.invocations / 2 })) });
  const row = await runCase(gpu, timer, c, { ...QUICK, change });
  assert.is(row.check?.passed, false);
  assert.match(row.check!.failure!, /expected it to be written/);
  assert.is(row.timing, undefined);
});

test('roofs are positive and grow with nothing but the device', async () => {
  const roofs = await measureRoofs(gpu, timer, QUICK);
  for (const { gflops } of roofs.fma) assert.ok(gflops > 0.1);
  assert.is(roofs.streams.length, 6);
  for (const { gbs } of roofs.streams) assert.ok(gbs > 0.01);
  // Not which of them is longer: other work on the machine decides that in a run this short.
  assert.ok(roofs.dispatchMs > 0 && roofs.submitMs > 0);
});

test('a network has both passes and their ratio', async () => {
  const graph = paperNet({ width: 8, input: 64, classes: 10 });
  const row = await runNetwork(gpu, timer, { name: 'small', graph, parameters: heParameters(graph.parameters) }, QUICK);
  assert.is(row.check?.method, 'layers');
  assert.ok(row.check?.passed && row.same);
  assert.ok(row.hostUs!.samples >= 3 && row.hostUs!.min > 0);
  assert.is(row.ratio, row.gradient!.device.median / row.forward!.device.median);
  const { graph: vgg } = vgg16(2);
  assert.equal(vgg.inputs[0].shape, [2, 3, 224, 224]);
});

test('without biases, scores and gradient obey <dS/dI, I> = S, and a wrong gradient does not', async () => {
  const full = paperNet({ width: 8, input: 64, classes: 10, batch: 2 });
  // Without normalisation every layer is positively homogeneous.
  const names = new Map(full.nodes.filter(({ op }) => op === 'lrn').map(({ inputs: [x], outputs: [y] }) => [y, x]));
  const nodes = full.nodes.filter(({ op }) => op !== 'lrn').map((node) => ({ ...node, inputs: node.inputs.map((x) => names.get(x) ?? x) }));
  const graph = { ...full, nodes };
  const input = { shape: [2, 3, 64, 64], data: randomTensor([2, 3, 64, 64], 7).data };
  const seed = { shape: [2, 10], data: new Float32Array(20) };
  seed.data[4] = seed.data[11] = 1;
  const executor = await Executor.create(gpu, compile(graph, { target: 'fc8', wrt: ['data'] }), heParameters(graph.parameters));
  try {
    await executor.run({ data: input }, seed);
    const [scores, gradient] = [await executor.readTensor('fc8'), await executor.readGradient('data')];
    assert.ok(identityError({ input, seed, scores, gradient }) < 1e-5);
    const wrong = { shape: gradient.shape, data: gradient.data.map((v, i) => (i % 64 < 8 ? 0 : v)) };
    assert.ok(identityError({ input, seed, scores, gradient: wrong }) > 1e-3);
  } finally {
    executor.dispose();
  }
});

test('bench writes its report, its table and its roofline, and compares with itself', async () => {
  const { run, at } = await buildCommand();
  const quick = [
    'bench',
    '--cases',
    'softmax/*/b1',
    '--cases',
    'conv1x1/squeezenet.fire2*/forward/b1',
    '--samples',
    '2',
    '--budget',
    '0.01',
  ];
  const first = await run([...quick, '--json', at('a.json'), '--csv', at('a.csv'), '--svg', at('a.svg')]);
  assert.is(first.code, 0, first.err);
  const report = JSON.parse(readFileSync(at('a.json'), 'utf8')) as BenchReport;
  assert.is(report.schema, SCHEMA);
  assert.equal(
    report.cases.map(({ id }) => id),
    ['conv1x1/squeezenet.fire2_squeeze/forward/b1', 'softmax/googlenet.prob/forward/b1', 'softmax/googlenet.prob/dx/b1'],
  );
  for (const row of report.cases) assert.ok(row.share! > 0 && row.check!.passed);
  assert.is(readFileSync(at('a.csv'), 'utf8').split('\r\n').length, 5);
  assert.match(readFileSync(at('a.svg'), 'utf8'), /conv1x1\/squeezenet\.fire2_squeeze/);
  const second = await run([...quick, '--baseline', at('a.json'), '--threshold', '100000']);
  assert.is(second.code, 0, second.err);
  assert.match(second.out, /baseline: 3 in common, 0 beyond/);
  const none = await run(['bench', '--cases', 'nothing/of/the/kind']);
  assert.is(none.code, 2);
  assert.match(none.err, /--cases: expected a pattern/);
});

test.after(() => {
  timer.dispose();
  gpu.dispose();
});
test.run();
