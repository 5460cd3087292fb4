// Batches from worker threads: the bits of the main thread's, its errors, bounded memory, and threads that let the process end.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import sharp from 'sharp';
import { openDataset } from '../../src/data/dataset.ts';
import { uniform } from '../../src/random.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { viewWriter } from '../../src/train/augment.ts';
import { Batches, plainBatch, plainDraw, type Batch } from '../../src/train/batches.ts';
import { firstImages, ofClasses } from '../../src/train/images.ts';
import { Lookahead } from '../../src/train/lookahead.ts';
import { BatchWorkers } from '../../src/train/workers.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'backlight-workers-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const [H, W] = [10, 12];
const draw = uniform(3);
for (const name of ['a', 'b', 'c']) {
  mkdirSync(path.join(folder, 'set', name), { recursive: true });
  for (let i = 0; i < 7; i++) {
    const pixels = Buffer.from(Array.from({ length: 3 * H * W }, () => Math.floor(256 * draw())));
    const file = path.join(folder, 'set', name, `${i}.png`);
    writeFileSync(
      file,
      await sharp(pixels, { raw: { width: W, height: H, channels: 3 } })
        .png()
        .toBuffer(),
    );
  }
}
const data = await openDataset(path.join(folder, 'set'), { cache: path.join(folder, 'cache') });
const mean: Tensor = { shape: [3, H, W], data: Float32Array.from({ length: 3 * H * W }, () => 255 * draw()) };
const options = { batch: 4, seed: 5, augmentation: { crop: 0.6, flip: 0.5, erase: 0.5, eraseSide: 0.5 }, mean, unit: 64 };
const images = firstImages(ofClasses(data.train, [2, 0]), 13);

const same = (a: Batch, b: Batch): void => {
  assert.equal([a.x.shape, [...a.labels.data]], [b.x.shape, [...b.labels.data]]);
  assert.equal(new Uint32Array(a.x.data.buffer), new Uint32Array(b.x.data.buffer));
};

test('a view is, to the bit, the bilinear sum of four pixels in f64', () => {
  const pixels = Uint8Array.from({ length: 3 * H * W }, () => 256 * draw());
  const batches = new Batches(images, options);
  for (let step = 0; step < 20; step++)
    for (const view of batches.draw(step).views) {
      const got = new Float32Array(3 * H * W);
      viewWriter(mean, 64)(pixels, view, got, 0);
      const want = got.map((_, i) => {
        const [c, y, x] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W];
        const [y0, x0, y1, x1] = view.hole;
        if (y >= y0 && y < y1 && x >= x0 && x < x1) return 0;
        const down = view.top + ((y + 0.5) * view.height) / H - 0.5;
        const across = view.left + (((view.mirrored ? W - 1 - x : x) + 0.5) * view.width) / W - 0.5;
        const [row, column] = [Math.floor(down), Math.floor(across)];
        const [v, u] = [Math.fround(down - row), Math.fround(across - column)];
        const at = (r: number, q: number): number =>
          pixels[3 * (Math.min(H - 1, Math.max(0, r)) * W + Math.min(W - 1, Math.max(0, q))) + c];
        const line = (r: number): number => at(r, column) * (1 - u) + at(r, column + 1) * u;
        return (line(row) * (1 - v) + line(row + 1) * v - mean.data[i]) / 64;
      });
      assert.equal(got, want);
    }
});

test('threads make the bits that the main thread makes, in any order and in memory that is used again', async () => {
  const workers = await BatchWorkers.start(2, options);
  const batches = new Batches(images, options);
  for (let round = 0; round < 3; round++) {
    const made = await Promise.all([7, 0, 3, 4, 12].map((step) => workers.make(batches.draw(step))));
    [7, 0, 3, 4, 12].forEach((step, i) => same(made[i], new Batches(images, options).at(step)));
    made.forEach((batch) => workers.recycle(batch));
  }
  same(await workers.make(plainDraw(data.val ?? images, 10, { batch: 6, mean })), plainBatch(images, 10, { batch: 6, mean, unit: 64 }));
  assert.equal([workers.made, workers.failure], [{ threads: 16, here: 0 }, undefined]);
  await workers.close();
});

test('without threads, and for images that are in no file, the caller makes them', async () => {
  const inMemory = { count: images.count, labels: images.labels, read: images.read };
  for (const [count, source] of [
    [0, images],
    [1, inMemory],
  ] as const) {
    const workers = await BatchWorkers.start(count, options);
    same(await workers.make(new Batches(source, options).draw(2)), new Batches(images, options).at(2));
    assert.equal([workers.made, workers.depth(source, 4)], [{ threads: 0, here: 1 }, 1]);
    await workers.close();
  }
});

test('what is made ahead is bounded in batches and bytes', async () => {
  const workers = await BatchWorkers.start(3, options);
  assert.equal([workers.depth(images, 4), workers.depth(images, 1e5), workers.depth(images, 1e7)], [6, 3, 2]);
  const asked: number[] = [];
  const ahead = new Lookahead(async (k) => (asked.push(k), plainBatch(images, k, { batch: 1, mean, unit: 1 })), 3, 6);
  same(await ahead.look(1), await ahead.take(1));
  assert.equal(asked, [1, 2, 3]);
  for (let k = 2; k < 6; k++) same(await ahead.take(k), plainBatch(images, k, { batch: 1, mean, unit: 1 }));
  assert.equal(asked, [1, 2, 3, 4, 5]);
  await workers.close();
});

test('a damaged file is told in the words of the source; a file that is gone for the threads is read here', async () => {
  const own = await openDataset(path.join(folder, 'set'), { cache: path.join(folder, 'other') });
  const workers = await BatchWorkers.start(1, options);
  const at = (step: number): Promise<Batch> => workers.make(new Batches(own.train, options).draw(step));
  const gone = { ...own.train, stored: { ...own.train.stored, file: path.join(folder, 'gone') } };
  same(await workers.make(new Batches(gone, options).draw(0)), new Batches(own.train, options).at(0));
  assert.match(workers.failure!, /ENOENT/);
  assert.equal(workers.made, { threads: 0, here: 1 });
  truncateSync(own.file, own.train.stored.position(0) + 100);
  const told = async (call: () => unknown): Promise<string> => {
    try {
      await call();
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`;
    }
    return 'nothing';
  };
  const message = await told(() => at(0));
  assert.match(message, /^FormatError: packed data set: expected \d+ bytes at \d+, got \d+; the file was cut short/);
  assert.is(message, await told(() => new Batches(own.train, options).at(0)));
  await workers.close();
  own.close();
});

test('a thread that dies leaves its batches to the others and to the caller; closing ends what is under way', async () => {
  const threads: Worker[] = [];
  const hear = (thread: Worker): void => void threads.push(thread);
  process.on('worker', hear);
  const workers = await BatchWorkers.start(2, options);
  await new Promise(setImmediate);
  process.off('worker', hear);
  const batches = new Batches(images, options);
  const all = async (): Promise<void> => {
    const made = await Promise.all([0, 1, 2, 3].map((step) => workers.make(batches.draw(step))));
    made.forEach((batch, step) => same(batch, new Batches(images, options).at(step)));
  };
  const first = all();
  void threads[0].terminate();
  await first;
  assert.is(workers.made.here + workers.made.threads, 4);
  await all();
  assert.ok(workers.made.threads >= 4 && workers.depth(images, 4) === 2, JSON.stringify(workers.made));
  assert.match(workers.failure!, /ended/);
  const [words] = await Promise.all([workers.make(batches.draw(2)).then(() => 'made', String), workers.close()]);
  assert.match(words, /EngineError: batches: expected live workers/);
});

test('a program that forgets its threads ends all the same; one that waits for a batch gets it', async () => {
  const entry = path.join(folder, 'entry.ts');
  const at = (file: string): string => JSON.stringify(path.resolve('src', file));
  writeFileSync(
    entry,
    `import { openDataset } from ${at('data/dataset.ts')};
     import { Batches } from ${at('train/batches.ts')};
     import { BatchWorkers } from ${at('train/workers.ts')};
     const data = await openDataset('set', { cache: 'cache' });
     const options = { batch: 4, seed: 5, augmentation: { crop: 0.6, flip: 0.5, erase: 0.5, eraseSide: 0.5 }, mean: { shape: [3, ${H}, ${W}], data: new Float32Array(${3 * H * W}) }, unit: 64 };
     const workers = await BatchWorkers.start(2, options);
     const { x } = await workers.make(new Batches(data.train, options).draw(0));
     console.log(x.data.length, workers.made.threads);`,
  );
  for (const minify of [false, true]) {
    const outfile = path.join(folder, `program-${minify}.mjs`);
    await build({
      entryPoints: [entry],
      outfile,
      minify,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      external: ['sharp'],
      nodePaths: ['node_modules'],
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    });
    const { status, stdout, stderr } = spawnSync(process.execPath, [outfile], { cwd: folder, encoding: 'utf8', timeout: 20_000 });
    assert.is(status, 0, stderr);
    assert.is(stdout, `${4 * size(mean.shape)} 1\n`);
  }
});

test.run();
