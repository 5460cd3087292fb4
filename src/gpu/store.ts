/**
 * Parameters in device memory, shared by every plan that runs the same network: the weights themselves and what is prepared from them.
 */
import { InputError } from '../errors.ts';
import type { AnyTensor } from '../tensor.ts';
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
  readonly #buffers = new Map<string, GPUBuffer>();
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

  /** Makes an empty buffer for a prepared tensor. */
  async allocate(id: string, node: string, bytes: number): Promise<void> {
    this.#check();
    if (!this.#buffers.has(id)) this.#buffers.set(id, await createStorage(this.gpu, id, node, bytes));
  }

  /**
   * Uploads a parameter.
   * @throws InputError if there is no value of that name, or it has another size.
   */
  async upload(id: string, bytes: number, elements: number): Promise<void> {
    this.#check();
    if (this.#buffers.has(id)) return;
    const value = this.values.get(id);
    if (!value) throw new InputError(`parameters: expected a value for "${id}", got none. Load the weights that belong to this graph.`);
    if (value.data.length !== elements) {
      throw new InputError(
        `parameters: expected ${elements} values for "${id}", got ${value.data.length}. Load the weights that belong to this graph.`,
      );
    }
    const buffer = await createStorage(this.gpu, id, '', bytes);
    this.gpu.device.queue.writeBuffer(buffer, 0, value.data.buffer as ArrayBuffer, value.data.byteOffset, value.data.byteLength);
    this.#buffers.set(id, buffer);
  }

  /** Frees one buffer, such as weights that only their packed form needs. */
  release(id: string): void {
    this.#buffers.get(id)?.destroy();
    this.#buffers.delete(id);
  }

  dispose(): void {
    this.#disposed = true;
    for (const id of [...this.#buffers.keys()]) this.release(id);
  }

  #check(): void {
    if (this.#disposed) throw new InputError('parameters: expected a live store, got one that has been disposed of.');
  }
}
