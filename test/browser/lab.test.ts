// The page as a whole: it opens from anywhere, needs nothing but its own folder, and shows what an address says.
import { createServer, type Server } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page, Request } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { openBrowser, openPage } from './browser.ts';

const folder = path.resolve(process.env.BACKLIGHT_LAB ?? 'dist/lab');
const browser = await openBrowser();
const server = await listen(folder, 0);
const origin = (of: Server): string => `http://127.0.0.1:${(of.address() as { port: number }).port}/`;
const address = origin(server);
test.after(async () => {
  await browser.close();
  server.close();
});

const TIMEOUT = { timeout: 60_000 };

/** The best classes, once they are there. */
async function classes(page: Page): Promise<string[]> {
  const rows = page.locator('.classes tbody tr');
  await rows.nth(4).waitFor(TIMEOUT);
  return rows.allInnerTexts();
}

test('opens, and says what the mandrill is', async () => {
  const { page, errors } = await openPage(browser, address);
  const rows = await classes(page);
  assert.is(rows.length, 5);
  // The score and posterior that "backlight predict" prints.
  assert.match(rows[0], /^barrel\s+6\.12\s+0\.5/);
  assert.ok(await page.evaluate('crossOriginIsolated'), 'isolated, so that its clock is fine');
  assert.equal(errors, []);
  await page.close();
});

test('nothing is asked of another origin, whatever is looked at', async () => {
  const page = await browser.newPage();
  const foreign: string[] = [];
  const sent: string[] = [];
  // Blobs and data never leave the browser.
  page.on('request', (request: Request) => {
    if (/^https?:/.test(request.url()) && !request.url().startsWith(address)) foreign.push(request.url());
    if (request.method() !== 'GET') sent.push(request.url());
  });
  await page.route(
    (url) => !url.href.startsWith(address),
    (route) => route.abort(),
  );
  await page.goto(address);
  await classes(page);
  for (const name of ['Layers', 'Class model', 'Bench', 'Look']) {
    await page.getByRole('tab', { name, exact: true }).click();
    await page.getByRole('tabpanel').waitFor(TIMEOUT);
  }
  await page.getByRole('button', { name: 'an aeroplane' }).click();
  await page.locator('.busy.done').waitFor(TIMEOUT);
  // The list of models is the page's own; a model's bytes are asked for only when it is.
  await page.locator('.model-pill').click();
  await page.locator('table.registry tbody tr').first().waitFor(TIMEOUT);
  await page.getByRole('button', { name: 'close' }).click();
  assert.equal(foreign, []);
  assert.equal(sent, []);
  await page.close();
});

test('from any host and folder, with no headers of its own: the policy is in the page', async () => {
  const base = '/some/sub/path/';
  const types: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html' };
  const plain = createServer((request, response) => {
    const name = (request.url ?? '').split('?')[0];
    if (!name.startsWith(base)) return void response.writeHead(404).end();
    readFile(path.join(folder, name.slice(base.length) || 'index.html')).then(
      (bytes) => response.writeHead(200, { 'content-type': types[path.extname(name) || '.html'] ?? 'application/octet-stream' }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  const { page, errors } = await openPage(browser, origin(plain).slice(0, -1) + base);
  assert.match((await classes(page))[0], /^barrel/);
  await page.locator('.model-pill').click();
  await page.locator('table.registry tbody tr').first().waitFor(TIMEOUT);
  // No script but the page's own: what is slipped into the page does not run, and cannot call out.
  const refused = await page.evaluate(`(async () => {
    const script = document.createElement('script');
    script.textContent = 'globalThis.slipped = true';
    document.body.append(script);
    const called = await fetch('https://elsewhere.example/').then(() => 'called', () => 'refused');
    return [globalThis.slipped ?? false, called];
  })()`);
  assert.equal(refused, [false, 'refused']);
  assert.ok(errors.length > 0 && errors.every((error) => error.includes('Content Security Policy')), errors.join('\n'));
  await page.close();
  plain.close();
  plain.closeAllConnections();
});

test('an address is a view; what makes no sense in it is told, and what the model does not have leaves it', async () => {
  const { page, errors } = await openPage(browser, `${address}#photo=aeroplane&class=7&clip=95&colour=red&layer=nowhere`);
  await classes(page);
  await page.locator('.classes tr.chosen').waitFor(TIMEOUT);
  assert.match(await page.locator('.problems').innerText(), /expected what a view consists of, got "colour"|has no layer "nowhere"/);
  const hash = new URLSearchParams(new URL(page.url()).hash.slice(1));
  assert.is(hash.get('photo'), 'aeroplane');
  assert.is(hash.get('class'), '7');
  assert.is(hash.get('clip'), '95');
  assert.is(hash.get('layer'), null);
  await page.reload();
  await page.locator('.classes tr.chosen').waitFor(TIMEOUT);
  assert.is(new URLSearchParams(new URL(page.url()).hash.slice(1)).get('class'), '7');
  // Another address in the same page.
  await page.evaluate("location.hash = '#class=3'");
  await page.locator('button[aria-pressed=true]', { hasText: 'a mandrill' }).waitFor(TIMEOUT);
  assert.equal(errors, []);
  await page.close();
});

test.run();
