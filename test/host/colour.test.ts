/** Colours of maps: ranges that never stretch nothing, symmetric signed maps, tables; overlays, boxes, outlines, cut-outs. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { colourise, colourRange, COLOURS, colourTable } from '../../src/image/colour.ts';
import { cutout, dimOutside, drawBox, drawOutline, maskPicture, overlay } from '../../src/image/overlay.ts';
import type { Picture } from '../../src/image/picture.ts';
import { tensor, zeros } from '../../src/tensor.ts';
import { noise } from './pictures.ts';

const pixel = ({ width, data }: Picture, x: number, y = 0): number[] => [...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)];

test('the tables are those of d3: ends by hand, luminance rises', () => {
  // Known ends: inferno and magma begin at #000004, viridis at #440154 and ends at #fde725.
  assert.equal([...colourTable('inferno').subarray(0, 3)], [0, 0, 4]);
  assert.equal([...colourTable('magma').subarray(0, 3)], [0, 0, 4]);
  assert.equal([...colourTable('viridis').subarray(0, 3)], [0x44, 0x01, 0x54]);
  assert.equal([...colourTable('viridis').subarray(-3)], [0xfd, 0xe7, 0x25]);
  assert.equal([...colourTable('greys').subarray(0, 3)], [0, 0, 0]);
  assert.equal([...colourTable('greys').subarray(-3)], [255, 255, 255]);
  const rdbu = colourTable('rdbu');
  assert.ok(rdbu[2] > rdbu[0], 'negative is blue');
  assert.ok(rdbu[3 * 255] > rdbu[3 * 255 + 2], 'positive is red');
  for (const name of ['inferno', 'magma', 'viridis', 'greys'] as const) {
    const table = colourTable(name);
    const luminance = (k: number): number => 0.2126 * table[3 * k] + 0.7152 * table[3 * k + 1] + 0.0722 * table[3 * k + 2];
    for (let k = 1; k < 256; k++) assert.ok(luminance(k) >= luminance(k - 1) - 0.6, `${name} at ${k}`);
  }
  for (const name of COLOURS) {
    const table = colourTable(name);
    for (let k = 0; k < 256; k++) assert.not.equal([...table.subarray(3 * k, 3 * k + 3)], [0, 255, 0], 'the colour of NaN is free');
  }
  assert.throws(() => colourTable('jet' as 'turbo'), /expected one of inferno.*got "jet"/);
  assert.throws(
    () => colourTable('toString' as 'turbo'),
    (e: unknown) => e instanceof InputError,
  );
});

test('the range is a percentile of the magnitudes that are not zero', () => {
  const map = tensor(
    [10, 20],
    Float32Array.from({ length: 200 }, (_, i) => (i < 100 ? 0 : i - 99)),
  );
  assert.equal(colourRange(map, { clip: 50 }), { low: 0, high: 50, signed: false, zero: false });
  assert.equal(colourRange(map, { clip: 100 }).high, 100);
  assert.equal(colourRange(map).high, 100);
  assert.equal(colourRange(map, { clip: 0.001 }).high, 1);
  // One hot pixel in ten thousand is not clipped to nothing.
  const hot = zeros([100, 100]);
  hot.data[77] = 3;
  assert.equal(colourRange(hot).high, 3);
  const both = tensor([1, 4], [-8, 2, 0, 4]);
  assert.equal(colourRange(both, { signed: true, clip: 100 }), { low: -8, high: 8, signed: true, zero: false });
  assert.equal(colourRange(both, { clip: 100 }), { low: 0, high: 4, signed: false, zero: false });
  assert.equal(colourRange(tensor([1, 3], [NaN, Infinity, 2]), { clip: 100 }).high, 2);
  for (const clip of [0, -1, 101, NaN]) assert.throws(() => colourRange(map, { clip }), /clip: expected a percentile/);
});

test('an all-zero map is flat and says so; rounding noise is not stretched beyond its clip', () => {
  for (const signed of [false, true]) {
    const { picture, zero, low, high } = colourise(zeros([3, 5]), { signed });
    assert.is(zero, true);
    assert.equal([low, high], [0, 0]);
    for (let i = 0; i < 15; i++) assert.equal([...picture.data.subarray(3 * i, 3 * i + 3)], pixel(picture, 0));
    assert.equal(pixel(picture, 0), signed ? [...colourTable('rdbu').subarray(3 * 128, 3 * 128 + 3)] : [0, 0, 4]);
  }
  assert.is(colourise(tensor([1, 2], [NaN, NaN])).zero, true);
});

test('colours: ends, middle, NaN and infinities', () => {
  const { picture } = colourise(tensor([1, 6], [0, 1, 2, -3, NaN, Infinity]), { clip: 100, colours: 'greys' });
  assert.equal(pixel(picture, 0), [0, 0, 0]);
  assert.equal(pixel(picture, 2), [255, 255, 255]);
  assert.equal(pixel(picture, 3), [0, 0, 0]);
  assert.equal(pixel(picture, 4), [0, 255, 0]);
  assert.equal(pixel(picture, 5), [255, 255, 255]);
  const half = pixel(picture, 1)[0];
  assert.ok(half > 100 && half < 160);
  // A sign and its opposite lie equally far from the middle of the table.
  const signed = colourise(tensor([1, 3], [-1, 1, 0]), { signed: true }).picture;
  const table = colourTable('rdbu');
  assert.equal(pixel(signed, 0), [...table.subarray(0, 3)]);
  assert.equal(pixel(signed, 1), [...table.subarray(-3)]);
  const range = { low: 0, high: 4, signed: false, zero: false };
  assert.equal(pixel(colourise(tensor([1, 1], [4]), { range, colours: 'greys' }).picture, 0), [255, 255, 255]);
  assert.throws(() => colourise(tensor([1, 1, 1], [0])), /expected a map \[H, W\], got 1x1x1/);
});

test('overlay: the photo in grey where the map is zero, the colour where it is not', () => {
  const picture: Picture = { width: 3, height: 1, data: Uint8Array.of(200, 200, 200, 200, 200, 200, 200, 200, 200) };
  const over = overlay(picture, tensor([1, 3], [0, 1, 2]), { clip: 100, opacity: 1, colours: 'viridis' });
  assert.equal(pixel(over, 0), [140, 140, 140]);
  assert.equal(pixel(over, 2), [0xfd, 0xe7, 0x25]);
  assert.equal(pixel(overlay(picture, zeros([1, 3])), 1), [140, 140, 140]);
  const signed = overlay(picture, tensor([1, 3], [-2, 0, 1]), { clip: 100, signed: true, opacity: 1 });
  const [minus, plus] = [pixel(signed, 0), pixel(signed, 2)];
  assert.ok(minus[2] > minus[0] && plus[0] > plus[2], 'blue for negative, red for positive');
  assert.equal(pixel(signed, 1), [140, 140, 140]);
  assert.throws(() => overlay(picture, zeros([3, 1])), /expected a map of the picture's 1x3 pixels, got 3x1/);
});

test('boxes are half-open and clipped to the picture; the picture given stays as it was', () => {
  const picture = noise(20, 10, 1);
  const kept = picture.data.slice();
  const drawn = drawBox(picture, { x0: 2, y0: 3, x1: 8, y1: 9 }, [255, 0, 0], 1);
  assert.equal(picture.data, kept);
  for (let y = 0; y < 10; y++) {
    for (let x = 0; x < 20; x++) {
      const inside = x >= 2 && x < 8 && y >= 3 && y < 9;
      const edge = inside && (x === 2 || x === 7 || y === 3 || y === 8);
      assert.equal(pixel(drawn, x, y), edge ? [255, 0, 0] : pixel(picture, x, y), `${x},${y}`);
    }
  }
  const beyond = drawBox(picture, { x0: -5, y0: -5, x1: 100, y1: 100 }, [1, 2, 3], 2);
  assert.equal(beyond.data, picture.data);
  assert.equal(drawBox(picture, { x0: 30, y0: 30, x1: 40, y1: 40 }, [1, 2, 3]).data, picture.data);
});

test('masks: outline, cut-out, dimming, and the mask itself', () => {
  const picture = noise(6, 5, 2);
  const mask = new Uint8Array(30);
  for (let y = 1; y < 4; y++) for (let x = 1; x < 5; x++) mask[6 * y + x] = 1;
  const outline = drawOutline(picture, mask, [9, 9, 9], 1);
  for (let y = 0; y < 5; y++) {
    for (let x = 0; x < 6; x++) {
      const border = mask[6 * y + x] && !(y === 2 && (x === 2 || x === 3));
      assert.equal(pixel(outline, x, y), border ? [9, 9, 9] : pixel(picture, x, y));
    }
  }
  const cut = cutout(picture, mask);
  for (let i = 0; i < 30; i++) {
    assert.equal([...cut.data.subarray(4 * i, 4 * i + 4)], mask[i] ? [...picture.data.subarray(3 * i, 3 * i + 3), 255] : [0, 0, 0, 0]);
  }
  const dimmed = dimOutside(picture, mask, 0);
  assert.equal(pixel(dimmed, 0, 0), [0, 0, 0]);
  assert.equal(pixel(dimmed, 1, 1), pixel(picture, 1, 1));
  assert.equal(pixel(maskPicture(mask, 6, 5), 1, 1), [255, 255, 255]);
  assert.throws(() => cutout(picture, new Uint8Array(29)), /mask: expected one value for each/);
});

test.run();
