/**
 * A certificate for one gradient: the device's f32 against f64, with every deviation traced to its cause.
 *
 * A ReLU network is linear as long as no ReLU changes its mind and no window its winner. So the f32 gradient g and the f64 gradient g* differ for
 * two reasons: rounding on the linear piece that the device was on, and the decisions in which that piece differs from f64's own. With g' the f64
 * gradient on the device's piece,
 *
 *     g - g* = (g - g') + (g' - g*)
 *               rounding   decisions
 *
 * The gradient is certified if every layer lies within its rounding bound, g - g' is at rounding level, and every decision that differs is one that
 * rounding leaves open.
 */
import type { Gpu } from '../gpu/device.ts';
import { typeGraph, type Graph } from '../graph.ts';
import type { Plan } from '../plan.ts';
import { openDecisions, type AmbiguityReport } from '../reference/ambiguity.ts';
import { decides, type Values } from '../reference/decisions.ts';
import { backReference, runReference, widen } from '../reference/graph.ts';
import type { Bounded } from '../reference/types.ts';
import type { RuleSpec } from '../rule.ts';
import type { AnyTensor, Tensor } from '../tensor.ts';
import { gradientError, onDeviceBranch, type GradientError } from './gradcheck.ts';
import { checkLayers, runOnDevice, type LayerCheck } from './layers.ts';

/** Relative L2 error that counts as rounding on the branch taken. Two real networks on real photos reach 7e-7. */
export const ROUNDING_LEVEL = 1e-6;

/** What the differing decisions of one layer do to the gradient by themselves, the rest deciding as f64 does. */
export interface LayerEffect {
  readonly node: string;
  /** ||g with this layer's decisions - g*|| / ||g*||. */
  readonly relativeL2: number;
}

export interface Certificate {
  readonly certified: boolean;
  /** Why not; empty if certified. */
  readonly reasons: readonly string[];
  /** g against g'. */
  readonly takenBranch: GradientError;
  /** g against g*. */
  readonly endToEnd: GradientError;
  /** g' against g*: what the decisions do. */
  readonly byDecisions: GradientError;
  /**
   * The share of the deviation that the decisions account for: 1 - ||g - g'||^2 / ||g - g*||^2, 0 to 1; null where no decision differs, and all of
   * it is rounding.
   */
  readonly explained: number | null;
  readonly decisions: AmbiguityReport;
  /** One for each layer with differing decisions; none if there are more than {@link MOST_EFFECTS} such layers. */
  readonly effects: readonly LayerEffect[];
  readonly layers: readonly LayerCheck[];
  /** Largest difference between the device's target tensor and f64's. */
  readonly targetError: number;
  /** g, as the device made it. */
  readonly gradient: Tensor;
}

/**
 * A bound below this only allows for f32 numbers flushed to zero. What merely passes numbers on has no other, and zeros that it passes are zeros in
 * both runs: a window full of them is a tie, but not an open one.
 */
const UNDERFLOW = 2 ** -120;

/** Layers whose effect is worked out one by one; each costs a backward pass in f64. */
export const MOST_EFFECTS = 8;

export interface CertifyOptions {
  /** The value in which the seed lies, and the seed. */
  readonly target: string;
  readonly seed: Tensor;
  readonly rule: RuleSpec;
  /** How many decisions to list. Default: 100. */
  readonly limit?: number;
  readonly onStage?: (stage: string, done: number, total: number) => void;
  /** Applied to the plan before it runs: a test of the certificate plants faults with it. */
  readonly change?: (plan: Plan) => Plan;
}

/**
 * Certifies the gradient with respect to the first input.
 * @throws what {@link Executor} and the reference throw
 */
export async function certify(
  gpu: Gpu,
  graph: Graph,
  parameters: ReadonlyMap<string, AnyTensor>,
  input: Tensor,
  { target, seed, rule, limit = 100, onStage = () => {}, change }: CertifyOptions,
): Promise<Certificate> {
  const typed = typeGraph(graph);
  const [{ name }] = graph.inputs;
  onStage('device', 0, 1);
  const run = await runOnDevice(gpu, typed, parameters, input, { target, seed, rule, wrt: [name], change });
  const { values, signals } = run;
  onStage('f64', 0, 1);
  const exact = runReference(typed, run.sources);

  // Only tensors that decide need an allowance: how far f64 on the device's own inputs lies from f64 throughout, and the layer's own bound. What
  // only reshapes has no layer of its own: there the device's distance from f64 counts.
  const deciding = new Set(typed.nodes.filter(decides).map((node) => node.inputs[0]));
  const allowance = new Map<string, Float64Array>();
  const allow = (value: string, { data, bound }: Bounded): void => {
    const own = exact.get(value)!.data;
    const rounding = (i: number): number => (bound && bound[i] > UNDERFLOW ? bound[i] : 0);
    const allowed = data.map((r, i) => Math.abs(own[i] - r) + rounding(i));
    allowance.set(value, allowed);
  };
  const layers = checkLayers(typed, run, rule, {
    onLayer: (done, total) => onStage('layers', done, total),
    onForward: (value, want) => deciding.has(value) && allow(value, want),
  });
  for (const value of deciding) if (typed.producer.has(value) && !allowance.has(value)) allow(value, values.get(value)!);
  const decisions = openDecisions(typed, exact, values, allowance, rule, limit);

  onStage('gradients', 0, 1);
  const back = { target, seed: widen(seed), wrt: [name], rule };
  const g = signals.get(name)!;
  const pure = backReference(typed, exact, back).get(name)!;
  const same = decisions.differing === 0;
  const onBranch = same ? pure : onDeviceBranch(typed, run, back).get(name)!;
  const takenBranch = gradientError(g, onBranch);
  const endToEnd = gradientError(g, pure);

  const effects: LayerEffect[] = [];
  const changed = decisions.nodes.filter((n) => n.differing > 0);
  for (const { node } of changed.length <= MOST_EFFECTS ? changed : []) {
    onStage('effects', effects.length, changed.length);
    const [x] = typed.nodes.find((n) => n.name === node)!.inputs;
    const branch: Values = new Map([...exact, [x, values.get(x)!]]);
    effects.push({ node, relativeL2: gradientError(backReference(typed, exact, { ...back, branch }).get(name)!, pure).relativeL2 });
  }

  const failing = layers.filter((layer) => !layer.passed).map(({ op, node }) => `${op} "${node}"`);
  const reasons = [
    ...(failing.length > 0 ? [`beyond its rounding bound: ${failing.slice(0, 6).join(', ')}${failing.length > 6 ? ', ...' : ''}`] : []),
    ...(takenBranch.relativeL2 <= ROUNDING_LEVEL
      ? []
      : [`on the branch taken the gradient is ${takenBranch.relativeL2.toExponential(1)} from f64, more than ${ROUNDING_LEVEL}`]),
    ...(decisions.unexplained > 0 ? [`${decisions.unexplained} decisions differ that rounding does not leave open`] : []),
  ];
  return {
    certified: reasons.length === 0,
    reasons,
    takenBranch,
    endToEnd,
    byDecisions: gradientError(onBranch, pure),
    explained: same || endToEnd.relativeL2 === 0 ? null : Math.max(0, 1 - (lengthOf(takenBranch) / lengthOf(endToEnd)) ** 2),
    decisions,
    effects,
    layers,
    targetError: gradientError(values.get(target)!, exact.get(target)!).maxAbs,
    gradient: { shape: g.shape, data: Float32Array.from(g.data) },
  };
}

/** ||got - want||. */
const lengthOf = ({ relativeL2, norm }: GradientError): number => relativeL2 * (norm || 1);
