// Packed files of data sets: what makes a new one, what is not trusted, several openings at once; and the real Tiny ImageNet subset.
import { spawn } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import tar from 'tar-stream';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDataset } from '../../src/data/dataset.ts';
import { InputError } from '../../src/errors.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { fresh, image, pixels, readImage, writeFolder, writeTarGz, type Files } from '../datasets.ts';

// A process of its own that opens a data set: see the test of several processes.
if (process.env.OPEN_DATASET) {
  const [source, cache] = process.env.OPEN_DATASET.split('\n');
  const data = await openDataset(source, { cache });
  const sums = Array.from({ length: data.train.count }, (_, i) => readImage(data, data.train, i).reduce((a, b) => a + b));
  console.log(
    data.sha256,
    sums.reduce((a, b) => a + b),
  );
  process.exit(0);
}

async function files(count = 3): Promise<Files> {
  const found: Record<string, Uint8Array> = {};
  for (let i = 0; i < count; i++) {
    found[`train/a/${i}.png`] = await image(i);
    found[`train/b/${i}.png`] = await image(100 + i);
    found[`val/b/${i}.png`] = await image(200 + i);
  }
  return found;
}

/** Opens, counts the images that were decoded, and checks a few. */
async function opened(source: string, cache: string, isFresh = false): Promise<{ decoded: number; file: string; sha256: string }> {
  let decoded = 0;
  const onProgress = (done: number, total: number): void => {
    assert.is(done, ++decoded);
    assert.is(total, 9);
  };
  const data = await openDataset(source, { cache, onProgress, fresh: isFresh });
  assert.equal(readImage(data, data.train, 4), pixels(101));
  assert.equal(readImage(data, data.val!, 2), pixels(202));
  const { file, sha256 } = data;
  data.close();
  assert.equal(readdirSync(cache), [path.basename(file)]);
  return { decoded, file, sha256 };
}

test('decoded once; again when asked for, when a file changes, and for another size', async () => {
  const folder = writeFolder(await files());
  const cache = fresh();
  const first = await opened(folder, cache);
  assert.is(first.decoded, 9);
  assert.equal(await opened(folder, cache), { ...first, decoded: 0 });
  assert.equal(await opened(folder, cache, true), first);
  writeFileSync(path.join(folder, 'train/a/0.png'), await image(50));
  const changed = await openDataset(folder, { cache });
  assert.is.not(changed.file, first.file);
  assert.is.not(changed.sha256, first.sha256);
  changed.close();
  const small = await openDataset(folder, { cache, size: [4, 5] });
  assert.equal([small.height, small.width], [4, 5]);
  small.close();
  assert.is(readdirSync(cache).length, 3);
});

test('an archive is known by its bytes, wherever it lies', async () => {
  const [archive, copy, cache] = [await writeTarGz(await files()), fresh('.tgz'), fresh()];
  copyFileSync(archive, copy);
  const first = await opened(archive, cache);
  assert.equal(await opened(copy, cache), { ...first, decoded: 0 });
});

test('the packed file is a safetensors file', async () => {
  const cache = fresh();
  const { file } = await opened(writeFolder(await files()), cache);
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;
  const { __metadata__: _, ...tensors } = header;
  const shapes = Object.entries(tensors).map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape.join('x')}`);
  assert.equal(shapes, ['train-labels I32 6', 'train U8 6x8x8x3', 'val-labels I32 3', 'val U8 3x8x8x3']);
  // Offsets without a gap, to the end of the file.
  let at = 0;
  for (const { data_offsets: offsets } of Object.values(tensors)) {
    assert.is(offsets[0], at);
    at = offsets[1];
  }
  assert.is(start + at, bytes.length);
  const [from, to] = tensors.train.data_offsets;
  assert.equal(new Uint8Array(bytes.subarray(start + from, start + to).subarray(0, 192)), pixels(0));
});

test('a packed file that is cut short, of another version or source, or no such file at all is made anew', async () => {
  const folder = writeFolder(await files());
  const cache = fresh();
  const first = await opened(folder, cache);
  const good = readFileSync(first.file);
  const text = (from: string, to: string): Buffer => {
    const changed = Buffer.from(good.toString('latin1').replace(from, to), 'latin1');
    assert.not.equal(changed, good);
    return changed;
  };
  const damages = [
    good.subarray(0, good.length - 1),
    Buffer.concat([good, Buffer.of(0)]),
    good.subarray(0, 100),
    Buffer.alloc(0),
    Buffer.alloc(good.length),
    Buffer.alloc(good.length, 0xff),
    text('\\"version\\":', '\\"version\\":9'),
    text('folder:', 'fOlder:'),
    text('{', '['),
    text('\\"classes\\"', '\\"klasses\\"'),
    text('\\"height\\":8', '\\"height\\":4'),
    text(first.sha256, first.sha256.slice(1) + 'x'),
  ];
  for (const [i, damage] of damages.entries()) {
    writeFileSync(first.file, damage);
    assert.equal(await opened(folder, cache), first, `damage ${i}`);
    assert.equal(readFileSync(first.file), good, `damage ${i}`);
  }
});

test('a file that is cut short while it is open', async () => {
  const data = await openDataset(writeFolder(await files()), { cache: fresh() });
  truncateSync(data.file, 5000);
  assert.throws(() => readImage(data, data.val!, 2), /expected 192 bytes at \d+, got 0; the file was cut short/);
  data.close();
});

test('what is asked for when reading', async () => {
  const data = await openDataset(writeFolder(await files()), { cache: fresh() });
  const into = new Uint8Array(192);
  for (const index of [-1, 6, 0.5, NaN]) assert.throws(() => data.train.read(index, into), /expected an image in \[0, 5\], got/);
  assert.throws(() => data.train.read(0, new Uint8Array(191)), /expected 192 bytes for an image of 8x8, got 191/);
  data.close();
  data.close();
  assert.throws(
    () => data.train.read(0, into),
    (e: Error) => e instanceof InputError && /one that was closed/.test(e.message),
  );
});

test('after an error nothing is left; what a killed process left is removed, what another is writing stays', async () => {
  const cache = fresh();
  const good = await files();
  const archive = await writeTarGz(good);
  const { file } = await opened(archive, cache);
  const bad = writeFolder({ ...good, 'train/b/0.png': 'damaged' });
  try {
    await openDataset(bad, { cache });
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /train\/b\/0.png/);
  }
  assert.equal(readdirSync(cache), [path.basename(file)]);
  const [left, current] = ['0', '1'].map((digit) => path.join(cache, `${digit.repeat(32)}.safetensors.77-0123abcd.tmp`));
  for (const name of [left, current]) writeFileSync(name, 'x');
  utimesSync(left, 1e9, 1e9);
  (await openDataset(archive, { cache, fresh: true })).close();
  assert.equal(readdirSync(cache).sort(), [path.basename(current), path.basename(file)].sort());
});

test('the default folder is "datasets" in the cache; one that cannot be written to is refused', async () => {
  const before = process.env.BACKLIGHT_CACHE;
  process.env.BACKLIGHT_CACHE = fresh();
  const folder = writeFolder(await files());
  try {
    const data = await openDataset(folder);
    assert.is(path.dirname(data.file), path.join(process.env.BACKLIGHT_CACHE, 'datasets'));
    data.close();
  } finally {
    if (before === undefined) delete process.env.BACKLIGHT_CACHE;
    else process.env.BACKLIGHT_CACHE = before;
  }
  const file = fresh();
  writeFileSync(file, '');
  try {
    await openDataset(folder, { cache: file });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, InputError);
    assert.match((error as Error).message, /expected a folder to write to, got/);
  }
});

test('several openings at once, in one process and in several: all succeed, with the same bytes', async () => {
  const folder = writeFolder(await files(60));
  const cache = fresh();
  const here = await Promise.all([openDataset(folder, { cache }), openDataset(folder, { cache })]);
  assert.is(here[0].sha256, here[1].sha256);
  for (let i = 0; i < 120; i++) assert.equal(readImage(here[0], here[0].train, i), readImage(here[1], here[1].train, i));
  rmSync(here[0].file);
  const child = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const env = { ...process.env, OPEN_DATASET: `${folder}\n${cache}` };
      const process_ = spawn(process.execPath, [process.argv[1]], { env, stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      process_.stdout.on('data', (chunk) => (output += chunk));
      process_.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`exit code ${code}`))));
    });
  const said = await Promise.all([child(), child(), child()]);
  const sums = Array.from({ length: 120 }, (_, i) => readImage(here[0], here[0].train, i).reduce((a, b) => a + b));
  const total = sums.reduce((a, b) => a + b);
  for (const line of said) assert.is(line.trim(), `${here[0].sha256} ${total}`);
  for (const data of here) data.close();
  assert.is(readdirSync(cache).length, 1);
});

const real = dataPresent ? test : test.skip;
if (!dataPresent) sayMissing('the Tiny ImageNet subset');

real('the Tiny ImageNet subset: 50 classes, 25,000 and 2,500 images, bytes as sharp decodes them', async () => {
  const cache = fresh();
  const source = dataPath('tiny-imagenet-50.tar.gz');
  const started = performance.now();
  const data = await openDataset(source, { cache });
  const cold = performance.now() - started;
  const again = performance.now();
  (await openDataset(source, { cache, onProgress: () => assert.unreachable() })).close();
  const warm = performance.now() - again;
  console.log(`measured: packing 27,500 images takes ${(cold / 1000).toFixed(1)} s, opening them again ${(warm / 1000).toFixed(2)} s`);
  assert.equal([data.classes.length, data.train.count, data.val!.count, data.height, data.width], [50, 25_000, 2_500, 64, 64]);
  assert.ok(data.classes.includes('n02486410 baboon'));
  // Every class has 500 and 50; training labels agree with the folder that the name holds.
  const count = (labels: Int32Array): number[] => data.classes.map((_, k) => labels.filter((label) => label === k).length);
  assert.ok(count(data.train.labels).every((n) => n === 500) && count(data.val!.labels).every((n) => n === 50));
  data.train.names.forEach((name, i) => assert.ok(data.classes[data.train.labels[i]].startsWith(name.split('/')[1])));

  const wanted = new Map(
    [data.train.names[0], data.train.names[12_345], data.val!.names[0], 'val/val_annotations.txt'].map((name) => [name, Buffer.of()]),
  );
  const extract = tar.extract();
  extract.end(gunzipSync(readFileSync(source)));
  for await (const entry of extract) {
    const name = entry.header.name.replace('tiny-imagenet-50/', '');
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    if (wanted.has(name)) wanted.set(name, Buffer.concat(chunks));
  }
  const decoded = async (name: string): Promise<Uint8Array> =>
    new Uint8Array(await sharp(wanted.get(name)).toColourspace('srgb').removeAlpha().raw().toBuffer());
  for (const i of [0, 12_345]) assert.equal(readImage(data, data.train, i), await decoded(data.train.names[i]));
  assert.equal(readImage(data, data.val!, 0), await decoded(data.val!.names[0]));
  const lines = wanted.get('val/val_annotations.txt')!.toString().trim().split('\n');
  const labels = new Map(lines.map((line) => [`val/images/${line.split('\t')[0]}`, line.split('\t')[1]]));
  data.val!.names.forEach((name, i) => assert.ok(data.classes[data.val!.labels[i]].startsWith(labels.get(name)!)));
  data.close();
});

test.run();
