/**
 * The parts of Vulkan that a Linux machine may lack. `@sparticuz/chromium` (an optional dependency) carries a Vulkan loader and
 * SwiftShader, a driver that runs on the processor. Both are unpacked once into a per-user cache folder.
 */
import { cacheRoots, makeFolder, trusted } from '../cache.ts';
import { AdapterError } from '../errors.ts';
import { load, messageOf, node, type Node } from './node.ts';

/** The embedded loader and driver, unpacked. */
export interface SoftwareVulkan {
  readonly folder: string;
  readonly loader: string;
  /** The manifest that `VK_DRIVER_FILES` names. */
  readonly manifest: string;
  /** The npm package and version it came out of. */
  readonly origin: string;
}

/** What the archive must hold; everything else in it (OpenGL ES) is left out. */
export const LOADER = 'libvulkan.so.1';
const DRIVER = 'libvk_swiftshader.so';
const MANIFEST = 'vk_swiftshader_icd.json';
const FILES = [LOADER, DRIVER, MANIFEST];
const PACKAGE = '@sparticuz/chromium';

/** Written into the folder last; says what a complete copy consists of. */
const RECEIPT = 'unpacked.json';

interface Receipt {
  readonly origin: string;
  readonly bytes: Readonly<Record<string, number>>;
}

/** What this file uses of `tar-stream`, which has no types of its own. */
interface TarEntry extends AsyncIterable<Buffer> {
  readonly header: { readonly name: string; readonly type: string };
}
interface TarStream {
  extract(): AsyncIterable<TarEntry> & { end(data: Buffer): void };
}

/**
 * The embedded software Vulkan, unpacked at the first call on a machine and only checked at later ones.
 * Any number of processes may call this at once: each unpacks into a folder of its own and renames it into place, the first one wins.
 * The cache folder is `BACKLIGHT_CACHE`, else `$XDG_CACHE_HOME/backlight` or `~/.cache/backlight`, and where that cannot be written one in
 * the system's temporary folder.
 * @throws AdapterError if the package is not installed, this processor has no build, or no cache folder can be written.
 */
export async function unpackSoftwareVulkan(): Promise<SoftwareVulkan> {
  if (process.arch !== 'x64') {
    throw new AdapterError(
      `software adapter: expected an x64 processor, got ${process.arch}. Install a Vulkan driver (Mesa's lavapipe is one), or use a GPU.`,
    );
  }
  const n = await node();
  const source = locatePackage(n);
  const name = `swiftshader-${source.version}-${process.arch}`;
  let refusal: unknown;
  for (const root of cacheRoots(n)) {
    const folder = n.path.join(root.path, name);
    if (trusted(root, n) && isComplete(folder, source.origin, n)) return describe(folder, source.origin, n);
    let fresh: string;
    try {
      makeFolder(root.path, n);
      if (!trusted(root, n)) throw new Error(`${root.path}, which belongs to another user or others may write to`);
      fresh = n.fs.mkdtempSync(`${folder}.tmp-`);
    } catch (error) {
      refusal ??= error;
      continue;
    }
    try {
      await unpack(source, fresh, n);
      rename(fresh, folder, source.origin, n);
    } finally {
      n.fs.rmSync(fresh, { recursive: true, force: true });
    }
    return describe(folder, source.origin, n);
  }
  throw new AdapterError(
    `software adapter: expected a folder to unpack SwiftShader into (7 MB), got ${messageOf(refusal)}. ` +
      `Set BACKLIGHT_CACHE to a folder you can write to.`,
  );
}

function describe(folder: string, origin: string, { path }: Node): SoftwareVulkan {
  return { folder, loader: path.join(folder, LOADER), manifest: path.join(folder, MANIFEST), origin };
}

function locatePackage({ fs, path, module }: Node): { archive: string; version: string; origin: string } {
  let folder: string;
  try {
    folder = path.dirname(module.createRequire(import.meta.url).resolve(PACKAGE));
  } catch {
    throw new AdapterError(
      `software adapter: expected the optional package ${PACKAGE}, which is not installed. ` +
        `Run "npm install ${PACKAGE}@147.0.0", or install a Vulkan loader and driver.`,
    );
  }
  // The package exports its entry point only; its folder is the first one above that holds a package.json.
  while (!fs.existsSync(path.join(folder, 'package.json')) || !fs.existsSync(path.join(folder, 'bin'))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new AdapterError(`${PACKAGE}: expected a folder "bin" in the package, found none. Reinstall it.`);
    folder = parent;
  }
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string };
  const archive = path.join(folder, 'bin', 'swiftshader.tar.br');
  if (!fs.existsSync(archive)) {
    throw new AdapterError(`${PACKAGE}: expected bin/swiftshader.tar.br in the package, version ${version} has none. Install 147.0.0.`);
  }
  return { archive, version, origin: `${PACKAGE} ${version}` };
}

function isComplete(folder: string, origin: string, { fs, path }: Node): boolean {
  try {
    const receipt = JSON.parse(fs.readFileSync(path.join(folder, RECEIPT), 'utf8')) as Receipt;
    return receipt.origin === origin && FILES.every((name) => fs.statSync(path.join(folder, name)).size === receipt.bytes[name]);
  } catch {
    return false;
  }
}

async function readArchive(archive: string, { fs }: Node): Promise<Map<string, Buffer>> {
  const [zlib, tar] = await Promise.all([load<typeof import('node:zlib')>('node:zlib'), load<TarStream>('tar-stream')]);
  const files = new Map<string, Buffer>();
  try {
    const extract = tar.extract();
    extract.end(zlib.brotliDecompressSync(fs.readFileSync(archive)));
    for await (const entry of extract) {
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk);
      const name = entry.header.name.replace(/^\.\//, '');
      if (entry.header.type === 'file' && FILES.includes(name)) files.set(name, Buffer.concat(chunks));
    }
  } catch (error) {
    throw new AdapterError(`${PACKAGE}: expected ${archive} to be a tar archive under Brotli, got "${messageOf(error)}". Reinstall it.`);
  }
  const absent = FILES.filter((name) => !files.has(name));
  if (absent.length > 0) throw new AdapterError(`${PACKAGE}: expected ${absent.join(', ')} in ${archive}, found none. Reinstall it.`);
  return files;
}

async function unpack(source: { archive: string; origin: string }, folder: string, n: Node): Promise<void> {
  const { fs, path } = n;
  const bytes: Record<string, number> = {};
  for (const [name, data] of await readArchive(source.archive, n)) {
    try {
      fs.writeFileSync(path.join(folder, name), data, { mode: 0o755 });
    } catch (error) {
      throw new AdapterError(`software adapter: expected room for SwiftShader (7 MB), got ${messageOf(error)}. Move BACKLIGHT_CACHE.`);
    }
    bytes[name] = data.length;
  }
  fs.writeFileSync(path.join(folder, RECEIPT), JSON.stringify({ origin: source.origin, bytes } satisfies Receipt));
}

/**
 * Puts a whole unpacked folder in its place: whoever sees it there sees all of it. One in the way is either complete, made by another
 * process meanwhile, or damaged and moved aside. Moving aside and renaming are two steps, between which another may arrive: hence several
 * attempts.
 */
function rename(fresh: string, folder: string, origin: string, n: Node): void {
  for (let attempt = 0; ; attempt++) {
    try {
      n.fs.renameSync(fresh, folder);
      return;
    } catch (error) {
      if (isComplete(folder, origin, n)) return;
      if (attempt === 3) throw new AdapterError(`software adapter: expected to write ${folder}, got ${messageOf(error)}. Remove it.`);
      moveAside(folder, n);
    }
  }
}

function moveAside(folder: string, { fs, path }: Node): void {
  const aside = fs.mkdtempSync(`${folder}.tmp-`);
  try {
    fs.renameSync(folder, path.join(aside, 'damaged'));
  } catch {
    // Another process moved it first.
  }
  fs.rmSync(aside, { recursive: true, force: true });
}
