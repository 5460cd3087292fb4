/**
 * ONNX Runtime: its WebGPU provider (onnxruntime-web, running on Dawn with our device) and its CPU provider (onnxruntime-node). Forward only: it has
 * no backward pass. Inputs and outputs of the WebGPU provider are buffers of our device, so that nothing is copied to or from the host.
 */
import { readFileSync } from 'node:fs';
import type { Problem } from '../../src/bench/problem.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { DeviceTensor } from '../../src/gpu/tensor.ts';
import type { Conv2dAttrs } from '../../src/ops/window.ts';
import type { MaxPool2dAttrs } from '../../src/ops/maxpool2d.ts';
import { size, type Shape, type Tensor } from '../../src/tensor.ts';
import { littleEndian, model, node, tensorProto, valueInfo, type AttributeValue } from '../../test/onnx-writer.ts';
import { Unavailable, type Contender } from './contender.ts';

/** The little of ONNX Runtime that is used; its packages are not among the root's. */
interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: object, fetches?: object): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

export interface Ort {
  readonly env: {
    logLevel: string;
    readonly wasm: { numThreads: number; wasmPaths: string };
    readonly webgpu: { device: GPUDevice };
    readonly versions: Readonly<Record<string, string | undefined>>;
  };
  readonly InferenceSession: { create(bytes: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: (new (type: string, data: Float32Array, dims: readonly number[]) => OrtTensor) & {
    fromGpuBuffer(buffer: GPUBuffer, options: object): OrtTensor;
  };
}

/** Starts onnxruntime-web on the device. */
export async function openOrtWeb(gpu: Gpu): Promise<Ort> {
  const dist = new URL('../node_modules/onnxruntime-web/dist/', import.meta.url);
  // The package's entry for Node has no WebGPU; the one for browsers runs here as well.
  const ort = (await import(new URL('ort.webgpu.min.mjs', dist).href)) as Ort;
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = dist.href;
  ort.env.webgpu.device = gpu.device;
  return ort;
}

export const openOrtCpu = async (): Promise<Ort> => {
  const loaded = (await import('onnxruntime-node' as string)) as Ort & { readonly default?: Ort };
  return loaded.default ?? loaded;
};

/** A model on the WebGPU provider, from one input to one output. */
export async function ortWeb(
  ort: Ort,
  gpu: Gpu,
  bytes: Uint8Array,
  inputs: Readonly<Record<string, Tensor>>,
  output: string,
  shape: Shape,
): Promise<Contender> {
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['webgpu'], graphOptimizationLevel: 'all' });
  const held: DeviceTensor[] = [];
  const feeds: Record<string, OrtTensor> = {};
  const bound = (t: DeviceTensor): OrtTensor => ort.Tensor.fromGpuBuffer(t.buffer, { dataType: 'float32', dims: t.shape });
  for (const [name, t] of Object.entries(inputs)) {
    const made = await DeviceTensor.from(gpu, name, t);
    held.push(made);
    feeds[name] = bound(made);
  }
  const y = await DeviceTensor.from(gpu, output, { shape, data: new Float32Array(size(shape)).fill(NaN) });
  held.push(y);
  const fetches = { [output]: bound(y) };
  return {
    name: 'ort-web',
    submit: async () => void (await session.run(feeds, fetches)),
    read: () => y.read(),
    async dispose() {
      await session.release();
      for (const t of held) t.dispose();
    },
  };
}

/** A model on the CPU provider, with as many threads as it takes by itself. */
export async function ortCpu(ort: Ort, bytes: Uint8Array, inputs: Readonly<Record<string, Tensor>>, output: string): Promise<Contender> {
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['cpu'], graphOptimizationLevel: 'all' });
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, new ort.Tensor('float32', t.data, t.shape)]));
  let last: OrtTensor | undefined;
  return {
    name: 'ort-cpu',
    submit: async () => void (last = (await session.run(feeds, [output]))[output]),
    read: async () => ({ shape: last!.dims, data: last!.data }),
    dispose: () => session.release(),
  };
}

/** Elements up to which weights are put into the model, where they may be packed beforehand; larger ones are inputs. */
const INSIDE = 3e6;

/** A case as an ONNX model, weights inside it, so that they may be packed beforehand. @throws Unavailable for what ONNX Runtime does not do */
export function onnxCase({ case: c, typed, tensors, wrt }: Problem): { bytes: Uint8Array; inputs: Record<string, Tensor>; shape: Shape } {
  if (wrt !== undefined) throw new Unavailable('onnxruntime has no backward pass');
  const shape = typed.values.get('y')!.shape;
  const names = c.inputs.map((_, k) => `x${k}`);
  const own = typed.graph.parameters.filter((spec) => size(spec.shape) <= INSIDE).map(({ name }) => name);
  const [op, attributes] = onnxNode(c.op, typed.nodes[0].typedAttrs, c.inputs);
  const bytes = model({
    nodes: [node(op, names, ['y'], attributes)],
    inputs: names.filter((name) => !own.includes(name)).map((name) => valueInfo(name, tensors.get(name)!.shape)),
    outputs: [valueInfo('y', shape)],
    initializers: own.map((name) => {
      const { shape: dims, data } = tensors.get(name)!;
      return tensorProto(name, dims, 1, (t) => t.bytes(9, littleEndian('f4', data as unknown as number[])));
    }),
  });
  return {
    bytes,
    inputs: Object.fromEntries(names.filter((name) => !own.includes(name)).map((name) => [name, tensors.get(name)!])),
    shape,
  };
}

function onnxNode(op: string, attrs: unknown, inputs: readonly Shape[]): [string, Record<string, AttributeValue>] {
  switch (op) {
    case 'conv2d': {
      const { stride, pad, dilation, groups } = attrs as Conv2dAttrs;
      return ['Conv', { strides: stride, pads: pad, dilations: dilation, group: groups, kernel_shape: inputs[1].slice(2) }];
    }
    case 'linear':
      return ['Gemm', { transB: 1 }];
    case 'maxpool2d':
    case 'avgpool2d': {
      const { kernel, stride, pad, ceilMode } = attrs as MaxPool2dAttrs;
      return [
        op === 'maxpool2d' ? 'MaxPool' : 'AveragePool',
        { kernel_shape: kernel, strides: stride, pads: pad, ceil_mode: ceilMode ? 1 : 0 },
      ];
    }
    case 'globalavgpool':
      return ['GlobalAveragePool', {}];
    case 'relu':
      return ['Relu', {}];
    case 'softmax':
      return ['Softmax', { axis: -1 }];
    case 'concat':
      return ['Concat', { axis: 1 }];
    default:
      throw new Unavailable(`${op} would be computed by its CPU provider`);
  }
}

export const readModel = (file: string): Uint8Array => new Uint8Array(readFileSync(file));
