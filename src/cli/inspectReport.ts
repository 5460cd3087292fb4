/** The tables of `backlight inspect`. */
import type { Mass } from '../inspect/gates.ts';
import type { Inspection, LayerInspection } from '../inspect/inspect.ts';
import { sparkline, type TensorStats } from '../inspect/stats.ts';
import { RULES } from '../rule.ts';
import { formatShape } from '../tensor.ts';
import { formatTable } from './session.ts';

/** A number in few characters. */
export function brief(v: number | null): string {
  if (v === null) return '-';
  if (v === 0) return '0';
  const m = Math.abs(v);
  return m >= 1e5 || m < 1e-3 ? v.toExponential(2) : v.toPrecision(3);
}

export const percent = (part: number | null, whole = 1): string => (part === null || whole === 0 ? '-' : ((100 * part) / whole).toFixed(1));

/** The three tables as text: values, gates, windows. */
export function inspectionTables({ input, layers }: Inspection): string {
  const parts = [valueTable(input, layers)];
  if (layers.some(({ gate, passing }) => gate || passing !== null)) parts.push(gateTable(layers));
  if (layers.some(({ windows }) => windows)) parts.push(windowTables(layers));
  return parts.join('\n\n');
}

function valueTable(input: Inspection['input'], layers: readonly LayerInspection[]): string {
  const signal = (s: TensorStats | null): string[] => (s ? [brief(Math.sqrt(s.l2Squared)), sparkline(s.octaves, 12)] : ['-', '']);
  const row = (name: string, op: string, shape: readonly number[], v: TensorStats, s: TensorStats | null): string[] => [
    name,
    op,
    formatShape(shape),
    percent(v.zeros, v.elements),
    brief(Math.sqrt(v.l2Squared)),
    brief(v.min),
    brief(v.mean),
    brief(v.max),
    String(v.nan + v.infinite),
    sparkline(v.linear, 16),
    ...signal(s),
  ];
  const header = ['layer', 'op', 'shape', 'zero %', 'norm', 'min', 'mean', 'max', 'bad', 'values', 'norm of signal', 'magnitudes'];
  return `${formatTable(header, [
    row(input.tensor, '(input)', input.shape, input.value, input.signal),
    ...layers.map((l) => row(l.node, l.op, l.shape, l.value, l.signal)),
  ])}
values: histogram of what is not zero, within four standard deviations; magnitudes: of the signal, by powers of two; bad: not finite`;
}

function gateTable(layers: readonly LayerInspection[]): string {
  const rows = layers.flatMap(({ node, gate, passing, value }): (string | number)[][] => {
    // A clip has no rule to choose from: it passes what lies between its limits.
    if (passing !== null)
      return [[node, value.elements, percent(passing, value.elements), ...new Array<string>(5 + 2 * RULES.length).fill('-')]];
    if (!gate) return [];
    const { units, active, tied, deadChannels, channels, signal } = gate;
    return [
      [
        node,
        units,
        percent(active, units),
        percent(gate.dead, units),
        tied,
        `${deadChannels}/${channels}`,
        ...masses(signal?.arriving),
        ...RULES.flatMap((rule) => (signal ? [percent(signal.killed[rule].l1), percent(signal.killed[rule].l2Squared)] : ['-', '-'])),
      ],
    ];
  });
  const header = [
    'ReLU',
    'units',
    'active %',
    'dead %',
    'tied',
    'dead ch.',
    'L1',
    'L2^2',
    ...RULES.flatMap((rule) => [`${rule} L1`, 'L2^2']),
  ];
  return `${formatTable(header, rows)}
active: X > 0, of a clip between its limits; dead: X <= 0; tied: X exactly 0, among the dead; dead ch.: channels without an active unit. L1, L2^2: of the signal R that arrives;
after them, what each rule would kill of it here, in %`;
}

const masses = (mass: Mass | undefined): string[] => (mass ? [brief(mass.l1), brief(mass.l2Squared)] : ['-', '-']);

/** Places of a global pool's window that are listed. */
const MOST_PLACES = 25;

function windowTables(layers: readonly LayerInspection[]): string {
  const pools = layers.filter(({ windows }) => windows);
  const rows = pools.map(({ node, windows }): (string | number)[] => {
    const w = windows!;
    const inputs = w.wins.reduce((sum, n) => sum + n, 0);
    const most = w.wins.length - 1;
    const tail = w.wins.slice(3).reduce((sum, n) => sum + n, 0);
    const s = w.signal;
    return [
      node,
      w.windows,
      percent(w.zero, w.windows),
      percent(w.tied, w.windows),
      percent(w.tiedAboveZero, w.windows),
      ...[0, 1, 2].map((k) => percent(w.wins[k] ?? 0, inputs)),
      percent(tail, inputs),
      most,
      ...masses(s?.arriving),
      percent(s ? s.atZeros.l1 : null, s?.arriving.l1),
      percent(s ? s.atTies.l1 : null, s?.arriving.l1),
      percent(s ? s.sent.l1 : null, s?.arriving.l1),
    ];
  });
  const header = [
    'max-pool',
    'windows',
    'zero %',
    'tied %',
    'tied not 0',
    'win 0 %',
    '1 %',
    '2 %',
    '3+ %',
    'most',
    'L1',
    'L2^2',
    'at zeros %',
    'at ties %',
    'sent %',
  ];
  const winners = pools.flatMap(({ node, windows }) => {
    const { kernel, wonBy, wonUntied, windows: all, empty, tied } = windows!;
    const shares = [(k: number) => percent(wonBy[k], all - empty), (k: number) => percent(wonUntied[k], all - empty - tied)];
    if (wonBy.length > MOST_PLACES) {
      const best = [...wonBy.keys()].sort((a, b) => wonBy[b] - wonBy[a]).slice(0, 5);
      const shown = best.map((k) => `(${Math.floor(k / kernel[1])},${k % kernel[1]}) ${shares[0](k)}`);
      return [`  ${node}, of ${kernel[0]}x${kernel[1]} places most by ${shown.join(', ')}`];
    }
    const row = (r: number, share: (k: number) => string): string =>
      Array.from({ length: kernel[1] }, (_, c) => share(r * kernel[1] + c).padStart(5)).join(' ');
    return [`  ${node}`, ...Array.from({ length: kernel[0] }, (_, r) => `    ${shares.map((share) => row(r, share)).join('   |   ')}`)];
  });
  return `${formatTable(header, rows)}
zero: the maximum is 0, so that behind a ReLU all units of the window are off; tied: several cells attain the maximum; win k: share of inputs that win
k windows. L1, L2^2: of the signal that arrives; at zeros, at ties: its share at such windows; sent: L1 sent down over L1 that arrives

windows won by each place, in %, row by row: of all, and of those with a single maximum
${winners.join('\n')}`;
}
