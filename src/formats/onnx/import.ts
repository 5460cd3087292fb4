/**
 * ONNX in: a file becomes a Graph of this engine's ops and its parameters, by their ONNX names.
 */
import { FormatError } from '../../errors.ts';
import type { Graph } from '../../graph.ts';
import { formatShape, type AnyTensor } from '../../tensor.ts';
import { Builder } from './builder.ts';
import { NodeContext } from './context.ts';
import { resolveInputs, type ShapeOptions } from './inputs.ts';
import { readModel, type Dim, type GraphProto, type ModelProto, type NodeProto } from './model.ts';
import { translate } from './ops.ts';
import { findScores } from './scores.ts';
import type { ReadExternal } from './tensor-proto.ts';

/** The opsets whose ops mean what {@link translate} takes them to mean. */
const OPSETS = [7, 25] as const;
const TRAINING_DOMAIN = 'ai.onnx.preview.training';

export interface OnnxOptions extends ShapeOptions {
  /** Values for graph inputs that are to be fixed at import, such as the bounds of a Clip; they stop being inputs. */
  readonly constants?: Readonly<Record<string, AnyTensor>>;
  /** Reads a file beside the model; needed only for tensors that lie outside it. */
  readonly readExternal?: ReadExternal;
}

/** What the file says about itself. */
export interface OnnxInfo {
  readonly irVersion: number;
  /** Version of the default operator set; 0 where none is used. */
  readonly opset: number;
  readonly producer: string;
  /** The inputs with the extents the file states: a number, a symbol, or null where open; null for no shape at all. */
  readonly inputs: readonly { readonly name: string; readonly dims: readonly Dim[] | null }[];
  /** What is odd but harmless, one sentence each. */
  readonly warnings: readonly string[];
}

export interface ImportedOnnx {
  readonly graph: Graph;
  /** By ONNX initializer name, or by value name where a constant was folded. */
  readonly parameters: Map<string, AnyTensor>;
  readonly info: OnnxInfo;
}

/**
 * Imports an ONNX model, opsets 7 to 25 of the default domain. Values and nodes keep their ONNX names (a node without a name of its own
 * takes that of its first output); initializers that are used become parameters; shape arithmetic is folded.
 * @throws FormatError if the file is damaged, lies about itself, or leaves a shape open that `options` does not give.
 * @throws GraphError if a node is not supported or its inputs do not fit, naming op and node.
 */
export function importOnnx(bytes: Uint8Array, options: OnnxOptions = {}): ImportedOnnx {
  const model = readModel(bytes);
  const { graph } = model;
  const fixed = options.constants ?? {};
  for (const name of Object.keys(fixed)) {
    if (!graph.inputs.some((input) => input.name === name)) {
      throw new FormatError(`onnx: expected constants to name graph inputs, got "${name}".`);
    }
  }
  const initialized = new Set(graph.initializers.map((proto) => proto.name));
  const free = graph.inputs.filter(({ name }) => !initialized.has(name) && !Object.hasOwn(fixed, name));
  const names = checkNames(graph);
  const nodes = sortNodes(graph);
  const { inputs, batch } = resolveInputs(free, options);

  const builder = new Builder(graph.initializers, names, batch, options.readExternal);
  for (const { name, shape, dtype, batched } of inputs) builder.input(dtype === 'i32' ? { name, shape, dtype } : { name, shape }, batched);
  for (const [name, { shape, data }] of Object.entries(fixed)) {
    const float = data instanceof Float32Array;
    builder.setConstant(name, { name, shape, kind: float ? 'float' : 'int', data: float ? data : Float64Array.from(data) });
  }
  const read = new Set([...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs.map((output) => output.name)]);
  const nodeNames = nameNodes(nodes);
  nodes.forEach((node, i) => {
    if (!node.outputs.some((output) => output !== '')) return;
    translate(new NodeContext(node, nodeNames[i], opsetOf(model, node), builder, (value) => read.has(value)));
  });
  return finish(model, builder);
}

function finish(model: ModelProto, builder: Builder): ImportedOnnx {
  const { graph, irVersion, producer } = model;
  if (graph.outputs.length === 0) throw new FormatError('onnx: expected at least one graph output, got none. The file is damaged.');
  const warnings: string[] = [];
  const built = builder.finish(
    graph.name,
    graph.outputs.map((output) => output.name),
  );
  graph.outputs.forEach(({ name, dims }, i) => {
    const shape = builder.value(built.outputs[i])?.shape ?? [];
    const agrees = !dims || (dims.length === shape.length && dims.every((dim, axis) => typeof dim !== 'number' || dim === shape[axis]));
    const rebatched = builder.batch.declared !== builder.batch.actual;
    if (!agrees && !rebatched) warnings.push(`output "${name}" is declared ${formatDims(dims)} but computes to ${formatShape(shape)}`);
  });
  const scores = findScores(built.nodes, built.outputs, (value) => builder.value(value)?.shape);
  return {
    graph: scores === undefined ? built : { ...built, scores },
    parameters: builder.parameters,
    info: {
      irVersion,
      opset: model.opsets.get('') ?? 0,
      producer,
      inputs: graph.inputs.map(({ name, dims }) => ({ name, dims: dims ?? null })),
      warnings,
    },
  };
}

const formatDims = (dims: readonly Dim[]): string => dims.map((dim) => dim ?? '?').join('x') || 'scalar';

/** The version of a node's operator set. */
function opsetOf(model: ModelProto, node: NodeProto): number {
  const version = model.opsets.get(node.domain) ?? 0;
  if (node.domain === '' && (version < OPSETS[0] || version > OPSETS[1])) {
    const given = version === 0 ? 'none stated' : `opset ${version}`;
    throw new FormatError(`onnx: expected opset ${OPSETS[0]} to ${OPSETS[1]}, got ${given}. Export or convert the model to one of these.`);
  }
  if (node.domain === TRAINING_DOMAIN && version !== 1) {
    throw new FormatError(`onnx: expected version 1 of ${TRAINING_DOMAIN}, got ${version}. Export the model with that version.`);
  }
  return version;
}

/** All value names; every value must have one maker, and every output must be made. */
function checkNames(graph: GraphProto): Set<string> {
  const made = new Set<string>();
  const make = (name: string, what: string): void => {
    if (name === '') throw new FormatError(`onnx: expected ${what} to have a name, got none. The file is damaged.`);
    if (made.has(name)) throw new FormatError(`onnx: expected every value to have one maker, got "${name}" twice. The file is damaged.`);
    made.add(name);
  };
  for (const input of graph.inputs) make(input.name, 'every graph input');
  // An initializer may be listed as an input too: its default value, in old files.
  for (const { name } of graph.initializers) made.add(name);
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') make(output, 'an output');
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input !== '' && !made.has(input)) {
        const label = node.name || node.outputs[0] || '';
        throw new FormatError(
          `onnx: node "${label}" (${node.opType}): expected input "${input}" to be made by some node, got no maker. The file is damaged.`,
        );
      }
    }
  }
  const outputs = new Set<string>();
  for (const { name } of graph.outputs) {
    if (!made.has(name)) {
      throw new FormatError(`onnx: expected output "${name}" to be made by some node, got no maker. The file is damaged.`);
    }
    if (outputs.has(name)) throw new FormatError(`onnx: expected outputs to differ, got "${name}" twice. The file is damaged.`);
    outputs.add(name);
  }
  return made;
}

/** Nodes in an order in which every value is made before it is read; the file's order where that is one. */
function sortNodes(graph: GraphProto): readonly NodeProto[] {
  const maker = new Map<string, number>();
  graph.nodes.forEach((node, i) => node.outputs.forEach((output) => output !== '' && maker.set(output, i)));
  const waiting = graph.nodes.map((node) => new Set(node.inputs.flatMap((input) => maker.get(input) ?? [])));
  if (waiting.every((makers, i) => [...makers].every((k) => k < i))) return graph.nodes;
  const readers = graph.nodes.map((): number[] => []);
  waiting.forEach((makers, i) => makers.forEach((k) => readers[k].push(i)));
  const order = waiting.flatMap((makers, i) => (makers.size === 0 ? [i] : []));
  // `order` grows while it is walked.
  for (const done of order) {
    for (const i of readers[done]) {
      waiting[i].delete(done);
      if (waiting[i].size === 0) order.push(i);
    }
  }
  if (order.length < graph.nodes.length) {
    const stuck = graph.nodes[waiting.findIndex((makers) => makers.size > 0)];
    const label = `"${stuck.name || stuck.outputs[0]}" (${stuck.opType})`;
    throw new FormatError(`onnx: expected a graph without cycles, got one through node ${label}. The file is damaged.`);
  }
  return order.map((i) => graph.nodes[i]);
}

/** A node's own name where it has one that no other node has, else its first output's. */
function nameNodes(nodes: readonly NodeProto[]): string[] {
  const count = new Map<string, number>();
  for (const { name } of nodes) count.set(name, (count.get(name) ?? 0) + 1);
  return nodes.map(({ name, outputs }) =>
    name !== '' && count.get(name) === 1 ? name : (outputs.find((output) => output !== '') ?? name),
  );
}
