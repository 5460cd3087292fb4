/** Small seeded cases of every reference op, shared by the reference's tests. Values are f32 numbers, so that they serve bounds too. */
import { REFERENCE } from '../../src/reference/index.ts';
import type { F64Tensor, ReferenceAdjointCall } from '../../src/reference/types.ts';
import { DEFAULT_RULES } from '../../src/rule.ts';
import { size, type Shape } from '../../src/tensor.ts';

export interface Case {
  readonly name: string;
  readonly op: string;
  readonly attrs: object;
  readonly x: readonly (F64Tensor | null)[];
  /** Inputs that have an adjoint. */
  readonly wrt: readonly number[];
  /** Those in which the op is affine, the other inputs held fixed. */
  readonly affine: readonly number[];
  /** Values of input 0 at which the op has a kink. */
  readonly kinks?: readonly number[];
  readonly random?: ReferenceAdjointCall<unknown>['random'];
}

/** A seeded generator (mulberry32). */
export class Random {
  constructor(private state: number) {}

  /** Uniform in [0, 1). */
  uniform(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** f32 numbers, uniform in [low, high). */
  tensor(shape: Shape, low = -1, high = 1): F64Tensor {
    return { shape: [...shape], data: Float64Array.from({ length: size(shape) }, () => Math.fround(low + (high - low) * this.uniform())) };
  }

  /** Distinct values a fixed distance (1/64) apart, in random order: no two of them are near a tie. */
  spaced(shape: Shape): F64Tensor {
    const n = size(shape);
    const data = Float64Array.from({ length: n }, (_, i) => (i - n / 2) / 64);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(0, i);
      [data[i], data[j]] = [data[j], data[i]];
    }
    return { shape: [...shape], data };
  }
}

/** Window attributes with asymmetric pads, and an input extent that the window fits into. */
function window(r: Random): {
  kernel: [number, number];
  stride: [number, number];
  pad: number[];
  dilation: [number, number];
  input: [number, number];
} {
  const kernel: [number, number] = [r.integer(1, 4), r.integer(1, 4)];
  const dilation: [number, number] = [r.integer(1, 3), r.integer(1, 3)];
  const pad = [r.integer(0, 3), r.integer(0, 3), r.integer(0, 3), r.integer(0, 3)];
  const input = [0, 1].map((axis) => Math.max(1, (kernel[axis] - 1) * dilation[axis] + 1 - pad[axis] - pad[axis + 2]) + r.integer(0, 5));
  return { kernel, dilation, pad, stride: [r.integer(1, 4), r.integer(1, 4)], input: input as [number, number] };
}

export function convCase(r: Random): Case {
  const { kernel, input, ...attrs } = window(r);
  const groups = r.integer(1, 3);
  const [inputs, outputs] = [r.integer(1, 3), r.integer(1, 4)];
  const x = r.tensor([r.integer(1, 2), groups * inputs, ...input]);
  const w = r.tensor([groups * outputs, inputs, ...kernel]);
  const b = r.uniform() < 0.7 ? r.tensor([groups * outputs]) : null;
  const all = b ? [0, 1, 2] : [0, 1];
  return {
    name: `conv2d ${x.shape} * ${w.shape} ${JSON.stringify(attrs)}`,
    op: 'conv2d',
    attrs: { ...attrs, groups },
    x: [x, w, b],
    wrt: all,
    affine: all,
  };
}

function poolCases(r: Random): Case[] {
  const { input, ...w } = window(r);
  const attrs = { ...w, ceilMode: r.uniform() < 0.5, countIncludePad: r.uniform() < 0.5 };
  const shape = [r.integer(1, 2), r.integer(1, 3), ...input];
  const max = { ...w, ceilMode: attrs.ceilMode, indexOrder: 'row' };
  return [
    { name: `maxpool2d ${shape} ${JSON.stringify(max)}`, op: 'maxpool2d', attrs: max, x: [r.spaced(shape)], wrt: [0], affine: [] },
    { name: `avgpool2d ${shape} ${JSON.stringify(attrs)}`, op: 'avgpool2d', attrs, x: [r.tensor(shape)], wrt: [0], affine: [0] },
    { name: `globalmaxpool ${shape}`, op: 'globalmaxpool', attrs: {}, x: [r.spaced(shape)], wrt: [0], affine: [] },
    { name: `globalavgpool ${shape}`, op: 'globalavgpool', attrs: {}, x: [r.tensor(shape)], wrt: [0], affine: [0] },
  ];
}

export function linearCase(r: Random): Case {
  const [M, K, N] = [r.integer(1, 5), r.integer(1, 9), r.integer(1, 7)];
  const [transA, transB] = [r.uniform() < 0.5, r.uniform() < 0.5];
  const shapes = [[], [N], [1, N], [M, 1], [M, N], null];
  const c = shapes[r.integer(0, shapes.length - 1)];
  const attrs = { transA, transB, alpha: r.uniform() < 0.5 ? 1 : 0.7, beta: r.uniform() < 0.5 ? 1 : -1.3 };
  const x = [r.tensor(transA ? [K, M] : [M, K]), r.tensor(transB ? [N, K] : [K, N]), c && r.tensor(c)];
  const all = c ? [0, 1, 2] : [0, 1];
  return {
    name: `linear ${M}x${K}x${N} c ${c ? `[${c}]` : 'none'} ${JSON.stringify(attrs)}`,
    op: 'linear',
    attrs,
    x,
    wrt: all,
    affine: all,
  };
}

function broadcastCases(r: Random): Case[] {
  const shape = Array.from({ length: r.integer(0, 4) }, () => r.integer(1, 3));
  const cut = (): number[] => shape.map((n) => (r.uniform() < 0.4 ? 1 : n)).slice(r.uniform() < 0.3 ? 1 : 0);
  const [a, b] = [r.tensor(cut()), r.tensor(shape)];
  return ['add', 'mul'].map((op) => ({ name: `${op} [${a.shape}] [${b.shape}]`, op, attrs: {}, x: [a, b], wrt: [0, 1], affine: [0, 1] }));
}

function normaliseCases(r: Random): Case[] {
  const shape = [r.integer(1, 2), r.integer(1, 6), r.integer(1, 3), r.integer(1, 3)];
  const C = [shape[1]];
  const lrn = {
    size: r.integer(1, 6),
    alpha: r.integer(1, 9) / 10,
    beta: [0.75, 0.5, 0.25, 1, 1.25, 0.6, 2][r.integer(0, 6)],
    bias: r.integer(1, 3),
  };
  const vectors = [r.tensor(C), r.tensor(C), r.tensor(C), r.tensor(C, 0.2, 2)];
  return [
    { name: `lrn ${shape} ${JSON.stringify(lrn)}`, op: 'lrn', attrs: lrn, x: [r.tensor(shape, -3, 3)], wrt: [0], affine: [] },
    {
      name: `batchnorm ${shape}`,
      op: 'batchnorm',
      attrs: { epsilon: 1e-3 },
      x: [r.tensor(shape), ...vectors],
      wrt: [0, 1, 2],
      affine: [0, 1, 2],
    },
  ];
}

function elementwiseCases(r: Random): Case[] {
  const shape = [r.integer(1, 3), r.integer(1, 4), r.integer(1, 3)];
  const random = { seed: r.integer(0, 1000), iteration: 3, salt: 77 };
  return [
    { name: `relu ${shape}`, op: 'relu', attrs: {}, x: [r.tensor(shape)], wrt: [0], affine: [], kinks: [0] },
    { name: `clip ${shape}`, op: 'clip', attrs: { min: -0.5, max: 0.25 }, x: [r.tensor(shape)], wrt: [0], affine: [], kinks: [-0.5, 0.25] },
    { name: `clip above ${shape}`, op: 'clip', attrs: { max: 0.25 }, x: [r.tensor(shape)], wrt: [0], affine: [], kinks: [0.25] },
    { name: `dropout ${shape}`, op: 'dropout', attrs: { ratio: 0.3 }, x: [r.tensor(shape)], wrt: [0], affine: [0], random },
    { name: `dropout at rest ${shape}`, op: 'dropout', attrs: { ratio: 0.3 }, x: [r.tensor(shape)], wrt: [0], affine: [0] },
  ];
}

function shapeCases(r: Random): Case[] {
  const shape = [r.integer(1, 3), r.integer(1, 3), r.integer(1, 3), r.integer(1, 3)];
  const axis = r.integer(-4, 3);
  const parts = Array.from({ length: r.integer(1, 3) }, () => r.tensor(shape.map((n, i) => (i === (axis + 4) % 4 ? r.integer(1, 3) : n))));
  const all = parts.map((_, k) => k);
  const around = { before: shape.map(() => r.integer(0, 2)), after: shape.map(() => r.integer(0, 2)) };
  const x = [r.tensor(shape)];
  return [
    { name: `concat ${axis} ${parts.map((p) => `[${p.shape}]`)}`, op: 'concat', attrs: { axis }, x: parts, wrt: all, affine: all },
    { name: `pad ${shape} ${JSON.stringify(around)}`, op: 'pad', attrs: { ...around, value: 0.5 }, x, wrt: [0], affine: [0] },
    { name: `reshape ${shape}`, op: 'reshape', attrs: { shape: [0, -1] }, x, wrt: [0], affine: [0] },
    { name: `flatten ${shape}`, op: 'flatten', attrs: { axis: r.integer(-4, 4) }, x, wrt: [0], affine: [0] },
    { name: `identity ${shape}`, op: 'identity', attrs: {}, x, wrt: [0], affine: [0] },
  ];
}

function softmaxCases(r: Random): Case[] {
  const shape = [r.integer(1, 3), r.integer(1, 5), r.integer(1, 3)];
  const attrs = { axis: r.integer(-3, 2) };
  const x = [r.tensor(shape, -4, 4)];
  const [N, K] = [r.integer(1, 4), r.integer(1, 6)];
  const labels = { shape: [N], data: Float64Array.from({ length: N }, () => r.integer(0, K - 1)) };
  const reduction = ['mean', 'sum', 'none'][r.integer(0, 2)];
  const scores = r.tensor([N, K], -4, 4);
  return [
    { name: `softmax ${shape} axis ${attrs.axis}`, op: 'softmax', attrs, x, wrt: [0], affine: [] },
    { name: `logsoftmax ${shape} axis ${attrs.axis}`, op: 'logsoftmax', attrs, x, wrt: [0], affine: [] },
    { name: `crossentropy ${N}x${K} ${reduction}`, op: 'crossentropy', attrs: { reduction }, x: [scores, labels], wrt: [0], affine: [] },
    { name: `nll ${N}x${K} ${reduction}`, op: 'nll', attrs: { reduction }, x: [scores, labels], wrt: [0], affine: [0] },
  ];
}

/** `rounds` cases of every op that has an adjoint (three times as many convolutions and matrix products). */
export function cases(seed: number, rounds: number): Case[] {
  const r = new Random(seed);
  return Array.from({ length: rounds }, () => [
    ...[0, 1, 2].flatMap(() => [convCase(r), linearCase(r)]),
    ...poolCases(r),
    ...broadcastCases(r),
    ...normaliseCases(r),
    ...elementwiseCases(r),
    ...shapeCases(r),
    ...softmaxCases(r),
  ]).flat();
}

/** The outputs of a case, its inputs optionally replaced. */
export function forward(c: Case, x = c.x, bounds = false): F64Tensor[] {
  return REFERENCE[c.op].forward({ attrs: c.attrs, x, bounds, random: c.random });
}

/** The adjoint of a case at input k, under the gradient. Index outputs take no signal. */
export function adjoint(
  c: Case,
  dy: readonly (F64Tensor | null)[],
  k: number,
  bounds = false,
): ReturnType<NonNullable<(typeof REFERENCE)[string]['adjoint']>> {
  return REFERENCE[c.op].adjoint!({ attrs: c.attrs, x: c.x, y: forward(c), dy, rules: DEFAULT_RULES, bounds, random: c.random }, k);
}

/** Random signals for a case's outputs; none for indices. */
export function signals(c: Case, r: Random): (F64Tensor | null)[] {
  return forward(c).map((y, i) => (c.op === 'maxpool2d' && i === 1 ? null : r.tensor(y.shape)));
}

/** <a, b>. Where a is infinite (a max-pool window that lies wholly in padding) it depends on nothing and is left out. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== -Infinity) sum += a[i] * b[i];
  return sum;
}

export function absDot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== -Infinity) sum += Math.abs(a[i] * b[i]);
  return sum;
}
