/** What a visitor of the lab does, and the engine under Node to hold against what they see. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { readNpyTensor } from '../../src/formats/npy.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { pictureSpec } from '../../src/image/modelInput.ts';
import type { Picture } from '../../src/image/picture.ts';
import { loadModel } from '../../src/models/model.ts';
import { Network } from '../../src/network.ts';
import type { AnyTensor, Tensor } from '../../src/tensor.ts';
import { saliencyFrames, type SaliencyFrame, type SaliencyOptions } from '../../src/visualise/saliency.ts';
import { openBrowser, openPage } from './browser.ts';

/** The lab in a browser, and its shipped model on the software adapter under Node. */
export async function openLab() {
  const folder = process.env.BACKLIGHT_LAB ?? 'dist/lab';
  const server = await listen(folder, 0);
  const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
  const browser = await openBrowser();
  const gpu = await openDevice({ adapter: 'software' });
  const model = await loadModel('weights/paper-mini.json');
  const spec = pictureSpec(model, {});
  const { graph, parameters } = model.at({ [model.input.name]: [1, 3, ...spec.size] });
  const network = new Network(gpu, graph, parameters, 20);
  const sample = (file: string): Promise<Picture> => decodeImage(readFileSync(path.join(folder, 'samples', file)));
  return {
    address,
    browser,
    spec,
    network,
    labels: model.card.labels!,
    mandrill: await sample('mandrill.png'),
    aeroplane: await sample('aeroplane.jpg'),
    /** The map of one class. */
    async map(photo: Picture, options: SaliencyOptions): Promise<SaliencyFrame> {
      return (await saliencyFrames(network, photo, spec, options))[0];
    },
    /** The page at an address, once it has shown the map of a class. */
    async ready(hash = ''): Promise<{ page: Page; errors: string[] }> {
      const opened = await openPage(browser, address + hash);
      opened.page.setDefaultTimeout(60_000);
      await saved(opened.page).waitFor();
      return opened;
    },
    async close(): Promise<void> {
      await browser.close();
      server.close();
      await network.dispose();
      gpu.dispose();
    },
  };
}

/** The button that saves the map, which is there once there is a class. */
export const saved = (page: Page): Locator => page.getByRole('button', { name: /map-on-the-input\.npy$/ });

/** What a button hands out, and under which name. */
export async function save(page: Page, button: Locator): Promise<{ name: string; bytes: Uint8Array }> {
  const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
  return { name: download.suggestedFilename(), bytes: new Uint8Array(readFileSync(await download.path())) };
}

export const bits = ({ data }: AnyTensor): Int32Array => new Int32Array(data.buffer, data.byteOffset, data.length);

export function sameBits(got: AnyTensor, want: Tensor, what: string): void {
  assert.equal(got.shape, want.shape, what);
  const [a, b] = [bits(got), bits(want)];
  const differing = a.reduce((n, v, i) => n + Number(v !== b[i]), 0);
  assert.is(differing, 0, `${what}: ${differing} of ${a.length} numbers differ from those under Node`);
}

export function samePicture(got: Picture, want: Picture): void {
  assert.equal([got.width, got.height], [want.width, want.height]);
  const differing = got.data.reduce((n, v, i) => n + Number(v !== want.data[i]), 0);
  assert.is(differing, 0, `${differing} bytes differ`);
}

export const savedMap = async (page: Page): Promise<AnyTensor> => readNpyTensor((await save(page, saved(page))).bytes);

/** The last of the canvases that a selector finds, as it stands. */
export async function pictureOf(page: Page, canvas: string): Promise<Picture> {
  // A text, since the page's types are not those of the tests.
  const address = (await page.evaluate(`[...document.querySelectorAll(${JSON.stringify(canvas)})].pop().toDataURL('image/png')`)) as string;
  return decodeImage(Buffer.from(address.slice(address.indexOf(',') + 1), 'base64'));
}

/** What the map's canvas shows. */
export const shown = (page: Page): Promise<Picture> => pictureOf(page, 'section[aria-label="Saliency"] .figure canvas');

export const knob = (page: Page, name: string): Locator =>
  page.getByRole('combobox', { name, exact: true }).or(page.getByRole('spinbutton', { name, exact: true }));

/** Drops, or pastes, a file on the page, as the browser would. */
export async function hand(page: Page, how: 'drop' | 'paste', name: string, bytes: Uint8Array): Promise<void> {
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
