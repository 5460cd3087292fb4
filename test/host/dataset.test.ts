// Data sets: layouts, classes and their order, the same from a folder, a zip and a tar.gz; what is refused, and in which words.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Dataset, DatasetOptions } from '../../src/data/dataset.ts';
import { FormatError, InputError } from '../../src/errors.ts';
import {
  bytesOf,
  fresh,
  image,
  open,
  pixels,
  readImage,
  tarBytes,
  under,
  writeFolder,
  writeTarGz,
  writeZip,
  zipBytes,
} from '../datasets.ts';
import type { Files } from '../datasets.ts';

async function refused(source: string, words: RegExp, kind: typeof InputError = InputError, options: DatasetOptions = {}): Promise<void> {
  try {
    (await open(source, options)).close();
  } catch (error) {
    assert.instance(error, kind);
    const { message } = error as Error;
    assert.ok(words.test(message), `expected ${words}, got: ${message}`);
    assert.not.match(message, /\n/);
    return;
  }
  assert.unreachable(`expected ${words}, got no error`);
}

/** Tiny ImageNet's layout: classes out of order in wnids.txt, one without words, boxes beside the images. */
async function tiny(): Promise<Record<string, Uint8Array | string>> {
  const files: Record<string, Uint8Array | string> = {
    'wnids.txt': 'n02\nn01\n',
    'words.txt': 'n00\tentity\nn01\tgoldfish, Carassius auratus\r\n',
    'val/val_annotations.txt': 'val_1.JPEG\tn02\t0\t0\t7\t7\nval_0.JPEG\tn01\t1\t2\t3\t4\nval_10.JPEG\tn01\t0\t0\t5\t5\n',
  };
  for (const [k, wnid] of ['n01', 'n02'].entries()) {
    files[`train/${wnid}/${wnid}_boxes.txt`] = `${wnid}_0.JPEG\t0\t0\t3\t3\n`;
    for (const i of [2, 10, 0]) files[`train/${wnid}/images/${wnid}_${i}.JPEG`] = await image(10 * k + i, 'jpeg');
  }
  for (const i of [0, 1, 10]) files[`val/images/val_${i}.JPEG`] = await image(100 + i, 'jpeg');
  return files;
}

/** The data set from a folder, a zip and a tar.gz, at the root and a folder down: all must be the same. */
async function everyWay(files: Files, options: DatasetOptions = {}): Promise<Dataset> {
  const reversed = Object.fromEntries(Object.entries(files).reverse());
  const sources = [
    writeFolder(files),
    writeFolder(under('top', files)),
    writeZip(files),
    writeZip(under('top', reversed)),
    await writeTarGz(reversed),
    await writeTarGz(under('./top', files)),
  ];
  const all: Dataset[] = [];
  for (const source of sources) all.push(await open(source, options));
  const [first, ...others] = all;
  for (const other of others) {
    assert.is(other.sha256, first.sha256);
    assert.equal(other.classes, first.classes);
    for (const part of ['train', 'val'] as const) {
      assert.equal(other[part]?.names, first[part]?.names);
      assert.equal(other[part]?.labels, first[part]?.labels);
      for (let i = 0; i < (first[part]?.count ?? 0); i++) {
        assert.equal(readImage(other, other[part]!, i), readImage(first, first[part]!, i));
      }
    }
    other.close();
  }
  return first;
}

test("Tiny ImageNet's layout: classes as wnids.txt says, images by name, labels of validation images from the annotations", async () => {
  const data = await everyWay(await tiny());
  assert.equal(data.classes, ['n02', 'n01 goldfish, Carassius auratus']);
  assert.equal([data.height, data.width], [8, 8]);
  const names = [0, 10, 2].flatMap((i) => [`train/n01/images/n01_${i}.JPEG`, `train/n02/images/n02_${i}.JPEG`]).sort();
  assert.equal(data.train.names, names);
  assert.equal([...data.train.labels], [1, 1, 1, 0, 0, 0]);
  assert.equal(data.val?.names, ['val/images/val_0.JPEG', 'val/images/val_1.JPEG', 'val/images/val_10.JPEG']);
  assert.equal([...data.val!.labels], [1, 0, 1]);
  const files = await tiny();
  const expected = await sharp(files['val/images/val_10.JPEG'] as Uint8Array)
    .raw()
    .toBuffer();
  assert.equal(readImage(data, data.val!, 2), new Uint8Array(expected));
  data.close();
});

test('classes that wnids.txt leaves out are left out; without it and words.txt, classes are the folders by name', async () => {
  const files = await tiny();
  for (let k = 3; k < 5; k++) files[`train/n0${k}/images/a.JPEG`] = await image(k, 'jpeg');
  files['val/val_annotations.txt'] = 'val_1.JPEG\tn02\nval_0.JPEG\tn01\nval_10.JPEG\tn04\n';
  const some = await open(writeFolder(files));
  assert.equal([some.classes.length, some.train.count, some.val?.count], [2, 6, 2]);
  some.close();
  delete files['wnids.txt'];
  delete files['words.txt'];
  const all = await everyWay(files);
  assert.equal(all.classes, ['n01', 'n02', 'n03', 'n04']);
  assert.equal([...all.val!.labels], [0, 1, 3]);
  all.close();
  delete files['val/val_annotations.txt'];
  await refused(writeFolder(files), /expected val\/ to hold classes of train\/, got "images"/);
});

test('a folder for each class: training alone, or train and val; hidden and loose files do not count', async () => {
  const flat = {
    'dog/b.png': await image(1),
    'cat/a.jpg': await image(2, 'jpeg'),
    'dog/a.PNG': await image(3),
    'cat/more/z.png': await image(4),
    'dog/.hidden.png': 'no image',
    '__MACOSX/dog/._b.png': 'no image',
    'dog/notes.txt': 'text',
    'readme.png': await image(5),
  };
  const { 'readme.png': _, ...enclosable } = flat;
  const data = await everyWay(enclosable);
  assert.equal(data.classes, ['cat', 'dog']);
  assert.equal(data.train.names, ['cat/a.jpg', 'cat/more/z.png', 'dog/a.PNG', 'dog/b.png']);
  assert.equal([...data.train.labels], [0, 0, 1, 1]);
  assert.is(data.val, null);
  assert.equal(readImage(data, data.train, 3), pixels(1));
  const loose = await open(writeFolder(flat));
  assert.is(loose.sha256, data.sha256);
  loose.close();
  data.close();

  const divided = await everyWay({ ...under('train', enclosable), 'val/dog/x.png': await image(6), 'test/x.png': await image(7) });
  assert.equal(divided.classes, ['cat', 'dog']);
  assert.is(divided.train.count, 4);
  assert.equal([divided.val!.names, [...divided.val!.labels]], [['val/dog/x.png'], [1]]);
  assert.equal(readImage(divided, divided.val!, 0), pixels(6));
  divided.close();
});

test('links of a folder are followed, but for those that lead back up', async () => {
  const root = writeFolder({ 'dog/b.png': await image(1), 'cat/a.png': await image(2) });
  const linked = fresh();
  mkdirSync(path.join(linked, 'cat'), { recursive: true });
  symlinkSync(path.join(root, 'dog'), path.join(linked, 'dog'));
  symlinkSync(path.join(root, 'cat', 'a.png'), path.join(linked, 'cat', 'a.png'));
  symlinkSync('nowhere', path.join(linked, 'cat', 'b.png'));
  const [one, other] = [await open(root), await open(linked)];
  assert.is(one.sha256, other.sha256);
  symlinkSync(linked, path.join(linked, 'cat', 'up'));
  const again = await open(linked);
  assert.is(again.sha256, one.sha256);
  for (const data of [one, other, again]) data.close();
});

test("CIFAR-10's binary layout", async () => {
  const files = cifar();
  const data = await everyWay(files);
  assert.equal(data.classes.slice(0, 2), ['airplane', 'automobile']);
  assert.equal([data.height, data.width, data.train.count, data.val!.count], [32, 32, 10, 3]);
  assert.equal([...data.train.labels], [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
  assert.equal([...data.val!.labels], [5, 6, 7]);
  assert.is(data.train.names[3], 'data_batch_2.bin#1');
  const planes = (files['data_batch_2.bin'] as Uint8Array).subarray(3073 + 1);
  const expected = Uint8Array.from({ length: 3072 }, (_, i) => planes[(i % 3) * 1024 + Math.floor(i / 3)]);
  assert.equal(readImage(data, data.train, 3), expected);
  data.close();
  const { 'batches.meta.txt': _, ...nameless } = files;
  const numbered = await open(writeFolder(nameless));
  assert.equal(numbered.classes, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  numbered.close();
});

/** Two records a batch, three in the test batch. */
function cifar(): Record<string, Uint8Array | string> {
  const records = (seed: number, count: number): Uint8Array =>
    Uint8Array.from({ length: 3073 * count }, (_, i) => (i % 3073 === 0 ? seed + i / 3073 : (seed * 31 + i * 7) % 256));
  const files: Record<string, Uint8Array | string> = {
    'batches.meta.txt': 'airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n',
    'test_batch.bin': records(5, 3),
    'readme.html': '<html>',
  };
  for (let k = 1; k <= 5; k++) files[`data_batch_${k}.bin`] = records(k - 1, 2);
  return files;
}

test('a CIFAR batch that is cut short, missing, or holds a label beyond the classes', async () => {
  const files = cifar();
  const whole = files['data_batch_3.bin'] as Uint8Array;
  files['data_batch_3.bin'] = whole.subarray(0, 4000);
  await refused(
    writeFolder(files),
    /data_batch_3.bin to hold whole records of 3073 bytes, got 4000 bytes \(1 records and 927/,
    FormatError,
  );
  const wrong = whole.slice();
  wrong[3073] = 10;
  files['data_batch_3.bin'] = wrong;
  await refused(writeZip(files), /expected labels in \[0, 9\], got 10 in record 1 of data_batch_3.bin/, FormatError);
  delete files['data_batch_3.bin'];
  await refused(await writeTarGz(under('cifar-10-batches-bin', files)), /got no data_batch_3.bin/, FormatError);
});

test('grey, alpha, palettes, 16 bits, CMYK: all become RGB as the decoder makes them', async () => {
  const base = sharp(pixels(3), { raw: { width: 8, height: 8, channels: 3 } });
  const files = {
    'a/grey.png': await base.clone().toColourspace('b-w').png().toBuffer(),
    'a/alpha.png': await base.clone().ensureAlpha(0.5).png().toBuffer(),
    'a/palette.gif': await base.clone().gif().toBuffer(),
    'b/deep.png': await base.clone().toColourspace('rgb16').png().toBuffer(),
    'b/cmyk.jpg': await base.clone().toColourspace('cmyk').jpeg().toBuffer(),
    'b/web.webp': await base.clone().webp({ lossless: true }).toBuffer(),
  };
  const data = await everyWay(files);
  const at = (name: string): Uint8Array => readImage(data, data.train, data.train.names.indexOf(name));
  const grey = at('a/grey.png');
  for (let i = 0; i < 64; i++) assert.ok(grey[3 * i] === grey[3 * i + 1] && grey[3 * i] === grey[3 * i + 2]);
  // Half transparent over white.
  const expected = pixels(3).map((v) => Math.round((v + 255) / 2));
  assert.ok(at('a/alpha.png').every((v, i) => Math.abs(v - expected[i]) <= 1));
  assert.equal(at('b/web.webp'), pixels(3));
  assert.equal(at('b/deep.png'), pixels(3));
  data.close();
});

test('images of several sizes need a size; they are made to cover it, and cut in the middle', async () => {
  // The left half black, the right half white, with a grey column in the middle of the wide one.
  const wide = Uint8Array.from({ length: 3 * 12 * 6 }, (_, i) => (Math.floor(i / 3) % 12 < 6 ? 0 : 255));
  const files = {
    'a/1.png': await image(1, 'png', 6, 6),
    'b/wide.png': await sharp(wide, { raw: { width: 12, height: 6, channels: 3 } })
      .png()
      .toBuffer(),
    'b/tall.png': await image(2, 'png', 7, 19),
  };
  const folder = writeFolder(files);
  await refused(folder, /expected images of one size, got \d+x\d+ \(.*\) and \d+x\d+ \(.*\).*Give a size/);
  const data = await everyWay(files, { size: [6, 6] });
  assert.equal(readImage(data, data.train, 0), pixels(1, 6, 6));
  // The shorter side has its length already: the middle 6 columns, untouched.
  const middle = Uint8Array.from({ length: 108 }, (_, i) => (Math.floor(i / 3) % 6 < 3 ? 0 : 255));
  assert.equal(readImage(data, data.train, data.train.names.indexOf('b/wide.png')), middle);
  data.close();
  for (const size of [
    [4, 9],
    [9, 4],
    [31, 2],
    [1, 1],
  ] as const) {
    const other = await open(folder, { size });
    assert.equal([other.height, other.width], size);
    other.close();
  }
  await refused(folder, /expected a size \[height, width\] of whole numbers from 1 to 16384, got \[0, 4\]/, InputError, { size: [0, 4] });
});

test('damaged images are named', async () => {
  const good = await image(1);
  const cut = await image(2, 'jpeg', 32, 32);
  const files = { 'a/good.png': good, 'a/b.png': good, 'b/cut.jpg': cut.subarray(0, cut.length - 60) };
  await refused(writeFolder(files), /dataset: b\/cut.jpg: image: expected a whole JPEG file, got a damaged one/, FormatError);
  await refused(await writeTarGz(files), /b\/cut.jpg/, FormatError);
  await refused(writeZip({ ...files, 'b/cut.jpg': 'text' }), /dataset: b\/cut.jpg: image: expected a PNG, JPEG/, FormatError);
  await refused(writeFolder({ ...files, 'b/cut.jpg': '' }), /b\/cut.jpg: .*an empty file/, FormatError);
  await refused(writeFolder({ ...files, 'b/cut.jpg': good, 'b/x.bmp': 'BM\0\0\0\0\0\0\0\0' }), /b\/x.bmp: .*a BMP file/, FormatError);
});

test('lists that do not fit the images', async () => {
  const files = await tiny();
  const changed = async (name: string, text: string, words: RegExp, kind: typeof InputError = FormatError): Promise<void> =>
    refused(writeFolder({ ...files, [name]: text }), words, kind);
  await changed('wnids.txt', 'n01\nn02\nn01', /wnids.txt: expected each class once, got "n01" twice/);
  await changed('wnids.txt', 'n01\nn02\nn09\n', /expected training images of every class of wnids.txt, got none of "n09"/, InputError);
  await changed('wnids.txt', 'n01\n', /expected at least two classes, got "n01" alone/, InputError);
  await changed('wnids.txt', '\n', /expected at least two classes, got none/, InputError);
  const lines = files['val/val_annotations.txt'] as string;
  const annotations = 'val/val_annotations.txt';
  await changed(annotations, `${lines}val_11.JPEG\tn01\n`, /expected val\/images\/val_11.JPEG as line 4 says, got no such image/);
  await changed(annotations, `${lines}val_0.JPEG\tn02\n`, /expected one line for each image, got val_0.JPEG again in line 4/);
  await changed(annotations, 'val_0.JPEG\tn02\n', /expected a line for each image, got none for val\/images\/val_1.JPEG/);
  await changed(annotations, 'val_0.JPEG n02\n', /expected a file and a class with a tab between them, got "val_0.JPEG n02" in line 1/);
  delete files['val/val_annotations.txt'];
  delete files['val/images/val_0.JPEG'];
  delete files['val/images/val_1.JPEG'];
  delete files['val/images/val_10.JPEG'];
  const data = await open(writeFolder(files));
  assert.is(data.val, null);
  data.close();
});

test('an empty class folder, one class, no layout at all', async () => {
  const files = { 'a/1.png': await image(1), 'b/1.png': await image(2), 'c/': '' };
  for (const source of [writeFolder(files), writeZip(files), await writeTarGz(files)]) {
    await refused(source, /expected images in every class folder, got none in "c"/);
  }
  const divided = { 'train/a/1.png': await image(1), 'train/b/1.png': await image(2), 'train/c/notes.txt': 'x', 'train/c/': '' };
  await refused(writeFolder(divided), /got none in "train\/c"/);
  await refused(writeFolder({ 'a/1.png': await image(1) }), /expected at least two classes, got "a" alone/);
  await refused(writeFolder({}), /expected a layout that is known: .*wnids.txt.*data_batch_1.bin.*CLASS.*; got no files in/);
  await refused(writeFolder({ 'a.txt': '', '1.png': await image(1) }), /expected a layout.*got 2 files \(1.png, a.txt\)/);
  await refused(writeZip({}), /got no files/);
});

test('what is no archive, and archives that are damaged', async () => {
  const files = {
    'a/1.png': await image(1, 'png', 64, 64),
    'b/1.png': await image(2, 'png', 64, 64),
    'b/2.png': await image(3, 'png', 64, 64),
  };
  const write = (bytes: Uint8Array | string): string => {
    const file = fresh('.bin');
    writeFileSync(file, bytes);
    return file;
  };
  await refused(fresh(), /expected a folder or an archive .*\(ENOENT\)/);
  await refused(write(''), /expected a folder, a .zip.*an empty file/, FormatError);
  await refused(write('hello'), /begins with the bytes 68656c6c/, FormatError);

  const plain = await tarBytes(files);
  const whole = await open(write(plain));
  assert.is(whole.train.count, 3);
  whole.close();
  const packed = gzipSync(plain);
  for (const share of [0.05, 0.5, 0.9]) {
    await refused(
      write(packed.subarray(0, packed.length * share)),
      /expected a whole .tar.gz file, got ".*", which is damaged \(.*\)/,
      FormatError,
    );
    await refused(write(plain.subarray(0, plain.length * share)), /expected a whole .tar file/, FormatError);
  }
  await refused(write(gzipSync('x'.repeat(2000))), /expected a whole .tar.gz file/, FormatError);
  const flipped = packed.slice();
  flipped[packed.length - 6] ^= 1;
  await refused(write(flipped), /expected a whole .tar.gz file/, FormatError);

  const zip = zipBytes(files);
  for (const share of [0.05, 0.5, 0.99]) {
    await refused(write(zip.subarray(0, zip.length * share)), /expected a whole .zip file/, FormatError);
  }
  const damaged = zip.slice();
  // Inside the second entry, which is stored: only its check sum can tell.
  damaged[Buffer.from(zip).indexOf('b/1.png') + 300] ^= 1;
  await refused(write(damaged), /which is damaged \(b\/1.png: its check sum does not match\)/, FormatError);
});

test('archives: names that climb out or appear twice, links in place of images', async () => {
  const [one, two] = [await image(1), await image(2)];
  const climbing = await open(writeZip({ '../../a/1.png': one, '/b/1.png': two, 'b\\2.png': one }));
  assert.equal(climbing.train.names, ['a/1.png', 'b/1.png', 'b/2.png']);
  climbing.close();
  await refused(
    writeZip({ 'a/1.png': one, './a/1.png': two, 'b/1.png': two }),
    /expected one file of each name in ".*", got "a\/1.png" twice/,
  );
  for (const type of ['symlink', 'link'] as const) {
    const file = fresh('.tar');
    writeFileSync(file, await tarBytes({ 'a/1.png': one, 'b/1.png': two, 'b/2.png': 'b/1.png' }, { 'b/2.png': type }));
    await refused(file, /expected files, got the link "b\/2.png"/);
  }
});

test('other scripts in names, and names beyond the 100 bytes of old tar headers', async () => {
  const long = 'x'.repeat(120);
  const files = { 'Katze 猫/größe.png': await image(1), [`${long}/${long}.png`]: await image(2) };
  const data = await everyWay(files);
  assert.equal(data.classes, ['Katze 猫', long]);
  data.close();
  assert.ok(bytesOf('猫').length === 3);
});

test.run();
