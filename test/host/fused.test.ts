// Maps made for segmentation: Gaussian smoothing, the share of a score at each place of a layer, their average, and where they are taken.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import type { Graph } from '../../src/graph.ts';
import { gaussian } from '../../src/image/gaussian.ts';
import { tensor, type Tensor } from '../../src/tensor.ts';
import { fill, uniform } from '../../src/verify/random.ts';
import { logOdds, posterior, type LayerSignal } from '../../src/network.ts';
import { averaged, fusedQuestions, fusionLayers, layerMap } from '../../src/visualise/fused.ts';
import { reduceChannels } from '../../src/visualise/reduce.ts';

const fusedMaps = (gradient: Tensor, layers: readonly LayerSignal[]): Tensor => averaged([reduceChannels(gradient, 'max'), ...layers.map(layerMap)]);
const sum = (t: Tensor): number => t.data.reduce((a, b) => a + b, 0);
const refused = (call: () => unknown): void => assert.throws(call, (error: unknown) => error instanceof InputError);
const near = (a: number, b: number, tolerance = 1e-5): void => assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `${a}, ${b}`);

test('a Gaussian keeps constants up to the edges, and spreads a point by its density', () => {
  const flat = gaussian(tensor([7, 11], new Float32Array(77).fill(3)), 2);
  for (const v of flat.data) near(v, 3);
  const data = new Float32Array(41 * 41);
  data[20 * 41 + 20] = 1;
  const point = gaussian(tensor([41, 41], data), 2.5);
  near(sum(point), 1);
  const total = Array.from({ length: 17 }, (_, i) => Math.exp(-((i - 8) ** 2) / 12.5)).reduce((a, b) => a + b, 0);
  near(point.data[23 * 41 + 16], (Math.exp(-9 / 12.5) * Math.exp(-16 / 12.5)) / total ** 2);
  assert.is(gaussian(point, 0), point);
  refused(() => gaussian(tensor([4], [1, 2, 3, 4]), 1));
  refused(() => gaussian(point, -1));
});

test('a layer map sums, at each place, what positive values and positive signals give to the score', () => {
  const value = tensor([2, 2, 1, 2], [1, 2, -3, 4, 5, 6, 7, 8]);
  const signal = tensor([2, 2, 1, 2], [0.5, -1, 2, 0.25, 1, 1, -1, 1]);
  const map = layerMap({ value, signal });
  assert.equal(map.shape, [2, 1, 2]);
  assert.equal([...map.data], [0.5, 1, 5, 14]);
  refused(() => layerMap({ value: tensor([2], [1, 2]), signal: tensor([2], [1, 2]) }));
});

test('fused maps have mean 1, do not depend on the scale of any part, and are zero where every part is', () => {
  const next = uniform(3);
  const random = (shape: number[], scale: number): Tensor =>
    tensor(shape, fill(shape.reduce((a, b) => a * b), () => scale * (next() - 0.3)));
  const gradient = random([2, 3, 32, 32], 1);
  const layer = { value: random([2, 4, 4, 4], 1), signal: random([2, 4, 4, 4], 1) };
  const times = (t: Tensor, factor: number): Tensor => ({ shape: t.shape, data: t.data.map((v) => v * factor) });
  const fused = fusedMaps(gradient, [layer]);
  assert.equal(fused.shape, [2, 32, 32]);
  for (const n of [0, 1]) {
    const mean = fused.data.subarray(n * 1024, (n + 1) * 1024).reduce((a, b) => a + b, 0) / 1024;
    near(mean, 1, 0.02); // Smoothing at the edges moves the mean by a little.
  }
  const scaled = fusedMaps(times(gradient, 64), [{ value: times(layer.value, 8), signal: layer.signal }]);
  fused.data.forEach((v, i) => near(scaled.data[i], v));
  // An item gets the numbers that it gets alone.
  const second = (t: Tensor): Tensor => ({ shape: [1, ...t.shape.slice(1)], data: t.data.slice(t.data.length / 2) });
  const alone = fusedMaps(second(gradient), [{ value: second(layer.value), signal: second(layer.signal) }]);
  assert.equal([...alone.data], [...fused.data.subarray(1024)]);
  assert.ok(fusedMaps(times(gradient, 0), [{ value: layer.value, signal: times(layer.signal, 0) }]).data.every((v) => v === 0));
});

test('a layer seen from the input: a lone cell becomes a bump over the pixels that it stands for', () => {
  const value = new Float32Array(16);
  value[1 * 4 + 2] = 1;
  const ones = tensor([1, 1, 4, 4], new Float32Array(16).fill(1));
  const fused = fusedMaps(tensor([1, 1, 64, 64], new Float32Array(64 * 64)), [{ value: tensor([1, 1, 4, 4], value), signal: ones }]);
  const at = fused.data.indexOf(fused.data.reduce((a, b) => Math.max(a, b)));
  // Cell (1, 2) covers rows 16 to 31 and columns 32 to 47.
  assert.ok(Math.abs(Math.floor(at / 64) - 23.5) <= 0.5 && Math.abs((at % 64) - 39.5) <= 0.5, `${at}`);
  for (let i = 0; i < 64; i++) near(fused.data[23 * 64 + i], fused.data[23 * 64 + ((79 - i + 64) % 64)], i < 16 ? Infinity : 1e-4);
});

test('log odds of a class: their value, and their derivative against differences', () => {
  const scores = Float32Array.of(9, 1.5, -2, 0.25, 3, 7);
  const { value, seed } = logOdds(scores, 1, 4, 3);
  const p = posterior(scores.subarray(1, 5))[3];
  near(value, Math.log(p / (1 - p)));
  const oddsOf = (x: Float64Array): number => {
    const rivals = Math.log(Math.exp(x[0]) + Math.exp(x[1]) + Math.exp(x[2]));
    return x[3] - rivals;
  };
  for (let k = 0; k < 4; k++) {
    const [up, down] = [1e-5, -1e-5].map((h) => oddsOf(Float64Array.from(scores.subarray(1, 5), (s, i) => (i === k ? s + h : s))));
    near(seed[k], (up - down) / 2e-5);
  }
  // A network that is sure: the posterior is 1 in f64, and the log odds still tell.
  near(logOdds(Float32Array.of(0, 900), 0, 2, 1).value, 900);
  refused(() => logOdds(scores, 0, 1, 0));
});

test('layers are taken from the stage at an eighth of the input, on the path to the scores', () => {
  const conv = (name: string, input: string, weights: string, attrs = {}) => ({ name, op: 'conv2d', inputs: [input, weights], outputs: [name], attrs });
  const graph: Graph = {
    name: 'stages',
    inputs: [{ name: 'x', shape: [1, 3, 64, 64] }],
    parameters: [
      { name: 'w1', shape: [4, 3, 4, 4] },
      { name: 'w2', shape: [4, 4, 3, 3] },
      { name: 'w3', shape: [5, 4, 2, 2] },
    ],
    nodes: [
      conv('a', 'x', 'w1', { stride: [4, 4] }),
      { name: 'pool', op: 'maxpool2d', inputs: ['a'], outputs: ['pool'], attrs: { kernel: [2, 2], stride: [2, 2] } },
      conv('b', 'pool', 'w2', { pad: [1, 1, 1, 1] }),
      { name: 'c', op: 'relu', inputs: ['b'], outputs: ['c'] },
      conv('aside', 'c', 'w2', { pad: [1, 1, 1, 1] }),
      conv('d', 'c', 'w3', { stride: [2, 2] }),
      { name: 'mean', op: 'globalavgpool', inputs: ['d'], outputs: ['mean'] },
      { name: 's', op: 'flatten', inputs: ['mean'], outputs: ['s'] },
    ],
    outputs: ['s', 'aside'],
    scores: 's',
  };
  assert.equal(fusionLayers(graph), { fine: ['pool', 'c'], coarse: ['d'] });
  assert.equal(
    fusedQuestions({ target: 3 }, fusionLayers(graph)).map(({ score, through }) => [score, through]),
    [undefined, 'logodds'].map((score) => [score, ['pool', 'c', 'd']]),
  );
  const flat: Graph = { ...graph, nodes: [graph.nodes[6], graph.nodes[7]].map((n, i) => (i === 0 ? { ...n, inputs: ['x'] } : n)), outputs: ['s'], parameters: [] };
  assert.equal(fusionLayers(flat), { fine: [], coarse: [] });
  assert.is(fusedQuestions({ target: 3 }, fusionLayers(flat)).length, 1);
});

test.run();
