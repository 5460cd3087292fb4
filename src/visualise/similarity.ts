/**
 * How alike two maps are: rank correlation, and structural similarity. All in f64.
 * @see Spearman 1904; Wang, Bovik, Sheikh & Simoncelli 2004, "Image quality assessment: from error visibility to structural similarity"
 */
import { InputError } from '../errors.ts';
import { colourRange } from '../image/colour.ts';
import { formatShape, sameShape, type Tensor } from '../tensor.ts';
import { rankPixels } from './rank.ts';

/**
 * Ranks from 1 for the smallest value to n for the largest; equal values share the mean of the ranks that they take up, and the two zeros are
 * equal. NaN ranks below everything.
 */
export function averageRanks(map: Pick<Tensor, 'data'>): Float64Array {
  const { data } = map;
  const order = rankPixels(map);
  const n = order.length;
  const ranks = new Float64Array(n);
  for (let first = 0; first < n;) {
    let end = first + 1;
    while (end < n && data[order[end]] === data[order[first]]) end++;
    // Places first to end - 1 from the largest on are the ranks n - first down to n - end + 1.
    const rank = n - (first + end - 1) / 2;
    for (let k = first; k < end; k++) ranks[order[k]] = rank;
    first = end;
  }
  return ranks;
}

/**
 * Spearman's rank correlation of two maps, -1 to 1: the correlation coefficient of their {@link averageRanks}, pixel by pixel. Null where there is
 * none: one of them is constant, or holds a NaN.
 * @throws InputError if their shapes differ
 */
export function spearman(a: Tensor, b: Tensor): number | null {
  checkShapes(a, b);
  if (a.data.some(Number.isNaN) || b.data.some(Number.isNaN)) return null;
  const [p, q] = [averageRanks(a), averageRanks(b)];
  // Ranks with ties averaged still have the mean (n + 1) / 2.
  const mean = (p.length + 1) / 2;
  let [pp, qq, pq] = [0, 0, 0];
  for (let i = 0; i < p.length; i++) {
    const [u, v] = [p[i] - mean, q[i] - mean];
    pp += u * u;
    qq += v * v;
    pq += u * v;
  }
  return pp === 0 || qq === 0 ? null : Math.max(-1, Math.min(1, pq / Math.sqrt(pp * qq)));
}

/**
 * A map of magnitudes brought to [0, 1] as it is drawn: divided by the value that `clip` per cent of its positive values do not exceed, and cut off at
 * 1. A map without a positive value is zero.
 */
export function unitMap(map: Tensor, clip: number): Tensor {
  const { high, zero } = colourRange(map, { clip });
  return { shape: map.shape, data: map.data.map((v) => (zero ? 0 : Math.min(1, Math.max(0, v / high)))) };
}

/** The window of {@link ssim}: standard deviation in pixels, pixels to either side; and its constants, for maps whose range is 1. */
export const SSIM = { sigma: 1.5, radius: 5, c1: 0.01 ** 2, c2: 0.03 ** 2 } as const;

/**
 * The mean structural similarity of two maps [H, W] with values in [0, 1], -1 to 1, and 1 for equal maps:
 *
 *     SSIM = (2 m_a m_b + c1) (2 s_ab + c2) / ((m_a^2 + m_b^2 + c1) (s_a^2 + s_b^2 + c2))
 *
 * with means m, variances s^2 and covariance s_ab under a Gaussian window of 11 x 11 pixels, sigma 1.5, weights of sum 1; c1 = 0.01^2,
 * c2 = 0.03^2. The mean is over the places at which the window lies inside the map. Null where there is none, or a value is not a number.
 * @throws InputError if the shapes differ or are not [H, W]
 * @see Wang et al. 2004, equation 13
 */
export function ssim(a: Tensor, b: Tensor): number | null {
  checkShapes(a, b);
  if (a.shape.length !== 2) throw new InputError(`ssim: expected maps [H, W], got ${formatShape(a.shape)}.`);
  const [height, width] = a.shape;
  const side = 2 * SSIM.radius + 1;
  if (height < side || width < side || a.data.some(Number.isNaN) || b.data.some(Number.isNaN)) return null;
  const x = Float64Array.from(a.data);
  const y = Float64Array.from(b.data);
  const blurred = (of: (i: number) => number): Float64Array =>
    inside(
      Float64Array.from(x, (_, i) => of(i)),
      height,
      width,
    );
  const mx = blurred((i) => x[i]);
  const my = blurred((i) => y[i]);
  const xx = blurred((i) => x[i] * x[i]);
  const yy = blurred((i) => y[i] * y[i]);
  const xy = blurred((i) => x[i] * y[i]);
  let sum = 0;
  for (let i = 0; i < mx.length; i++) {
    const product = mx[i] * my[i];
    const squares = mx[i] * mx[i] + my[i] * my[i];
    const covariance = xy[i] - product;
    const variances = xx[i] + yy[i] - squares;
    sum += ((2 * product + SSIM.c1) * (2 * covariance + SSIM.c2)) / ((squares + SSIM.c1) * (variances + SSIM.c2));
  }
  return sum / mx.length;
}

const WEIGHTS = ((): Float64Array => {
  const { radius, sigma } = SSIM;
  const raw = Float64Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-((k - radius) ** 2) / (2 * sigma * sigma)));
  const sum = raw.reduce((total, w) => total + w, 0);
  return raw.map((w) => w / sum);
})();

/** Weighted means under the window, where all of it lies inside: [H - 10, W - 10]. */
function inside(data: Float64Array, height: number, width: number): Float64Array {
  const taps = WEIGHTS.length;
  const [h, w] = [height - taps + 1, width - taps + 1];
  const rows = new Float64Array(height * w);
  for (let r = 0; r < height; r++) {
    for (let c = 0; c < w; c++) {
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += WEIGHTS[k] * data[r * width + c + k];
      rows[r * w + c] = sum;
    }
  }
  const out = new Float64Array(h * w);
  for (let r = 0; r < h; r++) {
    for (let c = 0; c < w; c++) {
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += WEIGHTS[k] * rows[(r + k) * w + c];
      out[r * w + c] = sum;
    }
  }
  return out;
}

function checkShapes(a: Tensor, b: Tensor): void {
  if (!sameShape(a.shape, b.shape)) {
    throw new InputError(`similarity: expected maps of one shape, got ${formatShape(a.shape)} and ${formatShape(b.shape)}.`);
  }
}
