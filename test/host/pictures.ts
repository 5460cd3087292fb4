/** Pictures for the tests of the image room, and what these share. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Sharp } from 'sharp';
import sharp from 'sharp';
import { test } from 'uvu';
import type { Picture } from '../../src/image/picture.ts';
import { uniform } from '../../src/verify/random.ts';

export const DATA = path.join('..', 'shared', 'data');

/** A test that needs a folder of the shared data; says so where it is absent. */
export function needsData(name: string, folder: string, run: () => void | Promise<void>): void {
  const present = existsSync(path.join(DATA, folder));
  if (!present) console.log(`skipped: ${name}: ${path.join(DATA, folder)} is absent`);
  (present ? test : test.skip)(name, run);
}

/** Raw samples as an image to encode; `wide` samples have 16 bits. */
export const from = (width: number, height: number, channels: 1 | 2 | 3 | 4, data: ArrayLike<number>, wide = false): Sharp =>
  sharp(wide ? Uint16Array.from(data) : Uint8Array.from(data), { raw: { width, height, channels } });

/** Every byte at random. */
export const noise = (width: number, height: number, seed: number): Picture => {
  const next = uniform(seed);
  return { width, height, data: Uint8Array.from({ length: 3 * width * height }, () => Math.floor(256 * next())) };
};

/** A picture with edges and slopes, whose JPEG is not trivial. */
export const scene = (width: number, height: number): Picture => {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data.set([(255 * x) / width, (255 * y) / height, ((x >> 3) + (y >> 3)) & 1 ? 200 : 40], 3 * (y * width + x));
    }
  }
  return { width, height, data };
};

export const encode = ({ width, height, data }: Picture): Sharp => from(width, height, 3, data);

/** What a call throws, or rejects with. */
export async function failure(run: () => unknown): Promise<Error> {
  try {
    await run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error');
}
