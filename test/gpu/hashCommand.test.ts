// Same bits: the digests that --hash prints are those of another process, of the item alone and of a network that has answered other questions.
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tensorHash } from '../../src/cli/hashes.ts';
import { readNpyTensor, writeGraph, writeNpy, writeSafetensors } from '../../src/formats/index.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { withBatch } from '../../src/graph.ts';
import { Network } from '../../src/network.ts';
import { RULES } from '../../src/rule.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { buildCommand } from '../command.ts';
import { encode, scene } from '../host/pictures.ts';
import { randomNet } from '../nets.ts';
import { smallNet } from '../smallnet.ts';

const command = await buildCommand();
const { at } = command;
const net = smallNet(2);
const card = {
  preprocess: { size: [16, 12], fit: 'squash', channels: 'rgb', scale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.2] },
};
writeFileSync(at('net.json'), JSON.stringify({ ...JSON.parse(writeGraph(net.graph)), card }));
writeFileSync(at('net.safetensors'), writeSafetensors(net.parameters as Map<string, Tensor>));
writeFileSync(at('photo.png'), await encode(scene(40, 30)).png().toBuffer());
const ITEMS = 4;
const shape = [ITEMS, 3, 16, 12];
const batch: Tensor = { shape, data: fill(size(shape), normal(4)) };
const itemOf = ({ shape: [items, ...rest], data }: Tensor, n: number): Tensor => {
  const length = data.length / items;
  return { shape: [1, ...rest], data: data.slice(n * length, (n + 1) * length) };
};
writeFileSync(at('batch.npy'), writeNpy(batch));
for (let n = 0; n < ITEMS; n++) writeFileSync(at(`item${n}.npy`), writeNpy(itemOf(batch, n)));

async function hashesOf(...args: string[]): Promise<string[]> {
  const { code, out, err } = await command.run([...args, '--hash']);
  assert.is(code, 0, err);
  const lines = out.split('\n').filter((line) => line.startsWith('sha256 '));
  assert.ok(lines.length > 0, out);
  for (const line of lines) assert.match(line, /^sha256 [0-9a-f]{64} .*, [fi]32 \d+(x\d+)*$/);
  return lines;
}

const FROM = ['--model', 'net.json'];
const QUESTIONS: readonly (readonly string[])[] = [
  ['predict', ...FROM, '--input', 'item0.npy'],
  ['predict', ...FROM, '--input', 'item0.npy', '--tensor', 'p1'],
  ['gradient', ...FROM, '--input', 'item0.npy', '--output', 'g.npy'],
  ['gradient', ...FROM, '--input', 'batch.npy', '--wrt', 'parameters', '--labels', '1,2,3,4', '--output', 'd.safetensors'],
  ['saliency', 'photo.png', ...FROM, '--class', '1,2'],
  ['class-model', ...FROM, '--class', '1,3', '--iterations', '4', '-o', 'c.png'],
  ['compare', 'photo.png', ...FROM],
  ['compare', 'photo.png', ...FROM, '--cube'],
  ['localise', 'photo.png', ...FROM],
  ['certify', ...FROM, '--input', 'item0.npy'],
  ['gradcheck', 'net.json', '--input', 'item0.npy'],
  ['verify', 'net.json', '--input', 'item0.npy'],
  ['inspect', ...FROM, '--input', 'item0.npy', '--export', 'value:p1', '--export', 'signal:p1', '--output', 'inside'],
  ['trace', ...FROM, '--input', 'item0.npy'],
  ['sanity', 'photo.png', ...FROM, '--steps', '2', '--others', '1'],
];

for (const question of QUESTIONS) {
  test(`${question.filter((word) => !FROM.includes(word)).join(' ')}: two processes, the same digests`, async () => {
    const first = await hashesOf(...question);
    // Their reports go to files.
    if (['verify', 'inspect', 'trace', 'sanity'].includes(question[0])) {
      assert.equal(await hashesOf(...question), first);
      return;
    }
    const { out } = await command.run([...question, '--hash', '--json']);
    const { hashes } = JSON.parse(out) as { hashes: { what: string; tensor: string; sha256: string }[] };
    assert.equal(
      hashes.map(({ what, tensor, sha256 }) => `sha256 ${sha256} ${what}, ${tensor}`),
      first,
    );
  });
}

test('without --hash there are none', async () => {
  const { out } = await command.run(['predict', ...FROM, '--input', 'item0.npy', '--json']);
  assert.is(JSON.parse(out).hashes, undefined);
});

test('the digest is that of the file; gradient, certify, gradcheck and verify have made the same gradient', async () => {
  const [gradient, scores] = await hashesOf('gradient', ...FROM, '--input', 'item0.npy', '--output', 'g.npy');
  assert.is(gradient, `sha256 ${tensorHash(readNpyTensor(readFileSync(at('g.npy'))))} gradient, f32 1x3x16x12`);
  assert.equal(await hashesOf('predict', ...FROM, '--input', 'item0.npy'), [scores]);
  for (const name of [['certify', '--model'], ['gradcheck'], ['verify']])
    assert.equal(await hashesOf(...name, 'net.json', '--input', 'item0.npy'), [gradient]);
});

test('every item of a batch of four has the digest that it has alone, under every rule', async () => {
  for (const rule of RULES) {
    const common = ['--target', '2', '--rule', rule, '--output', 'g.npy'];
    await hashesOf('gradient', ...FROM, '--input', 'batch.npy', ...common);
    const whole = readNpyTensor(readFileSync(at('g.npy'))) as Tensor;
    for (const n of rule === 'gradient' ? [0, 3] : [2]) {
      const [alone] = await hashesOf('gradient', ...FROM, '--input', `item${n}.npy`, ...common);
      assert.is(alone.split(' ')[1], tensorHash(itemOf(whole, n)), `${rule}, item ${n}`);
    }
  }
});

test('items of random networks too; and after other questions to the same network', async () => {
  const gpu = await openDevice();
  for (let n = 0; n < 6; n++) {
    const { graph, parameters, input } = randomNet(n);
    const network = new Network(gpu, withBatch(graph, ITEMS), parameters);
    const single = new Network(gpu, withBatch(graph, 1), parameters);
    const x = { shape: network.inputShape, data: fill(size(network.inputShape), normal(n)) };
    x.data.set(input.data.subarray(0, x.data.length));
    const ask = (rule: (typeof RULES)[number]) => network.gradient(x, { target: 1, rule });
    const first = await ask('gradient');
    const digest = tensorHash(first.gradient);
    for (const item of [0, 2]) {
      const alone = await single.gradient(itemOf(x, item), { target: 1 });
      assert.is(tensorHash(alone.gradient), tensorHash(itemOf(first.gradient, item)), `${graph.name}, item ${item}`);
      assert.is(tensorHash(alone.scores!), tensorHash(itemOf(first.scores!, item)));
    }
    // More plans than are kept, so that the first is built anew in the end.
    for (const rule of RULES.slice(1)) await ask(rule);
    await network.scores(x);
    await network.gradient(x, { target: 0, score: 'posterior' });
    assert.is(tensorHash((await ask('gradient')).gradient), digest, graph.name);
    await network.dispose();
    await single.dispose();
  }
  gpu.dispose();
});

test('safe and native: measured, not promised', async () => {
  const digests = await Promise.all(
    ['safe', 'native'].map((mode) => hashesOf('gradient', ...FROM, '--input', 'batch.npy', '--output', `${mode}.npy`, '--mode', mode)),
  );
  const same = digests[0].every((line, i) => line === digests[1][i]);
  console.log(`measured: --mode safe and native give ${same ? 'the same' : 'other'} digests on this adapter`);
});

test.run();
