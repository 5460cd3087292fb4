/**
 * Other values for the parameters of plans that are ready: written where they lie, and packed again where they are packed.
 */
import type { Plan, Step } from '../plan.ts';
import { size, type AnyTensor } from '../tensor.ts';
import { untilLost, withErrorScopes, type Gpu } from './device.ts';
import { bindSteps } from './dispatch.ts';
import { KernelCache } from './kernel.ts';
import type { ParameterStore } from './store.ts';

/**
 * Replaces parameters in a store and renews every packed form of them that a plan in use reads. What is allocated on the way, parameters that
 * are kept in their packed form alone, is freed again: the memory in use is the same before and after.
 * Values of an earlier forward pass are those of the old parameters; a backward pass needs a new one.
 * @throws InputError, with nothing changed, if a name, shape or type is not that of a parameter; what the device throws, after which the store
 *   holds a mixture and is to be disposed of
 */
export function replaceParameters(gpu: Gpu, store: ParameterStore, values: ReadonlyMap<string, AnyTensor>): Promise<void> {
  return store.builds.take(async () => {
    gpu.check();
    store.replace(values);
    for (const [plan, steps] of packingSteps(store, values)) await repack(gpu, store, plan, steps);
  });
}

/** The steps that renew what was packed of these parameters, each once however many plans read its result. */
function packingSteps(store: ParameterStore, values: ReadonlyMap<string, AnyTensor>): Map<Plan, Step[]> {
  const renewed = new Set<string>();
  const byPlan = new Map<Plan, Step[]>();
  for (const { plan } of store.users) {
    const steps = plan.prepare.filter(({ bind }) => {
      const ids = Object.values(bind);
      const made = ids.filter((id) => plan.tensors[id].kind === 'prepared');
      if (!ids.some((id) => plan.tensors[id].kind === 'parameter' && values.has(id)) || made.every((id) => renewed.has(id))) return false;
      for (const id of made) renewed.add(id);
      return true;
    });
    if (steps.length > 0) byPlan.set(plan, steps);
  }
  return byPlan;
}

async function repack(gpu: Gpu, store: ParameterStore, plan: Plan, steps: readonly Step[]): Promise<void> {
  const { device } = gpu;
  const cache = KernelCache.of(gpu);
  const kernels = await Promise.all(steps.map((step) => cache.get(step.shader, plan.shaders[step.shader], step.entry, step.constants)));
  const uploaded: string[] = [];
  let geometry: GPUBuffer | undefined;
  try {
    for (const id of new Set(steps.flatMap(({ bind }) => Object.values(bind)))) {
      const { kind, bytes, shape } = plan.tensors[id];
      if (kind !== 'parameter' || store.has(id)) continue;
      await store.upload(id, bytes, size(shape));
      uploaded.push(id);
    }
    const { uniforms, dispatches } = await bindSteps(gpu, plan, steps, kernels, { buffer: (id) => store.buffer(id) });
    geometry = uniforms;
    const where = { label: `graph "${plan.name}", other parameters` };
    await withErrorScopes(gpu, where, () => {
      const encoder = device.createCommandEncoder({ label: 'other parameters' });
      const pass = encoder.beginComputePass({ label: 'other parameters' });
      for (const { kernel, bindGroup, groups } of dispatches) {
        pass.setPipeline(kernel.pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(groups[0], groups[1]);
      }
      pass.end();
      device.queue.submit([encoder.finish()]);
    });
    await untilLost(gpu, where, device.queue.onSubmittedWorkDone());
    gpu.check();
  } finally {
    geometry?.destroy();
    for (const id of uploaded) store.release(id);
  }
}
