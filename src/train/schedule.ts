/** The learning rate of each step. */

/** `cosine`: half a cosine from the full rate down to zero. `step`: a tenth after half of the steps, a hundredth after three quarters. */
export const SCHEDULES = ['cosine', 'step', 'constant'] as const;

export type Schedule = (typeof SCHEDULES)[number];

export interface RateOptions {
  /** The full rate. */
  readonly rate: number;
  readonly schedule: Schedule;
  /** Steps over which the rate rises linearly to the full one. */
  readonly warmup: number;
  /** Steps in all. */
  readonly steps: number;
}

/** The rate of a step, counted from 0. */
export function rateAt(step: number, { rate, schedule, warmup, steps }: RateOptions): number {
  if (step < warmup) return (rate * (step + 1)) / warmup;
  const done = (step - warmup) / Math.max(1, steps - warmup);
  if (schedule === 'cosine') return (rate * (1 + Math.cos(Math.PI * Math.min(1, done)))) / 2;
  if (schedule === 'step') return rate * (done < 0.5 ? 1 : done < 0.75 ? 0.1 : 0.01);
  return rate;
}
