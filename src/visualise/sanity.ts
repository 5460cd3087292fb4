/**
 * Sanity checks of saliency maps: what is left of a map once the weights that it should explain are random. A map that hardly changes does not show what
 * the network has learnt, however much it looks like the photo.
 *
 * The cascade draws the weights of the layers anew, from the last to the first, each on top of those before it; after every step the map of the same
 * class is compared with the original one. With `independent` each layer is drawn alone, the others being as trained. Another class's map, weights as
 * trained, tells whether the map depends on the question; maps that know no weights ({@link baselines}) tell what a number is worth.
 * @see Adebayo et al. 2018, "Sanity checks for saliency maps"; Nie, Zhang & Patel 2018, "A theoretical explanation for perplexing behaviors of
 *   backpropagation-based visualizations"
 */
import { InputError } from '../errors.ts';
import { DEFAULT_CLIP } from '../image/colour.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess, toPicture, type Preprocess } from '../image/preprocess.ts';
import { requireScores, type Network } from '../network.ts';
import { mixSeed, uniform } from '../random.ts';
import { RULES, type RuleSpec } from '../rule.ts';
import { formatShape, size, type AnyTensor, type Tensor } from '../tensor.ts';
import { typeGraph, valueInfo } from '../graph.ts';
import { BASELINES, baselines, mapPair, type Baseline, type MapPair } from './baselines.ts';
import { drawLayer, weightLayers, type Draw, type WeightLayer } from './randomise.ts';
import type { Reduce } from './reduce.ts';
import { spearman, ssim, unitMap } from './similarity.ts';

/** How alike two maps are; null where a number is not defined. */
export interface Likeness {
  /** Spearman's rank correlation of the magnitudes (the reduction over channels). */
  readonly absolute: number | null;
  /** Spearman's rank correlation of the signed maps (the sum over channels). */
  readonly signed: number | null;
  /** Structural similarity of the magnitudes, each map brought to [0, 1] as it is drawn. */
  readonly ssim: number | null;
}

/** A rule under test and what it is called. */
export interface NamedRule {
  readonly name: string;
  readonly spec: RuleSpec;
}

/** What one rule gives for one set of weights. */
export interface StageOf {
  /** Beside the original map under the same rule. */
  readonly likeness: Likeness;
  /** Nothing reaches the input. */
  readonly zero: boolean;
  /** The magnitudes [H, W], of the stages that are shown. */
  readonly map: Tensor | null;
}

/** A set of weights, and what each rule gives for it, in the order of the rules. */
export interface Stage {
  /** The layers that this step drew anew. */
  readonly layers: readonly string[];
  /** How many layers are random here. */
  readonly random: number;
  readonly rules: readonly StageOf[];
}

/** A rule's original map, and how like the baselines it and the map of random weights are. */
export interface RuleSanity extends NamedRule {
  /** The magnitudes [H, W]. */
  readonly map: Tensor;
  /** Nothing reaches the input. */
  readonly zero: boolean;
  readonly baselines: Readonly<Record<Baseline, { readonly original: Likeness; readonly random: Likeness }>>;
}

/** The map of another class, weights as trained, beside that of the class. */
export interface OtherClass {
  readonly class: number;
  readonly rules: readonly StageOf[];
}

export interface Sanity {
  readonly class: number;
  readonly score: number;
  /** Layers with weights, from the last to the first: the order of the cascade. */
  readonly layers: readonly string[];
  readonly rules: readonly RuleSanity[];
  readonly cascade: readonly Stage[];
  /** Empty unless asked for. */
  readonly independent: readonly Stage[];
  readonly others: readonly OtherClass[];
  /** The photo as the network sees it, and the baselines' magnitudes. */
  readonly seen: Picture;
  readonly baselines: Readonly<Record<Baseline, Tensor>>;
}

export interface SanityOptions {
  /** Default: the best one. */
  readonly class?: number | 'top1';
  /** Default: the four rules of ReLU. */
  readonly rules?: readonly NamedRule[];
  /** Default: initial. */
  readonly draw?: Draw;
  /** Default: 1. */
  readonly seed?: number;
  /** Steps from the trained network to the random one; layers are dealt out evenly. Default: one for each layer. */
  readonly steps?: number;
  /** Also each step's layers drawn alone. */
  readonly independent?: boolean;
  /** Other classes to compare with: so many drawn at random, or these. Default: 4. */
  readonly others?: number | readonly number[];
  /** Of the magnitudes over channels. Default: max. */
  readonly reduce?: Exclude<Reduce, 'signed'>;
  /** Percentile of the positive magnitudes that becomes 1 for SSIM. Default: that of drawn maps. */
  readonly clip?: number;
  /** Maps are kept of at most so many stages of each kind, evenly spaced, the last one among them. Default: 8. */
  readonly shown?: number;
  /** Told after each of `total` passes, for a progress bar. */
  readonly onPass?: (done: number, total: number) => void;
}

export const FOUR_RULES: readonly NamedRule[] = RULES.map((name) => ({ name, spec: { relu: name } }));

/** Of `count` stages, the positions of those that are shown: at most `most`, evenly spaced, ending with the last. */
export function shownStages(count: number, most: number): Set<number> {
  const n = Math.min(count, most);
  return new Set(Array.from({ length: n }, (_, k) => Math.round(((k + 1) * count) / n) - 1));
}

/**
 * Runs the checks on one photo. The network is compiled once for each rule, and its weights are replaced where they lie; it has the given ones again
 * at the end, however that comes.
 * @param network on one photo [1, C, H, W], keeping as many plans ready as there are rules
 * @param parameters the network's parameters, as trained
 * @throws InputError if a class or rule does not exist, the network takes several photos at once or has no weights
 */
export async function sanityChecks(
  network: Network,
  parameters: ReadonlyMap<string, AnyTensor>,
  picture: Picture,
  spec: Preprocess,
  options: SanityOptions = {},
): Promise<Sanity> {
  const { rules = FOUR_RULES, draw = 'initial', seed = 1, reduce = 'max', clip = DEFAULT_CLIP, shown = 8, independent = false } = options;
  const { input } = preprocess(picture, spec);
  if (network.inputShape[0] !== 1) {
    throw new InputError(
      `sanity: expected a network on one photo, got one on ${formatShape(network.inputShape)}. Load it with a batch of 1.`,
    );
  }
  if (rules.length === 0) throw new InputError('sanity: expected at least one rule, got none.');
  const layers = weightLayers(network.graph, requireScores(network.graph)).toReversed();
  const groups = dealt(layers, options.steps ?? layers.length);
  const keep = shownStages(groups.length, shown);
  let done = 0;
  const total = rules.length * (1 + groups.length * (independent ? 2 : 1));
  const tick = (): void => options.onPass?.(++done, total);

  const asTrained = await trainedMaps(
    network,
    input,
    { rules, seed, reduce, clip, class: options.class, others: options.others ?? 4 },
    tick,
  );
  const { class: target, score, originals, others } = asTrained;

  const maps = async (): Promise<MapPair[]> => {
    const pairs: MapPair[] = [];
    for (const { spec: rule } of rules) {
      pairs.push(mapPair((await network.gradient(input, { target, rule })).gradient, reduce));
      tick();
    }
    return pairs;
  };
  const stage = (group: readonly WeightLayer[], random: number, pairs: readonly MapPair[], kept: boolean): Stage => ({
    layers: group.map(({ name }) => name),
    random,
    rules: pairs.map((pair, r) => stageOf(pair, originals[r], clip, kept)),
  });
  const drawn = (group: readonly WeightLayer[]): Map<string, Tensor> =>
    new Map(group.flatMap((layer) => [...drawLayer(layer, parameters, draw, seed)]));
  const trained = (group: readonly WeightLayer[]): Map<string, AnyTensor> =>
    new Map(group.flatMap((layer) => layer.parameters.map(({ name }): [string, AnyTensor] => [name, parameters.get(name)!])));

  const alone: Stage[] = [];
  const cascade: Stage[] = [];
  let last: MapPair[] = [];
  try {
    for (const [g, group] of independent ? groups.entries() : []) {
      await network.setParameters(drawn(group));
      alone.push(stage(group, group.length, await maps(), keep.has(g)));
      await network.setParameters(trained(group));
    }
    let random = 0;
    for (const [g, group] of groups.entries()) {
      await network.setParameters(drawn(group));
      last = await maps();
      cascade.push(stage(group, (random += group.length), last, keep.has(g)));
    }
  } finally {
    await network.setParameters(trained(layers));
  }

  const seen = toPicture(input, spec);
  const plain = baselines(input, seen, reduce, mixSeed(seed, NOISE));
  return {
    class: target,
    score,
    layers: layers.map(({ name }) => name),
    rules: rules.map((rule, r) => ({
      ...rule,
      map: originals[r].absolute,
      zero: isZero(originals[r].absolute),
      baselines: eachBaseline((name) => ({
        original: likeness(originals[r], plain[name], clip),
        random: likeness(last[r], plain[name], clip),
      })),
    })),
    cascade,
    independent: alone,
    others,
    seen,
    baselines: eachBaseline((name) => plain[name].absolute),
  };
}

type Asked = Pick<SanityOptions, 'class'> & Required<Pick<SanityOptions, 'rules' | 'seed' | 'reduce' | 'clip' | 'others'>>;

/** With the weights as trained: the maps of the class under each rule, and those of other classes beside them. One forward pass a rule. */
async function trainedMaps(
  network: Network,
  input: Tensor,
  { rules, seed, reduce, clip, others: wanted, ...asked }: Asked,
  tick: () => void,
): Promise<Pick<Sanity, 'class' | 'score' | 'others'> & { readonly originals: readonly MapPair[] }> {
  // The best class is not known yet, and may be among these: then it is left out.
  const candidates = otherClasses(network, wanted, seed);
  const most = typeof wanted === 'object' ? wanted.length : wanted;
  const originals: MapPair[] = [];
  const others: { class: number; rules: StageOf[] }[] = [];
  let chosen: { readonly class: number; readonly score: number } | undefined;
  for (const { spec: rule } of rules) {
    const target = chosen?.class ?? asked.class ?? 'top1';
    const [own, ...rest] = await network.gradients(
      input,
      [target, ...candidates].map((target) => ({ target, rule })),
    );
    chosen ??= { class: own.targets![0], score: own.values[0] };
    const original = mapPair(own.gradient, reduce);
    originals.push(original);
    const replies = rest.filter(({ targets }) => targets![0] !== chosen!.class).slice(0, most);
    for (const [k, { targets, gradient }] of replies.entries()) {
      others[k] ??= { class: targets![0], rules: [] };
      others[k].rules.push(stageOf(mapPair(gradient, reduce), original, clip, k === 0));
    }
    tick();
  }
  return { ...chosen!, originals, others };
}

/** Keep these draws apart from those of weights. */
const NOISE = 0x2015e;
const CLASSES = 0xc1a55;

/** Layers in `steps` groups, in order, whose sizes differ by at most one. */
function dealt(layers: readonly WeightLayer[], steps: number): WeightLayer[][] {
  if (!Number.isInteger(steps) || steps < 1 || steps > layers.length) {
    throw new InputError(`steps: expected 1 to ${layers.length}, the number of layers with weights, got ${steps}.`);
  }
  const edge = (k: number): number => Math.round((k * layers.length) / steps);
  return Array.from({ length: steps }, (_, k) => layers.slice(edge(k), edge(k + 1)));
}

/** The classes of a list, or one more than a number of them, drawn without repetition. */
function otherClasses({ graph }: Network, wanted: number | readonly number[], seed: number): number[] {
  if (typeof wanted === 'object') return [...new Set(wanted)];
  if (!Number.isInteger(wanted) || wanted < 0) throw new InputError(`others: expected a number of classes, got ${wanted}.`);
  if (wanted === 0) return [];
  const { shape } = valueInfo(typeGraph(graph), requireScores(graph));
  const left = Array.from({ length: size(shape) / shape[0] }, (_, k) => k);
  const next = uniform(mixSeed(seed, CLASSES));
  return Array.from({ length: Math.min(wanted + 1, left.length) }, () => left.splice(Math.floor(next() * left.length), 1)[0]);
}

function stageOf(pair: MapPair, original: MapPair, clip: number, kept: boolean): StageOf {
  return { likeness: likeness(pair, original, clip), zero: isZero(pair.absolute), map: kept ? pair.absolute : null };
}

/** How alike two pairs of maps are. */
export function likeness(a: MapPair, b: MapPair, clip: number): Likeness {
  return {
    absolute: spearman(a.absolute, b.absolute),
    signed: spearman(a.signed, b.signed),
    ssim: ssim(unitMap(a.absolute, clip), unitMap(b.absolute, clip)),
  };
}

const isZero = ({ data }: Tensor): boolean => data.every((v) => v === 0);

function eachBaseline<T>(of: (name: Baseline) => T): Record<Baseline, T> {
  return Object.fromEntries(BASELINES.map((name) => [name, of(name)])) as Record<Baseline, T>;
}
