/** A plan in rows and sums: what each node makes, costs and occupies, and how two plans compare. */
import type { TypedGraph } from './graph.ts';
import { lowerBound } from './memory.ts';
import type { Plan, PlanTensor, Step } from './plan.ts';
import { sameShape, size, type Shape } from './tensor.ts';

export interface PlanRow {
  readonly node: string;
  readonly op: string;
  /** Name and shape of the first output. */
  readonly tensor: string;
  readonly shape: Shape;
  /** Multiply-accumulates of the forward pass. */
  readonly macs: number;
  /** Elements of the parameters that this node is the first to use. */
  readonly parameters: number;
  readonly bytes: number;
  /** Slot of the output; null where it shares its input's, and where a ReLU behind it is written in its place. */
  readonly slot: number | null;
  /** Dispatches on the way up and on the way down. */
  readonly forwardSteps: number;
  readonly backwardSteps: number;
  /** For a ReLU, the node whose kernels compute it in a pass; null where it has steps of its own, and for all other nodes. */
  readonly fused: { readonly forward: string | null; readonly backward: string | null };
}

export interface PlanReport {
  readonly name: string;
  readonly rows: readonly PlanRow[];
  readonly macs: number;
  readonly parameters: number;
  readonly memory: PlanMemory;
  readonly slots: readonly number[];
  /** Distinct pipelines, which is what has to be compiled. */
  readonly pipelines: number;
  readonly steps: { readonly prepare: number; readonly forward: number; readonly backward: number };
}

/** One row for each node that the plan runs. */
export function explain(typed: TypedGraph, plan: Plan): PlanReport {
  const counted = new Set<string>();
  const parameterSize = new Map(typed.graph.parameters.map((p) => [p.name, size(p.shape)]));
  const count = (steps: Plan['forward'], node: string): number => steps.filter((step) => step.node === node).length;
  const joined = (relu: string, pass: 'forward' | 'backward'): string | null =>
    plan.fused.find((fusion) => fusion.relu === relu && fusion.pass === pass)?.by ?? null;
  const writers = new Set(plan.fused.filter(({ pass }) => pass === 'forward').map(({ by }) => by));
  const rows = typed.nodes
    .filter((node) => writers.has(node.name) || node.outputs.some((name) => Object.hasOwn(plan.values, name)))
    .map((node): PlanRow => {
      const name = node.outputs.find((output) => output !== '')!;
      const shapes = node.inputs.map((input) => typed.values.get(input)?.shape ?? null);
      const parameters = node.inputs.filter((input) => parameterSize.has(input) && !counted.has(input));
      parameters.forEach((input) => counted.add(input));
      const tensor = Object.hasOwn(plan.values, name) ? plan.tensors[plan.values[name].id] : undefined;
      const own = tensor?.node === node.name ? tensor : undefined;
      return {
        node: node.name,
        op: node.op,
        tensor: name,
        shape: typed.values.get(name)!.shape,
        macs: node.definition.macs?.(shapes, typed.values.get(name)!.shape, node.typedAttrs) ?? 0,
        parameters: parameters.reduce((sum, input) => sum + parameterSize.get(input)!, 0),
        bytes: own?.bytes ?? 0,
        slot: own?.slot ?? null,
        forwardSteps: count(plan.forward, node.name),
        backwardSteps: count(plan.backward, node.name),
        fused: { forward: joined(node.name, 'forward'), backward: joined(node.name, 'backward') },
      };
    });
  const steps = [...plan.prepare, ...plan.forward, ...plan.backward];
  return {
    name: plan.name,
    rows,
    macs: rows.reduce((sum, row) => sum + row.macs, 0),
    parameters: rows.reduce((sum, row) => sum + row.parameters, 0),
    memory: planMemory(plan),
    slots: plan.slots,
    pipelines: new Set(steps.map((step) => JSON.stringify([step.shader, step.entry, step.constants]))).size,
    steps: { prepare: plan.prepare.length, forward: plan.forward.length, backward: plan.backward.length },
  };
}

/** What a plan needs, in bytes. */
export interface PlanMemory {
  /** All activations, signals, switches and scratch together, each in its own buffer. */
  readonly sum: number;
  /** The same in slots. */
  readonly slots: number;
  /** The least any assignment could need. */
  readonly lowerBound: number;
  readonly parameters: number;
  /** Packed weights and the like, computed from parameters. */
  readonly prepared: number;
}

export function planMemory(plan: Plan): PlanMemory {
  const tensors = Object.values(plan.tensors);
  const total = (filter: (tensor: PlanTensor) => boolean): number => tensors.filter(filter).reduce((sum, t) => sum + t.bytes, 0);
  const placed = tensors.filter((t) => t.slot >= 0);
  return {
    sum: total((t) => t.slot >= 0),
    slots: plan.slots.reduce((sum, bytes) => sum + bytes, 0),
    lowerBound: lowerBound(placed),
    parameters: total((t) => t.kind === 'parameter'),
    prepared: total((t) => t.kind === 'prepared'),
  };
}

/** True when two plans differ only in the rule constants of ReLU steps, and in that field of the uniform block where a layer computes a ReLU too. */
export function sameButForRules(a: Plan, b: Plan): boolean {
  const bare = (step: Step): Step =>
    step.shader === 'relu' && step.entry.startsWith('backward')
      ? { ...step, constants: {} }
      : 'activation' in step.geometry
        ? { ...step, geometry: { ...step.geometry, activation: 0 } }
        : step;
  const strip = (steps: readonly Step[]): string => JSON.stringify(steps.map(bare));
  const tensors = (plan: Plan): string => JSON.stringify(Object.values(plan.tensors));
  return (
    JSON.stringify(a.prepare) === JSON.stringify(b.prepare) &&
    JSON.stringify([a.forward, a.fused]) === JSON.stringify([b.forward, b.fused]) &&
    strip(a.backward) === strip(b.backward) &&
    tensors(a) === tensors(b) &&
    sameShape(a.slots, b.slots)
  );
}
