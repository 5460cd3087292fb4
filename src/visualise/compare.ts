/**
 * One seed under the four ReLU rules: what reaches the input under each, and at which ReLU they part.
 *
 * With X the input of a ReLU on the way up and R the signal that arrives there on the way down, the gradient's sign indicator is [X > 0]
 * and DeconvNet's is [R > 0]; everything else is the same for all four rules.
 * @see Simonyan, Vedaldi, Zisserman 2013, section 4
 */
import { InputError } from '../errors.ts';
import { ancestorsOf, typeGraph, valueInfo, type Graph } from '../graph.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess, type PictureToInput, type Preprocess } from '../image/preprocess.ts';
import { argmax, requireScores, type GradientOptions, type LayerSignal, type Network, type Neuron } from '../network.ts';
import { rulePasses, RULES, type Rule } from '../rule.ts';
import { formatShape, type Shape, type Tensor } from '../tensor.ts';

/** The rules two by two, in the order of their cosines. */
export const RULE_PAIRS = RULES.flatMap((a, i) => RULES.slice(i + 1).map((b) => [a, b] as const));

/** A pair as a key, `gradient-deconvnet`. */
export type RulePair = `${Rule}-${Rule}`;

/** Euclidean norms of a signal under each rule, and the cosine of the angle between each two; null where one of them is zero. In f64. */
export interface Agreement {
  readonly norm: Readonly<Record<Rule, number>>;
  readonly cosine: Readonly<Record<RulePair, number | null>>;
}

/** What the rules do at one ReLU; norms and cosines are those of the signal that leaves it downwards. */
export interface ReluComparison extends Agreement {
  /** The ReLU's node, and its output. */
  readonly node: string;
  readonly tensor: string;
  readonly shape: Shape;
  /** Share of units, 0 to 1, with X > 0: the gradient's sign indicator. */
  readonly open: number;
  /** Share of units with R > 0, R being what arrives under DeconvNet: its sign indicator. */
  readonly positive: number;
  /** Share of units at which the two indicators differ. */
  readonly differ: number;
  /** Share of units at which R is not zero, and among these the share at which the indicators differ (null if there are none). */
  readonly reached: number;
  readonly differReached: number | null;
}

/** A seed, and what became of it. */
export interface SeedComparison {
  /** The class whose score is the seed, or the unit. */
  readonly class: number | null;
  readonly neuron: Neuron | null;
  /** The score, or the value of the unit. */
  readonly value: number;
  /** What reaches the input under each rule, [1, C, H, W]. */
  readonly signals: Readonly<Record<Rule, Tensor>>;
  readonly input: Agreement;
  /** The ReLUs on the way, in the order of the network. */
  readonly relus: readonly ReluComparison[];
}

export interface RuleComparison {
  /** How the input lies on the photo. */
  readonly geometry: PictureToInput;
  /** The class score first, then the units. */
  readonly seeds: readonly SeedComparison[];
}

export interface CompareOptions {
  /** Default: the best one. */
  readonly class?: number | 'top1';
  /** Tensors from whose strongest unit to seed too. Default: {@link spacedLayers}; none if a neuron is given. */
  readonly layers?: readonly string[];
  /** Units to seed from too. */
  readonly neurons?: readonly Neuron[];
  /** Told before each of `total` passes, for a progress bar. */
  readonly onPass?: (done: number, total: number) => void;
}

/**
 * Propagates the same seeds from a class score, and from units of layers, to the photo under all four rules.
 * @param network on one photo [1, C, H, W]
 * @throws InputError if the class, a layer or a unit does not exist, or the network takes several photos at once
 * @see the paper, section 4
 */
export async function compareRules(
  network: Network,
  picture: Picture,
  spec: Preprocess,
  options: CompareOptions = {},
): Promise<RuleComparison> {
  const { input, geometry } = preprocess(picture, spec);
  if (network.inputShape[0] !== 1) {
    throw new InputError(
      `compare: expected a network on one photo, got one on ${formatShape(network.inputShape)}. Load it with a batch of 1.`,
    );
  }
  const neurons = options.neurons ?? [];
  const layers = options.layers ?? (neurons.length > 0 ? [] : spacedLayers(network.graph, 3));
  const scoresName = requireScores(network.graph);
  const values = await network.forward(input, [...new Set([scoresName, ...layers])]);
  const target = options.class === undefined || options.class === 'top1' ? argmax((values.get(scoresName) as Tensor).data) : options.class;
  const questions: GradientOptions[] = [
    { target },
    ...layers.map((name) => ({ neuron: strongestUnit(name, values.get(name) as Tensor) })),
    ...neurons.map((neuron) => ({ neuron })),
  ];
  const seeds: SeedComparison[] = [];
  for (const [q, question] of questions.entries()) {
    const relus = relusBelow(network.graph, question.neuron?.tensor ?? scoresName);
    const answers = {} as Record<Rule, Awaited<ReturnType<Network['gradient']>>>;
    for (const [r, rule] of RULES.entries()) {
      options.onPass?.(RULES.length * q + r, RULES.length * questions.length);
      answers[rule] = await network.gradient(input, { ...question, rule, through: relus.map((relu) => relu.outputs[0]) });
    }
    seeds.push({
      class: question.neuron ? null : target,
      neuron: question.neuron ?? null,
      value: answers.gradient.values[0],
      signals: each((rule) => answers[rule].gradient),
      input: agreement((rule) => answers[rule].gradient.data),
      relus: relus.map(({ name, outputs: [tensor] }) => compareRelu(name, tensor, (rule) => answers[rule].layers.get(tensor)!)),
    });
  }
  options.onPass?.(RULES.length * questions.length, RULES.length * questions.length);
  return { geometry, seeds };
}

/** The outputs of `count` ReLUs with image axes, at even distances between the input and the scores. */
export function spacedLayers(graph: Graph, count: number): string[] {
  const typed = typeGraph(graph);
  const relus = relusBelow(graph, requireScores(graph)).filter(({ outputs: [name] }) => valueInfo(typed, name).shape.length === 4);
  const places = Array.from({ length: count }, (_, k) => Math.round(((k + 1) * relus.length) / (count + 1)) - 1);
  return [...new Set(places.filter((place) => place >= 0))].map((place) => relus[place].outputs[0]);
}

/** The unit of the largest value in a tensor [1, ...]; the first of several. */
function strongestUnit(name: string, { shape, data }: Tensor): Neuron {
  if (!(data instanceof Float32Array) || shape.length < 2) {
    throw new InputError(
      `layers: expected tensors of signals with axes, got "${name}" ${formatShape(shape)}. Choose the output of a layer.`,
    );
  }
  let rest = argmax(data);
  const at: number[] = [];
  for (let axis = shape.length - 1; axis > 0; axis--) {
    at.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return { tensor: name, at };
}

/** The ReLUs that a tensor depends on, itself included. */
function relusBelow(graph: Graph, tensor: string): Graph['nodes'] {
  const needed = ancestorsOf(graph, [tensor]);
  return graph.nodes.filter((node) => node.op === 'relu' && needed.has(node.outputs[0]));
}

function compareRelu(node: string, tensor: string, at: (rule: Rule) => LayerSignal): ReluComparison {
  const { shape, data: y } = at('gradient').value;
  const arriving = at('deconvnet').signal.data;
  let [open, positive, differ, reached, differReached] = [0, 0, 0, 0, 0];
  for (let i = 0; i < y.length; i++) {
    // y > 0 exactly where X > 0.
    const [fromInput, fromSignal] = [y[i] > 0, arriving[i] > 0];
    if (fromInput) open++;
    if (fromSignal) positive++;
    if (fromInput !== fromSignal) differ++;
    if (arriving[i] === 0) continue;
    reached++;
    if (fromInput !== fromSignal) differReached++;
  }
  return {
    node,
    tensor,
    shape,
    open: open / y.length,
    positive: positive / y.length,
    differ: differ / y.length,
    reached: reached / y.length,
    differReached: reached === 0 ? null : differReached / reached,
    ...agreement((rule) => leaving(rule, y, at(rule).signal.data)),
  };
}

/** The signal that leaves a ReLU downwards: R where the rule lets it pass. */
function leaving(rule: Rule, y: Float32Array, r: Float32Array): Float32Array {
  return r.map((v, i) => (rulePasses(rule, y[i], v) ? v : 0));
}

function agreement(signal: (rule: Rule) => Float32Array): Agreement {
  const signals = each(signal);
  const norm = each((rule) => Math.sqrt(dot(signals[rule], signals[rule])));
  return {
    norm,
    cosine: Object.fromEntries(
      RULE_PAIRS.map(([a, b]) => [`${a}-${b}`, norm[a] > 0 && norm[b] > 0 ? dot(signals[a], signals[b]) / norm[a] / norm[b] : null]),
    ) as Record<RulePair, number | null>,
  };
}

function each<T>(of: (rule: Rule) => T): Record<Rule, T> {
  return Object.fromEntries(RULES.map((rule) => [rule, of(rule)])) as Record<Rule, T>;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
