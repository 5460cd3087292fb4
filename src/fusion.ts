/**
 * Which ReLUs are computed by the kernels of the layer next to them, as they store. A function of the graph and of what is asked for, never of a
 * ReLU's sign rule: plans that differ in nothing else have everything in the same places.
 */
import type { TypedGraph, TypedNode } from './graph.ts';

/** A ReLU whose work another node does in one of the passes. */
export interface Fusion {
  readonly relu: string;
  /** `forward`: the layer before it writes y and x does not exist. `backward`: the layer behind it sends down what the rule lets pass. */
  readonly pass: 'forward' | 'backward';
  /** The layer that does it. */
  readonly by: string;
}

/** What a plan is asked for, as far as it decides. */
export interface FusionQuestion {
  /** Values that the plan computes on the way up. */
  readonly needed: ReadonlySet<string>;
  /** Values that must stand on the way up, whoever computes them. */
  readonly values: ReadonlySet<string>;
  /** Whether a ReLU's backward, where it has one, reads x. */
  readonly readsX: (relu: string) => boolean;
  /** Values whose consumers take part in the way down, where there is one. */
  readonly onPath: ReadonlySet<string>;
  readonly varying: ReadonlySet<string>;
  /** Whether someone asks for the whole signal that arrives at a value. */
  readonly signal: (value: string) => boolean;
  /** Nodes that are looked at: all that they take and make must stand. */
  readonly observed: ReadonlySet<string>;
}

/** The fusions of a plan, those of either pass in the graph's order. */
export function fusions({ nodes, producer }: TypedGraph, question: FusionQuestion): Fusion[] {
  const { needed, values, readsX, onPath, varying, signal, observed } = question;
  const readers = new Map<string, { node: TypedNode; k: number }[]>();
  for (const node of nodes) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    node.inputs.forEach((name, k) => readers.set(name, [...(readers.get(name) ?? []), { node, k }]));
  }
  const found: Fusion[] = [];
  for (const relu of nodes) {
    if (relu.op !== 'relu' || !relu.outputs.some((name) => needed.has(name)) || observed.has(relu.name)) continue;
    const [[x], [y]] = [relu.inputs, relu.outputs];
    const before = nodes[producer.get(x) ?? -1];
    const differentiated = onPath.has(y) && varying.has(y);
    const alone = readers.get(x)!.length === 1 && !values.has(x) && !(differentiated && readsX(relu.name));
    if (before?.definition.finishes && alone && !observed.has(before.name)) {
      found.push({ relu: relu.name, pass: 'forward', by: before.name });
    }
    if (!differentiated || signal(y)) continue;
    const senders = (readers.get(y) ?? []).filter(
      ({ node, k }) => node.definition.differentiable(k) && node.outputs.some((name) => onPath.has(name)),
    );
    const [{ node: behind, k } = { node: undefined, k: 0 }] = senders;
    if (senders.length === 1 && k === 0 && behind?.definition.finishes && !observed.has(behind.name)) {
      found.push({ relu: relu.name, pass: 'backward', by: behind.name });
    }
  }
  return found;
}
