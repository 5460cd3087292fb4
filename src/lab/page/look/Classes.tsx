/** The best classes, and a way to any other. */
import { useId, useState } from 'preact/hooks';
import { className, findClass } from '../../../models/labels.ts';
import { formatShare } from '../../../visualise/numbers.ts';
import { useLab, useStore } from '../hooks.ts';
import { Column, nameOf } from '../parts.tsx';
import { chosenClass } from '../store.ts';

/** How many of the best are listed; a chosen class that is none of them follows. */
const BEST = 5;

/** The class under the pointer, or the focus, is the one that is looked at for as long. */
export function Classes() {
  const lab = useStore();
  const state = useLab();
  const { ranking, pointed } = state;
  if (!ranking) return null;
  const chosen = chosenClass(state)!;
  const best = ranking.slice(0, BEST);
  const rows = best.some((row) => row.class === chosen) ? best : [...best, ...ranking.filter((row) => row.class === chosen)];
  /** Up and down go from class to class. */
  const move = (event: KeyboardEvent): void => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (by === undefined) return;
    const buttons = [...(event.currentTarget as HTMLElement).querySelectorAll('button')];
    const next = buttons[buttons.indexOf(event.target as HTMLButtonElement) + by];
    event.preventDefault();
    next?.focus();
  };
  return (
    <section class="card" aria-label="Classes">
      <table class="classes">
        <caption>Best classes</caption>
        <thead>
          <tr>
            <Column>class</Column>
            <Column number>score</Column>
            <Column number>posterior</Column>
          </tr>
        </thead>
        <tbody onKeyDown={move}>
          {rows.map((row) => (
            <tr
              key={row.class}
              class={row.class === (pointed ?? chosen) ? 'chosen' : ''}
              onMouseEnter={() => lab.set({ pointed: row.class })}
              onMouseLeave={() => lab.set({ pointed: null })}
            >
              <th scope="row">
                <button
                  type="button"
                  aria-pressed={row.class === chosen}
                  onClick={() => lab.view({ class: row.class })}
                  onFocus={() => lab.set({ pointed: row.class })}
                  onBlur={() => lab.set({ pointed: null })}
                >
                  {nameOf(state, row.class)}
                </button>
              </th>
              <td class="number">{row.score.toFixed(2)}</td>
              <td class="number">{formatShare(row.posterior)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <AnyClass />
    </section>
  );
}

/** A class by its number or its name. */
function AnyClass() {
  const lab = useStore();
  const { ranking, model } = useLab();
  const [text, setText] = useState('');
  const [problem, tell] = useState<string | null>(null);
  const id = useId();
  const labels = model?.labels ?? undefined;
  const count = ranking!.length;
  const optionOf = (k: number): string => `${k} ${className(labels, k)}`;
  const choose = (typed: string): void => {
    if (typed.trim() === '') return tell(null);
    try {
      // What the list offers begins with the number.
      const number = /^\d+(?= )/.exec(typed.trim())?.[0];
      lab.view({ class: findClass(number ?? typed, labels, count) });
      setText('');
      tell(null);
    } catch (error) {
      tell((error as Error).message.replace(/^class: /, ''));
    }
  };
  return (
    <form
      class="any-class"
      onSubmit={(event) => {
        event.preventDefault();
        choose(text);
      }}
    >
      <label class="knob">
        <span>any class, by name or number</span>
        <input
          type="search"
          list={`${id}-classes`}
          value={text}
          aria-describedby={problem ? `${id}-problem` : undefined}
          aria-invalid={problem !== null}
          onInput={(event) => {
            const typed = event.currentTarget.value;
            setText(typed);
            // A choice from the list is one at once.
            const k = parseInt(typed, 10);
            if (k >= 0 && k < count && typed === optionOf(k)) choose(typed);
          }}
        />
      </label>
      <button type="submit" class="small">
        Look
      </button>
      <datalist id={`${id}-classes`}>
        {Array.from({ length: count }, (_, k) => (
          <option key={k} value={optionOf(k)} />
        ))}
      </datalist>
      {problem && (
        <p class="problem" role="alert" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </form>
  );
}
