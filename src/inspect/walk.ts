/**
 * One question to one network, walked up and down with a stop at every observed node: what is looked at there stands on the device only then, so
 * that neither the device's memory nor the host's grows with the number of nodes.
 */
import { InputError } from '../errors.ts';
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor, type Sight } from '../gpu/executor.ts';
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
  readonly rule: RuleSpec;
  /** Nodes to stop at, by name. */
  readonly observe: readonly string[];
  readonly forward?: NodeVisit;
  readonly backward?: NodeVisit;
  /** Told the seed as soon as it is known, before the way down. */
  readonly onSeed?: (seed: Seed) => void;
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
  /** What reached the input. */
  readonly gradient: Tensor;
  /** Bytes of buffers on the device, weights apart. */
  readonly bufferBytes: number;
}

/**
 * Walks up, settles the seed, and walks down.
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
  const { rule, observe } = options;
  const plan = compile(typed, { keep: [tensor], target: tensor, wrt: [inputName], rule, observe, traits: traitsOf(gpu) });
  const executor = await Executor.create(gpu, plan, store);
  const nodes = new Map(typed.nodes.map((node) => [node.name, node]));
  const visitor = (visit: NodeVisit | undefined) => visit && ((sight: Sight) => visit(nodes.get(sight.moment.node)!, sight));
  try {
    await executor.forward({ [inputName]: input }, visitor(options.forward));
    const values = (await executor.readTensor(tensor)).data;
    const unit = known ?? argmax(values);
    const seed: Seed = { tensor, shape, unit, class: options.neuron || options.strongest !== undefined ? null : unit, value: values[unit] };
    options.onSeed?.(seed);
    await executor.backward(seedAt(shape, [unit]), visitor(options.backward));
    return { ...seed, gradient: await executor.readGradient(inputName), bufferBytes: executor.stats.bufferBytes };
  } finally {
    executor.dispose();
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
