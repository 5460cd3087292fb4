/** What the network sees, and where. */
import { useAnswer, useLab } from './hooks.ts';
import { Figure, nameOf, Wait } from './parts.tsx';
import { shownClass } from './store.ts';

export function Look() {
  const state = useLab();
  const { view, photo } = state;
  const shown = shownClass(state);
  const { score, views, rules, at, reduce, clip, colours } = view;
  const knobs = { score, views, rules, at, reduce, clip, colours };
  const overlay = useAnswer('overlay', shown === null ? null : { class: shown, knobs });
  if (!photo) return null;
  return (
    <section class="card" aria-label="Saliency">
      <header>
        <h2>{shown === null ? 'Saliency' : `What moves the score of ${nameOf(state, shown)}`}</h2>
      </header>
      <Figure
        picture={overlay.answer?.picture ?? photo.picture}
        label={shown === null ? 'the photo' : `saliency of ${nameOf(state, shown)} over the photo`}
      />
      <Wait {...overlay} />
    </section>
  );
}
