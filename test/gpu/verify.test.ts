// The identities: they hold on networks of every op and on the shipped one; b is what f64 makes of it; planted faults break them, and are named.
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph, valueInfo, withBatch, type Graph, type GraphNode } from '../../src/graph.ts';
import { loadModel } from '../../src/models/model.ts';
import { DEFAULT_MODEL } from '../../src/models/resolve.ts';
import { Network, seedAt } from '../../src/network.ts';
import { OPS } from '../../src/ops/index.ts';
import type { Plan } from '../../src/plan.ts';
import { runReference, widen } from '../../src/reference/graph.ts';
import { size, type AnyTensor, type Tensor } from '../../src/tensor.ts';
import { differingBits, ratio } from '../../src/verify/identity.ts';
import { runOnDevice } from '../../src/verify/layers.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { separateUses } from '../../src/verify/uses.ts';
import { verify, type Verification } from '../../src/verify/verify.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { randomNet } from '../nets.ts';

const gpu = await openDevice();

interface Subject {
  readonly graph: Graph;
  readonly parameters: ReadonlyMap<string, AnyTensor>;
  readonly input: Tensor;
}

const seedOf = ({ graph }: Subject, unit = 1): { target: string; seed: Tensor } => {
  const target = graph.scores!;
  const { shape } = valueInfo(typeGraph(graph), target);
  return { target, seed: seedAt(shape, new Array<number>(shape[0]).fill(unit)) };
};

const verified = (subject: Subject, change?: (plan: Plan) => Plan): Promise<Verification> =>
  verify(gpu, subject.graph, subject.parameters, subject.input, {
    ...seedOf(subject),
    change,
    graphAt: (batch) => withBatch(subject.graph, batch),
  });

const failures = ({ identities }: Verification): string[] =>
  identities.flatMap(({ name, failing }) => failing.map((row) => `${name}: ${row.layer} (${row.op}) ${row.residual} > ${row.bound}`));

/** Nodes in a chain on [2, 4, 9, 8], ended by scores. */
function chain(...blocks: readonly Omit<GraphNode, 'outputs'>[]): Subject {
  const gauss = normal(3);
  const parameters = new Map<string, AnyTensor>([
    ['w', { shape: [6, 2, 3, 3], data: fill(108, () => gauss() / 4) }],
    ['b', { shape: [6], data: fill(6, gauss) }],
    ['v', { shape: [5, 6, 2, 2], data: fill(120, () => gauss() / 5) }],
    ['c', { shape: [5], data: fill(5, gauss) }],
    ['fc', { shape: [3, 5], data: fill(15, gauss) }],
    ['d', { shape: [3], data: fill(3, gauss) }],
    ['offsets', { shape: [2], data: Int32Array.of(2, -1) }],
    ['gain', { shape: [1, 6, 1, 1], data: fill(6, gauss) }],
    ['scale', { shape: [6], data: fill(6, () => 1 + 0.2 * gauss()) }],
    ['mean', { shape: [6], data: fill(6, gauss) }],
    ['variance', { shape: [6], data: fill(6, () => 1 + gauss() ** 2) }],
  ]);
  const all: Omit<GraphNode, 'outputs'>[] = [
    { name: 'conv1', op: 'conv2d', inputs: ['x', 'w', 'b'], attrs: { pad: [1, 1, 1, 1], groups: 2 } },
    ...blocks,
    { name: 'conv9', op: 'conv2d', inputs: ['', 'v', 'c'] },
    { name: 'relu9', op: 'relu', inputs: [''] },
    { name: 'mean9', op: 'globalavgpool', inputs: [''] },
    { name: 'flat9', op: 'flatten', inputs: [''] },
    { name: 'fc9', op: 'linear', inputs: ['', 'fc', 'd'] },
  ];
  const nodes = all.map((node, i): GraphNode => {
    const inputs = node.inputs.map((name) => (name === '' ? all[i - 1].name : name));
    return { ...node, inputs, outputs: [node.name] };
  });
  const used = new Set(nodes.flatMap((node) => node.inputs));
  const shape = [2, 4, 9, 8];
  return {
    graph: {
      name: 'chain',
      inputs: [{ name: 'x', shape }],
      parameters: [...parameters].flatMap(([name, t]) =>
        used.has(name) ? [{ name, shape: t.shape, dtype: t.data instanceof Int32Array ? ('i32' as const) : ('f32' as const) }] : [],
      ),
      nodes,
      outputs: ['fc9'],
      scores: 'fc9',
    },
    parameters,
    input: { shape, data: fill(size(shape), normal(9)) },
  };
}

const one = (op: string, attrs: GraphNode['attrs'] = {}, more: readonly string[] = []): Omit<GraphNode, 'outputs'> => ({
  name: `${op}1`,
  op,
  inputs: ['', ...more],
  attrs,
});

/** Ops that have a backward pass and take no labels: the others are training's and class models'. */
const DIFFERENTIABLE = Object.values(OPS).flatMap((op) =>
  op.differentiable(0) && !['crossentropy', 'nll'].includes(op.name) ? [op.name] : [],
);

const BLOCKS: readonly (readonly Omit<GraphNode, 'outputs'>[])[] = [
  [one('relu'), one('maxpool2d', { kernel: [3, 3], stride: [2, 2], pad: [1, 1, 1, 1] }), one('lrn', { alpha: 0.5, size: 3 })],
  [
    one('batchnorm', {}, ['scale', 'b', 'mean', 'variance']),
    one('clip', { min: -0.5, max: 1 }),
    one('avgpool2d', { kernel: [3, 2], pad: [1, 0, 1, 1] }),
  ],
  [one('relu'), one('add', {}, ['conv1']), one('mul', {}, ['gain']), one('dropout'), one('identity')],
  [one('pad', { before: [0, 0, 1, 0], after: [0, 0, 0, 2], value: 0.5 }), one('blur', { sigma: 0.7 }), one('roll', {}, ['offsets'])],
  [one('softmax', { axis: 1 }), { name: 'mul2', op: 'mul', inputs: ['', 'conv1'] }],
  [one('logsoftmax', { axis: 1 }), one('reshape', { shape: [0, 0, 8, 9] })],
];

for (const blocks of BLOCKS) {
  const names = blocks.map(({ op }) => op).join(', ');
  test(`${names}: every identity holds`, async () => {
    const result = await verified(chain(...blocks));
    assert.equal(failures(result), []);
    assert.ok(result.passed);
    for (const { name, verdict } of result.identities) assert.is(verdict, 'holds', name);
  });
}

test('random networks with branches and shortcuts, and all ops between them', async () => {
  const seen = new Set(BLOCKS.flat().map(({ op }) => op));
  for (let n = 0; n < 6; n++) {
    const net = randomNet(n);
    for (const { op } of net.graph.nodes) seen.add(op);
    assert.equal(failures(await verified(net)), [], net.graph.name);
  }
  assert.equal(
    DIFFERENTIABLE.filter((op) => !seen.has(op)),
    [],
  );
});

test('a unit anywhere as the target, where its tensor is used several times too', async () => {
  const net = randomNet(2);
  const typed = typeGraph(net.graph);
  const uses = net.graph.nodes.flatMap(({ inputs }) => inputs);
  const inner = net.graph.nodes.filter(({ op, outputs }) => op === 'relu' && valueInfo(typed, outputs[0]).shape.length === 4);
  const branching = inner.filter(({ outputs: [name] }) => uses.filter((used) => used === name).length > 1);
  assert.ok(branching.length > 0, 'expected a value with several uses');
  for (const target of [branching[0].outputs[0], inner.at(-1)!.outputs[0]]) {
    const { shape } = valueInfo(typed, target);
    const seed = seedAt(shape, new Array<number>(shape[0]).fill(3));
    const result = await verify(gpu, net.graph, net.parameters, net.input, { target, seed });
    assert.equal(failures(result), [], target);
  }
});

test('separate uses: the same values and the same gradient, to the bit', async () => {
  for (let n = 0; n < 4; n++) {
    const net = randomNet(n);
    const separate = separateUses(net.graph);
    const network = new Network(gpu, net.graph, net.parameters);
    const { gradient, scores } = await network.gradient(net.input, { target: 1 });
    await network.dispose();
    const { target, seed } = seedOf(net);
    const run = await runOnDevice(gpu, typeGraph(separate.graph), net.parameters, net.input, { target, seed, rule: {}, wrt: ['x'] });
    assert.is(differingBits(Float32Array.from(run.signals.get('x')!.data), gradient.data), 0);
    assert.is(differingBits(Float32Array.from(run.values.get(target)!.data), scores!.data), 0);
  }
});

test('b is the score at an input of zero on the frozen branch, in f64', async () => {
  for (const blocks of [BLOCKS[0].slice(0, 2), BLOCKS[1], BLOCKS[2], BLOCKS[3]]) {
    const subject = chain(...blocks);
    const { graph, parameters, input } = subject;
    const { account } = await verified(subject);
    const typed = typeGraph(graph);
    const { target, seed } = seedOf(subject);
    const { values, sources } = await runOnDevice(gpu, typed, parameters, input, { target, seed, rule: {}, wrt: ['x'] });
    const zero = new Map([...sources, ['x', { shape: input.shape, data: new Float64Array(input.data.length) }]]);
    const atZero = runReference(typed, zero, { branch: values }).get(target)!.data;
    const want = widen(seed).data.reduce((sum, s, i) => sum + s * atZero[i], 0);
    assert.ok(Math.abs(account.bias + account.remainder - want) < 1e-5 * Math.max(1, Math.abs(want)), `${account.bias}, expected ${want}`);
    assert.is(account.remainder, 0);
    assert.ok(Math.abs(account.shares.reduce((sum, { share }) => sum + share, 0) - account.bias) < 1e-12);
    assert.ok(Math.abs(account.score - account.along - account.bias) < 1e-5);
  }
});

test('the shipped network: every identity holds, far within its bound', async () => {
  const model = await loadModel(`weights/${DEFAULT_MODEL}.json`);
  const shape = [1, 3, 64, 64];
  const loaded = model.at({ [model.input.name]: shape });
  const result = await verified({ ...loaded, input: { shape, data: fill(size(shape), normal(1)) } });
  assert.equal(failures(result), []);
  for (const { name, verdict } of result.identities) assert.is(verdict, 'holds', name);
  for (const { name, worst } of result.identities)
    if (worst && name !== 'constant') assert.ok(ratio(worst) < 0.1, `${name} ${ratio(worst)}`);
  assert.ok(Math.abs(result.account.score - result.account.along - result.account.bias - result.account.remainder) < 1e-5);
});

if (!dataPresent) sayMissing('the identities on SqueezeNet');
else {
  test('SqueezeNet 1.1, on a small picture: every identity holds', async () => {
    const model = await loadModel(dataPath('models', 'squeezenet1.1.onnx'));
    const shape = [1, 3, 67, 67];
    const loaded = model.at({ [model.input.name]: shape });
    const result = await verified({ ...loaded, input: { shape, data: fill(size(shape), normal(1)) } });
    assert.equal(failures(result), []);
    assert.is(result.identities.find(({ name }) => name === 'transposed')!.rows.length, 26);
  });
}

test('with the kernels of a GPU every identity holds, and a lost item is noticed', async () => {
  const asGpu = Object.create(gpu, { info: { value: { ...gpu.info, software: false } } }) as typeof gpu;
  const model = await loadModel(`weights/${DEFAULT_MODEL}.json`);
  const shape = [1, 3, 64, 64];
  const { graph, parameters } = model.at({ [model.input.name]: shape });
  const subject = { graph, parameters, input: { shape, data: fill(size(shape), normal(1)) } };
  const check = (change?: (plan: Plan) => Plan): Promise<Verification> =>
    verify(asGpu, graph, parameters, subject.input, { ...seedOf(subject), change, graphAt: (batch) => withBatch(graph, batch) });
  assert.equal(failures(await check()), []);
  const source = readFileSync('shaders/conv2d_gemm.wgsl', 'utf8');
  const lost = source.replace('return Pixel(n,', 'return Pixel(0u,');
  assert.not.equal(lost, source);
  const noticed = failures(
    await check((plan) => (plan.shaders.conv2d_gemm ? { ...plan, shaders: { ...plan.shaders, conv2d_gemm: lost } } : plan)),
  );
  assert.ok(
    noticed.some((line) => line.startsWith('batch: item 1')),
    noticed.join('\n'),
  );
});

/** Ten faults; each a text in one shader or several, or a change of the plan. */
const FAULTS: readonly {
  readonly what: string;
  readonly shaders?: readonly string[];
  readonly find?: string;
  readonly replace?: string;
  readonly change?: (plan: Plan) => Plan;
  /** What has to be among the layers that are named, with the identity. */
  readonly named: RegExp;
}[] = [
  { what: 'a sign flipped', shaders: ['relu'], find: 'r > vec4f()', replace: 'r < vec4f()', named: /^relu: relu1/ },
  { what: '>= for >', shaders: ['relu'], find: 'v > vec4f()', replace: 'v >= vec4f()', named: /^relu: relu1/ },
  {
    what: 'padding off by one',
    shaders: ['maxpool2d'],
    find: 'g.strideHeight - g.padTop;',
    replace: 'g.strideHeight - g.padTop + 1;',
    named: /^adjoint: maxpool2d1 /,
  },
  {
    what: 'a group missing',
    shaders: ['conv2d', 'conv2d_tile', 'conv2d_quad'],
    find: '.n * g.groups + part)',
    replace: '.n * g.groups)',
    named: /^(adjoint|transposed): conv1 /,
  },
  {
    what: 'the switch of another window',
    shaders: ['maxpool2d'],
    find: 'select(NONE, switchAt(o), there)',
    replace: 'select(NONE, switchAt(max(o, 1u) - 1u), there)',
    named: /^adjoint: maxpool2d1 /,
  },
  {
    what: 'a bias lost',
    shaders: ['conv2d', 'conv2d_tile', 'conv2d_quad'],
    find: 'g.biased == 1u',
    replace: 'g.biased == 2u',
    named: /^constant: conv1 /,
  },
  { what: 'a stale buffer: two values in one slot', change: shareSlot, named: /^layers: / },
  {
    what: 'a race: neighbours do the same elements',
    shaders: ['relu'],
    find: '* 512u + local',
    replace: '* 512u + (local & 254u)',
    named: /^(adjoint|relu): relu1/,
  },
  { what: 'a transposed weight', shaders: ['pack'], find: 'g.outputPitch', replace: 'g.inputPitch', named: /^adjoint: conv1 / },
  {
    what: 'an item of the batch dropped',
    shaders: ['conv2d_tile', 'conv2d_quad', 'conv2d'],
    find: 'return Pixel(n,',
    replace: 'return Pixel(0u,',
    named: /^adjoint: conv1 /,
  },
];

/** Gives one value of the plan the slot of an earlier one: what is read from there later is not what was written. */
function shareSlot(plan: Plan): Plan {
  const activations = Object.values(plan.tensors).filter(({ kind, slot }) => kind === 'activation' && slot >= 0);
  for (const [i, a] of activations.entries()) {
    // A kernel that reads and writes one buffer is refused by the device.
    const together = (b: string): boolean =>
      [...plan.forward, ...plan.backward].some(({ bind }) => {
        const bound = Object.values(bind);
        return bound.includes(b) && bound.some((id) => plan.tensors[id].slot === a.slot);
      });
    const b = activations.slice(i + 1).find(({ id, bytes, slot }) => bytes <= plan.slots[a.slot] && slot !== a.slot && !together(id));
    if (!b) continue;
    // No slot may be left over: those behind one that nobody uses any more move up.
    const empty = Object.values(plan.tensors).every(({ id, slot }) => id === b.id || slot !== b.slot);
    const moved = (slot: number): number => (empty && slot > b.slot ? slot - 1 : slot);
    const tensors = Object.entries(plan.tensors).map(([id, tensor]) => [
      id,
      { ...tensor, slot: moved(id === b.id ? a.slot : tensor.slot) },
    ]);
    return { ...plan, tensors: Object.fromEntries(tensors), slots: plan.slots.filter((_, slot) => !empty || slot !== b.slot) };
  }
  return plan;
}

const SUBJECT = chain(one('relu'), one('maxpool2d', { kernel: [3, 3], stride: [2, 2], pad: [1, 1, 1, 1] }));
for (const { what, shaders = [], find = '', replace = '', change, named } of FAULTS) {
  test(`fault: ${what}`, async () => {
    const sources = new Map(shaders.map((shader) => [shader, readFileSync(`shaders/${shader}.wgsl`, 'utf8')]));
    assert.ok(change || [...sources.values()].some((source) => source.includes(find)), 'plant this fault anew');
    let planted = false;
    const plant = (plan: Plan): Plan => {
      const broken = [...sources].flatMap(([shader, source]) =>
        plan.shaders[shader] && source.includes(find) ? [[shader, source.replaceAll(find, replace)]] : [],
      );
      const changed = change ? change(plan) : { ...plan, shaders: { ...plan.shaders, ...Object.fromEntries(broken) } };
      planted ||= broken.length > 0 || changed !== plan;
      return changed;
    };
    const result = await verified(SUBJECT, plant);
    assert.ok(planted, 'expected the network to use the shader');
    assert.not(result.passed);
    const found = failures(result);
    const identities = result.identities.flatMap(({ name, verdict, worst }) => (verdict === 'fails' ? [`${name} (${worst!.layer})`] : []));
    console.log(`measured: ${what}: ${identities.join(', ')}`);
    assert.ok(
      found.some((line) => named.test(line)),
      `expected ${named}, got:\n${found.join('\n')}`,
    );
  });
}

test('an item of a batch dropped shows on an input of one item too', async () => {
  const single = { ...SUBJECT, graph: withBatch(SUBJECT.graph, 1), input: { shape: [1, 4, 9, 8], data: SUBJECT.input.data.slice(0, 288) } };
  const source = (name: string): string => readFileSync(`shaders/${name}.wgsl`, 'utf8').replaceAll('return Pixel(n,', 'return Pixel(0u,');
  const { identities } = await verified(single, (plan) => ({
    ...plan,
    shaders: Object.fromEntries(
      Object.entries(plan.shaders).map(([name, text]) => [name, name.startsWith('conv2d_') ? source(name) : text]),
    ),
  }));
  assert.equal(
    identities.flatMap(({ name, verdict }) => (verdict === 'fails' ? [name] : [])),
    ['batch'],
  );
});

test('a bias lost in a single layer, each in turn: that layer alone is named', async () => {
  for (const name of ['conv1', 'conv9']) {
    const lose = (plan: Plan): Plan => ({
      ...plan,
      forward: plan.forward.map((step) => (step.node === name ? { ...step, geometry: { ...step.geometry, biased: 0 } } : step)),
    });
    const { identities } = await verified(SUBJECT, lose);
    for (const { name: identity, failing } of identities)
      if (['layers', 'adjoint', 'constant'].includes(identity))
        assert.equal(
          failing.map(({ layer }) => layer),
          [name],
          identity,
        );
  }
});

test.after(() => gpu.dispose());
test.run();
