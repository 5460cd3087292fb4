// Paths and fields without a device: counted by hand, by walking every chain, and against gradients whose weights are positive at random.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GraphError } from '../../src/errors.ts';
import { layerRules, typeGraph, type Graph, type TypedGraph } from '../../src/graph.ts';
import { decidingTensors, decisionsOf, type Branch, type Decided } from '../../src/inspect/branch.ts';
import { eachInField, fieldSize, receptiveFields } from '../../src/inspect/field.ts';
import { countPaths, pathTotal, type PathCounts } from '../../src/inspect/paths.ts';
import { backReference, runReference, widen } from '../../src/reference/graph.ts';
import type { F64Tensor } from '../../src/reference/types.ts';
import type { RuleSpec } from '../../src/rule.ts';
import { size, type AnyTensor, type Tensor } from '../../src/tensor.ts';
import { uniform } from '../../src/verify/random.ts';
import { chains, reachable } from '../chains.ts';
import { randomNet } from '../nets.ts';
import { branchNet, chainNet, type PathNet } from '../pathnets.ts';

function valuesOf(typed: TypedGraph, parameters: ReadonlyMap<string, AnyTensor>, input: Tensor): Map<string, F64Tensor> {
  const given = new Map([[typed.graph.inputs[0].name, widen(input)], ...[...parameters].map(([name, t]) => [name, widen(t)] as const)]);
  return runReference(typed, given);
}

function branchOf(typed: TypedGraph, values: ReadonlyMap<string, F64Tensor>, rule: RuleSpec = {}): Branch {
  const rules = layerRules(typed, rule);
  const branch = new Map<string, Decided>();
  for (const node of typed.nodes) {
    const wanted = decidingTensors(typed, node);
    const x = node.inputs.map((name, k) => (wanted.x.includes(k) ? values.get(name)!.data : null));
    const y = wanted.y ? values.get(node.outputs[0])!.data : null;
    const decided = decisionsOf(node, x, y, values.get(node.inputs[0])!.shape, rules(node.name));
    if (decided) branch.set(node.name, decided);
  }
  return branch;
}

function counted(net: Pick<PathNet, 'typed' | 'parameters' | 'target' | 'unit'>, branch: Branch): Map<string, PathCounts> {
  const found = new Map<string, PathCounts>();
  countPaths(net.typed, net.parameters, {
    target: net.target,
    unit: net.unit,
    branch,
    visit: (value, counts) => void found.set(value, counts),
  });
  return found;
}

test('paths by hand', () => {
  // Two 1x1 convolutions of two channels with a ReLU and a pool of 1x2 between them: [1, 2, 1, 2] -> [1, 1, 1, 1].
  const graph: Graph = {
    name: 'hand',
    inputs: [{ name: 'x', shape: [1, 2, 1, 2] }],
    parameters: [
      { name: 'a', shape: [3, 2, 1, 1] },
      { name: 'b', shape: [1, 3, 1, 1] },
    ],
    nodes: [
      { name: 'c1', op: 'conv2d', inputs: ['x', 'a'], outputs: ['c'] },
      { name: 'r1', op: 'relu', inputs: ['c'], outputs: ['r'] },
      { name: 'p1', op: 'maxpool2d', inputs: ['r'], outputs: ['p'], attrs: { kernel: [1, 2] } },
      { name: 'c2', op: 'conv2d', inputs: ['p', 'b'], outputs: ['s'] },
    ],
    outputs: ['s'],
  };
  const typed = typeGraph(graph);
  const tensor = (shape: number[], data: number[]): Tensor => ({ shape, data: Float32Array.from(data) });
  // c = [x0 + x1, x0, -x0 - x1] at x0 = (1, 2), x1 = (5, 3): (6, 5), (1, 2), (-6, -5). The third channel is off.
  const parameters = new Map<string, AnyTensor>([
    ['a', tensor([3, 2, 1, 1], [1, 1, 1, 0, -1, -1])],
    ['b', tensor([1, 3, 1, 1], [7, -7, 7])],
  ]);
  const values = valuesOf(typed, parameters, tensor([1, 2, 1, 2], [1, 2, 5, 3]));
  const found = counted({ typed, parameters, target: 's', unit: 0 }, branchOf(typed, values));
  assert.equal([...found.get('p')!.data], [1, 1, 1]);
  // Winners: place 0 of channel 0, place 1 of channel 1, and of the zeros of channel 2 the first, whose gate is shut.
  assert.equal([...found.get('r')!.data], [1, 0, 0, 1, 1, 0]);
  assert.equal([...found.get('c')!.data], [1, 0, 0, 1, 0, 0]);
  // Channel 0 of c takes both channels of x at place 0, channel 1 takes x0 alone at place 1.
  assert.equal([...found.get('x')!.data], [1, 1, 1, 0]);
  assert.equal(pathTotal(found.get('x')!), { count: 3, log10: Math.log10(3), exact: true, units: 3 });
});

const NETS = [chainNet(1), chainNet(2, 0.3), chainNet(3, 0.1), branchNet(4), branchNet(5, 0.3), branchNet(6)];

for (const net of NETS) {
  test(`${net.name}: the count of every value is that of its chains, walked one by one`, () => {
    const values = valuesOf(net.typed, net.parameters, net.input);
    const found = counted(net, branchOf(net.typed, values));
    const walked = chains(net.typed, values, net.target, net.unit);
    let most = 0;
    for (const [value, counts] of walked) {
      if (!found.has(value)) assert.unreachable(`${value} has chains`);
      assert.equal([...found.get(value)!.data], [...counts], value);
      most = Math.max(most, pathTotal(found.get(value)!).count!);
    }
    for (const [value, { data }] of found)
      if (!walked.has(value))
        assert.ok(
          data.every((n) => n === 0),
          value,
        );
    assert.ok(most > 20, `${most} chains`);
  });

  test(`${net.name}: the open field is where a gradient with positive weights at random is not zero`, () => {
    const values = valuesOf(net.typed, net.parameters, net.input);
    const found = counted(net, branchOf(net.typed, values)).get('x')!;
    const next = uniform(77);
    const positive = new Map(values);
    for (const [name, { shape, data }] of net.parameters) {
      if (!name.startsWith('w') && name !== 'scale') continue;
      positive.set(name, { shape, data: Float64Array.from(data, (v) => (v === 0 ? 0 : 0.5 + next())) });
    }
    const { shape } = net.typed.values.get(net.target)!;
    const seed = { shape, data: new Float64Array(size(shape)) };
    seed.data[net.unit] = 1;
    const gradient = backReference(net.typed, positive, { target: net.target, seed, wrt: ['x'], rule: {}, branch: values }).get('x')!;
    assert.equal(
      Array.from(found.data, (n) => n > 0),
      Array.from(gradient.data, (v) => v !== 0),
    );
    assert.ok(found.data.some((n) => n > 0));
  });
}

test('networks of every op of inference: each has its paths, and where a gradient is not zero there is one', () => {
  const ops = new Set<string>();
  let open = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const { graph, parameters, input } = randomNet(seed);
    const typed = typeGraph(graph);
    const values = valuesOf(typed, parameters, input);
    const target = graph.scores!;
    const found = counted({ typed, parameters, target, unit: 1 }, branchOf(typed, values)).get('x')!;
    const field = receptiveFields(typed, target, 1, () => 'gradient').get('x')!;
    const inside = new Uint8Array(found.data.length);
    eachInField(field, input.shape, (i) => (inside[i] = 1));
    const { shape } = typed.values.get(target)!;
    const seedTensor = { shape, data: new Float64Array(size(shape)) };
    seedTensor.data[1] = 1;
    const gradient = backReference(typed, values, { target, seed: seedTensor, wrt: ['x'], rule: {} }).get('x')!;
    gradient.data.forEach((v, i) => {
      if (v !== 0) assert.ok(found.data[i] > 0, `net ${seed}, ${i}`);
      if (found.data[i] > 0) assert.ok(inside[i] === 1, `net ${seed}, ${i}`);
      if (v !== 0) open++;
    });
    for (const { op } of graph.nodes) ops.add(op);
  }
  assert.ok(open > 1000);
  for (const op of ['clip', 'mul', 'softmax', 'pad', 'add', 'concat', 'lrn', 'batchnorm', 'globalmaxpool', 'dropout'])
    assert.ok(ops.has(op), op);
});

for (const transA of [false, true]) {
  for (const transB of [false, true]) {
    for (const k of [0, 1]) {
      test(`a product of matrices${transA ? ', a transposed' : ''}${transB ? ', b transposed' : ''}: links of input ${k}`, () => {
        const [M, K, N] = [3, 5, 4];
        const shapes = [transA ? [K, M] : [M, K], transB ? [N, K] : [K, N]];
        const graph: Graph = {
          name: 'product',
          inputs: [{ name: 'x', shape: shapes[k] }],
          parameters: [{ name: 'w', shape: shapes[1 - k] }],
          nodes: [
            { name: 'fc', op: 'linear', inputs: k === 0 ? ['x', 'w'] : ['w', 'x'], outputs: ['y'], attrs: { transA, transB, alpha: -2 } },
          ],
          outputs: ['y'],
        };
        const typed = typeGraph(graph);
        const next = uniform(5);
        const w: Tensor = {
          shape: shapes[1 - k],
          data: Float32Array.from({ length: size(shapes[1 - k]) }, () => (next() < 0.4 ? 0 : next() - 0.5)),
        };
        const x = { shape: shapes[k], data: new Float32Array(size(shapes[k])) };
        const values = valuesOf(typed, new Map([['w', w]]), x);
        for (let unit = 0; unit < M * N; unit++) {
          const found = counted({ typed, parameters: new Map([['w', w]]), target: 'y', unit }, new Map()).get('x')!;
          const seed = { shape: [M, N], data: new Float64Array(M * N) };
          seed.data[unit] = 1;
          const gradient = backReference(typed, values, { target: 'y', seed, wrt: ['x'], rule: {} }).get('x')!;
          assert.equal(
            [...found.data],
            Array.from(gradient.data, (v) => Number(v !== 0)),
          );
        }
      });
    }
  }
}

test('ties to all, gates open at zero and LRN passed on link what they say', () => {
  const net = branchNet(6);
  // Whole numbers, many of them zero, make ties.
  const whole = (t: AnyTensor): Tensor => ({ shape: t.shape, data: Float32Array.from(t.data, (v) => Math.round(v / 1.5)) });
  const parameters = new Map([...net.parameters].map(([name, t]) => [name, name === 'w4' ? t : whole(t)] as const));
  const values = valuesOf(net.typed, parameters, whole(net.input));
  const tied = counted({ ...net, parameters }, branchOf(net.typed, values, { maxpool: 'all-ties', zero: 'open' }));
  const plain = counted({ ...net, parameters }, branchOf(net.typed, values));
  const walked = chains(net.typed, values, net.target, net.unit, { ties: true, openAtZero: true });
  assert.equal([...tied.get('x')!.data], [...walked.get('x')!]);
  assert.equal([...plain.get('x')!.data], [...chains(net.typed, values, net.target, net.unit).get('x')!]);
  assert.ok(pathTotal(tied.get('x')!).count! > pathTotal(plain.get('x')!).count!);

  const lrn = chainNet(1);
  const own = valuesOf(lrn.typed, lrn.parameters, lrn.input);
  const [coupled, passed] = [{}, { lrn: 'identity' } as const].map((rule) => counted(lrn, branchOf(lrn.typed, own, rule)).get('x')!);
  assert.ok(pathTotal(passed).count! < pathTotal(coupled).count!);
});

test('numbers beyond f64 are kept as powers of two', () => {
  const depth = 220;
  const names = Array.from({ length: depth + 1 }, (_, k) => (k === 0 ? 'x' : `y${k}`));
  const graph: Graph = {
    name: 'deep',
    inputs: [{ name: 'x', shape: [1, 64, 1, 1] }],
    parameters: [{ name: 'w', shape: [64, 64, 1, 1] }],
    nodes: names.slice(1).map((name, k) => ({ name, op: 'conv2d', inputs: [names[k], 'w'], outputs: [name] })),
    outputs: [names[depth]],
  };
  const parameters = new Map<string, AnyTensor>([['w', { shape: [64, 64, 1, 1], data: new Float32Array(4096).fill(1) }]]);
  const found = counted({ typed: typeGraph(graph), parameters, target: names[depth], unit: 5 }, new Map());
  const total = pathTotal(found.get('x')!);
  assert.is(total.count, null);
  assert.not(total.exact);
  assert.ok(Math.abs(total.log10 - depth * Math.log10(64)) < 1e-9, `${total.log10}`);
});

for (const net of [...NETS, chainNet(11), chainNet(12)]) {
  test(`${net.name}: the theoretical field holds all that could be reached${net.chain ? ', and is the smallest box that does' : ''}`, () => {
    const fields = receptiveFields(net.typed, net.target, net.unit, () => 'gradient');
    const values = valuesOf(net.typed, net.parameters, net.input);
    for (const [value, units] of reachable(net.typed, values, net.target, net.unit)) {
      const { shape } = net.typed.values.get(value)!;
      const field = fields.get(value)!;
      const inside = new Set<number>();
      eachInField(field, shape, (i) => inside.add(i));
      assert.is(inside.size, fieldSize(field));
      for (const unit of units) assert.ok(inside.has(unit), `${value} ${unit}`);
      if (!net.chain) continue;
      const box = shape.map((extent, axis) => {
        const inner = size(shape.slice(axis + 1));
        const places = [...units].map((unit) => Math.floor(unit / inner) % extent);
        return [Math.min(...places), Math.max(...places) + 1];
      });
      assert.equal(
        field.map((range) => [...range]),
        box,
        value,
      );
    }
  });
}

test('an op whose links are not known is named', () => {
  const typed = typeGraph({
    name: 'blur',
    inputs: [{ name: 'x', shape: [1, 1, 4, 4] }],
    parameters: [],
    nodes: [{ name: 'soft', op: 'blur', inputs: ['x'], outputs: ['y'], attrs: { sigma: 1 } }],
    outputs: ['y'],
  });
  assert.throws(
    () => countPaths(typed, new Map(), { target: 'y', unit: 0, branch: new Map(), visit: () => {} }),
    (error: unknown) => error instanceof GraphError && /blur "soft"/.test(error.message),
  );
  assert.throws(() => receptiveFields(typed, 'y', 0, () => 'gradient'), /blur "soft"/);
});

test.run();
