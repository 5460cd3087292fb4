/**
 * Gaussian mixtures of colours, full covariance, in f64: p(c) = sum_k weight_k N(c; mean_k, covariance_k), with colours [R, G, B] in
 * 0..255. How samples are first split into components stands in clusters.ts.
 */
import { binarySplit, kMeans, type Samples } from './clusters.ts';
import { determinant, inverse, plusDiagonal, reciprocalCondition, type Symmetric } from './symmetric.ts';

export interface Gaussian {
  /** Share of the samples; the weights of a mixture sum to 1. */
  readonly weight: number;
  readonly mean: readonly [number, number, number];
  /** [rr, rg, rb, gg, gb, bb], normalised by the number of samples. */
  readonly covariance: Symmetric;
}

export type Mixture = readonly Gaussian[];

/**
 * What is done to a covariance that is flat, or nearly so, in some direction:
 *
 * - `determinant`: where it is at most `least`, `add` goes onto the diagonal, once (OpenCV);
 * - `condition`: while the reciprocal condition is below `least`, `share` of the largest variance goes onto the diagonal; a covariance of 0
 *   becomes `uniform` times the identity (Gulshan's package).
 */
export type Regularise =
  | { readonly kind: 'determinant'; readonly least: number; readonly add: number }
  | { readonly kind: 'condition'; readonly least: number; readonly share: number; readonly uniform: number };

export interface MixtureOptions {
  /** At most so many; samples of fewer colours make fewer. */
  readonly components: number;
  /** Orchard and Bouman's binary split, or k-means from a k-means++ start. */
  readonly start: 'binary-split' | 'k-means++';
  /** Rounds of expectation maximisation after the start. */
  readonly em: number;
  /** A component of less weight than this many samples is dropped. */
  readonly fewest: number;
  readonly regularise: Regularise;
}

/**
 * A mixture fitted to samples.
 * @param random uniform in [0, 1), for k-means++
 * @returns null if there is no sample, or none of any weight
 */
export function fitMixture(samples: Samples, options: MixtureOptions, random: () => number): Mixture | null {
  const { components, start, em, fewest, regularise } = options;
  const labels = start === 'binary-split' ? binarySplit(samples, components) : kMeans(samples, components, random);
  let mixture = fromLabels(samples, labels, components, fewest, regularise);
  for (let round = 0; round < em && mixture; round++) mixture = maximise(samples, mixture, fewest, regularise);
  return mixture;
}

/**
 * The mixture after each sample has gone to the component of the largest density: OpenCV's step between two cuts. Like OpenCV's, the choice
 * does not look at the components' weights.
 */
export function refitMixture(samples: Samples, mixture: Mixture, { fewest, regularise }: MixtureOptions): Mixture | null {
  const densities = mixture.map((gaussian) => densityOf({ ...gaussian, weight: 1 }));
  const { colours, at } = samples;
  const labels = Uint8Array.from(at, (i) => {
    let best = 0;
    let most = -Infinity;
    for (let k = 0; k < densities.length; k++) {
      const log = logGaussian(densities[k], colours[3 * i], colours[3 * i + 1], colours[3 * i + 2]);
      if (log > most) {
        most = log;
        best = k;
      }
    }
    return best;
  });
  return fromLabels(samples, labels, mixture.length, fewest, regularise);
}

/** log p(c) of every colour, [n] of colours [n, 3]; far out it falls on without bound, where a density in f64 would become 0. */
export function logDensities(mixture: Mixture, colours: Float64Array): Float64Array {
  const densities = mixture.map(densityOf);
  const out = new Float64Array(colours.length / 3);
  const logs = new Float64Array(densities.length);
  for (let i = 0, c = 0; i < out.length; i++, c += 3) {
    let most = -Infinity;
    for (let k = 0; k < densities.length; k++) {
      logs[k] = logGaussian(densities[k], colours[c], colours[c + 1], colours[c + 2]);
      if (logs[k] > most) most = logs[k];
    }
    let sum = 0;
    // e^-40 no longer counts beside 1.
    for (let k = 0; k < logs.length; k++) if (logs[k] > most - 40) sum += Math.exp(logs[k] - most);
    out[i] = most + Math.log(sum);
  }
  return out;
}

/** One component for each label that has samples enough. */
function fromLabels(
  { colours, at, weights }: Samples,
  labels: Uint8Array,
  count: number,
  fewest: number,
  regularise: Regularise,
): Mixture | null {
  const moments = Array.from({ length: count }, () => new Moments());
  for (let j = 0; j < at.length; j++) moments[labels[j]].addFirst(colours, 3 * at[j], weights ? weights[j] : 1);
  for (let j = 0; j < at.length; j++) moments[labels[j]].addSecond(colours, 3 * at[j], weights ? weights[j] : 1);
  return fromMoments(moments, fewest, regularise);
}

/** A round of expectation maximisation: every sample counts for every component, by its share of the density. */
function maximise({ colours, at, weights }: Samples, mixture: Mixture, fewest: number, regularise: Regularise): Mixture | null {
  const densities = mixture.map(densityOf);
  const count = densities.length;
  const shares = new Float64Array(at.length * count);
  const moments = densities.map(() => new Moments());
  for (let j = 0; j < at.length; j++) {
    const c = 3 * at[j];
    let most = -Infinity;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      shares[j * count + k] = logGaussian(densities[k], colours[c], colours[c + 1], colours[c + 2]);
      most = Math.max(most, shares[j * count + k]);
    }
    for (let k = 0; k < count; k++) sum += shares[j * count + k] = Math.exp(shares[j * count + k] - most);
    for (let k = 0; k < count; k++) {
      shares[j * count + k] *= (weights ? weights[j] : 1) / sum;
      moments[k].addFirst(colours, c, shares[j * count + k]);
    }
  }
  for (let j = 0; j < at.length; j++) {
    for (let k = 0; k < count; k++) moments[k].addSecond(colours, 3 * at[j], shares[j * count + k]);
  }
  return fromMoments(moments, fewest, regularise);
}

/** Weighted mean, then covariance about it: two passes, so that nothing cancels. */
class Moments {
  weight = 0;
  readonly #sum = [0, 0, 0];
  readonly #second = [0, 0, 0, 0, 0, 0];
  #mean: [number, number, number] | null = null;

  addFirst(colours: Float64Array, c: number, weight: number): void {
    this.weight += weight;
    for (let k = 0; k < 3; k++) this.#sum[k] += weight * colours[c + k];
  }

  addSecond(colours: Float64Array, c: number, weight: number): void {
    const [mr, mg, mb] = this.mean;
    const [r, g, b] = [colours[c] - mr, colours[c + 1] - mg, colours[c + 2] - mb];
    const second = this.#second;
    second[0] += weight * r * r;
    second[1] += weight * r * g;
    second[2] += weight * r * b;
    second[3] += weight * g * g;
    second[4] += weight * g * b;
    second[5] += weight * b * b;
  }

  get mean(): readonly [number, number, number] {
    return (this.#mean ??= [this.#sum[0] / this.weight, this.#sum[1] / this.weight, this.#sum[2] / this.weight]);
  }

  get covariance(): Symmetric {
    return this.#second.map((sum) => sum / this.weight) as unknown as Symmetric;
  }
}

function fromMoments(moments: readonly Moments[], fewest: number, regularise: Regularise): Mixture | null {
  // Where samples are so few that no component would stay, all stay.
  const some = moments.filter(({ weight }) => weight > 0);
  const enough = some.filter(({ weight }) => weight >= fewest);
  const kept = enough.length > 0 ? enough : some;
  const total = kept.reduce((sum, { weight }) => sum + weight, 0);
  if (kept.length === 0) return null;
  return kept.map(({ weight, mean, covariance }) => ({ weight: weight / total, mean, covariance: regular(covariance, regularise) }));
}

function regular(covariance: Symmetric, rule: Regularise): Symmetric {
  if (rule.kind === 'determinant') return determinant(covariance) <= rule.least ? plusDiagonal(covariance, rule.add) : covariance;
  const largest = (m: Symmetric): number => Math.max(m[0], m[3], m[5]);
  // Below this a variance is rounding: samples of one colour need not have exactly that colour as their mean.
  if (largest(covariance) < 1e-9) return plusDiagonal([0, 0, 0, 0, 0, 0], rule.uniform);
  let mended = covariance;
  while (reciprocalCondition(mended) < rule.least) mended = plusDiagonal(mended, rule.share * largest(mended));
  return mended;
}

/** A Gaussian made ready to be evaluated. */
interface Density {
  readonly mean: readonly [number, number, number];
  readonly inverse: Symmetric;
  /** log(weight / sqrt((2 pi)^3 det)). */
  readonly log: number;
}

function densityOf({ weight, mean, covariance }: Gaussian): Density {
  return { mean, inverse: inverse(covariance), log: Math.log(weight) - 0.5 * Math.log((2 * Math.PI) ** 3 * determinant(covariance)) };
}

function logGaussian({ mean, inverse: m, log }: Density, red: number, green: number, blue: number): number {
  const r = red - mean[0];
  const g = green - mean[1];
  const b = blue - mean[2];
  return log - 0.5 * (m[0] * r * r + m[3] * g * g + m[5] * b * b) - (m[1] * r * g + m[2] * r * b + m[4] * g * b);
}
