// Traces: the counts of a device's branch against chains walked one by one, influence against the value it makes up, passages against the engine's own.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph } from '../../src/graph.ts';
import { trace } from '../../src/inspect/trace.ts';
import { Network } from '../../src/network.ts';
import { paperNet } from '../../src/models/paper.ts';
import { RULES, type Rule } from '../../src/rule.ts';
import { size, type AnyTensor, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { chains } from '../chains.ts';
import { branchNet, chainNet, type PathNet } from '../pathnets.ts';
import { smallNet } from '../smallnet.ts';

const gpu = await openDevice();

async function deviceValues(net: Pick<PathNet, 'graph' | 'parameters' | 'input'>): Promise<Map<string, AnyTensor>> {
  const typed = typeGraph(net.graph);
  const network = new Network(gpu, net.graph, net.parameters);
  const values = new Map<string, AnyTensor>([...net.parameters, ['x', net.input]]);
  const names = [...typed.producer.keys()];
  for (const [name, value] of await network.forward(net.input, names)) values.set(name, value);
  await network.dispose();
  return values;
}

const unitOf = ({ typed, target, unit }: PathNet): number[] => {
  const { shape } = typed.values.get(target)!;
  const at: number[] = [];
  for (let axis = shape.length - 1, rest = unit; axis > 0; axis--) {
    at.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return at;
};

const sumOf = (data: ArrayLike<number>): number => Array.from(data).reduce((sum, v) => sum + v, 0);

for (const net of [chainNet(1), chainNet(2, 0.3), branchNet(4), branchNet(5, 0.3)]) {
  test(`${net.name}: paths through every layer, and the open field`, async () => {
    const traced = await trace(gpu, net.graph, net.parameters, net.input, { neuron: { tensor: net.target, at: unitOf(net) } });
    const values = await deviceValues(net);
    const walked = chains(net.typed, values, net.target, net.unit);
    const [, channels, height, width] = net.input.shape;
    const plane = height * width;
    const perPixel = new Float64Array(plane);
    walked.get('x')!.forEach((n, i) => (perPixel[i % plane] += n));
    assert.is(channels * plane, walked.get('x')!.length);
    assert.equal(
      [...traced.openMask],
      Array.from(perPixel, (n) => Number(n > 0)),
    );
    traced.pathMap.forEach((v, i) => assert.ok(v === Math.log10(perPixel[i]), `${v}`));
    assert.is(traced.input.paths.count, sumOf(walked.get('x')!));
    assert.is(traced.input.openPixels, sumOf(traced.openMask));
    assert.ok(traced.layers.length >= 2);
    for (const { node, op, tensor, open, fieldUnits, field, paths } of traced.layers) {
      const [x] = net.graph.nodes.find(({ name }) => name === node)!.inputs;
      const input = values.get(x)!.data;
      const through = (walked.get(tensor) ?? new Float64Array(0)).reduce(
        (sum, n, i) => sum + (op === 'relu' && !(input[i] > 0) ? 0 : n),
        0,
      );
      assert.is(paths.count, through, node);
      if (op !== 'relu') continue;
      // The field's open gates, counted element by element.
      const { shape } = net.typed.values.get(tensor)!;
      let [inside, on] = [0, 0];
      for (let i = 0; i < size(shape); i++) {
        let rest = i;
        let within = true;
        for (let axis = shape.length - 1; axis >= 0; axis--) {
          const c = rest % shape[axis];
          rest = Math.floor(rest / shape[axis]);
          within &&= c >= field[axis][0] && c < field[axis][1];
        }
        if (within) inside++;
        if (within && input[i] > 0) on++;
      }
      assert.equal([fieldUnits, open], [inside, on], node);
    }
    const box = traced.input.field;
    perPixel.forEach((n, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      if (n > 0) assert.ok(x >= box.x0 && x < box.x1 && y >= box.y0 && y < box.y1);
    });
  });
}

test('without biases what speaks for and against makes up the value, at every layer that all of it passes', async () => {
  const { graph, parameters } = smallNet(3);
  const input = { shape: [1, 3, 16, 12], data: fill(576, normal(5)) };
  const traced = await trace(gpu, graph, parameters, input, { strongest: 'c2' });
  assert.ok(traced.value > 0.5);
  const total = ({ positive, negative }: { positive: number; negative: number }): number => positive + negative;
  assert.ok(Math.abs(total(traced.input.influence) - traced.value) < 1e-5 * traced.value);
  assert.ok(Math.abs(traced.input.rest) < 1e-5 * traced.value);
  const [relu1, pool1] = traced.layers;
  assert.ok(Math.abs(total(relu1.influence!) - traced.value) < 1e-5 * traced.value);
  assert.ok(relu1.influence!.negative < 0 && pool1.influence === null);
  assert.ok(Math.abs(sumOf(traced.influenceMap) - traced.value) < 1e-5 * traced.value);
  // 3x3 cells of eight channels, each the winner of 2x2 units whose windows of 3x3 read 3 channels.
  assert.ok(traced.input.field.x1 - traced.input.field.x0 <= 8);
  assert.equal(pool1.field.map(([from, to]) => to - from).slice(0, 2), [1, 8]);
});

test('passages are what the engine passes under each rule', async () => {
  const { graph, parameters } = smallNet(6);
  const input = { shape: [1, 3, 16, 12], data: fill(576, normal(8)) };
  const traced = await trace(gpu, graph, parameters, input, { target: 3 });
  assert.is(traced.class, 3);
  const network = new Network(gpu, graph, parameters);
  const mass = ({ data }: Tensor): number => data.reduce((sum, v) => sum + Math.abs(v), 0);
  for (const rule of RULES) {
    const { gradient, layers } = await network.gradient(input, { target: 3, rule, through: ['r1', 'c1', 'p1', 'r2', 'c2'] });
    assert.equal([...traced.signals[rule].data], [...gradient.data]);
    assert.is(traced.input.rules[rule].l1, mass(gradient));
    const at = (name: string): number => mass(layers.get(name)!.signal);
    const passage = (node: string): { arriving: number; passed: number } => {
      const { arriving, passed } = (traced.layers.find((layer) => layer.node === node)!.rules as Record<Rule, any>)[rule];
      return { arriving: arriving.l1, passed: passed.l1 };
    };
    assert.equal(passage('relu1'), { arriving: at('r1'), passed: at('c1') });
    assert.equal(passage('pool1'), { arriving: at('p1'), passed: at('r1') });
    assert.equal(passage('relu2'), { arriving: at('r2'), passed: at('c2') });
  }
  await network.dispose();
});

test('paths and passages under other conventions: all ties, gates open at zero, LRN passed on', async () => {
  const net = branchNet(6);
  const whole = (t: AnyTensor): Tensor => ({ shape: t.shape, data: Float32Array.from(t.data, (v) => Math.round(v / 1.5)) });
  const parameters = new Map([...net.parameters].map(([name, t]) => [name, name === 'w4' ? t : whole(t)] as const));
  const input = whole(net.input);
  const axes = { zero: 'open', maxpool: 'all-ties', lrn: 'identity' } as const;
  const neuron = { tensor: net.target, at: unitOf(net) };
  const traced = await trace(gpu, net.graph, parameters, input, { neuron, axes });
  const values = await deviceValues({ graph: net.graph, parameters, input });
  const walked = chains(net.typed, values, net.target, net.unit, { ties: true, openAtZero: true });
  assert.is(traced.input.paths.count, sumOf(walked.get('x')!));
  assert.ok(traced.input.paths.count! > (await trace(gpu, net.graph, parameters, input, { neuron })).input.paths.count!);
  const network = new Network(gpu, net.graph, parameters);
  for (const rule of RULES) {
    const { gradient } = await network.gradient(input, { neuron, rule: { ...axes, relu: rule } });
    assert.equal([...traced.signals[rule].data], [...gradient.data]);
  }
  await network.dispose();
  for (const { node, op, open, fieldUnits, tensor } of traced.layers) {
    if (op !== 'relu' || fieldUnits !== size(net.typed.values.get(tensor)!.shape)) continue;
    const [x] = net.graph.nodes.find(({ name }) => name === node)!.inputs;
    assert.is(open, sumOf(Array.from(values.get(x)!.data, (v) => Number(v >= 0))), node);
  }
});

test('a unit that is off has no path, and says so', async () => {
  const { graph, parameters } = smallNet(3);
  const input = { shape: [1, 3, 16, 12], data: fill(576, normal(5)) };
  const values = await deviceValues({ graph, parameters, input });
  const off = values.get('r2')!.data.findIndex((v) => v === 0);
  const traced = await trace(gpu, graph, parameters, input, {
    neuron: { tensor: 'r2', at: [Math.floor(off / 48), Math.floor(off / 6) % 8, off % 6] },
  });
  assert.equal([traced.value, traced.input.paths.count, traced.input.openPixels, traced.input.openBox], [0, 0, 0, null]);
  const relu2 = traced.layers.find(({ node }) => node === 'relu2')!;
  assert.equal([relu2.fieldUnits, relu2.open, relu2.paths.count, relu2.rules!.deconvnet.passed.l1], [1, 0, 0, 1]);
});

test('a network like the paper’s, from its scores down', async () => {
  const graph = paperNet({ width: 8, input: 64, classes: 4, hidden: 16 });
  const gauss = normal(9);
  const parameters = new Map<string, AnyTensor>(
    graph.parameters.map(({ name, shape }) => [name, { shape, data: fill(size(shape), () => 0.4 * gauss()) }]),
  );
  const [{ name, shape }] = graph.inputs;
  const input = { shape, data: fill(size(shape), normal(10)) };
  const traced = await trace(gpu, graph, parameters, input);
  assert.is(traced.input.tensor, name);
  assert.equal(traced.input.field, { x0: 0, y0: 0, x1: shape[3], y1: shape[2] });
  assert.ok(traced.input.paths.log10 > 5 && Number.isFinite(traced.input.paths.log10));
  // Every pixel with a gradient lies in the open field.
  const plane = shape[2] * shape[3];
  traced.signals.gradient.data.forEach((v, i) => assert.ok(v === 0 || traced.openMask[i % plane] === 1));
});

test.after(() => gpu.dispose());
test.run();
