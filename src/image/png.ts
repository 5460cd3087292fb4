/**
 * PNG files: writing 8-bit RGB and RGBA with text beside the pixels, and reading the text back. Uses only what Node and browsers share.
 * @see PNG specification, third edition (W3C): 5 datastream structure, 9 filtering, 11.3.3 textual information.
 */
import { FormatError, InputError } from '../errors.ts';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const latin1 = new TextDecoder('latin1');

/** Pixels to write: rows from the top, three (RGB) or four (RGBA, not premultiplied) bytes a pixel, as the length of `data` says. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** {@link Pixels} that come row by row, so that a large picture need never be there as a whole. */
export interface PixelRows {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  /** `height` rows of `width * channels` bytes; each is read before the next is asked for. */
  readonly rows: Iterable<Uint8Array>;
}

/** Text beside the pixels: keywords (1 to 79 characters of Latin-1) to values. */
export type PngText = Readonly<Record<string, string>>;

/**
 * A PNG file of the pixels. `text` maps keywords to values, one text chunk each: tEXt where the value is Latin-1, else iTXt. The same
 * pixels and text give the same bytes wherever the zlib is the same.
 * @throws InputError if the number of bytes does not match the extents, or a keyword or value cannot be stored.
 */
export async function encodePng({ width, height, data }: Pixels, text: PngText = {}): Promise<Uint8Array> {
  checkExtents(width, height);
  const channels = data.length / (width * height);
  if (channels !== 3 && channels !== 4) {
    const expected = `${3 * width * height} bytes of RGB or ${4 * width * height} of RGBA`;
    throw new InputError(`png: expected ${expected} for ${width} x ${height} pixels, got ${data.length}. Give 3 or 4 bytes a pixel.`);
  }
  const stride = width * channels;
  const rows = function* (): Generator<Uint8Array> {
    for (let r = 0; r < height; r++) yield data.subarray(r * stride, (r + 1) * stride);
  };
  const parts: Uint8Array[] = [];
  for await (const part of encodePngRows({ width, height, channels, rows: rows() }, text)) parts.push(part);
  return concatenate(parts);
}

/** {@link encodePng} in parts, for pictures that come in rows. */
export async function* encodePngRows({ width, height, channels, rows }: PixelRows, text: PngText = {}): AsyncGenerator<Uint8Array> {
  checkExtents(width, height);
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, channels === 3 ? 2 : 6, 0, 0, 0], 8);
  yield concatenate([SIGNATURE, chunk('IHDR', header), ...Object.entries(text).map(([keyword, value]) => textChunk(keyword, value))]);
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of deflated(filtered(rows, height, width * channels, channels))) {
    waiting.push(part);
    bytes += part.length;
    if (bytes < IDAT_BYTES) continue;
    yield chunk('IDAT', concatenate(waiting));
    [waiting, bytes] = [[], 0];
  }
  if (bytes > 0) yield chunk('IDAT', concatenate(waiting));
  yield chunk('IEND', new Uint8Array(0));
}

/** Compressed bytes gathered in one chunk. */
const IDAT_BYTES = 2 ** 20;

function checkExtents(width: number, height: number): void {
  if (![width, height].every((extent) => Number.isSafeInteger(extent) && extent > 0 && extent < 2 ** 31)) {
    throw new InputError(`png: expected a width and a height of at least 1, got ${width} x ${height}. Give whole numbers of pixels.`);
  }
}

/**
 * The text of a PNG file by keyword: its tEXt chunks and its uncompressed iTXt chunks. Compressed text, which {@link encodePng} never
 * writes, is left out; of a repeated keyword the last value counts.
 * @throws FormatError if the file is not a whole PNG file, or a text chunk's check sum is wrong.
 */
export function readPngText(bytes: Uint8Array): Record<string, string> {
  const entries: [string, string][] = [];
  let whole = false;
  for (const { type, data, intact } of chunks(bytes)) {
    if (type === 'IEND') whole = true;
    if (type !== 'tEXt' && type !== 'iTXt') continue;
    if (!intact()) throw new FormatError(`png: expected a ${type} chunk with the right check sum, got a wrong one. The file is damaged.`);
    const keyword = latin1.decode(data.subarray(0, nul(data, 0)));
    const at = keyword.length + 1;
    if (type === 'tEXt') entries.push([keyword, latin1.decode(data.subarray(at))]);
    // Compression flag and method, then language and translated keyword, each ended by a zero.
    else if (data[at] === 0) {
      const value = nul(data, nul(data, at + 2) + 1) + 1;
      entries.push([keyword, new TextDecoder('utf-8', { ignoreBOM: true }).decode(data.subarray(value))]);
    }
  }
  if (!whole) throw new FormatError('png: expected a whole PNG file, got one without its last chunk. It is truncated or not a PNG.');
  return Object.fromEntries(entries);
}

/** True if the file's chunks run to the end of an IEND chunk; what follows it is not looked at. */
export function pngIsWhole(bytes: Uint8Array): boolean {
  for (const { type } of chunks(bytes)) if (type === 'IEND') return true;
  return false;
}

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** Whether the check sum is right. */
  intact(): boolean;
}

/** The complete chunks of a file up to IEND; none if it is not a PNG file. */
function* chunks(bytes: Uint8Array): Generator<Chunk> {
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = SIGNATURE.length; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) return;
    const type = latin1.decode(bytes.subarray(at + 4, at + 8));
    const checked = bytes.subarray(at + 4, end);
    yield { type, data: bytes.subarray(at + 8, end), intact: () => crc32(checked) === view.getUint32(end) };
    if (type === 'IEND') return;
    at = end + 4;
  }
}

/** The index of the first zero byte from `from` on, or the end. */
function nul(data: Uint8Array, from: number): number {
  const at = data.indexOf(0, from);
  return at < 0 ? data.length : at;
}

function textChunk(keyword: string, value: string): Uint8Array {
  const refuse = (what: string): never => {
    throw new InputError(`png: expected ${what}, got the text ${JSON.stringify(keyword)}. Choose another keyword or value.`);
  };
  if (!/^[\x20-\x7e\xa1-\xff]{1,79}$/.test(keyword) || /^ | $| {2}/.test(keyword)) {
    refuse('a keyword of 1 to 79 printable Latin-1 characters, single spaces inside only');
  }
  if (value.includes('\0')) refuse('text without zero characters');
  if (/^[\n\x20-\x7e\xa0-\xff]*$/.test(value)) return chunk('tEXt', fromLatin1(`${keyword}\0${value}`));
  if (/\p{Surrogate}/u.test(value)) refuse('well-formed Unicode text');
  return chunk('iTXt', concatenate([fromLatin1(`${keyword}\0\0\0\0\0`), new TextEncoder().encode(value)]));
}

function fromLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(fromLatin1(type), 4);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
}

/**
 * Each row with the filter whose output, read as signed bytes, has the least sum of magnitudes; its number stands before the row. Rows come
 * in blocks, since a call for each would cost more than the work.
 */
function* filtered(rows: Iterable<Uint8Array>, height: number, stride: number, channels: number): Generator<Uint8Array<ArrayBuffer>> {
  const candidates = Array.from({ length: 5 }, () => new Uint8Array(stride));
  const above = new Uint8Array(stride);
  const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / (stride + 1)));
  let block = new Uint8Array(Math.min(perBlock, height) * (stride + 1));
  let filled = 0;
  let r = 0;
  for (const row of rows) {
    if (row.length !== stride || r >= height) {
      throw new InputError(`png: expected ${height} rows of ${stride} bytes, got one of ${row.length} as row ${r}.`);
    }
    const sums = [0, 0, 0, 0, 0];
    for (let i = 0; i < stride; i++) {
      const left = i < channels ? 0 : row[i - channels];
      const up = above[i];
      const corner = i < channels ? 0 : above[i - channels];
      const predictions = [0, left, up, (left + up) >> 1, paeth(left, up, corner)];
      for (let f = 0; f < 5; f++) {
        const byte = (row[i] - predictions[f]) & 255;
        candidates[f][i] = byte;
        sums[f] += byte < 128 ? byte : 256 - byte;
      }
    }
    const best = sums.indexOf(Math.min(...sums));
    block[filled] = best;
    block.set(candidates[best], filled + 1);
    above.set(row);
    filled += stride + 1;
    r++;
    if (filled === block.length) {
      yield block;
      block = new Uint8Array(Math.min(perBlock, height - r) * (stride + 1));
      filled = 0;
    }
  }
  if (r !== height) throw new InputError(`png: expected ${height} rows, got ${r}.`);
}

const BLOCK_BYTES = 2 ** 20;

/** Whichever of left, up and corner is nearest to left + up - corner; ties go to the earlier one. */
function paeth(left: number, up: number, corner: number): number {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** The zlib stream of the data. */
async function* deflated(blocks: Iterable<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array> {
  const { readable, writable } = new CompressionStream('deflate');
  const writer = writable.getWriter();
  const write = async (): Promise<void> => {
    for (const block of blocks) {
      await writer.ready;
      // What fails here fails at the reader too, which tells.
      writer.write(block).catch(() => {});
    }
    await writer.close();
  };
  const writing = write().catch((error: unknown) => writer.abort(error).then(() => Promise.reject(error)));
  writing.catch(() => {});
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    yield value;
  }
  await writing;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});

/** CRC-32 as PNG and zip use it (reflected polynomial 0xedb88320). */
export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = CRC_TABLE[(c ^ bytes[i]) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
