/**
 * Recipes for GraphCut: every number a named field, so that a recipe is data.
 * @see Simonyan, Vedaldi, Zisserman 2013, section 3.2
 */
import { InputError } from '../errors.ts';
import type { Connectivity } from './flownetwork.ts';
import type { MixtureOptions } from './gmm.ts';
import type { Quantiles } from './seeds.ts';

/**
 * What a recipe looks at: the paper's saliency max_c |dS/dI_c|, or that fused with what tensors inside the network say (see fused.ts in the
 * visualise room).
 */
export const MAP_KINDS = ['saliency', 'fused'] as const;

export type MapKind = (typeof MAP_KINDS)[number];

/** Costs are in nats (natural logarithms of likelihoods), lengths in pixels of the picture that is cut. */
export interface GraphCutOptions {
  /** The map that the recipe is made for. */
  readonly map: MapKind;
  /** The shorter side to which the picture is resized before it is cut; null: as given. */
  readonly side: number | null;
  /** A picture of more pixels than this, once `side` is done, is shrunk to so many. */
  readonly pixels: number;
  /** Standard deviation of the Gaussian that smooths the map first; 0: none. */
  readonly smoothing: number;
  /** Pixels that the colour models are fitted to. */
  readonly seeds: Quantiles;
  /** Pixels whose side is settled: the other side costs `strength`. */
  readonly clamps: (Quantiles & { readonly strength: number }) | null;
  /** What undecided pixels count for when the colour models are first fitted. */
  readonly undecided: 'neither' | 'foreground' | 'background';
  /**
   * In place of seeds, every pixel feeds both colour models. By rank: the object's with the weight r^foreground, the background's with
   * (1 - r)^background, r being the rank of its saliency in (0, 1). By evidence: sigmoid(slope (e - margin)) and sigmoid(-slope (e +
   * margin)), e being its log ratio to the level of `prior`.
   */
  readonly soft: Quantiles | { readonly slope: number; readonly margin: number } | null;
  /** Of either side's colours; null: colours count only in the pairwise term. */
  readonly mixture: MixtureOptions | null;
  /** Share of the uniform distribution over all colours in either likelihood. */
  readonly uniform: number;
  /** No pixel's side costs more than this, clamps aside. */
  readonly cap: number;
  /**
   * Saliency in the unary term: `weight` times the log odds that a pixel's saliency M gives to object. By its rank r, these are r - centre
   * (`linear`) or logit r - logit centre (`logit`); by its size (`level`), log(M / level), at most 3 either way, with
   * level = centre * sqrt(mean M * q99 M) over the pixels above zero: a peaked map is cut closer than a flat one.
   */
  readonly prior: { readonly weight: number; readonly shape: 'linear' | 'logit' | 'level'; readonly centre: number } | null;
  /**
   * Neighbours on different sides cost weight * exp(-sharpness * d / mean d) / distance, d being the squared distance of their colours, its
   * mean taken over all neighbours, and distance 1 or, across a corner, sqrt 2.
   */
  readonly pairwise: { readonly weight: number; readonly sharpness: number; readonly connectivity: Connectivity };
  /** Costs are multiplied by this and rounded: the cut is exact on whole numbers. */
  readonly scale: number;
  /** Cuts; between two of them the colour models are fitted again, to what the cut before gave either side. */
  readonly iterations: number;
  /** The object is the largest component; `seeded`: of those that hold an object seed. */
  readonly component: { readonly connectivity: Connectivity; readonly seeded: boolean };
  /** The component's extent, or its extent less what lies beyond this share of its pixels along either axis. */
  readonly box: 'extent' | { readonly mass: number };
}

/**
 * As run in the authors' lab: Gulshan's implementation of Boykov and Jolly's interactive segmentation, its user's strokes drawn by
 * quantiles. Quantiles, mixtures, likelihood, contrast and scale are those of its options file and of the lab's published script; cap and
 * clamp strength those of a later program on the same code, which the original may not have had. The lab's resizing was bicubic.
 * @see Boykov, Jolly 2001, Interactive Graph Cuts for Optimal Boundary & Region Segmentation of Objects in N-D Images
 */
const BOYKOV_JOLLY: GraphCutOptions = {
  map: 'saliency',
  side: 256,
  pixels: 2 ** 19,
  smoothing: 0,
  seeds: { foreground: 0.95, background: 0.3 },
  clamps: { foreground: 0.995, background: 0.005, strength: 2000 },
  undecided: 'neither',
  soft: null,
  mixture: {
    components: 5,
    start: 'binary-split',
    em: 0,
    fewest: 3,
    // In units of 0..255: the package's 0.0001 is one of 0..1.
    regularise: { kind: 'condition', least: 1e-8, share: 0.01, uniform: 0.0001 * 255 ** 2 },
  },
  uniform: 0.05,
  cap: 100,
  prior: null,
  pairwise: { weight: 150, sharpness: 2, connectivity: 4 },
  scale: 50,
  iterations: 1,
  component: { connectivity: 8, seeded: true },
  box: 'extent',
};

/**
 * OpenCV's grabCut begun from a mask, its seeds all hard: the variant that most people have. Five rounds, as in OpenCV's documentation.
 * The undecided count as probable background. OpenCV cuts pictures as they are; here those beyond 512 x 512 pixels are shrunk to that many,
 * and its floating-point capacities are thousandths.
 * @see Rother, Kolmogorov, Blake 2004, "GrabCut": Interactive Foreground Extraction using Iterated Graph Cuts
 */
const GRABCUT: GraphCutOptions = {
  map: 'saliency',
  side: null,
  pixels: 2 ** 18,
  smoothing: 0,
  seeds: { foreground: 0.95, background: 0.3 },
  clamps: { foreground: 0.95, background: 0.3, strength: 450 },
  undecided: 'background',
  soft: null,
  mixture: { components: 5, start: 'k-means++', em: 0, fewest: 1, regularise: { kind: 'determinant', least: 1e-6, add: 0.01 } },
  uniform: 0,
  cap: 100_000,
  prior: null,
  pairwise: { weight: 50, sharpness: 0.5, connectivity: 8 },
  scale: 1000,
  iterations: 5,
  component: { connectivity: 8, seeded: false },
  box: 'extent',
};

/**
 * Our own, and the default: the fused map is not only where the colours come from but speaks in the unary term itself, six times as loud as
 * the colours; every pixel feeds both mixtures by what the map says of it; the box leaves out the outermost pixels of the component.
 *
 * Its numbers were settled on 150 validation images of ILSVRC2012 and held against 150 others: bench/LOCALISATION.md.
 */
const BACKLIGHT: GraphCutOptions = {
  map: 'fused',
  side: 256,
  pixels: 2 ** 19,
  smoothing: 0,
  seeds: { foreground: 0.95, background: 0.3 },
  clamps: null,
  undecided: 'neither',
  soft: { slope: 2, margin: 0.5 },
  mixture: BOYKOV_JOLLY.mixture,
  uniform: 0.05,
  cap: 100,
  prior: { weight: 6, shape: 'level', centre: 0.43 },
  pairwise: { weight: 8, sharpness: 0.5, connectivity: 8 },
  scale: 100,
  iterations: 1,
  component: { connectivity: 8, seeded: false },
  box: { mass: 0.97 },
};

export const GRAPHCUT_PRESETS = { backlight: BACKLIGHT, 'boykov-jolly': BOYKOV_JOLLY, grabcut: GRABCUT } as const satisfies Record<
  string,
  GraphCutOptions
>;

export type PresetName = keyof typeof GRAPHCUT_PRESETS;

export const PRESET_NAMES = Object.keys(GRAPHCUT_PRESETS) as readonly PresetName[];

export const DEFAULT_PRESET: PresetName = 'backlight';

/** @throws InputError if `name` is not a preset */
export function parsePreset(name: string): PresetName {
  if ((PRESET_NAMES as readonly string[]).includes(name)) return name as PresetName;
  throw new InputError(`preset: expected one of ${PRESET_NAMES.join(', ')}, got "${name}".`);
}

/**
 * A recipe by name, or one of one's own, checked.
 * @throws InputError naming the field that is out of range
 */
export function graphCutOptions(preset: PresetName | GraphCutOptions): GraphCutOptions {
  const options: GraphCutOptions = typeof preset === 'string' ? GRAPHCUT_PRESETS[parsePreset(preset)] : preset;
  const { seeds, clamps, soft, mixture, prior, pairwise, component, box } = options;
  const expect = (good: boolean, field: string, what: string, got: unknown): void => {
    if (!good) throw new InputError(`graphcut: expected ${field} to be ${what}, got ${JSON.stringify(got)}.`);
  };
  const from0 = (value: number): boolean => value >= 0 && Number.isFinite(value);
  const whole = (value: number, least: number): boolean => Number.isInteger(value) && value >= least;
  const quantiles = ({ foreground, background }: Quantiles): boolean => background >= 0 && background < foreground && foreground <= 1;
  expect(options.side === null || whole(options.side, 1), 'side', 'a whole number from 1 or null', options.side);
  expect(whole(options.pixels, 1), 'pixels', 'a whole number from 1', options.pixels);
  expect(from0(options.smoothing), 'smoothing', 'a number from 0', options.smoothing);
  expect(quantiles(seeds), 'seeds', 'quantiles, background below foreground', seeds);
  expect(clamps === null || (quantiles(clamps) && from0(clamps.strength)), 'clamps', 'quantiles and a strength from 0, or null', clamps);
  expect(
    soft === null || ('slope' in soft ? prior?.shape === 'level' && from0(soft.slope) : from0(soft.foreground) && from0(soft.background)),
    'soft',
    'powers from 0, a slope from 0 beside a prior by level, or null',
    soft,
  );
  expect(
    mixture === null || (whole(mixture.components, 1) && mixture.components < 256 && whole(mixture.em, 0)),
    'mixture',
    '1 to 255 components and a whole number of rounds of em, or null',
    mixture,
  );
  expect(options.uniform >= 0 && options.uniform < 1, 'uniform', 'a share below 1', options.uniform);
  expect(from0(options.cap), 'cap', 'a number from 0', options.cap);
  expect(
    prior === null || (Number.isFinite(prior.weight) && prior.centre > 0 && (prior.centre < 1 || prior.shape === 'level')),
    'prior',
    'a weight and a centre above 0 (below 1 for a rank), or null',
    prior,
  );
  expect(from0(pairwise.weight) && from0(pairwise.sharpness), 'pairwise', 'a weight and a sharpness from 0', pairwise);
  for (const { connectivity } of [pairwise, component])
    expect(connectivity === 4 || connectivity === 8, 'connectivity', '4 or 8', connectivity);
  expect(options.scale > 0 && Number.isFinite(options.scale), 'scale', 'a number above 0', options.scale);
  expect(whole(options.iterations, 1), 'iterations', 'a whole number from 1', options.iterations);
  expect(box === 'extent' || (box.mass > 0 && box.mass <= 1), 'box', '"extent" or a mass above 0 and at most 1', box);
  return options;
}
