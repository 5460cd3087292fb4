/**
 * Typed errors. A message says what was expected, what was given, and what to do.
 * `InputError` and its kin are the caller's to mend (the command line exits 2); `EngineError` and its kin are ours or the device's (it exits 1).
 */

/** Something given from outside is wrong: an argument, a file, a graph, a shape. */
export class InputError extends Error {
  override name = 'InputError';
}

/** A file is truncated, corrupt, or says something it does not hold. The message starts with the format's name. */
export class FormatError extends InputError {
  override name = 'FormatError';
}

/** A graph is malformed, or an op was given shapes or attributes it cannot take. The message names op and node. */
export class GraphError extends InputError {
  override name = 'GraphError';
}

/** No adapter could be had, or the one asked for does not exist. */
export class AdapterError extends InputError {
  override name = 'AdapterError';
}

/** The plan needs more than the adapter's limits allow (a binding, a buffer, a workgroup). */
export class LimitError extends InputError {
  override name = 'LimitError';
}

/** The engine failed at something that was asked for correctly. */
export class EngineError extends Error {
  override name = 'EngineError';
}

/** A shader does not compile, or does not match what the plan binds to it. */
export class ShaderError extends EngineError {
  override name = 'ShaderError';
}

/** The device reported a validation error; `node` is the graph node whose step was being built or run, when known. */
export class ValidationError extends EngineError {
  override name = 'ValidationError';
  constructor(
    message: string,
    readonly node?: string,
  ) {
    super(message);
  }
}

/** The device ran out of memory; `node` as in {@link ValidationError}. */
export class OutOfMemoryError extends EngineError {
  override name = 'OutOfMemoryError';
  constructor(
    message: string,
    readonly node?: string,
  ) {
    super(message);
  }
}

/** The device was lost: driver reset, unplugged, destroyed. Open a new one. */
export class DeviceLostError extends EngineError {
  override name = 'DeviceLostError';
}
