/**
 * 2-D convolution, `y[n,oc,oh,ow] = b[oc] + sum w[oc,c,kh,kw] x[n, c, oh*sh - top + kh*dh, ow*sw - left + kw*dw]`.
 *
 * One kernel family serves forward and backward to the input: the direction is geometry. {@link forwardAxis} and {@link phaseAxes} derive
 * it axis by axis, and weights are packed for it once.
 */
import depth from '../../shaders/conv2d_depth.wgsl' with { type: 'text' };
import direct from '../../shaders/conv2d.wgsl' with { type: 'text' };
import gemm from '../../shaders/conv2d_gemm.wgsl' with { type: 'text' };
import tile from '../../shaders/conv2d_tile.wgsl' with { type: 'text' };
import weight from '../../shaders/conv2d_weight.wgsl' with { type: 'text' };
import weightDepth from '../../shaders/conv2d_weight_depth.wgsl' with { type: 'text' };
import weightGemm from '../../shaders/conv2d_weight_gemm.wgsl' with { type: 'text' };
import weightQuad from '../../shaders/conv2d_weight_quad.wgsl' with { type: 'text' };
import quad from '../../shaders/conv2d_quad.wgsl' with { type: 'text' };
import pack from '../../shaders/pack.wgsl' with { type: 'text' };
import sum from '../../shaders/sum.wgsl' with { type: 'text' };
import { formatShape, size, type Shape } from '../tensor.ts';
import { finishing } from './activation.ts';
import { AttrReader } from './attrs.ts';
import { CONV_VARIANTS, convKey } from './conv2dVariants.ts';
import { backwardBias, backwardWeight } from './conv2dWeight.ts';
import type { AdjointContext, EmitContext, Op, TensorRef } from './op.ts';
import { addSlabs, slabsOf } from './sum.ts';
import { readWindow, requireRank, windowExtent, type Conv2dAttrs } from './window.ts';

/** One axis of a convolution as the kernels of conv2d.wgsl take it, and which taps of w it uses. */
interface Axis {
  /** Grid positions. */
  readonly grid: number;
  /** Taps used: first, first + step, ...; `kernel` of them. */
  readonly first: number;
  readonly step: number;
  readonly kernel: number;
  /** Grid position i and tap t read x at i*xStride + t*xStep + xOffset and write y at i*yStride + yOffset. */
  readonly xStride: number;
  readonly xStep: number;
  readonly xOffset: number;
  readonly yStride: number;
  readonly yOffset: number;
}

function forwardAxis(output: number, kernel: number, stride: number, dilation: number, pad: number): Axis {
  return { grid: output, first: 0, step: 1, kernel, xStride: stride, xStep: dilation, xOffset: -pad, yStride: 1, yOffset: 0 };
}

/**
 * The phases of backward-input along one axis. Position h = i*stride + r of dx gets dy[oh] * w[k] where oh*stride = h + pad - k*dilation.
 * For a given r those k are an arithmetic progression of step stride/gcd(stride, dilation), possibly empty, and
 * oh = i + (r + pad - k*dilation)/stride.
 */
function phaseAxes(input: number, kernel: number, stride: number, dilation: number, pad: number): Axis[] {
  const common = gcd(stride, dilation);
  const step = stride / common;
  const phases: Axis[] = [];
  for (let r = 0; r < Math.min(stride, input); r++) {
    let first = 0;
    while (first < step && (r + pad - first * dilation) % stride !== 0) first++;
    const taps = first < step ? Math.max(0, Math.ceil((kernel - first) / step)) : 0;
    phases.push({
      grid: Math.ceil((input - r) / stride),
      first,
      step,
      kernel: taps,
      xStride: 1,
      xStep: -dilation / common,
      xOffset: taps > 0 ? (r + pad - first * dilation) / stride : 0,
      yStride: stride,
      yOffset: r,
    });
  }
  return phases;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Channels per group on either side of a dispatch, and how far they lie apart in w. */
interface Channels {
  readonly direction: 'forward' | 'backward';
  readonly inputs: number;
  readonly outputs: number;
  readonly inputPitch: number;
  readonly outputPitch: number;
}

/** Emits a dispatch of the convolution family, `y = x * w (+ b)` over rows x columns; a second one where the first splits its sums. */
function convolve(
  c: EmitContext<Conv2dAttrs>,
  rows: Axis,
  columns: Axis,
  channels: Channels,
  bind: { x: TensorRef; y: TensorRef; b: TensorRef | null },
): void {
  const { groups } = c.attrs;
  const { inputs, outputs } = channels;
  const batch = bind.x.shape[0];
  const pixels = batch * rows.grid * columns.grid;
  if (pixels === 0) return;
  const shape = {
    pixels,
    inputs,
    outputs,
    taps: rows.kernel * columns.kernel,
    groups,
    whole: rows.yStride === 1 && columns.yStride === 1,
    height: rows.grid,
    width: columns.grid,
    slides: columns.xStride === 1 && Math.abs(columns.xStep) === 1 ? columns.kernel : 0,
    regular: Math.abs(columns.xStep) === columns.xStride,
    batch,
  };
  const key = convKey(c.x[0]!.shape, c.x[1]!.shape, c.attrs);
  const { variant, slabs, each } = c.choose(channels.direction === 'forward' ? 'forward' : 'dx', key, CONV_VARIANTS, shape);
  const partial = slabsOf(c, channels.direction, bind.y, slabs);
  const outputsPadded = Math.ceil(outputs / variant.outputs) * variant.outputs;
  const packed = packWeights(c, rows, columns, channels, outputsPadded);
  // A split sum is whole only once its slabs are added up.
  const { activation, gate } = finishing(slabs === 1 ? c.activation : undefined, packed);
  c.step({
    shader: variant.shader,
    entry: variant.entry,
    geometry: {
      batch,
      groups,
      inputs,
      outputs,
      outputsPadded,
      gridHeight: rows.grid,
      gridWidth: columns.grid,
      xHeight: bind.x.shape[2],
      xWidth: bind.x.shape[3],
      yHeight: bind.y.shape[2],
      yWidth: bind.y.shape[3],
      kernelHeight: rows.kernel,
      kernelWidth: columns.kernel,
      xStrideHeight: rows.xStride,
      xStrideWidth: columns.xStride,
      xStepHeight: rows.xStep,
      xStepWidth: columns.xStep,
      xOffsetHeight: rows.xOffset,
      xOffsetWidth: columns.xOffset,
      yStrideHeight: rows.yStride,
      yStrideWidth: columns.yStride,
      yOffsetHeight: rows.yOffset,
      yOffsetWidth: columns.yOffset,
      biased: bind.b ? 1 : 0,
      activation,
      ...(variant.split ? { slabs, slabSteps: each } : {}),
    },
    bind: { x: bind.x, w: packed, b: bind.b ?? packed, y: partial, gate },
    invocations: variant.invocations(shape) * slabs,
  });
  addSlabs(c, partial, bind.y, c.activation);
}

/** The taps of w that two axes use, packed [groups, kernelHeight, kernelWidth, inputs, outputsPadded]. Without taps, any tensor: w. */
function packWeights(c: EmitContext<Conv2dAttrs>, rows: Axis, columns: Axis, channels: Channels, outputsPadded: number): TensorRef {
  const w = c.x[1]!;
  const { groups } = c.attrs;
  const shape = [groups, rows.kernel, columns.kernel, channels.inputs, outputsPadded];
  if (size(shape) === 0) return w;
  // The name says all that the content depends on: nodes that share w and differ in geometry must not share this.
  const name = `${channels.direction} ${formatShape(shape)} rows ${rows.first}+${rows.step} columns ${columns.first}+${columns.step}`;
  return c.prepare(name, 1, shape, (packed, step) =>
    step({
      shader: 'pack',
      entry: 'pack',
      geometry: {
        count: size(shape),
        kernelHeight: rows.kernel,
        kernelWidth: columns.kernel,
        inputs: channels.inputs,
        outputs: channels.outputs,
        outputsPadded,
        partPitch: size(w.shape) / groups,
        outputPitch: channels.outputPitch,
        inputPitch: channels.inputPitch,
        columns: w.shape[3],
        firstRow: rows.first,
        firstColumn: columns.first,
        rowStep: rows.step,
        columnStep: columns.step,
      },
      bind: { w, packed },
      invocations: size(shape),
    }),
  );
}

function backwardInput(c: AdjointContext<Conv2dAttrs>): void {
  const { stride, pad, dilation, groups } = c.attrs;
  const [outputs, inputs, kh, kw] = c.x[1]!.shape;
  const channels: Channels = {
    direction: 'backward',
    inputs: outputs / groups,
    outputs: inputs,
    inputPitch: inputs * kh * kw,
    outputPitch: kh * kw,
  };
  for (const rows of phaseAxes(c.dx.shape[2], kh, stride[0], dilation[0], pad[0])) {
    for (const columns of phaseAxes(c.dx.shape[3], kw, stride[1], dilation[1], pad[1])) {
      convolve(c, rows, columns, channels, { x: c.dy[0]!, y: c.dx, b: null });
    }
  }
}

export const conv2d: Op<Conv2dAttrs> = {
  name: 'conv2d',
  shaders: {
    conv2d: direct,
    conv2d_depth: depth,
    conv2d_tile: tile,
    conv2d_quad: quad,
    conv2d_gemm: gemm,
    conv2d_weight: weight,
    conv2d_weight_depth: weightDepth,
    conv2d_weight_quad: weightQuad,
    conv2d_weight_gemm: weightGemm,
    pack,
    sum,
  },
  inputs: [2, 3],
  outputs: [1, 1],
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = { ...readWindow(read), groups: read.integer('groups', 1, 1) };
    read.done();
    return attrs;
  },
  infer([x, w, b], attrs, fail) {
    requireRank('x', x!.shape, 4, fail);
    requireRank('w', w!.shape, 4, fail);
    const { groups } = attrs;
    const [n, channels, ...extent] = x!.shape as [number, number, number, number];
    const [outputs, inputs, ...kernel] = w!.shape as [number, number, number, number];
    if (inputs * groups !== channels) {
      fail(
        `expected x with ${inputs * groups} channels (${inputs} of w times groups ${groups}), got x ${formatShape(x!.shape)} ` +
          `and w ${formatShape(w!.shape)}. Check groups and the order of w's axes, [OC, C/groups, KH, KW].`,
      );
    }
    if (outputs === 0 || outputs % groups !== 0) {
      fail(`expected w's output channels to be a positive multiple of groups ${groups}, got ${outputs}. Check groups.`);
    }
    if (inputs === 0 || kernel.some((k) => k === 0)) fail(`expected w without empty axes, got ${formatShape(w!.shape)}.`);
    if (b && !isVector(b.shape, outputs)) fail(`expected bias [${outputs}], one per output channel, got [${b.shape.join(', ')}].`);
    return [{ shape: [n, outputs, ...windowExtent(extent, kernel, attrs, false, fail)], dtype: 'f32' }];
  },
  macs: ([, w], y) => size(y) * size(w!.slice(1)),
  finishes: true,
  forward(c) {
    const [x, w, b] = c.x;
    const { stride, pad, dilation, groups } = c.attrs;
    const [outputs, inputs, kh, kw] = w!.shape;
    const y = c.y[0];
    const channels: Channels = {
      direction: 'forward',
      inputs,
      outputs: outputs / groups,
      inputPitch: kh * kw,
      outputPitch: inputs * kh * kw,
    };
    const rows = forwardAxis(y.shape[2], kh, stride[0], dilation[0], pad[0]);
    const columns = forwardAxis(y.shape[3], kw, stride[1], dilation[1], pad[1]);
    convolve(c, rows, columns, channels, { x: x!, y, b: b ?? null });
  },
  differentiable: () => true,
  adjoint(c, k) {
    if (k === 0) backwardInput(c);
    else if (k === 1) backwardWeight(c);
    else backwardBias(c);
  },
};

function isVector(shape: Shape, extent: number): boolean {
  return shape.length === 1 && shape[0] === extent;
}
