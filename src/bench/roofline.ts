/**
 * The roofline as SVG: each case at its arithmetic intensity and its speed, under the roofs measured in the same run.
 * @see Williams, Waterman & Patterson 2009, Roofline: an insightful visual performance model
 */
import type { BenchReport } from './report.ts';
import { decades, logScale, rooflineFrame, tick } from './rooflineFrame.ts';

const WIDTH = 1040;
const HEIGHT = 620;
const PLOT = { left: 76, top: 74, right: 250, bottom: 56 };
const INK = '#24292f';
const QUIET = '#656d76';
const GRID = '#e6e9ed';
const FONT = "-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";

/** One colour and one mark per family of kinds; told apart without colour by the mark. */
const COLOURS = [
  '#0969a8',
  '#c4620e',
  '#2d7f3e',
  '#8250bf',
  '#b3253f',
  '#6b6b00',
  '#00838f',
  '#a0409a',
  '#5a5f66',
  '#9a6700',
  '#3b5bdb',
  '#c2255c',
];
const MARKS = ['circle', 'square', 'triangle'] as const;

const round = (value: number): number => Number(value.toFixed(1));

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/**
 * Draws the cases that have FLOP and a time; those that only move numbers have no place on it.
 * @returns an SVG document
 */
export function rooflineSvg(report: BenchReport): string {
  const { best } = report.roofs;
  const { peak, slopes, points, kinds, intensities, speeds } = rooflineFrame(report);
  const [low, high] = intensities;
  const [slow, fast] = speeds;
  const largest = slopes[slopes.length - 1];
  const right = WIDTH - PLOT.right;
  const bottom = HEIGHT - PLOT.bottom;
  const x = logScale(low, high, PLOT.left, right);
  const y = logScale(slow, fast, bottom, PLOT.top);

  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="${FONT}" font-size="12">`,
    '<title>Roofline</title>',
    `<desc>${escape(`${points.length} cases under a peak of ${peak.toFixed(1)} GFLOP/s and a stream of ${largest.gbs.toFixed(1)} GB/s.`)}</desc>`,
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="8" fill="#ffffff" stroke="#d0d7de"/>`,
    `<text x="20" y="28" font-size="16" font-weight="600" fill="${INK}">Roofline: ${escape(report.adapter.name)}, ${report.adapter.mode} mode</text>`,
    `<text x="20" y="47" fill="${QUIET}">${escape(subtitle(report))}</text>`,
  ];
  for (const value of decades(low, high)) {
    parts.push(
      `<line x1="${round(x(value))}" x2="${round(x(value))}" y1="${PLOT.top}" y2="${bottom}" stroke="${GRID}"/>`,
      `<text x="${round(x(value))}" y="${bottom + 17}" text-anchor="middle" fill="${QUIET}">${tick(value)}</text>`,
    );
  }
  for (const value of decades(slow, fast)) {
    parts.push(
      `<line x1="${PLOT.left}" x2="${right}" y1="${round(y(value))}" y2="${round(y(value))}" stroke="${GRID}"/>`,
      `<text x="${PLOT.left - 8}" y="${round(y(value) + 4)}" text-anchor="end" fill="${QUIET}">${tick(value)}</text>`,
    );
  }
  parts.push(
    `<text x="${(PLOT.left + right) / 2}" y="${bottom + 40}" text-anchor="middle" fill="${QUIET}">FLOP per byte, every operand once</text>`,
    `<text transform="translate(22 ${(PLOT.top + bottom) / 2}) rotate(-90)" text-anchor="middle" fill="${QUIET}">GFLOP/s</text>`,
    '<clipPath id="plot"><rect ' +
      `x="${PLOT.left}" y="${PLOT.top}" width="${right - PLOT.left}" height="${bottom - PLOT.top}"/></clipPath>`,
  );
  // One slope for each size of stream, the one beyond the caches drawn strongest.
  for (const slope of slopes) {
    const own = slope.gbs;
    const ridge = peak / own;
    const strong = slope === largest;
    parts.push(
      `<line clip-path="url(#plot)" x1="${round(x(low))}" y1="${round(y(low * own))}" x2="${round(x(ridge))}" y2="${round(y(peak))}" stroke="${INK}" ` +
        `stroke-width="${strong ? 1.5 : 1}"${strong ? '' : ' stroke-dasharray="3 4" opacity="0.6"'}/>`,
    );
  }
  const ridge = Math.max(low, Math.min(...best.streams.map(({ gbs }) => peak / gbs)));
  parts.push(
    `<line x1="${round(x(ridge))}" y1="${round(y(peak))}" x2="${right}" y2="${round(y(peak))}" stroke="${INK}" stroke-width="1.5"/>`,
    `<text x="${right - 6}" y="${round(y(peak) - 7)}" text-anchor="end" fill="${INK}">${peak.toFixed(peak < 100 ? 1 : 0)} GFLOP/s, multiply-adds</text>`,
  );
  for (const row of points) {
    const k = kinds.indexOf(row.kind);
    const hint = `${row.id}: ${row.gflops.toPrecision(3)} GFLOP/s, ${(row.share * 100).toFixed(0)} % of the roof`;
    parts.push(mark(x(row.intensity), y(row.gflops), k, hint));
  }
  kinds.forEach((kind, k) => {
    const at = PLOT.top + 8 + 20 * k;
    parts.push(mark(right + 22, at, k, kind), `<text x="${right + 34}" y="${at + 4}" fill="${INK}">${escape(kind)}</text>`);
  });
  const streams = slopes.map((slope) => {
    const { bytes, gbs } = slope;
    return `${gbs.toFixed(gbs < 100 ? 1 : 0)} GB/s over ${bytes / 2 ** 20} MiB${slope === largest ? ' (solid)' : ''}`;
  });
  ['Slopes: memory', ...streams, `Empty dispatch: ${(best.dispatchMs * 1000).toPrecision(3)} us`].forEach((text, i) =>
    parts.push(`<text x="${right + 14}" y="${bottom - 70 + 18 * i}" fill="${QUIET}">${escape(text)}</text>`),
  );
  return `${parts.join('\n')}\n</svg>\n`;
}

function subtitle({ adapter, versions, date, cases }: BenchReport): string {
  const clocks = new Set(cases.flatMap(({ timing }) => (timing ? [timing.clock] : [])));
  return [
    adapter.description || adapter.driver.split(' in ')[0],
    `backlight ${versions.backlight}${versions.commit ? ` (${versions.commit})` : ''}`,
    versions.webgpu === undefined ? 'WebGPU of a browser' : `webgpu ${versions.webgpu}`,
    `medians by ${[...clocks].join(' and ') || 'no clock'}`,
    date.slice(0, 10),
  ].join('; ');
}

function mark(cx: number, cy: number, k: number, hint: string): string {
  const colour = COLOURS[k % COLOURS.length];
  const style = `fill="${colour}" fill-opacity="0.75" stroke="#ffffff" stroke-width="0.75"`;
  const title = `<title>${escape(hint)}</title>`;
  const [px, py] = [round(cx), round(cy)];
  switch (MARKS[k % MARKS.length]) {
    case 'circle':
      return `<circle cx="${px}" cy="${py}" r="5" ${style}>${title}</circle>`;
    case 'square':
      return `<rect x="${round(px - 4.5)}" y="${round(py - 4.5)}" width="9" height="9" ${style}>${title}</rect>`;
    case 'triangle':
      return `<path d="M${px} ${round(py - 5.5)}l5.5 9.5h-11z" ${style}>${title}</path>`;
  }
}
