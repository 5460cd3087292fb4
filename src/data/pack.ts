/** From a layout to a packed file: every image decoded, brought to one size, and written to its place. Node only. */
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess, toPicture, type Preprocess } from '../image/preprocess.ts';
import type { Layout, Part, Piece } from './layout.ts';
import { packHeader, readAt, writeAt, type PackInfo, type PackPlaces } from './packed.ts';

/** Images being read and decoded at once: enough to keep the decoder's threads busy. */
const AT_ONCE = 16;

/**
 * Decodes all images of a layout into the new file `path`; memory stays at a few images.
 * Without `size` all images must be of one size. With it, others are resized to cover it (shorter side first) and cut in the middle.
 * @throws FormatError if an image is damaged; InputError if sizes differ, or there is no room
 */
export async function pack(
  layout: Layout,
  source: string,
  size: readonly [number, number] | undefined,
  path: string,
  onProgress?: (done: number, total: number) => void,
): Promise<void> {
  const fs = await import('node:fs');
  const { train, val, classes } = layout;
  const total = train.names.length + (val?.names.length ?? 0);
  const fd = fs.openSync(path, 'wx+');
  try {
    let info: PackInfo | undefined;
    let places: PackPlaces | undefined;
    let first = '';
    let done = 0;
    const write = async (piece: Piece): Promise<void> => {
      const picture = await piece.picture();
      if (!info || !places) {
        const [height, width] = size ?? [picture.height, picture.width];
        info = { source, classes, height, width, train: train.names, val: val?.names ?? null };
        places = packHeader(info, EMPTY).places;
        first = piece.name;
      }
      const { height, width } = info;
      if (!size && (picture.height !== height || picture.width !== width)) {
        throw new InputError(
          `dataset: expected images of one size, got ${height}x${width} (${first}) and ${picture.height}x${picture.width} ` +
            `(${piece.name}; height x width). Give a size, to which they are resized.`,
        );
      }
      const bytes = 3 * height * width;
      const inVal = piece.slot - train.names.length;
      const at = inVal < 0 ? places.train + piece.slot * bytes : places.val + inVal * bytes;
      writeAt(fs, fd, fitted(picture, [height, width]), at);
      done += 1;
      onProgress?.(done, total);
    };
    await inParallel(layout.pieces(), AT_ONCE, write);
    if (!info || !places || done !== total) throw new InputError(`dataset: expected ${total} images, got ${done}. Give a whole data set.`);
    writeAt(fs, fd, labelBytes(train), places.trainLabels);
    if (val) writeAt(fs, fd, labelBytes(val), places.valLabels);
    writeAt(fs, fd, packHeader(info, await contentHash(fs, fd, info, places)).header, 0);
    // Before the file takes its name, its bytes must be there even if the power fails.
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const EMPTY = '0'.repeat(64);

/** A picture of `size`, its bytes untouched if it is that already. */
function fitted(picture: Picture, size: readonly [number, number]): Uint8Array {
  const [height, width] = size;
  if (picture.height === height && picture.width === width) return picture.data;
  // The least shorter side with which the longer one covers its extent too; see `preprocess` for how the longer one follows.
  const landscape = picture.width >= picture.height;
  const shorter = landscape ? height : width;
  const longer = landscape ? Math.ceil((width * picture.height) / picture.width) : Math.ceil((height * picture.width) / picture.height);
  const spec: Preprocess = {
    size,
    fit: 'crop',
    resize: Math.max(shorter, longer),
    channels: 'rgb',
    scale: 1,
    mean: [0, 0, 0],
    std: [1, 1, 1],
  };
  return toPicture(preprocess(picture, spec).input, spec).data;
}

function labelBytes({ labels }: Part): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * labels.length));
  labels.forEach((label, i) => view.setInt32(4 * i, label, true));
  return new Uint8Array(view.buffer);
}

/** SHA-256 over classes, extents and counts as JSON, and all labels and pixels as they lie in the file. */
async function contentHash(fs: typeof import('node:fs'), fd: number, info: PackInfo, places: PackPlaces): Promise<string> {
  const { createHash } = await import('node:crypto');
  const { classes, height, width, train, val } = info;
  const hash = createHash('sha256');
  hash.update(`${JSON.stringify({ classes, height, width, train: train.length, val: val?.length ?? null })}\n`);
  const chunk = new Uint8Array(1 << 20);
  for (let at = places.trainLabels; at < places.end; at += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, places.end - at));
    readAt(fs, fd, part, at);
    hash.update(part);
  }
  return hash.digest('hex');
}

/** Works on at most `limit` items at once; the first error ends it, once what had begun has ended. */
async function inParallel<T>(items: AsyncIterable<T>, limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
  };
  try {
    for await (const item of items) {
      if (failure) break;
      const one: Promise<void> = work(item)
        .catch(fail)
        .finally(() => running.delete(one));
      running.add(one);
      if (running.size >= limit) await Promise.race(running);
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(running);
  if (failure) throw failure.error;
}
