/**
 * Line plots as SVG: panels side by side over one axis, every line with its name and its last value where it ends. The picture has its own
 * background, so that it reads the same on a light and on a dark page.
 */
import { scaleLinear, type ScaleLinear } from 'd3-scale';
import { line } from 'd3-shape';

export type Point = readonly [x: number, y: number];

/** One line of a panel, of at least one point. Its name and its last value stand where it ends. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  readonly colour: string;
  readonly format: (value: number) => string;
  /** In pixels. Default 1.75. */
  readonly weight?: number;
}

export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
  /** The smallest and the largest value; the smallest is 0 unless given. */
  readonly low?: number;
  readonly high: number;
  /** How the numbers at the left are written, as d3-format has it. */
  readonly tick: string;
  /** Drawn faintly, on a scale of its own, from 0 to its largest value. */
  readonly behind?: { readonly points: readonly Point[]; readonly label: readonly string[] };
}

export interface PlotOptions {
  readonly title: string;
  /** A line under the title; '' for none. */
  readonly subtitle: string;
  /** What the picture shows, in words, for those who do not see it. */
  readonly description: string;
  /** Of the whole picture, in pixels. */
  readonly width: number;
  readonly height: number;
  /** The axis of all panels: what it counts, and its end; it begins at 0. */
  readonly x: { readonly label: string; readonly high: number };
}

const INK = '#24292f';
const QUIET = '#656d76';
const GRID = '#e6e9ed';
/** Of what stands behind: its line, and its name, which must be read. */
const FAINT = '#d8c3e0';
const FAINT_INK = '#8a6d96';

const FONT = "-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";
/** Room in pixels around the plot of a panel: for its title, its numbers, the epochs, and the names at its right. */
const ROOM = { top: 30, left: 44, bottom: 40, right: 112 };
/** Room for the title, and for the subtitle where there is one. */
const HEAD = { title: 40, subtitle: 18 };
const EDGE = 16;
/** Lines of names are at least so far apart, in pixels. */
const LEADING = 15;
/** Draws panels. @returns an SVG document */
export function plot(panels: readonly Panel[], { title, subtitle, description, width, height, x: axis }: PlotOptions): string {
  const panelWidth = (width - 2 * EDGE) / panels.length;
  const head = HEAD.title + (subtitle === '' ? 0 : HEAD.subtitle);
  const extent = { width: panelWidth - ROOM.left - ROOM.right, height: height - head - ROOM.top - ROOM.bottom };
  const x = scaleLinear([0, Math.max(axis.high, Number.MIN_VALUE)], [0, extent.width]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"` +
      ` role="img" font-family="${FONT}" font-size="12">`,
    `<title>${escape(title)}</title>`,
    `<desc>${escape(description)}</desc>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="#ffffff" stroke="#d0d7de"/>`,
    `<text x="${EDGE + 4}" y="28" font-size="16" font-weight="600" fill="${INK}">${escape(title)}</text>`,
    ...(subtitle === '' ? [] : [`<text x="${EDGE + 4}" y="47" fill="${QUIET}">${escape(subtitle)}</text>`]),
    ...panels.map((panel, n) => drawPanel(panel, x, axis.label, extent, [EDGE + n * panelWidth + ROOM.left, head + ROOM.top])),
    '</svg>\n',
  ].join('\n');
}

interface Extent {
  readonly width: number;
  readonly height: number;
}

type Scale = ScaleLinear<number, number>;

/** A panel whose plot has the given extent and begins at `[x, y]` of the picture. */
function drawPanel(panel: Panel, x: Scale, label: string, { width, height }: Extent, [left, top]: readonly [number, number]): string {
  const y = scaleLinear([panel.low ?? 0, panel.high], [height, 0]).nice(5);
  const tick = y.tickFormat(5, panel.tick || undefined);
  const parts: string[] = [`<text x="-4" y="-14" font-weight="600" fill="${INK}">${escape(panel.title)}</text>`];
  for (const value of y.ticks(5)) {
    const at = round(y(value));
    parts.push(
      `<line x2="${width}" y1="${at}" y2="${at}" stroke="${GRID}"/>`,
      `<text x="-8" y="${round(at + 4)}" text-anchor="end" fill="${QUIET}">${tick(value).replace('%', ' %')}</text>`,
    );
  }
  // What is counted is whole: of two there is no tick at one and a half. Before the first is done there are only parts.
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
    `<text x="${width / 2}" y="${height + 33}" text-anchor="middle" fill="${QUIET}">${escape(label)}</text>`,
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
  for (const { name, points, colour, format, weight = 1.75 } of panel.series) {
    const [end, value] = points.at(-1)!;
    parts.push(draw(points, y, colour, weight), `<circle cx="${round(x(end))}" cy="${round(y(value))}" r="2.5" fill="${colour}"/>`);
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
    ([at]) => x(at),
    ([, value]) => y(value),
  ).digits(1);
  return path(points as Point[])!;
}

const round = (value: number): number => Number(value.toFixed(1));

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
