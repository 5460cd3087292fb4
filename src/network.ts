/**
 * A classifier on a device: scores, and what a seed at any neuron brings down to the input or to the parameters.
 */
import { InputError } from './errors.ts';
import { traitsOf, type Gpu } from './gpu/device.ts';
import { Executor } from './gpu/executor.ts';
import { ParameterStore } from './gpu/store.ts';
import { Turns } from './gpu/turns.ts';
import { typeGraph, valueInfo, type Graph, type TypedGraph } from './graph.ts';
import { compile, type CompileOptions } from './plan.ts';
import type { Rule, RuleSpec } from './rule.ts';
import { formatShape, size, type AnyTensor, type Shape, type Tensor } from './tensor.ts';

/** Which number to differentiate: the unnormalised class score S_c (the paper's choice) or its posterior exp S_c / sum exp S. */
export type ScoreKind = 'scores' | 'posterior';

/** A class for every item of the batch, a class for each item, or each item's best class. */
export type Target = number | readonly number[] | 'top1';

/** One unit of a tensor, for every item of the batch: [c, y, x] in [N, C, H, W], [k] in [N, K]. */
export interface Neuron {
  readonly tensor: string;
  readonly at: readonly number[];
}

export interface GradientOptions {
  /** Default: top1. */
  readonly target?: Target;
  /** A unit anywhere in the network, in place of a class. */
  readonly neuron?: Neuron;
  readonly score?: ScoreKind;
  readonly rule?: Rule | RuleSpec;
}

/** A gradient with respect to the input, and what it is the gradient of. */
export interface InputGradient {
  /** Of the input's shape. */
  readonly gradient: Tensor;
  /** The differentiated number of each item: a score, a posterior, or the neuron's value. */
  readonly values: readonly number[];
  /** The class of each item, unless a neuron was asked for. */
  readonly targets: readonly number[] | null;
  /** Unnormalised scores [N, K], where the network has them. */
  readonly scores: Tensor | null;
}

export interface ParameterGradients {
  /** Mean cross-entropy of the batch. */
  readonly loss: number;
  /** One for each parameter that the loss depends on, of its shape, by name. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/** Names of what the network adds to a graph; '#' keeps them apart from what exporters write. */
const POSTERIOR = '#posterior';
const FLAT_SCORES = '#scores';
const LABELS = '#labels';
const LOSS = '#loss';

/** The graph with scores as [N, K] and their softmax, under names of our own. */
export function withPosterior(graph: Graph): Graph {
  const scores = requireScores(graph);
  return {
    ...graph,
    nodes: [
      ...graph.nodes,
      { name: FLAT_SCORES, op: 'flatten', inputs: [scores], outputs: [FLAT_SCORES] },
      { name: POSTERIOR, op: 'softmax', inputs: [FLAT_SCORES], outputs: [POSTERIOR] },
    ],
  };
}

/** The graph with a mean cross-entropy loss on its scores and an input `#labels`, i32 [N]. */
export function withLoss(graph: Graph): Graph {
  const scores = requireScores(graph);
  const batch = valueInfo(typeGraph(graph), scores).shape[0];
  return {
    ...graph,
    inputs: [...graph.inputs, { name: LABELS, shape: [batch], dtype: 'i32' }],
    nodes: [
      ...graph.nodes,
      { name: FLAT_SCORES, op: 'flatten', inputs: [scores], outputs: [FLAT_SCORES] },
      { name: LOSS, op: 'crossentropy', inputs: [FLAT_SCORES, LABELS], outputs: [LOSS] },
    ],
  };
}

/** The name of the value that holds the unnormalised scores. */
export function requireScores(graph: Graph): string {
  if (graph.scores === undefined) {
    throw new InputError(`graph "${graph.name}": expected a classifier with scores [N, K], got a network without. Name a neuron instead.`);
  }
  return graph.scores;
}

/** A rule or a rule with overrides, as a full specification. */
export function ruleSpec(rule: Rule | RuleSpec | undefined): RuleSpec {
  return typeof rule === 'object' ? rule : { default: rule ?? 'gradient' };
}

/** Plans kept ready at once; each holds its own activations and signals on the device. */
const MOST_EXECUTORS = 4;

/**
 * A network with its parameters on a device. Plans are compiled when first needed and the last few are kept, one for each kind of question.
 * Calls may overlap; they are answered one after the other.
 */
export class Network {
  /** Least recently used first. */
  readonly #executors = new Map<string, Executor>();
  readonly #calls = new Turns();
  readonly #store: ParameterStore;
  readonly #typed: TypedGraph;
  readonly #input: string;

  /** @param graph typed for the batch and input size that will be asked for */
  constructor(
    readonly gpu: Gpu,
    readonly graph: Graph,
    parameters: ReadonlyMap<string, AnyTensor>,
  ) {
    this.#typed = typeGraph(graph);
    this.#store = new ParameterStore(gpu, parameters);
    const input = graph.inputs.find((spec) => (spec.dtype ?? 'f32') === 'f32');
    if (!input) throw new InputError(`graph "${graph.name}": expected an input of floats, got none.`);
    this.#input = input.name;
  }

  /** Shape of the input, [N, C, H, W] for a network on images. */
  get inputShape(): Shape {
    return valueInfo(this.#typed, this.#input).shape;
  }

  /** The executor of the last question, for reports; undefined before the first. */
  last: Executor | undefined;

  async #executor(graph: Graph | TypedGraph, key: string, options: CompileOptions): Promise<Executor> {
    const executor =
      this.#executors.get(key) ??
      (await Executor.create(this.gpu, compile(graph, { ...options, traits: traitsOf(this.gpu) }), this.#store));
    this.#executors.delete(key);
    this.#executors.set(key, executor);
    for (const [oldest, unused] of this.#executors) {
      if (this.#executors.size <= MOST_EXECUTORS) break;
      unused.dispose();
      this.#executors.delete(oldest);
    }
    return (this.last = executor);
  }

  /** Values of the forward pass by name; default: the unnormalised scores. */
  async forward(x: Tensor, tensors: readonly string[] = [requireScores(this.graph)]): Promise<Map<string, AnyTensor>> {
    return this.#calls.take(() => this.#forward(x, tensors));
  }

  async #forward(x: Tensor, tensors: readonly string[]): Promise<Map<string, AnyTensor>> {
    const executor = await this.#executor(this.#typed, `forward ${JSON.stringify(tensors)}`, { keep: tensors });
    await executor.forward({ [this.#input]: x });
    const values = new Map<string, AnyTensor>();
    for (const name of tensors) values.set(name, await executor.read(name));
    return values;
  }

  /** Unnormalised scores [N, K]: the input of the softmax. */
  async scores(x: Tensor): Promise<Tensor> {
    const name = requireScores(this.graph);
    return flatten((await this.forward(x, [name])).get(name) as Tensor);
  }

  /**
   * The signal that reaches the input from one unit of each item: `d value / d x` under the gradient rule, and its counterpart under others.
   * @param x the input, of {@link inputShape}
   * @see the paper, section 3 (saliency) and section 4 (rules)
   * @throws InputError if target, neuron or rule name something that is not there
   */
  async gradient(x: Tensor, options: GradientOptions = {}): Promise<InputGradient> {
    return (await this.gradients(x, [options]))[0];
  }

  /**
   * Several gradients of one input from one forward pass. All must ask for the same tensor (scores, posterior or one neuron's tensor) and rule.
   */
  async gradients(x: Tensor, questions: readonly GradientOptions[]): Promise<InputGradient[]> {
    return this.#calls.take(() => this.#gradients(x, questions));
  }

  async #gradients(x: Tensor, questions: readonly GradientOptions[]): Promise<InputGradient[]> {
    if (questions.length === 0) return [];
    const [first] = questions;
    const target = this.#targetTensor(first);
    const rule = ruleSpec(first.rule);
    for (const question of questions) {
      if (this.#targetTensor(question) !== target || JSON.stringify(ruleSpec(question.rule)) !== JSON.stringify(rule)) {
        throw new InputError('gradients: expected questions about one tensor under one rule. Ask separately.');
      }
    }
    const graph = target === POSTERIOR ? withPosterior(this.graph) : this.graph;
    const scoresName = this.graph.scores;
    const keep = [...new Set([target, ...(scoresName !== undefined && !first.neuron ? [scoresName] : [])])];
    const key = `gradient ${JSON.stringify([target, keep, rule])}`;
    const executor = await this.#executor(graph, key, { keep, target, wrt: [this.#input], rule });
    const seedShape = executor.plan.values[target].shape;

    const fixed = questions.map((question) => this.#units(question, seedShape, null));
    const known = questions.length === 1 ? fixed[0] : null;
    const inputs = { [this.#input]: x };
    // A seed that does not wait for the scores goes along in the same submission.
    if (known) await executor.run(inputs, seedAt(seedShape, known));
    else await executor.forward(inputs);
    const values = await executor.readTensor(target);
    const scores = scoresName !== undefined && !first.neuron ? flatten(await executor.readTensor(scoresName)) : null;

    const answers: InputGradient[] = [];
    for (const [i, question] of questions.entries()) {
      const units = fixed[i] ?? this.#units(question, seedShape, scores)!;
      if (!known) await executor.backward(seedAt(seedShape, units));
      const perItem = size(seedShape) / units.length;
      answers.push({
        gradient: await executor.readGradient(this.#input),
        values: units.map((unit, n) => values.data[n * perItem + unit]),
        targets: question.neuron ? null : units,
        scores,
      });
    }
    return answers;
  }

  /**
   * Gradients of the mean cross-entropy with respect to every parameter, at inference (dropout is the identity).
   * @param labels a class for each item of the batch
   */
  async parameterGradients(x: Tensor, labels: readonly number[]): Promise<ParameterGradients> {
    const scores = valueInfo(this.#typed, requireScores(this.graph)).shape;
    const classes = size(scores) / scores[0];
    if (labels.length !== scores[0])
      throw new InputError(`labels: expected ${scores[0]}, one for each item of the batch, got ${labels.length}.`);
    for (const label of labels) checkClass(label, classes, 'labels');
    const wrt = this.graph.parameters.filter((p) => (p.dtype ?? 'f32') === 'f32').map((p) => p.name);
    return this.#calls.take(() => this.#lossGradients(x, labels, wrt));
  }

  async #lossGradients(x: Tensor, labels: readonly number[], wrt: readonly string[]): Promise<ParameterGradients> {
    const executor = await this.#executor(withLoss(this.graph), 'parameters', { keep: [LOSS], target: LOSS, wrt });
    await executor.run(
      { [this.#input]: x, [LABELS]: { shape: [labels.length], data: Int32Array.from(labels) } },
      { shape: [], data: Float32Array.of(1) },
    );
    const gradients = new Map<string, Tensor>();
    for (const name of wrt) if (Object.hasOwn(executor.plan.gradients, name)) gradients.set(name, await executor.readGradient(name));
    return { loss: (await executor.readTensor(LOSS)).data[0], gradients };
  }

  /** Frees everything this network holds on the device, once the calls under way are through. The device stays. */
  dispose(): Promise<void> {
    return this.#calls.take(async () => {
      for (const executor of this.#executors.values()) executor.dispose();
      this.#executors.clear();
      this.#store.dispose();
    });
  }

  #targetTensor(question: GradientOptions): string {
    if (question.neuron) return question.neuron.tensor;
    const scores = requireScores(this.graph);
    return question.score === 'posterior' ? POSTERIOR : scores;
  }

  /** The flat place of the asked-for unit within each item; null if it takes scores to know, and there are none yet. */
  #units(question: GradientOptions, shape: Shape, scores: Tensor | null): number[] | null {
    const batch = shape[0] ?? 1;
    if (question.neuron) return new Array<number>(batch).fill(neuronIndex(question.neuron, shape));
    const classes = size(shape) / batch;
    const target = question.target ?? 'top1';
    if (target === 'top1')
      return scores && Array.from({ length: batch }, (_, n) => argmax(scores.data.subarray(n * classes, (n + 1) * classes)));
    const list = typeof target === 'number' ? new Array<number>(batch).fill(target) : [...target];
    if (list.length !== batch)
      throw new InputError(`target: expected one class, or ${batch}, one for each item of the batch, got ${list.length}.`);
    for (const label of list) checkClass(label, classes, 'target');
    return list;
  }
}

function checkClass(label: number, classes: number, what: string): void {
  if (!Number.isInteger(label) || label < 0 || label >= classes) {
    throw new InputError(`${what}: expected classes in [0, ${classes - 1}], got ${label}.`);
  }
}

/** The flat index of a unit within one item of a tensor [N, ...]. */
function neuronIndex({ tensor, at }: Neuron, shape: Shape): number {
  const item = shape.slice(1);
  // A single number serves where only one axis has more than one element, as in [N, K, 1, 1].
  const axes = at.length === 1 && item.filter((extent) => extent > 1).length <= 1 ? [size(item)] : item;
  const wanted = `${axes.length} coordinates below ${axes.join(', ')}`;
  if (at.length !== axes.length || at.some((c, d) => !Number.isInteger(c) || c < 0 || c >= axes[d])) {
    throw new InputError(`neuron "${tensor}": expected ${wanted} in ${formatShape(shape)}, got ${at.join(', ')}.`);
  }
  return at.reduce((index, coordinate, d) => index * axes[d] + coordinate, 0);
}

function seedAt(shape: Shape, units: readonly number[]): Tensor {
  const data = new Float32Array(size(shape));
  const perItem = data.length / units.length;
  units.forEach((unit, n) => (data[n * perItem + unit] = 1));
  return { shape, data };
}

function flatten(t: Tensor): Tensor {
  return { shape: [t.shape[0], size(t.shape) / t.shape[0]], data: t.data };
}

/** Index of the first largest element; NaN is never the largest. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++)
    if (values[i] > values[best] || (Number.isNaN(values[best]) && !Number.isNaN(values[i]))) best = i;
  return best;
}

/** Softmax in f64 of one row of scores. */
export function posterior(scores: ArrayLike<number>): Float64Array {
  const shifted = Float64Array.from(scores);
  const top = shifted.reduce((a, b) => Math.max(a, b), -Infinity);
  const exps = shifted.map((s) => Math.exp(s - top));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((e) => e / sum);
}
