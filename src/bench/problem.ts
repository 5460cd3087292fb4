/**
 * A case made into something to run: a graph of one node, compiled by the engine's own plan, and its numbers.
 */
import { typeGraph, type Graph, type TypedGraph } from '../graph.ts';
import { compile, type DeviceTraits, type Plan } from '../plan.ts';
import { DEFAULT_RULES, type LayerRules } from '../rule.ts';
import { size, type Shape, type Tensor } from '../tensor.ts';
import { fill, normal } from '../verify/random.ts';
import { hasParameters, type BenchCase } from './cases.ts';

/** A case ready to run. */
export interface Problem {
  readonly case: BenchCase;
  readonly typed: TypedGraph;
  readonly plan: Plan;
  /** Everything that enters: `x0`, `x1`, ... */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** dy, for the backward directions and for plans that save. */
  readonly seed: Tensor | undefined;
  /** The part of the plan that is timed. */
  readonly part: 'forward' | 'backward';
  /** The input whose gradient is asked for; undefined forward. */
  readonly wrt: number | undefined;
  readonly rules: LayerRules;
}

/** What a case must do, whoever does it. */
export interface Work {
  /** Two for each multiply-accumulate; 0 for ops that move numbers more than they compute. */
  readonly flop: number;
  /** Every operand once: what is read and what is written. */
  readonly bytes: number;
}

/** Numbers before random numbers repeat: prime, so that no stride of a tensor falls in with it. */
const PERIOD = 1_048_573;

let normals: Float32Array | undefined;

/** Standard normal numbers that repeat after 1,048,573: making them costs little more than copying. */
export function randomTensor(shape: Shape, seed: number): Tensor {
  normals ??= fill(PERIOD, normal(1));
  const data = new Float32Array(size(shape));
  let from = (seed * 65_537) % PERIOD;
  for (let at = 0; at < data.length; from = 0) {
    const part = normals.subarray(from, from + Math.min(PERIOD - from, data.length - at));
    data.set(part, at);
    at += part.length;
  }
  return { shape, data };
}

/** The graph of a case: inputs x0, x1, ... to y. */
export function graphOf(c: BenchCase): Graph {
  const specs = c.inputs.map((shape, k) => ({ name: `x${k}`, shape }));
  const own = (k: number): boolean => k > 0 && hasParameters(c.op);
  return {
    name: c.id,
    inputs: specs.filter((_, k) => !own(k)),
    parameters: specs.filter((_, k) => own(k)),
    nodes: [{ name: c.op, op: c.op, inputs: specs.map(({ name }) => name), outputs: ['y'], attrs: c.attrs }],
    outputs: ['y'],
  };
}

/** The input whose gradient a case asks for; undefined forward. */
const wrtOf = ({ direction, op, inputs }: BenchCase): number | undefined =>
  direction === 'dw' ? 1 : direction !== 'dx' ? undefined : op === 'concat' ? inputs.length - 1 : 0;

const rulesOf = ({ rule }: BenchCase): LayerRules => ({ ...DEFAULT_RULES, relu: rule ?? 'gradient' });

/**
 * Compiles a case.
 * @param traits of the device, so that the kernels are those that the product would choose there
 * @throws GraphError if the case is malformed
 */
export function planOf(c: BenchCase, traits: DeviceTraits, typed = typeGraph(graphOf(c))): Plan {
  return compile(typed, {
    // Inputs keep their memory: a pass can then be run over and over on the same numbers.
    keep: ['y', ...typed.graph.inputs.map(({ name }) => name)],
    ...(isDifferentiated(c) ? { target: 'y', wrt: [`x${wrtOf(c) ?? 0}`], rule: rulesOf(c) } : {}),
    // Keeps the weights that packing reads, so that packing can be timed.
    training: true,
    traits,
  });
}

const isDifferentiated = ({ direction }: BenchCase): boolean => direction !== 'forward';

/** A case compiled by {@link planOf}, and its numbers. */
export function makeProblem(c: BenchCase, traits: DeviceTraits): Problem {
  const typed = typeGraph(graphOf(c));
  const wrt = wrtOf(c);
  return {
    case: c,
    typed,
    plan: planOf(c, traits, typed),
    tensors: new Map(c.inputs.map((shape, k) => [`x${k}`, randomTensor(shape, 1 + k)])),
    seed: isDifferentiated(c) ? randomTensor(typed.values.get('y')!.shape, 99) : undefined,
    part: wrt === undefined ? 'forward' : 'backward',
    wrt,
    rules: rulesOf(c),
  };
}

/** FLOP and bytes of a case by its shapes alone. */
export function workOf({ case: c, typed }: Problem): Work {
  const y = typed.values.get('y')!.shape;
  const [node] = typed.nodes;
  const flop = 2 * (node.definition.macs?.(c.inputs, y, node.typedAttrs) ?? 0);
  const x = size(c.inputs[0]);
  const all = c.inputs.reduce((sum, shape) => sum + size(shape), 0);
  const out = size(y);
  return { flop, bytes: bytesOf(c, x, all, out) };
}

function bytesOf({ op, direction, inputs, rule }: BenchCase, x: number, all: number, y: number): number {
  if (direction === 'forward') return 4 * (all + y);
  switch (op) {
    case 'conv2d':
    case 'linear':
      // dy and w to dx, dy and x to dw; the bias has no part in either.
      return 4 * (x + y + size(inputs[1]));
    case 'maxpool2d':
      // Of a window's position a byte is noted.
      return 4 * (x + y) + y;
    case 'lrn':
      return direction === 'dx' ? 4 * 4 * x : 4 * 3 * x;
    case 'relu':
      return 4 * (rule === 'linear' || rule === 'deconvnet' ? 2 : 3) * x;
    case 'softmax':
      return 4 * 3 * x;
    case 'concat':
      return 4 * 2 * size(inputs[inputs.length - 1]);
    default:
      return 4 * (x + y);
  }
}
