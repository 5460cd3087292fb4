/** Softmax with cross-entropy, and the negative log-likelihood of log-probabilities. */
import binary from '../../shaders/binary.wgsl' with { type: 'text' };
import source from '../../shaders/softmax.wgsl' with { type: 'text' };
import { size } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { AdjointContext, EmitContext, Fail, Op, TensorRef, ValueInfo } from './op.ts';

export interface LossAttrs {
  readonly reduction: 'mean' | 'sum' | 'none';
}

/** Loss from log-probabilities [N, K] and labels [N]; `mean` divides by N. */
function lossSteps(c: EmitContext<LossAttrs>, logProbabilities: TensorRef, labels: TensorRef, loss: TensorRef): void {
  const [outer, extent] = logProbabilities.shape;
  const { reduction } = c.attrs;
  const losses = reduction === 'none' ? loss : c.scratch('losses', [outer]);
  c.step({ shader: 'softmax', entry: 'pick', geometry: { outer, extent }, bind: { logProbabilities, labels, losses }, invocations: outer });
  if (reduction === 'none') return;
  const factor = reduction === 'mean' ? 1 / outer : 1;
  c.step({ shader: 'softmax', entry: 'total', geometry: { outer, factor }, bind: { itemLosses: losses, loss }, invocations: 1 });
}

function lossAdjoint(c: AdjointContext<LossAttrs>, entry: string, bind: Record<string, TensorRef>, dscores: TensorRef): void {
  const [outer, extent] = dscores.shape;
  const { reduction } = c.attrs;
  c.step({
    shader: 'softmax',
    entry,
    geometry: { outer, extent, lossStride: reduction === 'none' ? 1 : 0, factor: reduction === 'mean' ? 1 / outer : 1 },
    bind: { ...bind, labels: c.x[1]!, dloss: c.dy[0]!, dscores },
    invocations: size(dscores.shape),
  });
}

const common = {
  shaders: { softmax: source },
  inputs: [2, 2],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = { reduction: read.choice('reduction', ['mean', 'sum', 'none'] as const, 'mean') };
    read.done();
    return attrs;
  },
  infer([scores, labels]: readonly (ValueInfo | null)[], a: LossAttrs, fail: Fail): ValueInfo[] {
    if (scores!.shape.length !== 2) fail(`expected scores [N, K], got [${scores!.shape.join(', ')}].`);
    if (labels!.dtype !== 'i32' || labels!.shape.length !== 1 || labels!.shape[0] !== scores!.shape[0]) {
      fail(`expected integer labels [${scores!.shape[0]}], got ${labels!.dtype} [${labels!.shape.join(', ')}].`);
    }
    return [
      { shape: a.reduction === 'none' ? [scores!.shape[0]] : [], dtype: 'f32' },
      { shape: scores!.shape, dtype: 'f32' },
    ];
  },
  differentiable: (k: number) => k === 0,
} satisfies Partial<Op<LossAttrs>>;

export const crossentropy: Op<LossAttrs> = {
  name: 'crossentropy',
  ...common,
  shaders: { softmax: source, binary },
  outputs: [1, 2],
  forward(c) {
    const [outer, extent] = c.x[0]!.shape;
    const logProbabilities =
      c.y[1] ?? (c.differentiated ? c.save('logProbabilities', [outer, extent], 'f32') : c.scratch('logProbabilities', [outer, extent]));
    c.step({
      shader: 'softmax',
      entry: 'logSoftmax',
      geometry: { outer, extent, inner: 1 },
      bind: { x: c.x[0]!, y: logProbabilities },
      invocations: outer,
    });
    lossSteps(c, logProbabilities, c.x[1]!, c.y[0]);
  },
  adjoint(c) {
    const logProbabilities = c.y[1] ?? c.saved('logProbabilities');
    const [fromLoss, fromLog] = c.dy;
    // Signals may arrive at the loss, at the log-probabilities, or at both; then their effects on the scores add up.
    const both = Boolean(fromLoss && fromLog);
    const lossPart = both ? c.scratch('fromLoss', c.dx.shape) : c.dx;
    const logPart = both ? c.scratch('fromLog', c.dx.shape) : c.dx;
    const [outer, extent] = c.dx.shape;
    const count = outer * extent;
    if (fromLoss) lossAdjoint(c, 'crossEntropyBackward', { logProbabilities }, lossPart);
    if (fromLog) {
      const bind = { output: logProbabilities, dy: fromLog, dx: logPart };
      c.step({ shader: 'softmax', entry: 'logSoftmaxBackward', geometry: { outer, extent, inner: 1 }, bind, invocations: outer });
    }
    if (both)
      c.step({ shader: 'binary', entry: 'add', geometry: { count }, bind: { a: lossPart, b: logPart, y: c.dx }, invocations: count });
  },
};

export const nll: Op<LossAttrs> = {
  name: 'nll',
  ...common,
  outputs: [1, 1],
  infer: (inputs, a, fail) => common.infer(inputs, a, fail).slice(0, 1),
  forward: (c) => lossSteps(c, c.x[0]!, c.x[1]!, c.y[0]),
  adjoint: (c) => lossAdjoint(c, 'pickBackward', {}, c.dx),
};
