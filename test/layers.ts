/** Runs a graph once on the device, NaN in every buffer beforehand, and holds each node to its own rounding bound. */
import * as assert from 'uvu/assert';
import type { Gpu } from '../src/gpu/device.ts';
import { Executor } from '../src/gpu/executor.ts';
import { typeGraph, type Graph, type TypedGraph } from '../src/graph.ts';
import { compile } from '../src/plan.ts';
import { widen } from '../src/reference/graph.ts';
import { REFERENCE } from '../src/reference/index.ts';
import type { Bounded, F64Tensor } from '../src/reference/types.ts';
import { DEFAULT_RULES } from '../src/rule.ts';
import type { AnyTensor, Tensor } from '../src/tensor.ts';
import { compare } from '../src/verify/kernels.ts';

/** A backward pass: the seed, where it is put, and what is asked for. */
export interface Back {
  readonly target: string;
  readonly seed: Tensor;
  readonly wrt: readonly string[];
}

export interface Ran {
  /** Every value of the graph, parameters and inputs included. */
  readonly values: ReadonlyMap<string, AnyTensor>;
  /** The signal at every value that lies between target and wrt. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/**
 * Runs the graph and asserts that every node's outputs, and with `back` the signals at its inputs, lie within the bound that the f64
 * reference gives for the very f32 values that the node had on the device. Integers have no bound: they must be equal.
 */
export async function runByLayers(
  gpu: Gpu,
  graph: Graph,
  parameters: ReadonlyMap<string, AnyTensor>,
  inputs: ReadonlyMap<string, AnyTensor>,
  back?: Back,
): Promise<Ran> {
  const typed = typeGraph(graph);
  const plan = compile(typed, { keepAll: true, ...(back ? { target: back.target, wrt: back.wrt, signals: 'all' } : {}) });
  const executor = await Executor.create(gpu, plan, parameters);
  const values = new Map<string, AnyTensor>(parameters);
  const gradients = new Map<string, Tensor>();
  try {
    executor.poison();
    const given = Object.fromEntries(plan.inputs.map((name) => [name, inputs.get(name)!]));
    if (back) await executor.run(given, back.seed);
    else await executor.forward(given);
    for (const name of plan.readable) values.set(name, await executor.read(name));
    for (const name of Object.keys(plan.gradients)) gradients.set(name, await executor.readGradient(name));
  } finally {
    executor.dispose();
  }
  checkLayers(typed, values, gradients);
  return { values, gradients };
}

function checkLayers(typed: TypedGraph, values: ReadonlyMap<string, AnyTensor>, gradients: ReadonlyMap<string, Tensor>): void {
  const wide = new Map([...values].map(([name, value]) => [name, widen(value)]));
  for (const node of typed.nodes) {
    const x = node.inputs.map((name) => (name === '' ? null : wide.get(name)!));
    const call = { attrs: node.typedAttrs, x, bounds: true };
    const y = REFERENCE[node.op].forward(call);
    node.outputs.forEach((name, k) => {
      if (name !== '') within(`${node.op} "${node.name}": ${name}`, values.get(name)!.data, y[k]);
    });
    const dy = node.outputs.map((name): F64Tensor | null => (gradients.has(name) ? widen(gradients.get(name)!) : null));
    if (dy.every((signal) => signal === null)) continue;
    const own = node.outputs.map((name) => wide.get(name) ?? { shape: [0], data: new Float64Array(0) });
    node.inputs.forEach((name, k) => {
      if (!gradients.has(name) || !node.definition.differentiable(k)) return;
      // A value with several users gets a sum, whose bound is not that of one node.
      assert.is(typed.nodes.flatMap((n) => n.inputs).filter((used) => used === name).length, 1, `"${name}" has one user`);
      const want = REFERENCE[node.op].adjoint!({ ...call, y: own, dy, rules: DEFAULT_RULES }, k);
      within(`${node.op} "${node.name}": d(${name})`, gradients.get(name)!.data, want);
    });
  }
}

/** Fails unless every element of `got` lies within its bound. */
export function within(what: string, got: ArrayLike<number>, want: Bounded): void {
  assert.ok(want.bound, `${what}: the reference gives a bound`);
  const { worst, at, bound, elements } = compare(what, got, want);
  assert.is(got.length, elements, what);
  assert.ok(worst <= 1, `${what}[${at}]: expected ${want.data[at]} within ${bound}, got ${got[at]}`);
}
