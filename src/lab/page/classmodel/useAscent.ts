/** A class model as the page follows it: begun, asked for slice by slice, halted by not asking, taken up again where the worker has it. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Display } from '../../../visualise/classmodelPicture.ts';
import type { ClassModelRecipe } from '../../../visualise/classmodelPresets.ts';
import { CallError } from '../../rpc.ts';
import type { AscentImage, AscentKnobs, AscentQuestion, AscentRow, AscentSlice } from '../../worker/ascend.ts';
import { useLab, useStore } from '../hooks.ts';

/** `none`: nothing begun; `halting`: the last iterations are under way; `ended`: what is shown is of a run that is no more. */
export type AscentStatus = 'none' | 'running' | 'halting' | 'halted' | 'done' | 'ended';

export interface Followed {
  readonly status: AscentStatus;
  /** Row t is of iteration t. */
  readonly rows: readonly AscentRow[];
  readonly recipe: ClassModelRecipe | null;
  readonly image: AscentImage | null;
  readonly problem: string | null;
  /** Iterations a second since it last went on. */
  readonly speed: number | null;
}

interface Run {
  readonly key: string;
  readonly model: unknown;
  /** Whether it is to go on. */
  on: boolean;
  /** Whether somebody asks for its slices. */
  asked: boolean;
}

const NOTHING: Followed = { status: 'none', rows: [], recipe: null, image: null, problem: null, speed: null };

const LOST = 'The device was lost, and the image with it. Start anew.';

/** Rows with the new ones behind them; a row for an iteration that is there already takes its place. */
export const merged = (rows: readonly AscentRow[], fresh: readonly AscentRow[]): readonly AscentRow[] =>
  fresh.length === 0 ? rows : [...rows.slice(0, fresh[0].iteration), ...fresh];

/** @param question null while it is not known */
export function useAscent(question: AscentQuestion | null, knobs: AscentKnobs, display: Display) {
  const { client } = useStore();
  const { edition, model } = useLab();
  const [followed, set] = useState(NOTHING);
  /** As they are when the next slice is asked for. */
  const now = useRef({ knobs, display });
  now.current = { knobs, display };
  /** The run that is shown. */
  const run = useRef<Run | null>(null);
  const key = question && model ? JSON.stringify(question) : null;

  const halt = (): void => {
    if (run.current) run.current.on = false;
  };
  const failed = async (mine: Run, error: unknown): Promise<void> => {
    const left = await client.call('ascentState', { display: now.current.display }).catch(() => null);
    if (run.current !== mine) return;
    halt();
    const lost = error instanceof CallError && (error.kind === 'lost' || error.kind === 'aborted');
    set((before) => ({ ...before, status: left ? 'halted' : 'ended', problem: lost ? LOST : (error as Error).message }));
  };
  const take = (slice: AscentSlice, going: boolean, speed: number | null): void =>
    set((before) => ({
      status: slice.done ? 'done' : going ? 'running' : 'halted',
      rows: merged(before.rows, slice.rows),
      recipe: slice.recipe,
      image: slice.image,
      problem: null,
      speed: speed ?? before.speed,
    }));

  const follow = async (mine: Run): Promise<void> => {
    const started = performance.now();
    let seen = 0;
    mine.asked = true;
    try {
      while (mine.on) {
        const slice = await client.call('ascentGoOn', now.current);
        if (run.current !== mine) return;
        seen += slice.rows.length;
        if (slice.done) mine.on = false;
        take(slice, mine.on, (1000 * seen) / (performance.now() - started));
      }
    } catch (error) {
      if (run.current === mine) await failed(mine, error);
    } finally {
      mine.asked = false;
    }
  };
  const start = async (): Promise<void> => {
    if (!question || key === null) return;
    const mine: Run = (run.current = { key, model, on: true, asked: true });
    set({ ...NOTHING, status: 'running' });
    try {
      const begun = await client.call('ascentBegin', { question, ...now.current });
      if (run.current !== mine) return;
      take(begun, mine.on, null);
    } catch (error) {
      mine.asked = false;
      return failed(mine, error);
    }
    await follow(mine);
  };
  const goOn = (): void => {
    if (!run.current || run.current.on) return;
    set((before) => ({ ...before, status: 'running', problem: null }));
    run.current.on = true;
    // A slice that was under way when it was halted may still be.
    if (!run.current.asked) void follow(run.current);
  };
  const pause = (): void => {
    halt();
    // The slice that is under way is still to come.
    set((before) => ({ ...before, status: before.status === 'running' ? 'halting' : before.status }));
  };

  // Takes up what the worker has of this question; what it has of another is given up.
  useEffect(() => {
    if (key === null) return;
    let current = true;
    const before = run.current;
    void client.call('ascentState', { display: now.current.display }).then(
      (state) => {
        if (!current || run.current !== before) return;
        if (state && JSON.stringify(state.question) === key) {
          if (run.current) return;
          run.current = { key, model, on: false, asked: false };
          set(NOTHING);
          take(state, false, null);
          return;
        }
        halt();
        const lost = run.current?.key === key && run.current.model === model;
        run.current = null;
        if (state) void client.call('ascentEnd', undefined).catch(() => {});
        set((shown) => (lost ? { ...shown, status: 'ended', problem: shown.problem ?? LOST } : NOTHING));
      },
      () => {},
    );
    return () => {
      current = false;
    };
  }, [client, key, edition, model]);

  // The same image, shown in another way.
  useEffect(() => {
    const mine = run.current;
    if (!mine || mine.on) return;
    void client.call('ascentState', { display }).then(
      (state) => {
        if (state && run.current === mine && !mine.on) set((before) => ({ ...before, image: state.image }));
      },
      () => {},
    );
  }, [client, display]);

  // Leaving the tab halts.
  useEffect(() => halt, []);

  return { ...followed, start, goOn, pause };
}
