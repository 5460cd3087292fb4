/**
 * Boxes from thresholded saliency maps: the extent of the pixels that a threshold keeps.
 * @see Fong & Vedaldi 2017, Interpretable Explanations of Black Boxes by Meaningful Perturbation, section 5.4 (the three kinds of
 *   threshold)
 */
import { InputError } from '../errors.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import { maskBox, type Box } from './box.ts';

/**
 * Which pixels of a map M of magnitudes stay:
 *
 *     value    M >= min M + alpha * (max M - min M)
 *     mean     M >= alpha * mean M
 *     energy   the highest pixels, as few as hold the share alpha of sum M; pixels equal to the lowest of them stay too
 */
export const THRESHOLD_METHODS = ['value', 'mean', 'energy'] as const;

export type ThresholdMethod = (typeof THRESHOLD_METHODS)[number];

export interface Threshold {
  readonly method: ThresholdMethod;
  /** Above 0; for value and energy at most 1. */
  readonly alpha: number;
}

/**
 * The level that pixels must reach to stay, in the map's unit; null where a map has none: all zero, or not finite.
 *
 * Sums are taken in f64. Pixels of equal value share one fate, so that a map's mirror image gives the mirrored box.
 * @param map magnitudes [H, W]
 * @throws InputError if the map has not two axes or a negative value, or alpha is out of range
 */
export function thresholdLevel({ shape, data }: Tensor, { method, alpha }: Threshold): number | null {
  if (shape.length !== 2) throw new InputError(`threshold: expected a map [H, W], got ${formatShape(shape)}. Reduce the channels first.`);
  if (!THRESHOLD_METHODS.includes(method)) {
    throw new InputError(`threshold: expected one of ${THRESHOLD_METHODS.join(', ')}, got "${method}".`);
  }
  if (!(alpha > 0 && alpha < Infinity) || (method !== 'mean' && alpha > 1)) {
    throw new InputError(`threshold: expected alpha above 0${method === 'mean' ? '' : ' and at most 1'} for ${method}, got ${alpha}.`);
  }
  let [min, max, sum] = [Infinity, -Infinity, 0];
  for (const m of data) {
    if (!Number.isFinite(m)) return null;
    if (m < min) min = m;
    if (m > max) max = m;
    sum += m;
  }
  if (min < 0) throw new InputError(`threshold: expected a map of magnitudes, got ${min}. Take a reduction without a sign.`);
  if (!(max > 0)) return null;
  if (method === 'value') return min + alpha * (max - min);
  if (method === 'mean') return (alpha * sum) / data.length;
  // Typed arrays sort by number. The sum is taken again from the top, so that alpha = 1 ends at the last pixel that counts.
  const ascending = Float32Array.from(data).sort();
  let held = 0;
  let at = ascending.length;
  while (at > 0 && held < alpha * sum && ascending[at - 1] > 0) held += ascending[--at];
  return ascending[at];
}

/**
 * The extent of the pixels of a saliency map that a threshold keeps, in pixels of the map; null where nothing is kept: a map that is all
 * zero or not finite, or whose maximum does not reach the level.
 * @param map magnitudes [H, W]
 * @throws InputError as {@link thresholdLevel}
 */
export function thresholdBox(map: Tensor, threshold: Threshold): Box | null {
  const level = thresholdLevel(map, threshold);
  if (level === null) return null;
  const [height, width] = map.shape;
  return maskBox(
    Uint8Array.from(map.data, (m) => (m >= level ? 1 : 0)),
    width,
    height,
  );
}
