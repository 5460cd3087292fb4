/** The output files of a command: written whole or not at all, and of several all or none. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../errors.ts';

/** An output as an option names it. */
export interface OutputOption {
  /** As typed, such as `--raw`. */
  readonly option: string;
  readonly file: string | undefined;
  readonly extensions: readonly string[];
}

/**
 * Refuses outputs that have no folder to go to, are of another kind, name one file twice, or would replace one of the inputs; before any
 * work is done for them.
 */
export async function checkOutputs(outputs: readonly OutputOption[], inputs: readonly string[]): Promise<void> {
  const taken = new Map<string, string>();
  for (const { option, file, extensions } of outputs) {
    if (file === undefined) continue;
    const whole = path.resolve(file);
    if (inputs.some((input) => path.resolve(input) === whole)) {
      throw new InputError(`${option}: expected a file of its own, got "${file}", which is read here.`);
    }
    if (taken.has(whole))
      throw new InputError(`${option}: expected a file of its own, got "${file}", which ${taken.get(whole)} names too.`);
    taken.set(whole, option);
    if (!extensions.includes(path.extname(file).toLowerCase())) {
      throw new InputError(`${option}: expected a file name ending in ${extensions.join(' or ')}, got "${file}".`);
    }
    const folder = path.dirname(whole);
    const info = await stat(folder).catch(() => null);
    if (!info?.isDirectory()) throw new InputError(`${option}: expected an existing folder, got "${folder}". Make it first.`);
    if ((await stat(whole).catch(() => null))?.isDirectory()) {
      throw new InputError(`${option}: expected a file, got the folder "${file}".`);
    }
  }
}

/** {@link checkOutputs} for a command whose one output is `--output`. */
export function checkOutput(file: string | undefined, extension: string, inputs: readonly string[]): Promise<void> {
  return checkOutputs([{ option: '--output', file, extensions: [extension] }], inputs);
}

/**
 * Refuses a folder for outputs that is a file, or that cannot be made since something above it is one; and one that holds an input, which
 * an output could replace. Before any work is done.
 */
export async function checkFolder(option: string, folder: string, inputs: readonly string[]): Promise<void> {
  const whole = path.resolve(folder);
  const inside = inputs.find((input) => path.dirname(path.resolve(input)) === whole);
  if (inside !== undefined) throw new InputError(`${option}: expected a folder of its own, got "${folder}", where "${inside}" is read.`);
  for (let at = whole; ; at = path.dirname(at)) {
    const info = await stat(at).catch(() => null);
    if (info?.isDirectory()) return;
    if (info || path.dirname(at) === at)
      throw new InputError(`${option}: expected a folder, got "${folder}"${at === whole ? ', a file' : `, where "${at}" is a file`}.`);
  }
}

/** Makes a folder and those above it. Node's own recursive mkdir never returns on file systems such as /proc. */
export async function makeFolder(option: string, folder: string): Promise<void> {
  const whole = path.resolve(folder);
  if ((await stat(whole).catch(() => null))?.isDirectory()) return;
  if (path.dirname(whole) !== whole) await makeFolder(option, path.dirname(whole));
  try {
    await mkdir(whole);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST')
      throw new InputError(`${option}: expected to make the folder "${folder}", got ${code}. Name another, or check its rights.`);
  }
}

/** The bytes of a file, whole or in parts. */
export type Content = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Files written beside their targets as they come, and renamed together when the last one is there: whatever fails before, nothing is left behind
 * and what was there stays.
 */
export class StagedFiles {
  readonly #written: { readonly beside: string; readonly file: string }[] = [];

  /** Writes a file beside its target. Parts are written as they come, so that it need not fit the memory. */
  async add(file: string, content: Content): Promise<void> {
    const beside = path.join(path.dirname(path.resolve(file)), `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
    this.#written.push({ beside, file });
    const handle = await failing(file, () => open(beside, 'wx'));
    try {
      for await (const part of content instanceof Uint8Array ? [content] : content) await failing(file, () => handle.writeFile(part));
      await failing(file, () => handle.sync());
    } finally {
      await handle.close();
    }
  }

  /** Gives all files their names. */
  async publish(): Promise<void> {
    for (const { beside, file } of this.#written) await failing(file, () => rename(beside, file));
  }

  /** Takes away what has no name yet. */
  async discard(): Promise<void> {
    for (const { beside } of this.#written) await rm(beside, { force: true });
  }
}

/** Writes files whole or not at all; see {@link StagedFiles}. */
export async function writeTogether(files: readonly (readonly [file: string, content: Content])[]): Promise<void> {
  const staged = new StagedFiles();
  try {
    for (const [file, content] of files) await staged.add(file, content);
    await staged.publish();
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** What fails while a content is made is told as it is; what fails while it is written, as the file's. */
async function failing<T>(file: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new InputError(`output: expected to write "${file}", got ${code}. Check the folder, its rights and its space.`);
  }
}
