/** How maps are drawn, on the screen and in files alike. */
import { InputError } from '../../errors.ts';
import { colouriseRow, colourRange, colourTable } from '../../image/colour.ts';
import { overlayRow } from '../../image/overlay.ts';
import type { Picture } from '../../image/picture.ts';
import type { PixelRows, Pixels } from '../../image/png.ts';
import type { Preprocess } from '../../image/preprocess.ts';
import { mapRows, overlayRows, type Frame, type Palette } from '../../visualise/draw.ts';
import type { Show, View } from '../view.ts';

/** A map, drawn: over the photo, or by itself. */
export type Drawn = Exclude<Show, 'photo'>;

/** @throws InputError if signs' colours are asked for where there are no signs */
export function paletteOf({ frame }: Pick<Frame, 'frame'>, { reduce, clip, colours }: Pick<View, 'reduce' | 'clip' | 'colours'>): Palette {
  const signed = reduce === 'signed';
  if (colours === 'rdbu' && !signed) {
    throw new InputError(`colours: expected rdbu with the reduction signed alone, since magnitudes have no sign, got ${reduce}.`);
  }
  return { colours, range: colourRange(frame, { clip, signed }) };
}

export const drawnRows = (frame: Frame, palette: Palette, show: Drawn, photo: Picture): PixelRows =>
  show === 'map' ? mapRows(frame, palette) : overlayRows(frame, palette, photo);

/** The colours from the low end to the high one, as a map shows them by itself or over a grey photo. */
export function legendOf({ range, colours }: Palette, show: Drawn): Picture {
  const high = range.zero ? 1 : range.high;
  const low = range.signed ? -high : 0;
  const ends = { ...range, low, high };
  const ramp = Float32Array.from({ length: LEGEND }, (_, i) => low + ((high - low) * i) / (LEGEND - 1));
  const data = new Uint8Array(3 * LEGEND);
  if (show === 'map') colouriseRow(ramp, ends, colourTable(colours), data);
  else overlayRow(new Uint8Array(3 * LEGEND).fill(128), ramp, ends, { colours }, data);
  return { width: LEGEND, height: 1, data };
}

const LEGEND = 256;

/** All rows of a picture, with its alpha if it has one. */
export function pixelsOf({ width, height, channels, rows }: PixelRows): Pixels {
  const data = new Uint8Array(channels * width * height);
  let at = 0;
  for (const row of rows) {
    data.set(row, at);
    at += row.length;
  }
  return { width, height, data };
}

/** What a derivative with respect to the input is per. */
export function unitOf({ scale, std }: Pick<Preprocess, 'scale' | 'std'>): string {
  const levels = std.map((s) => s / scale);
  if (levels.every((level) => level === 1)) return 'grey level';
  const words = [...new Set(levels.map((level) => Number(level.toPrecision(3))))].join(', ');
  return `unit of the input, which is ${words} grey levels`;
}
