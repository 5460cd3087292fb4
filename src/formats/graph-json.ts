/**
 * Graph JSON: this project's own form of a network, one node to a line. Its parameters lie beside it in a `.safetensors` file.
 *
 *     {
 *       "format": "backlight-graph-1",
 *       "name": "...",
 *       "inputs": [{"name": "data", "shape": [1, 3, 224, 224]}],
 *       "parameters": [{"name": "conv1.w", "shape": [64, 3, 7, 7]}, ...],
 *       "nodes": [{"name": "conv1", "op": "conv2d", "inputs": ["data", "conv1.w"], "outputs": ["conv1"], "attrs": {...}}, ...],
 *       "outputs": ["prob"],
 *       "scores": "fc"
 *     }
 */
import { FormatError } from '../errors.ts';
import type { Graph, GraphNode, ValueSpec } from '../graph.ts';
import { isObject, parseJson } from './json.ts';
import { countElements, MAX_ELEMENTS } from './numbers.ts';

const FORMAT = 'backlight-graph-1';

/** Writes a graph as text; {@link readGraph} gives it back. */
export function writeGraph(graph: Graph): string {
  const lines = (items: readonly unknown[]): string =>
    items.length === 0 ? '[]' : `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(',\n')}\n  ]`;
  const fields: [string, string][] = [
    ['format', JSON.stringify(FORMAT)],
    ['name', JSON.stringify(graph.name)],
    ['inputs', lines(graph.inputs)],
    ['parameters', lines(graph.parameters)],
    ['nodes', lines(graph.nodes)],
    ['outputs', JSON.stringify(graph.outputs)],
  ];
  if (graph.scores !== undefined) fields.push(['scores', JSON.stringify(graph.scores)]);
  return `{\n${fields.map(([key, value]) => `  "${key}": ${value}`).join(',\n')}\n}\n`;
}

/**
 * Reads what {@link writeGraph} wrote. Checked here: the type of every field, that every value has one maker and is made before it is
 * used, that node names differ. Ops, attributes and shapes are the graph's own business.
 * @throws FormatError naming the field.
 */
export function readGraph(text: string): Graph {
  return checkGraph(parseJson(text, 'graph'));
}

/** The checks of {@link readGraph} on JSON that has been parsed already. */
export function checkGraph(value: unknown): Graph {
  const top = object(value, 'the graph', ['format', 'name', 'inputs', 'parameters', 'nodes', 'outputs', 'scores']);
  if (top.format !== FORMAT) bad('format', JSON.stringify(FORMAT), top.format, 'Use a file this version can read.');
  const graph: Graph = {
    name: string(top.name, 'name'),
    inputs: array(top.inputs, 'inputs').map((item, i) => valueSpec(item, `inputs[${i}]`)),
    parameters: array(top.parameters, 'parameters').map((item, i) => valueSpec(item, `parameters[${i}]`)),
    nodes: array(top.nodes, 'nodes').map((item, i) => graphNode(item, `nodes[${i}]`)),
    outputs: strings(top.outputs, 'outputs'),
    ...(top.scores === undefined ? {} : { scores: string(top.scores, 'scores') }),
  };
  checkNames(graph);
  return graph;
}

function checkNames(graph: Graph): void {
  const made = new Set<string>();
  const make = (name: string, where: string): void => {
    if (name === '') bad(where, 'a value name', name);
    if (made.has(name)) bad(where, 'a value name that nothing else has', name);
    made.add(name);
  };
  graph.inputs.forEach(({ name }, i) => make(name, `inputs[${i}].name`));
  graph.parameters.forEach(({ name }, i) => make(name, `parameters[${i}].name`));
  const nodes = new Set<string>();
  graph.nodes.forEach((node, i) => {
    if (node.name === '' || nodes.has(node.name)) bad(`nodes[${i}].name`, 'a name that no other node has', node.name);
    nodes.add(node.name);
    for (const input of node.inputs) if (input !== '' && !made.has(input)) bad(`nodes[${i}].inputs`, 'values made before', input);
    for (const output of node.outputs) make(output, `nodes[${i}].outputs`);
  });
  for (const output of graph.outputs) if (!made.has(output)) bad('outputs', 'values of the graph', output);
  if (graph.scores !== undefined && !made.has(graph.scores)) bad('scores', 'a value of the graph', graph.scores);
}

function valueSpec(item: unknown, where: string): ValueSpec {
  const { name, shape, dtype } = object(item, where, ['name', 'shape', 'dtype']);
  if (dtype !== undefined && dtype !== 'f32' && dtype !== 'i32') bad(`${where}.dtype`, '"f32" or "i32"', dtype);
  const extents = array(shape, `${where}.shape`);
  if (!extents.every((extent): extent is number => Number.isSafeInteger(extent) && (extent as number) >= 1)) {
    bad(`${where}.shape`, 'positive integers', extents);
  }
  if (countElements(extents) === undefined) bad(`${where}.shape`, `at most ${MAX_ELEMENTS} elements`, extents);
  return { name: string(name, `${where}.name`), shape: extents, ...(dtype === undefined ? {} : { dtype: dtype as 'f32' | 'i32' }) };
}

function graphNode(item: unknown, where: string): GraphNode {
  const { name, op, inputs, outputs, attrs } = object(item, where, ['name', 'op', 'inputs', 'outputs', 'attrs']);
  if (attrs !== undefined) {
    if (!isObject(attrs)) bad(`${where}.attrs`, 'an object', attrs);
    for (const [key, value] of Object.entries(attrs)) {
      if (!isAttr(value)) bad(`${where}.attrs.${key}`, 'a number, a string, a boolean or numbers', value);
    }
  }
  return {
    name: string(name, `${where}.name`),
    op: string(op, `${where}.op`),
    inputs: strings(inputs, `${where}.inputs`),
    outputs: strings(outputs, `${where}.outputs`),
    ...(attrs === undefined ? {} : { attrs }),
  };
}

function isAttr(value: unknown): boolean {
  const scalar = (v: unknown): boolean => typeof v === 'number' && Number.isFinite(v);
  return scalar(value) || typeof value === 'string' || typeof value === 'boolean' || (Array.isArray(value) && value.every(scalar));
}

function object(value: unknown, where: string, keys: readonly string[]): Record<string, unknown> {
  if (!isObject(value)) return bad(where, 'an object', value);
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) bad(where, `fields ${keys.join(', ')}`, unknown);
  return value;
}

function array(value: unknown, where: string): unknown[] {
  return Array.isArray(value) ? value : bad(where, 'an array', value);
}

function string(value: unknown, where: string): string {
  return typeof value === 'string' ? value : bad(where, 'a string', value);
}

function strings(value: unknown, where: string): string[] {
  return array(value, where).map((item, i) => string(item, `${where}[${i}]`));
}

function bad(where: string, expected: string, got: unknown, remedy = 'Mend the file.'): never {
  const shown = JSON.stringify(got) ?? 'nothing';
  throw new FormatError(`graph: ${where}: expected ${expected}, got ${shown.length > 80 ? `${shown.slice(0, 80)}...` : shown}. ${remedy}`);
}
