/** Files of a tar or tar.gz archive, read as a stream from its beginning at every pass. Node only. */
import type { Header } from 'tar-stream';
import {
  collect,
  damagedArchive,
  fileFingerprint,
  ListingBuilder,
  plainName,
  type Listing,
  type Source,
  type SourceFile,
} from './files.ts';

/** A tar archive as a source of files. */
export function tarSource(path: string, gzipped: boolean): Source {
  return {
    fingerprint: () => fileFingerprint(path),
    list: () => list(path, gzipped),
    read: (wanted) => read(path, gzipped, wanted),
    close: () => {},
  };
}

async function list(path: string, gzipped: boolean): Promise<Listing> {
  const listing = new ListingBuilder(path);
  for await (const { header } of entries(path, gzipped, () => false)) {
    const name = plainName(header.name);
    if (name === null) continue;
    if (header.type === 'directory') listing.folders.push(name);
    else if (isFile(header)) listing.addFile(name, header.size);
    else if (header.type === 'symlink' || header.type === 'link') listing.addLink(name);
  }
  return listing;
}

async function* read(path: string, gzipped: boolean, wanted: ReadonlySet<string>): AsyncGenerator<SourceFile> {
  const isWanted = (header: Header): boolean => isFile(header) && wanted.has(plainName(header.name) ?? '');
  let left = wanted.size;
  if (left === 0) return;
  for await (const { header, bytes } of entries(path, gzipped, isWanted)) {
    if (!bytes) continue;
    yield { name: plainName(header.name)!, bytes: async () => bytes };
    // What follows the last wanted file need not be unpacked.
    if (--left === 0) return;
  }
}

function isFile({ type }: Header): boolean {
  return type === 'file' || type === 'contiguous-file';
}

interface TarEntry {
  readonly header: Header;
  readonly bytes: Uint8Array | null;
}

/** All entries in the archive's order, with the bytes of those that are wanted. */
async function* entries(path: string, gzipped: boolean, wanted: (header: Header) => boolean): AsyncGenerator<TarEntry> {
  const [fs, zlib, tar, { pipeline }] = await Promise.all([
    import('node:fs'),
    import('node:zlib'),
    import('tar-stream'),
    import('node:stream'),
  ]);
  const extract = tar.extract();
  const file = fs.createReadStream(path, { highWaterMark: 1 << 18 });
  // The error of any part ends the walk below; a walk that is left early ends the parts, which is no error.
  const done = (): void => {};
  if (gzipped) pipeline(file, zlib.createGunzip({ chunkSize: 1 << 18 }), extract, done);
  else pipeline(file, extract, done);
  const walk = extract[Symbol.asyncIterator]();
  try {
    for (;;) {
      let found: TarEntry;
      try {
        const { value: entry, done: ended } = await walk.next();
        if (ended) return;
        found = { header: entry.header, bytes: wanted(entry.header) ? await collect(entry as AsyncIterable<Uint8Array>) : null };
        if (!found.bytes) entry.resume();
      } catch (error) {
        throw damagedArchive(gzipped ? '.tar.gz' : '.tar', path, error);
      }
      yield found;
    }
  } finally {
    extract.destroy();
    file.destroy();
  }
}
