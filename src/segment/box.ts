/** Boxes on pictures: edges in pixels, half-open, so that pixel i covers [i, i + 1) and a box's width is x1 - x0. */
import { InputError } from '../errors.ts';

/** x to the right, y downwards, from the picture's upper left corner; x0 < x1 and y0 < y1. Edges need not be whole numbers. */
export interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

export function boxArea({ x0, y0, x1, y1 }: Box): number {
  return Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
}

/** Intersection over union of two boxes, 0 to 1; 0 for boxes that only touch. */
export function iou(a: Box, b: Box): number {
  const both = boxArea({ x0: Math.max(a.x0, b.x0), y0: Math.max(a.y0, b.y0), x1: Math.min(a.x1, b.x1), y1: Math.min(a.y1, b.y1) });
  return both === 0 ? 0 : both / (boxArea(a) + boxArea(b) - both);
}

/**
 * The extent of the non-zero pixels of a mask [height, width]; null if there are none.
 * @throws InputError if the mask's length is not width * height
 */
export function maskBox(mask: Uint8Array, width: number, height: number): Box | null {
  checkMask(mask, width, height);
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (mask[i] === 0) continue;
      if (x < x0) x0 = x;
      if (x >= x1) x1 = x + 1;
      if (y < y0) y0 = y;
      y1 = y + 1;
    }
  }
  return x1 === 0 ? null : { x0, y0, x1, y1 };
}

/**
 * The smallest box, edge by edge, that leaves at most (1 - mass) / 2 of the non-zero pixels beyond each of its four edges; null for an
 * empty mask. With mass 1 it is {@link maskBox}; a little less takes off the thin limbs that a largest component often has.
 * @param mass share of the pixels, above 0 and at most 1, that either axis keeps
 * @throws InputError if the mask's length is not width * height, or the mass is out of range
 */
export function massBox(mask: Uint8Array, width: number, height: number, mass: number): Box | null {
  checkMask(mask, width, height);
  if (!(mass > 0 && mass <= 1)) throw new InputError(`box: expected a mass above 0 and at most 1, got ${mass}.`);
  const columns = new Float64Array(width);
  const rows = new Float64Array(height);
  let total = 0;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (mask[i] === 0) continue;
      columns[x]++;
      rows[y]++;
      total++;
    }
  }
  if (total === 0) return null;
  // The first and the last pixel never both go: each side may lose less than half of the mass.
  const spare = (total * (1 - mass)) / 2;
  const [x0, x1] = trimmed(columns, spare);
  const [y0, y1] = trimmed(rows, spare);
  return { x0, y0, x1, y1 };
}

/** First and last + 1 of the places that stay when at most `spare` is taken off either end. */
function trimmed(counts: Float64Array, spare: number): [number, number] {
  let low = 0;
  for (let sum = counts[0]; sum <= spare; sum += counts[low]) low++;
  let high = counts.length - 1;
  for (let sum = counts[high]; sum <= spare; sum += counts[high]) high--;
  return [low, high + 1];
}

function checkMask(mask: Uint8Array, width: number, height: number): void {
  if (mask.length !== width * height) {
    throw new InputError(`mask: expected ${width * height} values for ${width} x ${height} pixels, got ${mask.length}.`);
  }
}
