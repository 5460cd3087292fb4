/**
 * Paths: chains of units from one unit down to another tensor, each link a non-zero entry of a layer's Jacobian, through gates that are open and to
 * winners that were taken. Their number is what the backward pass computes if every such entry is 1:
 *
 *     paths(i) = sum over the units o that i feeds of [dy_o/dx_i != 0] paths(o)
 *
 * Numbers of paths are integers, exact in f64 up to 2^53. Beyond, every addition rounds; all terms being positive, a number that took K additions in
 * a row is right to K 2^-53 of itself, which leaves nine digits and more. What would exceed f64 is kept as a number times a power of two.
 */
import { GraphError } from '../errors.ts';
import type { TypedGraph, TypedNode } from '../graph.ts';
import type { AvgPool2dAttrs } from '../ops/avgpool2d.ts';
import type { Conv2dAttrs } from '../ops/conv2d.ts';
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

/** Numbers of paths to every element of a tensor: data * 2^exponent. */
export interface PathCounts {
  readonly data: Float64Array;
  readonly exponent: number;
}

/** How many there are in all. */
export interface PathTotal {
  /** Null where f64 does not reach. */
  readonly count: number | null;
  /** -Infinity for none. */
  readonly log10: number;
  /** The count is the true integer. */
  readonly exact: boolean;
  /** Elements with at least one path. */
  readonly units: number;
}

export function pathTotal({ data, exponent }: PathCounts): PathTotal {
  let [sum, units] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    sum += data[i];
    if (data[i] > 0) units++;
  }
  const count = sum * 2 ** exponent;
  return {
    count: Number.isFinite(count) ? count : null,
    log10: Math.log10(sum) + exponent * Math.log10(2),
    exact: exponent === 0 && sum <= Number.MAX_SAFE_INTEGER,
    units,
  };
}

export interface PathOptions {
  readonly target: string;
  /** Flat, within the one item. */
  readonly unit: number;
  readonly branch: Branch;
  /** Given the complete counts of every value on the way, from the target down; they are let go then. */
  readonly visit: (value: string, counts: PathCounts) => void;
}

/** Beyond this counts are scaled, by so many powers of two: one layer more multiplies them by its weights, which are fewer than 2^31. */
const LARGE = 2 ** 900;
const SCALE = 600;

/**
 * Counts the paths from a unit down to the input.
 * @param parameters the weights: zeros among them link nothing
 * @throws GraphError if a way leads through an op whose links are not known
 */
export function countPaths(typed: TypedGraph, parameters: ReadonlyMap<string, AnyTensor>, options: PathOptions): void {
  const { target, unit, branch, visit } = options;
  const live = new Map<string, PathCounts>();
  const start = new Float64Array(size(typed.values.get(target)!.shape));
  start[unit] = 1;
  live.set(target, { data: start, exponent: 0 });
  const take = (name: string): PathCounts | undefined => {
    const counts = live.get(name);
    if (counts) visit(name, counts);
    live.delete(name);
    return counts;
  };
  for (let i = typed.producer.get(target) ?? -1; i >= 0; i--) {
    const node = typed.nodes[i];
    const counts = take(node.outputs[0]);
    if (!counts) continue;
    node.inputs.forEach((name, k) => {
      if (name === '' || !node.definition.differentiable(k) || isParameter(typed, name)) return;
      const data = linked(typed, node, k, counts.data, branch, parameters);
      const own = scaled({ data, exponent: counts.exponent });
      const before = live.get(name);
      live.set(name, before ? sum(before, own) : own);
    });
  }
  for (const name of [...live.keys()]) take(name);
}

function scaled(counts: PathCounts): PathCounts {
  let most = 0;
  for (const v of counts.data) if (v > most) most = v;
  return most > LARGE ? { data: counts.data.map((v) => v * 2 ** -SCALE), exponent: counts.exponent + SCALE } : counts;
}

function sum(a: PathCounts, b: PathCounts): PathCounts {
  const exponent = Math.max(a.exponent, b.exponent);
  const [p, q] = [2 ** (a.exponent - exponent), 2 ** (b.exponent - exponent)];
  return { data: a.data.map((v, i) => v * p + b.data[i] * q), exponent };
}

/** The transpose of a node's links to input k, applied to the counts of its output. */
function linked(
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

function throughMatrix(node: TypedNode, k: number, shape: Shape, out: Shape, dy: Float64Array, w: AnyTensor): Float64Array {
  const attrs = node.typedAttrs as LinearAttrs;
  if (attrs.alpha === 0) return new Float64Array(size(shape));
  const x: F64Tensor[] = [];
  x[k] = { shape, data: NO_DATA };
  x[1 - k] = { shape: w.shape, data: links(w) };
  return REFERENCE.linear.adjoint!(
    { attrs: { ...attrs, alpha: 1 }, x, y: [], dy: [{ shape: out, data: dy }], bounds: false, rules: DEFAULT_RULES },
    k,
  ).data;
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
