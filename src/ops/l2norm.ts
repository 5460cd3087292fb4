/** The Euclidean norm of each item of a batch [N, ...], and where asked for each item divided by its own. It has no adjoint. */
import source from '../../shaders/l2norm.wgsl' with { type: 'text' };
import { size } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';

/** Partial sums per item: as many as each has terms, so that no sum is long. */
export function partsOf(extent: number): number {
  return Math.max(1, Math.ceil(Math.sqrt(extent)));
}

export const l2norm: Op<object> = {
  name: 'l2norm',
  shaders: { l2norm: source },
  inputs: [1, 1],
  outputs: [1, 2],
  attrs(given, fail) {
    new AttrReader(given, fail).done();
    return {};
  },
  infer([x], _, fail) {
    if (x!.shape.length < 1) fail('expected x of rank 1 or more, got a scalar.');
    return [{ shape: [x!.shape[0]], dtype: 'f32' }, x!];
  },
  forward({ x: [x], y: [norm, y], scratch, step }) {
    const [items, ...item] = x!.shape;
    const extent = size(item);
    const parts = partsOf(extent);
    const geometry = { items, extent, parts };
    const partial = scratch('partial', [items, parts]);
    step({ shader: 'l2norm', entry: 'squares', geometry, bind: { x: x!, partial }, invocations: items * parts });
    step({ shader: 'l2norm', entry: 'roots', geometry, bind: { partials: partial, norm }, invocations: items });
    if (y) step({ shader: 'l2norm', entry: 'divide', geometry, bind: { x: x!, length: norm, y }, invocations: items * extent });
  },
  differentiable: () => false,
};
