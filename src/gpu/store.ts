/**
 * Parameters in device memory, shared by every plan that runs the same network: the weights themselves and what is prepared from them.
 */
import { InputError } from '../errors.ts';
import type { Plan } from '../plan.ts';
import { formatShape, sameShape, type AnyTensor } from '../tensor.ts';
import { BufferUsage } from './constants.ts';
import { withErrorScopes, type Gpu } from './device.ts';
import { Turns } from './turns.ts';

const STORAGE = BufferUsage.STORAGE | BufferUsage.COPY_DST | BufferUsage.COPY_SRC;

/** Makes a storage buffer, or says which tensor and node there is no room for. */
export function createStorage(gpu: Gpu, id: string, node: string, bytes: number): Promise<GPUBuffer> {
  const label = node ? `node "${node}", tensor "${id}"` : `tensor "${id}"`;
  return withErrorScopes(gpu, { label: `${label} (${bytes} bytes)`, node: node || undefined }, () =>
    gpu.device.createBuffer({ label: id, size: bytes, usage: STORAGE }),
  );
}

/** Weights of one network on one device. */
export class ParameterStore {
  /** One build at a time: what a build uploads for packing alone it releases at its end, and another must not count on it. */
  readonly builds = new Turns();
  /** Who runs on these buffers, each with its plan: what is prepared for none of them need not be kept up to date. */
  readonly users = new Set<{ readonly plan: Plan }>();
  readonly #buffers = new Map<string, GPUBuffer>();
  readonly #prepared = new Set<string>();
  /** Values that stand in for those of the beginning. */
  readonly #replaced = new Map<string, AnyTensor>();
  #disposed = false;

  /** @param values the parameters by name; read when a plan first needs them. */
  constructor(
    readonly gpu: Gpu,
    readonly values: ReadonlyMap<string, AnyTensor>,
  ) {}

  has(id: string): boolean {
    return this.#buffers.has(id);
  }

  /** @throws InputError if it was never made. */
  buffer(id: string): GPUBuffer {
    const buffer = this.#buffers.get(id);
    if (!buffer) throw new InputError(`parameters: expected "${id}" in the store, but it was never uploaded or has been disposed of.`);
    return buffer;
  }

  /** Makes an empty buffer for what belongs to parameters: their packed form or their velocity. */
  async allocate(id: string, node: string, bytes: number, kind: 'prepared' | 'velocity'): Promise<void> {
    this.#check();
    if (!this.#buffers.has(id)) this.#buffers.set(id, await createStorage(this.gpu, id, node, bytes));
    if (kind === 'prepared') this.#prepared.add(id);
  }

  /**
   * Uploads a parameter.
   * @throws InputError if there is no value of that name, or it has another size.
   */
  async upload(id: string, bytes: number, elements: number): Promise<void> {
    this.#check();
    if (this.#buffers.has(id)) return;
    const value = this.#replaced.get(id) ?? this.values.get(id);
    if (!value) throw new InputError(`parameters: expected a value for "${id}", got none. Load the weights that belong to this graph.`);
    if (value.data.length !== elements) {
      throw new InputError(
        `parameters: expected ${elements} values for "${id}", got ${value.data.length}. Load the weights that belong to this graph.`,
      );
    }
    this.#buffers.set(id, await createStorage(this.gpu, id, '', bytes));
    this.#write(id, value);
  }

  /**
   * Takes other values for parameters: those on the device are written over, the rest is uploaded when it is needed. What was packed for nobody
   * who is still there is freed. To be called in a turn of {@link builds}; packed forms in use are the caller's to renew.
   * @throws InputError, with nothing changed, if there is no parameter of a name, or it has another shape or type
   */
  replace(values: ReadonlyMap<string, AnyTensor>): void {
    this.#check();
    for (const [name, { shape, data }] of values) {
      const old = this.values.get(name);
      if (!old) throw new InputError(`parameters: expected names of parameters, got "${name}". Take the names of the network's graph.`);
      if (!sameShape(shape, old.shape) || data.length !== old.data.length || data.constructor !== old.data.constructor) {
        throw new InputError(
          `parameters: expected "${name}" as ${old.data.constructor.name} ${formatShape(old.shape)}, ` +
            `got ${data.constructor.name} ${formatShape(shape)} with ${data.length} values.`,
        );
      }
    }
    this.releaseUnused();
    for (const [name, value] of values) {
      this.#replaced.set(name, value);
      if (this.#buffers.has(name)) this.#write(name, value);
    }
  }

  /**
   * Frees what was packed for nobody who is still there. Who changes the weights and renews only the packed forms of its own plan must call this
   * after every other plan's use: else the next user of that plan finds a packed form of weights that are no more.
   */
  releaseUnused(): void {
    const inUse = new Set([...this.users].flatMap(({ plan }) => Object.keys(plan.tensors)));
    for (const id of [...this.#prepared]) if (!inUse.has(id)) this.release(id);
  }

  #write(id: string, { data }: AnyTensor): void {
    this.gpu.device.queue.writeBuffer(this.buffer(id), 0, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  /** Frees one buffer, such as weights that only their packed form needs. */
  release(id: string): void {
    this.#buffers.get(id)?.destroy();
    this.#buffers.delete(id);
    this.#prepared.delete(id);
  }

  dispose(): void {
    this.#disposed = true;
    for (const id of [...this.#buffers.keys()]) this.release(id);
  }

  #check(): void {
    if (this.#disposed) throw new InputError('parameters: expected a live store, got one that has been disposed of.');
  }
}
