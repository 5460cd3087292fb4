/**
 * The losses, and the one optimiser step ONNX's own tests cover.
 */
import { formatShape, sameShape, type Shape } from '../../tensor.ts';
import type { NewValue, NodeContext } from './context.ts';

interface LossInputs {
  readonly scores: string;
  readonly labels: string;
  readonly shape: Shape;
  readonly reduction: string;
  readonly loss: NewValue;
}

/** Scores [N,K], labels [N], and the attributes both losses share. */
function readLoss(c: NodeContext): LossInputs {
  const x = c.floatInput(0);
  if (x.shape.length !== 2) c.fail(`expected scores [N,K], got shape ${formatShape(x.shape)}. Losses over positions are not supported.`);
  const [n, k] = x.shape;
  const labels = c.x(1);
  if (labels.dtype !== 'i32' || !sameShape(labels.shape, [n])) {
    c.fail(`expected ${n} integer labels, got ${labels.dtype === 'i32' ? 'integers' : 'floats'} of shape ${formatShape(labels.shape)}.`);
  }
  if (c.given(2)) {
    const weights = c.constant(2);
    if (!weights || weights.data.some((w) => w !== 1)) c.fail('expected no class weights, got some. Weighted losses are not supported.');
    if (!sameShape(weights.shape, [k])) c.fail(`expected ${k} class weights, got shape ${formatShape(weights.shape)}.`);
  }
  if (c.has('ignore_index')) {
    const index = c.int('ignore_index');
    // An index that is no class cannot be told from a wrong label, and a wrong label is an error anyway.
    if (index >= 0 && index < k) {
      c.fail(`expected no ignore_index among the ${k} classes, got ${index}. Ignoring a class is not supported.`);
    }
  }
  const reduction = c.string('reduction', 'mean');
  if (!['mean', 'sum', 'none'].includes(reduction)) c.fail(`expected reduction mean, sum or none, got "${reduction}".`);
  return {
    scores: x.name,
    labels: labels.name,
    shape: x.shape,
    reduction,
    loss: { name: c.outputs[0], shape: reduction === 'none' ? [n] : [] },
  };
}

/** SoftmaxCrossEntropyLoss -> crossentropy. */
export function softmaxCrossEntropy(c: NodeContext): void {
  c.arity([2, 3], 2);
  const { scores, labels, shape, reduction, loss } = readLoss(c);
  const outputs = c.wanted(1) ? [loss, { name: c.outputs[1], shape }] : [loss];
  c.emit('crossentropy', [scores, labels], outputs, { reduction });
}

/** NegativeLogLikelihoodLoss -> nll. */
export function negativeLogLikelihood(c: NodeContext): void {
  c.arity([2, 3]);
  const { scores, labels, reduction, loss } = readLoss(c);
  c.emit('nll', [scores, labels], [loss], { reduction });
}

/** Momentum of ai.onnx.preview.training: R, T, X.., G.., V.. -> X_new.., V_new..; one step for each tensor. */
export function momentum(c: NodeContext): void {
  c.arity([5, Infinity], Infinity);
  const n = (c.inputs.length - 2) / 3;
  if (!Number.isInteger(n) || c.outputs.length !== 2 * n || c.outputs.includes('')) {
    c.fail(
      `expected inputs R, T and three for each tensor and two outputs for each, ` +
        `got ${c.inputs.length} inputs and ${c.outputs.length} outputs.`,
    );
  }
  const rate = c.floatInput(0);
  const count = c.x(1);
  if (rate.shape.length !== 0 || count.shape.length !== 0 || count.dtype !== 'i32') {
    c.fail('expected R to be a float scalar and T an integer one.');
  }
  const mode = c.string('mode');
  if (mode !== 'standard' && mode !== 'nesterov') c.fail(`expected mode standard or nesterov, got "${mode}".`);
  const attrs = { alpha: c.float('alpha'), beta: c.float('beta'), normCoefficient: c.float('norm_coefficient'), mode };
  for (let i = 0; i < n; i++) {
    const [x, g, v] = [2 + i, 2 + n + i, 2 + 2 * n + i].map((k) => c.floatInput(k));
    if (!sameShape(x.shape, g.shape) || !sameShape(x.shape, v.shape)) {
      c.fail(`expected X, G and V of one shape, got ${[x, g, v].map((t) => formatShape(t.shape)).join(', ')}.`);
    }
    const outputs = [c.outputs[i], c.outputs[n + i]].map((name) => ({ name, shape: x.shape }));
    c.emit('momentum', [rate.name, count.name, x.name, g.name, v.name], outputs, attrs, n === 1 ? '' : `/${i}`);
  }
}
