/** Networks to send flow through: any sparse graph, and the grids that pictures make. */
import { InputError } from '../errors.ts';

/**
 * Nodes, each joined to a source and a sink, and arcs in pairs of opposite direction. Arc a leads to head[a] and has its opposite in
 * sister[a]; the arcs that leave node v are first[v] up to first[v + 1], exclusive. Capacities are whole numbers from 0.
 */
export interface FlowNetwork {
  readonly nodes: number;
  readonly fromSource: Int32Array;
  readonly toSink: Int32Array;
  readonly first: Int32Array;
  readonly head: Int32Array;
  readonly sister: Int32Array;
  readonly capacity: Int32Array;
}

/** Pairs of nodes: edge e joins from[e] and to[e], with a capacity for either direction. Several edges may join the same pair. */
export interface Edges {
  readonly from: ArrayLike<number>;
  readonly to: ArrayLike<number>;
  readonly forward: ArrayLike<number>;
  /** The same array as `forward` for edges without a direction. */
  readonly backward: ArrayLike<number>;
}

/** What an arc and its opposite may hold together: all of it may end up on one of the two. */
export const MOST_CAPACITY = 2 ** 31 - 1;

/**
 * A network from its edges and the capacities at its terminals.
 * @param fromSource by node; @param toSink by node
 * @throws InputError if lengths differ, a node does not exist, a capacity is not a whole number from 0, an edge's two capacities or a
 *   terminal's exceed 2^31 - 1, or the flow could exceed 2^53 - 1, beyond which sums are not exact
 */
export function flowNetwork(fromSource: ArrayLike<number>, toSink: ArrayLike<number>, { from, to, forward, backward }: Edges): FlowNetwork {
  const nodes = fromSource.length;
  const edges = from.length;
  if (toSink.length !== nodes || to.length !== edges || forward.length !== edges || backward.length !== edges) {
    throw new InputError(
      `maxflow: expected terminals of one length and edges of one length, got ${nodes}, ${toSink.length} and` +
        ` ${edges}, ${to.length}, ${forward.length}, ${backward.length}.`,
    );
  }
  const [source, sink] = [new Int32Array(nodes), new Int32Array(nodes)];
  let [outflow, inflow] = [0, 0];
  for (let v = 0; v < nodes; v++) {
    source[v] = whole(fromSource[v], 0);
    sink[v] = whole(toSink[v], 0);
    outflow += source[v];
    inflow += sink[v];
  }
  if (Math.min(outflow, inflow) > Number.MAX_SAFE_INTEGER) {
    throw new InputError(`maxflow: expected terminals that sum to at most 2^53 - 1, got ${Math.min(outflow, inflow)}. Scale them down.`);
  }
  const first = new Int32Array(nodes + 1);
  for (let e = 0; e < edges; e++) {
    const [u, v] = [from[e], to[e]];
    if (!(u >= 0 && u < nodes && v >= 0 && v < nodes && u !== v)) {
      throw new InputError(`maxflow: expected edges between two different nodes of ${nodes}, got ${u} and ${v}.`);
    }
    first[u + 1]++;
    first[v + 1]++;
  }
  for (let v = 0; v < nodes; v++) first[v + 1] += first[v];
  const next = first.slice(0, nodes);
  const [head, sister, capacity] = [new Int32Array(2 * edges), new Int32Array(2 * edges), new Int32Array(2 * edges)];
  for (let e = 0; e < edges; e++) {
    const a = next[from[e]]++;
    const b = next[to[e]]++;
    head[a] = to[e];
    head[b] = from[e];
    sister[a] = b;
    sister[b] = a;
    capacity[a] = whole(forward[e], 0);
    capacity[b] = whole(backward[e], capacity[a]);
  }
  return { nodes, fromSource: source, toSink: sink, first, head, sister, capacity };
}

function whole(capacity: number, beside: number): number {
  if (!(capacity >= 0 && capacity + beside <= MOST_CAPACITY && Number.isInteger(capacity))) {
    const together = beside > 0 ? ` beside ${beside} the other way` : '';
    throw new InputError(
      `maxflow: expected capacities that are whole numbers from 0, at most 2^31 - 1 together both ways, got ${capacity}${together}.` +
        ' Scale and round them.',
    );
  }
  return capacity;
}

/** Which pixels are neighbours: those that share a side, or a corner too. */
export type Connectivity = 4 | 8;

/** One of each pair of opposite neighbours, [dx, dy]: right, down, and for eight neighbours down right and down left. */
export function forwardNeighbours(connectivity: Connectivity): readonly (readonly [number, number])[] {
  const sides = [
    [1, 0],
    [0, 1],
  ] as const;
  return connectivity === 4 ? sides : [...sides, [1, 1], [-1, 1]];
}

/** The pairs of neighbouring pixels of a grid, pixel i = y * width + x: all neighbours of one direction after those of another. */
export function gridEdges(
  width: number,
  height: number,
  connectivity: Connectivity,
): { readonly from: Int32Array; readonly to: Int32Array } {
  const directions = forwardNeighbours(connectivity);
  const count = directions.reduce((sum, [dx, dy]) => sum + (width - Math.abs(dx)) * (height - dy), 0);
  const [from, to] = [new Int32Array(count), new Int32Array(count)];
  let e = 0;
  for (const [dx, dy] of directions) {
    for (let y = 0; y + dy < height; y++) {
      for (let x = Math.max(0, -dx); x < width - Math.max(0, dx); x++) {
        from[e] = y * width + x;
        to[e++] = (y + dy) * width + x + dx;
      }
    }
  }
  return { from, to };
}
