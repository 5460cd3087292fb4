/**
 * WebGPU reports errors in three ways: error scopes, rejected promises, loss of the device. Here they become the typed errors of errors.ts.
 */
import { DeviceLostError, EngineError, OutOfMemoryError, ShaderError, ValidationError } from '../errors.ts';
import { doze } from './doze.ts';

/** Why a device was lost: WebGPU's reason (`unknown`, `destroyed`) or `disposed`, and the driver's words. */
export interface Loss {
  readonly reason: string;
  readonly message: string;
}

/** A device whose loss is noticed. */
export interface Watched {
  readonly device: GPUDevice;
  /** True where waiting for the device takes processor time away from it: a software adapter under Node. */
  readonly dozes: boolean;
  /** Set once the device is lost, however that came about; also by `dispose`, after which nothing can run here either. */
  readonly loss: Loss | undefined;
  /** Calls back when the device is lost or disposed of, at once if it is already; returns the way to unsubscribe. */
  onLost(listener: (loss: Loss) => void): () => void;
}

/** What was being built or run: `label` opens the message, such as `conv2d "conv1"`; `node` is the graph node, where there is one. */
export interface Where {
  readonly label: string;
  readonly node?: string;
}

/** A loss may be told of so much later than the rejections it causes, in ms: by the device's process, on a machine that is busy. */
const TOLD_MS = 500;

/**
 * Makes the calls to WebGPU that `call` holds and throws the first error that the device reports of them.
 * The scopes close when `call` returns: what it does after its first `await` is not covered. So calls in flight side by side are never
 * charged with each other's errors; awaiting several of these together is safe.
 * A promise that `call` returns is awaited as {@link untilLost} does.
 *
 * @throws ValidationError, OutOfMemoryError, DeviceLostError, EngineError (the driver failed); what `call` throws passes unchanged.
 */
export async function withErrorScopes<T>(gpu: Watched, where: Where, call: () => T): Promise<Awaited<T>> {
  const { device } = gpu;
  if (gpu.loss) throw lostError(gpu.loss, where);
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('internal');
  device.pushErrorScope('validation');
  let result: T;
  let scopes: Promise<GPUError | null>[];
  try {
    result = call();
  } finally {
    scopes = [device.popErrorScope(), device.popErrorScope(), device.popErrorScope()];
    // A pop fails only when the device is gone; that is told below.
    for (const scope of scopes) scope.catch(() => {});
  }
  // The result's own rejection must not go unheard while the scopes are awaited; it says less than they do.
  const settled = untilLost(gpu, where, Promise.resolve(result)).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const [validation, internal, memory] = await untilLost(gpu, where, Promise.all(scopes));
  // Memory first: what follows from a buffer that was never made is reported as invalid use of it.
  const first = memory ?? validation ?? internal;
  if (first) throw toEngineError(first, where);
  const outcome = await settled;
  if ('error' in outcome) throw outcome.error;
  return outcome.value as Awaited<T>;
}

/**
 * Awaits a promise of WebGPU (`mapAsync`, `onSubmittedWorkDone`, `createComputePipelineAsync`), which may stay open or fail without a
 * reason when the device is lost. Every wait for the device belongs in here: on a software adapter it also leaves the processor to the work
 * ({@link doze}).
 * @throws DeviceLostError if the device is lost first; otherwise the rejection, typed if it is one of WebGPU's.
 */
export function untilLost<T>(gpu: Watched, where: Where, promise: Promise<T>): Promise<T> {
  const outcome = new Promise<T>((resolve, reject) => {
    const unsubscribe = gpu.onLost((loss) => reject(lostError(loss, where)));
    promise.then(
      (value) => {
        unsubscribe();
        resolve(value);
      },
      (error: unknown) => {
        // A loss may be told of after the rejection it causes.
        const vague = ['AbortError', 'OperationError'].includes((error as Error | null)?.name ?? '');
        setTimeout(
          () => {
            unsubscribe();
            reject(toEngineError(error, where));
          },
          vague ? TOLD_MS : 0,
        );
      },
    );
  });
  return gpu.dozes ? doze(outcome) : outcome;
}

/**
 * The first bytes of a mapped buffer, all of them by default. A device that is lost between the mapping and this takes them away.
 * @throws DeviceLostError then
 */
export async function mappedBytes(gpu: Watched, where: Where, buffer: GPUBuffer, bytes?: number): Promise<ArrayBuffer> {
  try {
    return buffer.getMappedRange(0, bytes);
  } catch (error) {
    return untilLost(gpu, where, Promise.reject(error));
  }
}

/** A loss as the error that work in flight ends with. */
export function lostError(loss: Loss, where: Where): DeviceLostError {
  const said = loss.message ? `: ${loss.message}` : '';
  return new DeviceLostError(`${where.label}: expected a live device, got one that was lost (${loss.reason}${said}). Open a new one.`);
}

/**
 * An error of WebGPU as one of ours; any other value passes unchanged.
 * Errors are told apart by name, since a device may come from another implementation than the one loaded here.
 */
export function toEngineError(error: unknown, where: Where): unknown {
  const name = kindOf(error);
  const { label, node } = where;
  const said = tidy((error as { message?: string } | null)?.message ?? '');
  switch (name) {
    case 'GPUValidationError':
      return new ValidationError(`${label}: the device refused it: ${said}`, node);
    case 'GPUOutOfMemoryError':
      return new OutOfMemoryError(`${label}: the device is out of memory: ${said}. Use a smaller batch, or another adapter.`, node);
    case 'GPUPipelineError':
      return (error as GPUPipelineError).reason === 'validation'
        ? new ShaderError(`${label}: the device refused the shader: ${said}`)
        : new EngineError(`${label}: the driver failed to compile the shader: ${said}`);
    case 'GPUInternalError':
      return new EngineError(`${label}: the driver failed: ${said}`);
    default:
      return error;
  }
}

function kindOf(error: unknown): string | undefined {
  for (let at = error; typeof at === 'object' && at !== null; at = Object.getPrototypeOf(at)) {
    const name = (at.constructor as { name?: string } | undefined)?.name;
    if (name?.startsWith('GPU')) return name;
  }
  return undefined;
}

/** Dawn's message without the places in Dawn's own sources, on one line. */
function tidy(message: string): string {
  return message
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^at .*\(.*:\d+\)$/.test(line))
    .join(' ')
    .replaceAll('""', '"')
    .replace(/[.\s]+$/, '');
}
