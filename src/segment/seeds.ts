/** Which pixels a saliency map takes for object and background: its highest and its lowest shares. */

/** What a pixel is taken for: undecided, object, background. */
export const UNDECIDED = 0;
export const FOREGROUND = 1;
export const BACKGROUND = 2;

/** Quantiles of the map, 0 to 1: pixels from the upper one on are object, pixels up to the lower one background. */
export interface Quantiles {
  readonly foreground: number;
  readonly background: number;
}

/**
 * Seeds by quantile: background where M <= the map's `background` quantile, object where M >= its `foreground` quantile. On a map without
 * ties these are the floor(background n) lowest and the n - floor(foreground n) highest of its n pixels.
 *
 * Pixels of equal value share one fate, and maps have large areas of equal value: 0, where the network did not look. If the lower quantile
 * lies in such an area, all of it is background. Object must lie above the lower quantile and above 0 whatever the quantiles say, so that
 * an area of zeros that reaches beyond the upper quantile leaves fewer object pixels than asked for, and not a picture full of them.
 * @returns {@link UNDECIDED}, {@link FOREGROUND} or {@link BACKGROUND} for each pixel; there may be no object at all
 */
export function softSeeds(map: Float64Array, quantiles: Quantiles): Uint8Array {
  const { low, high } = levels(map, quantiles);
  return seedsOf(
    map,
    (m) => m >= high && m > low && m > 0,
    (m) => m <= low,
  );
}

/**
 * Clamps by quantile: as {@link softSeeds}, but where ties would make either share more than twice what was asked for, the tied pixels are
 * left out. What the map does not tell apart is no ground for certainty: an area of zeros is not nailed down as background by the lowest
 * half per cent.
 */
export function hardSeeds(map: Float64Array, quantiles: Quantiles): Uint8Array {
  const { low, high } = levels(map, quantiles);
  const n = map.length;
  const count = (test: (m: number) => boolean): number => map.reduce((sum, m) => sum + (test(m) ? 1 : 0), 0);
  const lowTied = count((m) => m <= low) > 2 * Math.max(1, quantiles.background * n);
  const highTied = count((m) => m >= high) > 2 * Math.max(1, (1 - quantiles.foreground) * n);
  return seedsOf(
    map,
    (m) => m > low && m > 0 && (highTied ? m > high : m >= high),
    (m) => (lowTied ? m < low : m <= low),
  );
}

function levels(map: Float64Array, { foreground, background }: Quantiles): { readonly low: number; readonly high: number } {
  const ascending = map.slice().sort();
  const n = map.length;
  const lowest = Math.floor(background * n);
  const highest = Math.floor(foreground * n);
  return { low: lowest > 0 ? ascending[lowest - 1] : -Infinity, high: highest < n ? ascending[highest] : Infinity };
}

function seedsOf(map: Float64Array, isForeground: (m: number) => boolean, isBackground: (m: number) => boolean): Uint8Array {
  return Uint8Array.from(map, (m) => (isForeground(m) ? FOREGROUND : isBackground(m) ? BACKGROUND : UNDECIDED));
}
