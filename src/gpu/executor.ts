/**
 * Runs a plan: one loop over its steps. Everything a run needs (buffers, pipelines, bind groups, uniforms, the staging buffer) is made once,
 * in `create`; a run allocates nothing on the device.
 */
import { EngineError, InputError, LimitError } from '../errors.ts';
import type { Moment, Plan, PlanTensor, Step, TensorRef } from '../plan.ts';
import { formatShape, sameShape, size, type AnyTensor, type Tensor } from '../tensor.ts';
import { BufferUsage, MapMode } from './constants.ts';
import { untilLost, withErrorScopes, type Gpu } from './device.ts';
import { bindSteps, type Dispatch } from './dispatch.ts';
import { KernelCache, type Kernel } from './kernel.ts';
import { Profiler } from './profiler.ts';
import { createStorage, ParameterStore } from './store.ts';
import { DeviceTensor } from './tensor.ts';
import type { GpuTimer } from './timer.ts';

/** What building and running has cost. Times are wall times in ms. */
export interface ExecutorStats {
  /** Pipelines compiled on this device so far, by all executors. */
  readonly pipelines: number;
  readonly compileMs: number;
  /** From `create` to ready: upload, compilation, preparation. */
  readonly buildMs: number;
  /** From submission to the device's being done, all runs so far. */
  readonly runMs: number;
  readonly dispatches: { readonly prepare: number; readonly forward: number; readonly backward: number; readonly update: number };
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

/** What a run takes: values from the host, or an f32 tensor that is on the device already. */
export type RunInput = AnyTensor | DeviceTensor;

/** What can be read at a moment of a pass, and only then: the steps that follow write over it. */
export interface Sight {
  readonly moment: Moment;
  /**
   * The elements of one of the moment's f32 tensors.
   * @param into where to copy them, at least as long; what is returned is a view of its beginning. Default: memory of their own.
   * @throws InputError if the tensor is not one of the moment, or not of f32
   */
  read(ref: TensorRef, into?: Float32Array): Promise<Float32Array>;
}

/** Looks at an observed node. The pass goes on when what it returns is done. */
export type Visit = (sight: Sight) => Promise<void> | void;

/** A plan on a device, ready to run. */
export class Executor {
  readonly #slots: GPUBuffer[] = [];
  readonly #own: GPUBuffer[] = [];
  #forward: Dispatch[] = [];
  #backward: Dispatch[] = [];
  #prepare: Dispatch[] = [];
  #update: Dispatch[] = [];
  #staging!: GPUBuffer;
  /** Buffers for the results of queued steps that no step is using. */
  readonly #results: GPUBuffer[] = [];
  /** Buffers in the store whose contents are not there yet, or only for the time of the build. */
  readonly #unfinished = new Set<string>();
  #buildMs = 0;
  #runMs = 0;
  #state: 'ready' | 'forward' | 'backward' = 'ready';
  #disposed = false;
  #busy = false;
  /** Steps of training that are queued and not done. */
  #queued = 0;
  #lastDone = 0;

  private constructor(
    readonly gpu: Gpu,
    readonly plan: Plan,
    readonly store: ParameterStore,
    readonly ownsStore: boolean,
    readonly options: ExecutorOptions,
  ) {}

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
      // A store outlives this executor, and the next one would take what lies there for finished.
      for (const id of executor.#unfinished) executor.store.release(id);
      executor.dispose();
      throw error;
    }
    executor.#buildMs = performance.now() - started;
    return executor;
  }

  get stats(): ExecutorStats {
    const { pipelines, ms } = KernelCache.of(this.gpu).stats;
    return {
      pipelines,
      compileMs: ms,
      buildMs: this.#buildMs,
      runMs: this.#runMs,
      dispatches: {
        prepare: this.#prepare.length,
        forward: this.#forward.length,
        backward: this.#backward.length,
        update: this.#update.length,
      },
      bufferBytes: this.#own.reduce((sum, buffer) => sum + buffer.size, 0),
    };
  }

  async #build(): Promise<void> {
    const { gpu, plan, store } = this;
    gpu.check();
    if (plan.traits.quads && !gpu.device.features.has('subgroups')) {
      throw new InputError(
        `graph "${plan.name}": expected a device with subgroups for a plan made with quads, got ${gpu.info.name}. Compile with its own traits.`,
      );
    }
    const { forwardOf: lender } = this.options;
    if (lender && (lender.store !== store || !sharesForward(plan, lender.plan))) {
      throw new InputError(`graph "${plan.name}": expected a plan that shares its forward pass with the other executor's, got another.`);
    }
    this.#checkLimits();
    const tensors = Object.values(plan.tensors);
    const missing = new Set(tensors.filter((t) => t.kind === 'prepared' && !store.has(t.id)).map((t) => t.id));
    // A prepare step that makes nothing new has been run by another executor on the same store.
    const prepare = plan.prepare.filter((step) => plan.training || Object.values(step.bind).some((id) => missing.has(id)));
    const forward = lender ? [] : plan.forward;
    const main = [...forward, ...plan.backward, ...plan.update];
    // Compiles while weights are uploaded; a failure is told where it is awaited.
    const kernels = this.#kernels([...prepare, ...main]);
    kernels.catch(() => {});

    const resident = new Set(main.flatMap((step) => Object.values(step.bind)));
    for (const name of plan.readable) resident.add(plan.values[name].id);
    const preparing = new Set(prepare.flatMap((step) => Object.values(step.bind)));
    for (const tensor of tensors) {
      if (missing.has(tensor.id)) {
        await store.allocate(tensor.id, tensor.node, tensor.bytes, 'prepared');
        this.#unfinished.add(tensor.id);
      }
      // A new buffer is zero, as velocities begin.
      if (tensor.kind === 'velocity') await store.allocate(tensor.id, tensor.node, tensor.bytes, 'velocity');
      if (tensor.kind !== 'parameter' || store.has(tensor.id)) continue;
      if (!resident.has(tensor.id) && !preparing.has(tensor.id)) continue;
      await store.upload(tensor.id, tensor.bytes, size(tensor.shape));
      if (!resident.has(tensor.id) && !plan.training) this.#unfinished.add(tensor.id);
    }
    const owner = plan.slots.map((_, slot) => tensors.filter((t) => t.slot === slot).reduce((a, b) => (b.bytes > a.bytes ? b : a)));
    for (const [slot, bytes] of lender ? [] : plan.slots.entries()) {
      this.#slots.push(this.#keep(await createStorage(gpu, owner[slot].id, owner[slot].node, bytes)));
    }
    if (lender) this.#slots.push(...lender.#slots);
    const seen = [...plan.moments.forward, ...plan.moments.backward].flatMap(({ x, y, dy, dx }) => [...x, ...y, ...dy, ...dx]);
    const largest = [...plan.readable.map((name) => plan.values[name]), ...Object.values(plan.gradients), ...seen].map((ref) =>
      ref ? plan.tensors[ref.id].bytes : 0,
    );
    const staged = Math.max(16, ...largest);
    const staging = await withErrorScopes(gpu, { label: `graph "${plan.name}", buffer to read results from (${staged} bytes)` }, () =>
      gpu.device.createBuffer({ label: 'staging', size: staged, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST }),
    );
    this.#staging = this.#keep(staging);

    const { uniforms, dispatches } = await bindSteps(gpu, plan, [...prepare, ...main], await kernels, {
      buffer: (id) => this.#buffer(id),
      foldAt: this.options.foldAt,
    });
    this.#keep(uniforms);
    this.#prepare = dispatches.slice(0, prepare.length);
    this.#forward = dispatches.slice(prepare.length, prepare.length + forward.length);
    const down = prepare.length + forward.length;
    this.#backward = dispatches.slice(down, down + plan.backward.length);
    this.#update = dispatches.slice(down + plan.backward.length);
    if (this.#prepare.length > 0) await this.#submit('prepare', this.#prepare);
    // Weights that only their packed form needed go.
    for (const id of this.#unfinished) if (!missing.has(id)) store.release(id);
    this.#unfinished.clear();
    store.users.add(this);
  }

  #keep(buffer: GPUBuffer): GPUBuffer {
    this.#own.push(buffer);
    return buffer;
  }

  #checkLimits(): void {
    const { limits } = this.gpu.device;
    const most = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
    for (const tensor of Object.values(this.plan.tensors)) {
      if (tensor.bytes > most) {
        throw new LimitError(
          `${tensor.node ? `node "${tensor.node}"` : `graph "${this.plan.name}"`}: expected tensors of at most ${most} bytes on this adapter (${this.gpu.info.name}), ` +
            `got "${tensor.id}" ${formatShape(tensor.shape)} of ${tensor.bytes} bytes. Use a smaller batch or another adapter.`,
        );
      }
    }
  }

  async #kernels(steps: readonly Step[]): Promise<Kernel[]> {
    const cache = KernelCache.of(this.gpu);
    const all = steps.map((step) => cache.get(step.shader, this.plan.shaders[step.shader], step.entry, step.constants));
    // Wait for all, so that no compilation is still under way when the first failure is told.
    const settled = await Promise.allSettled(all);
    return settled.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }

  #buffer(id: string): GPUBuffer {
    const tensor = this.plan.tensors[id];
    return tensor.slot >= 0 ? this.#slots[tensor.slot] : this.store.buffer(id);
  }

  /**
   * Runs the forward pass.
   * @param inputs every input the plan takes, by name, in the plan's shapes
   * @param visit called at every moment of the pass, if the plan observes nodes
   */
  async forward(inputs: Readonly<Record<string, RunInput>>, visit?: Visit): Promise<void> {
    if (this.options.forwardOf)
      throw new InputError('forward: expected an executor with a forward pass of its own. Run the one that lends it.');
    await this.#exclusively(async () => {
      this.#writeInputs(inputs);
      // Whoever looks may fail, and leave a pass half done.
      this.#state = 'ready';
      await this.#walk('forward', this.#forward, this.plan.moments.forward, visit);
      this.#state = 'forward';
    });
  }

  /**
   * Runs the backward pass; may follow one forward pass any number of times, each with its own seed.
   * @param seed the signal at the plan's target, of the target's shape
   * @param visit called at every moment of the pass, if the plan observes nodes
   */
  async backward(seed: Tensor, visit?: Visit): Promise<void> {
    await this.#exclusively(async () => {
      const { forwardOf: lender } = this.options;
      if ((lender ?? this).#state === 'ready') throw new InputError('backward: expected a forward pass before it. Call forward() first.');
      // Signals of the lender's own last pass are written over.
      if (lender) lender.#state = 'forward';
      this.#writeSeed(seed);
      this.#state = 'forward';
      await this.#walk('backward', this.#backward, this.plan.moments.backward, visit);
      this.#state = 'backward';
    });
  }

  /** A pass in as many submissions as there are moments to look at; in one without a visitor. */
  async #walk(what: string, dispatches: readonly Dispatch[], moments: readonly Moment[], visit: Visit | undefined): Promise<void> {
    let done = 0;
    for (const moment of visit ? moments : []) {
      if (moment.after > done) await this.#submit(what, dispatches.slice(done, moment.after));
      done = moment.after;
      const refs = [...moment.x, ...moment.y, ...moment.dy, ...moment.dx];
      let passed = false;
      const read = async (ref: TensorRef, into?: Float32Array): Promise<Float32Array> => {
        if (passed || !refs.includes(ref))
          throw new InputError(`sight: expected a tensor of the moment of "${moment.node}", got "${ref.id}".`);
        if (ref.dtype !== 'f32') throw new InputError(`sight: expected a tensor of f32, got "${ref.id}" of ${ref.dtype}.`);
        const elements = size(ref.shape);
        if (into === undefined) return new Float32Array(await this.#download(this.plan.tensors[ref.id], 0, elements));
        await this.#fetch(this.plan.tensors[ref.id], 0, elements, (bytes) => into.set(new Float32Array(bytes, 0, elements)));
        return into.subarray(0, elements);
      };
      await visit!({ moment, read });
      passed = true;
    }
    if (done < dispatches.length) await this.#submit(what, dispatches.slice(done));
  }

  /** Both passes in one submission, for a seed that does not depend on the scores. */
  async run(inputs: Readonly<Record<string, RunInput>>, seed: Tensor): Promise<void> {
    if (this.options.forwardOf)
      throw new InputError('run: expected an executor with a forward pass of its own. Run the one that lends it.');
    await this.#exclusively(async () => {
      this.#writeInputs(inputs);
      this.#writeSeed(seed);
      await this.#submit('forward and backward', [...this.#forward, ...this.#backward]);
      this.#state = 'backward';
    });
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
    const { gpu, plan } = this;
    if (plan.update.length === 0) throw new InputError('train: expected a plan with updates, got one without. Compile with descent.');
    this.#requireLive();
    if (this.#busy) throw new EngineError(ONE_CALL);
    const started = performance.now();
    this.#queued++;
    try {
      // Up to the submission nothing is awaited: steps reach the device in the order of their calls.
      this.#writeInputs(inputs);
      this.#writeSeed(seed);
      this.#writeOwn('rate', Float32Array.of(rate));
      this.#state = 'backward';
      const refs = names.map((name) => this.#readable(name));
      let staging: GPUBuffer | undefined;
      await withErrorScopes(gpu, { label: `graph "${plan.name}", training` }, () => {
        const encoder = gpu.device.createCommandEncoder({ label: 'training' });
        this.#encode(encoder, 'training', [...this.#forward, ...this.#backward, ...this.#update, ...this.#prepare]);
        if (refs.length > 0) {
          staging = this.#results.pop() ?? this.#resultBuffer();
          let at = 0;
          for (const { id, shape } of refs) {
            encoder.copyBufferToBuffer(this.#buffer(id), 0, staging, at, 4 * size(shape));
            at += 4 * size(shape);
          }
        }
        gpu.device.queue.submit([encoder.finish()]);
        return staging ? staging.mapAsync(MapMode.READ) : gpu.device.queue.onSubmittedWorkDone();
      });
      let at = 0;
      const mapped = staging?.getMappedRange();
      const values = refs.map(({ shape }): Tensor => {
        const data = new Float32Array(mapped!.slice(at, (at += 4 * size(shape))));
        return { shape, data };
      });
      if (staging) {
        staging.unmap();
        this.#results.push(staging);
      }
      const done = performance.now();
      this.#runMs += done - Math.max(started, this.#lastDone);
      this.#lastDone = done;
      gpu.check();
      return values;
    } finally {
      this.#queued--;
    }
  }

  /** Room for every f32 value that the plan keeps, to be mapped. */
  #resultBuffer(): GPUBuffer {
    const bytes = this.plan.readable.reduce((sum, name) => sum + 4 * size(this.plan.values[name].shape), 0);
    return this.#keep(
      this.gpu.device.createBuffer({ label: 'results', size: Math.max(16, bytes), usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST }),
    );
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
    await this.#exclusively(() => this.#submit('prepare', this.#prepare));
  }

  /**
   * The dispatches of a part of the plan, in order, for a {@link GpuTimer}: what they read must have been written by a run before. Those of
   * `prepare` can be run again only in a plan made for training, which keeps the weights that they read.
   */
  dispatches(part: keyof ExecutorStats['dispatches']): readonly Dispatch[] {
    return { prepare: this.#prepare, forward: this.#forward, backward: this.#backward, update: this.#update }[part];
  }

  /** Sets dropout's generator: the same pair draws the same masks. */
  setRandom(seed: number, iteration: number): void {
    this.#writeOwn('random', Uint32Array.of(seed, iteration));
  }

  /** Writes the one tensor of a kind that belongs to the plan and not to its graph, if the plan has it. */
  #writeOwn(kind: 'random' | 'rate', data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): void {
    const tensor = Object.values(this.plan.tensors).find((t) => t.kind === kind);
    if (tensor) this.gpu.device.queue.writeBuffer(this.#buffer(tensor.id), 0, data);
  }

  /**
   * Fills every slot with NaN: what a run then leaves unwritten, or reads before writing, shows.
   * Call before setting inputs.
   */
  poison(): void {
    this.#slots.forEach((buffer, slot) =>
      this.gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(poisonBits(slot))),
    );
    this.#state = 'ready';
  }

  /** Reads a value of the forward pass, f32 or i32, in its own shape. */
  async read(name: string): Promise<AnyTensor> {
    const { plan } = this;
    const ref = this.#readable(name);
    const bytes = await this.#exclusively(() => this.#download(plan.tensors[ref.id], 0, size(ref.shape)));
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
    const { plan } = this;
    const ref = this.#gradient(name);
    const bytes = await this.#exclusively(() => this.#download(plan.tensors[ref.id], 0, size(ref.shape)));
    return { shape: ref.shape, data: new Float32Array(bytes) };
  }

  /**
   * An f32 value of the forward pass where it lies on the device, to be an input of another run or to be copied. It belongs to this executor:
   * the next run writes over it.
   * @throws InputError as {@link readTensor} does
   */
  deviceTensor(name: string): DeviceTensor {
    const ref = this.#readable(name);
    if (ref.dtype !== 'f32') throw new InputError(`device tensor: expected "${name}" to hold f32, got ${ref.dtype}. Use read().`);
    return this.#view(ref);
  }

  /** What {@link readGradient} reads, where it lies on the device; see {@link deviceTensor}. */
  deviceGradient(name: string): DeviceTensor {
    return this.#view(this.#gradient(name));
  }

  #view({ id, shape }: TensorRef): DeviceTensor {
    return new DeviceTensor(this.gpu, this.#buffer(id), shape);
  }

  #readable(name: string): TensorRef {
    const { plan } = this;
    if (!plan.readable.includes(name)) {
      throw new InputError(
        `read: expected one of the values kept by the plan (${plan.readable.slice(0, 8).join(', ')}), got "${name}". Compile with keep: ["${name}"].`,
      );
    }
    if (this.#state === 'ready') throw new InputError('read: expected a forward pass before it. Call forward() first.');
    return plan.values[name];
  }

  #gradient(name: string): TensorRef {
    const { plan } = this;
    if (!Object.hasOwn(plan.gradients, name)) {
      throw new InputError(
        `gradient: expected one of ${Object.keys(plan.gradients).slice(0, 8).join(', ') || 'none'}, got "${name}". Compile with wrt or signals.`,
      );
    }
    if (this.#state !== 'backward') throw new InputError('gradient: expected a backward pass before it. Call backward() first.');
    return plan.gradients[name];
  }

  /** The words that a plan's tensor binds beyond its own elements, by the tensor's id: no kernel may touch them. For checks. */
  async readSlack(id: string): Promise<Uint32Array> {
    const tensor = this.plan.tensors[id];
    const own = size(tensor.shape);
    return new Uint32Array(await this.#exclusively(() => this.#download(tensor, own, tensor.bytes / 4 - own)));
  }

  /** Frees every buffer this executor made, and its store if it made that. The device stays. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.store.users.delete(this);
    for (const buffer of this.#own) buffer.destroy();
    this.#own.length = 0;
    if (this.ownsStore) this.store.dispose();
  }

  #download(tensor: PlanTensor, first: number, elements: number): Promise<ArrayBuffer> {
    return this.#fetch(tensor, first, elements, (bytes) => bytes.slice(0, 4 * elements));
  }

  /** Hands what `take` makes of the elements, which are there for as long as it runs. */
  async #fetch<T>(tensor: PlanTensor, first: number, elements: number, take: (bytes: ArrayBuffer) => T): Promise<T> {
    const { device } = this.gpu;
    const where = { label: `reading "${tensor.id}"`, node: tensor.node || undefined };
    const bytes = elements * 4;
    await withErrorScopes(this.gpu, where, () => {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(this.#buffer(tensor.id), 4 * first, this.#staging, 0, Math.max(4, bytes));
      device.queue.submit([encoder.finish()]);
    });
    await untilLost(this.gpu, where, this.#staging.mapAsync(MapMode.READ, 0, Math.max(4, bytes)));
    try {
      return take(this.#staging.getMappedRange(0, Math.max(4, bytes)));
    } finally {
      this.#staging.unmap();
    }
  }

  #writeInputs(inputs: Readonly<Record<string, RunInput>>): void {
    const { plan } = this;
    for (const name of Object.keys(inputs)) {
      if (!plan.inputs.includes(name) && !plan.unusedInputs.includes(name))
        throw new InputError(`input: expected one of ${plan.inputs.join(', ')}, got "${name}".`);
    }
    for (const name of plan.inputs) {
      const value = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
      const { shape, dtype } = plan.values[name];
      if (!value) throw new InputError(`input "${name}": expected a tensor ${formatShape(shape)}, got none.`);
      if (!sameShape(value.shape, shape)) {
        throw new InputError(
          `input "${name}": expected shape ${formatShape(shape)}, got ${formatShape(value.shape)}. Compile a plan for that shape.`,
        );
      }
      if (value instanceof DeviceTensor) {
        if (dtype === 'i32') throw new InputError(`input "${name}": expected i32, got f32 on the device. Give it from the host.`);
        this.#view(plan.values[name]).copy(value);
      } else {
        checkData(`input "${name}"`, value, dtype === 'i32' ? Int32Array : Float32Array);
        this.#write(plan.values[name].id, value);
      }
    }
  }

  #writeSeed(seed: Tensor): void {
    const { plan } = this;
    if (plan.seed === undefined || plan.target === undefined) {
      throw new InputError('backward: expected a plan with a target, got one without. Compile with target.');
    }
    const { shape } = plan.tensors[plan.seed];
    if (!sameShape(seed.shape, shape)) {
      throw new InputError(`seed: expected the shape of "${plan.target}", ${formatShape(shape)}, got ${formatShape(seed.shape)}.`);
    }
    checkData('seed', seed, Float32Array);
    this.#write(plan.seed, seed);
  }

  #write(id: string, { data }: AnyTensor): void {
    this.gpu.device.queue.writeBuffer(this.#buffer(id), 0, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  async #submit(what: string, dispatches: readonly Dispatch[]): Promise<void> {
    const { device } = this.gpu;
    const where = { label: `graph "${this.plan.name}", ${what}` };
    const started = performance.now();
    const profiler = Profiler.of(this.gpu);
    if (profiler) {
      await profiler.run(what, this.plan.name, dispatches);
      if (what !== 'prepare') this.#runMs += performance.now() - started;
      return;
    }
    await withErrorScopes(this.gpu, where, () => {
      const encoder = device.createCommandEncoder({ label: what });
      this.#encode(encoder, what, dispatches);
      device.queue.submit([encoder.finish()]);
    });
    await untilLost(this.gpu, where, device.queue.onSubmittedWorkDone());
    if (what !== 'prepare') this.#runMs += performance.now() - started;
    this.gpu.check();
  }

  #encode(encoder: GPUCommandEncoder, label: string, dispatches: readonly Dispatch[]): void {
    const pass = encoder.beginComputePass({ label });
    for (const { kernel, bindGroup, groups } of dispatches) {
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(groups[0], groups[1]);
    }
    pass.end();
  }

  #requireLive(): void {
    if (this.#disposed) throw new InputError('executor: expected a live executor, got one that has been disposed of.');
  }

  /** One call at a time: buffers are shared by all runs of an executor. */
  async #exclusively<T>(call: () => Promise<T>): Promise<T> {
    this.#requireLive();
    if (this.#busy || this.#queued > 0) throw new EngineError(ONE_CALL);
    this.#busy = true;
    try {
      return await call();
    } finally {
      this.#busy = false;
    }
  }
}

/** Values that do not fill their shape would leave those of the last run in place; numbers of another type would be taken for bits. */
function checkData(what: string, { shape, data }: AnyTensor, type: typeof Float32Array | typeof Int32Array): void {
  if (!(data instanceof type))
    throw new InputError(`${what}: expected ${type === Int32Array ? 'i32' : 'f32'}, got ${(data as object).constructor.name}.`);
  if (data.length !== size(shape))
    throw new InputError(`${what}: expected ${size(shape)} values for shape ${formatShape(shape)}, got ${data.length}.`);
}
