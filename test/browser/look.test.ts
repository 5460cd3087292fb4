// The panel Look, driven as a visitor would: its numbers and pictures are those of the engine under Node.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { readNpyTensor } from '../../src/formats/npy.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { colourRange } from '../../src/image/colour.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { pictureSpec } from '../../src/image/modelInput.ts';
import type { Picture } from '../../src/image/picture.ts';
import { readPngText } from '../../src/image/png.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { toPhoto } from '../../src/image/project.ts';
import { loadModel } from '../../src/models/model.ts';
import { Network, posterior, ranked } from '../../src/network.ts';
import { DEFAULT_RULES, RULE_AXES, type RuleAxis, type RuleSpec } from '../../src/rule.ts';
import type { AnyTensor, Tensor } from '../../src/tensor.ts';
import { cutoutRows } from '../../src/visualise/cutout.ts';
import { overlayRows, whole } from '../../src/visualise/draw.ts';
import { localise } from '../../src/visualise/localise.ts';
import { saliencyFrames, type SaliencyOptions } from '../../src/visualise/saliency.ts';
import { encode, scene } from '../host/pictures.ts';
import { openBrowser, openPage } from './browser.ts';

const folder = process.env.BACKLIGHT_LAB ?? 'dist/lab';
const server = await listen(folder, 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
const browser = await openBrowser();

const gpu = await openDevice({ adapter: 'software' });
const model = await loadModel('weights/paper-mini.json');
const spec = pictureSpec(model, {});
const { graph, parameters } = model.at({ [model.input.name]: [1, 3, ...spec.size] });
const network = new Network(gpu, graph, parameters, 20);
const labels = model.card.labels!;
const PEPPER = labels.findIndex((label) => label.includes('bell pepper'));
const UMBRELLA = labels.findIndex((label) => label.includes('umbrella'));
const mandrill = await decodeImage(readFileSync(path.join(folder, 'samples', 'mandrill.png')));
const aeroplane = await decodeImage(readFileSync(path.join(folder, 'samples', 'aeroplane.jpg')));

test.after(async () => {
  await browser.close();
  server.close();
  await network.dispose();
  gpu.dispose();
});

const map = async (photo: Picture, options: SaliencyOptions) => (await saliencyFrames(network, photo, spec, options))[0];

async function ready(hash = ''): Promise<{ page: Page; errors: string[] }> {
  const opened = await openPage(browser, address + hash);
  opened.page.setDefaultTimeout(60_000);
  await saved(opened.page).waitFor();
  return opened;
}

/** The button that saves the map, which is there once there is a class. */
const saved = (page: Page): Locator => page.getByRole('button', { name: /map-on-the-input\.npy$/ });

/** What a button hands out, and under which name. */
async function save(page: Page, button: Locator): Promise<{ name: string; bytes: Uint8Array }> {
  const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
  return { name: download.suggestedFilename(), bytes: new Uint8Array(readFileSync(await download.path())) };
}

const bits = ({ data }: AnyTensor): Int32Array => new Int32Array(data.buffer, data.byteOffset, data.length);

function sameBits(got: AnyTensor, want: Tensor, what: string): void {
  assert.equal(got.shape, want.shape, what);
  const [a, b] = [bits(got), bits(want)];
  const differing = a.reduce((n, v, i) => n + Number(v !== b[i]), 0);
  assert.is(differing, 0, `${what}: ${differing} of ${a.length} numbers differ from those under Node`);
}

function samePicture(got: Picture, want: Picture): void {
  assert.equal([got.width, got.height], [want.width, want.height]);
  const differing = got.data.reduce((n, v, i) => n + Number(v !== want.data[i]), 0);
  assert.is(differing, 0, `${differing} bytes differ`);
}

const savedMap = async (page: Page): Promise<AnyTensor> => readNpyTensor((await save(page, saved(page))).bytes);

/** The last of the canvases that a selector finds, as it stands. */
async function pictureOf(page: Page, canvas: string): Promise<Picture> {
  // A text, since the page's types are not those of the tests.
  const address = (await page.evaluate(`[...document.querySelectorAll(${JSON.stringify(canvas)})].pop().toDataURL('image/png')`)) as string;
  return decodeImage(Buffer.from(address.slice(address.indexOf(',') + 1), 'base64'));
}

/** What the map's canvas shows. */
const shown = (page: Page): Promise<Picture> => pictureOf(page, 'section[aria-label="Saliency"] .figure canvas');

const knob = (page: Page, name: string): Locator =>
  page.getByRole('combobox', { name, exact: true }).or(page.getByRole('spinbutton', { name, exact: true }));

/** Drops, or pastes, a file on the page, as the browser would. */
async function hand(page: Page, how: 'drop' | 'paste', name: string, bytes: Uint8Array): Promise<void> {
  const base64 = Buffer.from(bytes).toString('base64');
  await page.evaluate(`(() => {
    const bytes = Uint8Array.from(atob(${JSON.stringify(base64)}), (c) => c.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], ${JSON.stringify(name)}));
    const options = { bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data };
    const event = ${JSON.stringify(how)} === 'drop' ? new DragEvent('drop', options) : new ClipboardEvent('paste', options);
    document.querySelector('h1').dispatchEvent(event);
  })()`);
}

test('scores, posteriors and gradients of three photos have the bits of the engine under Node', async () => {
  const { page, errors } = await ready();
  const own = scene(300, 200);
  const photos: readonly [string, Picture, () => Promise<void>][] = [
    ['mandrill', mandrill, async () => {}],
    ['aeroplane', aeroplane, async () => page.getByRole('button', { name: 'an aeroplane' }).click()],
    ['my scene', own, async () => hand(page, 'drop', 'my scene.png', await encode(own).png().toBuffer())],
  ];
  for (const [name, photo, open] of photos) {
    await open();
    await page.getByText(`${photo.width} × ${photo.height} pixels`).waitFor();
    await page.locator('.busy.done').waitFor();
    const { input } = preprocess(photo, spec);
    const scores = await network.scores(input);
    const [best] = ranked(scores.data);
    sameBits(readNpyTensor((await save(page, page.getByRole('button', { name: /scores\.npy$/ }))).bytes), scores, `scores of ${name}`);
    const file = await save(page, page.getByRole('button', { name: /(?<!signal)-gradient\.npy$/ }));
    sameBits(readNpyTensor(file.bytes), (await network.gradient(input, { target: best })).gradient, `gradient of ${name}`);
    const row = page.locator('.classes tbody tr').first();
    assert.is(await row.locator('td').nth(0).innerText(), scores.data[best].toFixed(2));
    assert.is(await row.locator('td').nth(1).innerText(), posterior(scores.data)[best].toFixed(3));
  }
  assert.equal(errors, []);
  await page.close();
});

test('every rule of every axis gives the map that it gives under Node', async () => {
  const { page, errors } = await ready();
  const maps = new Map<string, string>();
  const words: Readonly<Record<RuleAxis, string>> = { relu: 'ReLU', zero: 'ReLU at zero', maxpool: 'max-pool', lrn: 'LRN' };
  for (const axis of Object.keys(RULE_AXES) as RuleAxis[]) {
    for (const rule of RULE_AXES[axis]) {
      await knob(page, words[axis]).selectOption(rule);
      const got = await savedMap(page);
      sameBits(got, (await map(mandrill, { classes: [PEPPER], rule: { [axis]: rule } })).frame, `${axis} ${rule}`);
      maps.set(`${axis} ${rule}`, bits(got).join());
    }
    await knob(page, words[axis]).selectOption(DEFAULT_RULES[axis]);
  }
  const gradient = maps.get('relu gradient');
  assert.is(
    new Set(['gradient', 'deconvnet', 'guided', 'linear'].map((rule) => maps.get(`relu ${rule}`))).size,
    4,
    'four rules, four maps',
  );
  for (const same of ['zero closed', 'maxpool switches', 'maxpool first', 'lrn gradient']) assert.is(maps.get(same), gradient, same);
  for (const other of ['maxpool centre', 'lrn identity']) assert.is.not(maps.get(other), gradient, other);

  await knob(page, 'as in').selectOption('zeiler-fergus');
  assert.match(page.url(), /relu=deconvnet&lrn=identity$/);
  const zeiler: RuleSpec = { relu: 'deconvnet', lrn: 'identity' };
  sameBits(await savedMap(page), (await map(mandrill, { classes: [PEPPER], rule: zeiler })).frame, 'a preset');
  await page.getByRole('button', { name: 'Back to defaults' }).click();
  assert.is(maps.get('relu gradient'), bits(await savedMap(page)).join());
  assert.equal(errors, []);
  await page.close();
});

test('rules of single layers: obeyed, in the address, and told when they name no layer', async () => {
  const { page, errors } = await ready();
  const add = async (layer: string, rule: string): Promise<void> => {
    await page.getByLabel('a layer, or a pattern with * and ?').fill(layer);
    await knob(page, 'its rule').selectOption(rule);
    await page.getByRole('button', { name: 'Add' }).click();
  };
  await add('relu3', 'linear');
  await add('pool*', 'centre');
  assert.is(decodeURIComponent(new URL(page.url()).hash), '#photo=mandrill&at=relu3=linear&at=pool*=centre'.replace('photo=mandrill&', ''));
  const at = { relu3: 'linear', 'pool*': 'centre' };
  sameBits(await savedMap(page), (await map(mandrill, { classes: [PEPPER], rule: { at } })).frame, 'two overrides');
  await knob(page, 'rule of relu3').selectOption('guided');
  sameBits(await savedMap(page), (await map(mandrill, { classes: [PEPPER], rule: { at: { ...at, relu3: 'guided' } } })).frame, 'changed');

  await add('conv1', 'linear');
  const problem = page.locator('.layer-rules [role="alert"]');
  await problem.waitFor();
  assert.match(await problem.innerText(), /expected the name of a ReLU, got "conv1", which is conv2d\. ReLUs here: "relu1"/);
  assert.is(await page.locator('.panel [role="alert"]').count(), 1, 'told once');
  await page.getByRole('button', { name: 'no rule of its own for conv1' }).click();
  await problem.waitFor({ state: 'detached' });
  assert.equal(errors, []);
  await page.close();
});

test('what is drawn: the picture, its legend, its words; ten views, signs, log odds', async () => {
  const { page, errors } = await ready('#class=' + PEPPER);
  const drawn = async (options: SaliencyOptions, colours: 'inferno' | 'rdbu'): Promise<void> => {
    const frame = await map(mandrill, { ...options, classes: [PEPPER] });
    const range = colourRange(frame.frame, { signed: options.reduce === 'signed' });
    await page.locator('.legend .number').getByText(range.high.toPrecision(3), { exact: true }).waitFor();
    await page.locator('section[aria-label="Saliency"][aria-busy="false"]').waitFor();
    samePicture(await shown(page), whole(overlayRows(frame, { range, colours }, mandrill)));
  };
  await drawn({}, 'inferno');
  await knob(page, 'views').selectOption('10');
  await drawn({ views: 10 }, 'inferno');
  await page.getByText('means of ten views').waitFor();
  await knob(page, 'over channels').selectOption('signed');
  assert.is(await knob(page, 'colours').inputValue(), 'rdbu');
  await drawn({ views: 10, reduce: 'signed' }, 'rdbu');
  await knob(page, 'differentiate').selectOption('logodds');
  await drawn({ views: 10, reduce: 'signed', score: 'logodds' }, 'rdbu');
  await page.getByRole('heading', { name: 'What moves the log odds of bell pepper' }).waitFor();
  await knob(page, 'over channels').selectOption('max');
  assert.is(await knob(page, 'colours').inputValue(), 'inferno');
  await page.getByRole('button', { name: 'photo', exact: true }).click();
  samePicture(await shown(page), mandrill);
  assert.equal(errors, []);
  await page.close();
});

test('the class under the pointer, by keyboard, and any class by name', async () => {
  const { page, errors } = await ready();
  const heading = (name: string): Promise<void> =>
    page.getByRole('heading', { name: `What moves the score of ${name}`, exact: true }).waitFor();
  await heading('bell pepper');
  await page.locator('.classes tbody tr', { hasText: 'umbrella' }).hover();
  await heading('umbrella');
  sameBits(await mapWithoutPointer(page), (await map(mandrill, { classes: [UMBRELLA] })).frame, 'the class under the pointer');
  await page.locator('h1').hover();
  await heading('bell pepper');

  await page.locator('.classes tbody button').first().focus();
  await page.keyboard.press('ArrowDown');
  await heading('umbrella');
  await page.keyboard.press('Enter');
  assert.is(await page.locator('.classes button[aria-pressed="true"]').innerText(), 'umbrella');
  assert.match(page.url(), new RegExp(`class=${UMBRELLA}$`));

  await page.getByLabel('any class, by name or number').fill('goose');
  await page.keyboard.press('Enter');
  await heading('goose');
  assert.is(await page.locator('.classes tbody tr').count(), 6);
  await page.getByLabel('any class, by name or number').fill('gose');
  await page.keyboard.press('Enter');
  assert.match(
    await page.locator('.any-class [role="alert"]').innerText(),
    /expected a class of this model, got "gose"\. The nearest are .*goose/,
  );
  assert.equal(errors, []);
  await page.close();
});

/** The map that is saved while the pointer stays where it is: a press on the button is sent to it without a mouse. */
async function mapWithoutPointer(page: Page): Promise<AnyTensor> {
  const [download] = await Promise.all([page.waitForEvent('download'), saved(page).dispatchEvent('click')]);
  return readNpyTensor(new Uint8Array(readFileSync(await download.path())));
}

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
  const decoded = await (await import('sharp')).default(object.bytes).raw().toBuffer();
  const want = Buffer.concat(Array.from(rows.rows, (row) => Buffer.from(row)));
  assert.ok(decoded.equals(want), 'the object cut out, with its alpha');
  assert.is(JSON.stringify(found.box), readPngText(object.bytes).Box);
  assert.equal(errors, []);
  await page.close();
});

test('the rule sheet shares one scale, or gives each its own', async () => {
  const { page, errors } = await ready();
  const sheet = page.getByRole('region', { name: 'Rule sheet' });
  const ends = await Promise.all(
    (['gradient', 'deconvnet', 'guided', 'linear'] as const).map(async (rule) => {
      const { gradient } = await network.gradient(preprocess(mandrill, spec).input, { target: PEPPER, rule });
      return colourRange(gradient, { signed: true }).high.toPrecision(2);
    }),
  );
  await sheet.getByText(`Colours end at ±${ends[0]} in all four`).waitFor();
  const captions = await sheet.locator('figcaption').allInnerTexts();
  ends.forEach((end, i) => assert.ok(captions[i].includes(`own range ±${end}`), `${captions[i]} has ${end}`));
  /** The share of the linear rule's bytes that lie at an end: most under the gradient's scale, few under its own. */
  const clipped = async (): Promise<number> => {
    const bytes = (await pictureOf(page, 'section[aria-label="Rule sheet"] canvas')).data;
    return bytes.filter((v) => v === 0 || v === 255).length / bytes.length;
  };
  assert.ok((await clipped()) > 0.5);
  await knob(page, 'colours end').selectOption('own');
  await sheet.getByText('Colours end where each signal’s own range does').waitFor();
  await page.locator('section[aria-label="Rule sheet"][aria-busy="false"]').waitFor();
  assert.ok((await clipped()) < 0.05);
  assert.match(page.url(), /scale=own$/);
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
