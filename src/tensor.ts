/**
 * Dense tensors on the host. Layout is row-major; images are NCHW, convolution weights OIHW, fully-connected weights [out, in].
 */

/** Extents, outermost first. `[]` is a scalar. */
export type Shape = readonly number[];

/** Element type of a value: `f32` for signals, `i32` for labels and pooling indices. */
export type DType = 'f32' | 'i32';

/** A dense row-major f32 tensor; `data.length` equals the product of `shape`. */
export interface Tensor {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** A dense row-major i32 tensor: class labels, pooling indices. */
export interface IndexTensor {
  readonly shape: Shape;
  readonly data: Int32Array;
}

export type AnyTensor = Tensor | IndexTensor;

/** The number of elements of a shape: the product of its extents (1 for a scalar). */
export function size(shape: Shape): number {
  let n = 1;
  for (const extent of shape) n *= extent;
  return n;
}

/** `[1,3,224,224]` as `1x3x224x224`, for messages; a scalar prints as `scalar`. */
export function formatShape(shape: Shape): string {
  return shape.length === 0 ? 'scalar' : shape.join('x');
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

/**
 * A tensor over the given data.
 * @throws RangeError if an extent is not a non-negative integer or the length does not match the shape.
 */
export function tensor(shape: Shape, data: Float32Array | readonly number[]): Tensor {
  checkExtents(shape);
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  if (values.length !== size(shape)) {
    throw new RangeError(`tensor: expected ${size(shape)} values for shape ${formatShape(shape)}, got ${values.length}.`);
  }
  return { shape: [...shape], data: values };
}

/** An index tensor over the given data; the checks of {@link tensor}. */
export function indexTensor(shape: Shape, data: Int32Array | readonly number[]): IndexTensor {
  checkExtents(shape);
  const values = data instanceof Int32Array ? data : Int32Array.from(data);
  if (values.length !== size(shape)) {
    throw new RangeError(`tensor: expected ${size(shape)} values for shape ${formatShape(shape)}, got ${values.length}.`);
  }
  return { shape: [...shape], data: values };
}

export function zeros(shape: Shape): Tensor {
  checkExtents(shape);
  return { shape: [...shape], data: new Float32Array(size(shape)) };
}

/** The Euclidean norm, summed in f64. */
export function norm({ data }: Tensor): number {
  let sum = 0;
  for (const v of data) sum += v * v;
  return Math.sqrt(sum);
}

function checkExtents(shape: Shape): void {
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      throw new RangeError(`tensor: expected non-negative integer extents, got shape [${shape.join(', ')}].`);
    }
  }
}
