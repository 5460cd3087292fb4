/**
 * A network's run on the device with everything it left behind, and every layer of it against f64 on the very values the device had there.
 */
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import { layerRules, type TypedGraph, type TypedNode } from '../graph.ts';
import { compile, type Plan } from '../plan.ts';
import { gamma } from '../reference/bounds.ts';
import { widen } from '../reference/graph.ts';
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

/** Values and signals of a run by name, widened; parameters are among the values. */
export interface DeviceRun {
  /** The input and the parameters: what a run in f64 starts from. */
  readonly sources: ReadonlyMap<string, F64Tensor>;
  readonly values: ReadonlyMap<string, F64Tensor>;
  readonly signals: ReadonlyMap<string, F64Tensor>;
}

export interface DeviceRunOptions {
  readonly target: string;
  readonly seed: Tensor;
  readonly rule: RuleSpec;
  readonly wrt: readonly string[];
  /** Applied to the plan before it runs: tests of a check plant faults with it. */
  readonly change?: (plan: Plan) => Plan;
}

/** Runs both passes with every buffer filled with NaN beforehand, and reads back every value and every signal. */
export async function runOnDevice(
  gpu: Gpu,
  typed: TypedGraph,
  parameters: ReadonlyMap<string, AnyTensor>,
  input: Tensor,
  { target, seed, rule, wrt, change = (plan) => plan }: DeviceRunOptions,
): Promise<DeviceRun> {
  const { graph } = typed;
  const plan = change(compile(typed, { keepAll: true, target, wrt, rule, signals: 'all', traits: traitsOf(gpu) }));
  const executor = await Executor.create(gpu, plan, parameters);
  const values = new Map<string, F64Tensor>();
  const signals = new Map<string, F64Tensor>();
  try {
    executor.poison();
    await executor.run({ [graph.inputs[0].name]: input }, seed);
    for (const name of plan.readable) if (!parameters.has(name)) values.set(name, widen(await executor.read(name)));
    for (const { name } of graph.parameters) values.set(name, widen(parameters.get(name)!));
    for (const name of Object.keys(plan.gradients)) signals.set(name, widen(await executor.readGradient(name)));
  } finally {
    executor.dispose();
  }
  const sources = new Map([graph.inputs[0], ...graph.parameters].map(({ name }) => [name, values.get(name)!]));
  return { sources, values, signals };
}

export interface LayerOptions {
  /** Told after each layer, for a progress bar. */
  readonly onLayer?: (done: number, total: number) => void;
  /** Told what f64 makes of the device's own inputs, output by output, with its bound. */
  readonly onForward?: (name: string, want: Bounded) => unknown;
}

/** Every node of a run against the reference on the run's own numbers: forward, and every signal it sends down. */
export function checkLayers(
  typed: TypedGraph,
  { values, signals }: DeviceRun,
  rule: RuleSpec,
  { onLayer, onForward }: LayerOptions = {},
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
      node.outputs.forEach((name, k) => {
        if (name !== '') onForward?.(name, want[k]);
      });
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
