// `backlight evaluate`: numbers that do not depend on shard or interruption, and errors before any work.
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluateLocalisation } from '../../src/evaluate/localisation.ts';
import { parseMethods } from '../../src/evaluate/methods.ts';
import type { BoxRow, Row } from '../../src/evaluate/rows.ts';
import { writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { buildCommand, type Outcome } from '../command.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { encode } from '../host/pictures.ts';
import { annotations, atBatch, CLASSES, graph, items, options, parameters, pictures, sameRows } from './evaluationSet.ts';

const command = await buildCommand();
const { at, folder } = command;

writeFileSync(at('net.json'), writeGraph(graph));
writeFileSync(at('net.safetensors'), writeSafetensors(parameters));
mkdirSync(at('images', 'sub'), { recursive: true });
for (const [k, picture] of pictures.entries()) {
  // Some lie in a subfolder: a list need not say so.
  await encode(picture)
    .png()
    .toFile(at('images', ...(k % 3 === 0 ? ['sub'] : []), `p${k}.png`));
}
const HEAD = 'image,class_index,orig_w,orig_h,x0,y0,x1,y1';
const lines = annotations.map(({ image, class: label, extent, boxes: [{ x0, y0, x1, y1 }] }) =>
  [image, label, extent![1], extent![0], x0, y0, x1, y1].join(','),
);
writeFileSync(at('boxes.csv'), [HEAD, ...lines].join('\n'));
writeFileSync(at('classes.csv'), ['image,class', ...annotations.map(({ image, class: label }) => `${image},${label}`)].join('\n'));
const LABELS = Array.from({ length: CLASSES }, (_, k) => `n0000000${k} thing ${k}`);
writeFileSync(at('labels.txt'), LABELS.join('\n'));
mkdirSync(at('xml'));
for (const {
  image,
  class: label,
  extent,
  boxes: [{ x0, y0, x1, y1 }],
} of annotations) {
  const box = `<xmin>${x0}</xmin><ymin>${y0}</ymin><xmax>${x1}</xmax><ymax>${y1}</ymax>`;
  writeFileSync(
    at('xml', image.replace('.png', '.xml')),
    `<annotation><size><width>${extent![1]}</width><height>${extent![0]}</height></size>` +
      `<object><name>n0000000${label}</name><bndbox>${box}</bndbox></object></annotation>`,
  );
}

const backlight = (args: readonly string[], watch?: (child: ChildProcess) => void): Promise<Outcome> =>
  command.run(['evaluate', ...args], watch);
const PICTURES = ['--fit', 'squash', '--channels', 'rgb', '--scale', '1/255', '--mean', '0.4', '--std', '0.2'];
// The cut of the lab's preset enlarges these pictures to 256 pixels, which takes its time.
const CHEAP = ['--methods', 'value,energy,mean,grabcut,centre,whole,pointing'];
const RUN = [
  'localisation',
  '--model',
  'net.json',
  '--images',
  'images',
  '--boxes',
  'boxes.csv',
  '--tolerance',
  '4',
  ...CHEAP,
  ...PICTURES,
];
const ok = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await backlight(args);
  assert.is(code, 0, err);
  return out;
};
/** The numbers of a report: what does not depend on how the rows came about. */
const numbers = (json: string): unknown => {
  const { images, top1, top5, localisation, pointing } = JSON.parse(json);
  return { images, top1, top5, localisation, pointing };
};
const rowsOf = (file: string): Row[] =>
  readFileSync(at(file), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as Row);

let whole = '';

test("a run prints its table and writes one line for each image, the library's numbers", async () => {
  const out = await ok(...RUN, '--output', 'all.jsonl');
  assert.match(out, /^localisation of 11 images/);
  for (const line of [
    /^top-1 +\d/m,
    /^mean +5 +saliency +gradient +\d+\.\d +\d+\.\d-\d+\.\d +11\b/m,
    /^centre +\d/m,
    /^middle of the picture +\d/m,
  ]) {
    assert.match(out, line);
  }
  whole = readFileSync(at('all.jsonl'), 'utf8');
  const rows = rowsOf('all.jsonl') as BoxRow[];
  assert.ok(rows.some(({ results }) => results.some(({ hit }) => hit)) && rows.some(({ results }) => results.some(({ hit }) => !hit)));
  const methods = parseMethods(rows[0].results.filter(({ rule }) => rule === 'gradient').map(({ method }) => method));
  const want = await atBatch(2, (network) =>
    evaluateLocalisation(network, items, options({ rules: ['gradient'], maps: ['saliency'], methods })),
  );
  sameRows(
    rows.map(({ results }) => results.filter(({ rule }) => rule !== null)),
    want.map(({ results }) => results),
  );
  // Once more: nothing is left to do, and no device is opened for it.
  const again = await backlight([...RUN, '--output', 'all.jsonl', '--json']);
  assert.match(again.err, /^all\.jsonl: 11 of 11 images are there already; 0 to go\n$/);
  assert.equal(numbers(again.out), numbers(await ok('merge', 'all.jsonl', '--json')));
});

test('killed and taken up again, it writes the same bytes', async () => {
  let grown = 0;
  const killed = await backlight([...RUN, '--batch', '1', '--output', 'killed.jsonl'], (child) => {
    const timer = setInterval(() => {
      grown = existsSync(at('killed.jsonl')) ? statSync(at('killed.jsonl')).size : 0;
      if (grown > 0) child.kill('SIGKILL');
    }, 1);
    child.on('close', () => clearInterval(timer));
  });
  assert.is(killed.code, null);
  assert.ok(grown > 0);
  // What a kill in the middle of a write leaves.
  writeFileSync(at('killed.jsonl'), '{"index":9,"image":"p', { flag: 'a' });
  await ok(...RUN, '--batch', '3', '--output', 'killed.jsonl');
  assert.ok(readFileSync(at('killed.jsonl'), 'utf8') === whole);
});

test('shards side by side merge to the bytes and the table of one run', async () => {
  const parts = await Promise.all([1, 2, 3].map((part) => backlight([...RUN, '--shard', `${part}/3`, '--output', `part${part}.jsonl`])));
  assert.equal(
    parts.map(({ code }) => code),
    [0, 0, 0],
  );
  const merged = await ok('merge', 'part3.jsonl', 'part1.jsonl', 'part2.jsonl', '--output', 'merged.jsonl');
  assert.ok(readFileSync(at('merged.jsonl'), 'utf8') === whole);
  assert.is(merged, await ok('merge', 'all.jsonl'));
  // Halves add up to the whole.
  const half = async (range: string): Promise<{ images: number; top5: { count: number } }> =>
    JSON.parse(await ok('merge', 'all.jsonl', '--json', '--range', range));
  const [first, second, all] = [await half('1-5'), await half('6-11'), await half('1-11')];
  assert.equal([first.images, second.images, all.images], [5, 6, 11]);
  assert.is(first.top5.count + second.top5.count, all.top5.count);
  const incomplete = await backlight(['merge', 'part1.jsonl', 'part3.jsonl']);
  assert.is(incomplete.code, 0);
  assert.match(incomplete.err, /warning: 4 of 11 images are missing: number 2, 5, 8, 11\n/);
});

test('annotations of ILSVRC give the same numbers as a table', async () => {
  const index = RUN.indexOf('boxes.csv');
  const out = await ok(...RUN.slice(0, index), 'xml', ...RUN.slice(index + 1), '--labels', 'labels.txt', '--json');
  const { localisation, top1 } = JSON.parse(out);
  const want = JSON.parse(await ok('merge', 'all.jsonl', '--json'));
  assert.equal([localisation, top1], [want.localisation, want.top1]);
});

test('classification from a list of classes, a table of boxes or XML', async () => {
  const run = (truth: string): Promise<string> =>
    ok('classification', '--model', 'net.json', '--images', 'images', '--classes', truth, '--labels', 'labels.txt', '--json', ...PICTURES);
  const want = JSON.parse(await ok('merge', 'all.jsonl', '--json'));
  for (const truth of ['classes.csv', 'boxes.csv', 'xml']) {
    const { top1, top5, localisation } = JSON.parse(await run(truth));
    assert.equal([top1, top5, localisation], [want.top1, want.top5, []], truth);
  }
});

test('wrong use and wrong input end in one line, before any work, with nothing left behind', async () => {
  writeFileSync(at('outside.csv'), [HEAD, 'p0.png,1,30,30,5,5,90,20'].join('\n'));
  writeFileSync(at('absent.csv'), [HEAD, 'p99.png,1,30,30,5,5,9,20'].join('\n'));
  writeFileSync(at('beyond.csv'), [HEAD, 'p1.png,7,30,30,5,5,9,20'].join('\n'));
  mkdirSync(at('empty'));
  writeFileSync(at('nine.jsonl'), whole.replace('"tolerance":4', '"tolerance":9'));
  const before = readdirSync(folder).sort();
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, out, err } = await backlight(args);
    const said = err.trim().split('\n');
    assert.is(code, 2, `${args.join(' ')}: ${err}`);
    assert.is(said.length, 1, err);
    assert.match(said[0], message);
    assert.is(out, '');
    assert.equal(readdirSync(folder).sort(), before);
  };
  const boxes = (file: string): string[] => RUN.map((word) => (word === 'boxes.csv' ? file : word));
  await refused(/expected localisation, classification or merge, got nothing/);
  await refused(/expected localisation, classification or merge, got "localization"/, 'localization');
  await refused(/outside\.csv:2: expected a box inside the picture of 30 x 30 pixels, got 5,5 to 90,20/, ...boxes('outside.csv'));
  await refused(/expected the image "p99\.png" in "images", got no such file/, ...boxes('absent.csv'));
  await refused(/expected classes in \[0, 6\], got 7 for "p1\.png"/, ...boxes('beyond.csv'));
  await refused(/--boxes: .*"none\.csv" \(ENOENT\)/, ...boxes('none.csv'));
  await refused(/\.xml files in the folder "empty", got none/, ...boxes('empty'));
  await refused(/no labels with WordNet ids are given/, ...boxes('xml'));
  await refused(/--images: expected a folder, got "nowhere"/, ...RUN.map((word) => (word === 'images' ? 'nowhere' : word)));
  await refused(/--shard: expected i\/n with i from 1 to n, got "4\/3"/, ...RUN, '--shard', '4/3');
  await refused(/--batch/, ...RUN, '--batch', '0');
  await refused(/--limit/, ...RUN, '--limit', 'many');
  await refused(/--class: expected one of given, top1, top5, got "best"/, ...RUN, '--class', 'best');
  await refused(/rule: expected one of/, ...RUN, '--rules', 'gradient,backprop');
  await refused(/methods: .*got "median"/, ...RUN, '--methods', 'mean,median');
  await refused(/--output: expected a file name ending in \.jsonl/, ...RUN, '--output', 'r.json');
  await refused(/begun under other settings.*tolerance 4 and 5/, ...RUN, '--tolerance', '5', '--output', 'all.jsonl');
  await refused(/different settings: tolerance 4 and 9/, 'merge', 'all.jsonl', 'nine.jsonl');
  await refused(/each image once, got "p0\.png"/, 'merge', 'all.jsonl', 'part1.jsonl');
  await refused(/expected a journal/, 'merge', 'boxes.csv');
  await refused(/--range/, 'merge', 'all.jsonl', '--range', '5-2');
  assert.ok(readFileSync(at('all.jsonl'), 'utf8') === whole);
});

test('a picture that cannot be read ends the run with its name; what was done before it stays', async () => {
  writeFileSync(at('images', 'broken.png'), 'not a picture');
  writeFileSync(at('broken.csv'), [HEAD, ...lines.slice(0, 4), 'broken.png,1,30,30,5,5,9,20', ...lines.slice(4)].join('\n'));
  const { code, err } = await backlight([
    ...RUN.map((word) => (word === 'boxes.csv' ? 'broken.csv' : word)),
    '--batch',
    '2',
    '--output',
    'broken.jsonl',
  ]);
  assert.is(code, 2);
  assert.match(err, /error: "images\/broken\.png": image: expected a PNG/);
  assert.equal(
    rowsOf('broken.jsonl').map(({ image }) => image),
    ['p0.png', 'p1.png', 'p2.png', 'p3.png'],
  );
});

if (!dataPresent) {
  sayMissing('evaluation on real images');
  test.skip('evaluation on real images');
} else {
  test('SqueezeNet on four ImageNet images: one line of the table for each method', async () => {
    const started = performance.now();
    const out = await ok(
      ...['localisation', '--model', dataPath('models', 'squeezenet1.1.onnx'), '--preprocess', 'caffe', '--limit', '4', '--json'],
      ...['--images', dataPath('imagenet-val', 'images'), '--boxes', dataPath('imagenet-val', 'boxes.csv')],
      ...['--labels', dataPath('models', 'synset_words.txt'), '--methods', 'mean:5,value:0.2,centre,whole,pointing'],
    );
    const { images, top5, localisation } = JSON.parse(out);
    console.log(
      `measured: four images of SqueezeNet evaluated in ${((performance.now() - started) / 1000).toFixed(1)} s, process start included`,
    );
    assert.equal([images, top5.count], [4, 4]);
    assert.equal(
      localisation.map(({ method, rule }: { method: string; rule: string | null }) => `${method} ${rule}`),
      ['mean:5 gradient', 'value:0.2 gradient', 'centre null', 'whole null'],
    );
  });
}

test.run();
