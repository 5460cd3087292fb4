/** The images that training sees: pixels by index, parts of a set, and their mean. */
import { InputError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

/** Images with a class each; what a split of a data set is. */
export interface ImageSource {
  readonly count: number;
  /** Index of each image's class. */
  readonly labels: ArrayLike<number>;
  /** Writes one image's pixels, height x width x 3 bytes, RGB. */
  read(index: number, into: Uint8Array): void;
  /** Where the same bytes lie in a file, if they do: what lets other threads read them. */
  readonly stored?: Stored;
}

/** Images in a file, each in one piece. */
export interface Stored {
  readonly file: string;
  /** Where an image begins, in bytes from the file's beginning. */
  position(index: number): number;
}

/** The images at these places of a source, with labels of their own. */
function chosen(source: ImageSource, indices: readonly number[], labels: Int32Array): ImageSource {
  const { stored } = source;
  return {
    count: indices.length,
    labels,
    read: (i, into) => source.read(indices[i], into),
    ...(stored && { stored: { file: stored.file, position: (i: number) => stored.position(indices[i]) } }),
  };
}

/** The images of some classes, in the order of the source, with their classes numbered by their place in `classes`. */
export function ofClasses(source: ImageSource, classes: readonly number[]): ImageSource {
  const place = new Map(classes.map((k, i) => [k, i]));
  const indices: number[] = [];
  for (let i = 0; i < source.count; i++) if (place.has(source.labels[i])) indices.push(i);
  return chosen(
    source,
    indices,
    Int32Array.from(indices, (i) => place.get(source.labels[i])!),
  );
}

/** At most the first `most` images, of each class as many as of any other where the source has them. */
export function firstImages(source: ImageSource, most: number): ImageSource {
  if (source.count <= most) return source;
  const classes = new Set(Array.from({ length: source.count }, (_, i) => source.labels[i])).size;
  const indices: number[] = [];
  for (let perClass = 1; indices.length < most; perClass++) {
    const seen = new Map<number, number>();
    indices.length = 0;
    for (let i = 0; i < source.count && indices.length < most; i++) {
      const had = seen.get(source.labels[i]) ?? 0;
      if (had >= perClass) continue;
      seen.set(source.labels[i], had + 1);
      indices.push(i);
    }
    if (perClass * classes >= source.count) break;
  }
  return chosen(
    source,
    indices,
    Int32Array.from(indices, (i) => source.labels[i]),
  );
}

/**
 * The mean of all images, [3, height, width], RGB, pixels 0 to 255.
 * @throws InputError if there are none
 */
export function meanImage(source: ImageSource, height: number, width: number): Tensor {
  if (source.count === 0) throw new InputError('mean image: expected at least one image, got none.');
  const plane = height * width;
  const sums = new Float64Array(3 * plane);
  const pixels = new Uint8Array(3 * plane);
  for (let i = 0; i < source.count; i++) {
    source.read(i, pixels);
    for (let at = 0; at < sums.length; at++) sums[at] += pixels[at];
  }
  const data = new Float32Array(3 * plane);
  for (let c = 0; c < 3; c++) for (let p = 0; p < plane; p++) data[c * plane + p] = sums[3 * p + c] / source.count;
  return { shape: [3, height, width], data };
}
