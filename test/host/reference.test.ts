/** The f64 reference: its adjoints against central differences, its linear ops against their transposes, and what the ops mean. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { REFERENCE } from '../../src/reference/index.ts';
import type { F64Tensor } from '../../src/reference/types.ts';
import { DEFAULT_RULES, type Rule } from '../../src/rule.ts';
import { size } from '../../src/tensor.ts';
import { absDot, adjoint, cases, convCase, dot, forward, linearCase, Random, signals, type Case } from './referenceCases.ts';

const ROUNDS = 12;
/** Step of the central difference. */
const H = 1e-6;
/** No element is moved that lies nearer to a kink. */
const MARGIN = 10 * H;
/** Rounding of f64 over 2H, for values of order one, is 1e-10; the truncation error H^2 f'''/6 is below it. */
const DIFFERENCE_ERROR = 2e-9;

const t = (shape: number[], data: readonly number[]): F64Tensor => ({ shape, data: Float64Array.from(data) });
const run = (op: string, attrs: object, ...x: (F64Tensor | null)[]): F64Tensor[] => REFERENCE[op].forward({ attrs, x, bounds: false });
const window = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1] };

function sum(c: Case, dy: readonly (F64Tensor | null)[], x: readonly (F64Tensor | null)[]): number {
  return forward(c, x).reduce((s, y, i) => (dy[i] ? s + dot(y.data, dy[i].data) : s), 0);
}

function replaced(c: Case, k: number, data: Float64Array): (F64Tensor | null)[] {
  return c.x.map((x, i) => (i === k ? { shape: x!.shape, data } : x));
}

test('every op: adjoint equals central differences', () => {
  const r = new Random(1);
  const skipped = { elements: 0, all: 0 };
  for (const c of cases(2, ROUNDS)) {
    const dy = signals(c, r);
    const scale = 1 + forward(c).reduce((s, y, i) => (dy[i] ? s + absDot(y.data, dy[i].data) : s), 0);
    for (const k of c.wrt) {
      const x = c.x[k]!;
      const dx = adjoint(c, dy, k);
      assert.equal(dx.shape, x.shape, `${c.name}: shape of the adjoint at input ${k}`);
      for (let i = 0; i < x.data.length; i++) {
        skipped.all += 1;
        if (c.kinks?.some((kink) => Math.abs(x.data[i] - kink) < MARGIN)) {
          skipped.elements += 1;
          continue;
        }
        const moved = (h: number): Float64Array => x.data.map((v, j) => (i === j ? v + h : v));
        const difference = (sum(c, dy, replaced(c, k, moved(H))) - sum(c, dy, replaced(c, k, moved(-H)))) / (2 * H);
        assert.ok(
          Math.abs(difference - dx.data[i]) <= DIFFERENCE_ERROR * scale,
          `${c.name}: input ${k}[${i}]: ${dx.data[i]}, difference ${difference}`,
        );
      }
    }
  }
  assert.ok(skipped.elements < 0.01 * skipped.all, `${skipped.elements} of ${skipped.all} elements skipped`);
});

test("affine ops: <Ax, y> = <x, A'y>", () => {
  const r = new Random(3);
  for (const c of cases(4, ROUNDS)) {
    const dy = signals(c, r);
    for (const k of c.affine) {
      const x = c.x[k]!;
      const Ax = forward(c).map((y, i) => {
        const origin = forward(c, replaced(c, k, new Float64Array(x.data.length)))[i];
        return y.data.map((v, j) => v - origin.data[j]);
      });
      const left = Ax.reduce((s, y, i) => s + dot(y, dy[i]!.data), 0);
      const dx = adjoint(c, dy, k);
      const scale = Ax.reduce((s, y, i) => s + absDot(y, dy[i]!.data), 0) + absDot(x.data, dx.data);
      const offset = forward(c).reduce((s, y, i) => s + absDot(y.data, dy[i]!.data), 0);
      assert.ok(Math.abs(left - dot(x.data, dx.data)) <= 1e-12 * (scale + offset), `${c.name}: input ${k}`);
    }
  }
});

test('conv2d equals its definition, term by term', () => {
  const r = new Random(5);
  for (let round = 0; round < 60; round++) {
    const c = convCase(r);
    const [x, w, b] = c.x;
    const { stride, pad, dilation, groups } = c.attrs as { stride: number[]; pad: number[]; dilation: number[]; groups: number };
    const [y] = forward(c);
    const [N, OC, OH, OW] = y.shape;
    const [, C, H, W] = x!.shape;
    const [, IC, KH, KW] = w!.shape;
    for (let o = 0; o < y.data.length; o++) {
      const [ow, oh, oc, n] = [o % OW, Math.floor(o / OW) % OH, Math.floor(o / OW / OH) % OC, Math.floor(o / OW / OH / OC)];
      let want = b?.data[oc] ?? 0;
      for (let ic = 0; ic < IC; ic++) {
        for (let kh = 0; kh < KH; kh++) {
          for (let kw = 0; kw < KW; kw++) {
            const ih = oh * stride[0] + kh * dilation[0] - pad[0];
            const iw = ow * stride[1] + kw * dilation[1] - pad[1];
            if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
            const channel = Math.floor(oc / (OC / groups)) * IC + ic;
            want += w!.data[((oc * IC + ic) * KH + kh) * KW + kw] * x!.data[((n * C + channel) * H + ih) * W + iw];
          }
        }
      }
      assert.ok(Math.abs(y.data[o] - want) <= 1e-13, `${c.name}: y[${o}] = ${y.data[o]}, expected ${want}`);
    }
    assert.is(N, x!.shape[0]);
  }
});

test('conv2d: a delta kernel copies, and its adjoint copies back', () => {
  const r = new Random(6);
  const x = r.tensor([2, 3, 5, 7]);
  const w = t(
    [3, 3, 3, 3],
    Array.from({ length: 81 }, (_, i) => (Math.floor(i / 27) === Math.floor(i / 9) % 3 && i % 9 === 4 ? 1 : 0)),
  );
  const attrs = { ...window, pad: [1, 1, 1, 1], groups: 1 };
  const y = run('conv2d', attrs, x, w, null);
  assert.equal(y[0].data, x.data);
  assert.equal(REFERENCE.conv2d.adjoint!({ attrs, x: [x, w, null], y, dy: [x], rules: DEFAULT_RULES, bounds: false }, 0).data, x.data);
});

test('conv2d 1x1 on a 1x1 image equals linear', () => {
  const r = new Random(7);
  const [a, w, b] = [r.tensor([4, 6]), r.tensor([5, 6]), r.tensor([5])];
  const y = run('linear', { transA: false, transB: true, alpha: 1, beta: 1 }, a, w, b)[0];
  const z = run('conv2d', { ...window, groups: 1 }, { ...a, shape: [4, 6, 1, 1] }, { ...w, shape: [5, 6, 1, 1] }, b)[0];
  assert.equal(z.shape, [4, 5, 1, 1]);
  y.data.forEach((v, i) => assert.ok(Math.abs(v - z.data[i]) <= 1e-14));
});

test('linear equals its definition', () => {
  const r = new Random(8);
  for (let round = 0; round < 40; round++) {
    const c = linearCase(r);
    const [a, b, addend] = c.x;
    const { transA, transB, alpha, beta } = c.attrs as { transA: boolean; transB: boolean; alpha: number; beta: number };
    const [y] = forward(c);
    const [M, N] = y.shape;
    const K = transA ? a!.shape[0] : a!.shape[1];
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let want = 0;
        for (let k = 0; k < K; k++) want += a!.data[transA ? k * M + m : m * K + k] * b!.data[transB ? n * K + k : k * N + n];
        want *= alpha;
        if (addend) {
          const rows = addend.shape.length === 2 && addend.shape[0] === M && M > 1;
          const columns = addend.shape.length > 0 && addend.shape[addend.shape.length - 1] === N && N > 1;
          want += beta * addend.data[(rows ? m : 0) * (columns ? N : 1) + (columns ? n : 0)];
        }
        assert.ok(Math.abs(y.data[m * N + n] - want) <= 1e-14, c.name);
      }
    }
  }
});

test('relu: the four rules, derived anew', () => {
  const x = t([8], [1, 1, 1, -1, -1, 0, 0, NaN]);
  const dy = t([8], [2, -2, 0, 2, -2, 2, -2, 2]);
  const under = (rule: Rule): number[] => [
    ...REFERENCE.relu.adjoint!({ attrs: {}, x: [x], y: [x], dy: [dy], rules: { ...DEFAULT_RULES, relu: rule }, bounds: false }, 0).data,
  ];
  // Gradient masks by the forward sign, DeconvNet by the backward one, guided by both, linear by none; ReLU'(0) = 0.
  assert.equal(under('gradient'), [2, -2, 0, 0, 0, 0, 0, 0]);
  assert.equal(under('deconvnet'), [2, 0, 0, 2, 0, 2, 0, 2]);
  assert.equal(under('guided'), [2, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(under('linear'), [2, -2, 0, 2, -2, 2, -2, 2]);
  assert.equal([...run('relu', {}, x)[0].data], [1, 1, 1, 0, 0, 0, 0, NaN]);
});

test('maxpool2d: first maximum wins, all-zero windows included; NaN wins; padding never does', () => {
  const attrs = { ...window, kernel: [2, 2], stride: [2, 2], ceilMode: false, indexOrder: 'row' };
  const x = t([1, 1, 2, 6], [0, 0, 3, 5, 1, NaN, 0, 0, 5, 5, 7, NaN]);
  const [y, indices] = run('maxpool2d', attrs, x);
  assert.equal([...y.data], [0, 5, NaN]);
  assert.equal([...indices.data], [0, 3, 5]);
  const dy = t([1, 1, 1, 3], [1, 2, 4]);
  const dx = REFERENCE.maxpool2d.adjoint!(
    { attrs, x: [x], y: [y, indices], dy: [dy, null], rules: { ...DEFAULT_RULES, relu: 'deconvnet' }, bounds: false },
    0,
  );
  assert.equal([...dx.data], [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0]);
  // A signal that DeconvNet lets through a dead ReLU reaches the first cell of the all-zero window above it.
  const padded = run('maxpool2d', { ...attrs, kernel: [3, 3], pad: [1, 1, 1, 1], stride: [1, 1] }, t([1, 1, 2, 2], [-4, -3, -2, -1]));
  assert.equal([...padded[0].data], [-1, -1, -1, -1]);
  const column = run('maxpool2d', { ...attrs, indexOrder: 'column' }, t([1, 2, 2, 4], [0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0]));
  assert.equal([...column[1].data], [1, 7, 8 + 2, 8 + 5]);
});

test('maxpool2d: what overlapping windows chose adds up', () => {
  const attrs = { ...window, kernel: [1, 3], ceilMode: false, indexOrder: 'row' };
  const x = t([1, 1, 1, 5], [1, 2, 9, 4, 5]);
  const y = run('maxpool2d', attrs, x);
  const dx = REFERENCE.maxpool2d.adjoint!(
    { attrs, x: [x], y, dy: [t([1, 1, 1, 3], [1, 10, 100]), null], rules: DEFAULT_RULES, bounds: true },
    0,
  );
  assert.equal([...dx.data], [0, 0, 111, 0, 0]);
  assert.equal(
    [...dx.bound!].map((b) => b > 0),
    [false, false, true, false, false],
  );
});

test('avgpool2d: divisors with padding and ceil mode', () => {
  const ones = t([1, 1, 3, 3], new Array(9).fill(1));
  const attrs = { ...window, kernel: [2, 2], stride: [2, 2], pad: [1, 1, 0, 0], ceilMode: true };
  // Padded rows and columns -1, 0 | 1, 2: every window is complete; counting padding, the first holds one cell of four.
  assert.equal([...run('avgpool2d', { ...attrs, countIncludePad: false }, ones)[0].data], [1, 1, 1, 1]);
  assert.equal([...run('avgpool2d', { ...attrs, countIncludePad: true }, ones)[0].data], [1 / 4, 1 / 2, 1 / 2, 1]);
  // Columns 0 1 2 | 2 3 (4): ceil mode's last window sticks out by one column beyond the padding, which does not count.
  const row = t([1, 1, 1, 4], [1, 2, 3, 6]);
  const wide = { ...window, kernel: [1, 3], stride: [1, 2], ceilMode: true };
  assert.equal([...run('avgpool2d', { ...wide, countIncludePad: true }, row)[0].data], [2, 4.5]);
  // One column of padding on the right now counts in the divisor.
  assert.equal([...run('avgpool2d', { ...wide, pad: [0, 0, 0, 1], countIncludePad: true }, row)[0].data], [2, 3]);
  assert.equal([...run('avgpool2d', { ...wide, pad: [0, 0, 0, 1], countIncludePad: false }, row)[0].data], [2, 4.5]);
});

test('lrn: a value by hand, and the side an even window leans to', () => {
  // Size 3, alpha/size 0.5: s_1 = 1 + (1 + 4 + 9) / 2 = 8, s_0 = 1 + (1 + 4) / 2 = 3.5.
  const y = run('lrn', { size: 3, alpha: 1.5, beta: 1, bias: 1 }, t([1, 3, 1, 1], [1, 2, 3]))[0];
  assert.ok(Math.abs(y.data[1] - 0.25) < 1e-15);
  assert.ok(Math.abs(y.data[0] - 1 / 3.5) < 1e-15);
  // size 2: channels c and c + 1. s_0 = 1 + (1 + 4) / 2 = 3.5, s_1 = 1 + 4 / 2 = 3.
  const z = run('lrn', { size: 2, alpha: 1, beta: 1, bias: 1 }, t([1, 2, 1, 1], [1, 2]))[0];
  assert.ok(Math.abs(z.data[0] - 1 / 3.5) < 1e-15);
  assert.ok(Math.abs(z.data[1] - 2 / 3) < 1e-15);
});

test('softmax and losses: values by hand, large scores, labels out of range', () => {
  const scores = t([2, 2], [1000, 1000, 0, Math.log(3)]);
  const p = run('softmax', { axis: -1 }, scores)[0];
  [0.5, 0.5, 0.25, 0.75].forEach((v, i) => assert.ok(Math.abs(p.data[i] - v) < 1e-15));
  const loss = (reduction: string, labels: number[]): F64Tensor => run('crossentropy', { reduction }, scores, t([2], labels))[0];
  const [a, b] = [Math.log(2), Math.log(4)];
  assert.equal(loss('mean', [0, 0]).shape, []);
  assert.ok(Math.abs(loss('mean', [0, 0]).data[0] - (a + b) / 2) < 1e-15);
  assert.ok(Math.abs(loss('sum', [0, 0]).data[0] - (a + b)) < 1e-15);
  assert.ok(Math.abs(loss('none', [0, 0]).data[1] - b) < 1e-15);
  assert.ok(Number.isNaN(loss('mean', [0, 2]).data[0]));
  assert.ok([...run('softmax', { axis: 0 }, t([2], [NaN, 1]))[0].data].every(Number.isNaN));
});

test('clip: strict inside, NaN stays, upper limit last', () => {
  const x = t([6], [-1, -0.5, 0, 0.5, 1, NaN]);
  const attrs = { min: -0.5, max: 0.5 };
  assert.equal([...run('clip', attrs, x)[0].data], [-0.5, -0.5, 0, 0.5, 0.5, NaN]);
  const dy = t([6], [1, 1, 1, 1, 1, 1]);
  assert.equal(
    [...REFERENCE.clip.adjoint!({ attrs, x: [x], y: [x], dy: [dy], rules: DEFAULT_RULES, bounds: false }, 0).data],
    [0, 0, 1, 0, 0, 0],
  );
  assert.equal([...run('clip', { min: 2, max: 1 }, t([2], [0, 3]))[0].data], [1, 1]);
  // The limits are f32 numbers: 0.1 is not, and x = fround(0.1) lies on the limit.
  const limit = t([1], [Math.fround(0.1)]);
  assert.equal(
    [...REFERENCE.clip.adjoint!({ attrs: { min: 0.1 }, x: [limit], y: [limit], dy: [limit], rules: DEFAULT_RULES, bounds: false }, 0).data],
    [0],
  );
});

test('dropout: the share kept is 1 - ratio, masks differ by seed, iteration and salt, and adjoint and forward agree', () => {
  const x = t([10000], new Array(10000).fill(1));
  const masks = [
    { seed: 1, iteration: 0, salt: 5 },
    { seed: 2, iteration: 0, salt: 5 },
    { seed: 1, iteration: 1, salt: 5 },
    { seed: 1, iteration: 0, salt: 6 },
  ].map((random) => {
    const call = { attrs: { ratio: 0.3 }, x: [x], bounds: false, random };
    const [y] = REFERENCE.dropout.forward(call);
    assert.equal(REFERENCE.dropout.adjoint!({ ...call, y: [y], dy: [x], rules: DEFAULT_RULES }, 0).data, y.data);
    const kept = y.data.filter((v) => v !== 0);
    assert.ok(kept.every((v) => v === 1 / 0.7));
    assert.ok(Math.abs(kept.length - 7000) < 5 * Math.sqrt(10000 * 0.3 * 0.7), `kept ${kept.length} of 10000`);
    return y.data.join();
  });
  assert.is(new Set(masks).size, masks.length);
});

test('momentum: standard and Nesterov steps by hand', () => {
  const scalars = [t([], [0.1]), t([], [3])];
  const vectors = [t([2], [1, 2]), t([2], [-1, -3]), t([2], [4, 1])];
  const attrs = { alpha: 0.5, beta: 0.25, normCoefficient: 2, mode: 'standard' };
  const near = (got: F64Tensor, want: number[]): void =>
    want.forEach((v, i) => assert.ok(Math.abs(got.data[i] - v) < 1e-15, `${got.data[i]}, expected ${v}`));
  // g' = 2x + g = [1, 1]; v' = v/2 + g'/4 = [2.25, 0.75]
  const [x, v] = run('momentum', attrs, ...scalars, ...vectors);
  near(v, [2.25, 0.75]);
  near(x, [1 - 0.225, 2 - 0.075]);
  const [first] = run('momentum', attrs, scalars[0], t([], [0]), ...vectors);
  near(first, [1 - 0.3, 2 - 0.15]);
  const [nesterov] = run('momentum', { ...attrs, mode: 'nesterov' }, ...scalars, ...vectors);
  near(nesterov, [1 - 0.1 * (1 + 1.125), 2 - 0.1 * (1 + 0.375)]);
});

test('shapes of all outputs, and bounds beside every element when asked for', () => {
  const r = new Random(9);
  for (const c of cases(10, 4)) {
    for (const y of forward(c)) {
      assert.is(y.data.length, size(y.shape), c.name);
      assert.not('bound' in y);
    }
    const dy = signals(c, r);
    const results = [
      ...REFERENCE[c.op].forward({ attrs: c.attrs, x: c.x, bounds: true, random: c.random }),
      ...c.wrt.map((k) => adjoint(c, dy, k, true)),
    ];
    for (const result of results) {
      assert.is(result.bound?.length, result.data.length, c.name);
      assert.ok(
        result.bound!.every((b) => b >= 0 && Number.isFinite(b)),
        `${c.name}: a bound is negative or not finite`,
      );
    }
  }
});

test.run();
