/**
 * Whole networks: a forward pass, an input gradient, and their ratio.
 */
import { LimitError, OutOfMemoryError } from '../errors.ts';
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import { KernelCache } from '../gpu/kernel.ts';
import type { GpuTimer } from '../gpu/timer.ts';
import { typeGraph, type Graph } from '../graph.ts';
import { compile } from '../plan.ts';
import { size, type AnyTensor, type Shape, type Tensor } from '../tensor.ts';
import { checkNetwork, type NetworkCheck } from './networkCheck.ts';
import { randomTensor } from './problem.ts';
import { timeDispatches, timesOf, type SampleOptions, type Times, type Timing } from './samples.ts';

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
  /** On the host, to encode and submit one of a run's dispatches, in us, over several runs. */
  readonly hostUs?: Times;
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
    const hostUs = await hostTime(executor, { [input]: x }, seed, options);
    const last = await read();
    const same = first.every(({ data }, k) => data.every((v, i) => Object.is(v, last[k].data[i])));
    const ratio = gradient.device.median / forward.device.median;
    return { ...built, check, hostUs, forward, gradient, ratio, gflops: flop / (forward.device.median * 1e6), same };
  } finally {
    executor.dispose();
  }
}

/** Host time for each dispatch of whole runs, in us: three, or what the budget holds, up to the samples wanted. */
async function hostTime(
  executor: Executor,
  inputs: Readonly<Record<string, Tensor>>,
  seed: Tensor,
  { samples, budget }: SampleOptions,
): Promise<Times> {
  const started = performance.now();
  const each: number[] = [];
  while (each.length < 3 || (each.length < samples && performance.now() - started < 1000 * budget)) {
    const before = executor.stats;
    await executor.run(inputs, seed);
    const after = executor.stats;
    each.push((1000 * (after.hostMs - before.hostMs)) / (after.dispatched - before.dispatched));
  }
  return timesOf(each);
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
