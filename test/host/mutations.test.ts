/**
 * Damaged files: seeded truncations, bit flips, overwrites, splices and lies over every format. Each must end in a typed error or in a
 * result that holds together, soon, and without taking memory out of proportion to the file.
 */
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, GraphError } from '../../src/errors.ts';
import { readGraph, writeGraph } from '../../src/formats/graph-json.ts';
import { readNpy, readNpyTensor, writeNpy } from '../../src/formats/npy.ts';
import { importOnnx } from '../../src/formats/onnx/index.ts';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.ts';
import { typeGraph, type Graph } from '../../src/graph.ts';
import { indexTensor, size, tensor, type AnyTensor } from '../../src/tensor.ts';
import { MUTATIONS, Random } from '../mutate.ts';
import { FLOAT, floats, INT64, int64s, littleEndian, model, node, Proto, tensorProto, valueInfo } from '../onnx-writer.ts';

const SQUEEZENET = '../shared/data/models/squeezenet1.1.onnx';
/** No file here takes a tenth of it; the machine may be busy. */
const LIMIT_MS = 2000;
/** Decoding widens: an int8 becomes an f64. Folding may make another 2^20 elements. */
const memoryLimit = (bytes: number): number => 64 * bytes + 2 ** 25;

const tally = { errors: 0, results: 0 };

/** Reads a damaged file; whatever comes of it must be one of the two allowed outcomes. */
function survives(what: string, bytes: Uint8Array, read: (bytes: Uint8Array) => void): void {
  const before = process.memoryUsage().arrayBuffers;
  const started = performance.now();
  try {
    read(bytes);
    tally.results += 1;
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof GraphError)) {
      throw new Error(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    assert.ok(error.message.length < 4000, `${what}: a message of ${error.message.length} characters`);
    tally.errors += 1;
  }
  const ms = performance.now() - started;
  const taken = process.memoryUsage().arrayBuffers - before;
  assert.ok(ms < LIMIT_MS, `${what}: took ${ms} ms`);
  assert.ok(taken < memoryLimit(bytes.length), `${what}: took ${taken} bytes for a file of ${bytes.length}`);
}

function sweep(name: string, seed: number, rounds: number, files: readonly Uint8Array[], read: (bytes: Uint8Array) => void): void {
  const r = new Random(seed);
  for (const file of files) read(file);
  for (let i = 0; i < rounds; i++) {
    const kind = r.pick(Object.keys(MUTATIONS));
    survives(`${name}, ${kind}, round ${i}`, MUTATIONS[kind](r.pick(files), r), read);
  }
}

const sound = ({ shape, data }: AnyTensor): void => assert.is(data.length, size(shape));

function readArray(bytes: Uint8Array): void {
  const { shape, data } = readNpy(bytes);
  assert.is(data.length, size(shape));
  sound(readNpyTensor(bytes));
}

function readTensors(bytes: Uint8Array): void {
  for (const t of readSafetensors(bytes).tensors.values()) sound(t);
}

/** What is imported must be a graph that the engine takes whole, with a parameter for each of its names. */
function readOnnx(bytes: Uint8Array): void {
  const external = littleEndian('f4', [1, 2, 3, 4]);
  const { graph, parameters } = importOnnx(bytes, { readExternal: () => external });
  for (const t of parameters.values()) sound(t);
  assert.equal(
    [...parameters.keys()],
    graph.parameters.map((spec) => spec.name),
  );
  typeGraph(graph);
}

test('npy', () => {
  const fortran = Buffer.from(writeNpy(tensor([2, 3], [1, 2, 3, 4, 5, 6])))
    .toString('latin1')
    .replace('False', 'True ');
  const big = Buffer.from(writeNpy(tensor([4, 1], [1, 2, 3, 4])))
    .toString('latin1')
    .replace('<f4', '>f4');
  const files = [
    writeNpy(
      tensor(
        [1, 3, 4, 5],
        Array.from({ length: 60 }, (_, i) => i),
      ),
    ),
    writeNpy(indexTensor([7], [1, 2, 3, 4, 5, 6, 7])),
    writeNpy(tensor([], [1])),
    Uint8Array.from(Buffer.from(fortran, 'latin1')),
    Uint8Array.from(Buffer.from(big, 'latin1')),
  ];
  sweep('npy', 1, 300, files, readArray);
});

test('safetensors', () => {
  const files = [
    writeSafetensors([
      ['w', tensor([2, 3], [1, 2, 3, 4, 5, 6])],
      ['b', tensor([2], [1, 2])],
      ['n', indexTensor([3], [1, 2, 3])],
    ]),
    writeSafetensors([['conv1.weight', tensor([1, 2, 3, 3], new Array<number>(18).fill(1))]], { metadata: { format: 'pt' }, half: true }),
  ];
  sweep('safetensors', 2, 300, files, readTensors);
});

test('Graph JSON', () => {
  const graph: Graph = {
    name: 'g',
    inputs: [{ name: 'x', shape: [1, 3, 8, 8] }],
    parameters: [{ name: 'w', shape: [4, 3, 3, 3] }],
    nodes: [
      { name: 'pool', op: 'maxpool2d', inputs: ['x'], outputs: ['p'], attrs: { kernel: [2, 2], stride: [2, 2], ceilMode: true } },
      { name: 'relu', op: 'relu', inputs: ['p'], outputs: ['y'] },
    ],
    outputs: ['y'],
  };
  sweep('graph', 3, 200, [new TextEncoder().encode(writeGraph(graph))], (bytes) => {
    typeGraph(readGraph(new TextDecoder().decode(bytes)));
  });
});

/** A network with a bit of everything; `dim` may put any extent in place of the right one. */
function smallModel(dim: (right: number) => number = (right) => right): Uint8Array {
  const d = (...dims: number[]): number[] => dims.map(dim);
  const external = tensorProto('shift', d(4), FLOAT, (t) => {
    for (const [key, value] of [
      ['location', 'w.bin'],
      ['offset', String(dim(0))],
      ['length', String(dim(16))],
    ]) {
      t.message(13, new Proto().string(1, key).string(2, value));
    }
    t.int(14, 1);
  });
  return model({
    inputs: [valueInfo('x', ['N', ...d(2, 8, 8)])],
    outputs: [valueInfo('p', [1, 5])],
    initializers: [
      floats('w', d(4, 2, 3, 3), new Array<number>(72).fill(0.5)),
      external,
      tensorProto('scale', d(4), FLOAT, (t) => t.bytes(4, littleEndian('f4', [1, 2, 3, 4]))),
      tensorProto('variance', d(4), 10, (t) => t.packed(5, [0x3c00, 0x3c00, 0x3c00, 0x3c00])),
      tensorProto('fc', d(64, 5), 11, (t) => t.bytes(10, littleEndian('f8', new Array<number>(320).fill(1)))),
      int64s('zero', [0], []),
      int64s('axes', d(0)),
      int64s('rest', d(-1)),
    ],
    nodes: [
      node('Conv', ['x', 'w', 'shift'], ['c'], { kernel_shape: d(3, 3), pads: d(1, 1, 1, 1), strides: d(1, 1) }),
      node('BatchNormalization', ['c', 'scale', 'shift', 'scale', 'variance'], ['n'], { epsilon: { float: 1e-3 } }),
      node('Relu', ['n'], ['r']),
      node('MaxPool', ['r'], ['m'], { kernel_shape: d(3, 3), strides: d(2, 2), ceil_mode: 1 }),
      node('LRN', ['m'], ['l'], { size: dim(3) }),
      node('AveragePool', ['l'], ['a'], { kernel_shape: d(2, 2), auto_pad: 'SAME_UPPER', count_include_pad: 1 }),
      node('Concat', ['a'], ['k'], { axis: dim(1) }),
      node('Clip', ['k'], ['kc'], {}),
      node('Shape', ['kc'], ['s']),
      node('Gather', ['s', 'zero'], ['s0']),
      node('Unsqueeze', ['s0', 'axes'], ['s1']),
      node('Concat', ['s1', 'rest'], ['target'], { axis: 0 }),
      node('Reshape', ['kc', 'target'], ['f']),
      node('MatMul', ['f', 'fc'], ['y']),
      node('ConstantOfShape', ['fill'], ['ones'], { value: floats('', [1], [1]) }),
      node('Constant', [], ['fill'], { value: int64s('', d(5)) }),
      node('Mul', ['y', 'ones'], ['z']),
      node('Softmax', ['z'], ['p'], { axis: dim(-1) }),
    ],
  });
}

test('ONNX', () => {
  const loss = model({
    inputs: [valueInfo('x', [3, 5]), valueInfo('l', [3], INT64)],
    outputs: [valueInfo('y')],
    nodes: [node('Dropout', ['x'], ['d', 'm'], { seed: 1 }), node('SoftmaxCrossEntropyLoss', ['d', 'l'], ['y'], { reduction: 'sum' })],
  });
  sweep('onnx', 4, 600, [smallModel(), loss], readOnnx);
});

test('ONNX that lies in one extent', () => {
  const r = new Random(5);
  const lies = [0, -1, 1, 2, 3, 64, 1000, 1e9, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 53 - 1, -(2 ** 53)];
  let extents = 0;
  smallModel((right) => {
    extents += 1;
    return right;
  });
  for (let i = 0; i < 300; i++) {
    const [chosen, lie] = [r.below(extents), r.pick(lies)];
    let at = 0;
    survives(
      `lie ${lie} at extent ${chosen}`,
      smallModel((right) => (at++ === chosen ? lie : right)),
      readOnnx,
    );
  }
});

const real = 'a real model';
if (existsSync(SQUEEZENET)) {
  test(real, () => {
    const bytes = new Uint8Array(readFileSync(SQUEEZENET));
    const r = new Random(6);
    for (let i = 0; i < 60; i++) {
      const kind = r.pick(['truncate', 'flip bits', 'flip one early bit', 'overwrite']);
      survives(`${real}, ${kind}, round ${i}`, MUTATIONS[kind](bytes, r), readOnnx);
    }
  });
} else {
  console.log(`skipped: ${real}: there is no ${SQUEEZENET}`);
  test.skip(real);
}

test('both outcomes were met, often', () => {
  console.log(`measured: ${tally.errors + tally.results} mutations: ${tally.errors} clean errors, ${tally.results} results`);
  assert.ok(tally.errors > 500);
  assert.ok(tally.results > 100);
});

test.run();
