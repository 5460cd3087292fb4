// `backlight train` as a process: killed at any moment and taken up it ends with the same bits; wrong words end in one line.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import sharp from 'sharp';
import { readMetrics, type MetricsRow } from '../../src/train/metrics.ts';
import { buildCommand, type Outcome } from '../command.ts';

const { at, run } = await buildCommand();

/** Three colours of noise, eight pictures each for training and three for validation. */
const COLOURS = ['red', 'green', 'blue'];
for (const [k, colour] of COLOURS.entries())
  for (const [split, count] of [
    ['train', 8],
    ['val', 3],
  ] as const) {
    mkdirSync(at('set', split, colour), { recursive: true });
    for (let i = 0; i < count; i++) {
      const data = Buffer.alloc(64 * 64 * 3);
      for (let p = 0; p < data.length; p++) data[p] = ((p * (7 + i) + 31 * i) % 97) + (p % 3 === k ? 120 : 0);
      await sharp(data, { raw: { width: 64, height: 64, channels: 3 } })
        .png()
        .toFile(at('set', split, colour, `${i}.png`));
    }
  }

const ARGUMENTS = ['--data', 'set', '--cache', 'cache', '--adapter', 'software', '--width', '8', '--hidden', '16', '--batch', '4'];
const train = (output: string, ...more: string[]): Promise<Outcome> =>
  run(['train', ...ARGUMENTS, '--epochs', '5', '--log-every', '4', '--checkpoint-every', '1', '--lr', '0.01', '--output', output, ...more]);

const rows = (output: string): MetricsRow[] =>
  readMetrics(readFileSync(at(`${output}.metrics.jsonl`), 'utf8')).map((row) =>
    'imagesPerSecond' in row ? { ...row, imagesPerSecond: 0 } : row,
  );
const weights = (output: string): Buffer => readFileSync(at(`${output}.safetensors`));
const card = (output: string): Record<string, any> => JSON.parse(readFileSync(at(`${output}.json`), 'utf8')).card;

test('a run learns, and leaves network, card, metrics and curve', async () => {
  const { code, out, err } = await train('one/a');
  assert.is(code, 0, err);
  assert.match(out, /as stored: top-1 \d+\.\d %, top-5 100\.0 % of 9 validation images/);
  const { validation, training, labels, preprocess, weights: file } = card('one/a');
  assert.equal(labels, ['blue', 'green', 'red']);
  assert.equal([training.steps, training.epochs, training.images, training.data], [30, 5, 24, 'set']);
  assert.is(preprocess.mean, 'image');
  assert.is(file.bytes, weights('one/a').length);
  assert.ok(validation.top1 > 0.5, `${validation.top1}`);
  assert.ok(readFileSync(at('one/a.svg'), 'utf8').startsWith('<svg'));
  const metrics = rows('one/a');
  assert.is(metrics.filter((row) => 'validation' in row).length, 5);
  assert.is(metrics.at(-1)!.step, 30);
});

test('the card tells the accuracy of the stored network: evaluate and predict find the same', async () => {
  const classes = ['image,class', ...['blue', 'green', 'red'].flatMap((c, k) => [0, 1, 2].map((i) => `${c}/${i}.png,${k}`))];
  writeFileSync(at('classes.csv'), `${classes.join('\n')}\n`);
  const where = ['--images', 'set/val', '--classes', 'classes.csv', '--adapter', 'software'];
  const { code, out, err } = await run(['evaluate', 'classification', '--model', 'one/a.json', ...where, '--json']);
  assert.is(code, 0, err);
  const { top1 } = card('one/a').validation;
  assert.ok(JSON.stringify(JSON.parse(out)).includes(`${Math.round(9 * top1)}`), out);
});

test('a run that begins with a network starts where that one ended; layers of another shape begin at random', async () => {
  const still = ['--lr', '0', '--epochs', '1', '--initial', 'one/a.json'];
  const same = await train('initial/same', ...still);
  assert.is(same.code, 0, same.err);
  assert.equal(weights('initial/same'), weights('one/a'));
  const { initial } = card('initial/same').training;
  assert.equal([initial.model, initial.layers, initial.training.steps], ['one/a.json', 8, 30]);

  const other = await train('initial/other', ...still, '--hidden', '12');
  assert.is(other.code, 0, other.err);
  assert.match(other.err, /--initial: 5 of 8 layers come from one\/a\.json; the others begin at random/);
  assert.is(card('initial/other').training.initial.layers, 5);
});

test('with worker threads a run has the same bits, and ends', async () => {
  const { code, err } = await train('threads', '--workers', '2');
  assert.is(code, 0, err);
  assert.not.match(err, /warning/);
  assert.ok(weights('threads').equals(weights('one/a')));
  assert.equal(rows('threads'), rows('one/a'));
});

for (const [output, ...workers] of [['two/b'], ['two/threads', '--workers', '3']])
  test(`killed at any moment and taken up, a run ends with the same bits and the same metrics ${workers.join(' ')}`, async () => {
    const checkpoint = at(`${output}.checkpoint.safetensors`);
    const written = (): number => (existsSync(checkpoint) ? statSync(checkpoint).mtimeMs : 0);
    // Killed some time after it has written a checkpoint of its own, the last time not at all.
    const delays = [0, 40, 150, Infinity];
    for (const [i, delay] of delays.entries()) {
      const before = written();
      const more = ['--epochs', '5', '--log-every', '4', '--checkpoint-every', '1', '--lr', '0.01', '--output', output];
      const { code, err } = await run(['train', ...ARGUMENTS, ...more, ...workers, ...(i > 0 ? ['--resume'] : [])], (child) => {
        const look = setInterval(() => {
          if (child.exitCode !== null) clearInterval(look);
          if (delay === Infinity || written() === before) return;
          clearInterval(look);
          setTimeout(() => child.kill('SIGKILL'), delay);
        }, 5);
      });
      assert.is(code, delay === Infinity ? 0 : null, err);
      assert.ok(written() > before);
      assert.is(existsSync(at(`${output}.json`)), delay === Infinity);
    }
    assert.ok(weights(output).equals(weights('one/a')));
    assert.equal(rows(output), rows('one/a'));
    assert.equal(card(output).validation, card('one/a').validation);
  });

test('Ctrl-C stops after a step, and says how to go on', async () => {
  let asked = false;
  const { code, err } = await run(
    ['train', ...ARGUMENTS, '--workers', '2', '--epochs', '400', '--lr', '0.001', '--output', 'three/c'],
    (child) => {
      child.stderr!.on('data', () => {
        if (asked || !existsSync(at('three/c.metrics.jsonl'))) return;
        asked = true;
        setTimeout(() => child.kill('SIGINT'), 1200);
      });
    },
  );
  assert.is(code, 0, err);
  assert.match(err, /stopped after step \d+ of 2400\. Go on with --resume\./);
  assert.ok(existsSync(at('three/c.checkpoint.safetensors')) && !existsSync(at('three/c.json')));
});

test('a run that diverges leaves the last good checkpoint', async () => {
  const { code, err } = await run([
    'train',
    ...ARGUMENTS,
    '--epochs',
    '50',
    '--lr',
    '1e8',
    '--warmup',
    '0',
    '--checkpoint-every',
    '1',
    '--workers',
    '1',
    '--output',
    'four',
  ]);
  assert.is(code, 1, err);
  assert.match(
    err,
    /error: training: expected a finite loss, got \w+ in step \d+\. Start again with a lower --lr\. The last checkpoint, after step/,
  );
  assert.not.ok(existsSync(at('four.json')));
});

for (const [what, args, pattern] of [
  [
    'a run that is there',
    ['--output', 'three/c'],
    /expected a new run, got the checkpoint "three\/c\.checkpoint\.safetensors"\. Give --resume/,
  ],
  ['nothing to resume', ['--output', 'none', '--resume'], /--resume: expected a checkpoint "none\.checkpoint\.safetensors", got none/],
  ['other settings', ['--output', 'three/c', '--resume', '--epochs', '400', '--lr', '0.002'], /--resume: expected rate 0\.001, as in/],
  ['an unknown architecture', ['--output', 'x', '--arch', 'vgg'], /--arch: expected one of paper-mini, paper, got "vgg"/],
  ['an unknown class', ['--output', 'x', '--classes', 'red,pink'], /--classes: expected a class of the data set, got "pink"/],
  ['too many classes', ['--output', 'x', '--classes', '9'], /expected at most 3 classes, got 9/],
  ['too large a batch', ['--output', 'x', '--batch', '25'], /expected at least one batch of 25 images, got 24/],
  ['a bad number', ['--output', 'x', '--momentum', '1.5'], /--momentum: expected a number from 0 to 0\.9999, got "1\.5"/],
  ['too many threads', ['--output', 'x', '--workers', '1000'], /--workers: expected at most 256 threads, got 1000/],
  ['no data', ['--output', 'x', '--data', 'nowhere'], /nowhere/],
] as const) {
  test(`${what} ends in one line and code 2`, async () => {
    const { code, err } = await run(['train', ...ARGUMENTS, ...args]);
    assert.is(code, 2, err);
    const lines = err
      .trim()
      .split('\n')
      .filter((line) => !/^(adapter:|decoding)/.test(line));
    assert.is(lines.length, 1, err);
    assert.match(lines[0], pattern);
    assert.not.ok(existsSync(at('x.json')) || existsSync(at('x.metrics.jsonl')), 'nothing left behind');
  });
}

test.run();
