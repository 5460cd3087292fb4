/** Colours split into clusters: where a mixture starts from. */
import { principalAxis, type Symmetric } from './symmetric.ts';

/** Some pixels' colours: the pixels `at` of colours [n, 3], each counting as much as its weight (1 unless given). */
export interface Samples {
  readonly colours: Float64Array;
  readonly at: Int32Array;
  readonly weights?: Float64Array;
}

/** A cluster flatter than this, in squared units of colour, is one colour. */
const FLAT = 1e-6;

/**
 * Orchard and Bouman's vector quantisation: the cluster with the most variation along its principal axis (the largest eigenvalue of its
 * scatter, which counts its samples) is split at its mean by the plane across that axis, until there are `count`, or one colour each.
 * @returns a label below `count` for each sample
 * @see Orchard, Bouman 1991, Color Quantization of Images, section III
 */
export function binarySplit({ colours, at, weights }: Samples, count: number): Uint8Array {
  const labels = new Uint8Array(at.length);
  const clusters = [spread(colours, at, weights, labels, 0)];
  while (clusters.length < count) {
    const from = clusters.reduce((best, cluster, k) => (cluster.value > clusters[best].value ? k : best), 0);
    const { value, axis, mean, weight } = clusters[from];
    if (!(value > FLAT * weight)) break;
    const level = axis[0] * mean[0] + axis[1] * mean[1] + axis[2] * mean[2];
    const to = clusters.length;
    for (let j = 0; j < at.length; j++) {
      if (labels[j] !== from) continue;
      const c = 3 * at[j];
      if (axis[0] * colours[c] + axis[1] * colours[c + 1] + axis[2] * colours[c + 2] > level) labels[j] = to;
    }
    clusters[from] = spread(colours, at, weights, labels, from);
    clusters.push(spread(colours, at, weights, labels, to));
  }
  return labels;
}

interface Spread {
  readonly weight: number;
  readonly mean: readonly number[];
  /** Largest eigenvalue of the scatter sum w (c - mean)(c - mean)', and its eigenvector. */
  readonly value: number;
  readonly axis: readonly [number, number, number];
}

function spread(colours: Float64Array, at: Int32Array, weights: Float64Array | undefined, labels: Uint8Array, label: number): Spread {
  let [weight, red, green, blue] = [0, 0, 0, 0];
  for (let j = 0; j < at.length; j++) {
    if (labels[j] !== label) continue;
    const w = weights ? weights[j] : 1;
    weight += w;
    red += w * colours[3 * at[j]];
    green += w * colours[3 * at[j] + 1];
    blue += w * colours[3 * at[j] + 2];
  }
  if (weight === 0) return { weight, mean: [0, 0, 0], value: 0, axis: [1, 0, 0] };
  const [mr, mg, mb] = [red / weight, green / weight, blue / weight];
  const s: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
  for (let j = 0; j < at.length; j++) {
    if (labels[j] !== label) continue;
    const w = weights ? weights[j] : 1;
    const [r, g, b] = [colours[3 * at[j]] - mr, colours[3 * at[j] + 1] - mg, colours[3 * at[j] + 2] - mb];
    s[0] += w * r * r;
    s[1] += w * r * g;
    s[2] += w * r * b;
    s[3] += w * g * g;
    s[4] += w * g * b;
    s[5] += w * b * b;
  }
  return { weight, mean: [mr, mg, mb], ...principalAxis(s as Symmetric) };
}

/** Rounds of k-means, and candidates for each centre of its start: OpenCV's numbers. */
const ROUNDS = 10;
const TRIALS = 3;

/**
 * k-means from a k-means++ start: each centre is a sample drawn with a chance in proportion to its squared distance from the centres so
 * far, the best of three draws; then ten rounds of means and nearest centres.
 * @param random uniform in [0, 1)
 * @returns a label below `count` for each sample
 * @see Arthur, Vassilvitskii 2007, k-means++: The Advantages of Careful Seeding
 */
export function kMeans({ colours, at, weights }: Samples, count: number, random: () => number): Uint8Array {
  const n = at.length;
  const labels = new Uint8Array(n);
  if (n === 0) return labels;
  const centres = start(colours, at, weights, count, random);
  for (let round = 0; round <= ROUNDS; round++) {
    for (let j = 0; j < n; j++) {
      let least = Infinity;
      for (let k = 0; k < centres.length; k++) {
        const distance = squared(colours, 3 * at[j], centres[k], 0);
        if (distance < least) {
          least = distance;
          labels[j] = k;
        }
      }
    }
    if (round === ROUNDS) break;
    const sums = centres.map(() => new Float64Array(4));
    for (let j = 0; j < n; j++) {
      const w = weights ? weights[j] : 1;
      const sum = sums[labels[j]];
      for (let c = 0; c < 3; c++) sum[c] += w * colours[3 * at[j] + c];
      sum[3] += w;
    }
    // A centre that lost all its samples stays where it is.
    sums.forEach((sum, k) => {
      if (sum[3] > 0) for (let c = 0; c < 3; c++) centres[k][c] = sum[c] / sum[3];
    });
  }
  return labels;
}

function start(
  colours: Float64Array,
  at: Int32Array,
  weights: Float64Array | undefined,
  count: number,
  random: () => number,
): Float64Array[] {
  const n = at.length;
  const centre = (j: number): Float64Array => colours.slice(3 * at[j], 3 * at[j] + 3);
  // Squared distance to the nearest centre; before the first there is none, and samples are drawn by weight alone.
  let distances = new Float64Array(n).fill(1);
  const draw = (): number => {
    let total = 0;
    for (let j = 0; j < n; j++) total += distances[j] * (weights ? weights[j] : 1);
    if (total === 0) return -1;
    let left = random() * total;
    let last = -1;
    for (let j = 0; j < n; j++) {
      const share = distances[j] * (weights ? weights[j] : 1);
      if (share === 0) continue;
      last = j;
      if ((left -= share) < 0) break;
    }
    return last;
  };
  const centres: Float64Array[] = [];
  while (centres.length < count) {
    let best: { readonly j: number; readonly sum: number; readonly distances: Float64Array<ArrayBuffer> } | null = null;
    for (let trial = 0; trial < (centres.length === 0 ? 1 : TRIALS); trial++) {
      const j = draw();
      if (j < 0) break;
      const next = new Float64Array(n);
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const distance = squared(colours, 3 * at[i], colours, 3 * at[j]);
        next[i] = centres.length === 0 ? distance : Math.min(distances[i], distance);
        sum += next[i] * (weights ? weights[i] : 1);
      }
      if (best === null || sum < best.sum) best = { j, sum, distances: next };
    }
    // No sample is away from all centres: there are no more colours.
    if (best === null) break;
    distances = best.distances;
    centres.push(centre(best.j));
  }
  return centres.length > 0 ? centres : [centre(0)];
}

function squared(a: Float64Array, i: number, b: Float64Array, j: number): number {
  const [r, g, s] = [a[i] - b[j], a[i + 1] - b[j + 1], a[i + 2] - b[j + 2]];
  return r * r + g * g + s * s;
}
