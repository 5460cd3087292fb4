/**
 * Sliding-window geometry shared by convolution and pooling.
 */
import type { AttrReader } from './attrs.ts';
import type { LayerRules } from '../rule.ts';
import type { Shape } from '../tensor.ts';
import type { Fail } from './op.ts';

/** Stride, padding and dilation of a 2-D window. `pad` is [top, left, bottom, right]. */
export interface WindowAttrs {
  readonly stride: readonly [number, number];
  readonly pad: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
}

export interface Conv2dAttrs extends WindowAttrs {
  readonly groups: number;
}

/** A pooling window. */
export interface PoolAttrs extends WindowAttrs {
  readonly kernel: readonly [number, number];
}

export function readWindow(read: AttrReader): WindowAttrs {
  return {
    stride: read.integers('stride', 2, [1, 1], 1) as [number, number],
    pad: read.integers('pad', 4, [0, 0, 0, 0], 0) as [number, number, number, number],
    dilation: read.integers('dilation', 2, [1, 1], 1) as [number, number],
  };
}

/**
 * Output extents [OH, OW] of a window sliding over [H, W]:
 * `floor((H + top + bottom - dilation*(k-1) - 1) / stride) + 1`, or with `ceil` in place of floor, where a last window that
 * would start in the bottom or right padding is dropped (Caffe, PyTorch, ONNX since opset 19).
 */
export function windowExtent(
  input: readonly [number, number],
  kernel: readonly [number, number],
  window: WindowAttrs,
  ceilMode: boolean,
  fail: Fail,
): [number, number] {
  return [0, 1].map((axis) => {
    const before = window.pad[axis];
    const padded = input[axis] + before + window.pad[axis + 2];
    const span = window.dilation[axis] * (kernel[axis] - 1) + 1;
    if (padded < span) {
      fail(
        `expected a padded input of at least ${span} ${axis === 0 ? 'rows' : 'columns'} for the window, got ${padded}. Use a larger input or more padding.`,
      );
    }
    const steps = (padded - span) / window.stride[axis];
    let out = (ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
    if (ceilMode && (out - 1) * window.stride[axis] >= input[axis] + before) out -= 1;
    return out;
  }) as [number, number];
}

/** Fails unless `shape` has `rank` extents. */
export function requireRank(what: string, shape: readonly number[], rank: number, fail: Fail): void {
  if (shape.length !== rank) fail(`expected ${what} of rank ${rank}, got [${shape.join(', ')}].`);
}

/** A window's fields in the uniform blocks of the shaders that slide one. */
export function windowGeometry({ stride, pad, dilation }: WindowAttrs): Record<string, number> {
  return {
    strideHeight: stride[0],
    strideWidth: stride[1],
    padTop: pad[0],
    padLeft: pad[1],
    dilationHeight: dilation[0],
    dilationWidth: dilation[1],
  };
}

/** The fields that the uniform blocks of all pooling shaders share; x and y are [N, C, H, W]. */
export function poolGeometry(x: Shape, y: Shape, pool: PoolAttrs): Record<string, number> {
  return {
    planes: x[0] * x[1],
    inputHeight: x[2],
    inputWidth: x[3],
    outputHeight: y[2],
    outputWidth: y[3],
    kernelHeight: pool.kernel[0],
    kernelWidth: pool.kernel[1],
    ...windowGeometry(pool),
  };
}

/** The max-pool shaders' `choice` for the rules that look for switches on the way down. */
export const SWITCH_CHOICES: Readonly<Partial<Record<LayerRules['maxpool'], number>>> = { first: 0, last: 1, centre: 2 };

/** Whether all of them are that one. */
export const all = (values: readonly number[], one: number): boolean => values.every((v) => v === one);

/** Numbers with their name, one where they are alike; nothing where they are as usual. */
export function unusual(name: string, values: readonly number[], usual: number): string {
  if (all(values, usual)) return '';
  return ` ${name} ${all(values, values[0]) ? values[0] : values.join(',')}`;
}

/** What a window does other than usual, in words: ` stride 2 pad 1`. */
export const windowWords = ({ stride, pad, dilation }: WindowAttrs): string =>
  unusual('stride', stride, 1) + unusual('pad', pad, 0) + unusual('dilation', dilation, 1);
