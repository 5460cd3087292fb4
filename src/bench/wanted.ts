/**
 * What a problem's result should be, in f64 with the bound of rounding: all of it, by the reference, or some elements of it, each by itself from
 * the definition.
 */
import type { LinearAttrs } from '../ops/linear.ts';
import type { Conv2dAttrs } from '../ops/window.ts';
import { sumBound } from '../reference/bounds.ts';
import { widen } from '../reference/graph.ts';
import { REFERENCE } from '../reference/index.ts';
import type { Bounded, F64Tensor } from '../reference/types.ts';
import { size, type Tensor } from '../tensor.ts';
import type { Problem } from './problem.ts';

/** The whole result. */
export function wanted(problem: Problem): Bounded {
  const x = problem.case.inputs.map((_, k) => widen(problem.tensors.get(`x${k}`)!));
  return reference(problem, x, problem.seed && widen(problem.seed));
}

/** The reference on given inputs and signal, forward or to the input that the case asks for. */
function reference({ typed, wrt, rules }: Problem, x: readonly F64Tensor[], dy: F64Tensor | undefined): Bounded {
  const [node] = typed.nodes;
  const call = { attrs: node.typedAttrs, x, bounds: true };
  const op = REFERENCE[node.op];
  if (wrt === undefined) return op.forward(call)[0];
  // The adjoints of sums of products need no y, which costs as much again.
  const y = node.definition.macs ? [] : op.forward(call);
  return op.adjoint!({ ...call, y, dy: [dy!, ...y.slice(1).map(() => null)], rules }, wrt);
}

/** The wanted values at some positions of the result. */
export function wantedAt(problem: Problem, at: Int32Array): Bounded {
  const { op } = problem.case;
  if (op === 'conv2d' || op === 'linear') return dots(problem, at);
  return partial(problem, at);
}

/** A sum of products in the making, and what its rounding may amount to. The benchmark's numbers are normal, so that none is subnormal. */
class Dot {
  #sum = 0;
  #magnitudes = 0;
  #terms = 0;

  add(a: number, b: number): void {
    this.#sum += a * b;
    this.#magnitudes += Math.abs(a * b);
    this.#terms++;
  }

  /** Adds scale (a[i] b[j] + a[i + p] b[j + q] + ...), `count` products. */
  run(a: Float32Array, i: number, p: number, b: Float32Array, j: number, q: number, count: number, scale = 1): void {
    let [sum, magnitudes] = [0, 0];
    for (let k = 0; k < count; k++) {
      const product = a[i] * b[j];
      sum += product;
      magnitudes += Math.abs(product);
      i += p;
      j += q;
    }
    this.#sum += scale * sum;
    this.#magnitudes += Math.abs(scale) * magnitudes;
    this.#terms += count + (scale === 1 ? 0 : 2);
  }

  get value(): readonly [value: number, bound: number] {
    return [this.#sum, sumBound(this.#terms, this.#magnitudes)];
  }
}

function dots(problem: Problem, at: Int32Array): Bounded {
  const data = new Float64Array(at.length);
  const bound = new Float64Array(at.length);
  const one = problem.case.op === 'linear' ? linearAt(problem) : convAt(problem);
  at.forEach((position, i) => ([data[i], bound[i]] = one(position).value));
  return { shape: [at.length], data, bound };
}

/** One element of y = alpha op(a) op(b) + beta c, or of the gradient to a or to b. */
function linearAt({ typed, tensors, seed, wrt }: Problem): (position: number) => Dot {
  const { transA, transB, alpha, beta } = typed.nodes[0].typedAttrs as LinearAttrs;
  const [a, b, c] = [0, 1, 2].map((k) => tensors.get(`x${k}`));
  const [rows, columns] = typed.values.get('y')!.shape;
  const depth = size(a!.shape) / rows;
  // Element (i, k) of op(a), (k, j) of op(b), (i, j) of c and of dy.
  const [aRow, aColumn] = transA ? [1, rows] : [depth, 1];
  const [bRow, bColumn] = transB ? [1, depth] : [columns, 1];
  const cShape = c?.shape ?? [];
  const cColumn = cShape.length > 0 && cShape[cShape.length - 1] > 1 ? 1 : 0;
  const cRow = cShape.length > 1 && cShape[0] > 1 ? cShape[1] : 0;
  const dy = seed?.data ?? new Float32Array(0);
  return (position) => {
    const dot = new Dot();
    if (wrt === undefined) {
      const [i, j] = [Math.floor(position / columns), position % columns];
      dot.run(a!.data, i * aRow, aColumn, b!.data, j * bColumn, bRow, depth, alpha);
      if (c) dot.add(beta, c.data[i * cRow + j * cColumn]);
    } else if (wrt === 0) {
      const [i, k] = transA ? [position % rows, Math.floor(position / rows)] : [Math.floor(position / depth), position % depth];
      dot.run(dy, i * columns, 1, b!.data, k * bRow, bColumn, columns, alpha);
    } else {
      const [k, j] = transB ? [position % depth, Math.floor(position / depth)] : [Math.floor(position / columns), position % columns];
      dot.run(dy, j, columns, a!.data, k * aColumn, aRow, rows, alpha);
    }
    return dot;
  };
}

/** One element of a convolution, of its gradient to x or of that to w, from the definition. */
function convAt({ typed, tensors, seed, wrt }: Problem): (position: number) => Dot {
  const { stride, pad, dilation, groups } = typed.nodes[0].typedAttrs as Conv2dAttrs;
  const [N, C, H, W] = tensors.get('x0')!.shape;
  const [OC, inputs, KH, KW] = tensors.get('x1')!.shape;
  const [, , OH, OW] = typed.values.get('y')!.shape;
  const outputs = OC / groups;
  const x = tensors.get('x0')!.data;
  const w = tensors.get('x1')!.data;
  const b = tensors.get('x2')?.data;
  const dy = seed?.data ?? new Float32Array(0);
  const row = (oh: number, kh: number): number => oh * stride[0] + kh * dilation[0] - pad[0];

  if (wrt === undefined) {
    return (position) => {
      const dot = new Dot();
      const [n, oc, oh, ow] = unravel(position, [N, OC, OH, OW]);
      const first = Math.floor(oc / outputs) * inputs;
      const left = ow * stride[1] - pad[1];
      const [from, to] = within(left, dilation[1], W, KW);
      for (let c = 0; c < inputs; c++) {
        for (let kh = 0; kh < KH; kh++) {
          const h = row(oh, kh);
          if (h < 0 || h >= H) continue;
          const [i, j] = [((oc * inputs + c) * KH + kh) * KW + from, ((n * C + first + c) * H + h) * W + left + from * dilation[1]];
          dot.run(w, i, 1, x, j, dilation[1], to - from);
        }
      }
      if (b) dot.add(1, b[oc]);
      return dot;
    };
  }
  if (wrt === 0) {
    return (position) => {
      const dot = new Dot();
      const [n, channel, h, v] = unravel(position, [N, C, H, W]);
      const group = Math.floor(channel / inputs);
      const c = channel % inputs;
      for (let kh = 0; kh < KH; kh++) {
        const oh = (h + pad[0] - kh * dilation[0]) / stride[0];
        if (!Number.isInteger(oh) || oh < 0 || oh >= OH) continue;
        for (let kw = 0; kw < KW; kw++) {
          const ow = (v + pad[1] - kw * dilation[1]) / stride[1];
          if (!Number.isInteger(ow) || ow < 0 || ow >= OW) continue;
          const oc = group * outputs;
          const [i, j] = [((oc * inputs + c) * KH + kh) * KW + kw, ((n * OC + oc) * OH + oh) * OW + ow];
          dot.run(w, i, inputs * KH * KW, dy, j, OH * OW, outputs);
        }
      }
      return dot;
    };
  }
  return (position) => {
    const dot = new Dot();
    const [oc, c, kh, kw] = unravel(position, [OC, inputs, KH, KW]);
    const channel = Math.floor(oc / outputs) * inputs + c;
    const left = kw * dilation[1] - pad[1];
    const [from, to] = within(left, stride[1], W, OW);
    for (let n = 0; n < N; n++) {
      for (let oh = 0; oh < OH; oh++) {
        const h = row(oh, kh);
        if (h < 0 || h >= H) continue;
        const [i, j] = [((n * OC + oc) * OH + oh) * OW + from, ((n * C + channel) * H + h) * W + left + from * stride[1]];
        dot.run(dy, i, 1, x, j, stride[1], to - from);
      }
    }
    return dot;
  };
}

/** The k in [0, count) for which start + k * step lies in [0, extent): first and end. */
function within(start: number, step: number, extent: number, count: number): readonly [from: number, to: number] {
  const from = Math.max(0, Math.ceil(-start / step));
  return [from, Math.max(from, Math.min(count, Math.ceil((extent - start) / step)))];
}

function unravel(position: number, shape: readonly [number, number, number, number]): [number, number, number, number] {
  const [, b, c, d] = shape;
  return [Math.floor(position / (b * c * d)), Math.floor(position / (c * d)) % b, Math.floor(position / d) % c, position % d];
}

/**
 * Ops that work plane by plane, column of channels by column, or row by row: the reference on the parts that hold the positions.
 */
function partial(problem: Problem, at: Int32Array): Bounded {
  const { op } = problem.case;
  const shape = problem.wrt === undefined ? problem.typed.values.get('y')!.shape : problem.case.inputs[problem.wrt];
  if (op === 'concat') return copied(problem, at);
  // What a part is: all of a plane [H, W], all channels of a place, a whole row.
  const span = size(shape.slice(2));
  const partOf = (position: number): number =>
    op === 'lrn'
      ? Math.floor(position / (shape[1] * span)) * span + (position % span)
      : op === 'softmax'
        ? Math.floor(position / shape[1])
        : Math.floor(position / span);
  const parts = [...new Set(Array.from(at, partOf))];
  const take = (t: Tensor): F64Tensor => (op === 'lrn' ? places(t, parts) : op === 'softmax' ? rows(t, parts) : planes(t, parts));
  const inputs = problem.case.inputs.map((_, k) => take(problem.tensors.get(`x${k}`)!));
  const want = reference(problem, inputs, problem.seed && take(problem.seed));
  const index = new Map(parts.map((part, i) => [part, i]));
  const data = new Float64Array(at.length);
  const bound = new Float64Array(at.length);
  at.forEach((position, i) => {
    const part = index.get(partOf(position))!;
    const from =
      op === 'lrn'
        ? (Math.floor(position / span) % shape[1]) * parts.length + part
        : op === 'softmax'
          ? part * shape[1] + (position % shape[1])
          : part * span + (position % span);
    data[i] = want.data[from];
    bound[i] = want.bound![from];
  });
  return { shape: [at.length], data, bound };
}

/** Some planes of [N, C, H, W] as [1, planes, H, W]. */
function planes({ shape, data }: Tensor, chosen: readonly number[]): F64Tensor {
  const span = size(shape.slice(2));
  const out = new Float64Array(chosen.length * span);
  chosen.forEach((plane, i) => out.set(data.subarray(plane * span, (plane + 1) * span), i * span));
  return { shape: [1, chosen.length, ...shape.slice(2)], data: out };
}

/** All channels at some places of [N, C, H, W] as [1, C, places]; a place is n H W + h W + w. */
function places({ shape, data }: Tensor, chosen: readonly number[]): F64Tensor {
  const [, C] = shape;
  const span = size(shape.slice(2));
  const out = new Float64Array(C * chosen.length);
  chosen.forEach((place, i) => {
    const base = Math.floor(place / span) * C * span + (place % span);
    for (let c = 0; c < C; c++) out[c * chosen.length + i] = data[base + c * span];
  });
  return { shape: [1, C, chosen.length], data: out };
}

/** Some rows of [N, C]. */
function rows({ shape, data }: Tensor, chosen: readonly number[]): F64Tensor {
  const [, C] = shape;
  const out = new Float64Array(chosen.length * C);
  chosen.forEach((row, i) => out.set(data.subarray(row * C, (row + 1) * C), i * C));
  return { shape: [chosen.length, C], data: out };
}

/** Concatenation along axis 1 only moves numbers. */
function copied({ case: { inputs }, tensors, seed, typed, wrt }: Problem, at: Int32Array): Bounded {
  const data = new Float64Array(at.length);
  const y = typed.values.get('y')!.shape;
  const span = size(y.slice(2));
  const first = inputs.map((_, k) => inputs.slice(0, k).reduce((sum, shape) => sum + shape[1], 0));
  at.forEach((position, i) => {
    const own = wrt === undefined ? y : inputs[wrt];
    const n = Math.floor(position / (own[1] * span));
    const c = Math.floor(position / span) % own[1];
    if (wrt !== undefined) {
      data[i] = seed!.data[(n * y[1] + first[wrt] + c) * span + (position % span)];
      return;
    }
    const k = first.findLastIndex((start) => c >= start);
    data[i] = tensors.get(`x${k}`)!.data[(n * inputs[k][1] + c - first[k]) * span + (position % span)];
  });
  return { shape: [at.length], data, bound: new Float64Array(at.length) };
}
