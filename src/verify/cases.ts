/**
 * The table of cases that the tests, the self-test and the benchmark share: every op, at shapes chosen to break kernels. Primes, single
 * elements, tiles cut short, windows larger than the input, padding on one side only, strides with gaps, groups up to depthwise, batches.
 */
import type { Attrs } from '../ops/op.ts';
import type { Descent } from '../plan.ts';
import type { Shape } from '../tensor.ts';

/**
 * How an input is filled. `ties` draws from {-1, 0, 1}, so that maxima tie and zeros occur; `gaps` is the same with a NaN here and there; `scale`
 * is normal times a factor. Integers: `classes` draws below a number, `labels` repeats a list.
 */
export type Filling =
  | 'normal'
  | 'positive'
  | 'ties'
  | 'gaps'
  | { readonly scale: number }
  | { readonly constant: number }
  | { readonly classes: number }
  | { readonly labels: readonly number[] };

export interface OpCase {
  readonly op: string;
  readonly attrs?: Attrs;
  readonly inputs: readonly Shape[];
  /** Default: normal. */
  readonly fill?: readonly (Filling | undefined)[];
  /** Inputs given as parameters, so that their packed forms are prepared once; the others arrive with each run. */
  readonly parameters?: readonly number[];
  /** Inputs with respect to which y is linear: the adjoint identity must hold. */
  readonly linearIn?: readonly number[];
  readonly training?: boolean;
  /** One step of training follows the passes: the parameters and their velocities are checked too. */
  readonly descent?: Descent;
  /** Between two ReLUs, one of x0 and one of y, which the op's kernels compute along with it. */
  readonly relus?: boolean;
  /** No backward pass: some kernels run only where none follows. */
  readonly forwardOnly?: boolean;
  /**
   * In the short list that `doctor` runs. Together these reach every entry point of every shader and every branch in it; each entry point in more
   * workgroups than the check puts in a row, and the check says when a kernel writes behind the end of a tensor.
   */
  readonly essential?: boolean;
}

const conv = (x: Shape, w: Shape, attrs: Attrs, extra: Partial<OpCase> = {}): OpCase => ({
  op: 'conv2d',
  attrs,
  inputs: [x, w, [w[0]]],
  parameters: [1, 2],
  linearIn: [0, 1],
  ...extra,
});

const one = (op: string, x: Shape, attrs: Attrs = {}, extra: Partial<OpCase> = {}): OpCase => ({ op, attrs, inputs: [x], ...extra });

const CONVOLUTIONS: readonly OpCase[] = [
  conv([1, 1, 1, 1], [1, 1, 1, 1], {}),
  conv([1, 3, 7, 5], [4, 3, 3, 3], { pad: [1, 1, 1, 1] }),
  conv([2, 3, 8, 9], [5, 3, 3, 2], { pad: [0, 1, 2, 0] }),
  conv([1, 3, 23, 19], [8, 3, 7, 7], { stride: [2, 2], pad: [3, 3, 3, 3] }),
  conv([1, 3, 35, 31], [7, 3, 11, 11], { stride: [4, 4] }),
  conv([1, 4, 9, 9], [6, 4, 1, 1], {}),
  conv([3, 17, 5, 3], [13, 17, 1, 1], { stride: [2, 1] }),
  conv([2, 16, 13, 13], [32, 16, 3, 3], { pad: [1, 1, 1, 1] }, { essential: true }),
  conv([1, 64, 7, 7], [40, 64, 3, 3], { pad: [1, 1, 1, 1] }),
  conv([1, 33, 14, 14], [65, 33, 3, 3], { pad: [1, 1, 1, 1], stride: [2, 2] }),
  conv([1, 5, 11, 13], [7, 5, 3, 3], { dilation: [2, 3], pad: [2, 3, 2, 3] }),
  conv([1, 5, 12, 13], [7, 5, 3, 2], { dilation: [2, 2], stride: [2, 3], pad: [1, 0, 2, 1] }),
  conv([1, 2, 12, 13], [3, 2, 4, 3], { dilation: [3, 2], stride: [2, 4], pad: [4, 0, 3, 1] }),
  conv([2, 6, 7, 7], [9, 2, 3, 3], { groups: 3, pad: [1, 1, 1, 1] }),
  conv([1, 8, 9, 7], [8, 1, 3, 3], { groups: 8, pad: [1, 1, 1, 1], stride: [2, 2] }),
  conv([1, 6, 9, 7], [12, 1, 5, 5], { groups: 6, pad: [2, 2, 2, 2] }),
  conv([1, 40, 6, 6], [24, 20, 3, 3], { groups: 2, pad: [1, 1, 1, 1] }),
  conv([1, 2, 3, 2], [3, 2, 5, 5], { pad: [2, 2, 2, 3] }),
  conv([1, 1, 1, 1], [2, 1, 3, 3], { pad: [1, 1, 1, 1] }),
  conv([1, 3, 4, 4], [2, 3, 1, 1], { stride: [3, 3] }),
  conv([1, 2, 10, 10], [3, 2, 2, 2], { stride: [3, 3] }),
  conv([1, 2, 5, 5], [3, 2, 3, 3], { pad: [4, 4, 4, 4] }),
  conv([5, 7, 4, 1], [11, 7, 4, 1], {}),
  conv([1, 33, 1, 1], [17, 33, 1, 1], {}),
  conv([1, 130, 6, 5], [17, 130, 1, 3], {}),
  // One for each kernel that has a choice to make: asymmetric, in groups, over several spans of channels, in several rows of workgroups.
  conv([2, 3, 17, 13], [5, 3, 3, 2], { pad: [1, 0, 2, 1], dilation: [1, 2] }, { essential: true }),
  conv([1, 6, 19, 16], [10, 3, 3, 3], { groups: 2, pad: [0, 2, 1, 0], stride: [2, 3], dilation: [2, 1] }, { essential: true }),
  conv([2, 9, 12, 10], [9, 1, 3, 3], { groups: 9, pad: [1, 1, 0, 2], stride: [2, 3] }, { essential: true }),
  conv([2, 3, 8, 7], [1, 3, 2, 3], { pad: [0, 1, 1, 0] }, { essential: true }),
  conv([2, 140, 4, 5], [42, 70, 2, 1], { groups: 2, pad: [1, 0, 0, 0] }, { essential: true }),
  conv([1, 140, 2, 1], [526, 70, 2, 2], { groups: 2, pad: [1, 1, 0, 0] }, { essential: true }),
  conv([1, 70, 5, 4], [6, 70, 1, 2], { pad: [0, 1, 1, 0] }, { essential: true }),
  conv([1, 34, 23, 9], [36, 34, 3, 2], { pad: [1, 0, 1, 1] }, { essential: true }),
  conv([1, 3, 4, 5], [3, 3, 1, 1], { stride: [3, 2] }, { essential: true }),
  // Windows that slide along rows: even and odd widths, several spans, taps read backwards on the way down, every other row of dx at a time.
  conv([2, 70, 19, 12], [34, 35, 2, 3], { groups: 2, stride: [2, 1], dilation: [2, 1], pad: [1, 1, 0, 1] }, { essential: true }),
  conv([1, 40, 9, 13], [33, 40, 3, 3], { pad: [1, 0, 1, 2] }, { essential: true }),
  // One input channel to a group: windows that slide to the right and, on the way down, to the left.
  conv([2, 23, 13, 11], [23, 1, 3, 5], { groups: 23, pad: [1, 2, 0, 1] }, { essential: true }),
  conv([1, 5, 12, 17], [10, 1, 2, 3], { groups: 5, stride: [1, 2], dilation: [1, 2], pad: [0, 1, 1, 2] }),
  // Rows on the way down to few channels: in one go, and as phases four and three taps wide.
  conv([3, 4, 14, 15], [70, 2, 3, 3], { groups: 2, pad: [1, 1, 1, 1] }, { essential: true }),
  conv([3, 3, 30, 32], [12, 3, 7, 7], { stride: [2, 2], pad: [3, 3, 3, 3] }, { essential: true }),
  conv([3, 9, 14, 12], [26, 9, 2, 5], { pad: [0, 2, 1, 2] }, { essential: true }),
  conv([3, 12, 5, 5], [17, 12, 1, 3], { pad: [0, 2, 0, 0] }),
  conv([1, 9, 22, 23], [20, 9, 5, 7], { stride: [1, 2], pad: [2, 3, 2, 3] }),
  // For GPUs' tiles, which are chosen by the number of workgroups: groups bring it about at little cost.
  conv([1, 528 * 70, 2, 3], [528 * 65, 70, 1, 1], { groups: 528 }, { essential: true }),
  conv([1, 264 * 34, 2, 3], [264 * 36, 34, 1, 1], { groups: 264, pad: [0, 1, 0, 0] }, { essential: true }),
  conv([1, 264 * 3, 4, 3], [264 * 33, 3, 3, 2], { groups: 264, pad: [1, 0, 1, 1] }, { essential: true }),
  conv([1, 2, 24, 25], [9, 2, 2, 2], {}, { essential: true }),
  conv([2, 2 * 33, 93, 92], [2 * 66, 33, 1, 1], { groups: 2 }),
  conv([1, 512, 5, 6], [40, 512, 3, 3], { pad: [1, 1, 1, 1] }),
  { op: 'conv2d', attrs: { pad: [1, 1, 1, 1] }, inputs: [[2, 3, 5, 6], [4, 3, 3, 3]], linearIn: [0, 1] },
  { op: 'conv2d', attrs: { stride: [2, 1], groups: 2 }, inputs: [[2, 4, 6, 6], [6, 2, 3, 3], [6]], linearIn: [0, 1], essential: true },
];

/** Each kernel's store, as a ReLU forward and under every rule on the way down, split sums and the phases of strides among them. */
const BETWEEN_RELUS: readonly OpCase[] = [
  conv([2, 16, 13, 13], [32, 16, 3, 3], { pad: [1, 1, 1, 1] }),
  conv([2, 9, 12, 10], [9, 1, 3, 3], { groups: 9, pad: [1, 1, 0, 2], stride: [2, 3] }, { fill: ['gaps'] }),
  conv([1, 6, 19, 16], [10, 3, 3, 3], { groups: 2, pad: [0, 2, 1, 0], stride: [2, 3], dilation: [2, 1] }),
  conv([2, 140, 4, 5], [42, 70, 2, 1], { groups: 2, pad: [1, 0, 0, 0] }),
  conv([1, 140, 2, 1], [526, 70, 2, 2], { groups: 2, pad: [1, 1, 0, 0] }),
  conv([1, 34, 23, 9], [36, 34, 3, 2], { pad: [1, 0, 1, 1] }),
  conv([1, 3, 4, 5], [3, 3, 1, 1], { stride: [3, 2] }, { fill: ['gaps'] }),
  conv([1, 4, 9, 11], [9, 4, 1, 1], {}, { fill: ['gaps'] }),
  conv([2, 18, 7, 12], [34, 9, 2, 3], { groups: 2, stride: [2, 1], pad: [1, 1, 0, 1] }),
  conv([1, 9, 7, 12], [18, 9, 2, 5], { pad: [0, 2, 1, 2] }),
  conv([2, 4, 8, 15], [20, 2, 3, 3], { groups: 2, pad: [1, 1, 1, 1] }),
  conv([1, 3, 12, 16], [12, 3, 7, 7], { stride: [2, 2], pad: [3, 3, 3, 3] }),
  conv([1, 528 * 8, 1, 5], [528 * 65, 8, 1, 1], { groups: 528 }),
  conv([1, 264 * 9, 1, 5], [264 * 36, 9, 1, 1], { groups: 264 }),
  conv([1, 264 * 3, 2, 4], [264 * 33, 3, 1, 2], { groups: 264 }),
].map((c) => ({ fill: ['ties'], ...c, linearIn: undefined, relus: true, essential: true }));

const POOLS: readonly OpCase[] = [
  one('maxpool2d', [1, 1, 1, 1], { kernel: [1, 1] }),
  one('maxpool2d', [2, 3, 7, 5], { kernel: [2, 2], stride: [2, 2] }),
  one('maxpool2d', [1, 4, 13, 11], { kernel: [3, 3], stride: [2, 2], ceilMode: true }, { fill: ['ties'], essential: true }),
  one('maxpool2d', [1, 5, 8, 9], { kernel: [3, 2], pad: [1, 0, 2, 1] }, { fill: ['ties'] }),
  one('maxpool2d', [1, 3, 9, 9], { kernel: [3, 3], pad: [1, 1, 1, 1] }),
  one('maxpool2d', [2, 2, 11, 10], { kernel: [3, 3], dilation: [2, 3], stride: [1, 2], pad: [2, 3, 2, 3] }, { fill: ['ties'] }),
  one('maxpool2d', [1, 2, 20, 19], { kernel: [17, 16] }, { fill: ['ties'] }),
  one('maxpool2d', [2, 9, 18, 17], { kernel: [17, 16] }, { essential: true }),
  one('maxpool2d', [1, 7, 6, 6], { kernel: [2, 2], stride: [3, 3] }),
  one('maxpool2d', [3, 5, 19, 18], { kernel: [3, 3], stride: [2, 2], pad: [1, 1, 0, 2] }, { fill: ['gaps'], essential: true }),
  one('maxpool2d', [3, 7, 16, 20], { kernel: [2, 2], stride: [2, 2] }, { fill: ['ties'], essential: true }),
  one('maxpool2d', [2, 5, 15, 13], { kernel: [3, 2], pad: [2, 1, 1, 0], dilation: [1, 2] }, { fill: ['gaps'], essential: true }),
  one('maxpool2d', [1, 9, 13, 14], { kernel: [12, 13], stride: [1, 2], pad: [0, 1, 1, 0] }, { essential: true }),
  one('maxpool2d', [1, 3, 11, 10], { kernel: [2, 3], stride: [3, 2], dilation: [2, 1], pad: [3, 0, 2, 1], ceilMode: true },
    { fill: ['ties'], essential: true }),
  one('maxpool2d', [2, 2, 5, 4], { kernel: [2, 2], stride: [2, 2], pad: [3, 3, 3, 3], indexOrder: 'column' },
    { fill: ['ties'], essential: true }),
  one('maxpool2d', [2, 19, 8, 17], { kernel: [3, 2], stride: [1, 2], pad: [1, 0, 1, 1] }, { fill: ['gaps'], forwardOnly: true, essential: true }),
  one('maxpool2d', [1, 3, 5, 5], { kernel: [1, 1] }, { fill: [{ constant: 0 }] }),
  one('maxpool2d', [1, 3, 6, 5], { kernel: [3, 3] }, { fill: [{ constant: 0 }] }),
  one('avgpool2d', [1, 1, 1, 1], { kernel: [1, 1] }),
  one('avgpool2d', [2, 3, 7, 7], { kernel: [7, 7] }, { linearIn: [0] }),
  one('avgpool2d', [1, 3, 9, 8], { kernel: [3, 2], stride: [2, 2], pad: [1, 0, 1, 1] }, { linearIn: [0] }),
  one('avgpool2d', [1, 3, 9, 8], { kernel: [3, 3], stride: [2, 2], pad: [1, 1, 1, 1], countIncludePad: true }, { linearIn: [0] }),
  one('avgpool2d', [1, 2, 6, 8], { kernel: [3, 3], stride: [2, 2], ceilMode: true }, { linearIn: [0] }),
  one('avgpool2d', [1, 2, 6, 8], { kernel: [3, 3], stride: [2, 2], pad: [1, 1, 0, 1], ceilMode: true, countIncludePad: true },
    { linearIn: [0] }),
  one('avgpool2d', [1, 2, 9, 9], { kernel: [2, 3], dilation: [3, 2], pad: [1, 1, 1, 1] }, { linearIn: [0] }),
  one('avgpool2d', [2, 3, 10, 9], { kernel: [3, 2], pad: [2, 0, 1, 1], dilation: [1, 2] }, { linearIn: [0], essential: true }),
  one('avgpool2d', [1, 2, 12, 11], { kernel: [2, 3], stride: [3, 2], dilation: [3, 1], pad: [1, 2, 2, 1], ceilMode: true, countIncludePad: true },
    { linearIn: [0], essential: true }),
  one('avgpool2d', [2, 3, 8, 9], { kernel: [3, 2], stride: [2, 2], dilation: [3, 3], pad: [1, 2, 0, 3], ceilMode: true },
    { linearIn: [0], essential: true }),
  one('globalavgpool', [2, 5, 7, 3], {}, { linearIn: [0] }),
  one('globalavgpool', [3, 67, 2, 1], {}, { linearIn: [0], essential: true }),
  one('globalmaxpool', [3, 67, 1, 3], {}, { fill: ['gaps'], essential: true }),
  one('globalmaxpool', [2, 67, 3], {}, { fill: ['ties'], forwardOnly: true, essential: true }),
  one('globalavgpool', [1, 1, 1, 1]),
  one('globalmaxpool', [2, 5, 7, 3], {}, { fill: ['ties'] }),
  one('globalmaxpool', [3, 2, 4]),
];

const LINEAR: readonly OpCase[] = [
  { op: 'linear', inputs: [[1, 1], [1, 1], [1]], parameters: [1, 2], linearIn: [0, 1] },
  { op: 'linear', inputs: [[1, 100], [37, 100], [37]], parameters: [1, 2], linearIn: [0, 1] },
  { op: 'linear', inputs: [[1, 1024], [129, 1024], [129]], parameters: [1, 2], linearIn: [0, 1] },
  { op: 'linear', inputs: [[70, 150], [130, 150], [130]], parameters: [1, 2], linearIn: [0, 1], essential: true },
  { op: 'linear', inputs: [[20, 150], [200, 150], [200]], parameters: [1, 2], linearIn: [0, 1], essential: true },
  { op: 'linear', inputs: [[1, 136], [270, 136], [270]], parameters: [1, 2], linearIn: [0, 1], essential: true },
  { op: 'linear', inputs: [[24, 1], [21, 24], [1, 1]], attrs: { transA: true, alpha: 0.5, beta: -1.5 }, linearIn: [0, 1] },
  { op: 'linear', inputs: [[33, 65], [17, 65], [17]], parameters: [1, 2], linearIn: [0, 1], essential: true },
  { op: 'linear',
    inputs: [[1, 103], [262, 103], [262]], attrs: { alpha: 0.7, beta: 1.5 }, parameters: [1, 2], linearIn: [0, 1], essential: true },
  { op: 'linear', inputs: [[10, 5], [10, 12], [5, 1]], attrs: { transA: true, transB: false, beta: -1.5 }, linearIn: [0, 1], essential: true },
  { op: 'linear', inputs: [[1, 6], [8, 6]], linearIn: [0, 1], essential: true },
  { op: 'linear', inputs: [[1, 132], [132, 268], [268]], attrs: { transB: false, alpha: 0.7, beta: 1.5 }, parameters: [1, 2], linearIn: [0, 1],
    essential: true },
  { op: 'linear', inputs: [[1, 36], [68, 36], [68]], parameters: [1, 2], linearIn: [0, 1] },
  { op: 'linear', inputs: [[5, 7], [3, 7]], linearIn: [0, 1] },
  { op: 'linear', inputs: [[70, 10], [70, 37], [10, 1]], attrs: { transA: true, transB: false, alpha: 0.5, beta: -1.5 }, linearIn: [0, 1],
    essential: true },
  { op: 'linear', inputs: [[3, 13], [11, 13], [11]], parameters: [1, 2], descent: { momentum: 0.75, weightDecay: 0.5 }, essential: true },
  { op: 'linear', inputs: [[5, 7], [7, 3], [3]], attrs: { transB: false, alpha: 0.5, beta: 2 }, linearIn: [0, 1] },
  { op: 'linear', inputs: [[7, 5], [7, 3], []], attrs: { transA: true, transB: false }, linearIn: [0, 1] },
  { op: 'linear', inputs: [[7, 5], [3, 7], [5, 1]], attrs: { transA: true, beta: -1.5 }, linearIn: [0, 1] },
  { op: 'linear', inputs: [[4, 6], [5, 6], [4, 5]], linearIn: [0, 1], essential: true },
  { op: 'linear', inputs: [[4, 6], [5, 6], [1, 5]], linearIn: [0, 1] },
];

const POINTWISE: readonly OpCase[] = [
  one('relu', [1]),
  one('relu', [2, 3, 35, 13], {}, { fill: ['ties'], essential: true }),
  one('relu', [2, 3, 5, 7], {}, { fill: ['ties'] }),
  one('relu', [37], {}, { fill: ['gaps'], essential: true }),
  one('relu', [2, 4, 35, 41], {}, { fill: ['ties'], essential: true }),
  one('relu', [44], {}, { fill: ['gaps'], essential: true }),
  one('clip', [3, 7, 10], { min: -0.5, max: 0.5 }, { essential: true }),
  one('clip', [3, 7], { min: 0 }, { fill: ['gaps'], essential: true }),
  one('clip', [37], { max: 1 }, { fill: ['gaps'], essential: true }),
  one('clip', [5]),
  one('lrn', [1, 7, 3, 5], { size: 5, alpha: 1e-4, beta: 0.75 }),
  one('lrn', [2, 6, 3, 2], { size: 4, alpha: 0.5, beta: 0.5, bias: 2 }),
  one('lrn', [1, 3, 4, 4], { size: 9, alpha: 0.3, beta: 1.25 }),
  one('lrn', [2, 8, 3, 3], { size: 3, alpha: 0.7, beta: 0.6 }),
  one('lrn', [2, 11, 3, 5], { size: 4, alpha: 0.5, beta: 0.75, bias: 0.5 }, { essential: true }),
  one('lrn', [2, 9, 4, 5], { size: 5, alpha: 0.5, beta: 0.75, bias: 0.5 }, { essential: true }),
  one('lrn', [1, 5, 7], { size: 3, alpha: 0.7, beta: 0.6 }, { fill: ['gaps'], essential: true }),
  one('lrn', [1, 5, 3], { size: 2, alpha: 0.7, beta: 1.5 }, { essential: true }),
  one('lrn', [1, 4, 3], { size: 3, alpha: 0.7, beta: 1.25 }, { essential: true }),
  one('lrn', [1, 4, 3], { size: 3, alpha: 0.7, beta: 2 }, { essential: true }),
  { op: 'batchnorm', inputs: [[2, 5, 3, 4], [5], [5], [5], [5]], fill: [, , , , 'positive'], parameters: [1, 2, 3, 4], essential: true },
  { op: 'batchnorm', attrs: { epsilon: 0.3 }, inputs: [[1, 197], [197], [197], [197], [197]],
    fill: [, , , , 'positive'], parameters: [1, 2, 3, 4], essential: true },
  { op: 'batchnorm', attrs: { epsilon: 1e-2 }, inputs: [[7, 3], [3], [3], [3], [3]], fill: [, , , , 'positive'] },
  { op: 'add', inputs: [[2, 3, 5, 5], [2, 3, 5, 5]], linearIn: [0, 1], essential: true },
  { op: 'add', inputs: [[2, 3, 4, 5], [3, 1, 1]], linearIn: [0, 1] },
  { op: 'add', inputs: [[2, 3, 2, 1, 3, 1, 2, 3], [3, 1, 3, 1, 2, 1, 3]], linearIn: [0, 1], essential: true },
  { op: 'add', inputs: [[1, 3, 1, 5], [2, 1, 4, 1]], linearIn: [0, 1] },
  { op: 'add', inputs: [[], [3, 2]], linearIn: [0, 1] },
  { op: 'mul', inputs: [[2, 3, 5, 5], [2, 3, 5, 5]], linearIn: [0, 1], essential: true },
  { op: 'mul', inputs: [[2, 3, 4, 5], [1, 3, 1, 1]], linearIn: [0, 1] },
  { op: 'mul', inputs: [[1, 3, 2, 3, 1, 2, 3, 2], [2, 1, 2, 1, 3, 2, 1, 2]], linearIn: [0, 1], essential: true },
  { op: 'mul', inputs: [[4, 1, 3], [5, 1]], linearIn: [0, 1] },
  one('dropout', [3, 67], { ratio: 0.4 }, { training: true, linearIn: [0], essential: true }),
  one('dropout', [3, 41], { ratio: 0.4 }, { linearIn: [0] }),
  one('dropout', [41], { ratio: 0 }, { training: true, linearIn: [0] }),
];

const SHAPES: readonly OpCase[] = [
  { op: 'concat', attrs: { axis: 1 }, inputs: [[2, 3, 4, 5], [2, 1, 4, 5], [2, 67, 4, 5]], linearIn: [0, 1, 2], essential: true },
  { op: 'concat', attrs: { axis: -1 }, inputs: [[2, 3], [2, 5]], linearIn: [0, 1] },
  { op: 'concat', attrs: { axis: 0 }, inputs: [[3], [1]], linearIn: [0, 1] },
  one('pad', [2, 3, 4, 5], { before: [0, 1, 2, 0], after: [1, 0, 1, 3] }, { linearIn: [0] }),
  one('pad', [2, 1, 3, 2, 3, 2, 1, 2], { before: [1, 0, 1, 0, 2, 0, 2, 1], after: [0, 2, 0, 1, 0, 1, 0, 1], value: 1.5 },
    { linearIn: [0], essential: true }),
  one('pad', [3, 2], { before: [0, 0], after: [2, 1], value: 1.5 }, {}),
  one('reshape', [2, 3, 4], { shape: [0, -1] }, { linearIn: [0] }),
  one('flatten', [2, 3, 4, 1], {}, { linearIn: [0] }),
  one('identity', [5, 2], {}, { linearIn: [0] }),
];

const PROBABILITIES: readonly OpCase[] = [
  one('softmax', [3, 10]),
  one('softmax', [67, 7, 3], { axis: 1 }, { essential: true }),
  one('softmax', [21, 10], {}, { fill: [{ scale: 1000 }], essential: true }),
  one('softmax', [4, 3], {}, { fill: ['gaps'], essential: true }),
  one('softmax', [2, 5, 3, 2], { axis: 1 }),
  one('softmax', [1, 1000]),
  one('softmax', [4, 1]),
  one('logsoftmax', [3, 10]),
  one('logsoftmax', [67, 7, 3], { axis: 1 }, { essential: true }),
  one('logsoftmax', [31, 7], {}, { fill: [{ scale: 1000 }], essential: true }),
  one('logsoftmax', [4, 3], {}, { fill: ['gaps'], essential: true }),
  one('logsoftmax', [2, 5, 3], { axis: 1 }),
  { op: 'crossentropy', inputs: [[7, 10], [7]], fill: ['normal', { classes: 10 }] },
  { op: 'crossentropy', inputs: [[197, 4], [197]], fill: ['normal', { labels: [0, 3, 1] }], essential: true },
  { op: 'crossentropy', attrs: { reduction: 'none' }, inputs: [[7, 5], [7]], fill: [{ scale: 100 }, { labels: [4, 0, 2] }], essential: true },
  { op: 'crossentropy', attrs: { reduction: 'sum' }, inputs: [[3, 4], [3]], fill: ['normal', { classes: 4 }], essential: true },
  { op: 'crossentropy', attrs: { reduction: 'none' }, inputs: [[5, 6], [5]], fill: ['normal', { classes: 6 }] },
  { op: 'nll', inputs: [[7, 10], [7]], fill: ['normal', { classes: 10 }] },
  { op: 'nll', inputs: [[197, 4], [197]], fill: ['normal', { labels: [0, 3, 1] }], essential: true },
  { op: 'nll', attrs: { reduction: 'none' }, inputs: [[7, 3], [7]], fill: ['normal', { classes: 3 }], essential: true },
  { op: 'momentum', attrs: { alpha: 0.9, beta: 0.7, normCoefficient: 0.01 }, inputs: [[], [], [33], [33], [33]],
    fill: [{ constant: 0.1 }, { classes: 3 }] },
  { op: 'momentum', attrs: { alpha: 0.9, beta: 0.7, normCoefficient: 0.01 }, inputs: [[], [], [197], [197], [197]],
    fill: [{ constant: 0.1 }, { labels: [1] }], essential: true },
  { op: 'momentum', attrs: { mode: 'nesterov', beta: 0.3 }, inputs: [[], [], [5], [5], [5]],
    fill: [{ constant: 0.1 }, { labels: [0] }], essential: true },
  { op: 'momentum', attrs: { mode: 'nesterov' }, inputs: [[], [], [5], [5], [5]], fill: [{ constant: 0.1 }, { classes: 1 }] },
];

const PICTURES: readonly OpCase[] = [
  { op: 'roll', inputs: [[2, 3, 7, 5], [2]], fill: ['normal', { labels: [3, -4] }], linearIn: [0], essential: true },
  { op: 'roll', attrs: { inverse: true }, inputs: [[1, 2, 4, 6], [2]], fill: ['normal', { labels: [-9, 13] }], linearIn: [0] },
  { op: 'roll', inputs: [[1, 1, 1, 1], [2]], fill: ['normal', { labels: [5, -5] }], linearIn: [0] },
  one('blur', [2, 3, 7, 5], { sigma: 0.5 }, { linearIn: [0] }),
  one('blur', [1, 2, 9, 13], { sigma: 1 }, { linearIn: [0], essential: true }),
  one('blur', [1, 2, 3, 2], { sigma: 2.5 }, { linearIn: [0] }),
  one('blur', [1, 1, 11, 5], { sigma: 15.75 }, { linearIn: [0] }),
  one('blur', [1, 1, 1, 1], { sigma: 0.1 }, { linearIn: [0] }),
  one('l2norm', [131, 3, 2], {}, { essential: true }),
  one('l2norm', [2, 3, 29, 31]),
  one('l2norm', [3, 2, 2], {}, { fill: [{ constant: 0 }], essential: true }),
  one('l2norm', [2, 1], {}, { fill: [{ scale: 1e-3 }] }),
  one('l2norm', [3, 17], {}, { fill: ['gaps'] }),
  { op: 'limit', inputs: [[2, 3, 7, 5], [3], [3]], fill: ['normal', { scale: -0.3 }, 'positive'], essential: true },
  { op: 'limit', inputs: [[2, 3, 5, 4], [3, 5, 4], [3, 5, 4]], fill: ['normal', { scale: -0.3 }, 'positive'] },
  { op: 'limit', inputs: [[1, 37], [37], [37]], fill: ['gaps', { constant: -0.5 }, { constant: 0.5 }], essential: true },
];

export const CASES: readonly OpCase[] = [...CONVOLUTIONS, ...BETWEEN_RELUS, ...POOLS, ...LINEAR, ...POINTWISE, ...SHAPES, ...PROBABILITIES, ...PICTURES];

/** A case on one line: `conv2d 1x3x7x5 4x3x3x3 4 {"pad":[1,1,1,1]}`. */
export function describeCase({ op, attrs, inputs, relus, training, descent, forwardOnly }: OpCase): string {
  const shapes = inputs.map((shape) => (shape.length > 0 ? shape.join('x') : 'scalar')).join(' ');
  const given = attrs && Object.keys(attrs).length > 0 ? ` ${JSON.stringify(attrs)}` : '';
  return `${op} ${shapes}${given}${relus ? ' between ReLUs' : ''}${training ? ' training' : ''}${descent ? ' descent' : ''}${forwardOnly ? ' forward only' : ''}`;
}
