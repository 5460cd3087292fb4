// The tables of README.md are those that bench/tables.mjs makes from the reports in bench/results.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const script = pathToFileURL(resolve('bench/tables.mjs')).href;
const { withTables } = (await import(script)) as { withTables(text: string): string };
const readme = await readFile('README.md', 'utf8');

test('README.md has both tables', () => assert.equal(readme.match(/<!-- table \w+ -->/g), ['<!-- table peers -->', '<!-- table gpu -->']));

test('and they are up to date', () =>
  assert.ok(withTables(readme) === readme, "expected README.md's tables as bench/tables.mjs writes them. Run: node bench/tables.mjs"));

test('a number changed by hand is noticed', () => {
  const changed = readme.replace(/\| (\d+) us \|/, '| 1 us |');
  assert.not.equal(changed, readme);
  assert.is(withTables(changed), readme);
});

test.run();
