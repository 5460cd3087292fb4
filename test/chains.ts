// Paths by brute force: every layer's links written out from its definition, and every chain from a unit down walked one by one.
import type { TypedGraph, TypedNode } from '../src/graph.ts';

/** Values and parameters by name, row-major. */
export type Numbers = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>;

export interface LinkOptions {
  /** Every gate open, every cell of a window linked, every weight there: what could be, not what is. */
  readonly everything?: boolean;
  /** Ties go to every maximum instead of the first. */
  readonly ties?: boolean;
  /** A ReLU passes at exactly zero. */
  readonly openAtZero?: boolean;
}

/** A unit: an element of a value. */
type Unit = readonly [value: string, index: number];

const attrsOf = (node: TypedNode): any => node.typedAttrs;

/** The units that feed element i of a node's first output, one entry for each link. */
function feeders(typed: TypedGraph, node: TypedNode, values: Numbers, i: number, options: LinkOptions): Unit[] {
  const { everything = false, ties = false, openAtZero = false } = options;
  const shapeOf = (name: string): readonly number[] => typed.values.get(name)!.shape;
  const at = (name: string, index: number): number => values.get(name)!.data[index];
  const [x, w] = node.inputs;
  const out = shapeOf(node.outputs[0]);
  const coordinates = (index: number, shape: readonly number[]): number[] => {
    const c: number[] = [];
    for (let axis = shape.length - 1, rest = index; axis >= 0; axis--)
      [c[axis], rest] = [rest % shape[axis], Math.floor(rest / shape[axis])];
    return c;
  };
  const flat = (c: readonly number[], shape: readonly number[]): number => c.reduce((index, v, axis) => index * shape[axis] + v, 0);
  const window = (kernel: readonly number[]): number[] => {
    const [n, c, oh, ow] = coordinates(i, out);
    const [, , H, W] = shapeOf(x);
    const { stride, pad, dilation } = attrsOf(node);
    const cells: number[] = [];
    for (let kh = 0; kh < kernel[0]; kh++) {
      for (let kw = 0; kw < kernel[1]; kw++) {
        const [h, v] = [oh * stride[0] - pad[0] + kh * dilation[0], ow * stride[1] - pad[1] + kw * dilation[1]];
        if (h >= 0 && h < H && v >= 0 && v < W) cells.push(flat([n, c, h, v], shapeOf(x)));
      }
    }
    return cells;
  };
  const winners = (cells: number[]): number[] => {
    if (everything) return cells;
    const most = Math.max(...cells.map((cell) => at(x, cell)));
    const best = cells.filter((cell) => at(x, cell) === most);
    return ties ? best : best.slice(0, 1);
  };
  const plane = (): number[] => {
    const [n, c] = coordinates(i, out);
    const size = shapeOf(x)
      .slice(2)
      .reduce((a, b) => a * b, 1);
    return Array.from({ length: size }, (_, k) => (n * shapeOf(x)[1] + c) * size + k);
  };
  switch (node.op) {
    case 'relu':
      return everything || at(x, i) > 0 || (openAtZero && at(x, i) === 0) ? [[x, i]] : [];
    case 'maxpool2d':
      return winners(window(attrsOf(node).kernel)).map((cell) => [x, cell]);
    case 'avgpool2d':
      return window(attrsOf(node).kernel).map((cell) => [x, cell]);
    case 'globalmaxpool':
      return winners(plane()).map((cell) => [x, cell]);
    case 'globalavgpool':
      return plane().map((cell) => [x, cell]);
    case 'batchnorm': {
      const c = coordinates(i, out)[1];
      return everything || at(w, c) !== 0 ? [[x, i]] : [];
    }
    case 'dropout':
    case 'flatten':
    case 'reshape':
    case 'identity':
      return [[x, i]];
    case 'add':
      return [
        [x, i],
        [w, i],
      ];
    case 'concat': {
      const c = coordinates(i, out);
      let before = 0;
      for (const name of node.inputs) {
        const extent = shapeOf(name)[1];
        if (c[1] < before + extent) return [[name, flat([c[0], c[1] - before, ...c.slice(2)], shapeOf(name))]];
        before += extent;
      }
      throw new Error('beyond the parts');
    }
    case 'lrn': {
      const c = coordinates(i, out);
      const [channels, { size }] = [out[1], attrsOf(node)];
      const units: Unit[] = [];
      for (let e = c[1] - Math.floor((size - 1) / 2); e <= c[1] + Math.ceil((size - 1) / 2); e++) {
        if (e < 0 || e >= channels) continue;
        const other = flat([c[0], e, ...c.slice(2)], out);
        if (e === c[1] || everything || at(x, other) * at(x, i) !== 0) units.push([x, other]);
      }
      return units;
    }
    case 'linear': {
      const [n, o] = coordinates(i, out);
      const inputs = shapeOf(x)[1];
      return Array.from({ length: inputs }, (_, k) => k)
        .filter((k) => everything || at(w, o * inputs + k) !== 0)
        .map((k) => [x, n * inputs + k]);
    }
    case 'conv2d': {
      const [n, o, oh, ow] = coordinates(i, out);
      const [O, perGroup, KH, KW] = shapeOf(w);
      const { stride, pad, dilation, groups } = attrsOf(node);
      const [, C, H, W] = shapeOf(x);
      const units: Unit[] = [];
      for (let k = 0; k < perGroup; k++) {
        const c = Math.floor(o / (O / groups)) * (C / groups) + k;
        for (let kh = 0; kh < KH; kh++) {
          for (let kw = 0; kw < KW; kw++) {
            const [h, v] = [oh * stride[0] - pad[0] + kh * dilation[0], ow * stride[1] - pad[1] + kw * dilation[1]];
            if (h < 0 || h >= H || v < 0 || v >= W) continue;
            if (everything || at(w, ((o * perGroup + k) * KH + kh) * KW + kw) !== 0) units.push([x, flat([n, c, h, v], [n + 1, C, H, W])]);
          }
        }
      }
      return units;
    }
    default:
      throw new Error(`no links written for ${node.op}`);
  }
}

/**
 * Walks every chain from a unit down to the ends and counts, for every value, those that come by each of its elements.
 * @throws if there are more than `most` links to follow
 */
export function chains(
  typed: TypedGraph,
  values: Numbers,
  target: string,
  unit: number,
  options: LinkOptions = {},
  most = 3e6,
): Map<string, Float64Array> {
  const counts = new Map<string, Float64Array>();
  let links = 0;
  const walk = (value: string, index: number): void => {
    if (++links > most) throw new Error(`more than ${most} links`);
    let own = counts.get(value);
    if (!own) counts.set(value, (own = new Float64Array(typed.values.get(value)!.shape.reduce((a, b) => a * b, 1))));
    own[index] += 1;
    const made = typed.producer.get(value);
    if (made === undefined) return;
    for (const [below, cell] of feeders(typed, typed.nodes[made], values, index, options)) walk(below, cell);
  };
  walk(target, unit);
  return counts;
}

/** Units that a unit can reach by any link at all, for every value: each is visited once. */
export function reachable(typed: TypedGraph, values: Numbers, target: string, unit: number): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>([[target, new Set([unit])]]);
  for (let n = typed.producer.get(target) ?? -1; n >= 0; n--) {
    const node = typed.nodes[n];
    for (const i of found.get(node.outputs[0]) ?? []) {
      for (const [value, index] of feeders(typed, node, values, i, { everything: true })) {
        if (!found.has(value)) found.set(value, new Set());
        found.get(value)!.add(index);
      }
    }
  }
  return found;
}
