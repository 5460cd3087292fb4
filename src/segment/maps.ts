/** Maps [H, W] of a picture: at other extents, and as ranks. In f64, in a fixed order. */
import { taps, type Taps } from '../image/resize.ts';

/** Resampled as pictures are (see resize.ts): bilinear, averaging where it shrinks. The same values if the extents are the same. */
export function resampleMap(map: ArrayLike<number>, from: readonly [number, number], to: readonly [number, number]): Float64Array {
  const [height, width] = from;
  const [rows, columns] = to;
  const source = Float64Array.from(map);
  if (height === rows && width === columns) return source;
  const across = alongRows(source, width, taps({ from: width, to: columns, start: 0, length: columns }));
  return alongColumns(across, columns, taps({ from: height, to: rows, start: 0, length: rows }));
}

/** Each row of a map of the given width under the taps: [rows, taps]. */
function alongRows(map: Float64Array, width: number, { first, at, values }: Taps): Float64Array {
  const rows = map.length / width;
  const length = first.length;
  const out = new Float64Array(rows * length);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < length; o++) {
      let sum = 0;
      for (let k = at[o], i = r * width + first[o]; k < at[o + 1]; k++, i++) sum += values[k] * map[i];
      out[r * length + o] = sum;
    }
  }
  return out;
}

/** Each column of a map of the given width under the taps: [taps, width]. */
function alongColumns(map: Float64Array, width: number, { first, at, values }: Taps): Float64Array {
  const out = new Float64Array(first.length * width);
  for (let o = 0; o < first.length; o++) {
    for (let k = at[o], i = first[o] * width; k < at[o + 1]; k++) {
      for (let c = 0; c < width; c++, i++) out[o * width + c] += values[k] * map[i];
    }
  }
  return out;
}

/** Each value's rank as a share of all, (number below + half the number equal) / n: in (0, 1), equal values alike, their mean 1/2. */
export function ranks(map: Float64Array): Float64Array {
  const ascending = map.slice().sort();
  const n = map.length;
  const rankOf = new Map<number, number>();
  for (let begin = 0; begin < n; ) {
    let end = begin + 1;
    while (end < n && ascending[end] === ascending[begin]) end++;
    rankOf.set(ascending[begin], (begin + end) / (2 * n));
    begin = end;
  }
  return map.map((value) => rankOf.get(value)!);
}

/** No pixel's saliency speaks louder than this, in nats: a factor of twenty. */
const LOUDEST = 3;

/**
 * log(M / level) of each value, at most 3 either way, with level = centre * sqrt(mean M * q99 M), mean and 99 % quantile over the values
 * above zero. A map that is zero everywhere says nothing: all 0.
 */
export function levelRatios(map: Float64Array, centre: number): Float64Array {
  const seen = map.filter((m) => m > 0).sort();
  if (seen.length === 0) return new Float64Array(map.length);
  const mean = seen.reduce((a, b) => a + b, 0) / seen.length;
  const level = centre * Math.sqrt(mean * seen[Math.floor(0.99 * (seen.length - 1))]);
  return map.map((m) => Math.max(-LOUDEST, Math.min(LOUDEST, Math.log(m / level))));
}
