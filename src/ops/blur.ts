/** Gaussian blur of images [N, C, H, W], rows then columns, reflected at the edges. */
import source from '../../shaders/blur.wgsl' with { type: 'text' };
import { size } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { EmitContext, Op, TensorRef } from './op.ts';

export interface BlurAttrs {
  /** Standard deviation in pixels. */
  readonly sigma: number;
}

/** Weights that the shader's geometry holds. */
const MOST = 64;

/**
 * Weights of one axis from its middle outwards, w[0] .. w[radius], for a kernel that sums to 1: w[0] + 2 (w[1] + ...) = 1. It is cut at
 * four standard deviations, rounded to whole pixels, as scipy.ndimage's `gaussian_filter` does by default.
 */
export function gaussian(sigma: number): number[] {
  const radius = Math.floor(4 * sigma + 0.5);
  const half = Array.from({ length: radius + 1 }, (_, k) => Math.exp((-k * k) / (2 * sigma * sigma)));
  const sum = half.reduce((total, w, k) => total + (k === 0 ? w : 2 * w), 0);
  return half.map((w) => w / sum);
}

function emit(c: EmitContext<BlurAttrs>, x: TensorRef, y: TensorRef): void {
  const weights = gaussian(c.attrs.sigma);
  const [height, width] = y.shape.slice(-2);
  const count = size(y.shape);
  const rows = c.scratch('rows', y.shape);
  const along = (extent: number, inner: number, from: TensorRef, to: TensorRef): void =>
    c.step({
      shader: 'blur',
      entry: 'along',
      geometry: { count, extent, inner, radius: weights.length - 1, weights },
      bind: { x: from, y: to },
      invocations: count,
    });
  along(width, 1, x, rows);
  along(height, width, rows, y);
}

export const blur: Op<BlurAttrs> = {
  name: 'blur',
  shaders: { blur: source },
  inputs: [1, 1],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const sigma = read.number('sigma', 1);
    read.done();
    const most = (MOST - 1) / 4;
    if (!(sigma > 0 && sigma <= most)) fail(`expected sigma in (0, ${most}], got ${sigma}.`);
    return { sigma };
  },
  infer([x], _, fail) {
    if (x!.shape.length < 2) fail(`expected x of rank 2 or more, got [${x!.shape.join(', ')}].`);
    return [x!];
  },
  forward: (c) => emit(c, c.x[0]!, c.y[0]),
  differentiable: () => true,
  // Reflected at the edges, the kernel's matrix is symmetric along each axis.
  adjoint: (c) => emit(c, c.dy[0]!, c.dx),
};
