// The class model tab in a real browser: watched, halted, bent, gone on with, left and come back to; bit for bit what Node makes of the same
// question on the same software adapter.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Page } from 'playwright-core';
import { listen } from '../../src/cli/lab.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { pictureSpec } from '../../src/image/modelInput.ts';
import { readNpyTensor } from '../../src/formats/npy.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { readPngText } from '../../src/image/png.ts';
import { channelCount } from '../../src/image/preprocess.ts';
import { loadModel } from '../../src/models/model.ts';
import { DEFAULT_MODEL } from '../../src/models/resolve.ts';
import { Network } from '../../src/network.ts';
import { classModel, type ClassModel, type ClassModelOptions } from '../../src/visualise/classmodel.ts';
import { classModelPicture } from '../../src/visualise/classmodelPicture.ts';
import { demoRecipe } from '../../src/visualise/demo.ts';
import { short } from '../../src/lab/page/classmodel/curve.ts';
import type { AscentResult, AscentSlice } from '../../src/lab/worker/ascend.ts';
import { openBrowser, openPage } from './browser.ts';
import { sameBits, save } from './visitor.ts';

// Of the page, where functions handed to it run.
declare const document: any;
declare const OffscreenCanvas: any;
declare const Worker: any;

const server = await listen(process.env.BACKLIGHT_LAB ?? 'dist/lab', 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
const browser = await openBrowser();

const model = await loadModel(`weights/${DEFAULT_MODEL}.json`);
const spec = pictureSpec(model, {});
const gpu = await openDevice({ adapter: 'software' });
const { graph, parameters } = model.at({ [model.input.name]: [1, channelCount(spec.channels), ...spec.size] });
const network = new Network(gpu, graph, parameters);

async function underNode(options: Omit<ClassModelOptions, 'spec'>): Promise<ClassModel> {
  return (await classModel(network, { ...options, spec }))[0];
}

test.after(async () => {
  await browser.close();
  server.close();
  await network.dispose();
  gpu.dispose();
});

/** Calls of the page's worker, one after the other, in a worker of its own; tensors come back as the words of their floats. */
function calls(page: Page, list: readonly (readonly [method: string, args: unknown])[]): Promise<unknown[]> {
  return page.evaluate(async (list) => {
    const worker = new Worker('worker.js', { type: 'module' });
    const answers: unknown[] = [];
    for (const [id, [method, args]] of list.entries()) {
      answers.push(
        await new Promise((resolve, reject) => {
          worker.onmessage = ({ data }: any) => {
            if (data.id !== id || 'report' in data) return;
            if ('error' in data) reject(new Error(data.error.message));
            else resolve(data.result);
          };
          worker.postMessage({ id, method, args });
        }),
      );
    }
    worker.terminate();
    return answers.map((answer) => {
      const tensor = (answer as { tensor?: { shape: number[]; data: Float32Array } } | null)?.tensor;
      if (!tensor) return answer;
      return { ...(answer as object), tensor: { shape: tensor.shape, words: [...new Uint32Array(tensor.data.buffer)] } };
    });
  }, list);
}

type Result = Omit<AscentResult, 'tensor'> & { readonly tensor: { readonly words: readonly number[] } };

const KNOBS = { iterations: null, lambda: null, rate: null, blur: null, jitter: null };
const wordsOf = ({ image: { data } }: ClassModel): number[] => [...new Uint32Array(data.buffer, data.byteOffset, data.length)];

const same = (got: ArrayLike<number>, want: ArrayLike<number>, what: string): void => {
  assert.is(got.length, want.length, what);
  const at = Array.from(got).findIndex((v, i) => v !== want[i]);
  assert.is(at, -1, `${what}: ${got[at]} at ${at}, expected ${want[at]}`);
};

/** As many calls as it may take for so few iterations. */
const slices = (knobs: object, n: number) => Array.from({ length: n }, () => ['ascentGoOn', { knobs, display: 'clip' }] as const);

test('each recipe has the bits of Node, asked for slice by slice with other questions between', async () => {
  const { page, errors } = await openPage(browser, address);
  for (const preset of ['demo', 'paper', 'deepvis'] as const) {
    const iterations = 5;
    const question = { class: 7, preset, seed: 3 };
    const knobs = { ...KNOBS, iterations };
    const going = slices(knobs, 1 + iterations).flatMap((one) => [one, ['ascentState', { display: 'stretch' }] as const]);
    const answers = await calls(page, [
      ['openModel', { name: 'default' }],
      ['ascentBegin', { question, knobs, display: 'clip' }],
      ...going,
      ['ascentResult', { display: 'clip' }],
    ]);
    const result = answers[answers.length - 1] as Result;
    const recipe = preset === 'demo' ? demoRecipe(spec.size) : { preset };
    const want = await underNode({ ...recipe, classes: [7], seed: 3, iterations });
    assert.ok(result.done, preset);
    same(result.tensor.words, wordsOf(want), `${preset}, the image`);
    assert.equal(
      result.rows.map(({ lambda: _, step: __, ...row }) => row),
      want.trace,
      `${preset}: the traces differ`,
    );
    same(Object.values(result.image.picture.data), classModelPicture(want.image, spec).picture.data, `${preset}, the picture`);
  }
  console.log('measured: class models in the browser and under Node on SwiftShader: the same bits');
  assert.equal(errors, []);
});

test('another lambda on the way holds from the next row on, and nothing of the past changes', async () => {
  const { page, errors } = await openPage(browser, address);
  const knobs = { ...KNOBS, iterations: 30, lambda: 1e-7 };
  const bent = { ...knobs, lambda: 1e-5, rate: 40 };
  const answers = await calls(page, [
    ['openModel', { name: 'default' }],
    ['ascentBegin', { question: { class: 2, preset: 'demo', seed: 0 }, knobs, display: 'clip' }],
    ['ascentGoOn', { knobs, display: 'clip' }],
    ['ascentGoOn', { knobs: bent, display: 'clip' }],
    ['ascentGoOn', { knobs: { ...bent, iterations: 1 }, display: 'clip' }],
    ['ascentResult', { display: 'clip' }],
  ]);
  const [first, second] = answers.slice(2, 4) as AscentSlice[];
  const { rows, recipe, done } = answers[5] as Result;
  assert.ok(first.rows.length > 0 && second.rows.length > 0);
  const before = first.rows.length;
  assert.equal(rows.slice(0, before), first.rows);
  rows.forEach((row, t) => {
    assert.is(row.iteration, t);
    assert.is(row.lambda, t < before ? 1e-7 : 1e-5);
    assert.is(row.step, t < before ? demoRecipe(spec.size).step : 40);
    assert.is(row.objective, row.score - row.lambda * row.norm ** 2);
  });
  // Fewer iterations than there were: the next look is the last.
  assert.ok(done && recipe.iterations === 1);
  assert.equal(errors, []);
});

/** The number beside a curve's name, and the words for who does not see it. */
async function curve(page: Page, name: string): Promise<{ last: number; words: string }> {
  const one = page.locator('.curve').filter({ hasText: name });
  return { last: Number(await one.locator('b').innerText()), words: (await one.locator('svg').getAttribute('aria-label'))! };
}

const status = (page: Page): Promise<string> => page.locator('.ascent [role=status]').innerText();
const press = (page: Page, name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click({ timeout: 60_000 });
const says = (page: Page, text: string): Promise<void> =>
  page.locator('.ascent [role=status]').filter({ hasText: text }).waitFor({ timeout: 120_000 });

/** The pixels of the image, less their opacity. */
const pixels = (page: Page): Promise<number[]> =>
  page.locator('.forming canvas').evaluate((canvas: any): number[] => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_: number, i: number) => i % 4 !== 3);
  });

test('watched: paused, gone on with and finished, the picture is that of Node', async () => {
  const { page, errors } = await openPage(browser, `${address}#tab=model&class=7&preset=cs231n&iterations=60&jitter=3&seed=5`);
  await press(page, 'Start');
  await page.locator('.curve svg[aria-label*="at iteration"]').first().waitFor({ timeout: 60_000 });
  await press(page, 'Pause');
  await says(page, 'Paused after');
  await press(page, 'Go on');
  await says(page, 'Done: 60 iterations');
  const want = await underNode({ preset: 'cs231n', classes: [7], iterations: 60, jitter: 3, seed: 5 });
  same(await pixels(page), classModelPicture(want.image, spec).picture.data, 'the picture');
  for (const [name, value] of Object.entries({ score: want.score, posterior: want.posterior, norm: want.norm, objective: want.objective }))
    assert.is(await page.locator('.curve').filter({ hasText: name }).locator('b').innerText(), short(value), name);
  const saved = await save(page, page.getByRole('button', { name: /^save lab-class-model-.*\.npy$/ }));
  sameBits(readNpyTensor(saved.bytes), want.image, 'the image');
  const png = await save(page, page.getByRole('button', { name: /^save lab-class-model-.*\.png$/ }));
  assert.equal([readPngText(png.bytes).Iterations, readPngText(png.bytes).Photo], ['60', 'none']);
  same((await decodeImage(png.bytes)).data, classModelPicture(want.image, spec).picture.data, 'the picture saved');
  assert.match((await curve(page, 'score')).words, /at iteration 60, highest/);
  assert.ok(await page.getByRole('button', { name: 'Go on' }).isDisabled());

  // The same image in another way, without another step.
  await page.getByLabel('shown').selectOption('stretch');
  await page.getByText('times I, plus the mean').waitFor();
  same(await pixels(page), classModelPicture(want.image, spec, 'stretch').picture.data, 'the picture');
  assert.match(page.url(), /display=stretch/);

  // More iterations: it goes on as if it had never ended.
  await page.getByRole('spinbutton', { name: 'iterations' }).fill('64');
  await page.getByRole('spinbutton', { name: 'iterations' }).blur();
  await press(page, 'Go on');
  await says(page, 'Done: 64 iterations');
  const longer = await underNode({ preset: 'cs231n', classes: [7], iterations: 64, jitter: 3, seed: 5 });
  same(await pixels(page), classModelPicture(longer.image, spec, 'stretch').picture.data, 'the picture');
  await page.getByText('The same without a browser').click();
  assert.match(
    await page.locator('.ascent pre').innerText(),
    /class-model --model default --class 7 --preset cs231n --iterations 64 --jitter 3 --seed 5/,
  );
  assert.equal(errors, []);
  await page.close();
});

test('bent by hand, left, come back to, given up for another class', async () => {
  const { page, errors } = await openPage(browser, `${address}#tab=model&class=3&iterations=900`);
  await press(page, 'Start');
  await page.locator('.curve svg[aria-label*="at iteration"]').first().waitFor({ timeout: 60_000 });
  // While it runs: lambda so large that the pull outweighs the score.
  await page.getByLabel('lambda, weight').fill('0.001');
  await page.getByLabel('lambda, weight').blur();
  await page.getByText('with another lambda or step').waitFor({ timeout: 60_000 });
  await page.waitForFunction(() => Number(document.querySelectorAll('.curve b')[3].textContent) < 0, undefined, { timeout: 60_000 });
  await press(page, 'Pause');
  await says(page, 'Paused after');
  const text = await status(page);
  assert.match(page.url(), /lambda=0\.001/);

  await page.getByRole('tab', { name: 'Look' }).click();
  await page.getByRole('tab', { name: 'Class model' }).click();
  const count = /after (\d+) of/.exec(text)![1];
  await says(page, `Paused after ${count} of 900`);
  // Left while it runs: it stands still until it is gone on with.
  await press(page, 'Go on');
  await says(page, 'The image forms');
  await page.getByRole('tab', { name: 'Look' }).click();
  await page.getByRole('tab', { name: 'Class model' }).click();
  await says(page, 'Paused after');
  const [score, norm, objective] = await Promise.all(['score', 'norm', 'objective'].map(async (name) => (await curve(page, name)).last));
  const expected = score - 0.001 * norm ** 2;
  assert.ok(Math.abs(objective - expected) <= 2e-3 * (Math.abs(score) + 0.001 * norm ** 2), `objective ${objective}, expected ${expected}`);

  // What cannot be is told, and the run goes on from where it was once it is mended.
  await page.getByLabel('lambda, weight').fill('1e12');
  await page.getByLabel('lambda, weight').blur();
  await page.getByLabel('recipe').selectOption('paper');
  await says(page, 'Not begun');
  await press(page, 'Start');
  await page.locator('.ascent [role=alert]').filter({ hasText: 'overshoot' }).waitFor({ timeout: 30_000 });
  await press(page, 'as the preset has them');
  await press(page, 'Start');
  await page.locator('.curve svg[aria-label*="at iteration"]').first().waitFor({ timeout: 60_000 });
  await page.locator('.ascent .knobs select').first().selectOption('4');
  await says(page, 'Not begun');
  assert.match(page.url(), /class=4/);
  assert.equal(errors, []);
  await page.close();
});

/** Lets the test destroy the device that the worker opens. */
const EXPOSED = `{
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...args) { return (self.device = await request.apply(this, args)); };
}
`;

test('a lost device ends the image with a word, and another one begins on the next device', async () => {
  const page = await browser.newPage();
  await page.route('**/worker.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: EXPOSED + (await response.text()) });
  });
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${address}#tab=model&class=3&iterations=900`);
  await press(page, 'Start');
  await page.locator('.curve svg[aria-label*="at iteration"]').first().waitFor({ timeout: 60_000 });
  await page.workers()[0].evaluate('device.destroy()');
  await page.locator('.ascent [role=alert]').filter({ hasText: 'The device was lost, and the image with it' }).waitFor({ timeout: 60_000 });
  await says(page, 'Ended after');
  await press(page, 'Start');
  await says(page, 'The image forms');
  await page.locator('.curve svg[aria-label*="at iteration"]').first().waitFor({ timeout: 60_000 });
  await press(page, 'Pause');
  await says(page, 'Paused after');
  // The same while it stands still.
  await page.workers()[0].evaluate('device.destroy()');
  await says(page, 'Ended after');
  assert.is(await page.locator('.ascent [role=alert]').count(), 1);
  assert.equal(errors, []);
  await page.close();
});

test.run();
