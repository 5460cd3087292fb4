/**
 * What is true of an image: its class, and the boxes of its object.
 *
 * A box is taken as annotated: its corners are points of the picture, x0 < x1, so that it is x1 - x0 wide. (ILSVRC's own scoring counts
 * x1 as the last pixel inside and adds 1; on 300 validation images no threshold's error changes by more than 0.7 points with it.) An
 * annotation may reach one pixel beyond the picture, as those of tools do that count from 1, and is cut off at its edge; one further out
 * belongs to another picture, and is an error.
 */
import { FormatError } from '../errors.ts';
import type { Box } from '../segment/box.ts';

/** One image of a set, as annotated. */
export interface Annotation {
  /** Name of the image's file, or without its extension where the annotation does not say it. */
  readonly image: string;
  /** Index of the true class in the scores. */
  readonly class: number;
  /** Height and width of the picture that the boxes were drawn on; null where there are no boxes. */
  readonly extent: readonly [number, number] | null;
  /** Edges of the true boxes in pixels of that picture. */
  readonly boxes: readonly Box[];
}

/**
 * An annotated box, checked against its picture's height and width.
 * @param where file and line or object, for messages
 * @throws FormatError if the box is empty, or reaches beyond the picture by more than a pixel
 */
export function annotatedBox({ x0, y0, x1, y1 }: Box, [height, width]: readonly [number, number], where: string): Box {
  const given = `${x0},${y0} to ${x1},${y1}`;
  if (x0 < -1 || y0 < -1 || x1 > width + 1 || y1 > height + 1) {
    throw new FormatError(
      `${where}: expected a box inside the picture of ${width} x ${height} pixels, got ${given}. Check the box and the picture's extents.`,
    );
  }
  const box = { x0: Math.max(0, x0), y0: Math.max(0, y0), x1: Math.min(width, x1), y1: Math.min(height, y1) };
  if (box.x1 <= box.x0 || box.y1 <= box.y0)
    throw new FormatError(
      `${where}: expected a box with x0 < x1 and y0 < y1 inside the picture of ${width} x ${height}, got ${given}. Mend the box.`,
    );
  return box;
}

/** A box of one picture on the same picture at another size: each axis scaled by itself. Sizes are [height, width]. */
export function scaleBox({ x0, y0, x1, y1 }: Box, from: readonly [number, number], to: readonly [number, number]): Box {
  const along = (axis: 0 | 1, edge: number): number => (edge * to[axis]) / from[axis];
  return { x0: along(1, x0), y0: along(0, y0), x1: along(1, x1), y1: along(0, y1) };
}

/** The WordNet id that a label begins with, as in "n02123045 tabby, tabby cat"; undefined for other labels. */
export function wnidOf(label: string | undefined): string | undefined {
  return /^\s*(n\d{8})\b/.exec(label ?? '')?.[1];
}

/** Finds the class of a WordNet id among labels that begin with one. */
export type Classes = (wnid: string, where: string) => number;

/**
 * The classes of the labels, by WordNet id.
 * @throws FormatError from the returned function where an id is not among the labels, or these have none
 */
export function classesOf(labels: readonly string[] | undefined): Classes {
  const index = new Map<string, number>();
  labels?.forEach((label, k) => {
    const wnid = wnidOf(label);
    if (wnid !== undefined && !index.has(wnid)) index.set(wnid, k);
  });
  return (wnid, where) => {
    const found = index.get(wnid);
    if (found !== undefined) return found;
    const lack = index.size === 0 ? 'no labels with WordNet ids are given' : 'it is not among the labels';
    throw new FormatError(
      `${where}: expected the class of "${wnid}", but ${lack}. Give --labels with lines as "n02123045 tabby" in the order of the scores.`,
    );
  };
}
