/**
 * TensorProto: the constants of an ONNX file, in every encoding the format has for numbers.
 */
import { FormatError } from '../../errors.ts';
import type { AnyTensor, Shape } from '../../tensor.ts';
import { bfloat16ToNumber, countElements, formatList, halfToNumber, LITTLE_ENDIAN, MAX_ELEMENTS } from '../numbers.ts';
import { Message } from './wire.ts';

/** A tensor as it lies in the file, undecoded. */
export interface TensorProto {
  readonly name: string;
  readonly dims: number[];
  readonly type: number;
  /** Little-endian bytes, from `raw_data`. */
  readonly raw: Uint8Array | undefined;
  /** Little-endian bytes of `float_data` and `double_data`, in pieces. */
  readonly floats: Uint8Array[];
  readonly doubles: Uint8Array[];
  readonly int32s: number[];
  readonly int64s: number[];
  readonly uint64s: number[];
  /** Key and value pairs of `external_data`, where the data lies outside the file. */
  readonly external: ReadonlyMap<string, string> | undefined;
}

/** What a constant is to us: floats become f32, integers stay exact. */
export type Kind = 'float' | 'int' | 'bool';

/** A constant of the graph: an initializer, a Constant node, or the result of folding. Floats lie in f32, the others in f64. */
export interface Constant {
  readonly name: string;
  readonly shape: Shape;
  readonly kind: Kind;
  readonly data: Float32Array | Float64Array;
}

/** Reads a file that holds tensor data; `location` is relative to the model's folder and has been checked to stay inside it. */
export type ReadExternal = (location: string) => Uint8Array;

interface ElementType {
  readonly name: string;
  readonly kind: Kind;
  readonly bytes: number;
  /** Reads element i of little-endian bytes. */
  readonly read: (view: DataView, at: number) => number;
  /** The field that holds values of this type when `raw_data` does not. */
  readonly field: 'floats' | 'doubles' | 'int32s' | 'int64s' | 'uint64s';
  /** What an entry of an integer field means, where it is not the value itself. */
  readonly decode?: (value: number) => number;
}

const ELEMENT_TYPES: Readonly<Record<number, ElementType>> = {
  1: { name: 'float', kind: 'float', bytes: 4, field: 'floats', read: (v, at) => v.getFloat32(at, true) },
  2: { name: 'uint8', kind: 'int', bytes: 1, field: 'int32s', read: (v, at) => v.getUint8(at) },
  3: { name: 'int8', kind: 'int', bytes: 1, field: 'int32s', read: (v, at) => v.getInt8(at) },
  4: { name: 'uint16', kind: 'int', bytes: 2, field: 'int32s', read: (v, at) => v.getUint16(at, true) },
  5: { name: 'int16', kind: 'int', bytes: 2, field: 'int32s', read: (v, at) => v.getInt16(at, true) },
  6: { name: 'int32', kind: 'int', bytes: 4, field: 'int32s', read: (v, at) => v.getInt32(at, true) },
  7: { name: 'int64', kind: 'int', bytes: 8, field: 'int64s', read: (v, at) => v.getInt32(at + 4, true) * 2 ** 32 + v.getUint32(at, true) },
  9: { name: 'bool', kind: 'bool', bytes: 1, field: 'int32s', read: (v, at) => (v.getUint8(at) ? 1 : 0), decode: (x) => (x ? 1 : 0) },
  10: {
    name: 'float16',
    kind: 'float',
    bytes: 2,
    field: 'int32s',
    read: (v, at) => halfToNumber(v.getUint16(at, true)),
    decode: (x) => halfToNumber(x & 0xffff),
  },
  11: { name: 'double', kind: 'float', bytes: 8, field: 'doubles', read: (v, at) => v.getFloat64(at, true) },
  12: { name: 'uint32', kind: 'int', bytes: 4, field: 'uint64s', read: (v, at) => v.getUint32(at, true) },
  13: {
    name: 'uint64',
    kind: 'int',
    bytes: 8,
    field: 'uint64s',
    read: (v, at) => v.getUint32(at + 4, true) * 2 ** 32 + v.getUint32(at, true),
    // The varints were read as signed.
    decode: (x) => (x < 0 ? x + 2 ** 64 : x),
  },
  16: {
    name: 'bfloat16',
    kind: 'float',
    bytes: 2,
    field: 'int32s',
    read: (v, at) => bfloat16ToNumber(v.getUint16(at, true)),
    decode: (x) => bfloat16ToNumber(x & 0xffff),
  },
};

/** Name of an ONNX element type, for messages. */
export function elementTypeName(type: number): string {
  return (
    ELEMENT_TYPES[type]?.name ??
    ({ 0: 'undefined', 8: 'string', 14: 'complex64', 15: 'complex128' } as Record<number, string>)[type] ??
    `type ${type}`
  );
}

/** What values of an ONNX element type are to us; undefined for types this reader does not take. */
export function elementKind(type: number): Kind | undefined {
  return ELEMENT_TYPES[type]?.kind;
}

/** Reads the fields of a TensorProto; the numbers stay where they are until {@link decodeTensor}. */
export function readTensorFields(m: Message): TensorProto {
  const dims: number[] = [];
  const floats: Uint8Array[] = [];
  const doubles: Uint8Array[] = [];
  const int32s: number[] = [];
  const int64s: number[] = [];
  const uint64s: number[] = [];
  const external = new Map<string, string>();
  let name = '';
  let type = 0;
  let raw: Uint8Array | undefined;
  let location = 0;
  while (m.next()) {
    switch (m.field) {
      case 1:
        m.ints(dims);
        break;
      case 2:
        type = m.int();
        break;
      case 3:
        m.fail('expected a whole tensor, got a segment of one');
        break;
      case 4:
        m.fixed(floats, 4);
        break;
      case 5:
        m.ints(int32s);
        break;
      case 7:
        m.ints(int64s);
        break;
      case 8:
        name = m.string();
        break;
      case 9:
        raw = m.raw();
        break;
      case 10:
        m.fixed(doubles, 8);
        break;
      case 11:
        m.ints(uint64s);
        break;
      case 13: {
        const [key, value] = readEntry(m.message(`${m.what}, external data`));
        external.set(key, value);
        break;
      }
      case 14:
        location = m.int();
        break;
      default:
        m.skip();
    }
  }
  if (location !== 0 && location !== 1) m.fail(`expected data location 0 or 1, got ${location}`);
  return { name, dims, type, raw, floats, doubles, int32s, int64s, uint64s, external: location === 1 ? external : undefined };
}

/** A StringStringEntryProto. */
export function readEntry(m: Message): [key: string, value: string] {
  let key = '';
  let value = '';
  while (m.next()) {
    if (m.field === 1) key = m.string();
    else if (m.field === 2) value = m.string();
    else m.skip();
  }
  return [key, value];
}

/**
 * The tensor's type and shape, without its data: what can be said before any of it is touched.
 * @throws FormatError if the type is not a number's or the extents are impossible.
 */
export function tensorHeader(proto: TensorProto): { shape: number[]; kind: Kind; count: number } {
  const type = ELEMENT_TYPES[proto.type];
  if (!type) {
    const known = Object.values(ELEMENT_TYPES)
      .map((t) => t.name)
      .join(', ');
    fail(proto, `expected an element type of ${known}, got ${elementTypeName(proto.type)}`, 'Convert the tensor');
  }
  const count = countElements(proto.dims);
  if (count === undefined) {
    fail(proto, `expected non-negative extents and at most ${MAX_ELEMENTS} elements, got shape ${formatList(proto.dims)}`);
  }
  return { shape: proto.dims, kind: type.kind, count };
}

/**
 * Decodes a tensor: floats of every width to f32 (f64 rounds), integers and booleans exactly to f64.
 * The length of the data is compared with type and shape before anything is allocated.
 * @throws FormatError if they disagree, or if external data cannot be read.
 */
export function decodeTensor(proto: TensorProto, readExternal?: ReadExternal): Constant {
  const { shape, kind, count } = tensorHeader(proto);
  const type = ELEMENT_TYPES[proto.type];
  let raw = proto.raw;
  if (proto.external) {
    if (raw) fail(proto, 'expected the data in the file or outside it, got both');
    raw = externalBytes(proto, proto.external, count * type.bytes, readExternal);
  }
  const { pieces, ints } = typedData(proto, type);
  const typedBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (raw && (typedBytes > 0 || ints.length > 0)) fail(proto, 'expected one encoding of the data, got raw_data and a typed field');
  const what = `of type ${type.name} and shape ${formatList(shape)}`;
  if (raw && raw.length !== count * type.bytes) fail(proto, `expected ${count * type.bytes} bytes of raw_data ${what}, got ${raw.length}`);
  const given = typedBytes / type.bytes + ints.length;
  if (!raw && given !== count) fail(proto, `expected ${count} values ${what}, got ${given}`);
  const data = kind === 'float' ? new Float32Array(count) : new Float64Array(count);
  if (ints.length > 0) {
    for (let i = 0; i < count; i++) data[i] = type.decode ? type.decode(ints[i]) : ints[i];
  } else {
    copyPieces(data, raw ? [raw] : pieces, type);
  }
  return { name: proto.name, shape, kind, data };
}

/** The one typed field that this type uses, as bytes or as integers; any other must be empty. */
function typedData(proto: TensorProto, type: ElementType): { pieces: Uint8Array[]; ints: number[] } {
  for (const field of ['floats', 'doubles', 'int32s', 'int64s', 'uint64s'] as const) {
    if (field !== type.field && proto[field].length > 0) fail(proto, `expected ${type.name} data, got numbers of another type`);
  }
  if (type.field === 'floats' || type.field === 'doubles') return { pieces: proto[type.field], ints: [] };
  return { pieces: [], ints: proto[type.field] };
}

function copyPieces(data: Float32Array | Float64Array, pieces: readonly Uint8Array[], type: ElementType): void {
  let i = 0;
  for (const piece of pieces) {
    const n = piece.length / type.bytes;
    if (type.name === 'float' && LITTLE_ENDIAN) {
      new Uint8Array(data.buffer, i * 4, piece.length).set(piece);
    } else {
      const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
      for (let k = 0; k < n; k++) data[i + k] = type.read(view, k * type.bytes);
    }
    i += n;
  }
}

function externalBytes(
  proto: TensorProto,
  entries: ReadonlyMap<string, string>,
  bytes: number,
  readExternal: ReadExternal | undefined,
): Uint8Array {
  const location = entries.get('location') ?? '';
  checkLocation(proto, location);
  const number = (key: string, fallback: number): number => {
    const value = entries.get(key);
    if (value === undefined) return fallback;
    if (!/^\d{1,15}$/.test(value)) fail(proto, `expected external data's ${key} to be a byte count, got "${value}"`);
    return Number(value);
  };
  const offset = number('offset', 0);
  const length = number('length', bytes);
  if (length !== bytes) fail(proto, `expected ${bytes} bytes of external data, got length ${length}`);
  if (!readExternal) fail(proto, `expected a way to read its data from "${location}", got none`, 'Give readExternal');
  const file = readExternal(location);
  if (offset > file.length || length > file.length - offset) {
    fail(proto, `expected bytes ${offset} to ${offset + length} of "${location}", got a file of ${file.length} bytes`);
  }
  return file.subarray(offset, offset + length);
}

/** External data may lie beside the model or below it, and nowhere else. */
function checkLocation(proto: TensorProto, location: string): void {
  const parts = location.split('/');
  const inside = location !== '' && !/[\\:\0]/.test(location) && parts.every((part) => part !== '..' && part !== '');
  if (!inside) {
    fail(proto, `expected external data inside the model's folder, got location ${JSON.stringify(location)}`, 'Do not use this model');
  }
}

function fail(proto: TensorProto, problem: string, remedy = 'The file is damaged'): never {
  throw new FormatError(`onnx: tensor "${proto.name}": ${problem}. ${remedy}.`);
}

/** A constant as a tensor: floats as f32, integers and booleans as i32. `what` completes the error, such as `tensor "t"`. */
export function constantTensor(constant: Constant): AnyTensor {
  const { shape, data } = constant;
  if (data instanceof Float32Array) return { shape, data };
  const out = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    out[i] = data[i];
    if (out[i] !== data[i]) {
      throw new FormatError(
        `onnx: tensor "${constant.name}": expected integers that fit 32 bits, got ${data[i]} at element ${i}. Convert the tensor.`,
      );
    }
  }
  return { shape, data: out };
}

/** What {@link readTensorProto} gives. `elementType` is the ONNX type's name. */
export interface NamedTensor {
  readonly name: string;
  readonly elementType: string;
  readonly tensor: AnyTensor;
}

/**
 * Reads a serialised TensorProto (a `.pb` file of ONNX's own tests): floats as f32, integers and booleans as i32.
 * @throws FormatError if the bytes are not a tensor, lie about their length, or hold integers beyond 32 bits.
 */
export function readTensorProto(bytes: Uint8Array, readExternal?: ReadExternal): NamedTensor {
  const proto = readTensorFields(new Message(bytes, 'TensorProto'));
  return { name: proto.name, elementType: elementTypeName(proto.type), tensor: constantTensor(decodeTensor(proto, readExternal)) };
}
