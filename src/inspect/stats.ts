/**
 * What one tensor holds, in numbers: norms, extremes, mean, zeros, what is not finite, and two histograms. All sums are taken in f64.
 */

/** Counts of values in bins. */
export interface Histogram {
  /** One more than there are bins; bin i holds edges[i] <= v < edges[i + 1], and the last bin its upper edge too. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
  /** Finite values below the first edge and above the last. */
  readonly below: number;
  readonly above: number;
}

export interface TensorStats {
  readonly elements: number;
  /** Exact zeros; they are in no histogram. */
  readonly zeros: number;
  readonly positive: number;
  readonly negative: number;
  readonly nan: number;
  readonly infinite: number;
  /** Of the finite values; null where there are none. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** Square root of the mean squared distance from the mean. */
  readonly deviation: number | null;
  /** Sum of magnitudes, and of squares, of the finite values. */
  readonly l1: number;
  readonly l2Squared: number;
  /** The finite values that are not zero, in bins of one width, a round number, one edge at zero; what lies beyond four deviations is counted apart. */
  readonly linear: Histogram;
  /** Magnitudes of the same values by powers of two. */
  readonly octaves: Histogram;
}

/** f32 has no magnitude below 2^-149. */
const LOWEST = -149;
const HIGHEST = 128;

/** Bins of a linear histogram: at most this many, at least half as many. */
const MOST_BINS = 40;

/** The finite values that a histogram's bins should reach: to either side of the mean, in standard deviations. */
const REACH = 4;

export function tensorStats(data: Float32Array): TensorStats {
  let [zeros, positive, negative, nan, infinite] = [0, 0, 0, 0, 0];
  let [min, max, sum, l1, l2Squared] = [Infinity, -Infinity, 0, 0, 0];
  const octave = new Float64Array(HIGHEST - LOWEST);
  for (let i = 0; i < data.length; i++) {
    const v = data[i];
    if (v !== v) {
      nan++;
      continue;
    }
    if (v === Infinity || v === -Infinity) {
      infinite++;
      continue;
    }
    if (v < min) min = v;
    if (v > max) max = v;
    if (v === 0) {
      zeros++;
      continue;
    }
    const m = v < 0 ? -v : v;
    if (v > 0) positive++;
    else negative++;
    sum += v;
    l1 += m;
    l2Squared += v * v;
    octave[exponentOf(m) - LOWEST]++;
  }
  const finite = zeros + positive + negative;
  const mean = finite > 0 ? sum / finite : null;
  const deviation = mean === null ? null : deviationFrom(data, mean, finite);
  const reach = mean === null ? 0 : REACH * deviation!;
  const linear = positive + negative > 0 ? linearHistogram(data, Math.max(min, mean! - reach), Math.min(max, mean! + reach)) : NO_HISTOGRAM;
  return {
    elements: data.length,
    zeros,
    positive,
    negative,
    nan,
    infinite,
    min: mean === null ? null : min,
    max: mean === null ? null : max,
    mean,
    deviation,
    l1,
    l2Squared,
    linear,
    octaves: octaveHistogram(octave),
  };
}

function deviationFrom(data: Float32Array, mean: number, finite: number): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) {
    const d = data[i] - mean;
    if (d - d === 0) sum += d * d;
  }
  return Math.sqrt(sum / finite);
}

const NO_HISTOGRAM: Histogram = { edges: [], counts: [], below: 0, above: 0 };

/** floor(log2 m) of a finite f32 magnitude above zero, exactly. */
export function exponentOf(m: number): number {
  FLOAT[0] = m;
  const biased = BITS[0] >>> 23;
  return biased > 0 ? biased - 127 : 31 - Math.clz32(BITS[0]) + LOWEST;
}

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

function octaveHistogram(counts: Float64Array): Histogram {
  const first = counts.findIndex((n) => n > 0);
  if (first < 0) return NO_HISTOGRAM;
  const last = counts.findLastIndex((n) => n > 0);
  const edges = Array.from({ length: last - first + 2 }, (_, i) => 2 ** (first + i + LOWEST));
  return { edges, counts: [...counts.subarray(first, last + 1)], below: 0, above: 0 };
}

/** The smallest of 1, 2, 5, 10, 20, ... times a power of ten that is no less than `least`. */
function roundWidth(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((f) => f * power >= least * (1 - 1e-12))!;
  return factor * power;
}

function linearHistogram(data: Float32Array, low: number, high: number): Histogram {
  // Values of one magnitude alone get one bin about as wide as they are large.
  const span = high > low ? high - low : Math.abs(high);
  const width = roundWidth(span / (MOST_BINS - 1));
  const first = Math.floor(low / width);
  const bins = Math.max(1, Math.min(MOST_BINS + 1, Math.ceil(high / width) - first));
  const counts = new Array<number>(bins).fill(0);
  let [below, above] = [0, 0];
  const top = (first + bins) * width;
  for (let i = 0; i < data.length; i++) {
    const v = data[i];
    if (v === 0 || v !== v || v === Infinity || v === -Infinity) continue;
    if (v > top) {
      above++;
      continue;
    }
    if (v < first * width) {
      below++;
      continue;
    }
    // The quotient's rounding may put an edge's value into the bin before.
    let bin = Math.min(bins - 1, Math.max(0, Math.floor(v / width) - first));
    if (bin + 1 < bins && v >= (first + bin + 1) * width) bin++;
    else if (bin > 0 && v < (first + bin) * width) bin--;
    counts[bin]++;
  }
  return { edges: Array.from({ length: bins + 1 }, (_, i) => (first + i) * width), counts, below, above };
}

const BLOCKS = '▁▂▃▄▅▆▇█';

/** A histogram as a line of at most `most` blocks, neighbouring bins taken together; a bin with anything in it is never blank. */
export function sparkline({ counts }: Histogram, most = 20): string {
  const per = Math.ceil(counts.length / most);
  const heights: number[] = [];
  for (let i = 0; i < counts.length; i += per) heights.push(counts.slice(i, i + per).reduce((sum, n) => sum + n, 0));
  const top = Math.max(...heights);
  return heights.map((n) => (n === 0 ? ' ' : BLOCKS[Math.min(7, Math.floor((8 * n) / top))])).join('');
}
