/**
 * One step of stochastic gradient descent with momentum, ONNX's ai.onnx.preview.training.Momentum.
 */
import type { MomentumAttrs } from '../ops/momentum.ts';
import { bounded, input } from './arrays.ts';
import { magnitude, sumBounds } from './bounds.ts';
import type { Bounded, ReferenceOp } from './types.ts';

/**
 * momentum: rate, count, x, g, v -> xNew, vNew, with g' = normCoefficient x + g,
 * vNew = alpha v + (count > 0 ? beta : 1) g', xNew = x - rate (standard: vNew; nesterov: g' + alpha vNew). No adjoint.
 *
 * Bounds: a product with a constant costs its rounding and the product's, a sum one: g' 3, vNew 6, g' + alpha vNew 9, and two more for
 * xNew.
 */
export const momentum: ReferenceOp<MomentumAttrs> = {
  forward(call): Bounded[] {
    const [rate, count] = [input(call, 0).data[0], input(call, 1).data[0]];
    const [x, g, v] = [input(call, 2), input(call, 3), input(call, 4)];
    const { alpha, normCoefficient, mode } = call.attrs;
    const beta = count > 0 ? call.attrs.beta : 1;
    const nesterov = mode === 'nesterov';
    const length = x.data.length;
    const [xNew, vNew, xSum, vSum] = [0, 1, 2, 3].map(() => new Float64Array(length));
    for (let i = 0; i < length; i++) {
      const regularised = normCoefficient * x.data[i] + g.data[i];
      vNew[i] = alpha * v.data[i] + beta * regularised;
      xNew[i] = x.data[i] - rate * (nesterov ? regularised + alpha * vNew[i] : vNew[i]);
      if (!call.bounds) continue;
      const m = Math.abs(normCoefficient) * magnitude(x.data[i]) + magnitude(g.data[i]);
      vSum[i] = Math.abs(alpha) * magnitude(v.data[i]) + Math.abs(beta) * m;
      xSum[i] = magnitude(x.data[i]) + Math.abs(rate) * (nesterov ? m + Math.abs(alpha) * vSum[i] : vSum[i]);
    }
    if (!call.bounds) return [bounded(x.shape, xNew), bounded(x.shape, vNew)];
    return [bounded(x.shape, xNew, sumBounds(nesterov ? 11 : 8, xSum)), bounded(x.shape, vNew, sumBounds(6, vSum))];
  },
};
