/** Gaussian mixtures of colours: matrices, the two starts, fitting, evaluation, degenerate samples. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { binarySplit, kMeans, type Samples } from '../../src/segment/clusters.ts';
import { fitMixture, logDensities, refitMixture, type Mixture, type MixtureOptions } from '../../src/segment/gmm.ts';
import { GRAPHCUT_PRESETS } from '../../src/segment/presets.ts';
import { uniform } from '../../src/random.ts';
import { determinant, inverse, plusDiagonal, principalAxis, reciprocalCondition, type Symmetric } from '../../src/segment/symmetric.ts';

const LAB = GRAPHCUT_PRESETS['boykov-jolly'].mixture!;
const OPENCV = GRAPHCUT_PRESETS.grabcut.mixture!;

const near = (got: number, want: number, tolerance = 1e-9): void =>
  assert.ok(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)), `expected ${want}, got ${got}`);

const samplesOf = (colours: readonly (readonly number[])[], weights?: readonly number[]): Samples => ({
  colours: Float64Array.from(colours.flat()),
  at: Int32Array.from(colours.keys()),
  ...(weights ? { weights: Float64Array.from(weights) } : {}),
});

/** `count` colours around a centre. */
function cloud(next: () => number, centre: readonly number[], spread: readonly number[], count: number): number[][] {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return Array.from({ length: count }, () => centre.map((c, k) => c + spread[k] * normal()));
}

function randomSymmetric(next: () => number): Symmetric {
  const a = Array.from({ length: 9 }, () => next() - 0.5);
  const dot = (i: number, j: number): number => a[3 * i] * a[3 * j] + a[3 * i + 1] * a[3 * j + 1] + a[3 * i + 2] * a[3 * j + 2];
  return [dot(0, 0), dot(0, 1), dot(0, 2), dot(1, 1), dot(1, 2), dot(2, 2)];
}

const full = ([a, b, c, d, e, f]: Symmetric): number[][] => [
  [a, b, c],
  [b, d, e],
  [c, e, f],
];

test('symmetric matrices: inverse, determinant, principal axis', () => {
  const next = uniform(1);
  for (let trial = 0; trial < 200; trial++) {
    const m = plusDiagonal(randomSymmetric(next), 0.05);
    const [p, q] = [full(m), full(inverse(m))];
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++)
        near(
          p[i].reduce((sum, value, k) => sum + value * q[k][j], 0),
          i === j ? 1 : 0,
          1e-8,
        );
    }
    const { value, axis } = principalAxis(m);
    near(Math.hypot(...axis), 1);
    for (let i = 0; i < 3; i++)
      near(
        p[i].reduce((sum, entry, k) => sum + entry * axis[k], 0),
        value * axis[i],
        1e-9,
      );
    // No direction has more.
    for (let k = 0; k < 20; k++) {
      const v = [next() - 0.5, next() - 0.5, next() - 0.5];
      const form = v.reduce((sum, x, i) => sum + x * v.reduce((s, y, j) => s + y * p[i][j], 0), 0);
      assert.ok(form <= value * (v[0] ** 2 + v[1] ** 2 + v[2] ** 2) + 1e-12);
    }
  }
  near(determinant([2, 0, 0, 3, 0, 4]), 24);
  near(reciprocalCondition([1, 0, 0, 1, 0, 1]), 1);
  near(reciprocalCondition([1, 0, 0, 1, 0, 0.01]), 0.01);
  assert.is(reciprocalCondition([1, 1, 0, 1, 0, 0]), 0);
  assert.is(reciprocalCondition([0, 0, 0, 0, 0, 0]), 0);
});

test('binary split: the widest cluster first, across its principal axis', () => {
  const next = uniform(2);
  // Means of what is left lie between these groups, so that no plane goes through one.
  const groups = [
    [20, 30, 40],
    [90, 100, 80],
    [240, 230, 220],
  ];
  const colours = groups.flatMap((centre) => cloud(next, centre, [4, 4, 4], 50));
  const labels = binarySplit(samplesOf(colours), 3);
  for (let g = 0; g < 3; g++) assert.is(new Set(labels.slice(50 * g, 50 * g + 50)).size, 1, `group ${g} is in one cluster`);
  assert.is(new Set(labels).size, 3);
  // Along a line, the first split is at the mean.
  assert.equal(
    [
      ...binarySplit(
        samplesOf([
          [0, 0, 0],
          [1, 1, 1],
          [2, 2, 2],
          [9, 9, 9],
        ]),
        2,
      ),
    ].map((label, _, all) => Number(label === all[0])),
    [1, 1, 1, 0],
  );
  // Scatter counts samples: a hundred pixels of some spread go before two of more.
  const many = cloud(next, [100, 100, 100], [6, 1, 1], 100);
  const split = binarySplit(samplesOf([...many, [200, 200, 200], [220, 200, 200]]), 3);
  assert.is(new Set(split.slice(100)).size, 1);
  assert.is(new Set(split.slice(0, 100)).size, 2);
});

test('k-means++: finds clear groups from any seed, and its numbers depend on the seed alone', () => {
  const groups = [
    [20, 30, 200],
    [200, 40, 30],
    [210, 220, 40],
    [30, 200, 60],
    [120, 120, 120],
  ];
  const colours = groups.flatMap((centre, g) => cloud(uniform(30 + g), centre, [3, 3, 3], 40));
  for (let seed = 0; seed < 20; seed++) {
    const labels = kMeans(samplesOf(colours), 5, uniform(seed));
    for (let g = 0; g < 5; g++) assert.is(new Set(labels.slice(40 * g, 40 * g + 40)).size, 1, `seed ${seed}, group ${g}`);
    assert.is(new Set(labels).size, 5);
    assert.equal(labels, kMeans(samplesOf(colours), 5, uniform(seed)));
  }
});

test('one component is mean and covariance; weights count like repeated samples', () => {
  const one: MixtureOptions = { ...LAB, components: 1, fewest: 1 };
  const [gaussian] = fitMixture(
    samplesOf([
      [0, 0, 0],
      [2, 4, 0],
      [4, 0, 0],
      [2, 0, 6],
    ]),
    one,
    uniform(0),
  )!;
  assert.equal([...gaussian.mean], [2, 1, 1.5]);
  // Sums of products of deviations, over four samples.
  assert.equal([...gaussian.covariance], [2, 0, 0, 3, -1.5, 6.75]);
  assert.is(gaussian.weight, 1);
  const colours = cloud(uniform(3), [100, 90, 80], [9, 5, 7], 30);
  const times = colours.map((_, i) => 1 + (i % 3));
  const repeated = colours.flatMap((colour, i) => Array.from({ length: times[i] }, () => colour));
  const weighted = fitMixture(samplesOf(colours, times), LAB, uniform(0))!;
  fitMixture(samplesOf(repeated), LAB, uniform(0))!.forEach((gaussian, k) => {
    near(weighted[k].weight, gaussian.weight);
    gaussian.mean.forEach((v, c) => near(weighted[k].mean[c], v));
    gaussian.covariance.forEach((v, c) => near(weighted[k].covariance[c], v, 1e-8));
  });
});

test('densities by hand, far out without underflow', () => {
  const mixture: Mixture = [
    { weight: 0.25, mean: [10, 20, 30], covariance: [4, 0, 0, 9, 0, 16] },
    { weight: 0.75, mean: [100, 100, 100], covariance: [100, 0, 0, 100, 0, 100] },
  ];
  const log = (weight: number, det: number, q: number): number => Math.log(weight) - 0.5 * Math.log((2 * Math.PI) ** 3 * det) - 0.5 * q;
  const got = logDensities(mixture, Float64Array.of(10, 20, 30, 12, 23, 34, 0, 0, 0));
  near(got[0], log(0.25, 576, 0));
  near(got[1], log(0.25, 576, 3));
  assert.ok(
    Number.isFinite(
      logDensities([{ weight: 1, mean: [0, 0, 0], covariance: [0.01, 0, 0, 0.01, 0, 0.01] }], Float64Array.of(255, 255, 255))[0],
    ),
  );
  // A density: its sum over a fine grid is 1.
  const { weight } = mixture[0];
  let sum = 0;
  const cells = new Float64Array(3 * 41 * 41 * 41);
  for (let i = 0; i < cells.length / 3; i++)
    cells.set([10 + (i % 41) - 20, 20 + (Math.floor(i / 41) % 41) - 20, 30 + Math.floor(i / 1681) - 20], 3 * i);
  for (const value of logDensities([{ ...mixture[0], weight: 1 }], cells)) sum += Math.exp(value);
  near(sum, 1, 1e-5);
  assert.is(weight, 0.25);
});

test('EM never lowers the likelihood, and finds the mixture that was drawn from', () => {
  const next = uniform(4);
  const colours = [...cloud(next, [80, 80, 80], [20, 4, 4], 400), ...cloud(next, [110, 100, 90], [5, 12, 6], 800)];
  const samples = samplesOf(colours);
  const likelihood = (em: number): number => {
    const mixture = fitMixture(samples, { ...LAB, components: 2, em }, uniform(0))!;
    near(
      mixture.reduce((total, { weight }) => total + weight, 0),
      1,
    );
    return logDensities(mixture, samples.colours).reduce((total, log) => total + log, 0);
  };
  const rounds = [0, 1, 2, 3, 5, 10, 40].map(likelihood);
  for (let k = 1; k < rounds.length; k++) assert.ok(rounds[k] >= rounds[k - 1] - 1e-6, `${rounds[k]} after ${rounds[k - 1]}`);
  const found = [...fitMixture(samples, { ...LAB, components: 2, em: 40 }, uniform(0))!].sort((a, b) => a.weight - b.weight);
  near(found[0].weight, 1 / 3, 0.05);
  near(found[0].mean[0], 80, 0.05);
  near(found[1].covariance[3], 144, 0.2);
});

test('refit: samples go to the densest component', () => {
  const mixture: Mixture = [
    { weight: 0.99, mean: [0, 0, 0], covariance: [100, 0, 0, 100, 0, 100] },
    { weight: 0.01, mean: [20, 0, 0], covariance: [100, 0, 0, 100, 0, 100] },
  ];
  // Without a look at the weights, the border is halfway.
  const again = refitMixture(
    samplesOf([
      [0, 0, 0],
      [9, 0, 0],
      [11, 0, 0],
      [20, 0, 0],
    ]),
    mixture,
    OPENCV,
  )!;
  assert.equal(
    again.map(({ mean }) => mean[0]),
    [4.5, 15.5],
  );
  assert.equal(
    again.map(({ weight }) => weight),
    [0.5, 0.5],
  );
});

test('degenerate samples: one colour, two colours, one sample, none, a flat cloud', () => {
  for (const options of [LAB, OPENCV]) {
    const fit = (colours: readonly (readonly number[])[], weights?: readonly number[]): Mixture | null =>
      fitMixture(samplesOf(colours, weights), options, uniform(0));
    assert.is(fit([]), null);
    assert.is(fit([[1, 2, 3]], [0]), null);
    const cases = [
      [[10, 20, 30]],
      Array.from({ length: 50 }, () => [10.1, 20.7, 30.3]),
      Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? [0, 0, 0] : [255, 255, 255])),
      [
        [0, 0, 0],
        [255, 0, 0],
      ],
      Array.from({ length: 50 }, (_, i) => [i, 2 * i, 100]),
    ];
    for (const colours of cases) {
      const mixture = fit(colours)!;
      near(
        mixture.reduce((sum, { weight }) => sum + weight, 0),
        1,
      );
      assert.ok(mixture.length <= new Set(colours.map(String)).size);
      for (const { covariance } of mixture) assert.ok(determinant(covariance) > 0, `covariance ${covariance.join(' ')}`);
      assert.ok(logDensities(mixture, Float64Array.from(colours.flat())).every(Number.isFinite));
    }
  }
  // OpenCV's addition, and Gulshan's.
  near(determinant(fitMixture(samplesOf([[5, 5, 5]]), OPENCV, uniform(0))![0].covariance), 1e-6);
  near(fitMixture(samplesOf([[5, 5, 5]]), LAB, uniform(0))![0].covariance[0], 0.0001 * 255 ** 2);
});

test.run();
