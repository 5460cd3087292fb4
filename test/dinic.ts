// A plain reference for maximum flow: Dinic's algorithm on objects and lists, with the terminals as nodes of their own.
import type { FlowNetwork } from '../src/segment/flownetwork.ts';

interface Arc {
  readonly to: number;
  left: number;
  opposite: Arc;
}

/** The value of the maximum flow of a network. */
export function dinic({ nodes, fromSource, toSink, first, head, sister, capacity }: FlowNetwork): number {
  const [source, sink] = [nodes, nodes + 1];
  const arcs: Arc[][] = Array.from({ length: nodes + 2 }, () => []);
  const join = (u: number, v: number, forward: number, backward: number): void => {
    const there = { to: v, left: forward } as Arc;
    there.opposite = { to: u, left: backward, opposite: there };
    arcs[u].push(there);
    arcs[v].push(there.opposite);
  };
  for (let v = 0; v < nodes; v++) {
    if (fromSource[v] > 0) join(source, v, fromSource[v], 0);
    if (toSink[v] > 0) join(v, sink, toSink[v], 0);
    for (let a = first[v]; a < first[v + 1]; a++) if (a < sister[a]) join(v, head[a], capacity[a], capacity[sister[a]]);
  }

  let flow = 0;
  for (;;) {
    const level = new Int32Array(nodes + 2).fill(-1);
    const queue = [source];
    level[source] = 0;
    for (const u of queue) {
      for (const { to, left } of arcs[u]) {
        if (left === 0 || level[to] >= 0) continue;
        level[to] = level[u] + 1;
        queue.push(to);
      }
    }
    if (level[sink] < 0) return flow;
    // Paths one after another, each walk going on where the last one failed.
    const next = new Int32Array(nodes + 2);
    const path: Arc[] = [];
    for (let u = source; ; ) {
      if (u === sink) {
        const least = path.reduce((min, { left }) => Math.min(min, left), Infinity);
        for (const arc of path) {
          arc.left -= least;
          arc.opposite.left += least;
        }
        flow += least;
        path.length = 0;
        u = source;
      } else if (next[u] < arcs[u].length) {
        const arc = arcs[u][next[u]];
        if (arc.left > 0 && level[arc.to] === level[u] + 1) {
          path.push(arc);
          u = arc.to;
        } else next[u]++;
      } else {
        const back = path.pop();
        if (!back) break;
        u = back.opposite.to;
        next[u]++;
      }
    }
  }
}
