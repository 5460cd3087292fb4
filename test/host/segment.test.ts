/** Boxes, thresholds, components, seeds, maps. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { iou, massBox, maskBox } from '../../src/segment/box.ts';
import { components, fillHoles, largestComponent } from '../../src/segment/components.ts';
import { ranks, resampleMap } from '../../src/segment/maps.ts';
import { uniform } from '../../src/random.ts';
import { BACKGROUND, FOREGROUND, hardSeeds, softSeeds } from '../../src/segment/seeds.ts';
import { thresholdBox, thresholdLevel } from '../../src/segment/threshold.ts';
import { tensor, type Tensor } from '../../src/tensor.ts';

const mask = (...rows: string[]): Uint8Array => Uint8Array.from(rows.join(''), (c) => (c === '#' ? 1 : 0));
const map = (...rows: number[][]): Tensor => tensor([rows.length, rows[0].length], rows.flat());
const close = (got: number, want: number): void => assert.ok(Math.abs(got - want) < 1e-12, `expected ${want}, got ${got}`);

test('iou: by hand, disjoint, touching, fractional, itself', () => {
  const a = { x0: 0, y0: 0, x1: 4, y1: 2 };
  close(iou(a, { x0: 2, y0: 1, x1: 6, y1: 3 }), 2 / 14);
  assert.is(iou(a, { x0: 4, y0: 0, x1: 8, y1: 2 }), 0);
  assert.is(iou(a, { x0: 9, y0: 9, x1: 10, y1: 10 }), 0);
  close(iou(a, { x0: 0.5, y0: 0, x1: 4, y1: 2 }), 7 / 8);
  assert.is(iou(a, a), 1);
});

test('maskBox: extent with half-open edges, null for nothing, length checked', () => {
  assert.equal(maskBox(mask('....', '.#..', '..#.'), 4, 3), { x0: 1, y0: 1, x1: 3, y1: 3 });
  assert.equal(maskBox(mask('#'), 1, 1), { x0: 0, y0: 0, x1: 1, y1: 1 });
  assert.is(maskBox(mask('....'), 4, 1), null);
  assert.throws(
    () => maskBox(mask('...'), 4, 1),
    (error: unknown) => error instanceof InputError,
  );
});

test('massBox: takes off what is thin, equals maskBox at mass 1, never empty', () => {
  const limb = mask('..........', '.####.....', '.#########', '.####.....');
  assert.equal(massBox(limb, 10, 4, 1), maskBox(limb, 10, 4));
  // 17 pixels: a tenth may go at either end of an axis, which is one pixel.
  assert.equal(massBox(limb, 10, 4, 0.8), { x0: 1, y0: 1, x1: 9, y1: 4 });
  const next = uniform(1);
  for (let trial = 0; trial < 200; trial++) {
    const random = Uint8Array.from({ length: 30 }, () => (next() < 0.2 ? 1 : 0));
    const box = massBox(random, 6, 5, 0.01 + 0.99 * next());
    assert.is(box === null, !random.includes(1));
    if (box) assert.ok(box.x0 < box.x1 && box.y0 < box.y1);
  }
});

test('thresholds: levels by hand', () => {
  const m = map([1, 2, 3], [4, 5, 9]);
  assert.is(thresholdLevel(m, { method: 'value', alpha: 0.25 }), 1 + 0.25 * 8);
  assert.is(thresholdLevel(m, { method: 'mean', alpha: 2 }), 8);
  // 9 of 24 hold three eighths; a little more needs the 5 too.
  assert.is(thresholdLevel(m, { method: 'energy', alpha: 3 / 8 }), 9);
  assert.is(thresholdLevel(m, { method: 'energy', alpha: 0.376 }), 5);
  assert.is(thresholdLevel(m, { method: 'energy', alpha: 1 }), 1);
  assert.equal(thresholdBox(m, { method: 'value', alpha: 0.5 }), { x0: 1, y0: 1, x1: 3, y1: 2 });
  assert.equal(thresholdBox(m, { method: 'mean', alpha: 2 }), { x0: 2, y0: 1, x1: 3, y1: 2 });
  assert.is(thresholdBox(m, { method: 'mean', alpha: 3 }), null);
  // Zeros hold nothing and are not needed for all of the energy.
  assert.equal(thresholdBox(map([0, 2, 0, 1, 0]), { method: 'energy', alpha: 1 }), { x0: 1, y0: 0, x1: 4, y1: 1 });
});

test('thresholds: ties share one fate, mirrored maps give mirrored boxes', () => {
  const tied = map([1, 0, 0, 1, 1]);
  assert.equal(thresholdBox(tied, { method: 'energy', alpha: 0.1 }), { x0: 0, y0: 0, x1: 5, y1: 1 });
  const next = uniform(2);
  for (let trial = 0; trial < 100; trial++) {
    const data = Float32Array.from({ length: 20 }, () => Math.floor(4 * next()));
    const flipped = data.map((_, i) => data[5 * Math.floor(i / 5) + 4 - (i % 5)]);
    for (const threshold of [
      { method: 'value', alpha: 0.3 },
      { method: 'mean', alpha: 1.2 },
      { method: 'energy', alpha: 0.4 },
    ] as const) {
      const box = thresholdBox({ shape: [4, 5], data }, threshold);
      const other = thresholdBox({ shape: [4, 5], data: flipped }, threshold);
      assert.equal(other, box && { ...box, x0: 5 - box.x1, x1: 5 - box.x0 });
    }
  }
});

test('thresholds: no level for zero or non-finite maps, errors for signs and alphas', () => {
  for (const data of [
    [0, 0],
    [NaN, 1],
    [Infinity, 1],
  ])
    assert.is(thresholdBox(map(data), { method: 'value', alpha: 0.2 }), null);
  const wrong = [
    () => thresholdBox(map([-1, 2]), { method: 'value', alpha: 0.2 }),
    () => thresholdBox(map([1, 2]), { method: 'value', alpha: 1.1 }),
    () => thresholdBox(map([1, 2]), { method: 'mean', alpha: 0 }),
    () => thresholdBox(tensor([1, 1, 2], [1, 2]), { method: 'mean', alpha: 1 }),
    () => thresholdBox(map([1, 2]), { method: 'median' as 'mean', alpha: 1 }),
  ];
  for (const call of wrong) assert.throws(call, (error: unknown) => error instanceof InputError);
});

test('components: corners join only in eight', () => {
  const m = mask('#.#', '.#.', '..#');
  assert.equal(components(m, 3, 3, 4).sizes, [1, 1, 1, 1]);
  assert.equal(components(m, 3, 3, 8).sizes, [4]);
  assert.equal([...largestComponent(mask('##.###', '##....'), 6, 2, 4)], [...mask('##....', '##....')]);
  // Of two of one size the first counts; with seeds, the one that holds one.
  assert.equal([...largestComponent(mask('##.##'), 5, 1, 4)], [...mask('##...')]);
  assert.equal([...largestComponent(mask('###.#'), 5, 1, 4, mask('....#'))], [...mask('....#')]);
  assert.equal([...largestComponent(mask('###.#'), 5, 1, 4, mask('.....'))], [...mask('###..')]);
  assert.equal([...largestComponent(mask('.....'), 5, 1, 4)], [...mask('.....')]);
});

test('components: agree with a union of pairs on random masks', () => {
  const next = uniform(3);
  for (let trial = 0; trial < 100; trial++) {
    const [w, h] = [1 + Math.floor(9 * next()), 1 + Math.floor(9 * next())];
    const m = Uint8Array.from({ length: w * h }, () => (next() < 0.6 ? 1 : 0));
    for (const connectivity of [4, 8] as const) {
      const root = [...m.keys()];
      const find = (i: number): number => (root[i] === i ? i : find(root[i]));
      for (let i = 0; i < m.length; i++) {
        for (let j = 0; j < i; j++) {
          const [dx, dy] = [Math.abs((i % w) - (j % w)), Math.abs(Math.floor(i / w) - Math.floor(j / w))];
          const near = connectivity === 4 ? dx + dy === 1 : Math.max(dx, dy) === 1;
          if (m[i] && m[j] && near) root[find(i)] = find(j);
        }
      }
      const { labels, sizes } = components(m, w, h, connectivity);
      for (let i = 0; i < m.length; i++) {
        assert.is(labels[i] > 0, m[i] > 0);
        for (let j = 0; j < i; j++) if (m[i] && m[j]) assert.is(labels[i] === labels[j], find(i) === find(j));
      }
      assert.is(
        sizes.reduce((a, b) => a + b, 0),
        m.reduce((a, b) => a + b, 0),
      );
    }
  }
});

test('fillHoles: what is enclosed and small, and nothing else', () => {
  const ring = mask('#####', '#.#.#', '###.#', '#####', '#.###');
  assert.equal([...fillHoles(ring, 5, 5, 1)], [...mask('#####', '###.#', '###.#', '#####', '#.###')]);
  assert.equal([...fillHoles(ring, 5, 5, 2)], [...mask('#####', '#####', '#####', '#####', '#.###')]);
  assert.equal([...fillHoles(ring, 5, 5, 0)], [...ring]);
});

test('seeds: exact shares of a map without ties', () => {
  const next = uniform(4);
  const values = Float64Array.from({ length: 1000 }, () => next() + 0.001);
  for (const seeds of [softSeeds, hardSeeds]) {
    const found = seeds(values, { foreground: 0.95, background: 0.3 });
    assert.is(found.filter((s) => s === FOREGROUND).length, 50);
    assert.is(found.filter((s) => s === BACKGROUND).length, 300);
    const least = Math.min(...values.filter((_, i) => found[i] === FOREGROUND));
    assert.ok(values.every((m, i) => found[i] === FOREGROUND || m < least));
  }
});

test('seeds: areas of zeros', () => {
  const quantiles = { foreground: 0.95, background: 0.3 };
  const count = (found: Uint8Array, which: number): number => found.filter((s) => s === which).length;
  // Half of the map is 0: all of it is background to learn from, but nailed down nowhere.
  const half = Float64Array.from({ length: 1000 }, (_, i) => (i < 500 ? 0 : i));
  assert.is(count(softSeeds(half, quantiles), BACKGROUND), 500);
  assert.is(count(softSeeds(half, quantiles), FOREGROUND), 50);
  const clamps = hardSeeds(half, { foreground: 0.995, background: 0.005 });
  assert.is(count(clamps, BACKGROUND), 0);
  assert.is(count(clamps, FOREGROUND), 5);
  // Nearly all of it: object is what is left, not the zeros.
  const most = Float64Array.from({ length: 1000 }, (_, i) => (i < 980 ? 0 : i));
  assert.is(count(softSeeds(most, quantiles), FOREGROUND), 20);
  assert.is(count(softSeeds(most, quantiles), BACKGROUND), 980);
  // A constant map points nowhere.
  assert.is(count(softSeeds(new Float64Array(100).fill(3), quantiles), FOREGROUND), 0);
});

test('ranks: shares below, ties alike, mean one half', () => {
  assert.equal([...ranks(Float64Array.of(5, 1, 5, 9))], [0.5, 0.125, 0.5, 0.875]);
  const next = uniform(5);
  const found = ranks(Float64Array.from({ length: 333 }, () => Math.floor(10 * next())));
  close(found.reduce((a, b) => a + b, 0) / 333, 0.5);
});

test('resampleMap: as pictures are resampled; a constant stays', () => {
  assert.equal([...resampleMap([1, 2, 3, 4], [2, 2], [2, 2])], [1, 2, 3, 4]);
  for (const value of resampleMap(new Float32Array(35).fill(2), [5, 7], [11, 3])) close(value, 2);
  const wide = resampleMap([7, 14, 70, 140], [1, 4], [1, 2]);
  close(wide[0], (3 * 7 + 3 * 14 + 70) / 7);
  close(resampleMap([7, 14, 70, 140], [4, 1], [2, 1])[1], (14 + 3 * 70 + 3 * 140) / 7);
});

test('the generator: its numbers are these', () => {
  const next = uniform(0);
  assert.equal(
    Array.from({ length: 3 }, () => next() * 2 ** 32),
    [2462723854, 1020716019, 454327756],
  );
  const many = Array.from({ length: 10000 }, uniform(7));
  assert.ok(Math.abs(many.reduce((a, b) => a + b, 0) / 10000 - 0.5) < 0.01);
  assert.ok(many.every((v) => v >= 0 && v < 1));
});

test.run();
