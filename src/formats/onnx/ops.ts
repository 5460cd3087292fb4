/**
 * The ONNX ops this reader takes: one line for each.
 */
import type { NodeContext } from './context.ts';
import { FOLDS } from './fold.ts';
import { batchNormalization, binary, clip, dropout, gemm, identity, lrn, matMul, softmax, sum, unary } from './layers.ts';
import { momentum, negativeLogLikelihood, softmaxCrossEntropy } from './losses.ts';
import { concat, flatten, pad, reshape, squeeze, unsqueeze } from './reshaping.ts';
import { averagePool, conv, globalPool, maxPool, reduceMean } from './windows.ts';

interface Lowering {
  /** Attributes of any opset; others are errors, since nobody knows what they change. */
  readonly attributes: readonly string[];
  readonly lower: (c: NodeContext) => void;
}

const WINDOW = ['auto_pad', 'kernel_shape', 'strides', 'pads', 'dilations'];

/** By op type of the default domain; other domains are written `domain.Op`. */
const LOWERINGS: Readonly<Record<string, Lowering>> = {
  Add: { attributes: [], lower: binary('add') },
  AveragePool: { attributes: [...WINDOW, 'ceil_mode', 'count_include_pad'], lower: averagePool },
  BatchNormalization: { attributes: ['epsilon', 'momentum', 'spatial', 'training_mode'], lower: batchNormalization },
  Clip: { attributes: ['min', 'max'], lower: clip },
  Concat: { attributes: ['axis'], lower: concat },
  Conv: { attributes: [...WINDOW, 'group'], lower: conv },
  Dropout: { attributes: ['ratio', 'seed'], lower: dropout },
  Flatten: { attributes: ['axis'], lower: flatten },
  Gemm: { attributes: ['alpha', 'beta', 'transA', 'transB'], lower: gemm },
  GlobalAveragePool: { attributes: [], lower: globalPool('globalavgpool') },
  GlobalMaxPool: { attributes: [], lower: globalPool('globalmaxpool') },
  Identity: { attributes: [], lower: identity },
  LRN: { attributes: ['size', 'alpha', 'beta', 'bias'], lower: lrn },
  LogSoftmax: { attributes: ['axis'], lower: softmax('logsoftmax') },
  MatMul: { attributes: [], lower: matMul },
  MaxPool: { attributes: [...WINDOW, 'ceil_mode', 'storage_order'], lower: maxPool },
  Mul: { attributes: [], lower: binary('mul') },
  NegativeLogLikelihoodLoss: { attributes: ['reduction', 'ignore_index'], lower: negativeLogLikelihood },
  Pad: { attributes: ['mode', 'pads', 'value'], lower: pad },
  ReduceMean: { attributes: ['axes', 'keepdims'], lower: reduceMean },
  Relu: { attributes: [], lower: unary('relu') },
  Reshape: { attributes: ['shape', 'allowzero'], lower: reshape },
  Softmax: { attributes: ['axis'], lower: softmax('softmax') },
  SoftmaxCrossEntropyLoss: { attributes: ['reduction', 'ignore_index'], lower: softmaxCrossEntropy },
  Squeeze: { attributes: ['axes'], lower: squeeze },
  Sum: { attributes: [], lower: sum },
  Unsqueeze: { attributes: ['axes'], lower: unsqueeze },
  'ai.onnx.preview.training.Momentum': { attributes: ['alpha', 'beta', 'mode', 'norm_coefficient'], lower: momentum },
};

/**
 * Translates one node: into constants where all it needs is known, into nodes of the graph otherwise.
 * @throws GraphError if the op is not supported, naming op, node and what is.
 */
export function translate(c: NodeContext): void {
  const { domain, opType } = c.node;
  const key = domain === '' ? opType : `${domain}.${opType}`;
  const fold = Object.hasOwn(FOLDS, key) ? FOLDS[key] : undefined;
  const lowering = Object.hasOwn(LOWERINGS, key) ? LOWERINGS[key] : undefined;
  if (fold && (fold.always || c.inputs.every((_, k) => c.constant(k)))) {
    c.knownAttributes(fold.attributes);
    fold.fold(c);
  } else if (lowering) {
    c.knownAttributes(lowering.attributes);
    lowering.lower(c);
  } else {
    const only = Object.keys(FOLDS).filter((name) => !Object.hasOwn(LOWERINGS, name));
    c.fail(`expected a supported op, got ${key}. Supported: ${Object.keys(LOWERINGS).join(', ')}; on constants also ${only.join(', ')}.`);
  }
}
