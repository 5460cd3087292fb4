// `backlight class-model` as a process: what it writes, what it says, and that nothing is left behind when it fails.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readNpyTensor, writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { readPngText } from '../../src/image/png.ts';
import { toPicture, type Preprocess } from '../../src/image/preprocess.ts';
import type { Tensor } from '../../src/tensor.ts';
import { buildCommand, type Outcome } from '../command.ts';
import { smallNet } from './classmodelNet.ts';

const SPEC: Pick<Preprocess, 'channels' | 'scale' | 'mean' | 'std'> = { channels: 'rgb', scale: 1, mean: [100, 120, 140], std: [1, 1, 1] };

const cli = await buildCommand();
const { at, folder } = cli;
writeFileSync(at('net.json'), writeGraph(smallNet(1).graph));
writeFileSync(at('net.safetensors'), writeSafetensors(smallNet(1).parameters as Map<string, Tensor>));
writeFileSync(at('labels.txt'), ['n01 goose', 'ostrich, big bird', 'dumbbell', 'bell pepper', 'limousine, limo'].join('\n'));
const before = readdirSync(folder).sort();

function command(...args: string[]): Promise<Outcome> {
  const fixed = ['--model', 'net.json', '--channels', 'rgb', '--mean', '100,120,140', '--labels', 'labels.txt'];
  return cli.run(['class-model', ...fixed, ...args]);
}

test('class-model writes the picture, the numbers and the trace', async () => {
  const { code, out, err } = await command(
    '--class',
    'ostrich',
    '-o',
    'c.png',
    '--raw',
    'i.npy',
    '--trace',
    't.json',
    '--step',
    '50',
    '--iterations',
    '20',
  );
  assert.is(code, 0, err);
  assert.match(
    out,
    /^ *class +score +posterior +norm +objective +iteration +name\n +1 .* 20 +ostrich, big bird\n20 steps in .* s; written: c\.png, i\.npy, t\.json\n$/,
  );
  assert.match(err, /class model 20\/20 {2}score .* posterior .* norm .* objective/);
  const png = readFileSync(at('c.png'));
  const text = readPngText(png);
  const trace = JSON.parse(readFileSync(at('t.json'), 'utf8'));
  const [model] = trace.models;
  assert.is(model.trace.length, 21);
  assert.equal(Object.keys(model.trace[3]), ['iteration', 'score', 'posterior', 'norm', 'objective']);
  assert.is(text.Class, 'class 1, ostrich, big bird');
  assert.is(text.Score, String(model.score));
  assert.is(text.Posterior, String(model.posterior));
  for (const [key, value] of Object.entries({
    Preset: 'paper',
    Step: '50',
    Iterations: '20',
    Momentum: '0.9',
    Seed: '0',
    Model: 'net.json',
  })) {
    assert.is(text[key], value, key);
  }
  assert.is(Number(text.Lambda), trace.recipe.lambda);
  assert.match(text.Display, /^I \+ mean/);
  // The picture is the raw image plus the mean.
  const raw = readNpyTensor(readFileSync(at('i.npy')));
  assert.equal(raw.shape, [1, 3, 10, 12]);
  assert.equal([...(await decodeImage(png)).data], [...toPicture(raw, SPEC).data]);
  for (const name of ['c.png', 'i.npy', 't.json']) rmSync(at(name));
});

test('class-model: several classes make a picture each, or a sheet', async () => {
  const fast = ['--step', '50', '--iterations', '3'];
  const each = await command('--class', '0,limousine', '-o', 'c.png', '--raw', 'i.npy', '--display', 'stretch', ...fast);
  assert.is(each.code, 0, each.err);
  assert.equal(
    readdirSync(folder)
      .filter((name) => name.endsWith('.png'))
      .sort(),
    ['c-0.png', 'c-4.png'],
  );
  assert.equal(readNpyTensor(readFileSync(at('i.npy'))).shape, [2, 3, 10, 12]);
  assert.match(readPngText(readFileSync(at('c-4.png'))).Display, /\* I \+ mean/);
  const one = await command('--class', '0,1,2,3,4', '--sheet', '-o', 'sheet.png', '--preset', 'cs231n', '--jitter', '2', ...fast, '--json');
  assert.is(one.code, 0, one.err);
  const report = JSON.parse(one.out);
  assert.equal(report.files, ['sheet.png']);
  assert.is(report.models.length, 5);
  assert.is(report.recipe.jitter, 2);
  assert.match(readPngText(readFileSync(at('sheet.png'))).Recipe, /preset cs231n.*jitter 2.*seed 0/);
  for (const name of ['c-0.png', 'c-4.png', 'i.npy', 'sheet.png']) rmSync(at(name));
});

test('class-model: what goes wrong is told in one line, and nothing is left behind', async () => {
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, out, err } = await command(...args);
    const lines = err
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('adapter: '));
    assert.is(code, 2, `${args.join(' ')}: exit code ${code}: ${err}`);
    assert.is(lines.length, 1, `expected one line, got:\n${err}`);
    assert.match(lines[0], message);
    assert.is(out, '');
    assert.equal(readdirSync(folder).sort(), before, 'a file was left behind');
  };
  const good = ['--class', '1', '-o', 'c.png'];
  await refused(/stay finite.*Lower step/, ...good, '--step', '1e30', '--lambda', '0', '--raw', 'i.npy', '--trace', 't.json');
  await refused(/overshoot/, ...good, '--step', '1000', '--lambda', '1');
  await refused(/--preset: expected one of paper, cs231n, deepvis, got "best"/, ...good, '--preset', 'best');
  await refused(/--step: expected a number, got "big"/, ...good, '--step', 'big');
  await refused(/--keep: expected one of last, best/, ...good, '--keep', 'first');
  await refused(/no input here/, '--class', 'top1', '-o', 'c.png');
  await refused(/nearest|expected a class/, '--class', 'unicorn', '-o', 'c.png');
  await refused(/\[0, 4\], got 7/, '--class', '7', '-o', 'c.png');
  await refused(/--output: expected a file name ending in \.png/, '--class', '1', '-o', 'c.jpg');
  await refused(/--trace: expected an existing folder/, ...good, '--trace', 'nowhere/t.json');
  assert.ok(!existsSync(at('c.png')));
});

test.run();
