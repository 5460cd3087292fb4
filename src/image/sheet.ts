/** Contact sheets: pictures in rows, each with a caption, under a title. Black text on white. Node only, because of the text. */
import { InputError } from '../errors.ts';
import { Canvas } from './canvas.ts';
import type { Rgb } from './overlay.ts';
import type { Picture } from './picture.ts';
import { checkPicture } from './picture.ts';
import { resize } from './resize.ts';
import { drawText, type TextPixels } from './text.ts';

/** A picture of a sheet, and the text under it. */
export interface Cell {
  /** Drawn as it is, or smaller if it does not fit into its cell. */
  readonly picture: Picture;
  readonly caption?: string;
}

/** A row of cells; null leaves a place empty. `heading` stands above the row, over its whole width. */
export interface Row {
  readonly heading?: string;
  readonly cells: readonly (Cell | null)[];
}

export interface SheetOptions {
  readonly title?: string;
  /** Above the columns. */
  readonly columns?: readonly string[];
  /** Small print at the foot: what was done. */
  readonly footer?: string;
  /** Width and height of the cells, in pixels. Default: the largest extents of the pictures. */
  readonly cell?: readonly [number, number];
  /** Of the font, in pixels. Default 14. */
  readonly textSize?: number;
}

/** Between cells, in pixels; the sheet's margin is twice as wide. */
const GAP = 12;
const RULE_GREY: Rgb = [200, 200, 200];

/**
 * Draws a sheet. Columns are of one width, with pictures in their middle; the margins are even.
 * @throws InputError if there is no picture; EngineError if text cannot be drawn
 */
export async function sheet(rows: readonly Row[], options: SheetOptions = {}): Promise<Picture> {
  const pictures = rows.flatMap((row) => row.cells.flatMap((cell) => (cell ? [cell.picture] : [])));
  if (pictures.length === 0) throw new InputError('sheet: expected at least one picture, got none.');
  pictures.forEach(checkPicture);
  const { textSize = 14 } = options;
  const [cellWidth, cellHeight] = options.cell ?? [Math.max(...pictures.map((p) => p.width)), Math.max(...pictures.map((p) => p.height))];
  const columns = Math.max(options.columns?.length ?? 0, ...rows.map((row) => row.cells.length));
  const width = columns * cellWidth + (columns - 1) * GAP + 4 * GAP;
  const inner = width - 4 * GAP;
  const left = (column: number): number => 2 * GAP + column * (cellWidth + GAP);

  const canvas: { draw: (canvas: Canvas) => void }[] = [];
  let y = 2 * GAP;
  const put = (draw: (canvas: Canvas) => void): void => void canvas.push({ draw });
  const putText = (text: TextPixels, x: number, top: number, grey = 0): void => put((c) => c.text(text, x, top, grey));

  if (options.title) {
    const text = await drawText(options.title, { size: Math.round(1.3 * textSize), bold: true, width: inner });
    putText(text, 2 * GAP, y);
    y += text.height + GAP;
  }
  if (options.columns) {
    const texts = await Promise.all(
      options.columns.map((name) => drawText(name, { size: textSize, bold: true, width: cellWidth, lines: 2, align: 'centre' })),
    );
    texts.forEach((text, c) => putText(text, left(c) + ((cellWidth - text.width) >> 1), y));
    y += Math.max(...texts.map((text) => text.height)) + GAP / 2;
  }
  for (const [r, row] of rows.entries()) {
    if (row.heading) {
      if (r > 0) {
        const line = (y += GAP / 2);
        put((c) => c.fill(2 * GAP, line, inner, 1, RULE_GREY));
        y += GAP / 2;
      }
      const text = await drawText(row.heading, { size: textSize, bold: true, width: inner, lines: 2 });
      putText(text, 2 * GAP, y);
      y += text.height + GAP / 2;
    }
    const captions = await Promise.all(
      row.cells.map((cell) =>
        cell?.caption ? drawText(cell.caption, { size: Math.round(0.86 * textSize), width: cellWidth, lines: 3, align: 'centre' }) : null,
      ),
    );
    // A row is as high as its highest picture, and pictures stand on their captions.
    const shown = row.cells.map((cell) => (cell ? shrinkInto(cell.picture, [cellWidth, cellHeight]) : null));
    const height = Math.max(0, ...shown.map((picture) => picture?.height ?? 0));
    const top = y;
    shown.forEach((picture, c) => {
      if (picture) put((on) => on.picture(picture, left(c) + ((cellWidth - picture.width) >> 1), top + height - picture.height));
    });
    y += height;
    captions.forEach((text, c) => {
      if (text) putText(text, left(c) + ((cellWidth - text.width) >> 1), y + GAP / 3, 40);
    });
    y += Math.max(0, ...captions.map((text) => (text ? text.height + GAP / 3 : 0))) + GAP;
  }
  if (options.footer) {
    const text = await drawText(options.footer, { size: Math.round(0.8 * textSize), width: inner });
    putText(text, 2 * GAP, y, 90);
    y += text.height + GAP;
  }
  const out = new Canvas(width, y + GAP);
  for (const { draw } of canvas) draw(out);
  return out;
}

const shrinkInto = (picture: Picture, cell: readonly [number, number]): Picture =>
  picture.width <= cell[0] && picture.height <= cell[1] ? picture : fitInto(picture, cell);

/**
 * The picture in its proportions, as large as fits into [width, height]: averaged when it shrinks, whole pixels repeated when it grows to a
 * multiple of its size or more, so that nothing is drawn finer than it is.
 */
export function fitInto(picture: Picture, [width, height]: readonly [number, number]): Picture {
  const factor = Math.min(width / picture.width, height / picture.height);
  const times = Math.floor(factor);
  if (times >= 1) {
    if (times === 1) return picture;
    const data = new Uint8Array(3 * times * picture.width * times * picture.height);
    const to = { width: times * picture.width, height: times * picture.height, data };
    for (let y = 0, i = 0; y < to.height; y++) {
      for (let x = 0; x < to.width; x++, i += 3) {
        const from = 3 * (Math.floor(y / times) * picture.width + Math.floor(x / times));
        for (let c = 0; c < 3; c++) data[i + c] = picture.data[from + c];
      }
    }
    return to;
  }
  const [w, h] = [picture.width, picture.height].map((extent) => Math.max(1, Math.round(extent * factor)));
  return thumbnail(picture, [h, w]);
}

/** The picture resampled to height and width. */
export function thumbnail(picture: Picture, [height, width]: readonly [number, number]): Picture {
  const span = (from: number, to: number): Parameters<typeof resize>[1] => ({ from, to, start: 0, length: to });
  const values = resize(picture, span(picture.width, width), span(picture.height, height));
  return { width, height, data: Uint8Array.from(values, Math.round) };
}
