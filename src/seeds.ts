/** What is sent down a network, and the classes that its scores speak for: plain arithmetic on rows of scores, in f64. */
import { InputError } from './errors.ts';
import { formatShape, size, type Shape, type Tensor } from './tensor.ts';

/** One unit of a tensor, for every item of the batch: [c, y, x] in [N, C, H, W], [k] in [N, K]. */
export interface Neuron {
  readonly tensor: string;
  readonly at: readonly number[];
}

/** @throws InputError if there is no such class */
export function checkClass(label: number, classes: number, what: string): void {
  if (!Number.isInteger(label) || label < 0 || label >= classes) {
    throw new InputError(`${what}: expected classes in [0, ${classes - 1}], got ${label}.`);
  }
}

/** The flat index of a unit within one item of a tensor [N, ...]. */
export function neuronIndex({ tensor, at }: Neuron, shape: Shape): number {
  const item = shape.slice(1);
  // A single number serves where only one axis has more than one element, as in [N, K, 1, 1].
  const axes = at.length === 1 && item.filter((extent) => extent > 1).length <= 1 ? [size(item)] : item;
  const wanted = `${axes.length} coordinates below ${axes.join(', ')}`;
  if (at.length !== axes.length || at.some((c, d) => !Number.isInteger(c) || c < 0 || c >= axes[d])) {
    throw new InputError(`neuron "${tensor}": expected ${wanted} in ${formatShape(shape)}, got ${at.join(', ')}.`);
  }
  return at.reduce((index, coordinate, d) => index * axes[d] + coordinate, 0);
}

/** A seed of ones, at one unit of each item. */
export function seedAt(shape: Shape, units: readonly number[]): Tensor {
  const data = new Float32Array(size(shape));
  const perItem = data.length / units.length;
  units.forEach((unit, n) => (data[n * perItem + unit] = 1));
  return { shape, data };
}

/**
 * The log odds S_c - log sum_{k != c} exp S_k of one row of scores, and their derivative with respect to it: 1 at c, and minus each rival's share
 * of sum_{k != c} exp S_k. In f64, the derivative rounded once.
 */
export function logOdds(scores: Float32Array, from: number, classes: number, c: number): { value: number; seed: Float32Array } {
  if (classes < 2) throw new InputError('score: expected a network of at least two classes for log odds, got one. Take its score.');
  let top = -Infinity;
  for (let k = 0; k < classes; k++) if (k !== c) top = Math.max(top, scores[from + k]);
  let sum = 0;
  for (let k = 0; k < classes; k++) if (k !== c) sum += Math.exp(scores[from + k] - top);
  const seed = Float32Array.from({ length: classes }, (_, k) => (k === c ? 1 : -Math.exp(scores[from + k] - top) / sum));
  return { value: scores[from + c] - top - Math.log(sum), seed };
}

/** Rows, one behind the other. */
export function concatenated(parts: readonly Float32Array[]): Float32Array {
  const data = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (data.set(part, at), at + part.length), 0);
  return data;
}

/** Scores as [N, K]. */
export function flatten(t: Tensor): Tensor {
  return { shape: [t.shape[0], size(t.shape) / t.shape[0]], data: t.data };
}

/** Index of the first largest element; NaN is never the largest. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++)
    if (values[i] > values[best] || (Number.isNaN(values[best]) && !Number.isNaN(values[i]))) best = i;
  return best;
}

/** The classes of one row of scores from the best to the worst; ties in the order of the classes, NaN last. */
export function ranked(scores: ArrayLike<number>): number[] {
  const key = Array.from(scores, (s) => (Number.isNaN(s) ? -Infinity : s));
  return [...key.keys()].sort((a, b) => (key[a] === key[b] ? a - b : key[b] - key[a]));
}

/** Softmax in f64 of one row of scores. */
export function posterior(scores: ArrayLike<number>): Float64Array {
  const shifted = Float64Array.from(scores);
  const top = shifted.reduce((a, b) => Math.max(a, b), -Infinity);
  const exps = shifted.map((s) => Math.exp(s - top));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((e) => e / sum);
}
