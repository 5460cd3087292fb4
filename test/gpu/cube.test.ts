// The cube of rules: every cell against the gradient that is asked for alone and against f64, what must have the same bits, the sheet, the command.
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph } from '../../src/graph.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { preprocess, type Preprocess } from '../../src/image/preprocess.ts';
import { Network, seedAt } from '../../src/network.ts';
import { backReference, runReference, widen } from '../../src/reference/graph.ts';
import { RULES } from '../../src/rule.ts';
import type { Tensor } from '../../src/tensor.ts';
import { compareCube, pearson, POOL_RULES, type CubeCell } from '../../src/visualise/cube.ts';
import { cubeSheet } from '../../src/visualise/cubesheet.ts';
import { buildCommand } from '../command.ts';
import { encode, noise, scene } from '../host/pictures.ts';
import { smallNet } from '../smallnet.ts';

const gpu = await openDevice();
const SPEC: Preprocess = { size: [16, 12], fit: 'squash', channels: 'rgb', scale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.2] };
const photo = noise(36, 48, 4);
const small = smallNet(1);
const network = new Network(gpu, small.graph, small.parameters);
const { input } = preprocess(photo, SPEC);
const passes: number[] = [];
const cube = await compareCube(network, photo, SPEC, { class: 2, onPass: (done) => passes.push(done) });
const cells = cube.rows.flat();
const cellOf = (relu: string, maxpool: string): CubeCell => cells.find((cell) => cell.relu === relu && cell.maxpool === maxpool)!;

test('a row for each ReLU rule, a column for each max-pool rule, each signal what it is alone', async () => {
  assert.equal(
    cube.rows.map((row) => row.map(({ relu, maxpool }) => [relu, maxpool])),
    RULES.map((relu) => POOL_RULES.map((maxpool) => [relu, maxpool])),
  );
  assert.equal([cube.class, cube.neuron], [2, null]);
  for (const { relu, maxpool, signal } of cells)
    assert.equal(signal.data, (await network.gradient(input, { target: 2, rule: { relu, maxpool } })).gradient.data, `${relu}, ${maxpool}`);
  assert.equal(
    passes,
    Array.from({ length: 25 }, (_, k) => k),
  );
});

test('correlations and norms agree with f64', () => {
  const typed = typeGraph(small.graph);
  const values = runReference(
    typed,
    new Map([['x', widen(input)], ...[...small.parameters].map(([name, t]) => [name, widen(t)] as const)]),
  );
  const seed = widen(seedAt([1, 6], [2]));
  const back = (rule: Parameters<typeof backReference>[2]['rule']): Float64Array =>
    backReference(typed, values, { target: 's', seed, wrt: ['x'], rule }).get('x')!.data;
  const plain = back({});
  for (const { relu, maxpool, norm, correlation } of cells) {
    const own = back({ relu, maxpool });
    const mean = (t: Float64Array): number => t.reduce((sum, v) => sum + v, 0) / t.length;
    const centred = (t: Float64Array): Float64Array => t.map((v) => v - mean(t));
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i], 0);
    const [a, b] = [centred(plain), centred(own)];
    assert.ok(Math.abs(correlation! - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))) < 1e-5, `${relu}, ${maxpool}: ${correlation}`);
    assert.ok(Math.abs(norm / Math.sqrt(dot(own, own)) - 1) < 1e-5);
  }
});

test('what must have the same bits has them: the first maximum is the switch; ties of zeros end at the gate of the ReLU below', () => {
  for (const relu of RULES) assert.equal(cellOf(relu, 'first').sameBitsAs, { relu, maxpool: 'switches' });
  // Behind a ReLU a tie is one of zeros, as long as no two numbers above zero are equal.
  for (const relu of ['gradient', 'guided'])
    for (const maxpool of ['all-ties', 'average-ties', 'last'])
      assert.equal(cellOf(relu, maxpool).sameBitsAs, { relu, maxpool: 'switches' });
  for (const maxpool of ['all-ties', 'average-ties', 'last']) assert.is(cellOf('linear', maxpool).sameBitsAs, null);
  for (const cell of cells) {
    const { sameBitsAs } = cell;
    const twin = sameBitsAs && cellOf(sameBitsAs.relu, sameBitsAs.maxpool);
    if (twin) assert.equal([twin.sameBitsAs, twin.correlation, twin.signal.data], [null, cell.correlation, cell.signal.data]);
  }
  const plain = cellOf('gradient', 'switches');
  assert.is(plain.sameBitsAs, null);
  assert.ok(Math.abs(plain.correlation! - 1) < 1e-12);
});

test('Pearson: of lines, of their mirror images, of constants', () => {
  const f = (...v: number[]): Float32Array => Float32Array.from(v);
  assert.ok(Math.abs(pearson(f(1, 2, 3), f(12, 14, 16))! - 1) < 1e-15);
  assert.ok(Math.abs(pearson(f(1, 2, 3), f(3, 2, 1))! + 1) < 1e-15);
  assert.is(pearson(f(1, 2, 1), f(1, 2, 3)), 0);
  assert.is(pearson(f(1, 2, 3), f(5, 5, 5)), null);
});

test('the sheet holds seven columns and four rows', async () => {
  for (const signed of ['colour', 'rdbu'] as const) {
    const sheet = await cubeSheet(cube, photo, { title: 'cube', footer: 'small net', channels: 'rgb', signed, clip: 99.5 });
    assert.ok(sheet.width >= 7 * 140 && sheet.height >= 4 * 140, `${sheet.width} x ${sheet.height}`);
  }
});

test('compare --cube: a table, a sheet, JSON; one seed', async () => {
  const command = await buildCommand();
  const { at, run } = command;
  writeFileSync(
    at('net.json'),
    JSON.stringify({ ...JSON.parse(writeGraph(small.graph)), card: { preprocess: SPEC, labels: ['a', 'b', 'c', 'd', 'e', 'f'] } }),
  );
  writeFileSync(at('net.safetensors'), writeSafetensors(small.parameters as Map<string, Tensor>));
  writeFileSync(at('photo.png'), await encode(scene(40, 30)).png().toBuffer());
  const common = ['compare', 'photo.png', '--model', 'net.json', '--cube'];
  const { code, out, err } = await run([...common, '--class', 'c', '-o', 'cube.png']);
  assert.is(code, 0, err);
  assert.match(out, /^class 2, c, score .*correlation with the plain gradient$/m);
  assert.match(out, new RegExp(`^ReLU +${POOL_RULES.join(' +')}$`, 'm'));
  assert.match(out, /^gradient +1\.000 /m);
  assert.match(out, /^linear, first = switches$/m);
  assert.ok((await decodeImage(readFileSync(at('cube.png')))).width > 900);
  const unit = await run([...common, '--neuron', 'r2:0,1,1', '--json']);
  assert.is(unit.code, 0, unit.err);
  const report = JSON.parse(unit.out);
  assert.is(report.cells.length, 24);
  assert.equal(report.neuron, { tensor: 'r2', at: [0, 1, 1] });
  assert.equal(Object.keys(report.cells[0]), ['relu', 'maxpool', 'norm', 'correlation', 'sameBitsAs']);
  for (const [message, ...args] of [
    [/--layers: expected one seed with --cube/, '--layers', 'r1'],
    [/--neuron: expected one seed with --cube, got 2 units/, '--neuron', 'r1:0,0,0', '--neuron', 'r1:0,0,1'],
    [/--neuron: expected one seed with --cube, got a class and a unit/, '--neuron', 'r1:0,0,0', '--class', '1'],
  ] as const) {
    const refused = await run([...common, ...args]);
    assert.is(refused.code, 2);
    assert.match(refused.err, message);
  }
});

test.after(async () => {
  await network.dispose();
  gpu.dispose();
});
test.run();
