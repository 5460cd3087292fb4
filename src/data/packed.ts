/**
 * The packed file: a data set decoded once. It is a safetensors file, which other tools can read too:
 *   train-labels I32 [N], train U8 [N, H, W, 3], and the same for val where there are validation images;
 * and in the header's metadata, under `dataset`, JSON with all that is not a number. Node only.
 * @see https://github.com/huggingface/safetensors#format
 */
import { FormatError, InputError } from '../errors.ts';

/** Files of another version are made anew. To be raised with every change of the format, of decoding or of resizing. */
export const PACK_VERSION = 1;

/** What the header says besides the tensors. */
export interface PackInfo {
  /** Identifies the source; see `Source.fingerprint`. */
  readonly source: string;
  readonly classes: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly train: readonly string[];
  readonly val: readonly string[] | null;
}

/** Where the tensors lie, in bytes from the file's beginning. */
export interface PackPlaces {
  readonly trainLabels: number;
  readonly train: number;
  readonly valLabels: number;
  readonly val: number;
  readonly end: number;
}

/** A header's beginning is padded to this, so that images lie at even places. */
const ALIGN = 4096;

/** The header's bytes and the places behind it; the header of a file is as long with one sha256 as with another. */
export function packHeader(info: PackInfo, sha256: string): { header: Uint8Array; places: PackPlaces } {
  const { height, width, train, val, ...rest } = info;
  const tensors: Record<string, unknown> = {};
  let at = 0;
  const add = (name: string, dtype: 'I32' | 'U8', shape: readonly number[]): void => {
    const bytes = shape.reduce((product, extent) => product * extent, dtype === 'I32' ? 4 : 1);
    tensors[name] = { dtype, shape, data_offsets: [at, (at += bytes)] };
  };
  for (const [name, images] of Object.entries({ train, val })) {
    if (!images) continue;
    add(`${name}-labels`, 'I32', [images.length]);
    add(name, 'U8', [images.length, height, width, 3]);
  }
  const dataset = JSON.stringify({ version: PACK_VERSION, sha256, height, width, ...rest, train, val });
  const json = new TextEncoder().encode(JSON.stringify({ __metadata__: { dataset }, ...tensors }));
  const length = Math.ceil((8 + json.length) / ALIGN) * ALIGN;
  const header = new Uint8Array(length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length - 8), true);
  header.set(json, 8);
  return { header, places: placesOf(info, length) };
}

function placesOf({ height, width, train, val }: PackInfo, start: number): PackPlaces {
  const image = 3 * height * width;
  const pixels = start + 4 * train.length;
  const valLabels = pixels + train.length * image;
  const valPixels = valLabels + 4 * (val?.length ?? 0);
  return { trainLabels: start, train: pixels, valLabels, val: valPixels, end: valPixels + (val?.length ?? 0) * image };
}

/** A packed file's header, and where its numbers lie. */
export interface PackHead {
  readonly info: PackInfo;
  readonly sha256: string;
  readonly places: PackPlaces;
}

/**
 * Reads the header of an open packed file, and checks that the file is of this version and as long as it says.
 * @throws FormatError otherwise
 */
export function readPackHead(fs: typeof import('node:fs'), fd: number): PackHead {
  const size = fs.fstatSync(fd).size;
  const fail = (got: string): never => {
    throw new FormatError(`packed data set: expected a whole file of version ${PACK_VERSION}, got ${got}. Remove it from the cache.`);
  };
  if (size < 8) fail(`${size} bytes`);
  const prefix = new DataView(new ArrayBuffer(8));
  readAt(fs, fd, new Uint8Array(prefix.buffer), 0);
  const length = Number(prefix.getBigUint64(0, true));
  if (length > size - 8) fail(`a header of ${length} bytes in a file of ${size}`);
  const header = new Uint8Array(length);
  readAt(fs, fd, header, 8);
  let head: Record<string, unknown>;
  try {
    const json = JSON.parse(new TextDecoder().decode(header)) as { __metadata__: { dataset: string } };
    head = JSON.parse(json.__metadata__.dataset) as Record<string, unknown>;
  } catch {
    return fail('a header that is not its JSON');
  }
  if (head?.version !== PACK_VERSION) fail(`version ${String(head?.version)}`);
  const { sha256, ...info } = head as unknown as PackInfo & { sha256: string; version: number };
  const texts = (list: unknown): boolean => Array.isArray(list) && list.every((entry) => typeof entry === 'string');
  const counts = [info.height, info.width].every((extent) => Number.isInteger(extent) && extent > 0);
  if (!counts || !texts(info.classes) || !texts(info.train) || !(info.val === null || texts(info.val))) fail('a header that lacks a field');
  if (typeof info.source !== 'string' || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) fail('a header that lacks a field');
  const places = placesOf(info, 8 + length);
  if (places.end !== size) fail(`${size} bytes where the header promises ${places.end}`);
  return { info, sha256, places };
}

/**
 * Fills `into` with the bytes at `position`.
 * @throws FormatError if the file ends before
 */
export function readAt(fs: typeof import('node:fs'), fd: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length;) {
    const got = fs.readSync(fd, into, done, into.length - done, position + done);
    if (got === 0) {
      throw new FormatError(
        `packed data set: expected ${into.length} bytes at ${position}, got ${done}; the file was cut short. Open it again.`,
      );
    }
    done += got;
  }
}

/**
 * Writes all bytes at `position`.
 * @throws InputError if there is no room
 */
export function writeAt(fs: typeof import('node:fs'), fd: number, bytes: Uint8Array, position: number): void {
  try {
    for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new InputError(`cache: expected room for the packed data set, got ${code}. Make room, or give another cache folder.`);
  }
}
