/** What a roofline shows, before it is drawn: roofs, cases, and the axes that hold them. */
import type { CaseRow } from './report.ts';
import { peakGflops, streamGbs, type Roofs } from './roofs.ts';

/** A case that has FLOP and a time; those that only move numbers have no place on a roofline. */
export interface RooflinePoint {
  readonly id: string;
  readonly kind: string;
  /** FLOP per byte, every operand once. */
  readonly intensity: number;
  readonly gflops: number;
  readonly share: number;
}

export interface RooflineFrame {
  /** GFLOP/s of multiply-adds. */
  readonly peak: number;
  /** Memory, by the size of the stream: the largest last. */
  readonly slopes: readonly { readonly bytes: number; readonly gbs: number }[];
  readonly points: readonly RooflinePoint[];
  /** Of the points, in their order. */
  readonly kinds: readonly string[];
  /** The axes' ends, powers of ten: FLOP per byte, and GFLOP/s. */
  readonly intensities: readonly [number, number];
  readonly speeds: readonly [number, number];
}

export function rooflineFrame({
  cases,
  roofs: { best },
}: {
  readonly cases: readonly CaseRow[];
  readonly roofs: { readonly best: Roofs };
}): RooflineFrame {
  const peak = peakGflops(best);
  const points = cases.flatMap(({ id, kind, intensity, gflops, share }): RooflinePoint[] =>
    intensity !== undefined && gflops !== undefined && gflops > 0 ? [{ id, kind, intensity, gflops, share: share ?? 0 }] : [],
  );
  const sizes = [...new Set(best.streams.map(({ bytes }) => bytes))].sort((a, b) => a - b);
  const slopes = sizes.map((bytes) => ({
    bytes,
    gbs: Math.max(...best.streams.filter((stream) => stream.bytes === bytes).map(({ gbs }) => gbs)),
  }));
  const memory = streamGbs(best, sizes[sizes.length - 1]);
  const x = [...points.map(({ intensity }) => intensity), peak / memory];
  const low = 10 ** Math.floor(Math.log10(Math.min(...x) * 0.8));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...x) * 1.2));
  const y = [...points.map(({ gflops }) => gflops), Math.min(peak, low * memory)];
  return {
    peak,
    slopes,
    points,
    kinds: [...new Set(points.map(({ kind }) => kind))],
    intensities: [low, high],
    speeds: [10 ** Math.floor(Math.log10(Math.min(...y) * 0.9)), 10 ** Math.ceil(Math.log10(peak * 1.05))],
  };
}

/** log scale from [low, high] to pixels. */
export function logScale(low: number, high: number, from: number, to: number): (value: number) => number {
  const [a, b] = [Math.log10(low), Math.log10(high)];
  return (value) => from + ((Math.log10(value) - a) / (b - a)) * (to - from);
}

/** Powers of ten from low to high. */
export function decades(low: number, high: number): number[] {
  const all: number[] = [];
  for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; e++) all.push(10 ** e);
  return all;
}

/** 0.1, 1, 10, 100, 1,000 */
export const tick = (value: number): string => (value >= 1 ? value.toLocaleString('en-US') : String(Number(value.toPrecision(1))));
