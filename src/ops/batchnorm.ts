/** Batch normalisation at inference. The running statistics are given and have no adjoint. */
import source from '../../shaders/batchnorm.wgsl' with { type: 'text' };
import { size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';

export interface BatchNormAttrs {
  readonly epsilon: number;
}

const geometry = ([n, c, ...rest]: Shape, a: BatchNormAttrs): Record<string, number> => ({
  batch: n,
  channels: c,
  extent: size(rest),
  epsilon: a.epsilon,
});

export const batchnorm: Op<BatchNormAttrs> = {
  name: 'batchnorm',
  shaders: { batchnorm: source },
  inputs: [5, 5],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = { epsilon: read.number('epsilon', 1e-5) };
    read.done();
    return attrs;
  },
  infer([x, ...vectors], _, fail) {
    if (x!.shape.length < 2) fail(`expected x of rank 2 or more, got [${x!.shape.join(', ')}].`);
    vectors.forEach((v, k) => {
      if (v!.shape.length !== 1 || v!.shape[0] !== x!.shape[1]) {
        fail(`expected ${['scale', 'bias', 'mean', 'variance'][k]} [${x!.shape[1]}], one for each channel, got [${v!.shape.join(', ')}].`);
      }
    });
    return [x!];
  },
  forward({ attrs, x: [x, scale, bias, mean, variance], y: [y], step }) {
    step({
      shader: 'batchnorm',
      entry: 'forward',
      geometry: geometry(y.shape, attrs),
      bind: { x: x!, scale: scale!, bias: bias!, mean: mean!, variance: variance!, y },
      invocations: size(y.shape),
    });
  },
  differentiable: (k) => k < 3,
  adjoint({ attrs, x: [x, scale, , mean, variance], y: [y], dy: [dy], dx, step }, k) {
    const shared = { shader: 'batchnorm', geometry: geometry(y.shape, attrs), invocations: size(dx.shape) };
    if (k === 0) step({ ...shared, entry: 'backwardInput', bind: { dy: dy!, scale: scale!, variance: variance!, dx } });
    else if (k === 1) step({ ...shared, entry: 'backwardScale', bind: { dy: dy!, x: x!, mean: mean!, variance: variance!, dscale: dx } });
    else step({ ...shared, entry: 'backwardBias', bind: { dy: dy!, dbias: dx } });
  },
};
