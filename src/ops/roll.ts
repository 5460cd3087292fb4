/** Circular shift of images [N, C, H, W] by [rows, columns], an input of two integers: jitter, and with `inverse` its undoing. */
import source from '../../shaders/roll.wgsl' with { type: 'text' };
import { size } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { EmitContext, Op, TensorRef } from './op.ts';

export interface RollAttrs {
  /** Shift the other way. */
  readonly inverse: boolean;
}

function emit(c: EmitContext<RollAttrs>, inverse: boolean, x: TensorRef, y: TensorRef): void {
  const [height, width] = y.shape.slice(-2);
  const count = size(y.shape);
  c.step({
    shader: 'roll',
    entry: 'roll',
    geometry: { count, height, width, direction: inverse ? -1 : 1 },
    bind: { x, offsets: c.x[1]!, y },
    invocations: count,
  });
}

export const roll: Op<RollAttrs> = {
  name: 'roll',
  shaders: { roll: source },
  inputs: [2, 2],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = { inverse: read.boolean('inverse', false) };
    read.done();
    return attrs;
  },
  infer([x, offsets], _, fail) {
    if (x!.shape.length < 2) fail(`expected x of rank 2 or more, got [${x!.shape.join(', ')}].`);
    if (offsets!.dtype !== 'i32' || size(offsets!.shape) !== 2) {
      fail(`expected offsets to be two integers, got ${offsets!.dtype} [${offsets!.shape.join(', ')}].`);
    }
    return [x!];
  },
  forward: (c) => emit(c, c.attrs.inverse, c.x[0]!, c.y[0]),
  differentiable: (k) => k === 0,
  adjoint: (c) => emit(c, !c.attrs.inverse, c.dy[0]!, c.dx),
};
