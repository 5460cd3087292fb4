/**
 * Matrix product with an addend, `y = alpha * op(a) op(b) + beta * c`: ONNX's Gemm. With a = x[N, in] and b = w[out, in] it is a
 * fully-connected layer.
 */
import source from '../../shaders/linear.wgsl' with { type: 'text' };
import gemm from '../../shaders/linear_gemm.wgsl' with { type: 'text' };
import quad from '../../shaders/linear_quad.wgsl' with { type: 'text' };
import vector from '../../shaders/linear_vector.wgsl' with { type: 'text' };
import sum from '../../shaders/sum.wgsl' with { type: 'text' };
import { formatShape, size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { AdjointContext, EmitContext, Op, TensorRef } from './op.ts';
import { addSlabs, slabsOf } from './sum.ts';
import { requireRank } from './window.ts';

export interface LinearAttrs {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
  readonly beta: number;
}

/** A tensor seen as a matrix: element (i, j) lies at i*row + j*column. */
interface Matrix {
  readonly tensor: TensorRef;
  readonly rows: number;
  readonly columns: number;
  readonly row: number;
  readonly column: number;
}

function matrix(tensor: TensorRef, transposed: boolean): Matrix {
  const [rows, columns] = tensor.shape;
  const m = { tensor, rows, columns, row: columns, column: 1 };
  return transposed ? transpose(m) : m;
}

function transpose({ tensor, rows, columns, row, column }: Matrix): Matrix {
  return { tensor, rows: columns, columns: rows, row: column, column: row };
}

/** Extents [rows, columns] of a tensor of rank <= 2 that broadcasts, aligned from the last axis. */
function broadcastExtents(shape: Shape): [number, number] {
  return [shape.length > 1 ? shape[0] : 1, shape.length > 0 ? shape[shape.length - 1] : 1];
}

/** Products of a slab are a multiple of this many. */
const SLAB = 64;

/** Slabs of a sum that give `full` workgroups where `tiles` alone do not. */
function split(depth: number, tiles: number, full: number): { slabs: number; slabDepth: number } {
  const wanted = Math.max(1, Math.min(Math.ceil(full / tiles), Math.floor(depth / SLAB)));
  const slabDepth = Math.ceil(depth / wanted / SLAB) * SLAB;
  return { slabs: Math.ceil(depth / slabDepth), slabDepth };
}

/** {@link product} in workgroup memory or, for a single row, at the speed of reading the matrix. Long sums of few tiles are split. */
function productOfTiles(
  c: EmitContext<LinearAttrs>,
  p: Matrix,
  q: Matrix,
  y: TensorRef,
  addend: TensorRef | null,
  geometry: Readonly<Record<string, number>>,
): void {
  const { rows, columns: depth } = p;
  const { columns } = q;
  const across = rows === 1 && q.row === 1;
  const high = rows > 32 ? 64 : 32;
  const tiles = rows === 1 ? Math.ceil(columns / 64) : Math.ceil(rows / high) * Math.ceil(columns / 64);
  // A GPU's some 130 multiprocessors are full with a few workgroups each; a vector's only load, and many more must be waiting for memory.
  const { slabs, slabDepth } = across ? { slabs: 1, slabDepth: depth } : split(depth, tiles, rows === 1 ? 4096 : 512);
  const partial = slabsOf(c, 'product', y, slabs);
  const { rows: _, aRow, cRow, ...vector } = geometry;
  c.step({
    shader: rows === 1 ? 'linear_vector' : 'linear_gemm',
    entry: across ? 'across' : rows === 1 ? 'along' : `gemm${high}x64`,
    geometry: { ...(rows === 1 ? vector : geometry), slabs, slabDepth },
    bind: { a: p.tensor, b: q.tensor, c: addend ?? p.tensor, y: partial },
    invocations: across ? columns * 128 : rows === 1 ? tiles * 64 * slabs : tiles * slabs * 128,
  });
  addSlabs(c, partial, y);
}

/** y = alpha * p q + beta * c, y row-major [p.rows, q.columns]. */
function product(c: EmitContext<LinearAttrs>, p: Matrix, q: Matrix, y: TensorRef, addend: TensorRef | null): void {
  const [cRows, cColumns] = addend ? broadcastExtents(addend.shape) : [1, 1];
  const [rows, columns] = [p.rows, q.columns];
  const geometry = {
    rows,
    columns,
    depth: p.columns,
    aRow: p.row,
    aColumn: p.column,
    bRow: q.row,
    bColumn: q.column,
    cRow: cRows > 1 ? cColumns : 0,
    cColumn: cColumns > 1 ? 1 : 0,
    alpha: c.attrs.alpha,
    beta: c.attrs.beta,
    addend: addend ? 1 : 0,
  };
  if (c.traits.tiles && p.columns === 1 && !addend) {
    const outer = { columns, depth: rows, aColumn: p.row, bRow: q.row, bColumn: q.column, cColumn: 0, addend: 0, slabs: 1, slabDepth: 1 };
    c.step({
      shader: 'linear_vector',
      entry: 'outer',
      geometry: { ...outer, alpha: c.attrs.alpha, beta: 0 },
      bind: { a: p.tensor, b: q.tensor, y },
      invocations: rows * Math.ceil(columns / 1024) * 256,
    });
    return;
  }
  if (c.traits.tiles && p.columns >= 8) return productOfTiles(c, p, q, y, addend, geometry);
  // One row at a time costs 5 loads for 4 products, four rows 8 for 16.
  const tall = rows > 1;
  // 12 loads for 128 products, where rows and columns fill half a tile or more.
  const quads = c.traits.quads && rows >= 8 && columns >= 16;
  c.step({
    shader: quads ? 'linear_quad' : 'linear',
    entry: quads ? 'quad16x8' : tall ? 'tile4x4' : 'row',
    geometry,
    bind: { a: p.tensor, b: q.tensor, c: addend ?? p.tensor, y },
    invocations: quads ? Math.ceil(columns / 32) * 4 * Math.ceil(rows / 16) : Math.ceil(columns / 4) * (tall ? Math.ceil(rows / 4) : rows),
  });
}

/** dc = beta * dy, summed over the axes along which c was repeated. */
function backwardAddend(c: AdjointContext<LinearAttrs>): void {
  const dy = c.dy[0]!;
  const [rows, columns] = dy.shape;
  const [cRows, cColumns] = broadcastExtents(c.dx.shape);
  const keepsRows = cRows === rows;
  const keepsColumns = cColumns === columns;
  c.step({
    shader: 'sum',
    entry: 'sum',
    geometry: {
      count: size(c.dx.shape),
      pitch: keepsColumns ? 1 : columns,
      outer: keepsRows ? 1 : rows,
      outerPitch: columns,
      inner: keepsColumns ? 1 : columns,
      innerPitch: 1,
      scale: c.attrs.beta,
    },
    bind: { x: dy, y: c.dx },
    invocations: size(c.dx.shape),
  });
}

export const linear: Op<LinearAttrs> = {
  name: 'linear',
  shaders: { linear: source, linear_gemm: gemm, linear_quad: quad, linear_vector: vector, sum },
  inputs: [2, 3],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = {
      transA: read.boolean('transA', false),
      transB: read.boolean('transB', true),
      alpha: read.number('alpha', 1),
      beta: read.number('beta', 1),
    };
    read.done();
    return attrs;
  },
  infer([a, b, c], { transA, transB }, fail) {
    requireRank('a', a!.shape, 2, fail);
    requireRank('b', b!.shape, 2, fail);
    const [m, ka] = transA ? [...a!.shape].reverse() : a!.shape;
    const [kb, n] = transB ? [...b!.shape].reverse() : b!.shape;
    if (ka !== kb) {
      fail(
        `expected op(a)'s ${ka} columns to match op(b)'s ${kb} rows, got a ${formatShape(a!.shape)} with transA ${transA}, ` +
          `b ${formatShape(b!.shape)} with transB ${transB}. Check the transpositions.`,
      );
    }
    if (c) {
      const [rows, columns] = broadcastExtents(c.shape);
      if (c.shape.length > 2 || (rows !== 1 && rows !== m) || (columns !== 1 && columns !== n)) {
        fail(`expected c to broadcast to [${m}, ${n}], got [${c.shape.join(', ')}].`);
      }
    }
    return [{ shape: [m, n], dtype: 'f32' }];
  },
  macs: ([a], y, { transA }) => size(y) * a![transA ? 0 : 1],
  forward(c) {
    const [a, b, addend] = c.x;
    product(c, matrix(a!, c.attrs.transA), matrix(b!, c.attrs.transB), c.y[0], addend ?? null);
  },
  differentiable: () => true,
  adjoint(c, k) {
    if (k === 2) return backwardAddend(c);
    const { transA, transB } = c.attrs;
    const dy = matrix(c.dy[0]!, false);
    // d op(a) = dy op(b)', d op(b) = op(a)' dy; where the operand is stored transposed, so is its signal.
    if (k === 0) {
      const b = matrix(c.x[1]!, transB);
      if (transA) product(c, b, transpose(dy), c.dx, null);
      else product(c, dy, transpose(b), c.dx, null);
    } else {
      const a = matrix(c.x[0]!, transA);
      if (transB) product(c, transpose(dy), a, c.dx, null);
      else product(c, transpose(a), dy, c.dx, null);
    }
  },
};
