/**
 * `.safetensors`: named tensors behind a JSON header.
 * @see https://github.com/huggingface/safetensors#format
 */
import { FormatError } from '../errors.ts';
import { formatShape, type AnyTensor } from '../tensor.ts';
import { isObject, parseJson } from './json.ts';
import { bfloat16ToNumber, countElements, halfToNumber, LITTLE_ENDIAN, MAX_ELEMENTS, numberToHalf } from './numbers.ts';

/** Tensors by name, in the order of their data, and the free text that goes with them. */
export interface Safetensors {
  readonly tensors: Map<string, AnyTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface ElementType {
  readonly bytes: number;
  readonly float: boolean;
  readonly read: (view: DataView, at: number) => number;
}

const TYPES: Readonly<Record<string, ElementType>> = {
  F64: { bytes: 8, float: true, read: (v, at) => v.getFloat64(at, true) },
  F32: { bytes: 4, float: true, read: (v, at) => v.getFloat32(at, true) },
  F16: { bytes: 2, float: true, read: (v, at) => halfToNumber(v.getUint16(at, true)) },
  BF16: { bytes: 2, float: true, read: (v, at) => bfloat16ToNumber(v.getUint16(at, true)) },
  I64: { bytes: 8, float: false, read: (v, at) => v.getInt32(at + 4, true) * 2 ** 32 + v.getUint32(at, true) },
  U64: { bytes: 8, float: false, read: (v, at) => v.getUint32(at + 4, true) * 2 ** 32 + v.getUint32(at, true) },
  I32: { bytes: 4, float: false, read: (v, at) => v.getInt32(at, true) },
  U32: { bytes: 4, float: false, read: (v, at) => v.getUint32(at, true) },
  I16: { bytes: 2, float: false, read: (v, at) => v.getInt16(at, true) },
  U16: { bytes: 2, float: false, read: (v, at) => v.getUint16(at, true) },
  I8: { bytes: 1, float: false, read: (v, at) => v.getInt8(at) },
  U8: { bytes: 1, float: false, read: (v, at) => v.getUint8(at) },
  BOOL: { bytes: 1, float: false, read: (v, at) => (v.getUint8(at) ? 1 : 0) },
};

/** The format's own limit. */
const MAX_HEADER = 100_000_000;

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: number[];
  readonly begin: number;
  readonly end: number;
  readonly count: number;
}

function fail(problem: string, remedy = 'The file is damaged.'): never {
  throw new FormatError(`safetensors: ${problem}. ${remedy}`);
}

/**
 * Reads a file: floats of every width become f32 (f64 rounds), integers and booleans become i32 and must fit.
 * The header is checked whole before any tensor is allocated: data without holes or overlap, as long as types and shapes say.
 * @throws FormatError
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  if (bytes.length < 8) fail(`expected at least 8 bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  if (headerLength > bytes.length - 8) fail(`expected a header of ${headerLength} bytes, got ${bytes.length - 8} bytes after its length`);
  if (headerLength > MAX_HEADER) fail(`expected a header of at most ${MAX_HEADER} bytes, got ${headerLength}`);
  const { entries, metadata } = readHeader(bytes.subarray(8, 8 + headerLength));
  checkLayout(entries, bytes.length - 8 - headerLength);
  const tensors = new Map<string, AnyTensor>();
  for (const entry of entries) tensors.set(entry.name, readTensor(view, 8 + headerLength, entry));
  return { tensors, metadata };
}

function readHeader(bytes: Uint8Array): { entries: Entry[]; metadata: Record<string, string> } {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    fail('expected a header in UTF-8, got other bytes');
  }
  if (!text.startsWith('{')) fail(`expected a header that starts with {, got ${JSON.stringify(text.slice(0, 8))}`);
  const header = parseJson(text, 'safetensors');
  if (!isObject(header)) fail('expected a header that is one object, got something else');
  const entries: Entry[] = [];
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isObject(value) || !Object.values(value).every((v) => typeof v === 'string')) {
        fail('expected metadata of strings, got other values');
      }
      Object.assign(metadata, value);
    } else {
      entries.push(readEntry(name, value));
    }
  }
  return { entries, metadata };
}

function readEntry(name: string, value: unknown): Entry {
  const bad = (what: string, got: unknown): never => fail(`tensor ${JSON.stringify(name)}: expected ${what}, got ${JSON.stringify(got)}`);
  if (!isObject(value)) return bad('an object', value);
  const { dtype, shape, data_offsets: offsets, ...rest } = value;
  if (Object.keys(rest).length > 0) bad('dtype, shape and data_offsets', Object.keys(rest));
  if (typeof dtype !== 'string' || !Object.hasOwn(TYPES, dtype)) return bad(`dtype ${Object.keys(TYPES).join(', ')}`, dtype);
  const whole = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(whole)) return bad('a shape of non-negative integers', shape);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole)) return bad('two data offsets', offsets);
  const [begin, end] = offsets as [number, number];
  const count = countElements(shape);
  if (count === undefined) return bad(`at most ${MAX_ELEMENTS} elements`, shape);
  const bytes = count * TYPES[dtype].bytes;
  if (end - begin !== bytes) return bad(`${bytes} bytes for ${dtype} of shape ${formatShape(shape)}`, offsets);
  return { name, dtype, shape, begin, end, count };
}

/** Sorts entries by position; together they must cover the data exactly. */
function checkLayout(entries: Entry[], bytes: number): void {
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== at) fail(`tensor ${JSON.stringify(name)}: expected data to start at ${at} without hole or overlap, got ${begin}`);
    at = end;
  }
  if (at !== bytes) fail(`expected ${at} bytes of data, got ${bytes}`);
}

function readTensor(view: DataView, start: number, entry: Entry): AnyTensor {
  const { name, shape, count } = entry;
  const type = TYPES[entry.dtype];
  const at = start + entry.begin;
  if (type.float) {
    const data = new Float32Array(count);
    if (entry.dtype === 'F32' && LITTLE_ENDIAN) {
      new Uint8Array(data.buffer).set(new Uint8Array(view.buffer, view.byteOffset + at, count * 4));
      return { shape, data };
    }
    for (let i = 0; i < count; i++) data[i] = type.read(view, at + i * type.bytes);
    return { shape, data };
  }
  const data = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const value = type.read(view, at + i * type.bytes);
    data[i] = value;
    if (data[i] !== value) fail(`tensor ${JSON.stringify(name)}: expected integers that fit 32 bits, got ${value}`, 'Convert the tensor.');
  }
  return { shape, data };
}

export interface WriteOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** Store floats as F16 (rounded to nearest even) in place of F32: all of them, or those whose name this says yes to. */
  readonly half?: boolean | ((name: string) => boolean);
}

/**
 * Writes tensors in the order given: floats as F32 (or F16), indices as I32, the data at a multiple of 8 bytes.
 * @throws FormatError if a name repeats or is reserved, or a value is too large for F16.
 */
export function writeSafetensors(tensors: Iterable<readonly [name: string, tensor: AnyTensor]>, options: WriteOptions = {}): Uint8Array {
  const list = [...tensors];
  // Names such as "__proto__" must be plain keys.
  const header = new Map<string, unknown>();
  if (options.metadata && Object.keys(options.metadata).length > 0) header.set('__metadata__', options.metadata);
  let at = 0;
  const { half: halved = false } = options;
  const isHalf = (name: string, data: AnyTensor['data']): boolean =>
    data instanceof Float32Array && (typeof halved === 'function' ? halved(name) : halved);
  for (const [name, { shape, data }] of list) {
    if (name === '__metadata__' || header.has(name)) {
      fail(`expected tensor names that differ, got ${JSON.stringify(name)} twice or reserved`, 'Rename one.');
    }
    const dtype = data instanceof Int32Array ? 'I32' : isHalf(name, data) ? 'F16' : 'F32';
    const end = at + data.length * TYPES[dtype].bytes;
    header.set(name, { dtype, shape, data_offsets: [at, end] });
    at = end;
  }
  const json = `{${[...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
  const encoded = new TextEncoder().encode(json);
  const headerLength = Math.ceil(encoded.length / 8) * 8;
  const out = new Uint8Array(8 + headerLength + at);
  const view = new DataView(out.buffer);
  view.setUint32(0, headerLength, true);
  out.fill(0x20, 8, 8 + headerLength);
  out.set(encoded, 8);
  let to = 8 + headerLength;
  for (const [name, { data }] of list) {
    const bytes = isHalf(name, data) ? 2 : 4;
    if (bytes === 4 && LITTLE_ENDIAN) {
      out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), to);
      to += data.byteLength;
      continue;
    }
    for (let i = 0; i < data.length; i++, to += bytes) {
      if (data instanceof Int32Array) view.setInt32(to, data[i], true);
      else if (bytes === 4) view.setFloat32(to, data[i], true);
      else view.setUint16(to, half(name, data[i]), true);
    }
  }
  return out;
}

function half(name: string, value: number): number {
  const bits = numberToHalf(value);
  if ((bits & 0x7fff) === 0x7c00 && Number.isFinite(value)) {
    fail(`tensor ${JSON.stringify(name)}: expected values up to 65504 for F16, got ${value}`, 'Write F32.');
  }
  return bits;
}
