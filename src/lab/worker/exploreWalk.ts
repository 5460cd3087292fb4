/** The signal of one class on its way down, layer by layer, under the gradient and under another rule: where they part, and by how much. */
import type { Sight } from '../../gpu/executor.ts';
import { ParameterStore } from '../../gpu/store.ts';
import type { TypedNode } from '../../graph.ts';
import { chooseLayers } from '../../inspect/choose.ts';
import { Scratch, walk } from '../../inspect/walk.ts';
import { RULES, type Rule } from '../../rule.ts';
import { size, type Shape } from '../../tensor.ts';
import type { Asked, Subject, Watch } from './exploreSubject.ts';

/** A place that the signal comes by. */
export interface Stop {
  /** The node at whose output it arrives; the input's name at the end. */
  readonly node: string;
  readonly op: string;
  readonly shape: Shape;
  /** Height and width of its maps; units without a place are laid out in rows, and the last one is filled up with NaN. */
  readonly grid: readonly [number, number];
}

/** The signal at a stop under one rule. */
export interface Arriving {
  /** Euclidean, in f64. */
  readonly norm: number;
  /** Share of units that a signal other than zero reaches. */
  readonly reached: number;
  /** Of the angle to the gradient's signal here; null where one of them is zero. */
  readonly cosine: number | null;
  /** Units at which it differs from the gradient's. */
  readonly differing: number;
  /** Over channels, the sum and the norm, on the stop's grid. */
  readonly sum: Float32Array;
  readonly fold: Float32Array;
}

/** Two rules side by side, from the scores down to the input. */
export interface Descent {
  readonly class: number;
  readonly score: number;
  readonly stops: readonly Stop[];
  readonly gradient: readonly Arriving[];
  readonly other: readonly Arriving[];
}

/** Rules to be held against the gradient. */
export const OTHERS = RULES.filter((rule) => rule !== 'gradient') as Exclude<Rule, 'gradient'>[];

/**
 * Walks down twice. Of a layer only its reduced maps are kept, and the gradient's own signal until the other rule has come by.
 * @param against the rule beside the gradient; the other axes, and rules of single layers, are those of `rule` for both
 * @throws InputError if there is no such class
 */
export async function descend(
  { gpu, typed, parameters, input }: Subject,
  { class: target, rule, against }: Asked & { readonly against: Rule },
  { signal, report }: Watch,
): Promise<Descent> {
  const observe = [...chooseLayers(typed, undefined)];
  const own = new Map<string, Float32Array>();
  const scratch = new Scratch();
  const stops: Stop[] = [];
  const arriving: [Arriving[], Arriving[]] = [[], []];
  let done = 0;
  const arrive = (stop: Stop, data: Float32Array, r: number): void => {
    if (r === 0) {
      stops.push(stop);
      own.set(stop.node, data.slice());
    }
    arriving[r].push(arrivingOf(stop, data, own.get(stop.node)!));
    if (r === 1) own.delete(stop.node);
  };
  const store = new ParameterStore(gpu, parameters);
  try {
    const { gradients, value } = await walk(gpu, store, typed, input, {
      target,
      rules: ['gradient' as const, against].map((relu) => ({ ...rule, relu })),
      observe,
      backward: async (node: TypedNode, sight: Sight, r: number) => {
        signal.throwIfAborted();
        report({ done: ++done, total: 2 * observe.length });
        const dy = sight.moment.dy[0];
        if (!dy) return;
        const { name, op } = node;
        arrive({ node: name, op, shape: dy.shape, grid: gridOf(dy.shape) }, await scratch.read(sight, dy, 'dy'), r);
      },
    });
    const { name, shape } = typed.graph.inputs[0];
    const last: Stop = { node: name, op: 'input', shape, grid: gridOf(shape) };
    gradients.forEach(({ data }, r) => arrive(last, data, r));
    return { class: target, score: value, stops, gradient: arriving[0], other: arriving[1] };
  } finally {
    store.dispose();
  }
}

/** Places of a layer; of a vector [1, K] or [1, K, 1, 1] about a square of its units. */
export function gridOf(shape: Shape): [number, number] {
  const places = size(shape.slice(2));
  if (places > 1) return [shape[2], places / shape[2]];
  const width = Math.ceil(Math.sqrt(size(shape)));
  return [Math.ceil(size(shape) / width), width];
}

function arrivingOf({ shape, grid: [height, width] }: Stop, data: Float32Array, gradient: Float32Array): Arriving {
  const places = size(shape.slice(2));
  const vector = places <= 1;
  const sums = new Float64Array(height * width).fill(0);
  const squares = new Float64Array(height * width).fill(0);
  if (vector) [sums, squares].forEach((map) => map.fill(NaN, data.length));
  let [norm, normOfGradient, product, reached, differing] = [0, 0, 0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const [r, g] = [data[i], gradient[i]];
    const at = vector ? i : i % places;
    sums[at] += r;
    squares[at] += r * r;
    norm += r * r;
    normOfGradient += g * g;
    product += r * g;
    if (r !== 0) reached++;
    if (r !== g) differing++;
  }
  return {
    norm: Math.sqrt(norm),
    reached: reached / data.length,
    cosine: norm > 0 && normOfGradient > 0 ? product / Math.sqrt(norm) / Math.sqrt(normOfGradient) : null,
    differing,
    sum: Float32Array.from(sums),
    fold: Float32Array.from(squares, Math.sqrt),
  };
}
