/** The images of a set and what is true of them, from a table, annotations of ILSVRC or of Tiny ImageNet, each with its file. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { FormatError, InputError } from '../errors.ts';
import { classesOf, type Annotation } from '../evaluate/annotation.ts';
import { parseCsv } from '../evaluate/csv.ts';
import { parseIlsvrc } from '../evaluate/ilsvrc.ts';
import { parseTiny, wnidOfBoxes } from '../evaluate/tiny.ts';
import type { Item } from '../evaluate/batches.ts';
import { decodeImage } from '../image/decode.ts';
import { readBytes } from './files.ts';

export interface TruthOptions {
  /** The option that names `source`, for messages. */
  readonly option: string;
  readonly labels: readonly string[] | undefined;
  /** Whether every image must come with a box. */
  readonly boxes: boolean;
  /** How many images are wanted at most. */
  readonly limit: number;
}

/** What is evaluated: images, and a file or folder that says what is true of them. */
export interface ImageSet {
  readonly images: string;
  readonly truth: string;
}

/**
 * The set that the options name: by its folder and its annotations, or as the validation split of a data set in Tiny ImageNet's layout.
 * @param option the one that names the annotations, for messages
 * @throws InputError if one of the two ways is not taken whole, or both are
 */
export function imageSet({ data, images, truth }: Partial<ImageSet> & { readonly data?: string }, option: string): ImageSet {
  if (data !== undefined && images === undefined && truth === undefined)
    return { images: path.join(data, 'val', 'images'), truth: path.join(data, 'val', 'val_annotations.txt') };
  if (data === undefined && images !== undefined && truth !== undefined) return { images, truth };
  const given = [data === undefined ? '' : '--data', images === undefined ? '' : '--images', truth === undefined ? '' : option];
  throw new InputError(
    `evaluate: expected --images and ${option}, or --data alone, got ${given.filter((name) => name !== '').join(' and ') || 'neither'}.` +
      ` Give --data for a folder in Tiny ImageNet's layout, the other two for any images.`,
  );
}

/**
 * The annotations of a .csv file or of a .txt file of Tiny ImageNet, in its order; or of a folder of ILSVRC's .xml files, or else of Tiny
 * ImageNet's `<wnid>_boxes.txt` (subfolders too), in the order of their paths.
 * @throws InputError, FormatError naming file and line
 */
export async function readTruth(source: string, { option, labels, boxes, limit }: TruthOptions): Promise<Annotation[]> {
  const classes = classesOf(labels);
  const info = await stat(source).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(
      `${option}: expected a .csv or .txt file or a folder of .xml files, got "${source}" (${error.code}). Check the path.`,
    );
  });
  const read = async (file: string): Promise<string> => new TextDecoder().decode(await readBytes(file, option));
  const tiny = async (file: string): Promise<Annotation[]> =>
    parseTiny(await read(file), { file, classes, wnid: wnidOfBoxes(path.basename(file)) });
  if (!info.isDirectory()) {
    if (path.extname(source).toLowerCase() === '.txt') return (await tiny(source)).slice(0, limit);
    return parseCsv(await read(source), { file: source, classes, labels, boxes }).slice(0, limit);
  }
  const inside = (await readdir(source, { recursive: true })).sort();
  const files = inside.filter((file) => path.extname(file).toLowerCase() === '.xml');
  const annotations: Annotation[] = [];
  if (files.length === 0) {
    for (const file of inside) {
      if (annotations.length >= limit) break;
      if (wnidOfBoxes(path.basename(file)) !== undefined) annotations.push(...(await tiny(path.join(source, file))));
    }
    if (annotations.length > 0) return annotations.slice(0, limit);
    throw new InputError(`${option}: expected .xml files in the folder "${source}", got none, nor any <wnid>_boxes.txt. Check the path.`);
  }
  for (const file of files.slice(0, limit)) {
    const whole = path.join(source, file);
    annotations.push(parseIlsvrc(await read(whole), whole, path.basename(file, path.extname(file)), classes));
  }
  return annotations;
}

const PICTURES = new Set(['.jpeg', '.jpg', '.png', '.webp', '.gif', '.tif', '.tiff']);

/**
 * The annotated images with their files under a folder, subfolders included: found by path, or by name, or by name without extension.
 * @throws InputError naming the image that is not there, or is there twice
 */
export async function findImages(folder: string, annotations: readonly Annotation[]): Promise<Item[]> {
  const files = await readdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`--images: expected a folder, got "${folder}" (${error.code}). Check the path.`);
  });
  const found = new Map<string, string[]>();
  const add = (name: string, file: string): void => {
    const before = found.get(name);
    if (before === undefined) found.set(name, [file]);
    else if (!before.includes(file)) before.push(file);
  };
  for (const file of files) {
    const extension = path.extname(file);
    if (!PICTURES.has(extension.toLowerCase())) continue;
    // A name with its folder is exact; without, it may be ambiguous.
    add(`./${file.split(path.sep).join('/')}`, file);
    add(path.basename(file), file);
    add(path.basename(file, extension), file);
  }
  return annotations.map((annotation, index) => {
    const matches = found.get(`./${path.posix.normalize(annotation.image)}`) ?? found.get(annotation.image) ?? [];
    const [file, other] = matches;
    if (file === undefined)
      throw new InputError(`--images: expected the image "${annotation.image}" in "${folder}", got no such file. Check the folder.`);
    if (other !== undefined) {
      throw new InputError(
        `--images: expected one image "${annotation.image}" in "${folder}", got "${file}" and "${other}". Give its path there.`,
      );
    }
    const load: Item['load'] = async () => {
      const bytes = await readBytes(path.join(folder, file), '--images');
      try {
        return await decodeImage(bytes);
      } catch (error) {
        if (error instanceof FormatError) throw new FormatError(`"${path.join(folder, file)}": ${error.message}`);
        throw error;
      }
    };
    return { index, annotation, load };
  });
}
