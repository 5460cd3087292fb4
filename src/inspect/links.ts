/** The links of each op: which entries of its Jacobian are not zero, applied backward to numbers of paths. */
import { GraphError } from '../errors.ts';
import type { TypedGraph, TypedNode } from '../graph.ts';
import type { AvgPool2dAttrs } from '../ops/avgpool2d.ts';
import type { Conv2dAttrs } from '../ops/window.ts';
import type { LinearAttrs } from '../ops/linear.ts';
import type { LrnAttrs } from '../ops/lrn.ts';
import { around, broadcastIndex, frontAxis, scatterSum } from '../reference/arrays.ts';
import { REFERENCE } from '../reference/index.ts';
import { eachWindow, type MaxWindows } from '../reference/pool.ts';
import type { F64Tensor } from '../reference/types.ts';
import { DEFAULT_RULES } from '../rule.ts';
import { size, type AnyTensor, type Shape } from '../tensor.ts';
import type { Branch, Decided, Gates, NonZero, Winners } from './branch.ts';
import { isParameter } from './field.ts';

/** The transpose of a node's links to input k, applied to the counts of its output. */
export function linked(
  typed: TypedGraph,
  node: TypedNode,
  k: number,
  dy: Float64Array,
  branch: Branch,
  parameters: ReadonlyMap<string, AnyTensor>,
): Float64Array {
  const { shape } = typed.values.get(node.inputs[k])!;
  const out = typed.values.get(node.outputs[0])!.shape;
  const decided = branch.get(node.name);
  switch (node.op) {
    case 'relu':
    case 'clip':
      return dy.map((n, i) => (need<Gates>(node, decided, 'gates').open[i] ? n : 0));
    case 'maxpool2d':
    case 'globalmaxpool':
      return toCells(need<Winners>(node, decided, 'winners'), dy, size(shape));
    case 'avgpool2d':
      return toWindows(shape, { ...(node.typedAttrs as AvgPool2dAttrs), indexOrder: 'row' }, dy);
    case 'globalavgpool':
      return toWindows(shape, null, dy);
    case 'conv2d':
      return throughConvolution(node, shape, out, dy, weightsOf(node, parameters, 1));
    case 'linear':
      return throughMatrix(node, k, shape, out, dy, weightsOf(node, parameters, 1 - k));
    case 'batchnorm': {
      const scale = weightsOf(node, parameters, 1).data;
      const plane = size(shape.slice(2));
      return dy.map((n, i) => (scale[Math.floor(i / plane) % scale.length] !== 0 ? n : 0));
    }
    case 'lrn':
      return throughLrn(node.typedAttrs as LrnAttrs, shape, dy, need<NonZero>(node, decided, 'nonzero').of[0]);
    case 'mul': {
      const other = node.inputs[1 - k];
      const open = isParameter(typed, other)
        ? Uint8Array.from(weightsOf(node, parameters, 1 - k).data, (v) => Number(v !== 0))
        : need<NonZero>(node, decided, 'nonzero').of[1 - k]!;
      const from = broadcastIndex(typed.values.get(other)!.shape, out);
      const product = dy.map((n, i) => (open[from[i]] ? n : 0));
      return scatterSum(product, broadcastIndex(shape, out), size(shape));
    }
    case 'softmax':
      return throughSoftmax(node, shape, dy, need<NonZero>(node, decided, 'nonzero').of[0]!);
    case 'logsoftmax':
      return throughSoftmax(node, shape, dy, null);
    case 'add':
    case 'concat':
    case 'pad':
    case 'reshape':
    case 'flatten':
    case 'identity':
    case 'dropout': {
      // Their Jacobians hold ones and zeros alone.
      const x = node.inputs.map((name): F64Tensor => ({ shape: typed.values.get(name)!.shape, data: NO_DATA }));
      const call = { attrs: node.typedAttrs, x, y: [], dy: [{ shape: out, data: dy }], bounds: false, rules: DEFAULT_RULES };
      return REFERENCE[node.op].adjoint!(call, k).data;
    }
    default:
      throw new GraphError(`${node.op} "${node.name}": expected an op whose links are known. Choose a unit below it.`);
  }
}

const NO_DATA = new Float64Array(0);

function need<T extends Decided>(node: TypedNode, decided: Decided | undefined, kind: T['kind']): T {
  if (decided?.kind !== kind) throw new GraphError(`${node.op} "${node.name}": expected the branch to hold its ${kind}, got none.`);
  return decided as T;
}

function weightsOf(node: TypedNode, parameters: ReadonlyMap<string, AnyTensor>, k: number): AnyTensor {
  const value = parameters.get(node.inputs[k]);
  if (!value)
    throw new GraphError(
      `${node.op} "${node.name}": expected weights that are parameters, got "${node.inputs[k]}", which the network computes.`,
    );
  return value;
}

function toCells({ cells, from }: Winners, dy: Float64Array, length: number): Float64Array {
  const dx = new Float64Array(length);
  for (let o = 0; o < dy.length; o++) {
    if (dy[o] === 0) continue;
    for (let c = from[o]; c < from[o + 1]; c++) dx[cells[c]] += dy[o];
  }
  return dx;
}

/** To every cell of a window, as an average does. */
function toWindows(shape: Shape, windows: MaxWindows, dy: Float64Array): Float64Array {
  const dx = new Float64Array(size(shape));
  eachWindow({ shape }, windows, (o, cells, count) => {
    for (let c = 0; c < count; c++) dx[cells[c]] += dy[o];
  });
  return dx;
}

const ones = (n: number): Float64Array => new Float64Array(n).fill(1);
const links = (w: AnyTensor): Float64Array => Float64Array.from(w.data, (v) => Number(v !== 0));

/**
 * Where no weight is zero every input channel of a group gets the same: the counts of the group's outputs are added up first, and one channel of
 * ones does for all.
 */
function throughConvolution(node: TypedNode, shape: Shape, out: Shape, dy: Float64Array, w: AnyTensor): Float64Array {
  const attrs = node.typedAttrs as Conv2dAttrs;
  const adjoint = (x: Shape, weights: F64Tensor, signal: F64Tensor, groups: number): Float64Array =>
    REFERENCE.conv2d.adjoint!(
      { attrs: { ...attrs, groups }, x: [{ shape: x, data: NO_DATA }, weights], y: [], dy: [signal], bounds: false, rules: DEFAULT_RULES },
      0,
    ).data;
  if (w.data.some((v: number) => v === 0))
    return adjoint(shape, { shape: w.shape, data: links(w) }, { shape: out, data: dy }, attrs.groups);
  const { groups } = attrs;
  const [plane, image] = [size(out.slice(2)), size(shape.slice(2))];
  const perGroup = out[1] / groups;
  const sums = new Float64Array(groups * plane);
  for (let c = 0; c < out[1]; c++) {
    const to = Math.floor(c / perGroup) * plane;
    for (let i = 0; i < plane; i++) sums[to + i] += dy[c * plane + i];
  }
  const [kh, kw] = w.shape.slice(2);
  const one = adjoint(
    [1, groups, ...shape.slice(2)],
    { shape: [groups, 1, kh, kw], data: ones(groups * kh * kw) },
    { shape: [1, groups, ...out.slice(2)], data: sums },
    groups,
  );
  const dx = new Float64Array(size(shape));
  const inputs = shape[1] / groups;
  for (let c = 0; c < shape[1]; c++) {
    const from = Math.floor(c / inputs) * image;
    dx.set(one.subarray(from, from + image), c * image);
  }
  return dx;
}

/** A matrix seen through strides: element (i, j) lies at i * row + j * column. */
const strides = (shape: Shape, transpose: boolean): { rows: number; columns: number; row: number; column: number } =>
  transpose
    ? { rows: shape[1], columns: shape[0], row: 1, column: shape[1] }
    : { rows: shape[0], columns: shape[1], row: shape[1], column: 1 };

/** y = op(a) op(b): the links of a's element (m, k) are those of b's row k, the links of b's (k, n) those of a's column k. */
function throughMatrix(node: TypedNode, k: number, shape: Shape, out: Shape, dy: Float64Array, w: AnyTensor): Float64Array {
  const { transA, transB, alpha } = node.typedAttrs as LinearAttrs;
  const dx = new Float64Array(size(shape));
  if (alpha === 0) return dx;
  const [M, N] = out;
  const x = strides(shape, k === 0 ? transA : transB);
  const other = strides(w.shape, k === 0 ? transB : transA);
  const inner = k === 0 ? x.columns : x.rows;
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      const count = dy[m * N + n];
      // Most units of a full layer are off.
      if (count === 0) continue;
      let to = k === 0 ? m * x.row : n * x.column;
      let at = k === 0 ? n * other.column : m * other.row;
      const [stepTo, stepAt] = k === 0 ? [x.column, other.row] : [x.row, other.column];
      for (let e = 0; e < inner; e++, to += stepTo, at += stepAt) if (w.data[at] !== 0) dx[to] += count;
    }
  }
  return dx;
}

/**
 * d y_c / d x_e = [c = e] s_c^-beta - 2 alpha beta / size x_c x_e s_c^(-beta - 1) for e in the window of c: every channel is linked to itself, and to
 * others where both are not zero. Where `nonzero` is null, channels are not coupled.
 */
function throughLrn({ size: width }: LrnAttrs, shape: Shape, dy: Float64Array, nonzero: Uint8Array | null): Float64Array {
  const dx = dy.slice();
  if (!nonzero) return dx;
  const [below, above] = [Math.floor((width - 1) / 2), Math.ceil((width - 1) / 2)];
  const [, channels] = shape;
  const plane = size(shape.slice(2));
  for (let c = 0; c < channels; c++) {
    for (let e = Math.max(0, c - below); e <= Math.min(channels - 1, c + above); e++) {
      if (e === c) continue;
      for (let i = 0; i < plane; i++) if (nonzero[c * plane + i] && nonzero[e * plane + i]) dx[e * plane + i] += dy[c * plane + i];
    }
  }
  return dx;
}

/** d y_a / d x_b = y_a ([a = b] - y_b): all are linked, but for those that have underflowed to zero. Of log-softmax all are. */
function throughSoftmax(node: TypedNode, shape: Shape, dy: Float64Array, nonzero: Uint8Array | null): Float64Array {
  const [outer, extent, inner] = around(shape, frontAxis((node.typedAttrs as { readonly axis: number }).axis, shape.length));
  const dx = new Float64Array(dy.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const at = (e: number): number => (o * extent + e) * inner + i;
      let total = 0;
      for (let e = 0; e < extent; e++) if (!nonzero || nonzero[at(e)]) total += dy[at(e)];
      for (let e = 0; e < extent; e++) dx[at(e)] = !nonzero || nonzero[at(e)] ? total : 0;
    }
  }
  return dx;
}
