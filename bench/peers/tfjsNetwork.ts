/** Whole networks on TensorFlow.js: our graph walked with its ops, in NHWC. */
import type { BenchNetwork } from '../../src/bench/networks.ts';
import { typeGraph, type TypedGraph } from '../../src/graph.ts';
import type { Conv2dAttrs } from '../../src/ops/window.ts';
import type { LrnAttrs } from '../../src/ops/lrn.ts';
import type { MaxPool2dAttrs } from '../../src/ops/maxpool2d.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { FROM_NHWC, TO_HWIO, Unavailable, type Contender } from './contender.ts';
import { contender, padding, upload, type Tf, type TfTensor } from './tfjs.ts';

/** A network's forward pass to a value, or its gradient with respect to the input under a seed, by TensorFlow.js's own differentiation. */
export function tfjsNetwork(tf: Tf, { graph, parameters }: BenchNetwork, target: string, input: Tensor, seed?: Tensor): Contender[] {
  const typed = typeGraph(graph);
  const held: TfTensor[] = [];
  const weights = new Map<string, TfTensor>();
  for (const { name } of graph.parameters) {
    const t = parameters.get(name) as Tensor;
    const made = upload(tf, t, TO_HWIO);
    held.push(made);
    weights.set(name, made);
  }
  const x = upload(tf, input);
  held.push(x);
  const forward = (at: TfTensor): TfTensor => walk(tf, typed, weights, at, target);
  const shape = typed.values.get(target)!.shape;
  if (!seed) return [contender(tf, 'tfjs', held, () => forward(x), shape.length === 4 ? FROM_NHWC : undefined)];
  const dy = upload(tf, seed);
  held.push(dy);
  const work = (): TfTensor => tf.grad((at) => tf.sum(tf.mul(forward(at), dy)))(x);
  return [contender(tf, 'tfjs', held, work, FROM_NHWC, true), contender(tf, 'tfjs, matmul transpose', [], work, FROM_NHWC, false)];
}

/** The graph op by op, in NHWC. A flattened map goes back to NCHW first, so that full layers meet their weights. */
function walk(tf: Tf, typed: TypedGraph, weights: ReadonlyMap<string, TfTensor>, x: TfTensor, target: string): TfTensor {
  const values = new Map(weights);
  values.set(typed.graph.inputs[0].name, x);
  for (const node of typed.nodes) {
    const [a, b, c] = node.inputs.map((name) => values.get(name)!);
    const shape = typed.values.get(node.outputs[0])!.shape;
    const from = typed.values.get(node.inputs[0])!.shape;
    const attrs = node.typedAttrs;
    let y: TfTensor;
    switch (node.op) {
      case 'conv2d': {
        const at = attrs as Conv2dAttrs;
        if (at.groups > 1) throw new Unavailable('tfjs has no grouped convolution');
        const made = tf.conv2d(
          a,
          b,
          at.stride,
          padding(at, typed.values.get(node.inputs[1])!.shape.slice(2), from, shape),
          'NHWC',
          at.dilation,
        );
        y = c ? tf.add(made, c) : made;
        break;
      }
      case 'relu':
        y = tf.relu(a);
        break;
      case 'maxpool2d':
      case 'avgpool2d': {
        const at = attrs as MaxPool2dAttrs;
        y = (node.op === 'maxpool2d' ? tf.maxPool : tf.avgPool)(a, at.kernel, at.stride, padding(at, at.kernel, from, shape));
        break;
      }
      case 'globalavgpool':
        y = tf.mean(a, [1, 2], true);
        break;
      case 'lrn': {
        const at = attrs as LrnAttrs;
        y = tf.localResponseNormalization(a, (at.size - 1) / 2, at.bias, at.alpha / at.size, at.beta);
        break;
      }
      case 'concat':
        y = tf.concat(
          node.inputs.map((name) => values.get(name)!),
          3,
        );
        break;
      case 'dropout':
      case 'identity':
        y = a;
        break;
      case 'flatten':
      case 'reshape': {
        const plain = from.length === 4 && size(from) !== from[0] * from[1] ? tf.transpose(a, FROM_NHWC) : a;
        if (shape.length === 4) throw new Unavailable('a reshape to rank 4');
        y = tf.reshape(plain, shape);
        break;
      }
      case 'linear': {
        const at = attrs as { transA: boolean; transB: boolean };
        const made = tf.matMul(a, b, at.transA, at.transB);
        y = c ? tf.add(made, c) : made;
        break;
      }
      case 'softmax':
        y = tf.softmax(a);
        break;
      default:
        throw new Unavailable(`tfjs network: no ${node.op}`);
    }
    values.set(node.outputs[0], y);
    if (node.outputs[0] === target) return y;
  }
  throw new Unavailable(`tfjs network: no value ${target}`);
}
