/**
 * What one executor gives to the device's queue: dispatches, and copies of their results into {@link Staging}. Keeps account of what that takes on
 * the host, and of what is still under way.
 */
import { size, type AnyTensor } from '../tensor.ts';
import type { TensorRef } from '../plan.ts';
import { MapMode } from './constants.ts';
import { mappedBytes, untilLost, withErrorScopes, type Gpu } from './device.ts';
import type { Dispatch } from './dispatch.ts';
import { Profiler } from './profiler.ts';
import type { Staging } from './staging.ts';

/** A tensor of f32 or i32 to be read. */
export interface Reading {
  readonly ref: TensorRef;
  readonly buffer: GPUBuffer;
}

export class Submissions {
  /** Wall times in ms: on the host, to encode and submit; until the device was done. */
  hostMs = 0;
  runMs = 0;
  /** Dispatches that `hostMs` was spent on. */
  dispatched = 0;
  readonly #underWay = new Set<Promise<unknown>>();
  #lastDone = 0;

  constructor(
    readonly gpu: Gpu,
    readonly graph: string,
    readonly staging: Staging,
  ) {}

  /** Queued runs that are not done. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Once no queued run is under way, however they ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  /** Dispatches in one submission, until they are done; step by step under a profiler. */
  async run(what: string, dispatches: readonly Dispatch[]): Promise<void> {
    const { gpu } = this;
    const where = { label: `graph "${this.graph}", ${what}` };
    const started = performance.now();
    const profiler = Profiler.of(gpu);
    if (profiler) await profiler.run(what, this.graph, dispatches);
    else {
      await withErrorScopes(gpu, where, () => this.#submit(what, dispatches));
      await untilLost(gpu, where, gpu.device.queue.onSubmittedWorkDone());
      gpu.check();
    }
    if (what !== 'prepare') this.runMs += performance.now() - started;
  }

  /**
   * Dispatches and the reading of their results in one submission, which has reached the queue when this returns.
   * @returns when the device is done: the results, in the order of `readings`
   */
  queue(what: string, dispatches: readonly Dispatch[], readings: readonly Reading[]): Promise<AnyTensor[]> {
    const results = this.#queue(what, dispatches, readings);
    this.#underWay.add(results);
    const over = (): unknown => this.#underWay.delete(results);
    results.then(over, over);
    return results;
  }

  async #queue(what: string, dispatches: readonly Dispatch[], readings: readonly Reading[]): Promise<AnyTensor[]> {
    const { gpu, staging } = this;
    const where = { label: `graph "${this.graph}", ${what}` };
    const started = performance.now();
    const bytes = readings.reduce((sum, { ref }) => sum + bytesOf(ref), 0);
    let buffer: GPUBuffer | undefined;
    try {
      await withErrorScopes(gpu, where, () => {
        if (bytes > 0) buffer = staging.take(bytes);
        this.#submit(what, dispatches, (encoder) => {
          let at = 0;
          for (const { ref, buffer: from } of readings) {
            encoder.copyBufferToBuffer(from, 0, buffer!, at, bytesOf(ref));
            at += bytesOf(ref);
          }
        });
        return buffer ? buffer.mapAsync(MapMode.READ, 0, bytes) : gpu.device.queue.onSubmittedWorkDone();
      });
      const mapped = buffer && (await mappedBytes(gpu, where, buffer, bytes));
      let at = 0;
      const results = readings.map(({ ref }): AnyTensor => {
        const own = mapped!.slice(at, (at += bytesOf(ref)));
        return ref.dtype === 'i32' ? { shape: ref.shape, data: new Int32Array(own) } : { shape: ref.shape, data: new Float32Array(own) };
      });
      if (buffer) {
        buffer.unmap();
        staging.give(buffer);
        buffer = undefined;
      }
      const done = performance.now();
      this.runMs += done - Math.max(started, this.#lastDone);
      this.#lastDone = done;
      gpu.check();
      return results;
    } finally {
      // Still here, so it never came to be read.
      if (buffer) staging.drop(buffer);
    }
  }

  /** Hands what `take` makes of a buffer's bytes, which are there for as long as it runs. */
  async fetch<T>(
    where: { label: string; node?: string },
    from: GPUBuffer,
    offset: number,
    bytes: number,
    take: (bytes: ArrayBuffer) => T,
  ): Promise<T> {
    const { gpu, staging } = this;
    const length = Math.max(4, bytes);
    let buffer: GPUBuffer | undefined;
    try {
      await withErrorScopes(gpu, where, () => {
        buffer = staging.take(length);
        const encoder = gpu.device.createCommandEncoder();
        encoder.copyBufferToBuffer(from, offset, buffer, 0, length);
        gpu.device.queue.submit([encoder.finish()]);
        return buffer.mapAsync(MapMode.READ, 0, length);
      });
      const taken = take(await mappedBytes(gpu, where, buffer!, length));
      buffer!.unmap();
      staging.give(buffer!);
      buffer = undefined;
      return taken;
    } finally {
      if (buffer) staging.drop(buffer);
    }
  }

  #submit(what: string, dispatches: readonly Dispatch[], behind?: (encoder: GPUCommandEncoder) => void): void {
    const { device } = this.gpu;
    const started = performance.now();
    const encoder = device.createCommandEncoder({ label: what });
    if (dispatches.length > 0) {
      const pass = encoder.beginComputePass({ label: what });
      let set: GPUComputePipeline | undefined;
      for (const { kernel, bindGroup, groups } of dispatches) {
        if (kernel.pipeline !== set) pass.setPipeline((set = kernel.pipeline));
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(groups[0], groups[1]);
      }
      pass.end();
    }
    behind?.(encoder);
    device.queue.submit([encoder.finish()]);
    if (dispatches.length === 0) return;
    this.hostMs += performance.now() - started;
    this.dispatched += dispatches.length;
  }
}

const bytesOf = ({ shape }: TensorRef): number => 4 * size(shape);
