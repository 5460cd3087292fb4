/** What `--model` takes: a file, a name of the registry, or `default`, the network that Backlight ships. Node only. */
import { InputError } from '../errors.ts';
import { cardOf } from './card.ts';
import { fetchModel, type FetchOptions } from './fetch.ts';
import { editDistance } from './labels.ts';
import { loadModel, type Model } from './model.ts';
import type { RegistryEntry } from './registry.ts';
import { readRegistry } from './registryFile.ts';

/** The network in the package's folder `weights` that the name `default` stands for. */
export const DEFAULT_MODEL = 'paper-mini';

/** What a name or a path stands for. */
export interface ResolvedModel {
  readonly path: string;
  /** Set if it is a model of the registry. */
  readonly entry?: RegistryEntry;
}

/**
 * The file that a name or a path stands for: what ends in .onnx or .json is a path; `default` (or the shipped network's own name) is the
 * shipped network; a name of the registry is fetched unless it is cached; any other existing file is a path, too.
 * @throws InputError if it is none of these, naming names near it; and as {@link fetchModel}
 */
export async function resolveModel(nameOrPath: string, options: FetchOptions = {}): Promise<string> {
  return (await resolve(nameOrPath, options)).path;
}

/**
 * Loads what a name or a path stands for. A model of the registry has the registry's card, unless a card lies beside its file.
 * @throws InputError and FormatError as {@link resolveModel} and `loadModel`
 */
export async function openModel(nameOrPath: string, options: FetchOptions = {}): Promise<Model> {
  const { path, entry } = await resolve(nameOrPath, options);
  const model = await loadModel(path);
  return entry === undefined || Object.keys(model.card).length > 0 ? model : { ...model, card: cardOf(entry) };
}

async function resolve(nameOrPath: string, options: FetchOptions): Promise<ResolvedModel> {
  if (/\.(onnx|json)$/i.test(nameOrPath)) return { path: nameOrPath };
  const name = nameOrPath.trim().toLowerCase();
  if (name === 'default' || name === DEFAULT_MODEL) return { path: await shippedModel() };
  const registry = await readRegistry();
  const entry = registry.find((candidate) => candidate.name === name);
  if (entry) return { path: await fetchModel(entry, options), entry };
  const { stat } = await import('node:fs/promises');
  if ((await stat(nameOrPath).catch(() => null))?.isFile()) return { path: nameOrPath };
  throw unknownName(nameOrPath, 'a file .onnx or .json, or a name', registry);
}

/**
 * The entry of a name.
 * @throws InputError if there is none, naming names near it
 */
export function findEntry(name: string, registry: readonly RegistryEntry[]): RegistryEntry {
  const entry = registry.find((candidate) => candidate.name === name.trim().toLowerCase());
  if (!entry) throw unknownName(name, 'a name of the registry', registry);
  return entry;
}

function unknownName(name: string, expected: string, registry: readonly RegistryEntry[]): InputError {
  const near = ['default', ...registry.map((entry) => entry.name)]
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate) / Math.max(name.length, candidate.length) }))
    .filter(({ distance }) => distance <= 0.5)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ candidate }) => candidate);
  const advice =
    near.length > 0 ? `The nearest names are ${near.join(', ')}; "backlight models" lists all.` : '"backlight models" lists the names.';
  return new InputError(`model: expected ${expected}, got "${name}". ${advice}`);
}

/** The shipped network's Graph JSON; its safetensors lie beside it. */
export async function shippedModel(): Promise<string> {
  const [{ existsSync }, { createRequire }, path] = await Promise.all([import('node:fs'), import('node:module'), import('node:path')]);
  let root: string;
  try {
    // The package by its own name: the same from dist, from a bundle of the tests, and from a program that bundles the library.
    root = path.dirname(createRequire(import.meta.url).resolve('backlight/package.json'));
  } catch {
    throw new InputError('model: expected the installed package "backlight" for the shipped network, found none. Name a model file.');
  }
  const file = path.join(root, 'weights', `${DEFAULT_MODEL}.json`);
  if (existsSync(file)) return file;
  throw new InputError(`model: expected the shipped network in "${file}", found none. Install the package again, or name a model.`);
}
