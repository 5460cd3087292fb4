/**
 * Matrix product with an addend, `y = alpha * op(a) op(b) + beta * c`: ONNX's Gemm. With a = x[N, in] and b = w[out, in] it is a
 * fully-connected layer.
 */
import source from '../../shaders/linear.wgsl' with { type: 'text' };
import gemm from '../../shaders/linear_gemm.wgsl' with { type: 'text' };
import quad from '../../shaders/linear_quad.wgsl' with { type: 'text' };
import row from '../../shaders/linear_row.wgsl' with { type: 'text' };
import vector from '../../shaders/linear_vector.wgsl' with { type: 'text' };
import sum from '../../shaders/sum.wgsl' with { type: 'text' };
import { formatShape, size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import { PRODUCT_VARIANTS, productKey, SLAB } from './linearVariants.ts';
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

/** y = alpha * p q + beta * c, y row-major [p.rows, q.columns]. */
function product(
  c: EmitContext<LinearAttrs>,
  direction: 'forward' | 'dx' | 'dw',
  p: Matrix,
  q: Matrix,
  y: TensorRef,
  addend: TensorRef | null,
): void {
  const [cRows, cColumns] = addend ? broadcastExtents(addend.shape) : [1, 1];
  const shape = { rows: p.rows, depth: p.columns, columns: q.columns, along: q.row === 1, addend: addend !== null };
  const key = productKey(c.x[0]!.shape, c.x[1]!.shape, c.attrs);
  const { variant, slabs, each } = c.choose(direction, key, PRODUCT_VARIANTS, shape);
  const { shader, entry } = variant;
  const common = { columns: q.columns, bRow: q.row, bColumn: q.column, alpha: c.attrs.alpha };
  if (entry === 'outer' || entry === 'outer4') {
    const unused = { cColumn: 0, beta: 0, addend: 0, slabs: 1, slabDepth: 1 };
    c.step({
      shader,
      entry,
      geometry: { ...common, ...unused, depth: p.rows, aColumn: p.row },
      bind: entry === 'outer4' ? { a: p.tensor, b4: q.tensor, y4: y } : { a: p.tensor, b: q.tensor, y },
      invocations: variant.invocations(shape),
    });
    return;
  }
  const geometry: Record<string, number> = {
    ...common,
    depth: p.columns,
    aColumn: p.column,
    cColumn: cColumns > 1 ? 1 : 0,
    beta: c.attrs.beta,
    addend: addend ? 1 : 0,
    ...(shader === 'linear_vector' ? {} : { rows: p.rows, aRow: p.row, cRow: cRows > 1 ? cColumns : 0 }),
    ...(shader === 'linear_vector' || shader === 'linear_gemm' ? { slabs, slabDepth: variant.split ? each * SLAB : p.columns } : {}),
  };
  const partial = slabsOf(c, 'product', y, slabs);
  c.step({
    shader,
    entry,
    geometry,
    bind: { a: p.tensor, b: q.tensor, c: addend ?? p.tensor, y: partial },
    invocations: variant.invocations(shape) * slabs,
  });
  addSlabs(c, partial, y);
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
    bind: { x: dy, y: c.dx, gate: dy },
    invocations: size(c.dx.shape),
  });
}

export const linear: Op<LinearAttrs> = {
  name: 'linear',
  shaders: { linear: source, linear_gemm: gemm, linear_quad: quad, linear_row: row, linear_vector: vector, sum },
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
    product(c, 'forward', matrix(a!, c.attrs.transA), matrix(b!, c.attrs.transB), c.y[0], addend ?? null);
  },
  differentiable: () => true,
  adjoint(c, k) {
    if (k === 2) return backwardAddend(c);
    const { transA, transB } = c.attrs;
    const dy = matrix(c.dy[0]!, false);
    // d op(a) = dy op(b)', d op(b) = op(a)' dy; where the operand is stored transposed, so is its signal.
    if (k === 0) {
      const b = matrix(c.x[1]!, transB);
      if (transA) product(c, 'dx', b, transpose(dy), c.dx, null);
      else product(c, 'dx', dy, transpose(b), c.dx, null);
    } else {
      const a = matrix(c.x[0]!, transA);
      if (transB) product(c, 'dw', transpose(dy), a, c.dx, null);
      else product(c, 'dw', transpose(a), dy, c.dx, null);
    }
  },
};
