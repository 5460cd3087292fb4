/**
 * What gradient ascent on an image needs besides the network: circular shift, Gaussian blur, norms, bounds.
 */
import { gaussian, type BlurAttrs } from '../ops/blur.ts';
import { partsOf } from '../ops/l2norm.ts';
import type { RollAttrs } from '../ops/roll.ts';
import { size } from '../tensor.ts';
import { bounded, exact, input } from './arrays.ts';
import { DIVISION, F32_MAX, FIRST_ORDER, magnitude, magnitudes, passBound, SQRT, sumBound, sumBounds, TINY } from './bounds.ts';
import type { Bounded, F64Tensor, ReferenceCall, ReferenceOp } from './types.ts';

const modulo = (i: number, n: number): number => ((i % n) + n) % n;

function shifted(x: F64Tensor, call: ReferenceCall<RollAttrs>, direction: number): Bounded {
  const [height, width] = x.shape.slice(-2);
  const [rows, columns] = input(call, 1).data;
  const data = x.data.map((_, i) => {
    const plane = Math.floor(i / (height * width));
    const row = modulo((Math.floor(i / width) % height) - direction * rows, height);
    const column = modulo((i % width) - direction * columns, width);
    return x.data[(plane * height + row) * width + column];
  });
  return exact(x.shape, data, call.bounds);
}

/** roll: x[..., H, W] moved by [rows, columns], circularly; `inverse` moves it back. Exact. */
export const roll: ReferenceOp<RollAttrs> = {
  forward: (call) => [shifted(input(call, 0), call, call.attrs.inverse ? -1 : 1)],
  adjoint: (call) => shifted(call.dy[0]!, call, call.attrs.inverse ? 1 : -1),
};

/** The correlation of every line along an axis with the symmetric kernel of the given half, reflected at the edges. */
function along(data: Float64Array, extent: number, inner: number, half: readonly number[]): Float64Array {
  const at = (c: number): number => {
    const place = modulo(c, 2 * extent);
    return Math.min(place, 2 * extent - 1 - place);
  };
  return data.map((value, i) => {
    const c = Math.floor(i / inner) % extent;
    const first = i - c * inner;
    let sum = half[0] * value;
    for (let k = 1; k < half.length; k++) sum += half[k] * (data[first + at(c - k) * inner] + data[first + at(c + k) * inner]);
    return sum;
  });
}

/** Bounds: each axis rounds a weight, a sum of two, a product, and adds up radius + 1 of these. */
function blurred(x: F64Tensor, call: ReferenceCall<BlurAttrs>): Bounded {
  const half = gaussian(call.attrs.sigma);
  const [height, width] = x.shape.slice(-2);
  const both = (data: Float64Array): Float64Array => along(along(data, width, 1, half), height, width, half);
  const data = both(x.data);
  if (!call.bounds) return bounded(x.shape, data);
  return bounded(x.shape, data, sumBounds(2 * (half.length + 3), both(magnitudes(x.data))));
}

/** blur: x[..., H, W] with a Gaussian of `sigma` pixels, cut at four of them, edges repeated in reflection. Its own adjoint. */
export const blur: ReferenceOp<BlurAttrs> = {
  forward: (call) => [blurred(input(call, 0), call)],
  adjoint: (call) => blurred(call.dy[0]!, call),
};

/**
 * l2norm: x[N, ...] -> norm[N] = ||x_n||_2 and y = x_n / norm[n], 0 where that is 0. No adjoint.
 *
 * Bounds: a sum of squares in two stages, ceil(extent / parts) + 1 + parts roundings; its error passes through the root exactly, and the
 * norm's through the quotient.
 */
export const l2norm: ReferenceOp<object> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const [items, ...item] = x.shape;
    const extent = size(item);
    const parts = partsOf(extent);
    const [norm, normBound] = [new Float64Array(items), new Float64Array(items)];
    const [y, bound] = [new Float64Array(x.data.length), new Float64Array(x.data.length)];
    for (let n = 0; n < items; n++) {
      let [sum, most] = [0, 0];
      for (let i = n * extent; i < (n + 1) * extent; i++) {
        sum += x.data[i] * x.data[i];
        most += magnitude(x.data[i]) * magnitude(x.data[i]);
      }
      norm[n] = Math.sqrt(sum);
      const slack = most === 0 ? 0 : sumBound(Math.ceil(extent / parts) + 1 + parts, most);
      const [low, high] = [Math.sqrt(Math.max(0, sum - slack)), Math.sqrt(sum + slack)];
      normBound[n] = high <= F32_MAX ? Math.max(high - norm[n], norm[n] - low) + FIRST_ORDER * SQRT * high : Infinity;
      for (let i = n * extent; i < (n + 1) * extent; i++) {
        y[i] = norm[n] === 0 ? 0 : x.data[i] / norm[n];
        const least = norm[n] - normBound[n];
        const off = Math.abs(x.data[i]) * (1 / least - 1 / norm[n] + (FIRST_ORDER * DIVISION) / least) + TINY;
        bound[i] = normBound[n] === 0 ? 0 : least > 0 ? off : Infinity;
      }
    }
    if (!call.bounds) return [bounded([items], norm), bounded(x.shape, y)];
    return [bounded([items], norm, normBound), bounded(x.shape, y, bound)];
  },
};

/** limit: x[N, C, ...] raised to low, then lowered to high, each [C] or [C, ...]; NaN stays NaN. Exact. */
export const limit: ReferenceOp<object> = {
  forward(call): Bounded[] {
    const [x, low, high] = [input(call, 0), input(call, 1).data, input(call, 2).data];
    const extent = size(x.shape.slice(1));
    const plane = extent / low.length;
    const data = x.data.map((v, i) => {
      const c = Math.floor((i % extent) / plane);
      const raised = v < low[c] ? low[c] : v;
      return raised > high[c] ? high[c] : raised;
    });
    return [bounded(x.shape, data, call.bounds ? data.map(passBound) : undefined)];
  },
};
