/**
 * WebGPU's flag values. Browsers have them as globals, Node has not; the numbers are fixed by the specification.
 * @see https://www.w3.org/TR/webgpu/#namespacedef-gpubufferusage
 */

/** Bits of `GPUBufferDescriptor.usage`. */
export const BufferUsage = {
  MAP_READ: 0x0001,
  MAP_WRITE: 0x0002,
  COPY_SRC: 0x0004,
  COPY_DST: 0x0008,
  UNIFORM: 0x0040,
  STORAGE: 0x0080,
  INDIRECT: 0x0100,
  QUERY_RESOLVE: 0x0200,
} as const;

/** Argument of `GPUBuffer.mapAsync`. */
export const MapMode = { READ: 1, WRITE: 2 } as const;

/** Bits of `GPUBindGroupLayoutEntry.visibility`. */
export const ShaderStage = { VERTEX: 1, FRAGMENT: 2, COMPUTE: 4 } as const;
