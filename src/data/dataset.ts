/**
 * Data sets on disk: images with classes, for training and validation. The first opening decodes every image into one packed file of the
 * cache, later ones read from there. Node only.
 */
import { cacheFolder, makeFolder } from '../cache.ts';
import { FormatError, InputError } from '../errors.ts';
import { cifarLayout } from './cifar.ts';
import { folderLayout } from './folders.ts';
import type { Layout } from './layout.ts';
import type { Source } from './files.ts';
import { pack } from './pack.ts';
import { PACK_VERSION, readAt, readPackHead, type PackHead } from './packed.ts';
import { openSource } from './source.ts';

/** Images of one purpose. */
export interface SplitInfo {
  readonly count: number;
  /** Class index of each image. */
  readonly labels: Int32Array;
  /** File of each image relative to the data set's root, as the source calls it; images are in the order of these. */
  readonly names: readonly string[];
}

/** Images of one purpose, to be read one by one from the packed file. */
export interface Split extends SplitInfo {
  /**
   * Reads image `index` as HWC RGB bytes into `into`, of height * width * 3 bytes; synchronous.
   * @throws InputError if there is no such image, `into` is of another length, or the data set was closed
   */
  read(index: number, into: Uint8Array): void;
  /** Where these bytes lie: image `index` begins at `position(index)` of the packed file. */
  readonly stored: { readonly file: string; position(index: number): number };
}

/** An open data set. Its images are 8-bit sRGB and all of one size. */
export interface Dataset {
  /** The path that was opened. */
  readonly source: string;
  /** The packed file. */
  readonly file: string;
  /** SHA-256 of classes, size, labels and pixels: the same from a folder, a zip and a tar of the same data. */
  readonly sha256: string;
  /** Class names by index: "n02486410 baboon" where words are known, else the folder's name. */
  readonly classes: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly train: Split;
  readonly val: Split | null;
  close(): void;
}

/** How a data set is opened. */
export interface DatasetOptions {
  /** Height and width to which all images are brought: the shorter side resized, the middle cut out. Theirs if they have one in common. */
  readonly size?: readonly [number, number];
  /** Folder of packed files; "datasets" in the cache unless given. */
  readonly cache?: string;
  /** Called with each decoded image; not at all if there is a packed file already. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Pack again even if there is a packed file. */
  readonly fresh?: boolean;
}

const LAYOUTS =
  "Tiny ImageNet's (wnids.txt, train/WNID/images/*.JPEG, val/val_annotations.txt), CIFAR-10's binary one (data_batch_1.bin), or a folder " +
  'for each class (CLASS/*.png, or train/CLASS/*.png and val/CLASS/*.png)';

/**
 * Opens a data set: Tiny ImageNet's layout, CIFAR-10's binary layout, or a folder for each class; as a folder, .zip, .tar or .tar.gz, in
 * which it may lie in a folder of its own. Images may be PNG, JPEG, WebP, GIF or TIFF, and are decoded as `decodeImage` does.
 * @throws InputError if the path, layout, sizes or classes are not as said here; FormatError if an image, a list or the archive is damaged
 */
export async function openDataset(source: string, options: DatasetOptions = {}): Promise<Dataset> {
  const { size } = options;
  if (size && !(size.length === 2 && size.every((extent) => Number.isInteger(extent) && extent >= 1 && extent <= MAX_SIDE))) {
    throw new InputError(`dataset: expected a size [height, width] of whole numbers from 1 to ${MAX_SIDE}, got [${size.join(', ')}].`);
  }
  const [fs, { createHash, randomBytes }, path] = [await import('node:fs'), await import('node:crypto'), await import('node:path')];
  const files = await openSource(source);
  try {
    const fingerprint = await files.fingerprint();
    const folder = options.cache === undefined ? await cacheFolder('datasets') : givenFolder(options.cache, { fs, path });
    const key = createHash('sha256').update(`${PACK_VERSION} ${fingerprint} ${size?.join('x') ?? ''}`);
    const file = path.join(folder, `${key.digest('hex').slice(0, 32)}.safetensors`);
    const cached = options.fresh ? null : openPacked(fs, file, fingerprint);
    if (cached) return dataset(fs, source, file, cached);

    const layout = await findLayout(files, source);
    removeStale(fs, folder);
    const unfinished = `${file}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
    try {
      await pack(layout, fingerprint, size, unfinished, options.onProgress);
      putInPlace(fs, unfinished, file, fingerprint);
    } finally {
      fs.rmSync(unfinished, { force: true });
    }
    const packed = openPacked(fs, file, fingerprint);
    if (!packed) throw new FormatError(`packed data set: expected "${file}" as it was just written, got another. Open it again.`);
    return dataset(fs, source, file, packed);
  } finally {
    files.close();
  }
}

const MAX_SIDE = 16_384;

type Fs = typeof import('node:fs');

function givenFolder(given: string, n: { readonly fs: Fs; readonly path: typeof import('node:path') }): string {
  const { fs, path } = n;
  const folder = path.resolve(given);
  try {
    makeFolder(folder, n);
    fs.accessSync(folder, fs.constants.W_OK);
    return folder;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new InputError(`cache: expected a folder to write to, got "${folder}" (${code}). Give another cache folder.`);
  }
}

/** Removes what processes that were killed while packing have left: a file that still grows was written to within the hour. */
function removeStale(fs: Fs, folder: string): void {
  for (const name of fs.readdirSync(folder)) {
    if (!/^[0-9a-f]{32}\.safetensors\.\d+-[0-9a-f]{8}\.tmp$/.test(name)) continue;
    const found = fs.statSync(`${folder}/${name}`, { throwIfNoEntry: false });
    if (found && Date.now() - found.mtimeMs > 3_600_000) fs.rmSync(`${folder}/${name}`, { force: true });
  }
}

async function findLayout(files: Source, source: string): Promise<Layout> {
  const layout = (await cifarLayout(files)) ?? (await folderLayout(files));
  if (layout) return layout;
  const listing = await files.list();
  const names = [...listing.files.keys()].sort();
  const some = names.slice(0, 3).join(', ');
  const held =
    names.length === 0 ? 'no files' : `${names.length} file${names.length === 1 ? '' : 's'} (${some}${names.length > 3 ? ', ...' : ''})`;
  throw new InputError(
    `dataset: expected a layout that is known: ${LAYOUTS}; got ${held} in "${source}". Arrange the images in one of these.`,
  );
}

interface Packed extends PackHead {
  readonly fd: number;
}

/** The packed file if it is whole, of this version and of this source; else null, and it is made anew. */
function openPacked(fs: Fs, file: string, fingerprint: string): Packed | null {
  let fd: number;
  try {
    fd = fs.openSync(file, 'r');
  } catch {
    return null;
  }
  try {
    const head = readPackHead(fs, fd);
    if (head.info.source === fingerprint) return { ...head, fd };
  } catch {
    // Damaged, or of another version.
  }
  fs.closeSync(fd);
  return null;
}

/** Gives the finished file its name. Another process may have done so meanwhile with the same bytes: then either will do. */
function putInPlace(fs: Fs, unfinished: string, file: string, fingerprint: string): void {
  try {
    fs.renameSync(unfinished, file);
  } catch (error) {
    // Windows does not rename over a file that is open elsewhere.
    const other = openPacked(fs, file, fingerprint);
    if (other) return fs.closeSync(other.fd);
    throw new InputError(`cache: expected to write "${file}", got ${(error as NodeJS.ErrnoException).code}. Remove it.`);
  }
}

function dataset(fs: Fs, source: string, file: string, { fd, info, sha256, places }: Packed): Dataset {
  const { classes, height, width } = info;
  const bytes = 3 * height * width;
  let open = true;
  const split = (names: readonly string[], labelsAt: number, pixelsAt: number): Split => {
    const count = names.length;
    const view = new DataView(new ArrayBuffer(4 * count));
    readAt(fs, fd, new Uint8Array(view.buffer), labelsAt);
    const labels = Int32Array.from({ length: count }, (_, i) => view.getInt32(4 * i, true));
    if (labels.some((label) => label < 0 || label >= classes.length)) {
      throw new FormatError(`packed data set: expected labels in [0, ${classes.length - 1}] in "${file}", got others. Remove the file.`);
    }
    const position = (index: number): number => pixelsAt + index * bytes;
    const read = (index: number, into: Uint8Array): void => {
      if (!open) throw new InputError('dataset: expected an open data set, got one that was closed. Open it again.');
      if (!Number.isInteger(index) || index < 0 || index >= count) {
        throw new InputError(`dataset: expected an image in [0, ${count - 1}], got ${index}. Count from 0.`);
      }
      if (into.length !== bytes) {
        throw new InputError(
          `dataset: expected ${bytes} bytes for an image of ${height}x${width}, got ${into.length}. Give 3 bytes a pixel.`,
        );
      }
      readAt(fs, fd, into, position(index));
    };
    return { count, labels, names, read, stored: { file, position } };
  };
  try {
    return {
      source,
      file,
      sha256,
      classes,
      height,
      width,
      train: split(info.train, places.trainLabels, places.train),
      val: info.val ? split(info.val, places.valLabels, places.val) : null,
      close: () => {
        if (open) fs.closeSync(fd);
        open = false;
      },
    };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}
