/**
 * What an op is: attributes, shape rule, forward steps, adjoint steps. Everything here is plain data in and plain data out; no device is involved.
 */
import { GraphError } from '../errors.ts';
import type { LayerRules, RuleAxis } from '../rule.ts';
import type { DType, Shape } from '../tensor.ts';
import type { Chosen, Variant } from './variants.ts';

/** JSON attributes of a node, before an op has checked them. */
export type Attrs = Readonly<Record<string, unknown>>;

/** Shape and element type of a graph value. */
export interface ValueInfo {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Element type in device memory. Pool switches are packed four bytes to a `u32`. */
export type StorageType = DType | 'u32';

/** A tensor of a plan, by id. `shape` counts stored elements of `dtype`. */
export interface TensorRef {
  readonly id: string;
  readonly shape: Shape;
  readonly dtype: StorageType;
}

/** What becomes of each element of a result as it is stored: `finishing` of conv2d.wgsl says what the bits mean. */
export interface Activation {
  readonly bits: number;
  /** Of the result's shape: the tensor whose sign is asked for; null if none is. */
  readonly gate: TensorRef | null;
}

/**
 * One dispatch, as an op states it.
 * `bind` maps every WGSL variable that the entry point uses to a tensor, by the variable's own name.
 * `geometry` fills the fields of the shader's uniform block, by field name.
 * `constants` sets the shader's `override`s, by name.
 * `invocations` is the number of invocations wanted in one dimension; the executor rounds up to whole workgroups and folds
 * what exceeds the device's workgroup count into the second dimension, so a shader derives its index from
 * `(workgroup_id.y * num_workgroups.x + workgroup_id.x) * workgroup_size + local_invocation_index` and returns when past the end.
 */
export interface StepSpec {
  readonly shader: string;
  readonly entry: string;
  readonly constants?: Readonly<Record<string, number>>;
  readonly geometry?: Readonly<Record<string, number | readonly number[]>>;
  readonly bind: Readonly<Record<string, TensorRef>>;
  readonly invocations: number;
}

/** What forward and adjoint emitters have in common. */
export interface EmitContext<A> {
  /** The node's name; dropout salts its generator with it. */
  readonly node: string;
  readonly attrs: A;
  /** Inputs in order; an omitted optional input is null. */
  readonly x: readonly (TensorRef | null)[];
  /** Outputs in order. */
  readonly y: readonly TensorRef[];
  /** What the kernels make of each element of y, or of the signal to input 0, as they store it; asked only of ops that say `finishes`. */
  readonly activation?: Activation;
  /** True when the plan trains: dropout draws a mask. */
  readonly training: boolean;
  /**
   * The kernel for a shape, out of a table of them, as the device's traits and what is pinned there lead to it; the plan notes it.
   * @param direction `forward`, `dx` or `dw`
   * @param key op and direction apart, all that the choice depends on, in words: what it is pinned by
   */
  choose<S, V extends Variant<S>>(direction: string, key: string, table: readonly V[], shape: S): Chosen<V>;
  /** A tensor that lives only between steps of this node. */
  scratch(name: string, shape: Shape, dtype?: StorageType): TensorRef;
  /**
   * A tensor computed from input `k` alone, such as packed weights. When that input is a parameter the steps run once, when
   * parameters are uploaded or changed, and the result is shared by every plan that asks for the same name; otherwise they run in place.
   */
  prepare(name: string, k: number, shape: Shape, emit: (out: TensorRef, step: (spec: StepSpec) => void) => void): TensorRef;
  /** The two-word state of the random generator, [seed, iteration], u32. */
  random(): TensorRef;
  step(spec: StepSpec): void;
}

export interface ForwardContext<A> extends EmitContext<A> {
  /** True when this node's adjoint will run, so that what it needs must be saved. */
  readonly differentiated: boolean;
  /** A tensor the forward pass leaves for the adjoint, beyond x and y. */
  save(name: string, shape: Shape, dtype: StorageType): TensorRef;
}

export interface AdjointContext<A> extends EmitContext<A> {
  /** Signals arriving at the outputs; null where none arrives. At least one is not null. */
  readonly dy: readonly (TensorRef | null)[];
  /** The signal to write, of the shape of input `k`: every element of it. Made when first asked for. */
  readonly dx: TensorRef;
  /** What this node obeys; an op reads the axes that it has. */
  readonly rules: LayerRules;
  saved(name: string): TensorRef;
}

/** Reports a bad attribute or shape of one node; the message is completed to `<op> "<node>": <message>`. */
export type Fail = (message: string) => never;

/**
 * One op. `adjoint(c, k)` writes the signal that reaches input `k`: for a linear op its transpose applied to dy, in general
 * dy times the Jacobian with respect to input k, departing from it as the rules say.
 */
export interface Op<A> {
  readonly name: string;
  /** WGSL sources by the names its steps use; ops may share a shader. */
  readonly shaders: Readonly<Record<string, string>>;
  /** How many inputs and outputs a node may have. */
  readonly inputs: readonly [min: number, max: number];
  readonly outputs: readonly [min: number, max: number];
  /** Checks attributes and fills in defaults; unknown names are errors. */
  attrs(given: Attrs, fail: Fail): A;
  /** Shapes of all outputs the op can have. An omitted optional input is null. */
  infer(inputs: readonly (ValueInfo | null)[], attrs: A, fail: Fail): ValueInfo[];
  /** True when output 0 is input 0 under another shape: no step, no memory. */
  alias?(attrs: A, training: boolean): boolean;
  /** Multiply-accumulates of the forward pass; absent for ops that have none worth counting. */
  macs?(x: readonly (Shape | null)[], y: Shape, attrs: A): number;
  /** True when the kernels of the forward pass and of the adjoint to input 0 can apply an {@link Activation}, and no adjoint reads y. */
  readonly finishes?: boolean;
  forward(c: ForwardContext<A>): void;
  /** The axes of the rule cube that the adjoint obeys; absent for none. */
  readonly rules?: readonly RuleAxis[];
  /** Which inputs have an adjoint. */
  differentiable(k: number): boolean;
  /** Writes `c.dx`, or returns a tensor that already holds the same elements in the same order (an aliased or passed-through dy). */
  adjoint?(c: AdjointContext<A>, k: number): TensorRef | void;
}

/** A {@link Fail} for a node. */
export function failFor(op: string, node: string): Fail {
  return (message) => {
    throw new GraphError(`${op} "${node}": ${message}`);
  };
}
