/**
 * A device to run on: opened here or brought along by the caller.
 *
 * Under Node a live device can keep the process alive: `dispose()` in `finally`, and a command ends with `process.exit(code)`.
 */
import { AdapterError, EngineError } from '../errors.ts';
import type { Choices, DeviceTraits } from '../plan.ts';
import { chooseAdapter, describe, limitsOf, type AdapterOptions, type AdapterSummary } from './adapter.ts';
import { lostError, toEngineError, type Loss, type Watched } from './faults.ts';
import { messageOf, underNode } from './node.ts';

export { formatAdapter, listAdapters, publicDriver, type AdapterOptions, type AdapterSummary, type Mode } from './adapter.ts';
export { BufferUsage, MapMode, ShaderStage } from './constants.ts';
export { mappedBytes, untilLost, withErrorScopes, type Loss, type Where } from './faults.ts';

/** An open device and what is known of it. */
export interface Gpu extends Watched {
  readonly info: AdapterSummary;
  /** Kernels pinned on this device; undefined for the static choice everywhere. */
  readonly choices?: Choices;
  /** True if `dispose` destroys the device; false for an injected one. */
  readonly owned: boolean;
  /** Resolves when the device is lost; never rejects, and never resolves because of `dispose`. */
  readonly lost: Promise<Loss>;
  /**
   * Hears of errors that no error scope caught; returns the way to unsubscribe. While nobody listens, the first error of an owned device is
   * kept for the next `check()`. Dawn would print them to stdout; for an owned device it is kept from that.
   */
  onUncapturedError(listener: (error: EngineError) => void): () => void;
  /**
   * Says that the device still serves.
   * @throws DeviceLostError if it is lost or disposed of; @throws EngineError the error that nobody caught.
   */
  check(): void;
  /** Destroys an owned device with all its buffers, lets go of an injected one. Twice is once. */
  dispose(): void;
}

/** What a device is opened with. */
export interface DeviceOptions extends AdapterOptions {
  /**
   * Kernels pinned for shapes, in place of the static choice: plain data as `backlight tune` measures it, or what gives it for the adapter that was
   * chosen. Default: none.
   */
  readonly choices?: Choices | ((adapter: AdapterSummary) => Choices | undefined | Promise<Choices | undefined>);
}

/**
 * What plans may take for granted on this device, and what is pinned there. Quads are used only where they have been measured to pay and
 * consecutive invocations are known to form them, which WGSL does not promise: on software adapters with subgroups of four. Tiles in workgroup
 * memory are for everything else.
 */
export function traitsOf({ device, info, choices }: Gpu): DeviceTraits {
  const [least, most] = info.subgroupSize ?? [0, 0];
  const quads = info.software && device.features.has('subgroups') && least === 4 && most === 4;
  return { quads, tiles: !info.software, ...(choices ? { choices } : {}) };
}

const DEVICE = { label: 'device' };

/** Taken wherever the adapter has them. */
const USEFUL: readonly GPUFeatureName[] = ['timestamp-query', 'subgroups', 'shader-f16'];

/**
 * Opens a device with all the adapter's limits and its useful features (timestamp-query, subgroups, shader-f16).
 * @throws AdapterError if there is no such adapter, or it lacks a feature that was asked for.
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Gpu> {
  const { adapter, summary } = await chooseAdapter(options);
  const choices = typeof options.choices === 'function' ? await options.choices(summary) : options.choices;
  const asked = options.features ?? [];
  const absent = asked.filter((feature) => !adapter.features.has(feature));
  if (absent.length > 0) {
    const { name, features } = summary;
    throw new AdapterError(`device: expected an adapter with ${absent.join(', ')}, got ${name}, which has ${features.join(', ')}.`);
  }
  const requiredFeatures = [...new Set([...USEFUL.filter((feature) => adapter.features.has(feature)), ...asked])];
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({ label: 'backlight', requiredFeatures, requiredLimits: limitsOf(adapter.limits) });
  } catch (error) {
    throw new AdapterError(`device: expected ${summary.name} to make a device, got "${messageOf(error)}".`);
  }
  return watch(device, { ...summary, features: [...device.features].sort(), limits: limitsOf(device.limits) }, true, choices);
}

/** A device of the caller's, with whatever limits and features it was made with, and kernels pinned on it. `dispose()` does not destroy it. */
export function adoptDevice(device: GPUDevice, choices?: Choices): Gpu {
  return watch(device, describe(device.adapterInfo, device.features, device.limits), false, choices);
}

function watch(device: GPUDevice, info: AdapterSummary, owned: boolean, choices: Choices | undefined): Gpu {
  const errorListeners = new Set<(error: EngineError) => void>();
  const lossListeners = new Set<(loss: Loss) => void>();
  let loss: Loss | undefined;
  let disposed = false;
  let uncaught: EngineError | undefined;

  const lose = (now: Loss) => {
    if (loss) return;
    loss = now;
    for (const listener of lossListeners) listener(now);
    lossListeners.clear();
  };
  const lost = new Promise<Loss>((resolve) => {
    device.lost.then(({ reason, message }) => {
      if (disposed) return;
      lose({ reason: reason ?? 'unknown', message });
      resolve(loss!);
    });
  });
  const hear = (event: GPUUncapturedErrorEvent) => {
    // The owner of an injected device decides what becomes of its errors.
    if (owned) event.preventDefault();
    const said = toEngineError(event.error, DEVICE);
    const error = said instanceof EngineError ? said : new EngineError(`device: ${event.error.message}`);
    if (errorListeners.size === 0 && owned) uncaught ??= error;
    for (const listener of errorListeners) listener(error);
  };
  device.addEventListener('uncapturederror', hear);

  return {
    device,
    info,
    ...(choices ? { choices } : {}),
    owned,
    dozes: info.software && underNode(),
    lost,
    get loss() {
      return loss;
    },
    onLost(listener) {
      if (loss) listener(loss);
      else lossListeners.add(listener);
      return () => lossListeners.delete(listener);
    },
    onUncapturedError(listener) {
      errorListeners.add(listener);
      return () => errorListeners.delete(listener);
    },
    check() {
      if (loss) throw lostError(loss, DEVICE);
      if (uncaught) {
        const error = uncaught;
        uncaught = undefined;
        throw error;
      }
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      lose({ reason: 'disposed', message: 'dispose() was called' });
      if (owned) device.destroy();
      device.removeEventListener('uncapturederror', hear);
    },
  };
}
