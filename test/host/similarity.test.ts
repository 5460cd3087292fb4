// How alike maps are: worked values, the definitions written out in another way, what holds whatever the numbers.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { tensor, type Tensor } from '../../src/tensor.ts';
import { fill, normal, uniform } from '../../src/verify/random.ts';
import { baselines, sobel } from '../../src/visualise/baselines.ts';
import { averageRanks, spearman, ssim, unitMap } from '../../src/visualise/similarity.ts';

const row = (...values: number[]): Tensor => tensor([values.length], values);
const near = (got: number | null, want: number, tolerance = 1e-12): void =>
  assert.ok(got !== null && Math.abs(got - want) <= tolerance, `expected ${want}, got ${got}`);

test('ranks: ties share their mean, zeros are one, NaN is below', () => {
  assert.equal([...averageRanks(row(3, 1, 2))], [3, 1, 2]);
  assert.equal([...averageRanks(row(5, 5, 1, 5, 0))], [4, 4, 2, 4, 1]);
  assert.equal([...averageRanks(row(0, -0, 1))], [1.5, 1.5, 3]);
  assert.equal([...averageRanks(row(7, 7, 7, 7))], [2.5, 2.5, 2.5, 2.5]);
  assert.equal([...averageRanks(row(-1, NaN, 2))], [2, 1, 3]);
});

test("Spearman's correlation by hand", () => {
  // Without ties 1 - 6 sum d^2 / (n (n^2 - 1)): d = 1, -1, 0, 1, -1.
  near(spearman(row(1, 2, 3, 4, 5), row(20, 10, 30, 50, 40)), 1 - (6 * 4) / (5 * 24));
  // Ranks 1, 2.5, 2.5, 4 and 1.5, 1.5, 3, 4 about 2.5: covariance 1.5 + 0 + 0 + 2.25 = 3.75, variances 4.5 and 4.5.
  near(spearman(row(0, 1, 1, 9), row(2, 2, 3, 4)), 3.75 / 4.5);
  assert.is(spearman(row(1, 2, 3), row(-10, 5, 5.5)), 1);
  assert.is(spearman(row(1, 2, 3), row(3, 2, 1)), -1);
});

test("Spearman's correlation with ranks counted pair by pair, and what leaves it as it is", () => {
  const next = uniform(3);
  // Whole numbers, so that many tie.
  const maps = [0, 1].map(() =>
    tensor(
      [9, 11],
      fill(99, () => Math.floor(8 * next()) - 3),
    ),
  );
  const rank = ({ data }: Tensor): number[] =>
    [...data].map((v) => [...data].reduce((sum, other) => sum + (other < v ? 1 : other === v ? 0.5 : 0), 0.5));
  const [p, q] = maps.map(rank);
  const mean = (list: number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  const covariance = (a: number[], b: number[]): number => mean(a.map((v, i) => (v - mean(a)) * (b[i] - mean(b))));
  near(spearman(maps[0], maps[1]), covariance(p, q) / Math.sqrt(covariance(p, p) * covariance(q, q)));
  const cubed = tensor(
    maps[0].shape,
    maps[0].data.map((v) => 2 * v ** 3 + 1),
  );
  assert.is(spearman(cubed, maps[1]), spearman(maps[0], maps[1]));
  assert.is(spearman(maps[0], maps[0]), 1);
});

test('where there is no correlation there is no number', () => {
  assert.is(spearman(row(1, 1, 1), row(1, 2, 3)), null);
  assert.is(spearman(row(1, NaN, 1), row(1, 2, 3)), null);
  assert.throws(
    () => spearman(row(1, 2), row(1, 2, 3)),
    (e: unknown) => e instanceof InputError,
  );
});

const image = (of: (i: number, j: number) => number): Tensor =>
  tensor(
    [13, 14],
    Array.from({ length: 13 * 14 }, (_, k) => of(Math.floor(k / 14), k % 14)),
  );
const a = image((i, j) => ((7 * i * i + 3 * j) % 32) / 31);
const b = image((i, j) => ((5 * i + 11 * j * j) % 32) / 31);
const c = image((i, j) => (2 * (((7 * i * i + 3 * j) % 32) / 31) + ((5 * i + 11 * j * j) % 32) / 31) / 3);

test('the values that scikit-image 0.26 and SciPy 1.17 give', () => {
  // structural_similarity(x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0); spearmanr(x, y)
  near(ssim(a, b), -0.012842621711261819);
  near(ssim(a, c), 0.8330476032224327);
  near(ssim(b, c), 0.44216934949023895);
  near(spearman(a, b), 0.026099859459773188);
  near(spearman(a, c), 0.9109786950473057);
  near(spearman(b, c), 0.41648444192286865);
});

test('structural similarity from its definition, place by place', () => {
  const gauss = normal(8);
  const [x, y] = [0, 1].map(() =>
    tensor(
      [15, 12],
      fill(180, () => Math.abs(gauss()) / 3),
    ),
  );
  const weight = (i: number, j: number): number => Math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5 ** 2));
  let [sum, places] = [0, 0];
  for (let r = 0; r + 11 <= 15; r++) {
    for (let q = 0; q + 11 <= 12; q++) {
      const window = Array.from({ length: 121 }, (_, k) => {
        const [i, j] = [Math.floor(k / 11), k % 11];
        const at = (r + i) * 12 + q + j;
        return { w: weight(i, j), x: x.data[at], y: y.data[at] };
      });
      const total = window.reduce((t, { w }) => t + w, 0);
      const mean = (of: (p: { x: number; y: number }) => number): number => window.reduce((t, p) => t + p.w * of(p), 0) / total;
      const [mx, my] = [mean((p) => p.x), mean((p) => p.y)];
      const [vx, vy, vxy] = [mean((p) => (p.x - mx) ** 2), mean((p) => (p.y - my) ** 2), mean((p) => (p.x - mx) * (p.y - my))];
      sum += ((2 * mx * my + 1e-4) * (2 * vxy + 9e-4)) / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4));
      places++;
    }
  }
  near(ssim(x, y), sum / places, 1e-9);
  near(ssim(x, x), 1);
});

test('structural similarity by hand: of constant maps only the means count', () => {
  const flat = (v: number): Tensor => tensor([11, 11], new Float32Array(121).fill(v));
  near(ssim(flat(0.25), flat(0.75)), (2 * 0.25 * 0.75 + 1e-4) / (0.25 ** 2 + 0.75 ** 2 + 1e-4), 1e-9);
  near(ssim(flat(0), flat(1)), 1e-4 / (1 + 1e-4), 1e-9);
  assert.is(ssim(tensor([10, 30], new Float32Array(300)), tensor([10, 30], new Float32Array(300))), null);
  assert.throws(() => ssim(row(1, 2), row(1, 2)), /expected maps \[H, W\], got 2/);
});

test('maps are brought to [0, 1] by a percentile of what is not zero', () => {
  assert.equal([...unitMap(row(0, 1, 2, 4, 0), 100).data], [0, 0.25, 0.5, 1, 0]);
  // Two thirds of three values: the second.
  assert.equal([...unitMap(row(0, 1, 2, 4, 0), 60).data], [0, 0.5, 1, 1, 0]);
  assert.equal([...unitMap(row(0, 0), 99.5).data], [0, 0]);
});

test('edges by hand, and none where there are none', () => {
  const grey = (width: number, height: number, of: (x: number, y: number) => number) => ({
    width,
    height,
    data: Uint8Array.from({ length: 3 * width * height }, (_, k) => of(Math.floor(k / 3) % width, Math.floor(k / 3 / width))),
  });
  // A step of 100 between the second column and the third: 4 x 100 on both sides of it.
  const step = [...sobel(grey(4, 3, (x) => (x < 2 ? 50 : 150))).data];
  step.forEach((v, k) => near(v, k % 4 === 1 || k % 4 === 2 ? 400 : 0, 1e-4));
  // One bright pixel of 10 in the middle of 3 x 3: corners sqrt(10^2 + 10^2), sides 20, middle 0.
  const spot = [...sobel(grey(3, 3, (x, y) => (x === 1 && y === 1 ? 10 : 0))).data];
  [Math.SQRT2 * 10, 20, Math.SQRT2 * 10, 20, 0, 20, Math.SQRT2 * 10, 20, Math.SQRT2 * 10].forEach((want, k) => near(spot[k], want, 1e-4));
});

test('baselines have the shapes of maps, and the noise its seed', () => {
  const input = tensor([1, 3, 4, 5], fill(60, normal(2)));
  const seen = { width: 5, height: 4, data: new Uint8Array(60).fill(9) };
  const all = baselines(input, seen, 'max', 7);
  for (const { absolute, signed } of Object.values(all))
    assert.equal(
      [absolute.shape, signed.shape],
      [
        [4, 5],
        [4, 5],
      ],
    );
  assert.equal(baselines(input, seen, 'max', 7).noise, all.noise);
  assert.not.equal(baselines(input, seen, 'max', 8).noise, all.noise);
  assert.ok(all.noise.signed.data.some((v) => v < 0) && all.noise.absolute.data.every((v) => v >= 0 && v <= 1));
  near(all.photo.signed.data[6], input.data[6] + input.data[26] + input.data[46], 1e-6);
});

test.run();
