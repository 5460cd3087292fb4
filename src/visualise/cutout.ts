/** What a segmentation cuts out of a photo, as pictures: alpha, cut-out, the object framed in its photo. */
import { gaussian } from '../image/gaussian.ts';
import { drawBox, drawOutline, dimOutside, type Rgb } from '../image/overlay.ts';
import type { Picture } from '../image/picture.ts';
import type { PixelRows } from '../image/png.ts';
import { taps } from '../image/resize.ts';
import type { Box } from '../segment/box.ts';
import { maskBox } from '../segment/box.ts';
import { fillHoles } from '../segment/components.ts';
import { resampleMap } from '../segment/maps.ts';
import { atMost, type Localisation } from './localise.ts';

/** Smooths the steps of the contour, in pixels of the picture that was cut. */
const SOFTENING = 0.8;

/**
 * How much of each of the photo's pixels belongs to the object, 0 to 255, in rows. A cut is made at a few hundred pixels; its contour is
 * smoothed by a Gaussian of 0.8 of these and laid onto the photo between pixels, with an edge one or two of the photo's pixels wide.
 * The coverage 128 is where the mask's own contour runs, steps aside.
 * @param holes holes of at most so many pixels of the cut are filled; default: none
 */
export function* alphaRows({ cut, extents }: Localisation, { width, height }: Picture, holes = 0): Generator<Uint8Array> {
  const [rows, columns] = cut.size;
  const given =
    holes === 0 ? cut.component : fillHoles(cut.component, extents[1], extents[0], (holes * extents[0] * extents[1]) / (rows * columns));
  const component = resampleMap(given, extents, cut.size);
  const soft = gaussian({ shape: cut.size, data: Float32Array.from(component) }, SOFTENING).data;
  const x = taps({ from: columns, to: width, start: 0, length: width });
  const y = taps({ from: rows, to: height, start: 0, length: height });
  // The smoothed edge rises by about half in one pixel of the cut.
  const steepness = Math.max(1, 1.4 * Math.sqrt((width * height) / (rows * columns)));
  const across = new Float64Array(rows * width);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < width; o++) {
      for (let k = x.at[o], i = r * columns + x.first[o]; k < x.at[o + 1]; k++, i++) across[r * width + o] += x.values[k] * soft[i];
    }
  }
  const sum = new Float64Array(width);
  const row = new Uint8Array(width);
  for (let p = 0; p < height; p++) {
    sum.fill(0);
    for (let k = y.at[p], i = y.first[p] * width; k < y.at[p + 1]; k++)
      for (let o = 0; o < width; o++, i++) sum[o] += y.values[k] * across[i];
    for (let o = 0; o < width; o++) row[o] = Math.round(255 * Math.min(1, Math.max(0, (sum[o] - 0.5) * steepness + 0.5)));
    yield row;
  }
}

/** The object's mask at the photo's size: white inside, black outside, nothing between. */
export function maskRows(found: Localisation, photo: Picture): PixelRows {
  const rows = function* (): Generator<Uint8Array> {
    const out = new Uint8Array(3 * photo.width);
    for (const row of alphaRows(found, photo)) {
      row.forEach((alpha, i) => out.fill(alpha >= 128 ? 255 : 0, 3 * i, 3 * i + 3));
      yield out;
    }
  };
  return { width: photo.width, height: photo.height, channels: 3, rows: rows() };
}

/** Holes of up to this share of an object are filled when it is cut out: single pixels that seeds clamped, glints, an eye. */
const HOLE = 1 / 300;

/**
 * The object cut out of its photo, RGBA, cropped to its own extent, which need not be the box, its small holes filled; null where there is
 * none.
 */
export function cutoutRows(found: Localisation, photo: Picture): (PixelRows & { readonly crop: Box }) | null {
  const [rows, columns] = found.extents;
  const extent = maskBox(found.cut.component, columns, rows);
  if (extent === null) return null;
  const [fx, fy] = [photo.width / columns, photo.height / rows];
  const crop = {
    x0: Math.floor(extent.x0 * fx),
    y0: Math.floor(extent.y0 * fy),
    x1: Math.ceil(extent.x1 * fx),
    y1: Math.ceil(extent.y1 * fy),
  };
  const width = crop.x1 - crop.x0;
  const area = found.cut.component.reduce((sum, side) => sum + side, 0) / found.cut.component.length;
  const holes = HOLE * area * found.cut.size[0] * found.cut.size[1];
  const lines = function* (): Generator<Uint8Array> {
    const out = new Uint8Array(4 * width);
    let y = 0;
    for (const alpha of alphaRows(found, photo, holes)) {
      if (y >= crop.y1) return;
      if (y >= crop.y0) {
        for (let x = crop.x0, o = 0; x < crop.x1; x++, o += 4) {
          const p = 3 * (y * photo.width + x);
          // Colours of what is not seen at all would only fill the file.
          if (alpha[x] === 0) out.fill(0, o, o + 4);
          else out.set([photo.data[p], photo.data[p + 1], photo.data[p + 2], alpha[x]], o);
        }
        yield out;
      }
      y++;
    }
  };
  return { width, height: crop.y1 - crop.y0, channels: 4, rows: lines(), crop };
}

const CONTOUR: Rgb = [255, 255, 255];
const FRAME: Rgb = [255, 64, 32];

/**
 * The photo, shrunk to at most `pixels` pixels, with the object in its colours, the rest dimmed, its contour in white and its box in red.
 */
export function framed(found: Localisation, photo: Picture, pixels: number): Picture {
  const small = atMost(photo, pixels);
  if (found.box === null) return dimOutside(small, new Uint8Array(small.width * small.height));
  const mask = new Uint8Array(small.width * small.height);
  let at = 0;
  for (const row of alphaRows(found, small)) {
    row.forEach((alpha, i) => (mask[at + i] = alpha >= 128 ? 1 : 0));
    at += row.length;
  }
  const [fx, fy] = [small.width / photo.width, small.height / photo.height];
  const { x0, y0, x1, y1 } = found.box;
  const line = Math.max(1, Math.round(Math.max(small.width, small.height) / 320));
  const drawn = drawOutline(dimOutside(small, mask), mask, CONTOUR, line);
  return drawBox(drawn, { x0: x0 * fx, y0: y0 * fy, x1: x1 * fx, y1: y1 * fy }, FRAME, line + 1);
}

/** An object as if its photo had other extents. */
export function onPhoto(
  object: Localisation,
  { width, height }: Pick<Picture, 'width' | 'height'>,
  copy: Pick<Picture, 'width' | 'height'>,
): Localisation {
  if (object.box === null) return object;
  const [fx, fy] = [copy.width / width, copy.height / height];
  const { x0, y0, x1, y1 } = object.box;
  return { ...object, box: { x0: x0 * fx, y0: y0 * fy, x1: x1 * fx, y1: y1 * fy } };
}
