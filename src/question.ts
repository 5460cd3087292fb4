/** What can be asked of a network, as data: which number to differentiate, under which rule, and what the graph needs beyond its own nodes for it. */
import { InputError } from './errors.ts';
import { typeGraph, valueInfo, type Graph } from './graph.ts';
import { DEFAULT_RULES, ruleSpec, type Rule, type RuleSpec } from './rule.ts';
import { checkClass, neuronIndex, ranked, type Neuron } from './seeds.ts';
import { size, type Shape, type Tensor } from './tensor.ts';

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

/** What a stream takes: inputs, or whatever the caller likes to get back with the answer, with an input in it. */
export type StreamBatch = Tensor | { readonly x: Tensor };

export interface StreamOptions<B extends StreamBatch> {
  /** What to ask about every batch, or about each; questions of one kind (see `Network.gradients`) share a forward pass. Default: scores alone. */
  readonly questions?: readonly GradientOptions[] | ((batch: B) => readonly GradientOptions[]);
  /** Runs on the device at once, at least 1. Default: 2, which is enough for it never to wait for the host. */
  readonly inFlight?: number;
}

export interface StreamAnswer<B extends StreamBatch> {
  readonly batch: B;
  /** Unnormalised scores [N, K]; null where only neurons were asked for. */
  readonly scores: Tensor | null;
  /** One for each question, in their order. */
  readonly gradients: readonly InputGradient[];
}

/** Names of what the network adds to a graph; '#' keeps them apart from what exporters write. */
export const POSTERIOR = '#posterior';
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
export const completed = (rule: Rule | RuleSpec | undefined): RuleSpec => ({ ...DEFAULT_RULES, ...ruleSpec(rule) });

/** The tensor that a question is about. @throws InputError if that is a class's, and the network has no scores */
export function targetTensor(graph: Graph, question: Pick<GradientOptions, 'neuron' | 'score'>): string {
  if (question.neuron) return question.neuron.tensor;
  const scores = requireScores(graph);
  return question.score === 'posterior' ? POSTERIOR : scores;
}

/** Questions of one kind share a forward pass. @throws InputError as {@link targetTensor} */
export function kindOf(graph: Graph, question: GradientOptions): string {
  return JSON.stringify([targetTensor(graph, question), completed(question.rule), question.through ?? []]);
}

/** The flat place of the asked-for unit within each item of a tensor; null if it takes scores to know, and there are none yet. */
export function unitsOf(question: GradientOptions, shape: Shape, scores: Tensor | null): number[] | null {
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
