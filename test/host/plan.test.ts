// Compilation without a device: slots never shared by tensors alive together, pruning, rules as data, targets, aliases, errors.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GraphError } from '../../src/errors.ts';
import { explain, planMemory, sameButForRules } from '../../src/explain.ts';
import { typeGraph, withBatch, type Graph } from '../../src/graph.ts';
import { lowerBound, planSlots } from '../../src/memory.ts';
import { withLoss, withPosterior } from '../../src/network.ts';
import { compile, type CompileOptions, type Plan } from '../../src/plan.ts';
import { RULES } from '../../src/rule.ts';
import { uniform } from '../../src/verify/random.ts';
import { randomNet } from '../nets.ts';

const NETS = Array.from({ length: 12 }, (_, n) => randomNet(n));

/** Replays a plan's steps and fails if a tensor is read after another has written its slot. */
function checkSlots(plan: Plan, again: boolean): void {
  const holder = new Map<number, string>();
  const writes = (shader: string, entry: string): Set<string> => {
    const source = plan.shaders[shader];
    const all = [...source.matchAll(/var<storage, read_write> (\w+)/g)].map((m) => m[1]);
    assert.ok(all.length > 0, `${shader}.${entry}`);
    return new Set(all);
  };
  for (const tensor of Object.values(plan.tensors)) if (tensor.slot >= 0 && tensor.first === -1) holder.set(tensor.slot, tensor.id);
  const backward = again ? [...plan.backward, ...plan.backward] : plan.backward;
  for (const step of [...plan.forward, ...backward]) {
    const written = writes(step.shader, step.entry);
    const slots = new Map<number, boolean>();
    for (const [variable, id] of Object.entries(step.bind)) {
      const { slot } = plan.tensors[id];
      if (slot < 0) continue;
      const writing = written.has(variable);
      assert.not.ok(slots.has(slot) && (writing || slots.get(slot)), `${step.node}: slot ${slot} is read and written in one dispatch`);
      slots.set(slot, writing);
      if (!writing) assert.is(holder.get(slot), id, `${step.node} reads "${id}" from slot ${slot}`);
    }
    for (const [variable, id] of Object.entries(step.bind))
      if (written.has(variable) && plan.tensors[id].slot >= 0) holder.set(plan.tensors[id].slot, id);
  }
  for (const name of plan.readable) {
    const { slot, id } = plan.tensors[plan.values[name].id];
    if (slot >= 0) assert.is(holder.get(slot), id, `readable "${name}"`);
  }
  for (const { id } of Object.values(plan.gradients)) assert.is(holder.get(plan.tensors[id].slot), id);
}

test('slots: random lifetimes never collide, and stay near the bound', () => {
  const next = uniform(5);
  const ROUNDS = 50;
  let ratios = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const lifetimes = Array.from({ length: 60 }, (_, i) => {
      const first = Math.floor(next() * 100);
      return { id: String(i), bytes: 16 * (1 + Math.floor(next() * 100)), first, last: first + Math.floor(next() ** 3 * 40) };
    });
    const { slots, slotOf } = planSlots(lifetimes);
    for (const a of lifetimes) {
      assert.ok(slots[slotOf.get(a.id)!] >= a.bytes);
      for (const b of lifetimes) {
        if (a !== b && slotOf.get(a.id) === slotOf.get(b.id)) assert.ok(a.last < b.first || b.last < a.first, `${a.id} and ${b.id}`);
      }
    }
    const total = slots.reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(total >= lowerBound(lifetimes));
    ratios += total / lowerBound(lifetimes);
  }
  // Sizes here have nothing in common, so that whole buffers are seldom reused without waste: harder than any network.
  assert.ok(ratios / ROUNDS <= 1.25, `mean ratio to the lower bound ${ratios / ROUNDS}`);
});

for (const { graph } of NETS) {
  test(`${graph.name}: no step reads a slot that another tensor has overwritten, also when the backward pass is walked twice`, () => {
    checkSlots(compile(graph), false);
    checkSlots(compile(graph, { target: graph.scores }), true);
    const parameters = graph.parameters.map((p) => p.name).filter((name) => !/^(mean|variance)/.test(name));
    checkSlots(compile(withLoss(graph), { keep: ['#loss'], target: '#loss', wrt: parameters }), true);
    checkSlots(compile(withPosterior(graph), { keepAll: true, target: '#posterior', signals: 'all' }), true);
  });

  test(`${graph.name}: a rule changes a constant of ReLU's backward, or that field where a layer computes it, and nothing else`, () => {
    const plain = compile(graph, { target: graph.scores });
    for (const rule of RULES) assert.ok(sameButForRules(plain, compile(graph, { target: graph.scores, rule: { relu: rule } })));
    const relus = graph.nodes.filter((node) => node.op === 'relu');
    if (relus.length === 0) return;
    const at = { [relus[0].name]: 'linear' as const };
    const overridden = compile(graph, { target: graph.scores, rule: { relu: 'guided', at } });
    assert.ok(sameButForRules(plain, overridden));
    for (const step of overridden.backward) {
      if (step.shader === 'relu') assert.is(step.constants.rule, RULES.indexOf(step.node === relus[0].name ? 'linear' : 'guided'));
    }
  });
}

test('where a layer computes the ReLU before it, its rule is a field of the uniform block', () => {
  const activations = new Map(
    RULES.flatMap((relu) =>
      (['closed', 'open'] as const).map((zero) => {
        const { backward } = compile(CHAIN, { target: 's', rule: { relu, zero } });
        const step = backward.find(({ node }) => node === 'conv2')!;
        return [`${relu} ${zero}`, [step.geometry.activation, step.bind.gate]] as const;
      }),
    ),
  );
  assert.equal(Object.fromEntries(activations), {
    'gradient closed': [4, 'b'],
    'gradient open': [12, 'a'],
    'deconvnet closed': [1, 'b'],
    'deconvnet open': [1, 'b'],
    'guided closed': [5, 'b'],
    'guided open': [13, 'a'],
    'linear closed': [0, 'b'],
    'linear open': [0, 'b'],
  });
});

test('a ReLU is computed by its neighbours unless someone asks for what lies between', () => {
  const up = 'forward relu1 conv1';
  const down = 'backward relu1 conv2';
  const fused = (options: CompileOptions, graph: Graph = CHAIN): string[] =>
    compile(graph, { target: 's', ...options }).fused.map(({ pass, relu, by }) => `${pass} ${relu} ${by}`);
  assert.equal(fused({}), [up, down]);
  assert.equal(fused({ wrt: ['w', 'v'] }), [up, down]);
  assert.equal(fused({ fuse: false }), []);
  assert.equal(fused({ keepAll: true }), [down]);
  assert.equal(fused({ keepAll: true, signals: 'all' }), []);
  assert.equal(fused({ keep: ['s', 'a'] }), [down]);
  assert.equal(fused({ keep: ['s', 'b'] }), [up, down], "ReLU's own y stands in any case");
  assert.equal(fused({ signals: ['b'] }), [up]);
  assert.equal(fused({ signals: ['a'] }), [up, down], 'what reaches x is what the layer behind writes');
  assert.equal(fused({ wrt: ['b'] }), [up]);
  assert.equal(fused({ target: 'b' }), [up], 'what arrives at the target is the seed');
  assert.equal(fused({ target: 'a' }), []);
  assert.equal(fused({ target: undefined }), [up]);
  assert.equal(fused({ observe: ['conv1'] }), [down]);
  assert.equal(fused({ observe: ['relu1'] }), []);
  assert.equal(fused({ observe: ['conv2'] }), [up]);
  // A rule that asks for the sign of x at zero reads x.
  assert.equal(fused({ rule: { zero: 'open' } }), [down]);
  assert.equal(fused({ rule: { zero: 'open', relu: 'deconvnet' } }), [up, down]);
  assert.equal(fused({ target: undefined, rule: { zero: 'open' } }), [up]);
  // Another reader of x, of y, of both.
  const read = (value: string, outputs = ['p', 'e']): Graph => ({ ...withNode({ op: 'identity', inputs: [value] }), outputs });
  assert.equal(fused({}, read('a')), [down]);
  assert.equal(fused({}, read('b')), [up, down], 'no signal comes from a reader beside the path');
  assert.equal(fused({}, read('a', ['p'])), [up, down], 'what nobody asks for is not computed');
  assert.equal(fused({ keep: [], target: 'z' }, joinedAt('b')), [up]);
  assert.equal(fused({ keep: [], target: 'z' }, joinedAt('a')), [down]);
});

test('without the tensor that a ReLU would read, a plan needs less', () => {
  for (const options of [{}, { target: 's' }]) {
    const [apart, fused] = [false, true].map((fuse) => compile(CHAIN, { ...options, fuse }));
    assert.ok('a' in apart.tensors && 'a' in apart.values);
    assert.not.ok('a' in fused.tensors || 'a' in fused.values);
    assert.ok(planMemory(fused).sum < planMemory(apart).sum);
    assert.ok(planMemory(fused).slots <= planMemory(apart).slots);
    assert.is(fused.forward.length, apart.forward.length - 1);
  }
});

test('explain says who computes a ReLU', () => {
  const { rows } = explain(typeGraph(CHAIN), compile(CHAIN, { target: 's' }));
  const row = (name: string) => rows.find(({ node }) => node === name)!;
  assert.equal(row('relu1').fused, { forward: 'conv1', backward: 'conv2' });
  assert.equal([row('relu1').forwardSteps, row('relu1').backwardSteps], [0, 0]);
  assert.equal([row('conv1').tensor, row('conv1').bytes, row('conv1').slot], ['a', 0, null]);
  assert.ok(row('relu1').bytes > 0);
  assert.equal(row('conv2').fused, { forward: null, backward: null });
});

const CHAIN: Graph = {
  name: 'chain',
  inputs: [{ name: 'x', shape: [2, 3, 8, 8] }],
  parameters: [
    { name: 'w', shape: [4, 3, 3, 3] },
    { name: 'v', shape: [5, 4, 3, 3] },
  ],
  nodes: [
    { name: 'conv1', op: 'conv2d', inputs: ['x', 'w'], outputs: ['a'] },
    { name: 'relu1', op: 'relu', inputs: ['a'], outputs: ['b'] },
    { name: 'conv2', op: 'conv2d', inputs: ['b', 'v'], outputs: ['c'] },
    { name: 'flat', op: 'flatten', inputs: ['c'], outputs: ['s'] },
    { name: 'prob', op: 'softmax', inputs: ['s'], outputs: ['p'] },
  ],
  outputs: ['p'],
  scores: 's',
};

test('saliency pays for no parameter gradient, and a neuron for no layer above it', () => {
  const input = compile(CHAIN, { target: 's' });
  assert.not.ok(input.backward.some((step) => step.shader === 'conv2d_weight'));
  assert.equal(Object.keys(input.gradients), ['x']);
  const neuron = compile(CHAIN, { target: 'a', keep: ['a'] });
  assert.equal([...new Set(neuron.forward.map((step) => step.node))], ['conv1']);
  assert.not.ok('v' in neuron.tensors, 'parameters above the neuron are not uploaded');
  const weights = compile(CHAIN, { target: 's', wrt: ['v'] });
  assert.equal([...new Set(weights.backward.map((step) => step.node))], ['conv2'], 'the sweep ends where nothing below is asked for');
});

test('a reshape costs nothing', () => {
  const plan = compile(CHAIN, { target: 's' });
  assert.is(plan.values.s.id, plan.values.c.id);
  assert.equal(plan.values.s.shape, [2, 80]);
  assert.not.ok([...plan.forward, ...plan.backward].some((step) => step.node === 'flat'));
});

test('a value used several times gets the sum of what comes back', () => {
  const graph: Graph = {
    name: 'twice',
    inputs: [{ name: 'x', shape: [3] }],
    parameters: [],
    nodes: [
      { name: 'm', op: 'mul', inputs: ['x', 'x'], outputs: ['y'] },
      { name: 'a', op: 'add', inputs: ['y', 'x'], outputs: ['z'] },
    ],
    outputs: ['z'],
  };
  const plan = compile(graph, { target: 'z' });
  assert.is(plan.backward.filter((step) => step.shader === 'binary' && step.entry === 'add').length, 2);
});

test('the plan of a batch is the plan of one item, larger', () => {
  const [one, eight] = [1, 8].map((n) => compile(withBatch(CHAIN, n), { target: 's' }));
  assert.equal(
    one.forward.map((step) => [step.node, step.shader]),
    eight.forward.map((step) => [step.node, step.shader]),
  );
  assert.equal(eight.values.s.shape, [8, 80]);
});

test('explain adds up', () => {
  const plan = compile(CHAIN, { target: 's' });
  const report = explain(typeGraph(CHAIN), plan);
  assert.is(report.macs, 2 * (4 * 6 * 6 * 3 * 9 + 5 * 4 * 4 * 4 * 9));
  assert.is(report.parameters, 4 * 3 * 9 + 5 * 4 * 9);
  assert.is(
    report.memory.slots,
    report.slots.reduce((a, b) => a + b, 0),
  );
  assert.is(report.memory.slots, planMemory(plan).slots);
  assert.ok(report.memory.lowerBound <= report.memory.slots);
});

const fails = (graph: Graph, options: Parameters<typeof compile>[1], message: RegExp): void => {
  assert.throws(
    () => compile(graph, options),
    (error: unknown) => error instanceof GraphError && message.test((error as Error).message),
  );
};
const withNode = (node: Partial<Graph['nodes'][number]>): Graph => ({
  ...CHAIN,
  nodes: [...CHAIN.nodes, { name: 'extra', op: 'relu', inputs: ['a'], outputs: ['e'], ...node }],
});

/** The chain whose scores are added to the sum over another use of a value. */
const joinedAt = (value: string): Graph => ({
  ...CHAIN,
  nodes: [
    ...CHAIN.nodes,
    { name: 'mean', op: 'globalavgpool', inputs: [value], outputs: ['m'] },
    { name: 'total', op: 'globalavgpool', inputs: ['c'], outputs: ['e'] },
    { name: 'first', op: 'conv2d', inputs: ['m', 'u'], outputs: ['f'] },
    { name: 'both', op: 'add', inputs: ['e', 'f'], outputs: ['z'] },
  ],
  parameters: [...CHAIN.parameters, { name: 'u', shape: [5, 4, 1, 1] }],
  outputs: ['z'],
});

test('errors name op and node, what was expected and what was given', () => {
  fails(withNode({ op: 'gelu' }), {}, /^gelu "extra": expected a supported op, got "gelu"\. Supported: .*conv2d/);
  fails(withNode({ inputs: ['nowhere'] }), {}, /^relu "extra": expected input "nowhere" to be made by an earlier node/);
  fails(withNode({ outputs: ['a'] }), {}, /expected a new output name, got "a"/);
  fails(withNode({ name: 'conv1' }), {}, /expected distinct node names, got "conv1" twice/);
  fails(withNode({ attrs: { slope: 1 } }), {}, /^relu "extra": unknown attribute slope/);
  fails(withNode({ inputs: ['a', 'a'] }), {}, /expected 1 inputs, got 2/);
  fails(withNode({ op: 'conv2d', inputs: ['a', 'w'] }), {}, /^conv2d "extra": expected x with 3 channels/);
  fails(withNode({ op: 'maxpool2d', attrs: { kernel: [9, 9] } }), {}, /^maxpool2d "extra": expected a padded input of at least 9 rows/);
  fails(CHAIN, { target: 'q' }, /expected a tensor of the network, got "q"/);
  fails(CHAIN, { target: 'A' }, /Similar: "a"/);
  fails(CHAIN, { target: 'a', wrt: ['v'] }, /expected a tensor that depends on "v"/);
  fails(
    CHAIN,
    { target: 's', rule: { relu: 'gradient', at: { conv1: 'linear' } } },
    /expected the name of a ReLU, got "conv1", which is conv2d\. ReLUs here: "relu1"/,
  );
  fails({ ...CHAIN, outputs: ['zz'] }, {}, /expected output "zz" to be a value/);
  fails({ ...CHAIN, inputs: [{ name: 'x', shape: [2, 0, 8, 8] }] }, {}, /expected positive extents/);
});

test.run();
