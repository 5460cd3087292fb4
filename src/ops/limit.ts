/** Clipping with bounds of each channel's own: x [N, C, ...], low [C], high [C]. It has no adjoint. */
import source from '../../shaders/limit.wgsl' with { type: 'text' };
import { size } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';

export const limit: Op<object> = {
  name: 'limit',
  shaders: { limit: source },
  inputs: [3, 3],
  outputs: [1, 1],
  attrs(given, fail) {
    new AttrReader(given, fail).done();
    return {};
  },
  infer([x, low, high], _, fail) {
    const channels = x!.shape[1];
    for (const bound of [low!, high!]) {
      if (bound.shape.length !== 1 || bound.shape[0] !== channels) {
        fail(
          `expected low and high to have one value for each channel, ${channels ?? 'of x [N, C, ...]'}, got [${bound.shape.join(', ')}].`,
        );
      }
    }
    return [x!];
  },
  forward({ x: [x, low, high], y: [y], step }) {
    const [, channels, ...rest] = x!.shape;
    const count = size(x!.shape);
    step({
      shader: 'limit',
      entry: 'limit',
      geometry: { count, channels, plane: size(rest) },
      bind: { x: x!, low: low!, high: high!, y },
      invocations: count,
    });
  },
  differentiable: () => false,
};
