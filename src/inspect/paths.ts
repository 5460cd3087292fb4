/**
 * Paths: chains of units from one unit down to another tensor, each link a non-zero entry of a layer's Jacobian, through gates that are open and to
 * winners that were taken. Their number is what the backward pass computes if every such entry is 1:
 *
 *     paths(i) = sum over the units o that i feeds of [dy_o/dx_i != 0] paths(o)
 *
 * Numbers of paths are integers, exact in f64 up to 2^53. Beyond, every addition rounds; all terms being positive, a number that took K additions in
 * a row is right to K 2^-53 of itself, which leaves nine digits and more. What would exceed f64 is kept as a number times a power of two.
 */
import type { TypedGraph } from '../graph.ts';
import { size, type AnyTensor } from '../tensor.ts';
import type { Branch } from './branch.ts';
import { isParameter } from './field.ts';
import { linked } from './links.ts';

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
