/**
 * Samples of a time until there are enough of them or the budget is spent, and what is told of them.
 */
import { MOST_REPEATS, type Dispatchable, type GpuTimer } from '../gpu/timer.ts';

/** The middle of some samples and their spread, in ms. */
export interface Times {
  readonly samples: number;
  readonly min: number;
  readonly median: number;
  readonly p90: number;
}

/** What was measured of a list of dispatches, for running it once. */
export interface Timing {
  /** `timestamps`: the device's clock; `wall`: the host's, where the device has none. */
  readonly clock: 'timestamps' | 'wall';
  /** Times the dispatches were repeated in each sample, so that a sample is long enough for the clock. */
  readonly repeats: number;
  readonly device: Times;
  /** From submission until the host hears of the end, divided by the repeats. */
  readonly wall: Times;
}

export interface SampleOptions {
  /** Samples wanted. */
  readonly samples: number;
  /** Seconds for warm-up and samples together; at least {@link LEAST} samples are taken whatever they take. */
  readonly budget: number;
  /** A sample lasts at least so many ms, where the budget allows it. Default: {@link SPAN_MS}, right for a clock of a few microseconds. */
  readonly span?: number;
}

export const SPAN_MS = 2;

/** Samples taken even when each is longer than the budget. */
const LEAST = 3;

/** The samples' least, middle and ninth decile (nearest rank). */
export function timesOf(values: readonly number[]): Times {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  return { samples: sorted.length, min: sorted[0], median, p90: rank(0.9) };
}

/**
 * Times some dispatches, once the device is awake. Warm-up runs find out how often they must be repeated for a sample of that length; then samples
 * are taken until there are as many as wanted or the budget is spent.
 */
export async function timeDispatches(
  timer: GpuTimer,
  dispatches: readonly Dispatchable[],
  { samples, budget, span = SPAN_MS }: SampleOptions,
): Promise<Timing> {
  await timer.rouse(dispatches);
  const started = performance.now();
  const spent = (): number => (performance.now() - started) / 1000;
  // A first run may still allocate or compile.
  let repeats = 1;
  let last = await timer.measure(dispatches, repeats);
  const lasted = (): number => last.deviceMs ?? last.wallMs;
  const short = (): boolean => lasted() < span && repeats < MOST_REPEATS && spent() < budget;
  for (let warm = 0; spent() < budget / 4 || short(); warm++) {
    const wanted = Math.min(MOST_REPEATS, Math.max(repeats, Math.ceil((span * repeats) / Math.max(lasted(), 1e-3))));
    if (warm >= 2 && (wanted <= repeats * 1.25 || repeats === MOST_REPEATS)) break;
    repeats = Math.min(wanted, repeats * 16);
    last = await timer.measure(dispatches, repeats);
  }
  const device: number[] = [];
  const wall: number[] = [];
  let clock: Timing['clock'] = timer.timestamps ? 'timestamps' : 'wall';
  while (wall.length < samples && (wall.length < LEAST || spent() < budget)) {
    const { deviceMs, wallMs } = await timer.measure(dispatches, repeats);
    if (deviceMs === undefined) clock = 'wall';
    device.push((deviceMs ?? wallMs) / repeats);
    wall.push(wallMs / repeats);
  }
  const walls = timesOf(wall);
  return { clock, repeats, device: clock === 'wall' ? walls : timesOf(device), wall: walls };
}
