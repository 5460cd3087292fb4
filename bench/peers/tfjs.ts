/**
 * TensorFlow.js with its WebGPU backend on our device. Tensors are NHWC, as its kernels are written for; numbers are brought into that order
 * beforehand and are on the device before anything is timed. Small tensors are not sent to the CPU (WEBGPU_CPU_FORWARD off).
 */
import type { Problem } from '../../src/bench/problem.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import type { Conv2dAttrs } from '../../src/ops/window.ts';
import type { LrnAttrs } from '../../src/ops/lrn.ts';
import type { MaxPool2dAttrs } from '../../src/ops/maxpool2d.ts';
import type { Shape, Tensor } from '../../src/tensor.ts';
import { FROM_HWC1, FROM_HWIO, FROM_NHWC, permute, TO_HWC1, TO_HWIO, TO_NHWC, Unavailable, type Contender } from './contender.ts';

/** The little of TensorFlow.js that is used; its packages are not among the root's, and bring types that the root does not need. */
export interface TfTensor {
  readonly shape: number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}

type Pad = 'valid' | number[][];

export interface Tf {
  tensor(data: Float32Array, shape: readonly number[]): TfTensor;
  env(): { set(flag: string, value: unknown): void };
  removeBackend(name: string): void;
  registerBackend(name: string, make: () => unknown): boolean;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): { readonly commandEncoder: GPUCommandEncoder | null; endComputePassEncoder(): void; submitQueue(): void };
  engine(): { runKernel(name: string, inputs: object, attrs: object): TfTensor };
  tidy<T>(work: () => T): T;
  keep(t: TfTensor): TfTensor;
  grad(f: (x: TfTensor) => TfTensor): (x: TfTensor) => TfTensor;
  conv2d(x: TfTensor, w: TfTensor, stride: readonly number[], pad: Pad, format: 'NHWC', dilation: readonly number[]): TfTensor;
  depthwiseConv2d(x: TfTensor, w: TfTensor, stride: readonly number[], pad: Pad, format: 'NHWC', dilation: readonly number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  readonly fused: { conv2d(options: object): TfTensor; matMul(options: object): TfTensor };
  add(a: TfTensor, b: TfTensor): TfTensor;
  mul(a: TfTensor, b: TfTensor): TfTensor;
  sum(a: TfTensor): TfTensor;
  step(a: TfTensor): TfTensor;
  relu(a: TfTensor): TfTensor;
  softmax(a: TfTensor): TfTensor;
  concat(parts: readonly TfTensor[], axis: number): TfTensor;
  mean(a: TfTensor, axes: readonly number[], keep: boolean): TfTensor;
  maxPool(x: TfTensor, kernel: readonly number[], stride: readonly number[], pad: Pad): TfTensor;
  avgPool(x: TfTensor, kernel: readonly number[], stride: readonly number[], pad: Pad): TfTensor;
  localResponseNormalization(x: TfTensor, radius: number, bias: number, alpha: number, beta: number): TfTensor;
  reshape(x: TfTensor, shape: readonly number[]): TfTensor;
  transpose(x: TfTensor, axes: readonly number[]): TfTensor;
  readonly version: { readonly 'tfjs-core'?: string };
}

const NAIVE = 'WEBGPU_USE_NAIVE_CONV2D_TRANSPOSE';

/** Starts TensorFlow.js on the device. */
export async function openTfjs(gpu: Gpu): Promise<Tf> {
  const tf = (await import('@tensorflow/tfjs-core' as string)) as Tf;
  const { WebGPUBackend } = (await import('@tensorflow/tfjs-backend-webgpu' as string)) as {
    WebGPUBackend: new (device: GPUDevice, info: GPUAdapterInfo) => unknown;
  };
  await import('@tensorflow/tfjs-core/dist/register_all_gradients' as string);
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  tf.removeBackend('webgpu');
  tf.registerBackend('webgpu', () => new WebGPUBackend(gpu.device, gpu.device.adapterInfo));
  if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs: its WebGPU backend did not start.');
  await tf.ready();
  return tf;
}

/** TensorFlow's explicit padding of NHWC; what windows that hang over the edge need is added at the far side. */
export function padding({ pad, stride, dilation }: Conv2dAttrs | MaxPool2dAttrs, kernel: readonly number[], x: Shape, y: Shape): Pad {
  const far = (axis: 0 | 1): number =>
    Math.max(0, (y[2 + axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - x[2 + axis] - pad[axis]);
  const [top, left, bottom, right] = [pad[0], pad[1], far(0), far(1)];
  return top + left + bottom + right === 0
    ? 'valid'
    : [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ];
}

const rank4 = (t: Tensor): boolean => t.shape.length === 4;

export function upload(tf: Tf, t: Tensor, axes: readonly number[] = TO_NHWC): TfTensor {
  const own = rank4(t) ? permute(t, axes) : t;
  return tf.tensor(own.data, own.shape);
}

async function download(t: TfTensor, axes: readonly number[] = FROM_NHWC): Promise<Tensor> {
  const own = { shape: t.shape, data: await t.data() };
  return rank4(own) ? permute(own, axes) : own;
}

/** Submits what TensorFlow.js has recorded and would submit later. */
function flush(tf: Tf): void {
  const backend = tf.backend();
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
}

/** A function of tensors as a contender. */
export function contender(
  tf: Tf,
  name: string,
  held: readonly TfTensor[],
  work: () => TfTensor,
  back?: readonly number[],
  naive = true,
): Contender {
  let last: TfTensor | undefined;
  return {
    name,
    submit() {
      tf.env().set(NAIVE, naive);
      last?.dispose();
      last = tf.tidy(work);
      flush(tf);
    },
    read: () => download(last!, back),
    dispose() {
      last?.dispose();
      for (const t of held) t.dispose();
    },
  };
}

/**
 * A case on TensorFlow.js; of a convolution's backward pass both values of the flag that chooses its kernel.
 * @throws Unavailable where it has no such op
 */
export function tfjsCase(tf: Tf, problem: Problem): Contender[] {
  const { case: c, typed, tensors, seed, wrt } = problem;
  const attrs = typed.nodes[0].typedAttrs;
  const y = typed.values.get('y')!.shape;
  const [x, w, b] = c.inputs.map((_, k) => tensors.get(`x${k}`)!);
  const held: TfTensor[] = [];
  const hold = (t: TfTensor): TfTensor => {
    held.push(t);
    return t;
  };
  const one = (work: () => TfTensor, back?: readonly number[]): Contender[] => [contender(tf, 'tfjs', held, work, back)];
  const run = (kernel: string, inputs: object, given: object): TfTensor => tf.engine().runKernel(kernel, inputs, given);

  switch (c.op) {
    case 'conv2d': {
      const a = attrs as Conv2dAttrs;
      const depthwise = a.groups > 1 && a.groups === x.shape[1] && w.shape[0] === a.groups;
      if (a.groups > 1 && !depthwise) throw new Unavailable('tfjs has no grouped convolution');
      const pad = padding(a, w.shape.slice(2), x.shape, y);
      const [strides, dilations] = [a.stride, a.dilation];
      const filter = hold(upload(tf, w, depthwise ? TO_HWC1 : TO_HWIO));
      const filterShape = filter.shape;
      const common = { strides, pad, dataFormat: 'NHWC', dilations, dimRoundingMode: undefined };
      if (wrt === undefined) {
        const [input, bias] = [hold(upload(tf, x)), hold(upload(tf, b))];
        if (depthwise) return one(() => tf.add(tf.depthwiseConv2d(input, filter, strides, pad, 'NHWC', dilations), bias));
        return one(() => tf.fused.conv2d({ x: input, filter, strides, pad, dataFormat: 'NHWC', dilations, bias }));
      }
      const dy = hold(upload(tf, seed!));
      const [N, C, H, W] = x.shape;
      if (wrt === 0) {
        if (depthwise) return one(() => run('DepthwiseConv2dNativeBackpropInput', { dy, filter }, { ...common, inputShape: [N, H, W, C] }));
        const work = (): TfTensor => run('Conv2DBackpropInput', { dy, filter }, { ...common, inputShape: [N, H, W, C] });
        return [contender(tf, 'tfjs', held, work, FROM_NHWC, true), contender(tf, 'tfjs, matmul transpose', [], work, FROM_NHWC, false)];
      }
      const input = hold(upload(tf, x));
      if (depthwise) return one(() => run('DepthwiseConv2dNativeBackpropFilter', { x: input, dy }, { ...common, filterShape }), FROM_HWC1);
      return one(() => run('Conv2DBackpropFilter', { x: input, dy }, { ...common, filterShape }), FROM_HWIO);
    }
    case 'linear': {
      if (wrt === undefined) {
        const [p, q, r] = [x, w, b].map((t) => hold(upload(tf, t)));
        return one(() => tf.fused.matMul({ a: p, b: q, transposeA: false, transposeB: true, bias: r }));
      }
      const dy = hold(upload(tf, seed!));
      const other = hold(upload(tf, wrt === 0 ? w : x));
      return one(() => (wrt === 0 ? tf.matMul(dy, other) : tf.matMul(dy, other, true, false)));
    }
    case 'maxpool2d':
    case 'avgpool2d': {
      const a = attrs as MaxPool2dAttrs;
      const pad = padding(a, a.kernel, x.shape, y);
      const input = hold(upload(tf, x));
      const forward = (): TfTensor => (c.op === 'maxpool2d' ? tf.maxPool : tf.avgPool)(input, a.kernel, a.stride, pad);
      if (wrt === undefined) return one(forward);
      const dy = hold(upload(tf, seed!));
      const given = { filterSize: a.kernel, strides: a.stride, pad, dimRoundingMode: undefined };
      if (c.op === 'avgpool2d') return one(() => run('AvgPoolGrad', { dy, input }, given));
      const output = hold(forward());
      return one(() => run('MaxPoolGrad', { dy, input, output }, given));
    }
    case 'globalavgpool': {
      if (wrt !== undefined) throw new Unavailable('tfjs has no kernel of its own for it');
      const input = hold(upload(tf, x));
      return one(() => tf.mean(input, [1, 2], true));
    }
    case 'lrn': {
      const { size: window, alpha, beta, bias } = attrs as LrnAttrs;
      const radius = (window - 1) / 2;
      const input = hold(upload(tf, x));
      const forward = (): TfTensor => tf.localResponseNormalization(input, radius, bias, alpha / window, beta);
      if (wrt === undefined) return one(forward);
      const [dy, output] = [hold(upload(tf, seed!)), hold(forward())];
      return one(() => run('LRNGrad', { x: input, y: output, dy }, { depthRadius: radius, bias, alpha: alpha / window, beta }));
    }
    case 'relu': {
      if (wrt !== undefined && c.rule !== 'gradient') throw new Unavailable('tfjs has the gradient alone');
      const input = hold(upload(tf, x));
      if (wrt === undefined) return one(() => tf.relu(input));
      const dy = hold(upload(tf, seed!));
      return one(() => tf.mul(dy, tf.step(input)));
    }
    case 'softmax': {
      if (wrt !== undefined) throw new Unavailable('tfjs has no kernel of its own for it');
      const input = hold(upload(tf, x));
      return one(() => tf.softmax(input));
    }
    case 'concat': {
      if (wrt !== undefined) throw new Unavailable('tfjs slices, which is another op');
      const parts = c.inputs.map((_, k) => hold(upload(tf, tensors.get(`x${k}`)!)));
      return one(() => tf.concat(parts, 3));
    }
    default:
      throw new Unavailable(`tfjs has no ${c.op}`);
  }
}
