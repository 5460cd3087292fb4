/** Buffers that results are read through. They are kept and used again: a run makes one only if none that is free is large enough. */
import { LimitError } from '../errors.ts';
import { BufferUsage } from './constants.ts';
import type { Gpu } from './device.ts';

export class Staging {
  readonly #free: GPUBuffer[] = [];
  readonly #all = new Set<GPUBuffer>();

  constructor(readonly gpu: Gpu) {}

  /** Bytes of all of them, in use or not. */
  get bytes(): number {
    return [...this.#all].reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * A buffer of at least so many bytes, the caller's until it is given back. One that is free and too small makes way for it. To be called
   * between error scopes.
   * @throws LimitError if the adapter has no buffers of that size
   */
  take(bytes: number): GPUBuffer {
    const at = this.#free.findIndex(({ size }) => size >= bytes);
    if (at >= 0) return this.#free.splice(at, 1)[0];
    const { maxBufferSize } = this.gpu.device.limits;
    if (bytes > maxBufferSize) {
      throw new LimitError(
        `results: expected at most ${maxBufferSize} bytes at a time on this adapter (${this.gpu.info.name}), got ${bytes}. ` +
          'Use a smaller batch, or ask for less at once.',
      );
    }
    const small = this.#free.pop();
    if (small) this.drop(small);
    const usage = BufferUsage.MAP_READ | BufferUsage.COPY_DST;
    const buffer = this.gpu.device.createBuffer({ label: 'staging', size: Math.max(16, bytes), usage });
    this.#all.add(buffer);
    return buffer;
  }

  /** Takes back a buffer that is not mapped. */
  give(buffer: GPUBuffer): void {
    if (this.#all.has(buffer)) this.#free.push(buffer);
  }

  /** Frees a buffer that is not to be used again, such as one whose mapping failed. */
  drop(buffer: GPUBuffer): void {
    this.#all.delete(buffer);
    buffer.destroy();
  }

  /** Frees all of them. */
  dispose(): void {
    for (const buffer of this.#all) buffer.destroy();
    this.#all.clear();
    this.#free.length = 0;
  }
}
