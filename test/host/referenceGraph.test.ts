/** Whole networks in f64: the reverse sweep, rules by node, and evaluation on a branch that another run took. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { typeGraph, type GraphNode, type TypedGraph } from '../../src/graph.ts';
import { compareDecisions } from '../../src/reference/decisions.ts';
import { backReference, runReference, widen, type BackOptions } from '../../src/reference/graph.ts';
import type { F64Tensor } from '../../src/reference/types.ts';
import type { Rule } from '../../src/rule.ts';
import type { Shape } from '../../src/tensor.ts';
import { dot, Random } from './referenceCases.ts';

type Values = Map<string, F64Tensor>;

const node = (op: string, inputs: string[], output: string, attrs: GraphNode['attrs'] = {}): GraphNode => ({
  name: output,
  op,
  inputs,
  outputs: [output],
  attrs,
});

function network(inputs: Record<string, Shape>, nodes: GraphNode[]): TypedGraph {
  const specs = Object.entries(inputs).map(([name, shape]) => ({ name, shape }));
  return typeGraph({ name: 'test', inputs: specs, parameters: [], nodes, outputs: [nodes[nodes.length - 1].outputs[0]] });
}

const t = (shape: number[], data: number[]): F64Tensor => ({ shape, data: Float64Array.from(data) });

function given(typed: TypedGraph, r: Random): Values {
  return new Map(typed.graph.inputs.map(({ name, shape }) => [name, r.tensor(shape)]));
}

function back(
  typed: TypedGraph,
  values: Values,
  options: Partial<BackOptions> & Pick<BackOptions, 'target' | 'wrt'>,
): Map<string, F64Tensor> {
  const { shape, data } = values.get(options.target)!;
  const seed = { shape, data: new Float64Array(data.length).fill(1) };
  return backReference(typed, values, { seed, rule: { relu: 'gradient' }, ...options });
}

function near(got: Float64Array, want: Float64Array, tolerance: number, what: string): void {
  assert.is(got.length, want.length, what);
  got.forEach((v, i) => assert.ok(Math.abs(v - want[i]) <= tolerance, `${what}[${i}]: ${v}, expected ${want[i]}`));
}

/** Branching, joining and pooling; every value is used, some twice. */
const mixed = network({ x: [2, 3, 6, 6], w1: [4, 3, 3, 3], b1: [4], w2: [4, 2, 1, 1], w3: [5, 8], c: [5] }, [
  node('conv2d', ['x', 'w1', 'b1'], 'conv1', { pad: [1, 1, 1, 1] }),
  node('relu', ['conv1'], 'relu1'),
  node('lrn', ['relu1'], 'lrn', { size: 3, alpha: 0.5 }),
  node('conv2d', ['lrn', 'w2'], 'conv2', { groups: 2 }),
  node('add', ['conv2', 'relu1'], 'sum'),
  node('relu', ['sum'], 'relu2'),
  node('maxpool2d', ['relu2'], 'pool', { kernel: [3, 3], stride: [2, 2], ceilMode: true }),
  node('globalavgpool', ['pool'], 'mean'),
  node('globalmaxpool', ['conv1'], 'max'),
  node('mul', ['mean', 'max'], 'product'),
  node('concat', ['product', 'mean'], 'both', { axis: 1 }),
  node('flatten', ['both'], 'flat'),
  node('dropout', ['flat'], 'drop'),
  node('linear', ['drop', 'w3', 'c'], 'scores'),
  node('softmax', ['scores'], 'posterior'),
]);

test('a branching network: adjoints equal central differences', () => {
  const r = new Random(21);
  const values = given(mixed, r);
  const random = { seed: 4, iteration: 2 };
  const all = runReference(mixed, values, { random });
  const seed = r.tensor([2, 5]);
  const wrt = mixed.graph.inputs.map((input) => input.name);
  const adjoints = back(mixed, all, { target: 'posterior', seed, wrt, random });
  const h = 1e-6;
  for (const name of wrt) {
    const x = values.get(name)!;
    for (let trial = 0; trial < 12; trial++) {
      const i = r.integer(0, x.data.length - 1);
      const at = (step: number): Values =>
        runReference(mixed, new Map(values).set(name, { ...x, data: x.data.map((v, j) => (i === j ? v + step : v)) }), { random });
      const [up, down] = [at(h), at(-h)];
      if (compareDecisions(mixed, up, down).differing > 0) continue;
      const difference = (dot(up.get('posterior')!.data, seed.data) - dot(down.get('posterior')!.data, seed.data)) / (2 * h);
      assert.ok(
        Math.abs(difference - adjoints.get(name)!.data[i]) <= 1e-8,
        `d${name}[${i}] = ${adjoints.get(name)!.data[i]}, difference ${difference}`,
      );
    }
  }
});

test('wrt: intermediate values, the target itself, values out of reach, a value used twice', () => {
  const typed = network({ x: [2], z: [2] }, [node('mul', ['x', 'x'], 'y'), node('add', ['y', 'x'], 's'), node('relu', ['z'], 'other')]);
  const values = runReference(
    typed,
    new Map([
      ['x', t([2], [3, -2])],
      ['z', t([2], [1, 1])],
    ]),
  );
  const adjoints = back(typed, values, { target: 's', seed: t([2], [1, 10]), wrt: ['x', 'y', 's', 'z', 'other'] });
  assert.equal([...adjoints.get('x')!.data], [7, -30]);
  assert.equal([...adjoints.get('y')!.data], [1, 10]);
  assert.equal([...adjoints.get('s')!.data], [1, 10]);
  assert.equal([...adjoints.get('z')!.data], [0, 0]);
  assert.equal([...adjoints.get('other')!.data], [0, 0]);
  // A target halfway: nothing above it is touched.
  assert.equal([...back(typed, values, { target: 'y', wrt: ['x'] }).get('x')!.data], [6, -4]);
});

test('rules: by default, by node, re-derived with masks made here', () => {
  const r = new Random(22);
  const typed = network({ x: [3, 6], w1: [7, 6], w2: [5, 7], w3: [4, 5] }, [
    node('linear', ['x', 'w1'], 'h1'),
    node('relu', ['h1'], 'r1'),
    node('linear', ['r1', 'w2'], 'h2'),
    node('relu', ['h2'], 'r2'),
    node('linear', ['r2', 'w3'], 'y'),
  ]);
  const values = runReference(typed, given(typed, r));
  const seed = r.tensor([3, 4]);
  const times = (signal: F64Tensor, w: F64Tensor): F64Tensor => {
    const [N, K] = signal.shape;
    const M = w.shape[1];
    const data = Float64Array.from({ length: N * M }, (_, i) => {
      let s = 0;
      for (let k = 0; k < K; k++) s += signal.data[Math.floor(i / M) * K + k] * w.data[k * M + (i % M)];
      return s;
    });
    return { shape: [N, M], data };
  };
  // Each rule as the papers put it: what is multiplied by which indicator.
  const masks: Record<Rule, (X: number, R: number) => number> = {
    gradient: (X, R) => R * Number(X > 0),
    deconvnet: (_, R) => Math.max(R, 0),
    guided: (X, R) => Math.max(R, 0) * Number(X > 0),
    linear: (_, R) => R,
  };
  const expected = (at1: Rule, at2: Rule): Float64Array => {
    const through = (rule: Rule, name: string, signal: F64Tensor): F64Tensor => ({
      ...signal,
      data: signal.data.map((R, i) => masks[rule](values.get(name)!.data[i], R)),
    });
    const s2 = through(at2, 'h2', times(seed, values.get('w3')!));
    return times(through(at1, 'h1', times(s2, values.get('w2')!)), values.get('w1')!).data;
  };
  const rules: Rule[] = ['gradient', 'deconvnet', 'guided', 'linear'];
  for (const a of rules) {
    near(back(typed, values, { target: 'y', seed, wrt: ['x'], rule: { relu: a } }).get('x')!.data, expected(a, a), 1e-14, a);
    for (const b of rules) {
      const rule = { relu: a, at: { r2: b } };
      near(back(typed, values, { target: 'y', seed, wrt: ['x'], rule }).get('x')!.data, expected(a, b), 1e-14, `${a}, r2 ${b}`);
    }
  }
  assert.throws(
    () => back(typed, values, { target: 'y', wrt: ['x'], rule: { relu: 'gradient', at: { h1: 'linear' } } }),
    /name of a ReLU, got "h1"/,
  );
});

test('with signs and switches frozen the score is <w, I> + b, and w is its adjoint', () => {
  const r = new Random(23);
  const typed = network({ x: [1, 2, 7, 7], w1: [3, 2, 3, 3], b1: [3], w2: [2, 27] }, [
    node('conv2d', ['x', 'w1', 'b1'], 'conv'),
    node('relu', ['conv'], 'relu'),
    node('maxpool2d', ['relu'], 'pool', { kernel: [3, 3], pad: [1, 1, 1, 1], stride: [2, 2] }),
    node('clip', ['pool'], 'clip', { min: 0.1, max: 1.5 }),
    node('flatten', ['clip'], 'flat'),
    node('linear', ['flat', 'w2'], 'scores'),
  ]);
  const values = given(typed, r);
  const branch = runReference(typed, values);
  const frozen = (x: F64Tensor): number => runReference(typed, new Map(values).set('x', x), { branch }).get('scores')!.data[1];
  const seed = t([1, 2], [0, 1]);
  const w = back(typed, branch, { target: 'scores', seed, wrt: ['x'] }).get('x')!;
  const b = frozen({ ...w, data: new Float64Array(w.data.length) });
  assert.is(frozen(values.get('x')!), branch.get('scores')!.data[1]);
  for (let trial = 0; trial < 5; trial++) {
    const x = r.tensor([1, 2, 7, 7], -5, 5);
    assert.ok(compareDecisions(typed, branch, runReference(typed, new Map(values).set('x', x))).differing > 0);
    assert.ok(Math.abs(frozen(x) - (dot(w.data, x.data) + b)) <= 1e-12);
    // Another point's own values with this branch: the same linear map comes back.
    const elsewhere = runReference(typed, new Map(values).set('x', x));
    near(back(typed, elsewhere, { target: 'scores', seed, wrt: ['x'], branch }).get('x')!.data, w.data, 1e-14, 'w');
  }
});

test('a branch decides, and smooth factors stay those of the run', () => {
  // y = relu(x) * z: dx = [x > 0] z, dz = relu(x).
  const typed = network({ x: [3], z: [3] }, [node('relu', ['x'], 'y'), node('mul', ['y', 'z'], 'p')]);
  const values = runReference(
    typed,
    new Map([
      ['x', t([3], [1e-9, -1e-9, 2])],
      ['z', t([3], [5, 6, 7])],
    ]),
  );
  const other = runReference(
    typed,
    new Map([
      ['x', t([3], [-1e-9, 1e-9, 2.5])],
      ['z', t([3], [50, 60, 70])],
    ]),
  );
  const own = back(typed, values, { target: 'p', wrt: ['x', 'z'] });
  assert.equal([...own.get('x')!.data], [5, 0, 7]);
  const onBranch = back(typed, values, { target: 'p', wrt: ['x', 'z'], branch: other });
  assert.equal([...onBranch.get('x')!.data], [0, 6, 7]);
  assert.equal([...onBranch.get('z')!.data], [1e-9, 0, 2]);
  // A run on the branch: relu's outputs follow its signs too.
  assert.equal([...runReference(typed, values, { branch: other }).get('y')!.data], [0, -1e-9, 2]);
  // Of x, which no node makes, the branch may say nothing; of a ReLU in the middle its output will do.
  assert.equal([...back(typed, values, { target: 'p', wrt: ['x'], branch: new Map() }).get('x')!.data], [5, 0, 7]);
  const outputOnly = new Map([['y', other.get('y')!]]);
  assert.equal([...back(typed, values, { target: 'p', wrt: ['x'], branch: outputOnly }).get('x')!.data], [0, 6, 7]);
});

test('decisions: f64 against f32 values, with the margins', () => {
  const typed = network({ x: [1, 1, 2, 4] }, [
    node('identity', ['x'], 'same'),
    node('relu', ['same'], 'relu'),
    node('maxpool2d', ['same'], 'pool', { kernel: [2, 2], stride: [2, 2] }),
    node('globalmaxpool', ['same'], 'top'),
    node('clip', ['same'], 'clip', { max: 3 }),
  ]);
  const a = runReference(typed, new Map([['x', t([1, 1, 2, 4], [1, 1.25, -1, 2 ** -30, 0.5, 0, 3.5, 3.25])]]));
  const b = runReference(typed, new Map([['x', t([1, 1, 2, 4], [1.5, 1.25, -1, -(2 ** -30), 0.5, 0, 3.5, 2.75])]]));
  const report = compareDecisions(typed, a, b);
  assert.equal(report.nodes, [
    { node: 'relu', op: 'relu', units: 8, differing: 1 },
    { node: 'pool', op: 'maxpool2d', units: 2, differing: 1 },
    { node: 'top', op: 'globalmaxpool', units: 1, differing: 0 },
    { node: 'clip', op: 'clip', units: 8, differing: 1 },
  ]);
  assert.is(report.differing, 3);
  assert.equal(report.list, [
    { node: 'relu', op: 'relu', index: 3, a: 2 ** -30, b: -(2 ** -30), margin: 2 ** -30 },
    { node: 'pool', op: 'maxpool2d', index: 0, a: 1.25, b: 1.5, margin: 0.25 },
    { node: 'clip', op: 'clip', index: 7, a: 3.25, b: 2.75, margin: 0.25 },
  ]);
  assert.is(compareDecisions(typed, a, b, 1).list.length, 1);
  assert.is(compareDecisions(typed, a, a).differing, 0);
  const withoutInput = new Map([...b].filter(([name]) => name !== 'same' && name !== 'x'));
  assert.throws(() => compareDecisions(typed, a, withoutInput), /maxpool2d "pool": expected the branch to hold "same"/);
});

test('what is missing or wrong is named', () => {
  const values = given(mixed, new Random(24));
  assert.throws(() => runReference(mixed, new Map([...values].filter(([name]) => name !== 'w2'))), /conv2d "conv2": expected a value "w2"/);
  const all = runReference(mixed, values);
  assert.throws(() => back(mixed, all, { target: 'scores', wrt: ['nothing'] }), /got "nothing"/);
  assert.throws(() => back(mixed, all, { target: 'scores', seed: t([5], [1, 0, 0, 0, 0]), wrt: ['x'] }), /shape 2x5, got 5/);
  const typed = network({ x: [1, 2, 3], v: [2] }, [node('batchnorm', ['x', 'v', 'v', 'v', 'v'], 'y')]);
  const run = runReference(typed, given(typed, new Random(25)));
  assert.throws(() => back(typed, run, { target: 'y', wrt: ['v'] }), /batchnorm "y": .*"v", input 3/);
  assert.equal(widen({ shape: [2], data: Float32Array.of(0.5, 3) }), t([2], [0.5, 3]));
});

test.run();
