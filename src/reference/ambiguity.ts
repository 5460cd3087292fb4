/**
 * Which decisions of a run rounding leaves open: a ReLU's input nearer to its kink, or two cells of a window nearer to each other, than an f32 run
 * may lie from f64. Only such a decision may differ between the two; one that differs without being open is an error, not rounding.
 */
import { layerRules, type TypedGraph } from '../graph.ts';
import type { RuleSpec } from '../rule.ts';
import { decides, eachDecision, type Values } from './decisions.ts';

/** A decision that rounding leaves open, or that differs. */
export interface OpenDecision {
  readonly node: string;
  readonly op: string;
  /** Flat index into the node's output. */
  readonly index: number;
  /** The deciding value in f64 and on the device: the unit's input; the window's maximum. */
  readonly exact: number;
  readonly device: number;
  /** Distance in f64 to deciding as the device did, or, where both decide the same, otherwise: to the kink, or from the maximum to a rival. */
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
  const nodes: NodeAmbiguity[] = [];
  const found: OpenDecision[] = [];
  for (const node of typed.nodes) {
    if (!decides(node)) continue;
    const ulp = ulpOf(rms(exact.get(node.inputs[0])!.data));
    const t = allowance.get(node.inputs[0]) ?? null;
    const counts = { open: 0, differing: 0, unexplained: 0 };
    const units = eachDecision(typed, node, exact, device, rulesOf(node.name), t, (index, a, b, margin, allowed, differs) => {
      // Nothing is open where both runs hold the very same numbers.
      const within = allowed > 0 && margin <= allowed;
      if (!within && !differs) return;
      counts.open += 1;
      if (differs) counts.differing += 1;
      if (!within) counts.unexplained += 1;
      const marginUlp = margin / ulp;
      found.push({ node: node.name, op: node.op, index, exact: a, device: b, margin, marginUlp, allowance: allowed, differs });
    });
    if (units > 0) nodes.push({ node: node.name, op: node.op, units, ...counts });
  }
  const total = (key: 'open' | 'differing' | 'unexplained'): number => nodes.reduce((sum, n) => sum + n[key], 0);
  found.sort((a, b) => Number(b.differs) - Number(a.differs) || a.margin / a.allowance - b.margin / b.allowance);
  return { nodes, open: total('open'), differing: total('differing'), unexplained: total('unexplained'), list: found.slice(0, limit) };
}
