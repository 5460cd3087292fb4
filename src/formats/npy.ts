/**
 * NumPy's `.npy`: one array, a header in the form of a Python dict literal and the elements.
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { FormatError } from '../errors.ts';
import { formatShape, size, type AnyTensor, type DType, type IndexTensor, type Shape, type Tensor } from '../tensor.ts';
import { countElements, formatList, halfToNumber, LITTLE_ENDIAN, MAX_ELEMENTS } from './numbers.ts';

export type NpyData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** An array as the file has it, but in C order and in this machine's byte order. */
export interface NpyArray {
  readonly shape: number[];
  /** NumPy's name without the byte order: f4, f8, i8, u1, b1 .. */
  readonly dtype: string;
  /** Row-major. f2 is widened to f32; b1 is 0 or 1. */
  readonly data: NpyData;
}

interface ElementType {
  readonly bytes: number;
  readonly make: (count: number) => NpyData;
  readonly read: (view: DataView, at: number, little: boolean) => number | bigint;
}

const TYPES: Readonly<Record<string, ElementType>> = {
  f2: { bytes: 2, make: (n) => new Float32Array(n), read: (v, at, little) => halfToNumber(v.getUint16(at, little)) },
  f4: { bytes: 4, make: (n) => new Float32Array(n), read: (v, at, little) => v.getFloat32(at, little) },
  f8: { bytes: 8, make: (n) => new Float64Array(n), read: (v, at, little) => v.getFloat64(at, little) },
  i1: { bytes: 1, make: (n) => new Int8Array(n), read: (v, at) => v.getInt8(at) },
  i2: { bytes: 2, make: (n) => new Int16Array(n), read: (v, at, little) => v.getInt16(at, little) },
  i4: { bytes: 4, make: (n) => new Int32Array(n), read: (v, at, little) => v.getInt32(at, little) },
  i8: { bytes: 8, make: (n) => new BigInt64Array(n), read: (v, at, little) => v.getBigInt64(at, little) },
  u1: { bytes: 1, make: (n) => new Uint8Array(n), read: (v, at) => v.getUint8(at) },
  u2: { bytes: 2, make: (n) => new Uint16Array(n), read: (v, at, little) => v.getUint16(at, little) },
  u4: { bytes: 4, make: (n) => new Uint32Array(n), read: (v, at, little) => v.getUint32(at, little) },
  u8: { bytes: 8, make: (n) => new BigUint64Array(n), read: (v, at, little) => v.getBigUint64(at, little) },
  b1: { bytes: 1, make: (n) => new Uint8Array(n), read: (v, at) => (v.getUint8(at) ? 1 : 0) },
};

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

function fail(problem: string, remedy = 'The file is damaged.'): never {
  throw new FormatError(`npy: ${problem}. ${remedy}`);
}

/**
 * Reads an array: versions 1.0 to 3.0, floats, integers and booleans, either byte order, C or Fortran order.
 * The length of the file is compared with the header before anything is allocated.
 * @throws FormatError
 */
export function readNpy(bytes: Uint8Array): NpyArray {
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    fail(`expected a file that starts with \\x93NUMPY, got ${bytes.length} bytes that do not`, 'Give a file that numpy.save wrote.');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [major, minor] = [bytes[6], bytes[7]];
  if (major < 1 || major > 3 || minor !== 0) fail(`expected version 1.0, 2.0 or 3.0, got ${major}.${minor}`);
  const start = major === 1 ? 10 : 12;
  if (bytes.length < start) fail(`expected a header length, got a file of ${bytes.length} bytes`);
  const headerLength = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerLength > bytes.length - start) {
    fail(`expected a header of ${headerLength} bytes, got ${bytes.length - start} bytes after its length`);
  }
  if (headerLength > MAX_HEADER) fail(`expected a header of at most ${MAX_HEADER} bytes, got ${headerLength}`);
  const header = parseHeader(decode(bytes.subarray(start, start + headerLength), major === 3));
  const { dtype, little } = parseDescr(header.descr);
  const type = TYPES[dtype];
  const count = countElements(header.shape);
  if (count === undefined) fail(`expected at most ${MAX_ELEMENTS} elements, got shape ${formatList(header.shape)}`);
  const at = start + headerLength;
  if (bytes.length - at !== count * type.bytes) {
    fail(
      `expected ${count * type.bytes} bytes of data for ${header.descr} of shape ${formatShape(header.shape)}, got ${bytes.length - at}`,
    );
  }
  const data = type.make(count);
  if (dtype === 'f4' && little && LITTLE_ENDIAN && !header.fortran) {
    new Uint8Array(data.buffer).set(bytes.subarray(at));
    return { shape: header.shape, dtype, data };
  }
  const index = header.fortran ? fortranIndex(header.shape) : (i: number): number => i;
  for (let i = 0; i < count; i++) data[i] = type.read(view, at + index(i) * type.bytes, little);
  return { shape: header.shape, dtype, data };
}

const MAX_HEADER = 65536;

/** Where element i of row-major order lies in column-major order; called for 0, 1, 2, .. in turn. */
function fortranIndex(shape: readonly number[]): () => number {
  const steps = shape.map((_, axis) => size(shape.slice(0, axis)));
  const position = shape.map(() => 0);
  let next = 0;
  return () => {
    const index = next;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      next += steps[axis];
      if (++position[axis] < shape[axis]) break;
      next -= steps[axis] * shape[axis];
      position[axis] = 0;
    }
    return index;
  };
}

function decode(bytes: Uint8Array, utf8: boolean): string {
  try {
    return new TextDecoder(utf8 ? 'utf-8' : 'latin1', { fatal: true }).decode(bytes);
  } catch {
    fail('expected a header in UTF-8, got other bytes');
  }
}

function parseDescr(descr: string): { dtype: string; little: boolean } {
  const match = /^([<>|=])?([fiub])(\d{1,2})$/.exec(descr);
  const dtype = match ? match[2] + match[3] : '';
  if (!match || !Object.hasOwn(TYPES, dtype)) {
    fail(`expected elements of type ${Object.keys(TYPES).join(', ')}, got '${descr}'`, 'Convert the array.');
  }
  // '=' is the writer's own order, which nobody can know; all writers of today are little-endian.
  if (match[1] === '|' && TYPES[dtype].bytes > 1) fail(`expected a byte order for '${descr}', got none`);
  return { dtype, little: match[1] !== '>' };
}

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: number[];
}

/** Reads the header's dict: exactly the keys descr, fortran_order and shape, with literals for values. */
function parseHeader(text: string): Header {
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) return undefined;
    at = pattern.lastIndex;
    return match[1] ?? match[0];
  };
  const need = (pattern: RegExp, what: string): string => {
    take(/[ \t\n]*/y);
    const found = take(pattern);
    if (found === undefined) fail(`expected ${what} at character ${at} of the header, got ${JSON.stringify(text.slice(at, at + 12))}`);
    return found;
  };
  const values = new Map<string, string | boolean | number[]>();
  need(/\{/y, '{');
  while (need(/['"}]/y, 'a key or }') !== '}') {
    at -= 1;
    const key = need(/'[a-z_]*'|"[a-z_]*"/y, 'a key').slice(1, -1);
    if (values.has(key)) fail(`expected each key of the header once, got '${key}' twice`);
    need(/:/y, ':');
    if (key === 'descr') values.set(key, need(/'[^'\\]*'|"[^"\\]*"/y, 'a simple element type').slice(1, -1));
    else if (key === 'fortran_order') values.set(key, need(/True|False/y, 'True or False') === 'True');
    else if (key === 'shape') values.set(key, parseTuple(need));
    else fail(`expected keys descr, fortran_order and shape in the header, got '${key}'`);
    if (need(/[,}]/y, ', or }') === '}') break;
  }
  if (!/^[ \t\n\0]*$/.test(text.slice(at))) fail(`expected the header to end after }, got ${JSON.stringify(text.slice(at, at + 12))}`);
  if (values.size !== 3) fail(`expected keys descr, fortran_order and shape in the header, got ${[...values.keys()].join(', ') || 'none'}`);
  return { descr: values.get('descr') as string, fortran: values.get('fortran_order') as boolean, shape: values.get('shape') as number[] };
}

/** A tuple of integers: `()`, `(3,)`, `(1, 3)`; Python 2 wrote an L after each. */
function parseTuple(need: (pattern: RegExp, what: string) => string): number[] {
  const out: number[] = [];
  need(/\(/y, '(');
  for (;;) {
    const token = need(/\)|\d{1,16}(?=L?)/y, 'an extent or )');
    if (token === ')') break;
    out.push(Number(token));
    need(/L?/y, 'an extent');
    if (need(/[,)]/y, ', or )') === ')') {
      if (out.length === 1) fail('expected a comma after the only extent of a shape, got )');
      break;
    }
    if (out.length > 32) fail('expected at most 32 dimensions, got more');
  }
  return out;
}

/**
 * Reads an array as an f32 tensor: f64 rounds; integers must be representable exactly.
 * @throws FormatError
 */
export function readNpyTensor(bytes: Uint8Array): Tensor {
  const { shape, dtype, data } = readNpy(bytes);
  if (data instanceof Float32Array) return { shape, data };
  const out = new Float32Array(data.length);
  const exact = !(data instanceof Float64Array);
  for (let i = 0; i < data.length; i++) {
    out[i] = Number(data[i]);
    if (exact && (typeof data[i] === 'bigint' ? BigInt(out[i]) : out[i]) !== data[i]) {
      fail(`expected ${dtype} values that f32 holds exactly, got ${data[i]} at element ${i}`, 'Save the array as f4.');
    }
  }
  return { shape, data: out };
}

/**
 * Reads an array as an i32 tensor (labels): integers of any width whose values fit, and nothing else.
 * @throws FormatError
 */
export function readNpyIndices(bytes: Uint8Array): IndexTensor {
  const { shape, dtype, data } = readNpy(bytes);
  if (data instanceof Float32Array || data instanceof Float64Array) fail(`expected integers, got ${dtype}`, 'Save the array as i4.');
  if (data instanceof Int32Array) return { shape, data };
  const out = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    out[i] = Number(data[i]);
    if (out[i] !== Number(data[i])) fail(`expected integers that fit 32 bits, got ${data[i]} at element ${i}`, 'Save smaller numbers.');
  }
  return { shape, data: out };
}

/** Writes a tensor: version 1.0, '<f4' or '<i4', C order, the data at a multiple of 64 bytes. */
export function writeNpy(tensor: AnyTensor): Uint8Array {
  const { shape, data } = tensor;
  const header = npyHeader(shape, data instanceof Int32Array ? 'i32' : 'f32');
  const start = header.length;
  const out = new Uint8Array(start + data.length * 4);
  out.set(header);
  const view = new DataView(out.buffer);
  for (let i = 0; i < data.length; i++) {
    if (data instanceof Int32Array) view.setInt32(start + i * 4, data[i], true);
    else view.setFloat32(start + i * 4, data[i], true);
  }
  return out;
}

/** What stands before the data of {@link writeNpy}, for arrays that are written in parts: little-endian numbers in C order follow. */
export function npyHeader(shape: Shape, dtype: DType): Uint8Array {
  const dict = `{'descr': '${dtype === 'i32' ? '<i4' : '<f4'}', 'fortran_order': False, 'shape': ${formatTuple(shape)}, }`;
  const header = new Uint8Array(Math.ceil((10 + dict.length + 1) / 64) * 64);
  header.set(MAGIC);
  header[6] = 1;
  new DataView(header.buffer).setUint16(8, header.length - 10, true);
  header.set(new TextEncoder().encode(`${dict.padEnd(header.length - 11)}\n`), 10);
  return header;
}

function formatTuple(shape: Shape): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
}
