// What goes in and out of the lab: photos dropped, pasted and picked; pictures and numbers as files; the address.
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readNpyTensor } from '../../src/formats/npy.ts';
import { colourRange } from '../../src/image/colour.ts';
import { decodeImage } from '../../src/image/decode.ts';
import type { Picture } from '../../src/image/picture.ts';
import { readPngText } from '../../src/image/png.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { toPhoto } from '../../src/image/project.ts';
import type { Tensor } from '../../src/tensor.ts';
import { cutoutRows } from '../../src/visualise/cutout.ts';
import { overlayRows, whole } from '../../src/visualise/draw.ts';
import { localise } from '../../src/visualise/localise.ts';
import { encode, scene } from '../host/pictures.ts';
import { openPage } from './browser.ts';
import { hand, knob, openLab, sameBits, samePicture, save, savedMap, shown } from './visitor.ts';
import { startWorker } from './worker.ts';

const lab = await openLab();
const { address, browser, ready, map, network, spec, labels, aeroplane } = lab;
test.after(lab.close);

test('pictures are saved with their story, at full size', async () => {
  const { page, errors } = await ready('#photo=aeroplane');
  const frame = await map(aeroplane, {});
  const name = labels[frame.class!].replace(/^n\d+ /, '').split(',')[0];
  const { name: file, bytes } = await save(page, page.getByRole('button', { name: /saliency\.png$/ }));
  assert.is(file, `aeroplane-${name.replace(/\W+/g, '-').toLowerCase()}-saliency.png`);
  const range = colourRange(frame.frame);
  const text = readPngText(bytes);
  assert.match(text.Title, new RegExp(`^Saliency of class ${frame.class}, ${name}`));
  assert.match(text.Software, /^backlight \d/);
  assert.equal(
    [text.Model, text.Photo, text.Score, text.Posterior, text.Differentiated],
    ['paper-mini.json', 'aeroplane', String(frame.score), String(frame.posterior), 'score'],
  );
  assert.equal([text.Rule, text.Views, text.Reduction, text.Colours], ['gradient', '1', 'max over channels of |w|', 'inferno']);
  assert.is(text.Range, `${range.low} to ${range.high}`);
  assert.is(text.Clip, 'percentile 99.5 of the magnitudes that are not zero');
  assert.is(JSON.parse(text.Preprocess).channels, spec.channels);
  assert.is(text.Address, `${address}#photo=aeroplane`);
  samePicture(await decodeImage(bytes), whole(overlayRows(frame, { range, colours: 'inferno' }, aeroplane)));

  const onPhoto = await save(page, page.getByRole('button', { name: /map-on-the-photo\.npy$/ }));
  sameBits(readNpyTensor(onPhoto.bytes), toPhoto(frame.frame, frame.geometry, frame.counts), 'the map on the photo');

  const guided = await save(page, page.getByRole('button', { name: /signal-guided\.npy$/ }));
  const { gradient } = await network.gradient(preprocess(aeroplane, spec).input, { rule: 'guided' });
  sameBits(readNpyTensor(guided.bytes), gradient, 'the signal under guided');
  const sheet = readPngText((await save(page, page.getByRole('button', { name: /signal-guided\.png$/ }))).bytes);
  assert.equal([sheet.Rule, sheet.Score], ['guided', String(frame.score)]);

  const object = await save(page, page.getByRole('button', { name: /cut-out\.png$/ }));
  const [found] = await localise(network, aeroplane, spec);
  const rows = cutoutRows(found, aeroplane)!;
  const decoded = await sharp(object.bytes).raw().toBuffer();
  const want = Buffer.concat(Array.from(rows.rows, (row) => Buffer.from(row)));
  assert.ok(decoded.equals(want), 'the object cut out, with its alpha');
  assert.is(JSON.stringify(found.box), readPngText(object.bytes).Box);
  assert.equal(errors, []);
  await page.close();
});

test('where nothing is found, the reason is told', async () => {
  const { page, errors } = await ready();
  const dot = { width: 1, height: 1, data: Uint8Array.of(200, 90, 10) };
  await hand(page, 'drop', 'dot.png', await encode(dot).png().toBuffer());
  await page.getByText('dot.png, 1 × 1 pixels').waitFor();
  const [found] = await localise(network, dot, spec);
  assert.is(found.box, null);
  await page.getByText(`Nothing was found: ${found.reason}.`).waitFor();
  assert.is(await page.getByRole('button', { name: /cut-out\.png$/ }).count(), 0);
  assert.equal(errors, []);
  await page.close();
});

test('any picture and any tensor can be handed out', async () => {
  const { page, errors } = await openPage(browser, address);
  const ask = await startWorker(page);
  await ask('openModel', { name: 'default' });
  await ask('openPhoto', { name: 'file:a scene.png', bytes: new Uint8Array(await encode(scene(60, 40)).png().toBuffer()) });
  const picture = scene(20, 10);
  const png = await ask<Uint8Array>('encodePicture', { picture, title: 'A grid', words: { Layer: 'conv1 → 3' }, address });
  samePicture(await decodeImage(png), picture);
  const text = readPngText(png);
  assert.equal([text.Title, text.Layer, text.Photo, text.Address], ['A grid', 'conv1 → 3', 'a scene.png', address]);
  const tensor = { shape: [2, 3], data: Float32Array.of(1, -0, NaN, Infinity, 1e-45, 3) };
  sameBits(readNpyTensor(await ask<Uint8Array>('encodeTensor', { tensor })), tensor, 'a tensor');
  assert.equal(errors, []);
  await page.close();
});

test('files: dropped, pasted, picked twice; what is no photo is told and the earlier one stays', async () => {
  const { page, errors } = await ready();
  const extents = (words: string): Promise<void> => page.getByText(words).waitFor();
  await page.evaluate(
    `dispatchEvent(new DragEvent('dragenter', { dataTransfer: (() => { const d = new DataTransfer(); d.items.add(new File([], 'a')); return d; })() }))`,
  );
  await page.locator('.drop').waitFor();
  await hand(page, 'drop', 'one.png', await encode(scene(60, 40)).png().toBuffer());
  await extents('one.png, 60 × 40 pixels');
  assert.is(await page.locator('.drop').count(), 0);
  await hand(page, 'paste', 'image.png', await encode(scene(50, 70)).png().toBuffer());
  await extents('image.png, 50 × 70 pixels');

  const picker = page.getByLabel('a photo of your own');
  const file = { name: 'three.jpg', mimeType: 'image/jpeg', buffer: await encode(scene(30, 20)).jpeg().toBuffer() };
  await picker.setInputFiles(file);
  await extents('three.jpg, 30 × 20 pixels');
  await page.getByRole('button', { name: 'a mandrill' }).click();
  await extents('128 × 128 pixels');
  await picker.setInputFiles(file);
  await extents('three.jpg, 30 × 20 pixels');
  await page.locator('.busy.done').waitFor();

  const told = page.locator('.problems [role="alert"]');
  const png = await encode(scene(60, 40)).png().toBuffer();
  for (const [name, bytes, words] of [
    ['notes.png', Buffer.from('just a note'), /expected a PNG, JPEG, WebP or GIF file, got one that begins with the bytes 6a 75/],
    ['cut.png', png.subarray(0, png.length - 100), /expected a whole PNG file, got a damaged one/],
    ['empty.jpg', new Uint8Array(0), /got an empty file/],
  ] as const) {
    await hand(page, 'drop', name, bytes);
    await told.filter({ hasText: words }).waitFor();
    await extents('three.jpg, 30 × 20 pixels');
    assert.match(page.url(), /photo=file%3Athree\.jpg/);
    sameBits(await savedMap(page), (await map(await decodeImage(file.buffer), {})).frame, `the map after ${name}`);
  }
  await page.getByRole('button', { name: 'a mandrill' }).click();
  await told.waitFor({ state: 'detached' });
  assert.equal(errors, []);
  await page.close();
});

test('a shared address shows the same view, bit for bit', async () => {
  const { page, errors } = await ready();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'an aeroplane' }).click();
  await page.getByText('1024 × 717 pixels').waitFor();
  await page.locator('.classes tbody button').nth(2).click();
  await knob(page, 'ReLU').selectOption('guided');
  await knob(page, 'over channels').selectOption('signed');
  await knob(page, 'colours end at percentile').fill('97');
  await page.getByRole('button', { name: 'map', exact: true }).click();
  await page.getByRole('button', { name: 'Copy link' }).click();
  await page.getByText('copied', { exact: true }).waitFor();
  const link = (await page.evaluate('navigator.clipboard.readText()')) as string;
  assert.is(link, page.url());
  const [numbers, picture] = [await savedMap(page), await settled(page)];

  const again = await ready(new URL(link).hash);
  assert.is(again.page.url(), link);
  sameBits(await savedMap(again.page), numbers as Tensor, 'the map');
  samePicture(await settled(again.page), picture);

  await hand(page, 'drop', 'my own.png', await encode(scene(60, 40)).png().toBuffer());
  await page.getByText('my own.png, 60 × 40 pixels').waitFor();
  await page.getByRole('button', { name: 'Copy link' }).click();
  await page.getByText('It names my own.png but does not hold it').waitFor();
  await again.page.goto('about:blank');
  await again.page.goto(page.url());
  await again.page.getByText('made with my own.png, a file of its maker').waitFor();
  assert.equal([...errors, ...again.errors], []);
  await page.close();
  await again.page.close();
});

async function settled(page: Page): Promise<Picture> {
  await page.locator('section[aria-label="Saliency"][aria-busy="false"]').waitFor();
  return shown(page);
}

test.run();
