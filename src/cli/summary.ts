/** The table of an evaluation, for a person and as JSON. */
import type { Share } from '../evaluate/interval.ts';
import type { Merged, Settings } from '../evaluate/journal.ts';
import { summarise, type Summary } from '../evaluate/summary.ts';
import { formatTable } from './session.ts';

export interface SummaryReport extends Summary {
  readonly settings: Settings;
  readonly hash: string;
  /** How many images of the list are not among those counted. */
  readonly missing: number;
}

export function summaryReport({ header, rows, missing }: Merged): SummaryReport {
  return { settings: header.settings, hash: header.hash, missing: missing.length, ...summarise(rows) };
}

export function printSummary(report: SummaryReport): void {
  const { settings, images, top1, top5, localisation, pointing } = report;
  console.log(`${settings.task} of ${images} images, 95 % intervals (Wilson)\n`);
  console.log(
    formatTable(
      ['classification', 'right %', 'interval', 'n'],
      [
        ['top-1', ...shareCells(top1)],
        ['top-5', ...shareCells(top5)],
      ],
    ),
  );
  if (localisation.length > 0) {
    const rows = localisation.map(({ method, map, rule, error, empty }) => {
      const [kind, alpha] = method.split(':');
      return [kind, alpha ?? '', map ?? '', rule ?? '', ...shareCells(error), empty === 0 ? '' : empty];
    });
    console.log(`\nlocalisation, class ${settings.class}: wrong if IoU < ${settings.iou} with every true box`);
    console.log(formatTable(['method', 'alpha', 'map', 'rule', 'error %', 'interval', 'n', 'no box'], rows));
  }
  if (pointing.length > 0) {
    const rows = pointing.map(({ map, rule, right, empty }) => [
      map ?? 'middle of the picture',
      rule ?? '',
      ...shareCells(right),
      empty === 0 ? '' : empty,
    ]);
    console.log(`\npointing game, class ${settings.class}: the map's maximum within ${settings.tolerance} pixels of a true box`);
    console.log(formatTable(['map', 'rule', 'right %', 'interval', 'n', 'zero map'], rows));
  }
}

function shareCells({ share, low, high, n }: Share): [string, string, number] {
  const percent = (value: number): string => (100 * value).toFixed(1);
  return [percent(share), `${percent(low)}-${percent(high)}`, n];
}
