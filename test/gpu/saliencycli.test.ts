// saliency and compare as a user meets them: what is written, what its metadata says, and that pictures of every kind end in a right result
// or one clear line with nothing left behind.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readNpy, readNpyTensor, writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { colourise, overlay, rankPixels } from '../../src/index.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { readPngText } from '../../src/image/png.ts';
import type { Preprocess } from '../../src/image/preprocess.ts';
import { Network } from '../../src/network.ts';
import type { Tensor } from '../../src/tensor.ts';
import { saliency } from '../../src/visualise/saliency.ts';
import { encode, from, noise } from '../host/pictures.ts';
import { buildCommand, type Outcome } from '../command.ts';
import { smallNet } from '../smallnet.ts';

const cli = await buildCommand();
const { at, folder } = cli;

const backlight = (...args: string[]): Promise<Outcome> => cli.run(args);

const net = smallNet(1);
const SPEC: Preprocess = {
  size: [16, 12],
  fit: 'crop',
  resize: 20,
  channels: 'rgb',
  scale: 1 / 255,
  mean: [0.5, 0.4, 0.3],
  std: [0.2, 0.2, 0.2],
};
const LABELS = ['n00000001 ant, emmet', 'n00000002 bee', 'n00000003 cat', 'n00000004 dog', 'n00000005 <eel> & "co"', 'n00000006 fox'];
const graph = JSON.parse(writeGraph(net.graph)) as Record<string, unknown>;
writeFileSync(at('net.json'), JSON.stringify({ ...graph, card: { preprocess: SPEC, labels: LABELS } }));
writeFileSync(at('net.safetensors'), writeSafetensors(net.parameters as Map<string, Tensor>));
const photo = noise(37, 29, 4);
writeFileSync(at('photo.png'), await encode(photo).png().toBuffer());
let before = readdirSync(folder).sort();

/** Takes what a command has written, so that the folder is as before. */
function take(name: string): Buffer {
  const bytes = readFileSync(at(name));
  rmSync(at(name));
  return bytes;
}

async function refused(message: RegExp, ...args: string[]): Promise<void> {
  const { code, out, err } = await backlight(...args);
  const lines = err
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('adapter: '));
  assert.is(code, 2, `${args.join(' ')}: exit code ${code}: ${err}`);
  assert.is(lines.length, 1, `expected one line, got:\n${err}`);
  assert.match(lines[0], message);
  assert.is(out, '');
  assert.equal(readdirSync(folder).sort(), before, 'a file was left behind');
}

const command = (file: string, ...more: string[]): string[] => ['saliency', file, '--model', 'net.json', ...more];

test('all outputs of one map are what the library computes; the pictures say how they were made', async () => {
  const { code, out, err } = await backlight(
    ...command(
      'photo.png',
      '--class',
      'dog',
      '-o',
      'm.png',
      '--overlay',
      'o.png',
      '--raw',
      'r.npy',
      '--rank',
      'k.csv',
      '--json',
      '--rule',
      'guided',
    ),
  );
  assert.is(code, 0, err);
  const report = JSON.parse(out);
  const gpu = await openDevice();
  const network = new Network(gpu, net.graph, net.parameters);
  const [map] = await saliency(network, photo, SPEC, { classes: [3], rule: 'guided' });
  await network.dispose();
  gpu.dispose();
  assert.equal(readNpyTensor(take('r.npy')), map.map);
  const [one] = report.maps;
  assert.equal(
    [one.class, one.name, one.score, one.posterior, one.zero, one.value],
    [3, 'dog', map.score, map.posterior, false, map.score],
  );
  assert.ok(one.seen > 0 && one.seen < 1 && one.peak.value > 0);
  const range = { low: 0, high: one.range[1], signed: false, zero: false };
  const file = take('m.png');
  assert.equal(await decodeImage(file), colourise(map.map, { range }).picture);
  assert.equal(await decodeImage(take('o.png')), overlay(photo, map.map, { range }));
  const text = readPngText(file);
  assert.is(text.Target, 'class 3, dog');
  assert.is(text.Rule, 'guided');
  assert.is(text.Reduction, 'max over channels of |w|');
  assert.is(text.Colours, 'inferno');
  assert.is(text.Clip, 'percentile 99.5 of the magnitudes that are not zero');
  assert.is(text.Range, `0 to ${range.high}`);
  assert.equal([Number(text.Score), Number(text.Posterior), text.Model], [map.score, map.posterior, 'net.json']);
  assert.equal(JSON.parse(text.Preprocess), SPEC);
  const lines = take('k.csv').toString().trimEnd().split('\n');
  assert.is(lines[0], 'rank,y,x,value');
  assert.is(lines.length, 1 + 37 * 29);
  rankPixels(map.map).forEach((i, r) => {
    const [rank, y, x, value] = lines[r + 1].split(',').map(Number);
    assert.equal([rank, y * 37 + x, Math.fround(value)], [r + 1, i, map.map.data[i]]);
  });
  assert.is((await backlight(...command('photo.png', '--class', '3', '--rule', 'guided', '--rank', 'k.npy'))).code, 0);
  assert.equal([...(readNpy(take('k.npy')).data as Int32Array)], [...rankPixels(map.map)]);
  assert.equal(readdirSync(folder).sort(), before);
});

test('several maps: a sheet that names them, and numbers along a first axis', async () => {
  const { code, err, out } = await backlight(
    ...command('photo.png', '--class', 'top5', '-o', 'm.png', '--overlay', 'o.png', '--raw', 'r.npy'),
  );
  assert.is(code, 0, err);
  assert.match(out, /target +value +posterior/);
  assert.equal(readNpyTensor(take('r.npy')).shape, [5, 29, 37]);
  const sheet = take('m.png');
  const text = readPngText(sheet);
  assert.is(text.Maps.split('\n').length, 5);
  assert.ok(text.Maps.split('\n').every((line) => JSON.parse(line).Target.startsWith('class ')));
  assert.is(text.Rule, 'gradient');
  assert.ok((await decodeImage(sheet)).width > 480);
  take('o.png');
  const each = await backlight(
    ...command('photo.png', '--class', 'bee,cat', '--channels-each', '-o', 'm.png', '--raw', 'r.npy', '--reduce', 'signed'),
  );
  assert.is(each.code, 0, each.err);
  assert.equal(readNpyTensor(take('r.npy')).shape, [6, 29, 37]);
  assert.match(readPngText(take('m.png')).Maps, /class 1, bee, red/);
});

test('ten views, posterior, units, other colours', async () => {
  for (const more of [
    ['--views', '10', '--class', 'top1,ant'],
    ['--score', 'posterior', '--class', '2', '--colours', 'greys', '--clip', '100'],
    ['--neuron', 'r2:1,2,3', '--rule', 'linear', '--rule-at', 'relu1=guided'],
    ['--reduce', 'signed', '--class', '4'],
    ['--fit', 'squash', '--reduce', 'l2', '--colours', 'turbo'],
  ]) {
    const { code, err } = await backlight(...command('photo.png', '-o', 'm.png', ...more));
    assert.is(code, 0, err);
    const file = take('m.png');
    assert.ok((await decodeImage(file)).width >= 37);
    const text = readPngText(file);
    if (more.includes('--neuron')) assert.equal([text.Target, text.Rule], ['unit r2:1,2,3', 'linear, relu1=guided']);
    if (more.includes('signed')) assert.is(text.Colours, 'rdbu');
    if (more.includes('10')) assert.is(text.Views, '10');
  }
});

test('an all-zero map is told and drawn flat, with exit code 0', async () => {
  // The input of a constant picture under a rule that lets nothing through: a unit that is shut.
  const black = { width: 30, height: 30, data: new Uint8Array(2700) };
  writeFileSync(at('black.png'), await encode(black).png().toBuffer());
  const all = await backlight('predict', '--model', 'net.json', '--input', 'black.png', '--tensor', 'r1', '--output', 't.npy');
  assert.is(all.code, 0, all.err);
  const r1 = readNpyTensor(take('t.npy'));
  const shut = r1.data.findIndex((v) => v === 0);
  assert.ok(shut >= 0);
  const unit = `r1:${Math.floor(shut / 192)},${Math.floor((shut % 192) / 12)},${shut % 12}`;
  const { code, out, err } = await backlight(...command('black.png', '--neuron', unit, '-o', 'm.png', '--overlay', 'o.png', '--json'));
  assert.is(code, 0, err);
  assert.match(err, /warning: the map of unit r1:.* is zero everywhere and drawn flat/);
  assert.is(JSON.parse(out).maps[0].zero, true);
  const file = take('m.png');
  assert.is(readPngText(file).Range, 'the map is zero everywhere');
  assert.is(new Set((await decodeImage(file)).data).size, 2);
  take('o.png');
  rmSync(at('black.png'));
});

test('pictures of every kind', async () => {
  const { width, height, data } = photo;
  const grey = Uint8Array.from({ length: width * height }, (_, i) => data[3 * i]);
  const kinds: Record<string, Buffer> = {
    'grey.png': await from(width, height, 1, grey).png().toBuffer(),
    'alpha.png': await encode(photo).ensureAlpha(0.5).png().toBuffer(),
    'wide.png': await from(
      width,
      height,
      3,
      Uint16Array.from(data, (v) => 257 * v),
      true,
    )
      .toColourspace('rgb16')
      .png()
      .toBuffer(),
    'cmyk.jpg': await encode(photo).toColourspace('cmyk').jpeg().toBuffer(),
    'rotated.jpg': await encode(photo).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer(),
    'one.png': await encode(noise(1, 1, 1))
      .png()
      .toBuffer(),
    'row.png': await encode(noise(300, 1, 1))
      .png()
      .toBuffer(),
    'panorama.png': await encode(noise(20_000, 40, 1))
      .png()
      .toBuffer(),
  };
  for (const [name, bytes] of Object.entries(kinds)) {
    writeFileSync(at(name), bytes);
    for (const views of name === 'panorama.png' || name === 'one.png' ? ['1', '10'] : ['1']) {
      const { code, err } = await backlight(...command(name, '--views', views, '-o', 'm.png', '--overlay', 'o.png', '--raw', 'r.npy'));
      assert.is(code, 0, `${name}: ${err}`);
      const upright = await sharp(bytes).rotate().toBuffer({ resolveWithObject: true });
      const map = await decodeImage(take('m.png'));
      assert.equal([map.width, map.height], [upright.info.width, upright.info.height], name);
      take('o.png');
      const raw = readNpyTensor(take('r.npy'));
      assert.equal(raw.shape, [map.height, map.width]);
      assert.ok(raw.data.every(Number.isFinite) && raw.data.some((v) => v !== 0), name);
    }
    rmSync(at(name));
  }
  assert.equal(readdirSync(folder).sort(), before);
});

test('what is wrong ends in one line, and leaves nothing behind', async () => {
  writeFileSync(at('text.png'), 'not a picture');
  writeFileSync(at('cut.png'), readFileSync(at('photo.png')).subarray(0, 900));
  writeFileSync(
    at('slip.png'),
    await encode(noise(19_000, 2, 1))
      .png()
      .toBuffer(),
  );
  before = readdirSync(folder).sort();
  const out = ['-o', 'm.png', '--raw', 'r.npy'];
  await refused(/image: expected a PNG/, ...command('text.png', ...out));
  await refused(/damaged/, ...command('cut.png', ...out));
  await refused(/photo: expected a readable file, got "none.png"/, ...command('none.png', ...out));
  await refused(/class: expected a class of this model, got "cow"\. The nearest are/, ...command('photo.png', '--class', 'cow', ...out));
  await refused(/class: expected a number in \[0, 5\], got 6/, ...command('photo.png', '--class', '6', ...out));
  await refused(/cut of 16x12 inside the resized picture/, ...command('photo.png', '--cut', '100,0', ...out));
  await refused(/expected no cut with ten views/, ...command('photo.png', '--cut', '0,0', '--views', '10', ...out));
  await refused(/longer side is at most 16384 pixels/, ...command('slip.png', '--views', '10', ...out));
  await refused(/--views: expected one of 1, 10, got "5"/, ...command('photo.png', '--views', '5', ...out));
  await refused(/--reduce: expected one of max, l2, sum, signed, got "mean"/, ...command('photo.png', '--reduce', 'mean', ...out));
  await refused(/--clip: expected a percentile above 0 and at most 100, got "0"/, ...command('photo.png', '--clip', '0', ...out));
  await refused(/--colours: expected one of inferno/, ...command('photo.png', '--colours', 'jet', ...out));
  await refused(/--colours: expected rdbu with --reduce signed alone/, ...command('photo.png', '--colours', 'rdbu', ...out));
  await refused(/expected either --class or --neuron/, ...command('photo.png', '--class', '1', '--neuron', 'r1:0,0,0', ...out));
  await refused(/expected a tensor of the network, got "r9"/, ...command('photo.png', '--neuron', 'r9:0,0,0', ...out));
  await refused(/--rank: expected one map to rank, got several/, ...command('photo.png', '--class', '1,2', '--rank', 'k.csv'));
  await refused(
    /--raw: expected a file of its own, got "m\.npy", which --rank names too|names too/,
    ...command('photo.png', '--raw', 'm.npy', '--rank', 'm.npy'),
  );
  await refused(/--output: expected a file of its own, got "photo\.png", which is read here/, ...command('photo.png', '-o', 'photo.png'));
  await refused(/--output: expected a file name ending in \.png/, ...command('photo.png', '-o', 'm.jpg'));
  await refused(/--overlay: expected an existing folder/, ...command('photo.png', '--overlay', 'no/m.png'));
  await refused(/--layers: expected names of tensors/, 'compare', 'photo.png', '--model', 'net.json', '--layers', 'r1,', '-o', 'm.png');
  await refused(
    /expected a tensor of the network, got "r9"/,
    'compare',
    'photo.png',
    '--model',
    'net.json',
    '--layers',
    'r9',
    '-o',
    'm.png',
  );
  await refused(/--signed: expected one of colour, rdbu/, 'compare', 'photo.png', '--model', 'net.json', '--signed', 'x', '-o', 'm.png');
});

test('compare draws a sheet, prints a table, and reports in JSON', async () => {
  const common = ['compare', 'photo.png', '--model', 'net.json'];
  const { code, out, err } = await backlight(...common, '--class', 'fox', '-o', 'm.png');
  assert.is(code, 0, err);
  assert.match(out, /class 5, fox, score/);
  assert.match(out, /relu +shape +X>0 +R>0 +differ/);
  const text = readPngText(take('m.png'));
  assert.match(text.Seeds, /class 5, fox, score .*\nunit r1:/);
  const json = await backlight(...common, '--layers', 'none', '--neuron', 'r2:0,0,0', '--neuron', 'c1:1,1,1', '--json');
  assert.is(json.code, 0, json.err);
  const { seeds } = JSON.parse(json.out);
  assert.is(seeds.length, 3);
  assert.equal(Object.keys(seeds[0].relus[0].norm), ['gradient', 'deconvnet', 'guided', 'linear']);
  assert.is(seeds[0].signals, undefined);
});

test('help, with examples', async () => {
  for (const name of ['saliency', 'compare']) {
    const { code, out } = await backlight(name, '--help');
    assert.is(code, 0);
    assert.match(out, /Examples/);
  }
});

test('the picture says which number was differentiated', async () => {
  for (const [score, said] of [
    ['scores', 'score'],
    ['posterior', 'posterior'],
    ['logodds', 'log odds'],
  ]) {
    const { code, err } = await backlight('saliency', 'photo.png', '--model', 'net.json', '--score', score, '-o', 'm.png');
    assert.is(code, 0, err);
    assert.is(readPngText(take('m.png')).Differentiated, said);
  }
});

test.run();
