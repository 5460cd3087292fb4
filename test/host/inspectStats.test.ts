// Numbers of a tensor, of a gate and of windows, by hand and by counting again.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gateSignal, gateUnits } from '../../src/inspect/gates.ts';
import { exponentOf, sparkline, tensorStats } from '../../src/inspect/stats.ts';
import { windowReport } from '../../src/inspect/windows.ts';
import type { MaxPool2dAttrs } from '../../src/ops/maxpool2d.ts';
import { RULES } from '../../src/rule.ts';
import { fill, normal } from '../../src/verify/random.ts';

test('numbers of a tensor by hand', () => {
  const s = tensorStats(Float32Array.of(3, 0, -4, NaN, Infinity, 0, -0, -Infinity));
  assert.equal([s.elements, s.zeros, s.positive, s.negative, s.nan, s.infinite], [8, 3, 1, 1, 1, 2]);
  assert.equal([s.min, s.max, s.mean, s.l1, s.l2Squared], [-4, 3, -0.2, 7, 25]);
  assert.ok(Math.abs(s.deviation! - Math.sqrt(25 / 5 - 0.04)) < 1e-15);
  assert.equal(s.octaves, { edges: [2, 4, 8], counts: [1, 1], below: 0, above: 0 });
});

test('nothing finite, nothing at all', () => {
  const nan = tensorStats(Float32Array.of(NaN, NaN));
  assert.equal([nan.min, nan.max, nan.mean, nan.deviation, nan.linear.counts], [null, null, null, null, []]);
  const zero = tensorStats(new Float32Array(5));
  assert.equal([zero.zeros, zero.min, zero.max, zero.mean, zero.linear.counts, zero.octaves.counts], [5, 0, 0, 0, [], []]);
  assert.is(sparkline(zero.linear), '');
});

test('powers of two are exact down to the smallest f32', () => {
  for (const e of [-149, -140, -127, -126, -1, 0, 1, 127]) {
    assert.is(exponentOf(Math.fround(2 ** e)), e);
    if (e > -149) assert.is(exponentOf(Math.fround(2 ** e * 1.5)), e);
  }
});

for (const [name, data] of [
  ['normal', fill(5000, normal(1))],
  ['shifted', fill(5000, normal(2)).map((v) => 100 + v)],
  ['heavy tails', fill(5000, normal(3)).map((v) => v ** 7)],
  ['hardly spread', fill(5000, normal(7)).map((v) => 100 + 1e-4 * v)],
  ['one value', new Float32Array(10).fill(-3.7)],
  ['tiny', fill(500, normal(4)).map((v) => v * 1e-40)],
  ['huge', fill(500, normal(5)).map((v) => v * 1e37)],
  ['rectified', fill(5000, normal(6)).map((v) => Math.max(0, v))],
  ['on the edges', Float32Array.from({ length: 200 }, (_, i) => (i - 100) / 10)],
] as const) {
  test(`histograms of ${name}: every value in its bin, none lost`, () => {
    const s = tensorStats(data);
    for (const [h, of] of [
      [s.linear, (v: number) => v],
      [s.octaves, Math.abs],
    ] as const) {
      const counts = new Array<number>(h.counts.length).fill(0);
      let [below, above] = [0, 0];
      for (const v of data) {
        if (v === 0) continue;
        const m = of(v);
        if (m < h.edges[0]) below++;
        else if (m > h.edges[h.edges.length - 1]) above++;
        else {
          const bin = h.edges.findLastIndex((edge) => edge <= m);
          counts[Math.min(bin, counts.length - 1)]++;
        }
      }
      assert.equal(h, { edges: h.edges, counts, below, above });
      assert.is(counts.reduce((a, b) => a + b, 0) + below + above, s.positive + s.negative);
      for (let i = 1; i < h.edges.length; i++) assert.ok(h.edges[i] > h.edges[i - 1]);
    }
    assert.ok(s.linear.counts.length <= 41);
    if (s.linear.edges[0] < 0 && s.linear.edges[s.linear.edges.length - 1] > 0) assert.ok(s.linear.edges.includes(0), 'an edge at zero');
  });
}

test('a sparkline keeps shape and shows the least', () => {
  const edges = [0, 1, 2, 3, 4];
  assert.is(sparkline({ edges, counts: [800, 0, 1, 400], below: 0, above: 0 }), '█ ▁▅');
  assert.is(sparkline({ edges, counts: [800, 0, 1, 400], below: 0, above: 0 }, 2), '█▅');
});

test('units of a gate by hand', () => {
  const x = Float32Array.of(1, -1, 0, 2, 0, -0, -3, NaN);
  assert.equal(gateUnits(x, [1, 2, 2, 2]), {
    units: 8,
    active: 2,
    dead: 5,
    tied: 3,
    nan: 1,
    channels: 2,
    deadChannels: 1,
    activeByChannel: [2, 0],
  });
});

test('what each rule kills by hand', () => {
  // X:  +1 -1  0 +1 -1 0     R: +3 +2 +1 -4 -5 0
  const s = gateSignal(Float32Array.of(1, -1, 0, 1, -1, 0), Float32Array.of(3, 2, 1, -4, -5, 0), 'closed');
  assert.equal(s.arriving, { units: 5, l1: 15, l2Squared: 55 });
  assert.equal(
    RULES.map((rule) => s.passed[rule]),
    [
      { units: 2, l1: 7, l2Squared: 25 },
      { units: 3, l1: 6, l2Squared: 14 },
      { units: 1, l1: 3, l2Squared: 9 },
      { units: 5, l1: 15, l2Squared: 55 },
    ],
  );
  assert.equal(
    RULES.map((rule) => s.killed[rule].l1),
    [8 / 15, 9 / 15, 12 / 15, 0],
  );
  const open = gateSignal(Float32Array.of(1, -1, 0, 1, -1, 0), Float32Array.of(3, 2, 1, -4, -5, 0), 'open');
  assert.equal(
    RULES.map((rule) => open.passed[rule].l1),
    [8, 6, 4, 15],
  );
  assert.is(gateSignal(Float32Array.of(1), Float32Array.of(0), 'closed').killed.gradient.l1, null);
});

const POOL: MaxPool2dAttrs = { kernel: [2, 2], stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], ceilMode: false, indexOrder: 'row' };

test('windows by hand', () => {
  // 3x3, windows of 2x2 at every place:   1 0 0 / 0 0 0 / 0 5 5
  const { counts, switches, flags } = windowReport(Float32Array.of(1, 0, 0, 0, 0, 0, 0, 5, 5), [1, 1, 3, 3], POOL);
  // The maxima: 1 (place 0), 0 (tied, first), 5 (place 3), 5 twice (tied, place 2).
  assert.equal([...switches], [0, 0, 3, 2]);
  assert.equal([...flags], [0, 3, 0, 1]);
  assert.equal(counts, {
    windows: 4,
    empty: 0,
    tied: 2,
    zero: 1,
    tiedAboveZero: 1,
    kernel: [2, 2],
    wonBy: [2, 0, 1, 1],
    wonUntied: [1, 0, 0, 1],
    // The middle 5 wins two windows, 1 and the zero at (0, 1) one each.
    wins: [6, 2, 1],
  });
});

test('windows in padding, with dilation, over whole planes', () => {
  const padded = windowReport(Float32Array.of(2, 1), [1, 1, 1, 2], { ...POOL, kernel: [1, 1], pad: [0, 1, 0, 1] });
  assert.equal([...padded.switches], [-1, 0, 0, -1]);
  assert.equal([padded.counts.empty, padded.counts.wonBy], [2, [2]]);
  const spread = windowReport(Float32Array.of(1, 9, 2, 9, 9, 9, 3, 9, 4), [1, 1, 3, 3], { ...POOL, dilation: [2, 2] });
  assert.equal([...spread.switches], [3]);
  const whole = windowReport(Float32Array.of(1, 2, 0, 0, NaN, 7), [1, 3, 1, 2], null);
  assert.equal([...whole.switches], [1, 0, 0]);
  assert.equal([whole.counts.zero, whole.counts.tied, whole.counts.wins], [1, 1, [3, 3]]);
});

test.run();
