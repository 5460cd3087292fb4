// Looking at a node as a pass goes by: the very bits that a run which keeps everything has, in the memory of one that keeps nothing.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { Executor, sharesForward, type Sight } from '../../src/gpu/executor.ts';
import { ParameterStore } from '../../src/gpu/store.ts';
import { typeGraph } from '../../src/graph.ts';
import { paperNet } from '../../src/models/paper.ts';
import { compile, type CompileOptions, type Plan } from '../../src/plan.ts';
import { RULES, type RuleSpec } from '../../src/rule.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { randomNet } from '../nets.ts';

const gpu = await openDevice();
/** What a promise fails with. */
const told = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error) => error,
  );
const bits = (data: ArrayLike<number>): number[] => [...new Uint32Array(Float32Array.from(data).buffer)];

for (const seed of [1, 2, 3, 5, 8]) {
  for (const rule of [{}, { relu: 'guided', zero: 'open', maxpool: 'average-ties' }] as const) {
    test(`net ${seed}, ${rule.relu ?? 'gradient'}: every moment shows what a run that keeps everything reads`, async () => {
      const net = randomNet(seed);
      const typed = typeGraph(net.graph);
      const target = net.graph.scores!;
      const { shape } = typed.values.get(target)!;
      const ask: CompileOptions = { target, wrt: ['x'], rule };
      const whole = await Executor.create(gpu, compile(typed, { ...ask, keepAll: true, signals: 'all' }), net.parameters);
      const walk = await Executor.create(gpu, compile(typed, { ...ask, observe: typed.nodes.map(({ name }) => name) }), net.parameters);
      whole.poison();
      walk.poison();
      const down: Tensor = { shape, data: fill(size(shape), normal(seed + 40)) };
      await whole.run({ x: net.input }, down);
      const seen = { up: 0, down: 0, gates: 0 };
      const nodes = new Map(typed.nodes.map((node) => [node.name, node]));
      const into = new Float32Array(1e5);
      await walk.forward({ x: net.input }, async ({ moment, read }: Sight) => {
        const node = nodes.get(moment.node)!;
        for (const [refs, names] of [
          [moment.x, node.inputs],
          [moment.y, node.outputs],
        ] as const) {
          for (const [k, ref] of refs.entries()) {
            if (!ref) {
              assert.ok(names[k] === '' || net.parameters.has(names[k]), `${moment.node}: ${names[k]}`);
              continue;
            }
            assert.equal(bits(await read(ref, into)), bits((await whole.readTensor(names[k])).data), `${moment.node}: ${names[k]}`);
            seen.up++;
          }
        }
      });
      await walk.backward(down, async ({ moment, read }: Sight) => {
        const node = nodes.get(moment.node)!;
        for (const [k, ref] of moment.dy.entries()) {
          if (!ref) continue;
          assert.equal(bits(await read(ref)), bits((await whole.readGradient(node.outputs[k])).data), `d(${node.outputs[k]})`);
          seen.down++;
        }
        for (const [k, ref] of moment.dx.entries()) {
          const alone = typed.nodes.flatMap((other) => other.inputs).filter((name) => name === node.inputs[k]).length === 1;
          if (!ref || !alone) continue;
          assert.equal(bits(await read(ref)), bits((await whole.readGradient(node.inputs[k])).data), `d(${node.inputs[k]})`);
        }
        const gate = moment.x[0] ?? moment.y[0];
        assert.is(gate !== null, node.op === 'relu');
        if (!gate) return;
        const name = rule.zero === 'open' ? node.inputs[0] : node.outputs[0];
        assert.equal(bits(await read(gate)), bits((await whole.readTensor(name)).data), `gate of ${node.name}`);
        seen.gates++;
      });
      assert.ok(seen.up > 10 && seen.down > 5 && seen.gates > 2, JSON.stringify(seen));
      assert.equal(bits((await walk.readGradient('x')).data), bits((await whole.readGradient('x')).data));
      whole.dispose();
      walk.dispose();
    });
  }
}

test('the memory of a walk does not grow with the nodes looked at', () => {
  const graph = paperNet({ width: 64, hidden: 64 });
  const typed = typeGraph(graph);
  const ask: CompileOptions = { target: graph.scores!, wrt: [graph.inputs[0].name], rule: { relu: 'gradient' } };
  const bytes = (options: CompileOptions): number => compile(typed, { ...ask, ...options }).slots.reduce((sum, slot) => sum + slot, 0);
  const plain = bytes({});
  const observed = bytes({ observe: typed.nodes.map(({ name }) => name) });
  const kept = bytes({ keepAll: true, signals: 'all' });
  assert.ok(observed <= 1.25 * plain, `${observed} of ${plain}`);
  assert.ok(kept > 2 * observed, `${kept} of ${observed}`);
});

test('one forward pass serves the backward passes of all rules, to the bit', async () => {
  for (const seed of [1, 2, 5]) {
    const net = randomNet(seed);
    const typed = typeGraph(net.graph);
    const target = net.graph.scores!;
    const { shape } = typed.values.get(target)!;
    const down: Tensor = { shape, data: fill(size(shape), normal(seed)) };
    const observe = typed.nodes.map(({ name }) => name);
    const planOf = (rule: RuleSpec): Plan => compile(typed, { target, wrt: ['x'], rule, observe });
    const store = new ParameterStore(gpu, net.parameters);
    const lender = await Executor.create(gpu, planOf({}), store);
    await lender.forward({ x: net.input });
    for (const relu of RULES) {
      const alone = await Executor.create(gpu, planOf({ relu }), store);
      await alone.run({ x: net.input }, down);
      const other = await Executor.create(gpu, planOf({ relu }), store, { forwardOf: lender });
      assert.ok(other.stats.bufferBytes < lender.stats.bufferBytes);
      await other.backward(down);
      assert.equal(bits((await other.readGradient('x')).data), bits((await alone.readGradient('x')).data), `net ${seed}, ${relu}`);
      assert.match(String(await told(other.forward({ x: net.input }))), /Run the one that lends it/);
      assert.match(String(await told(other.run({ x: net.input }, down))), /Run the one that lends it/);
      // Its signals are gone, its values stand.
      assert.match(String(await told(lender.readGradient('x'))), /expected a backward pass before it/);
      other.dispose();
      alone.dispose();
    }
    await lender.backward(down);
    const again = bits((await lender.readGradient('x')).data);
    await lender.run({ x: net.input }, down);
    assert.equal(again, bits((await lender.readGradient('x')).data));
    const apart = compile(typed, { target, wrt: ['x'], keepAll: true });
    assert.not(sharesForward(apart, lender.plan));
    assert.match(String(await told(Executor.create(gpu, apart, store, { forwardOf: lender }))), /shares its forward pass/);
    assert.match(String(await told(Executor.create(gpu, lender.plan, net.parameters, { forwardOf: lender }))), /shares its forward pass/);
    lender.dispose();
    store.dispose();
  }
});

test('a moment that has passed shows nothing, nor does a tensor of another; what is no node is refused', async () => {
  const net = randomNet(2);
  const typed = typeGraph(net.graph);
  const [first, second] = typed.nodes.map(({ name }) => name);
  const walk = await Executor.create(gpu, compile(typed, { observe: [first, second] }), net.parameters);
  const sights: Sight[] = [];
  await walk.forward({ x: net.input }, (sight) => void sights.push(sight));
  assert.equal(
    sights.map(({ moment }) => moment.node),
    [first, second],
  );
  assert.instance(await told(sights[0].read(sights[0].moment.y[0]!)), InputError);
  let other: unknown;
  await walk.forward({ x: net.input }, async ({ moment, read }) => {
    if (moment.node === first) other = await told(read(sights[1].moment.y[0]!));
  });
  assert.instance(other, InputError);
  // A visitor that fails leaves no half pass to be read.
  const failure = new Error('seen enough');
  assert.is(await told(walk.forward({ x: net.input }, () => Promise.reject(failure))), failure);
  assert.match(String(await told(walk.read(net.graph.outputs[0]))), /expected a forward pass before it/);
  walk.dispose();
  assert.throws(() => compile(typed, { observe: ['nobody'] }), /expected the name of a node, got "nobody"/);
});

test.after(() => gpu.dispose());
test.run();
