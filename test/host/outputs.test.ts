/** Several outputs of one command: all or none, and nothing left behind. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkOutputs, writeTogether } from '../../src/cli/outputs.ts';
import { failure } from './pictures.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'backlight-outputs-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

test('files are written in parts, and together', async () => {
  async function* later(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1, 2);
    yield Uint8Array.of(3);
  }
  await writeTogether([
    [at('a'), Uint8Array.of(9)],
    [at('b'), later()],
    [at('c'), [Uint8Array.of(4), Uint8Array.of(5)]],
  ]);
  assert.equal([...readFileSync(at('a'))], [9]);
  assert.equal([...readFileSync(at('b'))], [1, 2, 3]);
  assert.equal([...readFileSync(at('c'))], [4, 5]);
  assert.equal(readdirSync(folder).sort(), ['a', 'b', 'c']);
});

test('what fails leaves everything as it was', async () => {
  writeFileSync(at('a'), 'old');
  const broken = function* (): Generator<Uint8Array> {
    yield Uint8Array.of(1);
    throw new Error('out of rows');
  };
  const made = await failure(() =>
    writeTogether([
      [at('a'), Uint8Array.of(1)],
      [at('d'), broken()],
    ]),
  );
  assert.is(made.message, 'out of rows');
  const written = await failure(() =>
    writeTogether([
      [at('a'), Uint8Array.of(1)],
      [at('no/folder'), Uint8Array.of(1)],
    ]),
  );
  assert.match(written.message, /output: expected to write ".*no\/folder", got ENOENT/);
  assert.is(readFileSync(at('a'), 'utf8'), 'old');
  assert.equal(readdirSync(folder).sort(), ['a', 'b', 'c']);
});

test('outputs are checked before any work', async () => {
  const refused = async (words: RegExp, ...files: [string, string][]): Promise<void> => {
    const outputs = files.map(([option, file]) => ({ option, file, extensions: ['.png', '.npy'] }));
    assert.match((await failure(() => checkOutputs(outputs, [at('in.png')]))).message, words);
  };
  await refused(/--raw: expected a file of its own, got ".*in\.png", which is read here/, ['--raw', at('in.png')]);
  await refused(
    /--raw: expected a file of its own, got ".*x\.png", which --output names too/,
    ['--output', at('x.png')],
    ['--raw', at('./x.png')],
  );
  await refused(/--output: expected a file name ending in \.png or \.npy, got/, ['--output', at('x.jpg')]);
  await refused(/--output: expected an existing folder, got/, ['--output', at('none/x.png')]);
  mkdirSync(at('folder.png'));
  await refused(/--output: expected a file, got the folder/, ['--output', at('folder.png')]);
  await checkOutputs([{ option: '--raw', file: undefined, extensions: [] }], []);
});

test.run();
