/** A trace in one picture: the input with the fields of the unit, the paths to its pixels, and the signals of the four rules. Node only. */
import { colourise } from '../image/colour.ts';
import { dimOutside, drawBox, drawOutline, type Rgb } from '../image/overlay.ts';
import type { Picture } from '../image/picture.ts';
import type { Channels, PictureToInput } from '../image/preprocess.ts';
import { fitInto, sheet, type Cell } from '../image/sheet.ts';
import { RULES } from '../rule.ts';
import type { Tensor } from '../tensor.ts';
import { drawSigned } from '../visualise/rulesheet.ts';
import type { PixelBox, Trace } from './trace.ts';

export interface TraceSheetOptions {
  readonly title: string;
  readonly footer: string;
  readonly channels: Channels;
  /** Percentile of the magnitudes at which the colours of a signal end. */
  readonly clip: number;
}

const FIELD: Rgb = [255, 206, 0];
const OPEN: Rgb = [0, 220, 230];

/** Thickness of frames, in pixels. */
const FRAME = 2;

/** Extents of the pictures in pixels: small inputs are enlarged to the first, large ones shrunk to the second. */
const [LEAST, MOST] = [288, 360];

/** A part of the input that is shown by itself, unless the field fills this share of it. */
const NEARLY_ALL = 0.7;

/**
 * Draws a trace.
 * @param picture the network's input as a picture, of its extents
 */
export async function traceSheet(
  { input, openMask, pathMap, influenceMap, signals }: Trace,
  picture: Picture,
  { title, footer, channels, clip }: TraceSheetOptions,
): Promise<Picture> {
  const extent = Math.max(picture.width, picture.height);
  const cell: [number, number] = [Math.max(LEAST, Math.min(MOST, extent)), Math.max(LEAST, Math.min(MOST, extent))];
  const view = viewOf(input.field, picture);
  const { width, height } = picture;
  const whole = fitInto(picture, cell);
  const marked = outlined(whole, resampled(openMask, picture, whole), boxOn(input.field, whole, { x0: 0, y0: 0, x1: width, y1: height }));

  const part = cut(picture, view);
  const shown = fitInto(part, cell);
  const mask = resampled(cutMap(openMask, width, view), part, shown);
  const fieldBox = boxOn(input.field, shown, view);
  const seen = outlined(dimOutside(shown, mask), mask, fieldBox);

  const pixels = `${input.field.x1 - input.field.x0}x${input.field.y1 - input.field.y0}`;
  const share = (100 * input.openPixels) / ((input.field.x1 - input.field.x0) * (input.field.y1 - input.field.y0));
  const paths = pathPicture(cutMap(pathMap, width, view), part);
  const influences = { shape: [part.height, part.width], data: Float32Array.from(cutMap(influenceMap, width, view)) };
  const owed = colourise(influences, { signed: true, clip });
  const first: Cell[] = [
    { picture: marked, caption: `yellow: the theoretical field, ${pixels}; cyan: the open field` },
    {
      picture: seen,
      caption: input.openPixels > 0 ? `open field: ${input.openPixels} pixels, ${share.toFixed(1)} % of the box` : 'no open path',
    },
    { picture: fitInto(paths.picture, cell), caption: paths.caption },
    {
      picture: fitInto(owed.picture, cell),
      caption: owed.zero ? 'nothing speaks for or against' : `for red, against blue, ±${owed.high.toPrecision(2)}`,
    },
  ];
  const identity: PictureToInput = {
    x: { scale: 1, offset: 0 },
    y: { scale: 1, offset: 0 },
    picture: [part.height, part.width],
    input: [part.height, part.width],
  };
  const second = RULES.map((rule): Cell => {
    const drawn = drawSigned(cutTensor(signals[rule], view), identity, { channels, signed: 'colour', clip });
    return { picture: fitInto(drawn.picture, cell), caption: `${rule}, ${drawn.caption}` };
  });
  return sheet(
    [
      {
        heading: 'What the unit can depend on, what it does, by how many paths, and what speaks for its value (pixel times gradient)',
        cells: first,
      },
      { heading: 'What reaches these pixels under the four rules', cells: second },
    ],
    { title, footer, cell },
  );
}

/** The field with a margin; everything where that is nearly everything. */
export function viewOf({ x0, y0, x1, y1 }: PixelBox, { width, height }: Picture): PixelBox {
  const margin = Math.max(2, Math.round(0.08 * Math.max(x1 - x0, y1 - y0)));
  const view = {
    x0: Math.max(0, x0 - margin),
    y0: Math.max(0, y0 - margin),
    x1: Math.min(width, x1 + margin),
    y1: Math.min(height, y1 + margin),
  };
  const shown = (view.x1 - view.x0) * (view.y1 - view.y0);
  return x1 <= x0 || y1 <= y0 || shown > NEARLY_ALL * width * height ? { x0: 0, y0: 0, x1: width, y1: height } : view;
}

export function cut(picture: Picture, { x0, y0, x1, y1 }: PixelBox): Picture {
  const [width, height] = [x1 - x0, y1 - y0];
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const from = 3 * ((y0 + y) * picture.width + x0);
    data.set(picture.data.subarray(from, from + 3 * width), 3 * y * width);
  }
  return { width, height, data };
}

export function cutMap<T extends Uint8Array | Float64Array>(map: T, width: number, { x0, y0, x1, y1 }: PixelBox): T {
  const rows = Array.from({ length: y1 - y0 }, (_, y) => map.subarray((y0 + y) * width + x0, (y0 + y) * width + x1));
  const out = new (map.constructor as new (n: number) => T)((x1 - x0) * (y1 - y0));
  rows.forEach((row, y) => out.set(row as never, y * (x1 - x0)));
  return out;
}

export function cutTensor({ shape, data }: Tensor, view: PixelBox): Tensor {
  const [n, channels, height, width] = shape;
  const [h, w] = [view.y1 - view.y0, view.x1 - view.x0];
  const out = new Float32Array(n * channels * h * w);
  for (let c = 0; c < n * channels; c++) {
    for (let y = 0; y < h; y++) {
      const from = (c * height + view.y0 + y) * width + view.x0;
      out.set(data.subarray(from, from + w), (c * h + y) * w);
    }
  }
  return { shape: [n, channels, h, w], data: out };
}

/** A mask of one picture's pixels on another's: each of these takes that under its middle. */
function resampled(mask: Uint8Array, from: Picture, to: Picture): Uint8Array {
  const out = new Uint8Array(to.width * to.height);
  for (let y = 0, i = 0; y < to.height; y++) {
    const row = Math.floor(((y + 0.5) * from.height) / to.height) * from.width;
    for (let x = 0; x < to.width; x++, i++) out[i] = mask[row + Math.floor(((x + 0.5) * from.width) / to.width)];
  }
  return out;
}

/** A box of the input on a picture of the part `view` of it. */
function boxOn({ x0, y0, x1, y1 }: PixelBox, { width, height }: Picture, view: PixelBox): PixelBox {
  const [fx, fy] = [width / (view.x1 - view.x0), height / (view.y1 - view.y0)];
  return { x0: (x0 - view.x0) * fx, x1: (x1 - view.x0) * fx, y0: (y0 - view.y0) * fy, y1: (y1 - view.y0) * fy };
}

/** The open field's border, and the theoretical box around it, so that either shows where they meet. */
const outlined = (picture: Picture, mask: Uint8Array, { x0, y0, x1, y1 }: PixelBox): Picture =>
  drawBox(drawOutline(picture, mask, OPEN, FRAME), { x0: x0 - FRAME, y0: y0 - FRAME, x1: x1 + FRAME, y1: y1 + FRAME }, FIELD, FRAME);

/** Numbers of paths as colours: from black, none, over the fewest to the most, by their logarithms. */
function pathPicture(log10: Float64Array, { width, height }: Picture): { readonly picture: Picture; readonly caption: string } {
  let [least, most] = [Infinity, -Infinity];
  for (const v of log10) {
    if (v === -Infinity) continue;
    [least, most] = [Math.min(least, v), Math.max(most, v)];
  }
  const none = most === -Infinity;
  // The fewest are told from none.
  const low = none ? 0 : least - Math.max(1, 0.25 * (most - least));
  const data = Float32Array.from(log10, (v) => (v === -Infinity ? low : v));
  const range = { low, high: none ? 1 : most, signed: false, zero: none };
  const caption = none ? 'no path' : `paths to a pixel: 10^${least.toFixed(1)} to 10^${most.toFixed(1)}; black: none`;
  return { picture: colourise({ shape: [height, width], data }, { range, colours: 'inferno' }).picture, caption };
}
