// The same input gives the same bits: run after run, on a fresh executor, after other plans have used the memory, with shared parameters.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { ParameterStore } from '../../src/gpu/store.ts';
import { typeGraph, valueInfo, withBatch, type Graph } from '../../src/graph.ts';
import { compile, type CompileOptions, type Plan } from '../../src/plan.ts';
import { size, type AnyTensor, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { randomNet } from '../nets.ts';

const gpu = await openDevice();
const RUNS = 10;
const BATCH = 3;

interface Subject {
  readonly graph: Graph;
  readonly parameters: ReadonlyMap<string, AnyTensor>;
  readonly x: Tensor;
  readonly seed: Tensor;
  readonly target: string;
  /** The input, and every parameter that has a gradient. */
  readonly wrt: readonly string[];
}

/** A random net on a batch of three. */
function subject(n: number): Subject {
  const net = randomNet(n, { depth: 7 });
  const graph = withBatch(net.graph, BATCH);
  const shape = graph.inputs[0].shape;
  const target = graph.scores!;
  const scores = valueInfo(typeGraph(graph), target).shape;
  assert.is(scores[0], BATCH);
  return {
    graph,
    parameters: net.parameters,
    x: { shape, data: fill(size(shape), normal(n + 1)) },
    seed: { shape: scores, data: fill(size(scores), normal(n + 2)) },
    target,
    wrt: ['x', ...graph.parameters.map((p) => p.name).filter((name) => !/^(mean|variance)/.test(name))],
  };
}

type Bits = ReadonlyMap<string, Uint32Array>;

/** Runs both passes and reads all that the plan keeps, as bits. */
async function bitsOf(executor: Executor, { x, seed }: Subject): Promise<Bits> {
  if (executor.plan.target === undefined) await executor.forward({ x });
  else await executor.run({ x }, seed);
  const bits = new Map<string, Uint32Array>();
  for (const name of executor.plan.readable) bits.set(name, new Uint32Array((await executor.read(name)).data.buffer));
  for (const name of Object.keys(executor.plan.gradients)) {
    bits.set(`d(${name})`, new Uint32Array((await executor.readGradient(name)).data.buffer));
  }
  return bits;
}

/** Everything in `got` is in `want`, bit by bit. */
function sameBits(got: Bits, want: Bits, when: string): void {
  assert.ok(got.size > 0);
  for (const [name, bits] of got) {
    const other = want.get(name)!;
    assert.is(bits.length, other.length, name);
    const at = bits.findIndex((word, i) => word !== other[i]);
    assert.is(at, -1, `${when}: ${name}[${at}] differs`);
  }
}

const whole = (s: Subject, options: CompileOptions = {}): Plan => compile(s.graph, { target: s.target, wrt: s.wrt, ...options });

/** Nothing stayed poisoned, and not everything is zero. */
function sound(bits: Bits): void {
  for (const [name, words] of bits)
    assert.ok(
      new Float32Array(words.buffer).every((v) => Number.isFinite(v)),
      `${name} is finite`,
    );
  assert.ok(
    [...bits].some(([name, words]) => name.startsWith('d(') && words.some((word) => word !== 0)),
    'some gradient is not zero',
  );
}

const subjects = [2, 5, 11, 17].map(subject);

for (const [i, s] of subjects.entries()) {
  const { graph, parameters } = s;

  test(`${graph.name}, batch ${BATCH}: ${RUNS} runs give the same bits`, async () => {
    const executor = await Executor.create(gpu, whole(s), parameters);
    try {
      executor.poison();
      const first = await bitsOf(executor, s);
      sound(first);
      for (const name of s.wrt) assert.ok(first.has(`d(${name})`), `there is a gradient for ${name}`);
      for (let run = 1; run < RUNS; run++) {
        // What is left over from the last run, or from another input, must not matter; nor whether the passes go together.
        if (run % 3 === 1) executor.poison();
        if (run % 3 === 2) await executor.run({ x: { shape: s.x.shape, data: s.x.data.map((v) => 2 - v) } }, s.seed);
        sameBits(await bitsOf(executor, s), first, `run ${run}`);
        await executor.forward({ x: s.x });
        await executor.backward(s.seed);
        const alone = new Uint32Array((await executor.readGradient('x')).data.buffer);
        sameBits(new Map([['d(x)', alone]]), first, `run ${run}, passes apart`);
      }
    } finally {
      executor.dispose();
    }
  });

  test(`${graph.name}: a fresh executor, and one on memory that another plan has used, give the same bits`, async () => {
    const once = async (): Promise<Bits> => {
      const executor = await Executor.create(gpu, whole(s), parameters);
      try {
        return await bitsOf(executor, s);
      } finally {
        executor.dispose();
      }
    };
    const first = await once();
    sound(first);
    sameBits(await once(), first, 'a fresh executor');
    // Another network's plan between two runs: made, run, and its buffers given back full of its own numbers and of NaN.
    const other = subjects[(i + 1) % subjects.length];
    const before = await Executor.create(gpu, whole(s), parameters);
    try {
      sameBits(await bitsOf(before, s), first, 'before another plan');
      const between = await Executor.create(gpu, whole(other), other.parameters);
      try {
        await bitsOf(between, other);
        sameBits(await bitsOf(before, s), first, 'beside another plan');
        between.poison();
      } finally {
        between.dispose();
      }
      sameBits(await bitsOf(before, s), first, 'after another plan');
    } finally {
      before.dispose();
    }
    sameBits(await once(), first, 'on memory used before');
  });

  test(`${graph.name}: plans that share their parameters give the bits that they give alone`, async () => {
    const { target } = s;
    // Every kind of question a network is asked: scores, input gradients under two rules, everything with everything kept.
    const plans: Plan[] = [
      compile(graph, { keep: [target] }),
      compile(graph, { target, wrt: ['x'] }),
      compile(graph, { target, wrt: ['x'], rule: { relu: 'deconvnet' } }),
      whole(s, { keepAll: true, signals: 'all' }),
    ];
    const alone: Bits[] = [];
    for (const plan of plans) {
      const executor = await Executor.create(gpu, plan, parameters);
      alone.push(await bitsOf(executor, s));
      executor.dispose();
    }
    // Kept or not, shared slots or not: what two plans both tell is the same.
    for (const k of [0, 1]) sameBits(alone[k], alone[3], `plan ${k} and the one that keeps all`);

    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
    ]) {
      const store = new ParameterStore(gpu, parameters);
      const executors = new Map<number, Executor>();
      try {
        for (const k of order) {
          executors.set(k, await Executor.create(gpu, plans[k], store));
          for (const [j, executor] of executors) sameBits(await bitsOf(executor, s), alone[j], `plan ${j} once plan ${k} is there`);
        }
        // One that goes takes nothing with it.
        executors.get(order[0])!.dispose();
        executors.delete(order[0]);
        for (const [j, executor] of executors) sameBits(await bitsOf(executor, s), alone[j], `plan ${j} after plan ${order[0]} is gone`);
      } finally {
        for (const executor of executors.values()) executor.dispose();
        store.dispose();
      }
    }
  });

  test(`${graph.name}: plans made at the same time on one store give the bits that they give alone`, async () => {
    const plans = [compile(graph, { keep: [s.target] }), whole(s), compile(graph, { target: s.target, wrt: ['x'] })];
    const alone: Bits[] = [];
    for (const plan of plans) {
      const executor = await Executor.create(gpu, plan, parameters);
      alone.push(await bitsOf(executor, s));
      executor.dispose();
    }
    const store = new ParameterStore(gpu, parameters);
    const made = await Promise.allSettled(plans.map((plan) => Executor.create(gpu, plan, store)));
    try {
      for (const [k, result] of made.entries()) {
        if (result.status === 'rejected') throw result.reason;
        sameBits(await bitsOf(result.value, s), alone[k], `plan ${k}`);
      }
    } finally {
      for (const result of made) if (result.status === 'fulfilled') result.value.dispose();
      store.dispose();
    }
  });
}

test('training: the same seed and iteration draw the same masks, another iteration others', async () => {
  const seeds = Array.from({ length: 40 }, (_, n) => n);
  const s = subject(seeds.find((n) => randomNet(n, { depth: 7 }).graph.nodes.some((node) => node.op === 'dropout'))!);
  const executor = await Executor.create(gpu, whole(s, { training: true }), s.parameters);
  try {
    const draw = async (seed: number, iteration: number): Promise<Bits> => {
      executor.poison();
      executor.setRandom(seed, iteration);
      return bitsOf(executor, s);
    };
    const first = await draw(7, 1);
    sound(first);
    for (let run = 1; run < RUNS; run++) sameBits(await draw(7, 1), first, `run ${run}`);
    for (const [seed, iteration] of [
      [7, 2],
      [8, 1],
    ]) {
      const other = await draw(seed, iteration);
      const differs = [...other].some(([name, bits]) => bits.some((word, i) => word !== first.get(name)![i]));
      assert.ok(differs, `seed ${seed}, iteration ${iteration}`);
    }
  } finally {
    executor.dispose();
  }
});

test.after(() => gpu.dispose());
test.run();
