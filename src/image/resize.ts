/**
 * Resampling of pictures: bilinear, antialiased, in f64.
 * It is written here because the numbers of an input must be the same on every machine: a library's resampling varies with its version,
 * with the vector instructions of the processor and with the file's format (shrinking while decoding). Here only +, -, *, / are used, in a
 * fixed order.
 *
 * One axis at a time: resized pixel o lies over the source at centre = (o + 1/2) * from / to, and
 *   y[o] = sum_j w_oj x[j] / sum_j w_oj,  w_oj = max(0, 1 - |j + 1/2 - centre| / support),  support = max(1, from / to).
 * When enlarging this is bilinear interpolation; when shrinking the triangle grows with the factor, so that every source pixel counts.
 * Taps outside the picture are left out and the rest are normalised. With from = to it is the identity, bit for bit.
 */
import type { Picture } from './picture.ts';

/** One axis of a resampling: `from` source pixels become `to`, of which `length` are wanted, from `start` on. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly length: number;
}

/** For each wanted pixel: its first source pixel, and where its weights lie. */
export interface Taps {
  readonly first: Int32Array;
  /** `weights` of pixel o are `values[at[o]]` up to `values[at[o + 1]]`, exclusive; they sum to 1. */
  readonly at: Int32Array;
  readonly values: Float64Array;
}

/** The weights of one axis; the equation stands in the header of this file. */
export function taps({ from, to, start, length }: Span): Taps {
  const factor = from / to;
  const support = Math.max(1, factor);
  const first = new Int32Array(length);
  const at = new Int32Array(length + 1);
  const values: number[] = [];
  for (let o = 0; o < length; o++) {
    // One division of exact integers: a pixel's centre is rounded once.
    const centre = ((2 * (start + o) + 1) * from) / (2 * to);
    let low = Math.max(0, Math.floor(centre - support));
    let high = Math.min(from, Math.ceil(centre + support));
    const weight = (j: number): number => Math.max(0, 1 - Math.abs(j + 0.5 - centre) / support);
    while (weight(low) === 0) low += 1;
    while (weight(high - 1) === 0) high -= 1;
    let sum = 0;
    for (let j = low; j < high; j++) sum += weight(j);
    for (let j = low; j < high; j++) values.push(weight(j) / sum);
    first[o] = low;
    at[o + 1] = values.length;
  }
  return { first, at, values: Float64Array.from(values) };
}

/**
 * A window of the resized picture, [y.length, x.length, 3] in HWC order, values 0..255 and not rounded to bytes.
 * The rest of the resized picture is never computed.
 */
export function resize(picture: Picture, x: Span, y: Span): Float64Array {
  const horizontal = taps(x);
  const vertical = taps(y);
  const top = vertical.first[0];
  const bottom = vertical.first[y.length - 1] + vertical.at[y.length] - vertical.at[y.length - 1];
  const row = 3 * x.length;
  const rows = horizontalPass(picture, horizontal, x.length, top, bottom);
  const out = new Float64Array(row * y.length);
  for (let o = 0; o < y.length; o++) {
    const base = o * row;
    for (let k = vertical.at[o], source = (vertical.first[o] - top) * row; k < vertical.at[o + 1]; k++, source += row) {
      const weight = vertical.values[k];
      for (let i = 0; i < row; i++) out[base + i] += weight * rows[source + i];
    }
  }
  return out;
}

/** Source rows `top` to `bottom` (exclusive), each resampled to `length` pixels. */
function horizontalPass({ width, data }: Picture, { first, at, values }: Taps, length: number, top: number, bottom: number): Float64Array {
  const rows = new Float64Array((bottom - top) * length * 3);
  let to = 0;
  for (let r = top; r < bottom; r++) {
    const line = r * width;
    for (let o = 0; o < length; o++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      const end = at[o + 1];
      for (let k = at[o], source = 3 * (line + first[o]); k < end; k++, source += 3) {
        const weight = values[k];
        red += weight * data[source];
        green += weight * data[source + 1];
        blue += weight * data[source + 2];
      }
      rows[to++] = red;
      rows[to++] = green;
      rows[to++] = blue;
    }
  }
  return rows;
}
