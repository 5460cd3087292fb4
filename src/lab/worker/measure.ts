/**
 * The kernel benchmark on the visitor's own adapter, a case for each call, so that it can be stopped. Its code comes when it is first asked for.
 */
import type { Call } from '../rpc.ts';
import type { Benchmark, BenchQuestion, BenchState } from './benchmark.ts';
import { Tenancy, type Session } from './session.ts';

/** How far the measuring of roofs is. */
export interface RoofProgress {
  readonly done: number;
  readonly total: number;
}

export function benchMethods(session: Session) {
  const benchmarks = new Tenancy<Benchmark>(session, 'bench: expected one under way, got none. Start it anew.');
  return {
    /** Ids of the cases that a question means on this adapter. */
    async benchCases(question: BenchQuestion): Promise<string[]> {
      const { casesOf } = await import('./benchmark.ts');
      return casesOf(await session.gpu(), question).map(({ id }) => id);
    },

    /** Looks at the clock and measures the roofs. */
    async benchBegin(question: BenchQuestion, call: Call): Promise<BenchState> {
      benchmarks.end();
      const { Benchmark } = await import('./benchmark.ts');
      return benchmarks.begin(await Benchmark.begin(await session.gpu(), question, roofs(call))).state;
    },

    /** Checks and times the next case. */
    async benchNext(): Promise<BenchState> {
      await benchmarks.live.next();
      return benchmarks.live.state;
    },

    /** Measures the roofs once more and draws up the report of what there is. */
    async benchFinish(_: unknown, call: Call): Promise<BenchState> {
      await benchmarks.live.finish(roofs(call));
      return benchmarks.live.state;
    },

    /** As it stands; null if there is none. */
    benchState(): BenchState | null {
      return benchmarks.current?.state ?? null;
    },

    benchEnd(): void {
      benchmarks.end();
    },
  };
}

const roofs =
  ({ signal, report }: Call) =>
  (done: number, total: number): void => {
    signal.throwIfAborted();
    report({ done, total } satisfies RoofProgress);
  };
