/**
 * Matrix product with an optional addend, ONNX's Gemm: y = alpha * op(a) op(b) + beta * c, op the transpose where asked for.
 * As a fully-connected layer: a = x[N, in], b = w[out, in] (transB), c = b[out].
 */
import type { LinearAttrs } from '../ops/linear.ts';
import { size } from '../tensor.ts';
import { bounded, broadcastIndex, input, scatterSum } from './arrays.ts';
import { magnitudes, sumBounds } from './bounds.ts';
import type { Bounded, F64Tensor, ReferenceOp } from './types.ts';

/** A matrix seen through strides: element (i, j) is data[i*row + j*column]; one of the strides is 1. */
interface View {
  readonly data: Float64Array;
  readonly rows: number;
  readonly columns: number;
  readonly row: number;
  readonly column: number;
}

function view(t: F64Tensor, transpose: boolean): View {
  const [rows, columns] = t.shape;
  const v = { data: t.data, rows, columns, row: columns, column: 1 };
  return transpose ? transposed(v) : v;
}

function transposed(v: View): View {
  return { data: v.data, rows: v.columns, columns: v.rows, row: v.column, column: v.row };
}

/** p q, row-major. Dot products where q's columns are contiguous, sums of its rows where those are; four at a time. */
function product(p: View, q: View): Float64Array {
  const out = new Float64Array(p.rows * q.columns);
  const left = new Float64Array(p.columns);
  for (let i = 0; i < p.rows; i++) {
    for (let k = 0; k < p.columns; k++) left[k] = p.data[i * p.row + k * p.column];
    if (q.row === 1) dots(left, q.data, q.column, out, i * q.columns, q.columns);
    else rowSums(left, q.data, q.row, out, i * q.columns, q.columns);
  }
  return out;
}

/** out[to + j] = sum_k left[k] * right[j*pitch + k] */
function dots(left: Float64Array, right: Float64Array, pitch: number, out: Float64Array, to: number, columns: number): void {
  const n = left.length;
  let j = 0;
  for (; j + 4 <= columns; j += 4) {
    const o0 = j * pitch;
    const o1 = o0 + pitch;
    const o2 = o1 + pitch;
    const o3 = o2 + pitch;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let k = 0; k < n; k++) {
      const v = left[k];
      s0 += v * right[(o0 + k) | 0];
      s1 += v * right[(o1 + k) | 0];
      s2 += v * right[(o2 + k) | 0];
      s3 += v * right[(o3 + k) | 0];
    }
    out[to + j] = s0;
    out[to + j + 1] = s1;
    out[to + j + 2] = s2;
    out[to + j + 3] = s3;
  }
  for (; j < columns; j++) {
    let s = 0;
    for (let k = 0; k < n; k++) s += left[k] * right[j * pitch + k];
    out[to + j] = s;
  }
}

/** out[to + j] += sum_k left[k] * right[k*pitch + j] */
function rowSums(left: Float64Array, right: Float64Array, pitch: number, out: Float64Array, to: number, columns: number): void {
  const n = left.length;
  let k = 0;
  for (; k + 4 <= n; k += 4) {
    const o0 = k * pitch;
    const o1 = o0 + pitch;
    const o2 = o1 + pitch;
    const o3 = o2 + pitch;
    const l0 = left[k];
    const l1 = left[k + 1];
    const l2 = left[k + 2];
    const l3 = left[k + 3];
    for (let j = 0; j < columns; j++) {
      out[(to + j) | 0] += l0 * right[(o0 + j) | 0] + l1 * right[(o1 + j) | 0] + (l2 * right[(o2 + j) | 0] + l3 * right[(o3 + j) | 0]);
    }
  }
  for (; k < n; k++) {
    for (let j = 0; j < columns; j++) out[to + j] += left[k] * right[k * pitch + j];
  }
}

/** What multiplying by a constant costs: nothing for 1, else its own rounding and that of the product. */
const scaleRoundings = (factor: number): number => (factor === 1 ? 0 : 2);

function scale(data: Float64Array, factor: number): Float64Array {
  if (factor !== 1) for (let i = 0; i < data.length; i++) data[i] *= factor;
  return data;
}

const absolute = (t: F64Tensor): F64Tensor => ({ shape: t.shape, data: magnitudes(t.data) });

/** linear: a, b, c? -> y[M,N]. Bounds: gamma of the terms, the constants and the addend, times the sum of magnitudes. */
export const linear: ReferenceOp<LinearAttrs> = {
  forward(call): Bounded[] {
    const [a, b] = [input(call, 0), input(call, 1)];
    const c = call.x[2] ?? null;
    const { transA, transB, alpha, beta } = call.attrs;
    const p = view(a, transA);
    const shape = [p.rows, view(b, transB).columns];
    const sums = (a: F64Tensor, b: F64Tensor, c: F64Tensor | null, alpha: number, beta: number): Float64Array => {
      const out = scale(product(view(a, transA), view(b, transB)), alpha);
      if (c) {
        const index = broadcastIndex(c.shape, shape);
        for (let i = 0; i < out.length; i++) out[i] += beta * c.data[index[i]];
      }
      return out;
    };
    const data = sums(a, b, c, alpha, beta);
    if (!call.bounds) return [bounded(shape, data)];
    const roundings = p.columns + scaleRoundings(alpha) + (c ? 1 + scaleRoundings(beta) : 0);
    return [bounded(shape, data, sumBounds(roundings, sums(absolute(a), absolute(b), c && absolute(c), Math.abs(alpha), Math.abs(beta))))];
  },

  adjoint(call, k): Bounded {
    const [a, b] = [input(call, 0), input(call, 1)];
    const { transA, transB, alpha, beta } = call.attrs;
    const dy = call.dy[0]!;
    const [M, N] = dy.shape;
    if (k === 2) {
      const c = input(call, 2);
      const index = broadcastIndex(c.shape, dy.shape);
      const length = size(c.shape);
      const sums = (dy: Float64Array, beta: number): Float64Array => scale(scatterSum(dy, index, length), beta);
      const data = sums(dy.data, beta);
      if (!call.bounds) return bounded(c.shape, data);
      const roundings = (M * N) / length - 1 + scaleRoundings(beta);
      return bounded(c.shape, data, sumBounds(roundings, sums(magnitudes(dy.data), Math.abs(beta))));
    }
    // d op(a) = alpha dy op(b)', d op(b) = alpha op(a)' dy; where op transposes, so does its signal.
    const sums = (a: F64Tensor, b: F64Tensor, dy: F64Tensor, alpha: number): Float64Array => {
      const d = view(dy, false);
      const [p, q, turn] = k === 0 ? [d, transposed(view(b, transB)), transA] : [transposed(view(a, transA)), d, transB];
      return scale(turn ? product(transposed(q), transposed(p)) : product(p, q), alpha);
    };
    const { shape } = input(call, k);
    const data = sums(a, b, dy, alpha);
    if (!call.bounds) return bounded(shape, data);
    const roundings = (k === 0 ? N : M) + scaleRoundings(alpha);
    return bounded(shape, data, sumBounds(roundings, sums(absolute(a), absolute(b), absolute(dy), Math.abs(alpha))));
  },
};
