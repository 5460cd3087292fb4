/** Files of a zip archive, by its central directory. Node only. */
import type { Entry } from 'yauzl';
import { crc32 } from '../image/png.ts';
import { collect, damagedArchive, fileFingerprint, ListingBuilder, plainName, type Source, type SourceFile } from './files.ts';

/** Kinds of Unix files in the upper half of an entry's external attributes (stat's st_mode). */
const KIND = 0o170000;
const LINK = 0o120000;

/**
 * A zip archive as a source of files.
 * @throws FormatError if its directory cannot be read, or holds a name twice
 */
export async function zipSource(path: string): Promise<Source> {
  const yauzl = await import('yauzl');
  const listing = new ListingBuilder(path);
  const entries = new Map<string, Entry>();
  const fail = (error: unknown): never => {
    throw damagedArchive('.zip', path, error);
  };
  // Names are decoded here: the library refuses those that climb out, which do no harm where nothing is written.
  const zip = await yauzl.openPromise(path, { autoClose: false, decodeStrings: false }).catch(fail);
  const nameOf = (entry: Entry): string =>
    yauzl.getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
  const walk = zip.eachEntry();
  try {
    for (;;) {
      const { value: entry, done } = await walk.next().catch(fail);
      if (done) break;
      const written = nameOf(entry);
      const name = plainName(written);
      if (name === null) continue;
      if (written.endsWith('/')) listing.folders.push(name);
      else if (((entry.externalFileAttributes >>> 16) & KIND) === LINK) listing.addLink(name);
      else {
        listing.addFile(name, entry.uncompressedSize);
        entries.set(name, entry);
      }
    }
  } catch (error) {
    zip.close();
    throw error;
  }

  const bytesOf = async (entry: Entry, name: string): Promise<Uint8Array> => {
    try {
      const bytes = await collect((await zip.openReadStreamPromise(entry)) as AsyncIterable<Uint8Array>);
      if (crc32(bytes) !== entry.crc32) throw new Error('its check sum does not match');
      return bytes;
    } catch (error) {
      return fail(new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`));
    }
  };
  async function* read(wanted: ReadonlySet<string>): AsyncGenerator<SourceFile> {
    for (const [name, entry] of entries) if (wanted.has(name)) yield { name, bytes: () => bytesOf(entry, name) };
  }
  return { fingerprint: () => fileFingerprint(path), list: async () => listing, read, close: () => zip.close() };
}
