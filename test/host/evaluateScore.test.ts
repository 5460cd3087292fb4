/** What counts as right, by hand: overlaps, peaks, intervals, names of methods, sums of rows. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { wilson } from '../../src/evaluate/interval.ts';
import { ALL_METHODS, boxOf, needsMap, parseMethods } from '../../src/evaluate/methods.ts';
import type { BoxRow } from '../../src/evaluate/rows.ts';
import { bestIou, distanceTo, peakOf } from '../../src/evaluate/score.ts';
import { summarise } from '../../src/evaluate/summary.ts';
import { tensor } from '../../src/tensor.ts';
import { scene } from './pictures.ts';

const near = (a: number, b: number, within = 5e-5): void => assert.ok(Math.abs(a - b) <= within, `${a} and ${b}`);

test("Wilson's interval, against its closed form at the ends and published values between", () => {
  const z = 1.959963984540054;
  const none = wilson(0, 10);
  assert.is(none.low, 0);
  near(none.high, (z * z) / (10 + z * z), 1e-12);
  const all = wilson(10, 10);
  assert.is(all.high, 1);
  near(all.low, 10 / (10 + z * z), 1e-12);
  // Newcombe 1998, table I, method 3: 81/263, 15/148, 1/29.
  for (const [k, n, low, high] of [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [1, 29, 0.0061, 0.1718],
  ] as const) {
    const share = wilson(k, n);
    near(share.low, low);
    near(share.high, high);
    near(share.share, k / n, 0);
    // Both ends solve (p - k/n)^2 = z^2 p (1 - p) / n.
    for (const p of [share.low, share.high]) near((p - k / n) ** 2, (z * z * p * (1 - p)) / n, 1e-12);
  }
  assert.equal([wilson(0, 0).low, wilson(0, 0).high, Number.isNaN(wilson(0, 0).share)], [0, 1, true]);
});

test('a box is held against the nearest of the true ones', () => {
  const truth = [
    { x0: 0, y0: 0, x1: 10, y1: 10 },
    { x0: 20, y0: 0, x1: 30, y1: 10 },
  ];
  near(bestIou({ x0: 20, y0: 0, x1: 30, y1: 5 }, truth), 0.5, 0);
  assert.is(bestIou({ x0: 12, y0: 0, x1: 18, y1: 5 }, truth), 0);
  assert.is(bestIou(null, truth), 0);
});

test('a peak is the first maximum in row-major order, and a map of zeros has none', () => {
  assert.equal(peakOf(tensor([2, 3], [0, 1, 0, 2, 0, 2])), { x: 0, y: 1, value: 2 });
  assert.is(peakOf(tensor([2, 2], [0, 0, 0, 0])), null);
});

test("distance goes from a pixel's centre to the box's edge", () => {
  const box = { x0: 10, y0: 10, x1: 20, y1: 20 };
  assert.is(distanceTo({ x: 10, y: 19 }, [box]), 0);
  assert.is(distanceTo({ x: 9, y: 15 }, [box]), 0.5);
  assert.is(distanceTo({ x: 22, y: 23 }, [box]), Math.hypot(2.5, 3.5));
  assert.is(distanceTo({ x: 22, y: 15 }, [box, { x0: 23, y0: 0, x1: 24, y1: 30 }]), 0.5);
});

test('methods by name', () => {
  const names = (...list: string[]): string[] => parseMethods(list).map(({ name }) => name);
  assert.equal(names('mean', 'value:.5', 'centre'), ['mean:4', 'mean:5', 'mean:6', 'value:0.5', 'centre']);
  assert.ok(names('graphcut').length >= 2);
  assert.equal(
    names('graphcut'),
    names('graphcut').flatMap((name) => names(name)),
  );
  assert.ok(parseMethods(ALL_METHODS).length > ALL_METHODS.length);
  for (const [list, message] of [
    [['median'], /expected .*, got "median"/],
    [['mean:'], /alpha above 0, got "mean:"/],
    [['value:2'], /alpha above 0 and at most 1, got "value:2"/],
    [['mean:-1'], /got "mean:-1"/],
    [['mean:1:2'], /got "mean:1:2"/],
    [['centre:1'], /got "centre:1"/],
    [['mean', 'mean:5.0'], /each method once, got "mean:5" twice/],
    [[], /at least one/],
  ] as const) {
    assert.throws(
      () => parseMethods(list),
      (error: unknown) => error instanceof InputError && message.test(error.message),
      String(list),
    );
  }
});

test('boxes of the methods that look at nothing, and of a threshold', () => {
  const picture = scene(20, 10);
  const [whole, centre, mean] = parseMethods(['whole', 'centre', 'mean:2']);
  assert.equal([whole, centre, mean].map(needsMap), [false, false, true]);
  assert.equal(boxOf(whole, picture, null), { x0: 0, y0: 0, x1: 20, y1: 10 });
  const { x0, y0, x1, y1 } = boxOf(centre, picture, null)!;
  [x0 - 3, y0 - 1.5, x1 - 17, y1 - 8.5].forEach((off) => near(off, 0, 1e-12));
  const map = new Float32Array(200);
  map.fill(1, 0, 200);
  map[45] = map[88] = 3;
  assert.equal(boxOf(mean, picture, tensor([10, 20], map)), { x0: 5, y0: 2, x1: 9, y1: 5 });
  assert.is(boxOf(mean, picture, tensor([10, 20], new Float32Array(200))), null);
  assert.throws(() => boxOf(mean, picture, null), /expected a method of boxes and its map/);
});

test('rows are counted in any order, and a box that was not found is a miss that is told', () => {
  const row = (index: number, hit: boolean, found = true): BoxRow => ({
    index,
    image: `${index}.png`,
    class: 3,
    top5: index === 0 ? [3, 1] : [1, index === 1 ? 3 : 2],
    scores: [2, 1],
    truth: [[0, 0, 1, 1]],
    results: [
      { method: 'mean:5', map: 'saliency', rule: 'gradient', hit, attempts: [{ class: 3, box: found ? [0, 0, 1, 1] : null, iou: 0 }] },
    ],
    pointing: [
      { map: 'saliency', rule: 'gradient', hit, attempts: [{ class: 3, at: found ? [0, 0] : null, distance: found ? 0 : null }] },
      { map: null, rule: null, hit: true, attempts: [{ class: 3, at: [0, 0], distance: 0 }] },
    ],
  });
  const rows = [row(0, true), row(1, false), row(2, false, false)];
  const summary = summarise(rows);
  assert.equal(summary, summarise([rows[2], rows[0], rows[1]]));
  assert.equal([summary.images, summary.top1.count, summary.top5.count], [3, 1, 2]);
  assert.equal(summary.localisation, [{ method: 'mean:5', map: 'saliency', rule: 'gradient', error: wilson(2, 3), empty: 1 }]);
  assert.equal(summary.pointing, [
    { map: 'saliency', rule: 'gradient', right: wilson(1, 3), empty: 1 },
    { map: null, rule: null, right: wilson(3, 3), empty: 0 },
  ]);
  assert.equal(summarise([]).localisation, []);
});

test.run();
