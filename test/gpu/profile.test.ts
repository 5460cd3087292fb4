// A profiled run computes the same bits, and every step of it has its time, on one clock, in order.
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chromeTrace, layerTable } from '../../src/cli/profile.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { Profiler } from '../../src/gpu/profiler.ts';
import { Network } from '../../src/network.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { writeNpy } from '../../src/formats/index.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { paperNet } from '../../src/models/paper.ts';
import { heParameters } from '../../src/bench/geometry.ts';
import { buildCommand } from '../command.ts';

const gpu = await openDevice({ quantizeTimestamps: false });
const graph = paperNet({ width: 8, input: 64, classes: 10 });
const parameters = heParameters(graph.parameters);
const input: Tensor = { shape: [1, 3, 64, 64], data: fill(size([1, 3, 64, 64]), normal(3)) };

async function gradient(): Promise<Float32Array> {
  const network = new Network(gpu, graph, parameters);
  try {
    const [{ gradient: made }] = await network.gradients(input, [{ target: 3 }]);
    return made.data;
  } finally {
    await network.dispose();
  }
}

test('profiled and plain runs agree to the bit; every step is timed', async () => {
  const plain = await gradient();
  const profiler = await Profiler.attach(gpu);
  const again = await gradient();
  profiler.detach();
  assert.equal(again, plain);
  const { steps, runs } = profiler;
  assert.ok(steps.some(({ node, shader }) => node === 'conv3' && shader.startsWith('conv2d')));
  assert.ok(runs.some(({ run }) => run === 'prepare') && runs.length >= 2);
  for (const { begin, end } of steps) assert.ok(end >= begin && begin >= 0);
  for (const [i, step] of steps.entries()) {
    const before = steps[i - 1];
    if (before?.submission === step.submission) assert.ok(step.begin >= before.begin, 'in order on the device');
  }
  const trace = chromeTrace(profiler, gpu) as { traceEvents: { ph: string; tid: number; dur: number }[] };
  assert.is(trace.traceEvents.filter(({ ph, tid }) => ph === 'X' && tid === 2).length, steps.length);
  const table = layerTable(steps);
  for (const word of ['conv1', 'pool5', 'fc8', 'backward', '100.0 %']) assert.ok(table.includes(word), word);
  const steady = profiler.steps.length;
  await gradient();
  assert.is(profiler.steps.length, steady, 'a detached profiler hears nothing');
});

test('--profile writes a trace beside the result', async () => {
  const { run, at } = await buildCommand();
  writeFileSync(at('x.npy'), writeNpy(input));
  const { code, err, out } = await run([
    'gradient',
    '--model',
    'default',
    '--input',
    'x.npy',
    '--output',
    'g.npy',
    '--target',
    '3',
    '--profile',
    'trace.json',
  ]);
  assert.is(code, 0, err);
  assert.match(err, /device time/);
  assert.not.match(out, /device time/);
  const { traceEvents } = JSON.parse(readFileSync(at('trace.json'), 'utf8')) as {
    traceEvents: { ph: string; args: { kernel?: string } }[];
  };
  assert.ok(traceEvents.filter(({ args }) => args.kernel).length > 20);
  const refused = await run([
    'gradient',
    '--model',
    'default',
    '--input',
    'x.npy',
    '--output',
    'g.npy',
    '--target',
    '3',
    '--profile',
    'trace.txt',
  ]);
  assert.is(refused.code, 2);
});

test.after(() => gpu.dispose());
test.run();
