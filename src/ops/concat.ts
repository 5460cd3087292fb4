/** Concatenation along one axis; its backward cuts the signal apart. */
import source from '../../shaders/copy.wgsl' with { type: 'text' };
import { size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op, TensorRef } from './op.ts';

export interface ConcatAttrs {
  /** Negative counts from the end. */
  readonly axis: number;
}

/** Where the part that input k fills begins in each outer row of y, in elements, and how long the rows are. */
function part(parts: readonly (TensorRef | null)[], y: Shape, a: ConcatAttrs, k: number): { block: number; offset: number; pitch: number } {
  const axis = a.axis < 0 ? a.axis + y.length : a.axis;
  const inner = size(y.slice(axis + 1));
  const before = parts.slice(0, k).reduce((sum, p) => sum + p!.shape[axis], 0);
  return { block: parts[k]!.shape[axis] * inner, offset: before * inner, pitch: y[axis] * inner };
}

export const concat: Op<ConcatAttrs> = {
  name: 'concat',
  shaders: { copy: source },
  inputs: [1, Infinity],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = { axis: read.integer('axis', undefined) };
    read.done();
    return attrs;
  },
  infer(inputs, a, fail) {
    const shapes = inputs.map((input) => input?.shape ?? fail('expected every input, got none for one of them.'));
    const rank = shapes[0].length;
    const axis = a.axis < 0 ? a.axis + rank : a.axis;
    if (axis < 0 || axis >= rank) fail(`expected axis in [${-rank}, ${rank - 1}], got ${a.axis}.`);
    for (const shape of shapes) {
      if (shape.length !== rank || shape.some((extent, d) => d !== axis && extent !== shapes[0][d])) {
        fail(`expected shapes equal but for axis ${axis}, got ${shapes.map((s) => `[${s.join(', ')}]`).join(' and ')}.`);
      }
    }
    return [{ shape: shapes[0].map((extent, d) => (d === axis ? shapes.reduce((sum, s) => sum + s[axis], 0) : extent)), dtype: 'f32' }];
  },
  forward({ attrs, x: parts, y: [y], step }) {
    parts.forEach((x, k) => {
      const { block, offset, pitch } = part(parts, y.shape, attrs, k);
      const count = size(x!.shape);
      step({
        shader: 'copy',
        entry: 'blocks',
        geometry: { count, block, xPitch: block, xOffset: 0, yPitch: pitch, yOffset: offset },
        bind: { x: x!, y },
        invocations: Math.ceil(count / 4),
      });
    });
  },
  differentiable: () => true,
  adjoint({ attrs, x: parts, y: [y], dy: [dy], dx, step }, k) {
    const { block, offset, pitch } = part(parts, y.shape, attrs, k);
    const count = size(dx.shape);
    step({
      shader: 'copy',
      entry: 'blocks',
      geometry: { count, block, xPitch: pitch, xOffset: offset, yPitch: block, yOffset: 0 },
      bind: { x: dy!, y: dx },
      invocations: Math.ceil(count / 4),
    });
  },
};
