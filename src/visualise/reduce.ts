/**
 * From a gradient with channels to a map without: how much each pixel counts, whatever its channels are.
 *
 *     max      M_ij = max_c |w_ijc|             the paper's choice
 *     l2       M_ij = sqrt(sum_c w_ijc^2)
 *     sum      M_ij = sum_c |w_ijc|
 *     signed   M_ij = sum_c w_ijc               keeps the sign, loses what cancels
 *
 * @see Simonyan, Vedaldi, Zisserman 2013, section 3.1
 */
import { InputError } from '../errors.ts';
import { formatShape, type Tensor } from '../tensor.ts';

export const REDUCTIONS = ['max', 'l2', 'sum', 'signed'] as const;

export type Reduce = (typeof REDUCTIONS)[number];

/** What a reduction computes, in a formula for captions and metadata. */
export const REDUCTION_FORMULAS: Readonly<Record<Reduce, string>> = {
  max: 'max over channels of |w|',
  l2: 'square root of the sum over channels of w^2',
  sum: 'sum over channels of |w|',
  signed: 'sum over channels of w',
};

/**
 * Reduces the channels of a gradient [N, C, H, W] to one map for each item, [N, H, W], in the gradient's unit; sums are taken in f64. A
 * pixel with a NaN in any channel is NaN.
 * @throws InputError if the gradient does not have four axes, or the reduction is unknown
 * @see the paper, section 3.1
 */
export function reduceChannels(gradient: Tensor, reduce: Reduce): Tensor {
  const [items, channels, height, width] = gradient.shape;
  if (gradient.shape.length !== 4) {
    throw new InputError(
      `reduce: expected a gradient [N, C, H, W], got ${formatShape(gradient.shape)}. Maps are drawn of networks on images.`,
    );
  }
  const of = CHANNEL_REDUCTIONS[reduce];
  if (of === undefined) throw new InputError(`reduce: expected one of ${REDUCTIONS.join(', ')}, got "${reduce}".`);
  const plane = height * width;
  const data = new Float32Array(items * plane);
  for (let n = 0; n < items; n++) {
    for (let i = 0; i < plane; i++) data[n * plane + i] = of(gradient.data, n * channels * plane + i, plane, channels);
  }
  return { shape: [items, height, width], data };
}

/** Map n of maps [N, H, W], as [H, W]: a view, not a copy. */
export function mapAt({ shape: [, height, width], data }: Tensor, n: number): Tensor {
  return { shape: [height, width], data: data.subarray(n * height * width, (n + 1) * height * width) };
}

/** Each reads `channels` values, `plane` apart, from `from` on. */
const CHANNEL_REDUCTIONS: Readonly<Record<Reduce, (w: Float32Array, from: number, plane: number, channels: number) => number>> = {
  max(w, from, plane, channels) {
    let most = 0;
    // Math.max, unlike a comparison, keeps a NaN.
    for (let c = 0, i = from; c < channels; c++, i += plane) most = Math.max(most, Math.abs(w[i]));
    return most;
  },
  l2(w, from, plane, channels) {
    let sum = 0;
    for (let c = 0, i = from; c < channels; c++, i += plane) sum += w[i] * w[i];
    return Math.sqrt(sum);
  },
  sum(w, from, plane, channels) {
    let sum = 0;
    for (let c = 0, i = from; c < channels; c++, i += plane) sum += Math.abs(w[i]);
    return sum;
  },
  signed(w, from, plane, channels) {
    let sum = 0;
    for (let c = 0, i = from; c < channels; c++, i += plane) sum += w[i];
    return sum;
  },
};
