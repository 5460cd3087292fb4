// The benchmark without a device: which cases there are, what they are said to cost, what follows from times, reports side by side.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BENCH_CASES,
  compareReports,
  googlenet,
  rooflineSvg,
  SCHEMA,
  selectCases,
  squeezenet,
  streamGbs,
  timesOf,
  toCsv,
  vgg16,
  withDerived,
  type BenchReport,
  type CaseResult,
  type Roofs,
  type Timing,
} from '../../src/bench/index.ts';
import { makeProblem, randomTensor, workOf } from '../../src/bench/problem.ts';
import { typeGraph } from '../../src/graph.ts';
import { InputError } from '../../src/errors.ts';
import { loadModel } from '../../src/models/model.ts';
import { size } from '../../src/tensor.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';

test('ids are unique, and say what they are', () => {
  assert.is(new Set(BENCH_CASES.map(({ id }) => id)).size, BENCH_CASES.length);
  for (const { id, kind, layer, batch, direction, inputs } of BENCH_CASES) {
    assert.ok(id.startsWith(`${kind}/${layer}/${direction}`) && id.endsWith(`/b${batch}`), id);
    assert.is(inputs[0][0], batch, id);
  }
  assert.ok(selectCases([], true).length >= 60 && selectCases([], true).every(({ software }) => software));
  assert.is(selectCases([], false).length, BENCH_CASES.length);
  assert.equal(
    selectCases(['softmax/*/dx/b1', 'lrn/paper.norm1/dx/b32'], true).map(({ id }) => id),
    ['lrn/paper.norm1/dx/b32', 'softmax/googlenet.prob/dx/b1'],
  );
  assert.is(selectCases(['conv3x3/vgg16.conv5_2/dw'], false).length, 2);
});

test('work by hand', () => {
  const work = (id: string): { flop: number; bytes: number } =>
    workOf(makeProblem(selectCases([id], false)[0], { quads: false, tiles: false }));
  // 55 x 55 places, 64 to 16 channels, 1x1.
  assert.equal(work('conv1x1/squeezenet.fire2_squeeze/forward/b1'), {
    flop: 2 * 3025 * 64 * 16,
    bytes: 4 * (64 * 3025 + 16 * 64 + 16 + 16 * 3025),
  });
  assert.is(work('conv11x11s4/paper.conv1/dx/b1').flop, 2 * 54 * 54 * 64 * 3 * 121);
  assert.is(work('depthwise/mobilenet.dw8/dw/b1').flop, 2 * 196 * 512 * 9);
  assert.equal(work('linear/paper.fc7/dx/b32'), { flop: 2 * 32 * 4096 * 4096, bytes: 4 * (2 * 32 * 4096 + 4096 * 4096) });
  // dy and dx in f32, a byte for each window's position.
  assert.equal(work('maxpool/squeezenet.pool1/dx/b1'), { flop: 0, bytes: 4 * 64 * (111 * 111 + 55 * 55) + 64 * 55 * 55 });
  assert.is(work('relu/squeezenet.relu1/dx-guided/b1').bytes, 3 * 4 * 64 * 111 * 111);
  assert.is(work('relu/squeezenet.relu1/dx-linear/b1').bytes, 2 * 4 * 64 * 111 * 111);
});

test('random numbers are standard normal and repeat only after their period', () => {
  const { data } = randomTensor([1_200_000], 3);
  const mean = data.reduce((a, b) => a + b, 0) / data.length;
  const square = data.reduce((a, b) => a + b * b, 0) / data.length;
  assert.ok(Math.abs(mean) < 4e-3 && Math.abs(square - 1) < 6e-3, `${mean} ${square}`);
  assert.is(data[5], data[5 + 1_048_573]);
  assert.not.equal(randomTensor([64], 1).data, randomTensor([64], 2).data);
});

test('median, least and ninth decile', () => {
  assert.equal(timesOf([5, 1, 3]), { samples: 3, min: 1, median: 3, p90: 5 });
  assert.equal(timesOf([4, 1, 2, 3]), { samples: 4, min: 1, median: 2.5, p90: 4 });
  assert.is(timesOf(Array.from({ length: 20 }, (_, i) => i + 1)).p90, 18);
});

const timing = (ms: number): Timing => {
  const times = { samples: 20, min: ms, median: ms, p90: ms };
  return { clock: 'timestamps', repeats: 1, device: times, wall: times };
};
const ROOFS: Roofs = {
  fma: [
    { entry: 'fmaScalar', gflops: 80, timing: timing(1) },
    { entry: 'fmaVector', gflops: 100, timing: timing(1) },
  ],
  streams: [
    { kind: 'read', bytes: 1e6, gbs: 50, timing: timing(1) },
    { kind: 'copy', bytes: 1e6, gbs: 40, timing: timing(1) },
    { kind: 'read', bytes: 1e8, gbs: 10, timing: timing(1) },
  ],
  dispatchMs: 0.01,
  submitMs: 0.1,
};
const row = (id: string, flop: number, bytes: number, ms: number): CaseResult => ({
  id,
  kind: id.split('/')[0],
  layer: 'net.layer',
  op: 'conv2d',
  direction: 'forward',
  batch: 1,
  inputs: [],
  attrs: {},
  flop,
  bytes,
  steps: [{ shader: 's', entry: 'a,b', workgroups: 2 }],
  timing: timing(ms),
});

test('shares of the roof: arithmetic, memory, and the cache that a case fits', () => {
  assert.is(streamGbs(ROOFS, 5e5), 50);
  assert.is(streamGbs(ROOFS, 2e6), 10);
  assert.is(streamGbs(ROOFS, 1e9), 10);
  // 1e9 FLOP take 10 ms at 100 GFLOP/s, 1e6 bytes 0.02 ms at 50 GB/s.
  assert.equal(withDerived(row('a/b', 1e9, 1e6, 20), ROOFS).share, 0.5);
  // 1e7 bytes take 1 ms at 10 GB/s.
  const moved = withDerived(row('a/b', 0, 1e7, 4), ROOFS);
  assert.ok(Math.abs(moved.share! - 0.25) < 1e-12 && Math.abs(moved.gbs! - 2.5) < 1e-12);
  assert.is(withDerived({ ...row('a/b', 1, 1, 1), timing: undefined }, ROOFS).gflops, undefined);
});

const report = (...cases: CaseResult[]): BenchReport => ({
  schema: SCHEMA,
  date: '2026-01-01T00:00:00.000Z',
  adapter: {
    name: 'gpu <1>',
    vendor: 'v',
    architecture: 'a',
    device: 'd',
    description: 'x & y',
    software: false,
    backend: 'vulkan',
    driver: 'driver',
    mode: 'safe',
    toggles: [],
  },
  plan: 'none',
  versions: { backlight: '0', webgpu: '0' },
  options: { samples: 20, budgetSeconds: 1, cases: [] },
  roofs: { before: ROOFS, after: ROOFS, best: ROOFS },
  cases: cases.map((one) => withDerived(one, ROOFS)),
  networks: [],
  seconds: 1,
});

test('a baseline tells slower, faster and the same, and refuses other devices', () => {
  const before = report(row('k/a', 1, 1, 10), row('k/b', 1, 1, 10), row('k/c', 1, 1, 10), row('k/gone', 1, 1, 10));
  const after = report(row('k/a', 1, 1, 12), row('k/b', 1, 1, 10.5), row('k/c', 1, 1, 5), row('k/new', 1, 1, 10));
  assert.equal(
    compareReports(before, after, 0.1).map(({ id, verdict }) => `${id} ${verdict}`),
    ['k/a slower', 'k/b same', 'k/c faster'],
  );
  assert.throws(
    () => compareReports({ ...before, schema: 'other' as typeof SCHEMA }, after, 0.1),
    (e: Error) => e instanceof InputError && /baseline: expected/.test(e.message),
  );
  assert.throws(() => compareReports({ ...before, adapter: { ...before.adapter, mode: 'native' } }, after, 0.1), /of the same mode/);
});

test('CSV quotes what holds commas; the roofline escapes what is not markup and draws every case', () => {
  const made = report(row('k/a', 1e9, 1e7, 20), row('l/b', 1e9, 1e8, 400), row('l/moved', 0, 1e7, 4));
  const lines = toCsv(made).trimEnd().split('\r\n');
  assert.is(lines.length, 4);
  assert.ok(lines[1].includes('"s.a,b"') || lines[1].includes('s.a'), lines[1]);
  const svg = rooflineSvg(made);
  assert.ok(svg.includes('gpu &lt;1&gt;') && svg.includes('x &amp; y'));
  assert.is([...svg.matchAll(/<title>[kl]\/\w+: /g)].length, 2, 'cases without FLOP have no place');
  assert.not.ok(/NaN|undefined|Infinity/.test(svg));
});

test('geometries are those of the published networks', async () => {
  const macs = ({ graph }: { graph: Parameters<typeof typeGraph>[0] }): number => {
    const typed = typeGraph(graph);
    return typed.nodes.reduce(
      (sum, { definition, inputs, outputs, typedAttrs }) =>
        sum +
        (definition.macs?.(
          inputs.map((name) => typed.values.get(name)!.shape),
          typed.values.get(outputs[0])!.shape,
          typedAttrs,
        ) ?? 0),
      0,
    );
  };
  const weights = ({ graph }: { graph: Parameters<typeof typeGraph>[0] }): number =>
    graph.parameters.reduce((sum, { shape }) => sum + size(shape), 0);
  // Numbers of parameters as published.
  assert.is(weights(vgg16()), 138_357_544);
  assert.is(weights(squeezenet()), 1_235_496);
  assert.is(weights(googlenet()), 6_998_552);
  assert.is(macs(vgg16()), 15_470_264_320);
  if (!dataPresent) return sayMissing('GoogLeNet against its ONNX file');
  const { graph } = (await loadModel(dataPath('models', 'googlenet.onnx'))).at();
  assert.is(macs(googlenet()), macs({ graph }));
});

test.run();
