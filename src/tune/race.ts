/**
 * Kernels timed against each other: rounds in which each has its turn, so that whatever else the machine does falls on all of them alike, and
 * ratios of times from the same round.
 */
import { timesOf } from '../bench/index.ts';
import { MOST_REPEATS, type Dispatchable, type GpuTimer } from '../gpu/timer.ts';

/** How long to measure. */
export interface RaceOptions {
  /** Rounds of a race; of the last one, between two, as many again. Default: 9. */
  readonly rounds?: number;
  /** Seconds for a race; five rounds are run whatever they take. Default: 2. */
  readonly budget?: number;
}

/** A sample lasts at least so many ms. */
const SPAN_MS = 2;

const LEAST_ROUNDS = 5;

/** A kernel takes the static choice's place if it is so much faster in the median round... */
export const MARGIN = 1.05;

/** ...and faster at all in three rounds of four. */
const QUARTER = 0.25;

/** How one kernel does against another over some rounds. */
export interface Lead {
  /** The other's time over this one's: above 1 is faster. The median of the rounds, and their lower quartile. */
  readonly ratio: number;
  readonly quartile: number;
  readonly rounds: number;
}

const median = (values: readonly number[]): number => timesOf(values).median;

/** @param times of this kernel and of the other, round by round */
export function leadOf(times: readonly number[], others: readonly number[]): Lead {
  const ratios = times.map((ms, round) => others[round] / ms).sort((a, b) => a - b);
  return { ratio: median(ratios), quartile: ratios[Math.floor(QUARTER * ratios.length)], rounds: ratios.length };
}

/** Whether a lead is beyond the margin and beyond the noise of its rounds. */
export const isClear = ({ ratio, quartile }: Lead): boolean => ratio >= MARGIN && quartile > 1;

/** Some dispatches with the repeats that make a sample long enough for the clock. */
export interface Runner {
  readonly dispatches: readonly Dispatchable[];
  repeats: number;
}

/** One sample, in ms for running the dispatches once. */
export async function sample(timer: GpuTimer, { dispatches, repeats }: Runner): Promise<number> {
  const { deviceMs, wallMs } = await timer.measure(dispatches, repeats);
  return (deviceMs ?? wallMs) / repeats;
}

/** Finds out how often to repeat the dispatches, and about how long they take: the least of three samples or more, in ms. */
export async function warmUp(timer: GpuTimer, runner: Runner): Promise<number> {
  await timer.rouse(runner.dispatches);
  let ms = await sample(timer, runner);
  const short = (): boolean => ms * runner.repeats < SPAN_MS / 2 && runner.repeats < MOST_REPEATS;
  for (let k = 0; k < 2 || short(); k++) {
    const wanted = Math.min(MOST_REPEATS, Math.ceil(SPAN_MS / Math.max(ms, 1e-4)));
    runner.repeats = Math.max(1, Math.min(wanted, 16 * runner.repeats));
    ms = Math.min(ms, await sample(timer, runner));
  }
  return ms;
}

/** Times all runners in turn, another one first in each round: the times of each, round by round. */
export async function race(timer: GpuTimer, runners: readonly Runner[], { rounds = 9, budget = 2 }: RaceOptions): Promise<number[][]> {
  const started = performance.now();
  const times: number[][] = runners.map(() => []);
  for (let round = 0; round < rounds && (round < LEAST_ROUNDS || performance.now() - started < budget * 1000); round++) {
    for (let k = 0; k < runners.length; k++) {
      const turn = (round + k) % runners.length;
      times[turn].push(await sample(timer, runners[turn]));
    }
  }
  return times;
}
