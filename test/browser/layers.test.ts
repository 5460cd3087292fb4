// The layer explorer in a real browser: its numbers and signals are the engine's under Node, its boxes lie where they should, and a view comes back.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph } from '../../src/graph.ts';
import { pictureSpec } from '../../src/image/modelInput.ts';
import type { Picture } from '../../src/image/picture.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { receptiveFields } from '../../src/inspect/field.ts';
import { inspect } from '../../src/inspect/inspect.ts';
import { brief } from '../../src/lab/page/layers/numbers.ts';
import type { LayerTable } from '../../src/lab/worker/exploreLayers.ts';
import type { UnitSheet } from '../../src/lab/worker/exploreUnitSheet.ts';
import type { Descent } from '../../src/lab/worker/exploreWalk.ts';
import { loadModel } from '../../src/models/model.ts';
import { Network } from '../../src/network.ts';
import { DEFAULT_RULES, RULES, type Rule } from '../../src/rule.ts';
import type { AnyTensor, Tensor } from '../../src/tensor.ts';
import { openBrowser, openPage } from './browser.ts';
import { readNpy } from '../../src/formats/npy.ts';
import { readPngText } from '../../src/image/png.ts';
import { sameBits, save } from './visitor.ts';
import { startWorker } from './worker.ts';

const folder = process.env.BACKLIGHT_LAB ?? 'dist/lab';
const server = await listen(folder, 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
const browser = await openBrowser();
// The numbers themselves come from a worker of the test's own, which has the page's model and photo.
const ask = await startWorker((await openPage(browser, address)).page);
await ask('openModel', { name: 'default' });
const bytes = new Uint8Array(readFileSync(path.join(folder, 'samples', 'mandrill.png')));
const { picture } = await ask<{ picture: Picture }>('openPhoto', { name: 'mandrill', bytes });

const gpu = await openDevice({ adapter: 'software' });
const model = await loadModel('weights/paper-mini.json');
const { input } = preprocess(picture, pictureSpec(model, {}));
const { graph, parameters } = model.at({ [model.input.name]: input.shape });
const network = new Network(gpu, graph, parameters);

test.after(async () => {
  await browser.close();
  server.close();
  await network.dispose();
  gpu.dispose();
});

const open = async (view: string): Promise<{ page: Page; errors: string[] }> => {
  const opened = await openPage(browser, `${address}#tab=layers${view}`);
  await opened.page.locator('tr[data-layer=fc8]').waitFor({ timeout: 60_000 });
  await settled(opened.page);
  return opened;
};

/** Nothing is under way. */
const settled = (page: Page): Promise<void> => page.locator('.waiting, .stale').first().waitFor({ state: 'detached', timeout: 60_000 });

/** A canvas, as far as it is asked here: the tests have no types of the page's. */
interface Canvas {
  toDataURL(): string;
  getContext(kind: '2d'): { getImageData(x: number, y: number, width: number, height: number): { data: ArrayLike<number> } };
}

/** A canvas's pixels, in a word. */
const pixels = (page: Page, label: RegExp): Promise<string> =>
  page.getByRole('img', { name: label }).evaluate((canvas) => (canvas as unknown as Canvas).toDataURL());

const card = (page: Page, name: string) => page.getByRole('region', { name, exact: true });

/** Bits that differ. */
const differing = (a: Float32Array, b: Float32Array): number => {
  assert.is(a.length, b.length);
  const [p, q] = [a, b].map((data) => new Uint32Array(data.buffer, data.byteOffset, data.length));
  return p.reduce((n, v, i) => n + Number(v !== q[i]), 0);
};
const rules = DEFAULT_RULES;

test("the table's numbers are the inspector's, to the bit, and are shown as they are", async () => {
  const { page, errors } = await open('&class=9');
  const wanted = await inspect(gpu, graph, parameters, input, { target: 9 });
  const { rows, score } = await ask<LayerTable>('layers', { class: 9, rules, at: {} });
  assert.is(score, wanted.value);
  const shown = await page.locator('.layers-table tbody tr[data-layer]').allInnerTexts();
  assert.is(shown.length, graph.nodes.length);
  for (const layer of wanted.layers) {
    const at = graph.nodes.findIndex(({ name }) => name === layer.node);
    const [norm, signal] = [layer.value, layer.signal!].map(({ l2Squared }) => Math.sqrt(l2Squared));
    assert.equal([rows[at].value!.norm, rows[at].signal!.norm], [norm, signal], layer.node);
    assert.is(rows[at].gate?.active, layer.gate?.active);
    assert.is(rows[at].windows?.tied, layer.windows?.tied);
    const cells = shown[at].split('\t');
    assert.equal(cells.slice(-2), [brief(norm), brief(signal)], layer.node);
    if (layer.gate) assert.match(shown[at], `${((100 * layer.gate.active) / layer.gate.units).toFixed(1)} % open`);
  }
  assert.equal(errors, []);
  await page.close();
});

test('a layer, a unit: chosen by clicks, kept in the address, shown with the very signals of the network', async () => {
  const { page, errors } = await open('');
  await page.getByRole('button', { name: 'relu2', exact: true }).click();
  const maps = card(page, 'Maps of relu2');
  const grid = maps.getByRole('group');
  await grid.waitFor();
  await settled(page);
  // The first 64 of 96 maps of 16 x 16 stand in rows of eight, a pixel apart: channel 8 is the first of the second row.
  const box = (await grid.boundingBox())!;
  const side = box.width / (8 * 17 - 1);
  await grid.click({ position: { x: 7.5 * side, y: (17 + 9.5) * side } });
  await page.waitForURL(/unit=8%2C9%2C7/);
  await page.getByRole('heading', { name: /^unit 8, 9, 7 of relu2: / }).waitFor({ timeout: 60_000 });
  await settled(page);

  const neuron = { tensor: 'relu2', at: [8, 9, 7] };
  const question = { layer: 'relu2', unit: [8, 9, 7], rules, at: {} };
  const signals = await ask<Record<Rule, Tensor>>('unitSignals', question);
  const sheet = await ask<UnitSheet>('unit', { ...question, scale: 'shared', clip: 99.5 });
  for (const rule of RULES) {
    const { gradient, values } = await network.gradient(input, { neuron, rule });
    assert.is(differing(signals[rule].data, gradient.data), 0, rule);
    assert.is(sheet.value, values[0]);
  }
  const heading = await page.getByRole('heading', { name: /^unit 8, 9, 7/ }).innerText();
  assert.is(heading, `unit 8, 9, 7 of relu2: ${brief(sheet.value)}`);

  const typed = typeGraph(graph);
  const [, , [y0, y1], [x0, x1]] = receptiveFields(typed, 'relu2', (8 * 16 + 9) * 16 + 7, () => 'gradient').get('data')!;
  assert.equal(sheet.field, { x0, y0, x1, y1 });
  const words = await card(page, 'Unit').innerText();
  assert.match(words, `${x1 - x0}×${y1 - y0} pixels of the input from ${x0},${y0}`);
  // Where a signal arrives that nothing stops: inside the field, and on each of its sides but for what pooling leaves out.
  const { gradient } = await network.gradient(input, { neuron, rule: { relu: 'linear', maxpool: 'all-ties' } });
  let [left, right, top, bottom] = [64, 0, 64, 0];
  gradient.data.forEach((v, i) => {
    if (v === 0) return;
    const [y, x] = [Math.floor(i / 64) % 64, i % 64];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x + 1), Math.min(top, y), Math.max(bottom, y + 1)];
  });
  assert.ok(left >= x0 && right <= x1 && top >= y0 && bottom <= y1);
  assert.ok(left - x0 < 5 && x1 - right < 5 && top - y0 < 5 && y1 - bottom < 5);

  // The box is drawn on the photo, which is twice as large as the input: yellow on its edge, not beyond.
  const edge = await page
    .getByRole('img', { name: /receptive field of unit 8, 9, 7/ })
    .evaluate((canvas, [x, y]) => Array.from((canvas as unknown as Canvas).getContext('2d').getImageData(x, y, 2, 1).data), [
      2 * x0 - 1,
      2 * y0 + 4,
    ] as const);
  assert.not.equal(edge.slice(0, 4), [255, 206, 0, 255]);
  assert.equal(edge.slice(4), [255, 206, 0, 255]);

  // By keys: a column to the right, then the next channel; and back by number.
  await grid.focus();
  await page.keyboard.press('ArrowRight');
  await page.waitForURL(/unit=8%2C9%2C8/);
  await page.keyboard.press('PageDown');
  await page.waitForURL(/unit=9%2C9%2C8/);
  await maps.getByRole('spinbutton', { name: 'row' }).fill('3');
  await maps.getByRole('spinbutton', { name: 'row' }).press('Tab');
  await page.waitForURL(/unit=9%2C3%2C8/);
  await settled(page);
  assert.equal(errors, []);
  await page.close();
});

test('tensors of a layer, whole, for export', async () => {
  const question = { layer: 'pool2', class: 9, rules, at: {} };
  const wanted = new Map<string, AnyTensor>();
  await inspect(gpu, graph, parameters, input, {
    target: 9,
    exports: (['value', 'signal', 'switches'] as const).map((kind) => ({ kind, layer: 'pool2' })),
    onExport: ({ kind, data }) => void wanted.set(kind, { shape: data.shape, data: data.data.slice() } as AnyTensor),
  });
  for (const [kind, { shape, data }] of wanted) {
    const got = await ask<AnyTensor>('layerTensor', { ...question, kind });
    assert.equal(got.shape, shape);
    assert.is(got.data.constructor.name, data.constructor.name);
    assert.ok(
      data.every((v: number, i: number) => Object.is(v, got.data[i])),
      kind,
    );
  }
});

test('maps: activation and signal, one range or each its own, gates of a ReLU and winners of a pool', async () => {
  const { page, errors } = await open('&layer=relu2');
  const seen = new Set<string>();
  const look = async (label: RegExp): Promise<void> => {
    await page.getByRole('img', { name: label }).waitFor();
    const picture = await pixels(page, label);
    assert.not.ok(seen.has(picture), `${label} shows the same as another`);
    seen.add(picture);
  };
  const maps = page.locator('section', { has: page.getByLabel('show') });
  await look(/^activation of relu2, 64 maps/);
  await maps.getByLabel('range of colours').selectOption('own');
  await page.getByText('Each map in a range of its own').waitFor();
  await look(/^activation of relu2/);
  await maps.getByLabel('show').selectOption('signal');
  await look(/^arriving signal of relu2/);
  await maps.getByLabel('show').selectOption('mask');
  await look(/^gates of relu2/);
  await page.waitForURL(/maps=mask/);
  await page.getByRole('button', { name: 'pool2', exact: true }).click();
  // A pool has no gates.
  await look(/^activation of pool2/);
  await maps.getByLabel('show').selectOption('switches');
  await look(/^winners of windows of pool2/);
  assert.equal(errors, []);
  await page.close();
});

test('the way down: one signal to the topmost ReLU, then four; down and up again is where it was', async () => {
  const { page, errors } = await open('&class=9');
  const way = card(page, 'The way down');
  await way.getByText('One signal down to relu7; from fc7 on the rules part.').waitFor();
  const signal = (rule: string) => new RegExp(`^the signal under ${rule} at `);
  const at = (): Promise<string[]> => Promise.all(RULES.map((rule) => pixels(page, signal(rule))));
  const names = (): Promise<string> => way.locator('output strong').innerText();
  const first = await at();
  assert.is(await names(), 'fc8');
  assert.is(new Set(first).size, 1);
  // A step down by each of the ways there are.
  await way.getByRole('button', { name: 'down', exact: true }).click();
  assert.is(await names(), 'relu7');
  assert.is(new Set(await at()).size, 1);
  assert.is(await way.getByText('the same signal').count(), 3);
  await way.getByRole('slider').focus();
  await page.keyboard.press('ArrowDown');
  assert.is(await names(), 'fc7');
  assert.is(new Set(await at()).size, 4);
  assert.is(await way.getByText('the same signal').count(), 0);
  await page.waitForURL(/step=2/);
  const parted = await at();
  await page.keyboard.press('End');
  assert.is(await names(), 'data');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowLeft');
  assert.is(await names(), 'conv1');
  await way.getByRole('slider').fill('1');
  await page.keyboard.press('ArrowRight');
  assert.equal(await at(), parted);
  for (const _ of [2, 1]) await page.keyboard.press('ArrowUp');
  assert.equal(await at(), first);
  assert.not.match(page.url(), /step=/);

  const down = await ask<Descent>('descent', { class: 9, rules, at: {}, against: 'deconvnet' });
  const { layers, input: reached } = await inspect(gpu, graph, parameters, input, { target: 9, rule: { relu: 'deconvnet' } });
  down.stops.forEach(({ node }, i) => {
    const stats = node === 'data' ? reached.signal : layers.find((layer) => layer.node === node)!.signal!;
    assert.ok(Math.abs(down.other[i].norm - Math.sqrt(stats.l2Squared)) <= 1e-12 * down.other[i].norm, node);
  });
  assert.equal(errors, []);
  await page.close();
});

test('what is seen is handed out: maps, signals of a unit, the signal at a step', async () => {
  const { page, errors } = await open('&class=9&layer=relu2&unit=8,9,7&step=12');
  const button = (name: string) => page.getByRole('button', { name: `save mandrill-${name}`, exact: true });
  await page.getByRole('heading', { name: /^unit 8, 9, 7 of relu2/ }).waitFor({ timeout: 60_000 });
  await page.getByText('12 of 20').waitFor();
  await settled(page);
  const relu2 = (await network.forward(input, ['relu2'])).get('relu2') as Tensor;
  sameBits(readNpy((await save(page, button('relu2-activation.npy'))).bytes) as Tensor, relu2, 'relu2');
  const tiles = await save(page, button('relu2-activation.png'));
  assert.equal([readPngText(tiles.bytes).Title, readPngText(tiles.bytes).Photo], ['activation of relu2', 'mandrill']);
  const { gradient } = await network.gradient(input, { neuron: { tensor: 'relu2', at: [8, 9, 7] }, rule: 'deconvnet' });
  sameBits(readNpy((await save(page, button('relu2-8-9-7-deconvnet.npy'))).bytes) as Tensor, gradient, 'the unit under deconvnet');
  assert.is(readPngText((await save(page, button('relu2-8-9-7-deconvnet.png'))).bytes).Rule, 'deconvnet');
  const { layers } = await network.gradient(input, { target: 9, rule: 'guided', through: ['pool2'] });
  const down = page.getByRole('button', { name: /^save mandrill-.*-down-to-pool2-guided\.npy$/ });
  sameBits(readNpy((await save(page, down)).bytes) as Tensor, layers.get('pool2')!.signal, 'the signal at pool2 under guided');
  assert.equal(errors, []);
  await page.close();
});

test('a view from an address is the view that was left', async () => {
  const { page, errors } = await open('&class=9&layer=relu5&unit=3,4,4&step=7&maps=signal&scale=own&fold=norm&maxpool=last');
  const look = async (): Promise<string[]> => {
    await page.getByRole('heading', { name: /^unit 3, 4, 4 of relu5/ }).waitFor({ timeout: 60_000 });
    await page.getByText('7 of 20').waitFor();
    await settled(page);
    return page.locator('main canvas').evaluateAll((all) => all.map((canvas) => (canvas as unknown as Canvas).toDataURL()));
  };
  const before = await look();
  const url = page.url();
  await page.reload();
  await page.locator('tr.chosen[data-layer=relu5]').waitFor({ timeout: 60_000 });
  assert.equal(await look(), before);
  assert.is(page.url(), url);
  // What is not there is told, and the rest stands: when the page opens, and when its address changes.
  await page.goto('about:blank');
  await page.goto(`${address}#tab=layers&layer=nowhere`);
  await page.getByText('paper-mini has no layer "nowhere"').waitFor({ timeout: 60_000 });
  const follow = (hash: string): Promise<void> => page.evaluate((to) => void (location.hash = to), hash);
  await follow('tab=layers&layer=nowhere');
  await page.getByText('layer: expected one of the network’s, got “nowhere”').waitFor({ timeout: 60_000 });
  await follow('tab=layers&layer=relu2&unit=99,1,1');
  await page.getByText(/neuron "relu2": expected 3 coordinates below 96, 16, 16/).waitFor({ timeout: 60_000 });
  assert.equal(errors, []);
  await page.close();
});

test.run();
