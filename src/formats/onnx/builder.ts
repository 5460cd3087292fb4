/**
 * The graph being built while an ONNX file is walked: which values are known, which are constants, which constants became parameters.
 */
import { FormatError } from '../../errors.ts';
import type { Graph, GraphNode, ValueSpec } from '../../graph.ts';
import { size, type AnyTensor, type DType, type Shape } from '../../tensor.ts';
import { countElements, formatList, MAX_ELEMENTS } from '../numbers.ts';
import { constantTensor, decodeTensor, type Constant, type Kind, type ReadExternal, type TensorProto } from './tensor-proto.ts';

/** A value that the network computes or is given. `batched`: its first extent is the batch. */
export interface Value {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly batched: boolean;
}

/** The batch extent the file states (null where open) and the one the graph is built for. */
export interface Batch {
  readonly declared: number | null;
  readonly actual: number;
}

/** Elements that folding may make out of nothing: shape arithmetic is small, and a file must not make us allocate much. */
const FOLDING_ALLOWANCE = 2 ** 20;

export class Builder {
  readonly inputs: ValueSpec[] = [];
  readonly parameters = new Map<string, AnyTensor>();
  readonly #values = new Map<string, Value>();
  readonly #constants = new Map<string, Constant>();
  readonly #nodes: GraphNode[] = [];
  readonly #nodeNames = new Set<string>();
  readonly #protos = new Map<string, TensorProto>();
  #allowance = FOLDING_ALLOWANCE;

  /** `names` are the value names the file uses: fresh ones avoid them. */
  constructor(
    initializers: readonly TensorProto[],
    private readonly names: Set<string>,
    readonly batch: Batch,
    private readonly readExternal?: ReadExternal,
  ) {
    for (const proto of initializers) {
      if (proto.name === '') {
        throw new FormatError('onnx: expected every initializer to have a name, got one without. The file is damaged.');
      }
      if (this.#protos.has(proto.name)) {
        throw new FormatError(`onnx: expected initializer names to differ, got "${proto.name}" twice. The file is damaged.`);
      }
      this.#protos.set(proto.name, proto);
    }
  }

  input(spec: ValueSpec, batched: boolean): void {
    this.inputs.push(spec);
    this.setValue(spec.name, { shape: spec.shape, dtype: spec.dtype ?? 'f32', batched });
  }

  /** The constant of that name, decoded when first asked for; undefined for what is only known at run time. */
  constant(name: string): Constant | undefined {
    const known = this.#constants.get(name);
    if (known) return known;
    const proto = this.#protos.get(name);
    if (!proto) return undefined;
    const constant = this.decode(proto);
    this.#constants.set(name, constant);
    return constant;
  }

  /** Decodes a tensor of the file. */
  decode(proto: TensorProto): Constant {
    const constant = decodeTensor(proto, this.readExternal);
    // Weights may be transposed and combined, but not multiplied without end.
    this.#allowance += 2 * constant.data.length;
    return constant;
  }

  /** Room for a folded constant, or undefined if folding has made too much already. */
  allocate(kind: Kind, shape: Shape): Float32Array | Float64Array | undefined {
    const count = countElements(shape);
    if (count === undefined || count > this.#allowance) return undefined;
    this.#allowance -= count;
    return kind === 'float' ? new Float32Array(count) : new Float64Array(count);
  }

  setConstant(name: string, constant: Constant): void {
    this.#constants.set(name, constant);
  }

  value(name: string): Value | undefined {
    return this.#values.get(name);
  }

  setValue(name: string, value: Value): void {
    if (countElements(value.shape) === undefined) {
      throw new FormatError(
        `onnx: expected "${name}" to have at most ${MAX_ELEMENTS} elements, got shape ${formatList(value.shape)}. ` +
          'Use a smaller input or batch.',
      );
    }
    this.#values.set(name, value);
  }

  /**
   * The name under which a node may read a value. A constant becomes a parameter here, under the name of the initializer that it is;
   * one that no node reads never does.
   */
  use(name: string): string {
    const constant = this.#values.has(name) ? undefined : this.constant(name);
    if (!constant) return name;
    if (!this.parameters.has(constant.name)) {
      const tensor = constantTensor(constant);
      if (size(tensor.shape) === 0) {
        throw new FormatError(
          `onnx: tensor "${name}": expected at least one element, got shape ${formatList(tensor.shape)}. The file is damaged.`,
        );
      }
      this.parameters.set(constant.name, tensor);
      const dtype = tensor.data instanceof Int32Array ? 'i32' : 'f32';
      this.setValue(constant.name, { shape: tensor.shape, dtype, batched: false });
    }
    return constant.name;
  }

  /** A value name that nothing else has. */
  fresh(base: string): string {
    return unique(base, this.names);
  }

  /** Appends a node under that name, or one made unique from it. */
  add(node: GraphNode): void {
    this.#nodes.push({ ...node, name: unique(node.name, this.#nodeNames) });
  }

  finish(name: string, outputs: readonly string[]): Graph {
    const used = outputs.map((output) => this.use(output));
    const parameters = [...this.parameters].map(([param, { shape, data }]): ValueSpec =>
      data instanceof Int32Array ? { name: param, shape, dtype: 'i32' } : { name: param, shape },
    );
    return { name, inputs: this.inputs, parameters, nodes: this.#nodes, outputs: used };
  }
}

function unique(base: string, taken: Set<string>): string {
  let name = base;
  for (let n = 2; taken.has(name); n++) name = `${base}#${n}`;
  taken.add(name);
  return name;
}
