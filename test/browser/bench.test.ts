// The bench tab in a real browser: roofs, cases, report; stopped, left and gone on with.
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Page } from 'playwright-core';
import { compareReports, SCHEMA, selectCases, toCsv, withDerived, type BenchReport } from '../../src/bench/index.ts';
import { QUICK } from '../../src/bench/cases.ts';
import { listen } from '../../src/cli/lab.ts';
import { openBrowser, openPage } from './browser.ts';

const server = await listen(process.env.BACKLIGHT_LAB ?? 'dist/lab', 0);
const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
const browser = await openBrowser();
test.after(async () => {
  await browser.close();
  server.close();
});

const says = (page: Page, text: string | RegExp): Promise<void> =>
  page.locator('.bench [role=status]').filter({ hasText: text }).waitFor({ timeout: 180_000 });
const press = (page: Page, name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click({ timeout: 60_000 });

async function download(page: Page, button: string): Promise<string> {
  const [file] = await Promise.all([page.waitForEvent('download'), press(page, button)]);
  return readFileSync(await file.path(), 'utf8');
}

test('some cases of the quick set: checked, timed, told in a table, drawn, and reported as the command does', async () => {
  const { page, errors } = await openPage(browser, `${address}#tab=bench&cases=conv1x1%2Csoftmax`);
  await says(page, '5 cases');
  await press(page, 'Start');
  await says(page, /Done: 5 cases in .* none wrong/);

  const report = JSON.parse(await download(page, 'Report as JSON')) as BenchReport;
  assert.is(report.schema, SCHEMA);
  const ids = selectCases(QUICK, true)
    .map(({ id }) => id)
    .filter((id) => /conv1x1|softmax/.test(id));
  assert.equal(
    report.cases.map(({ id }) => id),
    ids,
  );
  assert.equal(report.options, { samples: 7, budgetSeconds: 0.2, cases: ids });
  assert.is(report.adapter.driver, 'the browser');
  assert.is(report.adapter.backend, 'browser');
  assert.match(report.versions.browser!, /Chrome/);
  const clock = report.clock!;
  assert.ok(clock.quantumMs > 0 && clock.spanMs >= 20 * clock.quantumMs, JSON.stringify(clock));
  console.log(`measured: ${clock.kind} in steps of ${(clock.quantumMs * 1e6).toFixed(0)} ns in the browser`);
  for (const row of report.cases) {
    assert.ok(row.check?.passed && row.repeats?.same, row.id);
    const { device, repeats, clock: by } = row.timing!;
    assert.is(by, clock.kind);
    assert.ok(device.median > 0 && device.min <= device.median && device.samples >= 3 && repeats >= 1);
    // What follows from the times is what follows from them under Node.
    const { gflops, share, leastMs } = withDerived(row, report.roofs.best);
    assert.equal([row.gflops, row.share, row.leastMs], [gflops, share, leastMs]);
  }
  // The command line takes it for a baseline.
  const changes = compareReports(report, report, 0.1);
  assert.is(changes.length, 5);
  assert.ok(changes.every(({ verdict }) => verdict === 'same'));
  assert.is(await download(page, 'Table as CSV'), toCsv(report));
  assert.match(await download(page, 'Roofline as SVG'), /^<svg [\s\S]*conv1x1\/squeezenet\.fire2_squeeze\/forward[\s\S]*<\/svg>\n$/);

  const rows = await page.locator('table.cases tbody tr').allInnerTexts();
  assert.is(rows.length, 5);
  rows.forEach((text, i) => {
    assert.ok(text.includes(report.cases[i].layer) && text.includes('passed'), text);
    assert.ok(text.includes(`${(100 * report.cases[i].share!).toFixed(report.cases[i].share! < 0.1 ? 1 : 0)} %`), text);
  });
  assert.is(await page.locator('.roofline .point title').count(), 3);
  assert.match((await page.locator('.roofline svg[role=img]').getAttribute('aria-label'))!, /^Roofline: 3 cases under /);
  assert.match(await page.locator('.clock').innerText(), /What browsers quantise.*every sample repeats its work/s);
  assert.is(await page.locator('table.roofs tbody tr').count(), 10);
  assert.equal(errors, []);
  await page.close();
});

test('stopped, left, come back to, and finished with what there is', async () => {
  const { page, errors } = await openPage(browser, `${address}#tab=bench&cases=relu%2Cconcat%2Cavgpool%2Csoftmax`);
  await says(page, '8 cases');
  await press(page, 'Start');
  // While the roofs are being measured it is given up, and nothing is left.
  await says(page, 'Measuring what the device can do');
  await press(page, 'Stop');
  await says(page, '8 cases');
  await press(page, 'Start');
  await page.locator('table.cases tbody tr').first().waitFor({ timeout: 120_000 });
  await press(page, 'Stop');
  await says(page, /Stopped after \d+ cases/);
  const count = await page.locator('table.cases tbody tr').count();
  await page.getByRole('tab', { name: 'Look' }).click();
  await page.getByRole('tab', { name: 'Bench' }).click();
  await says(page, `Stopped after ${count} cases`);
  await press(page, 'Finish with what there is');
  await says(page, `Done: ${count} cases`);
  const report = JSON.parse(await download(page, 'Report as JSON')) as BenchReport;
  assert.is(report.cases.length, count);

  // Another question: nothing of the old one is left.
  await page.getByLabel('only those').fill('nothing/of/the/kind');
  await page.getByLabel('only those').blur();
  await page.locator('.bench [role=alert]').filter({ hasText: 'expected a pattern' }).waitFor({ timeout: 30_000 });
  assert.is(await page.locator('table.cases').count(), 0);
  assert.ok(await page.getByRole('button', { name: 'Start' }).isDisabled());
  assert.equal(errors, []);
  await page.close();
});

test.run();
