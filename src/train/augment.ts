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

/** Writes one image, height x width x 3 bytes, RGB, in its view to where [3, height, width] begins in `into` at `offset`. */
export type ViewWriter = (pixels: Uint8Array, view: View, into: Float32Array, offset: number) => void;

/**
 * Writes images as the network takes them, value = (pixel - mean) / unit, the pixel being bilinear in the view: first along rows, each row of
 * pixels once, then between rows; in f64, rounded to f32 at the end.
 *
 * Self-contained: its source text is also what worker threads run (`workers.ts`), so that it may use nothing outside itself. Its memory is
 * used again for every image: allocating it each time was measured to cost a third of the whole.
 * @param mean [3, height, width], pixels 0 to 255
 */
export function viewWriter(mean: Tensor, unit: number): ViewWriter {
  const [, height, width] = mean.shape;
  const plane = height * width;
  const centre = mean.data;

  /** For each position along an axis the two pixels it lies between, the second one's weight (an f32), and the first one's. */
  const taps = (extent: number) => ({
    first: new Int32Array(extent),
    second: new Int32Array(extent),
    weight: new Float64Array(extent),
    rest: new Float64Array(extent),
  });
  const [rows, columns] = [taps(height), taps(width)];
  const set = ({ first, second, weight, rest }: ReturnType<typeof taps>, start: number, length: number, mirrored: boolean): void => {
    const extent = first.length;
    for (let i = 0; i < extent; i++) {
      const at = start + ((i + 0.5) * length) / extent - 0.5;
      const below = Math.floor(at);
      const to = mirrored ? extent - 1 - i : i;
      first[to] = Math.max(0, below);
      second[to] = Math.min(extent - 1, below + 1);
      weight[to] = Math.fround(at - below);
      rest[to] = 1 - weight[to];
    }
  };

  /** A row of pixels at the view's columns, as three rows of one channel. */
  const along = (pixels: Uint8Array, row: number, line: Float64Array): void => {
    const { first, second, weight, rest } = columns;
    for (let x = 0; x < width; x++) {
      const left = (row * width + first[x]) * 3;
      const right = (row * width + second[x]) * 3;
      const from = rest[x];
      const to = weight[x];
      line[x] = pixels[left] * from + pixels[right] * to;
      line[width + x] = pixels[left + 1] * from + pixels[right + 1] * to;
      line[2 * width + x] = pixels[left + 2] * from + pixels[right + 2] * to;
    }
  };

  const lines = [new Float64Array(3 * width), new Float64Array(3 * width)];
  return (pixels, view, into, offset) => {
    set(rows, view.top, view.height, false);
    set(columns, view.left, view.width, view.mirrored);
    let [upper, lower] = lines;
    let [upperRow, lowerRow] = [-1, -1];
    for (let y = 0; y < height; y++) {
      const above = rows.first[y];
      const below = rows.second[y];
      if (above === lowerRow && above !== upperRow) {
        [upper, lower] = [lower, upper];
        [upperRow, lowerRow] = [lowerRow, upperRow];
      }
      if (above !== upperRow) along(pixels, (upperRow = above), upper);
      if (below !== lowerRow) along(pixels, (lowerRow = below), lower);
      const from = rows.rest[y];
      const to = rows.weight[y];
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
  };
}
