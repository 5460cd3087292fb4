/** What times can be taken by on a device, and how finely: browsers let their clocks go in steps. */
import type { Gpu } from '../gpu/device.ts';
import type { Dispatchable, GpuTimer } from '../gpu/timer.ts';
import { RoofKernels } from './roofKernels.ts';
import { SPAN_MS } from './samples.ts';

export interface Clock {
  /** `timestamps`: the device's, read before and after a pass; `wall`: the host's, around a submission. */
  readonly kind: 'timestamps' | 'wall';
  /** The step it goes by, in ms. */
  readonly quantumMs: number;
  /** How long a sample must last for that step to matter little, in ms. */
  readonly spanMs: number;
}

/** A sample lasts so many steps of the clock: one of them is 5 %. */
const STEPS = 20;

/** Of the host's clock, a sample lasts so many times as long as submitting nothing and hearing of its end. */
const SUBMISSIONS = 10;

/** Spans that the step is told from. */
const SPANS = 32;

/** Repeats of an empty dispatch beyond which the clock is taken to stand still. */
const MOST_REPEATS = 2 ** 16;

/** Finds out which clock there is, and its step. */
export async function measureClock(gpu: Gpu, timer: GpuTimer): Promise<Clock> {
  const kernels = new RoofKernels(gpu);
  try {
    const nothing = await kernels.dispatch('nothing', { word: await kernels.buffer(16) }, {}, 1);
    const spans = timer.timestamps ? await deviceSpans(timer, nothing) : [];
    if (spans.length > 0) return clockOf('timestamps', stepOf(spans), 0);
    const submissions: number[] = [];
    for (let i = 0; i < SPANS; i++) submissions.push((await timer.measure([nothing])).wallMs);
    submissions.sort((a, b) => a - b);
    return clockOf('wall', hostStep(), submissions[SPANS >> 1]);
  } finally {
    kernels.dispose();
  }
}

export const clockOf = (kind: Clock['kind'], quantumMs: number, submissionMs: number): Clock => ({
  kind,
  quantumMs,
  spanMs: Math.max(SPAN_MS, STEPS * quantumMs, SUBMISSIONS * submissionMs),
});

/** Spans of different lengths, in ms; none where the clock stands still. */
async function deviceSpans(timer: GpuTimer, nothing: Dispatchable): Promise<number[]> {
  let repeats = 64;
  while ((await timer.measure([nothing], repeats)).deviceMs === undefined) if ((repeats *= 4) > MOST_REPEATS) return [];
  const spans: number[] = [];
  for (let i = 0; i < SPANS; i++) {
    const { deviceMs } = await timer.measure([nothing], Math.round(repeats * (1 + i / 8)));
    if (deviceMs !== undefined) spans.push(deviceMs);
  }
  return spans;
}

/** The greatest length that all spans are multiples of, in ms: timestamps are whole nanoseconds. */
export function stepOf(spans: readonly number[]): number {
  let step = 0;
  for (const span of spans) {
    let [a, b] = [step, Math.round(span * 1e6)];
    while (b !== 0) [a, b] = [b, a % b];
    step = a;
  }
  return step * 1e-6;
}

/** The least step that the host's clock was seen to take, in ms. */
function hostStep(): number {
  let least = Infinity;
  for (let i = 0; i < 8; i++) {
    const before = performance.now();
    let after = before;
    while (after === before) after = performance.now();
    least = Math.min(least, after - before);
  }
  return least;
}
