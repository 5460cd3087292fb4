/**
 * Checks a whole network: every layer by itself, the GPU's f32 against f64 on the very values the GPU had there, and the gradient end to end.
 *
 * By layer, rounding bounds hold strictly, since both sides start from the same f32 numbers and so take the same branches. End to end, a ReLU
 * input or a pooling window nearer to a tie than rounding may fall on either side; those decisions are found, counted, and the gradient is
 * compared with f64 on the branch the GPU took as well as with pure f64.
 */
import type { Gpu } from '../gpu/device.ts';
import { typeGraph, type Graph, type TypedGraph } from '../graph.ts';
import { compareDecisions, type DecisionReport } from '../reference/decisions.ts';
import { backReference, runReference, widen, type BackOptions } from '../reference/graph.ts';
import type { F64Tensor } from '../reference/types.ts';
import type { RuleSpec } from '../rule.ts';
import type { AnyTensor, Tensor } from '../tensor.ts';
import { checkLayers, runOnDevice, type DeviceRun, type LayerCheck } from './layers.ts';

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
  /** As the device made it. */
  readonly gradient: Tensor;
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
  const run = await runOnDevice(gpu, typed, parameters, input, { target, seed, rule, wrt });
  const { values, signals } = run;

  const layers = options.layers === false ? [] : checkLayers(typed, run, rule, { onLayer: options.onLayer });
  const back = { target, seed: widen(seed), wrt, rule };
  const exact = runReference(typed, run.sources);
  const decisions = compareDecisions(typed, exact, values, 100, rule);
  const inF64 = backReference(typed, exact, back);
  const inF64OnBranch = decisions.differing === 0 ? inF64 : onDeviceBranch(typed, run, back);
  return {
    layers,
    gradients: wrt.flatMap((name) => {
      // A parameter that the target does not depend on has no gradient.
      const got = signals.get(name);
      if (!got) return [];
      const gradient: Tensor = { shape: got.shape, data: Float32Array.from(got.data) };
      return [
        { name, gradient, endToEnd: gradientError(got, inF64.get(name)!), takenBranch: gradientError(got, inF64OnBranch.get(name)!) },
      ];
    }),
    targetError: gradientError(values.get(target)!, exact.get(target)!).maxAbs,
    decisions,
    passed: layers.every((layer) => layer.passed),
  };
}

/** The gradients in f64 on the branch that the device took; where no decision differs, those are f64's own. */
export function onDeviceBranch(typed: TypedGraph, { sources, values }: DeviceRun, back: BackOptions): Map<string, F64Tensor> {
  return backReference(typed, runReference(typed, sources, { branch: values }), { ...back, branch: values });
}

/** Relative and absolute distance of two tensors; NaN where either holds one. */
export function gradientError(got: F64Tensor, want: F64Tensor): GradientError {
  let [difference, norm, maxAbs] = [0, 0, 0];
  for (let i = 0; i < want.data.length; i++) {
    const d = got.data[i] - want.data[i];
    difference += d * d;
    norm += want.data[i] ** 2;
    maxAbs = Math.max(maxAbs, Math.abs(d));
  }
  return { relativeL2: norm > 0 ? Math.sqrt(difference / norm) : Math.sqrt(difference), maxAbs, norm: Math.sqrt(norm) };
}
