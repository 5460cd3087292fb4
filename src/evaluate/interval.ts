/** Shares with their uncertainty. */

/** k of n, as a share in [0, 1], with its interval of confidence. */
export interface Share {
  readonly count: number;
  readonly n: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

/** The quantile of the normal distribution for a two-sided 95 % interval. */
const Z95 = 1.959963984540054;

/**
 * The share k/n with Wilson's 95 % interval,
 *   (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n),  p = k/n,
 * which keeps its coverage near 0 and 1, where the normal interval leaves [0, 1]. With n = 0 everything is open: share NaN, from 0 to 1.
 * @see Wilson 1927, "Probable inference, the law of succession, and statistical inference"
 */
export function wilson(count: number, n: number, z = Z95): Share {
  if (n === 0) return { count, n, share: NaN, low: 0, high: 1 };
  const p = count / n;
  const middle = p + (z * z) / (2 * n);
  const reach = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  const whole = 1 + (z * z) / n;
  // The ends meet 0 and 1 exactly in the mathematics; rounding must not show.
  return {
    count,
    n,
    share: p,
    low: count === 0 ? 0 : (middle - reach) / whole,
    high: count === n ? 1 : (middle + reach) / whole,
  };
}
