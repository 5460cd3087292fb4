/**
 * Conv and the pools: ONNX's window attributes, auto_pad among them, as stride, pad and dilation.
 */
import { formatShape } from '../../tensor.ts';
import { formatList } from '../numbers.ts';
import type { NodeContext } from './context.ts';

interface Window {
  readonly stride: readonly number[];
  readonly pad: readonly number[];
  readonly dilation: readonly number[];
  readonly ceilMode: boolean;
  /** Output rows and columns. */
  readonly extent: readonly [number, number];
}

/**
 * Stride, pad [top, left, bottom, right], dilation and output extents of a window over `input` [H, W].
 * SAME pads so that the output is ceil(input / stride), the odd cell at the end (UPPER) or at the start (LOWER).
 */
function readWindow(c: NodeContext, input: readonly number[], kernel: readonly number[]): Window {
  const stride = c.ints('strides', [1, 1], 2);
  const dilation = c.ints('dilations', [1, 1], 2);
  const given = c.ints('pads', [0, 0, 0, 0], 4);
  const auto = c.string('auto_pad', 'NOTSET');
  const small = (v: number): boolean => Number.isSafeInteger(v) && v <= 0x7fffffff;
  if (!kernel.every((v) => small(v) && v >= 1)) c.fail(`expected a kernel of positive extents, got ${formatShape(kernel)}.`);
  if (!stride.every((v) => small(v) && v >= 1)) c.fail(`expected positive strides, got ${formatList(stride)}.`);
  if (!dilation.every((v) => small(v) && v >= 1)) c.fail(`expected positive dilations, got ${formatList(dilation)}.`);
  if (!given.every((v) => small(v) && v >= 0)) c.fail(`expected pads of zero or more, got ${formatList(given)}.`);
  if (!['NOTSET', '', 'VALID', 'SAME_UPPER', 'SAME_LOWER'].includes(auto)) {
    c.fail(`expected auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER, got "${auto}".`);
  }
  const automatic = auto !== 'NOTSET' && auto !== '';
  if (automatic && given.some((v) => v !== 0)) {
    c.fail(`expected pads or auto_pad, got pads ${formatList(given)} and auto_pad ${auto}. Remove one.`);
  }
  // With auto_pad the output extent is stated outright, and ceil_mode has no say.
  const ceilMode = !automatic && c.has('ceil_mode') && c.flag('ceil_mode');
  const pad = [...given];
  const extent = [0, 1].map((axis) => {
    const span = dilation[axis] * (kernel[axis] - 1) + 1;
    if (auto.startsWith('SAME')) {
      const out = Math.ceil(input[axis] / stride[axis]);
      const total = Math.max((out - 1) * stride[axis] + span - input[axis], 0);
      const less = Math.floor(total / 2);
      pad[axis] = auto === 'SAME_UPPER' ? less : total - less;
      pad[axis + 2] = total - pad[axis];
    }
    const padded = input[axis] + pad[axis] + pad[axis + 2];
    if (padded < span) {
      c.fail(
        `expected a padded input of at least ${span} ${axis === 0 ? 'rows' : 'columns'} for the window, got ${padded}. Use a larger input.`,
      );
    }
    const steps = (padded - span) / stride[axis];
    const out = (ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A last window that would start in the padding after the input is dropped.
    return ceilMode && (out - 1) * stride[axis] >= input[axis] + pad[axis] ? out - 1 : out;
  });
  return { stride, pad, dilation, ceilMode, extent: extent as [number, number] };
}

/** Conv: x [N,C,H,W], W [OC,C/group,KH,KW], B [OC]? -> conv2d. */
export function conv(c: NodeContext): void {
  c.arity([2, 3]);
  const rank = c.info(0).shape.length;
  if (rank !== 4) {
    c.fail(
      `expected a 2-D convolution over [N,C,H,W], got an input of shape ${formatShape(c.info(0).shape)}. 1-D and 3-D are not supported.`,
    );
  }
  const x = c.floatInput(0, 4);
  const w = c.floatInput(1, 4);
  const [n, channels, ...input] = x.shape;
  const [outChannels, groupChannels, ...kernel] = w.shape;
  const groups = c.int('group', 1);
  const stated = c.ints('kernel_shape', kernel, 2);
  if (stated.some((v, i) => v !== kernel[i])) {
    c.fail(`expected kernel_shape ${formatShape(kernel)} as the weights have, got ${formatShape(stated)}.`);
  }
  if (groups < 1 || groupChannels * groups !== channels || outChannels % groups !== 0) {
    c.fail(`expected weights for ${channels} input channels in ${groups} group(s), got shape ${formatShape(w.shape)}.`);
  }
  const inputs = [x.name, w.name];
  if (c.given(2)) {
    const b = c.floatInput(2, 1);
    if (b.shape[0] !== outChannels) c.fail(`expected a bias of ${outChannels} values, got ${b.shape[0]}.`);
    inputs.push(b.name);
  }
  const { stride, pad, dilation, extent } = readWindow(c, input, kernel);
  c.emit('conv2d', inputs, [{ name: c.outputs[0], shape: [n, outChannels, ...extent] }], { stride, pad, dilation, groups });
}

/** MaxPool -> maxpool2d, with the indices as a second output where they are read. */
export function maxPool(c: NodeContext): void {
  c.arity([1, 1], 2);
  const { x, kernel, window } = readPool(c);
  const shape = [x.shape[0], x.shape[1], ...window.extent];
  const outputs = [{ name: c.outputs[0], shape }, ...(c.wanted(1) ? [{ name: c.outputs[1], shape, dtype: 'i32' as const }] : [])];
  const { stride, pad, dilation, ceilMode } = window;
  const indexOrder = c.flag('storage_order') ? 'column' : 'row';
  c.emit('maxpool2d', [x.name], outputs, { kernel, stride, pad, dilation, ceilMode, indexOrder });
}

/** AveragePool -> avgpool2d. */
export function averagePool(c: NodeContext): void {
  c.arity([1, 1]);
  const { x, kernel, window } = readPool(c);
  const { stride, pad, dilation, ceilMode, extent } = window;
  const countIncludePad = c.flag('count_include_pad');
  const outputs = [{ name: c.outputs[0], shape: [x.shape[0], x.shape[1], ...extent] }];
  c.emit('avgpool2d', [x.name], outputs, { kernel, stride, pad, dilation, ceilMode, countIncludePad });
}

function readPool(c: NodeContext): { x: ReturnType<NodeContext['x']>; kernel: readonly number[]; window: Window } {
  const x = c.floatInput(0, 4);
  const kernel = c.ints('kernel_shape', undefined, 2);
  const window = readWindow(c, x.shape.slice(2), kernel);
  window.pad.forEach((pad, i) => {
    const span = window.dilation[i % 2] * (kernel[i % 2] - 1) + 1;
    if (pad >= span) {
      c.fail(`expected pads smaller than the window of ${span}, got ${formatList(window.pad)}. A window of padding alone has no value.`);
    }
  });
  return { x, kernel, window };
}

/** GlobalAveragePool and GlobalMaxPool: x [N,C,...] -> [N,C,1,...]. */
export function globalPool(op: 'globalavgpool' | 'globalmaxpool'): (c: NodeContext) => void {
  return (c) => {
    c.arity([1, 1]);
    const x = c.floatInput(0);
    if (x.shape.length < 3) c.fail(`expected an input [N,C,...] of at least 3 dimensions, got shape ${formatShape(x.shape)}.`);
    c.emit(op, [x.name], [{ name: c.outputs[0], shape: x.shape.map((extent, i) => (i < 2 ? extent : 1)) }]);
  };
}

/** ReduceMean over everything behind the channel, as exporters write global average pooling; other reductions are refused. */
export function reduceMean(c: NodeContext): void {
  c.arity([1, 2]);
  const x = c.floatInput(0);
  const rank = x.shape.length;
  const every = x.shape.map((_, axis) => axis);
  const stated = c.given(1) ? c.needInts(1, 'the axes') : c.ints('axes', every);
  const axes = [...new Set(stated.map((axis) => c.axis(axis, rank)))].sort((a, b) => a - b);
  if (rank < 3 || formatList(axes) !== formatList(every.slice(2))) {
    c.fail(
      `expected axes ${formatList(every.slice(2))}, all behind the channel, got ${formatList(stated)}. Only global average pooling is supported.`,
    );
  }
  const shape = x.shape.map((extent, axis) => (axis < 2 ? extent : 1));
  if (c.flag('keepdims', 1)) {
    c.emit('globalavgpool', [x.name], [{ name: c.outputs[0], shape }]);
    return;
  }
  const pooled = c.builder.fresh(`${c.outputs[0]}/pooled`);
  c.emit('globalavgpool', [x.name], [{ name: pooled, shape }], undefined, '/pool');
  c.emit('reshape', [pooled], [{ name: c.outputs[0], shape: shape.slice(0, 2) }], { shape: [x.batched ? 0 : shape[0], shape[1]] });
}
