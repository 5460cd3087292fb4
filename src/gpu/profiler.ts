/**
 * Where a run's time goes, step by step. While a profiler is attached to a device, every executor on it gives each step a compute pass of its own
 * between two timestamps; the results are the same, the whole is slower.
 */
import type { Dispatch } from './dispatch.ts';
import { InputError } from '../errors.ts';
import type { Gpu } from './device.ts';
import { GpuTimer } from './timer.ts';

/** One step of one submission. */
export interface ProfiledStep {
  /** What was submitted: `forward`, `backward`, `prepare`, `forward and backward`, `training`. */
  readonly run: string;
  /** Submissions are counted from 0. */
  readonly submission: number;
  /** The node of the graph that it belongs to. */
  readonly node: string;
  readonly shader: string;
  readonly entry: string;
  readonly workgroups: number;
  /** On the device's clock, in ms from the first step of its submission. */
  readonly begin: number;
  readonly end: number;
}

/** One submission as the host saw it, in ms since the profiler was attached. */
export interface ProfiledRun {
  readonly run: string;
  readonly graph: string;
  readonly start: number;
  readonly wallMs: number;
}

const attached = new WeakMap<Gpu, Profiler>();

/** Steps timed in one submission of the device; longer runs are submitted in parts. */
const PART = 1024;

export class Profiler {
  readonly steps: ProfiledStep[] = [];
  readonly runs: ProfiledRun[] = [];
  readonly #started = performance.now();

  private constructor(
    readonly gpu: Gpu,
    readonly timer: GpuTimer,
  ) {}

  /** The device's profiler, if one is attached. */
  static of(gpu: Gpu): Profiler | undefined {
    return attached.get(gpu);
  }

  /** @throws InputError if the device has no timestamps */
  static async attach(gpu: Gpu): Promise<Profiler> {
    if (!gpu.device.features.has('timestamp-query')) {
      throw new InputError(`profile: expected an adapter with timestamp-query, got ${gpu.info.name}. Use another adapter.`);
    }
    const profiler = new Profiler(gpu, await GpuTimer.create(gpu, PART));
    attached.set(gpu, profiler);
    return profiler;
  }

  /** Runs steps in order and notes when each began and ended. For executors. */
  async run(run: string, graph: string, dispatches: readonly Dispatch[]): Promise<void> {
    for (let from = 0; from < dispatches.length; from += PART) {
      const part = dispatches.slice(from, from + PART);
      const submission = this.runs.length;
      const start = performance.now() - this.#started;
      const { wallMs, passes } = await this.timer.trace(part.map((dispatch) => [dispatch]));
      this.runs.push({ run, graph, start, wallMs });
      part.forEach(({ step, groups }, i) => {
        const { begin, end } = passes[i] ?? { begin: 0, end: 0 };
        const { node, shader, entry } = step;
        this.steps.push({ run, submission, node, shader, entry, workgroups: groups[0] * groups[1], begin, end });
      });
    }
  }

  /** Executors run as before. */
  detach(): void {
    attached.delete(this.gpu);
    this.timer.dispose();
  }
}
