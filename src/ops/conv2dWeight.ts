/** The backward pass of a convolution to its weights and its bias. */
import { size } from '../tensor.ts';
import { chooseWeightTile, FULL, SLAB_PIXELS, SLICE } from './conv2dTiles.ts';
import type { AdjointContext } from './op.ts';
import { addUp } from './sum.ts';
import { windowGeometry, type Conv2dAttrs } from './window.ts';

/** Invocations below which backward-weight splits its sum over rows of dy. A function of shapes alone, so that results never vary. */
const SPLIT_BELOW = 4096;

/** What both kernels of the weight gradient take. */
function weightGeometry({ attrs, x: [x], dy: [dy], dx }: AdjointContext<Conv2dAttrs>): Readonly<Record<string, number>> {
  const [all, inputs, kernelHeight, kernelWidth] = dx.shape;
  return {
    batch: x!.shape[0],
    groups: attrs.groups,
    inputs,
    outputs: all / attrs.groups,
    xHeight: x!.shape[2],
    xWidth: x!.shape[3],
    yHeight: dy!.shape[2],
    yWidth: dy!.shape[3],
    kernelHeight,
    kernelWidth,
    ...windowGeometry(attrs),
  };
}

function backwardWeightOfTiles(c: AdjointContext<Conv2dAttrs>): void {
  const { groups } = c.attrs;
  const [x, dy] = [c.x[0]!, c.dy[0]!];
  const [all, inputs, kernelHeight, kernelWidth] = c.dx.shape;
  const outputs = all / groups;
  const [batch, , yHeight, yWidth] = dy.shape;
  const pixels = batch * yHeight * yWidth;
  const columns = inputs * kernelHeight * kernelWidth;
  const tile = chooseWeightTile(outputs, columns);
  const tiles = Math.ceil(outputs / tile.rows) * Math.ceil(columns / tile.columns) * groups;
  const [least, most] = SLAB_PIXELS;
  const wanted = Math.max(1, Math.ceil(pixels / most), Math.min(Math.ceil((2 * FULL) / tiles), Math.floor(pixels / least)));
  const slabPixels = Math.max(SLICE, Math.ceil(pixels / wanted / SLICE) * SLICE);
  const slabs = Math.max(1, Math.ceil(pixels / slabPixels));
  const partial = slabs === 1 ? c.dx : c.scratch('partial dw', [slabs, ...c.dx.shape]);
  c.step({
    shader: 'conv2d_weight_gemm',
    entry: tile.entry,
    geometry: {
      ...weightGeometry(c),
      slabs,
      slabPixels,
    },
    bind: { x, dy, partial },
    invocations: tiles * slabs * tile.threads,
  });
  const count = size(c.dx.shape);
  if (slabs > 1) addUp(c, partial, c.dx, { count, pitch: 1, outer: slabs, outerPitch: count, inner: 1, innerPitch: 0 });
}

export function backwardWeight(c: AdjointContext<Conv2dAttrs>): void {
  if (c.traits.tiles) return backwardWeightOfTiles(c);
  const { groups } = c.attrs;
  const x = c.x[0]!;
  const dy = c.dy[0]!;
  const [all, inputs, kernelHeight, kernelWidth] = c.dx.shape;
  const outputs = all / groups;
  const [batch, , yHeight] = dy.shape;
  const tiles = groups * Math.ceil(outputs / 8) * Math.ceil(inputs / 4) * kernelHeight * kernelWidth;
  const slabRows = Math.max(1, Math.ceil((batch * yHeight) / Math.ceil(SPLIT_BELOW / tiles)));
  const slabs = Math.max(1, Math.ceil((batch * yHeight) / slabRows));
  const partial = slabs === 1 ? c.dx : c.scratch('partial dw', [slabs, ...c.dx.shape]);
  // Below half a tile of either kind most of a quad's work would be thrown away.
  const quads = c.traits.quads && outputs > 8 && inputs * kernelHeight * kernelWidth > 16;
  const quadTiles = groups * Math.ceil(outputs / 16) * Math.ceil((inputs * kernelHeight * kernelWidth) / 32) * 4;
  c.step({
    shader: quads ? 'conv2d_weight_quad' : 'conv2d_weight',
    entry: quads ? 'quad16x8' : 'backwardWeight',
    geometry: {
      ...weightGeometry(c),
      slabs,
      slabRows,
    },
    bind: { x, dy, partial },
    invocations: (quads ? quadTiles : tiles) * slabs,
  });
  const count = size(c.dx.shape);
  if (slabs > 1) addUp(c, partial, c.dx, { count, pitch: 1, outer: slabs, outerPitch: count, inner: 1, innerPitch: 0 });
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
