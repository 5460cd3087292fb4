/** Max-pooling with switches: the first maximum of each window goes up, and what comes down goes back to where it came from. */
import source from '../../shaders/maxpool2d.wgsl' with { type: 'text' };
import { formatShape, size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op, StorageType, TensorRef } from './op.ts';
import type { Variant } from './variants.ts';
import { all, poolGeometry, readWindow, requireRank, SWITCH_CHOICES, windowExtent, windowWords, type PoolAttrs } from './window.ts';

export interface MaxPool2dAttrs extends PoolAttrs {
  readonly ceilMode: boolean;
  /** How `indices` counts within a plane: row by row, or column by column (ONNX storage_order 1). */
  readonly indexOrder: 'row' | 'column';
}

/** Bits per switch: a byte while the window has fewer than 255 places (255 means none), else a word. */
function switchBits(kernel: readonly [number, number]): 8 | 32 {
  return kernel[0] * kernel[1] < 255 ? 8 : 32;
}

const geometry = (x: Shape, y: Shape, a: MaxPool2dAttrs): Record<string, number> => ({
  ...poolGeometry(x, y, a),
  columnMajor: a.indexOrder === 'column' ? 1 : 0,
});

/** The constant that writes small windows out: 2 x 2 and less, or 3 x 3. */
function unrolled({ kernel }: PoolAttrs): { side?: number } {
  const side = Math.max(2, ...kernel);
  return side <= 3 ? { side } : {};
}

/** What a signal is handed down from and to. */
interface DownShape {
  readonly planes: number;
  readonly x: Shape;
  readonly y: Shape;
  readonly attrs: PoolAttrs;
}

/** Whether windows of 2 x 2 lie side by side and cover x, two to a vector of dy. */
const pairsUp = ({ x, y, attrs: { kernel, stride, dilation, pad } }: DownShape): boolean =>
  all([...kernel, ...stride], 2) && all(dilation, 1) && all(pad, 0) && x[2] === 2 * y[2] && x[3] === 2 * y[3] && y[3] % 2 === 0;

/** Whether windows of 3 x 3 begin at every second cell. */
const overlapsByOne = ({ attrs: { kernel, stride, dilation } }: DownShape): boolean => all(kernel, 3) && all(stride, 2) && all(dilation, 1);

/** The kernels that note the switches on the way up, by the bits of a switch. */
const UP_VARIANTS: readonly Variant<number>[] = [
  { shader: 'maxpool2d', entry: 'forwardSwitchesShared', needs: 'tiles', can: (bits) => bits === 8 },
  { shader: 'maxpool2d', entry: 'forwardSwitches' },
];

/** The kernels that hand the signal down to where the switches point. */
const DOWN_VARIANTS: readonly (Variant<DownShape> & { readonly invocations: (shape: DownShape) => number })[] = [
  { shader: 'maxpool2d', entry: 'backwardPairs', can: pairsUp, invocations: ({ y }) => size(y) / 2 },
  {
    shader: 'maxpool2d',
    entry: 'backwardOverlaps',
    can: overlapsByOne,
    when: (_, { tiles }) => !tiles,
    invocations: ({ planes, x, attrs: { pad } }) => planes * Math.ceil((x[2] + pad[0]) / 2) * Math.ceil((x[3] + pad[1]) / 4),
  },
  { shader: 'maxpool2d', entry: 'backward', invocations: ({ planes, x }) => planes * x[2] * Math.ceil(x[3] / 4) },
];

/** What a choice for a pool of x depends on: `x 1x64x56x56 kernel 2x2 stride 2`. */
const poolKey = (x: Shape, attrs: PoolAttrs): string => `x ${formatShape(x)} kernel ${attrs.kernel.join('x')}${windowWords(attrs)}`;

export const maxpool2d: Op<MaxPool2dAttrs> = {
  name: 'maxpool2d',
  shaders: { maxpool2d: source },
  inputs: [1, 1],
  outputs: [1, 2],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = {
      kernel: read.integers('kernel', 2, undefined, 1) as [number, number],
      ...readWindow(read),
      ceilMode: read.boolean('ceilMode', false),
      indexOrder: read.choice('indexOrder', ['row', 'column'] as const, 'row'),
    };
    read.done();
    return attrs;
  },
  infer([x], a, fail) {
    requireRank('x', x!.shape, 4, fail);
    const [n, c, h, w] = x!.shape;
    const shape = [n, c, ...windowExtent([h, w], a.kernel, a, a.ceilMode, fail)];
    return [
      { shape, dtype: 'f32' },
      { shape, dtype: 'i32' },
    ];
  },
  forward({ attrs, x: [x], y, differentiated, save, choose, step }) {
    const side = unrolled(attrs);
    const shared = { shader: 'maxpool2d', geometry: geometry(x!.shape, y[0].shape, attrs) };
    const count = size(y[0].shape);
    if (differentiated) {
      const bits = switchBits(attrs.kernel);
      const words = Math.ceil((count * bits) / 32);
      const switches: TensorRef = save('switches', [words], 'u32' satisfies StorageType);
      const { variant } = choose('forward', poolKey(x!.shape, attrs), UP_VARIANTS, bits);
      step({
        ...shared,
        entry: variant.entry,
        constants: { switchBits: bits, ...side },
        bind: { x: x!, y: y[0], switches },
        invocations: words,
      });
    } else {
      step({ ...shared, entry: 'forward', constants: side, bind: { x: x!, y: y[0] }, invocations: Math.ceil(count / 4) });
    }
    if (y[1]) step({ ...shared, entry: 'findIndices', bind: { x: x!, indices: y[1] }, invocations: count });
  },
  differentiable: () => true,
  rules: ['maxpool'],
  adjoint({ attrs, x: [x], y, dy: [dy], dx, rules, saved, scratch, choose, step }) {
    const shared = { shader: 'maxpool2d', geometry: geometry(dx.shape, y[0].shape, attrs) };
    const count = size(y[0].shape);
    const bits = switchBits(attrs.kernel);
    const choice = SWITCH_CHOICES[rules.maxpool];
    if (rules.maxpool === 'all-ties' || rules.maxpool === 'average-ties') {
      const ties = { x: x!, maxima: y[0] };
      const shares = rules.maxpool === 'all-ties' ? dy! : scratch('shares', y[0].shape);
      if (shares !== dy) step({ ...shared, entry: 'shareTies', bind: { ...ties, signal: dy!, share: shares }, invocations: count });
      step({ ...shared, entry: 'backwardTies', bind: { ...ties, shares, tied: dx }, invocations: size(dx.shape) });
      return;
    }
    const words = Math.ceil((count * bits) / 32);
    const switches = choice === undefined ? saved('switches') : scratch('chosen', [words], 'u32');
    if (choice !== undefined) {
      step({
        ...shared,
        entry: 'chooseSwitches',
        constants: { switchBits: bits, choice, ...unrolled(attrs) },
        bind: { x: x!, switches },
        invocations: words,
      });
    }
    const shape: DownShape = { planes: dx.shape[0] * dx.shape[1], x: dx.shape, y: y[0].shape, attrs };
    const { variant } = choose('dx', poolKey(dx.shape, attrs), DOWN_VARIANTS, shape);
    const pairs = variant.entry === 'backwardPairs';
    step({
      ...shared,
      entry: variant.entry,
      constants: pairs ? {} : { switchBits: bits },
      bind: { savedSwitches: switches, ...(pairs ? { dy2: dy!, dx4: dx } : { dy: dy!, dx }) },
      invocations: variant.invocations(shape),
    });
  },
};
