// What goes wrong on the machine: devices that die, one that cannot be had, a worker that stops. The page says so and comes back, with the same bits.
import type { Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { openBrowser, openPage } from './browser.ts';
import { processesBelow } from './processes.ts';

const server = await listen(process.env.BACKLIGHT_LAB ?? 'dist/lab', 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
// The browser would give up on its GPU process, and on pages that kill it.
const browser = await openBrowser('--disable-gpu-process-crash-limit', '--disable-domain-blocking-for-3d-apis');
test.after(async () => {
  await browser.close();
  server.close();
});

const TIMEOUT = { timeout: 60_000 };
const VIEW = '#photo=aeroplane&class=7&relu=guided';

/** Nothing is under way. */
async function idle(page: Page): Promise<void> {
  await page.locator('.busy.done').waitFor(TIMEOUT);
  await page
    .locator('.waiting')
    .first()
    .waitFor({ ...TIMEOUT, state: 'detached' });
}

/** Scores and the drawn map, to the bit. */
async function shown(page: Page): Promise<string[]> {
  await page.locator('.classes tbody tr').nth(4).waitFor(TIMEOUT);
  await page.locator('.busy.done').waitFor(TIMEOUT);
  await page
    .locator('.waiting')
    .first()
    .waitFor({ ...TIMEOUT, state: 'detached' });
  const pixels = await page.evaluate(`[...document.querySelectorAll('#panel canvas')].map((canvas) => canvas.toDataURL())`);
  return [await page.locator('.classes').innerText(), ...(pixels as string[])];
}

/** The page comes to show what it had shown, to the bit. Between one answer and the next question there are moments when nothing is waited for. */
async function showsAgain(page: Page, before: readonly string[], when: string): Promise<void> {
  let now = await shown(page);
  for (let tries = 0; tries < 40 && now.join() !== before.join(); tries++) {
    await page.waitForTimeout(250);
    now = await shown(page);
  }
  const parts = (all: readonly string[]): string[] => all.map((part) => `${part.length} ${part.slice(0, 60)}`);
  assert.equal(parts(now), parts(before), when);
  assert.ok(now.join() === before.join(), `${when}: other pixels`);
}

/** Ends the process in which the browser's device lives. */
function killDevice(): void {
  const [pid, ...others] = processesBelow(process.pid, 'gpu-process');
  assert.ok(pid, 'expected a GPU process');
  assert.is(others.length, 0);
  process.kill(pid, 'SIGKILL');
}

/** The console is the browser's own here: it tells of its GPU process. */
const own = (errors: readonly string[]): string[] => errors.filter((error) => !/GPU|WebGPU|context|Device/i.test(error));

test('a device that dies is told, and replaced; twice', async () => {
  const { page, errors } = await openPage(browser, address + VIEW);
  const before = await shown(page);
  assert.ok(before.length > 1 && before[1].length > 1000);
  for (const round of ['first', 'second']) {
    killDevice();
    await page.locator('.problems', { hasText: 'Another one was opened' }).waitFor(TIMEOUT);
    await showsAgain(page, before, `after the ${round} loss`);
    assert.is(new URL(page.url()).hash.slice(1).split('&').sort().join('&'), VIEW.slice(1).split('&').sort().join('&'));
    assert.match(await page.locator('.bar').innerText(), /swiftshader/i);
    await page.getByRole('button', { name: 'dismiss' }).click();
  }
  // It still serves.
  await page.getByRole('button', { name: 'a mandrill' }).click();
  await page.locator('.classes tbody tr', { hasText: 'barrel' }).waitFor(TIMEOUT);
  assert.equal(own(errors), []);
  await page.close();
});

test('a device that dies in the middle of questions', async () => {
  const { page, errors } = await openPage(browser, address + VIEW);
  const before = await shown(page);
  // Photo after photo is under way when it dies.
  for (let i = 0; i < 6; i++) await page.getByRole('button', { name: i % 2 === 0 ? 'a mandrill' : 'an aeroplane' }).click();
  killDevice();
  await page.locator('.problems', { hasText: 'Another one was opened' }).waitFor(TIMEOUT);
  await page.locator('button[aria-pressed=true]', { hasText: 'an aeroplane' }).waitFor(TIMEOUT);
  await showsAgain(page, before, 'after photo after photo');
  assert.equal(own(errors), []);
  await page.close();
});

/** Runs something in the page's worker, which the tests reach no other way than the page does. */
const inWorker = (page: Page, script: string): Promise<unknown> => page.workers()[0].evaluate(script);

test('no device to be had again: the page says so, and tries again when asked', async () => {
  const { page, errors } = await openPage(browser, address + VIEW);
  const before = await shown(page);
  await inWorker(page, `globalThis.request = navigator.gpu.requestAdapter; navigator.gpu.requestAdapter = async () => null`);
  killDevice();
  const problem = page.locator('.problem', { hasText: 'The device was lost, and another cannot be had' });
  await problem.waitFor(TIMEOUT);
  assert.match(await page.locator('.bar').innerText(), /no device/);
  // Still none.
  await problem.getByRole('button', { name: 'try again' }).click();
  await idle(page);
  await problem.waitFor(TIMEOUT);
  await inWorker(page, `navigator.gpu.requestAdapter = globalThis.request`);
  await problem.getByRole('button', { name: 'try again' }).click();
  await page.locator('.problems', { hasText: 'Another one was opened' }).waitFor(TIMEOUT);
  await showsAgain(page, before, 'afterwards');
  assert.equal(own(errors), []);
  await page.close();
});

test('a worker that stops: another one takes its place, with the same view', async () => {
  const { page } = await openPage(browser, address + VIEW);
  const before = await shown(page);
  for (let round = 0; round < 2; round++) {
    await inWorker(page, `setTimeout(() => { throw new Error('out of order'); }, 0)`);
    const problem = page.locator('.problem', { hasText: 'The worker stopped: Uncaught Error: out of order.' });
    await problem.waitFor(TIMEOUT);
    await problem.getByRole('button', { name: 'start another' }).click();
    await problem.waitFor({ ...TIMEOUT, state: 'detached' });
    await showsAgain(page, before, 'afterwards');
    assert.is(page.workers().length, 1);
  }
  await page.close();
});

test('an error that nobody awaited is told', async () => {
  const { page } = await openPage(browser, address);
  await shown(page);
  await inWorker(page, `void Promise.reject(new Error('unheard of'))`);
  await page.locator('.problem', { hasText: 'unheard of' }).waitFor(TIMEOUT);
  await page.close();
});

test('WebGPU without an adapter: what to do, the way without a browser, and another try', async () => {
  const { page, errors } = await openPage(browser, 'about:blank');
  await page.route('**/worker.js', async (route) => {
    const response = await route.fetch();
    const text = await response.text();
    await route.fulfill({
      response,
      body: `globalThis.request = navigator.gpu.requestAdapter; navigator.gpu.requestAdapter = async () => null;\n${text}`,
    });
  });
  await page.goto(address);
  await page.getByRole('heading', { name: 'This browser has WebGPU, but no device for it' }).waitFor(TIMEOUT);
  const said = await page.locator('main').innerText();
  assert.match(said, /--enable-unsafe-webgpu --enable-features=Vulkan/);
  assert.match(said, /npx backlight demo/);
  await inWorker(page, `navigator.gpu.requestAdapter = globalThis.request`);
  await page.getByRole('button', { name: 'try again' }).click();
  await shown(page);
  assert.equal(own(errors), []);
  await page.close();
});

test('a browser without WebGPU gets a page that says so', async () => {
  const page = await browser.newPage();
  await page.addInitScript('delete Navigator.prototype.gpu');
  await page.goto(address);
  await page.getByRole('heading', { name: 'This browser has no WebGPU' }).waitFor(TIMEOUT);
  assert.match(await page.locator('main').innerText(), /npx backlight demo/);
  assert.is(page.workers().length, 0);
  await page.close();
});

test.run();
