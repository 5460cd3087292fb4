/**
 * The choice of an adapter. A real GPU wins, software follows, and `--adapter` or `BACKLIGHT_ADAPTER` overrule:
 *
 * - `auto`      a GPU; where there is none, a software adapter (on Linux the embedded SwiftShader before one of the system's);
 * - `gpu`       a GPU or an error;
 * - `software`  an adapter that runs on the processor or an error;
 * - other text  the first adapter whose name, vendor, architecture or description holds it.
 *
 * Under Node the adapters are Dawn's (package `webgpu`); in a browser they are those of `navigator.gpu`.
 */
import { AdapterError, InputError } from '../errors.ts';
import { load, messageOf, node, underNode } from './node.ts';
import { unpackSoftwareVulkan } from './software.ts';
import { ensureLoader, systemDrivers, withDrivers } from './vulkan.ts';

/**
 * `safe`: Dawn's defaults. `native`: as a native program runs, without bounds checks, zeroed workgroup memory and guarded integer division.
 */
export type Mode = 'safe' | 'native';

/** What is asked of an adapter and of the device made from it. */
export interface AdapterOptions {
  /** `auto`, `gpu`, `software`, or a part of a name; default `BACKLIGHT_ADAPTER`, else `auto`. */
  readonly adapter?: string;
  /** Default `safe`. A browser offers no other. */
  readonly mode?: Mode;
  /** Which GPU of several; default `high-performance`. */
  readonly powerPreference?: GPUPowerPreference;
  /** Features wanted beyond those that are always taken where present; an absent one is an error. */
  readonly features?: readonly GPUFeatureName[];
  /** False: timestamps in full resolution, for benchmarks. Default true, steps of 65.536 us. Node only. */
  readonly quantizeTimestamps?: boolean;
  /** Further toggles of Dawn: `name` or `+name` on, `-name` off. Node only. */
  readonly toggles?: readonly string[];
}

/** An adapter in words and numbers, for reports. */
export interface AdapterSummary {
  /** The device's name as WebGPU tells it: the driver's in lower case, with dashes. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** True if it runs on the processor. */
  readonly software: boolean;
  /** `vulkan`, `metal`, `d3d12`; `browser` or `injected` where it cannot be told. */
  readonly backend: string;
  /** Where the driver comes from, such as `SwiftShader of @sparticuz/chromium 147.0.0 in /home/me/.cache/backlight/...`. */
  readonly driver: string;
  readonly mode: Mode;
  /** Dawn's toggles that were asked for, `+on` and `-off`. */
  readonly toggles: readonly string[];
  /** Version of the npm package `webgpu`; undefined in a browser and for an injected device. */
  readonly dawn?: string;
  /** Features of the adapter; of the device where one was opened. */
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  /** Lanes of a subgroup, least and most; undefined where the adapter has no subgroups. */
  readonly subgroupSize?: readonly [number, number];
}

/** An adapter that has made no device yet, and its description. One adapter makes one device. */
export interface ChosenAdapter {
  readonly adapter: GPUAdapter;
  readonly summary: AdapterSummary;
}

/** A way to a set of drivers: what the Vulkan loader is told, and how to call it. */
interface Route {
  readonly driver: string;
  readonly backend: string;
  /** Manifests for the Vulkan loader; undefined leaves the environment as it is. */
  readonly manifests?: readonly string[];
  /** Ask for a software adapter only (Windows has one beside the GPU). */
  readonly fallback?: boolean;
  /** The user named the drivers in the environment: what they give is taken, be it software. */
  readonly chosenBy?: string;
}

const NATIVE = ['+disable_robustness', '+disable_workgroup_init', '+disable_polyfills_on_integer_div_and_mod'];

/** Names no adapter; Dawn answers with the names of all. */
const NO_ADAPTER = 'adapter=\u0001';

/** `navigator.gpu`, which types for Node do not know. */
const browserGpu = (): GPU | undefined => (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;

/**
 * The adapter that the options, the environment and the machine lead to.
 * @throws AdapterError if there is none; the message lists those that exist.
 */
export async function chooseAdapter(options: AdapterOptions = {}): Promise<ChosenAdapter> {
  const wanted = (options.adapter || (underNode() ? process.env.BACKLIGHT_ADAPTER : undefined) || 'auto').toLowerCase();
  if (options.mode !== undefined && options.mode !== 'safe' && options.mode !== 'native') {
    throw new InputError(`device: expected mode "safe" or "native", got ${JSON.stringify(options.mode)}. Leave it out for safe.`);
  }
  if (!underNode()) return chooseInBrowser(wanted, options);
  if (wanted === 'auto') return chooseAutomatically(options);
  if (wanted === 'gpu') return (await hardware(await systemRoute('gpu'), options)) ?? fail(wanted, 'a GPU');
  if (wanted === 'software') return chooseSoftware(options);
  const chosen = await find(options, (summary) => holds(summary, wanted));
  return chosen ?? fail(wanted, '"auto", "gpu", "software" or part of an adapter\'s name');
}

/**
 * Every adapter of this machine, GPUs first: those of the system's drivers and the software one; empty if there is none. No device is made.
 * Unpacks the embedded driver if that has not happened yet.
 */
export async function listAdapters(options: AdapterOptions = {}): Promise<AdapterSummary[]> {
  if (!underNode()) {
    const adapter = await browserGpu()?.requestAdapter();
    return adapter ? [await summarise(adapter, browserRoute, options)] : [];
  }
  const all: AdapterSummary[] = [];
  await find(options, (summary) => {
    all.push(summary);
    return false;
  });
  return all.sort((a, b) => Number(a.software) - Number(b.software));
}

async function chooseAutomatically(options: AdapterOptions): Promise<ChosenAdapter> {
  // Drivers without a loader, and no embedded one either: the software adapter will be missing for the same reason, and says it.
  const route = await systemRoute('gpu').catch(() => undefined);
  const system = (await hardware(route, options)) ?? (route?.chosenBy ? await request(route, options) : undefined);
  return system ?? chooseSoftware(options);
}

async function chooseSoftware(options: AdapterOptions): Promise<ChosenAdapter> {
  const system = await systemRoute('all').catch(() => undefined);
  if (system?.chosenBy) {
    const chosen = await request(system, options);
    if (chosen?.summary.software) return chosen;
  }
  let refusal: unknown;
  try {
    const chosen = await request(await softwareRoute(), options);
    if (chosen) return chosen;
  } catch (error) {
    refusal = error;
  }
  const other = await find(options, (summary) => summary.software);
  if (other) return other;
  throw refusal ?? (await failure(options.adapter ?? 'auto', 'a GPU or a software adapter'));
}

async function chooseInBrowser(wanted: string, options: AdapterOptions): Promise<ChosenAdapter> {
  if (options.mode === 'native') {
    throw new AdapterError('device: expected mode "safe", got "native". A browser does not let a page choose; run under Node.');
  }
  const gpu = browserGpu();
  if (!gpu) {
    throw new AdapterError('device: expected a browser with WebGPU, got one without. Update it, or serve the page over HTTPS.');
  }
  const powerPreference = options.powerPreference ?? 'high-performance';
  const adapter = await gpu.requestAdapter({ powerPreference, forceFallbackAdapter: wanted === 'software' });
  const chosen = adapter && { adapter, summary: await summarise(adapter, browserRoute, options) };
  if (!chosen) return fail(wanted, 'an adapter of this browser');
  const suits = wanted === 'auto' || wanted === 'software' || (wanted === 'gpu' ? !chosen.summary.software : holds(chosen.summary, wanted));
  return suits ? chosen : fail(wanted, 'an adapter of this browser');
}

const browserRoute: Route = { driver: 'the browser', backend: 'browser' };

/**
 * The system's own drivers, all of them or only those of GPUs; undefined where it has none.
 * @throws AdapterError if it has drivers but neither a Vulkan loader nor the embedded one.
 */
async function systemRoute(which: 'all' | 'gpu'): Promise<Route | undefined> {
  if (process.platform === 'darwin') return { driver: 'Metal of the system', backend: 'metal' };
  if (process.platform === 'win32') return { driver: 'Direct3D 12 of the system', backend: 'd3d12' };
  if (process.platform !== 'linux') return { driver: 'the system', backend: 'vulkan' };
  const found = await systemDrivers();
  const { chosenBy } = found;
  const manifests = which === 'gpu' ? found.hardware : found.manifests;
  if (!chosenBy && manifests.length === 0) return undefined;
  const loader = await ensureLoader();
  const through = loader === 'embedded' ? ', through the embedded Vulkan loader' : '';
  if (chosenBy) return { driver: `${chosenBy}=${process.env[chosenBy]}${through}`, backend: 'vulkan', chosenBy };
  // A loader of the system that finds these drivers, and only these, by itself is left alone.
  const alone = loader === 'system' && found.standard && manifests.length === found.manifests.length;
  return { driver: manifests.join(', ') + through, backend: 'vulkan', manifests: alone ? undefined : manifests };
}

async function softwareRoute(): Promise<Route> {
  if (process.platform === 'win32') return { driver: 'Direct3D 12 of the system', backend: 'd3d12', fallback: true };
  if (process.platform !== 'linux') {
    throw new AdapterError(`software adapter: expected Linux on x64 or Windows, got ${process.platform}. Use the GPU: --adapter gpu.`);
  }
  const software = await unpackSoftwareVulkan();
  await ensureLoader();
  return { driver: `SwiftShader of ${software.origin} in ${software.folder}`, backend: 'vulkan', manifests: [software.manifest] };
}

/** The first GPU on a route, be it behind a software adapter in Dawn's order. */
async function hardware(route: Route | undefined, options: AdapterOptions): Promise<ChosenAdapter | undefined> {
  const first = await request(route, options);
  if (!first || !first.summary.software) return first;
  for (const name of await names(route!, options)) {
    const chosen = await request(route, options, name);
    if (chosen && !chosen.summary.software) return chosen;
  }
  return undefined;
}

/** The first adapter that `suits`, the system's before the embedded one. A route that fails has no adapters. */
async function find(options: AdapterOptions, suits: (summary: AdapterSummary) => boolean): Promise<ChosenAdapter | undefined> {
  for (const open of [() => systemRoute('all'), softwareRoute]) {
    const route = await open().catch(() => undefined);
    if (!route) continue;
    for (const name of await names(route, options)) {
      const chosen = await request(route, options, name);
      // The software route of Windows shows the GPU again.
      if (chosen && !(route.fallback && !chosen.summary.software) && suits(chosen.summary)) return chosen;
    }
  }
  return undefined;
}

function holds(summary: AdapterSummary, part: string): boolean {
  // "NVIDIA H200", "nvidia-h200" and "h200" are one.
  const plain = (text: string) =>
    text
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, ' ')
      .trim();
  const { name, vendor, architecture, device, description } = summary;
  const wanted = plain(part);
  return wanted !== '' && [name, vendor, architecture, device, description].some((text) => plain(text).includes(wanted));
}

async function fail(wanted: string, expected: string): Promise<never> {
  throw await failure(wanted, expected);
}

async function failure(wanted: string, expected: string): Promise<AdapterError> {
  const all = await listAdapters().catch(() => []);
  const list = all.length === 0 ? 'no adapter at all' : all.map(formatAdapter).join('; ');
  const remedy = all.length > 0 ? 'Name one of these with --adapter or BACKLIGHT_ADAPTER.' : await remedyForNone();
  // A GPU whose driver cannot be reached for want of a Vulkan loader should not look like a machine without one.
  const refusal = underNode() ? await systemRoute('gpu').then(() => undefined, messageOf) : undefined;
  const unasked = refusal ? ` (The system's drivers were not asked: ${refusal})` : '';
  return new AdapterError(`adapter: expected ${expected}, got ${JSON.stringify(wanted)}; found ${list}. ${remedy}${unasked}`);
}

async function remedyForNone(): Promise<string> {
  if (!underNode()) return 'Try another browser, or update the graphics driver.';
  const { isMainThread } = await load<typeof import('node:worker_threads')>('node:worker_threads');
  if (process.platform === 'linux' && !isMainThread) {
    return 'A worker thread cannot tell Vulkan its driver: open the device on the main thread, or start the worker with env: SHARE_ENV.';
  }
  return 'Install a driver for the GPU, or the optional package @sparticuz/chromium for the software adapter (Linux on x64).';
}

/** An adapter in one line: `SwiftShader Device (Subzero) (google swiftshader, software, vulkan, SwiftShader driver 5.0.0)`. */
export function formatAdapter(summary: AdapterSummary): string {
  const { name, vendor, architecture, software, backend, description } = summary;
  const details = [`${vendor} ${architecture}`.trim(), software ? 'software' : 'GPU', backend, description];
  return `${name} (${details.filter(Boolean).join(', ')})`;
}

/** Where the driver comes from, without the folder that it lies in: that is this machine's own business, and no part of what the driver is. */
export function publicDriver({ driver }: AdapterSummary): string {
  return driver.replace(/ in (?:[A-Za-z]:)?[/\\~].*$/, '');
}

interface Dawn {
  create(flags: string[]): GPU;
}

let dawn: Promise<{ create: Dawn['create']; version: string }> | undefined;

/** Dawn, loaded at the first call. */
function loadDawn(): NonNullable<typeof dawn> {
  return (dawn ??= (async () => {
    try {
      const [{ create }, { fs, module }] = await Promise.all([load<Dawn>('webgpu'), node()]);
      const about = fs.readFileSync(module.createRequire(import.meta.url).resolve('webgpu/package.json'), 'utf8');
      return { create, version: (JSON.parse(about) as { version: string }).version };
    } catch (error) {
      throw new AdapterError(
        `device: expected the package webgpu to load on ${process.platform} ${process.arch}, got "${messageOf(error)}". ` +
          'It has builds for Linux with glibc (x64, arm64), macOS and Windows.',
      );
    }
  })());
}

/** Instances of Dawn are kept for good: releasing one while a promise of it is pending ends the process. */
const instances = new Map<string, GPU>();

async function instance(route: Route, flags: readonly string[]): Promise<GPU> {
  const { create } = await loadDawn();
  const key = JSON.stringify([route.driver, flags]);
  let gpu = instances.get(key);
  if (!gpu) instances.set(key, (gpu = create([...flags])));
  return gpu;
}

async function request(route: Route | undefined, options: AdapterOptions, name?: string): Promise<ChosenAdapter | undefined> {
  if (!route) return undefined;
  const gpu = await instance(route, [...flags(options), ...(name === undefined ? [] : [`adapter=${name}`])]);
  const { powerPreference = 'high-performance' } = options;
  const { fallback: forceFallbackAdapter = false } = route;
  // Dawn asks the Vulkan loader before this call returns.
  const adapter = await withDrivers(route.manifests, () => gpu.requestAdapter({ powerPreference, forceFallbackAdapter }));
  return adapter ? { adapter, summary: await summarise(adapter, route, options) } : undefined;
}

/** The names of all adapters on a route, without repeats: Dawn lists them when it is asked for one that does not exist. */
async function names(route: Route, options: AdapterOptions): Promise<string[]> {
  const gpu = await instance(route, [...flags(options), NO_ADAPTER]);
  try {
    await withDrivers(route.manifests, () => gpu.requestAdapter());
  } catch (error) {
    return [...new Set(Array.from(String(error).matchAll(/name: '(.*)'/g), (match) => match[1]))];
  }
  return [];
}

function toggles(options: AdapterOptions): string[] {
  return [
    ...(options.mode === 'native' ? NATIVE : []),
    ...(options.quantizeTimestamps === false ? ['-timestamp_quantization'] : []),
    ...(options.toggles ?? []).map((name) => (/^[+-]/.test(name) ? name : `+${name}`)),
  ];
}

function flags(options: AdapterOptions): string[] {
  const all = toggles(options);
  const on = all.filter((name) => name.startsWith('+')).map((name) => name.slice(1));
  const off = all.filter((name) => name.startsWith('-')).map((name) => name.slice(1));
  return [...(on.length ? [`enable-dawn-features=${on}`] : []), ...(off.length ? [`disable-dawn-features=${off}`] : [])];
}

async function summarise(adapter: GPUAdapter, route: Route, options: AdapterOptions): Promise<AdapterSummary> {
  return {
    ...describe(adapter.info, adapter.features, adapter.limits),
    backend: route.backend,
    driver: route.driver,
    mode: options.mode ?? 'safe',
    toggles: underNode() ? toggles(options) : [],
    dawn: underNode() ? (await loadDawn()).version : undefined,
  };
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|warp/i;

/** What WebGPU itself tells of an adapter or a device. */
export function describe(info: GPUAdapterInfo, features: GPUSupportedFeatures, limits: GPUSupportedLimits): AdapterSummary {
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = info;
  return {
    name: device.replace(/-+$/, '') || description || architecture || vendor || 'unnamed',
    vendor,
    architecture,
    device,
    description,
    software: info.isFallbackAdapter || SOFTWARE.test(`${architecture} ${device} ${description}`),
    backend: 'injected',
    driver: 'injected',
    mode: 'safe',
    toggles: [],
    features: [...features].sort(),
    limits: limitsOf(limits),
    ...(subgroupMinSize && subgroupMaxSize ? { subgroupSize: [subgroupMinSize, subgroupMaxSize] as const } : {}),
  };
}

/** Limits are getters on a prototype; this is a plain object of them. */
export function limitsOf(limits: GPUSupportedLimits): Record<string, number> {
  const plain: Record<string, number> = {};
  for (const name in limits) {
    const value = limits[name as keyof GPUSupportedLimits] as unknown;
    if (typeof value === 'number') plain[name] = value;
  }
  return plain;
}
