/** Decoding: what sharp makes of the formats is made here, with sharp; of the shared data only photographs are read. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import type { CreateRaw, Sharp } from 'sharp';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError } from '../../src/errors.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { crc32 } from '../../src/image/png.ts';
import { uniform } from '../../src/verify/random.ts';
import { DATA, encode, failure, from, needsData, noise, scene } from './pictures.ts';

async function refused(bytes: Uint8Array, words: RegExp): Promise<void> {
  const error = await failure(() => decodeImage(bytes));
  assert.instance(error, FormatError);
  assert.match(error.message, /^image: expected [^\n]*, got [^\n]*\. [A-Z][^\n]*\.$/);
  assert.match(error.message, words);
}

const rgbOf = async (image: Sharp): Promise<number[]> => [...(await decodeImage(await image.toBuffer())).data];

test('decode: RGB bytes come back from PNG, lossless WebP and TIFF; 1x1 works', async () => {
  for (const [width, height] of [
    [1, 1],
    [7, 5],
  ]) {
    const picture = noise(width, height, 1);
    for (const file of [encode(picture).png(), encode(picture).webp({ lossless: true }), encode(picture).tiff({ compression: 'lzw' })]) {
      assert.equal(await decodeImage(await file.toBuffer()), picture);
    }
  }
  assert.equal(await rgbOf(from(1, 1, 3, [255, 0, 0]).gif()), [255, 0, 0]);
});

test('decode: a view into a larger buffer is read as the view', async () => {
  const picture = noise(6, 4, 2);
  const file = await encode(picture).png().toBuffer();
  const larger = new Uint8Array(file.length + 20);
  larger.set(file, 7);
  assert.equal(await decodeImage(larger.subarray(7, 7 + file.length)), picture);
});

test('decode: grey, 16-bit grey and palette', async () => {
  assert.equal(await rgbOf(from(2, 1, 1, [0, 130]).toColourspace('b-w').png()), [0, 0, 0, 130, 130, 130]);
  assert.equal(await rgbOf(from(2, 1, 1, [130, 130]).toColourspace('b-w').jpeg({ quality: 100 })), Array(6).fill(130));
  assert.equal(await rgbOf(from(2, 1, 1, [0x12ff, 0xffff], true).toColourspace('grey16').png()), [18, 18, 18, 255, 255, 255]);
  assert.equal(await rgbOf(from(2, 1, 3, [200, 30, 50, 1, 2, 3]).png({ palette: true, colours: 4, dither: 0 })), [200, 30, 50, 1, 2, 3]);
});

test('decode: alpha is composited over white', async () => {
  // 128/255 of 10 over white: 255 - 245 * 128 / 255 = 132.02.
  const rgba = [10, 20, 30, 0, 10, 20, 30, 128, 10, 20, 30, 255];
  const want = [255, 255, 255, 132, 137, 142, 10, 20, 30];
  for (const file of [from(3, 1, 4, rgba).png(), from(3, 1, 4, rgba).webp({ lossless: true, exact: true })]) {
    assert.equal(await rgbOf(file), want);
  }
  assert.equal(await rgbOf(from(2, 1, 2, [100, 255, 100, 0]).png()), [100, 100, 100, 255, 255, 255]);
  assert.equal(await rgbOf(from(1, 1, 4, [9, 9, 9, 0]).gif()), [255, 255, 255]);
});

test('decode: 16 bits keep their upper byte', async () => {
  const values = [0, 257, 0x1234, 65535, 65279, 33023];
  const want = values.map((value) => value >> 8);
  assert.equal(await rgbOf(from(2, 1, 3, values, true).toColourspace('rgb16').png()), want);
  assert.equal(await rgbOf(from(2, 1, 3, values, true).toColourspace('rgb16').tiff({ compression: 'none' })), want);
});

test('decode: CMYK and colour profiles become sRGB', async () => {
  const near = (got: number[], want: number[], tolerance: number): void =>
    want.forEach((value, i) => assert.ok(Math.abs(got[i] - value) <= tolerance, `expected ${want}, got ${got}`));
  const red = sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 200, g: 30, b: 50 } } });
  // A red that lies at the rim of the CMYK gamut: within what printing inks shift it by.
  near(await rgbOf(red.clone().toColourspace('cmyk').jpeg({ quality: 100 })), [200, 30, 50], 26);
  const p3 = await red.clone().withIccProfile('p3').png().toBuffer();
  const stored = await sharp(p3, { ignoreIcc: true }).raw().toBuffer();
  assert.ok(stored[0] < 190, 'the file holds Display P3 numbers');
  near([...(await decodeImage(p3)).data], [200, 30, 50], 1);
  for (const profile of ['p3', 'srgb']) {
    near(await rgbOf(red.clone().toColourspace('rgb16').withIccProfile(profile).png()), [200, 30, 50], 2);
  }
});

test('decode: EXIF orientations 1 to 8 come out upright', async () => {
  // 3 wide, 2 high, all pixels different; where(o) says which stored pixel shows at (x, y) of the upright picture.
  const [w, h] = [3, 2];
  const data = Array.from({ length: w * h }, (_, i) => [40 * i, 200 - 30 * i, 7 * i]).flat();
  const where: Record<number, (x: number, y: number) => [number, number]> = {
    1: (x, y) => [x, y],
    2: (x, y) => [w - 1 - x, y],
    3: (x, y) => [w - 1 - x, h - 1 - y],
    4: (x, y) => [x, h - 1 - y],
    5: (x, y) => [y, x],
    6: (x, y) => [y, h - 1 - x],
    7: (x, y) => [w - 1 - y, h - 1 - x],
    8: (x, y) => [w - 1 - y, x],
  };
  for (let orientation = 1; orientation <= 8; orientation++) {
    const turned = orientation > 4;
    const [width, height] = turned ? [h, w] : [w, h];
    const want: number[] = [];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [sx, sy] = where[orientation](x, y);
        want.push(...data.slice(3 * (sy * w + sx), 3 * (sy * w + sx) + 3));
      }
    }
    const got = await decodeImage(await from(w, h, 3, data).withMetadata({ orientation }).png().toBuffer());
    assert.equal(got, { width, height, data: Uint8Array.from(want) }, `orientation ${orientation}`);
    const jpeg = await decodeImage(await encode(scene(96, 64)).withMetadata({ orientation }).jpeg().toBuffer());
    assert.equal([jpeg.width, jpeg.height], turned ? [64, 96] : [96, 64], `orientation ${orientation} of a JPEG file`);
  }
});

test('decode: the first frame of an animation, the first page of many', async () => {
  const frames = [...Array(12).fill(250), ...Array(12).fill(3)];
  const raw = { width: 2, height: 4, channels: 3, pageHeight: 2 } as CreateRaw;
  const gif = await sharp(Uint8Array.from(frames), { raw }).gif().toBuffer();
  assert.equal((await sharp(gif).metadata()).pages, 2);
  assert.equal(await decodeImage(gif), { width: 2, height: 2, data: new Uint8Array(12).fill(250) });
});

test('decode: long pictures work, too large ones are refused before decoding', async () => {
  const long = await sharp({ create: { width: 20_000, height: 900, channels: 3, background: '#123' } })
    .jpeg()
    .toBuffer();
  const picture = await decodeImage(long);
  assert.equal([picture.width, picture.height], [20_000, 900]);
  // A header that promises 60,000 x 60,000 pixels over the data of 4.
  const bomb = Uint8Array.from(
    await encode(noise(2, 2, 3))
      .png()
      .toBuffer(),
  );
  const view = new DataView(bomb.buffer);
  view.setUint32(16, 60_000);
  view.setUint32(20, 60_000);
  view.setUint32(29, crc32(bomb.subarray(12, 29)));
  await refused(bomb, /at most 100 megapixels, got 60000 x 60000/);
});

test('decode: other files are named', async () => {
  const text = (value: string): Uint8Array => Uint8Array.from(value, (c) => c.charCodeAt(0));
  await refused(new Uint8Array(0), /an empty file/);
  await refused(text('hello'), /begins with the bytes 68 65 6c 6c 6f/);
  await refused(text('BM\x46\0\0\0\0\0\0\0\x36'), /BMP/);
  await refused(text('\0\0\0\x18ftypheic'), /HEIC/);
  await refused(text('<svg xmlns="http://www.w3.org/2000/svg"/>'), /SVG/);
  await refused(text('\x93NUMPY\x01\0'), /NumPy/);
  await refused(text('\x89PNG\r\n\x1a\n'), /PNG/);
  await refused(text('\xff\xd8\xff'), /JPEG/);
  await refused(text('RIFF\x04\0\0\0WEBP'), /WebP/);
  await refused(text('GIF89a'), /GIF/);
  await refused(text('II*\0'), /TIFF/);
});

test('decode: 32-bit channels are refused', async () => {
  const entries = [
    [256, 1],
    [257, 1],
    [258, 32],
    [259, 1],
    [262, 1],
    [273, 8],
    [277, 1],
    [278, 1],
    [279, 4],
    [339, 3],
  ];
  const view = new DataView(new ArrayBuffer(14 + 12 * entries.length + 4));
  view.setUint32(0, 0x49492a00);
  view.setUint32(4, 12, true);
  view.setFloat32(8, 0.5, true);
  view.setUint16(12, entries.length, true);
  entries.forEach(([tag, value], i) => {
    view.setUint16(14 + 12 * i, tag, true);
    view.setUint16(16 + 12 * i, 3, true);
    view.setUint32(18 + 12 * i, 1, true);
    view.setUint16(22 + 12 * i, value, true);
  });
  await refused(new Uint8Array(view.buffer), /8 or 16 bits a channel, got float/);
});

test('decode: truncated files are refused', async () => {
  const image = encode(scene(96, 64));
  const files: [string, Buffer][] = [
    ['PNG', await image.clone().png().toBuffer()],
    ['PNG', await image.clone().png({ progressive: true }).toBuffer()],
    ['JPEG', await image.clone().jpeg().toBuffer()],
    ['JPEG', await image.clone().jpeg({ progressive: true }).toBuffer()],
    ['WebP', await image.clone().webp().toBuffer()],
    ['GIF', await image.clone().gif().toBuffer()],
    ['TIFF', await image.clone().tiff({ compression: 'lzw' }).toBuffer()],
  ];
  for (const [name, file] of files) {
    for (const length of [20, Math.floor(file.length / 3), Math.floor(0.9 * file.length), file.length - 2]) {
      await refused(file.subarray(0, length), new RegExp(`whole ${name} file`));
    }
  }
});

test('decode: padding that cameras leave in JPEG files is no damage', async () => {
  const file = await encode(scene(96, 64)).jpeg().toBuffer();
  const want = await decodeImage(file);
  const segment = 2 + 2 + file.readUInt16BE(4);
  assert.equal(await decodeImage(Buffer.concat([file.subarray(0, segment), Buffer.alloc(3), file.subarray(segment)])), want);
  assert.equal(await decodeImage(Buffer.concat([file, Buffer.from('trailer')])), want);
  const jfif = Buffer.from('ffe000104a46494600090100000100010000', 'hex');
  assert.equal(await decodeImage(Buffer.concat([file.subarray(0, 2), jfif, file.subarray(2)])), want);
});

test('decode: a colour profile that makes no sense is no damage in a PNG file', async () => {
  for (const progressive of [false, true]) {
    const file = await encode(scene(96, 64)).png({ progressive }).toBuffer();
    const body = Buffer.concat([Buffer.from('iCCPx\0\0'), deflateSync(Buffer.alloc(300, 1))]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(body.length - 4, 0);
    frame.writeUInt32BE(crc32(body), 4);
    const odd = Buffer.concat([file.subarray(0, 33), frame.subarray(0, 4), body, frame.subarray(4), file.subarray(33)]);
    assert.equal(await decodeImage(odd), scene(96, 64));
  }
});

test('decode: 180 damaged files give a picture of sane size or one clear line, in time', async () => {
  const image = encode(scene(96, 64));
  const files = await Promise.all([
    image.clone().png().toBuffer(),
    image.clone().jpeg().toBuffer(),
    image.clone().jpeg({ progressive: true }).toBuffer(),
    image.clone().webp().toBuffer(),
    image.clone().webp({ lossless: true }).toBuffer(),
    image.clone().gif().toBuffer(),
  ]);
  const next = uniform(20);
  const pick = (n: number): number => Math.floor(n * next());
  const seen = { refused: 0, decoded: 0, slowest: 0 };
  for (const file of files) {
    for (let round = 0; round < 30; round++) {
      let bytes = Uint8Array.from(file);
      const kind = round % 5;
      // Half of the flips fall into the first 64 bytes, where the extents stand.
      if (kind < 2) bytes[kind === 0 ? pick(64) : pick(bytes.length)] ^= 1 << pick(8);
      else if (kind === 2) bytes = bytes.subarray(0, pick(bytes.length));
      else if (kind === 3) for (let k = 0; k < 8; k++) bytes[pick(bytes.length)] = pick(256);
      else {
        const at = pick(bytes.length - 16);
        bytes.copyWithin(at, pick(bytes.length - 16), bytes.length - 8);
      }
      const started = performance.now();
      try {
        const { width, height, data } = await decodeImage(bytes);
        assert.is(data.length, 3 * width * height);
        assert.is.not(kind, 2, 'a truncated file decoded');
        seen.decoded += 1;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        assert.match(error.message, /^image: expected [^\n]*, got [^\n]*\.$/);
        seen.refused += 1;
      }
      seen.slowest = Math.max(seen.slowest, performance.now() - started);
    }
  }
  assert.ok(seen.refused > 60 && seen.decoded > 10, JSON.stringify(seen));
  assert.ok(seen.slowest < 5000, `${seen.slowest} ms`);
});

needsData('decode: photographs of the field load', 'photos', async () => {
  const files = readdirSync(path.join(DATA, 'photos')).map((name) => path.join(DATA, 'photos', name));
  const folder = path.join(DATA, 'imagenet-val', 'images');
  if (existsSync(folder))
    files.push(
      ...readdirSync(folder)
        .sort()
        .slice(0, 20)
        .map((name) => path.join(folder, name)),
    );
  for (const file of files) {
    const picture = await decodeImage(readFileSync(file));
    const meta = await sharp(readFileSync(file)).metadata();
    assert.equal([picture.width, picture.height].sort(), [meta.width, meta.height].sort(), file);
  }
});

test.run();
