/**
 * Ten views and the way back: every pixel of every view lands where it came from; flips are exact; counts are right. And reductions, ranks.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { preprocess, PRESETS, type Preprocess } from '../../src/image/preprocess.ts';
import { toPhoto } from '../../src/image/project.ts';
import { size, tensor, zeros, type Tensor } from '../../src/tensor.ts';
import { fill, normal, uniform } from '../../src/verify/random.ts';
import { rankPixels } from '../../src/visualise/rank.ts';
import { reduceChannels, REDUCTIONS } from '../../src/visualise/reduce.ts';
import { averageViews, cutView, viewsOf, type View } from '../../src/visualise/views.ts';
import { noise } from './pictures.ts';

const crop: Preprocess = { ...PRESETS.torchvision, size: [14, 12], resize: 18 };

test('the ten views are the cuts that preprocess makes, bit for bit, and their mirror images', () => {
  const picture = noise(41, 30, 1);
  const { inputs, views, geometry } = viewsOf(picture, crop, 10);
  assert.is(inputs.length, 10);
  // 30 to 18 and 41 to floor(18 * 41 / 30) = 24.
  assert.equal(geometry.input, [18, 24]);
  assert.equal(
    views.slice(0, 5).map(({ row, column }) => [row, column]),
    [
      [0, 0],
      [0, 12],
      [4, 0],
      [4, 12],
      [2, 6],
    ],
  );
  for (let v = 0; v < 5; v++) {
    const { row, column } = views[v];
    assert.equal(inputs[v].data, preprocess(picture, { ...crop, cut: [row, column] }).input.data);
    assert.equal(views[v + 5], { row, column, mirrored: true });
    for (let i = 0; i < inputs[v].data.length; i++) {
      const x = i % 12;
      assert.is(inputs[v + 5].data[i], inputs[v].data[i - x + 11 - x]);
    }
  }
  assert.equal(viewsOf(picture, crop, 1).inputs[0], preprocess(picture, crop).input);
});

test('squashed pictures are squashed to 256/224 of the input', () => {
  const { geometry, inputs, views } = viewsOf(noise(50, 20, 2), { ...PRESETS.caffe, size: [28, 14] }, 10);
  assert.equal(geometry.input, [32, 16]);
  assert.equal(inputs[9].shape, [1, 3, 28, 14]);
  assert.equal(views[3], { row: 4, column: 2, mirrored: false });
  // A picture of the input's own size is enlarged all the same.
  assert.equal(viewsOf(noise(14, 28, 2), { ...PRESETS.caffe, size: [28, 14] }, 10).geometry.input, [32, 16]);
});

const FRAME: [number, number] = [7, 9];
const PLACES: View[] = [false, true].flatMap((mirrored) =>
  [
    [0, 0],
    [0, 4],
    [3, 0],
    [3, 4],
    [1, 2],
  ].map(([row, column]) => ({ row, column, mirrored })),
);

test('a delta at each pixel of each view lands where it came from', () => {
  for (const view of PLACES) {
    for (let r = 0; r < 7; r++) {
      for (let c = 0; c < 9; c++) {
        const frame = zeros([1, 1, ...FRAME]);
        frame.data[9 * r + c] = 1;
        const seen = cutView(frame, view, [4, 5]);
        const { map, counts } = averageViews([{ shape: [4, 5], data: seen.data }], [view], FRAME);
        const inside = r >= view.row && r < view.row + 4 && c >= view.column && c < view.column + 5;
        for (let i = 0; i < 63; i++) {
          assert.is(map.data[i], inside && i === 9 * r + c ? 1 : 0);
          const [y, x] = [Math.floor(i / 9), i % 9];
          assert.is(counts[i], y >= view.row && y < view.row + 4 && x >= view.column && x < view.column + 5 ? 1 : 0);
        }
      }
    }
  }
});

test('ten views of a frame averaged are the frame; counts say how often each pixel was seen', () => {
  const frame: Tensor = { shape: [1, 1, ...FRAME], data: Float32Array.from({ length: 63 }, (_, i) => i + 1) };
  const maps = PLACES.map((view): Tensor => ({ shape: [4, 5], data: cutView(frame, view, [4, 5]).data }));
  const { map, counts } = averageViews(maps, PLACES, FRAME);
  assert.equal(map.data, frame.data);
  // Corner views meet in row 3 and column 4; all pixels are seen, the corners by one view and its mirror image.
  assert.equal([counts[0], counts[8], counts[54], counts[62]], [2, 2, 2, 2]);
  assert.is(counts[9 * 3 + 4], 10);
  assert.is(
    counts.reduce((a, b) => a + b, 0),
    10 * 20,
  );
  // Where no view looks the map is zero.
  const some = averageViews(maps.slice(0, 1), PLACES.slice(0, 1), FRAME);
  assert.is(some.counts[62], 0);
  assert.is(some.map.data[62], 0);
});

test('maps of a model that answers alike everywhere: the closed form', () => {
  // A linear model has one map m for every view: the average is the mean of m, shifted, and of m mirrored, shifted.
  const m = tensor([4, 5], fill(20, normal(3)));
  const { map, counts } = averageViews(
    PLACES.map(() => m),
    PLACES,
    FRAME,
  );
  for (let r = 0; r < 7; r++) {
    for (let c = 0; c < 9; c++) {
      const terms: number[] = [];
      for (const [top, left] of [
        [0, 0],
        [0, 4],
        [3, 0],
        [3, 4],
        [1, 2],
      ]) {
        if (r < top || r >= top + 4 || c < left || c >= left + 5) continue;
        terms.push(m.data[5 * (r - top) + c - left], m.data[5 * (r - top) + 4 - (c - left)]);
      }
      assert.is(counts[9 * r + c], terms.length);
      const mean = terms.reduce((a, b) => a + b, 0) / terms.length;
      assert.ok(Math.abs(map.data[9 * r + c] - mean) <= 1e-7 * Math.max(1, Math.abs(mean)));
    }
  }
});

test('a bright spot of the photo is found by every view and brought back to its place', () => {
  for (const spec of [crop, { ...PRESETS.caffe, size: [28, 28] } as Preprocess]) {
    const picture = { width: 60, height: 40, data: new Uint8Array(3 * 2400) };
    const [px, py] = [33, 21];
    for (let y = -1; y <= 1; y++)
      for (let x = -1; x <= 1; x++) picture.data.fill(255, 3 * (60 * (py + y) + px + x), 3 * (60 * (py + y) + px + x) + 3);
    const { inputs, views, geometry } = viewsOf(picture, spec, 10);
    // The "network" answers with the brightness it sees.
    const maps = inputs.map((input): Tensor => {
      const plane = spec.size[0] * spec.size[1];
      const darkest = input.data.subarray(0, plane).reduce((a, b) => Math.min(a, b), Infinity);
      return { shape: [...spec.size], data: Float32Array.from(input.data.subarray(0, plane), (v) => v - darkest) };
    });
    const seen = (view: View): boolean => {
      const [x, y] = [(px + 0.5 - geometry.x.offset) / geometry.x.scale, (py + 0.5 - geometry.y.offset) / geometry.y.scale];
      return x > view.column + 1 && x < view.column + spec.size[1] - 1 && y > view.row + 1 && y < view.row + spec.size[0] - 1;
    };
    for (const group of [views.map((_, v) => v), ...views.map((_, v) => [v])]) {
      if (!group.some((v) => seen(views[v]))) continue;
      const { map, counts } = averageViews(
        group.map((v) => maps[v]),
        group.map((v) => views[v]),
        geometry.input,
      );
      const laid = toPhoto(map, geometry, counts);
      let [mass, x, y] = [0, 0, 0];
      laid.data.forEach((v, i) => {
        mass += v;
        x += v * ((i % 60) + 0.5);
        y += v * (Math.floor(i / 60) + 0.5);
      });
      assert.ok(Math.hypot(x / mass - px - 0.5, y / mass - py - 0.5) < 0.6, `views ${group}: ${x / mass},${y / mass}`);
    }
  }
});

test('views that cannot be had are refused', () => {
  assert.throws(() => viewsOf(noise(40, 30, 1), { ...crop, cut: [0, 0] }, 10), /expected no cut with ten views/);
  assert.throws(() => viewsOf(noise(40, 30, 1), crop, 3 as 1), /expected 1 or 10, got 3/);
  assert.throws(
    () => viewsOf(noise(20_000, 1, 1), crop, 10),
    /longer side is at most 16384 pixels once its shorter side is 18, got 20000 x 1/,
  );
  assert.throws(
    () => averageViews([zeros([4, 5])], [{ row: 4, column: 0, mirrored: false }], FRAME),
    /inside the frame of 7x9, got 4x5 at 4,0/,
  );
  assert.throws(
    () => averageViews([], PLACES, FRAME),
    (e: unknown) => e instanceof InputError,
  );
});

test('reductions by hand', () => {
  // Two items of two channels of one pixel by two.
  const w = tensor([2, 2, 1, 2], [3, -1, -4, 2, 0, 5, 0, -5]);
  const want = {
    max: [4, 2, 0, 5],
    l2: [5, Math.fround(Math.sqrt(5)), 0, Math.fround(Math.sqrt(50))],
    sum: [7, 3, 0, 10],
    signed: [-1, 1, 0, 0],
  };
  for (const reduce of REDUCTIONS) assert.equal(reduceChannels(w, reduce), tensor([2, 1, 2], want[reduce]), reduce);
  for (const reduce of REDUCTIONS)
    assert.ok(Number.isNaN(reduceChannels(tensor([1, 2, 1, 1], [1, NaN]), reduce).data[0]), `${reduce} of NaN`);
  assert.throws(() => reduceChannels(tensor([2], [1, 2]), 'max'), /expected a gradient \[N, C, H, W\], got 2/);
  assert.throws(() => reduceChannels(w, 'mean' as 'max'), /expected one of max, l2, sum, signed, got "mean"/);
});

test('pixels are ranked by value, equal ones in row-major order, NaN last', () => {
  assert.equal([...rankPixels(tensor([2, 3], [1, 3, -2, 3, 0, -0]))], [1, 3, 0, 4, 5, 2]);
  assert.equal([...rankPixels({ data: Float32Array.of(NaN, -Infinity, Infinity, 0) })], [2, 3, 1, 0]);
  const next = uniform(5);
  const data = Float32Array.from({ length: 5000 }, () =>
    next() < 0.2 ? 0 : Math.fround((next() - 0.5) * 10 ** Math.floor(6 * next() - 3)),
  );
  const want = [...data.keys()].sort((a, b) => data[b] - data[a] || a - b);
  assert.equal([...rankPixels({ data })], want);
  assert.equal([...rankPixels({ data: new Float32Array(0) })], []);
  assert.is(size([2, 3]), 6);
});

test.run();
