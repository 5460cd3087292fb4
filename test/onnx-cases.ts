/** Models of one op for the tests of the ONNX importer, and what to ask of the result. */
import * as assert from 'uvu/assert';
import { FormatError, GraphError } from '../src/errors.ts';
import { importOnnx, type ImportedOnnx, type OnnxOptions } from '../src/formats/onnx/index.ts';
import { typeGraph, type GraphNode } from '../src/graph.ts';
import { floats, model, node, valueInfo, type AttributeValue, type ModelParts, type Proto } from './onnx-writer.ts';

export type Attributes = Readonly<Record<string, AttributeValue>>;

export function load(parts: Partial<ModelParts> & { nodes: readonly Proto[] }, options?: OnnxOptions): ImportedOnnx {
  return importOnnx(model({ inputs: [valueInfo('x', [2, 4, 7, 6])], outputs: [valueInfo('y')], ...parts }), options);
}

/** Fails unless `run` throws that error. */
export function rejects(run: () => unknown, message: RegExp, type: typeof FormatError | typeof GraphError = FormatError): void {
  try {
    run();
  } catch (error) {
    assert.instance(error, type, String(error));
    assert.match((error as Error).message, message);
    assert.match((error as Error).message, /^onnx: /);
    return;
  }
  assert.unreachable(`expected an error like ${message}`);
}

/** What an op says that it does not take: {@link rejects} with a GraphError. */
export const refuses = (run: () => unknown, message: RegExp, type: typeof FormatError | typeof GraphError = GraphError): void =>
  rejects(run, message, type);

/** The graph is sound and y has this shape. */
export function checkShape({ graph }: ImportedOnnx, shape: readonly number[]): void {
  assert.equal([...typeGraph(graph).values.get(graph.outputs[0])!.shape], [...shape]);
}

export const X = [2, 4, 7, 6];

export interface Case {
  readonly x?: readonly number[];
  readonly attrs?: Attributes;
  readonly opset?: number;
  /** Initializers that are further inputs, in order; null omits one. */
  readonly rest?: readonly (Proto | null)[];
}

/** A model of one op on x, and constants. */
export function one(op: string, { x = X, attrs = {}, opset = 13, rest = [] }: Case = {}): ImportedOnnx {
  const names = rest.map((_, i) => (rest[i] ? `c${i}` : ''));
  const initializers = rest.flatMap((proto, i) => (proto ? [renamed(proto, names[i])] : []));
  return load({ nodes: [node(op, ['x', ...names], ['y'], attrs)], inputs: [valueInfo('x', x)], initializers, opset });
}

/** A later name field wins. */
export const renamed = (proto: Proto, name: string): Proto => proto.string(8, name);

export const vector = (values: readonly number[]): Proto => floats('', [values.length], values);
export const scalar = (value: number): Proto => floats('', [], [value]);
export const weights = (...dims: number[]): Proto => floats('', dims, new Array(dims.reduce((a, b) => a * b, 1)).fill(0.5));

export const only = ({ graph }: ImportedOnnx): GraphNode => {
  assert.is(graph.nodes.length, 1);
  return graph.nodes[0];
};
