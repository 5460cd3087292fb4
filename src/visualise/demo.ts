/**
 * Everything that the engine tells about a photo, asked in one go: what a network calls it, where it sees that, how the four ReLU rules
 * part, the object cut out, and the network's own picture of the class.
 */
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess, toPicture, type PictureToInput, type Preprocess } from '../image/preprocess.ts';
import { posterior, ranked, type Network } from '../network.ts';
import { RULES, type Rule } from '../rule.ts';
import type { Tensor } from '../tensor.ts';
import { classModel, type ClassModel } from './classmodel.ts';
import type { ClassModelPreset, ClassModelRecipe } from './classmodelPresets.ts';
import { localise, type Localisation } from './localise.ts';
import { saliencyFrames, type SaliencyFrame } from './saliency.ts';

/** A class in the order of the posteriors. */
export interface RankedClass {
  readonly class: number;
  /** 1 for the best. */
  readonly rank: number;
  /** Unnormalised score S_c, and posterior exp S_c / sum exp S. */
  readonly score: number;
  readonly posterior: number;
}

/** What a network says of a photo, and where it sees it. */
export interface Look {
  readonly photo: Picture;
  readonly geometry: PictureToInput;
  /** The network's input, as pixels. */
  readonly seen: Picture;
  /** How many classes there are. */
  readonly classes: number;
  /** The best five; then the class that was asked for, if it is not among them. */
  readonly ranking: readonly RankedClass[];
  /**
   * exp(-sum P log P), 1 to the number of classes: how many classes an even choice would be among that leaves as much open as these
   * posteriors do.
   */
  readonly perplexity: number;
  /** The class that was asked for, and the best other one. */
  readonly chosen: RankedClass;
  readonly rival: RankedClass;
  /** Saliency maps of these two. */
  readonly maps: readonly [SaliencyFrame, SaliencyFrame];
}

/** A look, and what else there is to know about its class. */
export interface Demonstration extends Look {
  /** What the class's score sends back to the input [1, C, H, W] under each rule. */
  readonly signals: Readonly<Record<Rule, Tensor>>;
  readonly object: Localisation;
  readonly model: ClassModel;
}

export interface DemonstrationOptions {
  /** Default: the best one. */
  readonly class?: number | 'top1';
  /** How the class model is sought. Default: {@link demoRecipe}. */
  readonly recipe?: DemoRecipe;
  /**
   * The class model's iterations are cut so that all of it takes about so long, but not below {@link LEAST_ITERATIONS}. Default: as many as
   * the recipe says.
   */
  readonly seconds?: number;
  /** Told what begins: five stages. */
  readonly onStage?: (stage: string, done: number, total: number) => void;
}

/** A recipe with its preset. */
export type DemoRecipe = Partial<ClassModelRecipe> & { readonly preset: ClassModelPreset; readonly iterations: number };

/**
 * CS231n's recipe with half its step and little noise, for any input size: 100 steps of 3 grey levels a pixel along the normalised
 * gradient, jitter of a sixteenth of the side, and a slight blur after every fourth step, against the chequered patterns of small networks.
 */
export function demoRecipe([height, width]: readonly [number, number]): DemoRecipe {
  return {
    preset: 'cs231n',
    iterations: 100,
    step: 3 * Math.sqrt(height * width),
    noise: 10,
    jitter: Math.round(Math.min(height, width) / 16),
    blur: { sigma: 0.5, every: 4 },
  };
}

/** Fewer show nothing. */
export const LEAST_ITERATIONS = 10;

const STAGES = ['classes and saliency', 'four rules', 'object', 'class model'] as const;

/**
 * Classifies a photo, and maps the saliency of a class and of its strongest rival.
 * @param network on one photo [1, C, H, W]
 * @throws InputError if the class does not exist, the network has fewer than two classes, or the photo cannot be made into the input
 */
export async function look(network: Network, photo: Picture, spec: Preprocess, wanted: number | 'top1' = 'top1'): Promise<Look> {
  const { input, geometry } = preprocess(photo, spec);
  const { data: scores } = await network.scores(input);
  if (scores.length < 2) throw new InputError(`demo: expected a network with two classes at least, got ${scores.length}.`);
  const posteriors = posterior(scores);
  const order = ranked(scores);
  const rankOf = (k: number): RankedClass => ({ class: k, rank: order.indexOf(k) + 1, score: scores[k], posterior: posteriors[k] });
  const target = wanted === 'top1' ? order[0] : wanted;
  const chosen = rankOf(target);
  if (chosen.rank === 0) throw new InputError(`demo: expected a class in [0, ${scores.length - 1}], got ${target}.`);
  const rival = rankOf(order[0] === target ? order[1] : order[0]);
  const [own, other] = await saliencyFrames(network, photo, spec, { classes: [chosen.class, rival.class] });
  const best = order.slice(0, TOP).map(rankOf);
  return {
    photo,
    geometry,
    seen: toPicture(input, spec),
    classes: scores.length,
    ranking: chosen.rank > TOP ? [...best, chosen] : best,
    perplexity: perplexity(posteriors),
    chosen,
    rival,
    maps: [own, other],
  };
}

/** How many of the best classes are shown. */
export const TOP = 5;

/** exp of the entropy, 1 for certainty. */
export function perplexity(posteriors: ArrayLike<number>): number {
  let entropy = 0;
  for (let k = 0; k < posteriors.length; k++) if (posteriors[k] > 0) entropy -= posteriors[k] * Math.log(posteriors[k]);
  return Math.exp(entropy);
}

/**
 * {@link look}, and all else: the four rules, the object, the class model.
 * @throws InputError as {@link look}, and as `classModel` if the ascent does not stay finite
 */
export async function demonstrate(
  network: Network,
  photo: Picture,
  spec: Preprocess,
  options: DemonstrationOptions = {},
): Promise<Demonstration> {
  const { onStage, recipe = demoRecipe(spec.size), seconds = Infinity } = options;
  const begin = (stage: number): void => onStage?.(STAGES[stage], stage, STAGES.length);
  const started = performance.now();
  begin(0);
  const seen = await look(network, photo, spec, options.class);
  const target = seen.chosen.class;
  begin(1);
  const { input } = preprocess(photo, spec);
  const signals = {} as Record<Rule, Tensor>;
  for (const rule of RULES) signals[rule] = (await network.gradient(input, { target, rule })).gradient;
  begin(2);
  const [object] = await localise(network, photo, spec, { classes: [target] });
  begin(3);
  const left = seconds - (performance.now() - started) / 1000;
  const iterations = await affordable(network, input, target, recipe.iterations, left);
  const [model] = await classModel(network, { ...recipe, iterations, classes: [target], spec });
  onStage?.('', STAGES.length, STAGES.length);
  return { ...seen, signals, object, model };
}

/** Iterations that take about so many seconds, measured on one pass up and down; no more than wanted. */
async function affordable(network: Network, input: Tensor, target: number, wanted: number, seconds: number): Promise<number> {
  if (seconds === Infinity) return wanted;
  const started = performance.now();
  await network.gradient(input, { target });
  const each = (performance.now() - started) / 1000;
  return Math.min(wanted, Math.max(LEAST_ITERATIONS, Math.floor(seconds / each)));
}
