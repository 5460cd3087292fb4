/**
 * What changes a value's shape: Reshape, Flatten, Squeeze, Unsqueeze, Concat, Pad. Constants are folded on the way.
 */
import { formatShape, size, type Shape } from '../../tensor.ts';
import { countElements, formatList } from '../numbers.ts';
import type { NodeContext } from './context.ts';

const MAX_PAD_RANK = 6;

/** Gives input 0 another shape: a constant keeps its data, a value gets a reshape that follows the batch. */
function giveShape(c: NodeContext, shape: readonly number[], inferFirst = false): void {
  const constant = c.constant(0);
  if (constant) {
    c.fold(shape, constant.kind, constant.data);
    return;
  }
  const x = c.x(0);
  const target = [...shape];
  if (x.batched && shape.length > 0) {
    if (shape[0] === x.shape[0]) target[0] = 0;
    else if (inferFirst) target[0] = -1;
  }
  c.emit('reshape', [x.name], [{ name: c.outputs[0], shape, dtype: x.dtype }], { shape: target });
}

/**
 * Reshape; the target is an input, or an attribute in old files. A target whose first extent is the batch the file was exported with
 * follows the batch the graph is built for.
 */
export function reshape(c: NodeContext): void {
  c.arity([1, 2]);
  const target = c.given(1) ? c.needInts(1, 'the target shape') : [...c.ints('shape')];
  const { shape } = c.info(0);
  const value = c.builder.value(c.inputs[0]);
  const first = target[0];
  if (value?.batched && first !== undefined && first > 0 && (first === c.batch.declared || first === c.batch.actual)) target[0] = shape[0];
  const allowZero = c.flag('allowzero');
  const total = size(shape);
  let inferred = -1;
  target.forEach((extent, i) => {
    if (extent === -1) {
      if (inferred >= 0) c.fail(`expected at most one -1 in the target shape, got ${formatList(target)}.`);
      inferred = i;
    } else if (extent === 0 && !allowZero) {
      if (i >= shape.length) c.fail(`expected an input extent to copy for the 0 at position ${i}, got shape ${formatShape(shape)}.`);
      target[i] = shape[i];
    } else if (!Number.isSafeInteger(extent) || extent < 0) {
      c.fail(`expected a target shape of extents, 0 or -1, got ${formatList(target)}.`);
    }
  });
  const inferFirst = inferred === 0;
  const rest = countElements(target.filter((_, i) => i !== inferred)) ?? NaN;
  if (inferred >= 0) target[inferred] = total / rest;
  if (!target.every((extent) => Number.isSafeInteger(extent)) || countElements(target) !== total) {
    const batch =
      c.batch.declared !== null && c.batch.declared !== c.batch.actual ? ` The file may fix the batch at ${c.batch.declared}.` : '';
    c.fail(`expected a target shape of ${total} elements for an input of shape ${formatShape(shape)}, got ${formatList(target)}.${batch}`);
  }
  giveShape(c, target, inferFirst);
}

/** Flatten: [product before axis, product from axis on]. */
export function flatten(c: NodeContext): void {
  c.arity([1, 1]);
  const { shape } = c.info(0);
  const stated = c.int('axis', 1);
  const axis = stated === shape.length ? stated : c.axis(stated, shape.length);
  const flat = [size(shape.slice(0, axis)), size(shape.slice(axis))];
  const constant = c.constant(0);
  if (constant) {
    c.fold(flat, constant.kind, constant.data);
    return;
  }
  const x = c.x(0);
  c.emit('flatten', [x.name], [{ name: c.outputs[0], shape: flat, dtype: x.dtype }], { axis });
}

/** The axes of Squeeze and Unsqueeze: an attribute before opset 13, an input since. */
function readAxes(c: NodeContext): readonly number[] | undefined {
  if (c.given(1)) return c.needInts(1, 'the axes');
  return c.has('axes') ? c.ints('axes') : undefined;
}

export function squeeze(c: NodeContext): void {
  c.arity([1, 2]);
  const { shape } = c.info(0);
  const axes = readAxes(c)?.map((axis) => c.axis(axis, shape.length)) ?? shape.map((_, i) => i).filter((i) => shape[i] === 1);
  for (const axis of axes) if (shape[axis] !== 1) c.fail(`expected extent 1 at axis ${axis}, got shape ${formatShape(shape)}.`);
  giveShape(
    c,
    shape.filter((_, i) => !axes.includes(i)),
  );
}

export function unsqueeze(c: NodeContext): void {
  c.arity([1, 2]);
  const { shape } = c.info(0);
  const stated = readAxes(c);
  if (!stated) c.fail('expected axes, got none. The file is damaged.');
  if (stated.length > 16) c.fail(`expected at most 16 axes, got ${stated.length}.`);
  const rank = shape.length + stated.length;
  const axes = stated.map((axis) => c.axis(axis, rank));
  if (new Set(axes).size !== axes.length) c.fail(`expected axes that differ, got ${formatList(stated)}.`);
  const rest = [...shape];
  giveShape(
    c,
    Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.shift() as number))),
  );
}

/** Concat of values along an axis; constants are folded elsewhere. */
export function concat(c: NodeContext): void {
  c.arity([1, Infinity]);
  const xs = c.inputs.map((_, k) => c.floatInput(k));
  const stated = c.int('axis');
  const shape = concatShape(
    c,
    xs.map((x) => x.shape),
    stated,
  );
  c.emit(
    'concat',
    xs.map((x) => x.name),
    [{ name: c.outputs[0], shape }],
    { axis: stated },
  );
}

export function concatShape(c: NodeContext, shapes: readonly Shape[], stated: number): number[] {
  const [first] = shapes;
  const axis = c.axis(stated, first.length);
  for (const shape of shapes) {
    if (shape.length !== first.length || shape.some((extent, i) => i !== axis && extent !== first[i])) {
      c.fail(`expected inputs that agree but for axis ${axis}, got ${formatShape(first)} and ${formatShape(shape)}.`);
    }
  }
  return first.map((extent, i) => (i === axis ? shapes.reduce((sum, shape) => sum + shape[axis], 0) : extent));
}

/** Pad with a constant: pads and value are attributes before opset 11, inputs since; axes since 18. */
export function pad(c: NodeContext): void {
  c.arity([1, 4]);
  const { shape } = c.info(0);
  const rank = shape.length;
  const given = c.given(1) ? c.needInts(1, 'pads') : c.ints('pads');
  const value = c.given(2) ? c.needScalar(2, 'the padding value') : c.float('value', 0);
  const axes = c.given(3) ? c.needInts(3, 'axes').map((axis) => c.axis(axis, rank)) : shape.map((_, i) => i);
  if (given.length !== 2 * axes.length || new Set(axes).size !== axes.length) {
    c.fail(`expected two pads for each of ${axes.length} axes, got ${formatList(given)}.`);
  }
  if (!given.every((v) => Number.isSafeInteger(v) && v <= 0x7fffffff)) c.fail(`expected integer pads, got ${formatList(given)}.`);
  const before = shape.map(() => 0);
  const after = shape.map(() => 0);
  axes.forEach((axis, i) => {
    before[axis] = given[i];
    after[axis] = given[i + axes.length];
  });
  const mode = c.string('mode', 'constant');
  if (!['constant', 'reflect', 'edge', 'wrap'].includes(mode)) c.fail(`expected mode constant, got "${mode}".`);
  if (given.every((v) => v === 0)) {
    padless(c);
    return;
  }
  if (mode !== 'constant') c.fail(`expected mode constant, got ${mode}. Other paddings are not supported.`);
  if (given.some((v) => v < 0)) c.fail(`expected pads of zero or more, got ${formatList(given)}. Cropping is not supported.`);
  if (rank > MAX_PAD_RANK) c.fail(`expected at most ${MAX_PAD_RANK} dimensions, got ${rank}.`);
  if (!Number.isFinite(value)) c.fail(`expected a finite padding value, got ${value}.`);
  const x = c.floatInput(0);
  const out = shape.map((extent, i) => extent + before[i] + after[i]);
  c.emit('pad', [x.name], [{ name: c.outputs[0], shape: out }], { before, after, value });
}

/** A Pad that adds nothing. */
function padless(c: NodeContext): void {
  const constant = c.constant(0);
  if (constant) {
    c.builder.setConstant(c.outputs[0], constant);
    return;
  }
  const x = c.x(0);
  c.emit('identity', [x.name], [{ name: c.outputs[0], shape: x.shape, dtype: x.dtype }]);
}
