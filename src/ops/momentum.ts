/** One step of stochastic gradient descent with momentum: rate, count, x, g, v to the new x and v. It has no adjoint. */
import source from '../../shaders/momentum.wgsl' with { type: 'text' };
import { sameShape, size } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';

export interface MomentumAttrs {
  readonly alpha: number;
  readonly beta: number;
  readonly normCoefficient: number;
  readonly mode: 'standard' | 'nesterov';
}

export const momentum: Op<MomentumAttrs> = {
  name: 'momentum',
  shaders: { momentum: source },
  inputs: [5, 5],
  outputs: [2, 2],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = {
      alpha: read.number('alpha', 0.9),
      beta: read.number('beta', 1),
      normCoefficient: read.number('normCoefficient', 0),
      mode: read.choice('mode', ['standard', 'nesterov'] as const, 'standard'),
    };
    read.done();
    return attrs;
  },
  infer([rate, count, x, g, v], _, fail) {
    if (size(rate!.shape) !== 1 || size(count!.shape) !== 1) fail('expected rate and count to be scalars.');
    if (count!.dtype !== 'i32') fail(`expected an integer count, got ${count!.dtype}.`);
    if (!sameShape(x!.shape, g!.shape) || !sameShape(x!.shape, v!.shape)) {
      fail(`expected x, g and v of one shape, got ${[x, g, v].map((t) => `[${t!.shape.join(', ')}]`).join(', ')}.`);
    }
    return [x!, x!];
  },
  forward({ attrs, x: [rate, iteration, x, gradient, v], y: [xNew, vNew], step }) {
    const count = size(x!.shape);
    const { alpha, beta, normCoefficient, mode } = attrs;
    step({
      shader: 'momentum',
      entry: 'update',
      geometry: { count, alpha, beta, normCoefficient, nesterov: mode === 'nesterov' ? 1 : 0 },
      bind: { rate: rate!, iteration: iteration!, x: x!, gradient: gradient!, v: v!, xNew, vNew },
      invocations: count,
    });
  },
  differentiable: () => false,
};
