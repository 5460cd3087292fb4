/** Contenders timed side by side: round by round, each in turn, so that whatever else the machine does falls on all of them alike. */
import { timesOf, type Times } from '../../src/bench/samples.ts';
import { untilLost, type Gpu } from '../../src/gpu/device.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import type { Contender } from './contender.ts';

/** One engine's row. */
export interface Lane {
  readonly name: string;
  /** Wall time of one submission, from the call until the device has nothing left to do, in ms. */
  readonly times?: Times;
  /** Submissions in a sample. */
  readonly repeats?: number;
  /** Median over Backlight's median: above 1, Backlight is faster. */
  readonly ratio?: number;
  /** The same of the least times, which other work on the machine disturbs less. */
  readonly leastRatio?: number;
  /** The Euclidean norm of the difference from Backlight's result over the norm of that. */
  readonly difference?: number;
  /** Why there is no time. */
  readonly reason?: string;
}

export interface RaceOptions {
  readonly rounds: number;
  /** Seconds for the rounds of one case; two are run whatever they take. */
  readonly budget: number;
  /** The largest relative difference that counts as the same result. */
  readonly tolerance: number;
}

const SPAN_MS = 4;
const MOST_REPEATS = 512;
const LEAST_ROUNDS = 2;

/** The relative difference of two results in the Euclidean norm; infinite if their shapes have other sizes. */
export function difference(got: Tensor, want: Tensor): number {
  if (size(got.shape) !== size(want.shape)) return Infinity;
  let [wrong, all] = [0, 0];
  want.data.forEach((v, i) => {
    wrong += (got.data[i] - v) ** 2;
    all += v * v;
  });
  return Number.isFinite(wrong) ? Math.sqrt(wrong / (all || 1)) : Infinity;
}

async function sample(gpu: Gpu, { submit }: Contender, repeats: number): Promise<number> {
  const started = performance.now();
  for (let k = 0; k < repeats; k++) await submit();
  await untilLost(gpu, { label: 'race' }, gpu.device.queue.onSubmittedWorkDone());
  return performance.now() - started;
}

/**
 * Compares every contender's result with the first one's, which is Backlight's, and times those that agree.
 * @returns a lane for each contender, in their order
 */
export async function race(gpu: Gpu, contenders: readonly Contender[], { rounds, budget, tolerance }: RaceOptions): Promise<Lane[]> {
  const lanes: Lane[] = [];
  const runners: { contender: Contender; repeats: number; times: number[] }[] = [];
  let want: Tensor | undefined;
  for (const contender of contenders) {
    try {
      await sample(gpu, contender, 1);
      const got = await contender.read();
      want ??= got;
      const off = difference(got, want);
      if (!(off <= tolerance)) {
        lanes.push({ name: contender.name, difference: off, reason: `its result differs by ${off.toExponential(1)}` });
        continue;
      }
      // Everything is compiled and allocated now.
      const ms = await sample(gpu, contender, 1);
      const repeats = Math.min(MOST_REPEATS, Math.max(1, Math.ceil(SPAN_MS / Math.max(ms, 1e-3))));
      runners.push({ contender, repeats, times: [] });
      lanes.push({ name: contender.name, difference: off });
    } catch (error) {
      if (gpu.loss) throw error;
      lanes.push({ name: contender.name, reason: error instanceof Error ? error.message.split('\n')[0] : String(error) });
    }
  }
  const started = performance.now();
  for (let round = 0; round < rounds && (round < LEAST_ROUNDS || performance.now() - started < 1000 * budget); round++) {
    // Everyone goes first as often as the others.
    for (let k = 0; k < runners.length; k++) {
      const runner = runners[(k + round) % runners.length];
      runner.times.push((await sample(gpu, runner.contender, runner.repeats)) / runner.repeats);
    }
  }
  const times = new Map(runners.map(({ contender, times, repeats }) => [contender.name, { times: timesOf(times), repeats }]));
  const base = times.get(contenders[0].name)?.times;
  return lanes.map((lane) => {
    const own = times.get(lane.name);
    return own
      ? { ...lane, ...own, ...(base ? { ratio: own.times.median / base.median, leastRatio: own.times.min / base.min } : {}) }
      : lane;
  });
}
