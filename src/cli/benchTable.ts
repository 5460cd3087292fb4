/** The benchmark's rows as text: one line as soon as a case is done, under a header for each kind. */
import type { CaseRow, Change, NetworkResult, Roofs, Timing } from '../bench/index.ts';
import { formatMs, formatSpeed as number } from '../bench/words.ts';
import { formatTable } from './session.ts';

const ID = 44;

const columns = (cells: readonly string[], widths: readonly number[]): string =>
  cells
    .map((cell, i) => (i === 0 || i === cells.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
    .join('  ')
    .trimEnd();

const WIDTHS = [ID, 9, 9, 9, 10, 9, 8, 7, 8, 9, 0];

export function caseHeader(kind: string): string {
  return columns([kind, 'median', 'min', 'p90', 'wall', 'GFLOP/s', 'GB/s', 'roof', 'samples', 'err/bound', 'kernels'], WIDTHS);
}

export function caseLine(row: CaseRow): string {
  const id = row.id.slice(row.id.indexOf('/') + 1);
  if (row.skipped !== undefined) return `${id.padEnd(ID)}  skipped: ${row.skipped}`;
  if (row.failed !== undefined) return `${id.padEnd(ID)}  FAILED: ${row.failed}`;
  if (!row.timing) return `${id.padEnd(ID)}  WRONG: ${row.check?.failure ?? 'not checked'}`;
  const { device, wall, repeats } = row.timing;
  const bits = row.repeats?.same === false ? '  BITS DIFFER BETWEEN RUNS' : '';
  const packing = row.packing ? `; packed once in ${formatMs(row.packing.device.median)}` : '';
  return columns(
    [
      id,
      formatMs(device.median),
      formatMs(device.min),
      formatMs(device.p90),
      formatMs(wall.median),
      row.flop > 0 ? number(row.gflops!) : '',
      number(row.gbs!),
      `${(100 * row.share!).toFixed(row.share! < 0.1 ? 1 : 0)} %`,
      `${device.samples}${repeats > 1 ? `x${repeats}` : ''}`,
      row.check!.worst.toPrecision(2),
      kernels(row) + packing + bits,
    ],
    WIDTHS,
  );
}

/** The entry points, each once with its count. */
function kernels({ steps }: CaseRow): string {
  const counts = new Map<string, number>();
  for (const { shader, entry } of steps) {
    const name = `${shader}.${entry}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, n]) => (n > 1 ? `${n} ${name}` : name)).join(', ');
}

export function roofLines({ fma, streams, dispatchMs, submitMs }: Roofs): string {
  const of = ({ device, clock, repeats }: Timing): string[] => [
    formatMs(device.min),
    formatMs(device.median),
    `${device.samples}${repeats > 1 ? `x${repeats}` : ''}`,
    clock,
  ];
  return formatTable(
    ['roof', 'best', 'min', 'median', 'samples', 'clock'],
    [
      ...fma.map((one) => [one.entry, `${number(one.gflops)} GFLOP/s`, ...of(one.timing)]),
      ...streams.map((one) => [`${one.kind} ${one.bytes / 2 ** 20} MiB`, `${number(one.gbs)} GB/s`, ...of(one.timing)]),
      ['empty dispatch, in a pass', formatMs(dispatchMs), '', '', '', ''],
      ['empty dispatch, alone, wall', formatMs(submitMs), '', '', '', ''],
    ],
  );
}

export function networkLines(row: NetworkResult): string {
  const head = `${row.name}, batch ${row.batch}, ${row.input.join('x')}: ${number(row.flop / 1e9)} GFLOP forward, ${row.forwardDispatches} + ${row.backwardDispatches} dispatches`;
  if (row.skipped !== undefined) return `${head}\nskipped: ${row.skipped}`;
  const built = `${row.pipelines} pipelines compiled in ${formatMs(row.compileMs)}, ready after ${formatMs(row.buildMs)}`;
  if (!row.forward || !row.gradient) return `${head}\n${built}\nWRONG: ${row.check?.failure ?? 'not checked'}`;
  const checked = {
    layers: 'every layer checked against f64',
    identity: '<dS/dI, I> = S checked',
    finite: 'checked only to be finite: too large for f64, and no identity holds',
  }[row.check!.method];
  const cold = row.coldMs === undefined ? '' : `; first gradient ${formatMs(row.coldMs)} after the start of a process`;
  const host =
    row.hostUs === undefined ? '' : `; a dispatch takes the host ${number(row.hostUs.median)} us, at best ${number(row.hostUs.min)}`;
  const bits = row.same ? '' : '\nBITS DIFFER BETWEEN RUNS';
  const line = (what: string, { device, wall }: Timing, tail: string): string[] => [
    what,
    formatMs(device.median),
    formatMs(device.min),
    formatMs(device.p90),
    formatMs(wall.median),
    `${device.samples}`,
    tail,
  ];
  return `${head}\n${built}${cold}${host}\n${checked}${bits}\n${formatTable(
    ['', 'median', 'min', 'p90', 'wall', 'samples', ''],
    [
      line('forward', row.forward, `${number(row.gflops!)} GFLOP/s, ${number((1000 * row.batch) / row.forward.device.median)} images/s`),
      line(
        'input gradient',
        row.gradient,
        `${row.ratio!.toFixed(2)} times forward, ${number((1000 * row.batch) / row.gradient.device.median)} images/s`,
      ),
    ],
  )}`;
}

/** Changes against a baseline, slower ones first. */
export function changeLines(changes: readonly Change[], threshold: number): string {
  if (changes.length === 0) return 'baseline: no case in common';
  const shown = changes.filter(({ verdict }) => verdict !== 'same').sort((a, b) => b.ratio - a.ratio);
  const geometric = Math.exp(changes.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / changes.length);
  const head = `baseline: ${changes.length} in common, ${shown.length} beyond ${(100 * threshold).toFixed(0)} %, geometric mean of the ratios ${geometric.toFixed(3)}`;
  if (shown.length === 0) return head;
  return `${head}\n${formatTable(
    ['', 'before', 'now', 'ratio', ''],
    shown.map(({ id, beforeMs, afterMs, ratio, verdict }) => [id, formatMs(beforeMs), formatMs(afterMs), ratio.toFixed(2), verdict]),
  )}`;
}
