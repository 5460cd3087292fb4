/**
 * A kernel that may be chosen for a shape: built, and held to f64 before its time counts for anything.
 */
import { checker, makeProblem, planOf, sameBits, type BenchCase, type Check, type Problem } from '../bench/index.ts';
import { EngineError, LimitError, OutOfMemoryError } from '../errors.ts';
import { traitsOf, type Gpu } from '../gpu/device.ts';
import type { Dispatch } from '../gpu/dispatch.ts';
import { Executor } from '../gpu/executor.ts';
import { ParameterStore } from '../gpu/store.ts';
import type { Choice, DeviceTraits, Plan } from '../plan.ts';
import type { Tensor } from '../tensor.ts';

/** Times a result is made, each time on memory full of NaN. */
const RUNS = 3;

/** A case with what its candidates share: numbers, weights on the device, the f64 result. */
export class Contest {
  readonly check: (got: Tensor) => Check;
  readonly store: ParameterStore;

  private constructor(
    readonly gpu: Gpu,
    readonly traits: DeviceTraits,
    readonly problem: Problem,
    /** What the static choice decided for it. */
    readonly choice: Choice,
    readonly change: (plan: Plan) => Plan,
  ) {
    this.check = checker(problem);
    this.store = new ParameterStore(gpu, problem.tensors);
  }

  /** @param change applied to each plan before it runs: tests plant faults with it. Undefined if there is nothing to choose. */
  static of(gpu: Gpu, c: BenchCase, change: (plan: Plan) => Plan = (plan) => plan): Contest | undefined {
    const traits = staticTraits(gpu);
    const problem = makeProblem(c, traits);
    const choice = choiceOf(problem.plan, c);
    return choice && new Contest(gpu, traits, problem, choice, change);
  }

  /** The plan with one kernel pinned; with undefined the static choice's. */
  plan(variant: string | undefined): Plan {
    if (variant === undefined) return this.problem.plan;
    return planOf(this.problem.case, { ...this.traits, choices: { [this.choice.key]: variant } }, this.problem.typed);
  }

  dispose(): void {
    this.store.dispose();
  }
}

/** A device's traits without what is pinned there. */
export function staticTraits(gpu: Gpu): DeviceTraits {
  const { choices: _, ...traits } = traitsOf(gpu);
  return traits;
}

/** What a plan of one op chose for the direction of a case. */
export function choiceOf(plan: Plan, { op, direction }: BenchCase): Choice | undefined {
  return plan.choices.find((choice) => choice.op === op && choice.direction === direction);
}

/** What became of a candidate before the race. */
export type Entry =
  | { readonly verdict: 'passed'; readonly contender: Contender; readonly check: Check }
  /** A wrong result, or bits that differ from run to run, or an error of the device. */
  | { readonly verdict: 'refused'; readonly why: string }
  /** The adapter's limits or memory do not allow it. */
  | { readonly verdict: 'skipped'; readonly why: string };

/** A kernel in the race. To be disposed of. */
export class Contender {
  private constructor(
    /** Undefined: the static choice. */
    readonly variant: string | undefined,
    readonly executor: Executor,
    readonly dispatches: readonly Dispatch[],
    readonly result: Tensor,
    readonly read: () => Promise<Tensor>,
  ) {}

  /** Builds a kernel for a case, runs it and checks it. A lost device ends everything. */
  static async enter(contest: Contest, variant: string | undefined, plan: Plan): Promise<Entry> {
    let executor: Executor | undefined;
    try {
      executor = await Executor.create(contest.gpu, contest.change(plan), contest.store);
      const entry = await verify(contest, executor);
      if (!('result' in entry)) {
        executor.dispose();
        return entry;
      }
      const { result, read, check } = entry;
      const contender = new Contender(variant, executor, executor.dispatches(contest.problem.part), result, read);
      return { verdict: 'passed', contender, check };
    } catch (error) {
      executor?.dispose();
      if (contest.gpu.loss || !(error instanceof EngineError || error instanceof LimitError)) throw error;
      const verdict = error instanceof LimitError || error instanceof OutOfMemoryError ? 'skipped' : 'refused';
      return { verdict, why: error.message };
    }
  }

  /** Whether the result of the last run has the bits of the checked one. */
  async unchanged(): Promise<boolean> {
    return sameBits(this.result, await this.read());
  }

  sameBits(other: Contender): boolean {
    return sameBits(this.result, other.result);
  }

  dispose(): void {
    this.executor.dispose();
  }
}

type Verified =
  Extract<Entry, { verdict: 'refused' }> | { readonly result: Tensor; readonly read: () => Promise<Tensor>; readonly check: Check };

async function verify({ problem, check }: Contest, executor: Executor): Promise<Verified> {
  const { part, seed, wrt, tensors, plan } = problem;
  const inputs = Object.fromEntries(plan.inputs.map((name) => [name, tensors.get(name)!]));
  const read = (): Promise<Tensor> => (wrt === undefined ? executor.readTensor('y') : executor.readGradient(`x${wrt}`));
  const run = async (): Promise<Tensor> => {
    executor.poison();
    await (part === 'backward' ? executor.run(inputs, seed!) : executor.forward(inputs));
    return read();
  };
  const result = await run();
  const checked = check(result);
  if (!checked.passed) return { verdict: 'refused', why: checked.failure ?? 'wrong' };
  for (let k = 1; k < RUNS; k++) {
    if (!sameBits(result, await run())) {
      return { verdict: 'refused', why: `expected the same bits in ${RUNS} runs, got others in run ${k + 1}` };
    }
  }
  return { result, read, check: checked };
}
