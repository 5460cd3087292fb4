/** The images of a set and what is true of them, from a table or a folder of ILSVRC annotations, each with its file. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { FormatError, InputError } from '../errors.ts';
import { classesOf, type Annotation } from '../evaluate/annotation.ts';
import { parseCsv } from '../evaluate/csv.ts';
import { parseIlsvrc } from '../evaluate/ilsvrc.ts';
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

/**
 * The annotations of a .csv file, in its order, or of a folder of ILSVRC's .xml files (subfolders too), in the order of their paths.
 * @throws InputError, FormatError naming file and line
 */
export async function readTruth(source: string, { option, labels, boxes, limit }: TruthOptions): Promise<Annotation[]> {
  const classes = classesOf(labels);
  const info = await stat(source).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`${option}: expected a .csv file or a folder of .xml files, got "${source}" (${error.code}). Check the path.`);
  });
  if (!info.isDirectory()) {
    const text = new TextDecoder().decode(await readBytes(source, option));
    return parseCsv(text, { file: source, classes, labels, boxes }).slice(0, limit);
  }
  const files = (await readdir(source, { recursive: true })).filter((file) => path.extname(file).toLowerCase() === '.xml').sort();
  if (files.length === 0) throw new InputError(`${option}: expected .xml files in the folder "${source}", got none. Check the path.`);
  const annotations: Annotation[] = [];
  for (const file of files.slice(0, limit)) {
    const whole = path.join(source, file);
    const text = new TextDecoder().decode(await readBytes(whole, option));
    annotations.push(parseIlsvrc(text, whole, path.basename(file, path.extname(file)), classes));
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
