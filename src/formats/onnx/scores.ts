/**
 * Which value of a classifier holds the unnormalised class scores.
 */
import type { GraphNode } from '../../graph.ts';
import type { Shape } from '../../tensor.ts';

/** What gives its input another shape or nothing at all. */
const ALIASES = new Set(['flatten', 'reshape', 'identity', 'dropout']);

/** [N,K] or [N,K,1,1]. */
function isScores(shape: Shape | undefined): boolean {
  return shape !== undefined && (shape.length === 2 || (shape.length === 4 && shape[2] === 1 && shape[3] === 1));
}

/**
 * The scores: what goes into the softmax that an output comes from, or into the loss that it is; failing that the first output, if it
 * has the shape of scores. Undefined where there are none.
 */
export function findScores(
  nodes: readonly GraphNode[],
  outputs: readonly string[],
  shapeOf: (value: string) => Shape | undefined,
): string | undefined {
  const producer = new Map<string, GraphNode>();
  for (const node of nodes) for (const output of node.outputs) producer.set(output, node);
  const behindAliases = (name: string, done: (name: string) => boolean): string => {
    let node = producer.get(name);
    while (!done(name) && node && ALIASES.has(node.op)) {
      name = node.inputs[0];
      node = producer.get(name);
    }
    return name;
  };
  for (const output of outputs) {
    const node = producer.get(behindAliases(output, () => false));
    if (!node) continue;
    if (node.op === 'softmax' || node.op === 'logsoftmax') {
      const shape = shapeOf(node.inputs[0]);
      const { axis } = node.attrs as { axis: number };
      const overClasses = shape !== undefined && (axis === 1 || (axis === -1 && shape.length === 2));
      const scores = behindAliases(node.inputs[0], (name) => isScores(shapeOf(name)));
      if (overClasses && isScores(shapeOf(scores))) return scores;
    } else if (node.op === 'crossentropy') {
      return node.inputs[0];
    }
  }
  return isScores(shapeOf(outputs[0])) ? outputs[0] : undefined;
}
