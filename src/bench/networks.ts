/**
 * Whole networks: a forward pass, an input gradient, and their ratio.
 */
import { LimitError, OutOfMemoryError } from '../errors.ts';
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import { KernelCache } from '../gpu/kernel.ts';
import type { GpuTimer } from '../gpu/timer.ts';
import { typeGraph, type Graph, type GraphNode, type ValueSpec } from '../graph.ts';
import { compile } from '../plan.ts';
import { size, type AnyTensor, type Shape, type Tensor } from '../tensor.ts';
import { checkNetwork, type NetworkCheck } from './networkCheck.ts';
import { randomTensor } from './problem.ts';
import { timeDispatches, type SampleOptions, type Timing } from './samples.ts';

/** A network's row. */
export interface NetworkResult {
  readonly name: string;
  readonly batch: number;
  readonly input: Shape;
  /** Of the forward pass: two for each multiply-accumulate. */
  readonly flop: number;
  readonly forwardDispatches: number;
  readonly backwardDispatches: number;
  /** Pipelines compiled for this network, and how long that took, in ms. */
  readonly pipelines: number;
  readonly compileMs: number;
  /** From the graph to an executor that is ready: compilation, upload, packing, in ms. */
  readonly buildMs: number;
  readonly forward?: Timing;
  /** Forward and backward pass: dS/dI of one score of every item. */
  readonly gradient?: Timing;
  /** Gradient over forward, of the medians. */
  readonly ratio?: number;
  /** Of the forward pass. */
  readonly gflops?: number;
  readonly check?: NetworkCheck;
  /** Whether scores and gradient had the same bits before and after they were timed. */
  readonly same?: boolean;
  /** From the start of a process to its first gradient on the host, in ms: the median of several processes. */
  readonly coldMs?: number;
  readonly skipped?: string;
}

/** A network to be timed. */
export interface BenchNetwork {
  readonly name: string;
  readonly graph: Graph;
  readonly parameters: ReadonlyMap<string, AnyTensor>;
}

/**
 * Times a network's passes on random normal input.
 * @throws InputError if the graph has no scores
 */
export async function runNetwork(gpu: Gpu, timer: GpuTimer, network: BenchNetwork, options: SampleOptions): Promise<NetworkResult> {
  const { name, graph, parameters } = network;
  const typed = typeGraph(graph);
  const target = graph.scores ?? graph.outputs[0];
  const [{ name: input, shape }] = graph.inputs;
  const flop = 2 * typed.nodes.reduce((sum, node) => sum + macsOf(typed, node), 0);
  const before = KernelCache.of(gpu).stats;
  const started = performance.now();
  // The input keeps its memory, so that the pass can be run over and over on the same numbers.
  const plan = compile(typed, { keep: [target, input], target, wrt: [input], traits: traitsOf(gpu) });
  const row = {
    name,
    batch: shape[0],
    input: shape,
    flop,
    forwardDispatches: plan.forward.length,
    backwardDispatches: plan.backward.length,
    pipelines: 0,
    compileMs: 0,
    buildMs: 0,
  };
  let executor: Executor;
  try {
    executor = await Executor.create(gpu, plan, parameters);
  } catch (error) {
    if (error instanceof LimitError || error instanceof OutOfMemoryError) return { ...row, skipped: error.message };
    throw error;
  }
  try {
    const buildMs = performance.now() - started;
    const after = KernelCache.of(gpu).stats;
    executor.poison();
    const seed = oneHot(plan.values[target].shape);
    const x = randomTensor(shape, 7);
    await executor.run({ [input]: x }, seed);
    const read = async (): Promise<Tensor[]> => [await executor.readTensor(target), await executor.readGradient(input)];
    const first = await read();
    const built = { ...row, pipelines: after.pipelines - before.pipelines, compileMs: after.ms - before.ms, buildMs };
    const [scores, image] = first;
    const check = await checkNetwork(gpu, typed, parameters, { input: x, target, seed, scores, gradient: image, flop });
    if (!check.passed) return { ...built, check };
    const [up, down] = [executor.dispatches('forward'), executor.dispatches('backward')];
    const forward = await timeDispatches(timer, up, options);
    const gradient = await timeDispatches(timer, [...up, ...down], options);
    const last = await read();
    const same = first.every(({ data }, k) => data.every((v, i) => Object.is(v, last[k].data[i])));
    const ratio = gradient.device.median / forward.device.median;
    return { ...built, check, forward, gradient, ratio, gflops: flop / (forward.device.median * 1e6), same };
  } finally {
    executor.dispose();
  }
}

/** Everything from a network's graph to its first gradient on the host. */
export async function firstGradient(gpu: Gpu, { graph, parameters }: BenchNetwork): Promise<Tensor> {
  const target = graph.scores ?? graph.outputs[0];
  const [{ name: input, shape }] = graph.inputs;
  const plan = compile(graph, { keep: [target], target, wrt: [input], traits: traitsOf(gpu) });
  const executor = await Executor.create(gpu, plan, parameters);
  try {
    await executor.run({ [input]: randomTensor(shape, 7) }, oneHot(plan.values[target].shape));
    return await executor.readGradient(input);
  } finally {
    executor.dispose();
  }
}

function macsOf(typed: ReturnType<typeof typeGraph>, node: ReturnType<typeof typeGraph>['nodes'][number]): number {
  const shapes = node.inputs.map((name) => (name === '' ? null : typed.values.get(name)!.shape));
  return node.definition.macs?.(shapes, typed.values.get(node.outputs[0])!.shape, node.typedAttrs) ?? 0;
}

/** One score of every item: the seed of dS/dI. */
function oneHot(shape: Shape): Tensor {
  const data = new Float32Array(size(shape));
  const classes = data.length / shape[0];
  for (let n = 0; n < shape[0]; n++) data[n * classes + (n % classes)] = 1;
  return { shape, data };
}

/**
 * VGG-16 (configuration D): thirteen 3x3 convolutions of width 64 to 512, five 2x2 max-pools, three full layers, for 224 x 224 pixels. Weights are
 * random, normal with variance 2 / fan-in, so that signals keep their size from layer to layer.
 * @see Simonyan & Zisserman 2014, table 1
 */
export function vgg16(batch = 1): BenchNetwork {
  const nodes: GraphNode[] = [];
  const specs: ValueSpec[] = [];
  let value = 'data';
  let channels = 3;
  const add = (op: string, name: string, attrs: GraphNode['attrs'] = {}, extra: readonly string[] = []): void => {
    nodes.push({ name, op, inputs: [value, ...extra], outputs: [name], attrs });
    value = name;
  };
  const weighted = (op: string, name: string, shape: Shape, attrs: GraphNode['attrs'] = {}): void => {
    specs.push({ name: `${name}.weight`, shape }, { name: `${name}.bias`, shape: [shape[0]] });
    add(op, name, attrs, [`${name}.weight`, `${name}.bias`]);
  };
  [
    [64, 64],
    [128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [512, 512, 512],
  ].forEach((widths, b) => {
    widths.forEach((width, i) => {
      weighted('conv2d', `conv${b + 1}_${i + 1}`, [width, channels, 3, 3], { pad: [1, 1, 1, 1] });
      add('relu', `relu${b + 1}_${i + 1}`);
      channels = width;
    });
    add('maxpool2d', `pool${b + 1}`, { kernel: [2, 2], stride: [2, 2] });
  });
  add('flatten', 'flat5');
  weighted('linear', 'fc6', [4096, 512 * 7 * 7]);
  add('relu', 'relu6');
  weighted('linear', 'fc7', [4096, 4096]);
  add('relu', 'relu7');
  weighted('linear', 'fc8', [1000, 4096]);
  const graph: Graph = {
    name: 'vgg16',
    inputs: [{ name: 'data', shape: [batch, 3, 224, 224] }],
    parameters: specs,
    nodes,
    outputs: ['fc8'],
    scores: 'fc8',
  };
  return { name: 'vgg16 (random weights)', graph, parameters: heParameters(specs) };
}

/** Weights drawn normal with variance 2 / fan-in; biases are zero. */
export function heParameters(specs: readonly ValueSpec[]): Map<string, Tensor> {
  return new Map(
    specs.map(({ name, shape }, k) => {
      if (shape.length < 2) return [name, { shape, data: new Float32Array(size(shape)) }];
      const scale = Math.sqrt(2 / size(shape.slice(1)));
      const { data } = randomTensor(shape, 11 + k);
      for (let i = 0; i < data.length; i++) data[i] *= scale;
      return [name, { shape, data }];
    }),
  );
}
