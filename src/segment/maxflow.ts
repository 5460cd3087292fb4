/**
 * Maximum flow and minimum cut on integer capacities, exact and with a certificate.
 *
 * The algorithm is Boykov and Kolmogorov's: one tree of residual arcs grows from the source, another from the sink; where they meet, flow
 * is pushed along the path; nodes whose arc to their parent was saturated are adopted by another neighbour of their tree, or leave it. The
 * trees are kept between paths. A node's distance from its terminal is known with the time when it was last checked, which makes an answer
 * found once serve all that ask in the same adoption, and lets near parents win. Trees that grow by levels instead (IBFS) were tried and
 * were slower on every picture; see bench/maxflow.ts.
 * @see Boykov, Kolmogorov 2004, An Experimental Comparison of Min-Cut/Max-Flow Algorithms for Energy Minimization in Vision
 */
import { EngineError } from '../errors.ts';
import type { FlowNetwork } from './flownetwork.ts';

/** A minimum cut and the flow that proves it least: `flow` equals `capacity`. */
export interface Cut {
  /** What flows from source to sink. */
  readonly flow: number;
  /** Summed capacity of the arcs that lead from the source's side to the sink's. */
  readonly capacity: number;
  /** By node: 1 on the source's side. Of all minimum cuts it is the one with the fewest nodes there, whatever order flow was found in. */
  readonly source: Uint8Array;
}

/** In place of the arc to a parent: the terminal itself; none yet, for an orphan; outside both trees. */
const TERMINAL = -1;
const ORPHAN = -2;
const FREE = -3;

/** The sign of a tree. */
const SOURCE = 1;
const SINK = -1;

/**
 * The minimum cut of a network, with its flow.
 *
 * Capacity is summed over the cut from the network as given, not from what the search left: the two numbers come by different ways.
 * @throws EngineError if flow and capacity differ: the search is at fault, not the network
 */
export function minCut(network: FlowNetwork): Cut {
  const { nodes, first, head, sister, capacity, fromSource, toSink } = network;
  const residual = capacity.slice();
  // What is left of the arcs at the terminals: above 0 from the source, below 0 to the sink.
  const spare = new Int32Array(nodes);
  const tree = new Int8Array(nodes);
  const parent = new Int32Array(nodes).fill(FREE);
  // Arcs from a node to its terminal, as counted at the time of its stamp.
  const distance = new Int32Array(nodes);
  const stamp = new Int32Array(nodes);
  let now = 0;
  let flow = 0;
  // Nodes at the trees' borders, in a ring; a node is in it once.
  const active = new Int32Array(nodes);
  const isActive = new Uint8Array(nodes);
  let [firstActive, activeCount] = [0, 0];
  const orphans: number[] = [];

  const activate = (v: number): void => {
    if (isActive[v] === 1) return;
    isActive[v] = 1;
    const end = firstActive + activeCount++;
    active[end < nodes ? end : end - nodes] = v;
  };

  /** Looks for an arc between the trees from node u on, growing u's tree meanwhile; -1 if there is none. */
  const grow = (u: number): number => {
    const own = tree[u];
    for (let a = first[u], end = first[u + 1]; a < end; a++) {
      const outward = own === SOURCE ? a : sister[a];
      if (residual[outward] === 0) continue;
      const v = head[a];
      if (tree[v] === 0) {
        tree[v] = own;
        parent[v] = sister[a];
        distance[v] = distance[u] + 1;
        stamp[v] = stamp[u];
        activate(v);
      } else if (tree[v] !== own) {
        return outward;
      } else if (distance[v] > distance[u] && stamp[v] <= stamp[u]) {
        // u is nearer to the terminal than v's parent: later paths are shorter.
        parent[v] = sister[a];
        distance[v] = distance[u] + 1;
        stamp[v] = stamp[u];
      }
    }
    return -1;
  };

  /** Pushes what the path through `bridge`, an arc from the source's tree to the sink's, can take. */
  const augment = (bridge: number): void => {
    const [near, far] = [head[sister[bridge]], head[bridge]];
    let least = residual[bridge];
    let v = near;
    for (let p = parent[v]; p !== TERMINAL; v = head[p], p = parent[v]) least = Math.min(least, residual[sister[p]]);
    least = Math.min(least, spare[v]);
    v = far;
    for (let p = parent[v]; p !== TERMINAL; v = head[p], p = parent[v]) least = Math.min(least, residual[p]);
    least = Math.min(least, -spare[v]);

    flow += least;
    residual[bridge] -= least;
    residual[sister[bridge]] += least;
    v = near;
    for (let p = parent[v]; p !== TERMINAL; p = parent[v]) {
      residual[p] += least;
      if ((residual[sister[p]] -= least) === 0) orphan(v);
      v = head[p];
    }
    if ((spare[v] -= least) === 0) orphan(v);
    v = far;
    for (let p = parent[v]; p !== TERMINAL; p = parent[v]) {
      residual[sister[p]] += least;
      if ((residual[p] -= least) === 0) orphan(v);
      v = head[p];
    }
    if ((spare[v] += least) === 0) orphan(v);
  };

  const orphan = (v: number): void => {
    parent[v] = ORPHAN;
    orphans.push(v);
  };

  /** Arcs from node v to its terminal; Infinity if the way ends at an orphan. What lies on the way is stamped. */
  const toTerminal = (v: number): number => {
    let arcs = 0;
    let u = v;
    for (; stamp[u] !== now; arcs++) {
      const p = parent[u];
      if (p < TERMINAL) return Infinity;
      if (p === TERMINAL) {
        stamp[u] = now;
        distance[u] = 1;
        break;
      }
      u = head[p];
    }
    const found = arcs + distance[u];
    for (u = v, arcs = found; stamp[u] !== now; u = head[parent[u]]) {
      stamp[u] = now;
      distance[u] = arcs--;
    }
    return found;
  };

  /** Finds every orphan the parent nearest to the terminal, or frees it. */
  const adopt = (): void => {
    for (let i = 0; i < orphans.length; i++) {
      const v = orphans[i];
      const own = tree[v];
      let best = FREE;
      let least = Infinity;
      for (let a = first[v], end = first[v + 1]; a < end; a++) {
        if (tree[head[a]] !== own || residual[own === SOURCE ? sister[a] : a] === 0) continue;
        const arcs = toTerminal(head[a]);
        if (arcs < least) {
          least = arcs;
          best = a;
        }
      }
      parent[v] = best;
      if (best !== FREE) {
        stamp[v] = now;
        distance[v] = least + 1;
        continue;
      }
      tree[v] = 0;
      for (let a = first[v], end = first[v + 1]; a < end; a++) {
        const u = head[a];
        if (tree[u] !== own) continue;
        // u may grow back into v; it loses its own place if v was its parent.
        if (residual[own === SOURCE ? sister[a] : a] > 0) activate(u);
        if (parent[u] === sister[a]) orphan(u);
      }
    }
    orphans.length = 0;
  };

  for (let v = 0; v < nodes; v++) {
    // What passes straight through is flow already.
    flow += Math.min(fromSource[v], toSink[v]);
    spare[v] = fromSource[v] - toSink[v];
    if (spare[v] === 0) continue;
    tree[v] = spare[v] > 0 ? SOURCE : SINK;
    parent[v] = TERMINAL;
    distance[v] = 1;
    activate(v);
  }
  while (activeCount > 0) {
    const u = active[firstActive];
    // A node stays active until it has no arc to the other tree.
    const bridge = tree[u] === 0 ? -1 : grow(u);
    if (bridge >= 0) {
      now++;
      augment(bridge);
      adopt();
    } else {
      isActive[u] = 0;
      activeCount--;
      if (++firstActive === nodes) firstActive = 0;
    }
  }

  const source = reached(network, residual, spare);
  const cut = { flow, capacity: cutCapacity(network, source), source };
  if (cut.flow !== cut.capacity) {
    throw new EngineError(`maxflow: expected a cut of capacity ${cut.flow}, the flow, got one of ${cut.capacity}. Report this network.`);
  }
  return cut;
}

/** The nodes to which the source can still send something, by plain search. */
function reached({ nodes, first, head }: FlowNetwork, residual: Int32Array, spare: Int32Array): Uint8Array {
  const side = new Uint8Array(nodes);
  const queue = new Int32Array(nodes);
  let put = 0;
  for (let v = 0; v < nodes; v++) if (spare[v] > 0) side[(queue[put++] = v)] = 1;
  for (let taken = 0; taken < put; taken++) {
    const u = queue[taken];
    for (let a = first[u]; a < first[u + 1]; a++) {
      if (residual[a] > 0 && side[head[a]] === 0) side[(queue[put++] = head[a])] = 1;
    }
  }
  return side;
}

/** Summed capacity of all arcs from the nodes marked 1, and the source, to the others, and the sink. */
export function cutCapacity({ nodes, first, head, capacity, fromSource, toSink }: FlowNetwork, side: Uint8Array): number {
  let sum = 0;
  for (let u = 0; u < nodes; u++) {
    if (side[u] === 0) {
      sum += fromSource[u];
      continue;
    }
    sum += toSink[u];
    for (let a = first[u]; a < first[u + 1]; a++) if (side[head[a]] === 0) sum += capacity[a];
  }
  return sum;
}
