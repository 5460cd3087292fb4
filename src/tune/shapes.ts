/**
 * What there is to tune: the convolutions, matrix products and max-pools of some networks, in each direction, every shape once.
 */
import { graphOf, type BenchCase, type Direction } from '../bench/index.ts';
import { typeGraph, type Graph } from '../graph.ts';
import { size } from '../tensor.ts';

/** The ops whose kernels are chosen, and for which directions. */
const TUNED: Readonly<Record<string, readonly Direction[]>> = {
  conv2d: ['forward', 'dx', 'dw'],
  linear: ['forward', 'dx', 'dw'],
  maxpool2d: ['dx'],
};

/** The convolutions, products and max-pools of a graph, in each direction that is tuned, as cases that the benchmark could run. */
export function casesOf(name: string, graph: Graph): BenchCase[] {
  const typed = typeGraph(graph);
  return typed.nodes.flatMap((node) => {
    if (!Object.hasOwn(TUNED, node.op)) return [];
    const inputs = node.inputs.filter((input) => input !== '').map((input) => typed.values.get(input)!.shape);
    if (inputs.some((shape) => size(shape) === 0)) return [];
    const layer = `${name}.${node.name}`;
    const common = { kind: node.op, layer, op: node.op, attrs: node.typedAttrs as BenchCase['attrs'], inputs };
    const batch = inputs[0][0];
    return TUNED[node.op].map((direction) => ({
      ...common,
      id: `${node.op}/${layer}/${direction}/b${batch}`,
      direction,
      batch,
      software: true,
    }));
  });
}

/** The cases whose kernels are chosen, the first of those that are alike: a bias and the layer's name make no difference. */
export function distinct(cases: readonly BenchCase[]): BenchCase[] {
  const found = new Map<string, BenchCase>();
  for (const c of cases) {
    if (!TUNED[c.op]?.includes(c.direction)) continue;
    const key = JSON.stringify([c.op, c.direction, c.inputs.slice(0, 2), typeGraph(graphOf(c)).nodes[0].typedAttrs]);
    if (!found.has(key)) found.set(key, c);
  }
  return [...found.values()];
}
