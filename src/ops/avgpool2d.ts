/** Average-pooling. */
import source from '../../shaders/avgpool2d.wgsl' with { type: 'text' };
import { size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';
import { poolGeometry, readWindow, requireRank, windowExtent, type PoolAttrs } from './window.ts';

export interface AvgPool2dAttrs extends PoolAttrs {
  readonly ceilMode: boolean;
  /** Divide by the places inside the padded input rather than inside the input. */
  readonly countIncludePad: boolean;
}

const geometry = (x: Shape, y: Shape, a: AvgPool2dAttrs): Record<string, number> => ({
  ...poolGeometry(x, y, a),
  padBottom: a.pad[2],
  padRight: a.pad[3],
  countIncludePad: a.countIncludePad ? 1 : 0,
});

export const avgpool2d: Op<AvgPool2dAttrs> = {
  name: 'avgpool2d',
  shaders: { avgpool2d: source },
  inputs: [1, 1],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = {
      kernel: read.integers('kernel', 2, undefined, 1) as [number, number],
      ...readWindow(read),
      ceilMode: read.boolean('ceilMode', false),
      countIncludePad: read.boolean('countIncludePad', false),
    };
    read.done();
    return attrs;
  },
  infer([x], a, fail) {
    requireRank('x', x!.shape, 4, fail);
    const [n, c, h, w] = x!.shape;
    return [{ shape: [n, c, ...windowExtent([h, w], a.kernel, a, a.ceilMode, fail)], dtype: 'f32' }];
  },
  forward({ attrs, x: [x], y: [y], step }) {
    step({
      shader: 'avgpool2d',
      entry: 'forward',
      geometry: geometry(x!.shape, y.shape, attrs),
      bind: { x: x!, y },
      invocations: size(y.shape),
    });
  },
  differentiable: () => true,
  adjoint({ attrs, y: [y], dy: [dy], dx, step }) {
    step({
      shader: 'avgpool2d',
      entry: 'backward',
      geometry: geometry(dx.shape, y.shape, attrs),
      bind: { dy: dy!, dx },
      invocations: size(dx.shape),
    });
  },
};
