/**
 * Checks kernels one op at a time: the GPU's f32 against the f64 reference, forward and every adjoint, within the bound that rounding allows;
 * and for linear ops the adjoint identity. Buffers are filled with NaN before every run.
 */
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor, poisonBits } from '../gpu/executor.ts';
import { typeGraph } from '../graph.ts';
import { salt } from '../ops/dropout.ts';
import type { Descent, DeviceTraits, Plan, PlanTensor } from '../plan.ts';
import { excess } from '../reference/bounds.ts';
import { widen } from '../reference/graph.ts';
import { REFERENCE } from '../reference/index.ts';
import type { Bounded, F64Tensor, ReferenceCall } from '../reference/types.ts';
import { DEFAULT_RULES, rulePasses, type LayerRules } from '../rule.ts';
import { size, type AnyTensor, type Tensor } from '../tensor.ts';
import { caseGraph, caseNode, casePlans, differentiableInputs, generate, outputsOf, ruleWords } from './casePlans.ts';
import { describeCase, type OpCase } from './cases.ts';
import { fill, normal } from './random.ts';

/** How one tensor of the GPU compares with the reference. */
export interface Comparison {
  /** What was compared: `y`, `d(x0)`, `d(x0) guided`, `adjoint identity x0`. */
  readonly what: string;
  readonly elements: number;
  /** The largest |got - want| / bound; at most 1 for a correct kernel. */
  readonly worst: number;
  /** The element with the largest ratio. */
  readonly at: number;
  readonly got: number;
  readonly want: number;
  readonly bound: number;
}

export interface CaseReport {
  readonly case: OpCase;
  readonly name: string;
  readonly comparisons: readonly Comparison[];
  readonly passed: boolean;
}

/** The first comparison that fails, in words. */
export function explainFailure(report: CaseReport): string {
  const bad = report.comparisons.find((c) => !(c.worst <= 1));
  if (!bad) return `${report.name}: passed`;
  return `${report.name}: ${bad.what}[${bad.at}] expected ${bad.want} within ${bad.bound.toExponential(2)}, got ${bad.got}.`;
}

/** {@link excess} as a row of a report. A result without a bound, such as indices, must agree exactly; so must the lengths. */
export function compare(what: string, got: ArrayLike<number>, want: Bounded): Comparison {
  const { data, bound = new Float64Array(data.length) } = want;
  const { ratio, index } = got.length === data.length ? excess(got, { ...want, bound }) : { ratio: Infinity, index: 0 };
  const at = Math.max(index, 0);
  return { what, elements: data.length, worst: ratio, at, got: got[at], want: data[at], bound: bound[at] };
}

const DROPOUT_STATE = { seed: 0x9e3779b9, iteration: 3 };

/** The generator's state as the reference takes it; a case's node bears the op's name. */
function randomOf(c: OpCase): ReferenceCall<unknown>['random'] {
  return c.training ? { ...DROPOUT_STATE, salt: salt(c.op) } : undefined;
}

/** The bytes of NaN behind each tensor of a case, which no kernel may write. */
const GUARD = 256;

/** Workgroups per row of a dispatch: few, so that what large tensors need, two dimensions of workgroups, is tried on small ones. */
export const FOLD_AT = 2;

/** The plan with each tensor in a slot of its own, with a guard behind it. */
function guarded(plan: Plan): Plan {
  const slots: number[] = [];
  const apart = (tensor: PlanTensor): PlanTensor => {
    if (tensor.slot < 0) return tensor;
    const bytes = tensor.bytes + GUARD;
    return { ...tensor, bytes, slot: slots.push(bytes) - 1 };
  };
  return { ...plan, tensors: Object.fromEntries(Object.entries(plan.tensors).map(([id, tensor]) => [id, apart(tensor)])), slots };
}

/** What was written behind the ends of tensors: nothing, in a correct kernel. */
async function checkGuards(executor: Executor): Promise<Comparison[]> {
  const { tensors, forward, backward, update } = executor.plan;
  const bound = new Set([...forward, ...backward, ...update].flatMap((step) => Object.values(step.bind)));
  const written: Comparison[] = [];
  for (const id of bound) {
    if (tensors[id].slot < 0) continue;
    const slack = await executor.readSlack(id);
    const at = slack.findIndex((word) => word !== poisonBits(tensors[id].slot));
    if (at < 0) continue;
    const place = size(tensors[id].shape) + at;
    written.push({
      what: `${id} behind its end`,
      elements: slack.length,
      worst: Infinity,
      at: place,
      got: new Float32Array(slack.buffer)[at],
      want: NaN,
      bound: 0,
    });
  }
  return written;
}

/**
 * Runs one case on a device and compares everything it computes with the reference.
 * @param change applied to each plan before it runs: a test of this check plants faults with it
 * @param traits whose kernels to check beside the plain ones; default: the device's own
 */
export async function checkCase(
  gpu: Gpu,
  c: OpCase,
  change: (plan: Plan) => Plan = (plan) => plan,
  traits: readonly DeviceTraits[] = [traitsOf(gpu)],
): Promise<CaseReport> {
  const typed = typeGraph(caseGraph(c, outputsOf(c)));
  const tensors = new Map(c.inputs.map((shape, k) => [`x${k}`, generate(shape, c.fill?.[k] ?? 'normal', 1 + k)]));
  const given = c.inputs.map((_, k) => widen(tensors.get(`x${k}`)!));
  const x = c.relus ? [rectified(given[0]), ...given.slice(1)] : given;
  const reference = REFERENCE[c.op];
  const call = { attrs: caseNode(c, typed).typedAttrs, x, bounds: true, random: randomOf(c) };
  const made = reference.forward(call);
  const want = c.relus ? made.map(rectified) : made;
  const comparisons: Comparison[] = [];
  for (const { plan, rules } of casePlans(c, traits)) {
    const executor = await Executor.create(gpu, guarded(change(plan)), tensors, { foldAt: FOLD_AT });
    try {
      executor.poison();
      executor.setRandom(DROPOUT_STATE.seed, DROPOUT_STATE.iteration);
      const inputs = Object.fromEntries(plan.inputs.map((name) => [name, tensors.get(name)!]));
      const { shape } = plan.values.y0;
      const seed: Tensor = { shape, data: fill(size(shape), normal(99)) };
      const velocities = startVelocities(executor);
      if (c.descent) await executor.train(inputs, seed, RATE);
      else if (rules) await executor.run(inputs, seed);
      else await executor.forward(inputs);
      for (const [k, name] of typed.graph.outputs.entries()) comparisons.push(compare(name, (await executor.read(name)).data, want[k]));
      comparisons.push(...(await checkGuards(executor)));
      if (!rules) continue;
      const y0 = await executor.readTensor('y0');
      const dy = typed.graph.outputs.map((_, k) => (k === 0 ? widen(seed) : null));
      for (const k of differentiableInputs(c, typed)) {
        const signal = reference.adjoint!({ ...call, y: made, dy, rules: c.relus ? DEFAULT_RULES : rules }, k);
        const wanted = c.relus && k === 0 ? passedBy(rules, given[0], signal) : signal;
        const got = await executor.readGradient(`x${k}`);
        comparisons.push(compare(`d(x${k})${ruleWords(c, rules)}`, got.data, wanted));
        if (c.linearIn?.includes(k)) comparisons.push(adjointIdentity(y0, c, k, tensors, seed, got, want[0], wanted));
      }
      if (c.descent) comparisons.push(...(await checkDescent(executor, c.descent, tensors, velocities)));
    } finally {
      executor.dispose();
    }
  }
  return { case: c, name: describeCase(c), comparisons, passed: comparisons.every((comparison) => comparison.worst <= 1) };
}

/** max(x, 0), no further from f64 than x is; NaN stays NaN. */
function rectified({ shape, data, bound }: Bounded): Bounded {
  return { shape, data: data.map((v) => (v <= 0 ? 0 : v)), bound: bound?.map((b, i) => (Number.isNaN(data[i]) ? 0 : b)) };
}

/** What a ReLU's rule lets down. Where it asks for the signal's sign, rounding may take that to zero and no further: the bound stands. */
function passedBy({ relu, zero }: LayerRules, x: F64Tensor, signal: Bounded): Bounded {
  return {
    ...signal,
    data: signal.data.map((r, i) => (rulePasses(relu, x.data[i], r, zero) ? r : 0)),
    bound: signal.bound?.map((b, i) => (rulePasses(relu, x.data[i], 1, zero) ? b : 0)),
  };
}

const RATE = 0.125;

/** Gives every parameter of a plan that trains a velocity, so that one step shows what becomes of it. */
function startVelocities(executor: Executor): Map<string, Tensor> {
  const velocities = new Map<string, Tensor>();
  for (const [i, [name, { shape }]] of Object.entries(executor.plan.velocities).entries()) {
    const velocity: Tensor = { shape, data: fill(size(shape), normal(200 + i)) };
    executor.velocity(name).write(velocity);
    velocities.set(name, velocity);
  }
  return velocities;
}

/** The parameters and velocities after a step against the reference of `momentum`, on the gradients that the device made. */
async function checkDescent(
  executor: Executor,
  { momentum, weightDecay }: Descent,
  tensors: ReadonlyMap<string, AnyTensor>,
  velocities: ReadonlyMap<string, Tensor>,
): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const [name, velocity] of velocities) {
    const parameter = tensors.get(name) as Tensor;
    const attrs = { alpha: momentum, beta: 1, normCoefficient: parameter.shape.length > 1 ? weightDecay : 0, mode: 'standard' };
    const scalars = [RATE, 1].map((value) => ({ shape: [], data: Float64Array.of(value) }));
    const gradient = await executor.readGradient(name);
    const x = [...scalars, widen(parameter), widen(gradient), widen(velocity)];
    const [wantParameter, wantVelocity] = REFERENCE.momentum.forward({ attrs, x, bounds: true });
    comparisons.push(compare(`${name} after a step`, (await executor.parameter(name).read()).data, wantParameter));
    comparisons.push(compare(`velocity of ${name}`, (await executor.velocity(name).read()).data, wantVelocity));
  }
  return comparisons;
}

/**
 * <A x, dy> = <x, A' dy> for an op that is affine in input k: with x's part of y isolated as y(x) - y(0).
 * Both sides are summed in f64 from f32 results; they may differ by what their bounds allow.
 */
function adjointIdentity(
  y0: Tensor,
  c: OpCase,
  k: number,
  tensors: ReadonlyMap<string, AnyTensor>,
  dy: Tensor,
  dx: Tensor,
  y: Bounded,
  wanted: Bounded,
): Comparison {
  const x = tensors.get(`x${k}`)!;
  const atZero = constantPart(c, k, tensors);
  const got = y0.data;
  let [left, right, bound] = [0, 0, 0];
  for (let i = 0; i < got.length; i++) {
    left += (got[i] - atZero.data[i]) * dy.data[i];
    bound += (y.bound?.[i] ?? 0) * Math.abs(dy.data[i]);
  }
  for (let i = 0; i < dx.data.length; i++) {
    right += x.data[i] * dx.data[i];
    bound += (wanted.bound?.[i] ?? 0) * Math.abs(x.data[i]);
  }
  // What the f64 sums themselves lose.
  bound += 2 ** -40 * (Math.abs(left) + Math.abs(right)) + Number.MIN_VALUE;
  return { what: `adjoint identity x${k}`, elements: 1, worst: Math.abs(left - right) / bound, at: 0, got: left, want: right, bound };
}

/** The reference's y with input k set to zero: what does not depend on it. */
function constantPart(c: OpCase, k: number, tensors: ReadonlyMap<string, AnyTensor>): F64Tensor {
  const typed = typeGraph(caseGraph(c, outputsOf(c)));
  const x = c.inputs.map((shape, j) => (j === k ? { shape, data: new Float64Array(size(shape)) } : widen(tensors.get(`x${j}`)!)));
  return REFERENCE[c.op].forward({ attrs: caseNode(c, typed).typedAttrs, x, bounds: false, random: randomOf(c) })[0];
}
