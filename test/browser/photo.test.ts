// The browser's decoders against sharp's, pixel for pixel, and what is said of files that are no photos.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { decodeImage } from '../../src/image/decode.ts';
import type { Picture } from '../../src/image/picture.ts';
import { crc32 } from '../../src/image/png.ts';
import { encode, failure, from, noise, scene } from '../host/pictures.ts';
import { openBrowser, openPage } from './browser.ts';
import { startWorker } from './worker.ts';

const folder = process.env.BACKLIGHT_LAB ?? 'dist/lab';
const server = await listen(folder, 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
const browser = await openBrowser();
const { page, errors } = await openPage(browser, address);
const ask = await startWorker(page);
test.after(async () => {
  await browser.close();
  server.close();
});

interface Opened {
  readonly width: number;
  readonly height: number;
  readonly picture: Picture;
}

const open = (bytes: Uint8Array): Promise<Opened> => ask<Opened>('openPhoto', { name: 'a photo', bytes: new Uint8Array(bytes) });

/** The largest difference of a byte from what sharp decodes. */
async function difference(bytes: Uint8Array, want?: Picture): Promise<number> {
  const expected = want ?? (await decodeImage(bytes));
  const { picture } = await open(bytes);
  assert.equal([picture.width, picture.height], [expected.width, expected.height]);
  return expected.data.reduce((most, value, i) => Math.max(most, Math.abs(value - picture.data[i])), 0);
}

const sample = (name: string): Uint8Array => readFileSync(path.join(folder, 'samples', name));

test('the samples are the pixels of the command line', async () => {
  // The mandrill loses its colour profile when the page is built; what is compared is the file that the package brings.
  const mandrill = createRequire(import.meta.url)('baboon-image-uri') as string;
  const original = Buffer.from(mandrill.slice(mandrill.indexOf(',') + 1), 'base64');
  assert.is(await difference(sample('mandrill.png'), await decodeImage(original)), 0);
  assert.is(await difference(sample('aeroplane.jpg')), 0);
});

test('formats are decoded to the same pixels: lossless ones, JPEG, lossy WebP; grey, palettes, 16 bits', async () => {
  const picture = scene(97, 65);
  const files = {
    png: encode(noise(33, 20, 1)).png(),
    interlaced: encode(noise(33, 20, 1)).png({ progressive: true }),
    palette: encode(picture).png({ palette: true, colours: 16 }),
    'grey of 16 bits': from(
      256,
      1,
      1,
      Array.from({ length: 256 }, (_, i) => 257 * i),
      true,
    )
      .toColourspace('grey16')
      .png(),
    'RGB of 16 bits': from(
      64,
      1,
      3,
      Array.from({ length: 192 }, (_, i) => 340 * i),
      true,
    )
      .toColourspace('rgb16')
      .png(),
    jpeg: encode(picture).jpeg({ quality: 80 }),
    'jpeg without subsampling': encode(picture).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }),
    'progressive jpeg': encode(picture).jpeg({ progressive: true }),
    'grey jpeg': encode(picture).greyscale().jpeg(),
    webp: encode(noise(33, 20, 4)).webp({ lossless: true }),
    'lossy webp': encode(picture).webp({ quality: 80 }),
    gif: encode(picture).gif(),
  };
  for (const [name, file] of Object.entries(files)) assert.is(await difference(await file.toBuffer()), 0, name);
});

test('a gamma that a PNG claims is not applied, as on the command line', async () => {
  const png = await encode(noise(16, 16, 2))
    .png()
    .toBuffer();
  const gamma = Buffer.alloc(16);
  gamma.writeUInt32BE(4);
  gamma.write('gAMA', 4, 'latin1');
  gamma.writeUInt32BE(100_000, 8);
  gamma.writeUInt32BE(crc32(gamma.subarray(4, 12)), 12);
  assert.is(await difference(Buffer.concat([png.subarray(0, 33), gamma, png.subarray(33)])), 0);
});

test('EXIF orientations 1 to 8 come out upright', async () => {
  for (let orientation = 1; orientation <= 8; orientation++) {
    const turned = encode(scene(96, 64)).withMetadata({ orientation });
    assert.is(await difference(await turned.clone().jpeg().toBuffer()), 0, `JPEG ${orientation}`);
    assert.is(await difference(await turned.clone().png().toBuffer()), 0, `PNG ${orientation}`);
  }
});

test('transparent pixels show white, half-transparent ones differ by one at most, and so do those of a colour profile', async () => {
  const rgba = Array.from({ length: 4 * 64 * 64 }, (_, i) => (i * 7919) % 256);
  const clear = rgba.map((value, i) => (i % 4 === 3 ? (value < 128 ? 0 : 255) : value));
  assert.is(await difference(await from(64, 64, 4, clear).png().toBuffer()), 0);
  assert.is(await difference(await from(64, 64, 4, rgba).png().toBuffer()), 1);
  for (const file of [encode(scene(64, 64)).withIccProfile('p3').png(), encode(scene(64, 64)).withIccProfile('p3').jpeg()])
    assert.ok((await difference(await file.toBuffer())) <= 1);
});

test('a photo of twelve megapixels is shown as a copy of one', async () => {
  const { width, height, picture } = await open(await encode(scene(4000, 3000)).jpeg().toBuffer());
  assert.equal([width, height], [4000, 3000]);
  assert.ok(picture.width * picture.height <= 1.01 * 2 ** 20);
  assert.is(Math.round((1000 * picture.width) / picture.height), 1333);
});

test('what is no photo, or a damaged one, is refused in the words of the command line', async () => {
  const text = (value: string): Uint8Array => Uint8Array.from(value, (c) => c.charCodeAt(0));
  const png = await encode(noise(40, 30, 1))
    .png()
    .toBuffer();
  const flipped = Uint8Array.from(png);
  flipped[400] ^= 16;
  const huge = Uint8Array.from(png);
  const view = new DataView(huge.buffer);
  view.setUint32(16, 60_000);
  view.setUint32(20, 60_000);
  view.setUint32(29, crc32(huge.subarray(12, 29)));
  const webp = await encode(scene(97, 65)).webp().toBuffer();
  const gif = await encode(scene(97, 65)).gif().toBuffer();
  const cases: readonly [Uint8Array, RegExp][] = [
    [text('hello'), /^image: expected a PNG, JPEG, WebP or GIF file, got one that begins with the bytes 68 65 6c 6c 6f\. Save/],
    [new Uint8Array(0), /got an empty file/],
    [png.subarray(0, 500), /expected a whole PNG file, got a damaged one \(it ends before/],
    [flipped, /expected a whole PNG file, got a damaged one/],
    [png.subarray(0, 20), /expected a whole PNG file, got a damaged one/],
    [huge, /at most 100 megapixels, got 60000 x 60000\. Shrink/],
    [sample('aeroplane.jpg').subarray(0, 60_000), /expected a whole JPEG file, got a damaged one \(it ends before/],
    [webp.subarray(0, 300), /expected a whole WebP file/],
    [gif.subarray(0, 1500), /expected a whole GIF file/],
    [
      await encode(noise(4, 3, 1))
        .tiff()
        .toBuffer(),
      /got a TIFF file, which is not read here\. Save the picture as a PNG/,
    ],
    [text('\0\0\0\x18ftypheic'), /got a HEIC or AVIF file\. Save the picture as a PNG/],
    [await encode(scene(9, 9)).toColourspace('cmyk').jpeg().toBuffer(), /got a CMYK file, .*\. Save the picture as a PNG/],
  ];
  for (const [bytes, words] of cases) assert.match((await failure(() => open(bytes))).message, words);
});

test('the console is free of errors', () => assert.equal(errors, []));

test.run();
