/**
 * Element by element: relu under a rule, clip, add, mul (both with broadcasting), dropout.
 */
import type { ClipAttrs } from '../ops/clip.ts';
import { dropoutHash, threshold, type DropoutAttrs } from '../ops/dropout.ts';
import { rulePasses } from '../rule.ts';
import { size, type Shape } from '../tensor.ts';
import { bounded, broadcastIndex, broadcastShape, input, scatterSum } from './arrays.ts';
import { magnitudes, passBound, sumBound, sumBounds } from './bounds.ts';
import type { Bounded, ReferenceCall, ReferenceOp } from './types.ts';

const passed = (shape: Shape, data: Float64Array, bounds: boolean): Bounded =>
  bounded(shape, data, bounds ? data.map(passBound) : undefined);

/** relu: y = max(x, 0), NaN stays NaN; dx = dy where the rule passes it. Exact. */
export const relu: ReferenceOp<object> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const data = new Float64Array(x.data.length);
    for (let i = 0; i < data.length; i++) data[i] = x.data[i] <= 0 ? 0 : x.data[i];
    return [passed(x.shape, data, call.bounds)];
  },
  adjoint(call): Bounded {
    const x = input(call, 0);
    const dy = call.dy[0]!.data;
    const data = new Float64Array(dy.length);
    const { relu: rule, zero } = call.rules;
    for (let i = 0; i < data.length; i++) data[i] = rulePasses(rule, x.data[i], dy[i], zero) ? dy[i] : 0;
    return passed(x.shape, data, call.bounds);
  },
};

/**
 * Whether clip passes the signal where its input was x: strictly inside the limits, which are f32 numbers, as the engine has them, so that
 * both sides cut at the same place.
 */
export function clipPasses(attrs: ClipAttrs, x: number): boolean {
  const { min, max } = attrs;
  return (min === undefined || x > Math.fround(min)) && (max === undefined || x < Math.fround(max));
}

/** One element of clip: the upper limit is applied last, NaN stays NaN. */
export function clipValue(attrs: ClipAttrs, x: number): number {
  const { min, max } = attrs;
  const raised = min !== undefined && x < Math.fround(min) ? Math.fround(min) : x;
  return max !== undefined && raised > Math.fround(max) ? Math.fround(max) : raised;
}

/** clip: y = min(max(x, min), max); dx = dy where min < x < max. Exact. */
export const clip: ReferenceOp<ClipAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const data = x.data.map((v) => clipValue(call.attrs, v));
    return [passed(x.shape, data, call.bounds)];
  },
  adjoint(call): Bounded {
    const x = input(call, 0);
    const data = call.dy[0]!.data.map((r, i) => (clipPasses(call.attrs, x.data[i]) ? r : 0));
    return passed(x.shape, data, call.bounds);
  },
};

/** add: y = a + b with broadcasting; the signal is summed over the axes an input was stretched along. Bounds: one rounding; gamma_(K-1). */
export const add: ReferenceOp<object> = {
  forward(call): Bounded[] {
    const [a, b] = [input(call, 0), input(call, 1)];
    const shape = broadcastShape(a.shape, b.shape);
    const p = broadcastIndex(a.shape, shape);
    const q = broadcastIndex(b.shape, shape);
    const data = new Float64Array(p.length);
    for (let i = 0; i < data.length; i++) data[i] = a.data[p[i]] + b.data[q[i]];
    return [bounded(shape, data, call.bounds ? data.map((y) => sumBound(1, Math.abs(y))) : undefined)];
  },
  adjoint(call, k): Bounded {
    const { shape } = input(call, k);
    const dy = call.dy[0]!;
    const length = size(shape);
    const index = broadcastIndex(shape, dy.shape);
    const data = scatterSum(dy.data, index, length);
    if (!call.bounds) return bounded(shape, data);
    const terms = dy.data.length / length;
    if (terms <= 1) return passed(shape, data, true);
    return bounded(shape, data, sumBounds(terms - 1, scatterSum(magnitudes(dy.data), index, length)));
  },
};

/** mul: y = a * b with broadcasting; da = sum of dy * b over the axes a was stretched along. Bounds: one rounding; gamma_K. */
export const mul: ReferenceOp<object> = {
  forward(call): Bounded[] {
    const [a, b] = [input(call, 0), input(call, 1)];
    const shape = broadcastShape(a.shape, b.shape);
    const data = products(a.data, broadcastIndex(a.shape, shape), b.data, broadcastIndex(b.shape, shape));
    if (!call.bounds) return [bounded(shape, data)];
    const sums = products(magnitudes(a.data), broadcastIndex(a.shape, shape), magnitudes(b.data), broadcastIndex(b.shape, shape));
    return [bounded(shape, data, sumBounds(1, sums))];
  },
  adjoint(call, k): Bounded {
    const x = input(call, k);
    const other = input(call, 1 - k);
    const dy = call.dy[0]!;
    const length = size(x.shape);
    const index = broadcastIndex(x.shape, dy.shape);
    const from = broadcastIndex(other.shape, dy.shape);
    const all = Int32Array.from(index, (_, i) => i);
    const data = scatterSum(products(dy.data, all, other.data, from), index, length);
    if (!call.bounds) return bounded(x.shape, data);
    const sums = scatterSum(products(magnitudes(dy.data), all, magnitudes(other.data), from), index, length);
    return bounded(x.shape, data, sumBounds(Math.max(1, dy.data.length / length), sums));
  },
};

function products(a: Float64Array, p: Int32Array, b: Float64Array, q: Int32Array): Float64Array {
  const out = new Float64Array(p.length);
  for (let i = 0; i < out.length; i++) out[i] = a[p[i]] * b[q[i]];
  return out;
}

/** x * keep / (1 - ratio), forward and adjoint alike. Bounds: the scale is a rounded constant, the product one more rounding. */
function drop(shape: Shape, x: Float64Array, call: ReferenceCall<DropoutAttrs>): Bounded {
  const { random, attrs } = call;
  if (!random || attrs.ratio === 0) return passed(shape, x, call.bounds);
  const scale = 1 / (1 - attrs.ratio);
  const limit = threshold(attrs.ratio);
  const data = x.map((v, i) => (dropoutHash(random.seed, random.iteration, random.salt, i) >= limit ? v * scale : 0));
  return bounded(shape, data, call.bounds ? magnitudes(data).map((m) => (m === 0 ? 0 : sumBound(2, m))) : undefined);
}

/** dropout: y = x (shared) at inference; with a generator, y = x * keep / (1 - ratio). */
export const dropout: ReferenceOp<DropoutAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    return [drop(x.shape, x.data, call)];
  },
  adjoint(call): Bounded {
    const dy = call.dy[0]!;
    return drop(dy.shape, dy.data, call);
  },
};
