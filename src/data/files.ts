/** What a source of files is, and how its files are called. */
import { FormatError, InputError } from '../errors.ts';

/** What a source holds. */
export interface Listing {
  /** Bytes of each file by its name. */
  readonly files: ReadonlyMap<string, number>;
  /** Folders as far as the source names them: an archive need not. */
  readonly folders: readonly string[];
}

/** One file of a source; its bytes are read when asked for, and several may be asked for at once. */
export interface SourceFile {
  readonly name: string;
  bytes(): Promise<Uint8Array>;
}

/** A folder or an archive. */
export interface Source {
  /** Says which data this is, without reading the images: equal strings mean equal data. The path is no part of it. */
  fingerprint(): Promise<string>;
  list(): Promise<Listing>;
  /** The wanted files, in the order in which the source comes by them cheaply. */
  read(wanted: ReadonlySet<string>): AsyncIterable<SourceFile>;
  close(): void;
}

/** What a source has, as an archive is read. */
export class ListingBuilder {
  readonly files = new Map<string, number>();
  readonly folders: string[] = [];

  constructor(readonly path: string) {}

  /** @throws FormatError if there is a file of this name already: two entries of one name make two data sets of one archive */
  addFile(name: string, size: number): void {
    if (this.files.has(name)) {
      throw new FormatError(`archive: expected one file of each name in "${this.path}", got "${name}" twice. Pack the folder anew.`);
    }
    this.files.set(name, size);
  }

  /** @throws InputError if a link stands where an image would: its image would be missing without a word */
  addLink(name: string): void {
    if (!isImage(name)) return;
    throw new InputError(
      `archive: expected files, got the link "${name}" in "${this.path}". Pack the files the links lead to (tar -h --hard-dereference).`,
    );
  }
}

/**
 * A file's name within its source: parts with "/" between them, none of them empty, "." or ".."; null for hidden files, and for what macOS
 * puts into archives beside the files. Nothing is ever written by these names, so one that climbs out is only shortened.
 */
export function plainName(name: string): string | null {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
  return parts.length === 0 || parts.some((part) => part.startsWith('.') || part === '__MACOSX') ? null : parts.join('/');
}

/**
 * Files that are taken for images by their name. Formats that cannot be decoded are among them: left out without a word, they would be
 * missing from a data set.
 */
export function isImage(name: string): boolean {
  return /\.(jpe?g|png|webp|gif|tiff?|bmp|p[bgnp]m|jp2|jxl|heic|avif)$/i.test(name);
}

/** The bytes of a stream. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}

/** `sha256:` and the digest of a file's bytes. */
export async function fileFingerprint(path: string): Promise<string> {
  const [fs, { createHash }] = [await import('node:fs'), await import('node:crypto')];
  const hash = createHash('sha256');
  for await (const chunk of fs.createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

/** An archive that cannot be read to its end. */
export function damagedArchive(kind: string, path: string, error: unknown): FormatError {
  const message = error instanceof Error ? error.message : String(error);
  return new FormatError(
    `archive: expected a whole ${kind} file, got "${path}", which is damaged (${message}). Copy it again from its source.`,
  );
}
