/**
 * A classifier on a device: scores, and what a seed at any neuron brings down to the input or to the parameters.
 */
import { InputError } from './errors.ts';
import { traitsOf, type Gpu } from './gpu/device.ts';
import { Executor } from './gpu/executor.ts';
import { replaceParameters } from './gpu/replace.ts';
import { ParameterStore } from './gpu/store.ts';
import { Turns } from './gpu/turns.ts';
import { typeGraph, valueInfo, type Graph, type TypedGraph } from './graph.ts';
import { compile, type CompileOptions } from './plan.ts';
import { DEFAULT_RULES, ruleSpec, type Rule, type RuleSpec } from './rule.ts';
import { formatShape, size, type AnyTensor, type Shape, type Tensor } from './tensor.ts';

/**
 * Which number to differentiate: the unnormalised class score S_c (the paper's choice), its posterior P_c = exp S_c / sum exp S, or its log odds
 * against all rivals, log P_c / (1 - P_c) = S_c - log sum_{k != c} exp S_k. The last two point the same way, since
 * dP_c = P_c (1 - P_c) d log odds, but log odds do not vanish where the network is sure.
 */
export const SCORE_KINDS = ['scores', 'posterior', 'logodds'] as const;

export type ScoreKind = (typeof SCORE_KINDS)[number];

/**
 * A class for every item of the batch, a class for each item, each item's best class, or each item's class of a rank: 0 for the best, ties in
 * the order of the classes.
 */
export type Target = number | readonly number[] | 'top1' | { readonly rank: number };

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
  /** Tensors inside the network whose value and arriving signal are wanted too. */
  readonly through?: readonly string[];
}

/** A tensor inside the network on the way up, and the signal that reached it on the way down. */
export interface LayerSignal {
  /** x, as the forward pass left it. */
  readonly value: Tensor;
  /** d value / d x under the rule, of the same shape. */
  readonly signal: Tensor;
}

/** A gradient with respect to the input, and what it is the gradient of. */
export interface InputGradient {
  /** Of the input's shape. */
  readonly gradient: Tensor;
  /** The differentiated number of each item: a score, a posterior, log odds, or the neuron's value. */
  readonly values: readonly number[];
  /** The class of each item, unless a neuron was asked for. */
  readonly targets: readonly number[] | null;
  /** Unnormalised scores [N, K], where the network has them. */
  readonly scores: Tensor | null;
  /** What was asked for with `through`, by name. */
  readonly layers: ReadonlyMap<string, LayerSignal>;
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
/** Of {@link withLoss}: the input that takes the classes, and the value that is the loss. */
export const LOSS_INPUT = '#labels';
export const LOSS_VALUE = '#loss';

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
    inputs: [...graph.inputs, { name: LOSS_INPUT, shape: [batch], dtype: 'i32' }],
    nodes: [
      ...graph.nodes,
      { name: FLAT_SCORES, op: 'flatten', inputs: [scores], outputs: [FLAT_SCORES] },
      { name: LOSS_VALUE, op: 'crossentropy', inputs: [FLAT_SCORES, LOSS_INPUT], outputs: [LOSS_VALUE] },
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

/** Rules with every axis named, so that the same rules are the same text. */
const completed = (rule: Rule | RuleSpec | undefined): RuleSpec => ({ ...DEFAULT_RULES, ...ruleSpec(rule) });

/** Plans kept ready at once unless told otherwise; each holds its own activations and signals on the device. */
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

  /**
   * @param graph typed for the batch and input size that will be asked for
   * @param plans how many kinds of question stay ready at once; another one takes the place of that which was asked longest ago. Default: 4
   */
  constructor(
    readonly gpu: Gpu,
    readonly graph: Graph,
    parameters: ReadonlyMap<string, AnyTensor>,
    private readonly plans = MOST_EXECUTORS,
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
      if (this.#executors.size <= this.plans) break;
      unused.dispose();
      this.#executors.delete(oldest);
    }
    return (this.last = executor);
  }

  /**
   * Both passes as an executor of the caller's own, for loops whose tensors stay on the device: it takes an input under the name `input`, a
   * seed of `target`'s shape (what is differentiated: the scores or the posterior), and keeps `scores`, [N, K] or [N, K, 1, 1]. To be disposed
   * of before the network.
   * @throws InputError if the network has no scores
   */
  async open(
    score: Exclude<ScoreKind, 'logodds'> = 'scores',
  ): Promise<{ executor: Executor; input: string; target: string; scores: string }> {
    const scores = requireScores(this.graph);
    const target = this.#targetTensor({ score });
    const graph = score === 'posterior' ? withPosterior(this.graph) : this.graph;
    const plan = compile(graph, { keep: [...new Set([target, scores])], target, wrt: [this.#input], traits: traitsOf(this.gpu) });
    return { executor: await Executor.create(this.gpu, plan, this.#store), input: this.#input, target, scores };
  }

  /**
   * Replaces parameters by others of their shapes, where they lie: plans stay ready, and only what was packed of these parameters is packed again.
   * Questions asked from now on get the bits that a network made with these parameters gives.
   * @param parameters some or all, by name; kept, and not to be written to
   * @throws InputError, with nothing changed, if there is no parameter of a name, or it has another shape or type
   */
  setParameters(parameters: ReadonlyMap<string, AnyTensor>): Promise<void> {
    return this.#calls.take(() => replaceParameters(this.gpu, this.#store, parameters));
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
   * Several gradients of one input from one forward pass. All must ask for the same tensor (scores, posterior or one neuron's tensor), rule
   * and tensors on the way.
   */
  async gradients(x: Tensor, questions: readonly GradientOptions[]): Promise<InputGradient[]> {
    return this.#calls.take(() => this.#gradients(x, questions));
  }

  async #gradients(x: Tensor, questions: readonly GradientOptions[]): Promise<InputGradient[]> {
    if (questions.length === 0) return [];
    const [first] = questions;
    const target = this.#targetTensor(first);
    const rule = completed(first.rule);
    const through = first.through ?? [];
    for (const question of questions) {
      const same = this.#targetTensor(question) === target && JSON.stringify(completed(question.rule)) === JSON.stringify(rule);
      if (!same || JSON.stringify(question.through ?? []) !== JSON.stringify(through)) {
        throw new InputError(
          'gradients: expected questions about one tensor under one rule, with the same tensors on the way. Ask separately.',
        );
      }
    }
    const graph = target === POSTERIOR ? withPosterior(this.graph) : this.graph;
    const scoresName = this.graph.scores;
    const keep = [...new Set([target, ...(scoresName !== undefined && !first.neuron ? [scoresName] : []), ...through])];
    const key = `gradient ${JSON.stringify([target, keep, rule, through])}`;
    const executor = await this.#executor(graph, key, { keep, target, wrt: [this.#input], rule, signals: through });
    const seedShape = executor.plan.values[target].shape;

    const fixed = questions.map((question) => this.#units(question, seedShape, null));
    const known = questions.length === 1 && first.score !== 'logodds' ? fixed[0] : null;
    const inputs = { [this.#input]: x };
    // A seed that does not wait for the scores goes along in the same submission.
    if (known) await executor.run(inputs, seedAt(seedShape, known));
    else await executor.forward(inputs);
    const values = await executor.readTensor(target);
    const scores = scoresName !== undefined && !first.neuron ? flatten(await executor.readTensor(scoresName)) : null;

    const inside: [string, Tensor][] = [];
    for (const name of through) inside.push([name, await executor.readTensor(name)]);

    const answers: InputGradient[] = [];
    for (const [i, question] of questions.entries()) {
      const units = fixed[i] ?? this.#units(question, seedShape, scores)!;
      const perItem = size(seedShape) / units.length;
      const odds =
        question.score === 'logodds' && !question.neuron ? units.map((unit, n) => logOdds(values.data, n * perItem, perItem, unit)) : null;
      if (!known)
        await executor.backward(odds ? { shape: seedShape, data: concatenated(odds.map(({ seed }) => seed)) } : seedAt(seedShape, units));
      const layers = new Map<string, LayerSignal>();
      for (const [name, value] of inside) layers.set(name, { value, signal: await executor.readGradient(name) });
      answers.push({
        gradient: await executor.readGradient(this.#input),
        values: odds ? odds.map(({ value }) => value) : units.map((unit, n) => values.data[n * perItem + unit]),
        targets: question.neuron ? null : units,
        scores,
        layers,
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
    const executor = await this.#executor(withLoss(this.graph), 'parameters', { keep: [LOSS_VALUE], target: LOSS_VALUE, wrt });
    await executor.run(
      { [this.#input]: x, [LOSS_INPUT]: { shape: [labels.length], data: Int32Array.from(labels) } },
      { shape: [], data: Float32Array.of(1) },
    );
    const gradients = new Map<string, Tensor>();
    for (const name of wrt) if (Object.hasOwn(executor.plan.gradients, name)) gradients.set(name, await executor.readGradient(name));
    return { loss: (await executor.readTensor(LOSS_VALUE)).data[0], gradients };
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
    if (target === 'top1' || (typeof target === 'object' && 'rank' in target)) {
      const rank = target === 'top1' ? 0 : target.rank;
      checkClass(rank, classes, 'rank');
      return scores && Array.from({ length: batch }, (_, n) => ranked(scores.data.subarray(n * classes, (n + 1) * classes))[rank]);
    }
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
export function neuronIndex({ tensor, at }: Neuron, shape: Shape): number {
  const item = shape.slice(1);
  // A single number serves where only one axis has more than one element, as in [N, K, 1, 1].
  const axes = at.length === 1 && item.filter((extent) => extent > 1).length <= 1 ? [size(item)] : item;
  const wanted = `${axes.length} coordinates below ${axes.join(', ')}`;
  if (at.length !== axes.length || at.some((c, d) => !Number.isInteger(c) || c < 0 || c >= axes[d])) {
    throw new InputError(`neuron "${tensor}": expected ${wanted} in ${formatShape(shape)}, got ${at.join(', ')}.`);
  }
  return at.reduce((index, coordinate, d) => index * axes[d] + coordinate, 0);
}

/** A seed of ones, at one unit of each item. */
export function seedAt(shape: Shape, units: readonly number[]): Tensor {
  const data = new Float32Array(size(shape));
  const perItem = data.length / units.length;
  units.forEach((unit, n) => (data[n * perItem + unit] = 1));
  return { shape, data };
}

/**
 * The log odds S_c - log sum_{k != c} exp S_k of one row of scores, and their derivative with respect to it: 1 at c, and minus each rival's share
 * of sum_{k != c} exp S_k. In f64, the derivative rounded once.
 */
export function logOdds(scores: Float32Array, from: number, classes: number, c: number): { value: number; seed: Float32Array } {
  if (classes < 2) throw new InputError('score: expected a network of at least two classes for log odds, got one. Take its score.');
  let top = -Infinity;
  for (let k = 0; k < classes; k++) if (k !== c) top = Math.max(top, scores[from + k]);
  let sum = 0;
  for (let k = 0; k < classes; k++) if (k !== c) sum += Math.exp(scores[from + k] - top);
  const seed = Float32Array.from({ length: classes }, (_, k) => (k === c ? 1 : -Math.exp(scores[from + k] - top) / sum));
  return { value: scores[from + c] - top - Math.log(sum), seed };
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const data = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (data.set(part, at), at + part.length), 0);
  return data;
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

/** The classes of one row of scores from the best to the worst; ties in the order of the classes, NaN last. */
export function ranked(scores: ArrayLike<number>): number[] {
  const key = Array.from(scores, (s) => (Number.isNaN(s) ? -Infinity : s));
  return [...key.keys()].sort((a, b) => (key[a] === key[b] ? a - b : key[b] - key[a]));
}

/** Softmax in f64 of one row of scores. */
export function posterior(scores: ArrayLike<number>): Float64Array {
  const shifted = Float64Array.from(scores);
  const top = shifted.reduce((a, b) => Math.max(a, b), -Infinity);
  const exps = shifted.map((s) => Math.exp(s - top));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((e) => e / sum);
}
