/** What a benchmark measured, as tables. */
import type { CaseRow } from '../../../bench/report.ts';
import type { Roofs } from '../../../bench/roofs.ts';
import { formatMs, formatSpeed } from '../../../bench/words.ts';
import { Column } from '../parts.tsx';

const WORDS: Readonly<Record<string, string>> = { fmaScalar: 'multiply-adds, scalar', fmaVector: 'multiply-adds, vec4' };

export function RoofTable({ roofs }: { roofs: Roofs }) {
  const rows: (readonly [string, string])[] = [
    ...roofs.fma.map(({ entry, gflops }) => [WORDS[entry] ?? entry, `${formatSpeed(gflops)} GFLOP/s`] as const),
    ...roofs.streams.map(({ kind, bytes, gbs }) => [`${kind} ${bytes / 2 ** 20} MiB`, `${formatSpeed(gbs)} GB/s`] as const),
    ['empty dispatch, among many', formatMs(roofs.dispatchMs)],
    ['empty dispatch, submitted alone', formatMs(roofs.submitMs)],
  ];
  return (
    <table class="roofs">
      <caption>Roofs of this device</caption>
      <tbody>
        {rows.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="number">{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function CaseTable({ rows }: { rows: readonly CaseRow[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Cases">
      <table class="cases">
        <caption>Cases</caption>
        <thead>
          <tr>
            <Column>layer</Column>
            <Column>direction</Column>
            <Column>against f64</Column>
            {['time', 'GFLOP/s', 'GB/s', 'of the roof'].map((name) => (
              <Column key={name} number>
                {name}
              </Column>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Case key={row.id} row={row} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Case({ row }: { row: CaseRow }) {
  const { id, kind, layer, batch, check, timing, flop, gflops, gbs, share, skipped, failed, repeats } = row;
  const direction = id.split('/')[2];
  const trouble =
    skipped !== undefined ? `skipped: ${skipped}` : (failed ?? (repeats?.same === false ? 'the bits differ between runs' : check?.failure));
  return (
    <tr>
      <th scope="row">
        {kind} <span class="muted">{layer}</span>
        {batch > 1 && <span class="muted"> × {batch}</span>}
      </th>
      <td>{direction}</td>
      {trouble === undefined ? (
        <td
          class="passed"
          title={`${check!.compared} of ${check!.elements} elements compared; worst error ${check!.worst.toPrecision(2)} of its bound`}
        >
          passed
        </td>
      ) : (
        <td class={skipped === undefined ? 'wrong' : ''}>{trouble}</td>
      )}
      <td class="number">{timing ? formatMs(timing.device.median) : ''}</td>
      <td class="number">{gflops !== undefined && flop > 0 ? formatSpeed(gflops) : ''}</td>
      <td class="number">{gbs === undefined ? '' : formatSpeed(gbs)}</td>
      <td class="number">
        {share !== undefined && (
          <>
            <meter value={Math.min(1, share)} aria-hidden="true" /> {(100 * share).toFixed(share < 0.1 ? 1 : 0)} %
          </>
        )}
      </td>
    </tr>
  );
}
