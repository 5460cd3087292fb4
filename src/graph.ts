/**
 * A network as plain JSON data: values, nodes, attributes. No device, no functions, no numbers: parameters live beside it, by name.
 */
import { GraphError } from './errors.ts';
import { OPS } from './ops/index.ts';
import { failFor, type Attrs, type Op, type ValueInfo } from './ops/op.ts';
import { resolveRules, type LayerRules, type RuleSpec } from './rule.ts';
import { formatShape, size, type DType, type Shape } from './tensor.ts';

/** A named value that enters the graph: an input or a parameter. `dtype` defaults to f32. */
export interface ValueSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype?: DType;
}

/** One op applied. `inputs` name values; an omitted optional input is "". `outputs` name the values it makes. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs?: Attrs;
}

/** Nodes are in an order in which every value is made before it is used. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueSpec[];
  readonly parameters: readonly ValueSpec[];
  readonly nodes: readonly GraphNode[];
  readonly outputs: readonly string[];
  /** The value that holds the unnormalised class scores S_c, [N, K] or [N, K, 1, 1], where the graph is a classifier. */
  readonly scores?: string;
}

/** A node after its op has checked it. */
export interface TypedNode extends GraphNode {
  readonly definition: Op<unknown>;
  readonly typedAttrs: unknown;
}

/** A graph whose every value has a shape. */
export interface TypedGraph {
  readonly graph: Graph;
  readonly nodes: readonly TypedNode[];
  readonly values: ReadonlyMap<string, ValueInfo>;
  /** Index of the node that makes a value; absent for inputs and parameters. */
  readonly producer: ReadonlyMap<string, number>;
}

/** Every op the engine knows, for messages. */
export function supportedOps(): string[] {
  return Object.keys(OPS).sort();
}

/** The graph with other shapes for some of its inputs. */
export function withInputShapes(graph: Graph, shapes: Readonly<Record<string, Shape>>): Graph {
  for (const name of Object.keys(shapes)) {
    if (!graph.inputs.some((input) => input.name === name)) {
      throw new GraphError(`graph "${graph.name}": expected an input among ${listNames(graph.inputs.map((i) => i.name))}, got "${name}".`);
    }
  }
  return { ...graph, inputs: graph.inputs.map((input) => (shapes[input.name] ? { ...input, shape: [...shapes[input.name]] } : input)) };
}

/**
 * The graph for a batch of `n`: the first extent of every input whose declared first extent is that of the first input becomes `n`.
 * Parameters keep their shapes.
 */
export function withBatch(graph: Graph, n: number): Graph {
  if (!Number.isSafeInteger(n) || n < 1) throw new GraphError(`graph "${graph.name}": expected a batch of at least 1, got ${n}.`);
  const declared = graph.inputs[0]?.shape[0];
  return {
    ...graph,
    inputs: graph.inputs.map((input) =>
      input.shape.length > 0 && input.shape[0] === declared ? { ...input, shape: [n, ...input.shape.slice(1)] } : input,
    ),
  };
}

/**
 * Checks a graph from end to end and gives every value a shape.
 * @throws GraphError naming op and node: unknown op, wrong number of inputs, unknown attribute, a value used before it is made or
 *   made twice, shapes an op cannot take.
 */
export function typeGraph(graph: Graph): TypedGraph {
  const values = new Map<string, ValueInfo>();
  const producer = new Map<string, number>();
  for (const spec of [...graph.inputs, ...graph.parameters]) {
    if (values.has(spec.name)) throw new GraphError(`graph "${graph.name}": expected distinct names, got value "${spec.name}" twice.`);
    if (!spec.shape.every((extent) => Number.isSafeInteger(extent) && extent >= 1)) {
      throw new GraphError(`graph "${graph.name}": expected positive extents for "${spec.name}", got [${spec.shape.join(', ')}].`);
    }
    checkExtent(`graph "${graph.name}"`, spec.name, spec.shape);
    values.set(spec.name, { shape: [...spec.shape], dtype: spec.dtype ?? 'f32' });
  }
  const names = new Set<string>();
  const nodes = graph.nodes.map((node, index): TypedNode => {
    if (names.has(node.name)) throw new GraphError(`graph "${graph.name}": expected distinct node names, got "${node.name}" twice.`);
    names.add(node.name);
    const fail = failFor(node.op, node.name);
    const definition = Object.hasOwn(OPS, node.op) ? OPS[node.op] : undefined;
    if (definition === undefined) fail(`expected a supported op, got "${node.op}". Supported: ${supportedOps().join(', ')}.`);
    const op = definition as Op<unknown>;
    checkCount('inputs', node.inputs.length, op.inputs, fail);
    checkCount('outputs', node.outputs.length, op.outputs, fail);
    const inputs = node.inputs.map((name, k) => {
      if (name === '') {
        if (k < op.inputs[0]) fail(`expected input ${k}, got none.`);
        return null;
      }
      const info = values.get(name);
      if (info === undefined) fail(`expected input "${name}" to be made by an earlier node, but nothing makes it.`);
      return info as ValueInfo;
    });
    const typedAttrs = op.attrs(node.attrs ?? {}, fail);
    const outputs = op.infer(inputs, typedAttrs, fail);
    node.outputs.forEach((name, k) => {
      if (name === '') return;
      if (values.has(name)) fail(`expected a new output name, got "${name}", which exists already.`);
      checkExtent(`${node.op} "${node.name}"`, name, outputs[k].shape);
      values.set(name, outputs[k]);
      producer.set(name, index);
    });
    return { ...node, definition: op, typedAttrs };
  });
  for (const name of graph.outputs) requireValue(graph, values, name, 'output');
  if (graph.scores !== undefined) requireValue(graph, values, graph.scores, 'scores');
  return { graph, nodes, values, producer };
}

/** Kernels count elements in 32 bits with a sign. */
const MOST_ELEMENTS = 2 ** 31 - 1;

function checkExtent(where: string, name: string, shape: Shape): void {
  if (size(shape) > MOST_ELEMENTS) {
    throw new GraphError(
      `${where}: expected tensors of at most ${MOST_ELEMENTS} elements, got "${name}" ${formatShape(shape)}. Use a smaller batch or image.`,
    );
  }
}

function requireValue(graph: Graph, values: ReadonlyMap<string, ValueInfo>, name: string, role: string): void {
  if (!values.has(name))
    throw new GraphError(`graph "${graph.name}": expected ${role} "${name}" to be a value of the graph, but nothing makes it.`);
}

function checkCount(what: string, count: number, [min, max]: readonly [number, number], fail: (message: string) => never): void {
  if (count < min || count > max) {
    fail(`expected ${min === max ? min : max === Infinity ? `at least ${min}` : `${min} to ${max}`} ${what}, got ${count}.`);
  }
}

/**
 * The info of a value, or an error that lists names like it.
 * @throws GraphError if no value has that name.
 */
export function valueInfo(typed: TypedGraph, name: string): ValueInfo {
  const info = typed.values.get(name);
  if (info !== undefined) return info;
  const near = [...typed.values.keys()].filter((other) => other.toLowerCase().includes(name.toLowerCase()));
  const shown = near.length > 0 ? near : [...typed.values.keys()].filter((other) => typed.producer.has(other));
  throw new GraphError(
    `graph "${typed.graph.name}": expected a tensor of the network, got "${name}". ${near.length > 0 ? 'Similar' : 'There are'}: ${listNames(shown)}.`,
  );
}

/** The values that `names` are computed from, themselves included: inputs, parameters, anything between. */
export function ancestorsOf({ nodes }: Pick<Graph, 'nodes'>, names: readonly string[]): Set<string> {
  const found = new Set(names);
  for (let i = nodes.length - 1; i >= 0; i--) {
    // An omitted optional input has no name, and is no ancestor.
    if (nodes[i].outputs.some((name) => found.has(name))) for (const input of nodes[i].inputs) if (input !== '') found.add(input);
  }
  return found;
}

/**
 * What each node obeys on the way down, by its name.
 * @throws GraphError if a rule names no layer of the kind
 */
export function layerRules(typed: TypedGraph, spec: RuleSpec | undefined): (node: string) => LayerRules {
  return resolveRules(
    typed.nodes.map(({ name, op, definition }) => ({ name, op, axes: definition.rules ?? [] })),
    spec,
  );
}

/** Names for a message, at most a dozen of them. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 12).map((name) => `"${name}"`);
  return names.length > 12 ? `${shown.join(', ')} and ${names.length - 12} more` : shown.join(', ');
}
