/**
 * A class model in the making: the ascent of `classModel`, one iteration at a time, so that it can be watched, halted, bent and gone on with.
 */
import { InputError } from '../errors.ts';
import { DeviceTensor } from '../gpu/tensor.ts';
import { posterior, type Network } from '../network.ts';
import { uniform } from '../random.ts';
import { size, type Shape, type Tensor } from '../tensor.ts';
import { Ascent } from './ascent.ts';
import { classModelRecipe, levelsPerUnit, stepRecipe, type ClassModelRecipe } from './classmodelPresets.ts';
import { checkClip, checkQuestion, normsOf, seedOf, startImage, type ClassModelQuestion } from './classmodelStart.ts';

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

/** What can change on the way: what was drawn, seen and kept so far stands. */
export type ClassModelChange = Partial<Omit<ClassModelRecipe, 'score' | 'noise' | 'keep' | 'seed'>>;

/** Keeps the generators of noise and jitter apart. */
const JITTER = 0x5bd1e995;

/** A step of ascent after another, for as many as the recipe says. The images stay on the device. To be disposed of before the network. */
export class ClassModelRun {
  /** What is to be freed. */
  readonly #own: { dispose(): void }[];
  readonly #draw: () => number;
  readonly #traces: ClassModelRow[][];
  /** With `keep: best`, the row of each item's image in `best`. */
  readonly #kept: ClassModelRow[] = [];
  #recipe: ClassModelRecipe;
  #norms: ArrayLike<number>;
  #steps = 0;
  #done = false;

  private constructor(
    private readonly question: ClassModelQuestion,
    recipe: ClassModelRecipe,
    private readonly network: Awaited<ReturnType<Network['open']>> & { readonly seed: Tensor; readonly shape: Shape },
    private readonly ascent: Ascent,
    private readonly best: DeviceTensor | undefined,
    start: Tensor,
  ) {
    this.#own = [network.executor, ascent, ...(best ? [best] : [])];
    this.#recipe = recipe;
    this.#draw = uniform(recipe.seed ^ JITTER);
    this.#traces = question.classes.map(() => []);
    this.#norms = normsOf(start);
  }

  /**
   * @param network on a batch of as many images as there are classes, its input zero-centred pixels [N, C, H, W]
   * @throws InputError if an option is out of range or the batch is another
   */
  static async create(network: Network, question: ClassModelQuestion): Promise<ClassModelRun> {
    const { classes, preset = 'paper', spec, ...changes } = question;
    const recipe = classModelRecipe(preset, changes);
    const shape = network.inputShape;
    checkQuestion(network, classes, spec, recipe);
    const open = await network.open(recipe.score);
    const own: { dispose(): void }[] = [open.executor];
    try {
      const seed = seedOf(open.executor.plan.values[open.target].shape, classes);
      const start = startImage(shape, recipe, spec);
      const ascent = await Ascent.create(network.gpu, start, stepRecipe(recipe, spec));
      own.push(ascent);
      const best = recipe.keep === 'best' ? await DeviceTensor.from(network.gpu, 'best images', start) : undefined;
      return new ClassModelRun(question, recipe, { ...open, seed, shape }, ascent, best, start);
    } catch (error) {
      for (const made of own) made.dispose();
      throw error;
    }
  }

  /** As it is now. */
  get recipe(): ClassModelRecipe {
    return this.#recipe;
  }

  /** Whether the last image has been looked at: there is nothing more to do, unless the recipe is changed to more iterations. */
  get done(): boolean {
    return this.#done;
  }

  /** What was seen so far of each class; row t is of iteration t. */
  get traces(): readonly (readonly ClassModelRow[])[] {
    return this.#traces;
  }

  /**
   * Looks at the images, and takes a step if any are left: roll by the jitter; S_c and dS_c/dI there; roll the gradient back; v = m v +
   * (dS_c/dI - 2 lambda I), normalised if asked; I = I + step v; decay; clip (`step`); blur; clip (`last`).
   * @returns what was seen before the step, a row for each class
   * @throws InputError if scores or image stop being finite numbers: the step was too long
   */
  async step(): Promise<readonly ClassModelRow[]> {
    if (this.#done) throw new InputError('class model: expected iterations to be left, got none. Change the recipe to more of them.');
    const { blur, iterations, jitter } = this.#recipe;
    const { executor, input, seed } = this.network;
    const iteration = this.#steps;
    if (iteration >= iterations) {
      await executor.forward({ [input]: this.ascent.images });
      const rows = await this.#see(iteration);
      this.#done = true;
      return rows;
    }
    const offset = (): number => Math.floor(this.#draw() * (jitter + 1));
    const offsets = [offset(), offset()] as const;
    await executor.run({ [input]: await this.ascent.shifted(offsets) }, seed);
    const rows = await this.#see(iteration);
    rows.forEach((row, n) => {
      if (!this.best || (this.#kept[n] && !(this.#kept[n].objective < row.objective))) return;
      this.best.copy(this.ascent.images, n);
      this.#kept[n] = row;
    });
    this.#norms = await this.ascent.step(executor.deviceGradient(input), offsets, blur.sigma > 0 && iteration % blur.every === 0);
    this.#steps++;
    return rows;
  }

  /** Rows of the images that the network has just looked at. */
  async #see(iteration: number): Promise<readonly ClassModelRow[]> {
    const rows = await this.#read(iteration, this.#norms);
    rows.forEach((row, n) => {
      checkFinite(row, this.question.classes[n], this.#recipe);
      this.#traces[n].push(row);
    });
    return rows;
  }

  /**
   * Goes on by another recipe, from the same images at the same speed. Rows of the past stay as they are; what was the best until now is held
   * against the new objective.
   * @throws InputError, with nothing changed, if an ingredient is out of range
   */
  async change(change: ClassModelChange): Promise<void> {
    const { preset = 'paper', spec } = this.question;
    const recipe = classModelRecipe(preset, { ...this.#recipe, ...defined(change) });
    checkClip(spec, recipe);
    const [before, after] = [this.#recipe, recipe].map((one) => JSON.stringify(stepRecipe(one, spec)));
    if (before !== after) await this.ascent.change(stepRecipe(recipe, spec));
    this.#recipe = recipe;
    this.#kept.forEach((row, n) => (this.#kept[n] = { ...row, objective: this.#objective(row) }));
    if (this.#done && this.#steps < recipe.iterations) {
      // The last image is one of many now, and will be looked at again as these are.
      this.#done = false;
      for (const trace of this.#traces) trace.pop();
    }
  }

  #objective({ score, posterior, norm }: Omit<ClassModelRow, 'objective'>): number {
    return (this.#recipe.score === 'posterior' ? posterior : score) - this.#recipe.lambda * norm ** 2;
  }

  /** @param norms ||I||_2 in the network's unit */
  async #read(iteration: number, norms: ArrayLike<number>): Promise<ClassModelRow[]> {
    const { classes, spec } = this.question;
    const { executor, scores } = this.network;
    const unit = levelsPerUnit(spec);
    const { data } = await executor.readTensor(scores);
    const count = data.length / classes.length;
    return classes.map((k, n) => {
      const row = data.subarray(n * count, (n + 1) * count);
      const seen = { iteration, score: row[k], posterior: posterior(row)[k], norm: norms[n] * unit };
      return { ...seen, objective: this.#objective(seen) };
    });
  }

  /** The images [N, C, H, W] as they are: what the next look is at. */
  images(): Promise<Tensor> {
    return this.ascent.images.read();
  }

  /**
   * The models, once there is nothing more to do.
   * @throws InputError before that
   */
  async models(): Promise<ClassModel[]> {
    if (!this.#done) throw new InputError('class model: expected an ascent that has come to its end. Take the steps that are left.');
    const { classes, spec } = this.question;
    const { executor, input, shape } = this.network;
    const item = size(shape.slice(1));
    const last = this.#traces.map((trace) => trace[trace.length - 1]);
    const images = await this.images();
    let rows: readonly ClassModelRow[] = last;
    if (this.best) {
      // The last image may be the best one, and is not among those that were kept: an ascent that goes on begins there.
      const kept = last.map((row, n) => (this.#kept[n] && !(this.#kept[n].objective < row.objective) ? this.#kept[n] : row));
      const best = await this.best.read();
      kept.forEach((row, n) => {
        if (row !== last[n]) images.data.set(best.data.subarray(n * item, (n + 1) * item), n * item);
      });
      // Jitter may have shown the network another view of the image that is kept.
      await executor.forward({ [input]: images });
      const unit = levelsPerUnit(spec);
      const seen = await this.#read(
        0,
        kept.map(({ norm }) => norm / unit),
      );
      rows = seen.map((row, n) => ({ ...row, iteration: kept[n].iteration }));
    }
    return classes.map((k, n) => ({
      ...rows[n],
      class: k,
      image: { shape: [1, ...shape.slice(1)], data: images.data.slice(n * item, (n + 1) * item) },
      recipe: this.#recipe,
      trace: this.#traces[n],
    }));
  }

  dispose(): void {
    for (const made of this.#own.splice(0)) made.dispose();
  }
}

const defined = <T extends object>(change: T): Partial<T> =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<T>;

function checkFinite({ iteration, score, norm }: ClassModelRow, k: number, recipe: ClassModelRecipe): void {
  if (Number.isFinite(score) && Number.isFinite(norm)) return;
  throw new InputError(
    `class model: expected the ascent to stay finite, got score ${score} and norm ${norm} for class ${k} at iteration ${iteration}.` +
      ` Lower step (${recipe.step})${recipe.momentum > 0 ? ` or momentum (${recipe.momentum})` : ''}, or raise lambda (${recipe.lambda}).`,
  );
}
