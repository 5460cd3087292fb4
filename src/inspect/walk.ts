/**
 * One question to one network, walked up and down with a stop at every observed node: what is looked at there stands on the device only then, so
 * that neither the device's memory nor the host's grows with the number of nodes.
 */
import { InputError } from '../errors.ts';
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor, sharesForward, type Sight } from '../gpu/executor.ts';
import type { ParameterStore } from '../gpu/store.ts';
import { valueInfo, type TypedGraph, type TypedNode } from '../graph.ts';
import { argmax, neuronIndex, requireScores, seedAt, type Neuron } from '../network.ts';
import { compile, type TensorRef } from '../plan.ts';
import type { RuleSpec } from '../rule.ts';
import { formatShape, size, type Shape, type Tensor } from '../tensor.ts';

/** Where the seed lies: at a class's score, at one unit, or at a tensor's unit of the largest value. Default: the class with the highest score. */
export interface Question {
  readonly target?: number | 'top1';
  readonly neuron?: Neuron;
  readonly strongest?: string;
}

/** Looks at a node. */
export type NodeVisit = (node: TypedNode, sight: Sight) => Promise<void> | void;

export interface WalkOptions extends Question {
  /** The way down is walked under each. */
  readonly rules: readonly RuleSpec[];
  /** Nodes to stop at, by name. */
  readonly observe: readonly string[];
  readonly forward?: NodeVisit;
  /** @param rule the index of the rule */
  readonly backward?: (node: TypedNode, sight: Sight, rule: number) => Promise<void> | void;
  /** Told before each way down. */
  readonly onRule?: (rule: number) => void;
}

/** The unit that was differentiated. */
export interface Seed {
  readonly tensor: string;
  readonly shape: Shape;
  /** Flat, within the one item. */
  readonly unit: number;
  readonly class: number | null;
  readonly value: number;
}

export interface Walked extends Seed {
  /** What reached the input under each rule. */
  readonly gradients: readonly Tensor[];
  /** Bytes of buffers on the device, weights apart. */
  readonly bufferBytes: number;
}

/**
 * Walks up once, settles the seed, and walks down under each rule.
 * @param input [1, ...]
 * @throws InputError if the network takes several items, or the question names nothing that is there
 */
export async function walk(gpu: Gpu, store: ParameterStore, typed: TypedGraph, input: Tensor, options: WalkOptions): Promise<Walked> {
  const { graph } = typed;
  const [{ name: inputName }] = graph.inputs;
  if (input.shape[0] !== 1) throw new InputError(`input: expected one item, got ${formatShape(input.shape)}. Take one of the batch.`);
  const tensor = questionTensor(typed, options);
  const { shape } = valueInfo(typed, tensor);
  // A wrong coordinate or class is told before anything runs.
  const known = knownUnit(options, shape);
  const { rules, observe, backward } = options;
  const ask = { keep: [tensor], target: tensor, wrt: [inputName], observe, traits: traitsOf(gpu) };
  const plans = rules.map((rule) => compile(typed, { ...ask, rule }));
  const nodes = new Map(typed.nodes.map((node) => [node.name, node]));
  const visitor = (visit: NodeVisit | undefined) => visit && ((sight: Sight) => visit(nodes.get(sight.moment.node)!, sight));
  const up = async (executor: Executor, visit?: NodeVisit): Promise<void> => executor.forward({ [inputName]: input }, visitor(visit));
  const first = await Executor.create(gpu, plans[0], store);
  try {
    await up(first, options.forward);
    const values = (await first.readTensor(tensor)).data;
    const unit = known ?? argmax(values);
    const chosen = options.neuron || options.strongest !== undefined ? null : unit;
    const gradients: Tensor[] = [];
    for (const [r, plan] of plans.entries()) {
      options.onRule?.(r);
      const own = r > 0;
      // Under some conventions a rule asks for another tensor of the way up, and all lie elsewhere.
      const shared = own && sharesForward(plan, first.plan);
      const executor = own ? await Executor.create(gpu, plan, store, shared ? { forwardOf: first } : {}) : first;
      try {
        if (own && !shared) await up(executor);
        await executor.backward(seedAt(shape, [unit]), visitor(backward && ((node, sight) => backward(node, sight, r))));
        gradients.push(await executor.readGradient(inputName));
      } finally {
        if (own) executor.dispose();
      }
    }
    return { tensor, shape, unit, class: chosen, value: values[unit], gradients, bufferBytes: first.stats.bufferBytes };
  } finally {
    first.dispose();
  }
}

/**
 * The tensor in which the question's unit lies.
 * @throws InputError if the question asks for several things
 */
export function questionTensor({ graph }: TypedGraph, { target, neuron, strongest }: Question): string {
  if ([target, neuron, strongest].filter((asked) => asked !== undefined).length > 1) {
    throw new InputError('neuron: expected a class, a unit or a tensor for its strongest unit, got several of them.');
  }
  return strongest ?? neuron?.tensor ?? requireScores(graph);
}

/** The unit, where it does not take the values to know it. */
function knownUnit({ target, neuron, strongest }: Question, shape: Shape): number | null {
  if (neuron) return neuronIndex(neuron, shape);
  if (strongest !== undefined || target === undefined || target === 'top1') return null;
  const classes = size(shape);
  if (!Number.isInteger(target) || target < 0 || target >= classes)
    throw new InputError(`target: expected a class in [0, ${classes - 1}], got ${target}.`);
  return target;
}

/** The coordinates of a unit, without the batch. */
export function unitAt(shape: Shape, unit: number): number[] {
  const at: number[] = [];
  let rest = unit;
  for (let axis = shape.length - 1; axis > 0; axis--) {
    at.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return at;
}

/** Host memory that is used again and again, one array for each purpose. */
export class Scratch {
  readonly #arrays = new Map<string, Float32Array>();

  /** What a sight's tensor holds; the next reading for the same purpose writes over it. */
  read({ read }: Sight, ref: TensorRef, purpose: string): Promise<Float32Array> {
    const elements = size(ref.shape);
    let array = this.#arrays.get(purpose);
    if (array === undefined || array.length < elements) this.#arrays.set(purpose, (array = new Float32Array(elements)));
    return read(ref, array);
  }
}
