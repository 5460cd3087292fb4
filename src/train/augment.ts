/**
 * What training does to an image before the network sees it: a random crop brought back to full size, a mirror image, and the paper's own
 * jitter, a random part set to zero (section 1: "zeroing out random parts of an image"). Zero is the mean image, images being zero-centred.
 */
import type { Tensor } from '../tensor.ts';

export interface Augmentation {
  /** Shortest side of a crop as a share of the image's, in (0, 1]; each side is drawn by itself, uniformly up to 1. */
  readonly crop: number;
  /** Chance of being mirrored. */
  readonly flip: number;
  /** Chance that a rectangle is set to zero. */
  readonly erase: number;
  /** Longest side of that rectangle as a share of the image's; each side is drawn by itself, uniformly. */
  readonly eraseSide: number;
}

export const NO_AUGMENTATION: Augmentation = { crop: 1, flip: 0, erase: 0, eraseSide: 0 };

/** The rectangle of the image that is taken, in pixels with fractions, and what is done to it. */
export interface View {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
  readonly mirrored: boolean;
  /** Rows and columns of the input that are zero: [y0, x0, y1, x1), empty for none. */
  readonly hole: readonly [number, number, number, number];
}

/** Draws a view; the same numbers give the same view. */
export function drawView(random: () => number, height: number, width: number, a: Augmentation): View {
  const side = (extent: number): number => extent * (1 - (1 - a.crop) * random());
  const [h, w] = [side(height), side(width)];
  const [top, left] = [(height - h) * random(), (width - w) * random()];
  const mirrored = random() < a.flip;
  let hole: View['hole'] = [0, 0, 0, 0];
  // Drawn in any case, so that the chance of one ingredient does not change what the others draw.
  const [erased, hy, hx, hh, hw] = [random(), random(), random(), random(), random()];
  if (erased < a.erase) {
    const rows = Math.round(hh * a.eraseSide * height);
    const columns = Math.round(hw * a.eraseSide * width);
    const y0 = Math.floor(hy * (height - rows + 1));
    const x0 = Math.floor(hx * (width - columns + 1));
    hole = [y0, x0, y0 + rows, x0 + columns];
  }
  return { top, left, height: h, width: w, mirrored, hole };
}

/** The whole image as it is. */
export function wholeView(height: number, width: number): View {
  return { top: 0, left: 0, height, width, mirrored: false, hole: [0, 0, 0, 0] };
}

/**
 * Writes one image as the network takes it, value = (pixel - mean) / unit, the pixel being bilinear in the view: first along rows, each row of
 * pixels once, then between rows; in f64, rounded to f32 at the end.
 *
 * Self-contained: its source text is also what worker threads run (`workers.ts`), so that it may use nothing outside itself.
 * @param pixels height x width x 3 bytes, RGB
 * @param mean [3, height, width], pixels 0 to 255
 * @param into where [3, height, width] begins at `offset`
 */
export function writeView(pixels: Uint8Array, view: View, mean: Tensor, unit: number, into: Float32Array, offset: number): void {
  const [, height, width] = mean.shape;
  const plane = height * width;
  const centre = mean.data;

  /** For each position along an axis the two pixels it lies between, the second one's weight (an f32), and the first one's. */
  const taps = (extent: number, start: number, length: number, mirrored: boolean) => {
    const [first, second] = [new Int32Array(extent), new Int32Array(extent)];
    const [weight, rest] = [new Float64Array(extent), new Float64Array(extent)];
    for (let i = 0; i < extent; i++) {
      const at = start + ((i + 0.5) * length) / extent - 0.5;
      const below = Math.floor(at);
      const to = mirrored ? extent - 1 - i : i;
      first[to] = Math.max(0, below);
      second[to] = Math.min(extent - 1, below + 1);
      weight[to] = Math.fround(at - below);
      rest[to] = 1 - weight[to];
    }
    return { first, second, weight, rest };
  };
  const rows = taps(height, view.top, view.height, false);
  const { first, second, weight, rest } = taps(width, view.left, view.width, view.mirrored);

  /** A row of pixels at the view's columns, as three rows of one channel. */
  const along = (row: number, line: Float64Array): void => {
    for (let x = 0; x < width; x++) {
      const left = (row * width + first[x]) * 3;
      const right = (row * width + second[x]) * 3;
      const [from, to] = [rest[x], weight[x]];
      line[x] = pixels[left] * from + pixels[right] * to;
      line[width + x] = pixels[left + 1] * from + pixels[right + 1] * to;
      line[2 * width + x] = pixels[left + 2] * from + pixels[right + 2] * to;
    }
  };

  let [upper, lower] = [new Float64Array(3 * width), new Float64Array(3 * width)];
  let [upperRow, lowerRow] = [-1, -1];
  for (let y = 0; y < height; y++) {
    const [above, below] = [rows.first[y], rows.second[y]];
    if (above === lowerRow && above !== upperRow) {
      [upper, lower] = [lower, upper];
      [upperRow, lowerRow] = [lowerRow, upperRow];
    }
    if (above !== upperRow) along((upperRow = above), upper);
    if (below !== lowerRow) along((lowerRow = below), lower);
    const [from, to] = [rows.rest[y], rows.weight[y]];
    for (let c = 0; c < 3; c++) {
      const at = c * plane + y * width;
      const line = c * width;
      for (let x = 0; x < width; x++) {
        into[offset + at + x] = (upper[line + x] * from + lower[line + x] * to - centre[at + x]) / unit;
      }
    }
  }
  const [y0, x0, y1, x1] = view.hole;
  for (let c = 0; c < 3; c++) {
    for (let y = y0; y < y1; y++) into.fill(0, offset + c * plane + y * width + x0, offset + c * plane + y * width + x1);
  }
}
