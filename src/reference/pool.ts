/**
 * Pooling over windows and over everything. Maximum: the first of equals in row-major window order wins, NaN wins over every number,
 * padding is never chosen. Average: divided by the window's cells inside the input, or inside the padded input (what ceil mode adds beyond
 * never counts).
 */
import type { AvgPool2dAttrs } from '../ops/avgpool2d.ts';
import { middleOf } from '../ops/globalpool.ts';
import type { MaxPool2dAttrs } from '../ops/maxpool2d.ts';
import { windowExtent } from '../ops/window.ts';
import type { LayerRules } from '../rule.ts';
import { size, type Shape } from '../tensor.ts';
import { bounded, input } from './arrays.ts';
import { DIVISION, magnitudes, passBound, sumBound, sumBounds, U } from './bounds.ts';
import type { Bounded, F64Tensor, ReferenceAdjointCall, ReferenceOp } from './types.ts';

/** Roundings that a division by a count is worth: 2.5 ULP. */
const DIVISION_ROUNDINGS = DIVISION / U;

function outputShape(x: Shape, attrs: MaxPool2dAttrs | AvgPool2dAttrs): number[] {
  const extent = windowExtent([x[2], x[3]], attrs.kernel, attrs, attrs.ceilMode, (message) => {
    throw new RangeError(`pool reference: ${message}`);
  });
  return [x[0], x[1], ...extent];
}

/** The cells of a window at `start` that fall into [0, extent): first and end. */
function inside(start: number, kernel: number, dilation: number, extent: number): [first: number, end: number] {
  const first = start < 0 ? Math.ceil(-start / dilation) : 0;
  const end = Math.min(kernel, Math.ceil((extent - start) / dilation));
  return [first, Math.max(first, end)];
}

/** The most windows along one axis that share a position. */
function overlap(kernel: number, stride: number, dilation: number): number {
  let most = 0;
  for (let r = 0; r < stride; r++) {
    let n = 0;
    for (let k = 0; k < kernel; k++) if ((k * dilation) % stride === r) n += 1;
    most = Math.max(most, n);
  }
  return most;
}

/** Which cell of a window counts as its winner. */
export type Choice = 'first' | 'last' | 'centre';

/** Whether two values tie: NaN with NaN too. */
export const equal = (a: number, b: number): boolean => a === b || (a !== a && b !== b);

/** The windows of a maximum: those of a max-pool, or, where it is null, one over each plane. */
export type MaxWindows = MaxPool2dAttrs | null;

/** The extents of what a maximum over windows makes of x. */
export const maxShape = (x: Shape, windows: MaxWindows): number[] =>
  windows ? outputShape(x, windows) : x.map((extent, axis) => (axis < 2 ? extent : 1));

/**
 * Calls `visit` with every window, the flat indices into x of its cells inside, in row-major order, and the one in their middle (of two, the upper and
 * left one; -1 if there is no cell). The cells are the first `count` of an array that is used again for the next window.
 */
export function eachWindow(
  x: { readonly shape: Shape },
  windows: MaxWindows,
  visit: (window: number, cells: Int32Array, count: number, middle: number) => void,
): void {
  if (windows === null) {
    const planes = x.shape[0] * x.shape[1];
    const extent = size(x.shape) / planes;
    const middle = middleOf(x.shape.slice(2));
    const cells = new Int32Array(extent);
    for (let plane = 0, first = 0; plane < planes; plane++, first += extent) {
      for (let k = 0; k < extent; k++) cells[k] = first + k;
      visit(plane, cells, extent, first + middle);
    }
    return;
  }
  const [, , H, W] = x.shape;
  const [N, C, OH, OW] = outputShape(x.shape, windows);
  const [dh, dw] = windows.dilation;
  const cells = new Int32Array(windows.kernel[0] * windows.kernel[1]);
  let o = 0;
  for (let plane = 0; plane < N * C; plane++) {
    for (let oh = 0; oh < OH; oh++) {
      const top = oh * windows.stride[0] - windows.pad[0];
      const [h0, h1] = inside(top, windows.kernel[0], dh, H);
      for (let ow = 0; ow < OW; ow++) {
        const left = ow * windows.stride[1] - windows.pad[1];
        const [w0, w1] = inside(left, windows.kernel[1], dw, W);
        let count = 0;
        for (let kh = h0; kh < h1; kh++) {
          const row = (plane * H + top + kh * dh) * W + left;
          for (let kw = w0; kw < w1; kw++) cells[count++] = row + kw * dw;
        }
        visit(o++, cells, count, count > 0 ? cells[((h1 - h0 - 1) >> 1) * (w1 - w0) + ((w1 - w0 - 1) >> 1)] : -1);
      }
    }
  }
}

/** What windows look into, in either precision. */
export interface Cells {
  readonly shape: Shape;
  readonly data: Float64Array | Float32Array;
}

/** The winner of every window as a flat index into x: the first or last maximum, or the middle; -1 where a window has no cell inside. */
export function maxWinners(x: Cells, windows: MaxWindows, choice: Choice = 'first'): Int32Array {
  const { data } = x;
  const winners = new Int32Array(size(maxShape(x.shape, windows)));
  eachWindow(x, windows, (o, cells, count, middle) => {
    if (choice === 'centre' || count === 0) {
      winners[o] = middle;
      return;
    }
    let winner = cells[0];
    let best = data[winner];
    for (let k = 1; k < count; k++) {
      const v = data[cells[k]];
      if (v > best || (v !== v && best === best) || (choice === 'last' && equal(v, best))) {
        winner = cells[k];
        best = v;
      }
    }
    winners[o] = winner;
  });
  return winners;
}

/** The values at the winners; -infinity where there is none. */
export function gatherWinners(x: F64Tensor, winners: Int32Array, shape: Shape, bounds: boolean): Bounded {
  const data = new Float64Array(winners.length);
  for (let i = 0; i < data.length; i++) data[i] = winners[i] < 0 ? -Infinity : x.data[winners[i]];
  return bounded(shape, data, bounds ? data.map(passBound) : undefined);
}

/** dx = sum of dy over the windows that chose an element. Bound: exact where one window did, gamma_(K-1) sum|dy| where K did. */
function scatterWinners(shape: Shape, length: number, winners: Int32Array, dy: Float64Array, bounds: boolean): Bounded {
  const data = new Float64Array(length);
  for (let i = 0; i < dy.length; i++) if (winners[i] >= 0) data[winners[i]] += dy[i];
  if (!bounds) return bounded(shape, data);
  const bound = new Float64Array(length);
  const terms = new Int32Array(length);
  for (let i = 0; i < dy.length; i++) {
    if (winners[i] < 0) continue;
    bound[winners[i]] += Math.abs(dy[i]);
    terms[winners[i]] += 1;
  }
  for (let i = 0; i < length; i++) bound[i] = terms[i] > 1 ? sumBound(terms[i] - 1, bound[i]) : passBound(data[i]);
  return bounded(shape, data, bound);
}

/**
 * The cells of every window that equal its maximum, as flat indices into x, window after window: those of window o are
 * cells[from[o]] to cells[from[o + 1] - 1].
 */
export interface Ties {
  readonly cells: Int32Array;
  readonly from: Int32Array;
}

/** The ties of every window. */
export function maxTies(x: Cells, windows: MaxWindows): Ties {
  const winners = maxWinners(x, windows);
  const cells: number[] = [];
  const from = new Int32Array(winners.length + 1);
  eachWindow(x, windows, (o, inside, count) => {
    const most = x.data[winners[o]];
    for (let k = 0; k < count; k++) if (equal(x.data[inside[k]], most)) cells.push(inside[k]);
    from[o + 1] = cells.length;
  });
  return { cells: Int32Array.from(cells), from };
}

/**
 * dx = sum over the windows in which an element ties of dy, undivided or in equal shares. Bound: gamma of the sum, and of the division where
 * there was more than one to share with.
 */
function scatterTies(shape: Shape, length: number, { cells, from }: Ties, dy: Float64Array, averaged: boolean, bounds: boolean): Bounded {
  const data = new Float64Array(length);
  const sums = new Float64Array(length);
  const terms = new Int32Array(length);
  for (let o = 0; o < dy.length; o++) {
    const share = averaged ? dy[o] / (from[o + 1] - from[o]) : dy[o];
    for (let t = from[o]; t < from[o + 1]; t++) {
      data[cells[t]] += share;
      sums[cells[t]] += Math.abs(share);
      terms[cells[t]] += 1;
    }
  }
  if (!bounds) return bounded(shape, data);
  const division = averaged ? DIVISION_ROUNDINGS : 0;
  const bound = sums.map((sum, i) => (terms[i] - 1 + division > 0 ? sumBound(terms[i] - 1 + division, sum) : passBound(data[i])));
  return bounded(shape, data, bound);
}

type PoolRule = LayerRules['maxpool'];

/** Where a rule that picks one cell of a window sends its signal; null for the rules of ties. */
export function choiceOf(rule: PoolRule): Choice | null {
  if (rule === 'all-ties' || rule === 'average-ties') return null;
  return rule === 'switches' ? 'first' : rule;
}

/** The adjoint of a maximum over windows, under the rule of the call. */
function maxAdjoint(call: ReferenceAdjointCall<unknown>, windows: MaxWindows): Bounded {
  const x = input(call, 0);
  const { maxpool: rule } = call.rules;
  const choice = choiceOf(rule);
  const dy = call.dy[0]!.data;
  if (!choice) return scatterTies(x.shape, x.data.length, maxTies(x, windows), dy, rule === 'average-ties', call.bounds);
  return scatterWinners(x.shape, x.data.length, maxWinners(x, windows, choice), dy, call.bounds);
}

/** maxpool2d: x[N,C,H,W] -> y[N,C,OH,OW], indices (flat into x; in 'column' order a plane's position (h, w) counts as w*H + h). Exact. */
export const maxpool2d: ReferenceOp<MaxPool2dAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const [, , H, W] = x.shape;
    const shape = outputShape(x.shape, call.attrs);
    const winners = maxWinners(x, call.attrs);
    const indices = Float64Array.from(winners, (i) => {
      if (call.attrs.indexOrder === 'row' || i < 0) return i;
      const at = i % (H * W);
      return i - at + (at % W) * H + Math.floor(at / W);
    });
    return [
      gatherWinners(x, winners, shape, call.bounds),
      bounded(shape, indices, call.bounds ? new Float64Array(indices.length) : undefined),
    ];
  },
  adjoint: (call) => maxAdjoint(call, call.attrs),
};

/** globalmaxpool: x[N,C,...] -> y[N,C,1,...]. Exact. */
export const globalmaxpool: ReferenceOp<object> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    return [gatherWinners(x, maxWinners(x, null), maxShape(x.shape, null), call.bounds)];
  },
  adjoint: (call) => maxAdjoint(call, null),
};

/**
 * Visits the windows of an average: `transpose` false, to[o] = sum of from[i] / divisor(o); true, to[i] += from[o] / divisor(o).
 * A window without cells gives 0.
 */
function average(x: Shape, attrs: AvgPool2dAttrs, from: Float64Array, to: Float64Array, transpose: boolean): void {
  const [N, C, H, W] = x;
  const [, , OH, OW] = outputShape(x, attrs);
  const [dh, dw] = attrs.dilation;
  const [top, left, bottom, right] = attrs.pad;
  let o = 0;
  for (let plane = 0; plane < N * C; plane++) {
    for (let oh = 0; oh < OH; oh++) {
      const ih = oh * attrs.stride[0] - top;
      const [h0, h1] = inside(ih, attrs.kernel[0], dh, H);
      const rows = attrs.countIncludePad ? inside(ih + top, attrs.kernel[0], dh, top + H + bottom)[1] : h1 - h0;
      for (let ow = 0; ow < OW; ow++, o++) {
        const iw = ow * attrs.stride[1] - left;
        const [w0, w1] = inside(iw, attrs.kernel[1], dw, W);
        const columns = attrs.countIncludePad ? inside(iw + left, attrs.kernel[1], dw, left + W + right)[1] : w1 - w0;
        const divisor = Math.max(1, rows * columns);
        let sum = 0;
        for (let kh = h0; kh < h1; kh++) {
          const row = (plane * H + ih + kh * dh) * W + iw;
          for (let kw = w0; kw < w1; kw++) {
            if (transpose) to[row + kw * dw] += from[o] / divisor;
            else sum += from[row + kw * dw];
          }
        }
        if (!transpose) to[o] = sum / divisor;
      }
    }
  }
}

/** avgpool2d: x[N,C,H,W] -> y[N,C,OH,OW]. Bounds: gamma_K of the sum and one division. */
export const avgpool2d: ReferenceOp<AvgPool2dAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const { attrs } = call;
    const shape = outputShape(x.shape, attrs);
    const data = new Float64Array(shape[0] * shape[1] * shape[2] * shape[3]);
    average(x.shape, attrs, x.data, data, false);
    if (!call.bounds) return [bounded(shape, data)];
    const sums = new Float64Array(data.length);
    average(x.shape, attrs, magnitudes(x.data), sums, false);
    return [bounded(shape, data, sumBounds(attrs.kernel[0] * attrs.kernel[1] + DIVISION_ROUNDINGS, sums))];
  },
  adjoint(call): Bounded {
    const x = input(call, 0);
    const { attrs } = call;
    const data = new Float64Array(x.data.length);
    average(x.shape, attrs, call.dy[0]!.data, data, true);
    if (!call.bounds) return bounded(x.shape, data);
    const sums = new Float64Array(data.length);
    average(x.shape, attrs, magnitudes(call.dy[0]!.data), sums, true);
    const terms =
      overlap(attrs.kernel[0], attrs.stride[0], attrs.dilation[0]) * overlap(attrs.kernel[1], attrs.stride[1], attrs.dilation[1]);
    return bounded(x.shape, data, sumBounds(terms + DIVISION_ROUNDINGS, sums));
  },
};

/** globalavgpool: x[N,C,...] -> y[N,C,1,...]. Bounds: gamma_K of the sum and one division. */
export const globalavgpool: ReferenceOp<object> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const shape = x.shape.map((extent, axis) => (axis < 2 ? extent : 1));
    const planes = x.shape[0] * x.shape[1];
    const plane = x.data.length / planes;
    const data = new Float64Array(planes);
    const sums = new Float64Array(planes);
    const m = call.bounds ? magnitudes(x.data) : x.data;
    for (let p = 0; p < planes; p++) {
      for (let i = p * plane; i < (p + 1) * plane; i++) {
        data[p] += x.data[i];
        sums[p] += m[i];
      }
      data[p] /= plane;
      sums[p] /= plane;
    }
    return [bounded(shape, data, call.bounds ? sumBounds(plane + DIVISION_ROUNDINGS, sums) : undefined)];
  },
  adjoint(call): Bounded {
    const x = input(call, 0);
    const dy = call.dy[0]!.data;
    const plane = x.data.length / dy.length;
    const data = new Float64Array(x.data.length);
    for (let p = 0; p < dy.length; p++) data.fill(dy[p] / plane, p * plane, (p + 1) * plane);
    if (!call.bounds) return bounded(x.shape, data);
    // One division, or a product with a rounded reciprocal.
    return bounded(x.shape, data, sumBounds(DIVISION_ROUNDINGS + 1, magnitudes(data)));
  },
};
