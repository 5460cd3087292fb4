/**
 * Ops that move elements and compute nothing: concat, pad, reshape, flatten, identity. All exact.
 */
import type { ConcatAttrs } from '../ops/concat.ts';
import type { PadAttrs } from '../ops/pad.ts';
import type { FlattenAttrs, ReshapeAttrs } from '../ops/reshape.ts';
import { size, type Shape } from '../tensor.ts';
import { around, exact, frontAxis, input } from './arrays.ts';
import type { Bounded, ReferenceOp } from './types.ts';

/** concat: x0, x1, ... -> y, joined along `axis`. */
export const concat: ReferenceOp<ConcatAttrs> = {
  forward(call): Bounded[] {
    const parts = call.x.map((_, k) => input(call, k));
    const axis = frontAxis(call.attrs.axis, parts[0].shape.length);
    const extent = parts.reduce((sum, part) => sum + part.shape[axis], 0);
    const shape = parts[0].shape.map((n, i) => (i === axis ? extent : n));
    const data = new Float64Array(size(shape));
    const [outer, , inner] = around(shape, axis);
    let to = 0;
    for (let o = 0; o < outer; o++) {
      for (const part of parts) {
        const block = part.shape[axis] * inner;
        data.set(part.data.subarray(o * block, (o + 1) * block), to);
        to += block;
      }
    }
    return [exact(shape, data, call.bounds)];
  },
  adjoint(call, k): Bounded {
    const dy = call.dy[0]!;
    const axis = frontAxis(call.attrs.axis, dy.shape.length);
    const before = call.x.slice(0, k).reduce((sum, part) => sum + part!.shape[axis], 0);
    const { shape } = input(call, k);
    const [outer, extent, inner] = around(dy.shape, axis);
    const data = new Float64Array(size(shape));
    const block = shape[axis] * inner;
    for (let o = 0; o < outer; o++) {
      const from = (o * extent + before) * inner;
      data.set(dy.data.subarray(from, from + block), o * block);
    }
    return exact(shape, data, call.bounds);
  },
};

/** Where each element of the small tensor lies in the padded one. */
function padIndex(x: Shape, shape: Shape, before: readonly number[]): Int32Array {
  let index = Int32Array.of(0);
  for (let axis = 0; axis < x.length; axis++) {
    const next = new Int32Array(index.length * x[axis]);
    for (let i = 0, to = 0; i < index.length; i++) {
      for (let j = 0; j < x[axis]; j++) next[to++] = index[i] * shape[axis] + before[axis] + j;
    }
    index = next;
  }
  return index;
}

/** pad: y = x surrounded by `value` (an f32 number). */
export const pad: ReferenceOp<PadAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const { before, after, value } = call.attrs;
    const shape = x.shape.map((n, axis) => before[axis] + n + after[axis]);
    const data = new Float64Array(size(shape)).fill(Math.fround(value));
    const index = padIndex(x.shape, shape, before);
    for (let i = 0; i < index.length; i++) data[index[i]] = x.data[i];
    return [exact(shape, data, call.bounds)];
  },
  adjoint(call): Bounded {
    const x = input(call, 0);
    const dy = call.dy[0]!;
    const index = padIndex(x.shape, dy.shape, call.attrs.before);
    const data = new Float64Array(index.length);
    for (let i = 0; i < index.length; i++) data[i] = dy.data[index[i]];
    return exact(x.shape, data, call.bounds);
  },
};

/** The signal of an alias: the same elements under the input's shape. They are shared, not copied. */
function back(call: Parameters<NonNullable<ReferenceOp<unknown>['adjoint']>>[0]): Bounded {
  return exact(input(call, 0).shape, call.dy[0]!.data, call.bounds);
}

/** reshape: the elements of x (shared) under another shape; 0 copies an extent, -1 takes what is left. */
export const reshape: ReferenceOp<ReshapeAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const given = call.attrs.shape.map((n, axis) => (n === 0 ? x.shape[axis] : n));
    const known = size(given.filter((n) => n !== -1));
    const shape = given.map((n) => (n === -1 ? x.data.length / known : n));
    return [exact(shape, x.data, call.bounds)];
  },
  adjoint: back,
};

/** flatten: the elements of x (shared) as a matrix: the axes before `axis` by the rest. */
export const flatten: ReferenceOp<FlattenAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const axis = frontAxis(call.attrs.axis, x.shape.length);
    return [exact([size(x.shape.slice(0, axis)), size(x.shape.slice(axis))], x.data, call.bounds)];
  },
  adjoint: back,
};

/** identity: x (shared). */
export const identity: ReferenceOp<object> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    return [exact(x.shape, x.data, call.bounds)];
  },
  adjoint: back,
};
