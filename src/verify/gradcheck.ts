/**
 * Checks a whole network: every layer by itself, the GPU's f32 against f64 on the very values the GPU had there, and the gradient end to end.
 *
 * By layer, rounding bounds hold strictly, since both sides start from the same f32 numbers and so take the same branches. End to end, a ReLU
 * input or a pooling window nearer to a tie than rounding may fall on either side; those decisions are found, counted, and the gradient is
 * compared with f64 on the branch the GPU took as well as with pure f64.
 */
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import { layerRules, typeGraph, type Graph, type TypedGraph, type TypedNode } from '../graph.ts';
import { compile } from '../plan.ts';
import { gamma } from '../reference/bounds.ts';
import { compareDecisions, type DecisionReport } from '../reference/decisions.ts';
import { backReference, runReference, widen } from '../reference/graph.ts';
import { REFERENCE } from '../reference/index.ts';
import type { Bounded, F64Tensor } from '../reference/types.ts';
import type { RuleSpec } from '../rule.ts';
import { size, type AnyTensor, type Tensor } from '../tensor.ts';
import { compare, type Comparison } from './kernels.ts';

/** One node: its forward values and the signals it sends down, against the reference. */
export interface LayerCheck {
  readonly node: string;
  readonly op: string;
  /** Largest error over bound of the outputs; null for a node that computes nothing (a reshape). */
  readonly forward: Comparison | null;
  /** The same for the signals at the node's inputs; null where none is computed. */
  readonly backward: Comparison | null;
  readonly passed: boolean;
}

/** How two gradients compare as whole tensors. */
export interface GradientError {
  /** ||got - want|| / ||want|| in the Euclidean norm. */
  readonly relativeL2: number;
  readonly maxAbs: number;
  /** ||want||. */
  readonly norm: number;
}

/** The gradient with respect to one input or parameter. */
export interface GradientCheck {
  readonly name: string;
  /** Against f64 throughout. */
  readonly endToEnd: GradientError;
  /** Against f64 on the branch the GPU took. */
  readonly takenBranch: GradientError;
}

export interface GradcheckReport {
  readonly layers: readonly LayerCheck[];
  /** One for each of `wrt`. */
  readonly gradients: readonly GradientCheck[];
  /** Largest difference of the target tensor's elements. */
  readonly targetError: number;
  readonly decisions: DecisionReport;
  /** Every layer within its bound. */
  readonly passed: boolean;
}

export interface GradcheckOptions {
  readonly target: string;
  readonly seed: Tensor;
  readonly rule: RuleSpec;
  /** Inputs and parameters to differentiate with respect to. Default: the first input. */
  readonly wrt?: readonly string[];
  /** False: end to end only, at about a third of the cost; then `layers` is empty. */
  readonly layers?: boolean;
  /** Told after each layer, for a progress bar. */
  readonly onLayer?: (done: number, total: number) => void;
}

/**
 * Runs the check. The graph has one input of floats.
 * @throws what {@link Executor} and the reference throw
 */
export async function gradcheck(
  gpu: Gpu,
  graph: Graph,
  parameters: ReadonlyMap<string, AnyTensor>,
  input: Tensor,
  options: GradcheckOptions,
): Promise<GradcheckReport> {
  const typed = typeGraph(graph);
  const [{ name: inputName }] = graph.inputs;
  const { target, seed, rule, wrt = [inputName] } = options;
  const plan = compile(typed, { keepAll: true, target, wrt, rule, signals: 'all', traits: traitsOf(gpu) });
  const executor = await Executor.create(gpu, plan, parameters);
  const values = new Map<string, F64Tensor>();
  const signals = new Map<string, F64Tensor>();
  try {
    executor.poison();
    await executor.run({ [inputName]: input }, seed);
    for (const name of plan.readable) {
      const parameter = parameters.get(name);
      if (!parameter) values.set(name, widen(await executor.read(name)));
    }
    for (const spec of graph.parameters) values.set(spec.name, widen(parameters.get(spec.name)!));
    for (const name of Object.keys(plan.gradients)) signals.set(name, widen(await executor.readGradient(name)));
  } finally {
    executor.dispose();
  }

  const layers = options.layers === false ? [] : checkLayers(typed, values, signals, rule, options.onLayer);
  const sources = new Map([inputName, ...graph.parameters.map((p) => p.name)].map((name) => [name, values.get(name)!]));
  const back = { target, seed: widen(seed), wrt, rule };
  const exact = runReference(typed, sources);
  const decisions = compareDecisions(typed, exact, values, 100, rule);
  const inF64 = backReference(typed, exact, back);
  // Where no decision differs, the branch the GPU took is the branch f64 takes.
  const inF64OnBranch =
    decisions.differing === 0 ? inF64 : backReference(typed, runReference(typed, sources, { branch: values }), { ...back, branch: values });
  const [t, e] = [values.get(target)!.data, exact.get(target)!.data];
  return {
    layers,
    gradients: wrt.flatMap((name) => {
      // A parameter that the target does not depend on has no gradient.
      const got = signals.get(name);
      if (!got) return [];
      return [{ name, endToEnd: gradientError(got, inF64.get(name)!), takenBranch: gradientError(got, inF64OnBranch.get(name)!) }];
    }),
    targetError: t.reduce((worst, v, i) => Math.max(worst, Math.abs(v - e[i])), 0),
    decisions,
    passed: layers.every((layer) => layer.passed),
  };
}

/** Relative and absolute distance of two tensors. */
export function gradientError(got: F64Tensor, want: F64Tensor): GradientError {
  let [difference, norm, maxAbs] = [0, 0, 0];
  for (let i = 0; i < want.data.length; i++) {
    const d = got.data[i] - want.data[i];
    difference += d * d;
    norm += want.data[i] ** 2;
    if (!(Math.abs(d) <= maxAbs)) maxAbs = Math.abs(d);
  }
  return { relativeL2: norm > 0 ? Math.sqrt(difference / norm) : Math.sqrt(difference), maxAbs, norm: Math.sqrt(norm) };
}

function checkLayers(
  typed: TypedGraph,
  values: ReadonlyMap<string, F64Tensor>,
  signals: ReadonlyMap<string, F64Tensor>,
  rule: RuleSpec,
  onLayer: GradcheckOptions['onLayer'],
): LayerCheck[] {
  // What arrives at a value is the sum over the nodes that use it: it is checked once all of them have been evaluated.
  const expected = new Map<string, { parts: Bounded[]; by: TypedNode[] }>();
  const forward = new Map<string, Comparison | null>();
  const rules = layerRules(typed, rule);
  let done = 0;
  for (const node of typed.nodes) {
    const x = node.inputs.map((name) => (name === '' ? null : values.get(name)!));
    const call = { attrs: node.typedAttrs, x, bounds: true };
    const computes = !node.definition.alias?.(node.typedAttrs, false);
    if (computes) {
      const want = REFERENCE[node.op].forward(call);
      forward.set(
        node.name,
        worst(node.outputs.flatMap((name, k) => (name === '' ? [] : [compare(name, values.get(name)!.data, want[k])]))),
      );
    } else forward.set(node.name, null);
    const dy = node.outputs.map((name) => signals.get(name) ?? null);
    if (dy.some((signal) => signal !== null)) {
      const y = node.outputs.map((name) => values.get(name) ?? { shape: [0], data: new Float64Array(0) });
      node.inputs.forEach((name, k) => {
        if (!signals.has(name) || !node.definition.differentiable(k)) return;
        const entry = expected.get(name) ?? { parts: [], by: [] };
        entry.parts.push(REFERENCE[node.op].adjoint!({ ...call, y, dy, rules: rules(node.name) }, k));
        entry.by.push(node);
        expected.set(name, entry);
      });
    }
    onLayer?.(++done, typed.nodes.length);
  }
  const backward = new Map<string, Comparison[]>();
  for (const [name, { parts, by }] of expected) {
    const comparison = compare(`d(${name})`, signals.get(name)!.data, sumBounded(parts));
    for (const node of by) backward.set(node.name, [...(backward.get(node.name) ?? []), comparison]);
  }
  return typed.nodes.map((node): LayerCheck => {
    const up = forward.get(node.name) ?? null;
    const down = worst(backward.get(node.name) ?? []);
    return {
      node: node.name,
      op: node.op,
      forward: up,
      backward: down,
      passed: !((up && !(up.worst <= 1)) || (down && !(down.worst <= 1))),
    };
  });
}

function worst(comparisons: readonly Comparison[]): Comparison | null {
  return comparisons.reduce<Comparison | null>((a, b) => (a && a.worst >= b.worst ? a : b), null);
}

/** The sum of several contributions, with the rounding of the additions in its bound. */
function sumBounded(parts: readonly Bounded[]): Bounded {
  if (parts.length === 1) return parts[0];
  const n = size(parts[0].shape);
  const data = new Float64Array(n);
  const bound = new Float64Array(n);
  const g = gamma(parts.length - 1);
  for (const part of parts) {
    for (let i = 0; i < n; i++) {
      const own = part.bound?.[i] ?? 0;
      data[i] += part.data[i];
      bound[i] += own + g * (Math.abs(part.data[i]) + own);
    }
  }
  return { shape: parts[0].shape, data, bound };
}
