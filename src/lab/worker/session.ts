/** What the worker holds between calls: a device, a model with its network, and a photo. */
import { AdapterError, DeviceLostError, InputError } from '../../errors.ts';
import { openDevice, type AdapterSummary, type Gpu } from '../../gpu/device.ts';
import { typeGraph, valueInfo, type TypedGraph } from '../../graph.ts';
import type { Picture } from '../../image/picture.ts';
import { channelCount, type Preprocess } from '../../image/preprocess.ts';
import type { LoadedGraph, Model } from '../../models/model.ts';
import { Network, requireScores } from '../../network.ts';
import { size } from '../../tensor.ts';

/** A model, ready to be asked. */
export interface OpenModel extends LoadedGraph {
  readonly name: string;
  readonly model: Model;
  readonly labels: readonly string[] | undefined;
  readonly spec: Preprocess;
  readonly typed: TypedGraph;
}

/** What the page hears without asking. */
export type LabEvent =
  | { readonly kind: 'device'; readonly adapter: AdapterSummary }
  | { readonly kind: 'lost'; readonly message: string }
  /** An error that belongs to no call. */
  | { readonly kind: 'fault'; readonly message: string };

/** The one thing of its kind beside the network on the device, such as a class model in the making. It ends with the model, or with the device. */
export class Tenancy<T extends { dispose(): void }> {
  #current: T | undefined;
  /** Why there is none, if it was the device: it may be lost between two calls. */
  #gone: DeviceLostError | undefined;

  /** @param none said where one is expected and there is none */
  constructor(
    private readonly session: Session,
    private readonly none: string,
  ) {}

  get current(): T | undefined {
    return this.#current;
  }

  /** @throws DeviceLostError if it went with its device; @throws InputError if there is none for another reason */
  get live(): T {
    if (!this.#current) throw this.#gone ?? new InputError(this.none);
    return this.#current;
  }

  /** Another takes its place. */
  begin(made: T): T {
    this.end();
    this.session.tenants.add(this);
    return (this.#current = made);
  }

  /** Frees it. @param loss why, if it was the device */
  end(loss?: DeviceLostError): void {
    if (!this.#current) return;
    this.session.tenants.delete(this);
    this.#current.dispose();
    this.#current = undefined;
    this.#gone = loss;
  }
}

export class Session {
  #gpu: Promise<Gpu> | undefined;
  #network: Network | undefined;
  #model: OpenModel | undefined;
  #photo: Picture | undefined;
  #photoName = '';
  /** Rises whenever the model or the photo changes: what was computed for another is void. */
  #edition = 0;
  /** A device was lost and none has been asked for since. */
  #lost = false;
  /** What lies on the device beside the network and is freed before it. */
  readonly tenants = new Set<Tenancy<{ dispose(): void }>>();

  constructor(private readonly emit: (event: LabEvent) => void) {}

  get edition(): number {
    return this.#edition;
  }

  /**
   * The device; opened at the first call, and again after it was lost.
   * @throws AdapterError if none can be had
   */
  async gpu(): Promise<Gpu> {
    for (;;) {
      const gpu = await (this.#gpu ??= this.#open());
      // A loss is known to the device a little before it is told of.
      if (!gpu.loss) return gpu;
      this.#forget(gpu);
    }
  }

  async #open(): Promise<Gpu> {
    try {
      const gpu = await this.#request();
      void gpu.lost.then(({ message }) => this.#forget(gpu, message));
      this.emit({ kind: 'device', adapter: gpu.info });
      return gpu;
    } catch (error) {
      this.#gpu = undefined;
      throw error;
    }
  }

  /** A browser whose GPU process has just died has no adapter until there is another one. */
  async #request(): Promise<Gpu> {
    const waits = this.#lost ? WAITS_MS : [];
    this.#lost = false;
    for (const wait of waits) {
      try {
        return await openDevice();
      } catch (error) {
        if (!(error instanceof AdapterError)) throw error;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    return openDevice();
  }

  readonly #forgotten = new WeakSet<Gpu>();

  /** All that lay there is gone; the next question opens another one. */
  #forget(gpu: Gpu, message = gpu.loss?.message ?? ''): void {
    if (this.#forgotten.has(gpu)) return;
    this.#forgotten.add(gpu);
    gpu.dispose();
    this.#gpu = undefined;
    this.#network = undefined;
    this.#evict(new DeviceLostError(`device: expected a live one, got one that was lost (${message || 'no reason given'}).`));
    this.#edition++;
    this.#lost = true;
    this.emit({ kind: 'lost', message });
  }

  /** @throws InputError if no model was chosen */
  get model(): OpenModel {
    if (!this.#model) throw new InputError('model: expected one to be chosen first, got none.');
    return this.#model;
  }

  /** @throws InputError if no photo was chosen */
  get photo(): Picture {
    if (!this.#photo) throw new InputError('photo: expected one to be chosen first, got none.');
    return this.#photo;
  }

  /** The photo's name: of a sample, or `file:NAME`. */
  get photoName(): string {
    return this.#photoName;
  }

  takePhoto(name: string, picture: Picture): void {
    this.#photoName = name;
    this.#photo = picture;
    this.#edition++;
  }

  /** The model's network for one photo at a time. */
  async network(): Promise<Network> {
    const { graph, parameters } = this.model;
    const gpu = await this.gpu();
    if (this.#network?.gpu !== gpu) this.#network = new Network(gpu, graph, parameters, PLANS);
    return this.#network;
  }

  /**
   * Takes another model in place of the last one, whose memory is freed.
   * @param labelsFor the class names of so many classes
   * @throws InputError if it is no classifier of pictures; the last one stays
   */
  async choose(
    name: string,
    model: Model,
    labelsFor: (classes: number) => readonly string[] | undefined,
    spec: Preprocess,
  ): Promise<OpenModel> {
    const loaded = model.at({ [model.input.name]: [1, channelCount(spec.channels), ...spec.size] });
    const typed = typeGraph(loaded.graph);
    const { shape } = valueInfo(typed, requireScores(loaded.graph));
    const chosen = { name, model, labels: labelsFor(size(shape) / shape[0]), spec, typed, ...loaded };
    const before = this.#network;
    this.#network = undefined;
    this.#evict();
    this.#model = chosen;
    this.#edition++;
    await before?.dispose();
    return chosen;
  }

  /** Other names for the model's classes. */
  name(labels: readonly string[] | undefined): OpenModel {
    this.#model = { ...this.model, labels };
    this.#edition++;
    return this.#model;
  }

  /** Frees what lies beside the network. */
  #evict(loss?: DeviceLostError): void {
    for (const tenant of [...this.tenants]) tenant.end(loss);
  }
}

/** Four rules of scores and of posteriors, the plan that only classifies, and that of the map which the cut-out is made from. */
const PLANS = 10;

/** Between the requests for a new device. */
const WAITS_MS = [100, 400, 1500, 3000];

export const isLost = (error: unknown): boolean => error instanceof DeviceLostError;
