/**
 * The branch that a forward pass took, in as little memory as its decisions need: a byte for each unit of a gate, an index for each window. With it
 * the paths of a network are settled, and its tensors need not be kept.
 */
import type { TypedGraph, TypedNode } from '../graph.ts';
import type { ClipAttrs } from '../ops/clip.ts';
import type { LrnAttrs } from '../ops/lrn.ts';
import type { MaxPool2dAttrs } from '../ops/maxpool2d.ts';
import { clipPasses } from '../reference/elementwise.ts';
import { choiceOf, maxTies, maxWinners, type MaxWindows } from '../reference/pool.ts';
import { indicator, type LayerRules } from '../rule.ts';
import { isParameter } from './field.ts';
import type { Shape } from '../tensor.ts';

/** Numbers of a tensor, of either precision. */
export type Numbers = Float32Array | Float64Array;

/** Units through which a signal can pass: 1, else 0. */
export interface Gates {
  readonly kind: 'gates';
  readonly open: Uint8Array;
}

/** Where the signal of every window goes: to cells[from[o]] ... cells[from[o + 1] - 1], flat indices into the pool's input. */
export interface Winners {
  readonly kind: 'winners';
  readonly cells: Int32Array;
  readonly from: Int32Array;
}

/** Which elements of a node's inputs are not zero; null for an input that was not looked at. */
export interface NonZero {
  readonly kind: 'nonzero';
  readonly of: readonly (Uint8Array | null)[];
}

export type Decided = Gates | Winners | NonZero;

/** Decisions by node. */
export type Branch = ReadonlyMap<string, Decided>;

/** Which of a node's tensors its decisions are read from; none for nodes that decide nothing. */
export function decidingTensors(typed: TypedGraph, node: TypedNode): { readonly x: readonly number[]; readonly y: boolean } {
  switch (node.op) {
    case 'relu':
    case 'clip':
    case 'maxpool2d':
    case 'globalmaxpool':
    case 'lrn':
      return { x: [0], y: false };
    case 'mul':
      // A factor that is a parameter is at hand already.
      return { x: [0, 1].filter((k) => !isParameter(typed, node.inputs[k])), y: false };
    case 'softmax':
      return { x: [], y: true };
    default:
      return { x: [], y: false };
  }
}

/**
 * What a node decided.
 * @param x its inputs as far as {@link decidingTensors} asks for them
 * @param shape of its first input
 * @param rules what it obeys on the way down; of ReLU's rule the gradient's gate is meant
 */
export function decisionsOf(
  node: TypedNode,
  x: readonly (Numbers | null)[],
  y: Numbers | null,
  shape: Shape,
  rules: LayerRules,
): Decided | null {
  const flags = (data: Numbers, test: (v: number) => boolean): Uint8Array => {
    const out = new Uint8Array(data.length);
    for (let i = 0; i < data.length; i++) out[i] = Number(test(data[i]));
    return out;
  };
  switch (node.op) {
    case 'relu':
      return { kind: 'gates', open: flags(x[0]!, (v) => indicator(v, rules.zero)) };
    case 'clip':
      return { kind: 'gates', open: flags(x[0]!, (v) => clipPasses(node.typedAttrs as ClipAttrs, v)) };
    case 'maxpool2d':
      return winnersOf(x[0]!, shape, node.typedAttrs as MaxPool2dAttrs, rules.maxpool);
    case 'globalmaxpool':
      return winnersOf(x[0]!, shape, null, rules.maxpool);
    case 'lrn': {
      const couples = rules.lrn === 'gradient' && (node.typedAttrs as LrnAttrs).alpha !== 0 && (node.typedAttrs as LrnAttrs).beta !== 0;
      return { kind: 'nonzero', of: [couples ? flags(x[0]!, (v) => v !== 0) : null] };
    }
    case 'mul':
      return { kind: 'nonzero', of: x.map((data) => data && flags(data, (v) => v !== 0)) };
    case 'softmax':
      return { kind: 'nonzero', of: [flags(y!, (v) => v !== 0)] };
    default:
      return null;
  }
}

function winnersOf(data: Numbers, shape: Shape, windows: MaxWindows, rule: LayerRules['maxpool']): Winners {
  const choice = choiceOf(rule);
  if (choice === null) return { kind: 'winners', ...maxTies({ shape, data }, windows) };
  const winners = maxWinners({ shape, data }, windows, choice);
  // Windows without a cell have no winner.
  const cells = winners.filter((cell) => cell >= 0);
  const from = new Int32Array(winners.length + 1);
  for (let o = 0; o < winners.length; o++) from[o + 1] = from[o] + Number(winners[o] >= 0);
  return { kind: 'winners', cells, from };
}
