/** What a class sends back to the photo under ReLU's four rules, side by side. */
import type { Rule } from '../../../rule.ts';
import { SCALES } from '../../view.ts';
import type { RuleSignal } from '../../worker/look.ts';
import { Files } from '../export.tsx';
import { useLab, useStore, type Asked } from '../hooks.ts';
import { Choice, Figure, nameOf, Wait } from '../parts.tsx';
import { SCORE_WORDS } from './words.ts';

/** Where R, the signal that arrives at a ReLU from above, passes; X is what the ReLU was given on the way up. */
const PASSES: Readonly<Record<Rule, string>> = {
  gradient: 'if X > 0',
  deconvnet: 'if R > 0',
  guided: 'if X, R > 0',
  linear: 'always',
};

export function RuleSheet({ shown, asked }: { shown: number; asked: Asked<RuleSignal[]> }) {
  const lab = useStore();
  const state = useLab();
  const { view } = state;
  const { answer, pending, problem } = asked;
  const name = nameOf(state, shown);
  const { score, rules, at, clip, scale } = view;
  const knobs = { score, rules, at, clip };
  return (
    <section class="card" aria-label="Rule sheet" aria-busy={pending}>
      <header>
        <h2>
          The {SCORE_WORDS[score]} of {name}, sent back under four rules for ReLU
        </h2>
        <Choice
          name="colours end"
          value={scale}
          options={SCALES}
          words={{ shared: 'at one value for all', own: 'for each by itself' }}
          onChange={(value) => lab.view({ scale: value })}
        />
      </header>
      <Wait pending={pending && !answer} problem={problem} />
      {answer && (
        <>
          <div class={`figures four ${pending ? 'fresh stale' : 'fresh'}`}>
            {answer.map(({ rule, picture, own, zero }) => (
              <Figure key={rule} picture={picture} label={`signal under the rule ${rule}`}>
                <button
                  type="button"
                  class="small"
                  aria-pressed={rules.relu === rule}
                  onClick={() => lab.view({ rules: { ...rules, relu: rule } })}
                >
                  {rule}
                </button>
                <br />
                passes <code>{PASSES[rule]}</code>
                <br />
                {zero ? 'zero everywhere' : `own range ±${own.toPrecision(2)}${timesGradient(own, answer[0].own)}`}
                <Files
                  of={state}
                  words={[name, 'signal', rule]}
                  png={({ client }) => client.call('exportSignal', { class: shown, knobs, scale, rule, address: location.href })}
                  npy={({ client }) => client.call('exportSignalTensor', { class: shown, knobs, rule })}
                />
              </Figure>
            ))}
          </div>
          <p class="muted">
            One view, signed, in the colours of the input; mid-grey is zero.{' '}
            {scale === 'shared'
              ? `Colours end at ±${answer[0].drawn.toPrecision(2)} in all four, ${answer[0].zero ? 'the widest of their own ranges' : 'the gradient’s own range'}; what lies beyond is clipped. `
              : 'Colours end where each signal’s own range does, since rules differ by orders of magnitude. '}
            A range ends at percentile {clip} of the magnitudes that are not zero. X is a ReLU’s input on the way up, R the signal that
            arrives on the way down. Pools, LRN and layers with rules of their own keep theirs.
          </p>
        </>
      )}
    </section>
  );
}

/** How much wider a range is than the gradient's. */
const timesGradient = (own: number, gradient: number): string =>
  gradient > 0 && own !== gradient ? `, ${Number((own / gradient).toPrecision(2))} × the gradient’s` : '';
