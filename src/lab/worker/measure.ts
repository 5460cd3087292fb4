/**
 * The kernel benchmark on the visitor's own adapter, a case for each call, so that it can be stopped. Its code comes when it is first asked for.
 */
import { InputError, type DeviceLostError } from '../../errors.ts';
import type { Call } from '../rpc.ts';
import type { Benchmark, BenchQuestion, BenchState } from './benchmark.ts';
import type { Session } from './session.ts';

/** How far the measuring of roofs is. */
export interface RoofProgress {
  readonly done: number;
  readonly total: number;
}

export function benchMethods(session: Session) {
  let current: Benchmark | undefined;
  /** Why there is none, if it was the device: it may be lost between two cases. */
  let gone: DeviceLostError | undefined;
  const live = (): Benchmark => {
    if (!current) throw gone ?? new InputError('bench: expected one under way, got none. Start it anew.');
    return current;
  };
  const end = (): void => {
    if (!current) return;
    session.tenants.delete(current);
    current.dispose();
    current = undefined;
  };
  return {
    /** Ids of the cases that a question means on this adapter. */
    async benchCases(question: BenchQuestion): Promise<string[]> {
      const { casesOf } = await import('./benchmark.ts');
      return casesOf(await session.gpu(), question).map(({ id }) => id);
    },

    /** Looks at the clock and measures the roofs. */
    async benchBegin(question: BenchQuestion, call: Call): Promise<BenchState> {
      end();
      const { Benchmark } = await import('./benchmark.ts');
      const made = await Benchmark.begin(await session.gpu(), question, roofs(call));
      made.onDispose = (loss) => {
        current = undefined;
        gone = loss;
      };
      session.tenants.add((current = made));
      return made.state;
    },

    /** Checks and times the next case. */
    async benchNext(): Promise<BenchState> {
      await live().next();
      return live().state;
    },

    /** Measures the roofs once more and draws up the report of what there is. */
    async benchFinish(_: unknown, call: Call): Promise<BenchState> {
      await live().finish(roofs(call));
      return live().state;
    },

    /** As it stands; null if there is none. */
    benchState(): BenchState | null {
      return current?.state ?? null;
    },

    benchEnd(): void {
      end();
    },
  };
}

const roofs =
  ({ signal, report }: Call) =>
  (done: number, total: number): void => {
    signal.throwIfAborted();
    report({ done, total } satisfies RoofProgress);
  };
