/** Two reports side by side: by how much each case became faster or slower. */
import { InputError } from '../errors.ts';
import { SCHEMA, type BenchReport } from './report.ts';

/** One case that both reports have. */
export interface Change {
  readonly id: string;
  readonly beforeMs: number;
  readonly afterMs: number;
  /** After over before, of the medians: above 1 is slower. */
  readonly ratio: number;
  readonly verdict: 'slower' | 'faster' | 'same';
}

/**
 * Compares the cases and networks of two reports.
 * @param threshold a ratio beyond 1 + threshold, or below its inverse, is a change; else the two count as the same
 * @throws InputError if `before` is no report of this schema, or is of another adapter or mode: times of two devices are no regression
 */
export function compareReports(before: BenchReport, after: BenchReport, threshold: number): Change[] {
  if (before?.schema !== SCHEMA) {
    throw new InputError(
      `baseline: expected a report of schema "${SCHEMA}", got ${JSON.stringify(before?.schema)}. Make one with bench --json.`,
    );
  }
  for (const key of ['name', 'mode'] as const) {
    if (before.adapter[key] !== after.adapter[key]) {
      throw new InputError(
        `baseline: expected a report of the same ${key === 'name' ? 'adapter' : 'mode'}, "${after.adapter[key]}", got "${before.adapter[key]}".`,
      );
    }
  }
  const old = mediansOf(before);
  return [...mediansOf(after)].flatMap(([id, afterMs]): Change[] => {
    const beforeMs = old.get(id);
    if (beforeMs === undefined) return [];
    const ratio = afterMs / beforeMs;
    return [{ id, beforeMs, afterMs, ratio, verdict: ratio > 1 + threshold ? 'slower' : ratio < 1 / (1 + threshold) ? 'faster' : 'same' }];
  });
}

function mediansOf({ cases, networks }: BenchReport): Map<string, number> {
  const medians = new Map<string, number>();
  for (const { id, timing } of cases) if (timing) medians.set(id, timing.device.median);
  for (const { name, batch, forward, gradient } of networks) {
    if (forward) medians.set(`network/${name}/forward/b${batch}`, forward.device.median);
    if (gradient) medians.set(`network/${name}/gradient/b${batch}`, gradient.device.median);
  }
  return medians;
}
