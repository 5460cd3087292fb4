/** What is looked at: the photo, and the classes that the network finds in it. */
import { useRef } from 'preact/hooks';
import { useLab, useStore } from './hooks.ts';
import { Figure, nameOf, share } from './parts.tsx';
import { SAMPLES } from './samples.ts';

export function Subject() {
  const lab = useStore();
  const { photo, view } = useLab();
  const picker = useRef<HTMLInputElement>(null);
  return (
    <aside class="subject" aria-label="What is looked at">
      <section class="card" aria-label="Photo">
        <Figure picture={photo?.picture ?? null} label="the photo" />
        <div class="row">
          {SAMPLES.map(({ name, title }) => (
            <button key={name} type="button" aria-pressed={view.photo === name} onClick={() => void lab.openSample(name)}>
              {title}
            </button>
          ))}
          <button type="button" onClick={() => picker.current!.click()}>
            a file
          </button>
          <input
            ref={picker}
            class="visually-hidden"
            type="file"
            accept="image/*"
            aria-label="a photo of your own"
            tabIndex={-1}
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file) void lab.openFile(file);
              event.currentTarget.value = '';
            }}
          />
        </div>
        <p class="muted">Or drop or paste a picture anywhere on the page. It stays on your machine.</p>
      </section>
      <Classes />
    </aside>
  );
}

/** The best classes; the one under the pointer, or the focus, is the one that is looked at for as long. */
function Classes() {
  const lab = useStore();
  const state = useLab();
  const { ranking, view, pointed } = state;
  if (!ranking) return null;
  const chosen = view.class ?? ranking[0].class;
  const best = ranking.slice(0, 5);
  const rows = best.some((row) => row.class === chosen) ? best : [...best, ...ranking.filter((row) => row.class === chosen)];
  return (
    <section class="card" aria-label="Classes">
      <table class="classes">
        <caption>Best classes</caption>
        <thead>
          <tr>
            <th scope="col">class</th>
            <th scope="col" class="number">
              score
            </th>
            <th scope="col" class="number">
              posterior
            </th>
          </tr>
        </thead>
        <tbody>
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
              <td class="number">{share(row.posterior)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
