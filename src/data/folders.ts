/**
 * A folder per class: CLASS/*.png, or train/CLASS/*.png and val/CLASS/*.png. Tiny ImageNet's layout is this one with three text files:
 * wnids.txt lists the classes, words.txt names them, and val/val_annotations.txt says which class an image of val/images has. Each of them
 * may be missing. Images may lie deeper in their class's folder, as in train/WNID/images; those that lie in no class's folder are left out.
 */
import { FormatError, InputError } from '../errors.ts';
import { decodeImage } from '../image/decode.ts';
import type { Picture } from '../image/picture.ts';
import { byCodeUnit, linesOf, readTexts, type Layout, type Part, type Piece } from './layout.ts';
import { isImage, type Listing, type Source, type SourceFile } from './files.ts';

const ANNOTATIONS = 'val/val_annotations.txt';
const TEXTS = ['wnids.txt', 'words.txt', ANNOTATIONS];

interface Labelled {
  readonly name: string;
  readonly class: string;
}

/**
 * Images by class folder, ordered by their names; null if the source holds no images in folders.
 * Classes are those of wnids.txt in its order, and images of others are left out; without it the class folders, ordered by name.
 * @throws FormatError if a text file says what does not fit the images; InputError if a class has no training image, or there is one class
 */
export async function folderLayout(source: Source): Promise<Layout | null> {
  const listing = await source.list();
  const root = findRoot(listing);
  const inside = [...listing.files.keys()].filter((name) => name.startsWith(root)).map((name) => name.slice(root.length));
  const images = inside.filter(isImage).sort(byCodeUnit);
  const divided = images.some((name) => /^train\/[^/]+\//.test(name));
  const train = byFolder(images, divided ? 'train/' : '');
  if (train.length === 0) return null;

  const texts = await readTexts(
    source,
    TEXTS.map((name) => root + name),
  );
  const text = (name: string): string | undefined => texts.get(root + name);
  const wnids = text('wnids.txt');
  const keys = wnids === undefined ? [...new Set(train.map((image) => image.class))].sort(byCodeUnit) : parseWnids(wnids);
  checkClasses(keys, train);
  if (wnids === undefined) checkFolders(listing, root + (divided ? 'train/' : ''), keys);
  const annotations = text(ANNOTATIONS);
  const val = !divided ? [] : annotations === undefined ? byFolder(images, 'val/') : annotated(images, annotations);
  const known = new Set(keys);
  const stranger = val.find((image) => !known.has(image.class));
  if (stranger && wnids === undefined) {
    throw new InputError(
      `dataset: expected val/ to hold classes of train/, got "${stranger.class}" (${stranger.name}). Rename or remove its folder, or add ` +
        `${ANNOTATIONS} that says the classes of val/images.`,
    );
  }

  const index = new Map(keys.map((key, i) => [key, i]));
  const part = (all: readonly Labelled[]): Part => {
    const kept = all.filter((image) => known.has(image.class));
    return { names: kept.map((image) => image.name), labels: Int32Array.from(kept, (image) => index.get(image.class)!) };
  };
  const parts = [part(train), part(val)];
  const slots = new Map(parts.flatMap(({ names }) => names).map((name, slot) => [root + name, slot]));

  async function* pieces(): AsyncGenerator<Piece> {
    for await (const file of source.read(new Set(slots.keys()))) {
      const name = file.name.slice(root.length);
      yield { slot: slots.get(file.name)!, name, picture: () => decode(file, name) };
    }
  }
  const words = parseWords(text('words.txt') ?? '');
  const classes = keys.map((key) => (words.has(key) ? `${key} ${words.get(key)}` : key));
  return { classes, train: parts[0], val: parts[1].names.length > 0 ? parts[1] : null, pieces };
}

/**
 * Where the data set begins: at the source's root, or in its only folder with images if these lie in folders in turn.
 * Archives mostly hold one folder that holds the rest.
 */
function findRoot({ files }: Listing): string {
  const all = [...files.keys()];
  const tops = new Set(all.filter((name) => isImage(name) && name.includes('/')).map((name) => name.slice(0, name.indexOf('/'))));
  if (tops.size !== 1 || all.some((name) => TEXTS.includes(name))) return '';
  const [top] = tops;
  const images = all.filter((name) => isImage(name) && name.startsWith(`${top}/`));
  const deep = images.every((name) => name.split('/').length >= 3);
  return top !== 'train' && deep ? `${top}/` : '';
}

/** Images below `prefix` in a folder of their class, or in folders of that. */
function byFolder(images: readonly string[], prefix: string): Labelled[] {
  return images
    .filter((name) => name.startsWith(prefix) && name.indexOf('/', prefix.length) > 0)
    .map((name) => ({ name, class: name.slice(prefix.length, name.indexOf('/', prefix.length)) }));
}

function parseWnids(text: string): string[] {
  const wnids = linesOf(text).map(({ line }) => line.trim());
  const twice = wnids.find((wnid, i) => wnids.indexOf(wnid) !== i);
  if (twice !== undefined) throw new FormatError(`wnids.txt: expected each class once, got "${twice}" twice. Remove one of the lines.`);
  return wnids;
}

/** Lines "WNID<tab>words". */
function parseWords(text: string): Map<string, string> {
  const words = new Map<string, string>();
  for (const { line } of linesOf(text)) {
    const [wnid, ...rest] = line.split('\t');
    if (rest.join(' ').trim() !== '') words.set(wnid.trim(), rest.join(' ').trim());
  }
  return words;
}

function checkClasses(keys: readonly string[], train: readonly Labelled[]): void {
  const filled = new Set(train.map((image) => image.class));
  const empty = keys.find((key) => !filled.has(key));
  if (empty !== undefined) {
    throw new InputError(
      `dataset: expected training images of every class of wnids.txt, got none of "${empty}". Add them, or remove its line.`,
    );
  }
  if (keys.length < 2) {
    const got = keys.length === 0 ? 'none' : `"${keys[0]}" alone`;
    throw new InputError(`dataset: expected at least two classes, got ${got}. Give the folder that holds one folder for each class.`);
  }
}

/** A class folder without images is a mistake: the class would be missing from the network without a word. */
function checkFolders({ folders }: Listing, prefix: string, keys: readonly string[]): void {
  const inside = (name: string): boolean => name.startsWith(prefix) && name.length > prefix.length && !name.includes('/', prefix.length);
  const empty = folders.find((name) => inside(name) && !keys.includes(name.slice(prefix.length)));
  if (empty === undefined) return;
  throw new InputError(`dataset: expected images in every class folder, got none in "${empty}". Add images, or remove the folder.`);
}

/** Lines "FILE<tab>WNID<tab>x0<tab>y0<tab>x1<tab>y1" for the images of val/images; the boxes are not read here. */
function annotated(images: readonly string[], text: string): Labelled[] {
  const classes = new Map<string, string>();
  const present = new Set(images);
  for (const { line, number } of linesOf(text)) {
    const [file, wnid] = line.split('\t').map((field) => field.trim());
    const name = `val/images/${file}`;
    if (!file || !wnid) {
      throw new FormatError(
        `val_annotations.txt: expected a file and a class with a tab between them, got "${line}" in line ${number}. Mend it.`,
      );
    }
    if (classes.has(name)) {
      throw new FormatError(`val_annotations.txt: expected one line for each image, got ${file} again in line ${number}. Remove it.`);
    }
    if (!present.has(name)) {
      throw new FormatError(`val_annotations.txt: expected ${name} as line ${number} says, got no such image. Copy the data set again.`);
    }
    classes.set(name, wnid);
  }
  const val = images.filter((name) => name.startsWith('val/images/'));
  const without = val.find((name) => !classes.has(name));
  if (without !== undefined) {
    throw new FormatError(`val_annotations.txt: expected a line for each image, got none for ${without}. Copy the data set again.`);
  }
  return val.map((name) => ({ name, class: classes.get(name)! }));
}

async function decode(file: SourceFile, name: string): Promise<Picture> {
  const bytes = await file.bytes();
  try {
    return await decodeImage(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(`dataset: ${name}: ${error.message}`);
  }
}
