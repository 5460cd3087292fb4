/** What a class model begins with: the question, the image that ascends, and the seed of its gradient. */
import { InputError } from '../errors.ts';
import { checkMeanShape, type PixelSpec } from '../image/preprocess.ts';
import type { Network } from '../network.ts';
import { uniform } from '../random.ts';
import { size, zeros, type Shape, type Tensor } from '../tensor.ts';
import { levelsPerUnit, stepRecipe, type ClassModelPreset, type ClassModelRecipe } from './classmodelPresets.ts';

export interface ClassModelQuestion extends Partial<ClassModelRecipe> {
  /** One class for each item of the network's batch. */
  readonly classes: readonly number[];
  /** Where ingredients that are not given come from. Default: paper. */
  readonly preset?: ClassModelPreset;
  /** How pixels became the network's input. Without it one unit of the input counts as one grey level, and nothing can be clipped. */
  readonly spec?: PixelSpec;
}

export function checkQuestion(network: Network, classes: readonly number[], spec: PixelSpec | undefined, recipe: ClassModelRecipe): void {
  const shape = network.inputShape;
  const channels = spec?.mean.length ?? shape[1];
  if (shape.length !== 4 || shape[1] !== channels) {
    throw new InputError(`class model: expected a network on images [N, ${channels ?? 'C'}, H, W], got ${shape.join('x')}.`);
  }
  if (spec) checkMeanShape(spec, [shape[2], shape[3]], 'class model');
  if (classes.length !== shape[0]) {
    throw new InputError(
      `class model: expected ${shape[0]} classes, one for each image of the network's batch, got ${classes.length}.` +
        ` Take the model at a batch of ${classes.length}.`,
    );
  }
  checkClip(spec, recipe);
}

export function checkClip(spec: PixelSpec | undefined, recipe: ClassModelRecipe): void {
  if (!spec && recipe.clip !== 'none') {
    throw new InputError(
      `class model: expected a specification of the pixels with clip "${recipe.clip}", got none. Give spec, or clip "none".`,
    );
  }
}

/** The zero image, or the same normal noise for every class. */
export function startImage(shape: Shape, recipe: ClassModelRecipe, spec: PixelSpec | undefined): Tensor {
  const start = zeros(shape);
  if (recipe.noise === 0) return start;
  const [items, channels, ...plane] = shape;
  const extent = channels * size(plane);
  const next = uniform(recipe.seed);
  const limits = recipe.clip === 'last' ? stepRecipe(recipe, spec).limits! : undefined;
  for (let i = 0; i < extent; i++) {
    // Box and Muller's transform.
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    const value = (recipe.noise / levelsPerUnit(spec)) * normal;
    const c = limits ? Math.floor((i * limits.low.length) / extent) : 0;
    start.data[i] = limits ? Math.min(limits.high[c], Math.max(limits.low[c], value)) : value;
  }
  for (let n = 1; n < items; n++) start.data.copyWithin(n * extent, 0, extent);
  return start;
}

export function normsOf({ shape, data }: Tensor): number[] {
  const item = size(shape.slice(1));
  return Array.from({ length: shape[0] }, (_, n) => Math.sqrt(data.subarray(n * item, (n + 1) * item).reduce((sum, v) => sum + v * v, 0)));
}

/** One at each item's class, 0 elsewhere. */
export function seedOf(shape: Shape, classes: readonly number[]): Tensor {
  const seed = zeros(shape);
  const count = size(shape.slice(1));
  classes.forEach((k, n) => {
    if (!Number.isInteger(k) || k < 0 || k >= count) throw new InputError(`class model: expected classes in [0, ${count - 1}], got ${k}.`);
    seed.data[n * count + k] = 1;
  });
  return seed;
}
