/** Tensors of ONNX files: every encoding, external data, and what lies about itself. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { importOnnx, readTensorProto, type OnnxOptions } from '../../src/formats/onnx/index.ts';
import type { AnyTensor } from '../../src/tensor.ts';
import { rejects } from '../onnx-cases.ts';
import { BOOL, FLOAT, floats, INT32, INT64, int64s, littleEndian, model, node, Proto, tensorProto, valueInfo } from '../onnx-writer.ts';

/** y = x + c for the constant c under test. */
function plus(c: Proto, options?: OnnxOptions): AnyTensor {
  const bytes = model({
    nodes: [node('Add', ['x', 'c'], ['y'])],
    inputs: [valueInfo('x', [2])],
    outputs: [valueInfo('y', [2])],
    initializers: [c],
  });
  return importOnnx(bytes, options).parameters.get('c')!;
}

test('initializers in every encoding', () => {
  const values = [1.5, -2];
  const f8 = littleEndian('f8', values);
  const encodings: [string, Proto][] = [
    ['raw float', floats('c', [2], values)],
    ['float_data, packed', tensorProto('c', [2], FLOAT, (t) => t.bytes(4, littleEndian('f4', values)))],
    ['float_data, unpacked', tensorProto('c', [2], FLOAT, (t) => t.float(4, 1.5).float(4, -2))],
    ['raw double', tensorProto('c', [2], 11, (t) => t.bytes(9, f8))],
    ['double_data', tensorProto('c', [2], 11, (t) => t.bytes(10, f8))],
    ['raw float16', tensorProto('c', [2], 10, (t) => t.bytes(9, littleEndian('u2', [0x3e00, 0xc000])))],
    ['float16 in int32_data', tensorProto('c', [2], 10, (t) => t.packed(5, [0x3e00, 0xc000]))],
    ['raw bfloat16', tensorProto('c', [2], 16, (t) => t.bytes(9, littleEndian('u2', [0x3fc0, 0xc000])))],
    ['bfloat16 in int32_data', tensorProto('c', [2], 16, (t) => t.packed(5, [0x3fc0, 0xc000]))],
  ];
  for (const [name, proto] of encodings) {
    const { data } = plus(proto);
    assert.instance(data, Float32Array, name);
    assert.equal([...data], values, name);
  }
  assert.is(plus(tensorProto('c', [1], 11, (t) => t.bytes(9, littleEndian('f8', [0.1])))).data[0], Math.fround(0.1));
});

test('integers of every width, and TensorProto files', () => {
  const read = (type: number, data: (t: Proto) => void, dims = [2]): number[] => [
    ...readTensorProto(Uint8Array.from(tensorProto('c', dims, type, data).out)).tensor.data,
  ];
  assert.equal(
    read(INT64, (t) => t.packed(7, [-5, 7])),
    [-5, 7],
  );
  assert.equal(
    read(INT64, (t) => t.int(7, -5).int(7, 7)),
    [-5, 7],
  );
  assert.equal(
    read(INT64, (t) => t.bytes(9, littleEndian('i8', [-5, 7]))),
    [-5, 7],
  );
  assert.equal(
    read(INT32, (t) => t.packed(5, [-5, 7])),
    [-5, 7],
  );
  assert.equal(
    read(INT32, (t) => t.bytes(9, littleEndian('i4', [-5, 7]))),
    [-5, 7],
  );
  assert.equal(
    read(5, (t) => t.bytes(9, littleEndian('i2', [-5, 7]))),
    [-5, 7],
  );
  assert.equal(
    read(4, (t) => t.bytes(9, littleEndian('u2', [65535, 7]))),
    [65535, 7],
  );
  assert.equal(
    read(3, (t) => t.bytes(9, [251, 7])),
    [-5, 7],
  );
  assert.equal(
    read(2, (t) => t.bytes(9, [251, 7])),
    [251, 7],
  );
  assert.equal(
    read(2, (t) => t.packed(5, [251, 7])),
    [251, 7],
  );
  assert.equal(
    read(BOOL, (t) => t.bytes(9, [0, 1])),
    [0, 1],
  );
  assert.equal(
    read(12, (t) => t.packed(11, [9, 7])),
    [9, 7],
  );
  assert.equal(
    read(13, (t) => t.packed(11, [9, 7])),
    [9, 7],
  );
  assert.equal(
    read(INT64, (t) => t.packed(7, [3]), []),
    [3],
  );
  rejects(() => read(INT64, (t) => t.packed(7, [2 ** 40, 7])), /fit 32 bits, got 1099511627776/);
  rejects(() => read(13, (t) => t.packed(11, [-1, 7])), /fit 32 bits/);
  const named = readTensorProto(Uint8Array.from(int64s('labels', [1, 2]).out));
  assert.is(named.name, 'labels');
  assert.is(named.elementType, 'int64');
});

test('tensors that lie about themselves', () => {
  rejects(() => plus(floats('c', [3], [1, 2])), /tensor "c": expected 12 bytes of raw_data of type float and shape \[3\], got 8/);
  rejects(() => plus(tensorProto('c', [2], FLOAT, (t) => t.float(4, 1))), /expected 2 values .* got 1/);
  rejects(() => plus(tensorProto('c', [1e9, 1e9], FLOAT, (t) => t.bytes(9, [0]))), /at most 2147483647 elements, got shape/);
  rejects(() => plus(tensorProto('c', [-2], FLOAT, (t) => t.bytes(9, [0]))), /non-negative extents/);
  rejects(
    () =>
      plus(
        tensorProto(
          'c',
          Array.from({ length: 40 }, () => 1),
          FLOAT,
          (t) => t.float(4, 1),
        ),
      ),
    /40 in all/,
  );
  rejects(() => plus(tensorProto('c', [2], FLOAT, (t) => t.bytes(9, new Uint8Array(8)).float(4, 1))), /one encoding/);
  rejects(() => plus(tensorProto('c', [2], FLOAT, (t) => t.packed(7, [1, 2]))), /numbers of another type/);
  rejects(() => plus(tensorProto('c', [2], 8, (t) => t.string(6, 'a'))), /expected an element type of .*, got string/);
  rejects(() => plus(tensorProto('c', [2], 99, () => {})), /got type 99/);
  rejects(() => plus(tensorProto('c', [0], FLOAT, () => {})), /at least one element/);
  rejects(() => plus(tensorProto('c', [2], FLOAT, (t) => t.message(3, new Proto()).float(4, 1))), /a segment/);
  rejects(() => plus(tensorProto('c', [2], FLOAT, (t) => t.bytes(4, [1, 2, 3]))), /whole 4-byte numbers, got 3 bytes/);
});

test('external data stays beside the model, and its ranges inside its file', () => {
  const external = (entries: Record<string, string>): Proto =>
    tensorProto('c', [2], FLOAT, (t) => {
      for (const [key, value] of Object.entries(entries)) t.message(13, new Proto().string(1, key).string(2, value));
      t.int(14, 1);
    });
  const file = littleEndian('f4', [9, 1.5, -2]);
  const asked: string[] = [];
  const readExternal = (location: string): Uint8Array => {
    asked.push(location);
    return file;
  };
  assert.equal([...plus(external({ location: 'w/weights.bin', offset: '4', length: '8' }), { readExternal }).data], [1.5, -2]);
  assert.equal([...plus(external({ location: 'weights.bin' }), { readExternal }).data], [9, 1.5]);
  assert.equal(asked, ['w/weights.bin', 'weights.bin']);
  rejects(() => plus(external({ location: 'weights.bin' })), /a way to read its data from "weights.bin", got none/);
  for (const location of ['../weights.bin', 'a/../../w', '/etc/passwd', 'C:\\w', 'a\\..\\b', '', 'a//b', 'a\0b']) {
    rejects(() => plus(external({ location }), { readExternal }), /inside the model's folder/);
  }
  assert.is(asked.length, 2, 'nothing outside was asked for');
  rejects(() => plus(external({ location: 'w', offset: '8' }), { readExternal }), /bytes 8 to 16 of "w", got a file of 12 bytes/);
  rejects(() => plus(external({ location: 'w', offset: '999999999999999' }), { readExternal }), /got a file of 12 bytes/);
  rejects(() => plus(external({ location: 'w', length: '4' }), { readExternal }), /expected 8 bytes of external data, got length 4/);
  rejects(() => plus(external({ location: 'w', offset: '-4' }), { readExternal }), /to be a byte count, got "-4"/);
});

test.run();
