// `backlight evaluate` and what is under it: numbers that do not depend on batch, shard or interruption, and errors before any work.
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Annotation } from '../../src/evaluate/annotation.ts';
import type { Item } from '../../src/evaluate/batches.ts';
import { evaluateClassification } from '../../src/evaluate/classification.ts';
import { evaluateLocalisation, type LocalisationOptions } from '../../src/evaluate/localisation.ts';
import { parseMethods } from '../../src/evaluate/methods.ts';
import type { BoxRow, Row } from '../../src/evaluate/rows.ts';
import { writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { withInputShapes, type Graph } from '../../src/graph.ts';
import type { Picture } from '../../src/image/picture.ts';
import type { Preprocess } from '../../src/image/preprocess.ts';
import { Network } from '../../src/network.ts';
import { RULES } from '../../src/rule.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { fill, normal, uniform } from '../../src/verify/random.ts';
import { buildCommand, type Outcome } from '../command.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { encode } from '../host/pictures.ts';

const command = await buildCommand();
const { at, folder } = command;

// A small random classifier of 7 classes on 20 x 24 pixels.
const SIDE: readonly [number, number] = [20, 24];
const CLASSES = 7;
const shapes: Record<string, readonly number[]> = {
  w1: [8, 3, 3, 3],
  b1: [8],
  w2: [12, 8, 3, 3],
  b2: [12],
  w3: [CLASSES, 12],
  b3: [CLASSES],
};
const graph: Graph = {
  name: 'small',
  inputs: [{ name: 'x', shape: [1, 3, ...SIDE] }],
  parameters: Object.entries(shapes).map(([name, shape]) => ({ name, shape })),
  nodes: [
    { name: 'conv1', op: 'conv2d', inputs: ['x', 'w1', 'b1'], outputs: ['conv1'], attrs: { pad: [1, 1, 1, 1] } },
    { name: 'relu1', op: 'relu', inputs: ['conv1'], outputs: ['relu1'] },
    { name: 'pool1', op: 'maxpool2d', inputs: ['relu1'], outputs: ['pool1'], attrs: { kernel: [2, 2], stride: [2, 2] } },
    { name: 'conv2', op: 'conv2d', inputs: ['pool1', 'w2', 'b2'], outputs: ['conv2'], attrs: { pad: [1, 1, 1, 1] } },
    { name: 'relu2', op: 'relu', inputs: ['conv2'], outputs: ['relu2'] },
    { name: 'pool2', op: 'globalavgpool', inputs: ['relu2'], outputs: ['pool2'] },
    { name: 'flat', op: 'flatten', inputs: ['pool2'], outputs: ['flat'] },
    { name: 'scores', op: 'linear', inputs: ['flat', 'w3', 'b3'], outputs: ['scores'] },
  ],
  outputs: ['scores'],
  scores: 'scores',
};
const gauss = normal(5);
const parameters = new Map<string, Tensor>(
  Object.entries(shapes).map(([name, shape]) => [name, { shape, data: fill(size(shape), () => 0.5 * gauss()) }]),
);

// Pictures of several sizes: grey noise, and a large bright patch that is the object.
const IMAGES = 11;
const next = uniform(3);
const pictures: readonly Picture[] = Array.from({ length: IMAGES }, () => {
  const [width, height] = [24 + Math.floor(20 * next()), 24 + Math.floor(20 * next())];
  return { width, height, data: Uint8Array.from({ length: 3 * width * height }, () => 90 + Math.floor(40 * next())) };
});
const annotations: readonly Annotation[] = pictures.map(({ width, height, data }, k) => {
  const [w, h] = [width, height].map((side) => Math.floor(side * (0.5 + 0.4 * next())));
  const [x0, y0] = [Math.floor((width - w) * next()), Math.floor((height - h) * next())];
  for (let y = y0; y < y0 + h; y++) for (let x = x0; x < x0 + w; x++) data.set([250, 200, (40 * k) % 255], 3 * (y * width + x));
  return { image: `p${k}.png`, class: k % CLASSES, extent: [height, width], boxes: [{ x0, y0, x1: x0 + w, y1: y0 + h }] };
});
const items: readonly Item[] = annotations.map((annotation, index) => ({ index, annotation, load: async () => pictures[index] }));
const spec: Preprocess = { size: SIDE, fit: 'squash', channels: 'rgb', scale: 1 / 255, mean: [0.4, 0.4, 0.4], std: [0.2, 0.2, 0.2] };

const gpu = await openDevice();
const collect = async <T>(rows: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
};
async function atBatch<T>(batch: number, work: (network: Network) => AsyncIterable<T>): Promise<T[]> {
  const network = new Network(gpu, withInputShapes(graph, { x: [batch, 3, ...SIDE] }), parameters);
  try {
    return await collect(work(network));
  } finally {
    await network.dispose();
  }
}
/** Rows that should be equal, told by the first that is not: a diff of them all takes minutes. */
function sameRows(got: readonly unknown[], want: readonly unknown[], what = ''): void {
  assert.is(got.length, want.length, what);
  for (const [k, row] of got.entries()) {
    const [a, b] = [JSON.stringify(row), JSON.stringify(want[k])];
    const at = [...a].findIndex((char, i) => char !== b[i]);
    assert.ok(a === b, `${what}, row ${k}: ${a.slice(Math.max(0, at - 90), at + 30)} and ${b.slice(Math.max(0, at - 90), at + 30)}`);
  }
}
const options = (changes: Partial<LocalisationOptions> = {}): LocalisationOptions => ({
  preprocess: spec,
  classes: 'given',
  rules: ['gradient', 'guided'],
  maps: ['saliency', 'fused'],
  methods: parseMethods(['mean:2', 'value:0.3', 'energy:0.2', 'centre', 'whole', 'pointing']),
  tolerance: 4,
  ...changes,
});

for (const classes of ['given', 'top1', 'top5'] as const) {
  test(`localisation, class ${classes}: the batch changes no number, under any rule`, async () => {
    const run = (batch: number): Promise<BoxRow[]> =>
      atBatch(batch, (network) => evaluateLocalisation(network, items, options({ classes, rules: RULES })));
    const one = await run(1);
    assert.equal(
      one.map(({ index }) => index),
      items.map(({ index }) => index),
    );
    for (const batch of [4, 5, 11]) sameRows(await run(batch), one, `batch ${batch}`);
  });
}

test('the classes that are tried are those asked for, and only the true one can hit', async () => {
  const by = async (classes: LocalisationOptions['classes']): Promise<BoxRow[]> =>
    atBatch(4, (network) => evaluateLocalisation(network, items, options({ classes, rules: ['gradient'] })));
  const [given, top1, top5] = [await by('given'), await by('top1'), await by('top5')];
  const scores = await atBatch(3, (network) => evaluateClassification(network, items, spec));
  for (const [k, row] of given.entries()) {
    assert.equal(row.top5, scores[k].top5);
    assert.equal(row.scores, scores[k].scores);
    const tried = (of: BoxRow, m: number): number[] => of.results[m].attempts.map((attempt) => attempt.class);
    for (const m of row.results.keys()) {
      const name = `${row.image}, ${row.results[m].method}`;
      assert.equal(tried(row, m), [row.class], name);
      assert.equal(tried(top1[k], m), row.top5.slice(0, 1), name);
      assert.equal(tried(top5[k], m), row.top5, name);
      // The map of a class is the same whoever asks for it.
      const rank = row.top5.indexOf(row.class);
      if (rank >= 0) assert.equal(top5[k].results[m].attempts[rank], row.results[m].attempts[0], name);
      assert.is(top5[k].results[m].hit, rank >= 0 && row.results[m].hit, name);
      assert.is(top1[k].results[m].hit, rank === 0 && row.results[m].hit, name);
      assert.is(row.results[m].hit, row.results[m].attempts[0].iou >= 0.5, name);
    }
    for (const { rule, hit, attempts } of row.pointing) assert.is(hit, attempts[0].distance! <= 4, String(rule));
  }
});

test('GraphCut: the batch changes no box, on either kind of map', async () => {
  const run = (batch: number): Promise<BoxRow[]> =>
    atBatch(batch, (network) =>
      evaluateLocalisation(network, items.slice(0, 5), options({ rules: ['gradient'], methods: parseMethods(['graphcut']) })),
    );
  const one = await run(1);
  assert.ok(one.some(({ results }) => results.some(({ attempts }) => attempts[0].box !== null)));
  sameRows(await run(3), one);
});

test('methods that look at no map cost no gradient, and are the same with others beside them', async () => {
  const run = (methods: readonly string[]): Promise<BoxRow[]> =>
    atBatch(4, (network) => evaluateLocalisation(network, items, options({ methods: parseMethods(methods) })));
  const [alone, beside] = [await run(['centre', 'whole']), await run(['mean:2', 'centre', 'whole'])];
  sameRows(
    alone.map(({ results }) => results),
    beside.map(({ results }) => results.filter(({ rule }) => rule === null)),
  );
  assert.ok(alone.every(({ pointing }) => pointing.length === 0));
});

test("a row's numbers, by plain loops over the gradient", async () => {
  // A picture of the input's own size: the map lies on it pixel by pixel.
  const [h, w] = SIDE;
  const picture = { width: w, height: h, data: Uint8Array.from({ length: 3 * h * w }, (_, i) => (i * 53) % 256) };
  const truth = { x0: 3, y0: 2, x1: 20, y1: 19 };
  const annotation: Annotation = { image: 'own', class: 4, extent: [h, w], boxes: [truth] };
  const network = new Network(gpu, graph, parameters);
  try {
    const changes = { rules: ['guided'], maps: ['saliency'], methods: parseMethods(['mean:1.5', 'pointing']) } as const;
    const [row] = await collect(evaluateLocalisation(network, [{ index: 0, annotation, load: async () => picture }], options(changes)));
    const x = new Float32Array(3 * h * w);
    for (let c = 0; c < 3; c++) for (let i = 0; i < h * w; i++) x[c * h * w + i] = (picture.data[3 * i + c] / 255 - 0.4) / 0.2;
    const { gradient, scores } = await network.gradient({ shape: [1, 3, ...SIDE], data: x }, { target: 4, rule: 'guided' });
    const map = Array.from({ length: h * w }, (_, i) => Math.max(...[0, 1, 2].map((c) => Math.abs(gradient.data[c * h * w + i]))));
    const mean = map.reduce((a, b) => a + b, 0) / map.length;
    const kept = [...map.keys()].filter((i) => map[i] >= 1.5 * mean);
    const [columns, lines] = [kept.map((i) => i % w), kept.map((i) => Math.floor(i / w))];
    const box = [Math.min(...columns), Math.min(...lines), Math.max(...columns) + 1, Math.max(...lines) + 1];
    const both = (Math.min(box[2], truth.x1) - Math.max(box[0], truth.x0)) * (Math.min(box[3], truth.y1) - Math.max(box[1], truth.y0));
    const iou = both / ((box[2] - box[0]) * (box[3] - box[1]) + 17 * 17 - both);
    const [{ attempts, hit }] = row.results;
    assert.equal([attempts[0].box, attempts[0].iou, hit], [box, Number(iou.toFixed(6)), iou >= 0.5]);
    const peak = map.indexOf(Math.max(...map));
    assert.equal(row.pointing[0].attempts[0].at, [peak % w, Math.floor(peak / w)]);
    assert.equal(row.pointing[1], { map: null, rule: null, hit: true, attempts: [{ class: 4, at: [11.5, 9.5], distance: 0 }] });
    assert.is(
      row.top5[0],
      [...scores!.data.keys()].reduce((best, k) => (scores!.data[k] > scores!.data[best] ? k : best), 0),
    );
  } finally {
    await network.dispose();
  }
});

test('the map lies where the input was cut out, and is zero outside', async () => {
  // A cut of 20 x 24 at row 5, column 7 of a picture of 40 x 40: no threshold box may leave it.
  const picture = { width: 40, height: 40, data: Uint8Array.from({ length: 4800 }, (_, i) => (i * 37) % 251) };
  const annotation: Annotation = { image: 'cut', class: 2, extent: [80, 80], boxes: [{ x0: 14, y0: 10, x1: 62, y1: 50 }] };
  const [row] = await atBatch(1, (network) =>
    evaluateLocalisation(
      network,
      [{ index: 0, annotation, load: async () => picture }],
      options({
        preprocess: { ...spec, fit: 'crop', resize: 40, cut: [5, 7] },
        methods: parseMethods(['energy:1']),
        rules: ['gradient'],
        maps: ['saliency'],
      }),
    ),
  );
  assert.equal(row.truth, [[7, 5, 31, 25]]);
  assert.equal(row.results[0].attempts[0].box, [7, 5, 31, 25]);
  assert.is(row.results[0].attempts[0].iou, 1);
});

test('errors name the image: no such class, no box, a gradient that is not finite', async () => {
  const rejected = async (changed: readonly Item[], message: RegExp, given = parameters): Promise<void> => {
    const network = new Network(gpu, graph, given);
    try {
      await collect(evaluateLocalisation(network, changed, options({ rules: ['gradient'], methods: parseMethods(['mean:2']) })));
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, message);
    } finally {
      await network.dispose();
    }
  };
  await rejected([{ ...items[0], annotation: { ...annotations[0], class: 99 } }], /expected classes in \[0, 6\], got 99/);
  await rejected([{ ...items[0], annotation: { ...annotations[0], boxes: [] } }], /a true box for every image, got none for "p0\.png"/);
  await rejected([{ ...items[0], load: () => Promise.reject(new Error('no picture')) }], /no picture/);
  const broken = new Map([...parameters, ['w1', { shape: shapes.w1, data: new Float32Array(size(shapes.w1)).fill(NaN) }]]);
  await rejected(items, /not finite|finite gradients, got NaN or infinity under the rule gradient for "p0\.png"/, broken);
});

// The command line.
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
