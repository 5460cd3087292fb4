/**
 * Annotations of Tiny ImageNet: lines of tab-separated text, one image with its one box to a line. `val_annotations.txt` has
 * `file, wnid, x0, y0, x1, y1`; a class's `<wnid>_boxes.txt` the same without the wnid.
 *
 * The corners are taken as the first and the last pixel inside, so that a box covers x1 - x0 + 1 columns. The data set does not say what it
 * means; its numbers do. Of the 27,500 boxes of 50 classes every corner lies in 0..63 and none at 64, though 48 % end at column 63 (42 %
 * begin at 0), and 5 % are 0,0 to 63,63: 63 is the last pixel, not the edge. And 44 boxes begin and end in the same column or row: a pixel
 * here, nothing between edges. It matters: with edges, the error of the whole image on the 2,500 validation images would be 44.1 % in place
 * of 42.0 %, and that of its middle 70 % 35.2 % in place of 43.7 %, because 0.7 * 0.7 * 64 * 64 is just over half of 63 * 63 and just under
 * half of 64 * 64.
 * @see https://www.kaggle.com/c/tiny-imagenet; Le & Yang 2015, Tiny ImageNet Visual Recognition Challenge
 */
import { FormatError } from '../errors.ts';
import { annotatedBox, type Annotation, type Classes } from './annotation.ts';

/** Height and width of every picture of the set, on which the boxes are stated. */
const EXTENT: readonly [number, number] = [64, 64];

export interface TinyOptions {
  /** Name of the file, for messages. */
  readonly file: string;
  /** Finds classes by WordNet id. */
  readonly classes: Classes;
  /** The class of all lines, where these do not name one: `<wnid>_boxes.txt`. */
  readonly wnid?: string;
}

/** The class whose boxes a file named `<wnid>_boxes.txt` holds; undefined for other names. */
export function wnidOfBoxes(name: string): string | undefined {
  return /^(n\d{8})_boxes\.txt$/.exec(name)?.[1];
}

/**
 * The images of a file in its order, each with its class and box.
 * @throws FormatError naming file, line and values
 */
export function parseTiny(text: string, { file, classes, wnid }: TinyOptions): Annotation[] {
  const columns = ['file', ...(wnid === undefined ? ['wnid'] : []), 'x0', 'y0', 'x1', 'y1'];
  const seen = new Map<string, number>();
  const annotations: Annotation[] = [];
  text.split(/\r\n?|\n/).forEach((line, k) => {
    if (line === '') return;
    const where = `${file}:${k + 1}`;
    const cells = line.split('\t');
    if (cells.length !== columns.length || cells[0] === '') {
      throw new FormatError(
        `${where}: expected ${columns.join(', ')} between tabs, got ${JSON.stringify(line.slice(0, 80))}. Give a file of Tiny ImageNet.`,
      );
    }
    const [image] = cells;
    const before = seen.get(image);
    if (before !== undefined)
      throw new FormatError(`${where}: expected each image once, got "${image}" again after line ${before}. Drop one of the lines.`);
    seen.set(image, k + 1);
    const [x0, y0, x1, y1] = cells.slice(-4).map((cell, n) => pixel(cell, columns[columns.length - 4 + n], where));
    const box = annotatedBox({ x0, y0, x1: x1 + 1, y1: y1 + 1 }, EXTENT, where);
    annotations.push({ image, class: classes(wnid ?? cells[1], where), extent: EXTENT, boxes: [box] });
  });
  if (annotations.length === 0) throw new FormatError(`${file}: expected at least one image, got none. Copy the file again.`);
  return annotations;
}

function pixel(cell: string, name: string, where: string): number {
  const value = /^\d{1,3}$/.test(cell) ? Number(cell) : NaN;
  if (!(value < EXTENT[0])) {
    throw new FormatError(`${where}: expected a pixel from 0 to ${EXTENT[0] - 1} in ${name}, got "${cell.slice(0, 20)}". Mend the line.`);
  }
  return value;
}
