/** Maps that know nothing of a network's weights: what a saliency map is to be held against. */
import type { Picture } from '../image/picture.ts';
import { uniform } from '../random.ts';
import { zeros, type Tensor } from '../tensor.ts';
import { reduceChannels, type Reduce } from './reduce.ts';

/** A map of magnitudes [H, W] and its counterpart with signs. */
export interface MapPair {
  readonly absolute: Tensor;
  readonly signed: Tensor;
}

/** The two maps of a gradient [1, C, H, W]: reduced over channels to magnitudes, and their plain sum. */
export function mapPair(gradient: Tensor, reduce: Exclude<Reduce, 'signed'>): MapPair {
  const flat = ({ shape, data }: Tensor): Tensor => ({ shape: shape.slice(1), data });
  return { absolute: flat(reduceChannels(gradient, reduce)), signed: flat(reduceChannels(gradient, 'signed')) };
}

export const BASELINES = ['noise', 'edges', 'photo'] as const;

export type Baseline = (typeof BASELINES)[number];

/**
 * - `noise`: signed, uniform in [-1, 1); of magnitudes the absolute value of that
 * - `edges`: the {@link sobel} magnitude of the picture's grey values, which has no sign
 * - `photo`: the input itself, reduced as gradients are
 * @param input [1, C, H, W]
 * @param seen the input as a picture
 */
export function baselines(
  input: Tensor,
  seen: Picture,
  reduce: Exclude<Reduce, 'signed'>,
  seed: number,
): Readonly<Record<Baseline, MapPair>> {
  const [, , height, width] = input.shape;
  const next = uniform(seed);
  const signed = zeros([height, width]);
  for (let i = 0; i < signed.data.length; i++) signed.data[i] = 2 * next() - 1;
  const edges = sobel(seen);
  return {
    noise: { signed, absolute: { shape: signed.shape, data: signed.data.map(Math.abs) } },
    edges: { signed: edges, absolute: edges },
    photo: mapPair(input, reduce),
  };
}

/**
 * The magnitude of a picture's gradient by Sobel's operator, [H, W]: sqrt(gx^2 + gy^2) of its grey values 0.299 R + 0.587 G + 0.114 B, 0 to 255, with
 *
 *     gx = (-1 0 1; -2 0 2; -1 0 1)     gy = (-1 -2 -1; 0 0 0; 1 2 1)
 *
 * and border pixels repeated outwards.
 */
export function sobel({ width, height, data }: Picture): Tensor {
  const grey = Float64Array.from(
    { length: width * height },
    (_, i) => 0.299 * data[3 * i] + 0.587 * data[3 * i + 1] + 0.114 * data[3 * i + 2],
  );
  const out = zeros([height, width]);
  for (let y = 0; y < height; y++) {
    const [up, down] = [Math.max(0, y - 1) * width, Math.min(height - 1, y + 1) * width];
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(0, x - 1), Math.min(width - 1, x + 1)];
      const gx =
        grey[up + right] -
        grey[up + left] +
        2 * (grey[y * width + right] - grey[y * width + left]) +
        grey[down + right] -
        grey[down + left];
      const gy = grey[down + left] - grey[up + left] + 2 * (grey[down + x] - grey[up + x]) + grey[down + right] - grey[up + right];
      out.data[y * width + x] = Math.sqrt(gx * gx + gy * gy);
    }
  }
  return out;
}
