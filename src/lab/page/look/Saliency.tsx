/** The map of a class over its photo, what its colours stand for, and its numbers as files. */
import { describeRules } from '../../../rule.ts';
import { formatShare } from '../../../visualise/numbers.ts';
import { ruleOf, SHOWS, type Show } from '../../view.ts';
import type { TensorName } from '../../worker/export.ts';
import type { MapKnobs, Overlay } from '../../worker/look.ts';
import { Export, fileName } from '../export.tsx';
import { useLab, usePicture, useStore, type Asked } from '../hooks.ts';
import { Figure, nameOf, Wait } from '../parts.tsx';
import { CopyLink } from './CopyLink.tsx';
import { SCORE_WORDS } from './words.ts';

const TENSORS: Readonly<Record<TensorName, string>> = {
  gradient: 'gradient',
  map: 'map on the input',
  photo: 'map on the photo',
  scores: 'scores',
};

export function Saliency(props: {
  shown: number | null;
  knobs: MapKnobs;
  asked: Asked<Overlay>;
  /** The rules of single layers are wrong, which their knob tells. */
  refused: boolean;
}) {
  const { shown, knobs, asked, refused } = props;
  const lab = useStore();
  const state = useLab();
  const { view, photo } = state;
  const { answer, pending, problem } = asked;
  const name = shown === null ? '' : nameOf(state, shown);
  const rules = describeRules(ruleOf(view));
  const picture = view.show === 'photo' || !answer ? photo!.picture : answer.picture;
  const label = view.show === 'photo' || !answer ? 'the photo' : `saliency of ${nameOf(state, answer.class)}`;
  const title =
    rules === 'gradient' ? `What moves the ${SCORE_WORDS[view.score]} of ${name}` : `The ${SCORE_WORDS[view.score]} of ${name}, sent back`;
  return (
    <div class="seen">
      <header>
        <h2>{shown === null ? 'Saliency' : title}</h2>
        <CopyLink />
      </header>
      <div class={pending ? 'fresh stale' : 'fresh'}>
        <Figure picture={picture} label={label === 'the photo' || view.show === 'map' ? label : `${label} over the photo`} />
      </div>
      <div class="row" role="group" aria-label="What is shown">
        {SHOWS.map((show: Show) => (
          <button key={show} type="button" class="small" aria-pressed={view.show === show} onClick={() => lab.view({ show })}>
            {show}
          </button>
        ))}
      </div>
      {answer && view.show !== 'photo' && <Legend {...answer} of={SCORE_WORDS[view.score]} />}
      {answer && <Words {...answer} />}
      <Wait pending={pending && !answer} problem={problem} />
      {refused && <p class="muted">No map: the rule of a layer cannot be obeyed. Mend it or take it away among the rules.</p>}
      {shown !== null && answer && (
        <div class="row" role="group" aria-label="Files">
          {view.show !== 'photo' && (
            <Export
              file={fileName(state, [name, 'saliency', ...(view.show === 'map' ? ['map'] : [])], 'png')}
              bytes={({ client }) =>
                client.call('exportMap', { class: shown, knobs, show: view.show as Exclude<Show, 'photo'>, address: location.href })
              }
            >
              PNG
            </Export>
          )}
          {(Object.keys(TENSORS) as TensorName[]).map((what) => (
            <Export
              key={what}
              file={fileName(state, what === 'scores' ? [what] : [name, TENSORS[what]], 'npy')}
              bytes={({ client }) => client.call('exportTensor', { class: shown, knobs, what })}
            >
              {TENSORS[what]} .npy
            </Export>
          ))}
        </div>
      )}
    </div>
  );
}

/** What the ends of the colours stand for. */
function Legend({ legend, range, per, of }: Overlay & { of: string }) {
  const canvas = usePicture(legend);
  const end = range.zero ? '0' : range.high.toPrecision(3);
  return (
    <div class="legend">
      <canvas ref={canvas} role="img" aria-label={`colours from ${range.signed ? `-${end}` : '0'} to ${end}`} />
      <p class="number">
        <span>{range.signed ? `−${end}` : '0'}</span>
        <span>{end}</span>
      </p>
      <p class="muted">
        {of} per {per}
      </p>
    </div>
  );
}

function Words({ value, score, posterior, zero, seen }: Overlay) {
  const { view } = useLab();
  return (
    <p class="muted">
      {view.score === 'logodds' && <>log odds {value.toFixed(2)}, </>}
      score {score.toFixed(2)}, posterior {formatShare(posterior)}
      {view.views === 10 && ', means of ten views'}; rule {describeRules(ruleOf(view))}.
      {seen < 0.9995 && ` The network saw ${(100 * seen).toFixed(1)} % of the photo; the map is 0 on the rest.`}
      {zero &&
        ' The map is zero everywhere: no open path leads from the input to the class under this rule, or the posterior is 0 or 1 in f32.'}
    </p>
  );
}
