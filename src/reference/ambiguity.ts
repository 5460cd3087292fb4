/**
 * Which decisions of a run rounding leaves open: a ReLU's input nearer to its kink, or two cells of a window nearer to each other, than an f32 run
 * may lie from f64. Only such a decision may differ between the two; one that differs without being open is an error, not rounding.
 */
import { layerRules, type TypedGraph } from '../graph.ts';
import type { ClipAttrs } from '../ops/clip.ts';
import type { MaxPool2dAttrs } from '../ops/maxpool2d.ts';
import { consultsInput, type LayerRules, type RuleSpec } from '../rule.ts';
import { compareDecisions, decides, decidingInput, type Decision, type Values } from './decisions.ts';
import { choiceOf, globalMaxWinners, maxPoolWinners, windowCells } from './pool.ts';
import type { F64Tensor } from './types.ts';

/** A decision that rounding leaves open, or that differs. */
export interface OpenDecision {
  readonly node: string;
  readonly op: string;
  /** Flat index into the node's output. */
  readonly index: number;
  /** The deciding value in f64 and on the device: the unit's input; the window's maximum. */
  readonly exact: number;
  readonly device: number;
  /** Distance in f64 to deciding otherwise: to the kink, or from the maximum to its nearest rival. */
  readonly margin: number;
  /** {@link margin} in units in the last place, of f32, of the root mean square of the deciding tensor. */
  readonly marginUlp: number;
  /** How far the device may lie from f64 here: what reached this layer from the layers before, and this layer's own rounding bound. */
  readonly allowance: number;
  readonly differs: boolean;
}

/** The decisions of one node. */
export interface NodeAmbiguity {
  readonly node: string;
  readonly op: string;
  readonly units: number;
  /** Open decisions, those that differ included. */
  readonly open: number;
  readonly differing: number;
  /** Decisions that differ though rounding does not leave them open. */
  readonly unexplained: number;
}

export interface AmbiguityReport {
  /** Every node whose decisions the rules consult, in graph order. */
  readonly nodes: readonly NodeAmbiguity[];
  readonly open: number;
  readonly differing: number;
  readonly unexplained: number;
  /** Those that differ first, then by margin over allowance; up to the limit asked for. */
  readonly list: readonly OpenDecision[];
}

type Visit = (index: number, cell: number, margin: number, allowance: number) => void;

/**
 * Calls `visit` with the nearest way for each unit to decide otherwise; `t` is the allowance of each element of x. Cells of a window that are equal
 * in either run (zeros behind a ReLU, one number that overlapping windows below have copied) are a tie that the rule decides, not rounding.
 */
function eachUnit(op: string, attrs: unknown, rules: LayerRules, x: F64Tensor, y: F64Tensor, t: Float64Array, visit: Visit): number {
  if (op === 'relu') {
    if (!consultsInput(rules)) return 0;
    for (let i = 0; i < x.data.length; i++) visit(i, i, Math.abs(x.data[i]), t[i]);
    return x.data.length;
  }
  if (op === 'clip') {
    const { min = -Infinity, max = Infinity } = attrs as ClipAttrs;
    for (let i = 0; i < x.data.length; i++) visit(i, i, Math.min(Math.abs(x.data[i] - min), Math.abs(x.data[i] - max)), t[i]);
    return x.data.length;
  }
  const choice = choiceOf(rules.maxpool);
  if (choice === 'centre') return 0;
  const pool = op === 'maxpool2d' ? (attrs as MaxPool2dAttrs) : null;
  const winners = pool ? maxPoolWinners(x, pool, choice ?? 'first') : globalMaxWinners(x, choice ?? 'first');
  windowCells(x, pool, (o, cells, count) => {
    const winner = winners[o];
    if (winner < 0) return;
    // The rival that comes nearest to being taken: by margin less what rounding may bridge.
    let [margin, allowance] = [Infinity, 0];
    for (let k = 0; k < count; k++) {
      const i = cells[k];
      if (i === winner || (x.data[i] === x.data[winner] && y.data[i] === y.data[winner])) continue;
      const [d, a] = [x.data[winner] - x.data[i], t[winner] + t[i]];
      if (d - a < margin - allowance) [margin, allowance] = [d, a];
    }
    visit(o, winner, margin, allowance);
  });
  return winners.length;
}

/** One f32 unit in the last place of a number of this size. */
export function ulpOf(v: number): number {
  return v > 0 && Number.isFinite(v) ? 2 ** (Math.max(Math.floor(Math.log2(v)), -126) - 23) : 2 ** -149;
}

function rms(data: Float64Array): number {
  return Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);
}

/**
 * The open decisions of a run.
 * @param exact f64's own run
 * @param device the device's run, widened
 * @param allowance how far each element of a value may lie from `exact`, by name; values that are not there (inputs) are the same in both
 * @param limit how many to list; all are counted
 */
export function openDecisions(
  typed: TypedGraph,
  exact: Values,
  device: Values,
  allowance: ReadonlyMap<string, Float64Array>,
  rule: RuleSpec,
  limit = 100,
): AmbiguityReport {
  const rulesOf = layerRules(typed, rule);
  const differing = new Map<string, Map<number, Decision>>();
  for (const decision of compareDecisions(typed, exact, device, Infinity, rule).list) {
    if (!differing.has(decision.node)) differing.set(decision.node, new Map());
    differing.get(decision.node)!.set(decision.index, decision);
  }
  const nodes: NodeAmbiguity[] = [];
  const found: OpenDecision[] = [];
  for (const node of typed.nodes) {
    if (!decides(node)) continue;
    const rules = rulesOf(node.name);
    const x = decidingInput(typed, node, exact, device, rules);
    const y = decidingInput(typed, node, device, exact, rules);
    const t = allowance.get(node.inputs[0]) ?? new Float64Array(x.data.length);
    const own = differing.get(node.name) ?? new Map<number, Decision>();
    const ulp = ulpOf(rms(x.data));
    let [open, unexplained] = [0, 0];
    const units = eachUnit(node.op, node.typedAttrs, rules, x, y, t, (index, cell, margin, allowed) => {
      const other = own.get(index);
      // Nothing is open where both runs hold the very same numbers, tie or not.
      const isOpen = allowed > 0 && margin <= allowed;
      if (!isOpen && !other) return;
      if (isOpen) open += 1;
      else unexplained += 1;
      // What the device took need not be f64's nearest rival.
      const distance = other?.margin ?? margin;
      found.push({
        node: node.name,
        op: node.op,
        index,
        exact: x.data[cell],
        device: other?.b ?? y.data[cell],
        margin: distance,
        marginUlp: distance / ulp,
        allowance: allowed,
        differs: other !== undefined,
      });
    });
    if (units > 0) nodes.push({ node: node.name, op: node.op, units, open: open + unexplained, differing: own.size, unexplained });
  }
  const total = (key: 'open' | 'differing' | 'unexplained'): number => nodes.reduce((sum, n) => sum + n[key], 0);
  found.sort((a, b) => Number(b.differs) - Number(a.differs) || a.margin / a.allowance - b.margin / b.allowance);
  return { nodes, open: total('open'), differing: total('differing'), unexplained: total('unexplained'), list: found.slice(0, limit) };
}
