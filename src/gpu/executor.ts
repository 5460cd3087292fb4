/**
 * Runs a plan: one loop over its steps. Everything a run needs (buffers, pipelines, bind groups, uniforms, a staging buffer) is made once,
 * in `create`; a run allocates nothing on the device, but a staging buffer where more results are under way than ever before.
 */
import { EngineError, InputError } from '../errors.ts';
import type { Moment, Plan, PlanTensor, TensorRef } from '../plan.ts';
import { size, type AnyTensor, type Tensor } from '../tensor.ts';
import { build, type Built, type Part } from './build.ts';
import type { Gpu } from './device.ts';
import type { Dispatch } from './dispatch.ts';
import { Feed, type RunInput } from './feed.ts';
import { KernelCache } from './kernel.ts';
import { Profiler } from './profiler.ts';
import { Readings } from './readings.ts';
import { show, type Visit } from './sight.ts';
import { Staging } from './staging.ts';
import { ParameterStore } from './store.ts';
import { Submissions } from './submissions.ts';
import { DeviceTensor } from './tensor.ts';
import type { GpuTimer } from './timer.ts';

export type { RunInput } from './feed.ts';
export type { Sight, Visit } from './sight.ts';

/** What building and running has cost. Times are wall times in ms. */
export interface ExecutorStats {
  /** Pipelines compiled on this device so far, by all executors. */
  readonly pipelines: number;
  readonly compileMs: number;
  /** From `create` to ready: upload, compilation, preparation. */
  readonly buildMs: number;
  /** From submission to the device's being done, all runs so far. */
  readonly runMs: number;
  /** On the host alone, to encode and submit `dispatched` dispatches, all runs so far but those under a profiler. */
  readonly hostMs: number;
  readonly dispatched: number;
  readonly dispatches: Readonly<Record<Part, number>>;
  readonly bufferBytes: number;
}

/** The bits of the NaN that `poison` fills a slot with: each slot has its own, so that a NaN tells where it came from. */
export const poisonBits = (slot: number): number => 0x7fc00001 + slot;

/** How a plan is run, for checks; the results are the same. */
export interface ExecutorOptions {
  /** Workgroups in the first dimension before what exceeds them goes to the second. Default: as many as the device allows. */
  readonly foldAt?: number;
  /**
   * An executor on the same store whose forward pass serves this one too: their plans differ in what the backward pass obeys and in nothing else
   * ({@link sharesForward}). This one then has a backward pass alone, over the other's buffers. It is to be disposed of before the other, and their
   * calls must not overlap.
   */
  readonly forwardOf?: Executor;
}

/** Whether one forward pass serves both plans: the same steps on the same tensors in the same places. */
export function sharesForward(a: Plan, b: Plan): boolean {
  const places = ({ forward, backward, slots, tensors, values, seed, inputs }: Plan): string =>
    JSON.stringify([forward, backward.map(({ bind }) => bind), slots, Object.values(tensors), values, seed, inputs]);
  return places(a) === places(b);
}

const ONE_CALL = 'executor: expected one call at a time. Await the call in flight, or make a second executor.';

/** A run to be queued: both passes with inputs and a seed, one of them with either alone; and what to read of it. */
export interface QueuedRun {
  readonly inputs?: Readonly<Record<string, RunInput>>;
  readonly seed?: Tensor;
  /** Values that the plan keeps. */
  readonly values?: readonly string[];
  /** Values whose signals to read. */
  readonly gradients?: readonly string[];
}

/** What was read of a queued run, in the order it was asked for. */
export interface QueuedResults {
  readonly values: readonly AnyTensor[];
  readonly gradients: readonly Tensor[];
}

/** A plan on a device, ready to run. */
export class Executor {
  readonly #own: GPUBuffer[] = [];
  readonly #staging: Staging;
  readonly #submissions: Submissions;
  readonly #feed: Feed;
  readonly #readings: Readings;
  #built: Built = { slots: [], dispatches: { prepare: [], forward: [], backward: [], update: [] } };
  #buildMs = 0;
  #disposed = false;
  #busy = false;

  private constructor(
    readonly gpu: Gpu,
    readonly plan: Plan,
    readonly store: ParameterStore,
    readonly ownsStore: boolean,
    readonly options: ExecutorOptions,
  ) {
    this.#staging = new Staging(gpu);
    this.#submissions = new Submissions(gpu, plan.name, this.#staging);
    const buffer = (id: string): GPUBuffer => this.#buffer(id);
    this.#feed = new Feed(gpu, plan, buffer);
    this.#readings = new Readings(plan, buffer);
  }

  /**
   * Uploads what is not there yet, compiles all pipelines in parallel, makes buffers and bind groups, and runs the plan's `prepare` steps.
   * @param parameters values by name, or a store that other executors of the same network share (which then outlives this one)
   * @throws LimitError if the adapter's limits do not allow a tensor; OutOfMemoryError; ShaderError; InputError for missing parameters.
   */
  static async create(
    gpu: Gpu,
    plan: Plan,
    parameters: ReadonlyMap<string, AnyTensor> | ParameterStore,
    options: ExecutorOptions = {},
  ): Promise<Executor> {
    const started = performance.now();
    const shared = parameters instanceof ParameterStore;
    const executor = new Executor(gpu, plan, shared ? parameters : new ParameterStore(gpu, parameters), !shared, options);
    try {
      await executor.store.builds.take(() => executor.#build());
    } catch (error) {
      executor.dispose();
      throw error;
    }
    executor.#buildMs = performance.now() - started;
    return executor;
  }

  get stats(): ExecutorStats {
    const { pipelines, ms } = KernelCache.of(this.gpu).stats;
    const { runMs, hostMs, dispatched } = this.#submissions;
    const { prepare, forward, backward, update } = this.#built.dispatches;
    return {
      pipelines,
      compileMs: ms,
      buildMs: this.#buildMs,
      runMs,
      hostMs,
      dispatched,
      dispatches: { prepare: prepare.length, forward: forward.length, backward: backward.length, update: update.length },
      bufferBytes: this.#own.reduce((sum, buffer) => sum + buffer.size, this.#staging.bytes),
    };
  }

  async #build(): Promise<void> {
    const { gpu, plan, store } = this;
    const { foldAt, forwardOf: lender } = this.options;
    gpu.check();
    if (lender && (lender.store !== store || !sharesForward(plan, lender.plan))) {
      throw new InputError(`graph "${plan.name}": expected a plan that shares its forward pass with the other executor's, got another.`);
    }
    this.#built = await build(gpu, plan, store, this.#submissions, this.#own, { foldAt, lent: lender && lender.#built.slots });
    store.users.add(this);
  }

  #buffer(id: string): GPUBuffer {
    const tensor = this.plan.tensors[id];
    return tensor.slot >= 0 ? this.#built.slots[tensor.slot] : this.store.buffer(id);
  }

  /**
   * Runs the forward pass.
   * @param inputs every input the plan takes, by name, in the plan's shapes
   * @param visit called at every moment of the pass, if the plan observes nodes
   */
  async forward(inputs: Readonly<Record<string, RunInput>>, visit?: Visit): Promise<void> {
    this.#requireForward('forward');
    await this.#exclusively(async () => {
      this.#feed.inputs(inputs);
      // Whoever looks may fail, and leave a pass half done.
      this.#readings.after = 'nothing';
      await this.#walk('forward', this.#built.dispatches.forward, this.plan.moments.forward, visit);
      this.#readings.after = 'forward';
    });
  }

  /**
   * Runs the backward pass; may follow one forward pass any number of times, each with its own seed.
   * @param seed the signal at the plan's target, of the target's shape
   * @param visit called at every moment of the pass, if the plan observes nodes
   */
  async backward(seed: Tensor, visit?: Visit): Promise<void> {
    await this.#exclusively(async () => {
      this.#beginBackward();
      this.#feed.seed(seed);
      this.#readings.after = 'forward';
      await this.#walk('backward', this.#built.dispatches.backward, this.plan.moments.backward, visit);
      this.#readings.after = 'backward';
    });
  }

  #beginBackward(): void {
    const { forwardOf: lender } = this.options;
    if ((lender ?? this).#readings.after === 'nothing')
      throw new InputError('backward: expected a forward pass before it. Call forward() first.');
    // Signals of the lender's own last pass are written over.
    if (lender) lender.#readings.after = 'forward';
  }

  /** A pass in as many submissions as there are moments to look at; in one without a visitor. */
  async #walk(what: string, dispatches: readonly Dispatch[], moments: readonly Moment[], visit: Visit | undefined): Promise<void> {
    let done = 0;
    for (const moment of visit ? moments : []) {
      if (moment.after > done) await this.#submissions.run(what, dispatches.slice(done, moment.after));
      done = moment.after;
      await show(moment, visit!, (ref, into) => this.#look(ref, into));
    }
    if (done < dispatches.length) await this.#submissions.run(what, dispatches.slice(done));
  }

  async #look({ id, shape }: TensorRef, into?: Float32Array): Promise<Float32Array> {
    const tensor = this.plan.tensors[id];
    const elements = size(shape);
    if (into === undefined) return new Float32Array(await this.#download(tensor, 0, elements));
    await this.#fetch(tensor, 0, elements, (bytes) => into.set(new Float32Array(bytes, 0, elements)));
    return into.subarray(0, elements);
  }

  /** Both passes in one submission, for a seed that does not depend on the scores. */
  async run(inputs: Readonly<Record<string, RunInput>>, seed: Tensor): Promise<void> {
    this.#requireForward('run');
    await this.#exclusively(async () => {
      this.#feed.inputs(inputs);
      this.#feed.seed(seed);
      const { forward, backward } = this.#built.dispatches;
      await this.#submissions.run('forward and backward', [...forward, ...backward]);
      this.#readings.after = 'backward';
    });
  }

  /**
   * Queues a run and the reading of its results, in one submission. Further runs may be queued before it is done: the device takes them in order,
   * and what they are given is on its way to it meanwhile. Calls of another kind have to wait until all of them are done ({@link idle}).
   * @returns once the run is in the queue; under a profiler, once it is done
   * @throws InputError as {@link run}, {@link read} and {@link readGradient} do
   */
  async queue({ inputs, seed, values = [], gradients = [] }: QueuedRun): Promise<{ readonly results: Promise<QueuedResults> }> {
    this.#requireLive();
    if (this.#busy) throw new EngineError(ONE_CALL);
    if (inputs) this.#requireForward('queue');
    else this.#beginBackward();
    const after = seed ? 'backward' : inputs ? 'forward' : this.#readings.after;
    const readings = [
      ...values.map((name) => this.#readings.value(name, after)),
      ...gradients.map((name) => this.#readings.gradient(name, after)),
    ];
    if (inputs) this.#feed.inputs(inputs);
    if (seed) this.#feed.seed(seed);
    this.#readings.after = after;
    const { forward, backward } = this.#built.dispatches;
    const dispatches = [...(inputs ? forward : []), ...(seed ? backward : [])];
    const what = inputs ? (seed ? 'forward and backward' : 'forward') : 'backward';
    const profiled = Profiler.of(this.gpu) !== undefined;
    if (profiled) {
      await this.idle();
      await this.#exclusively(() => this.#submissions.run(what, dispatches));
    }
    const results = this.#submissions.queue(what, profiled ? [] : dispatches, readings).then((read) => ({
      values: read.slice(0, values.length),
      gradients: read.slice(values.length) as Tensor[],
    }));
    // Heard where it is awaited.
    results.catch(() => {});
    return { results };
  }

  /** Once no queued run is under way, however they ended. */
  idle(): Promise<void> {
    return this.#submissions.idle();
  }

  /**
   * One step of training in one submission: both passes, the update of the parameters, and their packed forms for the next pass. Values and
   * gradients can be read after it; they are those before the update.
   * @param rate the learning rate of this step
   * @throws InputError if the plan was compiled without `descent`
   */
  async train(inputs: Readonly<Record<string, RunInput>>, seed: Tensor, rate: number): Promise<void> {
    await this.queueTraining(inputs, seed, rate, []);
  }

  /**
   * Queues a step of {@link train} and the reading of values of its forward pass, in one submission. Further steps may be queued before it is done;
   * the device takes them in order, each with the inputs, rate and {@link setRandom} that it was queued with. Every other call has to wait until
   * all of them are done.
   * @param names f32 values that the plan keeps
   * @returns when the step is done: the values, in the order of their names
   */
  async queueTraining(inputs: Readonly<Record<string, RunInput>>, seed: Tensor, rate: number, names: readonly string[]): Promise<Tensor[]> {
    if (this.plan.update.length === 0) throw new InputError('train: expected a plan with updates, got one without. Compile with descent.');
    this.#requireLive();
    if (this.#busy) throw new EngineError(ONE_CALL);
    // Up to the submission nothing is awaited: steps reach the device in the order of their calls.
    this.#feed.inputs(inputs);
    this.#feed.seed(seed);
    this.#feed.own('rate', Float32Array.of(rate));
    this.#readings.after = 'backward';
    const { forward, backward, update, prepare } = this.#built.dispatches;
    const readings = names.map((name) => this.#readings.value(name));
    return (await this.#submissions.queue('training', [...forward, ...backward, ...update, ...prepare], readings)) as Tensor[];
  }

  /**
   * A parameter, or its velocity, where it lies on the device: to be read for a checkpoint or written from one. Written parameters need
   * {@link refreshPrepared}.
   * @throws InputError if the plan has no such parameter
   */
  parameter(name: string): DeviceTensor {
    const ref = Object.hasOwn(this.plan.values, name) ? this.plan.values[name] : undefined;
    if (ref === undefined || this.plan.tensors[ref.id].kind !== 'parameter') {
      throw new InputError(`parameter: expected a parameter of the plan, got "${name}".`);
    }
    return this.#view(ref);
  }

  /** See {@link parameter}. @throws InputError if the plan does not update it */
  velocity(name: string): DeviceTensor {
    if (!Object.hasOwn(this.plan.velocities, name)) {
      throw new InputError(`velocity: expected a parameter that the plan updates, got "${name}". Compile with descent.`);
    }
    return this.#view(this.plan.velocities[name]);
  }

  /** Prepares packed weights again after parameters have changed on the device. */
  async refreshPrepared(): Promise<void> {
    if (!this.plan.training)
      throw new InputError(
        'refreshPrepared: expected a plan made for training, got one that keeps packed weights alone. Compile with training.',
      );
    await this.#exclusively(() => this.#submissions.run('prepare', this.#built.dispatches.prepare));
  }

  /**
   * The dispatches of a part of the plan, in order, for a {@link GpuTimer}: what they read must have been written by a run before. Those of
   * `prepare` can be run again only in a plan made for training, which keeps the weights that they read.
   */
  dispatches(part: Part): readonly Dispatch[] {
    return this.#built.dispatches[part];
  }

  /** Sets dropout's generator: the same pair draws the same masks. */
  setRandom(seed: number, iteration: number): void {
    this.#feed.own('random', Uint32Array.of(seed, iteration));
  }

  /**
   * Fills every slot with NaN: what a run then leaves unwritten, or reads before writing, shows.
   * Call before setting inputs.
   */
  poison(): void {
    this.#built.slots.forEach((buffer, slot) =>
      this.gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(poisonBits(slot))),
    );
    this.#readings.after = 'nothing';
  }

  /** Reads a value of the forward pass, f32 or i32, in its own shape. */
  async read(name: string): Promise<AnyTensor> {
    const { ref } = this.#readings.value(name);
    const bytes = await this.#exclusively(() => this.#download(this.plan.tensors[ref.id], 0, size(ref.shape)));
    return ref.dtype === 'i32' ? { shape: ref.shape, data: new Int32Array(bytes) } : { shape: ref.shape, data: new Float32Array(bytes) };
  }

  /** Reads an f32 value of the forward pass. */
  async readTensor(name: string): Promise<Tensor> {
    const value = await this.read(name);
    if (value.data instanceof Int32Array) throw new InputError(`read: expected "${name}" to hold f32, got i32. Use read().`);
    return value as Tensor;
  }

  /** Reads the signal that the last backward pass brought to a value: dS/dvalue under the rule. */
  async readGradient(name: string): Promise<Tensor> {
    const { ref } = this.#readings.gradient(name);
    const bytes = await this.#exclusively(() => this.#download(this.plan.tensors[ref.id], 0, size(ref.shape)));
    return { shape: ref.shape, data: new Float32Array(bytes) };
  }

  /**
   * An f32 value of the forward pass where it lies on the device, to be an input of another run or to be copied. It belongs to this executor:
   * the next run writes over it.
   * @throws InputError as {@link readTensor} does
   */
  deviceTensor(name: string): DeviceTensor {
    const { ref } = this.#readings.value(name);
    if (ref.dtype !== 'f32') throw new InputError(`device tensor: expected "${name}" to hold f32, got ${ref.dtype}. Use read().`);
    return this.#view(ref);
  }

  /** What {@link readGradient} reads, where it lies on the device; see {@link deviceTensor}. */
  deviceGradient(name: string): DeviceTensor {
    return this.#view(this.#readings.gradient(name).ref);
  }

  #view({ id, shape }: TensorRef): DeviceTensor {
    return new DeviceTensor(this.gpu, this.#buffer(id), shape);
  }

  /** The words that a plan's tensor binds beyond its own elements, by the tensor's id: no kernel may touch them. For checks. */
  async readSlack(id: string): Promise<Uint32Array> {
    const tensor = this.plan.tensors[id];
    const own = size(tensor.shape);
    return new Uint32Array(await this.#exclusively(() => this.#download(tensor, own, tensor.bytes / 4 - own)));
  }

  /** Frees every buffer this executor made, and its store if it made that; not while a run is queued. The device stays. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.store.users.delete(this);
    for (const buffer of this.#own) buffer.destroy();
    this.#own.length = 0;
    this.#staging.dispose();
    if (this.ownsStore) this.store.dispose();
  }

  #download(tensor: PlanTensor, first: number, elements: number): Promise<ArrayBuffer> {
    return this.#fetch(tensor, first, elements, (bytes) => bytes.slice(0, 4 * elements));
  }

  /** Hands what `take` makes of the elements, which are there for as long as it runs. */
  #fetch<T>({ id, node }: PlanTensor, first: number, elements: number, take: (bytes: ArrayBuffer) => T): Promise<T> {
    const where = { label: `reading "${id}"`, node: node || undefined };
    return this.#submissions.fetch(where, this.#buffer(id), 4 * first, 4 * elements, take);
  }

  #requireForward(call: string): void {
    if (this.options.forwardOf)
      throw new InputError(`${call}: expected an executor with a forward pass of its own. Run the one that lends it.`);
  }

  #requireLive(): void {
    if (this.#disposed) throw new InputError('executor: expected a live executor, got one that has been disposed of.');
  }

  /** One call at a time: buffers are shared by all runs of an executor. */
  async #exclusively<T>(call: () => Promise<T>): Promise<T> {
    this.#requireLive();
    if (this.#busy || this.#submissions.underWay > 0) throw new EngineError(ONE_CALL);
    this.#busy = true;
    try {
      return await call();
    } finally {
      this.#busy = false;
    }
  }
}
