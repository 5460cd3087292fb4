/** What the other engines expect of a browser, put in place under Node: WebGPU's globals, and `navigator.gpu` leading to our one device. */
import type { Gpu } from '../../src/gpu/device.ts';

/** Sets the globals. The adapter that `navigator.gpu` gives makes no device of its own: every engine runs on ours, with our toggles. */
export async function actAsBrowser(gpu: Gpu): Promise<void> {
  const { globals } = (await import('webgpu' as string)) as { globals: Record<string, unknown> };
  for (const [name, value] of Object.entries(globals)) if (!(name in globalThis)) Object.assign(globalThis, { [name]: value });
  const { adapterInfo: info, features, limits } = gpu.device;
  const adapter = { info, features, limits, isFallbackAdapter: gpu.info.software, requestDevice: async () => gpu.device };
  const value = {
    requestAdapter: async () => adapter,
    getPreferredCanvasFormat: () => 'bgra8unorm',
    wgslLanguageFeatures: new Set<string>(),
  };
  const navigator = Object.create((globalThis as { navigator?: object }).navigator ?? {}, { gpu: { value } }) as unknown;
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  copySharedMemory(gpu);
  // ONNX Runtime destroys its device with its last session; this one is everybody's.
  gpu.device.destroy = (): undefined => undefined;
}

/** dawn.node refuses views of shared memory, which WebAssembly with threads has: they are copied first. */
function copySharedMemory(gpu: Gpu): void {
  const queue = Object.getPrototypeOf(gpu.device.queue) as GPUQueue;
  const write = queue.writeBuffer as (...args: unknown[]) => undefined;
  queue.writeBuffer = function (
    this: GPUQueue,
    buffer: GPUBuffer,
    offset: number,
    data: ArrayBufferView | ArrayBuffer,
    ...range: number[]
  ): undefined {
    const view = ArrayBuffer.isView(data) ? data : new Uint8Array(data);
    if (!((view.buffer as unknown) instanceof SharedArrayBuffer)) return write.call(this, buffer, offset, data, ...range);
    const unit = (view as Uint8Array).BYTES_PER_ELEMENT ?? 1;
    const [from = 0, count = view.byteLength / unit - from] = range;
    const bytes = new Uint8Array(view.buffer, view.byteOffset + from * unit, count * unit).slice();
    return write.call(this, buffer, offset, bytes);
  } as GPUQueue['writeBuffer'];
}
