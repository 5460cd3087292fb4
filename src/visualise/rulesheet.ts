/** The rule sheet: each seed in two rows, signed and absolute, the four rules side by side. */
import { colourise, colourRange, type ColourRange } from '../image/colour.ts';
import { drawBox } from '../image/overlay.ts';
import type { Picture } from '../image/picture.ts';
import type { Channels, PictureToInput } from '../image/preprocess.ts';
import { onCopy, toPhoto } from '../image/project.ts';
import { fitInto, sheet, thumbnail, type Cell, type Row } from '../image/sheet.ts';
import { RULES } from '../rule.ts';
import type { Tensor } from '../tensor.ts';
import type { SeedComparison } from './compare.ts';
import { cellSize, thumbnailSize } from './draw.ts';
import { reduceChannels } from './reduce.ts';

/** Signed signals in the colours of the input, mid-grey for zero; or their sum over channels from blue to red. */
export const SIGNED_STYLES = ['colour', 'rdbu'] as const;

export type SignedStyle = (typeof SIGNED_STYLES)[number];

export interface RuleSheetOptions {
  readonly title: string;
  readonly footer: string;
  /** Above the rows of each seed. */
  readonly headings: readonly string[];
  readonly channels: Channels;
  readonly signed: SignedStyle;
  /** Percentile of the magnitudes at which colours end, each picture by itself. */
  readonly clip: number;
}

/** The part of a comparison that is drawn. */
export type SeedSignals = Pick<SeedComparison, 'neuron' | 'signals'>;

/** Longest side of the pictures, in pixels. */
const CELL = 256;

/**
 * Draws a comparison. Every picture has a range of its own, told under it: signals under different rules differ by orders of magnitude.
 * Units that see but a part of the photo are drawn on that part, enlarged.
 */
export async function ruleSheet(
  { geometry, seeds }: { readonly geometry: PictureToInput; readonly seeds: readonly SeedSignals[] },
  photo: Picture,
  options: RuleSheetOptions,
): Promise<Picture> {
  const small = thumbnailSize(photo, CELL);
  const cell = cellSize(small, CELL);
  const shownPhoto = fitInto(thumbnail(photo, small), cell);
  const rows = seeds.flatMap((seed, s): Row[] => {
    const field = receptiveField(seed, geometry);
    const part = field && enlarged(photo, geometry, field, cell);
    const at = part?.geometry ?? onCopy(geometry, [shownPhoto.height, shownPhoto.width]);
    const signed = RULES.map((rule): Cell => drawSigned(seed.signals[rule], at, options));
    const absolute = RULES.map((rule): Cell => {
      const { picture, range } = colouredMap(reduceChannels(seed.signals[rule], 'max'), at, options.clip, false);
      return { picture, caption: range.zero ? 'zero everywhere' : `0 to ${brief(range.high)}` };
    });
    const first: Cell = field
      ? { picture: drawBox(shownPhoto, onThumbnail(field, photo, shownPhoto), [255, 220, 0]) }
      : { picture: shownPhoto };
    const second: Cell | null = part && { picture: part.picture, caption: 'what the unit sees' };
    return [{ heading: options.headings[s], cells: [first, ...signed] }, { cells: [second, ...absolute] }];
  });
  return sheet(rows, { title: options.title, columns: ['', ...RULES], footer: options.footer, cell });
}

/** A part of the photo as large as fits into a cell, and how the input lies on that picture. */
function enlarged(
  photo: Picture,
  geometry: PictureToInput,
  { x0, y0, x1, y1 }: Box,
  [cellWidth, cellHeight]: readonly [number, number],
): { readonly picture: Picture; readonly geometry: PictureToInput } {
  const [width, height] = [x1 - x0, y1 - y0];
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++)
    data.set(photo.data.subarray(3 * ((y0 + y) * photo.width + x0), 3 * ((y0 + y) * photo.width + x1)), 3 * y * width);
  const factor = Math.min(cellWidth / width, cellHeight / height);
  const size: [number, number] = [Math.max(1, Math.round(height * factor)), Math.max(1, Math.round(width * factor))];
  const cut: PictureToInput = {
    ...geometry,
    x: { ...geometry.x, offset: geometry.x.offset - x0 },
    y: { ...geometry.y, offset: geometry.y.offset - y0 },
    picture: [height, width],
  };
  return { picture: thumbnail({ width, height, data }, size), geometry: onCopy(cut, size) };
}

interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

function onThumbnail({ x0, y0, x1, y1 }: Box, photo: Picture, small: Picture): Box {
  const [fx, fy] = [small.width / photo.width, small.height / photo.height];
  return { x0: x0 * fx, x1: x1 * fx, y0: y0 * fy, y1: y1 * fy };
}

const brief = (v: number): string => (v >= 100 ? v.toFixed(0) : v.toPrecision(2));

/**
 * A signal at the input [1, C, H, W], signed, on the photo of a geometry, in colours of its own range, which the caption tells.
 * @param given a range in place of its own, for signals that must be comparable
 * @throws InputError if the signal's extents are not those of the geometry's input
 */
export function drawSigned(
  signal: Tensor,
  geometry: PictureToInput,
  { channels, signed, clip }: Pick<RuleSheetOptions, 'channels' | 'signed' | 'clip'>,
  given?: ColourRange,
): Cell & { readonly caption: string } {
  if (signed === 'rdbu') {
    const { picture, range } = colouredMap(reduceChannels(signal, 'signed'), geometry, clip, true, given);
    return { picture, caption: range.zero ? 'zero everywhere' : `±${brief(range.high)}` };
  }
  const [, count, height, width] = signal.shape;
  const range = given ?? colourRange(signal, { clip, signed: true });
  const planes = Array.from({ length: count }, (_, c) =>
    toPhoto({ shape: [height, width], data: signal.data.subarray(c * height * width, (c + 1) * height * width) }, geometry),
  );
  // Red, green, blue in the network's channel order.
  const order = count === 1 ? [0, 0, 0] : channels === 'bgr' ? [2, 1, 0] : [0, 1, 2];
  const [h, w] = geometry.picture;
  const data = new Uint8Array(3 * h * w);
  order.forEach((plane, k) => {
    for (let i = 0; i < h * w; i++)
      data[3 * i + k] = Math.round(127.5 + 127.5 * clamp(range.zero ? 0 : planes[plane].data[i] / range.high));
  });
  return { picture: { width: w, height: h, data }, caption: range.zero ? 'zero everywhere' : `±${brief(range.high)}` };
}

const clamp = (v: number): number => Math.min(1, Math.max(-1, v));

function colouredMap(
  reduced: Tensor,
  geometry: PictureToInput,
  clip: number,
  signed: boolean,
  given?: ColourRange,
): { readonly picture: Picture; readonly range: ColourRange } {
  const range = given ?? colourRange(reduced, { clip, signed });
  const map = toPhoto({ shape: reduced.shape.slice(1), data: reduced.data }, geometry);
  return { picture: colourise(map, { range, signed }).picture, range };
}

/**
 * The whole pixels of the photo that a unit depends on: the extent of the linear rule's signal, which no ReLU stops. Null for a class and
 * for units that see (nearly) everything.
 */
function receptiveField({ signals, neuron }: SeedSignals, { x, y, picture: [h, w] }: PictureToInput): Box | null {
  if (!neuron) return null;
  const { shape, data } = reduceChannels(signals.linear, 'max');
  const [, height, width] = shape;
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    const [row, column] = [Math.floor(i / width), i % width];
    [x0, x1, y0, y1] = [Math.min(x0, column), Math.max(x1, column + 1), Math.min(y0, row), Math.max(y1, row + 1)];
  }
  if (x1 <= x0 || (x1 - x0) * (y1 - y0) > NEARLY_ALL * width * height) return null;
  return {
    x0: Math.max(0, Math.floor(x.scale * x0 + x.offset)),
    x1: Math.min(w, Math.ceil(x.scale * x1 + x.offset)),
    y0: Math.max(0, Math.floor(y.scale * y0 + y.offset)),
    y1: Math.min(h, Math.ceil(y.scale * y1 + y.offset)),
  };
}

/** Share of the input beyond which enlarging shows no more. */
const NEARLY_ALL = 0.7;
