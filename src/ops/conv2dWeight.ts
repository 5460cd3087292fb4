/** The backward pass of a convolution to its weights and its bias. */
import { chooseWeightTile, FULL, SLAB_PIXELS, SLICE } from './conv2dTiles.ts';
import type { AdjointContext } from './op.ts';
import { addSlabs, addUp, slabsOf } from './sum.ts';
import { windowGeometry, type Conv2dAttrs } from './window.ts';

/** Invocations below which backward-weight splits its sum over rows of dy. A function of shapes alone, so that results never vary. */
const SPLIT_BELOW = 4096;

/** Extents of dw and dy, per group. */
interface Extents {
  readonly groups: number;
  readonly outputs: number;
  /** Input channels. */
  readonly inputs: number;
  readonly taps: number;
  /** Rows of dy over the batch, and its pixels. */
  readonly rows: number;
  readonly pixels: number;
}

/** How the sum is computed, and how it is split into slabs. */
interface Kernel {
  readonly shader: string;
  readonly entry: string;
  readonly slabs: number;
  /** How much of dy a slab holds, in the kernel's own unit. */
  readonly slab: Readonly<Record<string, number>>;
  /** For one slab. */
  readonly invocations: number;
}

/** On GPUs. */
function tileKernel({ groups, outputs, inputs, taps, pixels }: Extents): Kernel {
  const tile = chooseWeightTile(outputs, inputs * taps);
  const tiles = Math.ceil(outputs / tile.rows) * Math.ceil((inputs * taps) / tile.columns) * groups;
  const [least, most] = SLAB_PIXELS;
  const wanted = Math.max(1, Math.ceil(pixels / most), Math.min(Math.ceil((2 * FULL) / tiles), Math.floor(pixels / least)));
  const slabPixels = Math.max(SLICE, Math.ceil(pixels / wanted / SLICE) * SLICE);
  const slabs = Math.max(1, Math.ceil(pixels / slabPixels));
  return { shader: 'conv2d_weight_gemm', entry: tile.entry, slabs, slab: { slabPixels }, invocations: tiles * tile.threads };
}

/** On everything else: plain, or shared within quads. */
function rowKernel({ groups, outputs, inputs, taps, rows }: Extents, quads: boolean): Kernel {
  const tiles = groups * Math.ceil(outputs / 8) * Math.ceil(inputs / 4) * taps;
  const slabRows = Math.max(1, Math.ceil(rows / Math.ceil(SPLIT_BELOW / tiles)));
  const split = { slabs: Math.max(1, Math.ceil(rows / slabRows)), slab: { slabRows } };
  // Below half a tile of either kind most of a quad's work would be thrown away.
  if (!quads || outputs <= 8 || inputs * taps <= 16)
    return { ...split, shader: 'conv2d_weight', entry: 'backwardWeight', invocations: tiles };
  const quadTiles = groups * Math.ceil(outputs / 16) * Math.ceil((inputs * taps) / 32) * 4;
  return { ...split, shader: 'conv2d_weight_quad', entry: 'quad16x8', invocations: quadTiles };
}

export function backwardWeight(c: AdjointContext<Conv2dAttrs>): void {
  const { groups } = c.attrs;
  const [x, dy] = [c.x[0]!, c.dy[0]!];
  const [all, inputs, kernelHeight, kernelWidth] = c.dx.shape;
  const outputs = all / groups;
  const [batch, , yHeight, yWidth] = dy.shape;
  const rows = batch * yHeight;
  const extents = { groups, outputs, inputs, taps: kernelHeight * kernelWidth, rows, pixels: rows * yWidth };
  const kernel = c.traits.tiles ? tileKernel(extents) : rowKernel(extents, c.traits.quads);
  const { shader, entry, slabs, slab, invocations } = kernel;
  const partial = slabsOf(c, 'dw', c.dx, slabs);
  c.step({
    shader,
    entry,
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
      ...slab,
    },
    bind: { x, dy, partial },
    invocations: invocations * slabs,
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
