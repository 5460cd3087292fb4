/**
 * A node as the affine map that it is on the frozen branch, y = J x + c, in f64: what it adds by itself (c), and J applied to a vector. Neither
 * uses an adjoint, so that adjoints can be held to them.
 */
import type { TypedNode } from '../graph.ts';
import { decides, forwardOnBranch } from '../reference/decisions.ts';
import { REFERENCE } from '../reference/index.ts';
import type { F64Tensor } from '../reference/types.ts';
import type { Shape } from '../tensor.ts';

/** Inputs of a node (null: omitted), and which of them depend on the network's input; the others are constants. */
export interface NodeInputs {
  readonly x: readonly (F64Tensor | null)[];
  readonly varying: readonly boolean[];
}

/**
 * Where c comes from: `bias`, numbers that the network holds (biases, shifts, constants added, padding), exact for an affine layer; `branch`, a
 * constant of the piece (where clip clips); `remainder`, y - J x of a layer that is smooth but not piecewise linear (LRN, softmax, a product of two
 * signals), which is no parameter of the network but makes the account close there too.
 */
export type ConstantKind = 'bias' | 'branch' | 'remainder';

export interface Constant {
  readonly kind: ConstantKind;
  /** Of y's length; null for none at all. */
  readonly data: Float64Array | null;
}

/** Affine in any of their inputs, these all at once. */
const AFFINE: ReadonlySet<string> = new Set([
  'add',
  'avgpool2d',
  'blur',
  'concat',
  'dropout',
  'flatten',
  'globalavgpool',
  'identity',
  'pad',
  'reshape',
]);

/** Whether y is affine in the inputs that vary. */
export function isAffine(op: string, varying: readonly boolean[]): boolean {
  if (AFFINE.has(op)) return true;
  const only = (k: number): boolean => varying.every((v, i) => v === (i === k));
  if (op === 'batchnorm' || op === 'roll') return only(0);
  if (op === 'mul') return varying[0] !== varying[1];
  // The bias may vary too; it adds up.
  return (op === 'conv2d' || op === 'linear') && varying[0] !== varying[1];
}

const zeros = (shape: Shape, length: number): F64Tensor => ({ shape, data: new Float64Array(length) });

/** The node's first output with `u` for the inputs that vary. */
function evaluate(node: TypedNode, { x, varying }: NodeInputs, u: readonly (F64Tensor | null)[]): Float64Array {
  const call = { attrs: node.typedAttrs, x: x.map((t, k) => (varying[k] ? u[k] : t)), bounds: false };
  return REFERENCE[node.op].forward(call)[0].data as Float64Array;
}

/** c of y = J x + c. */
export function constantPart(node: TypedNode, inputs: NodeInputs, y: F64Tensor): Constant {
  const { x, varying } = inputs;
  const empty = x.map((t, k) => t && (varying[k] ? zeros(t.shape, t.data.length) : t));
  const filled = (data: Float64Array): Float64Array | null => (data.every((v) => v === 0) ? null : data);
  if (decides(node)) return { kind: 'branch', data: filled(forwardOnBranch(node, empty[0]!, x[0]!)[0].data) };
  if (!isAffine(node.op, varying)) {
    const along = differentiate(node, inputs, x);
    return { kind: 'remainder', data: y.data.map((v, i) => v - along[i]) };
  }
  if (node.op === 'conv2d') {
    // y at zero is the bias alone: no convolution of zeros is needed to know that.
    const b = varying[2] ? null : x[2];
    if (!b) return { kind: 'bias', data: null };
    const plane = y.data.length / (y.shape[0] * y.shape[1]);
    return { kind: 'bias', data: filled(y.data.map((_, i) => b.data[Math.floor(i / plane) % y.shape[1]])) };
  }
  return { kind: 'bias', data: filled(evaluate(node, inputs, empty)) };
}

/** J u for a node that is not a convolution, at the branch or point `x`. */
export function jacobianTimes(node: TypedNode, inputs: NodeInputs, u: readonly (F64Tensor | null)[]): Float64Array {
  const { x, varying } = inputs;
  if (decides(node)) {
    const at = (t: F64Tensor): Float64Array => forwardOnBranch(node, t, x[0]!)[0].data;
    const c = at(zeros(x[0]!.shape, x[0]!.data.length));
    return at(u[0]!).map((v, i) => v - c[i]);
  }
  if (!isAffine(node.op, varying)) return differentiate(node, inputs, u);
  const c = evaluate(
    node,
    inputs,
    x.map((t) => t && zeros(t.shape, t.data.length)),
  );
  return evaluate(node, inputs, u).map((v, i) => v - c[i]);
}

/** What {@link constantPart} and {@link jacobianTimes} may be off by, as a share of y, where a derivative is a difference quotient. */
export const QUOTIENT_ERROR = 2 ** -30;

/** The derivative of a smooth node at x along u, by central differences of fourth order in f64. */
function differentiate(node: TypedNode, inputs: NodeInputs, u: readonly (F64Tensor | null)[]): Float64Array {
  // No element moves by more than 2^-10: the step's fourth power and 2^-52 over the step are both far below f32's roundoff.
  const most = u.reduce((m, t, k) => (t && inputs.varying[k] ? t.data.reduce((n, v) => Math.max(n, Math.abs(v)), m) : m), 1);
  const step = 2 ** -10 / most;
  const at = (h: number): Float64Array =>
    evaluate(
      node,
      inputs,
      inputs.x.map((t, k) => t && { shape: t.shape, data: t.data.map((v, i) => v + h * (u[k]?.data[i] ?? 0)) }),
    );
  const [a, b, c, d] = [at(-2 * step), at(-step), at(step), at(2 * step)];
  return a.map((v, i) => (v - 8 * b[i] + 8 * c[i] - d[i]) / (12 * step));
}
