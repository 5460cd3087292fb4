/** A plan in rows: what each node makes, costs and occupies. */
import type { TypedGraph } from './graph.ts';
import { planMemory, type Plan, type PlanMemory } from './plan.ts';
import { size, type Shape } from './tensor.ts';

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
  /** Slot of the output; null where it shares its input's. */
  readonly slot: number | null;
  /** Dispatches on the way up and on the way down. */
  readonly forwardSteps: number;
  readonly backwardSteps: number;
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
  const rows = typed.nodes
    .filter((node) => node.outputs.some((name) => Object.hasOwn(plan.values, name)))
    .map((node): PlanRow => {
      const name = node.outputs.find((output) => output !== '')!;
      const shapes = node.inputs.map((input) => typed.values.get(input)?.shape ?? null);
      const own = node.inputs.filter((input) => parameterSize.has(input) && !counted.has(input));
      own.forEach((input) => counted.add(input));
      const tensor = plan.tensors[plan.values[name].id];
      const aliased = tensor.node !== node.name;
      return {
        node: node.name,
        op: node.op,
        tensor: name,
        shape: typed.values.get(name)!.shape,
        macs: node.definition.macs?.(shapes, typed.values.get(name)!.shape, node.typedAttrs) ?? 0,
        parameters: own.reduce((sum, input) => sum + parameterSize.get(input)!, 0),
        bytes: aliased ? 0 : tensor.bytes,
        slot: aliased ? null : tensor.slot,
        forwardSteps: count(plan.forward, node.name),
        backwardSteps: count(plan.backward, node.name),
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
