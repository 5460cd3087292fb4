/** Small maps to pictures, on the page: stepping through them then asks nobody. Colours come from the worker, 256 of three bytes. */
import type { Picture } from '../../../image/picture.ts';

/** The smallest magnitude that `clip` per cent of those other than zero do not exceed; 0 where there are none. As the engine's `colourRange`. */
export function highOf(map: Float32Array, clip: number): number {
  const magnitudes = map.filter((v) => Number.isFinite(v) && v !== 0).map(Math.abs);
  if (magnitudes.length === 0) return 0;
  magnitudes.sort();
  return magnitudes[Math.max(0, Math.ceil((clip / 100) * magnitudes.length) - 1)];
}

/** Draws a map; what is NaN is left out. Signed: zero lies in the middle of the table. */
export function paint(
  map: Float32Array,
  [height, width]: readonly [number, number],
  high: number,
  table: Uint8Array,
  signed: boolean,
): Picture {
  const data = new Uint8Array(4 * width * height);
  map.forEach((v, i) => {
    if (Number.isNaN(v)) return;
    const t = high === 0 ? (signed ? 0.5 : 0) : signed ? (v + high) / (2 * high) : v / high;
    const k = 3 * Math.min(255, Math.max(0, Math.round(255 * t)));
    data.set(table.subarray(k, k + 3), 4 * i);
    data[4 * i + 3] = 255;
  });
  return { width, height, data };
}
