/** Local response normalisation across channels. */
import source from '../../shaders/lrn.wgsl' with { type: 'text' };
import { size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';

export interface LrnAttrs {
  /** Channels in the window. */
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

function geometry([n, c, ...rest]: Shape, a: LrnAttrs): Record<string, number> {
  const quarters = a.beta * 4;
  return {
    batch: n,
    channels: c,
    extent: size(rest),
    below: Math.floor((a.size - 1) / 2),
    above: Math.ceil((a.size - 1) / 2),
    alphaOverSize: a.alpha / a.size,
    beta: a.beta,
    bias: a.bias,
    quarters: Number.isInteger(quarters) && quarters > 0 && quarters <= 32 ? quarters : 0,
  };
}

/** The constant that writes windows of five out. */
function unrolled({ size: window }: LrnAttrs): { size?: number } {
  return window === 5 ? { size: 5 } : {};
}

export const lrn: Op<LrnAttrs> = {
  name: 'lrn',
  shaders: { lrn: source },
  inputs: [1, 1],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = {
      size: read.integer('size', undefined, 1),
      alpha: read.number('alpha', 1e-4),
      beta: read.number('beta', 0.75),
      bias: read.number('bias', 1),
    };
    read.done();
    return attrs;
  },
  infer([x], _, fail) {
    if (x!.shape.length < 2) fail(`expected x of rank 2 or more, got [${x!.shape.join(', ')}].`);
    return [x!];
  },
  forward({ attrs, x: [x], y: [y], differentiated, save, scratch, step }) {
    const scale = differentiated ? save('scale', y.shape, 'f32') : scratch('scale', y.shape);
    step({
      shader: 'lrn',
      entry: 'forward',
      constants: unrolled(attrs),
      geometry: geometry(y.shape, attrs),
      bind: { x: x!, scale, y },
      invocations: size(y.shape),
    });
  },
  differentiable: () => true,
  rules: ['lrn'],
  adjoint(c) {
    if (c.rules.lrn === 'identity') return c.dy[0]!;
    const {
      attrs,
      x: [x],
      dy: [dy],
      dx,
      saved,
      scratch,
      step,
    } = c;
    const shared = { shader: 'lrn', geometry: geometry(dx.shape, attrs), invocations: size(dx.shape) };
    const come = { input: x!, savedScale: saved('scale'), dy: dy! };
    const shares = scratch('shares', dx.shape);
    step({ ...shared, entry: 'shares', bind: { ...come, share: shares } });
    step({ ...shared, entry: 'backward', constants: unrolled(attrs), bind: { ...come, allShares: shares, dx } });
  },
};
