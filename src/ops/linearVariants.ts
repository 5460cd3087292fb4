/** The kernels that compute a product of matrices, and which of them a shape gets. */
import { formatShape, type Shape } from '../tensor.ts';
import type { Variant } from './variants.ts';

/** y[rows, columns] = a[rows, depth] b[depth, columns] (+ c). */
export interface ProductShape {
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  /** Whether b's elements are adjacent along the sum, as those of a layer's weights are in its forward pass. */
  readonly along: boolean;
  readonly addend: boolean;
}

export interface ProductVariant extends Variant<ProductShape> {
  /** Invocations for one slab. */
  readonly invocations: (shape: ProductShape) => number;
}

/** Products of a slab are a multiple of this many. */
export const SLAB = 64;

/** A GPU's some 130 multiprocessors are full with a few workgroups each; a vector's only load, and many more must be waiting for memory. */
const FULL = { tiles: 512, vectors: 4096 } as const;

/** A sum of `depth` products, split until there are `full` workgroups. */
const splitUntil = (full: number, tiles: number, depth: number) => ({
  units: Math.ceil(depth / SLAB),
  slabs: Math.max(1, Math.min(Math.ceil(full / tiles), Math.floor(depth / SLAB))),
});

/** Shorter sums are left to registers. */
const isLong = ({ depth }: ProductShape): boolean => depth >= 8;

const isVector = ({ rows }: ProductShape): boolean => rows === 1;

/** A tile in workgroup memory. */
function shared(high: number, when: (shape: ProductShape) => boolean): ProductVariant {
  const tiles = ({ rows, columns }: ProductShape): number => Math.ceil(rows / high) * Math.ceil(columns / 64);
  return {
    shader: 'linear_gemm',
    entry: `gemm${high}x64`,
    needs: 'tiles',
    when: (s) => isLong(s) && when(s),
    worth: ({ rows }) => rows > high / 8,
    split: (s) => splitUntil(FULL.tiles, tiles(s), s.depth),
    invocations: (s) => tiles(s) * 128,
  };
}

/** A single row is computed at the speed of reading the matrix; a single column of a, without any sum. */
export const PRODUCT_VARIANTS: readonly ProductVariant[] = [
  {
    shader: 'linear_vector',
    entry: 'outer4',
    can: ({ depth, columns, addend }) => depth === 1 && columns % 4 === 0 && !addend,
    invocations: ({ rows, columns }) => Math.ceil(rows / 4) * Math.ceil(columns / 1024) * 256,
  },
  {
    shader: 'linear_vector',
    entry: 'outer',
    can: ({ depth, addend }) => depth === 1 && !addend,
    invocations: ({ rows, columns }) => rows * Math.ceil(columns / 1024) * 256,
  },
  {
    shader: 'linear_vector',
    entry: 'across',
    needs: 'tiles',
    can: isVector,
    when: (s) => isLong(s) && s.along,
    invocations: ({ columns }) => columns * 128,
  },
  {
    shader: 'linear_vector',
    entry: 'along',
    can: isVector,
    when: (s, { tiles }) => tiles && isLong(s),
    split: (s) => ({ ...splitUntil(FULL.vectors, Math.ceil(s.columns / 64), s.depth), least: Math.ceil(s.depth / 1024) }),
    invocations: ({ columns }) => Math.ceil(columns / 64) * 64,
  },
  shared(64, ({ rows }) => rows > 32),
  shared(32, () => true),
  {
    shader: 'linear_row',
    entry: 'quadRow',
    needs: 'quads',
    can: ({ along, depth }) => along && depth % 8 === 0,
    // 9 loads for 8 products, whatever the number of rows.
    when: ({ rows }) => rows === 1,
    worth: ({ rows }) => rows <= 4,
    invocations: ({ rows, columns }) => Math.ceil(columns / 16) * 4 * rows,
  },
  {
    shader: 'linear_row',
    entry: 'quadAcross',
    needs: 'quads',
    can: ({ along, depth, columns }) => !along && depth % 4 === 0 && columns % 4 === 0,
    when: ({ rows }) => rows === 1,
    worth: ({ rows }) => rows <= 4,
    invocations: ({ rows, columns }) => Math.ceil(columns / 32) * 4 * rows,
  },
  {
    shader: 'linear_quad',
    entry: 'quad16x8',
    needs: 'quads',
    // 12 loads for 128 products, where rows and columns fill half a tile or more.
    when: ({ rows, columns }) => rows >= 8 && columns >= 16,
    worth: ({ rows, columns }) => rows > 2 && columns > 8,
    invocations: ({ rows, columns }) => Math.ceil(columns / 32) * 4 * Math.ceil(rows / 16),
  },
  {
    shader: 'linear',
    entry: 'tile4x4',
    // One row at a time costs 5 loads for 4 products, four rows 8 for 16.
    when: ({ rows }) => rows > 1,
    worth: ({ rows }) => rows > 1,
    invocations: ({ rows, columns }) => Math.ceil(columns / 4) * Math.ceil(rows / 4),
  },
  {
    shader: 'linear',
    entry: 'row',
    worth: ({ rows }) => rows <= 8,
    invocations: ({ rows, columns }) => Math.ceil(columns / 4) * rows,
  },
];

/** What a choice for a product of a and b depends on: `a 1x1024 b 1000x1024 transB`. */
export function productKey(a: Shape, b: Shape, { transA, transB }: { readonly transA: boolean; readonly transB: boolean }): string {
  return `a ${formatShape(a)} b ${formatShape(b)}${transA ? ' transA' : ''}${transB ? ' transB' : ''}`;
}
