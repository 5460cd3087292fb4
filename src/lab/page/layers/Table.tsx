/** The network as a table of its layers; a row is chosen by its name. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { LayerRow, LayerTable, LayerTimes } from '../../worker/exploreLayers.ts';
import { useLab, useStore } from '../hooks.ts';
import { Column } from '../parts.tsx';
import { brief, extents, percent } from './numbers.ts';
import { layRails, type RailRow } from './rails.ts';

export function Table({ table, times, walked }: { table: LayerTable; times: LayerTimes | null; walked: string | null }) {
  const lab = useStore();
  const { view } = useLab();
  const { input, rows } = table;
  const rails = useMemo(() => layRails([{ node: input.name, from: [] }, ...rows]), [table]);
  const most = Math.max(...rows.map(({ node }) => times?.ms[node] ?? 0));
  const mark = (node: string) =>
    walked === node ? <span class="walked" title="the signal is here" role="img" aria-label="the signal is here" /> : null;
  // The chosen row is in sight, whoever chose it; the page itself stays where it is.
  const frame = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const row = frame.current?.querySelector<HTMLElement>('tr.chosen');
    if (!row) return;
    const { scrollTop, clientHeight } = frame.current!;
    const seen = row.offsetTop >= scrollTop && row.offsetTop + row.offsetHeight <= scrollTop + clientHeight;
    if (!seen) frame.current!.scrollTop = row.offsetTop - clientHeight / 2;
  }, [table, view.layer]);
  return (
    <div class="layers-scroll" ref={frame} tabIndex={0} role="region" aria-label="table of layers">
      <table class="layers-table">
        <thead>
          <tr>
            <th scope="col" class="rail">
              <span class="visually-hidden">course</span>
            </th>
            <Column>layer</Column>
            <Column>op</Column>
            <Column number>shape</Column>
            <Column number>time</Column>
            <Column>gates and windows</Column>
            <Column number>norm</Column>
            <Column number>signal</Column>
          </tr>
        </thead>
        <tbody>
          <tr>
            <Rail row={rails.rows[0]} lanes={rails.lanes} />
            <th scope="row">
              <span class="name">
                {input.name}
                {mark(input.name)}
              </span>
            </th>
            <td class="muted">input</td>
            <td class="number">{extents(input.shape)}</td>
            <td class="number muted">–</td>
            <td />
            <td class="number">{brief(input.value.norm)}</td>
            <td class="number">{brief(input.signal.norm)}</td>
          </tr>
          {rows.map((row, i) => (
            <tr key={row.node} class={row.node === view.layer ? 'chosen' : ''} data-layer={row.node}>
              <Rail row={rails.rows[i + 1]} lanes={rails.lanes} />
              <th scope="row">
                <button
                  type="button"
                  aria-pressed={row.node === view.layer}
                  onClick={() => lab.view({ layer: row.node, ...(row.node === view.layer ? {} : { unit: null }) })}
                >
                  {row.node}
                  {mark(row.node)}
                </button>
                <From row={row} before={i > 0 ? rows[i - 1].node : input.name} />
              </th>
              <td class="muted">{row.op}</td>
              <td class="number">{extents(row.shape)}</td>
              <Time ms={times?.ms[row.node]} most={most} />
              <td>
                <Decisions row={row} />
              </td>
              <td class="number">
                {row.value ? brief(row.value.norm) : <span title="hands on the tensor that it takes">=</span>}
                {row.value && row.value.bad > 0 && <strong class="bad"> {row.value.bad} not finite</strong>}
              </td>
              <td class="number">{row.signal ? brief(row.signal.norm) : '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Named where the chain branches: several inputs, or one that is not the row above. */
function From({ row, before }: { row: LayerRow; before: string }) {
  if (row.from.length === 1 && row.from[0] === before) return null;
  return <span class="from">from {row.from.join(', ')}</span>;
}

const [LANE, HEIGHT] = [12, 40];
const at = (lane: number): number => LANE * lane + LANE / 2;

/** The course beside one row; drawn over the row's full height, however high its words make it. */
function Rail({ row: { stop, through, into, on }, lanes }: { row: RailRow; lanes: number }) {
  const [x, middle] = [at(stop), HEIGHT / 2];
  return (
    <td class="rail" style={{ minWidth: `${LANE * lanes + 10}px` }}>
      <svg width={LANE * lanes} viewBox={`0 0 ${LANE * lanes} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {through.map((lane) => (
          <path key={`t${lane}`} d={`M${at(lane)} 0V${HEIGHT}`} />
        ))}
        {into.map((lane) => (
          <path key={`i${lane}`} d={lane === stop ? `M${x} 0V${middle}` : `M${at(lane)} 0C${at(lane)} ${middle} ${x} 0 ${x} ${middle}`} />
        ))}
        {on && <path d={`M${x} ${middle}V${HEIGHT}`} />}
      </svg>
      <i style={{ left: `${8 + x}px` }} />
    </td>
  );
}

function Time({ ms, most }: { ms: number | undefined; most: number }) {
  if (ms === undefined) return <td class="number muted">–</td>;
  return (
    <td class="number timed">
      <i style={{ width: `${most > 0 ? (100 * ms) / most : 0}%` }} />
      <span>
        {ms === 0 ? '<' : ''}
        {ms < 0.001 ? '0.001' : ms.toFixed(3)} ms
      </span>
    </td>
  );
}

/** What a layer lets through, in a bar and in words. */
function Decisions({ row: { gate, passing, windows } }: { row: LayerRow }) {
  if (gate) {
    const dead = gate.deadChannels > 0 && gate.units > gate.channels ? `, ${gate.deadChannels} of ${gate.channels} channels dead` : '';
    return (
      <Share part={gate.active} whole={gate.units}>
        {percent(gate.active, gate.units)} open, {percent(gate.dead, gate.units)} dead{dead}
      </Share>
    );
  }
  if (passing)
    return (
      <Share part={passing.open} whole={passing.units}>
        {percent(passing.open, passing.units)} open
      </Share>
    );
  if (!windows) return null;
  return (
    <Share part={windows.windows - windows.tied} whole={windows.windows}>
      {percent(windows.tied, windows.windows)} tied, {percent(windows.zero, windows.windows)} zero
    </Share>
  );
}

function Share(props: { part: number; whole: number; children: ComponentChildren }) {
  return (
    <span class="share">
      <i aria-hidden="true">
        <b style={{ width: `${(100 * props.part) / props.whole}%` }} />
      </i>
      <span>{props.children}</span>
    </span>
  );
}
