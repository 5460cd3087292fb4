/**
 * The kernels that compute a convolution forward and to its input, and which of them a shape gets. On a GPU tiles in workgroup memory, whose
 * long sums are split into slabs so that there are enough workgroups; else register tiles.
 */
import { formatShape, type Shape } from '../tensor.ts';
import type { Variant } from './variants.ts';
import { unusual, windowWords, type Conv2dAttrs } from './window.ts';

/** One dispatch of the convolution family. */
export interface ConvShape {
  /** Over the batch. */
  readonly pixels: number;
  /** Channels of a group on either side. */
  readonly inputs: number;
  readonly outputs: number;
  readonly taps: number;
  readonly groups: number;
  /** Whether it writes all of y; the phases of a stride share one, and are not split. */
  readonly whole: boolean;
  /** Rows and columns of one image's grid. */
  readonly height: number;
  readonly width: number;
  /** How wide a window is that moves along rows by one, its taps on adjacent pixels; 0 for all others. */
  readonly slides: number;
  /** Whether a row's taps lie as far apart as the windows of adjacent pixels, however wide the window. */
  readonly regular: boolean;
  readonly batch: number;
}

/** A kernel, and the pixels x output channels of its tile. */
export interface ConvVariant extends Variant<ConvShape> {
  readonly pixels: number;
  readonly outputs: number;
  /** Invocations for one slab. */
  readonly invocations: (shape: ConvShape) => number;
}

/** Products that a slice in workgroup memory holds. */
export const SLICE = 16;

/** Workgroups that fill a GPU of some 130 multiprocessors; a larger tile pays from there on (measured on an H100). */
export const FULL = 264;

/**
 * Workgroups that a sum is split for: small tiles need several to a multiprocessor, so that one computes while others load. More slabs cost more
 * in adding them up (measured on an H100: 256 and 768 workgroups are both slower).
 */
const CROWD = 420;

/** Fewer input channels share one loop with the taps (measured: three times as fast with 3, a quarter faster with 16, slower with 64). */
const FLAT_BELOW = 32;

/** Fewer pixels leave too much of a quad's tile of 28 idle (measured: with 49 quads are 1.2 to 1.4 times as fast, with 25 still a little). */
const QUAD_PIXELS = 24;

/** Fewer input channels than these do not pay for a row's window (measured: a little slower with 3, a third faster with 8). */
const ROW_INPUTS = 8;

/** What a row in tiles of 4 costs over one in tiles of 7 of the same width (measured), and how much of either may be wasted. */
const NARROW = 1.1;
const ROW_WASTE = 1.3;

type Rest = Pick<ConvVariant, 'needs' | 'can' | 'when' | 'worth'>;

/** A tile in registers. */
function registers(shader: string, entry: string, pixels: number, outputs: number, rest: Rest = {}): ConvVariant {
  return {
    shader,
    entry,
    pixels,
    outputs,
    invocations: (s) => Math.ceil(s.pixels / pixels) * Math.ceil(s.outputs / outputs) * s.groups,
    ...rest,
  };
}

/** A tile whose weights are shared within quads: whole quads of it. */
function quads(entry: string, pixels: number, rest: Rest = {}): ConvVariant {
  const outputs = 16;
  const invocations = (s: ConvShape): number => Math.ceil(s.pixels / (4 * pixels)) * 4 * Math.ceil(s.outputs / outputs) * s.groups;
  return { shader: 'conv2d_quad', entry, pixels, outputs, invocations, needs: 'quads', ...rest };
}

/** How many times the work of a row's pixels its tiles do. */
const rowCost = (pixels: number, { width }: ConvShape): number =>
  ((Math.ceil(width / pixels) * pixels) / width) * (pixels < 7 ? NARROW : 1);

/**
 * Adjacent pixels of a row, for windows of so many taps, which share most of what they read. Its sums are taken in an order of their own, so
 * that the choice must be the same for an image in a batch and alone.
 */
function row(entry: string, taps: number, pixels: number, outputs: number, when: (s: ConvShape) => boolean): ConvVariant {
  const strips = (s: ConvShape): number => s.batch * s.height * Math.ceil(s.width / pixels);
  return {
    shader: 'conv2d_quad',
    entry,
    pixels,
    outputs,
    needs: 'quads',
    can: ({ slides }) => slides === taps,
    when: (s) => when(s) && s.inputs >= ROW_INPUTS && s.height * s.width >= 16 && rowCost(pixels, s) <= ROW_WASTE,
    worth: (s) => (outputs > 4 ? s.outputs > 4 : s.outputs <= 16) && rowCost(pixels, s) < 2,
    invocations: (s) => Math.ceil(strips(s) / 4) * 4 * Math.ceil(s.outputs / outputs) * s.groups,
  };
}

const workgroupsOf = (outputs: number, s: ConvShape): number => Math.ceil(s.pixels / 64) * Math.ceil(s.outputs / outputs) * s.groups;

/** A tile in workgroup memory, of 64 pixels. */
function shared(entry: string, outputs: number, flat: boolean, when: (s: ConvShape, workgroups: number) => boolean): ConvVariant {
  return {
    shader: 'conv2d_gemm',
    entry,
    pixels: 64,
    outputs,
    needs: 'tiles',
    can: ({ taps }) => taps > 0,
    when: (s) => flat === isFlat(s) && when(s, workgroupsOf(outputs, s)),
    worth: (s) => (outputs === 32 ? s.outputs > 4 : s.outputs > outputs / 2) && (!flat || flatMayPay(s)),
    split(s) {
      const units = flat ? Math.ceil((s.taps * s.inputs) / SLICE) : s.taps * Math.ceil(s.inputs / SLICE);
      const slabs = Math.min(Math.floor(CROWD / workgroupsOf(outputs, s)), Math.floor(units / 8));
      return { units, slabs: Math.max(1, slabs), most: s.whole ? Math.max(1, Math.floor(units / 4)) : 1 };
    },
    invocations: (s) => workgroupsOf(outputs, s) * 128,
  };
}

const isFlat = ({ taps, inputs }: ConvShape): boolean => taps > 1 && inputs < FLAT_BELOW;

const flatMayPay = ({ taps, inputs }: ConvShape): boolean => taps > 1 && inputs <= 3 * FLAT_BELOW;

const someTaps = ({ taps }: ConvShape): boolean => taps > 0;

/** Each kernel that a network uses is a pipeline to compile, hence so few. Few outputs or pixels leave most of a large tile empty. */
export const CONV_VARIANTS: readonly ConvVariant[] = [
  {
    shader: 'conv2d_depth',
    entry: 'strip4',
    pixels: 4,
    outputs: 1,
    can: ({ inputs, regular }) => inputs === 1 && regular,
    when: ({ outputs, width }, { tiles }) => !tiles && outputs === 1 && width >= 3,
    worth: ({ outputs }) => outputs <= 4,
    invocations: (s) => s.batch * s.height * Math.ceil(s.width / 4) * s.outputs * s.groups,
  },
  registers('conv2d', 'direct', 1, 1, { when: ({ outputs }) => outputs === 1, worth: ({ outputs }) => outputs <= 8 }),
  row('row8x4of3', 3, 8, 4, ({ outputs }) => outputs > 1 && outputs <= 4),
  row('row8x4of4', 4, 8, 4, ({ outputs }) => outputs > 1 && outputs <= 4),
  row('row7x16', 3, 7, 16, (s) => s.outputs > 8 && rowCost(7, s) <= rowCost(4, s)),
  row('row4x16', 3, 4, 16, (s) => s.outputs > 8 && rowCost(4, s) < rowCost(7, s)),
  row('row4x16of5', 5, 4, 16, ({ outputs }) => outputs > 8),
  registers('conv2d_tile', 'tile8x4', 8, 4, { when: ({ outputs }) => outputs <= 8, worth: ({ outputs }) => outputs <= 32 }),
  registers('conv2d_tile', 'tile1x16', 1, 16, { when: ({ pixels }) => pixels <= 4, worth: ({ pixels }) => pixels <= 256 }),
  shared('gemm128x64', 128, false, (s, workgroups) => s.outputs > 64 && workgroups >= 2 * FULL),
  shared('gemm64x64', 64, false, (s, workgroups) => s.outputs > 32 && workgroups >= FULL),
  shared('flat64x64', 64, true, (s, workgroups) => s.outputs > 32 && workgroups >= FULL),
  shared('gemm32x64', 32, false, () => true),
  shared('flat32x64', 32, true, () => true),
  quads('flatQuad8x16', 8, { can: someTaps, when: (s) => s.pixels >= QUAD_PIXELS && isFlat(s), worth: flatMayPay }),
  // Two channels at a time.
  quads('quad7x16', 7, {
    can: ({ inputs }) => inputs % 2 === 0,
    when: ({ pixels }) => pixels >= QUAD_PIXELS,
    worth: ({ outputs }) => outputs > 4,
  }),
  registers('conv2d_tile', 'flat8x16', 8, 16, { can: someTaps, when: isFlat, worth: flatMayPay }),
  registers('conv2d_tile', 'tile8x16', 8, 16, { worth: ({ outputs }) => outputs > 4 }),
];

/** What a choice for a convolution of x by w depends on: `x 1x64x56x56 w 128x64x3x3 stride 2 pad 1`. */
export function convKey(x: Shape, w: Shape, { stride, pad, dilation, groups }: Conv2dAttrs): string {
  return `x ${formatShape(x)} w ${formatShape(w)}${windowWords({ stride, pad, dilation })}${unusual('groups', [groups], 1)}`;
}
