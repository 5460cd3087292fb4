/** The backward pass of a convolution to its weights and its bias. */
import { convKey, FULL, SLICE } from './conv2dVariants.ts';
import type { AdjointContext } from './op.ts';
import { addSlabs, addUp, slabsOf } from './sum.ts';
import type { Variant } from './variants.ts';
import { windowGeometry, type Conv2dAttrs } from './window.ts';

/** Invocations below which backward-weight splits its sum over rows of dy; of quads' kernels, of which each does more. */
const SPLIT_BELOW = 4096;
const SPLIT_QUADS_BELOW = 256;

/** Pixels of dy that a slab has at least, where more slabs fill a GPU, and at most, so that no sum grows long. */
const SLAB_PIXELS = [256, 8192] as const;

/** Extents of dw and dy, per group. */
interface WeightShape {
  readonly groups: number;
  readonly outputs: number;
  /** Input channels. */
  readonly inputs: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  /** Whether windows are three wide and move along rows by one, their taps on adjacent pixels. */
  readonly slides: boolean;
  /** Rows of dy over the batch, and its pixels. */
  readonly rows: number;
  readonly pixels: number;
}

interface WeightVariant extends Variant<WeightShape> {
  /** The field of the shader's geometry that says how much of dy a slab holds, and how many of these a unit is. */
  readonly slab: readonly [field: string, unit: number];
  /** Invocations for one slab. */
  readonly invocations: (shape: WeightShape) => number;
}

const columnsOf = ({ inputs, kernelHeight, kernelWidth }: WeightShape): number => inputs * kernelHeight * kernelWidth;

/** A tile of output channels x columns in workgroup memory. */
function shared(rows: number, columns: number, threads: number, when: (shape: WeightShape) => boolean): WeightVariant {
  const tiles = (s: WeightShape): number => Math.ceil(s.outputs / rows) * Math.ceil(columnsOf(s) / columns) * s.groups;
  return {
    shader: 'conv2d_weight_gemm',
    entry: `gemm${rows}x${columns}`,
    needs: 'tiles',
    when,
    worth: ({ outputs }) => rows === 32 || outputs > rows / 2,
    split(s) {
      const [least, most] = [Math.ceil(s.pixels / SLAB_PIXELS[1]), Math.floor(s.pixels / SLAB_PIXELS[0])];
      const slabs = Math.max(1, least, Math.min(Math.ceil((2 * FULL) / tiles(s)), most));
      return { units: Math.ceil(s.pixels / SLICE), slabs, least };
    },
    slab: ['slabPixels', SLICE],
    invocations: (s) => tiles(s) * threads,
  };
}

/** Tiles of 8 output channels x 4 input channels of one tap. */
const plainTiles = ({ groups, outputs, inputs, kernelHeight, kernelWidth }: WeightShape): number =>
  groups * Math.ceil(outputs / 8) * Math.ceil(inputs / 4) * kernelHeight * kernelWidth;

/** Four taps of a row of the window, of one output channel. */
const depthTiles = ({ groups, outputs, kernelHeight, kernelWidth }: WeightShape): number =>
  groups * outputs * kernelHeight * Math.ceil(kernelWidth / 4);

/** Tiles of 16 output channels x 32 columns to a quad. */
const quadTiles = (s: WeightShape): number => s.groups * Math.ceil(s.outputs / 16) * Math.ceil(columnsOf(s) / 32) * 4;

/** Tiles of 8 output channels x 12 rows of three taps to a quad. */
const rowTiles = (s: WeightShape): number => s.groups * Math.ceil(s.outputs / 8) * Math.ceil(columnsOf(s) / 36) * 4;

/** A sum over rows of dy, split until there are `below` invocations. */
const byRows = (tiles: (shape: WeightShape) => number, below: number): Pick<WeightVariant, 'split' | 'slab' | 'invocations'> => ({
  split: (s) => ({ units: s.rows, slabs: Math.ceil(below / tiles(s)) }),
  slab: ['slabRows', 1],
  invocations: tiles,
});

const WEIGHT_VARIANTS: readonly WeightVariant[] = [
  {
    shader: 'conv2d_weight_depth',
    entry: 'taps4',
    can: ({ inputs }) => inputs === 1,
    when: ({ outputs }, { tiles }) => !tiles && outputs <= 2,
    worth: ({ outputs }) => outputs <= 8,
    ...byRows(depthTiles, SPLIT_QUADS_BELOW),
  },
  shared(128, 64, 128, (s) => s.outputs > 64 && columnsOf(s) > 32),
  shared(64, 64, 128, (s) => s.outputs > 32 && columnsOf(s) > 32),
  shared(32, 32, 64, () => true),
  {
    shader: 'conv2d_weight_quad',
    entry: 'rows8x9',
    needs: 'quads',
    can: ({ slides }) => slides,
    when: (s) => s.outputs > 4 && columnsOf(s) > 16,
    ...byRows(rowTiles, SPLIT_QUADS_BELOW),
  },
  {
    shader: 'conv2d_weight_quad',
    entry: 'quad16x8',
    needs: 'quads',
    // Below half a tile of either kind most of a quad's work would be thrown away.
    when: (s) => s.outputs > 8 && columnsOf(s) > 16,
    ...byRows(quadTiles, SPLIT_QUADS_BELOW),
  },
  {
    shader: 'conv2d_weight',
    entry: 'backwardWeight',
    ...byRows(plainTiles, SPLIT_BELOW),
  },
];

export function backwardWeight(c: AdjointContext<Conv2dAttrs>): void {
  const { groups } = c.attrs;
  const [x, dy] = [c.x[0]!, c.dy[0]!];
  const [all, inputs, kernelHeight, kernelWidth] = c.dx.shape;
  const outputs = all / groups;
  const [batch, , yHeight, yWidth] = dy.shape;
  const rows = batch * yHeight;
  const slides = kernelWidth === 3 && c.attrs.stride[1] === 1 && c.attrs.dilation[1] === 1;
  const shape = { groups, outputs, inputs, kernelHeight, kernelWidth, slides, rows, pixels: rows * yWidth };
  const { variant, slabs, each } = c.choose('dw', convKey(x.shape, c.dx.shape, c.attrs), WEIGHT_VARIANTS, shape);
  const [field, unit] = variant.slab;
  const partial = slabsOf(c, 'dw', c.dx, slabs);
  c.step({
    shader: variant.shader,
    entry: variant.entry,
    geometry: {
      batch,
      groups,
      inputs,
      outputs,
      xHeight: x.shape[2],
      xWidth: x.shape[3],
      yHeight,
      yWidth,
      kernelHeight,
      kernelWidth,
      ...windowGeometry(c.attrs),
      slabs,
      [field]: each * unit,
    },
    bind: { x, dy, partial },
    invocations: variant.invocations(shape) * slabs,
  });
  addSlabs(c, partial, c.dx);
}

/** db[oc] = sum of dy over all else: first within rows, then over rows and batch. */
export function backwardBias(c: AdjointContext<Conv2dAttrs>): void {
  const dy = c.dy[0]!;
  const [batch, channels, height, width] = dy.shape;
  const rows = batch * channels * height;
  const partial = c.scratch('partial db', [batch, channels, height]);
  addUp(c, dy, partial, { count: rows, pitch: width, outer: 1, outerPitch: 0, inner: width, innerPitch: 1 });
  addUp(c, partial, c.dx, { count: channels, pitch: height, outer: batch, outerPitch: channels * height, inner: height, innerPitch: 1 });
}
