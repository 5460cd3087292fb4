/** What every engine is made into before it is timed. */
import type { Tensor } from '../../src/tensor.ts';

/** One piece of work on one engine: set up, with its operands in device memory. */
export interface Contender {
  /** `backlight`, `tfjs`, `tfjs, no naive transpose`, `ort-web`, `ort-cpu`. */
  readonly name: string;
  /** Gives the work to the device once, without waiting for it. Engines that compute at once return when they have. */
  submit(): void | Promise<void>;
  /** The result of the last submission, in Backlight's layout (NCHW, OIHW, [out, in]). */
  read(): Promise<Tensor>;
  dispose(): void | Promise<void>;
}

/** An engine that cannot do a piece of work, and why. */
export class Unavailable extends Error {}

/** NCHW to NHWC, and OIHW to HWIO, by the order of the axes. */
export function permute({ shape, data }: Tensor, axes: readonly number[]): Tensor {
  const strides = shape.map((_, k) => shape.slice(k + 1).reduce((a, b) => a * b, 1));
  const to = axes.map((axis) => shape[axis]);
  const out = new Float32Array(data.length);
  const [s0, s1, s2, s3] = axes.map((axis) => strides[axis]);
  let at = 0;
  for (let a = 0; a < to[0]; a++) {
    for (let b = 0; b < to[1]; b++) {
      for (let c = 0; c < to[2]; c++) {
        let from = a * s0 + b * s1 + c * s2;
        for (let d = 0; d < to[3]; d++, from += s3) out[at++] = data[from];
      }
    }
  }
  return { shape: to, data: out };
}

export const TO_NHWC = [0, 2, 3, 1];
export const FROM_NHWC = [0, 3, 1, 2];
export const TO_HWIO = [2, 3, 1, 0];
export const FROM_HWIO = [3, 2, 0, 1];
/** Of depthwise weights [C, 1, KH, KW]: TensorFlow has [KH, KW, C, 1]. */
export const TO_HWC1 = [2, 3, 0, 1];
export const FROM_HWC1 = [2, 3, 0, 1];
