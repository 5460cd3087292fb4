/** The tables of `backlight trace`. */
import type { PathTotal } from '../inspect/paths.ts';
import type { Trace } from '../inspect/trace.ts';
import { RULES } from '../rule.ts';
import { brief, percent } from './inspectReport.ts';
import { formatTable } from './session.ts';

/** Small numbers of paths as they are, others as powers of ten. */
export function pathWords({ count, log10, exact }: PathTotal): string {
  if (count === 0) return '0';
  return exact && count !== null && count < 1e7 ? String(count) : `10^${log10.toFixed(2)}`;
}

/** What a trace found, as text. */
export function traceTables({ input, layers, value }: Trace): string {
  const rows = layers.map(({ node, op, field, fieldUnits, open, paths, influence, rules }) => [
    node,
    op,
    field
      .slice(1)
      .map(([from, to]) => to - from)
      .join('x'),
    open === null ? '-' : percent(open, fieldUnits),
    pathWords(paths),
    influence ? brief(influence.positive) : '-',
    influence ? brief(influence.negative) : '-',
    ...RULES.flatMap((rule) => {
      const passage = rules?.[rule];
      if (!passage) return ['-', '-', '-'];
      return [
        percent(passage.arriving.units, fieldUnits),
        brief(passage.arriving.l1),
        percent(passage.arriving.l1 > 0 ? passage.passed.l1 : null, passage.arriving.l1),
      ];
    }),
  ]);
  // From the unit down, as signals go.
  rows.reverse();
  const { field } = input;
  const pixels = (field.x1 - field.x0) * (field.y1 - field.y0);
  rows.push([
    input.tensor,
    '(input)',
    `${input.shape[1]}x${field.y1 - field.y0}x${field.x1 - field.x0}`,
    '-',
    pathWords(input.paths),
    brief(input.influence.positive),
    brief(input.influence.negative),
    ...RULES.flatMap((rule) => [percent(input.rules[rule].units, pixels * input.shape[1]), brief(input.rules[rule].l1), '-']),
  ]);
  const header = ['layer', 'op', 'field', 'open %', 'paths', 'for', 'against', ...RULES.flatMap((rule) => [rule, 'L1', 'pass %'])];
  const box = (b: Trace['input']['openBox']): string => (b ? `rows ${b.y0} to ${b.y1 - 1}, columns ${b.x0} to ${b.x1 - 1}` : 'none');
  const open =
    input.openPixels > 0
      ? `${input.openPixels} pixels, ${percent(input.openPixels, pixels)} % of the box; ${box(input.openBox)}`
      : 'empty: no open path';
  return `theoretical field: ${box(field)}
open field: ${open}
paths to the input: ${pathWords(input.paths)}${input.paths.exact ? '' : ' (counted in f64, at least nine digits right)'}
value ${brief(value)} = for ${brief(input.influence.positive)}, against ${brief(input.influence.negative)}, rest ${brief(input.rest)}

${formatTable(header, rows)}
field: channels, rows and columns that the unit can depend on; open: gates of the field that pass the gradient; paths: from the unit through the layer,
over weights that are not zero, open gates and taken winners; for, against: value times gradient, by sign, in the unit's unit; then for each rule the
share of the field's units at which its signal arrives, the signal's L1, and the share of that which goes on`;
}
