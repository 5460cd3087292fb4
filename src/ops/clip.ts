/** Clipping to an interval. It is no ReLU: no rule applies to it. */
import source from '../../shaders/clip.wgsl' with { type: 'text' };
import { size } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';

export interface ClipAttrs {
  /** Absent: no bound on that side. */
  readonly min?: number;
  readonly max?: number;
}

const geometry = (count: number, { min, max }: ClipAttrs): Record<string, number> => ({
  count,
  low: min ?? 0,
  high: max ?? 0,
  hasLow: min === undefined ? 0 : 1,
  hasHigh: max === undefined ? 0 : 1,
});

export const clip: Op<ClipAttrs> = {
  name: 'clip',
  shaders: { clip: source },
  inputs: [1, 1],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = { min: read.optionalNumber('min'), max: read.optionalNumber('max') };
    read.done();
    return attrs;
  },
  infer: ([x]) => [x!],
  forward({ attrs, x: [x], y: [y], step }) {
    const count = size(y.shape);
    step({ shader: 'clip', entry: 'forward', geometry: geometry(count, attrs), bind: { x: x!, y }, invocations: count });
  },
  differentiable: () => true,
  adjoint({ attrs, x: [x], dy: [dy], dx, step }) {
    const count = size(dx.shape);
    step({ shader: 'clip', entry: 'backward', geometry: geometry(count, attrs), bind: { x: x!, dy: dy!, dx }, invocations: count });
  },
};
