/**
 * Where a data set's files come from: a folder, a zip, a tar or a tar.gz. All look the same from here on: names with "/" between their
 * parts, whose bytes are read when asked for. Nothing is unpacked to disk. Node only.
 */
import { FormatError, InputError } from '../errors.ts';
import { tarSource } from './tar.ts';
import { zipSource } from './zip.ts';
import { plainName, type Listing, type Source, type SourceFile } from './files.ts';

/**
 * Opens a folder or an archive; which of them it is, is read from its first bytes and not from its name.
 * @throws InputError if nothing can be read there; FormatError if it is a file of another kind
 */
export async function openSource(path: string): Promise<Source> {
  const [fs, { resolve }] = [await import('node:fs'), await import('node:path')];
  const full = resolve(path);
  let head: Buffer;
  try {
    if (fs.statSync(full).isDirectory()) return await folderSource(full);
    head = readHead(fs, full);
  } catch (error) {
    throw new InputError(`dataset: expected a folder or an archive (.zip, .tar.gz), got "${path}" (${codeOf(error)}). Check the path.`);
  }
  const starts = (...bytes: number[]): boolean => bytes.every((byte, i) => head[i] === byte);
  // An empty zip begins with its end record, PK 5 6.
  if (starts(0x50, 0x4b, 3, 4) || starts(0x50, 0x4b, 5, 6)) return zipSource(full);
  if (starts(0x1f, 0x8b)) return tarSource(full, true);
  if (head.toString('latin1', 257, 262) === 'ustar') return tarSource(full, false);
  const first = head.length === 0 ? 'an empty file' : `one that begins with the bytes ${head.subarray(0, 4).toString('hex')}`;
  throw new FormatError(
    `dataset: expected a folder, a .zip, a .tar or a .tar.gz, got "${path}", ${first}. Pack the images in one of these.`,
  );
}

const HEAD = 512;

function readHead(fs: typeof import('node:fs'), path: string): Buffer {
  const fd = fs.openSync(path, 'r');
  try {
    const head = Buffer.alloc(HEAD);
    return head.subarray(0, fs.readSync(fd, head, 0, HEAD, 0));
  } finally {
    fs.closeSync(fd);
  }
}

async function folderSource(root: string): Promise<Source> {
  const [fs, { createHash }, { join }] = [await import('node:fs'), await import('node:crypto'), await import('node:path')];
  const files = new Map<string, number>();
  const times = new Map<string, number>();
  const folders: string[] = [];
  const walk = (folder: string, trail: readonly string[]): void => {
    for (const name of fs.readdirSync(join(root, folder))) {
      if (plainName(name) !== name) continue;
      const inside = folder === '' ? name : `${folder}/${name}`;
      // Links are followed: a data set is often put together from them. One that leads nowhere is no file.
      const found = fs.statSync(join(root, inside), { throwIfNoEntry: false });
      if (found?.isDirectory()) {
        // One that leads back up would give images a second class.
        const real = fs.realpathSync(join(root, inside));
        if (trail.includes(real)) continue;
        folders.push(inside);
        walk(inside, [...trail, real]);
      } else if (found?.isFile()) {
        files.set(inside, found.size);
        times.set(inside, found.mtimeMs);
      }
    }
  };
  walk('', [fs.realpathSync(root)]);
  const listing: Listing = { files, folders };

  async function* read(wanted: ReadonlySet<string>): AsyncGenerator<SourceFile> {
    for (const name of wanted) {
      const bytes = async (): Promise<Uint8Array> => {
        try {
          return await fs.promises.readFile(join(root, name));
        } catch (error) {
          throw new InputError(`dataset: expected a readable file, got "${join(root, name)}" (${codeOf(error)}). Check the folder.`);
        }
      };
      yield { name, bytes };
    }
  }
  return {
    list: async () => listing,
    fingerprint: async () => {
      const hash = createHash('sha256');
      for (const name of [...files.keys()].sort()) hash.update(`${name}\0${files.get(name)}\0${times.get(name)}\n`);
      return `folder:${hash.digest('hex')}`;
    },
    read,
    close: () => {},
  };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
}
