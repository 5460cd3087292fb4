/** `backlight models`: the networks that `--model` knows by name; fetching, checking and removing them. */
import { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../errors.ts';
import { cachedModel, fetchModel, modelFile, removeModel, verifyModel } from '../models/fetch.ts';
import type { RegistryEntry } from '../models/registry.ts';
import { readRegistry } from '../models/registryFile.ts';
import { DEFAULT_MODEL, findEntry, shippedModel } from '../models/resolve.ts';
import { fetchReport } from './model.ts';
import { CheckFailed, formatTable, printJson, withCommonSettings, withExample } from './session.ts';
import { bytes } from './sizes.ts';

interface Arguments {
  readonly cache?: string;
  readonly url?: string;
  readonly json?: boolean;
}

const SUBCOMMANDS = ['fetch', 'path', 'verify', 'remove'];

export function modelsCommand(): Command {
  const command = new Command('models')
    .description('The networks that --model knows by name. What is not shipped is fetched when it is first used, or by "models fetch".')
    .argument('[task]', `${SUBCOMMANDS.join(', ')}; without one, the list`)
    .option('--cache <folder>', 'the cache folder (default: BACKLIGHT_CACHE, else ~/.cache/backlight)')
    .option('--json', 'print everything known of them as JSON: preprocessing, sha256, addresses, notes')
    .action((task: string | undefined, args: Arguments) => {
      if (task !== undefined) throw new InputError(`models: expected ${SUBCOMMANDS.join(', ')} or nothing, got "${task}".`);
      return list(args);
    });
  const fetching = new Command('fetch')
    .description('Fetches networks into the cache, going on where an earlier attempt ended. A file counts only with the right sha256.')
    .argument('<name...>', 'names of the list')
    .option('--url <address>', 'another place that holds the same paths (default: BACKLIGHT_MODELS_URL, else those of the registry)')
    .action(fetchAll);
  const where = new Command('path').description('Prints where a network lies.').argument('<name>', 'a name of the list').action(printPath);
  const verify = new Command('verify')
    .description('Reads fetched networks again, and holds their size and sha256 against the registry. Exit code 1 if one differs.')
    .argument('[name...]', 'names of the list (default: all that are there)')
    .action(verifyAll);
  const remove = new Command('remove')
    .description('Removes fetched networks, and what is left of interrupted downloads of them.')
    .argument('<name...>', 'names of the list')
    .action(removeAll);
  withExample(
    fetching,
    'backlight models fetch squeezenet1.1 googlenet',
    'backlight models fetch vgg16 --url https://mirror.example/onnx-models/',
  );
  withExample(where, 'backlight models path default');
  withExample(verify, 'backlight models verify');
  withExample(remove, 'backlight models remove vgg16');
  for (const sub of [fetching, where, verify, remove])
    command.addCommand(withCommonSettings(sub).configureHelp({ showGlobalOptions: true }));
  command.addHelpText(
    'after',
    '\nA registry of your own: BACKLIGHT_REGISTRY names a JSON file {"sources": ["https://..."],\n' +
      '"models": [{"name", "path", "sha256", "bytes", "preprocess", "labels"}]}.\nBehind a proxy: HTTPS_PROXY with NODE_USE_ENV_PROXY=1 (Node 22.21 or newer).',
  );
  return withExample(command, 'backlight models', 'backlight models fetch squeezenet1.1');
}

/** The folder of models in the cache that was named; undefined for the usual one. The option may stand before or behind the task. */
function folderOf(command: Command): string | undefined {
  const { cache } = command.optsWithGlobals<Arguments>();
  return cache === undefined ? undefined : path.join(path.resolve(cache), 'models');
}

/** What the list says of a network. */
interface Listed {
  readonly name: string;
  readonly bytes?: number;
  readonly input?: string;
  readonly classes?: number;
  readonly top1?: number;
  readonly there: string;
  readonly what: string;
}

async function list(args: Arguments): Promise<void> {
  const folder = args.cache === undefined ? undefined : path.join(path.resolve(args.cache), 'models');
  const registry = await readRegistry();
  const cached = await Promise.all(registry.map((entry) => cachedModel(entry, folder)));
  const shipped = await shippedReport();
  if (args.json) {
    printJson({ default: shipped, models: registry.map((entry, k) => ({ ...entry, cached: cached[k] ?? null })) });
    return;
  }
  const rows: Listed[] = [
    {
      name: 'default',
      there: shipped.file === null ? 'missing' : 'shipped',
      what: `${DEFAULT_MODEL}, trained by Backlight itself`,
      ...shipped,
    },
    ...registry.map((entry, k) => ({
      ...entry,
      input: sizeOf(entry),
      top1: entry.published?.top1,
      there: cached[k] === undefined ? '' : 'cached',
    })),
  ];
  const header = ['name', 'size', 'input', 'classes', 'top-1 %', '', 'what'];
  const cells = rows.map((row) => [
    row.name,
    row.bytes === undefined ? '' : bytes(row.bytes),
    row.input ?? '',
    row.classes ?? '',
    row.top1?.toFixed(1) ?? '',
    row.there,
    row.what,
  ]);
  console.log(formatTable(header, cells));
  console.log('\ntop-1 as published for the ILSVRC 2012 validation images, not measured here; notes and preprocessing: --json');
}

/** Height x width of the pictures that an entry takes. */
function sizeOf({ preprocess }: RegistryEntry): string | undefined {
  return Array.isArray(preprocess?.size) ? preprocess.size.join('x') : undefined;
}

/** The shipped network, without reading its weights; an absent one is no reason not to list the others. */
async function shippedReport(): Promise<{ file: string | null; bytes?: number; input?: string; classes?: number; card?: unknown }> {
  try {
    const file = await shippedModel();
    const json = await readFile(file);
    const weights = await readFile(file.replace(/\.json$/, '.safetensors'));
    const { inputs, card } = JSON.parse(json.toString()) as { inputs?: { shape?: number[] }[]; card?: { labels?: unknown[] } };
    return {
      file,
      bytes: json.length + weights.length,
      input: inputs?.[0]?.shape?.slice(2).join('x'),
      classes: card?.labels?.length,
      card,
    };
  } catch {
    return { file: null };
  }
}

async function fetchAll(names: readonly string[], args: Arguments, command: Command): Promise<void> {
  const registry = await readRegistry();
  const folder = folderOf(command);
  // All names are looked up first: a misspelt third one is not told after an hour.
  const entries = names.map((name) => (isDefault(name) ? null : findEntry(name, registry)));
  for (const entry of entries) {
    if (entry === null) {
      console.log(`default is shipped: ${await shippedModel()}`);
      continue;
    }
    const { stop, ...report } = fetchReport(entry.name);
    try {
      const file = await fetchModel(entry, { ...report, folder, baseUrl: args.url });
      stop();
      console.log(`${entry.name} ${bytes(entry.bytes)} ${file}`);
    } finally {
      stop();
    }
  }
}

async function printPath(name: string, _: Arguments, command: Command): Promise<void> {
  if (isDefault(name)) {
    console.log(await shippedModel());
    return;
  }
  const entry = findEntry(name, await readRegistry());
  const file = await cachedModel(entry, folderOf(command));
  if (file === undefined)
    throw new InputError(`models: expected ${entry.name} in the cache, found none. Run "backlight models fetch ${entry.name}".`);
  console.log(file);
}

async function verifyAll(names: readonly string[], _: Arguments, command: Command): Promise<void> {
  const registry = await readRegistry();
  const folder = folderOf(command);
  const rows: string[][] = [];
  for (const entry of names.length > 0 ? names.map((name) => fetched(name, registry)) : registry) {
    const file = await modelFile(entry, folder);
    if (file === undefined && names.length === 0) continue;
    if (file === undefined) throw new InputError(`models: expected ${entry.name} in the cache, found none. There is nothing to verify.`);
    const { good, sha256, bytes: size } = await verifyModel(entry, file);
    rows.push([entry.name, good ? 'good' : 'WRONG', good ? file : `${size} bytes, sha256 ${sha256}; remove ${file}`]);
  }
  console.log(rows.length === 0 ? 'no fetched models' : rows.map((row) => row.join('  ')).join('\n'));
  if (rows.some(([, verdict]) => verdict !== 'good')) throw new CheckFailed();
}

async function removeAll(names: readonly string[], _: Arguments, command: Command): Promise<void> {
  const registry = await readRegistry();
  for (const entry of names.map((name) => fetched(name, registry))) {
    console.log(`${entry.name}: ${(await removeModel(entry, folderOf(command))) ? 'removed' : 'was not there'}`);
  }
}

/** The entry of a name that must be of a network that is fetched. */
function fetched(name: string, registry: readonly RegistryEntry[]): RegistryEntry {
  if (isDefault(name)) throw new InputError(`models: expected a fetched network, got "${name}", which is part of the package.`);
  return findEntry(name, registry);
}

const isDefault = (name: string): boolean => ['default', DEFAULT_MODEL].includes(name.trim().toLowerCase());
