/** How a class model is sought: every ingredient by name, and the three mixtures of them that have been published. */
import { InputError } from '../errors.ts';
import { PRESETS as PREPROCESS, type PixelSpec } from '../image/preprocess.ts';
import type { ScoreKind } from '../network.ts';
import type { StepRecipe } from './ascent.ts';

/**
 * Every ingredient. Amounts of light are in grey levels (0..255), whatever the network's own unit is, so that a recipe carries over from a
 * network that takes 0..255 to one that takes normalised pixels; {@link levelsPerUnit} is the exchange rate.
 */
export interface ClassModelRecipe {
  /**
   * What ascends: the unnormalised score S_c, or the posterior P_c itself (not its logarithm). As dP_c is at most P_c (1 - P_c) times the
   * slopes of scores, it is nearly flat at the zero image; `normalise` gets it going.
   */
  readonly score: Exclude<ScoreKind, 'logodds'>;
  /** Weight of ||I||_2^2 in the objective, in score per squared level. */
  readonly lambda: number;
  /** I = I + step * v, in squared levels per score; with `normalise`, the length of the step in levels. */
  readonly step: number;
  readonly iterations: number;
  /** v = momentum * v + (dS/dI - 2 lambda I); 0: plain ascent. */
  readonly momentum: number;
  /** Divide dS/dI - 2 lambda I by its Euclidean norm before it enters v. */
  readonly normalise: boolean;
  /** Standard deviation of the normal noise to start from, in levels; 0: the zero image. */
  readonly noise: number;
  /** Before each look the image is rolled by 0 to this many rows and columns, and back afterwards; 0: not. */
  readonly jitter: number;
  /** After each step the image is multiplied by 1 - decay. */
  readonly decay: number;
  /** After the first step and every `every`-th one after it, a Gaussian blur of `sigma` pixels; sigma 0: none. */
  readonly blur: { readonly sigma: number; readonly every: number };
  /** Keep pixels within 0..255: `step` right after the step and before the blur, `last` after everything, and at the start. */
  readonly clip: 'none' | 'step' | 'last';
  /** Which image is the result: the last one, or the one with the best objective. */
  readonly keep: 'last' | 'best';
  /** Of noise and jitter; all classes share both. */
  readonly seed: number;
}

/** Grey levels to one unit of the input, std / scale: the geometric mean over the channels, 1 without a specification. */
export function levelsPerUnit(spec: PixelSpec | undefined): number {
  if (!spec) return 1;
  return Math.exp(spec.std.reduce((sum, s) => sum + Math.log(s), 0) / spec.std.length) / spec.scale;
}

const PLAIN: ClassModelRecipe = {
  score: 'scores',
  lambda: 0,
  step: 1,
  iterations: 1,
  momentum: 0,
  normalise: false,
  noise: 0,
  jitter: 0,
  decay: 0,
  blur: { sigma: 0, every: 1 },
  clip: 'none',
  keep: 'last',
  seed: 0,
};

/** Of torchvision's normalised pixels, in which CS231n states its numbers. */
const NORMALISED = levelsPerUnit(PREPROCESS.torchvision);

/**
 * - `paper`: the zero image, v = momentum * v + (dS_c/dI - 2 lambda I), I = I + step * v, and nothing else. The paper leaves lambda, step,
 *   momentum and iterations open; these are ours.
 * - `cs231n`: the exercise of Stanford's course: normal noise, steps of 25 along the normalised gradient (in normalised pixels), lambda
 *   1e-3, jitter up to 16, clipping, blur 0.5 every tenth step; 100 steps.
 * - `deepvis`: Yosinski et al. 2015, third of the settings recommended with their toolbox (the paper's figures): noise 10, rate 100, decay
 *   1e-4, blur 1 every fourth step, clipping; 1000 steps, the best image kept.
 *   Its rate was made for CaffeNet's large gradients: SqueezeNet 1.1 shows next to nothing after 250 of its steps, and geese after 150 of
 *   `step` 5000.
 * @see the paper, section 2; cs231n.github.io, assignment 3, network visualization; yosinski/deep-visualization-toolbox
 */
export const CLASS_MODEL_PRESETS = {
  paper: { ...PLAIN, lambda: 4e-6, step: 1000, iterations: 100, momentum: 0.9 },
  cs231n: {
    ...PLAIN,
    lambda: 1e-3 / NORMALISED ** 2,
    step: 25 * NORMALISED,
    iterations: 100,
    normalise: true,
    noise: NORMALISED,
    jitter: 16,
    blur: { sigma: 0.5, every: 10 },
    clip: 'step',
  },
  deepvis: { ...PLAIN, step: 100, iterations: 1000, noise: 10, decay: 1e-4, blur: { sigma: 1, every: 4 }, clip: 'last', keep: 'best' },
} satisfies Record<string, ClassModelRecipe>;

export type ClassModelPreset = keyof typeof CLASS_MODEL_PRESETS;

/**
 * A preset with some of its ingredients replaced.
 * @throws InputError naming the ingredient that is out of range; the message says what would diverge
 */
export function classModelRecipe(preset: ClassModelPreset, changes: Partial<ClassModelRecipe> = {}): ClassModelRecipe {
  if (!Object.hasOwn(CLASS_MODEL_PRESETS, preset)) {
    throw new InputError(`class model: expected a preset among ${Object.keys(CLASS_MODEL_PRESETS).join(', ')}, got "${preset}".`);
  }
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  const recipe: ClassModelRecipe = { ...CLASS_MODEL_PRESETS[preset], ...given };
  const expect = (good: boolean, name: string, what: string, got: unknown): void => {
    if (!good) throw new InputError(`class model: expected ${name} to be ${what}, got ${JSON.stringify(got)}.`);
  };
  const atLeast = (name: 'lambda' | 'noise', low: number): void =>
    expect(Number.isFinite(recipe[name]) && recipe[name] >= low, name, `a number of at least ${low}`, recipe[name]);
  const whole = (name: string, value: number, low: number, high: number): void =>
    expect(Number.isInteger(value) && value >= low && value <= high, name, `a whole number from ${low} to ${high}`, value);
  const among = (name: 'score' | 'clip' | 'keep', choices: readonly string[]): void =>
    expect(choices.includes(recipe[name]), name, `one of ${choices.join(', ')}`, recipe[name]);
  const share = (name: 'momentum' | 'decay'): void => expect(recipe[name] >= 0 && recipe[name] < 1, name, 'in [0, 1)', recipe[name]);
  among('score', ['scores', 'posterior']);
  among('clip', ['none', 'step', 'last']);
  among('keep', ['last', 'best']);
  atLeast('lambda', 0);
  atLeast('noise', 0);
  expect(Number.isFinite(recipe.step) && recipe.step > 0, 'step', 'a positive number', recipe.step);
  share('momentum');
  share('decay');
  whole('iterations', recipe.iterations, 1, 1e6);
  whole('jitter', recipe.jitter, 0, 1e4);
  whole('seed', recipe.seed, 0, 2 ** 32 - 1);
  const { sigma, every } = recipe.blur;
  expect(sigma >= 0 && sigma <= 15.75, 'blur sigma', 'in [0, 15.75] pixels', sigma);
  whole('blur every', every, 1, 1e6);
  // Of v = m v - 2 lambda I, I = I + step v alone, the eigenvalues leave the unit circle here: the image would grow whatever the network
  // says.
  if (!recipe.normalise && recipe.step * recipe.lambda >= 1 + recipe.momentum) {
    throw new InputError(
      `class model: expected step * lambda below 1 + momentum = ${1 + recipe.momentum}, got ${recipe.step * recipe.lambda}:` +
        ' the pull towards zero would overshoot and the image grow without end. Lower step or lambda.',
    );
  }
  return recipe;
}

/** The recipe in the network's own unit, u levels to one: I scales with 1/u, dS/dI with u, so that step takes 1/u^2 and lambda u^2. */
export function stepRecipe(recipe: ClassModelRecipe, spec: PixelSpec | undefined): StepRecipe {
  const unit = levelsPerUnit(spec);
  return {
    step: recipe.normalise ? recipe.step / unit : recipe.step / unit ** 2,
    lambda: recipe.lambda * unit ** 2,
    momentum: recipe.momentum,
    normalise: recipe.normalise,
    decay: recipe.decay,
    sigma: recipe.blur.sigma,
    shifts: recipe.jitter > 0,
    limits: spec && recipe.clip !== 'none' ? { low: valuesOf(0, spec), high: valuesOf(255, spec), when: recipe.clip } : undefined,
  };
}

/** What a pixel becomes in each channel; with a mean image, in each place of each channel. */
function valuesOf(pixel: number, { scale, mean, std, meanImage }: PixelSpec): number[] {
  const means = meanImage ? [...meanImage.data] : mean;
  const plane = means.length / std.length;
  return means.map((value, i) => (pixel * scale - value) / std[Math.floor(i / plane)]);
}
