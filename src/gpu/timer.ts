/**
 * Device time of dispatches, by a pair of timestamps around a compute pass; wall time where the device has no timestamps.
 */
import type { Dispatch } from './dispatch.ts';
import { BufferUsage, MapMode } from './constants.ts';
import { mappedBytes, untilLost, withErrorScopes, type Gpu } from './device.ts';

/** How long one submission took, in ms. */
export interface Span {
  /** From submission to the host's hearing that the work is done. */
  readonly wallMs: number;
  /** From the pass's beginning to its end on the device's clock; undefined without timestamps, or where the clock stood still or ran backwards. */
  readonly deviceMs?: number;
}

/** What is dispatched: a step of a plan, or anything else with a pipeline, a bind group and workgroups. */
export type Dispatchable = Pick<Dispatch, 'bindGroup' | 'groups'> & { readonly kernel: { readonly pipeline: GPUComputePipeline } };

const MS_PER_NS = 1e-6;

/** Most times that dispatches are repeated in one submission. */
export const MOST_REPEATS = 4096;

/** Most passes of one {@link GpuTimer.trace}: WebGPU allows 4,096 timestamps in a set. */
const MOST_PASSES = 2048;

/**
 * An idle GPU lowers its clocks, and raises them only while submissions are long and leave no gaps. An H100's cores go from 1980 to 345 MHz within
 * seconds; copying 196 MiB then takes 252 us instead of 140 for 300 ms of submissions of 2.5 ms end to end, for 400 to 800 ms with gaps of 1 ms, and for
 * good with gaps of 5 ms. One long pause of a second did no harm, but pauses of half a second between short measurements did.
 */
const ROUSE_MS = 600;
const ROUSING_MS = 20;
const STILL_AWAKE_MS = 20;

/** Times dispatches on one device. To be disposed of. */
export class GpuTimer {
  readonly #queries: GPUQuerySet | undefined;
  readonly #resolved: GPUBuffer | undefined;
  readonly #staging: GPUBuffer | undefined;
  /** When the last measurement ended. */
  #busy = -Infinity;

  private constructor(
    readonly gpu: Gpu,
    readonly passes: number,
  ) {
    if (!gpu.device.features.has('timestamp-query')) return;
    const { device } = gpu;
    const size = 16 * passes;
    this.#queries = device.createQuerySet({ label: 'timer', type: 'timestamp', count: 2 * passes });
    this.#resolved = device.createBuffer({ label: 'timer', size, usage: BufferUsage.QUERY_RESOLVE | BufferUsage.COPY_SRC });
    this.#staging = device.createBuffer({ label: 'timer staging', size, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST });
  }

  /** @param passes how many passes one {@link trace} may take, at most 2,048 */
  static create(gpu: Gpu, passes = 1): Promise<GpuTimer> {
    return withErrorScopes(gpu, { label: 'timer' }, () => new GpuTimer(gpu, Math.min(MOST_PASSES, Math.max(1, passes))));
  }

  /** Keeps a GPU that has been idle busy with these dispatches until its clocks are up; before that times do not count. Software has no such clocks. */
  async rouse(dispatches: readonly Dispatchable[]): Promise<void> {
    if (this.gpu.info.software || performance.now() - this.#busy < STILL_AWAKE_MS) return;
    const until = performance.now() + ROUSE_MS;
    for (let repeats = 1; performance.now() < until;) {
      const { deviceMs, wallMs } = await this.measure(dispatches, repeats);
      const wanted = Math.ceil((repeats * ROUSING_MS) / Math.max(deviceMs ?? wallMs, 1e-3));
      repeats = Math.max(1, Math.min(wanted, 16 * repeats, MOST_REPEATS));
    }
  }

  /** Whether the device's own clock is read. */
  get timestamps(): boolean {
    return this.#queries !== undefined;
  }

  /**
   * Submits the dispatches `repeats` times over, in order, in one pass, and waits for them. Between dispatches that write the same buffer the
   * device waits, as it does in a run.
   */
  async measure(dispatches: readonly Dispatchable[], repeats = 1): Promise<Span> {
    const [span] = await this.#run([{ dispatches, repeats }]);
    this.#busy = performance.now();
    return span;
  }

  /** Each group of dispatches in a pass of its own, all in one submission: how long each took, in ms; undefined without timestamps. */
  async trace(
    groups: readonly (readonly Dispatchable[])[],
  ): Promise<{ wallMs: number; passes: ({ begin: number; end: number } | undefined)[] }> {
    const spans = await this.#run(groups.map((dispatches) => ({ dispatches, repeats: 1 })));
    return {
      wallMs: spans[0]?.wallMs ?? 0,
      passes: spans.map(({ begin, end }) => (begin === undefined ? undefined : { begin, end: end! })),
    };
  }

  async #run(
    groups: readonly { readonly dispatches: readonly Dispatchable[]; readonly repeats: number }[],
  ): Promise<(Span & { begin?: number; end?: number })[]> {
    const { device } = this.gpu;
    const where = { label: 'timed run' };
    const started = performance.now();
    await withErrorScopes(this.gpu, where, () => {
      const encoder = device.createCommandEncoder({ label: 'timed' });
      groups.forEach(({ dispatches, repeats }, i) => {
        const querySet = i < this.passes ? this.#queries : undefined;
        const timestampWrites = querySet && { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
        const pass = encoder.beginComputePass({ label: 'timed', ...(timestampWrites ? { timestampWrites } : {}) });
        for (let r = 0; r < repeats; r++) {
          for (const { kernel, bindGroup, groups } of dispatches) {
            pass.setPipeline(kernel.pipeline);
            pass.setBindGroup(0, bindGroup);
            pass.dispatchWorkgroups(groups[0], groups[1]);
          }
        }
        pass.end();
      });
      if (this.#queries) {
        const count = 2 * Math.min(groups.length, this.passes);
        encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved!, 0);
        encoder.copyBufferToBuffer(this.#resolved!, 0, this.#staging!, 0, 8 * count);
      }
      device.queue.submit([encoder.finish()]);
    });
    await untilLost(this.gpu, where, device.queue.onSubmittedWorkDone());
    const wallMs = performance.now() - started;
    this.gpu.check();
    const clock = await this.#read();
    return groups.map((_, i) => {
      if (!clock || i >= this.passes) return { wallMs };
      const [begin, end] = [clock[2 * i], clock[2 * i + 1]];
      if (end <= begin) return { wallMs };
      const [first] = clock;
      return {
        wallMs,
        deviceMs: Number(end - begin) * MS_PER_NS,
        begin: Number(begin - first) * MS_PER_NS,
        end: Number(end - first) * MS_PER_NS,
      };
    });
  }

  async #read(): Promise<BigUint64Array | undefined> {
    if (!this.#staging) return undefined;
    const where = { label: 'reading timestamps' };
    await untilLost(this.gpu, where, this.#staging.mapAsync(MapMode.READ));
    const clock = new BigUint64Array((await mappedBytes(this.gpu, where, this.#staging)).slice(0));
    this.#staging.unmap();
    return clock;
  }

  dispose(): void {
    this.#queries?.destroy();
    this.#resolved?.destroy();
    this.#staging?.destroy();
  }
}
