/** The plan file that a command runs under: `--plan`, `BACKLIGHT_PLAN`, or this adapter's in the cache. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { cachedFile, cacheFolder } from '../cache.ts';
import { FormatError, InputError } from '../errors.ts';
import type { AdapterSummary, DeviceOptions } from '../gpu/device.ts';
import type { Choices } from '../plan.ts';
import { canonicalChoices, differenceOf, parsePlanFile, planDevice, planFor, type PlanFile } from '../tune/index.ts';
import { adapterOptions, type DeviceArguments } from './arguments.ts';

/** What a command opens its device with: the adapter asked for, and what is pinned on it. */
export function deviceOptions(args: DeviceArguments): DeviceOptions {
  return { ...adapterOptions(args), choices: async (info) => pinnedOf(await planInForce(args, info)) };
}

function pinnedOf(found: FoundPlan | undefined): Choices | undefined {
  return found && Object.keys(found.plan.choices).length > 0 ? found.plan.choices : undefined;
}

/** A plan file and where it lies. */
export interface FoundPlan {
  readonly file: string;
  readonly plan: PlanFile;
}

/** What `--plan` or `BACKLIGHT_PLAN` names; undefined for the cache's. */
export const namedPlan = ({ plan }: DeviceArguments): string | undefined => plan ?? (process.env.BACKLIGHT_PLAN || undefined);

/** The name of an adapter's plan file in the cache: `swiftshader-device-subzero-safe.json`. */
function cachedName({ name, mode }: AdapterSummary): string {
  return `${name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')}-${mode}.json`;
}

/** Where `tune` writes: undefined for `none`. */
export async function planPath(args: DeviceArguments, info: AdapterSummary): Promise<string | undefined> {
  const named = namedPlan(args);
  if (named === 'none') return undefined;
  return named ?? path.join(await cacheFolder('plans'), cachedName(info));
}

/**
 * The plan file in force on an adapter; undefined if there is none. One of the cache that is damaged, or was made for another driver, Dawn or
 * kernels, is not used, and a line on stderr says so.
 * @throws InputError if a file that was named cannot be read, or is for another device
 */
export async function planInForce(args: DeviceArguments, info: AdapterSummary): Promise<FoundPlan | undefined> {
  const named = namedPlan(args);
  if (named === 'none') return undefined;
  const file = named ?? (await cachedFile('plans', cachedName(info)));
  if (file === undefined) return undefined;
  try {
    return { file, plan: await planFor(await readText(args, file), file, info) };
  } catch (error) {
    if (named !== undefined || !(error instanceof InputError)) throw error;
    console.error(`warning: ${error.message} Its kernels are not used.`);
    return undefined;
  }
}

async function readText(args: DeviceArguments, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const option = args.plan === undefined ? 'BACKLIGHT_PLAN' : '--plan';
    throw new InputError(`${option}: expected a plan file of "backlight tune", or none, got "${file}" (${code}). Check the path.`);
  }
}

/**
 * What a file holds that `tune` is about to write anew: shapes of the same device are kept; those of another are not.
 * @throws InputError if `--plan` names a file that is no plan
 */
export async function earlierPlan(args: DeviceArguments, file: string, info: AdapterSummary): Promise<PlanFile | undefined> {
  const there = await stat(file).catch(() => undefined);
  if (!there) return undefined;
  try {
    const plan = parsePlanFile(await readText(args, file), file);
    return differenceOf(plan.device, await planDevice(info)) === undefined ? plan : undefined;
  } catch (error) {
    if (namedPlan(args) === undefined && error instanceof FormatError) return undefined;
    throw error;
  }
}

/** What tells runs under other pins apart in reports: SHA-256 of what is pinned, its first sixteen digits; `none` where nothing is. */
export function planHash(choices: Choices | undefined): string {
  const text = canonicalChoices(choices);
  return text === undefined ? 'none' : createHash('sha256').update(text).digest('hex').slice(0, 16);
}
