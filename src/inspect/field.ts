/**
 * Theoretical receptive fields: which box of every tensor below a unit its value can depend on, by the shapes of windows alone, whatever weights,
 * gates and winners are.
 */
import { GraphError } from '../errors.ts';
import type { TypedGraph, TypedNode } from '../graph.ts';
import type { LrnAttrs } from '../ops/lrn.ts';
import type { PadAttrs } from '../ops/pad.ts';
import type { PoolAttrs, WindowAttrs } from '../ops/window.ts';
import { size, type Shape } from '../tensor.ts';

/** A half-open range of indices along one axis. */
export type Range = readonly [from: number, to: number];

/** A range for each axis of a tensor. */
export type Field = readonly Range[];

/** Elements of a field. */
export const fieldSize = (field: Field): number => field.reduce((n, [from, to]) => n * (to - from), 1);

export const wholeField = (shape: Shape): Field => shape.map((extent) => [0, extent] as const);

/** Calls `visit` with the flat index of every element of a field in a tensor of `shape`. */
export function eachInField(field: Field, shape: Shape, visit: (i: number) => void): void {
  const inner = field.length - 1;
  const walk = (axis: number, at: number): void => {
    const [from, to] = field[axis];
    for (let i = from; i < to; i++) {
      if (axis === inner) visit(at * shape[axis] + i);
      else walk(axis + 1, at * shape[axis] + i);
    }
  };
  if (field.length === 0) visit(0);
  else walk(0, 0);
}

/**
 * The field of one element in every value below it, by name. Where several ways lead to a value, the smallest box around their fields.
 * @param lrn `identity` where LRN's signal stays in its channel, by node
 * @throws GraphError if a way leads through an op that no field is known for
 */
export function receptiveFields(
  typed: TypedGraph,
  target: string,
  unit: number,
  lrn: (node: string) => 'gradient' | 'identity',
): Map<string, Field> {
  const { shape } = typed.values.get(target)!;
  const own = [...shape]
    .reverse()
    .reduce<{ rest: number; field: Range[] }>(
      ({ rest, field }, extent) => ({ rest: Math.floor(rest / extent), field: [[rest % extent, (rest % extent) + 1], ...field] }),
      { rest: unit, field: [] },
    ).field;
  const fields = new Map<string, Field>([[target, own]]);
  for (let i = typed.producer.get(target) ?? -1; i >= 0; i--) {
    const node = typed.nodes[i];
    for (const [o, output] of node.outputs.entries()) {
      const field = o === 0 ? fields.get(output) : undefined;
      if (!field) continue;
      node.inputs.forEach((name, k) => {
        if (name === '' || !node.definition.differentiable(k) || isParameter(typed, name)) return;
        const below = fieldBelow(typed, node, k, field, lrn);
        if (below && fieldSize(below) > 0) fields.set(name, hull(fields.get(name), below));
      });
    }
  }
  return fields;
}

export function isParameter(typed: TypedGraph, name: string): boolean {
  return !typed.producer.has(name) && !typed.graph.inputs.some((input) => input.name === name);
}

const hull = (a: Field | undefined, b: Field): Field =>
  a ? a.map(([from, to], axis) => [Math.min(from, b[axis][0]), Math.max(to, b[axis][1])] as const) : b;

const clip = ([from, to]: Range, extent: number): Range => [Math.max(0, Math.min(extent, from)), Math.max(0, Math.min(extent, to))];

/** What windows over [from, to) of their outputs read along one spatial axis, from the first cell inside to the last; empty if none is. */
function windowRange([from, to]: Range, axis: 0 | 1, kernel: number, { stride, pad, dilation }: WindowAttrs, extent: number): Range {
  const step = dilation[axis];
  let [first, end] = [Infinity, 0];
  for (let o = from; o < to; o++) {
    const start = o * stride[axis] - pad[axis];
    const lowest = start < 0 ? start + step * Math.ceil(-start / step) : start;
    const highest = Math.min(start + step * (kernel - 1), start + step * Math.floor((extent - 1 - start) / step));
    if (lowest > highest) continue;
    [first, end] = [Math.min(first, lowest), Math.max(end, highest + 1)];
  }
  return end > 0 ? [first, end] : [0, 0];
}

/** The field in input k of a field in the node's first output; null where they do not meet. */
function fieldBelow(
  typed: TypedGraph,
  node: TypedNode,
  k: number,
  field: Field,
  lrn: (node: string) => 'gradient' | 'identity',
): Field | null {
  const { shape } = typed.values.get(node.inputs[k])!;
  const windows = (kernel: readonly [number, number], attrs: WindowAttrs): [Range, Range] => [
    windowRange(field[2], 0, kernel[0], attrs, shape[2]),
    windowRange(field[3], 1, kernel[1], attrs, shape[3]),
  ];
  switch (node.op) {
    case 'relu':
    case 'clip':
    case 'batchnorm':
    case 'dropout':
    case 'identity':
      return field;
    case 'add':
    case 'mul':
      // Axes that were stretched have one element, which serves all.
      return shape.map((extent, axis) => (extent === 1 ? [0, 1] : field[axis + field.length - shape.length]));
    case 'conv2d': {
      const attrs = node.typedAttrs as WindowAttrs & { readonly groups: number };
      const w = typed.values.get(node.inputs[1])!.shape;
      const perGroup = w[0] / attrs.groups;
      const channels: Range = [Math.floor(field[1][0] / perGroup) * w[1], (Math.floor((field[1][1] - 1) / perGroup) + 1) * w[1]];
      return [field[0], channels, ...windows([w[2], w[3]], attrs)];
    }
    case 'maxpool2d':
    case 'avgpool2d': {
      const attrs = node.typedAttrs as PoolAttrs;
      return [field[0], field[1], ...windows(attrs.kernel, attrs)];
    }
    case 'globalavgpool':
    case 'globalmaxpool':
      return shape.map((extent, axis) => (axis < 2 ? field[axis] : [0, extent]));
    case 'lrn': {
      if (lrn(node.name) === 'identity') return field;
      const { size: width } = node.typedAttrs as LrnAttrs;
      const [below, above] = [Math.floor((width - 1) / 2), Math.ceil((width - 1) / 2)];
      return field.map((range, axis) => (axis === 1 ? clip([range[0] - below, range[1] + above], shape[1]) : range));
    }
    case 'concat': {
      const rank = shape.length;
      const given = (node.typedAttrs as { readonly axis: number }).axis;
      const axis = given < 0 ? given + rank : given;
      const before = node.inputs.slice(0, k).reduce((n, name) => n + typed.values.get(name)!.shape[axis], 0);
      return field.map((range, a) => (a === axis ? clip([range[0] - before, range[1] - before], shape[axis]) : range));
    }
    case 'pad': {
      const { before } = node.typedAttrs as PadAttrs;
      return field.map(([from, to], axis) => clip([from - before[axis], to - before[axis]], shape[axis]));
    }
    case 'linear':
    case 'softmax':
    case 'logsoftmax':
      return node.op === 'linear' ? linearField(typed, node, k, field) : wholeField(shape);
    case 'reshape':
    case 'flatten':
      return reshapedField(typed.values.get(node.outputs[0])!.shape, shape, field);
    default:
      throw new GraphError(`${node.op} "${node.name}": expected an op that a receptive field is known for. Choose a unit below it.`);
  }
}

/** A row of the product depends on a row of the first matrix. */
function linearField(typed: TypedGraph, node: TypedNode, k: number, field: Field): Field {
  const { shape } = typed.values.get(node.inputs[k])!;
  const { transA } = node.typedAttrs as { readonly transA: boolean };
  return k === 0 && !transA ? [field[0], [0, shape[1]]] : wholeField(shape);
}

/** Elements keep their order: the box around the run from the field's first element to its last. */
function reshapedField(from: Shape, to: Shape, field: Field): Field {
  if (fieldSize(field) === size(from)) return wholeField(to);
  let [first, last] = [0, 0];
  field.forEach(([a, b], axis) => ([first, last] = [first * from[axis] + a, last * from[axis] + b - 1]));
  const at = (index: number): number[] => {
    const out: number[] = [];
    for (let axis = to.length - 1, rest = index; axis >= 0; axis--) {
      out.unshift(rest % to[axis]);
      rest = Math.floor(rest / to[axis]);
    }
    return out;
  };
  const [a, b] = [at(first), at(last)];
  // The box around the run: axes before the first that differs are settled, that one has a range, and those behind it are whole.
  const differs = a.findIndex((v, axis) => v !== b[axis]);
  if (differs < 0) return a.map((v) => [v, v + 1] as const);
  return to.map((extent, axis) => (axis < differs ? [a[axis], a[axis] + 1] : axis === differs ? [a[axis], b[axis] + 1] : [0, extent]));
}
