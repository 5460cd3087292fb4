/**
 * Rounding bounds of f32 evaluation. No test states a tolerance of its own: it asks here.
 *
 * The allowances come from the WGSL specification, section "Floating Point Accuracy". Addition, multiplication and fma are taken as rounded
 * to nearest; the specification only promises one of the two neighbours, but IEEE 754's default is what Vulkan, Metal and D3D12 devices do.
 * What is not a plain sum is bounded to first order: relative errors of factors add up, an error e in an exponent or under a logarithm
 * becomes a relative or absolute error e in the result. Left out are products of two such errors; {@link FIRST_ORDER} covers them.
 */
import type { Bounded } from './types.ts';

/** Unit roundoff of f32: 2^-24. */
export const U = 2 ** -24;

/**
 * `gamma_K = K u / (1 - K u)`: a sum of K products evaluated in f32, in any order, with or without fma, lies within
 * `gamma_K * sum |a||b|` of the exact sum.
 * @see Higham, Accuracy and Stability of Numerical Algorithms, section 3.1
 */
export function gamma(k: number): number {
  return (k * U) / (1 - k * U);
}

/**
 * Added to every bound: f32 results below the normal range may be flushed to zero (WGSL allows it), inputs too.
 * The smallest normal f32, once per term.
 */
export const TINY = 2 ** -126;

/** The largest finite f32. */
export const F32_MAX = (2 - 2 ** -23) * 2 ** 127;

/** One unit in the last place of a normal f32 v is at most `ULP * |v|`. */
export const ULP = 2 * U;

/** Covers the products of errors that first-order bounds leave out, as long as each relative error stays below 1e-3. */
export const FIRST_ORDER = 1.01;

/** Relative error of x / y: 2.5 ULP. */
export const DIVISION = 2.5 * ULP;

/** Relative error of inverseSqrt(x): 2 ULP. */
export const INVERSE_SQRT = 2 * ULP;

/** Relative error of sqrt(x), which WGSL lets inherit from 1.0 / inverseSqrt(x). */
export const SQRT = INVERSE_SQRT + DIVISION;

/** Absolute error of log and log2 for arguments in [0.5, 2]. */
export const LOG_NEAR_ONE = 2 ** -21;

/** Relative error of exp(x) and exp2(x): (3 + 2|x|) ULP. */
export function expError(x: number): number {
  return (3 + 2 * Math.abs(x)) * ULP;
}

/** Absolute error of a logarithm (any base) of `x` whose value is `value`: 2^-21 for x in [0.5, 2], elsewhere 3 ULP. */
export function logError(x: number, value: number): number {
  const far = 3 * ULP * Math.abs(value);
  // The f32 argument may lie on the other side of the limit: near it, both allowances hold.
  return x > 0.499 && x < 2.001 ? Math.max(far, LOG_NEAR_ONE) : far;
}

/** Relative error of pow(x, y), which WGSL lets inherit from exp2(y * log2(x)). */
export function powError(x: number, y: number): number {
  const log2 = Math.log2(x);
  const exponent = y * log2;
  return expError(exponent) + Math.LN2 * (Math.abs(y) * logError(x, log2) + U * Math.abs(exponent));
}

/**
 * |v| as it enters a sum of magnitudes. A subnormal v may be read as zero and its whole term be lost: scaled by 1/u, it makes `gamma * sum`
 * as large as the term itself.
 */
export function magnitude(v: number): number {
  const m = Math.abs(v);
  return m < TINY ? m / U : m;
}

/** {@link magnitude} of every element. */
export function magnitudes(data: Float64Array): Float64Array {
  const out = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = magnitude(data[i]);
  return out;
}

/**
 * The bound of a sum whose terms have magnitudes that add up to `sum`, when each term passes through at most `roundings` roundings on its
 * way into the result (a sum of K products: K). Infinite where the f32 evaluation may overflow.
 */
export function sumBound(roundings: number, sum: number): number {
  return sum <= F32_MAX ? gamma(roundings) * sum + 2 * roundings * TINY : Infinity;
}

/** {@link sumBound} of every element, in place. */
export function sumBounds(roundings: number, sums: Float64Array): Float64Array {
  for (let i = 0; i < sums.length; i++) sums[i] = sumBound(roundings, sums[i]);
  return sums;
}

/** A first-order bound `error`, made rigorous; infinite where `value` or the error is beyond f32. */
export function firstOrder(error: number, value: number): number {
  return Math.abs(value) + error <= F32_MAX ? FIRST_ORDER * error + TINY : Infinity;
}

/** The bound of a value that is passed on unchanged by arithmetic that may flush subnormals: zero for every normal value. */
export function passBound(value: number): number {
  const m = Math.abs(value);
  return m < TINY ? m : 0;
}

/** How an f32 result compares with its reference. */
export interface Excess {
  /** Largest |got - want| / bound: at most 1 when the bound holds everywhere. Infinity where the bound is 0 and the values differ. */
  readonly ratio: number;
  /** Where that is; -1 when all elements are equal. */
  readonly index: number;
  /** How many elements lie outside their bound. */
  readonly count: number;
}

/**
 * Compares f32 results with a bounded reference. NaN agrees with NaN only; where the bound is infinite everything agrees.
 * @throws RangeError if the lengths differ or `want` carries no bound.
 */
export function excess(got: ArrayLike<number>, want: Bounded): Excess {
  const { data, bound } = want;
  if (!bound) throw new RangeError('excess: expected a reference with bounds, got one without. Call the reference with bounds: true.');
  if (got.length !== data.length) throw new RangeError(`excess: expected ${data.length} values, got ${got.length}.`);
  let ratio = 0;
  let index = -1;
  let count = 0;
  for (let i = 0; i < data.length; i++) {
    const g = got[i];
    const w = data[i];
    if (g === w || bound[i] === Infinity || (g !== g && w !== w)) continue;
    const error = Math.abs(g - w);
    const r = error <= Infinity && bound[i] > 0 ? error / bound[i] : Infinity;
    if (!(r <= 1)) count += 1;
    if (r > ratio) {
      ratio = r;
      index = i;
    }
  }
  return { ratio, index, count };
}
