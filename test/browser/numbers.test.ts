// The page's numbers are the command line's: scores and gradients of the shipped network under every rule, to the bit, on the same kind of adapter.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { readNpyTensor } from '../../src/formats/npy.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { pictureSpec } from '../../src/image/modelInput.ts';
import { encodePng } from '../../src/image/png.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { loadModel } from '../../src/models/model.ts';
import { argmax, Network } from '../../src/network.ts';
import { RULES } from '../../src/rule.ts';
import type { AnyTensor } from '../../src/tensor.ts';
import { DEFAULT_VIEW } from '../../src/lab/view.ts';
import { noise } from '../server.ts';
import { openBrowser, openPage } from './browser.ts';
import { startWorker } from './worker.ts';

const folder = process.env.BACKLIGHT_LAB ?? 'dist/lab';
const browser = await openBrowser();
const server = await listen(folder, 0);
const gpu = await openDevice({ adapter: 'software' });
const model = await loadModel('weights/paper-mini.json');
const spec = pictureSpec(model, {});
const { graph, parameters } = model.at({ [model.input.name]: [1, 3, ...spec.size] });
const network = new Network(gpu, graph, parameters, RULES.length + 1);
const { page, errors } = await openPage(browser, `http://127.0.0.1:${(server.address() as { port: number }).port}/`);
const ask = await startWorker(page);
test.after(async () => {
  await browser.close();
  server.close();
  await network.dispose();
  gpu.dispose();
});

/** No Buffer: that would not cross over to the browser as bytes. */
const sample = (name: string): Uint8Array => Uint8Array.from(readFileSync(path.join(folder, 'samples', name)));
const made = await encodePng({ width: 173, height: 119, data: noise(3 * 173 * 119) }, {});
const PHOTOS: readonly (readonly [string, Uint8Array])[] = [
  ['mandrill.png', sample('mandrill.png')],
  ['aeroplane.jpg', sample('aeroplane.jpg')],
  ['made.png', made],
];

/** How many elements differ in a bit, and by how much at most. */
function difference(a: AnyTensor, b: AnyTensor): { readonly bits: number; readonly most: number } {
  assert.equal(a.shape, b.shape);
  const [x, y] = [a, b].map(({ data }) => new Int32Array(data.buffer, data.byteOffset, data.length));
  let [bits, most] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    if (x[i] === y[i]) continue;
    bits++;
    most = Math.max(most, Math.abs(a.data[i] - b.data[i]));
  }
  return { bits, most };
}

const exported = async (k: number, what: 'scores' | 'gradient', relu: (typeof RULES)[number] = 'gradient'): Promise<AnyTensor> => {
  const { score, views, rules, at, reduce, clip, colours } = DEFAULT_VIEW;
  const knobs = { score, views, rules: { ...rules, relu }, at, reduce, clip, colours };
  const bytes = await ask<Uint8Array>('exportTensor', { class: k, knobs, what });
  return readNpyTensor(Uint8Array.from(bytes));
};

test('the browser and Node run the same kind of adapter', async () => {
  await page.locator('.classes tbody tr').first().waitFor({ timeout: 60_000 });
  const name = await page.locator('.bar .pill').last().getAttribute('title');
  console.log(`measured: in the browser ${name}; under Node ${gpu.info.name} (${gpu.info.driver.split(' in ')[0]})`);
  assert.match(String(name), /swiftshader/i);
  assert.match(`${gpu.info.name} ${gpu.info.architecture}`, /swiftshader/i);
  await ask('openModel', { name: 'default' });
});

for (const [name, bytes] of PHOTOS) {
  test(`${name}: pixels, scores and the gradients of four rules have the same bits`, async () => {
    const { picture } = await ask<{ picture: { width: number; height: number; data: Uint8Array } }>('openPhoto', { name, bytes });
    const decoded = await decodeImage(bytes);
    assert.equal([picture.width, picture.height], [decoded.width, decoded.height]);
    assert.ok(Buffer.from(picture.data).equals(Buffer.from(decoded.data)), 'pixels');
    const { input } = preprocess(decoded, spec);
    const scores = await network.scores(input);
    const k = argmax(scores.data);
    assert.equal(difference(await exported(k, 'scores'), scores), { bits: 0, most: 0 }, 'scores');
    for (const rule of RULES) {
      const { gradient } = await network.gradient(input, { target: k, rule });
      assert.ok(gradient.data.some((v) => v !== 0));
      assert.equal(difference(await exported(k, 'gradient', rule), gradient), { bits: 0, most: 0 }, rule);
    }
  });
}

test('with nothing in the console', () => assert.equal(errors, []));

test.run();
