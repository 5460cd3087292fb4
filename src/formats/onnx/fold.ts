/**
 * Constant folding: the shape arithmetic that exporters leave in their files, done once at import.
 * Integers are exact in f64; floats are rounded to f32 at each operation.
 */
import { formatShape, size, type Shape } from '../../tensor.ts';
import { formatList } from '../numbers.ts';
import type { NodeContext } from './context.ts';
import { broadcastShape, identity } from './layers.ts';
import { concatShape } from './reshaping.ts';
import { elementKind, elementTypeName, type Constant, type Kind } from './tensor-proto.ts';

type Fold = (c: NodeContext) => void;

/** All inputs, as constants. */
function constants(c: NodeContext): Constant[] {
  return c.inputs.map((_, k) => c.needConstant(k, `input ${k}`));
}

/** Row-major strides, in elements. */
function strides(shape: Shape): number[] {
  const out = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) out[i] = out[i + 1] * shape[i + 1];
  return out;
}

/** Copies source elements to a result of `shape`; `index` maps result axes to steps in the source, from `base`. */
function gatherStrided(c: NodeContext, source: Constant, shape: Shape, steps: readonly number[], base: number): Constant['data'] {
  const out = c.allocate(source.kind, shape);
  const at = shape.map(() => 0);
  let from = base;
  for (let i = 0; i < out.length; i++) {
    out[i] = source.data[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += steps[axis];
      if (++at[axis] < shape[axis]) break;
      from -= steps[axis] * shape[axis];
      at[axis] = 0;
    }
  }
  return out;
}

function foldConstant(c: NodeContext): void {
  c.arity([0, 0]);
  const names = [...c.node.attributes.keys()];
  if (names.length !== 1) c.fail(`expected one attribute, got ${names.join(', ') || 'none'}. The file is damaged.`);
  const [name] = names;
  switch (name) {
    case 'value': {
      const { shape, kind, data } = c.builder.decode(c.tensor(name));
      return c.fold(shape, kind, data);
    }
    case 'value_float':
      return c.fold([], 'float', Float32Array.of(c.float(name)));
    case 'value_int':
      return c.fold([], 'int', Float64Array.of(c.int(name)));
    case 'value_floats':
      return c.fold([c.floats(name).length], 'float', Float32Array.from(c.floats(name)));
    case 'value_ints':
      return c.fold([c.ints(name).length], 'int', Float64Array.from(c.ints(name)));
    default:
      c.fail(`expected a dense constant of numbers, got ${name}.`);
  }
}

/** Shape: known for every value, since all inputs have shapes. */
function foldShape(c: NodeContext): void {
  c.arity([1, 1]);
  const { shape } = c.info(0);
  // Out of range is clamped here, unlike in every other op.
  const clamp = (v: number): number => Math.min(Math.max(v < 0 ? v + shape.length : v, 0), shape.length);
  const part = shape.slice(clamp(c.int('start', 0)), clamp(c.int('end', shape.length)));
  c.fold([part.length], 'int', Float64Array.from(part));
}

function foldSize(c: NodeContext): void {
  c.arity([1, 1]);
  c.fold([], 'int', Float64Array.of(size(c.info(0).shape)));
}

function foldConstantOfShape(c: NodeContext): void {
  c.arity([1, 1]);
  const shape = c.needInts(0, 'the shape');
  const value = c.has('value') ? c.builder.decode(c.tensor('value')) : { kind: 'float' as const, data: [0] };
  if (value.data.length !== 1) c.fail(`expected one value, got ${value.data.length}.`);
  c.fold(shape, value.kind, c.allocate(value.kind, shape).fill(value.data[0]));
}

function foldRange(c: NodeContext): void {
  c.arity([3, 3]);
  const parts = constants(c);
  if (parts.some((part) => part.data.length !== 1 || part.kind !== parts[0].kind)) c.fail('expected three scalars of one type.');
  const [start, limit, delta] = parts.map((part) => part.data[0]);
  const count = Math.max(Math.ceil((limit - start) / delta), 0);
  if (delta === 0 || Number.isNaN(count)) c.fail(`expected a range, got start ${start}, limit ${limit}, delta ${delta}.`);
  const data = c.allocate(parts[0].kind, [count]);
  for (let i = 0; i < count; i++) data[i] = start + i * delta;
  c.fold([count], parts[0].kind, data);
}

function foldGather(c: NodeContext): void {
  c.arity([2, 2]);
  const [source, indices] = constants(c);
  const axis = c.axis(c.int('axis', 0), source.shape.length);
  if (indices.kind !== 'int') c.fail(`expected integer indices, got ${indices.kind}.`);
  const extent = source.shape[axis];
  const shape = [...source.shape.slice(0, axis), ...indices.shape, ...source.shape.slice(axis + 1)];
  const out = c.allocate(source.kind, shape);
  const inner = size(source.shape.slice(axis + 1));
  const outer = size(source.shape.slice(0, axis));
  let i = 0;
  for (let o = 0; o < outer; o++) {
    for (const index of indices.data) {
      if (index < -extent || index >= extent) c.fail(`expected indices from ${-extent} to ${extent - 1}, got ${index}.`);
      const from = (o * extent + (index < 0 ? index + extent : index)) * inner;
      out.set(source.data.subarray(from, from + inner), i);
      i += inner;
    }
  }
  c.fold(shape, source.kind, out);
}

function foldConcat(c: NodeContext): void {
  c.arity([1, Infinity]);
  const parts = constants(c);
  const { kind } = parts[0];
  if (parts.some((part) => part.kind !== kind)) c.fail(`expected inputs of one type, got ${parts.map((part) => part.kind).join(', ')}.`);
  const stated = c.int('axis');
  const shape = concatShape(
    c,
    parts.map((part) => part.shape),
    stated,
  );
  const axis = c.axis(stated, shape.length);
  const out = c.allocate(kind, shape);
  const outer = size(shape.slice(0, axis));
  let i = 0;
  for (let o = 0; o < outer; o++) {
    for (const part of parts) {
      const run = size(part.shape.slice(axis));
      out.set(part.data.subarray(o * run, (o + 1) * run), i);
      i += run;
    }
  }
  c.fold(shape, kind, out);
}

/** Slice: ranges are attributes before opset 10, inputs since; ends beyond the extent mean the end. */
function foldSlice(c: NodeContext): void {
  c.arity([1, 5]);
  const source = c.needConstant(0, 'input 0');
  const rank = source.shape.length;
  const starts = c.given(1) ? c.needInts(1, 'starts') : c.ints('starts');
  const ends = c.given(2) ? c.needInts(2, 'ends') : c.ints('ends');
  const axes = c.given(3)
    ? c.needInts(3, 'axes')
    : c.ints(
        'axes',
        starts.map((_, i) => i),
      );
  const steps = c.given(4) ? c.needInts(4, 'steps') : starts.map(() => 1);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length) {
    c.fail(`expected starts, ends, axes and steps of one length, got ${starts.length}, ${ends.length}, ${axes.length}, ${steps.length}.`);
  }
  const shape = [...source.shape];
  const walk = strides(source.shape);
  const seen = new Set<number>();
  let base = 0;
  starts.forEach((start, i) => {
    const axis = c.axis(axes[i], rank);
    const step = steps[i];
    if (seen.has(axis) || step === 0) {
      c.fail(`expected each axis once and steps other than 0, got axes ${formatList(axes)}, steps ${formatList(steps)}.`);
    }
    seen.add(axis);
    const extent = source.shape[axis];
    const [low, high] = step > 0 ? [0, extent] : [-1, extent - 1];
    const clamp = (v: number, least: number): number => Math.min(Math.max(v < 0 ? v + extent : v, least), high);
    const from = clamp(start, Math.max(low, 0));
    shape[axis] = Math.max(Math.ceil((clamp(ends[i], low) - from) / step), 0);
    base += from * walk[axis];
    walk[axis] *= step;
  });
  c.fold(shape, source.kind, gatherStrided(c, source, shape, walk, base));
}

function foldTranspose(c: NodeContext): void {
  c.arity([1, 1]);
  const source = c.needConstant(0, 'input 0');
  const rank = source.shape.length;
  const perm = c.ints(
    'perm',
    source.shape.map((_, i) => rank - 1 - i),
    rank,
  );
  if ([...perm].sort((a, b) => a - b).some((axis, i) => axis !== i)) {
    c.fail(`expected a permutation of ${rank} axes, got ${formatList(perm)}.`);
  }
  const walk = strides(source.shape);
  const shape = perm.map((axis) => source.shape[axis]);
  c.fold(
    shape,
    source.kind,
    gatherStrided(
      c,
      source,
      shape,
      perm.map((axis) => walk[axis]),
      0,
    ),
  );
}

/** Cast of a constant. Of a computed value: to another float type it is the identity, since all floats are f32 here. */
function cast(c: NodeContext): void {
  c.arity([1, 1]);
  const to = c.int('to');
  const kind = elementKind(to);
  if (!kind) c.fail(`expected a cast to a number's type, got ${elementTypeName(to)}.`);
  const source = c.constant(0);
  if (!source) {
    const from = c.info(0).dtype === 'f32' ? 'float' : 'int';
    if (from !== kind) {
      c.fail(`expected a cast between ${from} types of the computed value "${c.inputs[0]}", got a cast to ${elementTypeName(to)}.`);
    }
    identity(c);
    return;
  }
  if (source.kind === kind) {
    identity(c);
    return;
  }
  const out = c.allocate(kind, source.shape);
  for (let i = 0; i < out.length; i++) {
    const value = source.data[i];
    if (kind === 'int' && !Number.isFinite(value)) c.fail(`expected finite values to cast to integers, got ${value}.`);
    out[i] = kind === 'bool' ? Number(value !== 0) : kind === 'int' ? Math.trunc(value) : value;
  }
  c.fold(source.shape, kind, out);
}

/** An elementwise op over broadcast constants. */
function elementwise(c: NodeContext, parts: readonly Constant[], kind: Kind, of: (...values: number[]) => number): void {
  let shape: number[] | undefined = [];
  for (const part of parts) shape = shape && broadcastShape(shape, part.shape);
  if (!shape) c.fail(`expected shapes that broadcast, got ${parts.map((part) => formatShape(part.shape)).join(' and ')}.`);
  const out = c.allocate(kind, shape);
  const rank = shape.length;
  const spread = parts.map((part) => {
    const walk = strides(part.shape);
    const steps = Array.from({ length: rank }, (_, i) => {
      const axis = i - (rank - part.shape.length);
      return axis < 0 || part.shape[axis] === 1 ? 0 : walk[axis];
    });
    return { data: part.data, steps };
  });
  const at = shape.map(() => 0);
  const from = parts.map(() => 0);
  for (let i = 0; i < out.length; i++) {
    out[i] = of(...spread.map(({ data }, k) => data[from[k]]));
    if (kind === 'int' && !Number.isSafeInteger(out[i])) c.fail(`expected an integer result, got ${out[i]}.`);
    for (let axis = rank - 1; axis >= 0; axis--) {
      const wrap = ++at[axis] === shape[axis];
      spread.forEach(({ steps }, k) => (from[k] += steps[axis] * (wrap ? 1 - shape[axis] : 1)));
      if (!wrap) break;
      at[axis] = 0;
    }
  }
  c.fold(shape, kind, out);
}

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};

function foldArithmetic(c: NodeContext): void {
  c.arity([2, 2]);
  const parts = constants(c);
  const { kind } = parts[0];
  if (parts[1].kind !== kind || kind === 'bool') c.fail(`expected two numbers of one type, got ${parts[0].kind} and ${parts[1].kind}.`);
  const of = ARITHMETIC[c.node.opType];
  elementwise(c, parts, kind, c.node.opType === 'Div' && kind === 'int' ? (a, b) => Math.trunc(a / b) + 0 : of);
}

function foldEqual(c: NodeContext): void {
  c.arity([2, 2]);
  elementwise(c, constants(c), 'bool', (a, b) => Number(a === b));
}

function foldWhere(c: NodeContext): void {
  c.arity([3, 3]);
  const parts = constants(c);
  if (parts[0].kind !== 'bool' || parts[1].kind !== parts[2].kind) {
    c.fail(`expected a condition and two values of one type, got ${parts.map((part) => part.kind).join(', ')}.`);
  }
  elementwise(c, parts, parts[1].kind, (condition, a, b) => (condition ? a : b));
}

/** An op that is folded: its attributes, and whether it is folded always or only when all its inputs are constants. */
export interface FoldOp {
  readonly attributes: readonly string[];
  readonly fold: Fold;
  /** True for what can be folded without constant inputs, or must be. */
  readonly always: boolean;
}

export const FOLDS: Readonly<Record<string, FoldOp>> = {
  Constant: {
    attributes: ['value', 'value_float', 'value_int', 'value_floats', 'value_ints', 'value_string', 'value_strings', 'sparse_value'],
    fold: foldConstant,
    always: true,
  },
  Shape: { attributes: ['start', 'end'], fold: foldShape, always: true },
  Size: { attributes: [], fold: foldSize, always: true },
  Cast: { attributes: ['to', 'saturate', 'round_mode'], fold: cast, always: true },
  ConstantOfShape: { attributes: ['value'], fold: foldConstantOfShape, always: true },
  Range: { attributes: [], fold: foldRange, always: true },
  Gather: { attributes: ['axis'], fold: foldGather, always: true },
  Slice: { attributes: ['starts', 'ends', 'axes'], fold: foldSlice, always: true },
  Transpose: { attributes: ['perm'], fold: foldTranspose, always: true },
  Sub: { attributes: [], fold: foldArithmetic, always: true },
  Div: { attributes: [], fold: foldArithmetic, always: true },
  Equal: { attributes: [], fold: foldEqual, always: true },
  Where: { attributes: [], fold: foldWhere, always: true },
  Add: { attributes: [], fold: foldArithmetic, always: false },
  Mul: { attributes: [], fold: foldArithmetic, always: false },
  Concat: { attributes: ['axis'], fold: foldConcat, always: false },
};
