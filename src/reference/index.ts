/** The registry of reference ops: one line each, under the names of the ops they specify. */
import { conv2d } from './conv2d.ts';
import { add, clip, dropout, mul, relu } from './elementwise.ts';
import { linear } from './linear.ts';
import { momentum } from './momentum.ts';
import { batchnorm, lrn } from './normalise.ts';
import { blur, l2norm, limit, roll } from './picture.ts';
import { avgpool2d, globalavgpool, globalmaxpool, maxpool2d } from './pool.ts';
import { concat, flatten, identity, pad, reshape } from './shape.ts';
import { crossentropy, logsoftmax, nll, softmax } from './softmax.ts';
import type { ReferenceOp } from './types.ts';

// The attribute type belongs to each op; a caller hands an op what the op of the same name has parsed.
export const REFERENCE: Readonly<Record<string, ReferenceOp<any>>> = {
  add,
  avgpool2d,
  batchnorm,
  blur,
  clip,
  concat,
  conv2d,
  crossentropy,
  dropout,
  flatten,
  globalavgpool,
  globalmaxpool,
  identity,
  l2norm,
  limit,
  linear,
  logsoftmax,
  lrn,
  maxpool2d,
  momentum,
  mul,
  nll,
  pad,
  relu,
  reshape,
  roll,
  softmax,
};
