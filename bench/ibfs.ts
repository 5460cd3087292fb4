/**
 * The rival of src/segment/maxflow.ts: incremental breadth-first search. Trees grow a whole level at a time; an orphan looks for a parent
 * one level nearer to its terminal, else moves to the least level that has a parent, else leaves the tree. Levels never fall, which bounds
 * the work by O(nodes^2 arcs); Boykov and Kolmogorov's trees have no such bound.
 * @see Goldberg, Hed, Kaplan, Tarjan, Werneck 2011, Maximum Flows by Incremental Breadth-First Search
 */
import type { FlowNetwork } from '../src/segment/flownetwork.ts';

const ROOT = -1;
const NONE = -2;

interface Tree {
  readonly sign: 1 | -1;
  /** The highest whole level, and the highest that a node may have. */
  top: number;
  most: number;
  /** Nodes of the top level, and of the one that is growing. */
  now: number[];
  next: number[];
}

/** The value of the maximum flow of a network. */
export function ibfs({ nodes, first, head, sister, capacity, fromSource, toSink }: FlowNetwork): number {
  const residual = capacity.slice();
  const spare = new Int32Array(nodes);
  // Above 0 in the source's tree, below in the sink's.
  const level = new Int32Array(nodes);
  const parent = new Int32Array(nodes).fill(NONE);
  const orphan = new Uint8Array(nodes);
  const orphans: number[] = [];
  const source: Tree = { sign: 1, top: 1, most: 1, now: [], next: [] };
  const sink: Tree = { sign: -1, top: 1, most: 1, now: [], next: [] };
  let flow = 0;

  const abandon = (v: number): void => {
    if (orphan[v] === 1) return;
    orphan[v] = 1;
    orphans.push(v);
  };

  const augment = (bridge: number): void => {
    const ends = [head[sister[bridge]], head[bridge]];
    let least = residual[bridge];
    let v = ends[0];
    for (let p = parent[v]; p !== ROOT; v = head[p], p = parent[v]) least = Math.min(least, residual[sister[p]]);
    least = Math.min(least, spare[v]);
    v = ends[1];
    for (let p = parent[v]; p !== ROOT; v = head[p], p = parent[v]) least = Math.min(least, residual[p]);
    least = Math.min(least, -spare[v]);
    flow += least;
    residual[bridge] -= least;
    residual[sister[bridge]] += least;
    v = ends[0];
    for (let p = parent[v]; p !== ROOT; v = head[p], p = parent[v]) {
      residual[p] += least;
      if ((residual[sister[p]] -= least) === 0) abandon(v);
    }
    if ((spare[v] -= least) === 0) abandon(v);
    v = ends[1];
    for (let p = parent[v]; p !== ROOT; v = head[p], p = parent[v]) {
      residual[sister[p]] += least;
      if ((residual[p] -= least) === 0) abandon(v);
    }
    if ((spare[v] += least) === 0) abandon(v);
  };

  const adopt = (): void => {
    for (let i = 0; i < orphans.length; i++) {
      const v = orphans[i];
      orphan[v] = 0;
      const { sign, top, most, now, next } = level[v] > 0 ? source : sink;
      const old = level[v] * sign;
      const [begin, end] = [first[v], first[v + 1]];
      // Arcs before the old parent's are known not to serve at the old level, so they are looked at last.
      let least = most;
      let best = NONE;
      for (let a = parent[v] < 0 ? begin : parent[v], k = begin; k < end; k++, a = a + 1 === end ? begin : a + 1) {
        const its = level[head[a]] * sign;
        if (its <= 0 || its >= least || residual[sign > 0 ? sister[a] : a] === 0) continue;
        least = its;
        best = a;
        if (its === old - 1) break;
      }
      parent[v] = best;
      if (best !== NONE && least + 1 === old) continue;
      level[v] = best === NONE ? 0 : sign * (least + 1);
      if (best !== NONE && least + 1 >= top) (least + 1 === top ? now : next).push(v);
      for (let a = begin; a < end; a++) if (parent[head[a]] === sister[a]) abandon(head[a]);
    }
    orphans.length = 0;
  };

  const grow = (tree: Tree): boolean => {
    const here = tree.sign * tree.top;
    tree.now = tree.now.filter((v) => level[v] === here);
    if (tree.now.length === 0) return false;
    tree.most = tree.top + 1;
    for (let i = 0; i < tree.now.length; i++) {
      const u = tree.now[i];
      for (let a = first[u]; a < first[u + 1] && level[u] === here; ) {
        const v = head[a];
        const outward = tree.sign > 0 ? a : sister[a];
        if (level[v] * tree.sign > 0 || residual[outward] === 0) a++;
        else if (level[v] === 0) {
          level[v] = here + tree.sign;
          parent[v] = sister[a++];
          tree.next.push(v);
        } else {
          augment(outward);
          adopt();
        }
      }
    }
    [tree.now, tree.next] = [tree.next, []];
    tree.top++;
    return true;
  };

  for (let v = 0; v < nodes; v++) {
    flow += Math.min(fromSource[v], toSink[v]);
    spare[v] = fromSource[v] - toSink[v];
    if (spare[v] === 0) continue;
    level[v] = spare[v] > 0 ? 1 : -1;
    parent[v] = ROOT;
    (spare[v] > 0 ? source : sink).now.push(v);
  }
  while (grow(source.now.length <= sink.now.length ? source : sink));
  return flow;
}
