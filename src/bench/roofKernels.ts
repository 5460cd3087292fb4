/** The kernels of roof.wgsl, with the buffers that they work on. */
import roof from '../../shaders/roof.wgsl' with { type: 'text' };
import { BufferUsage, MapMode, mappedBytes, untilLost, withErrorScopes, type Gpu } from '../gpu/device.ts';
import { KernelCache, packGeometry, type Kernel } from '../gpu/kernel.ts';
import type { Dispatchable } from '../gpu/timer.ts';

/** To be disposed of. */
export class RoofKernels {
  readonly #buffers = new Set<GPUBuffer>();

  constructor(readonly gpu: Gpu) {}

  async buffer(size: number, usage: number = BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST): Promise<GPUBuffer> {
    const buffer = await withErrorScopes(this.gpu, { label: `roof, buffer of ${size} bytes` }, () =>
      this.gpu.device.createBuffer({ size, usage }),
    );
    this.#buffers.add(buffer);
    return buffer;
  }

  async dispatch(
    entry: string,
    bind: Readonly<Record<string, GPUBuffer>>,
    geometry: Readonly<Record<string, number>>,
    invocations: number,
  ): Promise<Dispatchable> {
    const kernel: Kernel = await KernelCache.of(this.gpu).get('roof', roof, entry, {});
    const { info, layout } = kernel;
    const block = new ArrayBuffer(info.uniformBytes);
    packGeometry(info, geometry, new DataView(block));
    const uniforms = await this.buffer(info.uniformBytes, BufferUsage.UNIFORM | BufferUsage.COPY_DST);
    this.gpu.device.queue.writeBuffer(uniforms, 0, block);
    const bindGroup = await withErrorScopes(this.gpu, { label: `roof ${entry}` }, () =>
      this.gpu.device.createBindGroup({
        layout,
        entries: kernel.entry.bindings.map(({ binding, kind, name }) => ({
          binding,
          resource: { buffer: kind === 'uniform' ? uniforms : bind[name] },
        })),
      }),
    );
    const groups = Math.ceil(invocations / kernel.entry.workgroupSize);
    return { kernel, bindGroup, groups: [groups, 1] };
  }

  async read(buffer: GPUBuffer, size: number): Promise<ArrayBuffer> {
    const where = { label: 'roof, reading' };
    const staging = await this.buffer(size, BufferUsage.MAP_READ | BufferUsage.COPY_DST);
    await withErrorScopes(this.gpu, where, () => {
      const encoder = this.gpu.device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
      this.gpu.device.queue.submit([encoder.finish()]);
    });
    await untilLost(this.gpu, where, staging.mapAsync(MapMode.READ));
    const copy = (await mappedBytes(this.gpu, where, staging)).slice(0);
    this.release(staging);
    return copy;
  }

  release(...buffers: readonly GPUBuffer[]): void {
    for (const buffer of buffers) {
      buffer.destroy();
      this.#buffers.delete(buffer);
    }
  }

  dispose(): void {
    this.release(...this.#buffers);
  }
}
