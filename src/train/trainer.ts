/**
 * Trains a classifier on the device: forward, backward, update and packing of the weights in one submission a step, while the host makes the
 * next batch. What is drawn at random is a pure function of (seed, step), so that a run taken up from a {@link TrainingState} goes on to the
 * same bits.
 */
import { EngineError, InputError } from '../errors.ts';
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import { ParameterStore } from '../gpu/store.ts';
import { withBatch, type Graph } from '../graph.ts';
import { LOSS_INPUT, LOSS_VALUE, requireScores, withLoss } from '../network.ts';
import { compile } from '../plan.ts';
import type { Tensor } from '../tensor.ts';
import type { Augmentation } from './augment.ts';
import { Batches, plainBatch, type Batch } from './batches.ts';
import type { ImageSource } from './images.ts';
import { initialParameters, weightedLayers } from './initial.ts';
import { rateAt, type Schedule } from './schedule.ts';
import { bestClasses, Tally, type Scored } from './tally.ts';

/** A recipe of training: plain data, every number a named field. */
export interface TrainingRecipe {
  readonly epochs: number;
  readonly batch: number;
  /** The full learning rate. */
  readonly rate: number;
  readonly schedule: Schedule;
  /** Epochs over which the rate rises to the full one. */
  readonly warmup: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly seed: number;
  readonly augmentation: Augmentation;
  /** Grey levels in one unit of the input. */
  readonly unit: number;
}

/** Everything that a run goes on from. */
export interface TrainingState {
  /** Steps done. */
  readonly step: number;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly velocities: ReadonlyMap<string, Tensor>;
}

/** What one step saw, before its update. */
export interface StepReport extends Scored {
  /** Steps done, this one included. */
  readonly step: number;
  readonly rate: number;
}

/** Training that has run away: the loss or a weight is no longer a number. */
export class DivergenceError extends EngineError {}

/** Items of a validation pass that go through the network together. */
const VALIDATION_BATCH = 100;

const ONE: Tensor = { shape: [], data: Float32Array.of(1) };

export class Trainer {
  #step: number;
  #next: Batch | undefined;
  readonly #batches: Batches;

  private constructor(
    readonly gpu: Gpu,
    readonly graph: Graph,
    readonly recipe: TrainingRecipe,
    readonly mean: Tensor,
    source: ImageSource,
    readonly input: string,
    readonly scores: string,
    private readonly store: ParameterStore,
    private readonly executor: Executor,
    step: number,
  ) {
    const { batch, seed, augmentation, unit } = recipe;
    this.#batches = new Batches(source, { batch, seed, augmentation, mean, unit });
    this.#step = step;
  }

  /**
   * @param graph a classifier with one input of images [N, 3, H, W]
   * @param mean [3, H, W], pixels 0 to 255
   * @param start a state to go on from, or the parameters of some layers to begin with ({@link borrowedParameters}). Weights that are in neither are
   *   drawn, and brought to unit variance layer by layer on the first batch
   * @throws InputError if there are fewer images than one batch holds
   */
  static async create(
    gpu: Gpu,
    graph: Graph,
    source: ImageSource,
    mean: Tensor,
    recipe: TrainingRecipe,
    start: { readonly state?: TrainingState; readonly parameters?: ReadonlyMap<string, Tensor> } = {},
  ): Promise<Trainer> {
    const { batch, momentum, weightDecay, seed } = recipe;
    if (source.count < batch) {
      throw new InputError(`training: expected at least one batch of ${batch} images, got ${source.count}. Give a smaller --batch.`);
    }
    const sized = withBatch(graph, batch);
    const scores = requireScores(graph);
    const wrt = graph.parameters.map(({ name }) => name);
    const { state } = start;
    const given = state?.parameters ?? start.parameters ?? new Map<string, Tensor>();
    const parameters = new Map([...initialParameters(graph, seed), ...given]);
    const store = new ParameterStore(gpu, parameters);
    let executor: Executor | undefined;
    try {
      const traits = traitsOf(gpu);
      const plan = compile(withLoss(sized), {
        keep: [LOSS_VALUE, scores],
        target: LOSS_VALUE,
        wrt,
        training: true,
        descent: { momentum, weightDecay },
        traits,
      });
      executor = await Executor.create(gpu, plan, store);
      const trainer = new Trainer(gpu, graph, recipe, mean, source, graph.inputs[0].name, scores, store, executor, state?.step ?? 0);
      if (state) for (const [name, velocity] of state.velocities) executor.velocity(name).write(velocity);
      else
        await trainer.#normalise(
          sized,
          weightedLayers(graph).filter(({ weight }) => !given.has(weight)),
        );
      return trainer;
    } catch (error) {
      executor?.dispose();
      store.dispose();
      throw error;
    }
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  get stepsPerEpoch(): number {
    return this.#batches.perEpoch;
  }

  get steps(): number {
    return this.recipe.epochs * this.stepsPerEpoch;
  }

  /**
   * Layer-sequential unit variance: divides each of these layers' weights by the standard deviation that the layer's output has on the first batch, from the
   * first layer to the last, so that signals neither grow nor fade whatever stands between the layers.
   * @see Mishkin & Matas 2015, "All you need is a good init"
   */
  async #normalise(sized: Graph, layers: ReturnType<typeof weightedLayers>): Promise<void> {
    if (layers.length === 0) return;
    const plan = compile(sized, { keep: layers.map(({ value }) => value), training: true, traits: traitsOf(this.gpu) });
    const executor = await Executor.create(this.gpu, plan, this.store);
    try {
      this.#next = this.#batches.at(0);
      const { x } = this.#next;
      for (const { value, weight } of layers) {
        executor.setRandom(this.recipe.seed, 0);
        await executor.forward({ [this.input]: x });
        const deviation = standardDeviation((await executor.readTensor(value)).data);
        const tensor = await executor.parameter(weight).read();
        // A layer that nothing reaches stays as it is.
        if (deviation > 0) executor.parameter(weight).write({ shape: tensor.shape, data: tensor.data.map((w) => w / deviation) });
        await executor.refreshPrepared();
      }
    } finally {
      executor.dispose();
    }
    await this.executor.refreshPrepared();
  }

  /**
   * One step.
   * @throws DivergenceError if the loss is not finite
   */
  async advance(): Promise<StepReport> {
    const { recipe, executor } = this;
    const step = this.#step;
    const { x, labels } = this.#next ?? this.#batches.at(step);
    const warmup = Math.round(recipe.warmup * this.stepsPerEpoch);
    const rate = rateAt(step, { rate: recipe.rate, schedule: recipe.schedule, warmup, steps: this.steps });
    executor.setRandom(recipe.seed, step);
    const running = executor.train({ [this.input]: x, [LOSS_INPUT]: labels }, ONE, rate);
    // The host's part of the next step goes on while the device works.
    this.#next = step + 1 < this.steps ? this.#batches.at(step + 1) : undefined;
    await running;
    const loss = (await executor.readTensor(LOSS_VALUE)).data[0];
    if (!Number.isFinite(loss)) {
      throw new DivergenceError(`training: expected a finite loss, got ${loss} in step ${step + 1}. Start again with a lower --lr.`);
    }
    const best = bestClasses((await executor.readTensor(this.scores)).data, labels.data);
    this.#step = step + 1;
    return { step: step + 1, rate, images: recipe.batch, loss: loss * recipe.batch, ...best };
  }

  /** Mean loss, top-1 and top-5 of images as they are, without dropout. */
  async validate(images: ImageSource): Promise<Tally> {
    const batch = Math.min(VALIDATION_BATCH, images.count);
    const plan = compile(withBatch(this.graph, batch), { keep: [this.scores], traits: traitsOf(this.gpu) });
    const executor = await Executor.create(this.gpu, plan, this.store);
    const tally = new Tally();
    try {
      const make = (first: number): Batch => plainBatch(images, first, { batch, mean: this.mean, unit: this.recipe.unit });
      let next = make(0);
      for (let first = 0; first < images.count; first += batch) {
        const { x, labels } = next;
        const running = executor.forward({ [this.input]: x });
        if (first + batch < images.count) next = make(first + batch);
        await running;
        const scores = (await executor.readTensor(this.scores)).data;
        tally.addScores(scores, labels.data.subarray(0, images.count - first), batch);
      }
    } finally {
      executor.dispose();
    }
    return tally;
  }

  /**
   * Parameters and velocities as they are now.
   * @throws DivergenceError if one of them is not finite, so that it never replaces a good one
   */
  async state(): Promise<TrainingState> {
    const parameters = new Map<string, Tensor>();
    const velocities = new Map<string, Tensor>();
    for (const { name } of this.graph.parameters) {
      parameters.set(name, await this.executor.parameter(name).read());
      velocities.set(name, await this.executor.velocity(name).read());
    }
    for (const [name, { data }] of [...parameters, ...velocities]) {
      if (!data.every(Number.isFinite)) {
        throw new DivergenceError(
          `training: expected finite weights, got others in "${name}" after step ${this.#step}. Start again with a lower --lr.`,
        );
      }
    }
    return { step: this.#step, parameters, velocities };
  }

  /** Takes over parameters, such as those that have been rounded for storage. */
  async setParameters(parameters: ReadonlyMap<string, Tensor>): Promise<void> {
    for (const [name, tensor] of parameters) this.executor.parameter(name).write(tensor);
    await this.executor.refreshPrepared();
  }

  dispose(): void {
    this.executor.dispose();
    this.store.dispose();
  }
}

function standardDeviation(data: Float32Array): number {
  let sum = 0;
  let squares = 0;
  for (const v of data) {
    sum += v;
    squares += v * v;
  }
  return Math.sqrt(Math.max(0, squares / data.length - (sum / data.length) ** 2));
}
