/**
 * The branches a forward pass takes: which ReLU units are on, which cell of a window wins, where clip passes. Between two evaluations of a
 * network they may differ wherever a value lies within rounding of a tie, and then the gradients are those of two different linear pieces.
 * Here the decisions of two runs are compared, and the deciding ops are evaluated on a branch that another run has taken.
 */
import { GraphError } from '../errors.ts';
import { layerRules, type TypedGraph, type TypedNode } from '../graph.ts';
import type { ClipAttrs } from '../ops/clip.ts';
import type { MaxPool2dAttrs } from '../ops/maxpool2d.ts';
import { consultsInput, DEFAULT_RULES, type LayerRules, type RuleSpec } from '../rule.ts';
import { clipPasses, clipValue } from './elementwise.ts';
import { choiceOf, gatherWinners, globalMaxTies, globalMaxWinners, maxpool2d, maxPoolTies, maxPoolWinners, type Ties } from './pool.ts';
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
  /**
   * How far run a is from deciding as run b did: distance to the kink; for a window, its maximum less its value at b's winner; under the rules of
   * ties, less its value at the farthest cell that ties in one run alone.
   */
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

type Report = (index: number, a: number, b: number, margin: number) => void;

/** An op whose adjoint depends on its input through decisions alone. */
interface Decider {
  /** The node's outputs for x, with the decisions that `deciding` would take. */
  forward(attrs: never, x: F64Tensor, deciding: F64Tensor): F64Tensor[];
  /** Calls `report` for every disagreement on what the rules consult; returns the number of units. */
  compare(attrs: never, rules: LayerRules, a: F64Tensor, b: F64Tensor, report: Report): number;
  /** Where the input of the other run is not at hand, whether its output decides the same way. */
  byOutput?(rules: LayerRules): boolean;
}

function map(x: F64Tensor, f: (v: number, i: number) => number): F64Tensor {
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i], i);
  return { shape: x.shape, data };
}

function compareWinners(p: Int32Array, q: Int32Array, a: F64Tensor, b: F64Tensor, report: Report): number {
  for (let i = 0; i < p.length; i++) {
    if (p[i] !== q[i]) report(i, a.data[p[i]], b.data[q[i]], a.data[p[i]] - a.data[q[i]]);
  }
  return p.length;
}

function compareTies(p: Ties, q: Ties, a: F64Tensor, b: F64Tensor, report: Report): number {
  const windows = p.from.length - 1;
  for (let o = 0; o < windows; o++) {
    const mine = p.cells.subarray(p.from[o], p.from[o + 1]);
    const other = q.cells.subarray(q.from[o], q.from[o + 1]);
    const apart = [...mine.filter((i) => !other.includes(i)), ...other.filter((i) => !mine.includes(i))];
    if (apart.length === 0) continue;
    const most = a.data[mine[0]];
    report(o, most, b.data[other[0]], Math.max(...apart.map((i) => most - a.data[i])));
  }
  return windows;
}

const relu: Decider = {
  // y > 0 exactly where x > 0, but y = 0 does not tell x = 0 from x < 0.
  byOutput: ({ zero }) => zero === 'closed',
  forward: (_, x, deciding) => [map(x, (v, i) => (deciding.data[i] <= 0 ? 0 : v))],
  compare(_, rules, a, b, report) {
    if (!consultsInput(rules)) return a.data.length;
    const open = (v: number): boolean => v > 0 || (rules.zero === 'open' && v === 0);
    for (let i = 0; i < a.data.length; i++) {
      if (open(a.data[i]) !== open(b.data[i])) report(i, a.data[i], b.data[i], Math.abs(a.data[i]));
    }
    return a.data.length;
  },
};

const clip: Decider = {
  forward: (attrs: ClipAttrs, x, deciding) => [
    map(x, (v, i) => (clipPasses(attrs, deciding.data[i]) ? v : clipValue(attrs, deciding.data[i]))),
  ],
  compare(attrs: ClipAttrs, _, a, b, report) {
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
  compare(attrs: MaxPool2dAttrs, { maxpool: rule }, a, b, report) {
    const choice = choiceOf(rule);
    if (!choice) return compareTies(maxPoolTies(a, attrs), maxPoolTies(b, attrs), a, b, report);
    return compareWinners(maxPoolWinners(a, attrs, choice), maxPoolWinners(b, attrs, choice), a, b, report);
  },
};

const globalMaxPool: Decider = {
  forward: (_, x, deciding) => [gatherWinners(x, globalMaxWinners(deciding), globalShape(x), false)],
  compare(_, { maxpool: rule }, a, b, report) {
    const choice = choiceOf(rule);
    if (!choice) return compareTies(globalMaxTies(a), globalMaxTies(b), a, b, report);
    return compareWinners(globalMaxWinners(a, choice), globalMaxWinners(b, choice), a, b, report);
  },
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
export function decidingInput(
  typed: TypedGraph,
  node: TypedNode,
  branch: Values,
  values: Values,
  rules: LayerRules = DEFAULT_RULES,
): F64Tensor {
  const [x] = node.inputs;
  const own = typed.producer.has(x) ? undefined : values.get(x);
  const given = branch.get(x) ?? (DECIDERS[node.op].byOutput?.(rules) ? branch.get(node.outputs[0]) : undefined) ?? own;
  if (!given) throw new GraphError(`${node.op} "${node.name}": expected the branch to hold "${x}", which decides here, got no such value.`);
  return given;
}

/** The outputs of a deciding node for its input x, with the decisions of `deciding`. */
export function forwardOnBranch(node: TypedNode, x: F64Tensor, deciding: F64Tensor): F64Tensor[] {
  return DECIDERS[node.op].forward(node.typedAttrs as never, x, deciding);
}

/**
 * Where two runs of a graph (`a`: usually f64, `b`: usually the GPU's values, widened) decide differently, as far as the rules consult the
 * decision: DeconvNet's ReLUs do not ask for the sign of their input, nor windows whose signal goes to the middle for their maximum. The sign of R,
 * which DeconvNet and guided do ask for, is no such decision: max(R, 0) has no jump, so rounding in R stays rounding.
 * @param limit how many disagreements to list; all are counted
 * @throws GraphError if a run lacks the values that decide.
 */
export function compareDecisions(typed: TypedGraph, a: Values, b: Values, limit = 1000, rule?: RuleSpec): DecisionReport {
  const rulesOf = layerRules(typed, rule);
  const nodes: NodeDecisions[] = [];
  const list: Decision[] = [];
  for (const node of typed.nodes) {
    if (!decides(node)) continue;
    let differing = 0;
    const rules = rulesOf(node.name);
    const p = decidingInput(typed, node, a, b, rules);
    const q = decidingInput(typed, node, b, a, rules);
    const units = DECIDERS[node.op].compare(node.typedAttrs as never, rules, p, q, (index, a, b, margin) => {
      differing += 1;
      if (list.length < limit) list.push({ node: node.name, op: node.op, index, a, b, margin });
    });
    nodes.push({ node: node.name, op: node.op, units, differing });
  }
  return { nodes, differing: nodes.reduce((sum, n) => sum + n.differing, 0), list };
}
