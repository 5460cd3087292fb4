// The panel Look, driven as a visitor would: its numbers and pictures are those of the engine under Node.
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readNpyTensor } from '../../src/formats/npy.ts';
import { colourRange } from '../../src/image/colour.ts';
import type { Picture } from '../../src/image/picture.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { posterior, ranked } from '../../src/network.ts';
import { DEFAULT_RULES, RULE_AXES, type RuleAxis, type RuleSpec } from '../../src/rule.ts';
import type { AnyTensor } from '../../src/tensor.ts';
import { overlayRows, whole } from '../../src/visualise/draw.ts';
import type { SaliencyOptions } from '../../src/visualise/saliency.ts';
import { encode, scene } from '../host/pictures.ts';
import { bits, hand, knob, openLab, pictureOf, sameBits, samePicture, save, saved, savedMap, shown } from './visitor.ts';

const lab = await openLab();
const { ready, map, network, spec, labels, mandrill, aeroplane } = lab;
const BARREL = labels.findIndex((label) => label.includes('barrel'));
const UMBRELLA = labels.findIndex((label) => label.includes('umbrella'));
test.after(lab.close);

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
      sameBits(got, (await map(mandrill, { classes: [BARREL], rule: { [axis]: rule } })).frame, `${axis} ${rule}`);
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
  sameBits(await savedMap(page), (await map(mandrill, { classes: [BARREL], rule: zeiler })).frame, 'a preset');
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
  sameBits(await savedMap(page), (await map(mandrill, { classes: [BARREL], rule: { at } })).frame, 'two overrides');
  await knob(page, 'rule of relu3').selectOption('guided');
  sameBits(await savedMap(page), (await map(mandrill, { classes: [BARREL], rule: { at: { ...at, relu3: 'guided' } } })).frame, 'changed');

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
  const { page, errors } = await ready('#class=' + BARREL);
  const drawn = async (options: SaliencyOptions, colours: 'inferno' | 'rdbu'): Promise<void> => {
    const frame = await map(mandrill, { ...options, classes: [BARREL] });
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
  await page.getByRole('heading', { name: 'What moves the log odds of barrel' }).waitFor();
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
  await heading('barrel');
  await page.locator('.classes tbody tr', { hasText: 'umbrella' }).hover();
  await heading('umbrella');
  sameBits(await mapWithoutPointer(page), (await map(mandrill, { classes: [UMBRELLA] })).frame, 'the class under the pointer');
  await page.locator('h1').hover();
  await heading('barrel');

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

test('the rule sheet shares one scale, or gives each its own', async () => {
  const { page, errors } = await ready();
  const sheet = page.getByRole('region', { name: 'Rule sheet' });
  const ends = await Promise.all(
    (['gradient', 'deconvnet', 'guided', 'linear'] as const).map(async (rule) => {
      const { gradient } = await network.gradient(preprocess(mandrill, spec).input, { target: BARREL, rule });
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

test.run();
