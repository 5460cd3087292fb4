/**
 * The check of a whole network before it is timed: layer by layer against f64 where that takes seconds, else by an identity that its scores and
 * gradient obey together.
 */
import type { Gpu } from '../gpu/device.ts';
import type { TypedGraph } from '../graph.ts';
import { size, type AnyTensor, type Tensor } from '../tensor.ts';
import { checkLayers, runOnDevice } from '../verify/layers.ts';

export interface NetworkCheck {
  /**
   * `layers`: every layer lies within its rounding bound of f64, forward and backward, and scores and gradient are those of the layers that were
   * checked. `identity`: <dS/dI, I> = S for every item, which holds for networks of positively homogeneous layers without biases. `finite`: all
   * numbers are finite and not all zero; nothing more is known.
   */
  readonly method: 'layers' | 'identity' | 'finite';
  readonly passed: boolean;
  /** The largest error over its bound (`layers`), the largest relative error of the identity. */
  readonly worst?: number;
  readonly failure?: string;
}

/** FLOP of the forward pass up to which layers are checked: a few seconds in f64. */
const LAYERS_FLOP = 5e9;

/** Relative error that the identity may have. Rounding leaves about 1e-6. */
const IDENTITY = 1e-4;

/** Layers with f(c x) = c f(x) for c > 0, if they add no bias. */
const HOMOGENEOUS: ReadonlySet<string> = new Set([
  ...['conv2d', 'linear', 'relu', 'maxpool2d', 'avgpool2d', 'globalavgpool', 'globalmaxpool'],
  ...['concat', 'add', 'flatten', 'reshape', 'identity', 'dropout'],
]);

/** A network's run: one score of every item, and its gradient with respect to the input. */
export interface NetworkRun {
  readonly input: Tensor;
  readonly target: string;
  readonly seed: Tensor;
  readonly scores: Tensor;
  readonly gradient: Tensor;
  readonly flop: number;
}

export async function checkNetwork(
  gpu: Gpu,
  typed: TypedGraph,
  parameters: ReadonlyMap<string, AnyTensor>,
  { input, target, seed, scores, gradient, flop }: NetworkRun,
): Promise<NetworkCheck> {
  for (const [what, { data }] of Object.entries({ scores, gradient })) {
    if (!data.every(Number.isFinite)) return { method: 'finite', passed: false, failure: `${what}: expected finite numbers` };
    if (data.every((v) => v === 0)) return { method: 'finite', passed: false, failure: `${what}: expected more than zeros` };
  }
  const [{ name }] = typed.graph.inputs;
  if (flop <= LAYERS_FLOP) {
    const run = await runOnDevice(gpu, typed, parameters, input, { target, seed, rule: {}, wrt: [name] });
    const layers = checkLayers(typed, run, {});
    const bad = layers.find(({ passed }) => !passed);
    const worst = Math.max(...layers.flatMap(({ forward, backward }) => [forward?.worst ?? 0, backward?.worst ?? 0]));
    if (bad) return { method: 'layers', passed: false, worst, failure: `node "${bad.node}" lies outside its bound` };
    const same =
      scores.data.every((v, i) => v === run.values.get(target)!.data[i]) &&
      gradient.data.every((v, i) => v === run.signals.get(name)!.data[i]);
    return { method: 'layers', passed: same, worst, ...(same ? {} : { failure: 'expected the bits of the layers that were checked' }) };
  }
  const plain = typed.nodes.every(({ op }) => HOMOGENEOUS.has(op));
  const biased = typed.graph.parameters.some((spec) => spec.shape.length === 1 && parameters.get(spec.name)!.data.some((v) => v !== 0));
  if (!plain || biased) return { method: 'finite', passed: true };
  const worst = identityError({ input, seed, scores, gradient });
  return worst <= IDENTITY
    ? { method: 'identity', passed: true, worst }
    : { method: 'identity', passed: false, worst, failure: `<dS/dI, I> differs from S by ${worst.toExponential(1)}` };
}

/** The largest |<dS/dI, I> - S| over |S| among the items, with S = <seed, scores>. */
export function identityError({ input, seed, scores, gradient }: Pick<NetworkRun, 'input' | 'seed' | 'scores' | 'gradient'>): number {
  const items = input.shape[0];
  const [pixels, classes] = [size(input.shape) / items, size(scores.shape) / items];
  let worst = 0;
  for (let n = 0; n < items; n++) {
    let [score, inner] = [0, 0];
    for (let i = n * classes; i < (n + 1) * classes; i++) score += seed.data[i] * scores.data[i];
    for (let i = n * pixels; i < (n + 1) * pixels; i++) inner += gradient.data[i] * input.data[i];
    worst = Math.max(worst, Math.abs(inner - score) / Math.abs(score));
  }
  return worst;
}
