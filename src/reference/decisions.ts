/**
 * The branches a forward pass takes: which ReLU units are on, which cell of a window wins, where clip passes. Between two evaluations of a
 * network they may differ wherever a value lies within rounding of a tie, and then the gradients are those of two different linear pieces.
 * Here the decisions of two runs are compared, and the deciding ops are evaluated on a branch that another run has taken.
 */
import { GraphError } from '../errors.ts';
import type { TypedGraph, TypedNode } from '../graph.ts';
import type { ClipAttrs } from '../ops/clip.ts';
import type { MaxPool2dAttrs } from '../ops/maxpool2d.ts';
import { clipPasses, clipValue } from './elementwise.ts';
import { gatherWinners, globalMaxWinners, maxpool2d, maxPoolWinners } from './pool.ts';
import type { F64Tensor } from './types.ts';

/** Forward values by name. */
export type Values = ReadonlyMap<string, F64Tensor>;

/** A unit or window on which two runs disagree. */
export interface Decision {
  readonly node: string;
  readonly op: string;
  /** Flat index into the node's output. */
  readonly index: number;
  /** The deciding value in either run: the unit's input, or the window's maximum. */
  readonly a: number;
  readonly b: number;
  /** How far run a is from deciding as run b did: distance to the kink; for a window, its maximum less its value at b's winner. */
  readonly margin: number;
}

/** How many of a node's decisions differ. */
export interface NodeDecisions {
  readonly node: string;
  readonly op: string;
  readonly units: number;
  readonly differing: number;
}

export interface DecisionReport {
  /** Every deciding node, in graph order. */
  readonly nodes: readonly NodeDecisions[];
  readonly differing: number;
  /** The disagreements, up to the limit asked for. */
  readonly list: readonly Decision[];
}

/** An op whose adjoint depends on its input through decisions alone. */
interface Decider {
  /** The node's outputs for x, with the decisions that `deciding` would take. */
  forward(attrs: never, x: F64Tensor, deciding: F64Tensor): F64Tensor[];
  /** Calls `report` for every disagreement; returns the number of units. */
  compare(attrs: never, a: F64Tensor, b: F64Tensor, report: (index: number, a: number, b: number, margin: number) => void): number;
  /** Where the input of the other run is not at hand, its output decides the same way. */
  readonly byOutput?: boolean;
}

function map(x: F64Tensor, f: (v: number, i: number) => number): F64Tensor {
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i], i);
  return { shape: x.shape, data };
}

function compareWinners(
  p: Int32Array,
  q: Int32Array,
  a: F64Tensor,
  b: F64Tensor,
  report: (index: number, a: number, b: number, margin: number) => void,
): number {
  for (let i = 0; i < p.length; i++) {
    if (p[i] !== q[i]) report(i, a.data[p[i]], b.data[q[i]], a.data[p[i]] - a.data[q[i]]);
  }
  return p.length;
}

const relu: Decider = {
  byOutput: true,
  forward: (_, x, deciding) => [map(x, (v, i) => (deciding.data[i] <= 0 ? 0 : v))],
  compare(_, a, b, report) {
    for (let i = 0; i < a.data.length; i++) {
      if (a.data[i] > 0 !== b.data[i] > 0) report(i, a.data[i], b.data[i], Math.abs(a.data[i]));
    }
    return a.data.length;
  },
};

const clip: Decider = {
  forward: (attrs: ClipAttrs, x, deciding) => [
    map(x, (v, i) => (clipPasses(attrs, deciding.data[i]) ? v : clipValue(attrs, deciding.data[i]))),
  ],
  compare(attrs: ClipAttrs, a, b, report) {
    const { min = -Infinity, max = Infinity } = attrs;
    for (let i = 0; i < a.data.length; i++) {
      const [p, q] = [a.data[i], b.data[i]];
      if (clipPasses(attrs, p) !== clipPasses(attrs, q)) report(i, p, q, Math.min(Math.abs(p - min), Math.abs(p - max)));
    }
    return a.data.length;
  },
};

const maxPool: Decider = {
  forward(attrs: MaxPool2dAttrs, x, deciding) {
    const [y, indices] = maxpool2d.forward({ attrs, x: [deciding], bounds: false });
    return [gatherWinners(x, maxPoolWinners(deciding, attrs), y.shape, false), indices];
  },
  compare: (attrs: MaxPool2dAttrs, a, b, report) => compareWinners(maxPoolWinners(a, attrs), maxPoolWinners(b, attrs), a, b, report),
};

const globalMaxPool: Decider = {
  forward: (_, x, deciding) => [gatherWinners(x, globalMaxWinners(deciding), globalShape(x), false)],
  compare: (_, a, b, report) => compareWinners(globalMaxWinners(a), globalMaxWinners(b), a, b, report),
};

const globalShape = (x: F64Tensor): number[] => x.shape.map((extent, axis) => (axis < 2 ? extent : 1));

const DECIDERS: Readonly<Record<string, Decider>> = { relu, clip, maxpool2d: maxPool, globalmaxpool: globalMaxPool };

/** Whether a node's adjoint depends on its input through decisions alone. */
export function decides(node: TypedNode): boolean {
  return Object.hasOwn(DECIDERS, node.op);
}

/**
 * The tensor of `branch` that decides for a node: its input or, for a ReLU whose input was not kept, its output (y > 0 exactly where x >
 * 0). What no node made is the same in every run and may be left out of `branch`.
 * @throws GraphError if `branch` holds neither.
 */
export function decidingInput(typed: TypedGraph, node: TypedNode, branch: Values, values: Values): F64Tensor {
  const [x] = node.inputs;
  const own = typed.producer.has(x) ? undefined : values.get(x);
  const given = branch.get(x) ?? (DECIDERS[node.op].byOutput ? branch.get(node.outputs[0]) : undefined) ?? own;
  if (!given) throw new GraphError(`${node.op} "${node.name}": expected the branch to hold "${x}", which decides here, got no such value.`);
  return given;
}

/** The outputs of a deciding node for its input x, with the decisions of `deciding`. */
export function forwardOnBranch(node: TypedNode, x: F64Tensor, deciding: F64Tensor): F64Tensor[] {
  return DECIDERS[node.op].forward(node.typedAttrs as never, x, deciding);
}

/**
 * Where two runs of a graph (`a`: usually f64, `b`: usually the GPU's values, widened) decide differently.
 * @param limit how many disagreements to list; all are counted
 * @throws GraphError if a run lacks the values that decide.
 */
export function compareDecisions(typed: TypedGraph, a: Values, b: Values, limit = 1000): DecisionReport {
  const nodes: NodeDecisions[] = [];
  const list: Decision[] = [];
  for (const node of typed.nodes) {
    if (!decides(node)) continue;
    let differing = 0;
    const p = decidingInput(typed, node, a, b);
    const q = decidingInput(typed, node, b, a);
    const units = DECIDERS[node.op].compare(node.typedAttrs as never, p, q, (index, a, b, margin) => {
      differing += 1;
      if (list.length < limit) list.push({ node: node.name, op: node.op, index, a, b, margin });
    });
    nodes.push({ node: node.name, op: node.op, units, differing });
  }
  return { nodes, differing: nodes.reduce((sum, n) => sum + n.differing, 0), list };
}
