// Localisation through the library and as a user meets it: maps, cuts, boxes, pictures; and on real photographs, where the objects are
// known.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { decodeImage } from '../../src/image/decode.ts';
import type { Picture } from '../../src/image/picture.ts';
import { readPngText, type PixelRows } from '../../src/image/png.ts';
import { PRESETS, type Preprocess } from '../../src/image/preprocess.ts';
import { loadModel } from '../../src/models/model.ts';
import { Network } from '../../src/network.ts';
import { iou, maskBox, type Box } from '../../src/segment/box.ts';
import { graphCut } from '../../src/segment/graphcut.ts';
import { GRAPHCUT_PRESETS, PRESET_NAMES } from '../../src/segment/presets.ts';
import type { Tensor } from '../../src/tensor.ts';
import { cutoutRows, framed, maskRows } from '../../src/visualise/cutout.ts';
import { localise, MOST_PIXELS, type Localisation } from '../../src/visualise/localise.ts';
import { saliency } from '../../src/visualise/saliency.ts';
import { buildCommand, type Outcome } from '../command.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { encode, noise, scene } from '../host/pictures.ts';
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
const net = smallNet(1);
const photo = scene(37, 29);
const gpu = await openDevice();
const network = new Network(gpu, net.graph, net.parameters);

const sum = (mask: Uint8Array): number => mask.reduce((a, b) => a + b, 0);

test('a localisation is the cut of the saliency map that its preset is made for, class by class', async () => {
  for (const preset of PRESET_NAMES) {
    for (const rule of ['gradient', 'guided'] as const) {
      const found = await localise(network, photo, SPEC, { classes: [4, 1], preset, rule, seed: 2 });
      const maps = await saliency(network, photo, SPEC, { classes: [4, 1], rule, map: GRAPHCUT_PRESETS[preset].map });
      assert.equal(
        found.map(({ class: k }) => k),
        [4, 1],
      );
      found.forEach((one, i) => {
        const cut = graphCut(photo, maps[i].map, preset, { seed: 2 });
        assert.equal(one.cut, cut);
        assert.equal(one.box, cut.box);
        assert.is(one.score, maps[i].score);
        assert.is(one.posterior, maps[i].posterior);
        assert.equal([...one.extents], [29, 37]);
        if (cut.certificate) assert.is(cut.certificate.flow, cut.certificate.cut);
      });
    }
  }
});

test('five classes, best first; the same again', async () => {
  const first = await localise(network, photo, SPEC, { classes: ['top5'] });
  assert.is(first.length, 5);
  for (let i = 1; i < 5; i++) assert.ok(first[i].score <= first[i - 1].score);
  assert.equal(await localise(network, photo, SPEC, { classes: ['top5'] }), first);
});

test('what does not exist is refused', async () => {
  for (const options of [{ preset: 'grab' as 'grabcut' }, { classes: [99] }, { rule: 'guide' as 'guided' }]) {
    try {
      await localise(network, photo, SPEC, options);
      assert.unreachable();
    } catch (error) {
      assert.ok(error instanceof InputError, `${JSON.stringify(options)}: ${error}`);
    }
  }
});

test('a large photo is cut on a copy, its box is in its own pixels', async () => {
  const large = scene(1800, 1400);
  const [found] = await localise(network, large, SPEC, { preset: 'boykov-jolly' });
  const [rows, columns] = found.extents;
  assert.ok(rows * columns <= 1.001 * MOST_PIXELS && rows * columns > 0.99 * MOST_PIXELS);
  assert.is(found.cut.component.length, rows * columns);
  const { x0, y0, x1, y1 } = found.box!;
  const small = found.cut.box!;
  assert.ok([x0, y0, x1, y1].every(Number.isInteger));
  [
    [x0, small.x0, 1800 / columns],
    [x1, small.x1, 1800 / columns],
    [y0, small.y0, 1400 / rows],
    [y1, small.y1, 1400 / rows],
  ].forEach(([edge, at, factor]) => assert.ok(Math.abs(edge - at * factor) <= 0.5 + 1e-9));
});

/** All bytes of a picture in rows; a row is valid until the next. */
function whole({ rows }: PixelRows): Uint8Array {
  const bytes: number[] = [];
  for (const row of rows) bytes.push(...row);
  return Uint8Array.from(bytes);
}

test('mask, cut-out and framed photo show the component', () => {
  const picture = noise(200, 150, 1);
  const [rows, columns] = [75, 100];
  const inside = (x: number, y: number): boolean => Math.hypot(x - 40, y - 30) < 20 && Math.hypot(x - 40, y - 30) >= 1;
  // The cut was made at half the size: a disc with a hole of a pixel or two in its middle.
  const at = (w: number, h: number): Uint8Array =>
    Uint8Array.from({ length: w * h }, (_, i) => (inside(((i % w) + 0.5) * (columns / w), (Math.floor(i / w) + 0.5) * (rows / h)) ? 1 : 0));
  const component = at(200, 150);
  const box = maskBox(component, 200, 150)!;
  const cut = { mask: component, component, box, reason: null, certificate: null, size: [rows, columns] as const };
  const found = { box, cut, extents: [150, 200] } as unknown as Localisation;
  const mask = whole(maskRows(found, picture)).filter((_, i) => i % 3 === 0);
  assert.ok(mask.every((v) => v === 0 || v === 255));
  const parted = mask.filter((v, i) => (v === 255) !== (component[i] === 1)).length;
  assert.ok(parted < 0.03 * sum(component), `${parted} of ${sum(component)} pixels`);

  const cutout = cutoutRows(found, picture)!;
  assert.equal(cutout.crop, box);
  assert.equal([cutout.width, cutout.height, cutout.channels], [box.x1 - box.x0, box.y1 - box.y0, 4]);
  const rgba = whole(cutout);
  assert.is(rgba.length, 4 * cutout.width * cutout.height);
  for (let y = 0, o = 0; y < cutout.height; y++) {
    for (let x = 0; x < cutout.width; x++, o += 4) {
      const p = 3 * ((y + box.y0) * 200 + x + box.x0);
      if (rgba[o + 3] > 0) assert.equal([...rgba.slice(o, o + 3)], [...picture.data.slice(p, p + 3)]);
    }
  }
  // The hole is filled in the cut-out, and the corners are clear.
  assert.is(rgba[4 * ((60 - box.y0) * cutout.width + 80 - box.x0) + 3], 255);
  assert.is(rgba[3], 0);

  const shown = framed(found, picture, 200 * 150);
  assert.equal([shown.width, shown.height], [200, 150]);
  assert.equal([...shown.data.slice(3 * (box.y0 * 200 + 100), 3 * (box.y0 * 200 + 100) + 3)], [255, 64, 32]);
  const small = framed(found, picture, 5000);
  assert.ok(Math.abs(small.width * small.height - 5000) < 200);

  const none = { ...found, box: null, cut: { ...cut, component: new Uint8Array(component.length), box: null } };
  assert.is(cutoutRows(none, picture), null);
  assert.is(framed(none, picture, 1e6).data.length, picture.data.length);
});

/** Boxes drawn by hand around the objects. */
const OBJECTS: readonly (readonly [string, number, Box])[] = [
  ['elephant.jpg', 101, { x0: 66, y0: 62, x1: 222, y1: 225 }],
  ['spider.png', 73, { x0: 62, y0: 45, x1: 160, y1: 170 }],
];

if (!dataPresent) sayMissing('objects in photographs');
(dataPresent ? test : test.skip)('objects in photographs, GoogLeNet', async () => {
  const { graph, parameters } = (await loadModel(dataPath('models', 'googlenet.onnx'))).at();
  const googlenet = new Network(gpu, graph, parameters);
  try {
    for (const [file, k, truth] of OBJECTS) {
      const picture = await decodeImage(readFileSync(dataPath('photos', file)));
      for (const preset of PRESET_NAMES) {
        const [found] = await localise(googlenet, picture, { ...PRESETS.caffe, size: [224, 224] }, { preset });
        assert.is(found.class, k);
        const overlap = iou(found.box!, truth);
        console.log(`measured: ${file}, ${preset}: intersection over union ${overlap.toFixed(2)}`);
        assert.ok(overlap >= 0.45, `${file}, ${preset}: ${overlap}`);
      }
    }
  } finally {
    await googlenet.dispose();
  }
});

test('the device is given back', async () => {
  await network.dispose();
  gpu.dispose();
});


const backlight = (...args: string[]): Promise<Outcome> => command.run(['localise', ...args]);

const LABELS = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox'];
const json = JSON.parse(writeGraph(net.graph)) as Record<string, unknown>;
const parameters = net.parameters as Map<string, Tensor>;
const zeroed = new Map([...parameters].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }]));
for (const [name, weights] of [
  ['net', parameters],
  ['blind', zeroed],
] as const) {
  writeFileSync(at(`${name}.json`), JSON.stringify({ ...json, card: { preprocess: SPEC, labels: LABELS } }));
  writeFileSync(at(`${name}.safetensors`), writeSafetensors(weights));
}
writeFileSync(at('photo.png'), await encode(photo).png().toBuffer());
writeFileSync(at('text.png'), 'not a picture');
writeFileSync(
  at('dot.png'),
  await encode(noise(1, 1, 1))
    .png()
    .toBuffer(),
);
const before = readdirSync(folder).sort();

function take(name: string): Buffer {
  const bytes = readFileSync(at(name));
  rmSync(at(name));
  return bytes;
}

test('the command: outputs of one class, and what their files say', async () => {
  const args = ['photo.png', '--model', 'net.json', '--class', 'dog', '--preset', 'boykov-jolly'];
  const { code, out, err } = await backlight(...args, '--mask', 'm.png', '--cutout', 'c.png', '--overlay', 'o.png', '--json');
  assert.is(code, 0, err);
  const report = JSON.parse(out);
  const [{ class: k, name, box, certificate, reason }] = report.objects;
  assert.equal([k, name, reason], [3, 'dog', undefined]);
  assert.is(certificate.flow, certificate.cut);
  assert.equal(report.outputs, ['m.png', 'c.png', 'o.png']);
  const [mask, cutout, overlay] = ['m.png', 'c.png', 'o.png'].map(take);
  for (const bytes of [mask, cutout, overlay]) {
    const text = readPngText(bytes);
    assert.is(text.Box, [box.x0, box.y0, box.x1, box.y1].join(','));
    assert.is(text.Preset, 'boykov-jolly');
    assert.is(text.Cut, `flow ${certificate.flow}, capacity ${certificate.cut}`);
    assert.is(text.Target, 'class 3, dog');
  }
  for (const bytes of [mask, overlay]) {
    const { width, height }: Picture = await decodeImage(bytes);
    assert.equal([width, height], [37, 29]);
  }
  const [x0, y0, x1, y1] = readPngText(cutout).Crop.split(',').map(Number);
  const meta = await sharp(cutout).metadata();
  assert.equal([meta.width, meta.height, meta.channels], [x1 - x0, y1 - y0, 4]);
  assert.equal(readdirSync(folder).sort(), before);
});

test('the command: five classes get a file each, and one sheet', async () => {
  const { code, out, err } = await backlight('photo.png', '--model', 'net.json', '--top', '5', '--mask', 'm.png', '--overlay', 'o.png');
  assert.is(code, 0, err);
  const written = readdirSync(folder)
    .filter((file) => !before.includes(file))
    .sort();
  assert.is(written.length, 6);
  assert.is(written.filter((file) => /^m\.[0-5]\.png$/.test(file)).length, 5);
  assert.is(out.trim().split('\n').length, 7);
  assert.is(readPngText(readFileSync(at('o.png'))).Objects.split('\n').length, 5);
  written.forEach(take);
});

test('the command: a class that nothing points at', async () => {
  const { code, out, err } = await backlight(
    'photo.png',
    '--model',
    'blind.json',
    '--class',
    '2',
    '--cutout',
    'c.png',
    '--overlay',
    'o.png',
  );
  assert.is(code, 0, err);
  assert.match(err, /nothing was found for class 2, cat: the saliency map is zero everywhere/);
  assert.match(err, /no cut-out of class 2, cat is written/);
  assert.match(out, /none/);
  assert.match(readPngText(take('o.png')).Box, /none/);
  assert.equal(readdirSync(folder).sort(), before);
});

test('the command: a picture of one pixel has no object', async () => {
  const { code, out, err } = await backlight('dot.png', '--model', 'net.json');
  assert.is(code, 0, err);
  assert.match(out, /none/);
});

test('the command: mistakes end in one line, with nothing written', async () => {
  const model = ['--model', 'net.json', '--mask', 'm.png'];
  const mistakes: readonly (readonly [RegExp, ...string[]])[] = [
    [/got the folder|readable file/, 'gone.png', ...model],
    [/expected a PNG, JPEG/, 'text.png', ...model],
    [/--top: expected either/, 'photo.png', ...model, '--top', '5', '--class', '1'],
    [/--top: expected one of 1, 5/, 'photo.png', ...model, '--top', '3'],
    [/preset: expected one of .*boykov-jolly/, 'photo.png', ...model, '--preset', 'magic'],
    [/class: expected a class of this model, got "hippo"/, 'photo.png', ...model, '--class', 'hippo'],
    [/--views: expected one of 1, 10/, 'photo.png', ...model, '--views', '5'],
    [/--seed: expected an integer/, 'photo.png', ...model, '--seed', 'x'],
    [/rule: expected one of/, 'photo.png', ...model, '--rule', 'x'],
    [/--cutout: expected a file name ending in .png/, 'photo.png', ...model, '--cutout', 'c.jpg'],
    [/--overlay: expected a file of its own/, 'photo.png', ...model, '--overlay', 'm.png'],
    [/--mask: expected a file of its own/, 'photo.png', '--model', 'net.json', '--mask', 'photo.png'],
    [/existing folder/, 'photo.png', '--model', 'net.json', '--mask', 'nowhere/m.png'],
  ];
  for (const [message, ...args] of mistakes) {
    const { code, out, err } = await backlight(...args);
    const lines = err
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('adapter: '));
    assert.is(code, 2, `${args.join(' ')}: ${code}: ${err}`);
    assert.is(lines.length, 1, err);
    assert.match(lines[0], message);
    assert.is(out, '');
    assert.equal(readdirSync(folder).sort(), before);
  }
});

test.run();
