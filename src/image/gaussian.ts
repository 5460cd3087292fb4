/** Gaussian smoothing of maps. */
import { InputError } from '../errors.ts';
import { formatShape, type Tensor } from '../tensor.ts';

/**
 * A map [H, W] smoothed by a Gaussian of standard deviation `sigma` pixels, cut off at three sigma, in f64. Weights that fall outside the map are
 * left out and the rest normalised, so that a constant map stays constant up to its edges. With sigma 0 the map itself.
 * @throws InputError if the map has not two axes, or sigma is negative or not finite
 */
export function gaussian(map: Tensor, sigma: number): Tensor {
  if (map.shape.length !== 2) throw new InputError(`gaussian: expected a map [H, W], got ${formatShape(map.shape)}.`);
  if (!(sigma >= 0 && sigma < Infinity)) throw new InputError(`gaussian: expected a sigma of at least 0 pixels, got ${sigma}.`);
  if (sigma === 0) return map;
  const [height, width] = map.shape;
  const radius = Math.ceil(3 * sigma);
  const weights = Float64Array.from({ length: radius + 1 }, (_, d) => Math.exp((-d * d) / (2 * sigma * sigma)));
  const rows = new Float64Array(map.data.length);
  for (let y = 0; y < height; y++) along(map.data, rows, y * width, 1, width, weights);
  const data = new Float64Array(map.data.length);
  for (let x = 0; x < width; x++) along(rows, data, x, width, height, weights);
  return { shape: map.shape, data: Float32Array.from(data) };
}

/** One line of `count` values, `stride` apart, from `first` on. */
function along(
  from: Float32Array | Float64Array,
  to: Float64Array,
  first: number,
  stride: number,
  count: number,
  weights: Float64Array,
): void {
  const radius = weights.length - 1;
  for (let i = 0; i < count; i++) {
    const [low, high] = [Math.max(0, i - radius), Math.min(count - 1, i + radius)];
    let [sum, total] = [0, 0];
    for (let j = low; j <= high; j++) {
      const weight = weights[Math.abs(j - i)];
      sum += weight * from[first + j * stride];
      total += weight;
    }
    to[first + i * stride] = sum / total;
  }
}
