/**
 * Normalisation: local response normalisation across channels, batch normalisation with given statistics.
 */
import type { BatchNormAttrs } from '../ops/batchnorm.ts';
import type { LrnAttrs } from '../ops/lrn.ts';
import { bounded, input } from './arrays.ts';
import { DIVISION, firstOrder, gamma, magnitudes, passBound, powError, SQRT, sumBound, sumBounds, TINY, U } from './bounds.ts';
import type { Bounded, F64Tensor, ReferenceOp } from './types.ts';

/** `to[c] += sum of from[c'] over c' in [c - below, c + above]`, channel planes of `extent` elements. */
function windowSums(shape: readonly number[], from: Float64Array, below: number, above: number): Float64Array {
  const [N, C] = shape;
  const extent = from.length / (N * C);
  const to = new Float64Array(from.length);
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      const a = (n * C + c) * extent;
      for (let other = Math.max(0, c - below); other <= Math.min(C - 1, c + above); other++) {
        const b = (n * C + other) * extent;
        for (let i = 0; i < extent; i++) to[a + i] += from[b + i];
      }
    }
  }
  return to;
}

const squares = (data: Float64Array): Float64Array => data.map((v) => v * v);

interface LrnScale {
  readonly below: number;
  readonly above: number;
  /** s = bias + alpha/size * sum x^2 */
  readonly scale: Float64Array;
  /** s^-beta */
  readonly power: Float64Array;
}

function lrnScale(x: F64Tensor, { size, alpha, beta, bias }: LrnAttrs): LrnScale {
  const below = Math.floor((size - 1) / 2);
  const above = Math.ceil((size - 1) / 2);
  const scale = windowSums(x.shape, squares(x.data), below, above);
  for (let i = 0; i < scale.length; i++) scale[i] = bias + (alpha / size) * scale[i];
  return { below, above, scale, power: scale.map((s) => s ** -beta) };
}

/**
 * Relative error of s, per element: the sum of squares passes `size` roundings, alpha/size a division and the rounding of alpha, then one
 * product and one sum; bias its own rounding and the sum. Measured against |bias| + |alpha/size| sum x^2, of which s may be a difference.
 */
function scaleError(x: F64Tensor, { scale, below, above }: LrnScale, { size, alpha, bias }: LrnAttrs): Float64Array {
  const sums = windowSums(x.shape, squares(magnitudes(x.data)), below, above);
  const roundings = size + DIVISION / U + 3;
  return sums.map((sum, i) => (sumBound(roundings, Math.abs(bias) + Math.abs(alpha / size) * sum) + size * TINY) / Math.abs(scale[i]));
}

/**
 * Relative error of s^beta for an exact s. Beta a multiple of a quarter: s^(1/2) is one sqrt, s^(1/4) = sqrt(sqrt(s)) inherits half of the
 * first one's error, and the factors are multiplied up; otherwise pow.
 */
function lrnPowerError(s: number, beta: number): number {
  const quarters = 4 * beta;
  if (!(Number.isInteger(quarters) && quarters > 0 && quarters <= 32)) return powError(s, beta);
  const products = Math.floor(beta) + 1;
  return (quarters & 1 ? 1.5 * SQRT : 0) + (quarters & 2 ? SQRT : 0) + products * U;
}

/** lrn: x[N,C,...] -> y = x * s^-beta. */
export const lrn: ReferenceOp<LrnAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const g = lrnScale(x, call.attrs);
    const data = x.data.map((v, i) => v * g.power[i]);
    if (!call.bounds) return [bounded(x.shape, data)];
    // y = x / s^beta: beta times the error of s, that of the power, one division.
    const { beta } = call.attrs;
    const rs = scaleError(x, g, call.attrs);
    const bound = data.map((y, i) =>
      firstOrder(Math.abs(y) * (Math.abs(beta) * rs[i] + lrnPowerError(g.scale[i], beta) + DIVISION) + TINY, y),
    );
    return [bounded(x.shape, data, bound)];
  },

  /** dx = dy s^-beta - 2 alpha beta / size * x * sum over c' whose window holds c of dy x s^(-beta-1); under the identity rule dx = dy. */
  adjoint(call): Bounded {
    const x = input(call, 0);
    const dy = call.dy[0]!.data;
    if (call.rules.lrn === 'identity') return bounded(x.shape, dy, call.bounds ? dy.map(passBound) : undefined);
    const { size, alpha, beta } = call.attrs;
    const g = lrnScale(x, call.attrs);
    const { scale, power } = g;
    const factor = (2 * alpha * beta) / size;
    const terms = dy.map((r, i) => (r * x.data[i] * power[i]) / scale[i]);
    // c lies in [c' - below, c' + above] exactly when c' lies in [c - above, c + below].
    const sums = windowSums(x.shape, terms, g.above, g.below);
    const data = dy.map((r, i) => r * power[i] - factor * x.data[i] * sums[i]);
    if (!call.bounds) return bounded(x.shape, data);

    // Each term: (beta + 1) times the error of s, the power, two divisions, one product. The sum: `size` roundings. Around it: the factor
    // (alpha/size: a division and a rounding; beta's rounding; a product), two products, and the final subtraction.
    const rs = scaleError(x, g, call.attrs);
    const around = gamma(size + 6) + DIVISION;
    const b = Math.abs(beta);
    const errors = terms.map((t, i) => Math.abs(t) * ((b + 1) * rs[i] + lrnPowerError(scale[i], beta) + 2 * DIVISION + U + around) + TINY);
    const sumErrors = windowSums(x.shape, errors, g.above, g.below);
    const bound = data.map((value, i) => {
      const direct = Math.abs(dy[i] * power[i]) * (b * rs[i] + lrnPowerError(scale[i], beta) + DIVISION + U);
      return firstOrder(direct + Math.abs(factor * x.data[i]) * sumErrors[i] + 2 * TINY, value);
    });
    return bounded(x.shape, data, bound);
  },
};

/**
 * Relative error of anything divided by sqrt(variance + epsilon): half of epsilon's rounding and the sum's, the root, the division.
 */
const DEVIATION = U + SQRT + DIVISION;

/** batchnorm: x[N,C,...], scale, bias, mean, variance [C] -> y = scale (x - mean) / sqrt(variance + epsilon) + bias. */
export const batchnorm: ReferenceOp<BatchNormAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const [scale, bias, mean, variance] = [1, 2, 3, 4].map((k) => input(call, k).data);
    const { C, extent } = planes(x);
    const data = new Float64Array(x.data.length);
    const bound = call.bounds ? new Float64Array(data.length) : undefined;
    for (let i = 0; i < data.length; i++) {
      const c = Math.floor(i / extent) % C;
      const scaled = (scale[c] * (x.data[i] - mean[c])) / Math.sqrt(variance[c] + call.attrs.epsilon);
      data[i] = scaled + bias[c];
      if (!bound) continue;
      // The difference, the quotient, the product, the sum: in the order written, since folding mean into bias would cancel.
      const error = Math.abs(scaled) * (DEVIATION + 2 * U) + Math.abs(data[i]) * U + (Math.abs(scale[c]) + 2) * TINY;
      bound[i] = firstOrder(error, data[i]);
    }
    return [bounded(x.shape, data, bound)];
  },

  adjoint(call, k): Bounded {
    const x = input(call, 0);
    const [scale, , mean, variance] = [1, 2, 3, 4].map((k) => input(call, k).data);
    const dy = call.dy[0]!.data;
    const { C, extent } = planes(x);
    const inverse = variance.map((v) => 1 / Math.sqrt(v + call.attrs.epsilon));
    if (k === 0) {
      const data = dy.map((r, i) => {
        const c = Math.floor(i / extent) % C;
        return r * scale[c] * inverse[c];
      });
      const bound = call.bounds
        ? data.map((v, i) => firstOrder(Math.abs(v) * (DEVIATION + U) + (Math.abs(dy[i]) + 1) * TINY, v))
        : undefined;
      return bounded(x.shape, data, bound);
    }
    if (k !== 1 && k !== 2) {
      throw new RangeError(`batchnorm reference: expected input 0, 1 or 2, got ${k}. Mean and variance have no adjoint.`);
    }
    const centred = (i: number, c: number): number => (k === 1 ? (x.data[i] - mean[c]) * inverse[c] : 1);
    const data = new Float64Array(C);
    const sums = new Float64Array(C);
    for (let i = 0; i < dy.length; i++) {
      const c = Math.floor(i / extent) % C;
      data[c] += dy[i] * centred(i, c);
      sums[c] += Math.abs(dy[i] * centred(i, c));
    }
    // dscale: a sum of K products of differences, over the deviation; dbias: a plain sum.
    const roundings = dy.length / C + (k === 1 ? 1 + DEVIATION / U : 0);
    return bounded([C], data, call.bounds ? sumBounds(roundings, sums) : undefined);
  },
};

function planes(x: F64Tensor): { C: number; extent: number } {
  return { C: x.shape[1], extent: x.data.length / (x.shape[0] * x.shape[1]) };
}
