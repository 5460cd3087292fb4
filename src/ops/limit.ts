/** Clipping: x [N, C, ...] with low and high of each channel, [C], or of each element of an item, [C, ...]. It has no adjoint. */
import source from '../../shaders/limit.wgsl' with { type: 'text' };
import { formatShape, sameShape, size } from '../tensor.ts';
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
    const item = x!.shape.slice(1);
    const shapes = [item.slice(0, 1), item].filter((shape) => shape.length > 0);
    const given = [low!.shape, high!.shape];
    const got = given.map(formatShape).join(' and ');
    if (!shapes.some((shape) => given.every((bound) => sameShape(bound, shape)))) {
      const wanted = shapes.length === 0 ? 'x [N, C, ...]' : [...new Set(shapes.map(formatShape))].join(' or ');
      fail(`expected low and high with a value for each channel or each element of an item, ${wanted}, got ${got}.`);
    }
    return [x!];
  },
  forward({ x: [x, low, high], y: [y], step }) {
    const [items] = x!.shape;
    const count = size(x!.shape);
    // Bounds of single elements are those of channels of one element each.
    const channels = size(low!.shape);
    step({
      shader: 'limit',
      entry: 'limit',
      geometry: { count, channels, plane: count / items / channels },
      bind: { x: x!, low: low!, high: high!, y },
      invocations: count,
    });
  },
  differentiable: () => false,
};
