/**
 * A small writer of protobuf and of ONNX messages, for tests that need a file no exporter would write.
 */

/** One message, field after field. */
export class Proto {
  readonly out: number[] = [];

  varint(value: number | bigint): this {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) this.out.push(Number(rest & 127n) | 128);
    this.out.push(Number(rest));
    return this;
  }

  int(field: number, value: number | bigint): this {
    return this.varint(field * 8).varint(value);
  }

  bytes(field: number, value: ArrayLike<number>): this {
    this.varint(field * 8 + 2).varint(value.length);
    for (let i = 0; i < value.length; i++) this.out.push(value[i]);
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, value: Proto): this {
    return this.bytes(field, value.out);
  }

  float(field: number, value: number): this {
    this.varint(field * 8 + 5).out.push(...littleEndian('f4', [value]));
    return this;
  }

  packed(field: number, values: readonly (number | bigint)[]): this {
    const run = new Proto();
    for (const value of values) run.varint(value);
    return this.message(field, run);
  }
}

const WRITE = {
  f4: [4, 'setFloat32'],
  f8: [8, 'setFloat64'],
  i4: [4, 'setInt32'],
  i2: [2, 'setInt16'],
  u2: [2, 'setUint16'],
  i1: [1, 'setInt8'],
} as const;

/** Numbers as little-endian bytes. */
export function littleEndian(type: keyof typeof WRITE | 'i8', values: readonly number[], little = true): Uint8Array {
  const width = type === 'i8' ? 8 : WRITE[type][0];
  const view = new DataView(new ArrayBuffer(values.length * width));
  values.forEach((value, i) => {
    if (type === 'i8') view.setBigInt64(i * 8, BigInt(value), little);
    else view[WRITE[type][1]](i * width, value, little);
  });
  return new Uint8Array(view.buffer);
}

export const FLOAT = 1;
export const INT32 = 6;
export const INT64 = 7;
export const BOOL = 9;

/** A TensorProto; `data` writes its data fields. */
export function tensorProto(name: string, dims: readonly number[], type: number, data: (t: Proto) => void): Proto {
  const t = new Proto();
  for (const dim of dims) t.int(1, dim);
  t.int(2, type).string(8, name);
  data(t);
  return t;
}

export const floats = (name: string, dims: readonly number[], values: readonly number[]): Proto =>
  tensorProto(name, dims, FLOAT, (t) => t.bytes(9, littleEndian('f4', values)));

export const int64s = (name: string, values: readonly number[], dims: readonly number[] = [values.length]): Proto =>
  tensorProto(name, dims, INT64, (t) => t.packed(7, values));

/** An attribute: whole numbers are INT, others FLOAT unless wrapped; arrays are INTS. */
export type AttributeValue = number | string | readonly number[] | Proto | { float: number } | { floats: readonly number[] };

function attributeProto(name: string, value: AttributeValue): Proto {
  const a = new Proto().string(1, name);
  if (value instanceof Proto) return a.message(5, value).int(20, 4);
  if (typeof value === 'string') return a.string(4, value).int(20, 3);
  if (typeof value === 'number') return Number.isInteger(value) ? a.int(3, value).int(20, 2) : a.float(2, value).int(20, 1);
  if ('float' in value) return a.float(2, value.float).int(20, 1);
  if ('floats' in value) return a.bytes(7, littleEndian('f4', value.floats)).int(20, 6);
  return a.packed(8, value).int(20, 7);
}

export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  name = '',
  domain = '',
): Proto {
  const n = new Proto();
  for (const input of inputs) n.string(1, input);
  for (const output of outputs) n.string(2, output);
  n.string(3, name).string(4, op);
  for (const [key, value] of Object.entries(attributes)) n.message(5, attributeProto(key, value));
  return domain === '' ? n : n.string(7, domain);
}

/** A graph input or output; an extent may be a symbol, or null for an open one; no dims for no shape. */
export function valueInfo(name: string, dims?: readonly (number | string | null)[], type = FLOAT): Proto {
  const tensor = new Proto().int(1, type);
  if (dims) {
    const shape = new Proto();
    for (const dim of dims) {
      shape.message(1, dim === null ? new Proto() : typeof dim === 'string' ? new Proto().string(2, dim) : new Proto().int(1, dim));
    }
    tensor.message(2, shape);
  }
  return new Proto().string(1, name).message(2, new Proto().message(1, tensor));
}

export interface ModelParts {
  readonly nodes: readonly Proto[];
  readonly inputs?: readonly Proto[];
  readonly outputs?: readonly Proto[];
  readonly initializers?: readonly Proto[];
  readonly opset?: number;
  /** More operator sets by domain. */
  readonly domains?: Readonly<Record<string, number>>;
}

export function model({ nodes, inputs = [], outputs = [], initializers = [], opset = 13, domains = {} }: ModelParts): Uint8Array {
  const graph = new Proto();
  for (const n of nodes) graph.message(1, n);
  graph.string(2, 'test');
  for (const t of initializers) graph.message(5, t);
  for (const v of inputs) graph.message(11, v);
  for (const v of outputs) graph.message(12, v);
  const m = new Proto().int(1, 8).string(2, 'backlight test').message(7, graph);
  m.message(8, new Proto().string(1, '').int(2, opset));
  for (const [domain, version] of Object.entries(domains)) m.message(8, new Proto().string(1, domain).int(2, version));
  return Uint8Array.from(m.out);
}
