/** The bounds of the f64 reference: f32 arithmetic of every permitted kind stays within them, and comes near enough to show their worth. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { excess, F32_MAX, gamma, magnitude, sumBound, TINY, U } from '../../src/reference/bounds.ts';
import { REFERENCE } from '../../src/reference/index.ts';
import type { Bounded, F64Tensor } from '../../src/reference/types.ts';
import { DEFAULT_RULES } from '../../src/rule.ts';
import { F32Machine, MACHINES, ulp } from './f32Machine.ts';
import { Random } from './referenceCases.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const forward = (op: string, attrs: object, x: (F64Tensor | null)[]): Bounded[] => REFERENCE[op].forward({ attrs, x, bounds: true });

/** The reference adjoint at input k, given the outputs that the f32 machine computed. */
function backward(op: string, attrs: object, x: (F64Tensor | null)[], y: F64Tensor[], dy: (F64Tensor | null)[], k: number): Bounded {
  return REFERENCE[op].adjoint!({ attrs, x, y, dy, rules: DEFAULT_RULES, bounds: true }, k);
}

/**
 * Evaluates `f32` on every machine, checks that each result stays within the reference's bound, and that the worst of them uses at least
 * `tight` of it somewhere: a bound that nothing comes near would hide errors.
 */
function check(what: string, tight: number, evaluate: (m: F32Machine) => { got: number[]; want: Bounded }): void {
  let worst = 0;
  MACHINES.forEach((options, i) => {
    const { got, want } = evaluate(new F32Machine(options, new Random(100 + i)));
    const { ratio, index, count } = excess(got, want);
    const at = `${got[index]} for ${want.data[index]}, bound ${want.bound![index]}`;
    assert.is(count, 0, `${what}, ${JSON.stringify(options)}: ${count} outside, worst ${ratio} at ${index}: ${at}`);
    worst = Math.max(worst, ratio);
  });
  if (process.env.VERBOSE) console.log(what.padEnd(34), worst.toFixed(4));
  assert.ok(worst >= tight, `${what}: the bound is loose, no result uses more than ${worst} of it`);
}

test('sums: conv2d, linear, pools, add, mul', () => {
  const r = new Random(11);
  const [C, H, W, OC] = [24, 6, 5, 3];
  const x = r.tensor([1, C, H, W]);
  const w = r.tensor([OC, C, 3, 3]);
  const b = r.tensor([OC]);
  const attrs = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };
  const [OH, OW] = [H - 2, W - 2];
  const dy = r.tensor([1, OC, OH, OW]);
  const taps = range(C * 9).map((k) => [Math.floor(k / 9), Math.floor(k / 3) % 3, k % 3]);
  check('conv2d', 0.005, (m) => ({
    got: range(OC * OH * OW).map((o) => {
      const [oc, oh, ow] = [Math.floor(o / OW / OH), Math.floor(o / OW) % OH, o % OW];
      return m.add(m.dot(taps.map(([c, kh, kw], k) => [w.data[oc * C * 9 + k], x.data[(c * H + oh + kh) * W + ow + kw]])), b.data[oc]);
    }),
    want: forward('conv2d', attrs, [x, w, b])[0],
  }));
  check('conv2d weights', 0.02, (m) => ({
    got: range(OC * C * 9).map((i) => {
      const [oc, [c, kh, kw]] = [Math.floor(i / C / 9), taps[i % (C * 9)]];
      return m.dot(range(OH * OW).map((o) => [dy.data[oc * OH * OW + o], x.data[(c * H + Math.floor(o / OW) + kh) * W + (o % OW) + kw]]));
    }),
    want: backward('conv2d', attrs, [x, w, b], [], [dy], 1),
  }));
  check('conv2d input', 0.02, (m) => ({
    got: range(C * H * W).map((i) => {
      const [c, h, v] = [Math.floor(i / W / H), Math.floor(i / W) % H, i % W];
      const terms: [number, number][] = [];
      for (let oc = 0; oc < OC; oc++) {
        for (let kh = 0; kh < 3; kh++) {
          for (let kw = 0; kw < 3; kw++) {
            const [oh, ow] = [h - kh, v - kw];
            const inside = oh >= 0 && oh < OH && ow >= 0 && ow < OW;
            terms.push([w.data[((oc * C + c) * 3 + kh) * 3 + kw], inside ? dy.data[(oc * OH + oh) * OW + ow] : 0]);
          }
        }
      }
      return m.dot(terms);
    }),
    want: backward('conv2d', attrs, [x, w, b], [], [dy], 0),
  }));

  const K = 300;
  const [p, q, c] = [r.tensor([2, K]), r.tensor([5, K]), r.tensor([5])];
  const gemm = { transA: false, transB: true, alpha: 0.7, beta: -1.3 };
  check('linear', 0.002, (m) => ({
    got: range(10).map((o) => {
      const [i, j] = [Math.floor(o / 5), o % 5];
      const sum = m.mul(Math.fround(0.7), m.dot(range(K).map((k) => [p.data[i * K + k], q.data[j * K + k]])));
      return m.mulAdd(Math.fround(-1.3), c.data[j], sum);
    }),
    want: forward('linear', gemm, [p, q, c])[0],
  }));
  check('globalavgpool', 0.01, (m) => ({
    got: range(C).map((i) => m.div(m.sum([...x.data.subarray(i * H * W, (i + 1) * H * W)]), H * W)),
    want: forward('globalavgpool', {}, [x])[0],
  }));
  const s = r.tensor([40]);
  check('add', 0.7, (m) => ({
    got: range(40).map((i) => m.add(x.data[i], s.data[i])),
    want: forward('add', {}, [{ shape: [40], data: x.data.slice(0, 40) }, s])[0],
  }));
  check('mul', 0.7, (m) => ({
    got: range(40).map((i) => m.mul(x.data[i], s.data[i])),
    want: forward('mul', {}, [{ shape: [40], data: x.data.slice(0, 40) }, s])[0],
  }));
});

test('sums that lose every term: the bound is attained', () => {
  // 1 + u + u + ... in order: each u is half a unit of 1, a tie, and is rounded away.
  const K = 500;
  const row = { shape: [1, K], data: Float64Array.from({ length: K }, (_, k) => (k === 0 ? 1 : U)) };
  const ones = { shape: [1, K], data: new Float64Array(K).fill(1) };
  const as = (t: F64Tensor): F64Tensor => ({ shape: [1, K, 1, 1], data: t.data });
  const got = row.data.reduce((sum, v) => Math.fround(sum + v), 0);
  assert.is(got, 1);
  const conv = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };
  const wants = [
    forward('linear', { transA: false, transB: true, alpha: 1, beta: 1 }, [row, ones, null])[0],
    forward('conv2d', conv, [as(row), as(ones), null])[0],
    backward('add', {}, [{ shape: [], data: ones.data }, ones], [], [row], 0),
  ];
  for (const want of wants) {
    const { ratio } = excess([got], want);
    assert.ok(ratio > 0.99 && ratio <= 1, `uses ${ratio} of the bound`);
  }
});

test('lrn, by roots and by pow, forward and back', () => {
  const r = new Random(12);
  const C = 400;
  const x = r.tensor([1, C, 1, 1], -9, 9);
  const dy = r.tensor([1, C, 1, 1]);
  for (const beta of [0.75, 0.5, 0.25, 1.25, 0.6]) {
    const attrs = { size: 5, alpha: 0.3, beta, bias: 1.1 };
    const power = (m: F32Machine, s: number): number => {
      if (beta === 0.6) return m.pow(s, Math.fround(beta));
      const root = m.sqrt(s);
      let p = 1;
      if ((beta * 4) & 1) p = m.mul(p, m.sqrt(root));
      if ((beta * 4) & 2) p = m.mul(p, root);
      return beta >= 1 ? m.mul(p, s) : p;
    };
    const near = (c: number): number[] => [c - 2, c - 1, c, c + 1, c + 2].filter((i) => i >= 0 && i < C);
    const scale = (m: F32Machine): number[] =>
      range(C).map((c) => m.mulAdd(Math.fround(0.3 / 5), m.dot(near(c).map((i) => [x.data[i], x.data[i]])), Math.fround(1.1)));
    check(`lrn beta ${beta}`, 0.1, (m) => {
      const s = scale(m);
      return { got: range(C).map((c) => m.div(x.data[c], power(m, s[c]))), want: forward('lrn', attrs, [x])[0] };
    });
    check(`lrn beta ${beta} input`, 0.05, (m) => {
      const s = scale(m);
      const terms = range(C).map((c) => m.div(m.mul(dy.data[c], m.div(x.data[c], power(m, s[c]))), s[c]));
      const factor = m.mul(2, m.mul(Math.fround(0.3 / 5), Math.fround(beta)));
      const got = range(C).map((c) =>
        m.add(m.div(dy.data[c], power(m, s[c])), -m.mul(m.mul(factor, x.data[c]), m.sum(near(c).map((i) => terms[i])))),
      );
      return { got, want: backward('lrn', attrs, [x], [], [dy], 0) };
    });
  }
});

test('batchnorm, forward and back', () => {
  const r = new Random(13);
  const [N, C] = [6, 300];
  const [x, dy] = [r.tensor([N, C]), r.tensor([N, C])];
  const [scale, bias, mean, variance] = [r.tensor([C]), r.tensor([C]), r.tensor([C], 0.5, 1), r.tensor([C], 1e-3, 2)];
  const inputs = [x, scale, bias, mean, variance];
  const attrs = { epsilon: 1e-5 };
  const deviation = (m: F32Machine, c: number): number => m.sqrt(m.add(variance.data[c], Math.fround(1e-5)));
  const centred = (m: F32Machine, i: number): number => m.add(x.data[i], -mean.data[i % C]);
  check('batchnorm', 0.2, (m) => ({
    got: range(N * C).map((i) => m.mulAdd(scale.data[i % C], m.div(centred(m, i), deviation(m, i % C)), bias.data[i % C])),
    want: forward('batchnorm', attrs, inputs)[0],
  }));
  check('batchnorm input', 0.2, (m) => ({
    got: range(N * C).map((i) => m.mul(dy.data[i], m.div(scale.data[i % C], deviation(m, i % C)))),
    want: backward('batchnorm', attrs, inputs, [], [dy], 0),
  }));
  check('batchnorm scale', 0.1, (m) => ({
    got: range(C).map((c) => m.div(m.dot(range(N).map((n) => [dy.data[n * C + c], centred(m, n * C + c)])), deviation(m, c))),
    want: backward('batchnorm', attrs, inputs, [], [dy], 1),
  }));
  check('batchnorm bias', 0.05, (m) => ({
    got: range(C).map((c) => m.sum(range(N).map((n) => dy.data[n * C + c]))),
    want: backward('batchnorm', attrs, inputs, [], [dy], 2),
  }));
});

test('softmax, logsoftmax and cross-entropy, forward and back', () => {
  const r = new Random(14);
  // Few and many classes; differences up to 120, where exp underflows; sums near 1, where log is allowed its absolute error.
  for (const [K, spread] of [
    [3, 1],
    [3, 30],
    [50, 8],
    [20, 60],
  ]) {
    const x = r.tensor([1, K], -spread, spread);
    const dy = r.tensor([1, K]);
    const label = { shape: [1], data: Float64Array.of(K - 1) };
    const max = Math.max(...x.data);
    const exps = (m: F32Machine): number[] => [...x.data].map((v) => m.exp(m.add(v, -max)));
    const log = (m: F32Machine): number[] => {
      const logSum = m.log(m.sum(exps(m)));
      return [...x.data].map((v) => m.add(m.add(v, -max), -logSum));
    };
    const soft = (m: F32Machine): number[] => {
      const e = exps(m);
      const sum = m.sum(e);
      return e.map((v) => m.div(v, sum));
    };
    const tensor = (data: number[]): F64Tensor => ({ shape: [1, K], data: Float64Array.from(data) });
    const name = `K ${K}, spread ${spread}`;
    check(`softmax ${name}`, 0.05, (m) => ({ got: soft(m), want: forward('softmax', { axis: 1 }, [x])[0] }));
    check(`logsoftmax ${name}`, 0.05, (m) => ({ got: log(m), want: forward('logsoftmax', { axis: 1 }, [x])[0] }));
    for (const own of [true, false]) {
      // The reference may be given the machine's own y, or its own.
      const whose = own ? 'own y' : 'exact y';
      check(`softmax input ${name}, ${whose}`, 0.01, (m) => {
        const y = soft(m);
        const sum = m.dot(range(K).map((k) => [dy.data[k], y[k]]));
        const given = own ? tensor(y) : forward('softmax', { axis: 1 }, [x])[0];
        return { got: y.map((v, k) => m.mul(v, m.add(dy.data[k], -sum))), want: backward('softmax', { axis: 1 }, [x], [given], [dy], 0) };
      });
      check(`logsoftmax input ${name}, ${whose}`, 0.01, (m) => {
        const y = log(m);
        const sum = m.sum([...dy.data]);
        const given = own ? tensor(y) : forward('logsoftmax', { axis: 1 }, [x])[0];
        return {
          got: y.map((v, k) => m.mulAdd(-m.exp(v), sum, dy.data[k])),
          want: backward('logsoftmax', { axis: 1 }, [x], [given], [dy], 0),
        };
      });
    }
    const loss = { reduction: 'mean' };
    check(`crossentropy ${name}`, 0.01, (m) => ({ got: [-log(m)[K - 1]], want: forward('crossentropy', loss, [x, label])[0] }));
    check(`crossentropy scores ${name}`, 0.05, (m) => {
      const r = m.mul(Math.fround(0.3), 1);
      const got = log(m).map((v, k) => m.mul(r, m.add(m.exp(v), k === K - 1 ? -1 : 0)));
      const dloss = { shape: [], data: Float64Array.of(Math.fround(0.3)) };
      return { got, want: backward('crossentropy', loss, [x, label], [], [dloss, null], 0) };
    });
  }
});

test('momentum', () => {
  const r = new Random(15);
  const n = 50;
  const [x, g, v] = [r.tensor([n]), r.tensor([n]), r.tensor([n])];
  const scalars = [
    { shape: [], data: Float64Array.of(Math.fround(0.1)) },
    { shape: [], data: Float64Array.of(1) },
  ];
  for (const mode of ['standard', 'nesterov']) {
    const attrs = { alpha: 0.9, beta: 0.8, normCoefficient: 0.01, mode };
    const [a, b, c] = [0.9, 0.8, 0.01].map(Math.fround);
    for (const output of [0, 1]) {
      check(`momentum ${mode} ${output}`, 0.05, (m) => {
        const got = range(n).map((i) => {
          const regularised = m.mulAdd(c, x.data[i], g.data[i]);
          const velocity = m.mulAdd(a, v.data[i], m.mul(b, regularised));
          const step = mode === 'nesterov' ? m.mulAdd(a, velocity, regularised) : velocity;
          return output === 1 ? velocity : m.mulAdd(-scalars[0].data[0], step, x.data[i]);
        });
        return { got, want: forward('momentum', attrs, [...scalars, x, g, v])[output] };
      });
    }
  }
});

test('what moves values without arithmetic is exact', () => {
  const r = new Random(16);
  const x = r.tensor([2, 3, 4, 4]);
  const pool = { kernel: [2, 2], stride: [2, 2], pad: [0, 0, 0, 0], dilation: [1, 1], ceilMode: false, indexOrder: 'row' };
  const calls: [string, object, F64Tensor[]][] = [
    ['relu', {}, [x]],
    ['clip', { min: -0.1, max: 0.1 }, [x]],
    ['maxpool2d', pool, [x]],
    ['globalmaxpool', {}, [x]],
    ['concat', { axis: 1 }, [x, x]],
    ['pad', { before: [0, 0, 1, 1], after: [0, 0, 1, 1], value: 0.1 }, [x]],
    ['reshape', { shape: [0, -1] }, [x]],
    ['flatten', { axis: 1 }, [x]],
    ['identity', {}, [x]],
    ['dropout', { ratio: 0.5 }, [x]],
  ];
  for (const [op, attrs, inputs] of calls) {
    for (const y of forward(op, attrs, inputs)) {
      assert.ok(
        y.bound!.every((b) => b === 0),
        op,
      );
      assert.ok(
        y.data.every((v) => v === Math.fround(v)),
        `${op}: an f32 number`,
      );
    }
  }
});

test('subnormals may be flushed, overflow is unbounded, NaN agrees with NaN', () => {
  const tiny = 2 ** -130;
  const one = (v: number): F64Tensor => ({ shape: [1], data: Float64Array.of(v) });
  // A subnormal input times a large number: the whole term may vanish.
  const product = forward('mul', {}, [one(tiny), one(2 ** 40)])[0];
  assert.is(excess([0], product).count, 0);
  assert.is(excess([product.data[0] * 2.1], product).count, 1);
  assert.is(excess([0], forward('relu', {}, [one(tiny)])[0]).count, 0);
  // 2e38 + 2e38 - 3e38 may or may not overflow on the way.
  const gemm = { transA: false, transB: true, alpha: 1, beta: 1 };
  const row = (data: number[]): F64Tensor => ({ shape: [1, data.length], data: Float64Array.from(data) });
  assert.is(forward('linear', gemm, [row([2e38, 2e38, -3e38]), row([1, 1, 1]), null])[0].bound![0], Infinity);
  assert.is(excess([NaN], forward('add', {}, [one(NaN), one(1)])[0]).count, 0);
  assert.is(excess([NaN], forward('add', {}, [one(1), one(1)])[0]).count, 1);
  assert.is(excess([1], forward('relu', {}, [one(NaN)])[0]).count, 1);
});

test('the helpers', () => {
  assert.is(gamma(1), U / (1 - U));
  assert.is(magnitude(-3), 3);
  assert.ok(gamma(1) * magnitude(TINY / 2) >= TINY / 2);
  assert.is(sumBound(3, F32_MAX * 1.1), Infinity);
  assert.is(sumBound(3, NaN), Infinity);
  assert.is(ulp(1), 2 ** -23);
  assert.throws(() => excess([1], { shape: [1], data: Float64Array.of(1) }), /bounds: true/);
  assert.throws(() => excess([1, 2], { shape: [1], data: Float64Array.of(1), bound: Float64Array.of(0) }), /expected 1 values, got 2/);
});

test.run();
