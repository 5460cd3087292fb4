/**
 * Sums of shifted rows, the two loops in which nearly all of the reference's time goes:
 *
 *     tapSum   out[m, i]  = sum over taps t of weight[m, t] * rows[offset[t] + i]       (convolution, its input adjoint)
 *     tapDot   dw[m, t]  += sum over r, c of dy[m, r, c] * rows[offset[t] + r*pitch + c] (its weight adjoint)
 *
 * Two rows of m and four taps are done at once, so that eight products cost six loads instead of sixteen. Typed arrays and integers only.
 */

/** Columns of `out` worked on at a time: two rows of sums and four of input fit the first-level cache. */
const TILE = 1024;

/**
 * `out[m*outPitch + i] = sum_t weight[m*taps + t] * rows[offset[t] + i]` for m < `count`, i < `length`.
 */
export function tapSum(
  weight: Float64Array,
  count: number,
  taps: number,
  rows: Float64Array,
  offset: Int32Array,
  out: Float64Array,
  outPitch: number,
  length: number,
): void {
  out.fill(0);
  for (let from = 0; from < length; from += TILE) {
    const n = Math.min(TILE, length - from);
    for (let m = 0; m < count; m += 2) {
      const pair = m + 1 < count;
      const a = m * outPitch + from;
      const w = m * taps;
      let t = 0;
      for (; t + 4 <= taps; t += 4) {
        if (pair) sum2x4(weight, w + t, w + t + taps, rows, offset, t, from, out, a, a + outPitch, n);
        else sum1x4(weight, w + t, rows, offset, t, from, out, a, n);
      }
      for (; t < taps; t++) {
        sum1x1(weight[w + t], rows, offset[t] + from, out, a, n);
        if (pair) sum1x1(weight[w + t + taps], rows, offset[t] + from, out, a + outPitch, n);
      }
    }
  }
}

function sum2x4(
  weight: Float64Array,
  v: number,
  w: number,
  rows: Float64Array,
  offset: Int32Array,
  t: number,
  from: number,
  out: Float64Array,
  a: number,
  b: number,
  n: number,
): void {
  const v0 = weight[v];
  const v1 = weight[v + 1];
  const v2 = weight[v + 2];
  const v3 = weight[v + 3];
  const w0 = weight[w];
  const w1 = weight[w + 1];
  const w2 = weight[w + 2];
  const w3 = weight[w + 3];
  const o0 = (offset[t] + from) | 0;
  const o1 = (offset[t + 1] + from) | 0;
  const o2 = (offset[t + 2] + from) | 0;
  const o3 = (offset[t + 3] + from) | 0;
  for (let i = 0; i < n; i++) {
    const x0 = rows[(o0 + i) | 0];
    const x1 = rows[(o1 + i) | 0];
    const x2 = rows[(o2 + i) | 0];
    const x3 = rows[(o3 + i) | 0];
    const p = (a + i) | 0;
    const q = (b + i) | 0;
    out[p] += v0 * x0 + v1 * x1 + (v2 * x2 + v3 * x3);
    out[q] += w0 * x0 + w1 * x1 + (w2 * x2 + w3 * x3);
  }
}

function sum1x4(
  weight: Float64Array,
  w: number,
  rows: Float64Array,
  offset: Int32Array,
  t: number,
  from: number,
  out: Float64Array,
  a: number,
  n: number,
): void {
  const w0 = weight[w];
  const w1 = weight[w + 1];
  const w2 = weight[w + 2];
  const w3 = weight[w + 3];
  const o0 = (offset[t] + from) | 0;
  const o1 = (offset[t + 1] + from) | 0;
  const o2 = (offset[t + 2] + from) | 0;
  const o3 = (offset[t + 3] + from) | 0;
  for (let i = 0; i < n; i++) {
    out[(a + i) | 0] += w0 * rows[(o0 + i) | 0] + w1 * rows[(o1 + i) | 0] + (w2 * rows[(o2 + i) | 0] + w3 * rows[(o3 + i) | 0]);
  }
}

function sum1x1(w: number, rows: Float64Array, o: number, out: Float64Array, a: number, n: number): void {
  for (let i = 0; i < n; i++) out[(a + i) | 0] += w * rows[(o + i) | 0];
}

/**
 * `dw[m*taps + t] += sum_{r < height, c < width} dy[m*height*width + r*width + c] * rows[offset[t] + r*pitch + c]` for m < `count`.
 */
export function tapDot(
  dy: Float64Array,
  count: number,
  height: number,
  width: number,
  rows: Float64Array,
  offset: Int32Array,
  taps: number,
  pitch: number,
  dw: Float64Array,
): void {
  const plane = height * width;
  // Without padding columns the rows follow each other: one long row.
  const flat = pitch === width;
  const h = flat ? 1 : height;
  const w = flat ? plane : width;
  for (let m = 0; m < count; m += 2) {
    const pair = m + 1 < count;
    const a = m * plane;
    let t = 0;
    for (; t + 4 <= taps && pair; t += 4) dot2x4(dy, a, a + plane, h, w, rows, offset, t, pitch, dw, m * taps + t, (m + 1) * taps + t);
    for (; t < taps; t++) {
      dw[m * taps + t] += dot1x1(dy, a, h, w, rows, offset[t], pitch);
      if (pair) dw[(m + 1) * taps + t] += dot1x1(dy, a + plane, h, w, rows, offset[t], pitch);
    }
  }
}

function dot2x4(
  dy: Float64Array,
  a: number,
  b: number,
  height: number,
  width: number,
  rows: Float64Array,
  offset: Int32Array,
  t: number,
  pitch: number,
  dw: Float64Array,
  p: number,
  q: number,
): void {
  let a0 = 0;
  let a1 = 0;
  let a2 = 0;
  let a3 = 0;
  let b0 = 0;
  let b1 = 0;
  let b2 = 0;
  let b3 = 0;
  for (let r = 0; r < height; r++) {
    const o0 = (offset[t] + r * pitch) | 0;
    const o1 = (offset[t + 1] + r * pitch) | 0;
    const o2 = (offset[t + 2] + r * pitch) | 0;
    const o3 = (offset[t + 3] + r * pitch) | 0;
    const da = (a + r * width) | 0;
    const db = (b + r * width) | 0;
    for (let c = 0; c < width; c++) {
      const u = dy[(da + c) | 0];
      const v = dy[(db + c) | 0];
      const x0 = rows[(o0 + c) | 0];
      const x1 = rows[(o1 + c) | 0];
      const x2 = rows[(o2 + c) | 0];
      const x3 = rows[(o3 + c) | 0];
      a0 += u * x0;
      a1 += u * x1;
      a2 += u * x2;
      a3 += u * x3;
      b0 += v * x0;
      b1 += v * x1;
      b2 += v * x2;
      b3 += v * x3;
    }
  }
  dw[p] += a0;
  dw[p + 1] += a1;
  dw[p + 2] += a2;
  dw[p + 3] += a3;
  dw[q] += b0;
  dw[q + 1] += b1;
  dw[q + 2] += b2;
  dw[q + 3] += b3;
}

function dot1x1(dy: Float64Array, a: number, height: number, width: number, rows: Float64Array, o: number, pitch: number): number {
  let sum = 0;
  for (let r = 0; r < height; r++) {
    const d = (a + r * width) | 0;
    const x = (o + r * pitch) | 0;
    for (let c = 0; c < width; c++) sum += dy[(d + c) | 0] * rows[(x + c) | 0];
  }
  return sum;
}
