/** Backlight as a contender: the same problems that `backlight bench` times, and whole networks. */
import { checkResult } from '../../src/bench/check.ts';
import type { BenchNetwork } from '../../src/bench/networks.ts';
import type { Problem } from '../../src/bench/problem.ts';
import { traitsOf, type Gpu } from '../../src/gpu/device.ts';
import type { Dispatch } from '../../src/gpu/dispatch.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { typeGraph } from '../../src/graph.ts';
import { compile } from '../../src/plan.ts';
import type { Tensor } from '../../src/tensor.ts';
import type { Contender } from './contender.ts';

function submitter(gpu: Gpu, dispatches: readonly Dispatch[]): () => void {
  return () => {
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { kernel, bindGroup, groups } of dispatches) {
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(groups[0], groups[1]);
    }
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
  };
}

/** A case, checked against f64 before it is handed out. @throws Error if its result is wrong */
export async function backlightCase(gpu: Gpu, problem: Problem): Promise<Contender> {
  const { plan, tensors, seed, part, wrt } = problem;
  const executor = await Executor.create(gpu, plan, tensors);
  const inputs = Object.fromEntries(plan.inputs.map((name) => [name, tensors.get(name)!]));
  executor.poison();
  if (part === 'backward') await executor.run(inputs, seed!);
  else await executor.forward(inputs);
  const read = (): Promise<Tensor> => (wrt === undefined ? executor.readTensor('y') : executor.readGradient(`x${wrt}`));
  const check = checkResult(problem, await read());
  if (!check.passed) throw new Error(`backlight: ${problem.case.id}: ${check.failure}`);
  return { name: 'backlight', submit: submitter(gpu, executor.dispatches(part)), read, dispose: () => executor.dispose() };
}

/** A network's forward pass, or with a seed its forward and backward pass to the input. */
export async function backlightNetwork(
  gpu: Gpu,
  { graph, parameters }: BenchNetwork,
  target: string,
  input: Tensor,
  seed?: Tensor,
): Promise<Contender> {
  const [{ name }] = graph.inputs;
  const plan = compile(typeGraph(graph), { keep: [target, name], traits: traitsOf(gpu), ...(seed ? { target, wrt: [name] } : {}) });
  const executor = await Executor.create(gpu, plan, parameters);
  executor.poison();
  if (seed) await executor.run({ [name]: input }, seed);
  else await executor.forward({ [name]: input });
  const dispatches = [...executor.dispatches('forward'), ...executor.dispatches('backward')];
  return {
    name: 'backlight',
    submit: submitter(gpu, dispatches),
    read: () => (seed ? executor.readGradient(name) : executor.readTensor(target)),
    dispose: () => executor.dispose(),
  };
}
