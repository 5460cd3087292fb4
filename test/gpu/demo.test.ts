// The demo as a newcomer meets it: on the photos that come along and on one's own, what it writes and what that says, and its refusals.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { overlay } from '../../src/image/overlay.ts';
import type { Picture } from '../../src/image/picture.ts';
import { readPngText } from '../../src/image/png.ts';
import { onCopy, toPhoto } from '../../src/image/project.ts';
import { thumbnail } from '../../src/image/sheet.ts';
import { preprocess, type Preprocess } from '../../src/image/preprocess.ts';
import { Network, posterior } from '../../src/network.ts';
import { RULES } from '../../src/rule.ts';
import type { Tensor } from '../../src/tensor.ts';
import { demonstrate, look, perplexity } from '../../src/visualise/demo.ts';
import { buildCommand } from '../command.ts';
import { encode, scene } from '../host/pictures.ts';
import { smallNet } from '../smallnet.ts';

const command = await buildCommand();
const { at, folder } = command;

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
const net = smallNet(1);
const graph = JSON.parse(writeGraph(net.graph)) as Record<string, unknown>;
const save = (name: string, labels: readonly string[] | undefined): void => {
  writeFileSync(at(`${name}.json`), JSON.stringify({ ...graph, card: { preprocess: SPEC, labels } }));
  writeFileSync(at(`${name}.safetensors`), writeSafetensors(net.parameters as Map<string, Tensor>));
};
save('net', LABELS);
save('planes', [...LABELS.slice(0, 5), 'n02690373 airliner']);
save('nameless', undefined);
const own = scene(150, 90);
writeFileSync(at('own.png'), await encode(own).png().toBuffer());
writeFileSync(at('text.png'), 'no picture');

interface Report {
  readonly class: {
    readonly class: number;
    readonly name: string;
    readonly rank: number;
    readonly score: number;
    readonly posterior: number;
  };
  readonly rival: { readonly class: number };
  readonly ranking: readonly { readonly class: number; readonly rank: number; readonly posterior: number }[];
  readonly perplexity: number;
  readonly stranger?: { readonly photo: string; readonly perplexity: number };
  readonly files: readonly { readonly file: string; readonly shows: string }[];
  readonly classModel: { readonly recipe: { readonly iterations: number } };
  readonly seconds: number;
}

const NAMES = ['sheet.png', 'saliency.png', 'rules.png', 'object.png', 'cutout.png', 'class-model.png', 'stranger.png'];
const read = (file: string): Promise<Picture> => decodeImage(readFileSync(file));
const text = (...parts: string[]): Record<string, string> => readPngText(readFileSync(at(...parts)));

test('what the demo finds is what the library finds, question by question', async () => {
  const gpu = await openDevice();
  const network = new Network(gpu, net.graph, net.parameters);
  const stages: string[] = [];
  const recipe = { preset: 'paper', iterations: 3 } as const;
  const demo = await demonstrate(network, own, SPEC, { recipe, onStage: (stage) => stages.push(stage) });
  assert.is(stages.length, 5);
  assert.is(demo.ranking.length, 5);
  assert.is(demo.classes, 6);
  assert.equal(
    demo.ranking.map(({ rank }) => rank),
    [1, 2, 3, 4, 5],
  );
  assert.is(demo.chosen.class, demo.ranking[0].class);
  assert.is(demo.rival.class, demo.ranking[1].class);
  assert.equal([demo.maps[0].class, demo.maps[1].class], [demo.chosen.class, demo.rival.class]);
  assert.equal([demo.object.class, demo.model.class], [demo.chosen.class, demo.chosen.class]);
  assert.is(demo.model.recipe.iterations, 3);
  assert.equal([demo.seen.width, demo.seen.height], [12, 16]);
  const { input } = preprocess(own, SPEC);
  for (const rule of RULES) {
    const { gradient, scores } = await network.gradient(input, { target: demo.chosen.class, rule });
    assert.equal(demo.signals[rule], gradient);
    assert.is(demo.chosen.score, scores!.data[demo.chosen.class]);
    const posteriors = posterior(scores!.data);
    assert.is(demo.chosen.posterior, posteriors[demo.chosen.class]);
    assert.is(demo.perplexity, perplexity(posteriors));
  }
  // A class that is not among the best comes behind them, and its rival is the best.
  const last = [0, 1, 2, 3, 4, 5].find((k) => demo.ranking.every((one) => one.class !== k))!;
  const other = await look(network, own, SPEC, last);
  assert.equal([other.ranking.length, other.ranking[5].class, other.chosen.rank, other.rival.class], [6, last, 6, demo.ranking[0].class]);
  const short = await demonstrate(network, own, SPEC, { recipe: { ...recipe, iterations: 10_000 }, seconds: 0 });
  assert.is(short.model.recipe.iterations, 10);
  await network.dispose();
  gpu.dispose();
});

test('without a photo: the mandrill and the aeroplane, all on one page, and text that says how each picture was made', async () => {
  const { code, out, err } = await command.run(['demo', '--model', 'net.json']);
  assert.is(code, 0, err);
  const names = readdirSync(at('backlight-demo')).sort();
  // Whether a network without training finds an object is not at issue.
  assert.equal(
    names.filter((name) => name !== 'cutout.png'),
    NAMES.filter((name) => name !== 'cutout.png').sort(),
  );
  for (const name of names) {
    assert.ok(out.includes(`${path.join('backlight-demo', name)} `), `${name} is not told`);
    const about = text('backlight-demo', name);
    assert.match(about.Software, /^backlight /);
    assert.is(about.Model, 'net');
    assert.match(about.Preprocess, /"size":\[16,12\]/);
    assert.ok(about.Title.length > 0);
    if (name !== 'class-model.png') assert.is(about.Photo, name === 'stranger.png' ? 'aeroplane.jpg' : 'mandrill.png');
  }
  const extents = async (name: string): Promise<number[]> => {
    const { width, height } = await sharp(at('backlight-demo', name)).metadata();
    return [width, height];
  };
  assert.is((await extents('sheet.png'))[0], 960);
  assert.equal(await extents('saliency.png'), [512, 512]);
  assert.equal(await extents('object.png'), [512, 512]);
  assert.equal(await extents('class-model.png'), [32 * 12, 32 * 16]);
  assert.equal(await extents('stranger.png'), [1024, 717]);
  const model = text('backlight-demo', 'class-model.png');
  assert.is(model.Enlarged, '32 times, pixels repeated');
  assert.is(model.Preset, 'cs231n');
  assert.match(out, /^mandrill\.png, 128 x 128 pixels \(.*baboon-image-uri\)\nrank {2}posterior {2}score {2}class\n {3}1 /);
  assert.match(out, /\naeroplane\.jpg, none of the classes \(Fedele Azari, 1914-1929\)\n/);
  assert.match(out, /\n\d+\.\d s on .*Next, with a photo of yours:\n {2}npx backlight demo cat\.jpg --model net\.json\n/);
  rmSync(at('backlight-demo'), { recursive: true });
});

test('on a photo of your own: its class by name, a folder that is made, files replaced, a report as JSON', async () => {
  const run = (...more: string[]) => command.run(['demo', 'own.png', '--model', 'net.json', '--output', 'a/b', '--json', ...more]);
  const { code, out, err } = await run();
  assert.is(code, 0, err);
  const report = JSON.parse(out) as Report;
  assert.is(report.stranger, undefined);
  assert.is(report.files[0].file, path.join('a', 'b', 'sheet.png'));
  assert.equal(readdirSync(at('a/b')).sort(), report.files.map(({ file }) => path.basename(file)).sort());
  assert.ok(!existsSync(at('a/b/stranger.png')));
  assert.ok(report.seconds > 0 && report.perplexity >= 1 && report.perplexity <= 6);
  const before = text('a/b', 'saliency.png');
  assert.is(before.Score, String(report.class.score));
  assert.is(before.Photo, 'own.png');

  // The picture is the overlay of the map that the library gives, on a photo enlarged to 512 pixels.
  const gpu = await openDevice();
  const network = new Network(gpu, net.graph, net.parameters);
  const { maps, geometry } = await look(network, own, SPEC);
  const copy = thumbnail(own, [307, 512]);
  const map = toPhoto(maps[0].frame, onCopy(geometry, [307, 512]));
  const range = { low: 0, high: Number(before.Range.split(' to ')[1]), signed: false, zero: false };
  assert.equal(await read(at('a/b/saliency.png')), overlay(copy, map, { range }));
  await network.dispose();
  gpu.dispose();

  const last = report.ranking[4];
  const name = LABELS[last.class].replace(/^n\d+ /, '').split(',')[0];
  const again = await run('--class', name);
  assert.is(again.code, 0, again.err);
  const second = JSON.parse(again.out) as Report;
  assert.equal([second.class.class, second.class.rank, second.rival.class], [last.class, 5, report.class.class]);
  assert.is(text('a/b', 'saliency.png').Score, String(second.class.score));
  rmSync(at('a'), { recursive: true });
});

test('in the mandrill the class that is right is looked for, if the network has it; top1 is what the network says', async () => {
  save('apes', [...LABELS.slice(0, 5), 'n02486410 baboon']);
  for (const [options, rank] of [
    [[], undefined],
    [['--class', 'top1'], 1],
  ] as const) {
    const { code, out, err } = await command.run(['demo', '--model', 'apes.json', '--output', 'out', '--json', ...options]);
    assert.is(code, 0, err);
    const report = JSON.parse(out) as Report & { readonly shows: number };
    assert.is(report.shows, 5);
    if (rank === undefined) assert.is(report.class.class, 5);
    else assert.is(report.class.rank, rank);
    rmSync(at('out'), { recursive: true });
  }
});

test('a network that may know aeroplanes is not said to have no class for one', async () => {
  for (const name of ['planes', 'nameless']) {
    const { code, out, err } = await command.run(['demo', '--model', `${name}.json`, '--output', 'out', '--json']);
    assert.is(code, 0, err);
    assert.is((JSON.parse(out) as Report).stranger, undefined);
    rmSync(at('out'), { recursive: true });
  }
});

test('what cannot be: one line, exit code 2, and nothing is left behind', async () => {
  mkdirSync(at('photos'));
  writeFileSync(at('photos', 'own.png'), readFileSync(at('own.png')));
  const before = readdirSync(folder, { recursive: true }).sort();
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, out, err } = await command.run(['demo', ...args]);
    const lines = err.trim().split('\n');
    assert.is(code, 2, `${args.join(' ')}: exit code ${code}: ${err}`);
    assert.is(lines.length, 1, `expected one line, got:\n${err}`);
    assert.match(lines[0], message);
    assert.is(out, '');
    assert.equal(readdirSync(folder, { recursive: true }).sort(), before, 'a file was left behind');
  };
  const model = ['--model', 'net.json'];
  await refused(/photo: expected a readable file, got "none\.jpg" \(ENOENT\)/, 'none.jpg', ...model);
  await refused(/picture|image|decode/i, 'text.png', ...model);
  await refused(/class: expected a class of this model, got "wolf"/, 'own.png', ...model, '--class', 'wolf');
  await refused(/class: expected a number in \[0, 5\], got 6/, ...model, '--class', '6');
  await refused(/--output: expected a folder, got "own\.png", a file/, ...model, '--output', 'own.png');
  await refused(/--output: expected a folder, got "own\.png\/x", where ".*own\.png" is a file/, ...model, '--output', 'own.png/x');
  await refused(
    /--output: expected a folder of its own, got "photos", where "photos\/own\.png" is read/,
    'photos/own.png',
    ...model,
    '-o',
    'photos',
  );
  await refused(/model: expected/, '--model', 'none.onnx');
  await refused(/unknown option '--colour'/, '--colour', 'red');
});

test('"backlight" alone points to the demo, and npm has it as a script', async () => {
  const { code, out } = await command.run([]);
  assert.is(code, 0);
  assert.match(out, /\nNew here\? Run: backlight demo\n$/);
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  assert.is(scripts.demo, 'node dist/cli.js demo');
});

if (existsSync(path.join('weights', 'paper-mini.json'))) {
  test('the shipped network: everything within a minute', async () => {
    const { code, out, err } = await command.run(['demo', '--output', 'shipped', '--json']);
    assert.is(code, 0, err);
    const report = JSON.parse(out) as Report;
    console.log(`demo: ${report.class.name}, posterior ${report.class.posterior.toFixed(3)}; ${report.seconds.toFixed(1)} s`);
    assert.ok(report.stranger !== undefined);
    assert.ok(report.files.length >= 6);
    assert.ok(report.seconds < 60, `${report.seconds} s`);
  });
} else console.log('skipped: the demo on the shipped network: no weights/paper-mini.json');

test.run();
