/**
 * Trains a classifier on the device: forward, backward, update and packing of the weights in one submission a step, while the host makes the
 * next batches, on threads of their own where there are any ({@link BatchWorkers}). What is drawn at random is a pure function of (seed, step), so that a run taken up from a {@link TrainingState} goes on to the
 * same bits.
 */
import { EngineError, InputError } from '../errors.ts';
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor, type QueuedResults } from '../gpu/executor.ts';
import { ParameterStore } from '../gpu/store.ts';
import type { DeviceTensor } from '../gpu/tensor.ts';
import { withBatch, type Graph } from '../graph.ts';
import { LOSS_INPUT, LOSS_VALUE, requireScores, withLoss } from '../network.ts';
import { compile } from '../plan.ts';
import { pipelined, type Asked } from '../stream.ts';
import type { Tensor } from '../tensor.ts';
import type { Augmentation } from './augment.ts';
import { Batches, plainDraw, type Batch, type Draw } from './batches.ts';
import type { ImageSource } from './images.ts';
import { initialParameters, weightedLayers } from './initial.ts';
import { Lookahead } from './lookahead.ts';
import { rateAt, type Schedule } from './schedule.ts';
import { bestClasses, Tally, type Scored } from './tally.ts';
import { scaleToUnitVariance } from './unitVariance.ts';
import { BatchWorkers } from './workers.ts';

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

/** What a trainer begins with. */
export interface TrainerStart {
  /** A state to go on from. */
  readonly state?: TrainingState;
  /** Without one: the parameters of some layers to begin with ({@link borrowedParameters}). */
  readonly parameters?: ReadonlyMap<string, Tensor>;
  /** Worker threads that make batches, for images that lie in a file (`stored`); the bits are the same. Node only; default 0. */
  readonly workers?: number;
}

/** A step that the device has been given. */
interface Queued {
  readonly batch: Batch;
  readonly rate: number;
  /** Loss and scores. */
  readonly values: Promise<Tensor[]>;
}

/** Training that has run away: the loss or a weight is no longer a number. */
export class DivergenceError extends EngineError {}

/** Items of a validation pass that go through the network together. */
const VALIDATION_BATCH = 100;

const ONE: Tensor = { shape: [], data: Float32Array.of(1) };

export class Trainer {
  #step: number;
  #queued: Queued | undefined;
  readonly #batches: Batches;
  readonly #ahead: Lookahead;

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
    private readonly workers: BatchWorkers,
    step: number,
  ) {
    const { batch, seed, augmentation, unit } = recipe;
    this.#batches = new Batches(source, { batch, seed, augmentation, mean, unit });
    this.#ahead = new Lookahead((k) => workers.make(this.#batches.draw(k)), workers.depth(source, batch), this.steps);
    this.#step = step;
  }

  /**
   * @param graph a classifier with one input of images [N, 3, H, W]
   * @param mean [3, H, W], pixels 0 to 255
   * @param start weights that are in neither its state nor its parameters are drawn, and brought to unit variance layer by layer on the first batch
   * @throws InputError if there are fewer images than one batch holds
   */
  static async create(
    gpu: Gpu,
    graph: Graph,
    source: ImageSource,
    mean: Tensor,
    recipe: TrainingRecipe,
    start: TrainerStart = {},
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
    let workers: BatchWorkers | undefined;
    try {
      workers = await BatchWorkers.start(start.workers ?? 0, { mean, unit: recipe.unit });
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
      const trainer = new Trainer(
        gpu,
        graph,
        recipe,
        mean,
        source,
        graph.inputs[0].name,
        scores,
        store,
        executor,
        workers,
        state?.step ?? 0,
      );
      if (state) for (const [name, velocity] of state.velocities) executor.velocity(name).write(velocity);
      else {
        const layers = weightedLayers(graph).filter(({ weight }) => !given.has(weight));
        await scaleToUnitVariance(gpu, sized, layers, store, { [trainer.input]: (await trainer.#ahead.look(0)).x }, seed);
        await executor.refreshPrepared();
      }
      return trainer;
    } catch (error) {
      void workers?.close();
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

  /** What has gone wrong in a worker thread, if anything has: its batches are then made by the caller's own thread. */
  get workerFailure(): string | undefined {
    return this.workers.failure;
  }

  /**
   * One step.
   * @param ahead whether the device may be given the step behind it already, so that it never waits for the host. Then another advance() has to
   *   come before anything else.
   * @throws DivergenceError if the loss is not finite
   */
  async advance(ahead = false): Promise<StepReport> {
    const step = this.#step;
    const { batch, rate, values } = this.#queued ?? this.#queue(step, await this.#ahead.take(step));
    this.#queued = undefined;
    // The host's part of the next step goes on while the device works.
    if (step + 1 < this.steps) {
      if (ahead) this.#queued = this.#queue(step + 1, await this.#ahead.take(step + 1));
      else this.#ahead.prepare(step + 1);
    }
    const [{ data }, scores] = await values;
    const loss = data[0];
    if (!Number.isFinite(loss)) {
      // What is queued is not wanted any more, but has to be done before buffers can go.
      await this.#queued?.values.catch(() => {});
      this.#queued = undefined;
      throw new DivergenceError(`training: expected a finite loss, got ${loss} in step ${step + 1}. Start again with a lower --lr.`);
    }
    const best = bestClasses(scores.data, batch.labels.data);
    this.workers.recycle(batch);
    this.#step = step + 1;
    const { batch: images } = this.recipe;
    return { step: step + 1, rate, images, loss: loss * images, ...best };
  }

  #requireRest(): void {
    if (this.#queued) throw new EngineError('training: expected no step under way, got one. Call advance() without ahead before.');
  }

  #queue(step: number, batch: Batch): Queued {
    const { recipe, executor } = this;
    const warmup = Math.round(recipe.warmup * this.stepsPerEpoch);
    const rate = rateAt(step, { rate: recipe.rate, schedule: recipe.schedule, warmup, steps: this.steps });
    executor.setRandom(recipe.seed, step);
    const inputs = { [this.input]: batch.x, [LOSS_INPUT]: batch.labels };
    const values = executor.queueTraining(inputs, ONE, rate, [LOSS_VALUE, this.scores]);
    // Heard where it is awaited.
    values.catch(() => {});
    return { batch, rate, values };
  }

  /** Mean loss, top-1 and top-5 of images as they are, without dropout. */
  async validate(images: ImageSource): Promise<Tally> {
    this.#requireRest();
    const batch = Math.min(VALIDATION_BATCH, images.count);
    const plan = compile(withBatch(this.graph, batch), { keep: [this.scores], traits: traitsOf(this.gpu) });
    const executor = await Executor.create(this.gpu, plan, this.store);
    const tally = new Tally();
    try {
      const count = Math.ceil(images.count / batch);
      const draw = (k: number): Draw => plainDraw(images, k * batch, { batch, mean: this.mean });
      const ahead = new Lookahead((k) => this.workers.make(draw(k)), this.workers.depth(images, batch), count);
      const made = async function* (): AsyncGenerator<Batch> {
        for (let k = 0; k < count; k++) {
          const batch = await ahead.take(k);
          ahead.prepare(k + 1);
          yield batch;
        }
      };
      const ask = ({ x }: Batch): Asked<QueuedResults> => {
        const begun = executor.queue({ inputs: { [this.input]: x }, values: [this.scores] });
        return { begun, answer: begun.then(({ results }) => results) };
      };
      for await (const { batch: done, answer } of pipelined(made(), ask, 2)) {
        const labels = done.labels.data.subarray(0, images.count - tally.images);
        tally.addScores((answer.values[0] as Tensor).data, labels, batch);
        this.workers.recycle(done);
      }
    } finally {
      executor.dispose();
      // At another batch size weights may be packed otherwise, and training does not renew those.
      this.store.releaseUnused();
    }
    return tally;
  }

  /**
   * Parameters and velocities as they are now, between two steps.
   * @throws DivergenceError if one of them is not finite, so that it never replaces a good one
   */
  async state(): Promise<TrainingState> {
    this.#requireRest();
    const { executor, graph } = this;
    // The device is asked for all of them before one is awaited.
    const read = (tensor: (name: string) => DeviceTensor): Promise<Map<string, Tensor>> =>
      Promise.all(graph.parameters.map(async ({ name }) => [name, await tensor(name).read()] as const)).then((all) => new Map(all));
    const [parameters, velocities] = await Promise.all([read((name) => executor.parameter(name)), read((name) => executor.velocity(name))]);
    for (const [name, { data }] of [...parameters, ...velocities]) {
      if (!allFinite(data)) {
        throw new DivergenceError(
          `training: expected finite weights, got others in "${name}" after step ${this.#step}. Start again with a lower --lr.`,
        );
      }
    }
    return { step: this.#step, parameters, velocities };
  }

  /** Takes over parameters, such as those that have been rounded for storage. */
  async setParameters(parameters: ReadonlyMap<string, Tensor>): Promise<void> {
    this.#requireRest();
    for (const [name, tensor] of parameters) this.executor.parameter(name).write(tensor);
    await this.executor.refreshPrepared();
  }

  dispose(): void {
    void this.workers.close();
    this.executor.dispose();
    this.store.dispose();
  }
}

function allFinite(data: Float32Array): boolean {
  for (const v of data) if (!Number.isFinite(v)) return false;
  return true;
}
