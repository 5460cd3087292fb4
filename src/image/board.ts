/**
 * Boards: pictures and bar charts in columns, each with a heading line and a grey line under it, for a page that is read from the top.
 * Node only, because of the text.
 */
import { InputError } from '../errors.ts';
import { Canvas } from './canvas.ts';
import type { Rgb } from './overlay.ts';
import { checkPicture, type Picture } from './picture.ts';
import { thumbnail } from './sheet.ts';
import { drawText, type TextPixels } from './text.ts';

/** One bar. */
export interface Bar {
  readonly label: string;
  /** 0 to 1: of the bar's full length. */
  readonly share: number;
  /** Numbers behind the bar, under the headings of {@link Bars.columns}. */
  readonly numbers: readonly string[];
  /** Drawn in the strong colour, its label in bold. */
  readonly strong?: boolean;
}

export interface Bars {
  readonly columns: readonly string[];
  readonly bars: readonly Bar[];
}

/** A place on a board. */
export interface Tile {
  /** Fitted into the tile in its proportions, enlarged (between pixels) or shrunk. */
  readonly content: Picture | Bars;
  readonly title: string;
  readonly note?: string;
  /** How many columns it takes. Default 1. */
  readonly span?: number;
}

export interface Band {
  readonly heading: string;
  readonly tiles: readonly Tile[];
}

export interface BoardOptions {
  readonly title: string;
  readonly subtitle: string;
  readonly footer: string;
  readonly columns: number;
  /** Width of a column and greatest height of a tile, in pixels. */
  readonly tile: number;
}

const MARGIN = 24;
const GAP = 16;
const INK: Rgb = [28, 32, 38];
const GREY: Rgb = [106, 112, 120];
const LINE: Rgb = [222, 225, 229];
const STRONG: Rgb = [200, 72, 48];
const WEAK: Rgb = [158, 170, 184];
const TRACK: Rgb = [241, 243, 245];

/** Text sizes, in pixels. */
const TITLE = 24;
const HEADING = 16;
const TEXT = 13;

type Draw = (canvas: Canvas) => void;

/**
 * Draws a board: a title, bands of tiles, a footer. A band is as high as its highest tile; pictures stand on their titles, at the left of
 * their columns.
 * @throws InputError if a band has more tiles than columns, or none; EngineError if text cannot be drawn
 */
export async function board(bands: readonly Band[], options: BoardOptions): Promise<Picture> {
  const { columns, tile } = options;
  const widthOf = (span: number): number => span * tile + (span - 1) * GAP;
  const inner = widthOf(columns);
  const draws: Draw[] = [];
  let y = MARGIN;
  const put = (text: TextPixels, x: number, ink: Rgb, at = y): void => void draws.push((c) => c.text(text, x, at, ink));

  const title = await drawText(options.title, { size: TITLE, bold: true, width: inner, lines: 1 });
  put(title, MARGIN, INK);
  y += title.height;
  const subtitle = await drawText(options.subtitle, { size: TEXT, width: inner, lines: 2 });
  put(subtitle, MARGIN, GREY);
  y += subtitle.height;

  for (const band of bands) {
    const spans = band.tiles.map(({ span = 1 }) => span);
    const taken = spans.reduce((sum, span) => sum + span, 0);
    if (taken === 0 || taken > columns) throw new InputError(`board: expected 1 to ${columns} columns of tiles in a band, got ${taken}.`);
    const line = (y += GAP);
    draws.push((c) => c.fill(MARGIN, line, inner, 1, LINE));
    y += GAP - 4;
    const heading = await drawText(band.heading, { size: HEADING, bold: true, width: inner, lines: 2 });
    put(heading, MARGIN, INK);
    y += heading.height + 8;

    const shown = band.tiles.map(({ content }, t) => ('bars' in content ? content : fitted(content, widthOf(spans[t]), tile)));
    const height = Math.max(...shown.map((one) => ('bars' in one ? leastHeight(one) : one.height)));
    const drawn: Drawn[] = [];
    for (const [t, one] of shown.entries()) drawn.push('bars' in one ? await drawBars(one, widthOf(spans[t]), height) : one);
    let x = MARGIN;
    let deepest = 0;
    for (const [t, { title: name, note }] of band.tiles.entries()) {
      const [left, width] = [x, widthOf(spans[t])];
      const { draw, height: own } = drawn[t];
      const top = y + height - own;
      draws.push((c) => draw(c, left, top));
      const named = await drawText(name, { size: TEXT, bold: true, width, lines: 1 });
      put(named, left, INK, y + height + 7);
      const noted = note === undefined ? null : await drawText(note, { size: TEXT, width, lines: 2 });
      if (noted) put(noted, left, GREY, y + height + 7 + named.height);
      deepest = Math.max(deepest, named.height + (noted?.height ?? 0));
      x += width + GAP;
    }
    y += height + 7 + deepest;
  }
  const line = (y += GAP);
  draws.push((c) => c.fill(MARGIN, line, inner, 1, LINE));
  y += GAP - 4;
  const footer = await drawText(options.footer, { size: TEXT - 1, width: inner });
  put(footer, MARGIN, GREY);
  y += footer.height;

  const canvas = new Canvas(inner + 2 * MARGIN, y + MARGIN - 8);
  for (const draw of draws) draw(canvas);
  return canvas;
}

interface Drawn {
  readonly height: number;
  readonly draw: (canvas: Canvas, x: number, y: number) => void;
}

function fitted(picture: Picture, width: number, height: number): Drawn {
  checkPicture(picture);
  const factor = Math.min(width / picture.width, height / picture.height);
  const extent = (length: number): number => Math.max(1, Math.round(length * factor));
  const shown = factor === 1 ? picture : thumbnail(picture, [extent(picture.height), extent(picture.width)]);
  return { height: shown.height, draw: (canvas, x, y) => canvas.picture(shown, x, y) };
}

/** Height of the line of column names, of a bar, and least height of a bar's row. */
const COLUMN_NAMES = 20;
const BAR = 14;
const LEAST_ROW = 22;

const leastHeight = ({ bars }: Bars): number => COLUMN_NAMES + LEAST_ROW * bars.length;

async function drawBars({ columns, bars }: Bars, width: number, height: number): Promise<Drawn> {
  const text = (value: string, bold = false, most = Infinity): Promise<TextPixels> =>
    drawText(value, { size: TEXT, bold, width: most, lines: 1 });
  const heads = await Promise.all(columns.map((name) => text(name)));
  const labels = await Promise.all(bars.map(({ label, strong }) => text(label, strong, Math.floor(0.36 * width))));
  const numbers = await Promise.all(bars.map((bar) => Promise.all(bar.numbers.map((value) => text(value, bar.strong)))));
  const widest = (texts: readonly TextPixels[]): number => Math.max(0, ...texts.map((one) => one.width));
  const columnWidths = columns.map((_, c) => widest([heads[c], ...numbers.map((row) => row[c])]) + GAP);
  const left = widest(labels) + GAP;
  const length = width - left - columnWidths.reduce((sum, one) => sum + one, 0);
  const row = (height - COLUMN_NAMES) / bars.length;
  return {
    height,
    draw(canvas, x, y) {
      // Numbers stand to the right of their columns.
      const right = columnWidths.map((_, c) => x + width - columnWidths.slice(c + 1).reduce((sum, one) => sum + one, 0));
      heads.forEach((head, c) => canvas.text(head, right[c] - head.width, y, GREY));
      bars.forEach(({ share, strong }, b) => {
        const middle = Math.round(y + COLUMN_NAMES + (b + 0.5) * row);
        const put = (one: TextPixels, at: number, ink: Rgb): void => canvas.text(one, at, middle - (one.height >> 1), ink);
        put(labels[b], x, INK);
        canvas.fill(x + left, middle - BAR / 2, length, BAR, TRACK);
        canvas.fill(x + left, middle - BAR / 2, Math.round(length * Math.min(1, Math.max(0, share))), BAR, strong ? STRONG : WEAK);
        numbers[b].forEach((number, c) => put(number, right[c] - number.width, strong ? INK : GREY));
      });
    },
  };
}
