/**
 * The branches a forward pass takes: which ReLU units are on, which cell of a window wins, where clip passes. Between two evaluations of a
 * network they may differ wherever a value lies within rounding of a tie, and then the gradients are those of two different linear pieces.
 * Here the decisions of two runs are compared, and the deciding ops are evaluated on a branch that another run has taken.
 */
import { GraphError } from '../errors.ts';
import { layerRules, type TypedGraph, type TypedNode } from '../graph.ts';
import type { ClipAttrs } from '../ops/clip.ts';
import type { MaxPool2dAttrs } from '../ops/maxpool2d.ts';
import { consultsInput, DEFAULT_RULES, indicator, type LayerRules, type RuleSpec } from '../rule.ts';
import { clipPasses, clipValue } from './elementwise.ts';
import { choiceOf, eachWindow, equal, gatherWinners, maxpool2d, maxShape, maxWinners, type MaxWindows } from './pool.ts';
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
  /** Decisions that the rules consult. */
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

/**
 * One decision of a run a beside that of a run b: the deciding values ({@link Decision}), how far a is from deciding otherwise (as b did where they
 * differ, else in the nearest way), and how far rounding may have moved a on that way.
 */
export type VisitDecision = (index: number, a: number, b: number, margin: number, allowance: number, differs: boolean) => void;

/** An op whose adjoint depends on its input through decisions alone. */
interface Decider {
  /** The node's outputs for x, with the decisions that `deciding` would take. */
  forward(attrs: never, x: F64Tensor, deciding: F64Tensor): F64Tensor[];
  /**
   * Visits every decision that the rules consult and returns their number.
   * @param t how far each element of a may lie from b's by rounding; null for not at all
   */
  units(attrs: never, rules: LayerRules, a: F64Tensor, b: F64Tensor, t: Float64Array | null, visit: VisitDecision): number;
  /** Where the input of the other run is not at hand, whether its output decides the same way. */
  byOutput?(rules: LayerRules): boolean;
}

function map(x: F64Tensor, f: (v: number, i: number) => number): F64Tensor {
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i], i);
  return { shape: x.shape, data };
}

const relu: Decider = {
  // y > 0 exactly where x > 0, but y = 0 does not tell x = 0 from x < 0.
  byOutput: ({ zero }) => zero === 'closed',
  forward: (_, x, deciding) => [map(x, (v, i) => (deciding.data[i] <= 0 ? 0 : v))],
  units(_, rules, { data: a }, { data: b }, t, visit) {
    if (!consultsInput(rules)) return 0;
    const { zero } = rules;
    for (let i = 0; i < a.length; i++) visit(i, a[i], b[i], Math.abs(a[i]), t?.[i] ?? 0, indicator(a[i], zero) !== indicator(b[i], zero));
    return a.length;
  },
};

const clip: Decider = {
  forward: (attrs: ClipAttrs, x, deciding) => [
    map(x, (v, i) => (clipPasses(attrs, deciding.data[i]) ? v : clipValue(attrs, deciding.data[i]))),
  ],
  units(attrs: ClipAttrs, _, { data: a }, { data: b }, t, visit) {
    const { min = -Infinity, max = Infinity } = attrs;
    for (let i = 0; i < a.length; i++) {
      const margin = Math.min(Math.abs(a[i] - min), Math.abs(a[i] - max));
      visit(i, a[i], b[i], margin, t?.[i] ?? 0, clipPasses(attrs, a[i]) !== clipPasses(attrs, b[i]));
    }
    return a.length;
  },
};

/**
 * The windows of a maximum. A cell is a way to decide otherwise, unless it ties with the maximum in both runs: such ties (zeros behind a ReLU, one
 * number that overlapping windows below have copied) are for the rule to decide, not for rounding. Where the runs differ in several cells, which
 * the rules of ties allow, the one that rounding explains least speaks for the window.
 */
function maxUnits(
  windows: MaxWindows,
  { maxpool: rule }: LayerRules,
  a: F64Tensor,
  b: F64Tensor,
  t: Float64Array | null,
  visit: VisitDecision,
): number {
  const choice = choiceOf(rule);
  if (choice === 'centre') return 0;
  const mine = maxWinners(a, windows, choice ?? 'first');
  const other = maxWinners(b, windows, choice ?? 'first');
  eachWindow(a, windows, (o, cells, count) => {
    if (count === 0) return;
    const [p, q] = [mine[o], other[o]];
    let [margin, allowance, differs] = [Infinity, 0, false];
    for (let k = 0; k < count; k++) {
      const i = cells[k];
      const [tied, tiedThere] = [equal(a.data[i], a.data[p]), equal(b.data[i], b.data[q])];
      const apart = choice ? p !== q && i === q : tied !== tiedThere;
      if (!apart && (i === p || (tied && tiedThere))) continue;
      const [d, r] = [a.data[p] - a.data[i], t ? t[p] + t[i] : 0];
      if (apart ? !differs || d - r > margin - allowance : !differs && d - r < margin - allowance) [margin, allowance] = [d, r];
      differs ||= apart;
    }
    visit(o, a.data[p], b.data[q], margin, allowance, differs);
  });
  return mine.length;
}

const maxPool: Decider = {
  forward(attrs: MaxPool2dAttrs, x, deciding) {
    const [y, indices] = maxpool2d.forward({ attrs, x: [deciding], bounds: false });
    return [gatherWinners(x, maxWinners(deciding, attrs), y.shape, false), indices];
  },
  units: maxUnits,
};

const globalMaxPool: Decider = {
  forward: (_, x, deciding) => [gatherWinners(x, maxWinners(deciding, null), maxShape(x.shape, null), false)],
  units: (_, rules, a, b, t, visit) => maxUnits(null, rules, a, b, t, visit),
};

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
 * Visits what a node decides in two runs, as far as its rules consult it.
 * @param t how far each element of a's deciding tensor may lie from b's by rounding; null for not at all
 * @returns the number of decisions
 */
export function eachDecision(
  typed: TypedGraph,
  node: TypedNode,
  a: Values,
  b: Values,
  rules: LayerRules,
  t: Float64Array | null,
  visit: VisitDecision,
): number {
  const [p, q] = [decidingInput(typed, node, a, b, rules), decidingInput(typed, node, b, a, rules)];
  return DECIDERS[node.op].units(node.typedAttrs as never, rules, p, q, t, visit);
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
    const units = eachDecision(typed, node, a, b, rules, null, (index, a, b, margin, _, differs) => {
      if (!differs) return;
      differing += 1;
      if (list.length < limit) list.push({ node: node.name, op: node.op, index, a, b, margin });
    });
    nodes.push({ node: node.name, op: node.op, units, differing });
  }
  return { nodes, differing: nodes.reduce((sum, n) => sum + n.differing, 0), list };
}
