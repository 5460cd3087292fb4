// Small data sets made on the spot, as files by name; written as a folder, a zip or a tar.gz.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import tar from 'tar-stream';
import { openDataset, type Dataset, type DatasetOptions, type Split } from '../src/data/dataset.ts';
import { crc32 } from '../src/image/png.ts';

export type Files = Readonly<Record<string, Uint8Array | string>>;

/** A folder that goes with the test's process, and in it one for packed files. */
export const scratch = mkdtempSync(path.join(tmpdir(), 'backlight-dataset-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const cache = path.join(scratch, 'cache');

let count = 0;
/** A path of the scratch folder that nothing has yet. */
export const fresh = (suffix = ''): string => path.join(scratch, `${++count}${suffix}`);

export const bytesOf = (data: Uint8Array | string): Uint8Array => (typeof data === 'string' ? new TextEncoder().encode(data) : data);

/** An image file whose pixels depend on `seed`. */
export function image(seed: number, format: 'png' | 'jpeg' = 'png', width = 8, height = 8): Promise<Uint8Array> {
  const raw = pixels(seed, width, height);
  return sharp(raw, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}

/** The RGB bytes of `image(seed)`. */
export function pixels(seed: number, width = 8, height = 8): Uint8Array {
  return Uint8Array.from({ length: 3 * width * height }, (_, i) => (seed * 37 + i * 11 + (i % 3) * 50) % 256);
}

export function writeFolder(files: Files): string {
  const root = fresh();
  mkdirSync(root);
  for (const [name, data] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(name.endsWith('/') ? file : path.dirname(file), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(file, data);
  }
  return root;
}

export async function tarBytes(files: Files, types: Readonly<Record<string, 'symlink' | 'link'>> = {}): Promise<Uint8Array> {
  const pack = tar.pack();
  for (const [name, data] of Object.entries(files)) {
    if (name.endsWith('/')) pack.entry({ name, type: 'directory' });
    else if (types[name]) pack.entry({ name, type: types[name], linkname: String(data) });
    else pack.entry({ name }, Buffer.from(bytesOf(data)));
  }
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function writeTarGz(files: Files): Promise<string> {
  const file = fresh('.tar.gz');
  writeFileSync(file, gzipSync(await tarBytes(files)));
  return file;
}

/** A zip file by APPNOTE.TXT 4.3: local headers with data, central directory, its end. Every second entry is stored. */
export function zipBytes(files: Files): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  Object.entries(files).forEach(([name, data], i) => {
    const bytes = bytesOf(name.endsWith('/') ? '' : data);
    const method = i % 2 === 0 ? 8 : 0;
    const packed = method === 8 ? deflateRawSync(bytes) : Buffer.from(bytes);
    const label = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x0800, 2); // names are UTF-8
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(label.length, 22);
    parts.push(Buffer.from('PK\x03\x04'), common, label, packed);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), common, tail, label);
    at += 30 + label.length + packed.length;
  });
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, central, end]);
}

export function writeZip(files: Files): string {
  const file = fresh('.zip');
  writeFileSync(file, zipBytes(files));
  return file;
}

/** The same files a folder down. */
export const under = (top: string, files: Files): Files =>
  Object.fromEntries(Object.entries(files).map(([name, data]) => [`${top}/${name}`, data]));

export const open = (source: string, options: DatasetOptions = {}): Promise<Dataset> => openDataset(source, { cache, ...options });

export function readImage(data: Dataset, split: Split, index: number): Uint8Array {
  const into = new Uint8Array(3 * data.height * data.width);
  split.read(index, into);
  return into;
}
