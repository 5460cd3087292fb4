/** A benchmark as the page follows it: case after case, halted by not asking for the next, taken up again where the worker has it. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { CallError } from '../../rpc.ts';
import type { BenchQuestion, BenchState } from '../../worker/benchmark.ts';
import type { RoofProgress } from '../../worker/measure.ts';
import { useLab, useStore } from '../hooks.ts';

/** `roofs`: the device's limits are being measured. `ended`: what is shown is of a run that is no more. */
export type BenchStatus = 'none' | 'roofs' | 'running' | 'halting' | 'halted' | 'done' | 'ended';

export interface FollowedBench {
  readonly status: BenchStatus;
  readonly state: BenchState | null;
  readonly progress: RoofProgress | null;
  readonly problem: string | null;
}

interface Run {
  readonly key: string;
  on: boolean;
  asked: boolean;
  /** Gives up the measuring of roofs. */
  roofs: AbortController;
}

const NOTHING: FollowedBench = { status: 'none', state: null, progress: null, problem: null };

const LOST = 'The device was lost in the middle of it. Start anew.';

export function useBench(question: BenchQuestion) {
  const { client } = useStore();
  const { edition } = useLab();
  const [followed, set] = useState(NOTHING);
  const run = useRef<Run | null>(null);
  const key = JSON.stringify(question);

  const halt = (): void => {
    if (run.current) run.current.on = false;
  };
  const onReport = (progress: unknown): void => set((before) => ({ ...before, progress: progress as RoofProgress }));
  const failed = async (mine: Run, error: unknown): Promise<void> => {
    const left = await client.call('benchState', undefined).catch(() => null);
    if (run.current !== mine) return;
    halt();
    const kind = error instanceof CallError ? error.kind : 'engine';
    if (kind === 'aborted') {
      if (!left) run.current = null;
      return set(left ? { status: 'halted', state: left, progress: null, problem: null } : NOTHING);
    }
    set((before) => ({ ...before, status: left ? 'halted' : 'ended', problem: kind === 'lost' ? LOST : (error as Error).message }));
  };

  /** For calls that measure roofs: seconds, and so to be given up. */
  const measuring = (mine: Run) => {
    mine.roofs = new AbortController();
    return { onReport, signal: mine.roofs.signal };
  };

  /** Case after case, and the report behind the last. */
  const follow = async (mine: Run, first: () => Promise<BenchState>): Promise<void> => {
    mine.asked = true;
    try {
      let state = await first();
      while (run.current === mine) {
        const { left, result } = state;
        if (result) mine.on = false;
        set({ status: result ? 'done' : mine.on ? 'running' : 'halted', state, progress: null, problem: null });
        if (!mine.on) break;
        if (left.length === 0) set((before) => ({ ...before, status: 'roofs' }));
        state = left.length > 0 ? await client.call('benchNext', undefined) : await client.call('benchFinish', undefined, measuring(mine));
      }
    } catch (error) {
      if (run.current === mine) await failed(mine, error);
    } finally {
      mine.asked = false;
    }
  };
  const start = (): void => {
    const mine: Run = (run.current = { key, on: true, asked: true, roofs: new AbortController() });
    set({ ...NOTHING, status: 'roofs' });
    void follow(mine, () => client.call('benchBegin', question, measuring(mine)));
  };
  const goOn = (): void => {
    const mine = run.current;
    const { state } = followed;
    if (!mine || !state) return;
    mine.on = true;
    set((before) => ({ ...before, status: 'running', problem: null }));
    // A case that was under way when it was halted may still be.
    if (!mine.asked) void follow(mine, () => Promise.resolve(state));
  };
  const finish = (): void => {
    const mine = run.current;
    if (!mine || mine.asked) return;
    set((before) => ({ ...before, status: 'roofs', problem: null }));
    void follow(mine, () => client.call('benchFinish', undefined, measuring(mine)));
  };
  const pause = (): void => {
    halt();
    run.current?.roofs.abort();
    // The case that is under way is still to come.
    set((before) => ({ ...before, status: before.status === 'running' ? 'halting' : before.status }));
  };

  // Takes up what the worker has of this question; what it has of another is given up.
  useEffect(() => {
    let current = true;
    const before = run.current;
    void client.call('benchState', undefined).then(
      (state) => {
        if (!current || run.current !== before) return;
        if (state && JSON.stringify(state.question) === key) {
          if (run.current) return;
          run.current = { key, on: false, asked: false, roofs: new AbortController() };
          set({ status: state.result ? 'done' : 'halted', state, progress: null, problem: null });
          return;
        }
        const lost = run.current?.key === key;
        halt();
        run.current = null;
        if (state) void client.call('benchEnd', undefined).catch(() => {});
        set((shown) => (lost ? { ...shown, status: 'ended', problem: shown.problem ?? LOST } : NOTHING));
      },
      () => {},
    );
    return () => {
      current = false;
    };
  }, [client, key, edition]);

  // Leaving the tab halts.
  useEffect(() => halt, []);

  return { ...followed, start, goOn, finish, pause };
}
