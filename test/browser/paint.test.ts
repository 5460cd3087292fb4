// What the page costs: its bytes on the wire, the time to its first paint, and memory that a hundred photos leave as it was.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { CDPSession } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { encodePng } from '../../src/image/png.ts';
import { noise } from '../server.ts';
import { openBrowser, openPage } from './browser.ts';
import { processesBelow, residentBytes } from './processes.ts';

const folder = process.env.BACKLIGHT_LAB ?? 'dist/lab';
const browser = await openBrowser();
const server = await listen(folder, 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
test.after(async () => {
  await browser.close();
  server.close();
});

const TIMEOUT = { timeout: 60_000 };
const MOST_BYTES = 400_000;
const FIRST_PAINT_MS = 1000;

test('the bundle without weights and photos is under 400 KB, packed', () => {
  const files = readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => /\.(html|css|js)$/.test(file));
  assert.ok(files.includes('index.html') && files.includes('page.js') && files.includes('worker.js') && files.includes('style.css'));
  const sizes = files.map((file) => [file, gzipSync(readFileSync(path.join(folder, file)), { level: 9 }).length] as const);
  const total = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
  console.log(`measured: ${total} bytes packed: ${sizes.map(([file, bytes]) => `${file} ${bytes}`).join(', ')}`);
  assert.ok(total < MOST_BYTES);
});

test('first paint within a second', async () => {
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const { page, errors } = await openPage(browser, address);
    times.push(
      (await page.evaluate(
        `new Promise((resolve) => new PerformanceObserver((list) => {
          const entry = list.getEntries().find(({ name }) => name === 'first-contentful-paint');
          if (entry) resolve(entry.startTime);
        }).observe({ type: 'paint', buffered: true }))`,
      )) as number,
    );
    assert.equal(errors, []);
    await page.close();
  }
  console.log(`measured: first contentful paint after ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  // Of three, so that another process's turn on the processor is not held against the page.
  assert.ok(Math.min(...times) < FIRST_PAINT_MS);
});

/** Photos that differ in everything, all of one size. */
async function photo(seed: number): Promise<Buffer> {
  const [width, height] = [48, 40];
  const bytes = noise(3 * width * height + seed).subarray(seed);
  return Buffer.from(await encodePng({ width, height, data: Uint8Array.from(bytes, (v, i) => (v + 13 * seed + i) & 255) }, {}));
}

type Send = (method: string) => Promise<Record<string, number>>;

/** The page's worker, asked through the page's session: playwright has no session for workers. */
async function workerOf(session: CDPSession): Promise<Send> {
  const waiting = new Map<number, (result: Record<string, number>) => void>();
  const attached = new Promise<string>((resolve) => session.on('Target.attachedToTarget', ({ sessionId }) => resolve(sessionId)));
  session.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, result } = JSON.parse(message) as { id: number; result: Record<string, number> };
    waiting.get(id)?.(result);
  });
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const sessionId = await attached;
  let next = 1;
  return (method) =>
    new Promise((resolve) => {
      const id = next++;
      waiting.set(id, resolve);
      void session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method, params: {} }) });
    });
}

/** Bytes in use once garbage is collected, array buffers included; and what the processes hold. */
async function memory(ends: Readonly<Record<string, Send>>): Promise<Record<string, number>> {
  const reading: Record<string, number> = {};
  for (const [name, send] of Object.entries(ends)) {
    await send('HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize } = await send('Runtime.getHeapUsage');
    reading[name] = usedSize + backingStorageSize;
  }
  for (const type of ['renderer', 'gpu-process']) reading[type] = Math.max(...processesBelow(process.pid, type).map(residentBytes));
  return reading;
}

test('memory is flat after a hundred photos', async () => {
  const { page, errors } = await openPage(browser, address);
  await page.locator('.classes tbody tr').first().waitFor(TIMEOUT);
  const session = await page.context().newCDPSession(page);
  const ends = {
    page: ((method: string) => session.send(method as 'Runtime.getHeapUsage')) as unknown as Send,
    worker: await workerOf(session),
  };
  const picker = page.locator('input[aria-label="a photo of your own"]');
  const readings: Record<string, number>[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const name = `photo ${i}.png`;
    await picker.setInputFiles({ name, mimeType: 'image/png', buffer: await photo(i) });
    await page.waitForURL((url) => new URLSearchParams(url.hash.slice(1)).get('photo') === `file:${name}`, TIMEOUT);
    await page.locator('.busy.done').waitFor(TIMEOUT);
    // Its map, too, is there once nothing is waited for.
    await page
      .locator('.waiting')
      .first()
      .waitFor({ ...TIMEOUT, state: 'detached' });
    seen.add((await page.locator('.classes tbody').innerText()).replaceAll(/\s+/g, ' '));
    if (i % 10 === 9) readings.push(await memory(ends));
  }
  assert.ok(seen.size > 90, `expected photos that the network tells apart, got ${seen.size} answers`);
  const mean = (name: string, from: number, to: number): number =>
    readings.slice(from, to).reduce((sum, reading) => sum + reading[name], 0) / (to - from);
  for (const name of Object.keys(readings[0])) {
    // The first ten warm caches and pools up.
    const [first, last] = [mean(name, 1, 5), mean(name, 6, 10)];
    const growth = (last - first) / 50;
    console.log(
      `measured: ${name} ${(first / 1e6).toFixed(1)} MB in photos 11-50, ${(last / 1e6).toFixed(1)} MB in 61-100, ${(growth / 1e3).toFixed(1)} KB a photo`,
    );
    // A photo of 96x80 is 23 KB as pixels, its map another; what kept one of them would grow by more than this.
    const allowed = name === 'page' || name === 'worker' ? 15e3 : 200e3;
    assert.ok(growth < allowed, `${name} grows by ${growth} bytes a photo`);
  }
  assert.equal(errors, []);
  await page.close();
});

test.run();
