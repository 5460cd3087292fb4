/**
 * Steps made ready to run: the uniform blocks in one buffer, a bind group and a number of workgroups for each step.
 */
import { LimitError, ValidationError } from '../errors.ts';
import type { Plan, Step } from '../plan.ts';
import { BufferUsage } from './constants.ts';
import { withErrorScopes, type Gpu } from './device.ts';
import { packGeometry, type Kernel } from './kernel.ts';

/** A step with everything bound. */
export interface Dispatch {
  readonly step: Step;
  readonly kernel: Kernel;
  readonly bindGroup: GPUBindGroup;
  readonly groups: readonly [number, number];
}

export interface BindOptions {
  /** The buffer of a tensor, by its id. */
  readonly buffer: (id: string) => GPUBuffer;
  /** Workgroups in the first dimension before what exceeds them goes to the second. Default: as many as the device allows. */
  readonly foldAt?: number;
}

/**
 * Binds every step.
 * @returns the dispatches, and the buffer that holds their uniform blocks, which is the caller's to destroy
 * @throws ValidationError naming the node if a step does not match its shader or the device refuses it; LimitError if it takes more workgroups
 *   than two dimensions hold; ShaderError if its geometry does not fit the uniform block.
 */
export async function bindSteps(
  gpu: Gpu,
  plan: Plan,
  steps: readonly Step[],
  kernels: readonly Kernel[],
  options: BindOptions,
): Promise<{ uniforms: GPUBuffer; dispatches: Dispatch[] }> {
  const { device } = gpu;
  steps.forEach((step, i) => checkBindings(step, kernels[i]));
  const workgroups = steps.map((step, i) => countWorkgroups(gpu, step, kernels[i], options.foldAt));

  const align = device.limits.minUniformBufferOffsetAlignment;
  const offsets: number[] = [];
  let total = 0;
  for (const { info } of kernels) {
    offsets.push(total);
    total += Math.ceil(info.uniformBytes / align) * align;
  }
  const block = new ArrayBuffer(Math.max(16, total));
  steps.forEach((step, i) => packGeometry(kernels[i].info, step.geometry, new DataView(block, offsets[i], kernels[i].info.uniformBytes)));
  const uniforms = await withErrorScopes(gpu, { label: `graph "${plan.name}", geometry (${block.byteLength} bytes)` }, () =>
    device.createBuffer({ label: 'geometry', size: block.byteLength, usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST }),
  );
  device.queue.writeBuffer(uniforms, 0, block);

  const make = (i: number): GPUBindGroup => {
    const { entry, info, layout } = kernels[i];
    return device.createBindGroup({
      label: `${steps[i].node} ${info.name}.${entry.name}`,
      layout,
      entries: entry.bindings.map(({ binding, kind, name }) => ({
        binding,
        resource:
          kind === 'uniform'
            ? { buffer: uniforms, offset: offsets[i], size: info.uniformBytes }
            : { buffer: options.buffer(steps[i].bind[name]), size: plan.tensors[steps[i].bind[name]].bytes },
      })),
    });
  };
  try {
    const bindGroups = await makeAll(gpu, plan, steps, make);
    return {
      uniforms,
      dispatches: steps.map((step, i) => ({ step, kernel: kernels[i], bindGroup: bindGroups[i], groups: workgroups[i] })),
    };
  } catch (error) {
    uniforms.destroy();
    throw error;
  }
}

async function makeAll(gpu: Gpu, plan: Plan, steps: readonly Step[], make: (i: number) => GPUBindGroup): Promise<GPUBindGroup[]> {
  try {
    return await withErrorScopes(gpu, { label: `graph "${plan.name}"` }, () => steps.map((_, i) => make(i)));
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    // One of them is at fault: make them one by one to name it.
    for (const [i, step] of steps.entries()) {
      await withErrorScopes(gpu, { label: `node "${step.node}" (${step.shader}.${step.entry})`, node: step.node }, () => make(i));
    }
    throw error;
  }
}

/** Workgroups in x, and in y what exceeds the device's count for one dimension. */
function countWorkgroups(gpu: Gpu, step: Step, kernel: Kernel, foldAt?: number): [number, number] {
  const most = gpu.device.limits.maxComputeWorkgroupsPerDimension;
  const groups = Math.max(1, Math.ceil(step.invocations / kernel.entry.workgroupSize));
  const least = Math.ceil(groups / most);
  if (least > most) {
    throw new LimitError(`node "${step.node}": expected at most ${most}x${most} workgroups, got ${groups}. Use a smaller batch or image.`);
  }
  const rows = Math.max(least, Math.min(most, Math.ceil(groups / (foldAt ?? most))));
  return [Math.ceil(groups / rows), rows];
}

function checkBindings(step: Step, { entry, info }: Kernel): void {
  const wanted = entry.bindings.filter(({ kind }) => kind !== 'uniform').map(({ name }) => name);
  const given = Object.keys(step.bind);
  if (wanted.length !== given.length || wanted.some((name) => !given.includes(name))) {
    throw new ValidationError(
      `node "${step.node}": expected ${info.name}.wgsl ${entry.name} to be bound ${wanted.join(', ')}, got ${given.join(', ')}.`,
      step.node,
    );
  }
}
