/** Padding with a constant; its backward crops. */
import source from '../../shaders/copy.wgsl' with { type: 'text' };
import { size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';

export interface PadAttrs {
  /** Elements added in front of and behind each axis. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly value: number;
}

/** Axes the shader's geometry holds. */
const AXES = 8;

const widen = (values: readonly number[], filler: number): number[] => [...new Array<number>(AXES - values.length).fill(filler), ...values];

const geometry = (small: Shape, large: Shape, a: PadAttrs): Record<string, number | number[]> => ({
  value: a.value,
  before: widen(a.before, 0),
  xExtent: widen(small, 1),
  yExtent: widen(large, 1),
});

export const pad: Op<PadAttrs> = {
  name: 'pad',
  shaders: { copy: source },
  inputs: [1, 1],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = {
      before: read.integers('before', undefined, undefined, 0),
      after: read.integers('after', undefined, undefined, 0),
      value: read.number('value', 0),
    };
    read.done();
    return attrs;
  },
  infer([x], a, fail) {
    const rank = x!.shape.length;
    if (rank > AXES) fail(`expected at most ${AXES} axes, got [${x!.shape.join(', ')}].`);
    if (a.before.length !== rank || a.after.length !== rank) {
      fail(`expected before and after to have ${rank} entries, one for each axis of x, got ${a.before.length} and ${a.after.length}.`);
    }
    return [{ shape: x!.shape.map((extent, axis) => a.before[axis] + extent + a.after[axis]), dtype: 'f32' }];
  },
  forward({ attrs, x: [x], y: [y], step }) {
    const count = size(y.shape);
    step({
      shader: 'copy',
      entry: 'pad',
      geometry: { count, ...geometry(x!.shape, y.shape, attrs) },
      bind: { x: x!, y },
      invocations: count,
    });
  },
  differentiable: () => true,
  adjoint({ attrs, dy: [dy], dx, step }) {
    const count = size(dx.shape);
    const g = { count, ...geometry(dy!.shape, dx.shape, attrs) };
    step({ shader: 'copy', entry: 'crop', geometry: g, bind: { x: dy!, y: dx }, invocations: count });
  },
};
