/**
 * Vulkan on Linux: which loader this process has, and which drivers that loader is told of. macOS and Windows never come here: Dawn speaks
 * Metal and Direct3D 12 there.
 */
import { AdapterError } from '../errors.ts';
import { messageOf, node, type Node } from './node.ts';
import { LOADER, unpackSoftwareVulkan } from './software.ts';

const RTLD_NODELETE = 0x1000;

/** Opens a library and keeps it: true if the dynamic linker found it. Node complains of what is no addon only after it was loaded. */
function keepLibrary(file: string, { os }: Node): true | string {
  try {
    process.dlopen({ exports: {} }, file, os.constants.dlopen.RTLD_NOW | os.constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    const message = messageOf(error);
    if (!message.includes('self-register')) return message;
  }
  return true;
}

let system: Promise<boolean> | undefined;
let embedded: Promise<void> | undefined;

/** Whether the system has a Vulkan loader. Finding it also makes it resident, which Dawn would do next. */
export function hasSystemLoader(): Promise<boolean> {
  return (system ??= node().then((n) => keepLibrary(LOADER, n) === true));
}

/**
 * Makes a Vulkan loader resident: the system's, else the embedded one. Dawn opens "libvulkan.so.1" by that name, and the dynamic linker
 * answers with the library of that name that is already there. From then on this process has no other.
 * @throws AdapterError if there is neither, or the embedded one cannot be opened.
 */
export async function ensureLoader(): Promise<'system' | 'embedded'> {
  if (await hasSystemLoader()) return 'system';
  embedded ??= openEmbeddedLoader();
  await embedded;
  return 'embedded';
}

async function openEmbeddedLoader(): Promise<void> {
  const { loader } = await unpackSoftwareVulkan().catch((error) => {
    throw new AdapterError(`device: expected a Vulkan loader (${LOADER}), found none, nor the embedded one. ${messageOf(error)}`);
  });
  const opened = keepLibrary(loader, await node());
  if (opened === true) return;
  throw new AdapterError(
    `software adapter: expected the dynamic linker to open ${loader}, got "${opened}". ` +
      `Set BACKLIGHT_CACHE to a folder on a file system that may hold programs, or install a Vulkan loader.`,
  );
}

/** Driver manifests of the system, and whether every Vulkan loader would find them without being told. */
export interface SystemDrivers {
  readonly manifests: readonly string[];
  /** Those that do not, going by their names, belong to a driver that runs on the processor. */
  readonly hardware: readonly string[];
  readonly standard: boolean;
  /** Set when the user named the drivers in the environment; then nothing here overrides it while a system adapter is looked for. */
  readonly chosenBy?: string;
}

const SOFTWARE_MANIFEST = /lvp|lavapipe|llvmpipe|swiftshader/i;

const DRIVER_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES'];

/** The Vulkan drivers of this machine: manifests in the folders that Vulkan loaders look through, and in a few that containers use. */
export async function systemDrivers(): Promise<SystemDrivers> {
  const { fs, os, path } = await node();
  const chosenBy = DRIVER_VARIABLES.find((name) => process.env[name]);
  const list = (value: string | undefined, otherwise: string) => (value || otherwise).split(':').filter(Boolean);
  const standard = [
    ...list(process.env.XDG_CONFIG_HOME, path.join(os.homedir(), '.config')),
    ...list(process.env.XDG_CONFIG_DIRS, '/etc/xdg'),
    '/usr/local/etc',
    '/etc',
    ...list(process.env.XDG_DATA_HOME, path.join(os.homedir(), '.local/share')),
    ...list(process.env.XDG_DATA_DIRS, '/usr/local/share:/usr/share'),
  ];
  const others = ['/usr/local/share', '/usr/share', '/usr/local/nvidia/share', '/usr/lib/x86_64-linux-gnu/GL', '/run/opengl-driver/share'];
  const manifests = new Map<string, boolean>();
  for (const [folders, isStandard] of [
    [standard, true],
    [others, false],
  ] as const) {
    for (const folder of folders) {
      for (const file of manifestsIn(path.join(folder, 'vulkan/icd.d'), fs, path)) manifests.set(file, manifests.get(file) ?? isStandard);
    }
  }
  const all = [...manifests.keys()];
  const hardware = all.filter((file) => !SOFTWARE_MANIFEST.test(path.basename(file)));
  return { manifests: all, hardware, standard: [...manifests.values()].every(Boolean), chosenBy };
}

function manifestsIn(folder: string, fs: Node['fs'], path: Node['path']): string[] {
  try {
    return fs
      .readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => fs.realpathSync(path.join(folder, name)));
  } catch {
    return [];
  }
}

/**
 * Runs `call` with the Vulkan loader pointed at these driver manifests (undefined: as the environment has it), then restores the
 * environment. `call` must do its work before it returns: nothing may await while the variables stand. Both names are set, since Vulkan
 * loaders before 1.3.207 know only the older one.
 */
export function withDrivers<T>(manifests: readonly string[] | undefined, call: () => T): T {
  if (manifests === undefined) return call();
  const before = DRIVER_VARIABLES.map((name) => [name, process.env[name]] as const);
  delete process.env.VK_ADD_DRIVER_FILES;
  process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = manifests.join(':');
  try {
    return call();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
