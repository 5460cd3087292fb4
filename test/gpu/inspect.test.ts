// The inspector: a network counted by hand, the bookkeeping of mass against what the engine itself sends down, winners against its own indices.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph, type Graph } from '../../src/graph.ts';
import { inspect, type Exported, type LayerInspection } from '../../src/inspect/inspect.ts';
import { Network } from '../../src/network.ts';
import { RULES } from '../../src/rule.ts';
import { size, type AnyTensor, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { randomNet, type RandomNet } from '../nets.ts';
import { smallNet } from '../smallnet.ts';

const gpu = await openDevice();
const tensor = (shape: number[], data: readonly number[]): Tensor => ({ shape, data: Float32Array.from(data) });

/** A seed's network on one item. */
function oneItem(seed: number): RandomNet {
  for (let s = seed; ; s += 100) {
    const net = randomNet(s);
    if (net.input.shape[0] === 1 && net.graph.nodes.some(({ op }) => op === 'maxpool2d')) return net;
  }
}

test('a network by hand: gates, windows, and the course of a signal', async () => {
  // x -> ReLU -> 2x2 windows at every place -> a weighted sum, the score.
  const graph: Graph = {
    name: 'hand',
    inputs: [{ name: 'x', shape: [1, 1, 3, 3] }],
    parameters: [{ name: 'w', shape: [1, 4] }],
    nodes: [
      { name: 'relu', op: 'relu', inputs: ['x'], outputs: ['r'] },
      { name: 'pool', op: 'maxpool2d', inputs: ['r'], outputs: ['p'], attrs: { kernel: [2, 2] } },
      { name: 'flat', op: 'flatten', inputs: ['p'], outputs: ['f'] },
      { name: 'sum', op: 'linear', inputs: ['f', 'w'], outputs: ['s'] },
    ],
    outputs: ['s'],
    scores: 's',
  };
  // r: 1 0 0 / 0 0 0 / 0 5 5, so that p = 1 0 / 5 5.
  const x = tensor([1, 1, 3, 3], [1, 0, -2, -1, 0, -1, -3, 5, 5]);
  const result = await inspect(gpu, graph, new Map([['w', tensor([1, 4], [2, 3, -4, 6])]]), x, { target: 0 });
  assert.equal([result.tensor, result.class, result.value], ['s', 0, 2 - 20 + 30]);
  assert.equal(
    result.layers.map(({ node }) => node),
    ['relu', 'pool', 'sum'],
  );
  const [relu, pool] = result.layers;
  const { signal, ...units } = relu.gate!;
  assert.equal(units, { units: 9, active: 3, dead: 6, tied: 2, nan: 0, channels: 1, deadChannels: 0, activeByChannel: [3] });
  // The pool sends 2 to the 1, 3 to the zero at (0, 1), -4 and 6 to the 5 at (2, 1).
  assert.equal(signal!.arriving, { units: 3, l1: 7, l2Squared: 17 });
  assert.equal(
    RULES.map((rule) => signal!.passed[rule].l1),
    [4, 7, 4, 7],
  );
  assert.equal(signal!.killed.gradient, { units: 1 / 3, l1: 3 / 7, l2Squared: 9 / 17 });
  assert.equal(signal!.sent, { units: 2, l1: 4, l2Squared: 8 });
  const windows = pool.windows!;
  assert.equal([windows.windows, windows.zero, windows.tied, windows.tiedAboveZero], [4, 1, 2, 1]);
  assert.equal(
    [windows.wonBy, windows.wonUntied, windows.wins],
    [
      [2, 0, 1, 1],
      [1, 0, 0, 1],
      [6, 2, 1],
    ],
  );
  assert.equal(windows.signal, {
    arriving: { units: 4, l1: 15, l2Squared: 65 },
    atTies: { units: 2, l1: 9, l2Squared: 45 },
    atZeros: { units: 1, l1: 3, l2Squared: 9 },
    sent: { units: 3, l1: 7, l2Squared: 17 },
  });
  assert.equal([result.input.signal.l1, result.input.value.zeros], [4, 2]);
  assert.equal([relu.value.zeros, relu.value.max, relu.value.mean, relu.signal!.l1], [6, 5, 11 / 9, 7]);

  // DeconvNet lets through what the gradient does not: 3 at the tied unit; all ties get their share undivided.
  const deconvnet = await inspect(gpu, graph, new Map([['w', tensor([1, 4], [2, 3, -4, 6])]]), x, {
    target: 0,
    rule: { relu: 'deconvnet', maxpool: 'all-ties' },
  });
  // (0,1): 3, (0,2): 3, (1,1): 3, (1,2): 3, (2,1): -4 + 6, (2,2): 6, (0,0): 2
  assert.equal(deconvnet.layers[0].gate!.signal!.sent, { units: 7, l1: 22, l2Squared: 4 + 4 * 9 + 4 + 36 });
});

for (const seed of [1, 4, 6]) {
  for (const rule of RULES) {
    test(`net ${seed}, ${rule}: what is said to pass is what the engine passes, and what is killed makes up the rest`, async () => {
      const net = oneItem(seed);
      const { layers } = await inspect(gpu, net.graph, net.parameters, net.input, { target: 1, rule: { relu: rule } });
      const gates = layers.filter(({ gate }) => gate?.signal);
      assert.ok(gates.length >= 2);
      for (const { node, gate } of gates) {
        const { arriving, passed, killed, sent } = gate!.signal!;
        // The same numbers in the same order: to the bit.
        assert.equal(sent, passed[rule], node);
        assert.is(passed.linear.l1, arriving.l1);
        for (const other of RULES) {
          if (arriving.l1 === 0) assert.is(killed[other].l1, null);
          else assert.ok(Math.abs(killed[other].l1! * arriving.l1 + passed[other].l1 - arriving.l1) <= 1e-12 * arriving.l1, node);
        }
        // Guided passes what both pass: no more than either.
        assert.ok(passed.guided.l1 <= Math.min(passed.gradient.l1, passed.deconvnet.l1), node);
      }
      const network = new Network(gpu, net.graph, net.parameters);
      const through = gates.map(({ tensor }) => tensor);
      const plain = await network.gradient(net.input, { target: 1, rule, through });
      for (const { tensor, signal } of gates) {
        const l1 = plain.layers.get(tensor)!.signal.data.reduce((sum, v) => sum + Math.abs(v), 0);
        assert.is(signal!.l1, l1, tensor);
      }
      await network.dispose();
    });
  }
}

test('winners are those that the engine’s own indices name, and an export is the tensor itself', async () => {
  const attrs = { kernel: [3, 2], stride: [2, 1], pad: [1, 1, 0, 1], ceilMode: true };
  const graph: Graph = {
    name: 'indices',
    inputs: [{ name: 'x', shape: [1, 3, 7, 6] }],
    parameters: [],
    nodes: [
      { name: 'relu', op: 'relu', inputs: ['x'], outputs: ['r'] },
      { name: 'pool', op: 'maxpool2d', inputs: ['r'], outputs: ['p', 'i'], attrs },
    ],
    outputs: ['p'],
  };
  const x = tensor(
    [1, 3, 7, 6],
    [...fill(126, normal(3))].map((v) => Math.round(2 * v)),
  );
  const found = new Map<string, AnyTensor>();
  const keep = ({ kind, tensor, data }: Exported): void =>
    void found.set(`${kind} ${tensor}`, { shape: data.shape, data: data.data.slice() } as AnyTensor);
  const result = await inspect(gpu, graph, new Map(), x, {
    neuron: { tensor: 'p', at: [1, 2, 3] },
    exports: [
      { kind: 'switches', layer: 'pool' },
      { kind: 'mask', layer: 'r*' },
      { kind: 'value', layer: 'p' },
      { kind: 'value', layer: 'x' },
      { kind: 'signal', layer: 'r' },
      { kind: 'sent', layer: 'relu' },
    ],
    onExport: keep,
  });
  const network = new Network(gpu, graph, new Map());
  const values = await network.forward(x, ['p', 'i', 'r']);
  const { data: indices, shape } = values.get('i')!;
  const wonBy = new Array<number>(6).fill(0);
  const wins = new Map<number, number>();
  const places = Array.from(indices, (i, o) => {
    const [oh, ow] = [Math.floor(o / shape[3]) % shape[2], o % shape[3]];
    const [row, column] = [Math.floor(i / 6) % 7, i % 6];
    const place = (row - (2 * oh - 1)) * 2 + (column - (ow - 1));
    wonBy[place]++;
    wins.set(i, (wins.get(i) ?? 0) + 1);
    return place;
  });
  assert.equal([...found.get('switches p')!.data], places);
  const windows = result.layers.find(({ node }) => node === 'pool')!.windows!;
  assert.equal(windows.wonBy, wonBy);
  windows.wins.forEach((n, k) => assert.is(n, k === 0 ? 126 - wins.size : [...wins.values()].filter((v) => v === k).length));
  assert.equal(
    [...found.get('mask r')!.data],
    Array.from(x.data, (v) => Number(v > 0)),
  );
  assert.equal([...found.get('value p')!.data], [...values.get('p')!.data]);
  assert.is(found.get('value x')!.data.length, 126);
  const winner = indices[(1 * shape[2] + 2) * shape[3] + 3];
  assert.equal(
    [...found.get('signal r')!.data],
    Array.from(x.data, (_, i) => Number(i === winner)),
  );
  assert.equal(
    [...found.get('sent r')!.data],
    Array.from(x.data, (v, i) => Number(i === winner && v > 0)),
  );
  assert.is(found.size, 6);
  await network.dispose();
});

test('a clip passes between its limits; what is not a number is counted, and stops nothing', async () => {
  const graph: Graph = {
    name: 'clip',
    inputs: [{ name: 'x', shape: [1, 2, 1, 3] }],
    parameters: [],
    nodes: [
      { name: 'clip', op: 'clip', inputs: ['x'], outputs: ['c'], attrs: { min: 0, max: 6 } },
      { name: 'relu', op: 'relu', inputs: ['c'], outputs: ['r'] },
      { name: 'most', op: 'globalmaxpool', inputs: ['r'], outputs: ['m'] },
    ],
    outputs: ['m'],
  };
  const { layers, value, input } = await inspect(gpu, graph, new Map(), tensor([1, 2, 1, 3], [-1, 0, 3, 6, NaN, 7]), { strongest: 'm' });
  const [clip, relu, most] = layers;
  assert.is(value, 3);
  // 3 alone: 0 and 6 lie on the limits, and NaN compares with nothing.
  assert.is(clip.passing, 1);
  assert.equal([relu.gate!.active, relu.gate!.tied, relu.gate!.nan, relu.value.nan], [3, 2, 1, 1]);
  assert.equal(most.windows!.wonBy, [0, 1, 1]);
  assert.equal([most.windows!.kernel, most.windows!.tied, most.value.nan], [[1, 3], 0, 1]);
  assert.equal([input.signal.l1, input.value.nan], [1, 1]);
});

test('layers by name, tensor or pattern; the numbers are the same whatever else is looked at', async () => {
  const { graph, parameters } = smallNet(3);
  const input = { shape: [1, 3, 16, 12], data: fill(576, normal(5)) };
  const whole = await inspect(gpu, graph, parameters, input, { target: 2 });
  const of = (layers: readonly LayerInspection[]): string[] => layers.map(({ node }) => node);
  assert.equal(of(whole.layers), ['conv1', 'relu1', 'pool1', 'conv2', 'relu2', 'fc']);
  const some = await inspect(gpu, graph, parameters, input, { target: 2, layers: ['relu?', 'p1'] });
  assert.equal(of(some.layers), ['relu1', 'pool1', 'relu2']);
  assert.equal(
    some.layers,
    whole.layers.filter(({ node }) => of(some.layers).includes(node)),
  );
  assert.ok(some.bufferBytes <= whole.bufferBytes && whole.bufferBytes < 1.5 * some.bufferBytes);
  const typed = typeGraph(graph);
  for (const { tensor, shape, value } of whole.layers) {
    assert.equal(shape, typed.values.get(tensor)!.shape);
    assert.is(value.elements, size(shape));
  }
  const exports = [{ kind: 'signal', layer: '*' }] as const;
  const reached: string[] = [];
  const below = await inspect(gpu, graph, parameters, input, { strongest: 'p1', exports, onExport: ({ node }) => void reached.push(node) });
  assert.equal([reached, below.unreached], [['pool1', 'relu1', 'conv1'], ['conv2', 'relu2', 'flat', 'fc'].map((node) => `signal:${node}`)]);
  assert.is(below.layers.find(({ node }) => node === 'conv2')!.signal, null);
  const strongest = await inspect(gpu, graph, parameters, input, { strongest: 'r2', layers: ['relu2'] });
  assert.is(strongest.value, strongest.layers[0].value.max);
  assert.is(strongest.layers[0].signal!.l1, 1);
});

test('what is asked for and not there is told in one line', async () => {
  const { graph, parameters } = smallNet(3);
  const input = { shape: [1, 3, 16, 12], data: fill(576, normal(5)) };
  const told = async (options: Parameters<typeof inspect>[4], x: Tensor = input): Promise<string> => {
    const error = await inspect(gpu, graph, parameters, x, options).then(
      () => assert.unreachable(),
      (e: unknown) => e,
    );
    assert.instance(error, InputError);
    return (error as Error).message;
  };
  assert.match(await told({ layers: ['conv9'] }), /^--layer: expected a layer's name .* got "conv9"\. There are: "conv1" \(c1\)/);
  assert.match(await told({ layers: ['CONV'] }), /Similar: "conv1" \(c1\), "conv2" \(c2\)/);
  assert.match(await told({ exports: [{ kind: 'switches', layer: 'relu1' }] }), /^--export switches: .*There are: "pool1" \(p1\)\./);
  assert.match(await told({ target: 6 }), /expected a class in \[0, 5\], got 6/);
  assert.match(await told({ neuron: { tensor: 'r2', at: [8, 0, 0] } }), /neuron "r2"/);
  assert.match(await told({ target: 1, strongest: 'r2' }), /got several/);
  assert.match(await told({}, { shape: [2, 3, 16, 12], data: fill(1152, normal(5)) }), /expected one item, got 2x3x16x12/);
});

test.after(() => gpu.dispose());
test.run();
