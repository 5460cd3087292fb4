// docs/gradients.md on the device: every worked number, and every preset of its table on the layers that its rules speak of.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import type { Graph, ValueSpec } from '../../src/graph.ts';
import { Network } from '../../src/network.ts';
import { OPS } from '../../src/ops/index.ts';
import { compile } from '../../src/plan.ts';
import { DEFAULT_RULES, RULES, type LayerRules, type RuleSpec } from '../../src/rule.ts';
import { RULE_PRESETS, type RulePresetName } from '../../src/rulePresets.ts';
import type { AnyTensor, Tensor } from '../../src/tensor.ts';
import { conformanceTable, workedExamples, type Worked, type WrittenTensor } from '../worked.ts';

const gpu = await openDevice();
test.after(() => gpu.dispose());

const narrow = ({ shape, numbers }: WrittenTensor): Tensor => ({ shape, data: Float32Array.from(numbers, ({ value }) => value) });
const labels = ({ shape, numbers }: WrittenTensor): AnyTensor => ({ shape, data: Int32Array.from(numbers, ({ value }) => value) });

/** What the device makes of an example under a rule: y, and the signals by input. */
async function onDevice(example: Worked, rule: RuleSpec): Promise<{ y: Tensor; signals: Map<string, Tensor> }> {
  const { op, attrs, node, inputs, tensors, training } = example;
  const values = Object.fromEntries(inputs.map((name) => [name, (name === 'labels' ? labels : narrow)(tensors.get(name)!)]));
  const graph: Graph = {
    name: example.title,
    inputs: inputs.map((name): ValueSpec => ({ name, shape: tensors.get(name)!.shape, ...(name === 'labels' ? { dtype: 'i32' } : {}) })),
    parameters: [],
    nodes: [{ name: node, op, inputs, outputs: ['y'], attrs }],
    outputs: ['y'],
  };
  const wrt = inputs.filter((_, k) => OPS[op].differentiable(k));
  const executor = await Executor.create(gpu, compile(graph, { target: 'y', wrt, rule, training: training !== undefined }), new Map());
  try {
    executor.poison();
    if (training) executor.setRandom(training.seed, training.iteration);
    await executor.run(values, narrow(example.dy));
    const signals = new Map<string, Tensor>();
    for (const name of wrt) signals.set(name, await executor.readGradient(name));
    return { y: await executor.readTensor('y'), signals };
  } finally {
    executor.dispose();
  }
}

/** Rounding of f32 in sums of a few terms, beside the rounding of what is written. */
const ROUNDING = 1e-6;

function holds(what: string, got: Tensor, { shape, numbers }: WrittenTensor): void {
  assert.equal([...got.shape], [...shape], what);
  numbers.forEach(({ value, slack }, i) => {
    const error = Math.abs(got.data[i] - value);
    // Whole numbers and halves come out exact: nothing rounds on the way.
    const exact = slack === 0 && Number.isInteger(4 * value);
    assert.ok(
      exact ? error === 0 : error <= slack + ROUNDING * Math.max(1, Math.abs(value)),
      `${what}[${i}]: the document says ${value}, the device ${got.data[i]}`,
    );
  });
}

const examples = workedExamples();
for (const example of examples) {
  test(example.title, async () => {
    for (const { input, rule, ...written } of example.signals) {
      const { y, signals } = await onDevice(example, rule);
      holds('y', y, example.y);
      holds(`d${input} ${JSON.stringify(rule)}`, signals.get(input)!, written);
    }
  });
}

test('presets of the table do on each layer what the document writes for their rules', async () => {
  for (const preset of new Set(conformanceTable().flatMap((row) => row.preset ?? []))) {
    const rules: LayerRules = RULE_PRESETS[preset as RulePresetName].rules;
    let checked = 0;
    for (const example of examples) {
      const axes = OPS[example.op].rules ?? [];
      const line = example.signals.find(({ rule }) => axes.every((axis) => (rule[axis] ?? DEFAULT_RULES[axis]) === rules[axis]));
      if (axes.length === 0 || !line) continue;
      holds(`${preset} on ${example.title}`, (await onDevice(example, rules)).signals.get(line.input)!, line);
      checked++;
    }
    // A ReLU, two windows with ties, an LRN.
    assert.ok(checked >= 4, `${preset}: ${checked}`);
  }
});

test('a whole way down, as the document tells it', async () => {
  const one = (...data: number[]): Tensor => ({ shape: [1, 1], data: Float32Array.from(data) });
  const graph: Graph = {
    name: 'way down',
    inputs: [{ name: 'x', shape: [1, 1, 2, 2] }],
    parameters: [
      { name: 'w', shape: [1, 1, 1, 1] },
      { name: 'v', shape: [1, 1] },
    ],
    nodes: [
      { name: 'conv', op: 'conv2d', inputs: ['x', 'w'], outputs: ['h'] },
      { name: 'relu', op: 'relu', inputs: ['h'], outputs: ['y'] },
      { name: 'pool', op: 'maxpool2d', inputs: ['y'], outputs: ['p'], attrs: { kernel: [2, 2], stride: [2, 2] } },
      { name: 'flat', op: 'flatten', inputs: ['p'], outputs: ['f'] },
      { name: 'fc', op: 'linear', inputs: ['f', 'v'], outputs: ['s'] },
    ],
    outputs: ['s'],
    scores: 's',
  };
  const x: Tensor = { shape: [1, 1, 2, 2], data: Float32Array.of(1, -1, 2, 0) };
  const w: Tensor = { shape: [1, 1, 1, 1], data: Float32Array.of(-1) };
  for (const [v, wanted] of [
    [-3, { gradient: 3, deconvnet: 0, guided: 0, linear: 3 }],
    [3, { gradient: -3, deconvnet: -3, guided: -3, linear: -3 }],
  ] as const) {
    const network = new Network(
      gpu,
      graph,
      new Map([
        ['w', w],
        ['v', one(v)],
      ]),
    );
    try {
      for (const rule of RULES) {
        const { gradient, values } = await network.gradient(x, { target: 0, rule });
        assert.equal(values, [v]);
        assert.equal(
          [...gradient.data].map((d) => d + 0),
          [0, wanted[rule], 0, 0],
        );
      }
    } finally {
      await network.dispose();
    }
  }
});

test.run();
