/**
 * The layers that are neither windows nor changes of shape: Gemm, normalisation, activations, sums, dropout.
 */
import { formatShape, sameShape, type Shape } from '../../tensor.ts';
import type { NodeContext } from './context.ts';

const MAX_BROADCAST_RANK = 6;

/** An op of one input and one output of the same shape, without attributes. */
export function unary(op: string): (c: NodeContext) => void {
  return (c) => {
    c.arity([1, 1]);
    const x = c.floatInput(0);
    c.emit(op, [x.name], [{ name: c.outputs[0], shape: x.shape }]);
  };
}

/** Identity, or a Cast that changes nothing here: constants pass through under their own name. */
export function identity(c: NodeContext): void {
  c.arity([1, 1]);
  const constant = c.constant(0);
  if (constant) {
    c.builder.setConstant(c.outputs[0], constant);
    return;
  }
  const x = c.x(0);
  c.emit('identity', [x.name], [{ name: c.outputs[0], shape: x.shape, dtype: x.dtype }]);
}

/** The shape of a and b together, or undefined if they do not broadcast. */
export function broadcastShape(a: Shape, b: Shape): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const p = a[a.length - rank + i] ?? 1;
    const q = b[b.length - rank + i] ?? 1;
    if (p !== q && p !== 1 && q !== 1) return undefined;
    out.push(p === 1 ? q : p);
  }
  return out;
}

function broadcast(c: NodeContext, a: Shape, b: Shape): number[] {
  const shape = broadcastShape(a, b);
  if (!shape) c.fail(`expected shapes that broadcast, got ${formatShape(a)} and ${formatShape(b)}.`);
  if (shape.length > MAX_BROADCAST_RANK) c.fail(`expected at most ${MAX_BROADCAST_RANK} dimensions, got ${shape.length}.`);
  return shape;
}

/** Add and Mul of two values. */
export function binary(op: 'add' | 'mul'): (c: NodeContext) => void {
  return (c) => {
    c.arity([2, 2]);
    const a = c.floatInput(0);
    const b = c.floatInput(1);
    c.emit(op, [a.name, b.name], [{ name: c.outputs[0], shape: broadcast(c, a.shape, b.shape) }]);
  };
}

/** Sum of any number of values: a chain of additions, first to last. */
export function sum(c: NodeContext): void {
  c.arity([1, Infinity]);
  const last = c.inputs.length - 1;
  if (last === 0) return identity(c);
  let left = c.floatInput(0);
  for (let k = 1; k <= last; k++) {
    const right = c.floatInput(k);
    const name = k === last ? c.outputs[0] : c.builder.fresh(`${c.outputs[0]}/${k}`);
    const shape = broadcast(c, left.shape, right.shape);
    c.emit('add', [left.name, right.name], [{ name, shape }], undefined, k === last ? '' : `/${k}`);
    left = { ...left, name, shape };
  }
}

/** Gemm: alpha * op(A) op(B) + beta * C -> linear. */
export function gemm(c: NodeContext): void {
  c.arity([2, 3]);
  const a = c.floatInput(0, 2);
  const b = c.floatInput(1, 2);
  const transA = c.flag('transA');
  const transB = c.flag('transB');
  const alpha = c.float('alpha', 1);
  const beta = c.float('beta', 1);
  const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const [kb, n] = transB ? [b.shape[1], b.shape[0]] : b.shape;
  if (k !== kb) {
    c.fail(
      `expected inner extents to agree, got A ${formatShape(a.shape)} and B ${formatShape(b.shape)}, transA ${transA}, transB ${transB}.`,
    );
  }
  const inputs = [a.name, b.name];
  if (c.given(2)) {
    const bias = c.floatInput(2);
    const shape = broadcastShape(bias.shape, [m, n]);
    if (!shape || !sameShape(shape, [m, n])) c.fail(`expected C to broadcast to ${m}x${n}, got shape ${formatShape(bias.shape)}.`);
    inputs.push(bias.name);
  }
  c.emit('linear', inputs, [{ name: c.outputs[0], shape: [m, n] }], { transA, transB, alpha, beta });
}

/** MatMul of two matrices -> linear. */
export function matMul(c: NodeContext): void {
  c.arity([2, 2]);
  const a = c.floatInput(0, 2);
  const b = c.floatInput(1, 2);
  if (a.shape[1] !== b.shape[0]) c.fail(`expected inner extents to agree, got ${formatShape(a.shape)} and ${formatShape(b.shape)}.`);
  c.emit('linear', [a.name, b.name], [{ name: c.outputs[0], shape: [a.shape[0], b.shape[1]] }], {
    transA: false,
    transB: false,
    alpha: 1,
    beta: 1,
  });
}

export function lrn(c: NodeContext): void {
  c.arity([1, 1]);
  const x = c.floatInput(0, 4);
  const size = c.int('size');
  if (size < 1 || size > 0x7fffffff) c.fail(`expected size to be a positive integer, got ${size}.`);
  const attrs = { size, alpha: c.float('alpha', 1e-4), beta: c.float('beta', 0.75), bias: c.float('bias', 1) };
  c.emit('lrn', [x.name], [{ name: c.outputs[0], shape: x.shape }], attrs);
}

/** BatchNormalization at inference -> batchnorm. */
export function batchNormalization(c: NodeContext): void {
  c.arity([5, 5], 5);
  for (let k = 1; k < 5; k++) {
    if (c.wanted(k)) c.fail(`expected one output, got "${c.outputs[k]}" read too: that is training. Export the model for inference.`);
  }
  if (c.flag('training_mode')) c.fail('expected training_mode 0, got 1. Export the model for inference.');
  const x = c.floatInput(0);
  if (x.shape.length < 2) c.fail(`expected an input [N,C,...], got shape ${formatShape(x.shape)}.`);
  const inputs = [x.name];
  for (const [i, what] of ['scale', 'bias', 'mean', 'variance'].entries()) {
    const { shape } = c.info(i + 1);
    // spatial = 0 normalises each position by itself; where there is one position that is the same thing.
    if (shape.length !== 1 || shape[0] !== x.shape[1]) {
      c.fail(`expected ${what} to hold one value for each of ${x.shape[1]} channels, got shape ${formatShape(shape)}.`);
    }
    inputs.push(c.floatInput(i + 1).name);
  }
  if (!c.flag('spatial', 1) && x.shape.slice(2).some((extent) => extent !== 1)) {
    c.fail('expected spatial 1, got 0. Statistics for each position are not supported.');
  }
  c.emit('batchnorm', inputs, [{ name: c.outputs[0], shape: x.shape }], { epsilon: c.float('epsilon', 1e-5) });
}

/** Clip: bounds as attributes before opset 11, as inputs since; an infinite bound is none. */
export function clip(c: NodeContext): void {
  c.arity([1, 3]);
  const x = c.floatInput(0);
  const attrs: Record<string, number> = {};
  for (const [k, name] of [
    [1, 'min'],
    [2, 'max'],
  ] as const) {
    let bound: number | undefined;
    if (c.given(k)) bound = c.needScalar(k, name);
    else if (c.has(name)) bound = c.float(name, undefined, true);
    if (bound === undefined || bound === (name === 'min' ? -Infinity : Infinity)) continue;
    if (!Number.isFinite(bound)) c.fail(`expected ${name} to be a number, got ${bound}.`);
    attrs[name] = bound;
  }
  c.emit('clip', [x.name], [{ name: c.outputs[0], shape: x.shape }], attrs);
}

/** Dropout: the ratio is an attribute before opset 12, an input since. The mask, where it is read at all, must be all true. */
export function dropout(c: NodeContext): void {
  c.arity([1, 3], 2);
  const training = c.given(2) && c.needScalar(2, 'training_mode') !== 0;
  // Where nothing is trained the ratio has no effect, and may be left to the run.
  const known = !c.given(1) || c.constant(1) !== undefined || training;
  const ratio = c.given(1) ? (known ? c.needScalar(1, 'ratio') : 0) : c.float('ratio', 0.5);
  if (!(ratio >= 0 && ratio < 1)) c.fail(`expected a ratio from 0 to below 1, got ${ratio}.`);
  const { shape } = c.info(0);
  if (c.wanted(1)) {
    if (training && ratio > 0) {
      c.fail(`expected the mask "${c.outputs[1]}" to be unread in training, got it read. Export the model for inference.`);
    }
    c.builder.setConstant(c.outputs[1], { name: c.outputs[1], shape, kind: 'bool', data: c.allocate('bool', shape).fill(1) });
  }
  const constant = c.constant(0);
  if (constant && !training) {
    c.builder.setConstant(c.outputs[0], constant);
    return;
  }
  const x = c.floatInput(0);
  c.emit('dropout', [x.name], [{ name: c.outputs[0], shape }], { ratio });
}

/**
 * Softmax and LogSoftmax. Since opset 13 along one axis (default the last); before, over all dimensions from the axis (default 1) on,
 * as one: where these have more than one extent above 1, the value is flattened, normalised and given its shape back.
 */
export function softmax(op: 'softmax' | 'logsoftmax'): (c: NodeContext) => void {
  return (c) => {
    c.arity([1, 1]);
    const x = c.floatInput(0);
    const { shape } = x;
    const rank = shape.length;
    const output = { name: c.outputs[0], shape };
    if (rank === 0) c.fail('expected at least 1 dimension, got a scalar.');
    if (c.opset >= 13) {
      c.emit(op, [x.name], [output], { axis: c.axis(c.int('axis', -1), rank) });
      return;
    }
    const stated = c.int('axis', 1);
    // Old models may name the axis after the last: every row is then a single value.
    const axis = stated === rank ? rank : c.axis(stated, rank);
    const wide = shape.map((_, i) => i).filter((i) => i >= axis && shape[i] !== 1);
    if (axis < rank && wide.length <= 1) {
      c.emit(op, [x.name], [output], { axis: wide[0] ?? axis });
      return;
    }
    const rows = shape.slice(0, axis).reduce((a, b) => a * b, 1);
    const flatShape = [rows, shape.slice(axis).reduce((a, b) => a * b, 1)];
    const flat = c.builder.fresh(`${output.name}/flat`);
    const result = c.builder.fresh(`${output.name}/rows`);
    c.emit('flatten', [x.name], [{ name: flat, shape: flatShape }], { axis }, '/flatten');
    c.emit(op, [flat], [{ name: result, shape: flatShape }], { axis: 1 });
    const back = x.batched ? [axis === 1 ? 0 : -1, ...shape.slice(1)] : shape;
    c.emit('reshape', [result], [output], { shape: back }, '/reshape');
  };
}
