// The class model tab in a real browser: watched, halted, bent, gone on with, and bit for bit what Node makes of the same question.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Page } from 'playwright-core';
import { listen } from '../../src/cli/lab.ts';
import { openBrowser, openPage } from './browser.ts';

const server = await listen(process.env.BACKLIGHT_LAB ?? 'dist/lab', 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
const browser = await openBrowser();
test.after(async () => {
  await browser.close();
  server.close();
});
test('looks', async () => {
  const { page, errors } = await openPage(browser, `${address}#tab=model`);
  page.on('download', () => {});
  await page.getByRole('button', { name: 'Start' }).click();
  await page.waitForTimeout(1500);
  await page.getByRole('button', { name: 'Pause' }).click();
  for (const [w, h] of [[1280, 900], [800, 1000], [390, 1600]] as const) {
    await page.setViewportSize({ width: w, height: h });
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.waitForTimeout(150);
      await page.screenshot({ path: `/tmp/t/s/model-${w}-${scheme}.png`, fullPage: true });
    }
  }
  await page.getByRole('tab', { name: 'Bench' }).click();
  await page.getByRole('button', { name: 'Start' }).click();
  await page.getByText('Done:').waitFor({ timeout: 120_000 }).catch(() => {});
  for (const [w, h] of [[1280, 900], [800, 1000], [390, 1600]] as const) {
    await page.setViewportSize({ width: w, height: h });
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.waitForTimeout(250);
      await page.screenshot({ path: `/tmp/t/s/bench-${w}-${scheme}.png`, fullPage: true });
    }
  }
  console.log('measured: ', errors, await page.locator('.clock').innerText().catch(String), await page.locator('.bench [role=status]').innerText());
});
test.run();
