/** The registry of ops: one line each. */
import { avgpool2d } from './avgpool2d.ts';
import { batchnorm } from './batchnorm.ts';
import { add, mul } from './binary.ts';
import { blur } from './blur.ts';
import { clip } from './clip.ts';
import { concat } from './concat.ts';
import { conv2d } from './conv2d.ts';
import { dropout } from './dropout.ts';
import { globalavgpool, globalmaxpool } from './globalpool.ts';
import { l2norm } from './l2norm.ts';
import { limit } from './limit.ts';
import { linear } from './linear.ts';
import { crossentropy, nll } from './loss.ts';
import { lrn } from './lrn.ts';
import { maxpool2d } from './maxpool2d.ts';
import { momentum } from './momentum.ts';
import type { Op } from './op.ts';
import { pad } from './pad.ts';
import { relu } from './relu.ts';
import { flatten, identity, reshape } from './reshape.ts';
import { roll } from './roll.ts';
import { logsoftmax, softmax } from './softmax.ts';

// The attribute type belongs to each op; the registry only hands an op what that op itself has parsed.
const all: readonly Op<any>[] = [
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
];

/** Ops by name. */
export const OPS: Readonly<Record<string, Op<unknown>>> = Object.fromEntries(all.map((op) => [op.name, op]));
