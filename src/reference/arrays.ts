/**
 * What the reference ops share: making tensors, broadcasting, sums over broadcast axes.
 */
import { size, type Shape } from '../tensor.ts';
import type { Bounded, F64Tensor, ReferenceCall } from './types.ts';

/** Input `k` of a call, which must be there. */
export function input(call: ReferenceCall<unknown>, k: number): F64Tensor {
  const x = call.x[k];
  if (!x) throw new RangeError(`reference: expected input ${k}, got none.`);
  return x;
}

/** A result with the given bound, or none. */
export function bounded(shape: Shape, data: Float64Array, bound?: Float64Array): Bounded {
  return bound ? { shape: [...shape], data, bound } : { shape: [...shape], data };
}

/** A result that f32 reproduces exactly. */
export function exact(shape: Shape, data: Float64Array, bounds: boolean): Bounded {
  return bounded(shape, data, bounds ? new Float64Array(data.length) : undefined);
}

/** `axis` counted from the front. */
export function frontAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Splits a shape at an axis: [elements before it, its extent, elements after it]. */
export function around(shape: Shape, axis: number): [outer: number, extent: number, inner: number] {
  return [size(shape.slice(0, axis)), shape[axis], size(shape.slice(axis + 1))];
}

/** The common shape of two shapes aligned at their last axes, extents of 1 stretching. */
export function broadcastShape(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const m = a[i - rank + a.length] ?? 1;
    const n = b[i - rank + b.length] ?? 1;
    return m === 1 ? n : m;
  });
}

/**
 * For every element of `shape`, the flat index of the element of `from` that broadcasting puts there.
 */
export function broadcastIndex(from: Shape, shape: Shape): Int32Array {
  const rank = shape.length;
  const strides = new Array<number>(rank).fill(0);
  let stride = 1;
  for (let axis = from.length - 1; axis >= 0; axis--) {
    if (from[axis] !== 1) strides[axis + rank - from.length] = stride;
    stride *= from[axis];
  }
  const index = new Int32Array(size(shape));
  const at = new Array<number>(rank).fill(0);
  let source = 0;
  for (let i = 0; i < index.length; i++) {
    index[i] = source;
    for (let axis = rank - 1; axis >= 0; axis--) {
      at[axis] += 1;
      source += strides[axis];
      if (at[axis] < shape[axis]) break;
      source -= strides[axis] * shape[axis];
      at[axis] = 0;
    }
  }
  return index;
}

/** `out[index[i]] += data[i]`: the transpose of broadcasting. `length` is the number of elements of the small tensor. */
export function scatterSum(data: Float64Array, index: Int32Array, length: number): Float64Array {
  const out = new Float64Array(length);
  for (let i = 0; i < data.length; i++) out[index[i]] += data[i];
  return out;
}
