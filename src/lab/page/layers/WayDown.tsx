/** The signal stepped down from the scores to the input under the four rules, to see where they part. */
import { useEffect, useMemo } from 'preact/hooks';
import { RULES, type Rule } from '../../../rule.ts';
import { FOLDS, SCALES } from '../../view.ts';
import type { Arriving, Stop } from '../../worker/exploreWalk.ts';
import { Files, npyOf, pngOf } from '../export.tsx';
import { useAnswer, useLab, useStore } from '../hooks.ts';
import { Choice, Column, Figure, nameOf, Wait } from '../parts.tsx';
import { Chart, Legend } from './Chart.tsx';
import { brief, extents, percent, RULE_SCALE_WORDS } from './numbers.ts';
import { highOf, paint } from './paint.ts';
import { progressWords } from './question.ts';
import { useDescent, type Descending } from './useDescent.ts';

const FOLD_WORDS = { sum: 'sum', norm: 'norm' } as const;

/** @param props.onStop told the layer at which one stands */
export function WayDown({ k, onStop }: { k: number; onStop: (node: string | null) => void }) {
  const lab = useStore();
  const state = useLab();
  const { view } = state;
  const { stops, rules, pending, problem, report } = useDescent(k, view);
  const step = Math.min(view.step, Math.max(0, stops.length - 1));
  const node = stops[step]?.node ?? null;
  useEffect(() => {
    onStop(node);
    return () => onStop(null);
  }, [node]);
  const go = (to: number): void => lab.view({ step: Math.min(stops.length - 1, Math.max(0, to)) });
  const keys = (event: KeyboardEvent): void => {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (by === undefined || (event.target as HTMLElement).tagName === 'SELECT') return;
    event.preventDefault();
    go(step + by);
  };
  return (
    <section class="card" aria-label="The way down">
      <header>
        <h2>The way down: the score of {nameOf(state, k)} under four rules</h2>
      </header>
      {stops.length > 0 && (
        <>
          <p>{partingWords(stops, rules)}</p>
          <div class="stepper" role="group" aria-label="steps; arrow keys go down and up" onKeyDown={keys}>
            <button type="button" disabled={step === 0} onClick={() => go(step - 1)}>
              up
            </button>
            <input
              type="range"
              min={0}
              max={stops.length - 1}
              value={step}
              aria-label="step"
              aria-valuetext={`${step} of ${stops.length - 1}: ${stops[step].node}`}
              onInput={(event) => go(event.currentTarget.valueAsNumber)}
            />
            <button type="button" disabled={step === stops.length - 1} onClick={() => go(step + 1)}>
              down
            </button>
            <output>
              {step} of {stops.length - 1}: <strong>{stops[step].node}</strong>{' '}
              <span class="muted">
                {stops[step].op}, {extents(stops[step].shape)}
              </span>
            </output>
          </div>
          <Here stop={stops[step]} step={step} rules={rules} k={k} />
          <div class="knobs">
            <Choice name="over channels" value={view.fold} options={FOLDS} words={FOLD_WORDS} onChange={(fold) => lab.view({ fold })} />
            <Choice
              name="range of colours"
              value={view.scale}
              options={SCALES}
              words={RULE_SCALE_WORDS}
              onChange={(scale) => lab.view({ scale })}
            />
          </div>
          <Legend />
          <Charts stops={stops} rules={rules} step={step} go={go} />
          <AllNumbers stops={stops} rules={rules} />
        </>
      )}
      <Wait pending={pending} problem={problem}>
        {progressWords(`walking down, ${Object.keys(rules).length} of ${RULES.length} rules`, report)}
      </Wait>
    </section>
  );
}

type Rules = Descending['rules'];

/** Where the rules are still one, and where they are no more. */
function partingWords(stops: readonly Stop[], rules: Rules): string {
  const firsts = RULES.flatMap((rule) => {
    const first = rules[rule]?.findIndex(({ differing }) => differing > 0) ?? -1;
    return first < 0 ? [] : [first];
  });
  if (firsts.length === 0) return 'Under these rules it is one signal all the way down.';
  const first = Math.min(...firsts);
  return `One signal down to ${stops[Math.max(0, first - 1)].node}; from ${stops[first].node} on the rules part.`;
}

/** The maps at one step, and their numbers. */
function Here({ stop, step, rules, k }: { stop: Stop; step: number; rules: Rules; k: number }) {
  const state = useLab();
  const { fold, scale, clip, rules: along, at: single } = state.view;
  const colours = useAnswer('signalColours', {}).answer;
  const shown = RULES.flatMap((rule) => (rules[rule] ? [{ rule, at: rules[rule][step] }] : []));
  const mapOf = ({ sum, fold: norms }: Arriving): Float32Array => (fold === 'sum' ? sum : norms);
  const pictures = useMemo(() => {
    if (!colours) return null;
    const maps = shown.map(({ at }) => mapOf(at));
    const highs = maps.map((map) => highOf(map, clip));
    // As on the rule sheet: `linear` alone exceeds the others a hundredfold, and in its range they would be blank.
    const shared = highs[0] || Math.max(...highs);
    return maps.map((map, i) => {
      const high = scale === 'shared' ? shared : highs[i];
      const signed = fold === 'sum';
      return { high, picture: paint(map, stop.grid, high, signed ? colours.signed : colours.magnitude, signed) };
    });
  }, [colours, rules, step, fold, scale, clip]);
  const vector = stop.shape.slice(2).every((extent) => extent === 1);
  return (
    <>
      <div class="figures four">
        {shown.map(({ rule, at }, i) => (
          <Figure
            key={rule}
            picture={pictures?.[i].picture ?? null}
            sharp
            label={`the signal under ${rule} at ${stop.node}: ${fold === 'sum' ? 'sum' : 'norm'} over channels`}
          >
            <strong>{rule}</strong>
            {pictures && (pictures[i].high > 0 ? `, ${fold === 'sum' ? '±' : '0 to '}${brief(pictures[i].high)}` : ', zero everywhere')}
            <br />
            norm {brief(at.norm)}, reaches {percent(at.reached)}
            <br />
            {rule === 'gradient' ? 'what the others are held against' : agreement(at)}
            <Files
              of={state}
              words={[nameOf(state, k), 'down to', stop.node, rule]}
              png={
                pictures
                  ? (lab) =>
                      pngOf(lab, pictures[i].picture, `Signal of ${nameOf(state, k)} at ${stop.node} under ${rule}`, {
                        Rule: rule,
                        Reduction: `${fold} over channels`,
                        Range: fold === 'sum' ? `±${pictures[i].high}` : `0 to ${pictures[i].high}`,
                      })
                  : undefined
              }
              npy={async (lab) => {
                const question = { layer: stop.node, kind: 'signal', class: k, rules: { ...along, relu: rule }, at: single } as const;
                return npyOf(lab, await lab.client.call('layerTensor', question));
              }}
            />
          </Figure>
        ))}
      </div>
      {vector && <p class="muted">This layer has units and no places: each square is one unit, row by row.</p>}
    </>
  );
}

const agreement = ({ differing, cosine }: Arriving): string =>
  differing === 0 ? 'the same signal' : cosine === null ? 'one of the two is zero' : `cosine to it ${cosine.toFixed(3)}`;

function Charts({ stops, rules, step, go }: { stops: readonly Stop[]; rules: Rules; step: number; go: (step: number) => void }) {
  const { cosines, norms, range } = useMemo(() => {
    const each = (of: (at: Arriving) => number | null) =>
      Object.fromEntries(RULES.flatMap((rule) => (rules[rule] ? [[rule, rules[rule].map(of)]] : []))) as Partial<
        Record<Rule, (number | null)[]>
      >;
    const logs = each(({ norm }) => (norm > 0 ? Math.log10(norm) : null));
    const all = Object.values(logs).flatMap((line) => line.filter((v) => v !== null));
    return {
      cosines: each(({ cosine }) => cosine),
      norms: logs,
      range: [Math.floor(Math.min(0, ...all)), Math.ceil(Math.max(0, ...all))] as const,
    };
  }, [rules]);
  const least = Math.min(0, ...Object.values(cosines).flatMap((line) => line.filter((v) => v !== null)));
  const common = { stops: stops.length, step, onStep: go };
  return (
    <div class="charts">
      <Chart {...common} title="cosine to the gradient" lines={cosines} range={[least < -0.02 ? -1 : 0, 1]} />
      <Chart {...common} title="norm" lines={norms} range={range} tell={(v) => (v === 0 ? '1' : `1e${v}`)} />
    </div>
  );
}

/** What the charts draw, as a table. */
function AllNumbers({ stops, rules }: { stops: readonly Stop[]; rules: Rules }) {
  const known = RULES.filter((rule) => rules[rule]);
  return (
    <details>
      <summary>All steps in numbers</summary>
      <div class="layers-scroll" tabIndex={0} role="region" aria-label="table of steps">
        <table class="layers-table">
          <thead>
            <tr>
              <Column>layer</Column>
              {known.map((rule) => (
                <Column number key={rule}>
                  {rule}: norm{rule === 'gradient' ? '' : ', cosine'}
                </Column>
              ))}
            </tr>
          </thead>
          <tbody>
            {stops.map(({ node }, i) => (
              <tr key={node}>
                <th scope="row">{node}</th>
                {known.map((rule) => {
                  const { norm, cosine } = rules[rule]![i];
                  return (
                    <td class="number" key={rule}>
                      {brief(norm)}
                      {rule === 'gradient' ? '' : `, ${cosine === null ? '–' : cosine.toFixed(3)}`}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
