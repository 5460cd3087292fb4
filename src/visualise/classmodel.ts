/**
 * Class model visualisation: an image that the network scores highly as a class, found by ascent on the image with the weights fixed.
 *
 *     I* = argmax over I of S_c(I) - lambda * ||I||_2^2
 *
 * @see Simonyan, Vedaldi, Zisserman 2013, section 2
 */
import { InputError } from '../errors.ts';
import type { Executor } from '../gpu/executor.ts';
import { DeviceTensor } from '../gpu/tensor.ts';
import { checkMeanShape, type PixelSpec } from '../image/preprocess.ts';
import { posterior, type Network } from '../network.ts';
import { uniform } from '../random.ts';
import { size, zeros, type Shape, type Tensor } from '../tensor.ts';
import { Ascent } from './ascent.ts';
import { classModelRecipe, levelsPerUnit, stepRecipe, type ClassModelPreset, type ClassModelRecipe } from './classmodelPresets.ts';

export interface ClassModelOptions extends Partial<ClassModelRecipe> {
  /** One class for each item of the network's batch. */
  readonly classes: readonly number[];
  /** Where ingredients that are not given come from. Default: paper. */
  readonly preset?: ClassModelPreset;
  /** How pixels became the network's input. Without it one unit of the input counts as one grey level, and nothing can be clipped. */
  readonly spec?: PixelSpec;
  /** Hears of every iteration, with one row for each class. */
  readonly onIteration?: (iteration: number, rows: readonly ClassModelRow[]) => void;
  /** Stops the ascent between two iterations, with the signal's own reason. */
  readonly signal?: AbortSignal;
}

/** What one iteration saw, before its step. */
export interface ClassModelRow {
  readonly iteration: number;
  /** Unnormalised score S_c and posterior P_c = exp S_c / sum exp S of the image as the network saw it, jitter included. */
  readonly score: number;
  readonly posterior: number;
  /** ||I||_2 in grey levels, of the image less the mean. */
  readonly norm: number;
  /** What ascends: S_c, or P_c where the posterior is sought, less lambda * norm^2. */
  readonly objective: number;
}

/** The model of one class. */
export interface ClassModel extends ClassModelRow {
  readonly class: number;
  /** I [1, C, H, W] in the network's unit: zero-centred, the mean image not added. */
  readonly image: Tensor;
  readonly recipe: ClassModelRecipe;
  /** Iterations 0 (the start) to `recipe.iterations` (the last image): one row more than there were steps. */
  readonly trace: readonly ClassModelRow[];
}

/**
 * Models of several classes, sought in one batch: each has the bits that it would have alone. The same options give the same bits on every
 * run.
 *
 * An iteration: roll by the jitter; S_c and dS_c/dI there; roll the gradient back; v = m v + (dS_c/dI - 2 lambda I), normalised if asked;
 * I = I + step v; decay; clip (`step`); blur; clip (`last`). The image never leaves the device until the end.
 * @param network on a batch of as many images as there are classes, its input zero-centred pixels [N, C, H, W]
 * @throws InputError if an option is out of range, the batch is another, or scores or image stop being finite numbers: the step was too
 *   long
 * @see the paper, section 2; {@link ClassModelRecipe} for units
 */
export async function classModel(network: Network, options: ClassModelOptions): Promise<ClassModel[]> {
  const { classes, preset = 'paper', spec, onIteration, signal, ...changes } = options;
  const recipe = classModelRecipe(preset, changes);
  const shape = network.inputShape;
  checkQuestion(network, classes, spec, recipe);
  const unit = levelsPerUnit(spec);
  const { executor, input, target, scores } = await network.open(recipe.score);
  const own: { dispose(): void }[] = [executor];
  try {
    const seed = seedOf(executor.plan.values[target].shape, classes);
    const start = startImage(shape, recipe, spec);
    const ascent = await Ascent.create(network.gpu, start, stepRecipe(recipe, spec));
    own.push(ascent);
    const best = recipe.keep === 'best' ? await DeviceTensor.from(network.gpu, 'best images', start) : null;
    if (best) own.push(best);

    const traces: ClassModelRow[][] = classes.map(() => []);
    const record = async (iteration: number, norms: ArrayLike<number>): Promise<readonly ClassModelRow[]> => {
      const rows = await readRows(executor, scores, classes, iteration, norms, unit, recipe);
      rows.forEach((row, n) => {
        checkFinite(row, classes[n], recipe);
        if (best && traces[n].every(({ objective }) => objective < row.objective)) best.copy(ascent.images, n);
        traces[n].push(row);
      });
      onIteration?.(iteration, rows);
      return rows;
    };

    const draw = uniform(recipe.seed ^ JITTER);
    let norms: ArrayLike<number> = normsOf(start);
    for (let iteration = 0; iteration < recipe.iterations; iteration++) {
      signal?.throwIfAborted();
      const offset = (): number => Math.floor(draw() * (recipe.jitter + 1));
      const offsets = [offset(), offset()] as const;
      await executor.run({ [input]: await ascent.shifted(offsets) }, seed);
      await record(iteration, norms);
      norms = await ascent.step(executor.deviceGradient(input), offsets, recipe.blur.sigma > 0 && iteration % recipe.blur.every === 0);
    }
    await executor.forward({ [input]: ascent.images });
    let rows = await record(recipe.iterations, norms);
    if (best) {
      // Jitter may have shown the network another view of the image that is kept.
      await executor.forward({ [input]: best });
      const kept = traces.map((trace) => trace.reduce((a, b) => (b.objective > a.objective ? b : a)));
      rows = await readRows(
        executor,
        scores,
        classes,
        0,
        kept.map(({ norm }) => norm / unit),
        unit,
        recipe,
      );
      rows = rows.map((row, n) => ({ ...row, iteration: kept[n].iteration }));
    }
    const images = await (best ?? ascent.images).read();
    const item = size(shape.slice(1));
    return classes.map((k, n) => ({
      ...rows[n],
      class: k,
      image: { shape: [1, ...shape.slice(1)], data: images.data.slice(n * item, (n + 1) * item) },
      recipe,
      trace: traces[n],
    }));
  } finally {
    for (const made of own) made.dispose();
  }
}

/** Keeps the generators of noise and jitter apart. */
const JITTER = 0x5bd1e995;

function checkQuestion(network: Network, classes: readonly number[], spec: PixelSpec | undefined, recipe: ClassModelRecipe): void {
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
  if (!spec && recipe.clip !== 'none') {
    throw new InputError(
      `class model: expected a specification of the pixels with clip "${recipe.clip}", got none. Give spec, or clip "none".`,
    );
  }
}

/** The zero image, or the same normal noise for every class. */
function startImage(shape: Shape, recipe: ClassModelRecipe, spec: PixelSpec | undefined): Tensor {
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

function normsOf({ shape, data }: Tensor): number[] {
  const item = size(shape.slice(1));
  return Array.from({ length: shape[0] }, (_, n) => Math.sqrt(data.subarray(n * item, (n + 1) * item).reduce((sum, v) => sum + v * v, 0)));
}

/** One at each item's class, 0 elsewhere. */
function seedOf(shape: Shape, classes: readonly number[]): Tensor {
  const seed = zeros(shape);
  const count = size(shape.slice(1));
  classes.forEach((k, n) => {
    if (!Number.isInteger(k) || k < 0 || k >= count) throw new InputError(`class model: expected classes in [0, ${count - 1}], got ${k}.`);
    seed.data[n * count + k] = 1;
  });
  return seed;
}

async function readRows(
  executor: Executor,
  scores: string,
  classes: readonly number[],
  iteration: number,
  norms: ArrayLike<number>,
  unit: number,
  recipe: ClassModelRecipe,
): Promise<ClassModelRow[]> {
  const { data } = await executor.readTensor(scores);
  const count = data.length / classes.length;
  return classes.map((k, n) => {
    const row = data.subarray(n * count, (n + 1) * count);
    const [score, p, norm] = [row[k], posterior(row)[k], norms[n] * unit];
    return { iteration, score, posterior: p, norm, objective: (recipe.score === 'posterior' ? p : score) - recipe.lambda * norm ** 2 };
  });
}

function checkFinite({ iteration, score, norm }: ClassModelRow, k: number, recipe: ClassModelRecipe): void {
  if (Number.isFinite(score) && Number.isFinite(norm)) return;
  throw new InputError(
    `class model: expected the ascent to stay finite, got score ${score} and norm ${norm} for class ${k} at iteration ${iteration}.` +
      ` Lower step (${recipe.step})${recipe.momentum > 0 ? ` or momentum (${recipe.momentum})` : ''}, or raise lambda (${recipe.lambda}).`,
  );
}
