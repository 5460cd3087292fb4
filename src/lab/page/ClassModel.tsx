/** The network's own picture of a class, as it forms. */
import { useMemo } from 'preact/hooks';
import { DISPLAYS, PRESETS, type View } from '../view.ts';
import type { AscentQuestion } from '../worker/ascend.ts';
import { commandOf } from './classmodel/command.ts';
import { Curve } from './classmodel/Curve.tsx';
import { short } from './classmodel/curve.ts';
import { Knobs, Number } from './classmodel/Knobs.tsx';
import { useAscent, type Followed } from './classmodel/useAscent.ts';
import { Files, npyOf, pngOf } from './export.tsx';
import { useAnswer, useLab, useStore } from './hooks.ts';
import { Choice, Figure, nameOf } from './parts.tsx';
import type { LabState } from './store.ts';

const PRESET_WORDS: Readonly<Record<View['preset'], string>> = {
  demo: "this lab's, for any size",
  paper: 'Simonyan et al. 2013',
  cs231n: 'CS231n',
  deepvis: 'Yosinski et al. 2015',
};

/** The class that is chosen, not the one under the pointer; null while it is not known. */
const wantedClass = ({ view, model, ranking }: LabState): number | null =>
  view.class !== null && model && view.class < model.classes ? view.class : (ranking?.[0].class ?? null);

export function ClassModel() {
  const lab = useStore();
  const state = useLab();
  const { view, model } = state;
  const { preset, seed, display, iterations, lambda, rate, blur, jitter } = view;
  const chosen = wantedClass(state);
  const question: AscentQuestion | null = chosen === null ? null : { class: chosen, preset, seed };
  const ascent = useAscent(question, { iterations, lambda, rate, blur, jitter }, display);
  const usual = useAnswer('ascentRecipe', model ? { preset } : null);
  const name = chosen === null ? 'a class' : nameOf(state, chosen);
  const total = ascent.status === 'none' ? (iterations ?? usual.answer?.iterations ?? 0) : (ascent.recipe?.iterations ?? 0);
  const command = question && usual.answer && model && ascent.recipe ? commandOf(model.name, question, ascent.recipe, usual.answer) : null;
  return (
    <section class="card ascent" aria-label="Class model">
      <header>
        <h2>What the network takes most for {name}</h2>
        <p class="muted">Ascent on the image with the weights fixed: S(I) − lambda ‖I‖².</p>
      </header>
      <div class="knobs">
        <ClassChoice chosen={chosen} />
        <Choice name="recipe" value={preset} options={PRESETS} words={PRESET_WORDS} onChange={(value) => lab.view({ preset: value })} />
        <Number name="seed" value={seed} usual={0} min={0} max={2 ** 32 - 1} step={1} onChange={(value) => lab.view({ seed: value })} />
        <Choice
          name="shown"
          value={display}
          options={DISPLAYS}
          words={{ clip: 'as the network saw it', stretch: 'stretched' }}
          onChange={(value) => lab.view({ display: value })}
        />
      </div>
      <div class="row">
        <Buttons ascent={ascent} ready={question !== null} wanted={iterations ?? usual.answer?.iterations ?? 0} />
        <p class="muted" role="status">
          {inWords(ascent, total)}
        </p>
      </div>
      {ascent.problem && (
        <p class="problem" role="alert">
          {ascent.problem}
        </p>
      )}
      <div class="forming">
        <Image ascent={ascent} name={name} />
        <Curves ascent={ascent} last={total} />
      </div>
      {usual.answer && <Knobs recipe={usual.answer} />}
      {command && (
        <details>
          <summary>The same without a browser</summary>
          <pre class="scroll">
            <code>{command}</code>
          </pre>
          {changesOf(ascent).length > 0 && <p class="muted">With these numbers from the start: a command cannot change them on the way.</p>}
        </details>
      )}
    </section>
  );
}

function ClassChoice({ chosen }: { chosen: number | null }) {
  const lab = useStore();
  const state = useLab();
  const { model } = state;
  const options = useMemo(
    () =>
      Array.from({ length: model?.classes ?? 0 }, (_, k) => (
        <option key={k} value={k}>
          {model?.labels ? nameOf(state, k) : `class ${k}`}
        </option>
      )),
    [model],
  );
  return (
    <label class="knob">
      <span>class</span>
      <select value={chosen ?? ''} onChange={(event) => lab.view({ class: globalThis.Number(event.currentTarget.value) })}>
        {options}
      </select>
    </label>
  );
}

type Ascent = ReturnType<typeof useAscent>;

function Buttons(props: { ascent: Ascent; ready: boolean; wanted: number }) {
  const { status, rows, start, goOn, pause } = props.ascent;
  const begun = status === 'running' || status === 'halting' || status === 'halted' || status === 'done';
  const further = status === 'halted' || status === 'done';
  return (
    <>
      {status === 'running' || status === 'halting' ? (
        <button type="button" class="primary" onClick={pause} disabled={status === 'halting'}>
          Pause
        </button>
      ) : further ? (
        <button type="button" class="primary" onClick={goOn} disabled={status === 'done' && props.wanted < rows.length}>
          Go on
        </button>
      ) : (
        <button type="button" class="primary" onClick={() => void start()} disabled={!props.ready}>
          Start
        </button>
      )}
      {begun && (
        <button type="button" onClick={() => void start()}>
          Start anew
        </button>
      )}
    </>
  );
}

/** The state of things, in words that do not change with every iteration. */
function inWords({ status, rows, speed }: Followed, total: number): string {
  const pace = speed === null ? '' : `, ${speed < 10 ? speed.toFixed(1) : speed.toFixed(0)} iterations a second`;
  switch (status) {
    case 'none':
      return `Not begun; ${total} iterations.`;
    case 'running':
      return 'The image forms.';
    case 'halting':
      return 'Pausing.';
    case 'halted':
      return `Paused after ${rows.length} of ${total} iterations${pace}.`;
    case 'done':
      return `Done: ${total} iterations${pace}. With more of them it goes on.`;
    case 'ended':
      return `Ended after ${rows.length} iterations.`;
  }
}

function Image({ ascent: { image, status, recipe }, name }: { ascent: Followed; name: string }) {
  const state = useLab();
  const { display } = state.view;
  if (!image) return <div class="figure blank" aria-hidden="true" />;
  const best = status === 'done' && recipe?.keep === 'best' ? ', the best one' : '';
  return (
    <Figure
      picture={image.picture}
      label={`the image that the network takes for ${name}, after ${image.iteration} iterations`}
      sharp={image.picture.width < 128}
    >
      <b>
        After {image.iteration} iterations
        {best}
      </b>
      {image.display === 'stretch'
        ? `: ${short(image.factor)} times I, plus the mean`
        : `: I plus the mean${image.clipped > 0 ? `, ${(100 * image.clipped).toFixed(1)} % of the values out of range` : ''}`}
      {status !== 'running' && status !== 'halting' && status !== 'ended' && (
        <Files
          of={{ photo: null }}
          words={['class model', name]}
          png={async (lab) => {
            const { image: last } = await lab.client.call('ascentResult', { display });
            const words = { Photo: 'none', Iterations: String(last.iteration), Recipe: JSON.stringify(recipe), Display: display };
            return pngOf(lab, last.picture, `Class model of ${name}`, words);
          }}
          npy={async (lab) => npyOf(lab, (await lab.client.call('ascentResult', { display })).tensor)}
          numbers="I .npy"
        />
      )}
    </Figure>
  );
}

/** The iterations from which on other numbers held. */
const changesOf = ({ rows }: Followed): number[] =>
  rows.slice(1).flatMap((row, t) => (row.lambda !== rows[t].lambda || row.step !== rows[t].step ? [row.iteration] : []));

function Curves({ ascent, last }: { ascent: Followed; last: number }) {
  const { rows } = ascent;
  const marks = changesOf(ascent);
  const values = useMemo(
    () => ({
      score: rows.map(({ score }) => score),
      posterior: rows.map(({ posterior }) => posterior),
      norm: rows.map(({ norm }) => norm),
      objective: rows.map(({ objective }) => objective),
    }),
    [rows],
  );
  const shared = { last: Math.max(last, rows.length - 1), marks };
  return (
    <div class="curves">
      <Curve name="score S" values={values.score} {...shared} />
      <Curve name="posterior P" values={values.posterior} range={[0, 1]} {...shared} />
      <Curve name="norm ‖I‖ in levels" values={values.norm} {...shared} />
      <Curve name="objective" values={values.objective} {...shared} />
      {marks.length > 0 && <p class="muted">Dashed: from iteration {marks.join(', ')} on with another lambda or step.</p>}
    </div>
  );
}
