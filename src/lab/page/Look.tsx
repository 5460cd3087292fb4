/** What the network sees, and where: the saliency of a class, its signal under the four rules, and the object cut out. */
import { useAnswer, useLab } from './hooks.ts';
import { CutOut } from './look/CutOut.tsx';
import { Knobs } from './look/Knobs.tsx';
import { RuleSheet } from './look/RuleSheet.tsx';
import { Saliency } from './look/Saliency.tsx';
import { chosenClass, shownClass } from './store.ts';

export function Look() {
  const state = useLab();
  const { view, photo, model } = state;
  const shown = shownClass(state);
  const { score, views, rules, at, reduce, clip, colours, show, scale } = view;
  // Rules that this network cannot obey are told once, beside their knob.
  const { problem } = useAnswer('checkRules', model ? { at } : null);
  const askable = shown !== null && problem === null;
  const knobs = { score, views, rules, at, reduce, clip, colours };
  const overlay = useAnswer('overlay', askable ? { class: shown, knobs, show: show === 'photo' ? 'overlay' : show } : null);
  const signals = useAnswer('ruleSheet', askable ? { class: shown, knobs: { score, rules, at, clip }, scale } : null);
  const chosen = chosenClass(state);
  // Last, and not for a class that is only pointed at: it takes longer than the rest together.
  const cutOut = useAnswer('cutOut', chosen !== null && (signals.answer ?? problem) !== null ? { class: chosen } : null);
  if (!photo) return null;
  return (
    <>
      <section class="card saliency" aria-label="Saliency" aria-busy={overlay.pending}>
        <Saliency shown={shown} knobs={knobs} asked={overlay} refused={problem !== null} />
        <Knobs problem={problem} />
      </section>
      {askable && <RuleSheet shown={shown} asked={signals} />}
      {chosen !== null && <CutOut chosen={chosen} asked={cutOut} />}
    </>
  );
}
