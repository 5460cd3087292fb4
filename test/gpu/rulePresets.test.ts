// Every preset against its formula, written out here in plain loops that share nothing with the engine or its reference: a network of whole
// numbers, so that maxima tie and inputs of ReLU are exactly zero, through every kind of layer that has a rule.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import type { Graph } from '../../src/graph.ts';
import { Network } from '../../src/network.ts';
import { RULE_PRESETS, type RulePresetName } from '../../src/rulePresets.ts';
import type { Tensor } from '../../src/tensor.ts';
import { uniform } from '../../src/verify/random.ts';

const gpu = await openDevice();

// conv1 3x3 pad 1 (2 -> 4 channels of 7x7), ReLU, max-pool 3x3 stride 2 pad 1 (4x4), LRN over 3 channels, fc (64 -> 5), ReLU, fc (5 -> 1).
const [SIDE, INPUTS, CHANNELS, POOLED, UNITS] = [7, 2, 4, 4, 5];
const LRN = { size: 3, alpha: 0.6, beta: 0.75, bias: 1 };

const next = uniform(9);
const whole = (count: number, low: number, high: number): number[] =>
  Array.from({ length: count }, () => low + Math.floor(next() * (high - low + 1)));
const x = whole(INPUTS * SIDE * SIDE, -1, 1);
const w1 = whole(CHANNELS * INPUTS * 9, -1, 1);
const w2 = whole(UNITS * CHANNELS * POOLED * POOLED, -2, 2);
const w3 = [1, -2, 3, 2, -1];

const spec = (name: string, shape: number[]) => ({ name, shape });
const graph: Graph = {
  name: 'presets',
  inputs: [spec('x', [1, INPUTS, SIDE, SIDE])],
  parameters: [spec('w1', [CHANNELS, INPUTS, 3, 3]), spec('w2', [UNITS, CHANNELS * POOLED * POOLED]), spec('w3', [1, UNITS])],
  nodes: [
    { name: 'conv1', op: 'conv2d', inputs: ['x', 'w1'], outputs: ['h'], attrs: { pad: [1, 1, 1, 1] } },
    { name: 'relu1', op: 'relu', inputs: ['h'], outputs: ['r'] },
    { name: 'pool1', op: 'maxpool2d', inputs: ['r'], outputs: ['p'], attrs: { kernel: [3, 3], stride: [2, 2], pad: [1, 1, 1, 1] } },
    { name: 'norm1', op: 'lrn', inputs: ['p'], outputs: ['n'], attrs: LRN },
    { name: 'flat', op: 'flatten', inputs: ['n'], outputs: ['f'] },
    { name: 'fc1', op: 'linear', inputs: ['f', 'w2'], outputs: ['u'] },
    { name: 'relu2', op: 'relu', inputs: ['u'], outputs: ['v'] },
    { name: 'fc2', op: 'linear', inputs: ['v', 'w3'], outputs: ['s'] },
  ],
  outputs: ['s'],
  scores: 's',
};
const tensor = (shape: number[], data: number[]): Tensor => ({ shape, data: Float32Array.from(data) });
const network = new Network(
  gpu,
  graph,
  new Map(graph.parameters.map(({ name, shape }) => [name, tensor([...shape], { w1, w2, w3 }[name]!)])),
);

/** Calls `visit` with the flat indices of an output, an input and a weight of conv1 that meet. */
function eachTap(visit: (o: number, i: number, w: number) => void): void {
  for (let k = 0; k < CHANNELS; k++)
    for (let y = 0; y < SIDE; y++)
      for (let z = 0; z < SIDE; z++)
        for (let c = 0; c < INPUTS; c++)
          for (let a = 0; a < 3; a++)
            for (let b = 0; b < 3; b++) {
              const [iy, iz] = [y + a - 1, z + b - 1];
              if (iy >= 0 && iy < SIDE && iz >= 0 && iz < SIDE)
                visit((k * SIDE + y) * SIDE + z, (c * SIDE + iy) * SIDE + iz, ((k * INPUTS + c) * 3 + a) * 3 + b);
            }
}

/** The cells of each pooling window, row by row. */
const windows: { readonly rows: number[]; readonly columns: number[]; readonly at: (row: number, column: number) => number }[] = [];
for (let k = 0; k < CHANNELS; k++)
  for (let y = 0; y < POOLED; y++)
    for (let z = 0; z < POOLED; z++) {
      const within = (from: number): number[] => [from, from + 1, from + 2].filter((i) => i >= 0 && i < SIDE);
      windows.push({ rows: within(2 * y - 1), columns: within(2 * z - 1), at: (row, column) => (k * SIDE + row) * SIDE + column });
    }

const h = new Array<number>(CHANNELS * SIDE * SIDE).fill(0);
eachTap((o, i, w) => (h[o] += x[i] * w1[w]));
const r = h.map((v) => Math.max(v, 0));
const cellsOf = ({ rows, columns, at }: (typeof windows)[number]): number[] =>
  rows.flatMap((row) => columns.map((column) => at(row, column)));
const p = windows.map((window) => Math.max(...cellsOf(window).map((i) => r[i])));
const plane = POOLED * POOLED;
const scale = p.map((_, i) => {
  let sum = 0;
  for (const j of [i - plane, i, i + plane]) if (j >= 0 && j < p.length) sum += p[j] ** 2;
  return LRN.bias + (LRN.alpha / LRN.size) * sum;
});
const n = p.map((v, i) => v / scale[i] ** LRN.beta);
const u = Array.from({ length: UNITS }, (_, k) => n.reduce((sum, v, i) => sum + v * w2[k * n.length + i], 0));

type Gate = (input: number, signal: number) => number;
type Spread = (window: (typeof windows)[number], most: number) => (readonly [cell: number, share: number])[];

const tied = (window: (typeof windows)[number], most: number): number[] => cellsOf(window).filter((i) => r[i] === most);
const first: Spread = (window, most) => [[tied(window, most)[0], 1]];
const gate: Record<string, Gate> = {
  gradient: (X, R) => (X > 0 ? R : 0),
  deconvnet: (_, R) => Math.max(R, 0),
  guided: (X, R) => (X > 0 ? Math.max(R, 0) : 0),
  guidedAtZero: (X, R) => (X < 0 ? 0 : Math.max(R, 0)),
};

/** What each preset says it does, by hand. */
const MEANING: Record<RulePresetName, readonly [gate: Gate, spread: Spread, throughLrn: boolean]> = {
  caffe: [gate.gradient, first, true],
  'captum-deconvolution': [gate.deconvnet, first, true],
  'captum-guided': [gate.guided, first, true],
  'zeiler-fergus': [gate.deconvnet, first, false],
  'unpool-centre': [
    gate.deconvnet,
    ({ rows, columns, at }) => [[at(rows[(rows.length - 1) >> 1], columns[(columns.length - 1) >> 1]), 1]],
    false,
  ],
  'torchray-guided': [gate.guidedAtZero, first, true],
  'cuda-convnet': [gate.gradient, (window, most) => tied(window, most).map((i) => [i, 1] as const), true],
  'tfjs-webgpu': [gate.gradient, (window, most) => [[tied(window, most).at(-1)!, 1]], true],
  'jax-js': [gate.gradient, (window, most) => tied(window, most).map((i, _, all) => [i, 1 / all.length] as const), true],
};

function expected(name: RulePresetName): number[] {
  const [passes, spread, throughLrn] = MEANING[name];
  const du = u.map((X, k) => passes(X, w3[k]));
  const dn = n.map((_, i) => du.reduce((sum, R, k) => sum + R * w2[k * n.length + i], 0));
  const dp = dn.map((R, i) => {
    if (!throughLrn) return R;
    let sum = 0;
    for (const j of [i - plane, i, i + plane]) if (j >= 0 && j < p.length) sum += (dn[j] * n[j]) / scale[j];
    return R * scale[i] ** -LRN.beta - ((2 * LRN.alpha * LRN.beta) / LRN.size) * p[i] * sum;
  });
  const dr = r.map(() => 0);
  windows.forEach((window, o) => {
    for (const [cell, share] of spread(window, p[o])) dr[cell] += share * dp[o];
  });
  const dh = dr.map((R, i) => passes(h[i], R));
  const dx = x.map(() => 0);
  eachTap((o, i, w) => (dx[i] += dh[o] * w1[w]));
  return dx;
}

/** ||a - b|| / ||b||. */
function distance(a: ArrayLike<number>, b: readonly number[]): number {
  return Math.hypot(...b.map((v, i) => a[i] - v)) / Math.hypot(...b);
}

test('the network puts the rules to the test: zeros at ReLU, ties of zeros and of positive numbers', () => {
  assert.ok(h.filter((v) => v === 0).length > 10, 'zeros');
  const ties = windows.map((window, o) => (tied(window, p[o]).length > 1 ? p[o] : -1));
  assert.ok(ties.includes(0) && ties.some((most) => most > 0), 'ties');
  assert.ok(u.some((v) => v < 0) && u.some((v) => v > 0));
  // No two presets mean the same here.
  const all = Object.keys(RULE_PRESETS).map((name) => expected(name as RulePresetName));
  for (const [i, a] of all.entries()) for (const [j, b] of all.entries()) if (i < j) assert.ok(distance(a, b) > 1e-3, `${i} ${j}`);
});

for (const name of Object.keys(RULE_PRESETS) as RulePresetName[]) {
  test(`${name} is what its formulae say`, async () => {
    const { gradient } = await network.gradient(tensor([1, INPUTS, SIDE, SIDE], x), { target: 0, rule: RULE_PRESETS[name].rules });
    const error = distance(gradient.data, expected(name));
    assert.ok(error < 1e-6, `relative L2 ${error}`);
  });
}

test('no rule, the gradient by name and by its axes are one question', async () => {
  const rules = [undefined, 'gradient', { lrn: 'gradient', relu: 'gradient' }] as const;
  const answers = await network.gradients(
    tensor([1, INPUTS, SIDE, SIDE], x),
    rules.map((rule) => ({ target: 0, rule })),
  );
  for (const { gradient } of answers) assert.equal(gradient, answers[0].gradient);
});

test.after(async () => {
  await network.dispose();
  gpu.dispose();
});
test.run();
