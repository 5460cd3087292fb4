/** What the worker holds between calls: a device, a model with its network, and a photo. */
import { DeviceLostError, InputError } from '../../errors.ts';
import { openDevice, type AdapterSummary, type Gpu } from '../../gpu/device.ts';
import { typeGraph, type TypedGraph } from '../../graph.ts';
import type { Picture } from '../../image/picture.ts';
import { channelCount, type Preprocess } from '../../image/preprocess.ts';
import type { LoadedGraph, Model } from '../../models/model.ts';
import { Network } from '../../network.ts';

/** A model, ready to be asked. */
export interface OpenModel extends LoadedGraph {
  readonly name: string;
  readonly model: Model;
  readonly labels: readonly string[] | undefined;
  readonly spec: Preprocess;
  readonly typed: TypedGraph;
}

/** What the page hears without asking. */
export type LabEvent = { readonly kind: 'device'; readonly adapter: AdapterSummary } | { readonly kind: 'lost'; readonly message: string };

export class Session {
  #gpu: Promise<Gpu> | undefined;
  #network: Network | undefined;
  #model: OpenModel | undefined;
  #photo: Picture | undefined;
  /** Rises whenever the model or the photo changes: what was computed for another is void. */
  #edition = 0;
  /** What lies on the device beside the network and is freed before it: it ends with the model, or with the device. */
  readonly tenants = new Set<{ dispose(): void }>();

  constructor(private readonly emit: (event: LabEvent) => void) {}

  get edition(): number {
    return this.#edition;
  }

  /** The device; opened at the first call, and again after it was lost. */
  gpu(): Promise<Gpu> {
    return (this.#gpu ??= this.#open().catch((error: unknown) => {
      this.#gpu = undefined;
      throw error;
    }));
  }

  async #open(): Promise<Gpu> {
    const gpu = await openDevice();
    this.emit({ kind: 'device', adapter: gpu.info });
    void gpu.lost.then(({ message }) => {
      // All that lay there is gone; the next question opens another one.
      this.#gpu = undefined;
      this.#network = undefined;
      this.#evict();
      this.#edition++;
      this.emit({ kind: 'lost', message });
    });
    return gpu;
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

  set photo(picture: Picture) {
    this.#photo = picture;
    this.#edition++;
  }

  /** The model's network for one photo at a time. */
  async network(): Promise<Network> {
    const { graph, parameters } = this.model;
    const gpu = await this.gpu();
    return (this.#network ??= new Network(gpu, graph, parameters, PLANS));
  }

  /** Takes another model in place of the last one, whose memory is freed. */
  async choose(name: string, model: Model, labels: readonly string[] | undefined, spec: Preprocess): Promise<OpenModel> {
    const loaded = model.at({ [model.input.name]: [1, channelCount(spec.channels), ...spec.size] });
    const chosen = { name, model, labels, spec, typed: typeGraph(loaded.graph), ...loaded };
    const before = this.#network;
    this.#network = undefined;
    this.#evict();
    this.#model = chosen;
    this.#edition++;
    await before?.dispose();
    return chosen;
  }

  #evict(): void {
    for (const tenant of this.tenants) tenant.dispose();
    this.tenants.clear();
  }
}

/** Four rules of scores and of posteriors, and the plan that only classifies. */
const PLANS = 9;

export const isLost = (error: unknown): boolean => error instanceof DeviceLostError;
