/**
 * A benchmark's report: what was measured, on what, with which versions. `bench/README.md` describes the fields.
 */
import { publicDriver, type AdapterSummary } from '../gpu/device.ts';
import type { NetworkResult } from './networks.ts';
import type { Clock } from './clock.ts';
import { bestRoofs, leastMs, type Roofs } from './roofs.ts';
import type { CaseResult } from './run.ts';

/** Changes when a field changes its meaning or goes. */
export const SCHEMA = 'backlight-bench/1';

/** What follows from a case's time and the roofs. */
export interface Derived {
  /** FLOP per byte, every operand once. */
  readonly intensity: number;
  readonly gflops: number;
  readonly gbs: number;
  /** The least time that the roofs allow over the median: 1 is as fast as the device can. */
  readonly share: number;
  /** The least time itself, in ms. */
  readonly leastMs: number;
}

export type CaseRow = CaseResult & Partial<Derived>;

export interface BenchReport {
  readonly schema: typeof SCHEMA;
  /** ISO 8601. */
  readonly date: string;
  readonly adapter: Omit<AdapterSummary, 'features' | 'limits'>;
  /** SHA-256 of the kernels pinned there, or `none`. */
  readonly plan: string;
  readonly versions: Readonly<Record<string, string | undefined>>;
  readonly options: { readonly samples: number; readonly budgetSeconds: number; readonly cases: readonly string[] };
  /** What times were taken by, where that had to be found out: in a browser. */
  readonly clock?: Clock;
  /** `best` of what was measured `before` and `after` the cases; where these differ much, the device changed its pace meanwhile. */
  readonly roofs: { readonly before: Roofs; readonly after: Roofs; readonly best: Roofs };
  readonly cases: readonly CaseRow[];
  readonly networks: readonly NetworkResult[];
  readonly seconds: number;
}

export interface Measured {
  readonly adapter: AdapterSummary;
  readonly plan: string;
  readonly versions: BenchReport['versions'];
  readonly options: BenchReport['options'];
  readonly clock?: Clock;
  readonly before: Roofs;
  readonly after: Roofs;
  readonly cases: readonly CaseResult[];
  readonly networks: readonly NetworkResult[];
  readonly seconds: number;
}

/** Puts a report together. */
export function makeReport({ adapter, before, after, cases, ...rest }: Measured, date: Date): BenchReport {
  const { features: _, limits: __, ...described } = adapter;
  const summary = { ...described, driver: publicDriver(adapter) };
  const best = bestRoofs(before, after);
  return {
    schema: SCHEMA,
    date: date.toISOString(),
    adapter: summary,
    ...rest,
    roofs: { before, after, best },
    cases: cases.map((row) => withDerived(row, best)),
  };
}

/** A row with what follows from its time; as it is if it has none. */
export function withDerived(row: CaseResult, roofs: Roofs): CaseRow {
  const ms = row.timing?.device.median;
  if (ms === undefined || !(ms > 0)) return row;
  const least = leastMs(roofs, row);
  return {
    ...row,
    intensity: row.flop / row.bytes,
    gflops: row.flop / (ms * 1e6),
    gbs: row.bytes / (ms * 1e6),
    leastMs: least,
    share: least / ms,
  };
}

const COLUMNS: readonly (readonly [name: string, value: (row: CaseRow) => string | number | boolean | undefined])[] = [
  ['id', (r) => r.id],
  ['kind', (r) => r.kind],
  ['layer', (r) => r.layer],
  ['direction', (r) => r.direction],
  ['batch', (r) => r.batch],
  ['flop', (r) => r.flop],
  ['bytes', (r) => r.bytes],
  ['intensity', (r) => r.intensity],
  ['clock', (r) => r.timing?.clock],
  ['samples', (r) => r.timing?.device.samples],
  ['repeats', (r) => r.timing?.repeats],
  ['min_ms', (r) => r.timing?.device.min],
  ['median_ms', (r) => r.timing?.device.median],
  ['p90_ms', (r) => r.timing?.device.p90],
  ['wall_median_ms', (r) => r.timing?.wall.median],
  ['gflops', (r) => r.gflops],
  ['gbs', (r) => r.gbs],
  ['share_of_roof', (r) => r.share],
  ['packing_ms', (r) => r.packing?.device.median],
  ['steps', (r) => r.steps.map(({ shader, entry }) => `${shader}.${entry}`).join(' ')],
  ['dispatches', (r) => r.steps.length],
  ['checked', (r) => r.check?.method],
  ['error_over_bound', (r) => r.check?.worst],
  ['passed', (r) => r.check?.passed],
  ['same_bits', (r) => r.repeats?.same],
  ['skipped', (r) => r.skipped ?? r.failed],
];

/** The cases as CSV (RFC 4180), a header first. Times in ms. */
export function toCsv({ cases }: BenchReport): string {
  const field = (value: string | number | boolean | undefined): string => {
    const text = value === undefined ? '' : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [COLUMNS.map(([name]) => name), ...cases.map((row) => COLUMNS.map(([, value]) => field(value(row))))];
  return lines.map((line) => `${line.join(',')}\r\n`).join('');
}
