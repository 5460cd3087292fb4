// The data beside the project's folder, if it is there: real models, images and golden numbers. Nothing in the repository needs it.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve('..', 'shared', 'data');

export const dataPresent = existsSync(ROOT);

export const dataPath = (...parts: string[]): string => path.join(ROOT, ...parts);

/** Says on the test run's own output that tests were skipped, and why. */
export function sayMissing(what: string): void {
  console.log(`skipped: ${what}: no data folder at ${path.join('..', 'shared', 'data')}`);
}

/** Little-endian f32 numbers of a raw file. */
export function readFloats(file: string): Float32Array {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
