// Tuning on the device: every candidate is held to f64, a planted fault keeps a kernel from being chosen, and what is pinned gives the same bits in
// every run.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BENCH_CASES, planOf, type BenchCase } from '../../src/bench/index.ts';
import { openDevice, traitsOf } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { GpuTimer } from '../../src/gpu/timer.ts';
import { compile, type Choices, type Plan } from '../../src/plan.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { choiceOf, tuneCase, type TunedShape } from '../../src/tune/index.ts';
import { pinnedTraits } from '../../src/verify/candidates.ts';
import { CASES, describeCase, type OpCase } from '../../src/verify/cases.ts';
import { checkCase, explainFailure } from '../../src/verify/kernels.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { randomNet } from '../nets.ts';

const gpu = await openDevice({ quantizeTimestamps: false });
const timer = await GpuTimer.create(gpu);
const QUICK = { rounds: 5, budget: 0.02 };
const OWN = traitsOf(gpu);

// Of the short list, those that are not long for the sake of many workgroups.
const few = ({ attrs }: OpCase): boolean => ((attrs?.groups as number | undefined) ?? 1) < 100;
for (const c of CASES.filter(({ op, essential }) => essential && (op === 'conv2d' || op === 'linear')).filter(few)) {
  test(`every candidate: ${describeCase(c)}`, async () => {
    const traits = [...pinnedTraits(c, OWN), ...pinnedTraits(c, { quads: false, tiles: true })];
    assert.ok(traits.length > 2, 'expected something to choose from');
    const report = await checkCase(gpu, c, undefined, traits);
    assert.ok(report.passed, explainFailure(report));
  });
}

const layer = BENCH_CASES.find(({ id }) => id === 'conv3x3/googlenet.3a_3x3/forward/b1')!;
const SMALL: BenchCase = { ...layer, id: 'small', inputs: [[1, 16, 12, 12], [24, 16, 3, 3], [24]] };

/** Every plan that holds a shader gets another text of it. */
const planted =
  (shader: string, find: string, replace: string) =>
  (plan: Plan): Plan => {
    const source = plan.shaders[shader];
    if (source === undefined) return plan;
    assert.ok(source.includes(find), `shaders/${shader}.wgsl no longer holds "${find}"`);
    return { ...plan, shaders: { ...plan.shaders, [shader]: source.replaceAll(find, replace) } };
  };

const verdicts = ({ candidates }: TunedShape, verdict: string): string[] =>
  candidates.flatMap((one) => (one.verdict === verdict ? [one.variant] : []));

test('all candidates of a shape pass their check, and what is chosen was measured', async () => {
  for (const direction of ['forward', 'dx', 'dw'] as const) {
    const c = { ...SMALL, direction };
    const shape = (await tuneCase(gpu, timer, c, QUICK))!;
    const { candidates } = choiceOf(planOf(c, OWN), c)!;
    assert.equal(shape.candidates.map(({ variant }) => variant).sort(), [...candidates].sort());
    assert.equal(verdicts(shape, 'refused'), []);
    for (const { worst, ms } of shape.candidates) assert.ok(worst! <= 1 && ms! > 0);
    assert.ok(verdicts(shape, 'raced').includes(shape.fixed), 'the static choice is always in the race');
    if (shape.pinned !== undefined) {
      assert.ok(verdicts(shape, 'raced').includes(shape.pinned));
      assert.ok(shape.ratio! >= 1.05);
    }
  }
});

// On a software adapter the static choice is among them.
const register = 'conv2d_tile';
const FAULTS: readonly (readonly [what: string, shader: string, find: string, replace: string])[] = [
  ['lost bias', register, 'g.biased == 1u', 'g.biased == 2u'],
  ['wrong lane of a quad', 'conv2d_quad', 'quadBroadcast(own0, 1u)', 'quadBroadcast(own0, 2u)'],
  ['few channels, the next tap too early', register, 'let pastChannels = c == g.inputs', 'let pastChannels = c + 1u >= g.inputs'],
  ['it does not compile', register, 'image0 = (p0.n', 'image0 = nothing + (p0.n'],
];

for (const [what, shader, find, replace] of FAULTS) {
  test(`a planted fault, ${what}: the kernel is refused, named, and another is chosen`, async () => {
    const broken = new Set(
      planOf(SMALL, OWN).choices[0].candidates.filter((name) => {
        const plan = planOf(SMALL, { ...OWN, choices: { [choiceOf(planOf(SMALL, OWN), SMALL)!.key]: name } });
        return plan.forward.some((step) => step.shader === shader);
      }),
    );
    const shape = (await tuneCase(gpu, timer, SMALL, { ...QUICK, change: planted(shader, find, replace) }))!;
    const refused = verdicts(shape, 'refused');
    assert.ok(refused.length > 0 || broken.size === 0, 'expected a refusal');
    if (OWN.quads && shader === 'conv2d_quad') assert.ok(refused.includes(shape.fixed), 'the static choice is among what was broken');
    for (const name of refused) assert.ok(broken.has(name), name);
    for (const { verdict, why } of shape.candidates) if (verdict === 'refused') assert.ok(why!.length > 0);
    assert.not.ok(refused.includes(shape.pinned ?? ''), 'what is pinned is sound');
    if (refused.includes(shape.fixed)) {
      assert.ok(shape.pinned !== undefined, 'a broken static choice gives way');
      assert.ok(verdicts(shape, 'raced').includes(shape.pinned));
      assert.is(shape.ratio, undefined, 'nothing is said of how much faster than a wrong result it is');
    }
  });
}

/** Pins for everything that a plan chooses: the n-th candidate of each, counted from the last. */
const pinsOf = ({ choices }: Plan, n: number): Choices =>
  Object.fromEntries(choices.map(({ key, candidates }) => [key, candidates[Math.max(0, candidates.length - 1 - (n % candidates.length))]]));

test('a pinned plan gives the same bits in every run and on every executor, near those of the static choice', async () => {
  for (const n of [2, 5, 11]) {
    const { graph, parameters } = randomNet(n, { depth: 7 });
    const wrt = ['x', ...graph.parameters.map(({ name }) => name).filter((name) => !/^(mean|variance)/.test(name))];
    const options = { target: graph.scores!, wrt };
    const [{ shape }] = graph.inputs;
    const x: Tensor = { shape, data: fill(size(shape), normal(n)) };
    const ask = async (plan: Plan, runs: number): Promise<Float32Array[][]> => {
      const executor = await Executor.create(gpu, plan, parameters);
      try {
        const scores = plan.values[graph.scores!].shape;
        const seed: Tensor = { shape: scores, data: fill(size(scores), normal(n + 1)) };
        const all: Float32Array[][] = [];
        for (let run = 0; run < runs; run++) {
          executor.poison();
          await executor.run({ x }, seed);
          const tensors = [(await executor.readTensor(graph.scores!)).data];
          for (const name of Object.keys(plan.gradients)) tensors.push((await executor.readGradient(name)).data);
          all.push(tensors);
        }
        return all;
      } finally {
        executor.dispose();
      }
    };
    const plain = compile(graph, { ...options, traits: OWN });
    const [fixed] = await ask(plain, 1);
    for (const k of [0, 1, 2]) {
      const plan = compile(graph, { ...options, traits: { ...OWN, choices: pinsOf(plain, k) } });
      const runs = [...(await ask(plan, 5)), ...(await ask(plan, 2))];
      for (const tensors of runs) {
        tensors.forEach((data, t) => {
          const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
          const first = new Uint32Array(runs[0][t].buffer, runs[0][t].byteOffset, data.length);
          assert.is(
            words.findIndex((word, i) => word !== first[i]),
            -1,
            `net ${n}, pins ${k}, tensor ${t}`,
          );
        });
      }
      runs[0].forEach((data, t) => {
        const norm = Math.hypot(...fixed[t]);
        assert.ok(Math.hypot(...data.map((v, i) => v - fixed[t][i])) <= 1e-4 * norm, `net ${n}, pins ${k}, tensor ${t}`);
      });
    }
  }
});

test.after(() => {
  timer.dispose();
  gpu.dispose();
});
test.run();
