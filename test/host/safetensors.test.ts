/** `.safetensors` and Graph JSON in and out, and headers that are not what they should be. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError } from '../../src/errors.ts';
import { findNonFinite, halfToNumber, numberToHalf } from '../../src/formats/numbers.ts';
import { readGraph, writeGraph } from '../../src/formats/graph-json.ts';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.ts';
import type { Graph } from '../../src/graph.ts';
import { indexTensor, tensor, type AnyTensor } from '../../src/tensor.ts';
import { littleEndian } from '../onnx-writer.ts';

/** A file with any header at all. */
function file(header: string | object, data: Uint8Array, length?: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(length ?? text.length), true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out;
}

function rejects(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => readSafetensors(bytes),
    (error: unknown) => error instanceof FormatError && message.test(error.message),
  );
}

test('what is written reads back', () => {
  const tensors = new Map<string, AnyTensor>([
    ['conv1/7x7_s2_w', tensor([2, 1, 1, 2], [1, -2, 0.1, NaN])],
    ['labels', indexTensor([3], [1, -2, 2 ** 31 - 1])],
    ['scalar', tensor([], [3])],
    ['none', tensor([0, 5], [])],
    ['__proto__', tensor([1], [4])],
    ['Zoë "quoted"', tensor([1], [5])],
  ]);
  const bytes = writeSafetensors(tensors, { metadata: { made: 'by a test' } });
  assert.is((bytes.length - 4 * 10) % 8, 0);
  const back = readSafetensors(bytes);
  assert.equal(back.metadata, { made: 'by a test' });
  assert.equal([...back.tensors.keys()], [...tensors.keys()]);
  for (const [name, { shape, data }] of tensors) {
    assert.equal(back.tensors.get(name)?.shape, shape);
    assert.equal([...(back.tensors.get(name)?.data ?? [])], [...data]);
  }
  assert.is(readSafetensors(writeSafetensors([])).tensors.size, 0);
});

test('F16 rounds to nearest even, and every F16 survives the way there and back', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = halfToNumber(bits);
    if (!Number.isNaN(value)) assert.is(numberToHalf(value), bits);
  }
  assert.is(numberToHalf(1 + 2 ** -11), 0x3c00);
  assert.is(numberToHalf(1 + 3 * 2 ** -11), 0x3c02);
  assert.is(numberToHalf(65519), 0x7bff);
  assert.is(numberToHalf(65520), 0x7c00);
  assert.is(numberToHalf(2 ** -25), 0);
  assert.is(numberToHalf(2 ** -25 * 1.001), 1);
  assert.is(numberToHalf(2 ** -14 - 2 ** -25), 0x400);
  assert.is(numberToHalf(NaN), 0x7e00);
  const { tensors } = readSafetensors(writeSafetensors([['w', tensor([3], [1, 0.1, -65504])]], { half: true }));
  assert.equal([...(tensors.get('w')?.data ?? [])], [1, halfToNumber(numberToHalf(0.1)), -65504]);
  assert.throws(
    () => writeSafetensors([['w', tensor([1], [1e6])]], { half: true }),
    /tensor "w": expected values up to 65504 for F16, got 1000000/,
  );
  assert.throws(
    () =>
      writeSafetensors([
        ['w', tensor([1], [1])],
        ['w', tensor([1], [1])],
      ]),
    /names that differ/,
  );
});

test('F16 of known numbers, byte for byte, and only where it is asked for', () => {
  // IEEE 754 binary16: sign, five bits of exponent (bias 15), ten of fraction; the last three are halfway cases, to even.
  const known: readonly (readonly [number, number])[] = [
    [1, 0x3c00],
    [-2, 0xc000],
    [0.333251953125, 0x3555],
    [65504, 0x7bff],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [-0, 0x8000],
    [2049, 0x6800],
    [2051, 0x6802],
    [3 * 2 ** -25, 0x0002],
  ];
  const bytes = writeSafetensors(
    [
      [
        'w',
        tensor(
          [known.length],
          known.map(([value]) => value),
        ),
      ],
      ['b', tensor([1], [0.1])],
      ['labels', indexTensor([1], [7])],
    ],
    { half: (name) => name !== 'b' },
  );
  const view = new DataView(bytes.buffer);
  const start = 8 + Number(view.getBigUint64(0, true));
  known.forEach(([value, bits], i) => assert.is(view.getUint16(start + 2 * i, true), bits, String(value)));
  assert.is(bytes.length - start, 2 * known.length + 4 + 4);
  const { tensors } = readSafetensors(bytes);
  assert.equal([...tensors.get('b')!.data], [Math.fround(0.1)]);
  assert.equal([...tensors.get('labels')!.data], [7]);
});

test('every element type', () => {
  const read = (dtype: string, shape: number[], data: Uint8Array): number[] => [
    ...(readSafetensors(file({ x: { dtype, shape, data_offsets: [0, data.length] } }, data)).tensors.get('x') as AnyTensor).data,
  ];
  assert.equal(read('F64', [2], littleEndian('f8', [0.1, -1])), [Math.fround(0.1), -1]);
  assert.equal(read('F32', [2], littleEndian('f4', [0.5, -1])), [0.5, -1]);
  assert.equal(read('F16', [2], littleEndian('u2', [0x3c00, 0x8001])), [1, -(2 ** -24)]);
  assert.equal(read('BF16', [2], littleEndian('u2', [0x3f80, 0xc000])), [1, -2]);
  assert.equal(read('I64', [2], littleEndian('i8', [-5, 7])), [-5, 7]);
  assert.equal(read('I32', [1], littleEndian('i4', [-5])), [-5]);
  assert.equal(read('I16', [1], littleEndian('i2', [-5])), [-5]);
  assert.equal(read('U16', [1], littleEndian('u2', [65535])), [65535]);
  assert.equal(read('I8', [1], Uint8Array.of(255)), [-1]);
  assert.equal(read('U8', [1], Uint8Array.of(255)), [255]);
  assert.equal(read('BOOL', [2], Uint8Array.of(0, 1)), [0, 1]);
  assert.throws(() => read('I64', [1], littleEndian('i8', [2 ** 31])), /fit 32 bits, got 2147483648/);
  assert.throws(() => read('U32', [1], littleEndian('i4', [-1])), /fit 32 bits/);
  assert.throws(() => read('F8_E4M3', [1], Uint8Array.of(1)), /expected dtype/);
});

test('damaged and lying files are errors that say how', () => {
  const x = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const data = littleEndian('f4', [1, 2]);
  rejects(new Uint8Array(3), /at least 8 bytes, got 3/);
  rejects(file({ x }, data, 2 ** 40), /expected a header of 1099511627776 bytes/);
  rejects(file({ x }, data, 5), /expected JSON/);
  rejects(file({ x }, data.subarray(0, 7)), /expected 8 bytes of data, got 7/);
  rejects(file({ x }, littleEndian('f4', [1, 2, 3])), /expected 8 bytes of data, got 12/);
  rejects(file(' {}', new Uint8Array(0)), /starts with \{/);
  rejects(file('{"x":', data), /expected JSON/);
  rejects(file({ x: 3 }, data), /tensor "x": expected an object, got 3/);
  rejects(file({ x: { ...x, extra: 1 } }, data), /got \["extra"\]/);
  rejects(file({ x: { ...x, shape: [-2] } }, data), /non-negative integers, got \[-2\]/);
  rejects(file({ x: { ...x, shape: [1.5] } }, data), /non-negative integers/);
  rejects(file({ x: { ...x, shape: [1e9, 1e9] } }, data), /at most 2147483647 elements/);
  rejects(file({ x: { ...x, shape: [3] } }, data), /expected 12 bytes for F32 of shape 3, got \[0,8\]/);
  rejects(file({ x: { ...x, data_offsets: [8, 0] } }, data), /expected 8 bytes/);
  rejects(file({ x: { ...x, data_offsets: [4, 12] } }, data), /start at 0 without hole or overlap, got 4/);
  rejects(file({ x, y: x }, data), /tensor "y": expected data to start at 8/);
  rejects(file({ x: { ...x, data_offsets: [0] } }, data), /two data offsets/);
  rejects(file(`{"x":${JSON.stringify(x)},"\\u0078":${JSON.stringify(x)}}`, data), /once, got "x" twice/);
  rejects(file(`{"x":{"dtype":"F32","shape":[2],"shape" :[2],"data_offsets":[0,8]}}`, data), /once, got "shape" twice/);
  rejects(file({ __metadata__: { a: 1 }, x }, data), /metadata of strings/);
  rejects(file('{"\xff', data).fill(0xff, 10, 11), /UTF-8|JSON/);
  assert.is(readSafetensors(file(`${JSON.stringify({ x })}   `, data)).tensors.size, 1);
});

test('NaN and infinity are found', () => {
  const found = findNonFinite(
    new Map<string, AnyTensor>([
      ['good', tensor([2], [1, 2])],
      ['bad', tensor([3], [NaN, 1, -Infinity])],
      ['labels', indexTensor([1], [1])],
    ]),
  );
  assert.equal(found, [{ name: 'bad', count: 2 }]);
});

const GRAPH: Graph = {
  name: 'small',
  inputs: [
    { name: 'data', shape: [1, 3, 4, 4] },
    { name: 'labels', shape: [1], dtype: 'i32' },
  ],
  parameters: [{ name: 'w', shape: [2, 3, 1, 1] }],
  nodes: [
    { name: 'conv', op: 'conv2d', inputs: ['data', 'w'], outputs: ['y'], attrs: { stride: [1, 1], groups: 1 } },
    { name: 'relu', op: 'relu', inputs: ['y'], outputs: ['z'] },
    { name: 'pool', op: 'maxpool2d', inputs: ['z'], outputs: ['p', 'i'], attrs: { kernel: [2, 2], ceilMode: false, indexOrder: 'row' } },
  ],
  outputs: ['p'],
  scores: 'p',
};

test('Graph JSON reads back, one node to a line', () => {
  const text = writeGraph(GRAPH);
  assert.equal(readGraph(text), GRAPH);
  assert.is(text.split('\n').filter((line) => line.includes('"op"')).length, 3);
  const { scores: _, ...bare } = { ...GRAPH, nodes: [], outputs: ['data'], parameters: [] };
  assert.equal(readGraph(writeGraph(bare)), bare);
});

test('damaged Graph JSON is an error that names the field', () => {
  const bad = (change: Record<string, unknown>, message: RegExp): void => {
    const text = JSON.stringify({ ...JSON.parse(writeGraph(GRAPH)), ...change });
    assert.throws(
      () => readGraph(text),
      (error: unknown) => error instanceof FormatError && message.test(error.message),
      String(message),
    );
  };
  const [conv, relu, pool] = GRAPH.nodes;
  bad({ format: 'other' }, /^graph: format: expected "backlight-graph-1", got "other"/);
  bad({ extra: 1 }, /the graph: expected fields .* got "extra"/);
  bad({ name: 3 }, /name: expected a string, got 3/);
  bad({ inputs: 'data' }, /inputs: expected an array/);
  bad({ inputs: [{ name: 'data', shape: [1, 0] }] }, /inputs\[0\]\.shape: expected positive integers/);
  bad({ inputs: [{ name: 'data', shape: [1e9, 1e9] }] }, /inputs\[0\]\.shape: expected at most/);
  bad({ inputs: [{ name: 'data', shape: [1], dtype: 'f64' }] }, /inputs\[0\]\.dtype/);
  bad({ parameters: [{ name: 'data', shape: [1] }] }, /parameters\[0\]\.name: expected a value name that nothing else has/);
  bad({ nodes: [conv, { ...relu, name: 'conv' }, pool] }, /nodes\[1\]\.name/);
  bad({ nodes: [relu, conv, pool] }, /nodes\[0\]\.inputs: expected values made before, got "y"/);
  bad({ nodes: [conv, { ...relu, outputs: ['y'] }, pool] }, /nodes\[1\]\.outputs/);
  bad({ nodes: [conv, { ...relu, attrs: [] }, pool] }, /nodes\[1\]\.attrs: expected an object/);
  bad({ nodes: [conv, { ...relu, attrs: { a: null } }, pool] }, /nodes\[1\]\.attrs\.a/);
  bad({ nodes: [conv, { ...relu, op: undefined }, pool] }, /nodes\[1\]\.op: expected a string, got nothing/);
  bad({ outputs: ['q'] }, /outputs: expected values of the graph, got "q"/);
  bad({ scores: 'q' }, /scores/);
  assert.throws(() => readGraph('{"name": "a", "name": "b"}'), /once, got "name" twice/);
  assert.throws(() => readGraph('not json'), /^graph: expected JSON|graph: expected JSON/);
});

test.run();
