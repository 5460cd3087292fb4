/**
 * What counts as right: boxes by intersection over union, maps by where they are largest.
 */
import { iou, type Box } from '../segment/box.ts';
import type { Tensor } from '../tensor.ts';

/** A box is right from this intersection over union with a true one on (ILSVRC's rule). */
export const IOU = 0.5;

/** The largest intersection over union of a box with any of the true ones; 0 without a box. */
export function bestIou(box: Box | null, truth: readonly Box[]): number {
  return box === null ? 0 : truth.reduce((best, one) => Math.max(best, iou(box, one)), 0);
}

/** Where a map is largest. */
export interface Peak {
  /** Column and row of the pixel. */
  readonly x: number;
  readonly y: number;
  readonly value: number;
}

/** The first largest element in row-major order of a map [H, W]; null where the map is zero everywhere and points nowhere. */
export function peakOf({ shape, data }: Tensor): Peak | null {
  const width = shape[1];
  let best = 0;
  let zero = true;
  for (let i = 0; i < data.length; i++) {
    if (data[i] !== 0) zero = false;
    if (data[i] > data[best]) best = i;
  }
  return zero ? null : { x: best % width, y: Math.floor(best / width), value: data[best] };
}

/** The Euclidean distance from the centre of a pixel to the nearest of the boxes, in pixels; 0 inside of one. */
export function distanceTo(peak: Pick<Peak, 'x' | 'y'>, boxes: readonly Box[]): number {
  const [x, y] = [peak.x + 0.5, peak.y + 0.5];
  return boxes.reduce(
    (best, { x0, y0, x1, y1 }) => Math.min(best, Math.hypot(Math.max(x0 - x, 0, x - x1), Math.max(y0 - y, 0, y - y1))),
    Infinity,
  );
}
