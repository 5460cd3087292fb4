/**
 * The f64 reference: every op as plain loops, forward and adjoint. It is the executable specification, and what `gradcheck` compares the
 * GPU with.
 */
import type { LayerRules } from '../rule.ts';
import type { Shape } from '../tensor.ts';

/** A tensor in f64. Labels and indices are exact integers in it. */
export interface F64Tensor {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/**
 * A reference result. `bound[i]` is how far a correct f32 evaluation of element i may lie from `data[i]`, given the same (f32) inputs:
 * gamma_K * sum|a||b| for sums of products, the WGSL allowance for transcendentals. Absent when bounds were not asked for.
 */
export interface Bounded extends F64Tensor {
  readonly bound?: Float64Array;
}

/** How a reference op is called. `x` and `y` are the node's inputs and outputs (null: an omitted optional input). */
export interface ReferenceCall<A> {
  readonly attrs: A;
  readonly x: readonly (F64Tensor | null)[];
  /** Compute bounds too (about twice the work). */
  readonly bounds: boolean;
  /** Dropout's generator state, and the salt of the node's name; absent at inference. */
  readonly random?: { readonly seed: number; readonly iteration: number; readonly salt: number };
}

export interface ReferenceAdjointCall<A> extends ReferenceCall<A> {
  /** Outputs of the forward pass on the same x. */
  readonly y: readonly F64Tensor[];
  /** Signals at the outputs; null where none arrives. */
  readonly dy: readonly (F64Tensor | null)[];
  /** What the node obeys. */
  readonly rules: LayerRules;
}

export interface ReferenceOp<A> {
  /** All outputs the op can have, in order. */
  forward(call: ReferenceCall<A>): Bounded[];
  /** The signal at input k, of x[k]'s shape. */
  adjoint?(call: ReferenceAdjointCall<A>, k: number): Bounded;
}
