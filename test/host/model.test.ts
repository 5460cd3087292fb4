// Models on disk: ONNX with its card and its external data, Graph JSON with its weights, and what is wrong with them.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, InputError } from '../../src/errors.ts';
import { writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { loadModel } from '../../src/models/model.ts';
import { littleEndian, FLOAT, floats, model, node, Proto, valueInfo } from '../onnx-writer.ts';
import { randomNet } from '../nets.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'backlight-models-'));
const outside = mkdtempSync(path.join(os.tmpdir(), 'backlight-outside-'));
process.on('exit', () => [folder, outside].forEach((dir) => rmSync(dir, { recursive: true, force: true })));
const at = (name: string): string => path.join(folder, name);

async function failure(run: () => unknown): Promise<Error> {
  try {
    await run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error');
}

const fails = async (run: () => unknown, kind: new (...args: never[]) => Error, message: RegExp): Promise<void> => {
  const error = await failure(run);
  assert.instance(error, kind);
  assert.match(error.message, message);
};

const bias = (dims: readonly (number | string | null)[], initializer: Proto): Uint8Array =>
  model({
    inputs: [valueInfo('x', dims)],
    outputs: [valueInfo('y', dims)],
    initializers: [initializer],
    nodes: [node('Add', ['x', 'b'], ['y'])],
  });

const external = (location: string): Proto => {
  const entry = (key: string, value: string): Proto => new Proto().string(1, key).string(2, value);
  return new Proto().int(1, 3).int(2, FLOAT).string(8, 'b').message(13, entry('location', location)).int(14, 1);
};

test('an ONNX model with a card, at its own shape, at another batch, and with open extents', async () => {
  writeFileSync(at('m.onnx'), bias([1, 3], floats('b', [3], [1, 2, 3])));
  writeFileSync(at('m.json'), JSON.stringify({ labels: ['a', 'b', 'c'] }));
  const m = await loadModel(at('m.onnx'));
  assert.equal(m.card.labels, ['a', 'b', 'c']);
  assert.equal(m.input, { name: 'x', dims: [1, 3] });
  assert.equal(m.at().graph.inputs[0].shape, [1, 3]);
  assert.equal(m.at({ x: [4, 3] }).graph.inputs[0].shape, [4, 3]);
  assert.is(m.at().parameters, m.at({ x: [4, 3] }).parameters, 'one set of parameters for every shape');
  writeFileSync(at('open.onnx'), bias(['batch', null], floats('b', [3], [1, 2, 3])));
  const open = await loadModel(at('open.onnx'));
  assert.equal(open.input.dims, ['batch', null]);
  assert.equal(open.at({ x: [2, 3] }).graph.inputs[0].shape, [2, 3]);
  await fails(() => open.at(), FormatError, /expected a known extent at axis 1/);
});

test('external data lies inside the folder; links out of it are refused', async () => {
  mkdirSync(at('w'));
  writeFileSync(at('w/b.bin'), littleEndian('f4', [4, 5, 6]));
  writeFileSync(at('e.onnx'), bias([1, 3], external('w/b.bin')));
  assert.equal([...(await loadModel(at('e.onnx'))).at().parameters.get('b')!.data], [4, 5, 6]);
  writeFileSync(path.join(outside, 'secret.bin'), littleEndian('f4', [7, 8, 9]));
  symlinkSync(path.join(outside, 'secret.bin'), at('w/link.bin'));
  writeFileSync(at('l.onnx'), bias([1, 3], external('w/link.bin')));
  await fails(
    async () => (await loadModel(at('l.onnx'))).at(),
    FormatError,
    /inside the model's folder, got "w\/link\.bin", a link to elsewhere/,
  );
  writeFileSync(at('n.onnx'), bias([1, 3], external('w/none.bin')));
  await fails(async () => (await loadModel(at('n.onnx'))).at(), InputError, /expected external data in ".*none\.bin", got ENOENT/);
});

test('Graph JSON takes its weights from beside it, and its card from inside', async () => {
  const { graph, parameters } = randomNet(2);
  const json = JSON.parse(writeGraph(graph));
  writeFileSync(at('g.json'), JSON.stringify({ ...json, card: { labels: ['one', 'two'] } }));
  writeFileSync(at('g.safetensors'), writeSafetensors(parameters));
  const m = await loadModel(at('g.json'));
  assert.equal(m.at().graph.nodes, graph.nodes);
  assert.equal(m.card.labels, ['one', 'two']);
  const name = graph.parameters[0].name;
  const rest = new Map(parameters);
  rest.delete(name);
  writeFileSync(at('g.safetensors'), writeSafetensors(rest));
  await fails(() => loadModel(at('g.json')), FormatError, /expected weights for parameter .*, got none/);
  rest.set(name, { shape: [1], data: new Float32Array(1) });
  writeFileSync(at('g.safetensors'), writeSafetensors(rest));
  await fails(() => loadModel(at('g.json')), FormatError, /expected parameter .* of shape .*, got 1/);
});

test('what is no model, and what is no card', async () => {
  await fails(() => loadModel(at('absent.onnx')), InputError, /expected a readable file, got ".*absent\.onnx" \(ENOENT\)/);
  await fails(() => loadModel(at('model.pt')), InputError, /expected a readable file|\.onnx or \.json/);
  writeFileSync(at('x.pt'), 'torch');
  await fails(() => loadModel(at('x.pt')), InputError, /expected a file \.onnx or \.json, got ".*x\.pt"/);
  writeFileSync(at('c.onnx'), bias([1, 3], floats('b', [3], [1, 2, 3])));
  for (const [card, message] of [
    ['[]', /card: expected a JSON object/],
    ['{"labels": "cat"}', /card: expected labels to be a list/],
    ['{', /card: expected JSON/],
  ] as const) {
    writeFileSync(at('c.json'), card);
    await fails(() => loadModel(at('c.onnx')), FormatError, message);
  }
});

test.run();
