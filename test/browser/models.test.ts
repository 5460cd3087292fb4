// Networks of the page: from the registry with progress, hash and storage; from files, with what they do not say; and what is no network.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { encodePng } from '../../src/image/png.ts';
import { floats, model, node, tensorProto, valueInfo, FLOAT } from '../onnx-writer.ts';
import { noise } from '../server.ts';
import { openBrowser, openPage } from './browser.ts';

/** Scores are the means of the channels, times a number. */
const average = (factor: number, extents: readonly (number | string)[] = [1, 3, 4, 4]): Uint8Array =>
  model({
    nodes: [node('GlobalAveragePool', ['x'], ['p'], {}), node('Flatten', ['p'], ['f']), node('Mul', ['f', 'k'], ['y'])],
    inputs: [valueInfo('x', extents)],
    outputs: [valueInfo('y', [1, 3])],
    initializers: [floats('k', [], [factor])],
  });

/** A file of so many bytes more, which the importer skips: an unknown field of the message. */
function padded(onnx: Uint8Array, bytes: number): Uint8Array {
  const tail = noise(bytes);
  const length = [(bytes & 127) | 128, ((bytes >> 7) & 127) | 128, ((bytes >> 14) & 127) | 128, bytes >> 21];
  return Buffer.concat([onnx, Buffer.from([0xa2, 0x06, ...length]), tail]);
}

const temporary = mkdtempSync(path.join(os.tmpdir(), 'backlight-models-'));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const files: Record<string, Uint8Array> = { one: padded(average(1), 3_000_000), two: average(2), wrong: average(3), mine: average(4) };
const card = { size: [4, 4], fit: 'squash', channels: 'rgb', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };

/** Where models come from: another origin. */
const asked: string[] = [];
let held: ServerResponse | undefined;
let holding = false;
const source = createServer((request, response) => {
  const name = path.basename(request.url!, '.onnx');
  asked.push(name);
  response.setHeader('access-control-allow-origin', '*');
  if (!files[name]) return void response.writeHead(404).end();
  const bytes = name === 'wrong' ? average(30) : files[name];
  if (!holding) return void response.end(bytes);
  held = response;
  response.write(bytes.subarray(0, 1_000_000));
});
await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
const elsewhere = `http://127.0.0.1:${(source.address() as { port: number }).port}/`;

const entry = (name: string) => ({ name, what: name, path: `${name}.onnx`, sha256: sha256(files[name]), bytes: files[name].length });
writeFileSync(
  path.join(temporary, 'own.json'),
  JSON.stringify({
    sources: [elsewhere],
    models: Object.keys(files).map((name) => ({ ...entry(name), preprocess: card, labels: ['red', 'green', 'blue'] })),
  }),
);
mkdirSync(path.join(temporary, 'cache', 'models'), { recursive: true });
writeFileSync(path.join(temporary, 'cache', 'models', 'mine.onnx'), files.mine);
process.env.BACKLIGHT_REGISTRY = path.join(temporary, 'own.json');
process.env.BACKLIGHT_CACHE = path.join(temporary, 'cache');

const server = await listen(process.env.BACKLIGHT_LAB ?? 'dist/lab', 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
delete process.env.BACKLIGHT_CACHE;
const browser = await openBrowser();
test.after(async () => {
  await browser.close();
  server.close();
  source.close();
  source.closeAllConnections();
  rmSync(temporary, { recursive: true, force: true });
});

const TIMEOUT = { timeout: 60_000 };
const solid = await encodePng({ width: 8, height: 8, data: Uint8Array.from({ length: 192 }, (_, i) => [10, 20, 31][i % 3]) }, {});

/** A page that shows a photo of one colour, (10, 20, 31). */
async function ready(hash = ''): Promise<{ page: Page; errors: string[] }> {
  const opened = await openPage(browser, address + hash);
  opened.page.setDefaultTimeout(60_000);
  await opened.page.locator('.classes tbody tr').first().waitFor(TIMEOUT);
  return opened;
}

async function solidPhoto(page: Page): Promise<void> {
  await page
    .locator('input[aria-label="a photo of your own"]')
    .setInputFiles({ name: 'solid.png', mimeType: 'image/png', buffer: Buffer.from(solid) });
  await page.locator('.busy.done').waitFor(TIMEOUT);
}

const chooser = async (page: Page): Promise<void> => {
  if ((await page.locator('dialog[open]').count()) === 0) await page.locator('.model-pill').click();
  await page.locator('table.registry tbody tr').first().waitFor(TIMEOUT);
};
const press = (page: Page, name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click();
const give = (page: Page, ...given: { name: string; bytes: Uint8Array }[]): Promise<void> =>
  page
    .locator('input[aria-label="a model of your own"]')
    .setInputFiles(given.map(({ name, bytes }) => ({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(bytes) })));
const using = (page: Page, words: string): Promise<void> => page.locator('.model-pill', { hasText: words }).waitFor(TIMEOUT);
/** Another network is in use, upon which the dialog closes. */
async function taken(page: Page, words: string): Promise<void> {
  await using(page, words);
  await page.locator('dialog[open]').waitFor({ ...TIMEOUT, state: 'detached' });
}
const scores = async (page: Page): Promise<string[]> => {
  await page.locator('.busy.done').waitFor(TIMEOUT);
  return (await page.locator('.classes tbody tr').allInnerTexts()).map((row) => row.replaceAll(/\s+/g, ' '));
};
const told = async (page: Page, words: RegExp): Promise<void> => {
  const problem = page.locator('dialog .problem');
  await problem.waitFor(TIMEOUT);
  assert.match(await problem.innerText(), words);
};
const clean = (errors: readonly string[]): void => assert.equal(errors, []);

test('fetched with progress, checked, used, kept over a reload, removed', async () => {
  const { page, errors } = await ready('#class=2');
  await solidPhoto(page);
  asked.length = 0;
  await chooser(page);
  holding = true;
  await press(page, 'fetch one');
  await page.locator('.fetching', { hasText: /one: 33 %, 1\.0 MB of 3\.0 MB/ }).waitFor(TIMEOUT);
  assert.match(await page.locator('.fetching').innerText(), /from 127\.0\.0\.1:\d+/);
  // The page answers meanwhile.
  await press(page, 'close');
  await press(page, 'an aeroplane');
  await page.locator('button[aria-pressed=true]', { hasText: 'an aeroplane' }).waitFor(TIMEOUT);
  await solidPhoto(page);
  holding = false;
  held!.end(files.one.subarray(1_000_000));
  await taken(page, 'one, 3 classes');
  assert.equal(await scores(page), ['blue 31.00 1.000', 'green 20.00 2e-5', 'red 10.00 8e-10']);
  assert.is(new URLSearchParams(new URL(page.url()).hash.slice(1)).get('model'), 'one');
  assert.equal(asked, ['one']);
  await page.reload();
  await taken(page, 'one, 3 classes');
  await solidPhoto(page);
  assert.is((await scores(page))[0], 'blue 31.00 1.000');
  assert.equal(asked, ['one'], 'it was kept');
  await chooser(page);
  const row = page.locator('table.registry tr', { hasText: 'one' }).first();
  assert.match(await row.innerText(), /in this browser/);
  await press(page, 'remove one from this browser');
  await page.getByRole('button', { name: 'fetch one', exact: true }).waitFor(TIMEOUT);
  assert.is(await page.evaluate(`caches.open('backlight-models').then(async (cache) => (await cache.keys()).length)`), 0);
  clean(errors);
  await page.close();
});

test('an address does not fetch by itself; asked, it does, and its class is kept', async () => {
  asked.length = 0;
  const page = await browser.newPage();
  await page.goto(`${address}#model=two&class=2`);
  const problem = page.locator('.problem', { hasText: 'This view was made with two' });
  await problem.waitFor(TIMEOUT);
  assert.match(await problem.innerText(), /not on this machine yet/);
  assert.equal(asked, []);
  await problem.getByRole('button', { name: 'fetch it' }).click();
  await taken(page, 'two, 3 classes');
  await page.locator('.classes tbody tr.chosen', { hasText: 'blue' }).waitFor(TIMEOUT);
  assert.equal(asked, ['two']);
  await page.close();
});

test('what comes with another hash is never used, nor kept, and the earlier network stays', async () => {
  const { page, errors } = await ready();
  await chooser(page);
  await press(page, 'fetch wrong');
  await told(
    page,
    new RegExp(
      `expected wrong \\(${files.wrong.length} bytes, sha256 ${entry('wrong').sha256}\\), got from 127.*sha256 ${sha256(average(30))}`,
    ),
  );
  await using(page, 'paper-mini, 50 classes');
  await page.getByRole('button', { name: 'fetch wrong', exact: true }).waitFor(TIMEOUT);
  clean(errors);
  // What the browser kept may have been changed since.
  await press(page, 'fetch two');
  await taken(page, 'two, 3 classes');
  await page.evaluate(`caches.open('backlight-models').then(async (cache) => {
    const [key] = await cache.keys();
    await cache.put(key, new Response(new Uint8Array(${files.two.length}), { headers: (await cache.match(key)).headers }));
  })`);
  await chooser(page);
  await press(page, 'the network that comes with the page');
  await taken(page, 'paper-mini, 50 classes');
  await chooser(page);
  await press(page, 'use two');
  await told(
    page,
    new RegExp(
      `as this browser keeps it, to have sha256 ${entry('two').sha256}, got .*${sha256(new Uint8Array(files.two.length))}.*removed`,
    ),
  );
  await using(page, 'paper-mini, 50 classes');
  await press(page, 'fetch two');
  await taken(page, 'two, 3 classes');
  clean(errors);
  await page.close();
});

test('given up, nothing of it stays', async () => {
  const { page, errors } = await ready();
  await page.evaluate(`caches.delete('backlight-models')`);
  await chooser(page);
  holding = true;
  await press(page, 'fetch one');
  await page.locator('.fetching', { hasText: '33 %' }).waitFor(TIMEOUT);
  await press(page, 'cancel');
  await page.locator('.fetching').waitFor({ ...TIMEOUT, state: 'detached' });
  holding = false;
  assert.is(await page.locator('dialog .problem').count(), 0);
  assert.is(await page.evaluate(`caches.open('backlight-models').then(async (cache) => (await cache.keys()).length)`), 0);
  await press(page, 'fetch one');
  await taken(page, 'one, 3 classes');
  clean(errors);
  await page.close();
});

test('a browser that has no room: used all the same, and told', async () => {
  const { page, errors } = await ready();
  await page.evaluate(`caches.delete('backlight-models')`);
  await page.workers()[0].evaluate(`Cache.prototype.put = async (_, response) => {
    await response.body.cancel();
    throw new DOMException('Quota exceeded.', 'QuotaExceededError');
  }`);
  await chooser(page);
  await press(page, 'fetch one');
  await taken(page, 'one, 3 classes');
  assert.match(
    await page.locator('.problems').innerText(),
    /^one is not kept in this browser \(Quota exceeded\.\) and will be fetched again next time\. It lets this page keep \d+ bytes\./,
  );
  clean(errors);
  await page.close();
});

test("a network of the user's cache is this machine's: nothing is fetched, nothing kept twice", async () => {
  const { page, errors } = await ready();
  asked.length = 0;
  process.env.BACKLIGHT_CACHE = path.join(temporary, 'cache');
  await chooser(page);
  assert.match(await page.locator('table.registry tr', { hasText: 'mine' }).innerText(), /on this machine/);
  await press(page, 'use mine');
  await taken(page, 'mine, 3 classes');
  await solidPhoto(page);
  assert.is((await scores(page))[0], 'blue 124.00 1.000');
  assert.equal(asked, []);
  await chooser(page);
  assert.match(await page.locator('table.registry tr', { hasText: 'mine' }).innerText(), /on this machine/);
  clean(errors);
  await page.close();
});

test('a plain ONNX: the page asks, says what is wrong, and the answer is in the address', async () => {
  const { page, errors } = await ready('#class=40&layer=conv1');
  await chooser(page);
  await give(page, { name: 'plain.onnx', bytes: average(1, ['N', 3, 'H', 'W']) });
  const form = page.locator('.preprocessing');
  await form.waitFor(TIMEOUT);
  assert.match(await form.innerText(), /Its input is Nx3xHxW/);
  await using(page, 'paper-mini, 50 classes');
  await page.getByLabel('otherwise').check();
  await page.getByLabel('size', { exact: true }).fill('4');
  await page.getByLabel('mean, by channel').fill('1,x');
  await press(page, 'use it so');
  await form.locator('.problem', { hasText: 'expected to be told' }).waitFor(TIMEOUT);
  await page
    .locator('.preprocessing label', { hasText: /^channels/ })
    .locator('select')
    .selectOption('bgr');
  await press(page, 'use it so');
  await form.locator('.problem', { hasText: '--mean: expected a number, got "x"' }).waitFor(TIMEOUT);
  await page.getByLabel('mean, by channel').fill('1,2,3');
  await page.locator('.preprocessing label', { hasText: /^fit/ }).locator('select').selectOption('squash');
  await press(page, 'use it so');
  await taken(page, 'plain.onnx, 3 classes');
  await page.locator('.problem', { hasText: 'has 3 classes and no class 40' }).waitFor(TIMEOUT);
  assert.match(await page.locator('.problems').innerText(), /has no layer "conv1"/);
  await solidPhoto(page);
  // BGR less 1, 2, 3.
  assert.equal(
    (await scores(page)).map((row) => row.split(' ').slice(0, 3).join(' ')),
    ['class 0 30.00', 'class 1 18.00', 'class 2 7.00'],
  );
  const shared = page.url();
  assert.is(new URLSearchParams(new URL(shared).hash.slice(1)).get('preprocess'), 'size=4;fit=squash;channels=bgr;mean=1,2,3');
  clean(errors);
  await page.close();
  // Someone else opens that address, and has the file: nothing is asked.
  const other = await browser.newPage();
  await other.goto(shared);
  await other.locator('.problem', { hasText: 'made with plain.onnx, a model of its maker' }).waitFor(TIMEOUT);
  await chooser(other);
  await give(other, { name: 'plain.onnx', bytes: average(1, ['N', 3, 'H', 'W']) });
  await using(other, 'plain.onnx, 3 classes');
  assert.is(await other.locator('.preprocessing').count(), 0);
  await other.close();
});

test('a card, class names and a file of numbers come along', async () => {
  const { page, errors } = await ready();
  await solidPhoto(page);
  const external = model({
    nodes: [node('GlobalAveragePool', ['x'], ['p']), node('Flatten', ['p'], ['f']), node('Mul', ['f', 'k'], ['y'])],
    inputs: [valueInfo('x', [1, 3, 4, 4])],
    outputs: [valueInfo('y', [1, 3])],
    initializers: [
      tensorProto('k', [], FLOAT, (t) => {
        const pair = (key: string, value: string) =>
          t.message(13, new (t.constructor as new () => typeof t)().string(1, key).string(2, value));
        pair('location', 'numbers.bin');
        t.int(14, 1);
      }),
    ],
  });
  await chooser(page);
  await give(
    page,
    { name: 'outside.onnx', bytes: external },
    { name: 'card.json', bytes: Buffer.from(JSON.stringify({ preprocess: card })) },
  );
  await told(page, /onnx: expected the file "numbers\.bin", which holds numbers of outside\.onnx, got none\. Give both files together\./);
  await using(page, 'paper-mini');
  await give(
    page,
    { name: 'outside.onnx', bytes: external },
    { name: 'card.json', bytes: Buffer.from(JSON.stringify({ preprocess: card })) },
    { name: 'numbers.bin', bytes: new Uint8Array(Float32Array.of(0.5).buffer) },
    { name: 'names.txt', bytes: Buffer.from('rot\ngrün\nblau\n') },
  );
  await taken(page, 'outside.onnx, 3 classes');
  assert.equal(await scores(page), ['blau 15.50 0.996', 'grün 10.00 0.004', 'rot 5.00 3e-5']);
  await chooser(page);
  await give(
    page,
    { name: 'two.onnx', bytes: files.two },
    { name: 'card.json', bytes: Buffer.from(JSON.stringify({ preprocess: card })) },
    { name: 'names.txt', bytes: Buffer.from('one\ntwo\n') },
  );
  await told(page, /labels: expected 3 lines, a class name each, got 2/);
  await using(page, 'outside.onnx');
  clean(errors);
  await page.close();
});

test('what is no network for pictures is told in the importer’s words, and the earlier one stays', async () => {
  const { page, errors } = await ready();
  await page.locator('.classes tbody tr', { hasText: 'barrel' }).waitFor(TIMEOUT);
  const before = await scores(page);
  const one = (op: string, input: Parameters<typeof valueInfo>[1], output: readonly number[]): Uint8Array =>
    model({ nodes: [node(op, ['x'], ['y'])], inputs: [valueInfo('x', input)], outputs: [valueInfo('y', output)] });
  for (const [name, bytes, message] of [
    ['text.onnx', Buffer.from('This is not a network at all, but a letter.'), /onnx: /],
    ['empty.onnx', new Uint8Array(), /onnx: /],
    ['half.onnx', files.two.subarray(0, files.two.length - 20), /onnx: /],
    ['op.onnx', one('Erf', [1, 3, 4, 4], [1, 3, 4, 4]), /onnx: .*Erf/],
    ['vector.onnx', one('Relu', [1, 3], [1, 3]), /expected a network on images \[N, C, H, W\]/],
    ['maps.onnx', one('Relu', [1, 3, 4, 4], [1, 3, 4, 4]), /expected a classifier with scores/],
    ['card.json', Buffer.from('{}'), /model: expected one file \.onnx, or a Graph JSON and its \.safetensors, got card\.json/],
  ] as const) {
    await chooser(page);
    await give(page, { name, bytes });
    const form = page.locator('.preprocessing');
    const problem = page.locator('dialog .problem');
    await problem.or(form).first().waitFor(TIMEOUT);
    if ((await form.count()) > 0) {
      // What a network puts out is known once its input is.
      await page.getByLabel('as torchvision does').check();
      await press(page, 'use it so');
    }
    await problem.waitFor(TIMEOUT);
    assert.match(await problem.innerText(), message, name);
    await press(page, 'close');
    await using(page, 'paper-mini, 50 classes');
    await page.locator('.problems button[aria-label=dismiss]').first().click();
  }
  assert.equal(await scores(page), before);
  clean(errors);
  await page.close();
});

test('another network takes the place of the earlier one on the device', async () => {
  const page = await browser.newPage();
  // Counted from the first buffer on.
  await page.route('**/worker.js', async (route) => {
    const response = await route.fetch();
    const counting = `
      globalThis.live = new Map();
      const { createBuffer } = GPUDevice.prototype, { destroy } = GPUBuffer.prototype;
      GPUDevice.prototype.createBuffer = function (d) { const b = createBuffer.call(this, d); live.set(b, d.size); return b; };
      GPUBuffer.prototype.destroy = function () { live.delete(this); return destroy.call(this); };`;
    await route.fulfill({ response, body: `${counting}\n${await response.text()}` });
  });
  await page.goto(address);
  await page.locator('.classes tbody tr').first().waitFor(TIMEOUT);
  const live = async (): Promise<number> => {
    await page.locator('.busy.done').waitFor(TIMEOUT);
    await page
      .locator('.waiting')
      .first()
      .waitFor({ ...TIMEOUT, state: 'detached' });
    return (await page.workers()[0].evaluate(`[...live.values()].reduce((a, b) => a + b, 0)`)) as number;
  };
  const readings: number[][] = [];
  for (let i = 0; i < 4; i++) {
    const large = await live();
    await chooser(page);
    await press(page, 'use mine');
    await taken(page, 'mine, 3 classes');
    const small = await live();
    readings.push([large, small]);
    await chooser(page);
    await press(page, 'the network that comes with the page');
    await taken(page, 'paper-mini, 50 classes');
  }
  console.log(
    `measured: ${readings.map((pair) => pair.map((bytes) => `${(bytes / 1e6).toFixed(2)} MB`).join(' to ')).join(', ')} on the device`,
  );
  for (const [large, small] of readings) assert.ok(large > 3e6 && small < large / 10, 'the larger network is gone');
  const most = (of: readonly number[][]): number => Math.max(...of.map(([large]) => large));
  // Some question may just have made way for another.
  assert.ok(most(readings.slice(2)) <= 1.2 * most(readings.slice(0, 2)), 'and back again, as often as one likes');
  await page.close();
});

test.run();
