/**
 * Whole networks in f64: forward, and the reverse sweep that brings a seed at any value down to any others.
 */
import { GraphError, InputError } from '../errors.ts';
import { layerRules, type TypedGraph, type TypedNode } from '../graph.ts';
import { salt } from '../ops/dropout.ts';
import type { RuleSpec } from '../rule.ts';
import { formatShape, sameShape } from '../tensor.ts';
import { decides, decidingInput, forwardOnBranch, type Values } from './decisions.ts';
import { REFERENCE } from './index.ts';
import type { F64Tensor, ReferenceCall, ReferenceOp } from './types.ts';

export interface ReferenceOptions {
  /** Dropout's generator state when training; absent at inference. */
  readonly random?: { readonly seed: number; readonly iteration: number };
  /**
   * Forward values whose decisions are taken instead of the run's own: ReLU's signs, the winners of max-pools, where clip passes.
   * Everything else (convolutions, LRN, softmax, products ...) is evaluated on the run's own values. With the values of a GPU run, widened,
   * this is f64 arithmetic on the linear piece that the GPU was on. It must hold the inputs of all deciding nodes (of a ReLU the output
   * will do).
   */
  readonly branch?: Values;
}

export interface BackOptions extends ReferenceOptions {
  /** The value at which the seed is put. */
  readonly target: string;
  readonly seed: F64Tensor;
  /** The values whose adjoints are wanted: inputs, parameters, anything between. */
  readonly wrt: readonly string[];
  readonly rule: RuleSpec;
}

function reference(node: TypedNode): ReferenceOp<unknown> {
  const op = Object.hasOwn(REFERENCE, node.op) ? REFERENCE[node.op] : undefined;
  if (!op) {
    throw new GraphError(`${node.op} "${node.name}": expected an op that has a reference, one of ${Object.keys(REFERENCE).join(', ')}.`);
  }
  return op;
}

/** Stands for an output that nobody named. */
const ABSENT: F64Tensor = { shape: [0], data: new Float64Array(0) };

function lookUp(values: Values, name: string, node: TypedNode): F64Tensor {
  const value = values.get(name);
  if (!value) {
    throw new GraphError(`${node.op} "${node.name}": expected a value "${name}", got none. Give every input and parameter of the graph.`);
  }
  return value;
}

function call(node: TypedNode, values: Values, options: ReferenceOptions): ReferenceCall<unknown> {
  return {
    attrs: node.typedAttrs,
    x: node.inputs.map((name) => (name === '' ? null : lookUp(values, name, node))),
    bounds: false,
    random: options.random && { ...options.random, salt: salt(node.name) },
  };
}

/**
 * Runs a graph in f64.
 * @param values every input and parameter, by name; left as it is
 * @returns these and every value the nodes make. Values that only differ in shape (reshape, flatten, identity) share their elements.
 * @throws GraphError if a value is missing.
 */
export function runReference(typed: TypedGraph, values: Values, options: ReferenceOptions = {}): Map<string, F64Tensor> {
  const all = new Map(values);
  for (const node of typed.nodes) {
    const c = call(node, all, options);
    const outputs =
      options.branch && decides(node)
        ? forwardOnBranch(node, c.x[0]!, decidingInput(typed, node, options.branch, all))
        : reference(node).forward(c);
    node.outputs.forEach((name, i) => {
      if (name !== '') all.set(name, outputs[i]);
    });
  }
  return all;
}

/** Values that depend on any of `wrt`, these included. */
function dependents(typed: TypedGraph, wrt: readonly string[]): Set<string> {
  const found = new Set(wrt);
  for (const node of typed.nodes) {
    if (node.inputs.some((name) => found.has(name))) for (const name of node.outputs) found.add(name);
  }
  found.delete('');
  return found;
}

/**
 * The reverse sweep: what reaches each of `wrt` from `seed` at `target`, contributions added up; zeros where nothing does.
 * @param values a forward run's values ({@link runReference})
 * @throws InputError if a name or a shape is wrong; GraphError if a path leads through an input that has no adjoint.
 */
export function backReference(typed: TypedGraph, values: Values, options: BackOptions): Map<string, F64Tensor> {
  const { target, seed, wrt, rule, branch } = options;
  for (const name of [target, ...wrt]) {
    if (!values.has(name)) throw new InputError(`back: expected the name of a value of graph "${typed.graph.name}", got "${name}".`);
  }
  const { shape } = values.get(target)!;
  if (!sameShape(seed.shape, shape)) {
    throw new InputError(`back: expected a seed of "${target}"'s shape ${formatShape(shape)}, got ${formatShape(seed.shape)}.`);
  }
  const rules = layerRules(typed, rule);

  const needed = dependents(typed, wrt);
  const wanted = new Set(wrt);
  const signals = new Map<string, F64Tensor>();
  if (needed.has(target)) signals.set(target, seed);
  for (const node of typed.nodes.toReversed()) {
    const dy = node.outputs.map((name) => signals.get(name) ?? null);
    if (dy.every((signal) => signal === null)) continue;
    const adjointCall = {
      ...call(node, values, options),
      y: node.outputs.map((name) => (name === '' ? ABSENT : lookUp(values, name, node))),
      dy,
      rules: rules(node.name),
    };
    if (branch && decides(node)) adjointCall.x = [decidingInput(typed, node, branch, values, adjointCall.rules)];
    node.inputs.forEach((name, k) => {
      if (!needed.has(name) || typed.values.get(name)?.dtype === 'i32') return;
      const { adjoint } = reference(node);
      if (!adjoint || !node.definition.differentiable(k)) {
        throw new GraphError(
          `${node.op} "${node.name}": expected a signal to go through inputs that have an adjoint, got "${name}", input ${k}.`,
        );
      }
      const signal = adjoint(adjointCall, k);
      const before = signals.get(name);
      signals.set(name, before ? sum(before, signal) : signal);
    });
    for (const name of node.outputs) if (!wanted.has(name)) signals.delete(name);
  }
  return new Map(wrt.map((name) => [name, signals.get(name) ?? zeros(values.get(name)!)]));
}

function sum(a: F64Tensor, b: F64Tensor): F64Tensor {
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < data.length; i++) data[i] = a.data[i] + b.data[i];
  return { shape: a.shape, data };
}

const zeros = (like: F64Tensor): F64Tensor => ({ shape: like.shape, data: new Float64Array(like.data.length) });

/** An f32 or i32 tensor widened to f64. */
export function widen(t: { readonly shape: readonly number[]; readonly data: Float32Array | Int32Array }): F64Tensor {
  return { shape: t.shape, data: Float64Array.from(t.data) };
}
