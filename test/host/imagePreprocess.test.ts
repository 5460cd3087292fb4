/** Resampling, preprocessing and back, the options and cards that say how, PNG files. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { inflateSync } from 'node:zlib';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, InputError } from '../../src/errors.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { resolvePreprocess } from '../../src/image/options.ts';
import type { Picture } from '../../src/image/picture.ts';
import { crc32, encodePng, readPngText } from '../../src/image/png.ts';
import type { Preprocess } from '../../src/image/preprocess.ts';
import { parsePreprocess, preprocess, PRESETS, toPicture } from '../../src/image/preprocess.ts';
import type { Span } from '../../src/image/resize.ts';
import { resize, taps } from '../../src/image/resize.ts';
import { tensor } from '../../src/tensor.ts';
import { DATA, encode, failure, needsData, noise, scene } from './pictures.ts';

const span = (source: number, to: number, start = 0, length = to): Span => ({ from: source, to, start, length });
const close = (got: ArrayLike<number>, want: readonly number[], tolerance = 1e-12): void => {
  assert.is(got.length, want.length);
  want.forEach((value, i) => assert.ok(Math.abs(got[i] - value) <= tolerance, `at ${i}: expected ${value}, got ${got[i]}`));
};
const row = (values: readonly number[]): Picture => {
  return { width: values.length, height: 1, data: Uint8Array.from(values.flatMap((v) => [v, v, v])) };
};
const firsts = (values: Float64Array): number[] => [...values].filter((_, i) => i % 3 === 0);

test('resize: 4 to 2 and 3 to 5 by hand', () => {
  // 4 to 2: centre 1, support 2, triangle at 1/2, 1/2, 3/2 of the first three pixels: 3/4, 3/4, 1/4 over 7/4.
  close(firsts(resize(row([7, 14, 70, 140]), span(4, 2), span(1, 1))), [(3 * 7 + 3 * 14 + 70) / 7, (14 + 3 * 70 + 3 * 140) / 7]);
  // 3 to 5: centres 0.3, 0.9, 1.5, 2.1, 2.7 over pixels centred at 0.5, 1.5, 2.5.
  close(firsts(resize(row([10, 20, 90]), span(3, 5), span(1, 1))), [10, 0.6 * 10 + 0.4 * 20, 20, 0.4 * 20 + 0.6 * 90, 90]);
  // The same down a column.
  const column = { width: 1, height: 4, data: row([7, 14, 70, 140]).data };
  close(firsts(resize(column, span(1, 1), span(4, 2))), [(3 * 7 + 3 * 14 + 70) / 7, (14 + 3 * 70 + 3 * 140) / 7]);
});

test('resize: identity is exact, weights sum to one, every source pixel counts the same', () => {
  const picture = noise(13, 9, 4);
  assert.equal([...resize(picture, span(13, 13), span(9, 9))], [...picture.data]);
  for (const [source, to] of [
    [1, 1],
    [1, 9],
    [9, 1],
    [5, 3],
    [97, 31],
    [31, 97],
    [512, 224],
    [4000, 256],
    [20_000, 7],
  ]) {
    const { first, at, values } = taps(span(source, to));
    const received = new Float64Array(source);
    for (let o = 0; o < to; o++) {
      let sum = 0;
      for (let k = at[o]; k < at[o + 1]; k++) {
        assert.ok(values[k] > 0);
        sum += values[k];
        received[first[o] + k - at[o]] += values[k];
      }
      assert.ok(Math.abs(sum - 1) < 1e-12);
    }
    // Energy: together the weights of a source pixel give its share to / from; exact for whole factors, away from the border.
    const factor = source / to;
    if (factor >= 1) for (const share of received) assert.ok(share > 0);
    if (Number.isInteger(factor)) {
      for (let j = Math.ceil(2 * factor); j < source - 2 * factor; j++) {
        assert.ok(Math.abs(received[j] - to / source) < 1e-12, `${source} to ${to} at ${j}`);
      }
    }
  }
});

test('resize: a ramp stays a ramp, a constant a constant', () => {
  const ramp = row(Array.from({ length: 240 }, (_, i) => i));
  for (const to of [60, 100, 480]) {
    const got = firsts(resize(ramp, span(240, to), span(1, 1)));
    const factor = 240 / to;
    // A triangle sampled at whole factors is symmetric about its centre: the value is that of the ramp there.
    if (Number.isInteger(factor) || factor < 1) {
      for (let o = 3; o < to - 3; o++) assert.ok(Math.abs(got[o] - ((o + 0.5) * factor - 0.5)) < 1e-9);
    }
    for (let o = 1; o < to; o++) assert.ok(got[o] >= got[o - 1]);
  }
  const grey = { width: 37, height: 23, data: new Uint8Array(3 * 37 * 23).fill(201) };
  for (const value of resize(grey, span(37, 11), span(23, 50))) assert.ok(Math.abs(value - 201) < 1e-10);
});

test('resize: a window is that part of the whole, bit for bit; rows and columns commute', () => {
  const picture = noise(41, 30, 5);
  const whole = resize(picture, span(41, 17), span(30, 19));
  const part = resize(picture, span(41, 17, 4, 6), span(30, 19, 11, 8));
  for (let y = 0; y < 8; y++) for (let i = 0; i < 18; i++) assert.is(part[18 * y + i], whole[51 * (y + 11) + 12 + i]);
  const turned = { width: 30, height: 41, data: new Uint8Array(picture.data.length) };
  for (let i = 0; i < 30 * 41; i++) {
    const [y, x] = [Math.floor(i / 41), i % 41];
    turned.data.set(picture.data.subarray(3 * i, 3 * i + 3), 3 * (30 * x + y));
  }
  const other = resize(turned, span(30, 19), span(41, 17));
  for (let y = 0; y < 19; y++) {
    for (let x = 0; x < 17; x++) assert.ok(Math.abs(other[3 * (19 * x + y)] - whole[3 * (17 * y + x)]) < 1e-10);
  }
});

const caffe = (size: [number, number], more: Partial<Preprocess> = {}): Preprocess => ({ ...PRESETS.caffe, size, ...more });

test('preprocess: presets by hand', () => {
  const picture: Picture = { width: 2, height: 1, data: Uint8Array.of(255, 128, 0, 1, 2, 3) };
  const bgr = preprocess(picture, caffe([1, 2]));
  assert.equal(bgr.input, tensor([1, 3, 1, 2], [0 - 104, 3 - 104, 128 - 117, 2 - 117, 255 - 123, 1 - 123]));
  const rgb = preprocess(picture, { ...PRESETS.torchvision, size: [1, 2] });
  assert.equal(rgb.input.shape, [1, 3, 1, 2]);
  // (1 - 0.485) / 0.229, (1/255 - 0.485) / 0.229, (128/255 - 0.456) / 0.224, ...
  close(rgb.input.data, [2.2489083, -2.1007793, 0.2051821, -2.0007003, -1.8044444, -1.7521569], 2e-7);
  const grey = preprocess(picture, { size: [1, 2], fit: 'squash', channels: 'grey', scale: 2, mean: [10], std: [4] });
  close(grey.input.data, [(2 * (0.299 * 255 + 0.587 * 128) - 10) / 4, (2 * (0.299 + 0.587 * 2 + 0.114 * 3) - 10) / 4], 1e-5);
});

test('preprocess: geometry of a crop follows torchvision', () => {
  // 500 x 375: the shorter side to 256, the longer to floor(256 * 500 / 375) = 341; cut at (341 - 224) / 2 = 58.5, to even 58, and at 16.
  const picture = noise(500, 375, 6);
  const { input, geometry } = preprocess(picture, { ...PRESETS.torchvision, size: [224, 224] });
  assert.equal(input.shape, [1, 3, 224, 224]);
  assert.equal(geometry.picture, [375, 500]);
  assert.equal(geometry.input, [224, 224]);
  close([geometry.x.scale, geometry.x.offset], [500 / 341, (58 * 500) / 341]);
  close([geometry.y.scale, geometry.y.offset], [375 / 256, (16 * 375) / 256]);
  const whole = resize(picture, span(500, 341), span(375, 256));
  const want = (whole[3 * (341 * (16 + 9) + 58 + 5) + 1] / 255 - 0.456) / 0.224;
  assert.is(input.data[224 * 224 + 224 * 9 + 5], Math.fround(want));
  // 259 - 224 = 35: halves go to the even side, here up.
  close([preprocess(noise(259, 256, 7), { ...PRESETS.torchvision, size: [224, 224] }).geometry.x.offset], [18]);
});

test('preprocess: a cut begins where it is told to, and must fit', () => {
  const picture = noise(227, 229, 7);
  const at = (cut?: readonly [number, number]): ReturnType<typeof preprocess> =>
    preprocess(picture, caffe([224, 224], { fit: 'crop', resize: 227, cut }));
  const { input, geometry } = at([1, 2]);
  close([geometry.y.scale, geometry.y.offset, geometry.x.scale, geometry.x.offset], [1, 1, 1, 2]);
  assert.is(input.data[224 * 9 + 5], picture.data[3 * (227 * (9 + 1) + 5 + 2) + 2] - 104);
  // Unless told, the middle: 3 / 2 and 5 / 2, both to the even 2.
  assert.equal(at().geometry, at([2, 2]).geometry);
  assert.not.throws(() => at([5, 3]));
  assert.throws(
    () => at([6, 0]),
    /cut of 224x224 inside the resized picture of 229x227, got one that begins at 6,0\. Begin at most at 5,3\./,
  );
  assert.throws(() => at([0, 4]), /begins at 0,4/);
});

test('preprocess: a bright dot is found again through the geometry', () => {
  for (const fit of ['crop', 'squash'] as const) {
    const picture = { width: 300, height: 200, data: new Uint8Array(3 * 300 * 200) };
    const [px, py] = [171, 83];
    picture.data.fill(255, 3 * (300 * py + px), 3 * (300 * py + px) + 3);
    const { input, geometry } = preprocess(picture, { size: [64, 96], fit, channels: 'grey', scale: 1, mean: [0], std: [1] });
    let [sum, sx, sy] = [0, 0, 0];
    input.data.forEach((value, i) => {
      sum += value;
      sx += value * (i % 96);
      sy += value * Math.floor(i / 96);
    });
    // The centre of mass of the dot, in picture pixels, is within the resampling's error of the dot's own centre.
    const x = geometry.x.scale * (sx / sum + 0.5) + geometry.x.offset;
    const y = geometry.y.scale * (sy / sum + 0.5) + geometry.y.offset;
    assert.ok(Math.abs(x - (px + 0.5)) < 0.5 && Math.abs(y - (py + 0.5)) < 0.5, `${fit}: ${x}, ${y}`);
  }
});

test('preprocess: a picture of the wanted size is taken as it is, and comes back', () => {
  const picture = noise(24, 16, 8);
  for (const fit of ['crop', 'squash'] as const) {
    for (const preset of [PRESETS.caffe, PRESETS.torchvision]) {
      const spec = { ...preset, fit, size: [16, 24] as const };
      const { input, geometry } = preprocess(picture, spec);
      assert.equal(
        [geometry.x, geometry.y],
        [
          { scale: 1, offset: 0 },
          { scale: 1, offset: 0 },
        ],
      );
      assert.equal(toPicture(input, spec), picture);
    }
  }
});

test('toPicture: clips, spreads grey, refuses other shapes and NaN', () => {
  const spec = caffe([1, 2]);
  assert.equal([...toPicture(tensor([1, 3, 1, 2], [-200, 999, 0.4, 0.6, Infinity, -Infinity]), spec).data], [255, 117, 0, 0, 118, 255]);
  const grey = { channels: 'grey', scale: 1, mean: [0], std: [1] } as const;
  assert.equal([...toPicture(tensor([1, 1, 1, 1], [77]), grey).data], [77, 77, 77]);
  assert.throws(() => toPicture(tensor([2, 3, 1, 1], new Float32Array(6)), spec), /expected an input of 1x3xHxW for bgr, got 2x3x1x1/);
  assert.throws(() => toPicture(tensor([1, 1, 1, 1], [NaN]), grey), /NaN/);
});

test('preprocess: what cannot be done is said', () => {
  const wrong: [Picture, Preprocess, RegExp][] = [
    [noise(30, 300, 1), caffe([20, 40], { fit: 'crop', resize: 30 }), /covers 20x40 .* got 300x30\. Raise resize to 40/],
    [noise(3, 3, 1), caffe([3, 3], { mean: [1] }), /preprocess: expected mean to be 3 numbers/],
    [{ width: 3, height: 3, data: new Uint8Array(26) }, caffe([3, 3]), /expected 27 bytes of RGB for 3 x 3 pixels, got 26/],
    [{ width: 0, height: 3, data: new Uint8Array(0) }, caffe([3, 3]), /at least 1, got 0 x 3/],
  ];
  for (const [picture, spec, words] of wrong) {
    assert.throws(
      () => preprocess(picture, spec),
      (e: Error) => e instanceof InputError && words.test(e.message),
      String(words),
    );
  }
  // Far from square: only the cut is computed, never the whole resized picture.
  const { input, geometry } = preprocess(noise(20_000, 1, 1), { ...PRESETS.torchvision, size: [224, 224] });
  assert.ok(input.data.every(Number.isFinite));
  close([geometry.x.scale, geometry.x.offset], [1 / 256, (20_000 - 224 / 256) / 2]);
});

test('preprocess: 12 megapixels in under a second', () => {
  const picture = noise(4000, 3000, 10);
  const started = performance.now();
  preprocess(picture, { ...PRESETS.torchvision, size: [224, 224] });
  const first = performance.now() - started;
  preprocess(picture, caffe([227, 227]));
  const ms = Math.min(first, performance.now() - started - first);
  console.log(`measured: 4000 x 3000 to 224 x 224 in ${ms.toFixed(0)} ms`);
  assert.ok(ms < 1000, `${ms} ms`);
});

needsData('golden: RGB bytes less the mean, exactly', 'golden', () => {
  const names = readdirSync(path.join(DATA, 'golden')).filter((name) => name.endsWith('.rgb.u8'));
  assert.ok(names.length > 0);
  for (const name of names) {
    const bytes = Uint8Array.from(readFileSync(path.join(DATA, 'golden', name)));
    const { input } = preprocess({ width: 227, height: 227, data: bytes }, caffe([227, 227]));
    const mean = [104, 117, 123];
    const plane = 227 * 227;
    for (let c = 0; c < 3; c++) {
      for (let i = 0; i < plane; i++) {
        if (input.data[c * plane + i] !== bytes[3 * i + 2 - c] - mean[c]) assert.unreachable(`${name} at ${c}, ${i}`);
      }
    }
  }
});

const card = { size: [224, 224], fit: 'crop', resize: 256, channels: 'rgb', scale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.2] };

test('card: read strictly, and every wrong field is named', () => {
  const { resize: _, ...least } = card;
  assert.equal(parsePreprocess(card, 'm.json'), card);
  assert.equal(parsePreprocess(least, 'm.json'), least);
  assert.equal(parsePreprocess({ ...card, cut: [0, 32] }, 'm.json'), { ...card, cut: [0, 32] });
  const wrong: [object | null | number, RegExp][] = [
    [null, /an object, got null/],
    [[], /an object, got \[\]/],
    [{ ...card, padding: 1 }, /unknown field "padding"/],
    [{ ...card, mean: undefined }, /mean/],
    [{ size: [2, 2] }, /got no fit, channels, scale, mean, std/],
    [{ ...card, size: 224 }, /size .* got 224/],
    [{ ...card, size: [224] }, /size/],
    [{ ...card, size: [224, 0] }, /size/],
    [{ ...card, size: [1e9, 224] }, /size/],
    [{ ...card, size: [22.5, 224] }, /size/],
    [{ ...card, fit: 'pad' }, /fit .* got "pad"/],
    [{ ...card, resize: 100 }, /resize .* 224 .* got 100/],
    [{ ...card, fit: 'squash' }, /no resize with fit "squash"/],
    [{ ...least, fit: 'squash', cut: [1, 1] }, /no cut with fit "squash", got \[1,1\]/],
    [{ ...card, cut: [1] }, /cut to be \[row, column\], .* got \[1\]/],
    [{ ...card, cut: [1, -1] }, /cut to be/],
    [{ ...card, cut: 1 }, /cut to be/],
    [{ ...card, channels: 'RGB' }, /channels/],
    [{ ...card, scale: 0 }, /scale/],
    [{ ...card, scale: '1' }, /scale/],
    [{ ...card, mean: [1, 2] }, /mean to be 3 numbers, .* got \[1,2\]/],
    [{ ...card, mean: [1, 2, null] }, /mean/],
    [{ ...card, std: [1, 0, 1] }, /std/],
    [{ ...card, std: [1, -1, 1] }, /std/],
    [{ ...card, channels: 'grey' }, /mean to be 1 number/],
  ];
  for (const [json, words] of wrong) {
    assert.throws(
      () => parsePreprocess(json, 'm.json'),
      (e: Error) => e instanceof FormatError && /^card: expected .* Mend preprocess in m\.json\.$/.test(e.message) && words.test(e.message),
      JSON.stringify(json),
    );
  }
});

test('options: laid over card and preset', () => {
  const shape = [1, 3, 224, 224];
  const given = parsePreprocess(card, 'm.json');
  assert.equal(resolvePreprocess(shape, given, {}), given);
  assert.equal(resolvePreprocess([1, 3, 227, 227], undefined, { preprocess: 'caffe' }), caffe([227, 227]));
  // A preset over a card: colours of the one, size and cut of the other.
  assert.equal(resolvePreprocess(shape, given, { preprocess: 'caffe' }), caffe([224, 224], { fit: 'crop', resize: 256 }));
  assert.equal(resolvePreprocess(shape, given, { size: '448' }), { ...given, size: [448, 448], resize: 512 });
  assert.equal(resolvePreprocess(shape, given, { size: '100x200', resize: '210' }), { ...given, size: [100, 200], resize: 210 });
  assert.equal(resolvePreprocess(shape, given, { fit: 'squash' }).resize, undefined);
  assert.equal(resolvePreprocess(shape, given, { cut: '1,2' }), { ...given, cut: [1, 2] });
  assert.equal(resolvePreprocess(shape, given, { cut: '1' }), { ...given, cut: [1, 1] });
  // A card's cut is a place in its own resized picture.
  const cut = { ...given, cut: [3, 4] as const };
  assert.equal(resolvePreprocess(shape, cut, { preprocess: 'torchvision' }).cut, [3, 4]);
  for (const other of [{ size: '448' }, { resize: '300' }, { fit: 'squash' }])
    assert.is(resolvePreprocess(shape, cut, other).cut, undefined);
  assert.equal(resolvePreprocess(shape, given, { channels: 'bgr', mean: '1,2,3' }), { ...given, channels: 'bgr', mean: [1, 2, 3] });
  assert.equal(resolvePreprocess(shape, undefined, { channels: 'rgb', mean: '0.5', scale: '1/255', std: '.5', fit: 'squash' }), {
    size: [224, 224],
    fit: 'squash',
    channels: 'rgb',
    scale: 1 / 255,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  });
  assert.equal(resolvePreprocess([1, 1, 28, 28], undefined, { mean: '0' }).channels, 'grey');
});

test('options: what is missing or wrong is named', () => {
  const shape = [1, 3, 224, 224];
  const given = parsePreprocess(card, 'm.json');
  const wrong: [number[], Preprocess | undefined, object, RegExp][] = [
    [shape, undefined, {}, /no --channels and no card/],
    [shape, undefined, { channels: 'rgb' }, /no --mean and no card/],
    [shape, undefined, { preprocess: 'torch' }, /caffe or torchvision, got "torch"/],
    [shape, given, { channels: 'bgr' }, /--mean in the order of --channels bgr, got 0.5,0.4,0.3 of rgb/],
    [shape, undefined, { preprocess: 'caffe', size: '224x' }, /--size/],
    [shape, undefined, { preprocess: 'caffe', size: '0' }, /size/],
    [shape, undefined, { preprocess: 'caffe', scale: '1/0' }, /--scale/],
    [shape, undefined, { preprocess: 'caffe', mean: '1,2' }, /mean to be 3 numbers/],
    [shape, undefined, { preprocess: 'caffe', mean: '1,,2' }, /--mean: expected a number/],
    [shape, undefined, { preprocess: 'caffe', fit: 'stretch' }, /fit/],
    [shape, undefined, { preprocess: 'caffe', cut: '1,1' }, /no cut with fit "squash"/],
    [shape, undefined, { preprocess: 'torchvision', cut: '1,2,3' }, /--cut: expected row,column, got "1,2,3"/],
    [shape, undefined, { preprocess: 'torchvision', cut: '1,x' }, /--cut: expected a number/],
    [shape, undefined, { preprocess: 'torchvision', cut: '-1,0' }, /cut to be/],
    [shape, undefined, { preprocess: 'caffe', channels: 'toString' }, /channels|mean/],
    [[1, 1, 28, 28], undefined, { preprocess: 'caffe' }, /shape 1x1x28x28, got bgr \(3\)/],
    [[1, 4, 28, 28], undefined, { preprocess: 'caffe' }, /Give a \.npy file/],
    [[1, 10], undefined, { preprocess: 'caffe' }, /\[N, C, H, W\], got 1x10/],
  ];
  for (const [input, from, options, words] of wrong) {
    assert.throws(
      () => resolvePreprocess(input, from, options),
      (e: Error) => e instanceof InputError && !e.message.includes('\n') && words.test(e.message),
      JSON.stringify(options),
    );
  }
});

test('png: pixels and text come back; the file is small and whole', async () => {
  const text = { Title: 'Saliency', Comment: 'max |dS/dI|, clip 99.5 %\nsecond line', Author: 'Zoë', Rule: 'χ → ∂S/∂I', Empty: '' };
  for (const picture of [noise(1, 1, 1), noise(17, 9, 2), scene(96, 64)]) {
    const file = await encodePng(picture, text);
    assert.equal(await decodeImage(file), picture);
    assert.equal(readPngText(file), text);
    assert.equal(readPngText(await encodePng(picture)), {});
    assert.equal(Buffer.from(file), Buffer.from(await encodePng(picture, text)));
  }
  const rgba = { width: 2, height: 2, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 255, 13, 14, 15, 128) };
  const read = await sharp(await encodePng(rgba))
    .raw()
    .toBuffer({ resolveWithObject: true });
  assert.equal([read.info.channels, ...read.data], [4, ...rgba.data]);
  const own = (await encodePng(scene(96, 64))).length;
  const theirs = (await encode(scene(96, 64)).png().toBuffer()).length;
  assert.ok(own < 1.3 * theirs, `${own} bytes against ${theirs}`);
  // The compressed stream is one row number and one row after another.
  const file = Buffer.from(await encodePng(noise(5, 3, 9)));
  const at = file.indexOf('IDAT');
  assert.is(inflateSync(file.subarray(at + 4, at + 4 + file.readUInt32BE(at - 4))).length, 3 * 16);
});

test('png: what others write is read, and damage is seen', async () => {
  const file = await encodePng(noise(3, 3, 1), { Title: 'value' });
  const theirs = await encode(noise(3, 3, 1))
    .png()
    .toBuffer();
  assert.equal(readPngText(theirs), {});
  assert.is(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
  for (const cut of [0, 7, 30, file.length - 1]) {
    assert.throws(
      () => readPngText(file.subarray(0, cut)),
      (e: Error) => e instanceof FormatError,
    );
  }
  const flipped = Uint8Array.from(file);
  flipped[Buffer.from(file).indexOf('value')] ^= 1;
  assert.throws(() => readPngText(flipped), /check sum/);
  for (const keyword of ['', ' a', 'a ', 'a  b', 'a\nb', '日本', 'x'.repeat(80)]) {
    assert.instance(await failure(() => encodePng(noise(1, 1, 1), { [keyword]: 'v' })), InputError, keyword);
  }
  assert.instance(await failure(() => encodePng(noise(1, 1, 1), { a: 'b\0c' })), InputError);
  assert.instance(await failure(() => encodePng(noise(1, 1, 1), { a: '\ud800' })), InputError);
  const short = await failure(() => encodePng({ width: 2, height: 2, data: new Uint8Array(8) }));
  assert.match(short.message, /12 bytes of RGB or 16 of RGBA .* got 8/);
  assert.instance(await failure(() => encodePng({ width: 0, height: 2, data: new Uint8Array(0) })), InputError);
});

test.run();
