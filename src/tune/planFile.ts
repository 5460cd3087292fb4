/**
 * The plan file: kernels pinned for shapes on one adapter, as JSON.
 *
 *     {"schema": "backlight-plan/1", "device": {adapter, driver, dawn, mode, kernels},
 *      "choices": {"conv2d forward x ...": "tile8x4", ...}, "shapes": [...]}
 *
 * `choices` is what plans are compiled with; `shapes` is what was measured, for people to read.
 */
import { FormatError, InputError } from '../errors.ts';
import { publicDriver, type AdapterSummary } from '../gpu/device.ts';
import { OPS } from '../ops/index.ts';
import type { Choices } from '../plan.ts';
import type { TunedShape } from './tune.ts';

/** Changes when a field changes its meaning or goes. */
export const PLAN_SCHEMA = 'backlight-plan/1';

/** What a plan file was made on and for: on anything else, what is pinned there means nothing. */
export interface PlanDevice {
  readonly adapter: string;
  readonly driver: string;
  /** Version of the npm package `webgpu`. */
  readonly dawn: string;
  readonly mode: string;
  /** SHA-256 of the shaders that are chosen among, so that other kernels of the same names are not taken for these. */
  readonly kernels: string;
}

/** One shape that was measured. */
export interface PlanShape {
  readonly key: string;
  readonly fixed: string;
  /** What is pinned; undefined where the static choice stayed. */
  readonly pinned?: string;
  /** The static choice's time over that of what is pinned. */
  readonly ratio?: number;
  /** Whether both have the same bits. */
  readonly sameBits?: boolean;
}

export interface PlanFile {
  readonly schema: typeof PLAN_SCHEMA;
  readonly device: PlanDevice;
  readonly choices: Choices;
  readonly shapes: readonly PlanShape[];
}

/** The device of a plan file for an adapter, with the kernels of this version. */
export async function planDevice(info: AdapterSummary): Promise<PlanDevice> {
  const { name, description, dawn, mode } = info;
  return {
    adapter: name,
    driver: [publicDriver(info), description].filter(Boolean).join('; '),
    dawn: dawn ?? 'unknown',
    mode,
    kernels: await kernelsHash(),
  };
}

async function kernelsHash(): Promise<string> {
  const shaders = Object.entries({ ...OPS.conv2d.shaders, ...OPS.linear.shaders, ...OPS.maxpool2d.shaders }).sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  const bytes = new TextEncoder().encode(JSON.stringify(shaders));
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What sets two devices of plan files apart, in words: `driver "a" instead of "b"`; undefined if nothing does. */
export function differenceOf(found: PlanDevice, expected: PlanDevice): string | undefined {
  const field = (['adapter', 'mode', 'driver', 'dawn', 'kernels'] as const).find((name) => found[name] !== expected[name]);
  if (field === undefined) return undefined;
  return field === 'kernels' ? 'other kernels than this version has' : `${field} "${found[field]}" instead of "${expected[field]}"`;
}

/** Puts what was measured now behind what an earlier file of the same device holds of other shapes. */
export function makePlanFile(device: PlanDevice, earlier: PlanFile | undefined, tuned: readonly TunedShape[]): PlanFile {
  const shapes = new Map((earlier?.shapes ?? []).map((shape) => [shape.key, shape]));
  for (const { key, fixed, pinned, ratio, sameBits } of tuned) {
    shapes.set(key, {
      key,
      fixed,
      ...(pinned === undefined ? {} : { pinned }),
      ...(ratio === undefined ? {} : { ratio }),
      ...(sameBits === undefined ? {} : { sameBits }),
    });
  }
  const all = [...shapes.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  const choices = Object.fromEntries(all.flatMap(({ key, pinned }) => (pinned === undefined ? [] : [[key, pinned]])));
  return { schema: PLAN_SCHEMA, device, choices, shapes: all };
}

/**
 * Reads a plan file's text.
 * @throws FormatError if it is none
 */
export function parsePlanFile(text: string, where: string): PlanFile {
  const fail = (message: string): never => {
    throw new FormatError(`plan: expected ${message} in "${where}". Make one with "backlight tune".`);
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail('JSON');
  }
  if (!isObject(json) || json.schema !== PLAN_SCHEMA) return fail(`"schema": "${PLAN_SCHEMA}"`);
  const { device, choices, shapes } = json;
  const fields = ['adapter', 'driver', 'dawn', 'mode', 'kernels'];
  if (!isObject(device) || fields.some((name) => typeof device[name] !== 'string')) return fail(`"device" with ${fields.join(', ')}`);
  if (!isObject(choices) || Object.values(choices).some((name) => typeof name !== 'string')) return fail('"choices", names by shape,');
  const isShape = (shape: unknown): boolean =>
    isObject(shape) &&
    typeof shape.key === 'string' &&
    typeof shape.fixed === 'string' &&
    ['undefined', 'string'].includes(typeof shape.pinned) &&
    ['undefined', 'number'].includes(typeof shape.ratio) &&
    ['undefined', 'boolean'].includes(typeof shape.sameBits);
  if (!Array.isArray(shapes) || !shapes.every(isShape)) return fail('"shapes" with key and fixed');
  return json as unknown as PlanFile;
}

/**
 * Reads a plan file's text for an adapter, as `openDevice` takes it: `choices: async (adapter) => (await planFor(text, file, adapter)).choices`.
 * @throws FormatError if it is none; InputError if it was made for another device or other kernels
 */
export async function planFor(text: string, where: string, info: AdapterSummary): Promise<PlanFile> {
  const plan = parsePlanFile(text, where);
  const difference = differenceOf(plan.device, await planDevice(info));
  if (difference === undefined) return plan;
  throw new InputError(
    `plan: expected one for this device, got "${where}", made for ${difference}. Run "backlight tune" again, or do without.`,
  );
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The text whose digest tells plan files apart in reports: the pins alone, in order of their keys; undefined where nothing is pinned. */
export function canonicalChoices(choices: Choices | undefined): string | undefined {
  const pins = Object.entries(choices ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return pins.length > 0 ? JSON.stringify(pins) : undefined;
}
