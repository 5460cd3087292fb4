/**
 * Training curves as SVG: the loss and the accuracy of a run against epochs, side by side, with the learning rate faintly behind the loss.
 */
import { InputError } from '../errors.ts';
import { plot, type Panel, type Point, type Series } from '../image/plot.ts';
import { isValidation, type MetricsRow, type TrainingRow } from './metrics.ts';

export interface CurveOptions {
  /** Above the panels. Default: "Training". */
  readonly title?: string;
  /** A line under the title: which network, on what. */
  readonly subtitle?: string;
  /** Of the whole picture, in pixels. Default 960 x 400. */
  readonly width?: number;
  readonly height?: number;
}

const TRAINING = '#727c87';
const VALIDATION = '#0969a8';
const SECOND = '#c4620e';

/** A training curve has at most so many points: more would be noise, and a large file. */
const POINTS = 200;

/**
 * Draws the rows of a run. Training rows are averages already; where there are more than 200 they are averaged further, by images. Of rows
 * that a resumed run wrote again the later ones count.
 * @returns an SVG document
 * @throws InputError if there is no row
 */
export function trainingCurve(rows: readonly MetricsRow[], options: CurveOptions = {}): string {
  if (rows.length === 0) throw new InputError('curve: expected at least one row of metrics, got none. Train first.');
  const { title = 'Training', subtitle = '', width = 960, height = 400 } = options;
  const training = thinned(latest(rows.filter((row): row is TrainingRow => !isValidation(row))));
  const validation = latest(rows.filter(isValidation));
  const of = <Row extends MetricsRow>(list: readonly Row[], value: (row: Row) => number): Point[] =>
    list.map((row) => [row.epoch, value(row)] as const);
  const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
  const decimals = (value: number): string => value.toFixed(2);
  const series = (name: string, points: readonly Point[], colour: string, format: (value: number) => string): Series[] =>
    points.length === 0 ? [] : [{ name, points, colour, format, ...(colour === TRAINING ? { weight: 1.25 } : {}) }];

  const loss = [
    ...series(
      'training',
      of(training, (row) => row.loss),
      TRAINING,
      decimals,
    ),
    ...series(
      'validation',
      of(validation, (row) => row.validation.loss),
      VALIDATION,
      decimals,
    ),
  ];
  const accuracy = [
    ...series(
      'training top-1',
      of(training, (row) => row.top1),
      TRAINING,
      percent,
    ),
    ...series(
      'validation top-1',
      of(validation, (row) => row.validation.top1),
      VALIDATION,
      percent,
    ),
    ...series(
      'validation top-5',
      of(validation, (row) => row.validation.top5),
      SECOND,
      percent,
    ),
  ];
  const rates = of(training, (row) => row.rate);
  const highestRate = Math.max(0, ...rates.map(([, rate]) => rate));
  const panels: Panel[] = [
    {
      title: 'loss (mean cross-entropy, nats)',
      series: loss,
      high: highest(loss),
      tick: '',
      ...(highestRate > 0 ? { behind: { points: rates, label: ['learning rate', `up to ${Number(highestRate.toPrecision(3))}`] } } : {}),
    },
    { title: 'accuracy', series: accuracy, high: highest(accuracy), tick: '%' },
  ];
  const epochs = Math.max(...rows.map(({ epoch }) => epoch));
  const described = panels.flatMap((panel) => panel.series.map((one) => `${panel.title}, ${one.name}: ${lastOf(one)}`)).join('; ');
  const description = `After ${round(epochs)} epochs: ${described}.`;
  return plot(panels, { title, subtitle, description, width, height, x: { label: 'epochs', high: epochs } });
}

/** Rows without those that a later row repeats: a run that was killed and resumed goes back to its last checkpoint. */
function latest<Row extends MetricsRow>(rows: readonly Row[]): Row[] {
  const kept: Row[] = [];
  for (const row of [...rows].reverse()) if (kept.length === 0 || row.step < kept.at(-1)!.step) kept.push(row);
  return kept.reverse();
}

/** At most {@link POINTS} rows: averages by images over spans of equal epochs, each at the end of its span. */
function thinned(rows: readonly TrainingRow[]): TrainingRow[] {
  if (rows.length <= POINTS) return [...rows];
  const span = rows.at(-1)!.epoch / POINTS;
  const groups = new Map<number, { row: TrainingRow; images: number }[]>();
  rows.forEach((row, k) => {
    const own = { row, images: row.images - (rows[k - 1]?.images ?? 0) };
    const place = Math.ceil(row.epoch / span);
    const group = groups.get(place);
    if (group) group.push(own);
    else groups.set(place, [own]);
  });
  return [...groups.values()].map((group) => {
    const images = group.reduce((sum, one) => sum + one.images, 0);
    const average = (value: (row: TrainingRow) => number): number =>
      group.reduce((sum, one) => sum + value(one.row) * one.images, 0) / images;
    return { ...group.at(-1)!.row, loss: average((row) => row.loss), top1: average((row) => row.top1) };
  });
}

/** The largest value of some lines; 1 if they have none above 0. */
function highest(series: readonly Series[]): number {
  const most = Math.max(0, ...series.flatMap(({ points }) => points.map(([, value]) => value)));
  return most > 0 ? most : 1;
}

const lastOf = ({ points, format }: Series): string => format(points.at(-1)![1]);

const round = (value: number): number => Number(value.toFixed(1));
