/** Makes a plan ready to run: parameters uploaded and packed, pipelines compiled in parallel, buffers and bind groups made. */
import { InputError, LimitError } from '../errors.ts';
import type { Plan, Step } from '../plan.ts';
import { formatShape, size } from '../tensor.ts';
import { withErrorScopes, type Gpu } from './device.ts';
import { bindSteps, type Dispatch } from './dispatch.ts';
import { KernelCache, type Kernel } from './kernel.ts';
import { createStorage, type ParameterStore } from './store.ts';
import type { Submissions } from './submissions.ts';

/** The parts of a plan, in the order of a step of training. */
export type Part = 'prepare' | 'forward' | 'backward' | 'update';

/** A plan with everything bound. */
export interface Built {
  /** Buffers by the plan's slots; another's where it lends them. */
  readonly slots: readonly GPUBuffer[];
  readonly dispatches: Readonly<Record<Part, readonly Dispatch[]>>;
}

export interface BuildOptions {
  readonly foldAt?: number;
  /** Slots of an executor whose forward pass serves this plan too, which is then built without one. */
  readonly lent?: readonly GPUBuffer[];
}

/**
 * To be called in a turn of the store's builds.
 * @param own takes every buffer that is made, to be destroyed by the caller, also if this fails
 */
export async function build(
  gpu: Gpu,
  plan: Plan,
  store: ParameterStore,
  submissions: Submissions,
  own: GPUBuffer[],
  { foldAt, lent }: BuildOptions,
): Promise<Built> {
  checkLimits(gpu, plan);
  /** Buffers in the store whose contents are not there yet, or only for the time of the build. */
  const unfinished = new Set<string>();
  try {
    const tensors = Object.values(plan.tensors);
    const missing = new Set(tensors.filter((t) => t.kind === 'prepared' && !store.has(t.id)).map((t) => t.id));
    // A prepare step that makes nothing new has been run by another executor on the same store.
    const prepare = plan.prepare.filter((step) => plan.training || Object.values(step.bind).some((id) => missing.has(id)));
    const parts: Record<Part, readonly Step[]> = {
      prepare,
      forward: lent ? [] : plan.forward,
      backward: plan.backward,
      update: plan.update,
    };
    const main = [...parts.forward, ...parts.backward, ...parts.update];
    // Compiles while weights are uploaded; a failure is told where it is awaited.
    const kernels = compileAll(gpu, plan, [...prepare, ...main]);
    kernels.catch(() => {});

    const resident = new Set(main.flatMap((step) => Object.values(step.bind)));
    for (const name of plan.readable) resident.add(plan.values[name].id);
    const preparing = new Set(prepare.flatMap((step) => Object.values(step.bind)));
    for (const tensor of tensors) {
      if (missing.has(tensor.id)) {
        await store.allocate(tensor.id, tensor.node, tensor.bytes, 'prepared');
        unfinished.add(tensor.id);
      }
      // A new buffer is zero, as velocities begin.
      if (tensor.kind === 'velocity') await store.allocate(tensor.id, tensor.node, tensor.bytes, 'velocity');
      if (tensor.kind !== 'parameter' || store.has(tensor.id)) continue;
      if (!resident.has(tensor.id) && !preparing.has(tensor.id)) continue;
      await store.upload(tensor.id, tensor.bytes, size(tensor.shape));
      if (!resident.has(tensor.id) && !plan.training) unfinished.add(tensor.id);
    }
    const slots = lent ?? (await makeSlots(gpu, plan, own));
    const { staging } = submissions;
    const bytes = largestRead(plan);
    await withErrorScopes(gpu, { label: `graph "${plan.name}", buffer to read results from (${bytes} bytes)` }, () =>
      staging.give(staging.take(bytes)),
    );

    const { uniforms, dispatches } = await bindSteps(gpu, plan, [...prepare, ...main], await kernels, {
      buffer: (id) => (plan.tensors[id].slot >= 0 ? slots[plan.tensors[id].slot] : store.buffer(id)),
      foldAt,
    });
    own.push(uniforms);
    let at = 0;
    const take = (part: Part): Dispatch[] => dispatches.slice(at, (at += parts[part].length));
    const built = {
      slots,
      dispatches: { prepare: take('prepare'), forward: take('forward'), backward: take('backward'), update: take('update') },
    };
    if (prepare.length > 0) await submissions.run('prepare', built.dispatches.prepare);
    // Weights that only their packed form needed go.
    for (const id of unfinished) if (!missing.has(id)) store.release(id);
    return built;
  } catch (error) {
    // The store may outlive this build, and the next one would take what lies there for finished.
    for (const id of unfinished) store.release(id);
    throw error;
  }
}

async function makeSlots(gpu: Gpu, plan: Plan, own: GPUBuffer[]): Promise<readonly GPUBuffer[]> {
  const tensors = Object.values(plan.tensors);
  const slots: GPUBuffer[] = [];
  for (const [slot, bytes] of plan.slots.entries()) {
    const owner = tensors.filter((t) => t.slot === slot).reduce((a, b) => (b.bytes > a.bytes ? b : a));
    slots.push(await createStorage(gpu, owner.id, owner.node, bytes));
    own.push(slots[slot]);
  }
  return slots;
}

/** Bytes of the largest tensor that can be read by itself. */
function largestRead(plan: Plan): number {
  const seen = [...plan.moments.forward, ...plan.moments.backward].flatMap(({ x, y, dy, dx }) => [...x, ...y, ...dy, ...dx]);
  const refs = [...plan.readable.map((name) => plan.values[name]), ...Object.values(plan.gradients), ...seen];
  return Math.max(16, ...refs.map((ref) => (ref ? plan.tensors[ref.id].bytes : 0)));
}

function checkLimits(gpu: Gpu, plan: Plan): void {
  if (plan.traits.quads && !gpu.device.features.has('subgroups')) {
    throw new InputError(
      `graph "${plan.name}": expected a device with subgroups for a plan made with quads, got ${gpu.info.name}. Compile with its own traits.`,
    );
  }
  const { limits } = gpu.device;
  const most = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  for (const tensor of Object.values(plan.tensors)) {
    if (tensor.bytes > most) {
      throw new LimitError(
        `${tensor.node ? `node "${tensor.node}"` : `graph "${plan.name}"`}: expected tensors of at most ${most} bytes on this adapter (${gpu.info.name}), ` +
          `got "${tensor.id}" ${formatShape(tensor.shape)} of ${tensor.bytes} bytes. Use a smaller batch or another adapter.`,
      );
    }
  }
}

async function compileAll(gpu: Gpu, plan: Plan, steps: readonly Step[]): Promise<Kernel[]> {
  const cache = KernelCache.of(gpu);
  const all = steps.map((step) => cache.get(step.shader, plan.shaders[step.shader], step.entry, step.constants));
  // Wait for all, so that no compilation is still under way when the first failure is told.
  const settled = await Promise.allSettled(all);
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
