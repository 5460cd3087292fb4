/**
 * What an evaluation says about one image: plain data, one line of JSON each. Boxes and distances are in pixels of the picture as stored.
 */
import type { Box } from '../segment/box.ts';
import type { Rule } from '../rule.ts';
import type { MapKind } from '../segment/presets.ts';

/** Which map: of which kind, under which rule. Both are null for methods that look at none. */
export interface MapName {
  readonly map: MapKind | null;
  readonly rule: Rule | null;
}

/** One guess: a class and its box. */
export interface Attempt {
  readonly class: number;
  /** x0, y0, x1, y1; null where the method found none. */
  readonly box: readonly [number, number, number, number] | null;
  /** The largest intersection over union with a true box. */
  readonly iou: number;
}

/** A method on one image. */
export interface BoxResult extends MapName {
  readonly method: string;
  readonly hit: boolean;
  readonly attempts: readonly Attempt[];
}

/** The pointing game on one image; without a map it is the baseline that points at the middle of the picture. */
export interface PointingResult extends MapName {
  readonly hit: boolean;
  readonly attempts: readonly {
    readonly class: number;
    /** Column and row of the map's maximum; null for a map that is zero everywhere. */
    readonly at: readonly [number, number] | null;
    /** From there to the nearest true box. */
    readonly distance: number | null;
  }[];
}

/** One image of a classification. */
export interface ClassRow {
  /** Place in the list of images, from 0. */
  readonly index: number;
  readonly image: string;
  readonly class: number;
  /** Best classes, best first, and their unnormalised scores. */
  readonly top5: readonly number[];
  readonly scores: readonly number[];
}

/** One image of a localisation. */
export interface BoxRow extends ClassRow {
  /** True boxes. */
  readonly truth: readonly (readonly [number, number, number, number])[];
  readonly results: readonly BoxResult[];
  readonly pointing: readonly PointingResult[];
}

export type Row = ClassRow | BoxRow;

/** Edges to a thousandth of a pixel: enough to draw, and short to read. */
export function roundBox({ x0, y0, x1, y1 }: Box): [number, number, number, number] {
  return [round(x0, 3), round(y0, 3), round(x1, 3), round(y1, 3)];
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
