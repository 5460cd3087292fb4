/** `.npy` in and out: element types, byte orders, memory orders, and headers that are not what they should be. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError } from '../../src/errors.ts';
import { readNpy, readNpyIndices, readNpyTensor, writeNpy } from '../../src/formats/npy.ts';
import { indexTensor, tensor } from '../../src/tensor.ts';
import { littleEndian } from '../onnx-writer.ts';

/** A file with any header at all. */
function npy(header: string, data: Uint8Array, version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const out = new Uint8Array((version === 1 ? 10 : 12) + text.length + data.length);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(out.buffer);
  if (version === 1) view.setUint16(8, text.length, true);
  else view.setUint32(8, text.length, true);
  out.set(text, out.length - data.length - text.length);
  out.set(data, out.length - data.length);
  return out;
}

const dict = (descr: string, shape: string, fortran = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;

function rejects(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => readNpy(bytes),
    (error: unknown) => error instanceof FormatError && message.test(error.message),
  );
}

test('what is written reads back, shape by shape', () => {
  for (const shape of [[], [1], [3], [2, 3], [1, 2, 1, 3], [0, 4]]) {
    const n = shape.reduce((a, b) => a * b, 1);
    const written = writeNpy(
      tensor(
        shape,
        Array.from({ length: n }, (_, i) => Math.sin(i)),
      ),
    );
    assert.is((written.length - n * 4) % 64, 0, 'data at a multiple of 64 bytes');
    const back = readNpyTensor(written);
    assert.equal(back.shape, shape);
    assert.equal(
      [...back.data],
      Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i))),
    );
  }
  assert.equal([...readNpyIndices(writeNpy(indexTensor([3], [1, -2, 3]))).data], [1, -2, 3]);
});

test('the written header is what NumPy writes', () => {
  const text = new TextDecoder('latin1').decode(writeNpy(tensor([5], [1, 2, 3, 4, 5])).subarray(0, 128));
  assert.match(text, /^\x93NUMPY\x01\x00v\x00\{'descr': '<f4', 'fortran_order': False, 'shape': \(5,\), \} +\n$/);
});

test('every element type in either byte order', () => {
  for (const little of [true, false]) {
    const order = little ? '<' : '>';
    const values = [1, -2, 100];
    for (const type of ['f4', 'f8', 'i1', 'i2', 'i4', 'i8'] as const) {
      const bytes = npy(dict(order + type, '(3,)'), littleEndian(type, values, little));
      assert.equal([...readNpy(bytes).data].map(Number), values, order + type);
      assert.is(readNpy(bytes).dtype, type);
      assert.equal([...readNpyTensor(bytes).data], values);
    }
    const half = littleEndian('u2', [0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00], little);
    assert.equal([...readNpy(npy(dict(`${order}f2`, '(5,)'), half)).data], [1, -2, 65504, 2 ** -24, Infinity]);
    assert.equal([...readNpy(npy(dict(`${order}u8`, '(1,)'), littleEndian('i8', [-1], little))).data], [2n ** 64n - 1n]);
    assert.equal([...readNpy(npy(dict(`${order}u4`, '(1,)'), littleEndian('i4', [-1], little))).data], [2 ** 32 - 1]);
    assert.equal([...readNpy(npy(dict(`${order}u2`, '(1,)'), littleEndian('i2', [-1], little))).data], [65535]);
  }
  assert.equal([...readNpy(npy(dict('|u1', '(2,)'), Uint8Array.of(7, 255))).data], [7, 255]);
  assert.equal([...readNpy(npy(dict('|b1', '(3,)'), Uint8Array.of(0, 1, 2))).data], [0, 1, 1]);
});

test('f64 rounds to f32; integers must be exact', () => {
  assert.is(readNpyTensor(npy(dict('<f8', '()'), littleEndian('f8', [0.1]))).data[0], Math.fround(0.1));
  const exact = npy(dict('<i8', '(1,)'), littleEndian('i8', [2 ** 40]));
  assert.is(readNpyTensor(exact).data[0], 2 ** 40);
  const big = npy(dict('<i8', '(1,)'), littleEndian('i8', [2 ** 24 + 1]));
  assert.throws(() => readNpyTensor(big), /f32 holds exactly, got 16777217 at element 0/);
  assert.is(readNpyIndices(big).data[0], 2 ** 24 + 1);
  assert.throws(() => readNpyIndices(exact), /fit 32 bits, got 1099511627776/);
  assert.throws(() => readNpyIndices(writeNpy(tensor([1], [1]))), /expected integers, got f4/);
});

test('Fortran order is transposed to C order', () => {
  // Element [i, j, k] holds 100 i + 10 j + k; column-major, the first index runs fastest.
  const values: number[] = [];
  for (let k = 0; k < 4; k++) for (let j = 0; j < 3; j++) for (let i = 0; i < 2; i++) values.push(100 * i + 10 * j + k);
  for (const type of ['f4', 'f8'] as const) {
    const { data } = readNpy(npy(dict(`<${type}`, '(2, 3, 4)', 'True'), littleEndian(type, values)));
    let at = 0;
    for (let i = 0; i < 2; i++) for (let j = 0; j < 3; j++) for (let k = 0; k < 4; k++) assert.is(data[at++], 100 * i + 10 * j + k);
  }
});

test('headers of every version and style', () => {
  const data = littleEndian('f4', [1, 2]);
  for (const version of [1, 2, 3]) assert.equal(readNpy(npy(dict('<f4', '(2,)'), data, version)).shape, [2]);
  for (const header of [
    `{"descr": "<f4", "fortran_order": False, "shape": (1, 2)}`,
    `{'shape':(2L,),'fortran_order':False,'descr':'<f4'}   \n`,
    ` { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 2 , ) , } \n`,
  ]) {
    assert.is(readNpy(npy(header, data)).data[1], 2, header);
  }
});

test('damaged and lying files are errors that say how', () => {
  const data = littleEndian('f4', [1, 2]);
  const good = npy(dict('<f4', '(2,)'), data);
  rejects(new Uint8Array(0), /starts with/);
  rejects(new TextEncoder().encode('PK\x03\x04 a zip file'), /starts with/);
  rejects(good.subarray(0, 9), /starts with/);
  rejects(good.subarray(0, 30), /expected a header of/);
  rejects(good.subarray(0, good.length - 1), /expected 8 bytes of data for <f4 of shape 2, got 7/);
  rejects(Uint8Array.from([...good, 0]), /expected 8 bytes of data.*got 9/);
  rejects(npy(dict('<f4', '(2,)'), data, 4), /version 1\.0, 2\.0 or 3\.0, got 4\.0/);
  rejects(npy(dict('<f4', '(1000000000, 1000000000)'), data), /at most 2147483647 elements/);
  rejects(npy(dict('<f4', '(9999999999999999,)'), data), /at most/);
  rejects(npy(dict('<f4', '(3,)'), data), /expected 12 bytes of data/);
  rejects(npy(dict('<f4', '(-2,)'), data), /expected an extent/);
  rejects(npy(dict('<f4', '(2)'), data), /expected a comma/);
  rejects(npy(dict('<f4', '[2]'), data), /expected \(/);
  rejects(npy(dict('<c8', '(1,)'), data), /expected elements of type/);
  rejects(npy(dict('|f4', '(2,)'), data), /byte order/);
  rejects(npy(dict('O', '(2,)'), data), /expected elements of type/);
  rejects(npy(`{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }`, data), /simple element type/);
  rejects(npy(`{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }`, data), /True or False/);
  rejects(npy(`{'descr': '<f4', 'shape': (2,), }`, data), /keys descr, fortran_order and shape/);
  rejects(npy(`{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }`, data), /once, got 'descr' twice/);
  rejects(npy(`{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}`, data), /got 'x'/);
  rejects(npy(`{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } + open('x')`, data), /to end after \}/);
  rejects(npy(`{'descr': '<f4' 'fortran_order': False, 'shape': (2,), }`, data), /, or \}/);
});

test.run();
