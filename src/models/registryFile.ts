/** A registry of one's own: a JSON file that `BACKLIGHT_REGISTRY` names, whose models join the built-in ones. Node only. */
import { FormatError, InputError } from '../errors.ts';
import { parseJson } from '../formats/json.ts';
import { REGISTRY, type RegistryEntry } from './registry.ts';

/**
 * The built-in registry and, behind it, the models of the file that `BACKLIGHT_REGISTRY` names, if it is set.
 * @throws InputError if the file cannot be read; FormatError as {@link parseRegistry}
 */
export async function readRegistry(file = process.env.BACKLIGHT_REGISTRY): Promise<readonly RegistryEntry[]> {
  if (!file) return REGISTRY;
  const { readFile } = await import('node:fs/promises');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new InputError(`BACKLIGHT_REGISTRY: expected a readable file, got "${file}" (${code}). Check the path.`);
  }
  return [...REGISTRY, ...parseRegistry(parseJson(text, 'registry'), file)];
}

/** Fields of an entry beside the required ones; whatever else is written there is refused, since it is likely a misspelling. */
const OPTIONAL = ['what', 'sources', 'input', 'classes', 'preprocess', 'labels', 'published', 'licence', 'note'];
const REQUIRED = ['name', 'path', 'sha256', 'bytes'];

/**
 * Reads `{"sources": ["https://host/folder/"], "models": [{"name", "path", "sha256", "bytes", ...}]}`, the entries as
 * {@link RegistryEntry}; `sources` of the file stands for an entry that has none of its own. `preprocess` is checked when a picture is made into an input.
 * @throws FormatError naming the entry and the field; or if a name is taken
 */
export function parseRegistry(json: unknown, where: string): RegistryEntry[] {
  const fail = (message: string): never => {
    throw new FormatError(`registry: ${message} Mend ${where}.`);
  };
  if (!isObject(json) || !Array.isArray(json.models)) return fail('expected an object with a list "models".');
  const common = json.sources === undefined ? [] : sourcesOf(json.sources, fail);
  const taken = new Set(REGISTRY.map(({ name }) => name).concat('default'));
  return json.models.map((value: unknown, index) => {
    if (!isObject(value)) return fail(`expected model ${index} to be an object.`);
    const { name, path, sha256, bytes, what = '', labels } = value;
    if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9._-]{0,63}(?<!\.onnx|\.json)$/.test(name)) {
      const given = JSON.stringify(name);
      return fail(`expected a name of lower case letters, digits, ".", "_" and "-", no file name, for model ${index}, got ${given}.`);
    }
    const unknown = Object.keys(value).find((field) => !REQUIRED.includes(field) && !OPTIONAL.includes(field));
    if (unknown) fail(`expected the fields ${[...REQUIRED, ...OPTIONAL].join(', ')} in "${name}", got "${unknown}".`);
    if (taken.has(name)) fail(`expected a name of its own, got "${name}", which is taken.`);
    taken.add(name);
    if (typeof path !== 'string' || path === '') fail(`expected a path below the source for "${name}", got ${JSON.stringify(path)}.`);
    if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
      fail(`expected sha256 of "${name}" to be 64 lower case hexadecimal digits, got ${JSON.stringify(sha256)}.`);
    }
    if (!Number.isSafeInteger(bytes) || (bytes as number) < 1) {
      fail(`expected bytes of "${name}" to be the size of the file, got ${JSON.stringify(bytes)}.`);
    }
    if (typeof what !== 'string') fail(`expected what of "${name}" to be a line of text.`);
    if (labels !== undefined && labels !== 'ilsvrc2012' && !(Array.isArray(labels) && labels.every((l) => typeof l === 'string'))) {
      fail(`expected labels of "${name}" to be a list of names or "ilsvrc2012".`);
    }
    const sources = value.sources === undefined ? common : sourcesOf(value.sources, fail);
    if (sources.length === 0) fail(`expected sources for "${name}", in the entry or for all, got none.`);
    return { ...(value as unknown as RegistryEntry), what: what as string, sources };
  });
}

function sourcesOf(value: unknown, fail: (message: string) => never): string[] {
  if (!Array.isArray(value) || !value.every((source) => typeof source === 'string' && /^https?:\/\//.test(source))) {
    fail(`expected sources to be a list of addresses https://..., got ${JSON.stringify(value)}.`);
  }
  return value as string[];
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
