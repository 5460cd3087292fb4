/**
 * Training curves as SVG: the loss and the accuracy of a run against epochs, side by side, with the learning rate faintly behind the loss.
 * The picture has its own background, so that it reads the same on a light and on a dark page.
 */
import { scaleLinear, type ScaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { InputError } from '../errors.ts';
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

type Point = readonly [epoch: number, value: number];

/** One line of a panel. Its name and its last value stand where it ends. */
interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  readonly colour: string;
  readonly format: (value: number) => string;
}

interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
  /** The largest value; the smallest is 0. */
  readonly high: number;
  /** How the numbers at the left are written, as d3-format has it. */
  readonly tick: string;
  /** Drawn on a scale of its own, from 0 to its largest value. */
  readonly behind?: { readonly points: readonly Point[]; readonly label: readonly string[] };
}

const INK = '#24292f';
const QUIET = '#656d76';
const GRID = '#e6e9ed';
/** Of the learning rate: its line, and its name, which must be read. */
const FAINT = '#d8c3e0';
const FAINT_INK = '#8a6d96';
const TRAINING = '#727c87';
const VALIDATION = '#0969a8';
const SECOND = '#c4620e';

const FONT = "-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";
/** Room in pixels around the plot of a panel: for its title, its numbers, the epochs, and the names at its right. */
const ROOM = { top: 30, left: 44, bottom: 40, right: 112 };
/** Room for the title, and for the subtitle where there is one. */
const HEAD = { title: 40, subtitle: 18 };
const EDGE = 16;
/** Lines of names are at least so far apart, in pixels. */
const LEADING = 15;
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
    points.length === 0 ? [] : [{ name, points, colour, format }];

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
  const panelWidth = (width - 2 * EDGE) / 2;
  const head = HEAD.title + (subtitle === '' ? 0 : HEAD.subtitle);
  const plot = { width: panelWidth - ROOM.left - ROOM.right, height: height - head - ROOM.top - ROOM.bottom };
  const x = scaleLinear([0, Math.max(epochs, Number.MIN_VALUE)], [0, plot.width]);
  const described = panels.flatMap((panel) => panel.series.map((one) => `${panel.title}, ${one.name}: ${lastOf(one)}`)).join('; ');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"` +
      ` role="img" font-family="${FONT}" font-size="12">`,
    `<title>${escape(title)}</title>`,
    `<desc>After ${round(epochs)} epochs: ${escape(described)}.</desc>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="#ffffff" stroke="#d0d7de"/>`,
    `<text x="${EDGE + 4}" y="28" font-size="16" font-weight="600" fill="${INK}">${escape(title)}</text>`,
    ...(subtitle === '' ? [] : [`<text x="${EDGE + 4}" y="47" fill="${QUIET}">${escape(subtitle)}</text>`]),
    ...panels.map((panel, n) => drawPanel(panel, x, plot, [EDGE + n * panelWidth + ROOM.left, head + ROOM.top])),
    '</svg>\n',
  ].join('\n');
}

interface Extent {
  readonly width: number;
  readonly height: number;
}

type Scale = ScaleLinear<number, number>;

/** A panel whose plot has the given extent and begins at `[x, y]` of the picture. */
function drawPanel(panel: Panel, x: Scale, { width, height }: Extent, [left, top]: readonly [number, number]): string {
  const y = scaleLinear([0, panel.high], [height, 0]).nice(5);
  const tick = y.tickFormat(5, panel.tick || undefined);
  const parts: string[] = [`<text x="-4" y="-14" font-weight="600" fill="${INK}">${escape(panel.title)}</text>`];
  for (const value of y.ticks(5)) {
    const at = round(y(value));
    parts.push(
      `<line x2="${width}" y1="${at}" y2="${at}" stroke="${GRID}"/>`,
      `<text x="-8" y="${round(at + 4)}" text-anchor="end" fill="${QUIET}">${tick(value).replace('%', ' %')}</text>`,
    );
  }
  // Epochs are whole: a run of two has no tick at one and a half. Before the first is done there are only parts.
  const whole = x.ticks(6).filter(Number.isInteger);
  for (const value of whole.length > 1 ? whole : x.ticks(4)) {
    const at = round(x(value));
    parts.push(
      `<line x1="${at}" x2="${at}" y1="${height}" y2="${height + 4}" stroke="${QUIET}"/>`,
      `<text x="${at}" y="${height + 17}" text-anchor="middle" fill="${QUIET}">${value}</text>`,
    );
  }
  parts.push(
    `<line x2="${width}" y1="${height}" y2="${height}" stroke="${QUIET}"/>`,
    `<text x="${width / 2}" y="${height + 33}" text-anchor="middle" fill="${QUIET}">epochs</text>`,
  );
  const draw = (points: readonly Point[], scale: (value: number) => number, colour: string, weight: number): string =>
    `<path d="${pathOf(points, x, scale)}" fill="none" stroke="${colour}" stroke-width="${weight}" stroke-linejoin="round"/>`;
  const ends: Label[] = [];
  if (panel.behind) {
    const { points, label } = panel.behind;
    const scale = scaleLinear([0, Math.max(...points.map(([, value]) => value))], [height, 0]);
    parts.push(draw(points, scale, FAINT, 1.25));
    ends.push({ at: scale(points.at(-1)![1]), lines: label, colour: FAINT_INK });
  }
  for (const { name, points, colour, format } of panel.series) {
    const [epoch, value] = points.at(-1)!;
    parts.push(
      draw(points, y, colour, colour === TRAINING ? 1.25 : 1.75),
      `<circle cx="${round(x(epoch))}" cy="${round(y(value))}" r="2.5" fill="${colour}"/>`,
    );
    ends.push({ at: y(value), lines: [name, format(value)], colour });
  }
  for (const { at, lines, colour } of spread(ends, height)) {
    lines.forEach((text, k) => {
      const weight = k === 1 && colour !== FAINT_INK ? ' font-weight="600"' : '';
      const base = round(at + 4 + (k - (lines.length - 1) / 2) * (LEADING - 1));
      parts.push(`<text x="${width + 10}" y="${base}" fill="${colour}"${weight}>${escape(text)}</text>`);
    });
  }
  return `<g transform="translate(${round(left)} ${top})">\n${parts.join('\n')}\n</g>`;
}

/** A name at the end of a line, centred at `at`. */
interface Label {
  readonly at: number;
  readonly lines: readonly string[];
  readonly colour: string;
}

/** Moves labels apart, in the order of their lines' ends, and keeps them beside the plot. */
function spread(labels: readonly Label[], height: number): Label[] {
  const sorted = [...labels].sort((a, b) => a.at - b.at);
  const half = sorted.map(({ lines }) => (lines.length * LEADING) / 2 + 1);
  const at = sorted.map((label) => label.at);
  for (let k = 1; k < at.length; k++) at[k] = Math.max(at[k], at[k - 1] + half[k - 1] + half[k]);
  const bottom = at.length - 1;
  if (bottom >= 0) at[bottom] = Math.min(at[bottom], height - half[bottom] + LEADING / 2);
  for (let k = bottom - 1; k >= 0; k--) at[k] = Math.min(at[k], at[k + 1] - half[k] - half[k + 1]);
  return sorted.map((label, k) => ({ ...label, at: at[k] }));
}

function pathOf(points: readonly Point[], x: (value: number) => number, y: (value: number) => number): string {
  const path = line<Point>(
    ([epoch]) => x(epoch),
    ([, value]) => y(value),
  ).digits(1);
  return path(points as Point[])!;
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

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
