/**
 * One case from its shapes to its row: run on buffers filled with NaN, checked, timed, and looked at again to see that the timed runs computed
 * the same bits.
 */
import { EngineError, LimitError, OutOfMemoryError } from '../errors.ts';
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import type { GpuTimer } from '../gpu/timer.ts';
import type { Plan } from '../plan.ts';
import { size, type Tensor } from '../tensor.ts';
import type { BenchCase } from './cases.ts';
import { checkResult, type Check } from './check.ts';
import { makeProblem, workOf, type Problem } from './problem.ts';
import { timeDispatches, type SampleOptions, type Timing } from './samples.ts';

/** A dispatch of the part that was timed. */
export interface StepRow {
  readonly shader: string;
  readonly entry: string;
  readonly workgroups: number;
}

/** How often a result was made again, and whether it had the same bits each time. */
export interface Repeats {
  readonly runs: number;
  readonly same: boolean;
}

/** One row of a report. Times and what follows from them are there only for results that passed their check. */
export interface CaseResult {
  readonly id: string;
  readonly kind: string;
  readonly layer: string;
  readonly op: string;
  readonly direction: BenchCase['direction'];
  readonly batch: number;
  readonly inputs: BenchCase['inputs'];
  readonly attrs: BenchCase['attrs'];
  readonly flop: number;
  readonly bytes: number;
  readonly steps: readonly StepRow[];
  readonly check?: Check;
  readonly timing?: Timing;
  /** Packing the weights, which is done once and not part of the time above. */
  readonly packing?: Timing;
  readonly repeats?: Repeats;
  /** Why there is no result: the adapter's limits or memory. */
  readonly skipped?: string;
  /** Why there is no result: the engine or the device failed. */
  readonly failed?: string;
}

export interface CaseOptions extends SampleOptions {
  /** Applied to the plan before it runs: tests plant faults with it. */
  readonly change?: (plan: Plan) => Plan;
}

/** Below this, in ms and in elements, a result is made ten times over to compare its bits; else once. */
const CHEAP = { ms: 50, elements: 4e6 };

/** Runs a case. What the adapter cannot hold is skipped, what fails is told in the row; a lost device ends everything. */
export async function runCase(gpu: Gpu, timer: GpuTimer, c: BenchCase, options: CaseOptions): Promise<CaseResult> {
  const problem = makeProblem(c, traitsOf(gpu));
  const { id, kind, layer, op, direction, batch, inputs, attrs } = c;
  const row = { id, kind, layer, op, direction, batch, inputs, attrs, ...workOf(problem), steps: [] };
  try {
    return await timeProblem(gpu, timer, problem, row, options);
  } catch (error) {
    if (gpu.loss || !(error instanceof EngineError || error instanceof LimitError)) throw error;
    return error instanceof LimitError || error instanceof OutOfMemoryError
      ? { ...row, skipped: error.message }
      : { ...row, failed: error.message };
  }
}

async function timeProblem(gpu: Gpu, timer: GpuTimer, problem: Problem, row: CaseResult, options: CaseOptions): Promise<CaseResult> {
  const { plan, part, seed, wrt } = problem;
  const executor = await Executor.create(gpu, options.change?.(plan) ?? plan, problem.tensors);
  try {
    executor.poison();
    const inputs = Object.fromEntries(plan.inputs.map((name) => [name, problem.tensors.get(name)!]));
    const run = (): Promise<void> => (part === 'backward' ? executor.run(inputs, seed!) : executor.forward(inputs));
    const read = (): Promise<Tensor> => (wrt === undefined ? executor.readTensor('y') : executor.readGradient(`x${wrt}`));
    await run();
    const first = await read();
    const check = checkResult(problem, first);
    const dispatches = executor.dispatches(part);
    const steps = dispatches.map(({ step, groups }): StepRow => ({
      shader: step.shader,
      entry: step.entry,
      workgroups: groups[0] * groups[1],
    }));
    if (!check.passed) return { ...row, steps, check };

    const timing = await timeDispatches(timer, dispatches, options);
    // Of what was packed, that which these steps read: a backward pass brings the forward pass's packed weights along.
    const used = new Set(dispatches.flatMap(({ step }) => Object.values(step.bind)));
    const prepare = executor
      .dispatches('prepare')
      .filter(({ step }) => Object.values(step.bind).some((t) => plan.tensors[t].kind === 'prepared' && used.has(t)));
    const packing =
      prepare.length > 0
        ? await timeDispatches(timer, prepare, { samples: Math.min(5, options.samples), budget: options.budget / 8 })
        : undefined;
    // The result of the timed runs; then those of others.
    const runs = timing.device.median < CHEAP.ms && size(first.shape) <= CHEAP.elements ? 10 : 1;
    let same = sameBits(first, await read());
    for (let k = 1; k < runs && same; k++) {
      await timer.measure(dispatches);
      same = sameBits(first, await read());
    }
    return { ...row, steps, check, timing, packing, repeats: { runs, same } };
  } finally {
    executor.dispose();
  }
}

/** Whether two tensors of one shape are the same to the bit. */
export function sameBits(a: Tensor, b: Tensor): boolean {
  const [p, q] = [a, b].map(({ data }) => new Uint32Array(data.buffer, data.byteOffset, data.length));
  for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) return false;
  return true;
}
