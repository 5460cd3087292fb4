/**
 * Tensors that stay on the device between runs: what one run left becomes what the next one takes, without passing through the host.
 */
import { InputError } from '../errors.ts';
import { formatShape, sameShape, size, type Shape, type Tensor } from '../tensor.ts';
import { BufferUsage, MapMode } from './constants.ts';
import { mappedBytes, untilLost, withErrorScopes, type Gpu } from './device.ts';
import { createStorage } from './store.ts';

/**
 * An f32 tensor in device memory. Copies go to the device's queue, in order with the runs around them, and nobody waits for them.
 */
export class DeviceTensor {
  /** @param buffer of at least 4 * size(shape) bytes, that may be copied from; to be copied to, COPY_DST too */
  constructor(
    readonly gpu: Gpu,
    readonly buffer: GPUBuffer,
    readonly shape: Shape,
  ) {}

  /** A tensor of its own with the given values, to be disposed of by the caller. @throws OutOfMemoryError */
  static async from(gpu: Gpu, label: string, { shape, data }: Tensor): Promise<DeviceTensor> {
    const made = new DeviceTensor(gpu, await createStorage(gpu, label, '', Math.max(16, 4 * size(shape))), shape);
    gpu.device.queue.writeBuffer(made.buffer, 0, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    return made;
  }

  /**
   * Takes over the values of another tensor.
   * @param item with it, only those of this index of the first axis
   * @throws InputError if the shapes differ
   */
  copy(from: DeviceTensor, item?: number): void {
    if (!sameShape(from.shape, this.shape)) {
      throw new InputError(`device tensor: expected shape ${formatShape(this.shape)}, got ${formatShape(from.shape)}.`);
    }
    const bytes = 4 * size(item === undefined ? this.shape : this.shape.slice(1));
    const offset = (item ?? 0) * bytes;
    const encoder = this.gpu.device.createCommandEncoder({ label: 'copy' });
    encoder.copyBufferToBuffer(from.buffer, offset, this.buffer, offset, bytes);
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /** Takes over values from the host. @throws InputError if the shapes differ */
  write({ shape, data }: Tensor): void {
    if (!sameShape(shape, this.shape) || data.length !== size(shape)) {
      throw new InputError(
        `device tensor: expected shape ${formatShape(this.shape)}, got ${formatShape(shape)} with ${data.length} values.`,
      );
    }
    this.gpu.device.queue.writeBuffer(this.buffer, 0, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  /** The values, on the host, once everything before is done. */
  async read(): Promise<Tensor> {
    const bytes = 4 * size(this.shape);
    const where = { label: `reading a tensor ${formatShape(this.shape)}` };
    const staging = await withErrorScopes(this.gpu, where, () => {
      const staging = this.gpu.device.createBuffer({ label: 'staging', size: bytes, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST });
      const encoder = this.gpu.device.createCommandEncoder({ label: 'read' });
      encoder.copyBufferToBuffer(this.buffer, 0, staging, 0, bytes);
      this.gpu.device.queue.submit([encoder.finish()]);
      return staging;
    });
    try {
      await untilLost(this.gpu, where, staging.mapAsync(MapMode.READ));
      return { shape: this.shape, data: new Float32Array((await mappedBytes(this.gpu, where, staging)).slice(0)) };
    } finally {
      staging.destroy();
    }
  }

  /** Frees the memory; to be called on tensors made by {@link from} alone. */
  dispose(): void {
    this.buffer.destroy();
  }
}
