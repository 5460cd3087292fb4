/** Tiny ImageNet's annotations: corners that are pixels, classes by WordNet id, its folders, and a line for everything that is wrong. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findImages, imageSet, readTruth } from '../../src/cli/truth.ts';
import { FormatError, InputError } from '../../src/errors.ts';
import { classesOf, type Annotation } from '../../src/evaluate/annotation.ts';
import { parseTiny, wnidOfBoxes } from '../../src/evaluate/tiny.ts';
import { encode, noise } from './pictures.ts';

const LABELS = ['n02486410 baboon', 'n01443537 goldfish, Carassius auratus'];
const classes = classesOf(LABELS);
const parse = (text: string, wnid?: string): Annotation[] => parseTiny(text, { file: 'v.txt', classes, wnid });
const EXTENT = [64, 64] as const;

test('a corner is a pixel: the last one is inside', () => {
  assert.equal(parse('val_8.JPEG\tn01443537\t0\t31\t60\t60\nval_1.JPEG\tn02486410\t0\t0\t63\t63\n'), [
    { image: 'val_8.JPEG', class: 1, extent: EXTENT, boxes: [{ x0: 0, y0: 31, x1: 61, y1: 61 }] },
    { image: 'val_1.JPEG', class: 0, extent: EXTENT, boxes: [{ x0: 0, y0: 0, x1: 64, y1: 64 }] },
  ]);
  assert.equal(parse('n02486410_0.JPEG\t5\t7\t5\t7\r\n', 'n02486410'), [
    { image: 'n02486410_0.JPEG', class: 0, extent: EXTENT, boxes: [{ x0: 5, y0: 7, x1: 6, y1: 8 }] },
  ]);
});

test('what is wrong is named with its line', () => {
  const bad = (text: string, message: RegExp, wnid?: string): void => {
    assert.throws(
      () => parse(text, wnid),
      (error: unknown) => error instanceof FormatError && message.test(error.message) && !error.message.includes('\n'),
      String(message),
    );
  };
  const good = 'a.JPEG\tn02486410\t0\t0\t9\t9\n';
  bad(`${good}b.JPEG\tn02486410\t0\t0\t9\n`, /^v\.txt:2: expected file, wnid, x0, y0, x1, y1 between tabs, got "b\.JPEG\\tn02486410/);
  bad('a.JPEG n02486410 0 0 9 9\n', /^v\.txt:1: expected file, wnid/);
  bad(good, /^v\.txt:1: expected file, x0, y0, x1, y1 between tabs/, 'n02486410');
  bad(good + good, /^v\.txt:2: expected each image once, got "a\.JPEG" again after line 1/);
  bad('a.JPEG\tn02486410\t0\t0\t64\t9\n', /^v\.txt:1: expected a pixel from 0 to 63 in x1, got "64"/);
  bad('a.JPEG\tn02486410\t0\t-1\t6\t9\n', /in y0, got "-1"/);
  bad('a.JPEG\tn02486410\t0\t1.5\t6\t9\n', /in y0, got "1\.5"/);
  bad('a.JPEG\tn02486410\t9\t0\t6\t9\n', /^v\.txt:1: expected a box with x0 < x1/);
  bad('a.JPEG\tn09999999\t0\t0\t6\t9\n', /^v\.txt:1: expected the class of "n09999999", but it is not among the labels/);
  bad('\n', /^v\.txt: expected at least one image/);
  assert.is(wnidOfBoxes('n02486410_boxes.txt'), 'n02486410');
  assert.is(wnidOfBoxes('val_annotations.txt'), undefined);
});

const folder = mkdtempSync(path.join(os.tmpdir(), 'backlight-tiny-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (...names: string[]): string => path.join(folder, ...names);

test("the set's folders: validation by its one file, training by a file for each class", async () => {
  mkdirSync(at('val', 'images'), { recursive: true });
  writeFileSync(at('val', 'val_annotations.txt'), 'val_1.JPEG\tn01443537\t1\t2\t3\t4\nval_0.JPEG\tn02486410\t0\t0\t63\t63\n');
  for (const n of [0, 1])
    await encode(noise(64, 64, n))
      .jpeg()
      .toFile(at('val', 'images', `val_${n}.JPEG`));
  for (const [wnid, n] of [
    ['n02486410', 2],
    ['n01443537', 1],
  ] as const) {
    mkdirSync(at('train', wnid, 'images'), { recursive: true });
    const lines = Array.from({ length: n }, (_, k) => `${wnid}_${k}.JPEG\t0\t${k}\t9\t9\n`);
    writeFileSync(at('train', wnid, `${wnid}_boxes.txt`), lines.join(''));
  }
  const options = { option: '--boxes', labels: LABELS, boxes: true, limit: Infinity };
  const { images, truth } = imageSet({ data: folder }, '--boxes');
  const read = await readTruth(truth, options);
  assert.equal(
    read.map(({ image, class: label }) => [image, label]),
    [
      ['val_1.JPEG', 1],
      ['val_0.JPEG', 0],
    ],
  );
  const items = await findImages(images, read);
  assert.equal((await items[1].load()).width, 64);
  assert.is((await readTruth(truth, { ...options, limit: 1 })).length, 1);
  const names = async (limit: number): Promise<string[]> => (await readTruth(at('train'), { ...options, limit })).map(({ image }) => image);
  assert.equal(await names(Infinity), ['n01443537_0.JPEG', 'n02486410_0.JPEG', 'n02486410_1.JPEG']);
  assert.equal(await names(2), ['n01443537_0.JPEG', 'n02486410_0.JPEG']);
  assert.equal((await readTruth(at('train', 'n02486410', 'n02486410_boxes.txt'), options)).length, 2);
});

test('a set is named in one way', () => {
  assert.equal(imageSet({ images: 'i', truth: 't.csv' }, '--boxes'), { images: 'i', truth: 't.csv' });
  for (const [given, message] of [
    [{}, /expected --images and --classes, or --data alone, got neither/],
    [{ images: 'i' }, /got --images\./],
    [{ truth: 't' }, /got --classes\./],
    [{ data: 'd', images: 'i' }, /got --data and --images\./],
    [{ data: 'd', images: 'i', truth: 't' }, /got --data and --images and --classes\./],
  ] as const) {
    assert.throws(
      () => imageSet(given, '--classes'),
      (error: unknown) => error instanceof InputError && message.test(error.message),
      String(message),
    );
  }
});

test.run();
