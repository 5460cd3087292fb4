/** Connected components of masks. */
import type { Connectivity } from './flownetwork.ts';

/** Components numbered from 1 in the order of their first pixels, row by row; 0 outside the mask. */
export interface Components {
  /** By pixel, [height, width]. */
  readonly labels: Int32Array;
  /** Pixels of component k at k - 1. */
  readonly sizes: readonly number[];
}

/** The components of the non-zero pixels of a mask [height, width]. */
export function components(mask: Uint8Array, width: number, height: number, connectivity: Connectivity): Components {
  const labels = new Int32Array(width * height);
  const stack = new Int32Array(width * height);
  const sizes: number[] = [];
  const corners = connectivity === 8;
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] === 0 || labels[start] !== 0) continue;
    const label = sizes.length + 1;
    let [size, depth] = [0, 0];
    stack[depth++] = start;
    labels[start] = label;
    while (depth > 0) {
      const i = stack[--depth];
      size++;
      const x = i % width;
      const y = (i - x) / width;
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const j = v * width + u;
          if ((corners || u === x || v === y) && mask[j] !== 0 && labels[j] === 0) {
            labels[j] = label;
            stack[depth++] = j;
          }
        }
      }
    }
    sizes.push(size);
  }
  return { labels, sizes };
}

/**
 * The mask [height, width] of the largest component; of equal ones the first, row by row. All zero for an empty mask.
 * @param touching if given, only components that hold a pixel that is non-zero here count, as long as there are any
 */
export function largestComponent(
  mask: Uint8Array,
  width: number,
  height: number,
  connectivity: Connectivity,
  touching?: Uint8Array,
): Uint8Array {
  const { labels, sizes } = components(mask, width, height, connectivity);
  const touched = new Set<number>();
  if (touching) labels.forEach((label, i) => label > 0 && touching[i] !== 0 && touched.add(label));
  let best = 0;
  sizes.forEach((size, k) => {
    if ((touched.size === 0 || touched.has(k + 1)) && (best === 0 || size > sizes[best - 1])) best = k + 1;
  });
  return Uint8Array.from(labels, (label) => (label === best && best > 0 ? 1 : 0));
}

/** The mask [height, width] with its holes of at most `most` pixels filled: parts outside it that nothing joins to the border, by sides. */
export function fillHoles(mask: Uint8Array, width: number, height: number, most: number): Uint8Array {
  const { labels, sizes } = components(
    mask.map((side) => (side === 0 ? 1 : 0)),
    width,
    height,
    4,
  );
  const open = new Set<number>([0]);
  for (let x = 0; x < width; x++) open.add(labels[x]).add(labels[(height - 1) * width + x]);
  for (let y = 0; y < height; y++) open.add(labels[y * width]).add(labels[(y + 1) * width - 1]);
  return mask.map((side, i) => (side !== 0 || (!open.has(labels[i]) && sizes[labels[i] - 1] <= most) ? 1 : 0));
}
