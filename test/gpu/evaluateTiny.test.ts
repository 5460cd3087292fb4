// A set in Tiny ImageNet's layout, and a network of 64 x 64 pixels that carries its mean image: evaluated from end to end.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readNpyTensor, writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { findImages, readTruth } from '../../src/cli/truth.ts';
import { evaluateLocalisation, type ClassMode } from '../../src/evaluate/localisation.ts';
import { parseMethods } from '../../src/evaluate/methods.ts';
import type { BoxRow } from '../../src/evaluate/rows.ts';
import { typeGraph, type Graph } from '../../src/graph.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { parsePreprocess } from '../../src/image/preprocess.ts';
import { readPngText } from '../../src/image/png.ts';
import { loadModel } from '../../src/models/model.ts';
import { Network } from '../../src/network.ts';
import type { MapKind } from '../../src/segment/presets.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { fill, normal, uniform } from '../../src/verify/random.ts';
import { fusionLayers } from '../../src/visualise/fused.ts';
import { buildCommand } from '../command.ts';
import { encode } from '../host/pictures.ts';

const command = await buildCommand();
const { at } = command;
const SIDE = 64;
const CLASSES = 6;
const IMAGES = 9;
const LABELS = Array.from({ length: CLASSES }, (_, k) => `n0000000${k} thing ${k}`);

/** Stages of 32 and 16 rows, or another of 8 and one of 4: with nothing for a fused map to take, or all of it. */
function net(deep: boolean): Graph {
  const stages = deep ? [12, 12, 12] : [12];
  return {
    name: 'tiny',
    inputs: [{ name: 'x', shape: [1, 3, SIDE, SIDE] }],
    parameters: [
      { name: 'w0', shape: [8, 3, 5, 5] },
      ...stages.map((channels, k) => ({ name: `w${k + 1}`, shape: [channels, k === 0 ? 8 : 12, 3, 3] })),
      { name: 'fc', shape: [CLASSES, 12] },
    ],
    nodes: [
      { name: 'conv0', op: 'conv2d', inputs: ['x', 'w0'], outputs: ['c0'], attrs: { stride: [2, 2], pad: [2, 2, 2, 2] } },
      { name: 'relu0', op: 'relu', inputs: ['c0'], outputs: ['s0'] },
      ...stages.flatMap((_, k) => [
        {
          name: `conv${k + 1}`,
          op: 'conv2d',
          inputs: [`s${k}`, `w${k + 1}`],
          outputs: [`c${k + 1}`],
          attrs: { stride: [2, 2], pad: [1, 1, 1, 1] },
        },
        { name: `relu${k + 1}`, op: 'relu', inputs: [`c${k + 1}`], outputs: [`s${k + 1}`] },
      ]),
      { name: 'pool', op: 'globalavgpool', inputs: [`s${stages.length}`], outputs: ['p'] },
      { name: 'flat', op: 'flatten', inputs: ['p'], outputs: ['f'] },
      { name: 'scores', op: 'linear', inputs: ['f', 'fc'], outputs: ['scores'] },
    ],
    outputs: ['scores'],
    scores: 'scores',
  };
}

const next = uniform(11);
const gauss = normal(12);
const mean: Tensor = { shape: [3, SIDE, SIDE], data: fill(3 * SIDE * SIDE, () => 60 + 120 * next()) };
const preprocess = { size: [SIDE, SIDE], fit: 'squash', channels: 'rgb', scale: 1, mean: 'image', std: [64, 64, 64] };
for (const name of ['flat', 'deep']) {
  const graph = net(name === 'deep');
  const parameters = graph.parameters.map(({ name: parameter, shape }) => {
    const gain = Math.sqrt(2 / size(shape.slice(1)));
    return [parameter, { shape, data: fill(size(shape), () => gain * gauss()) }] as const;
  });
  writeFileSync(at(`${name}.json`), JSON.stringify({ ...JSON.parse(writeGraph(graph)), card: { preprocess, labels: LABELS } }));
  writeFileSync(at(`${name}.safetensors`), writeSafetensors([...parameters, ['mean-image', mean]], { half: true }));
}

mkdirSync(at('set', 'val', 'images'), { recursive: true });
const lines: string[] = [];
for (let k = 0; k < IMAGES; k++) {
  const data = Uint8Array.from({ length: 3 * SIDE * SIDE }, () => 100 + Math.floor(40 * next()));
  const [x0, y0, x1, y1] = [3 * k, 2 * k, 3 * k + 30, 2 * k + 36];
  for (let y = y0; y <= y1; y++) for (let x = x0; x <= x1; x++) data.set([240, 200, 28 * k], 3 * (y * SIDE + x));
  await encode({ width: SIDE, height: SIDE, data })
    .jpeg({ quality: 90 })
    .toFile(at('set', 'val', 'images', `val_${k}.JPEG`));
  lines.push([`val_${k}.JPEG`, `n0000000${k % CLASSES}`, x0, y0, x1, y1].join('\t'));
}
writeFileSync(at('set', 'val', 'val_annotations.txt'), `${lines.join('\n')}\n`);

const ok = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await command.run(args);
  assert.is(code, 0, err);
  return out;
};

const gpu = await openDevice();

/** The rows of a model of this folder, by the library. */
async function localised(
  name: string,
  batch: number,
  options: { classes?: ClassMode; maps?: readonly MapKind[]; methods?: string[]; limit?: number } = {},
): Promise<BoxRow[]> {
  const { classes = 'given', maps = ['saliency'], methods = ['mean:2', 'value:0.3', 'grabcut', 'centre', 'whole', 'pointing'] } = options;
  const model = await loadModel(at(`${name}.json`));
  const truth = at('set', 'val', 'val_annotations.txt');
  const annotations = await readTruth(truth, { option: '--boxes', labels: model.card.labels, boxes: true, limit: options.limit ?? IMAGES });
  const items = await findImages(at('set', 'val', 'images'), annotations);
  const { graph, parameters } = model.at({ x: [batch, 3, SIDE, SIDE] });
  const network = new Network(gpu, graph, parameters);
  const asked = {
    preprocess: parsePreprocess(model.card.preprocess, name, model.meanImage),
    classes,
    rules: ['gradient'] as const,
    maps,
    methods: parseMethods(methods),
    tolerance: 4,
  };
  try {
    const rows: BoxRow[] = [];
    for await (const row of evaluateLocalisation(network, items, asked)) rows.push(row);
    return rows;
  } finally {
    await network.dispose();
  }
}

let given: BoxRow[];

test('the commands take the folder of the set, or its parts, and agree with the library at any batch', async () => {
  const methods = 'mean:2,value:0.3,grabcut,centre,whole,pointing';
  const run = ['--model', 'flat.json', '--data', 'set', '--maps', 'saliency', '--methods', methods, '--tolerance', '4', '--batch', '5'];
  const report = JSON.parse(await ok('evaluate', 'localisation', ...run, '--output', 'a.jsonl', '--json'));
  assert.is(report.settings.preprocess.mean, 'image', 'a report names the mean image, and does not list it');
  given = readFileSync(at('a.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as BoxRow);
  assert.equal(given, await localised('flat', 2));
  assert.equal(given[2].truth, [[6, 4, 37, 41]], 'the last column and row are inside');
  assert.equal(
    given.map(({ class: label }) => label),
    Array.from({ length: IMAGES }, (_, k) => k % CLASSES),
  );
  const parts = ['--images', 'set/val/images', '--classes', 'set/val/val_annotations.txt'];
  const classified = JSON.parse(await ok('evaluate', 'classification', '--model', 'flat.json', ...parts, '--json'));
  assert.equal([classified.images, classified.top1, classified.top5], [IMAGES, report.top1, report.top5]);
});

test('the five best classes: right if one of them is the true one, with a box that is right', async () => {
  let same = 0;
  for (const [n, row] of (await localised('flat', 4, { classes: 'top5' })).entries()) {
    for (const [m, { method, attempts, hit }] of row.results.entries()) {
      assert.equal(
        attempts.map((attempt) => attempt.class),
        row.top5,
      );
      const own = attempts.find((attempt) => attempt.class === row.class);
      assert.is(hit, own !== undefined && own.iou >= 0.5, `${row.image}, ${method}`);
      if (!own) continue;
      same++;
      assert.equal(own, given[n].results[m].attempts[0], 'the box of the true class is that of the class given');
    }
  }
  assert.ok(same > 0);
});

test('a fused map of a network without stages to fuse is its smoothed saliency; with them it is more', async () => {
  assert.equal(fusionLayers(typeGraph(net(false))), { fine: [], coarse: [] });
  assert.equal(fusionLayers(typeGraph(net(true))), { fine: ['c2', 's2'], coarse: ['s3'] });
  for (const name of ['flat', 'deep']) {
    for (const classes of ['given', 'top5'] as const) {
      const rows = await localised(name, 2, { classes, maps: ['saliency', 'fused'], methods: ['mean:1', 'pointing'], limit: 2 });
      for (const { results } of rows) {
        assert.equal(
          results.map(({ map }) => map),
          ['saliency', 'fused'],
        );
        assert.ok(results.every(({ attempts }) => attempts.some(({ box }) => box !== null)));
      }
    }
  }
  // The default preset, whose map this is.
  const [{ results }] = await localised('flat', 1, { maps: ['fused'], methods: ['backlight'], limit: 1 });
  assert.is(results[0].method, 'backlight');
});

test('a class model is kept within what can be shown pixel by pixel, and says that there was a mean image', async () => {
  const recipe = ['--preset', 'deepvis', '--iterations', '5', '--step', '1e6'];
  await ok('class-model', '--model', 'flat.json', '--class', '3', ...recipe, '-o', 'd.png', '--raw', 'd.npy');
  assert.equal(JSON.parse(readPngText(readFileSync(at('d.png'))).Preprocess).mean, 'image');
  const { meanImage } = await loadModel(at('flat.json'));
  let ends = 0;
  readNpyTensor(readFileSync(at('d.npy'))).data.forEach((v, i) => {
    const pixel = 64 * v + meanImage!.data[i];
    assert.ok(pixel > -1e-3 && pixel < 255.001, `${pixel}`);
    if (pixel < 1e-3 || pixel > 254.999) ends++;
  });
  assert.ok(ends > 0, 'some pixels are at their limits');
});

test.after(() => gpu.dispose());
test.run();
