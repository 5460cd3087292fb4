/** Dropout: the identity at inference, a seeded mask in training. */
import source from '../../shaders/dropout.wgsl' with { type: 'text' };
import { size } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { EmitContext, Op, TensorRef } from './op.ts';

export interface DropoutAttrs {
  /** Share of elements set to zero, in [0, 1). */
  readonly ratio: number;
}

/** FNV-1a over a node's name: two dropouts of one network draw different masks. */
export function salt(node: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(node)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** Elements are kept where their hash is at least this. */
export function threshold(ratio: number): number {
  return Math.min(0xffffffff, Math.round(ratio * 2 ** 32));
}

function pcg(v: number): number {
  const state = (Math.imul(v, 747796405) + 2891336453) >>> 0;
  const word = Math.imul(((state >>> ((state >>> 28) + 4)) ^ state) >>> 0, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** The shader's hash of element `i`, for the reference. */
export function dropoutHash(seed: number, iteration: number, nodeSalt: number, i: number): number {
  return pcg((i ^ pcg((iteration ^ pcg((seed ^ pcg(nodeSalt)) >>> 0)) >>> 0)) >>> 0);
}

function apply(c: EmitContext<DropoutAttrs>, x: TensorRef, y: TensorRef): void {
  const count = size(y.shape);
  const { ratio } = c.attrs;
  c.step({
    shader: 'dropout',
    entry: 'apply',
    geometry: { count, salt: salt(c.node), threshold: threshold(ratio), factor: 1 / (1 - ratio) },
    bind: { x, random: c.random(), y },
    invocations: count,
  });
}

export const dropout: Op<DropoutAttrs> = {
  name: 'dropout',
  shaders: { dropout: source },
  inputs: [1, 1],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = { ratio: read.number('ratio', 0.5) };
    read.done();
    if (!(attrs.ratio >= 0 && attrs.ratio < 1)) fail(`expected ratio in [0, 1), got ${attrs.ratio}.`);
    return attrs;
  },
  infer: ([x]) => [x!],
  alias: (a, training) => !training || a.ratio === 0,
  forward: (c) => apply(c, c.x[0]!, c.y[0]),
  differentiable: () => true,
  adjoint(c) {
    if (dropout.alias!(c.attrs, c.training)) return c.dy[0]!;
    apply(c, c.dy[0]!, c.dx);
  },
};
