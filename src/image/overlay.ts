/**
 * Drawing on pictures: a map over its photo, boxes, the outline of a mask, what a mask cuts out. All return new pictures.
 */
import { InputError } from '../errors.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import { colourRange, colouriseRow, colourTable, type ColourOptions, type ColourRange } from './colour.ts';
import type { Picture } from './picture.ts';
import { checkPicture } from './picture.ts';
import type { Pixels } from './png.ts';

export type Rgb = readonly [number, number, number];

/** A box on a picture: edges in pixels, half-open, so that pixel i covers [i, i + 1). */
export interface Rectangle {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

export interface OverlayOptions extends ColourOptions {
  /** How much of the photo a map at the end of its range covers, 0 to 1. Default 0.9. */
  readonly opacity?: number;
}

const DEFAULT_OPACITY = 0.9;
const DIM = 0.7;

/**
 * A map [h, w] over its picture: the picture in grey and dimmed to 70 %, and over it the map's colour, the more opaque the further the
 * value is from zero. Where the map is zero the picture shows. Of a signed map each sign has one colour.
 * @throws InputError if the map is not of the picture's extents
 */
export function overlay(picture: Picture, map: Tensor, options: OverlayOptions = {}): Picture {
  checkPicture(picture);
  const { width, height } = picture;
  if (map.shape.length !== 2 || map.shape[0] !== height || map.shape[1] !== width) {
    throw new InputError(`overlay: expected a map of the picture's ${height}x${width} pixels, got ${formatShape(map.shape)}.`);
  }
  const range = options.range ?? colourRange(map, options);
  const data = new Uint8Array(picture.data.length);
  overlayRow(picture.data, map.data, range, options, data);
  return { width, height, data };
}

/** {@link overlay} for a part: `pixels` and `out` of three bytes for each of `values`. */
export function overlayRow(pixels: Uint8Array, values: Float32Array, range: ColourRange, options: OverlayOptions, out: Uint8Array): void {
  const table = colourTable(options.colours ?? (range.signed ? 'rdbu' : 'inferno'));
  colouriseRow(values, range, table, out);
  const opacity = options.opacity ?? DEFAULT_OPACITY;
  for (let i = 0, p = 0; i < values.length; i++, p += 3) {
    const grey = DIM * (0.299 * pixels[p] + 0.587 * pixels[p + 1] + 0.114 * pixels[p + 2]);
    const v = range.signed ? Math.abs(values[i]) : values[i];
    // A NaN is shown, in the colour it has.
    const alpha = Number.isNaN(v) ? 1 : range.high > 0 ? opacity * Math.min(1, Math.max(0, v / range.high)) : 0;
    const sign = range.signed && !Number.isNaN(v) ? 3 * (values[i] > 0 ? POSITIVE : NEGATIVE) : -1;
    for (let c = 0; c < 3; c++) out[p + c] = Math.round(grey + alpha * ((sign < 0 ? out[p + c] : table[sign + c]) - grey));
  }
}

/** Where a table of 256 colours shows a sign clearly: its middle is pale and its ends are dark. */
const [NEGATIVE, POSITIVE] = [40, 215];

/**
 * A box drawn as a frame of the given thickness in pixels, inside the box where there is room. What lies outside the picture is left out.
 * Default thickness: one for every 200 pixels of the picture's longer side, at least 2.
 */
export function drawBox(picture: Picture, box: Rectangle, rgb: Rgb, thickness = defaultThickness(picture)): Picture {
  checkPicture(picture);
  const data = picture.data.slice();
  const clip = (v: number, limit: number): number => Math.min(limit, Math.max(0, Math.round(v)));
  const [x0, x1] = [clip(box.x0, picture.width), clip(box.x1, picture.width)];
  const [y0, y1] = [clip(box.y0, picture.height), clip(box.y1, picture.height)];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const inside = y >= box.y0 + thickness && y < box.y1 - thickness && x >= box.x0 + thickness && x < box.x1 - thickness;
      if (!inside) data.set(rgb, 3 * (y * picture.width + x));
    }
  }
  return { ...picture, data };
}

/** The border of a mask [h * w] (nonzero inside), drawn on the mask's own side, `thickness` pixels deep in the 4-neighbourhood. */
export function drawOutline(picture: Picture, mask: Uint8Array, rgb: Rgb, thickness = defaultThickness(picture)): Picture {
  checkMask(picture, mask);
  const { width, height } = picture;
  const data = picture.data.slice();
  let left = mask.slice();
  for (let depth = 0; depth < thickness; depth++) {
    const next = left.slice();
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        if (!left[i]) continue;
        const deep = y > 0 && left[i - width] && y < height - 1 && left[i + width] && x > 0 && left[i - 1] && x < width - 1 && left[i + 1];
        if (deep) continue;
        data.set(rgb, 3 * i);
        next[i] = 0;
      }
    }
    left = next;
  }
  return { width, height, data };
}

/** The picture with everything outside a mask [h * w] dimmed to `rest` of its brightness, in grey. */
export function dimOutside(picture: Picture, mask: Uint8Array, rest = 0.35): Picture {
  checkMask(picture, mask);
  const data = picture.data.slice();
  for (let i = 0, p = 0; i < mask.length; i++, p += 3) {
    if (!mask[i]) data.fill(Math.round(rest * (0.299 * data[p] + 0.587 * data[p + 1] + 0.114 * data[p + 2])), p, p + 3);
  }
  return { ...picture, data };
}

/** What a mask [h * w] cuts out of a picture, as RGBA: transparent outside. */
export function cutout(picture: Picture, mask: Uint8Array): Pixels {
  checkMask(picture, mask);
  const data = new Uint8Array(4 * mask.length);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i]) data.set([picture.data[3 * i], picture.data[3 * i + 1], picture.data[3 * i + 2], 255], 4 * i);
  }
  return { width: picture.width, height: picture.height, data };
}

/** A mask [h * w] as a picture: white inside, black outside. */
export function maskPicture(mask: Uint8Array, width: number, height: number): Picture {
  const picture = { width, height, data: new Uint8Array(3 * width * height) };
  checkMask(picture, mask);
  for (let i = 0; i < mask.length; i++) if (mask[i]) picture.data.fill(255, 3 * i, 3 * i + 3);
  return picture;
}

const defaultThickness = ({ width, height }: Picture): number => Math.max(2, Math.round(Math.max(width, height) / 200));

function checkMask(picture: Picture, mask: Uint8Array): void {
  checkPicture(picture);
  const { width, height } = picture;
  if (mask.length !== width * height) {
    throw new InputError(`mask: expected one value for each of the picture's ${width} x ${height} pixels, got ${mask.length}.`);
  }
}
