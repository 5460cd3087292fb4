/** The layer explorer: the network as a table, one layer's maps, one unit in it, and the signal on its way down. */
import { useState } from 'preact/hooks';
import { useAnswer, useLab } from './hooks.ts';
import { Maps } from './layers/Maps.tsx';
import { Table } from './layers/Table.tsx';
import { Unit } from './layers/Unit.tsx';
import { WayDown } from './layers/WayDown.tsx';
import { nameOf, Wait } from './parts.tsx';
import { chosenClass, progressWords } from './layers/question.ts';

export function Layers() {
  const state = useLab();
  const { view, photo } = state;
  const k = chosenClass(state);
  const { rules, at } = view;
  const asked = useAnswer('layers', k === null ? null : { class: k, rules, at });
  const times = useAnswer('layerTimes', k === null ? null : {});
  const [walked, walk] = useState<string | null>(null);
  if (!photo || k === null) return null;
  const table = asked.answer;
  const row = table?.rows.find(({ node }) => node === view.layer);
  return (
    <>
      <section class="card" aria-label="Layers">
        <header>
          <h2>Every layer, and the score of {nameOf(state, k)} on its way down</h2>
          {table && <p class="muted">score {table.score.toFixed(2)}</p>}
        </header>
        {table && <Table table={table} times={times.answer} walked={walked} />}
        <Wait {...asked}>{progressWords('looking at the layers', asked.report)}</Wait>
        {table && (
          <p class="muted">
            Norm: of what the layer holds; signal: of what arrives there under the view&rsquo;s rules. Open: a ReLU&rsquo;s input is above
            zero. Tied: several cells of a window attain its maximum; zero: the maximum is 0. <TimesNote {...times} />
          </p>
        )}
        {table && view.layer !== null && !row && (
          <p class="problem" role="alert">
            layer: expected one of the network&rsquo;s, got &ldquo;{view.layer}&rdquo;. Choose one of the table.
          </p>
        )}
      </section>
      {row && <Maps row={row} k={k} />}
      {row && view.unit && <Unit layer={row.node} unit={view.unit} />}
      <WayDown k={k} onStop={walk} />
    </>
  );
}

/** How the times were taken, as far as the device lets them be. */
function TimesNote({
  answer,
  pending,
  problem,
}: {
  answer: { runs: number; quantum: number | null } | null;
  pending: boolean;
  problem: string | null;
}) {
  if (problem) return <>No times: {problem}</>;
  if (answer)
    return (
      <>
        Time: of the way up on the device&rsquo;s clock, each layer by itself, mean of {answer.runs}
        {answer.runs === 1 ? ' run' : ' runs'}
        {answer.quantum !== null && `; the clock is told in steps of ${answer.quantum.toPrecision(2)} ms, so that short times are rough`}.
      </>
    );
  return <>{pending ? '' : 'No times: this browser or device tells none (it lacks timestamp-query).'}</>;
}
