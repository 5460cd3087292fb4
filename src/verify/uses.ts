/**
 * A graph in which every use of a value has a name of its own. The signal that reaches a value used several times is a sum; with a name for each
 * use its parts can be read, and every layer accounted for by itself. Aliases cost nothing: the plan has the same steps in the same order.
 */
import type { Graph, GraphNode } from '../graph.ts';

export interface SeparateUses {
  readonly graph: Graph;
  /** The names of the uses of each value that has several. */
  readonly uses: ReadonlyMap<string, readonly string[]>;
  /** The value that a name stands for: itself, but for a use. */
  of(name: string): string;
}

export function separateUses(graph: Graph): SeparateUses {
  const parameters = new Set(graph.parameters.map(({ name }) => name));
  const count = new Map<string, number>();
  for (const name of graph.nodes.flatMap((node) => node.inputs)) count.set(name, (count.get(name) ?? 0) + 1);
  const uses = new Map<string, string[]>();
  const original = new Map<string, string>();
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes) {
    const aliases: GraphNode[] = [];
    const inputs = node.inputs.map((name) => {
      if (name === '' || parameters.has(name) || count.get(name)! < 2) return name;
      const known = uses.get(name) ?? [];
      const use = `${name}#use${known.length}`;
      uses.set(name, [...known, use]);
      original.set(use, name);
      aliases.push({ name: use, op: 'identity', inputs: [name], outputs: [use] });
      return use;
    });
    // The sweep down meets them in reverse: so contributions are added in the order in which the node itself would make them.
    nodes.push(...aliases.reverse(), { ...node, inputs });
  }
  return { graph: { ...graph, nodes }, uses, of: (name) => original.get(name) ?? name };
}
