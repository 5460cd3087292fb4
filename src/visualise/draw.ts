/** Maps as pictures: at the photo's own size, row by row, and several on one sheet. */
import { colouriseRow, colourTable, type ColourRange, type Colours } from '../image/colour.ts';
import { overlayRow } from '../image/overlay.ts';
import type { Picture } from '../image/picture.ts';
import type { PixelRows } from '../image/png.ts';
import type { PictureToInput } from '../image/preprocess.ts';
import { onCopy, photoRows } from '../image/project.ts';
import { fitInto, sheet, thumbnail, type Cell, type Row } from '../image/sheet.ts';
import type { Tensor } from '../tensor.ts';

/** A map on the input, and how it lies on the photo: what a `SaliencyFrame` holds. */
export interface Frame {
  /** [H, W]. */
  readonly frame: Tensor;
  readonly counts: Uint8Array | null;
  readonly geometry: PictureToInput;
}

export interface Palette {
  readonly range: ColourRange;
  readonly colours: Colours;
}

/** The map in colours, at the size of the photo. Rows are made when they are asked for: a photo of 100 megapixels takes no more memory. */
export function mapRows({ frame, counts, geometry }: Frame, { range, colours }: Palette): PixelRows {
  const [height, width] = geometry.picture;
  const rows = function* (): Generator<Uint8Array> {
    const out = new Uint8Array(3 * width);
    for (const row of photoRows(frame, geometry, counts)) {
      colouriseRow(row, range, colourTable(colours), out);
      yield out;
    }
  };
  return { width, height, channels: 3, rows: rows() };
}

/** The map over its photo; see `overlay` of the image room. */
export function overlayRows({ frame, counts, geometry }: Frame, { range, colours }: Palette, { width, height, data }: Picture): PixelRows {
  const rows = function* (): Generator<Uint8Array> {
    const out = new Uint8Array(3 * width);
    let at = 0;
    for (const row of photoRows(frame, geometry, counts)) {
      overlayRow(data.subarray(at, at + 3 * width), row, range, { colours }, out);
      at += 3 * width;
      yield out;
    }
  };
  return { width, height, channels: 3, rows: rows() };
}

/** A map of a sheet with its caption. */
export interface SheetMap extends Frame, Palette {
  readonly caption: string;
}

export interface MapSheetOptions {
  readonly kind: 'map' | 'overlay';
  readonly title: string;
  /** Under the photo, which is the first picture of the sheet. */
  readonly photoCaption: string;
  readonly footer: string;
  /** Maps in one row; without it, as many as make the sheet about as wide as high. */
  readonly perRow?: number;
}

/** Longest side of a sheet's pictures, in pixels. */
const CELL = 320;

/** The photo and its maps on one sheet, each map in colours of its own range, with its caption. */
export async function mapSheet(maps: readonly SheetMap[], photo: Picture, options: MapSheetOptions): Promise<Picture> {
  const small = thumbnailSize(photo, CELL);
  const shownPhoto = thumbnail(photo, small);
  const cells = maps.map((map): Cell => {
    const copy = { ...map, geometry: onCopy(map.geometry, small) };
    return { picture: whole(options.kind === 'map' ? mapRows(copy, map) : overlayRows(copy, map, shownPhoto)), caption: map.caption };
  });
  const first: Cell = { picture: shownPhoto, caption: options.photoCaption };
  const { perRow } = options;
  const rows: Row[] = [];
  if (perRow === undefined) {
    const all = [first, ...cells];
    const across = all.length <= 4 ? all.length : Math.ceil(all.length / Math.ceil(all.length / 4));
    for (let i = 0; i < all.length; i += across) rows.push({ cells: all.slice(i, i + across) });
  } else {
    for (let i = 0; i < cells.length; i += perRow) rows.push({ cells: [i === 0 ? first : null, ...cells.slice(i, i + perRow)] });
  }
  const cell = cellSize(small, CELL);
  const fitted = rows.map((row) => ({ cells: row.cells.map((one) => one && { ...one, picture: fitInto(one.picture, cell) }) }));
  return sheet(fitted, { title: options.title, footer: options.footer, cell });
}

/** Height and width of a photo's copy with its longer side at most `most`; a smaller photo keeps its size. */
export function thumbnailSize({ width, height }: Picture, most: number): [number, number] {
  const factor = Math.min(1, most / Math.max(width, height));
  return [Math.max(1, Math.round(height * factor)), Math.max(1, Math.round(width * factor))];
}

/**
 * Width and height of cells for pictures of the given height and width: wide enough for captions, and small pictures enlarged up to `most`.
 */
export function cellSize([height, width]: readonly [number, number], most: number): [number, number] {
  const times = Math.max(1, Math.floor(most / Math.max(width, height)));
  return [Math.max(LEAST, times * width), times * height];
}

/** Narrower cells have no room for captions. */
const LEAST = 160;

/** All rows of a picture. */
export function whole({ width, height, rows }: PixelRows): Picture {
  const data = new Uint8Array(3 * width * height);
  let at = 0;
  for (const row of rows) {
    data.set(row, at);
    at += row.length;
  }
  return { width, height, data };
}
