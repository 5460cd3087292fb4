/** The cuts of a picture, one after another: colour models, network, minimum cut. */
import type { Samples } from './clusters.ts';
import { colourOdds, contrast, cutNetwork } from './energy.ts';
import type { FlowNetwork } from './flownetwork.ts';
import { fitMixture, refitMixture, type Mixture } from './gmm.ts';
import { levelRatios, ranks } from './maps.ts';
import { minCut, type Cut } from './maxflow.ts';
import type { GraphCutOptions } from './presets.ts';
import { uniform } from '../random.ts';
import { BACKGROUND, FOREGROUND, hardSeeds } from './seeds.ts';

/** A picture at the size at which it is cut, n = height * width pixels. */
export interface CutInput {
  /** [n, 3], 0..255. */
  readonly colours: Float64Array;
  /** Height and width. */
  readonly size: readonly [number, number];
  /** Saliency [n]. */
  readonly map: Float64Array;
  /** Of seeds.ts, [n]: what the colour models start from. */
  readonly seeds: Uint8Array;
  /** Log odds [n] that are added to the unary term. */
  readonly prior?: Float64Array;
}

/** The colours of the two sides. */
export interface Models {
  readonly foreground: Mixture;
  readonly background: Mixture;
}

export interface Round {
  /** Null where the options ask for none. */
  readonly models: Models | null;
  readonly network: FlowNetwork;
  readonly cut: Cut;
}

/**
 * Cuts as often as the options say; not once if a side has no colours to start from.
 * @param seed of k-means++
 */
export function* cutRounds({ colours, size, map, seeds, prior }: CutInput, options: GraphCutOptions, seed: number): Generator<Round> {
  const [height, width] = size;
  const neighbours = contrast(colours, width, height, options.pairwise);
  const clamps = options.clamps && hardSeeds(map, options.clamps);
  const evidence = evidenceOf(map, options);
  const fixed = fixedOdds(map.length, options.prior, evidence, prior);

  let models: Models | null = null;
  if (options.mixture) {
    const random = uniform(seed);
    const [foreground, background] = firstSamples(colours, seeds, evidence, options);
    models = both(fitMixture(foreground, options.mixture, random), fitMixture(background, options.mixture, random));
    if (models === null) return;
    // As in OpenCV, where every cut is preceded by a fit.
    if (options.iterations > 1) models = refit(foreground, background, models, options) ?? models;
  }
  for (let round = 0; round < options.iterations; round++) {
    const odds = models ? colourOdds(colours, models.foreground, models.background, options.uniform) : new Float64Array(map.length);
    if (fixed) for (let i = 0; i < odds.length; i++) odds[i] += fixed[i];
    const network = cutNetwork(odds, clamps, neighbours, options);
    const cut = minCut(network);
    yield { models, network, cut };
    if (models === null || round + 1 === options.iterations) continue;
    const [foreground, background] = [1, 0].map((side) => ({ colours, at: where(cut.source, (its) => its === side) }));
    // A side that the cut left empty keeps its colours.
    models = refit(foreground, background, models, options) ?? models;
  }
}

function both(foreground: Mixture | null, background: Mixture | null): Models | null {
  return foreground && background && { foreground, background };
}

/**
 * What a pixel's saliency says by itself: its rank in (0, 1), or the log of its ratio to the level; null if the options ask for neither.
 */
function evidenceOf(map: Float64Array, { prior, soft }: GraphCutOptions): Float64Array | null {
  if (prior?.shape === 'level') return levelRatios(map, prior.centre);
  return prior || soft ? ranks(map) : null;
}

/** The part of the log odds that does not change between cuts; null if there is none. */
function fixedOdds(
  n: number,
  prior: GraphCutOptions['prior'],
  evidence: Float64Array | null,
  given: Float64Array | undefined,
): Float64Array | null {
  if (prior === null && given === undefined) return null;
  const logit = (p: number): number => Math.log(p / (1 - p));
  const odds = given ? given.slice() : new Float64Array(n);
  if (prior && evidence) {
    const { weight, shape, centre } = prior;
    const of = { linear: (r: number) => r - centre, logit: (r: number) => logit(r) - logit(centre), level: (e: number) => e }[shape];
    for (let i = 0; i < n; i++) odds[i] += weight * of(evidence[i]);
  }
  return odds;
}

/** What the two colour models are first fitted to. */
function firstSamples(
  colours: Float64Array,
  seeds: Uint8Array,
  evidence: Float64Array | null,
  { soft, undecided }: GraphCutOptions,
): [Samples, Samples] {
  if (soft && evidence) {
    const at = Int32Array.from({ length: seeds.length }, (_, i) => i);
    const sigmoid = (u: number): number => 1 / (1 + Math.exp(-u));
    const [object, background] =
      'slope' in soft
        ? [(e: number) => sigmoid(soft.slope * (e - soft.margin)), (e: number) => sigmoid(-soft.slope * (e + soft.margin))]
        : [(r: number) => r ** soft.foreground, (r: number) => (1 - r) ** soft.background];
    return [
      { colours, at, weights: evidence.map(object) },
      { colours, at, weights: evidence.map(background) },
    ];
  }
  const isForeground = undecided === 'foreground' ? (s: number) => s !== BACKGROUND : (s: number) => s === FOREGROUND;
  const isBackground = undecided === 'background' ? (s: number) => s !== FOREGROUND : (s: number) => s === BACKGROUND;
  return [
    { colours, at: where(seeds, isForeground) },
    { colours, at: where(seeds, isBackground) },
  ];
}

function refit(foreground: Samples, background: Samples, models: Models, { mixture }: GraphCutOptions): Models | null {
  return both(refitMixture(foreground, models.foreground, mixture!), refitMixture(background, models.background, mixture!));
}

function where(labels: Uint8Array, test: (label: number) => boolean): Int32Array {
  const at: number[] = [];
  for (let i = 0; i < labels.length; i++) if (test(labels[i])) at.push(i);
  return Int32Array.from(at);
}
