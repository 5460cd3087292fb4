/**
 * Softmax and its logarithm along one axis, and the losses that stand on them. All through differences from the maximum m:
 *
 *     softmax     y = exp(x - m) / sum exp(x - m)
 *     logsoftmax  y = (x - m) - log(sum exp(x - m))
 *
 * Bounds: x - m rounds once, which is an absolute error u|x - m| in the exponent and so a relative one in exp, beside exp's own. The sum S
 * adds gamma_K to the mean of its terms' relative errors; its relative error is an absolute one in log S, beside log's own.
 */
import type { LossAttrs } from '../ops/loss.ts';
import type { SoftmaxAttrs } from '../ops/softmax.ts';
import { around, bounded, frontAxis, input } from './arrays.ts';
import { DIVISION, expError, firstOrder, gamma, logError, sumBound, TINY, U } from './bounds.ts';
import type { Bounded, F64Tensor, ReferenceOp } from './types.ts';

/** Softmax or its logarithm along `axis`. */
function normalised(x: F64Tensor, axis: number, log: boolean, bounds: boolean): Bounded {
  const [outer, K, inner] = around(x.shape, axis);
  const data = new Float64Array(x.data.length);
  const bound = bounds ? new Float64Array(data.length) : undefined;
  const e = new Float64Array(K);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const base = o * K * inner + i;
      let max = -Infinity;
      for (let k = 0; k < K; k++) if (x.data[base + k * inner] > max) max = x.data[base + k * inner];
      let sum = 0;
      let sumError = 0;
      for (let k = 0; k < K; k++) {
        const d = x.data[base + k * inner] - max;
        e[k] = Math.exp(d);
        sum += e[k];
        if (bounds) sumError += e[k] * (U * Math.abs(d) + expError(d)) + TINY;
      }
      const logSum = Math.log(sum);
      const relative = sumError / sum + gamma(K);
      for (let k = 0; k < K; k++) {
        const at = base + k * inner;
        const d = x.data[at] - max;
        const y = log ? d - logSum : e[k] / sum;
        data[at] = y;
        if (!bound) continue;
        const error = log
          ? U * Math.abs(d) + relative + logError(sum, logSum) + U * Math.abs(y)
          : y * (U * Math.abs(d) + expError(d) + relative + DIVISION) + 2 * TINY;
        bound[at] = firstOrder(error, y);
      }
    }
  }
  return bounded(x.shape, data, bound);
}

/** softmax: x -> y along `axis`. */
export const softmax: ReferenceOp<SoftmaxAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    return [normalised(x, frontAxis(call.attrs.axis, x.shape.length), false, call.bounds)];
  },

  /** dx = y (dy - sum dy y). The bound lets y carry its forward error: the kernel has its own y. */
  adjoint(call): Bounded {
    const x = input(call, 0);
    const y = call.y[0].data;
    const dy = call.dy[0]!.data;
    const axis = frontAxis(call.attrs.axis, x.shape.length);
    const [outer, K, inner] = around(x.shape, axis);
    const yError = call.bounds ? normalised(x, axis, false, true).bound! : null;
    const data = new Float64Array(y.length);
    const bound = yError ? new Float64Array(y.length) : undefined;
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const base = o * K * inner + i;
        let sum = 0;
        let magnitude = 0;
        let sumError = 0;
        for (let k = 0; k < K; k++) {
          const at = base + k * inner;
          sum += dy[at] * y[at];
          magnitude += Math.abs(dy[at] * y[at]);
          if (yError) sumError += Math.abs(dy[at]) * yError[at];
        }
        sumError += sumBound(K, magnitude);
        for (let k = 0; k < K; k++) {
          const at = base + k * inner;
          const difference = dy[at] - sum;
          data[at] = y[at] * difference;
          if (!bound || !yError) continue;
          // y's error times the difference; the sum's error and the subtraction's rounding times y; the product's rounding.
          const error = yError[at] * Math.abs(difference) + y[at] * (sumError + U * Math.abs(difference)) + U * Math.abs(data[at]);
          bound[at] = firstOrder(error + TINY, data[at]);
        }
      }
    }
    return bounded(x.shape, data, bound);
  },
};

/** dx = dy - exp(y) sum dy, the adjoint of logsoftmax; `yError` is what y may be off by. */
function logAdjoint(y: F64Tensor, yError: Float64Array | undefined, dy: Float64Array, axis: number): Bounded {
  const [outer, K, inner] = around(y.shape, axis);
  const data = new Float64Array(dy.length);
  const bound = yError && new Float64Array(dy.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const base = o * K * inner + i;
      let sum = 0;
      let magnitude = 0;
      for (let k = 0; k < K; k++) {
        sum += dy[base + k * inner];
        magnitude += Math.abs(dy[base + k * inner]);
      }
      for (let k = 0; k < K; k++) {
        const at = base + k * inner;
        const p = Math.exp(y.data[at]);
        data[at] = dy[at] - p * sum;
        if (!bound) continue;
        const error =
          p * Math.abs(sum) * (probabilityError(y.data[at], yError[at]) + U) + p * sumBound(K, magnitude) + U * Math.abs(data[at]);
        bound[at] = firstOrder(error + (Math.abs(sum) + 1) * TINY, data[at]);
      }
    }
  }
  return bounded(y.shape, data, bound);
}

/** Relative error of exp(y) when y itself is off by `yError`; with a division's worth to spare, for kernels that take softmax anew. */
function probabilityError(y: number, yError: number): number {
  return expError(y) + yError + DIVISION;
}

/** logsoftmax: x -> y along `axis`. */
export const logsoftmax: ReferenceOp<SoftmaxAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    return [normalised(x, frontAxis(call.attrs.axis, x.shape.length), true, call.bounds)];
  },
  adjoint(call): Bounded {
    const x = input(call, 0);
    const axis = frontAxis(call.attrs.axis, x.shape.length);
    const yError = call.bounds ? normalised(x, axis, true, true).bound : undefined;
    return logAdjoint(call.y[0], yError, call.dy[0]!.data, axis);
  },
};

/** What each item's loss is multiplied by. */
const lossFactor = (attrs: LossAttrs, items: number): number => (attrs.reduction === 'mean' ? 1 / items : 1);

/**
 * Loss of log-probabilities [N, K] under labels [N]; a label outside [0, K) gives NaN. Bounds: what the log-probabilities carry, and for a
 * reduction gamma of the sum and the factor (its rounding and the product's).
 */
function loss(logP: Bounded, labels: Float64Array, attrs: LossAttrs): Bounded {
  const [N, K] = logP.shape;
  const at = (n: number): number => (labels[n] >= 0 && labels[n] < K ? n * K + labels[n] : -1);
  const losses = Float64Array.from({ length: N }, (_, n) => (at(n) < 0 ? NaN : -logP.data[at(n)]));
  const errors = logP.bound && Float64Array.from({ length: N }, (_, n) => (at(n) < 0 ? Infinity : logP.bound![at(n)]));
  if (attrs.reduction === 'none') return bounded([N], losses, errors);
  const factor = lossFactor(attrs, N);
  const total = losses.reduce((sum, l) => sum + l, 0) * factor;
  const bound = errors?.reduce(
    (sum, error, n) => sum + factor * (1 + gamma(N + 2)) * error + sumBound(N + 2, factor * Math.abs(losses[n])),
    0,
  );
  return bounded([], Float64Array.of(total), bound === undefined ? undefined : Float64Array.of(bound));
}

/** crossentropy: scores[N,K], labels[N] -> loss, logProbabilities[N,K]. */
export const crossentropy: ReferenceOp<LossAttrs> = {
  forward(call): Bounded[] {
    const logP = normalised(input(call, 0), 1, true, call.bounds);
    return [loss(logP, input(call, 1).data, call.attrs), logP];
  },

  /** dscores = dloss * factor * (exp(logP) - onehot), and the adjoint of logsoftmax for what arrives at the log-probabilities. */
  adjoint(call, k): Bounded {
    if (k !== 0) throw new RangeError(`crossentropy reference: expected input 0, got ${k}. Labels have no adjoint.`);
    const scores = input(call, 0);
    const labels = input(call, 1).data;
    const [N, K] = scores.shape;
    const logP = normalised(scores, 1, true, call.bounds);
    const [dloss, dlogP] = [call.dy[0], call.dy[1] ?? null];
    const result = dlogP
      ? logAdjoint(logP, logP.bound, dlogP.data, 1)
      : bounded([N, K], new Float64Array(N * K), logP.bound && new Float64Array(N * K));
    if (!dloss) return result;
    const factor = lossFactor(call.attrs, N);
    for (let n = 0; n < N; n++) {
      if (!(labels[n] >= 0 && labels[n] < K)) continue;
      const r = dloss.data[call.attrs.reduction === 'none' ? n : 0] * factor;
      for (let i = n * K; i < (n + 1) * K; i++) {
        const p = Math.exp(logP.data[i]);
        const difference = p - (i - n * K === labels[n] ? 1 : 0);
        result.data[i] += r * difference;
        if (!result.bound) continue;
        // exp's error; then roundings of the factor, of its product with dloss, of the difference and of the last product.
        const error = Math.abs(r) * (p * probabilityError(logP.data[i], logP.bound![i]) + 4 * U * Math.abs(difference));
        const sum = dlogP ? U * Math.abs(result.data[i]) : 0;
        result.bound[i] += firstOrder(error + sum + (Math.abs(r) + 1) * TINY, result.data[i]);
      }
    }
    return result;
  },
};

/** nll: logProbabilities[N,K], labels[N] -> loss. */
export const nll: ReferenceOp<LossAttrs> = {
  forward(call): Bounded[] {
    const logP = input(call, 0);
    const given = bounded(logP.shape, logP.data, call.bounds ? new Float64Array(logP.data.length) : undefined);
    return [loss(given, input(call, 1).data, call.attrs)];
  },

  /** dlogProbabilities = -dloss * factor at the label, zero elsewhere. */
  adjoint(call, k): Bounded {
    if (k !== 0) throw new RangeError(`nll reference: expected input 0, got ${k}. Labels have no adjoint.`);
    const { shape } = input(call, 0);
    const labels = input(call, 1).data;
    const [N, K] = shape;
    const data = new Float64Array(N * K);
    const bound = call.bounds ? new Float64Array(N * K) : undefined;
    const factor = lossFactor(call.attrs, N);
    for (let n = 0; n < N; n++) {
      if (!(labels[n] >= 0 && labels[n] < K)) continue;
      const i = n * K + labels[n];
      data[i] = -call.dy[0]!.data[call.attrs.reduction === 'none' ? n : 0] * factor;
      if (bound) bound[i] = sumBound(factor === 1 ? 0 : 2, Math.abs(data[i]));
    }
    return bounded(shape, data, bound);
  },
};
