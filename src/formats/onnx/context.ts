/**
 * One ONNX node while it is translated: typed access to its attributes and inputs, and one way to report what is wrong with it.
 */
import { GraphError } from '../../errors.ts';
import { formatShape, type DType, type Shape } from '../../tensor.ts';
import { countElements, formatList } from '../numbers.ts';
import type { Batch, Builder, Value } from './builder.ts';
import type { NodeProto } from './model.ts';
import type { Constant, Kind, TensorProto } from './tensor-proto.ts';

/** An output to make. `dtype` defaults to f32. */
export interface NewValue {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype?: DType;
}

export class NodeContext {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];

  /**
   * `name` is the node's unique name, `opset` the version of its domain, `isRead` tells whether a value is an input of some node or an
   * output of the graph.
   */
  constructor(
    readonly node: NodeProto,
    readonly name: string,
    readonly opset: number,
    readonly builder: Builder,
    private readonly isRead: (value: string) => boolean,
  ) {
    // Trailing omitted inputs and outputs are written "" by some exporters and left out by others.
    this.inputs = trimmed(node.inputs);
    this.outputs = trimmed(node.outputs);
  }

  get batch(): Batch {
    return this.builder.batch;
  }

  /** @throws GraphError `onnx: node "<name>" (<op>): <message>` */
  fail(message: string): never {
    throw new GraphError(`onnx: node "${this.name}" (${this.node.opType}): ${message}`);
  }

  /** @throws GraphError unless the node has so many inputs and at most so many outputs, its first output among them. */
  arity(inputs: readonly [min: number, max: number], outputs = 1): void {
    const [min, max] = inputs;
    const given = this.inputs.length;
    if (given < min || given > max) {
      const wanted = min === max ? min : max === Infinity ? `at least ${min}` : `${min} to ${max}`;
      this.fail(`expected ${wanted} inputs, got ${given}. The file is damaged.`);
    }
    for (let k = 0; k < min; k++) if (this.inputs[k] === '') this.fail(`expected input ${k}, got none. The file is damaged.`);
    if (this.outputs.length > outputs) {
      this.fail(`expected at most ${outputs} outputs, got ${this.outputs.length}. Export the model for inference.`);
    }
    if (!this.outputs[0]) this.fail('expected a name for output 0, got none. The file is damaged.');
  }

  /** @throws GraphError if the node has attributes other than these. */
  knownAttributes(names: readonly string[]): void {
    for (const name of this.node.attributes.keys()) {
      if (!names.includes(name)) {
        this.fail(`expected attributes among ${names.join(', ') || 'none'}, got "${name}". This reader does not know what it changes.`);
      }
    }
  }

  has(attribute: string): boolean {
    return this.node.attributes.has(attribute);
  }

  int(name: string, fallback?: number): number {
    return this.#attribute(name, 'int', fallback);
  }

  /** A float; finite unless infinity has a meaning. */
  float(name: string, fallback?: number, infinite = false): number {
    const value = this.#attribute<number>(name, 'float', fallback);
    if (!Number.isFinite(value) && !infinite) this.fail(`expected attribute ${name} to be finite, got ${value}.`);
    return value;
  }

  string(name: string, fallback?: string): string {
    return this.#attribute(name, 'string', fallback);
  }

  tensor(name: string): TensorProto {
    return this.#attribute<TensorProto>(name, 'tensor', undefined);
  }

  floats(name: string): readonly number[] {
    return this.#attribute<readonly number[]>(name, 'floats', undefined);
  }

  /** Integers; `length` of them when given. */
  ints(name: string, fallback?: readonly number[], length?: number): readonly number[] {
    const value = this.#attribute<readonly number[]>(name, 'ints', fallback);
    if (length !== undefined && value.length !== length) {
      this.fail(`expected attribute ${name} to hold ${length} integers, got ${formatList(value)}.`);
    }
    return value;
  }

  /** An integer that is 0 or 1. */
  flag(name: string, fallback = 0): boolean {
    const value = this.int(name, fallback);
    if (value !== 0 && value !== 1) this.fail(`expected attribute ${name} to be 0 or 1, got ${value}.`);
    return value === 1;
  }

  #attribute<T>(name: string, type: string, fallback: T | undefined): T {
    const attribute = this.node.attributes.get(name);
    if (!attribute) {
      if (fallback === undefined) this.fail(`expected attribute ${name}, got none. The file is damaged.`);
      return fallback;
    }
    if (attribute.type !== type) this.fail(`expected attribute ${name} to be of type ${type}, got ${attribute.type}.`);
    return (attribute as unknown as { value: T }).value;
  }

  /** True when optional input k is given. */
  given(k: number): boolean {
    return (this.inputs[k] ?? '') !== '';
  }

  /** True when output k is asked for by the file and read by anyone. */
  wanted(k: number): boolean {
    const name = this.outputs[k] ?? '';
    return name !== '' && this.isRead(name);
  }

  /** Input k if its value is known now. */
  constant(k: number): Constant | undefined {
    return this.given(k) ? this.builder.constant(this.inputs[k]) : undefined;
  }

  /** Input k, which must be known now; `what` says what it is. */
  needConstant(k: number, what: string): Constant {
    const constant = this.constant(k);
    if (!constant) {
      this.fail(
        `expected ${what} to be a constant, got the computed value "${this.inputs[k] ?? ''}". ` +
          'Export it as a constant, or give its value with constants.',
      );
    }
    return constant;
  }

  /** Constant integers: input k as a vector of any length. */
  needInts(k: number, what: string): number[] {
    const constant = this.needConstant(k, what);
    if (constant.kind !== 'int' || constant.shape.length > 1) {
      this.fail(`expected ${what} to be a vector of integers, got ${constant.kind} of shape ${formatShape(constant.shape)}.`);
    }
    return [...constant.data];
  }

  /** A constant scalar (or one-element) float input. */
  needScalar(k: number, what: string): number {
    const constant = this.needConstant(k, what);
    if (constant.data.length !== 1) this.fail(`expected ${what} to be a scalar, got shape ${formatShape(constant.shape)}.`);
    return constant.data[0];
  }

  /** Shape and element type of input k, without making a parameter of it. */
  info(k: number): { readonly shape: Shape; readonly dtype: DType } {
    const value = this.builder.value(this.inputs[k]);
    if (value) return value;
    const constant = this.constant(k);
    if (!constant) this.fail(`expected input "${this.inputs[k]}" to be made before it is used, got nothing of that name.`);
    return { shape: constant.shape, dtype: constant.kind === 'float' ? 'f32' : 'i32' };
  }

  /** Input k as a value of the graph: its name there, shape and type. A constant becomes a parameter. */
  x(k: number): Value & { readonly name: string } {
    this.info(k);
    const name = this.builder.use(this.inputs[k]);
    return { name, ...(this.builder.value(name) as Value) };
  }

  /** Input k as a float value, of the given rank where one is needed. */
  floatInput(k: number, rank?: number): Value & { readonly name: string } {
    const { shape, dtype } = this.info(k);
    if (dtype !== 'f32') this.fail(`expected input "${this.inputs[k]}" to hold floats, got integers.`);
    if (rank !== undefined && shape.length !== rank) {
      this.fail(
        `expected input "${this.inputs[k]}" to have ${rank} dimensions, got shape ${formatShape(shape)}.` +
          (rank === 4 ? ' Only 2-D images are supported.' : ''),
      );
    }
    return this.x(k);
  }

  /** Appends a node. Its outputs are batched if an input is and the first extent is still the batch. */
  emit(op: string, inputs: readonly string[], outputs: readonly NewValue[], attrs?: Readonly<Record<string, unknown>>, suffix = ''): void {
    const batched = inputs.some((name) => this.builder.value(name)?.batched);
    for (const { name, shape, dtype = 'f32' } of outputs) {
      if (countElements(shape) === 0) this.fail(`expected at least one element in "${name}", got shape ${formatList(shape)}.`);
      this.builder.setValue(name, { shape, dtype, batched: batched && shape[0] === this.batch.actual });
    }
    const node = { name: this.name + suffix, op, inputs, outputs: outputs.map((output) => output.name) };
    this.builder.add(attrs && Object.keys(attrs).length > 0 ? { ...node, attrs } : node);
  }

  /** Room for a constant of that shape. */
  allocate(kind: Kind, shape: Shape): Float32Array | Float64Array {
    const data = this.builder.allocate(kind, shape);
    if (!data) {
      this.fail(
        `expected a constant in proportion to the file, got shape ${formatList(shape)}. The file is damaged, or the op belongs to the run.`,
      );
    }
    return data;
  }

  /** Makes output 0 a constant. */
  fold(shape: Shape, kind: Constant['kind'], data: Constant['data']): void {
    const name = this.outputs[0];
    this.builder.setConstant(name, { name, shape, kind, data });
  }

  /** An axis counted from either end, as 0..rank-1. */
  axis(axis: number, rank: number): number {
    if (!Number.isSafeInteger(axis) || axis < -rank || axis >= rank) {
      this.fail(`expected an axis from ${-rank} to ${rank - 1}, got ${axis}.`);
    }
    return axis < 0 ? axis + rank : axis;
  }
}

function trimmed(names: readonly string[]): readonly string[] {
  let n = names.length;
  while (n > 0 && names[n - 1] === '') n -= 1;
  return names.slice(0, n);
}
