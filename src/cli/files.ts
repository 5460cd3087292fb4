/** Files that the commands read, with one clear line on failure. */
import { readFile } from 'node:fs/promises';
import { InputError } from '../errors.ts';

export async function readBytes(file: string, what: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new InputError(`${what}: expected a readable file, got "${file}" (${(error as NodeJS.ErrnoException).code}). Check the path.`);
  }
}
