// Identities that hold whatever the numbers: convolution with a delta copies, 1x1 convolution is a linear layer, without ReLU all rules are one,
// with a frozen branch the score is affine in the input, the adjoint is linear in the seed, a batch is its items, ten runs are one.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { typeGraph, valueInfo, type Graph } from '../../src/graph.ts';
import { Network } from '../../src/network.ts';
import { compile, type CompileOptions } from '../../src/plan.ts';
import { gamma } from '../../src/reference/bounds.ts';
import { runReference, widen } from '../../src/reference/graph.ts';
import { RULES, type Rule } from '../../src/rule.ts';
import { size, type AnyTensor, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { randomNet } from '../nets.ts';

const gpu = await openDevice();

const random = (shape: readonly number[], seed: number): Tensor => ({ shape, data: fill(size(shape), normal(seed)) });

/** Runs a graph once on poisoned buffers and reads what was asked for. */
async function run(
  graph: Graph,
  parameters: ReadonlyMap<string, AnyTensor>,
  inputs: Record<string, AnyTensor>,
  options: CompileOptions,
  seed?: Tensor,
): Promise<{ values: Record<string, Float32Array>; gradients: Record<string, Float32Array> }> {
  const executor = await Executor.create(gpu, compile(graph, options), parameters);
  try {
    executor.poison();
    if (seed) await executor.run(inputs, seed);
    else await executor.forward(inputs);
    const values: Record<string, Float32Array> = {};
    const gradients: Record<string, Float32Array> = {};
    for (const name of executor.plan.readable) values[name] = (await executor.readTensor(name)).data;
    for (const name of Object.keys(seed ? executor.plan.gradients : {})) gradients[name] = (await executor.readGradient(name)).data;
    return { values, gradients };
  } finally {
    executor.dispose();
  }
}

const node = (op: string, inputs: string[], outputs: string[], attrs = {}): Graph['nodes'][number] => ({
  name: outputs[0],
  op,
  inputs,
  outputs,
  attrs,
});

test('a convolution with a delta kernel copies, forward and backward', async () => {
  const [c, k] = [5, 3];
  const w = { shape: [c, c, k, k], data: new Float32Array(c * c * k * k) };
  for (let i = 0; i < c; i++) w.data[((i * c + i) * k + 1) * k + 1] = 1;
  const x = random([2, c, 7, 6], 1);
  const dy = random([2, c, 7, 6], 2);
  const graph: Graph = {
    name: 'delta',
    inputs: [{ name: 'x', shape: x.shape }],
    parameters: [{ name: 'w', shape: w.shape }],
    nodes: [node('conv2d', ['x', 'w'], ['y'], { pad: [1, 1, 1, 1] })],
    outputs: ['y'],
  };
  const { values, gradients } = await run(graph, new Map([['w', w]]), { x }, { target: 'y' }, dy);
  assert.equal(values.y, x.data);
  assert.equal(gradients.x, dy.data);
});

test('a 1x1 convolution of one pixel is a fully-connected layer', async () => {
  const [x, w, b, dy] = [random([3, 37, 1, 1], 1), random([19, 37, 1, 1], 2), random([19], 3), random([3, 19, 1, 1], 4)];
  const flat = (t: Tensor): Tensor => ({ shape: t.shape.slice(0, 2), data: t.data });
  const graph = (op: string, tensors: readonly Tensor[]): Graph => ({
    name: op,
    inputs: [{ name: 'x', shape: tensors[0].shape }],
    parameters: [
      { name: 'w', shape: tensors[1].shape },
      { name: 'b', shape: b.shape },
    ],
    nodes: [node(op, ['x', 'w', 'b'], ['y'])],
    outputs: ['y'],
  });
  const options = { target: 'y', wrt: ['x', 'w', 'b'] };
  const conv = await run(
    graph('conv2d', [x, w]),
    new Map([
      ['w', w],
      ['b', b],
    ]),
    { x },
    options,
    dy,
  );
  const linear = await run(
    graph('linear', [flat(x), flat(w)]),
    new Map([
      ['w', flat(w)],
      ['b', b],
    ]),
    { x: flat(x) },
    options,
    flat(dy),
  );
  for (const [got, want] of [
    [conv.values.y, linear.values.y],
    [conv.gradients.x, linear.gradients.x],
    [conv.gradients.w, linear.gradients.w],
    [conv.gradients.b, linear.gradients.b],
  ]) {
    // Both lie within gamma of the exact sum, whose terms are of the size of the operands.
    got.forEach((v, i) => assert.ok(Math.abs(v - want[i]) <= 2 * gamma(39) * 39 * 20, `${v} and ${want[i]}`));
  }
});

test('the adjoint of convolution is transposed convolution: the dilated, flipped kernel slides over the spread signal', async () => {
  // Stride 2: the signal is spread with zeros between its elements and correlated with the flipped kernel; here in f64, by hand.
  const [x, w, dy] = [random([1, 2, 7, 7], 1), random([3, 2, 3, 3], 2), random([1, 3, 3, 3], 3)];
  const graph: Graph = {
    name: 'transposed',
    inputs: [{ name: 'x', shape: x.shape }],
    parameters: [{ name: 'w', shape: w.shape }],
    nodes: [node('conv2d', ['x', 'w'], ['y'], { stride: [2, 2] })],
    outputs: ['y'],
  };
  const { gradients } = await run(graph, new Map([['w', w]]), { x }, { target: 'y' }, dy);
  const spread = (c: number, i: number, j: number): number =>
    i >= 0 && j >= 0 && i % 2 === 0 && j % 2 === 0 && i <= 4 && j <= 4 ? dy.data[(c * 3 + i / 2) * 3 + j / 2] : 0;
  for (let c = 0; c < 2; c++) {
    for (let i = 0; i < 7; i++) {
      for (let j = 0; j < 7; j++) {
        let [want, magnitude] = [0, 0];
        for (let oc = 0; oc < 3; oc++) {
          for (let p = 0; p < 3; p++) {
            for (let q = 0; q < 3; q++) {
              const term = spread(oc, i - 2 + p, j - 2 + q) * w.data[((oc * 2 + c) * 3 + 2 - p) * 3 + 2 - q];
              want += term;
              magnitude += Math.abs(term);
            }
          }
        }
        const got = gradients.x[(c * 7 + i) * 7 + j];
        assert.ok(Math.abs(got - want) <= gamma(27) * magnitude, `dx[${c},${i},${j}] ${got}, expected ${want}`);
      }
    }
  }
});

test('without ReLU all four rules give the same bits', async () => {
  for (let n = 100; n < 106; n++) {
    const { graph, parameters, input } = randomNet(n, { relu: false });
    const seed = random(valueInfo(typeGraph(graph), graph.scores!).shape, n);
    const results: Float32Array[] = [];
    for (const rule of RULES)
      results.push((await run(graph, parameters, { x: input }, { target: graph.scores, rule: { relu: rule } }, seed)).gradients.x);
    for (const other of results.slice(1)) assert.equal(other, results[0], graph.name);
  }
});

test('where every ReLU input is positive, guided is deconvnet and the gradient is linear', async () => {
  const graph: Graph = {
    name: 'positive',
    inputs: [{ name: 'x', shape: [1, 2, 5, 5] }],
    parameters: [
      { name: 'w', shape: [3, 2, 3, 3] },
      { name: 'b', shape: [3] },
      { name: 'v', shape: [4, 3, 3, 3] },
    ],
    nodes: [node('conv2d', ['x', 'w', 'b'], ['a']), node('relu', ['a'], ['r']), node('conv2d', ['r', 'v'], ['y'])],
    outputs: ['y'],
  };
  const parameters = new Map([
    ['w', random([3, 2, 3, 3], 1)],
    ['b', { shape: [3], data: new Float32Array(3).fill(100) }],
    ['v', random([4, 3, 3, 3], 2)],
  ]);
  const x = random([1, 2, 5, 5], 3);
  const seed = random([1, 4, 1, 1], 4);
  const under = async (rule: Rule): Promise<Float32Array> =>
    (await run(graph, parameters, { x }, { target: 'y', rule: { relu: rule } }, seed)).gradients.x;
  assert.equal(await under('guided'), await under('deconvnet'));
  assert.equal(await under('gradient'), await under('linear'));
  assert.not.equal(await under('gradient'), await under('deconvnet'));
});

test('with masks and switches frozen the score is affine: S(I) = <w, I> + b', async () => {
  let tried = 0;
  for (let n = 0; n < 12; n++) {
    const { graph, parameters, input } = randomNet(n);
    // LRN, softmax and products are smooth, not piecewise linear.
    if (graph.nodes.some((m) => m.op === 'lrn' || (m.op === 'softmax' && m.outputs[0] !== graph.outputs[0]))) continue;
    const typed = typeGraph(graph);
    const { shape } = valueInfo(typed, graph.scores!);
    const seed = { shape, data: new Float32Array(size(shape)) };
    seed.data[1] = 1;
    const keep = typed.nodes.flatMap((m) => (['relu', 'maxpool2d', 'clip', 'globalmaxpool'].includes(m.op) ? [m.inputs[0]] : []));
    const { values, gradients } = await run(
      graph,
      parameters,
      { x: input },
      { target: graph.scores, keep: [...new Set([...keep, graph.scores!])] },
      seed,
    );
    const branch = new Map(
      Object.entries(values).map(([name, data]) => [name, { shape: valueInfo(typed, name).shape, data: Float64Array.from(data) }]),
    );
    const sources = new Map([...parameters].map(([name, value]) => [name, widen(value)]));
    const score = (data: Float64Array): number =>
      runReference(typed, new Map([...sources, ['x', { shape: input.shape, data }]]), { branch }).get(graph.scores!)!.data[1];
    const atZero = score(new Float64Array(input.data.length));
    const along = input.data.reduce((sum, v, i) => sum + v * gradients.x[i], 0);
    const magnitude = input.data.reduce((sum, v, i) => sum + Math.abs(v * gradients.x[i]), Math.abs(atZero));
    assert.ok(Math.abs(score(Float64Array.from(input.data)) - (along + atZero)) <= 1e-6 * magnitude, graph.name);
    tried++;
  }
  assert.ok(tried >= 3, `expected at least three piecewise linear networks, got ${tried}`);
});

test('the backward pass is linear in the seed: a power of two scales it to the bit', async () => {
  const { graph, parameters, input } = randomNet(3);
  const seed = random(valueInfo(typeGraph(graph), graph.scores!).shape, 1);
  const executor = await Executor.create(gpu, compile(graph, { target: graph.scores }), parameters);
  try {
    await executor.run({ x: input }, seed);
    const once = (await executor.readGradient('x')).data;
    await executor.backward({ shape: seed.shape, data: seed.data.map((v) => v * 4) });
    assert.equal(
      (await executor.readGradient('x')).data,
      once.map((v) => v * 4),
    );
  } finally {
    executor.dispose();
  }
});

test('several targets from one forward pass are what each gives alone', async () => {
  const { graph, parameters, input } = randomNet(4);
  const network = new Network(gpu, graph, parameters);
  try {
    const together = await network.gradients(input, [{ target: 0 }, { target: 1 }, { target: 'top1' }]);
    for (const answer of together)
      assert.equal((await network.gradient(input, { target: answer.targets! })).gradient.data, answer.gradient.data);
  } finally {
    await network.dispose();
  }
});

test('calls that overlap are answered one after the other, and old plans make room', async () => {
  const { graph, parameters, input } = randomNet(4);
  const network = new Network(gpu, graph, parameters);
  try {
    const relus = graph.nodes.filter((m) => m.op === 'relu').map((m) => m.name);
    const ask = (tensor: string): Promise<Float32Array> => {
      const at = valueInfo(typeGraph(graph), tensor)
        .shape.slice(1)
        .map(() => 0);
      return network.gradient(input, { neuron: { tensor, at }, rule: 'linear' }).then(({ gradient }) => gradient.data);
    };
    const together = await Promise.all([...relus, ...relus].map(ask));
    relus.forEach((_, i) => assert.equal(together[i], together[i + relus.length]));
    assert.ok(relus.length > 4, 'expected more plans than are kept');
  } finally {
    await network.dispose();
  }
});

test('the posterior of a score: dP_c = P_c (dS_c - sum over k of P_k dS_k)', async () => {
  const { graph, parameters, input } = randomNet(6);
  const network = new Network(gpu, graph, parameters);
  try {
    const classes = (await network.scores(input)).shape[1];
    const parts = await network.gradients(
      input,
      Array.from({ length: classes }, (_, k) => ({ target: k })),
    );
    const { gradient, values } = await network.gradient(input, { target: 1, score: 'posterior' });
    const items = input.shape[0];
    const p: number[][] = [];
    for (let n = 0; n < items; n++) {
      const row = [...parts[0].scores!.data.subarray(n * classes, (n + 1) * classes)].map(Math.exp);
      const sum = row.reduce((a, b) => a + b, 0);
      p.push(row.map((e) => e / sum));
      assert.ok(Math.abs(values[n] - p[n][1]) < 1e-6);
    }
    const perItem = gradient.data.length / items;
    let [error, norm] = [0, 0];
    gradient.data.forEach((got, i) => {
      const n = Math.floor(i / perItem);
      const mean = parts.reduce((sum, part, k) => sum + p[n][k] * part.gradient.data[i], 0);
      const scale = parts.reduce((sum, part, k) => sum + p[n][k] * Math.abs(part.gradient.data[i]), Math.abs(parts[1].gradient.data[i]));
      error += (got - p[n][1] * (parts[1].gradient.data[i] - mean)) ** 2;
      norm += (p[n][1] * scale) ** 2;
    });
    assert.ok(Math.sqrt(error / norm) < 1e-5, `${Math.sqrt(error / norm)}`);
  } finally {
    await network.dispose();
  }
});

test('a loss with its log-probabilities used besides gets the signals of both', async () => {
  const graph: Graph = {
    name: 'both',
    inputs: [
      { name: 's', shape: [3, 4] },
      { name: 'labels', shape: [3], dtype: 'i32' },
    ],
    parameters: [],
    nodes: [
      node('crossentropy', ['s', 'labels'], ['loss', 'logp']),
      node('mul', ['logp', 'logp'], ['square']),
      node('add', ['square', 'loss'], ['out']),
    ],
    outputs: ['out'],
  };
  const s = random([3, 4], 1);
  const seed = random([3, 4], 2);
  const labels = [1, 3, 0];
  const { gradients } = await run(
    graph,
    new Map(),
    { s, labels: { shape: [3], data: Int32Array.from(labels) } },
    { target: 'out', wrt: ['s'] },
    seed,
  );
  const value = (data: Float64Array): number => {
    let [loss, total] = [0, 0];
    const logs: number[] = [];
    for (let n = 0; n < 3; n++) {
      const row = data.subarray(4 * n, 4 * n + 4);
      const log = Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0));
      row.forEach((v) => logs.push(v - log));
      loss -= (row[labels[n]] - log) / 3;
    }
    logs.forEach((l, i) => (total += seed.data[i] * (l * l + loss)));
    return total;
  };
  for (let i = 0; i < 12; i++) {
    const [up, down] = [1e-6, -1e-6].map((h) => value(Float64Array.from(s.data, (v, j) => v + (i === j ? h : 0))));
    assert.ok(Math.abs((up - down) / 2e-6 - gradients.s[i]) < 1e-5, `ds[${i}]`);
  }
});

test.after(() => gpu.dispose());
test.run();
