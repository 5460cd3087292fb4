/** Journals: what a kill leaves is taken up, other settings are refused by name, and shards give what one run gives. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, InputError } from '../../src/errors.ts';
import { differences, formatLine, inShard, merge, parseJournal, type Header, type Journal } from '../../src/evaluate/journal.ts';
import { openRecorder } from '../../src/evaluate/record.ts';
import type { ClassRow } from '../../src/evaluate/rows.ts';
import { summarise } from '../../src/evaluate/summary.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'backlight-journal-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

const IMAGES = 7;
const header = (
  shard: readonly [number, number] = [1, 1],
  settings: Header['settings'] = { task: 'classification', limit: 3 },
): Header => ({
  backlight: 'evaluation',
  settings,
  hash: 'x',
  images: IMAGES,
  shard,
});
const row = (index: number): ClassRow => ({ index, image: `é${index}.png`, class: index, top5: [index % 3, 2, 5], scores: [3, 2, 1.5] });
const rowsOf = (shard: readonly [number, number]): ClassRow[] =>
  Array.from({ length: IMAGES }, (_, k) => row(k)).filter(({ index }) => inShard(index, shard));
const text = (shard: readonly [number, number] = [1, 1]): string => [header(shard), ...rowsOf(shard)].map(formatLine).join('');
const read = (content: string): Journal => parseJournal(content, 'r.jsonl')!;

test('what was written reads back', () => {
  const journal = read(text());
  assert.equal(journal.header, header());
  assert.equal(journal.rows, rowsOf([1, 1]));
  assert.is(journal.whole, text().length);
});

test('a journal cut anywhere is taken up: the same bytes as without the cut', async () => {
  const file = at('r.jsonl');
  const whole = Buffer.from(text());
  for (let cut = 0; cut <= whole.length; cut++) {
    writeFileSync(file, whole.subarray(0, cut));
    const recorder = await openRecorder(file, header());
    const done = new Set(recorder.rows.map(({ index }) => index));
    for (const one of rowsOf([1, 1])) if (!done.has(one.index)) await recorder.add(one);
    await recorder.close();
    assert.ok(readFileSync(file).equals(whole), `cut at ${cut}`);
  }
});

test('a new journal appears with its first row, and not before', async () => {
  const file = at('new.jsonl');
  const recorder = await openRecorder(file, header());
  assert.not.ok(existsSync(file));
  await recorder.add(row(0));
  assert.is(readFileSync(file, 'utf8'), formatLine(header()) + formatLine(row(0)));
  await recorder.close();
  await (await openRecorder(file, header())).close();
});

test('other settings, another shard, another list: refused, saying which', async () => {
  const file = at('other.jsonl');
  writeFileSync(file, text());
  for (const [other, message] of [
    [header([1, 1], { task: 'classification', limit: 4 }), /limit 3 and 4/],
    [header([1, 1], { task: 'classification' }), /limit 3 and nothing/],
    [header([2, 3]), /shard \[1,1\] and \[2,3\]/],
    [{ ...header(), images: 8 }, /images 7 and 8/],
  ] as const) {
    try {
      await openRecorder(file, other);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, InputError);
      assert.match((error as Error).message, message);
    }
    assert.is(readFileSync(file, 'utf8'), text());
  }
});

test('what is no journal is left alone', async () => {
  for (const content of [
    'not a journal',
    'not a journal\n',
    '{"a":1}\n',
    '{"backlight":"evaluation"}\n',
    `${formatLine(header())}{"index":\n`,
  ]) {
    writeFileSync(at('mine.jsonl'), content);
    try {
      await openRecorder(at('mine.jsonl'), header());
      assert.unreachable();
    } catch (error) {
      assert.instance(error, FormatError, content);
    }
    assert.is(readFileSync(at('mine.jsonl'), 'utf8'), content);
  }
});

test('damage within is told with its line', () => {
  const lines = text().trimEnd().split('\n');
  const bad = (changed: readonly string[], message: RegExp): void =>
    assert.throws(
      () => read(`${changed.join('\n')}\n`),
      (error: unknown) => error instanceof FormatError && message.test(error.message),
    );
  bad([...lines.slice(0, 3), lines[3].slice(0, 9), ...lines.slice(4)], /on line 4 of "r\.jsonl", got /);
  bad([...lines, lines[2]], /the image only once on line 9 of "r\.jsonl", got index 1/);
  bad([...lines, lines[2].replace('"index":1', '"index":9')], /an image of part 1 of 1 of 7 on line 9/);
  bad([formatLine(header([2, 2])).trim(), lines[1]], /an image of part 2 of 2/);
});

test('shards, in any order, merge to the bytes and the sums of one run', () => {
  const parts = (
    [
      [3, 3],
      [1, 3],
      [2, 3],
    ] as const
  ).map((shard) => ({ file: `${shard[0]}`, journal: read(text(shard)) }));
  const merged = merge(parts);
  assert.is([merged.header, ...merged.rows].map(formatLine).join(''), text());
  assert.equal(summarise(merged.rows), summarise(read(text()).rows));
  assert.equal(merged.missing, []);
  assert.equal(merge(parts.slice(0, 2)).missing, [1, 4]);
  assert.is(merge([{ file: 'one', journal: read(text()) }]).rows.length, IMAGES);
});

test('shards of different runs, or twice the same, are refused', () => {
  const a = { file: 'a', journal: read(text([1, 2])) };
  const other = { file: 'b', journal: { ...read(text([2, 2])), header: header([2, 2], { task: 'localisation' }) } };
  assert.throws(
    () => merge([a, other]),
    /"a" and "b" with different settings: task "classification" and "localisation"; limit 3 and nothing/,
  );
  assert.throws(() => merge([a, { ...a, file: 'b' }]), /each image once, got "é0\.png" in "a" and in "b"/);
  assert.throws(() => merge([]), /at least one journal/);
});

test('differences name what differs, and only that', () => {
  assert.is(differences({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }), '');
  assert.is(differences({ a: 1, b: [1, 2] }, { a: 1, b: [2] }), 'b [1,2] and [2]');
});

test.run();
