/**
 * The per-user cache folder: `BACKLIGHT_CACHE`, else `$XDG_CACHE_HOME/backlight`, else `~/.cache/backlight`; where that cannot be written,
 * one in the system's temporary folder that belongs to this user alone. Node only.
 */
import { InputError } from './errors.ts';

/** A folder that may serve as the cache's root. The temporary folder is shared between users, hence `shared`. */
export interface CacheRoot {
  readonly path: string;
  readonly shared: boolean;
}

/** The modules of Node that the cache takes; by `import(name)`, which bundlers for browsers do not follow. */
interface Modules {
  readonly fs: typeof import('node:fs');
  readonly os: typeof import('node:os');
  readonly path: typeof import('node:path');
}

async function modules(): Promise<Modules> {
  const load = <T>(name: string): Promise<T> => import(/* @vite-ignore */ /* webpackIgnore: true */ name) as Promise<T>;
  const [fs, os, path] = await Promise.all([
    load<Modules['fs']>('node:fs'),
    load<Modules['os']>('node:os'),
    load<Modules['path']>('node:path'),
  ]);
  return { fs, os, path };
}

/** Folders to try as the cache's root, best first. */
export function cacheRoots({ os, path }: Omit<Modules, 'fs'>): CacheRoot[] {
  const own = process.env.BACKLIGHT_CACHE || path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'backlight');
  const user = process.getuid?.() ?? os.userInfo().username;
  return [
    { path: path.resolve(own), shared: false },
    { path: path.join(os.tmpdir(), `backlight-${user}`), shared: true },
  ];
}

/**
 * Makes a folder and those above it.
 * @throws Error of the file system if it cannot be made
 */
export function makeFolder(folder: string, n: Pick<Modules, 'fs' | 'path'>): void {
  const { fs, path } = n;
  const there = (): boolean => fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (there()) return;
  // Node's own recursive mkdir never returns on file systems such as /proc.
  if (path.dirname(folder) !== folder) makeFolder(path.dirname(folder), n);
  try {
    fs.mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!there()) throw error;
  }
}

/** Code and weights are loaded from the cache: in a folder that everybody can write to, only a folder that is ours alone will do. */
export function trusted(root: CacheRoot, { fs }: Pick<Modules, 'fs'>): boolean {
  if (!root.shared) return true;
  try {
    const found = fs.lstatSync(root.path);
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
  } catch {
    return false;
  }
}

/**
 * A folder of the cache that can be written to, made if it is not there: `cacheFolder('models')` is `~/.cache/backlight/models`.
 * @throws InputError if neither the cache nor the temporary folder can be written to
 */
export async function cacheFolder(...names: string[]): Promise<string> {
  const n = await modules();
  let refusal: unknown;
  for (const root of cacheRoots(n)) {
    const folder = n.path.join(root.path, ...names);
    try {
      makeFolder(root.path, n);
      if (!trusted(root, n)) throw new Error(`${root.path}, which belongs to another user or others may write to`);
      makeFolder(folder, n);
      n.fs.accessSync(folder, n.fs.constants.W_OK);
      return folder;
    } catch (error) {
      refusal ??= error;
    }
  }
  const message = refusal instanceof Error ? refusal.message : String(refusal);
  throw new InputError(`cache: expected a folder to write to, got ${message}. Set BACKLIGHT_CACHE to a folder you can write to.`);
}

/** A file that lies in the cache already, in whichever of its roots can be read and trusted; undefined if in none. */
export async function cachedFile(...names: string[]): Promise<string | undefined> {
  const n = await modules();
  return cacheRoots(n)
    .filter((root) => trusted(root, n))
    .map((root) => n.path.join(root.path, ...names))
    .find((file) => n.fs.existsSync(file));
}
