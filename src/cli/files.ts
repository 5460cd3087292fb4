/** Files in and out for the commands: read with one clear line on failure, written whole or not at all. */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../errors.ts';

export async function readBytes(file: string, what: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new InputError(`${what}: expected a readable file, got "${file}" (${(error as NodeJS.ErrnoException).code}). Check the path.`);
  }
}

/** Refuses an output that has no folder to go to, or would replace one of the inputs, before any work is done for it. */
export async function checkOutput(file: string | undefined, extension: string, inputs: readonly string[]): Promise<void> {
  if (file === undefined) return;
  if (inputs.some((input) => path.resolve(input) === path.resolve(file)))
    throw new InputError(`--output: expected a file of its own, got "${file}", which is read here.`);
  if (path.extname(file).toLowerCase() !== extension)
    throw new InputError(`--output: expected a file name ending in ${extension}, got "${file}".`);
  const folder = path.dirname(path.resolve(file));
  const { stat } = await import('node:fs/promises');
  const info = await stat(folder).catch(() => null);
  if (!info?.isDirectory()) throw new InputError(`--output: expected an existing folder, got "${folder}". Make it first.`);
}

/** Writes beside the target and renames: a reader sees the old file or the new one, never a part. */
export async function writeWhole(file: string, bytes: Uint8Array | string): Promise<void> {
  const beside = path.join(path.dirname(path.resolve(file)), `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(beside, 'wx');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw new InputError(
      `--output: expected to write "${file}", got ${(error as NodeJS.ErrnoException).code ?? error}. Check the folder and its rights.`,
    );
  }
}
