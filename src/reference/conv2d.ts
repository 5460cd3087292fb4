/**
 * 2-D convolution (cross-correlation, as every framework means it), NCHW, weights OIHW:
 *
 *     y[n,oc,oh,ow] = b[oc] + sum over ic, kh, kw of w[oc,ic,kh,kw] * x[n, g*C/groups + ic, oh*sh + kh*dh - top, ow*sw + kw*dw - left]
 *
 * with g the group of oc and x zero outside. A stride splits the padded image into stride*stride interleaved planes; within a plane every
 * tap reads a contiguous row, so that one kernel (taps.ts) serves all strides. The input adjoint is the same sum over dy, plane by plane.
 */
import type { Conv2dAttrs } from '../ops/window.ts';
import { windowExtent } from '../ops/window.ts';
import type { Shape } from '../tensor.ts';
import { bounded, input } from './arrays.ts';
import { magnitudes, sumBounds } from './bounds.ts';
import { tapDot, tapSum } from './taps.ts';
import type { Bounded, ReferenceOp } from './types.ts';

/** One axis of the window: which interleaved plane each kernel cell reads, and how far it is shifted there. */
interface Axis {
  readonly input: number;
  readonly output: number;
  readonly stride: number;
  readonly before: number;
  /** kernel cell k reads plane `residue[k]` (k*dilation mod stride), shifted by `shift[k]` (their quotient). */
  readonly residue: readonly number[];
  readonly shift: readonly number[];
  /** The distinct residues: planes that are read at all. */
  readonly planes: readonly number[];
  /** Extent of a plane: what the windows reach of it. */
  readonly extent: number;
}

interface Geometry {
  readonly batch: number;
  readonly groups: number;
  /** Channels per group. */
  readonly inputs: number;
  readonly outputs: number;
  readonly rows: Axis;
  readonly columns: Axis;
}

function fail(message: string): never {
  throw new RangeError(`conv2d reference: ${message}`);
}

function geometry(x: Shape, w: Shape, attrs: Conv2dAttrs): Geometry {
  const [OH, OW] = windowExtent([x[2], x[3]], [w[2], w[3]], attrs, false, fail);
  const axis = (i: 0 | 1, output: number): Axis => {
    const stride = attrs.stride[i];
    const reach = Array.from({ length: w[2 + i] }, (_, k) => k * attrs.dilation[i]);
    const residue = reach.map((r) => r % stride);
    const shift = reach.map((r) => Math.floor(r / stride));
    return {
      input: x[2 + i],
      output,
      stride,
      before: attrs.pad[i],
      residue,
      shift,
      planes: [...new Set(residue)],
      extent: output + shift[shift.length - 1],
    };
  };
  return { batch: x[0], groups: attrs.groups, inputs: w[1], outputs: w[0] / attrs.groups, rows: axis(0, OH), columns: axis(1, OW) };
}

/** Elements that one channel takes in {@link split}. */
function splitSize({ rows, columns }: Geometry): number {
  return rows.planes.length * columns.planes.length * rows.extent * columns.extent;
}

/** Splits `g.inputs` channels of x, from `start` on, into their interleaved zero-padded planes. */
function split(g: Geometry, x: Float64Array, start: number, out: Float64Array): void {
  const { rows, columns } = g;
  out.fill(0);
  let to = 0;
  for (let c = 0; c < g.inputs; c++) {
    const channel = start + c * rows.input * columns.input;
    for (const ph of rows.planes) {
      for (const pw of columns.planes) {
        const first = Math.max(0, Math.ceil((columns.before - pw) / columns.stride));
        const end = Math.min(columns.extent, Math.ceil((columns.input + columns.before - pw) / columns.stride));
        for (let r = 0; r < rows.extent; r++, to += columns.extent) {
          const ih = r * rows.stride + ph - rows.before;
          if (ih < 0 || ih >= rows.input) continue;
          const from = channel + ih * columns.input + pw - columns.before;
          for (let q = first; q < end; q++) out[to + q] = x[from + q * columns.stride];
        }
      }
    }
  }
}

/** Where each tap (ic, kh, kw), in the order of the weights, starts reading in {@link split}'s result. */
function tapOffsets(g: Geometry): Int32Array {
  const { rows, columns } = g;
  const offsets = new Int32Array(g.inputs * rows.residue.length * columns.residue.length);
  const plane = rows.extent * columns.extent;
  let t = 0;
  for (let c = 0; c < g.inputs; c++) {
    for (let kh = 0; kh < rows.residue.length; kh++) {
      for (let kw = 0; kw < columns.residue.length; kw++) {
        const p = rows.planes.indexOf(rows.residue[kh]) * columns.planes.length + columns.planes.indexOf(columns.residue[kw]);
        offsets[t++] = c * splitSize(g) + p * plane + rows.shift[kh] * columns.extent + columns.shift[kw];
      }
    }
  }
  return offsets;
}

/** sum w x, without bias. */
function forwardSums(g: Geometry, x: Float64Array, w: Float64Array): Float64Array {
  const { rows, columns } = g;
  const pitch = columns.extent;
  const offsets = tapOffsets(g);
  const taps = offsets.length;
  const planes = new Float64Array(g.inputs * splitSize(g));
  const sums = new Float64Array(g.outputs * rows.output * pitch);
  const y = new Float64Array(g.batch * g.groups * g.outputs * rows.output * columns.output);
  const length = (rows.output - 1) * pitch + columns.output;
  let to = 0;
  for (let n = 0; n < g.batch; n++) {
    for (let group = 0; group < g.groups; group++) {
      split(g, x, (n * g.groups + group) * g.inputs * rows.input * columns.input, planes);
      const weights = w.subarray(group * g.outputs * taps, (group + 1) * g.outputs * taps);
      tapSum(weights, g.outputs, taps, planes, offsets, sums, rows.output * pitch, length);
      for (let r = 0; r < g.outputs * rows.output; r++) {
        for (let c = 0; c < columns.output; c++) y[to++] = sums[r * pitch + c];
      }
    }
  }
  return y;
}

/** Kernel cells that reach a given plane of one axis, and the stretch [first, first + count) of that plane which the image covers. */
function reaching(axis: Axis, plane: number): { cells: number[]; first: number; count: number; most: number } {
  const cells = axis.residue.flatMap((r, k) => (r === plane ? [k] : []));
  const first = Math.ceil((axis.before - plane) / axis.stride);
  const last = Math.floor((axis.input - 1 + axis.before - plane) / axis.stride);
  return { cells, first, count: Math.max(0, last - first + 1), most: Math.max(...cells.map((k) => axis.shift[k])) };
}

/** sum w dy: the transpose of {@link forwardSums} in x. */
function inputSums(g: Geometry, w: Float64Array, dy: Float64Array): Float64Array {
  const { rows, columns } = g;
  const cells = rows.residue.length * columns.residue.length;
  const image = rows.input * columns.input;
  const dx = new Float64Array(g.batch * g.groups * g.inputs * image);
  for (const ph of rows.planes) {
    for (const pw of columns.planes) {
      const v = reaching(rows, ph);
      const h = reaching(columns, pw);
      const [height, pitch] = [v.count + v.most, h.count + h.most];
      const perOutput = v.cells.length * h.cells.length;
      const taps = g.outputs * perOutput;
      if (v.count === 0 || h.count === 0) continue;

      // dy laid out so that dx at plane position `first` reads kernel cell k at row `most - shift[k]`.
      const offsets = new Int32Array(taps);
      let t = 0;
      for (let oc = 0; oc < g.outputs; oc++) {
        for (const kh of v.cells) {
          for (const kw of h.cells) offsets[t++] = (oc * height + v.most - rows.shift[kh]) * pitch + h.most - columns.shift[kw];
        }
      }
      const signal = new Float64Array(g.outputs * height * pitch);
      const packed = new Float64Array(g.inputs * taps);
      const sums = new Float64Array(g.inputs * v.count * pitch);
      for (let group = 0; group < g.groups; group++) {
        t = 0;
        for (let c = 0; c < g.inputs; c++) {
          for (let oc = 0; oc < g.outputs; oc++) {
            const filter = ((group * g.outputs + oc) * g.inputs + c) * cells;
            for (const kh of v.cells) {
              for (const kw of h.cells) packed[t++] = w[filter + kh * columns.residue.length + kw];
            }
          }
        }
        for (let n = 0; n < g.batch; n++) {
          const start = (n * g.groups + group) * g.outputs * rows.output * columns.output;
          place(g, dy, start, signal, height, pitch, v.first - v.most, h.first - h.most);
          tapSum(packed, g.inputs, taps, signal, offsets, sums, v.count * pitch, (v.count - 1) * pitch + h.count);
          for (let c = 0; c < g.inputs; c++) {
            const channel = ((n * g.groups + group) * g.inputs + c) * image;
            for (let r = 0; r < v.count; r++) {
              const ih = (v.first + r) * rows.stride + ph - rows.before;
              const to = channel + ih * columns.input + h.first * columns.stride + pw - columns.before;
              const from = (c * v.count + r) * pitch;
              for (let q = 0; q < h.count; q++) dx[to + q * columns.stride] = sums[from + q];
            }
          }
        }
      }
    }
  }
  return dx;
}

/** Copies dy (g.outputs channels from `start`) into a zeroed buffer whose element [0, 0] is dy's [top, left]. */
function place(
  g: Geometry,
  dy: Float64Array,
  start: number,
  out: Float64Array,
  height: number,
  pitch: number,
  top: number,
  left: number,
): void {
  const { rows, columns } = g;
  out.fill(0);
  const first = Math.max(0, left);
  const end = Math.min(columns.output, left + pitch);
  for (let oc = 0; oc < g.outputs; oc++) {
    for (let oh = Math.max(0, top); oh < Math.min(rows.output, top + height); oh++) {
      const from = start + (oc * rows.output + oh) * columns.output;
      const to = (oc * height + oh - top) * pitch - left;
      for (let ow = first; ow < end; ow++) out[to + ow] = dy[from + ow];
    }
  }
}

/** sum dy x over batch and positions: the transpose of {@link forwardSums} in w. */
function weightSums(g: Geometry, x: Float64Array, dy: Float64Array): Float64Array {
  const { rows, columns } = g;
  const offsets = tapOffsets(g);
  const taps = offsets.length;
  const planes = new Float64Array(g.inputs * splitSize(g));
  const dw = new Float64Array(g.groups * g.outputs * taps);
  const signal = g.outputs * rows.output * columns.output;
  for (let n = 0; n < g.batch; n++) {
    for (let group = 0; group < g.groups; group++) {
      split(g, x, (n * g.groups + group) * g.inputs * rows.input * columns.input, planes);
      const from = (n * g.groups + group) * signal;
      const to = dw.subarray(group * g.outputs * taps, (group + 1) * g.outputs * taps);
      tapDot(dy.subarray(from, from + signal), g.outputs, rows.output, columns.output, planes, offsets, taps, columns.extent, to);
    }
  }
  return dw;
}

/** sum dy over batch and positions, per output channel. */
function biasSums(g: Geometry, dy: Float64Array): Float64Array {
  const plane = g.rows.output * g.columns.output;
  const db = new Float64Array(g.groups * g.outputs);
  for (let n = 0; n < g.batch; n++) {
    for (let oc = 0; oc < db.length; oc++) {
      const from = (n * db.length + oc) * plane;
      for (let i = 0; i < plane; i++) db[oc] += dy[from + i];
    }
  }
  return db;
}

/** Adds bias[oc] to every element of its channel. */
function addBias(g: Geometry, y: Float64Array, bias: Float64Array): void {
  const plane = g.rows.output * g.columns.output;
  for (let i = 0; i < y.length; i++) y[i] += bias[Math.floor(i / plane) % bias.length];
}

/** The most kernel cells that read any one plane. */
function mostCells(axis: Axis): number {
  return Math.max(...axis.planes.map((plane) => axis.residue.filter((r) => r === plane).length));
}

/** conv2d: x[N,C,H,W], w[OC,C/groups,KH,KW], b[OC]? -> y[N,OC,OH,OW]. Bounds: gamma_K * sum |w||x|, K the terms with the bias. */
export const conv2d: ReferenceOp<Conv2dAttrs> = {
  forward(call): Bounded[] {
    const x = input(call, 0);
    const w = input(call, 1);
    const b = call.x[2];
    const g = geometry(x.shape, w.shape, call.attrs);
    const data = forwardSums(g, x.data, w.data);
    if (b) addBias(g, data, b.data);
    const shape = [g.batch, g.groups * g.outputs, g.rows.output, g.columns.output];
    if (!call.bounds) return [bounded(shape, data)];
    const sums = forwardSums(g, magnitudes(x.data), magnitudes(w.data));
    if (b) addBias(g, sums, magnitudes(b.data));
    return [bounded(shape, data, sumBounds(g.inputs * w.shape[2] * w.shape[3] + (b ? 1 : 0), sums))];
  },

  adjoint(call, k): Bounded {
    const x = input(call, 0);
    const w = input(call, 1);
    const dy = call.dy[0]!.data;
    const g = geometry(x.shape, w.shape, call.attrs);
    const positions = g.batch * g.rows.output * g.columns.output;
    switch (k) {
      case 0: {
        const data = inputSums(g, w.data, dy);
        if (!call.bounds) return bounded(x.shape, data);
        const terms = g.outputs * mostCells(g.rows) * mostCells(g.columns);
        return bounded(x.shape, data, sumBounds(terms, inputSums(g, magnitudes(w.data), magnitudes(dy))));
      }
      case 1: {
        const data = weightSums(g, x.data, dy);
        if (!call.bounds) return bounded(w.shape, data);
        return bounded(w.shape, data, sumBounds(positions, weightSums(g, magnitudes(x.data), magnitudes(dy))));
      }
      case 2: {
        const data = biasSums(g, dy);
        if (!call.bounds) return bounded([data.length], data);
        return bounded([data.length], data, sumBounds(positions, biasSums(g, magnitudes(dy))));
      }
      default:
        return fail(`expected input 0, 1 or 2, got ${k}.`);
    }
  },
};
