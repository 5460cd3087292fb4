/** The models that the page offers: what lies beside it as `registry.json`, written with the page or by the command line that serves it. */
import { FormatError, InputError } from '../../errors.ts';
import type { RegistryEntry } from '../../models/registry.ts';

/** `registry.json`. */
export interface Registry {
  readonly models: readonly RegistryEntry[];
  /** Names of those that lie beside the page, as `models/NAME.onnx`. */
  readonly here: readonly string[];
}

/** @throws InputError if there is no list, FormatError if it is none */
export async function readRegistry(signal: AbortSignal): Promise<Registry> {
  const response = await fetch(new URL('registry.json', location.href), { signal });
  if (!response.ok) throw new InputError(`models: expected registry.json beside the page, got status ${response.status}.`);
  const registry = (await response.json().catch(() => null)) as Registry | null;
  if (!Array.isArray(registry?.models) || !Array.isArray(registry.here))
    throw new FormatError('models: expected registry.json to hold "models" and "here", got something else. Build the page again.');
  return registry;
}

/** @throws InputError naming those there are */
export function entryOf(name: string, { models }: Registry): RegistryEntry {
  const entry = models.find((one) => one.name === name);
  if (entry) return entry;
  const names = ['default', ...models.map((one) => one.name)].join(', ');
  throw new InputError(`model: expected one of ${names}, got "${name}".`);
}
