// Reads maximum flow problems in DIMACS format.
import { flowNetwork, type FlowNetwork } from '../src/segment/flownetwork.ts';

/**
 * The network of a problem: lines `p max NODES ARCS`, `n NODE s|t` and `a FROM TO CAPACITY`, nodes counted from 1. Source and sink keep a
 * node without arcs; what leads into the source or out of the sink carries nothing and is left out.
 */
export function readDimacs(text: string): FlowNetwork {
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/));
  const nodes = Number(rows.find(([kind]) => kind === 'p')![2]);
  const terminal = (which: string): number => Number(rows.find(([kind, , t]) => kind === 'n' && t === which)![1]) - 1;
  const [source, sink] = [terminal('s'), terminal('t')];
  const [fromSource, toSink] = [new Float64Array(nodes), new Float64Array(nodes)];
  const [from, to, forward] = [[], [], []] as number[][];
  for (const [kind, tail, tip, capacity] of rows) {
    if (kind !== 'a') continue;
    const [u, v, c] = [Number(tail) - 1, Number(tip) - 1, Number(capacity)];
    if (u === source && v === sink) throw new Error('an arc from source to sink');
    if (v === source || u === sink || u === v) continue;
    if (u === source) fromSource[v] += c;
    else if (v === sink) toSink[u] += c;
    else {
      from.push(u);
      to.push(v);
      forward.push(c);
    }
  }
  return flowNetwork(fromSource, toSink, { from, to, forward, backward: forward.map(() => 0) });
}
