/**
 * ModelProto and what lies in it, as plain objects. Field numbers are those of onnx.proto; what the importer does not need is skipped,
 * sub-graphs included, so no message nests in itself.
 */
import { FormatError } from '../../errors.ts';
import { readTensorFields, type TensorProto } from './tensor-proto.ts';
import { Message } from './wire.ts';

export interface ModelProto {
  readonly irVersion: number;
  readonly producer: string;
  /** Operator set versions by domain; the default domain is "". */
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: GraphProto;
}

export interface GraphProto {
  readonly name: string;
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
}

export interface NodeProto {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeProto>;
}

/** An attribute's value by its type; sub-graphs, type protos and sparse tensors are only named. */
export type AttributeProto =
  | { readonly type: 'float' | 'int'; readonly value: number }
  | { readonly type: 'floats' | 'ints'; readonly value: readonly number[] }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'tensor'; readonly value: TensorProto }
  | { readonly type: 'graph' | 'strings' | 'tensors' | 'graphs' | 'sparse tensor' | 'type' | 'reference' };

/** An extent: a number, a symbol, or null where the file leaves it open. */
export type Dim = number | string | null;

export interface ValueInfoProto {
  readonly name: string;
  /** ONNX element type. */
  readonly type: number;
  /** Undefined where the file gives no shape at all. */
  readonly dims: readonly Dim[] | undefined;
}

/** @throws FormatError if the bytes are not an ONNX model. */
export function readModel(bytes: Uint8Array): ModelProto {
  if (bytes.length === 0) throw new FormatError('onnx: expected a model, got an empty file. Download it again.');
  const m: Message = new Message(bytes, 'model');
  const opsets = new Map<string, number>();
  let irVersion = 0;
  let producer = '';
  let graph: GraphProto | undefined;
  while (m.next()) {
    switch (m.field) {
      case 1:
        irVersion = m.int();
        break;
      case 2:
        producer = m.string();
        break;
      case 7:
        if (graph) m.fail('expected one graph, got another');
        graph = readGraphProto(m.message('graph'));
        break;
      case 8: {
        const [domain, version] = readOpset(m.message('opset import'));
        opsets.set(domain, version);
        break;
      }
      default:
        m.skip();
    }
  }
  if (!graph) m.fail('expected a graph, got none');
  return { irVersion, producer, opsets, graph };
}

function readOpset(m: Message): [domain: string, version: number] {
  let domain = '';
  let version = 0;
  while (m.next()) {
    if (m.field === 1) domain = m.string();
    else if (m.field === 2) version = m.int();
    else m.skip();
  }
  return [domain === 'ai.onnx' ? '' : domain, version];
}

function readGraphProto(m: Message): GraphProto {
  const nodes: NodeProto[] = [];
  const initializers: TensorProto[] = [];
  const inputs: ValueInfoProto[] = [];
  const outputs: ValueInfoProto[] = [];
  let name = '';
  while (m.next()) {
    switch (m.field) {
      case 1:
        nodes.push(readNode(m.message(`node ${nodes.length}`)));
        break;
      case 2:
        name = m.string();
        break;
      case 5:
        initializers.push(readTensorFields(m.message(`initializer ${initializers.length}`)));
        break;
      case 11:
        inputs.push(readValueInfo(m.message(`graph input ${inputs.length}`)));
        break;
      case 12:
        outputs.push(readValueInfo(m.message(`graph output ${outputs.length}`)));
        break;
      case 15:
        throw new FormatError('onnx: expected dense initializers, got a sparse one. Convert it to a dense tensor.');
      default:
        m.skip();
    }
  }
  return { name, nodes, initializers, inputs, outputs };
}

function readNode(m: Message): NodeProto {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, AttributeProto>();
  let name = '';
  let opType = '';
  let domain = '';
  while (m.next()) {
    switch (m.field) {
      case 1:
        inputs.push(m.string());
        break;
      case 2:
        outputs.push(m.string());
        break;
      case 3:
        name = m.string();
        break;
      case 4:
        opType = m.string();
        break;
      case 5: {
        const [key, attribute] = readAttribute(m.message(`${m.what}, attribute ${attributes.size}`));
        if (attributes.has(key)) m.fail(`expected each attribute once, got "${key}" twice`);
        attributes.set(key, attribute);
        break;
      }
      case 7:
        domain = m.string();
        break;
      default:
        m.skip();
    }
  }
  return { name, opType, domain: domain === 'ai.onnx' ? '' : domain, inputs, outputs, attributes };
}

function readAttribute(m: Message): [name: string, attribute: AttributeProto] {
  const ints: number[] = [];
  const floatBytes: Uint8Array[] = [];
  let name = '';
  let type = 0;
  let float: number | undefined;
  let int: number | undefined;
  let string: string | undefined;
  let tensor: TensorProto | undefined;
  let other = 0;
  while (m.next()) {
    switch (m.field) {
      case 1:
        name = m.string();
        break;
      case 2:
        float = m.float();
        break;
      case 3:
        int = m.int();
        break;
      case 4:
        string = m.string();
        break;
      case 5:
        tensor = readTensorFields(m.message(`${m.what}, tensor`));
        break;
      case 7:
        m.fixed(floatBytes, 4);
        break;
      case 8:
        m.ints(ints);
        break;
      case 20:
        type = m.int();
        break;
      case 6:
      case 9:
      case 10:
      case 11:
      case 14:
      case 15:
      case 21:
      case 22:
      case 23:
        other = m.field;
        m.skip();
        break;
      default:
        m.skip();
    }
  }
  const floats = (): number[] =>
    floatBytes.flatMap((run) => {
      const view = new DataView(run.buffer, run.byteOffset, run.byteLength);
      return Array.from({ length: run.length / 4 }, (_, i) => view.getFloat32(i * 4, true));
    });
  if (other === 21) return [name, { type: 'reference' }];
  // The oldest files state no type: what is present says it.
  const stated =
    type !== 0
      ? type
      : [float, int, string, tensor].findIndex((v) => v !== undefined) + 1 || (floatBytes.length > 0 ? 6 : ints.length > 0 ? 7 : 0);
  switch (stated) {
    case 1:
      return [name, { type: 'float', value: float ?? 0 }];
    case 2:
      return [name, { type: 'int', value: int ?? 0 }];
    case 3:
      return [name, { type: 'string', value: string ?? '' }];
    case 4:
      if (!tensor) m.fail(`expected attribute "${name}" to hold a tensor, got none`);
      return [name, { type: 'tensor', value: tensor }];
    case 5:
      return [name, { type: 'graph' }];
    case 6:
      return [name, { type: 'floats', value: floats() }];
    case 7:
      return [name, { type: 'ints', value: ints }];
    case 8:
      return [name, { type: 'strings' }];
    case 9:
      return [name, { type: 'tensors' }];
    case 10:
      return [name, { type: 'graphs' }];
    case 11:
    case 12:
      return [name, { type: 'sparse tensor' }];
    case 13:
    case 14:
      return [name, { type: 'type' }];
    default:
      return m.fail(`expected attribute "${name}" to have a known type, got ${stated}`);
  }
}

function readValueInfo(m: Message): ValueInfoProto {
  let name = '';
  let type = 0;
  let dims: Dim[] | undefined;
  while (m.next()) {
    if (m.field === 1) name = m.string();
    else if (m.field === 2) {
      const t = m.message(`${m.what}, type`);
      while (t.next()) {
        if (t.field === 1) ({ type, dims } = readTensorType(t.message(`${t.what}, tensor`)));
        else t.skip();
      }
    } else m.skip();
  }
  return { name, type, dims };
}

function readTensorType(m: Message): { type: number; dims: Dim[] | undefined } {
  let type = 0;
  let dims: Dim[] | undefined;
  while (m.next()) {
    if (m.field === 1) type = m.int();
    else if (m.field === 2) {
      dims = [];
      const shape = m.message(`${m.what}, shape`);
      while (shape.next()) {
        if (shape.field === 1) dims.push(readDim(shape.message(`${shape.what}, extent ${dims.length}`)));
        else shape.skip();
      }
    } else m.skip();
  }
  return { type, dims };
}

function readDim(m: Message): Dim {
  let dim: Dim = null;
  while (m.next()) {
    if (m.field === 1) dim = m.int();
    else if (m.field === 2) dim = m.string() || null;
    else m.skip();
  }
  // Old exporters write 0 or -1 for "any".
  return typeof dim === 'number' && dim <= 0 ? null : dim;
}
