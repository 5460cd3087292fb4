/** What the explorer's panels ask. */
import type { LabState } from '../store.ts';

/** The class that is chosen, whatever the pointer is over: looking into layers takes longer than a glance. */
export function chosenClass({ view, ranking }: LabState): number | null {
  if (!ranking) return null;
  return view.class !== null && view.class < ranking.length ? view.class : ranking[0].class;
}

/** What a method reports of its progress, in words. */
export function progressWords(what: string, report: unknown): string {
  const { done, total } = (report ?? {}) as { readonly done?: number; readonly total?: number };
  return done === undefined || total === undefined ? what : `${what}: ${done} of ${total}`;
}
