/** Sum and product of two tensors with multidirectional broadcasting. */
import source from '../../shaders/binary.wgsl' with { type: 'text' };
import { sameShape, size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { AdjointContext, Fail, ForwardContext, Op, TensorRef, ValueInfo } from './op.ts';

/** Axes the shader's geometry holds. */
const AXES = 8;

/** The shape two shapes broadcast to: aligned from the last axis, an extent of 1 repeated. */
export function broadcastShape(a: Shape, b: Shape, fail: Fail): Shape {
  const rank = Math.max(a.length, b.length);
  const [p, q] = [padShape(a, rank), padShape(b, rank)];
  return p.map((extent, axis) => {
    if (extent !== q[axis] && extent !== 1 && q[axis] !== 1) {
      fail(
        `expected shapes that broadcast, got [${a.join(', ')}] and [${b.join(', ')}]: axis ${axis} has extents ${extent} and ${q[axis]}.`,
      );
    }
    return Math.max(extent, q[axis]);
  });
}

function padShape(shape: Shape, rank: number): number[] {
  return [...new Array<number>(rank - shape.length).fill(1), ...shape];
}

/** Row-major strides of `shape` within a `rank`-axis result, 0 where an axis of extent 1 is repeated. */
function strides(shape: Shape, rank: number): number[] {
  const padded = padShape(shape, rank);
  const out = new Array<number>(rank).fill(0);
  let stride = 1;
  for (let axis = rank - 1; axis >= 0; axis--) {
    out[axis] = padded[axis] === 1 ? 0 : stride;
    stride *= padded[axis];
  }
  return out;
}

function forward(entry: 'add' | 'multiply', { x: [a, b], y: [y], step }: ForwardContext<object>): void {
  const count = size(y.shape);
  const bind = { a: a!, b: b!, y };
  if (sameShape(a!.shape, y.shape) && sameShape(b!.shape, y.shape)) {
    step({ shader: 'binary', entry, geometry: { count }, bind, invocations: count });
    return;
  }
  step({
    shader: 'binary',
    entry: `${entry}Broadcast`,
    geometry: { count, extent: padShape(y.shape, AXES), strideA: strides(a!.shape, AXES), strideB: strides(b!.shape, AXES) },
    bind,
    invocations: count,
  });
}

/** Sums dy, times the other factor if there is one, over the axes along which input k was repeated. */
function reduce({ x, y: [y], dy: [dy], dx, step }: AdjointContext<object>, k: number, other: TensorRef | null): void {
  const kept = padShape(x[k]!.shape, AXES);
  const full = padShape(y.shape, AXES);
  const reducedExtent = full.map((extent, axis) => (kept[axis] === 1 ? extent : 1));
  const strideDy = strides(y.shape, AXES);
  const strideOther = other ? strides(other.shape, AXES) : new Array<number>(AXES).fill(0);
  const count = size(dx.shape);
  step({
    shader: 'binary',
    entry: other ? 'sumProductOver' : 'sumOver',
    geometry: {
      count,
      reducedCount: size(reducedExtent),
      extent: kept,
      reducedExtent,
      strideA: strideDy,
      strideB: strideOther,
      reducedStrideA: strideDy,
      reducedStrideB: strideOther,
    },
    bind: { a: dy!, ...(other ? { b: other } : {}), y: dx },
    invocations: count,
  });
}

const common = {
  shaders: { binary: source },
  inputs: [2, 2],
  outputs: [1, 1],
  attrs(given, fail) {
    new AttrReader(given, fail).done();
    return {};
  },
  infer([a, b]: readonly (ValueInfo | null)[], _: object, fail: Fail): ValueInfo[] {
    const shape = broadcastShape(a!.shape, b!.shape, fail);
    if (shape.length > AXES) fail(`expected at most ${AXES} axes, got [${shape.join(', ')}].`);
    return [{ shape, dtype: 'f32' }];
  },
  differentiable: () => true,
} satisfies Partial<Op<object>>;

export const add: Op<object> = {
  name: 'add',
  ...common,
  forward: (c) => forward('add', c),
  adjoint(c, k) {
    // The signal reaches a summand of y's own shape unchanged.
    if (sameShape(c.x[k]!.shape, c.y[0].shape)) return c.dy[0]!;
    reduce(c, k, null);
  },
};

export const mul: Op<object> = {
  name: 'mul',
  ...common,
  forward: (c) => forward('multiply', c),
  adjoint(c, k) {
    const other = c.x[1 - k]!;
    if (sameShape(c.x[k]!.shape, c.y[0].shape) && sameShape(other.shape, c.y[0].shape)) {
      const count = size(c.dx.shape);
      c.step({ shader: 'binary', entry: 'multiply', geometry: { count }, bind: { a: c.dy[0]!, b: other, y: c.dx }, invocations: count });
    } else {
      reduce(c, k, other);
    }
  },
};
