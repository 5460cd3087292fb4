/**
 * Models of the registry on this machine: in the cache, whole and of the right sha256, or not at all. Node only.
 *
 * The environment: `BACKLIGHT_MODELS_URL` replaces the addresses of the registry by another that holds the same paths; `BACKLIGHT_CACHE`
 * says where the cache lies; Node 22.21 or newer goes through `HTTPS_PROXY` if `NODE_USE_ENV_PROXY=1` is set. Plain http is as good as
 * https: what counts is the sha256 of the registry, and nothing else gets the model's name.
 */
import { cachedFile, cacheFolder } from '../cache.ts';
import { FormatError, InputError } from '../errors.ts';
import { discard, diskError, download, sizeOf, SourceError, writeAll, type Disk, type DownloadOptions } from './download.ts';
import { withLock } from './lock.ts';
import type { RegistryEntry } from './registry.ts';

export interface FetchOptions extends Omit<DownloadOptions, 'disk'> {
  /** Where the model goes; the folder `models` of the cache unless given. */
  readonly folder?: string;
  /** Instead of the entry's sources and of `BACKLIGHT_MODELS_URL`. */
  readonly baseUrl?: string;
  /** Told before bytes are asked of an address, and how many are there already. */
  readonly onSource?: (url: string, have: number) => void;
  /** Told if another process fetches this model, and this one waits for it. */
  readonly onWait?: (owner: string) => void;
  readonly disk?: Disk;
}

/** The model's file, if there is one, whatever it holds: see {@link cachedModel} and {@link verifyModel}. */
export async function modelFile(entry: RegistryEntry, folder?: string): Promise<string | undefined> {
  const [path, { existsSync }] = await Promise.all([import('node:path'), import('node:fs')]);
  const name = `${entry.name}.onnx`;
  if (folder === undefined) return cachedFile('models', name);
  const file = path.join(folder, name);
  return existsSync(file) ? file : undefined;
}

/** The model's file, if it is there and as long as it should be; undefined otherwise. */
export async function cachedModel(entry: RegistryEntry, folder?: string): Promise<string | undefined> {
  const file = await modelFile(entry, folder);
  return file !== undefined && (await sizeOf(file)) === entry.bytes ? file : undefined;
}

/**
 * Fetches a model unless it is there, and gives its file.
 *
 * Bytes arrive in `NAME.onnx.part`, which gets the name `NAME.onnx` when its size and sha256 are those of the entry. A part is gone on
 * from, in this call and in later ones, however the last one ended. Of several processes that want one model, one fetches it and the others
 * wait.
 * @throws InputError if no source gives the file or the disk does not take it; FormatError if what came has another sha256 (it is removed);
 *   the signal's reason, and the part stays
 */
export async function fetchModel(entry: RegistryEntry, options: FetchOptions = {}): Promise<string> {
  const found = await cachedModel(entry, options.folder);
  if (found !== undefined) return found;
  const [fs, path] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const folder = options.folder ?? (await cacheFolder('models'));
  const file = path.join(folder, `${entry.name}.onnx`);
  const urls = addresses(entry, options.baseUrl ?? (process.env.BACKLIGHT_MODELS_URL || undefined));
  try {
    await fs.mkdir(folder, { recursive: true });
    return await withLock(
      `${file}.lock`,
      async () => {
        if ((await cachedModel(entry, folder)) === undefined) {
          await fromAny(entry, urls, file, options);
          try {
            await fs.rename(`${file}.part`, file);
          } catch (error) {
            // See lock.ts: another process may have been first.
            if ((await cachedModel(entry, folder)) === undefined) throw error;
          }
          await discard(`${file}.part`);
        }
        return file;
      },
      { signal: options.signal, onWait: options.onWait },
    );
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (error instanceof InputError || typeof code !== 'string' || syscall === undefined) throw error;
    throw diskError(file, code);
  }
}

/**
 * Whether a model's file has the entry's size and sha256, by reading all of it.
 * @throws InputError if the file cannot be read
 */
export async function verifyModel(entry: RegistryEntry, file: string): Promise<{ good: boolean; bytes: number; sha256: string }> {
  const [bytes, sha256] = [await sizeOf(file), await sha256Of(file)];
  return { good: bytes === entry.bytes && sha256 === entry.sha256, bytes, sha256 };
}

/** Removes a model and what is left of a download of it; says whether there was anything. */
export async function removeModel(entry: RegistryEntry, folder?: string): Promise<boolean> {
  const [fs, path] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const file = path.join(folder ?? (await cacheFolder('models')), `${entry.name}.onnx`);
  const there = (await sizeOf(file)) + (await sizeOf(`${file}.part`)) > 0;
  await discard(`${file}.part`);
  await fs.rm(file, { force: true });
  return there;
}

/** Brings the part to the entry's size and sha256 from the first source that gives it. */
async function fromAny(entry: RegistryEntry, urls: readonly string[], file: string, options: FetchOptions): Promise<void> {
  const part = `${file}.part`;
  const { disk = { write: writeAll, free: freeBytes } } = options;
  const failures: SourceError[] = [];
  for (const url of urls) {
    try {
      for (;;) {
        const have = await sizeOf(part);
        const [needed, free] = [entry.bytes - have, await disk.free(directoryOf(file))];
        if (free < needed) throw diskError(file, `${free} bytes free of the ${needed} it takes`);
        options.onSource?.(url, have);
        await download(url, part, entry.bytes, { ...options, disk });
        const sha256 = await sha256Of(part);
        if (sha256 === entry.sha256) return;
        await discard(part);
        // The beginning may have been another file's, or damaged since: from the start, this address gets another chance.
        if (have === 0) throw new WrongHash(url, sha256, entry.sha256);
      }
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      failures.push(error);
    }
  }
  const got = failures.map(({ message }) => message).join('; ');
  const have = await sizeOf(part);
  const resumable = failures.some((failure) => failure.resumable) && have > 0;
  const proxy =
    (process.env.HTTPS_PROXY ?? process.env.https_proxy) ? ' Behind a proxy, set NODE_USE_ENV_PROXY=1 (Node 22.21 or newer).' : '';
  const Kind = failures.every((failure) => failure instanceof WrongHash) ? FormatError : InputError;
  throw new Kind(
    `models: expected ${entry.name} (${entry.bytes} bytes), got ${got}. ` +
      (resumable
        ? `Run it again: it goes on at byte ${have}, kept in "${part}".`
        : `Give another address of the same files by --url or BACKLIGHT_MODELS_URL, or put the file at "${file}" yourself.`) +
      proxy,
  );
}

/** All that was promised arrived, and is not the file. */
class WrongHash extends SourceError {
  constructor(url: string, got: string, expected: string) {
    super(url, `a file with sha256 ${got}, not ${expected}; it was removed`);
  }
}

function addresses({ name, sources, path }: RegistryEntry, base: string | undefined): string[] {
  return (base === undefined ? sources : [base]).map((source) => {
    try {
      const url = new URL(path, source.endsWith('/') ? source : `${source}/`);
      if (url.protocol === 'https:' || url.protocol === 'http:') return url.href;
    } catch {
      // Not an address at all.
    }
    throw new InputError(
      `models: expected an address https://... to fetch ${name} from, got "${source}". Check --url or BACKLIGHT_MODELS_URL.`,
    );
  });
}

const directoryOf = (file: string): string => file.replace(/[^/\\]*$/, '') || '.';

async function freeBytes(folder: string): Promise<number> {
  const { statfs } = await import('node:fs/promises');
  // Where it cannot be told, writing will.
  return statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Infinity,
  );
}

/** In pieces: a model may be larger than what one likes to hold twice. */
async function sha256Of(file: string): Promise<string> {
  const [{ createReadStream }, { createHash }] = await Promise.all([import('node:fs'), import('node:crypto')]);
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) hash.update(chunk as Uint8Array);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new InputError(`models: expected a readable file, got "${file}" (${code}). Check its rights, or remove it.`);
  }
  return hash.digest('hex');
}
