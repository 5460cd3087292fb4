/** Maps laid back onto photos: exact where they must be, in the right place everywhere, and row by row. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { preprocess, PRESETS, type PictureToInput, type Preprocess } from '../../src/image/preprocess.ts';
import { onCopy, photoRows, seenShare, toPhoto } from '../../src/image/project.ts';
import { size, tensor, zeros, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { noise } from './pictures.ts';

const random = (shape: [number, number], seed: number): Tensor => tensor(shape, fill(size(shape), normal(seed)));

const squashed = (picture: [number, number], input: [number, number]): PictureToInput => ({
  x: { scale: picture[1] / input[1], offset: 0 },
  y: { scale: picture[0] / input[0], offset: 0 },
  picture,
  input,
});

test("a photo of the input's own size gets the map bit for bit", () => {
  const map = random([7, 11], 1);
  assert.equal(toPhoto(map, squashed([7, 11], [7, 11])).data, map.data);
});

test('a map that is linear in the place stays so, and a constant a constant', () => {
  for (const [picture, input] of [
    [
      [30, 50],
      [7, 11],
    ],
    [
      [100, 9],
      [10, 9],
    ],
    [
      [5, 6],
      [20, 30],
    ],
  ] as [[number, number], [number, number]][]) {
    const geometry = squashed(picture, input);
    const ramp = zeros(input);
    for (let j = 0; j < input[0]; j++) for (let i = 0; i < input[1]; i++) ramp.data[j * input[1] + i] = 3 * (j + 0.5) - 2 * (i + 0.5);
    const laid = toPhoto(ramp, geometry);
    for (let p = 0; p < picture[0]; p++) {
      for (let q = 0; q < picture[1]; q++) {
        const [v, u] = [(p + 0.5) / geometry.y.scale, (q + 0.5) / geometry.x.scale];
        const reach = Math.max(1, 1 / geometry.x.scale, 1 / geometry.y.scale);
        // Near the border the triangle is cut and leans inwards; whole factors keep it symmetric elsewhere.
        if (v < reach || u < reach || v > input[0] - reach || u > input[1] - reach) continue;
        assert.ok(Math.abs(laid.data[p * picture[1] + q] - (3 * v - 2 * u)) < 1e-5, `${picture} ${input} at ${p},${q}`);
      }
    }
    const constant = toPhoto(tensor(input, new Float32Array(size(input)).fill(0.3)), geometry);
    for (const v of constant.data) assert.is(v, Math.fround(0.3));
  }
});

test('bilinear by hand', () => {
  // 2 to 4: centres 0.25, 0.75, 1.25, 1.75 over pixels centred at 0.5, 1.5.
  assert.equal([...toPhoto(tensor([1, 2], [0, 4]), squashed([1, 4], [1, 2])).data], [0, 1, 3, 4]);
  // 4 to 2: the triangle of twice the width over 3/4, 3/4, 1/4 of 7/4.
  const [first] = toPhoto(tensor([1, 4], [7, 14, 70, 140]), squashed([1, 2], [1, 4])).data;
  assert.ok(Math.abs(first - (3 * 7 + 3 * 14 + 70) / 7) < 1e-5);
});

test('a crop: nothing outside, everything inside, each input pixel in its place', () => {
  const picture = noise(50, 30, 3);
  const specs: Preprocess[] = [
    { ...PRESETS.torchvision, size: [16, 16], resize: 20 },
    { ...PRESETS.torchvision, size: [16, 16], resize: 64, cut: [40, 3] },
    { ...PRESETS.caffe, size: [12, 16] },
  ];
  for (const spec of specs) {
    const { geometry } = preprocess(picture, spec);
    const ones = toPhoto(tensor([...spec.size], new Float32Array(size(spec.size)).fill(1)), geometry);
    const edge = ({ scale, offset }: { scale: number; offset: number }, n: number): [number, number] => [offset, offset + scale * n];
    const [left, right] = edge(geometry.x, spec.size[1]);
    const [top, bottom] = edge(geometry.y, spec.size[0]);
    let inside = 0;
    for (let p = 0; p < 30; p++) {
      for (let q = 0; q < 50; q++) {
        const looked = p + 1 > top + 1e-9 && p < bottom - 1e-9 && q + 1 > left + 1e-9 && q < right - 1e-9;
        assert.is(ones.data[50 * p + q], looked ? 1 : 0);
        if (looked) inside++;
      }
    }
    assert.ok(Math.abs(seenShare(geometry) - inside / 1500) < 1e-12);
    // The centre of mass of one bright input pixel, away from the border.
    for (const [j, i] of [
      [5, 7],
      [8, 4],
    ]) {
      const delta = zeros([...spec.size]);
      delta.data[j * spec.size[1] + i] = 1;
      const laid = toPhoto(delta, geometry);
      let [mass, x, y] = [0, 0, 0];
      laid.data.forEach((v, k) => {
        mass += v;
        x += v * ((k % 50) + 0.5);
        y += v * (Math.floor(k / 50) + 0.5);
      });
      assert.ok(mass > 0);
      const enlarged = Math.max(geometry.x.scale, geometry.y.scale) >= 1;
      assert.ok(Math.abs(x / mass - (geometry.x.scale * (i + 0.5) + geometry.x.offset)) < (enlarged ? 0.35 : 0.75), `x of ${j},${i}`);
      assert.ok(Math.abs(y / mass - (geometry.y.scale * (j + 0.5) + geometry.y.offset)) < (enlarged ? 0.35 : 0.75), `y of ${j},${i}`);
    }
  }
});

test('pixels that no view saw count for nothing: zero there, and no pull on their neighbours', () => {
  const geometry = squashed([40, 40], [10, 10]);
  const map = tensor([10, 10], new Float32Array(100).fill(5));
  const counts = new Uint8Array(100).fill(1);
  for (let i = 0; i < 100; i++) {
    if (i % 10 >= 3 && i % 10 < 6 && i >= 40 && i < 70) {
      counts[i] = 0;
      map.data[i] = 0;
    }
  }
  const laid = toPhoto(map, geometry, counts);
  let seen = 0;
  laid.data.forEach((v, k) => {
    const own = Math.floor(Math.floor(k / 40) / 4) * 10 + Math.floor((k % 40) / 4);
    assert.is(v, counts[own] ? 5 : 0);
    if (counts[own]) seen++;
  });
  assert.is(seenShare(geometry, counts), seen / 1600);
  const all = random([10, 10], 4);
  assert.equal(toPhoto(all, geometry, new Uint8Array(100).fill(7)).data, toPhoto(all, geometry).data);
});

test('a copy of the photo in another size is looked at from the same place', () => {
  const { geometry } = preprocess(noise(50, 30, 3), { ...PRESETS.torchvision, size: [16, 16], resize: 20 });
  const copy = onCopy(geometry, [60, 100]);
  assert.equal(copy.picture, [60, 100]);
  for (const axis of ['x', 'y'] as const) {
    assert.ok(Math.abs(copy[axis].scale - 2 * geometry[axis].scale) < 1e-12);
    assert.ok(Math.abs(copy[axis].offset - 2 * geometry[axis].offset) < 1e-12);
  }
});

test('an input within one pixel of the photo shows in that pixel', () => {
  const within: PictureToInput = { x: { scale: 0.05, offset: 149.7 }, y: { scale: 0.05, offset: 0.1 }, picture: [1, 300], input: [16, 12] };
  const laid = toPhoto(tensor([16, 12], new Float32Array(192).fill(3)), within);
  assert.equal(
    [...laid.data.keys()].filter((q) => laid.data[q] !== 0),
    [149, 150],
  );
  assert.equal([laid.data[149], laid.data[150]], [3, 3]);
});

test('one pixel, one row, a panorama', () => {
  assert.equal([...toPhoto(tensor([1, 1], [2]), squashed([1, 1], [1, 1])).data], [2]);
  const one = preprocess(noise(1, 1, 1), { ...PRESETS.torchvision, size: [224, 224] }).geometry;
  const map = random([224, 224], 5);
  const laid = toPhoto(map, one);
  assert.equal(laid.shape, [1, 1]);
  assert.ok(Number.isFinite(laid.data[0]) && laid.data[0] !== 0);
  const started = performance.now();
  const wide = squashed([50, 20_000], [224, 224]);
  let rows = 0;
  let sum = 0;
  for (const row of photoRows(map, wide)) {
    rows++;
    sum += row[19_999];
  }
  assert.is(rows, 50);
  assert.ok(Number.isFinite(sum));
  console.log(`measured: 20,000 x 50 of a map in ${(performance.now() - started).toFixed(0)} ms`);
});

test('a map of other extents is refused', () => {
  assert.throws(() => toPhoto(zeros([3, 4]), squashed([9, 9], [4, 3])), /expected a map of the input's 4x3 pixels, got 3x4/);
  assert.throws(
    () => toPhoto(zeros([1, 4, 3]), squashed([9, 9], [4, 3])),
    (e: unknown) => e instanceof InputError,
  );
});

test.run();
