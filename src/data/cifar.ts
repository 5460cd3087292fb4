/**
 * CIFAR-10's binary layout: data_batch_1.bin to data_batch_5.bin, test_batch.bin, batches.meta.txt. A record is one byte of label and 3072
 * bytes of pixels: 32 x 32 red, then green, then blue.
 * @see https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { FormatError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import { linesOf, readTexts, type Layout, type Part, type Piece } from './layout.ts';
import type { Source } from './files.ts';

const SIDE = 32;
const PLANE = SIDE * SIDE;
const RECORD = 1 + 3 * PLANE;
const TRAIN = [1, 2, 3, 4, 5].map((k) => `data_batch_${k}.bin`);
const VAL = 'test_batch.bin';
const META = 'batches.meta.txt';
const CLASSES = 10;

/**
 * CIFAR-10's training batches as training images and its test batch as validation images, named "data_batch_1.bin#0" and so on; null if the
 * source holds no such files. Classes are the lines of batches.meta.txt, or numbers where that is missing.
 * @throws FormatError if a batch is missing or cut short, or a label lies beyond the classes
 */
export async function cifarLayout(source: Source): Promise<Layout | null> {
  const { files } = await source.list();
  const first = [...files.keys()].find((name) => /^([^/]+\/)?data_batch_1\.bin$/.test(name));
  if (first === undefined) return null;
  const root = first.slice(0, -TRAIN[0].length);
  for (const name of [...TRAIN, VAL]) {
    const size = files.get(root + name);
    if (size === undefined) {
      throw new FormatError(`cifar: expected ${[...TRAIN, VAL].join(', ')}, got no ${name}. Copy the data set again from its source.`);
    }
    if (size === 0 || size % RECORD !== 0) {
      throw new FormatError(
        `cifar: expected ${name} to hold whole records of ${RECORD} bytes, got ${size} bytes (${Math.floor(size / RECORD)} records and ` +
          `${size % RECORD} bytes). Copy it again from its source.`,
      );
    }
  }
  const meta = (await readTexts(source, [root + META])).get(root + META);
  const classes = meta === undefined ? Array.from({ length: CLASSES }, (_, k) => String(k)) : linesOf(meta).map(({ line }) => line.trim());

  /** Where each file's first record goes. */
  const starts = new Map<string, number>();
  let total = 0;
  let trainCount = 0;
  for (const name of [...TRAIN, VAL]) {
    starts.set(root + name, total);
    total += files.get(root + name)! / RECORD;
    if (name !== VAL) trainCount = total;
  }
  const names = [...TRAIN, VAL].flatMap((name) => Array.from({ length: files.get(root + name)! / RECORD }, (_, i) => `${name}#${i}`));
  const labels = await readLabels(source, root, starts, total, classes.length);
  const part = (from: number, to: number): Part => ({ names: names.slice(from, to), labels: labels.slice(from, to) });

  async function* pieces(): AsyncGenerator<Piece> {
    for await (const file of source.read(new Set(starts.keys()))) {
      const bytes = await file.bytes();
      const start = starts.get(file.name)!;
      for (let i = 0; i < bytes.length / RECORD; i++) {
        const planes = bytes.subarray(i * RECORD + 1, (i + 1) * RECORD);
        yield { slot: start + i, name: names[start + i], picture: async () => interleave(planes) };
      }
    }
  }
  return { classes, train: part(0, trainCount), val: part(trainCount, total), pieces };
}

async function readLabels(
  source: Source,
  root: string,
  starts: ReadonlyMap<string, number>,
  total: number,
  classes: number,
): Promise<Int32Array> {
  const labels = new Int32Array(total);
  for await (const file of source.read(new Set(starts.keys()))) {
    const bytes = await file.bytes();
    for (let i = 0; i < bytes.length / RECORD; i++) {
      const label = bytes[i * RECORD];
      if (label >= classes) {
        throw new FormatError(
          `cifar: expected labels in [0, ${classes - 1}], got ${label} in record ${i} of ${file.name.slice(root.length)}. ` +
            `Copy it again from its source.`,
        );
      }
      labels[starts.get(file.name)! + i] = label;
    }
  }
  return labels;
}

/** Planes of red, green and blue to three bytes a pixel. */
function interleave(planes: Uint8Array): Picture {
  const data = new Uint8Array(3 * PLANE);
  for (let c = 0; c < 3; c++) for (let i = 0; i < PLANE; i++) data[3 * i + c] = planes[c * PLANE + i];
  return { width: SIDE, height: SIDE, data };
}
