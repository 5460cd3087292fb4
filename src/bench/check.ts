/**
 * The check that every result passes before its time is taken: against f64, within the bound that rounding allows. Small results are compared
 * whole with the reference. Of large ones every element must have been written, and at least 512 are compared: those at the corners and others
 * at random, each computed by itself from the definition.
 */
import type { Conv2dAttrs } from '../ops/conv2d.ts';
import { magnitude, sumBound, U } from '../reference/bounds.ts';
import { widen } from '../reference/graph.ts';
import { REFERENCE } from '../reference/index.ts';
import type { Bounded, F64Tensor } from '../reference/types.ts';
import { formatShape, size, type Shape, type Tensor } from '../tensor.ts';
import { uniform } from '../verify/random.ts';
import { workOf, type Problem } from './problem.ts';

/** How a result was checked, and how it came out. */
export interface Check {
  /** `whole`: every element against the reference; `sample`: `compared` of them. */
  readonly method: 'whole' | 'sample';
  readonly elements: number;
  readonly compared: number;
  /** The largest |got - want| / bound; at most 1 for a correct result. */
  readonly worst: number;
  /** The Euclidean norm of got - want over that of want, on what was compared. */
  readonly relativeL2: number;
  /** What it may be: of long sums the bound alone is so wide that zeros would pass it. Undefined for ops that add up few terms. */
  readonly relativeLimit?: number;
  readonly passed: boolean;
  /** What is wrong, in words. */
  readonly failure?: string;
}

/** Elements compared where not all are. */
const SAMPLE = 512;

/** Multiply-accumulates up to which a whole result is computed in f64. */
const WHOLE_MACS = 25e6;

/** Elements up to which the result of an op without multiply-accumulates is. */
const WHOLE_ELEMENTS = 2.5e6;

/**
 * Rounding errors of a sum of K products of random numbers add up like a random walk, to about u sqrt(K / 6) of its size in one running sum and to
 * less in any other order. Ten times that is a wrong result.
 */
const RANDOM_WALKS = 4;

export interface CheckOptions {
  /** Compare a sample whatever the size. */
  readonly sample?: boolean;
}

/** Checks what the device made of a problem: y, or the gradient that the case asks for. */
export function checkResult(problem: Problem, got: Tensor, { sample = false }: CheckOptions = {}): Check {
  const { flop } = workOf(problem);
  const largest = Math.max(...problem.case.inputs.map(size), size(problem.typed.values.get('y')!.shape));
  const whole = !sample && (flop > 0 ? flop <= 2 * WHOLE_MACS : largest <= WHOLE_ELEMENTS);
  const { data } = got;
  const unwritten = data.findIndex((v) => !Number.isFinite(v));
  if (unwritten >= 0) {
    return {
      method: whole ? 'whole' : 'sample',
      elements: data.length,
      compared: 0,
      worst: Infinity,
      relativeL2: Infinity,
      passed: false,
      failure: `element ${unwritten} of ${formatShape(got.shape)}: expected it to be written, got ${data[unwritten]}`,
    };
  }
  const at = whole ? undefined : positions(got.shape);
  const want = at
    ? sampled(problem, at)
    : reference(
        problem,
        problem.case.inputs.map((_, k) => input(problem, k)),
        seedOf(problem),
      );
  const bound = want.bound!;
  let [worst, where, wrong, all] = [0, -1, 0, 0];
  for (let i = 0; i < want.data.length; i++) {
    const value = data[at ? at[i] : i];
    const error = Math.abs(value - want.data[i]);
    wrong += error * error;
    all += want.data[i] * want.data[i];
    if (error === 0) continue;
    const ratio = bound[i] > 0 ? error / bound[i] : Infinity;
    if (ratio > worst) {
      worst = ratio;
      where = i;
    }
  }
  const relativeL2 = wrong === 0 ? 0 : Math.sqrt(wrong / all);
  const relativeLimit = flop > 0 ? RANDOM_WALKS * U * Math.sqrt(flop / 2 / data.length) : undefined;
  const near = worst <= 1;
  const passed = near && relativeL2 <= (relativeLimit ?? Infinity) && want.data.length > 0;
  const element = at ? at[where] : where;
  const outside = (i: number): string =>
    `element ${i} of ${formatShape(got.shape)}: expected ${want.data[where]} within ${bound[where].toExponential(2)}, got ${data[i]}`;
  return {
    method: whole ? 'whole' : 'sample',
    elements: data.length,
    compared: want.data.length,
    worst,
    relativeL2,
    ...(relativeLimit === undefined ? {} : { relativeLimit }),
    passed,
    ...(passed ? {} : { failure: near ? farOff(relativeL2, relativeLimit!) : outside(element) }),
  };
}

const farOff = (relative: number, limit: number): string =>
  `expected a relative error of at most ${limit.toExponential(2)} in the Euclidean norm, got ${relative.toExponential(2)}`;

const input = ({ tensors }: Problem, k: number): F64Tensor => widen(tensors.get(`x${k}`)!);

const seedOf = ({ seed }: Problem): F64Tensor | undefined => seed && widen(seed);

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

/** Where a large result is looked at: the corners of its first and last images and channels, and elements at random. */
function positions(shape: Shape): Int32Array {
  const corners = shape.reduce<number[]>(
    (all, extent) => all.flatMap((base) => (extent > 1 ? [base * extent, base * extent + extent - 1] : [base * extent])),
    [0],
  );
  const count = size(shape);
  if (count <= 2 * SAMPLE) return Int32Array.from({ length: count }, (_, i) => i);
  const chosen = new Set(corners);
  const next = uniform(count);
  while (chosen.size < corners.length + SAMPLE) chosen.add(Math.floor(next() * count));
  return Int32Array.from(chosen).sort();
}

/** The wanted values at some positions of the result. */
function sampled(problem: Problem, at: Int32Array): Bounded {
  const { op } = problem.case;
  if (op === 'conv2d' || op === 'linear') return dots(problem, at);
  return partial(problem, at);
}

/** A sum of products in the making, and what its rounding may amount to. */
class Dot {
  #sum = 0;
  #magnitudes = 0;
  #terms = 0;

  add(a: number, b: number): void {
    this.#sum += a * b;
    this.#magnitudes += magnitude(a) * magnitude(b);
    this.#terms++;
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

/** One element of y = x w' + b, of dx = dy w or of dw = dy' x. */
function linearAt({ tensors, seed, wrt }: Problem): (position: number) => Dot {
  const x = tensors.get('x0')!.data;
  const w = tensors.get('x1')!.data;
  const b = tensors.get('x2')?.data;
  const dy = seed?.data ?? new Float32Array(0);
  const [outputs, inputs] = tensors.get('x1')!.shape;
  const rows = x.length / inputs;
  return (position) => {
    const dot = new Dot();
    const [row, column] = [
      Math.floor(position / (wrt === undefined ? outputs : inputs)),
      position % (wrt === undefined ? outputs : inputs),
    ];
    if (wrt === undefined) {
      for (let i = 0; i < inputs; i++) dot.add(x[row * inputs + i], w[column * inputs + i]);
      if (b) dot.add(1, b[column]);
    } else if (wrt === 0) for (let o = 0; o < outputs; o++) dot.add(dy[row * outputs + o], w[o * inputs + column]);
    else for (let n = 0; n < rows; n++) dot.add(dy[n * outputs + row], x[n * inputs + column]);
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
  const column = (ow: number, kw: number): number => ow * stride[1] + kw * dilation[1] - pad[1];

  if (wrt === undefined) {
    return (position) => {
      const dot = new Dot();
      const [n, oc, oh, ow] = unravel(position, [N, OC, OH, OW]);
      const first = Math.floor(oc / outputs) * inputs;
      for (let c = 0; c < inputs; c++) {
        for (let kh = 0; kh < KH; kh++) {
          const h = row(oh, kh);
          if (h < 0 || h >= H) continue;
          for (let kw = 0; kw < KW; kw++) {
            const v = column(ow, kw);
            if (v >= 0 && v < W) dot.add(w[((oc * inputs + c) * KH + kh) * KW + kw], x[((n * C + first + c) * H + h) * W + v]);
          }
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
          for (let oc = group * outputs; oc < (group + 1) * outputs; oc++) {
            dot.add(w[((oc * inputs + c) * KH + kh) * KW + kw], dy[((n * OC + oc) * OH + oh) * OW + ow]);
          }
        }
      }
      return dot;
    };
  }
  return (position) => {
    const dot = new Dot();
    const [oc, c, kh, kw] = unravel(position, [OC, inputs, KH, KW]);
    const channel = Math.floor(oc / outputs) * inputs + c;
    for (let n = 0; n < N; n++) {
      for (let oh = 0; oh < OH; oh++) {
        const h = row(oh, kh);
        if (h < 0 || h >= H) continue;
        for (let ow = 0; ow < OW; ow++) {
          const v = column(ow, kw);
          if (v >= 0 && v < W) dot.add(dy[((n * OC + oc) * OH + oh) * OW + ow], x[((n * C + channel) * H + h) * W + v]);
        }
      }
    }
    return dot;
  };
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
