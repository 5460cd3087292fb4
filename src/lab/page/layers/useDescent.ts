/** The way down under all rules, asked for one rule after the other, so that other questions find their turn in between. */
import { useEffect, useState } from 'preact/hooks';
import { RULES, type Rule } from '../../../rule.ts';
import { CallError } from '../../rpc.ts';
import type { View } from '../../view.ts';
import type { Arriving, Stop } from '../../worker/exploreWalk.ts';
import { useLab, useStore } from '../hooks.ts';

export interface Descending {
  readonly stops: readonly Stop[];
  /** At every stop, of the rules that have come down. */
  readonly rules: Partial<Readonly<Record<Rule, readonly Arriving[]>>>;
  readonly pending: boolean;
  readonly problem: string | null;
  readonly report: unknown;
}

const NOTHING: Descending = { stops: [], rules: {}, pending: true, problem: null, report: null };

export function useDescent(k: number, { rules, at }: Pick<View, 'rules' | 'at'>): Descending {
  const lab = useStore();
  const { edition } = useLab();
  const [state, set] = useState(NOTHING);
  // Each rule takes ReLU's place in turn: which one the view has makes no difference.
  const { relu: _, ...axes } = rules;
  const key = JSON.stringify({ k, axes, at });
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const ask = async (): Promise<void> => {
      set(NOTHING);
      for (const against of RULES) {
        if (against === 'gradient') continue;
        const question = { class: k, rules, at, against };
        const { stops, gradient, other } = await lab.client.call('descent', question, {
          signal,
          onReport: (report) => set((before) => ({ ...before, report })),
        });
        set((before) => ({ ...before, stops, rules: { ...before.rules, gradient, [against]: other } }));
      }
      set((before) => ({ ...before, pending: false, report: null }));
    };
    ask().catch((error: unknown) => {
      if (signal.aborted) return;
      // A lost device is told by the page, which then asks again.
      const told = error instanceof CallError && error.kind === 'lost' ? null : String((error as Error).message);
      set((before) => ({ ...before, pending: false, problem: told, report: null }));
    });
    return () => controller.abort();
  }, [lab, key, edition]);
  return state;
}
