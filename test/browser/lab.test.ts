import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { openBrowser, openPage } from './browser.ts';

const server = await listen(process.env.BACKLIGHT_LAB ?? 'dist/lab', 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
const browser = await openBrowser();
test.after(async () => {
  await browser.close();
  server.close();
});

test('opens, and says what the mandrill is', async () => {
  const { page, errors } = await openPage(browser, address);
  await page.locator('.classes tbody tr').first().waitFor({ timeout: 60_000 });
  const rows = await page.locator('.classes tbody tr').allInnerTexts();
  console.log(rows);
  await page.screenshot({ path: '/tmp/lab.png' });
  assert.equal(errors, []);
});
test.run();
