/**
 * Maps on a network's input, laid back onto the photo that the input was taken from.
 *
 * Photo pixel p, centred at p + 1/2, looks at the input at u = (p + 1/2 - offset) / scale, one axis at a time, and takes
 *   M[p] = sum_j t_pj m[j] / sum_j t_pj,   t_pj = max(0, 1 - |j + 1/2 - u| / support),   support = max(1, 1 / scale)
 * over the input pixels j that were seen: bilinear interpolation where the photo is finer than the input, an average where it is coarser.
 * Values are interpolated, not shared out: a map that is constant stays so. M is 0 where the photo's pixel does not touch the input, or its
 * centre lies on an input pixel that was not seen.
 */
import { InputError } from '../errors.ts';
import { formatShape, size, type Tensor } from '../tensor.ts';
import type { AxisMap, PictureToInput } from './preprocess.ts';

/** How often each pixel of a map was seen, [H, W] in row-major order; 0 where the map says nothing. */
export type Counts = Uint8Array;

/**
 * A map [H, W] on the input as a map [h, w] on the photo, in the map's unit; 0 where the input did not look.
 * @param counts which pixels of the map were seen; all of them unless given
 * @throws InputError if the map's extents are not those of the geometry's input
 */
export function toPhoto(map: Tensor, geometry: PictureToInput, counts: Counts | null = null): Tensor {
  const [height, width] = geometry.picture;
  const data = new Float32Array(height * width);
  let at = 0;
  for (const row of photoRows(map, geometry, counts)) {
    data.set(row, at);
    at += width;
  }
  return { shape: [height, width], data };
}

/**
 * The rows of {@link toPhoto} one after another, each [w], for photos whose map would fill the memory. A row is valid until the next is
 * asked for.
 * @throws InputError as {@link toPhoto}
 */
export function* photoRows(map: Tensor, geometry: PictureToInput, counts: Counts | null = null): Generator<Float32Array> {
  const [rows, columns] = geometry.input;
  if (map.shape.length !== 2 || map.shape[0] !== rows || map.shape[1] !== columns || (counts && counts.length !== size(map.shape))) {
    throw new InputError(`project: expected a map of the input's ${rows}x${columns} pixels, got ${formatShape(map.shape)}.`);
  }
  const [height, width] = geometry.picture;
  const x = lookAt(geometry.x, width, columns);
  const y = lookAt(geometry.y, height, rows);
  const row = new Float32Array(width);
  // Input rows resampled to the photo's columns: the weighted sum, and the weights that were seen.
  const sums = new Map<number, Float64Array>();
  const seen = new Map<number, Float64Array>();
  const value = new Float64Array(width);
  const weight = new Float64Array(width);
  for (let p = 0; p < height; p++) {
    row.fill(0);
    if (y.own[p] >= 0) {
      value.fill(0);
      weight.fill(0);
      for (const old of sums.keys()) if (old < y.first[p]) sums.delete(old) && seen.delete(old);
      for (let k = y.at[p], j = y.first[p]; k < y.at[p + 1]; k++, j++) {
        if (!sums.has(j)) {
          const line = alongRow(map.data, counts, j * columns, x, width);
          sums.set(j, line.sums);
          seen.set(j, line.seen);
        }
        const t = y.values[k];
        const [s, n] = [sums.get(j)!, seen.get(j)!];
        for (let q = 0; q < width; q++) {
          value[q] += t * s[q];
          weight[q] += t * n[q];
        }
      }
      const line = y.own[p] * columns;
      for (let q = 0; q < width; q++) if (x.own[q] >= 0 && (counts === null || counts[line + x.own[q]] > 0)) row[q] = value[q] / weight[q];
    }
    yield row;
  }
}

/** The share of the photo's pixels, 0 to 1, that {@link toPhoto} gives a value to. */
export function seenShare(geometry: PictureToInput, counts: Counts | null = null): number {
  const [height, width] = geometry.picture;
  const [rows, columns] = geometry.input;
  const [x, y] = [lookAt(geometry.x, width, columns), lookAt(geometry.y, height, rows)];
  // How many photo pixels look at each input row and column.
  const [byRow, byColumn] = [new Float64Array(rows), new Float64Array(columns)];
  for (const j of y.own) if (j >= 0) byRow[j]++;
  for (const j of x.own) if (j >= 0) byColumn[j]++;
  let total = 0;
  for (let j = 0; j < rows; j++)
    for (let i = 0; i < columns; i++) if (!counts || counts[j * columns + i] > 0) total += byRow[j] * byColumn[i];
  return total / (height * width);
}

/** The same input looked at from a copy of the photo with other extents [h, w]: for thumbnails. */
export function onCopy(geometry: PictureToInput, [height, width]: readonly [number, number]): PictureToInput {
  const scaled = (map: AxisMap, factor: number): AxisMap => ({ scale: map.scale * factor, offset: map.offset * factor });
  const [h, w] = geometry.picture;
  return { ...geometry, x: scaled(geometry.x, width / w), y: scaled(geometry.y, height / h), picture: [height, width] };
}

/**
 * For each photo pixel of one axis: the input pixel under its centre, or the nearest that it touches (-1: none); and the input pixels it
 * takes from, with weights.
 */
interface Looks {
  readonly own: Int32Array;
  readonly first: Int32Array;
  readonly at: Int32Array;
  readonly values: Float64Array;
}

function lookAt({ scale, offset }: AxisMap, photo: number, input: number): Looks {
  const support = Math.max(1, 1 / scale);
  const own = new Int32Array(photo).fill(-1);
  const first = new Int32Array(photo);
  const at = new Int32Array(photo + 1);
  const values: number[] = [];
  for (let p = 0; p < photo; p++) {
    const u = (p + 0.5 - offset) / scale;
    // A pixel that is touched by less than this is so by rounding.
    if ((p + 1 - offset) / scale > 1e-9 && (p - offset) / scale < input - 1e-9) {
      own[p] = Math.min(input - 1, Math.max(0, Math.floor(u)));
      let low = Math.max(0, Math.floor(u - support));
      const weight = (i: number): number => Math.max(0, 1 - Math.abs(i + 0.5 - u) / support);
      while (weight(low) === 0) low++;
      first[p] = low;
      for (let i = low; i < input && weight(i) > 0; i++) values.push(weight(i));
    }
    at[p + 1] = values.length;
  }
  return { own, first, at, values: Float64Array.from(values) };
}

function alongRow(
  map: Float32Array,
  counts: Counts | null,
  line: number,
  { first, at, values }: Looks,
  width: number,
): { readonly sums: Float64Array; readonly seen: Float64Array } {
  const [sums, seen] = [new Float64Array(width), new Float64Array(width)];
  for (let q = 0; q < width; q++) {
    for (let k = at[q], i = line + first[q]; k < at[q + 1]; k++, i++) {
      if (counts !== null && counts[i] === 0) continue;
      sums[q] += values[k] * map[i];
      seen[q] += values[k];
    }
  }
  return { sums, seen };
}
