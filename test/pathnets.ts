// Small networks for paths: every op that links units, few enough chains to walk them all.
import { typeGraph, type Graph, type GraphNode, type TypedGraph, type ValueSpec } from '../src/graph.ts';
import { size, type AnyTensor, type Shape, type Tensor } from '../src/tensor.ts';
import { fill, normal, uniform } from '../src/verify/random.ts';

export interface PathNet {
  readonly name: string;
  readonly graph: Graph;
  readonly typed: TypedGraph;
  readonly parameters: Map<string, AnyTensor>;
  readonly input: Tensor;
  /** The value and flat unit to start from. */
  readonly target: string;
  readonly unit: number;
  /** No branches, so that the smallest box around what is reached is the whole truth about a field. */
  readonly chain: boolean;
}

class Builder {
  readonly nodes: GraphNode[] = [];
  readonly specs: ValueSpec[] = [];
  readonly parameters = new Map<string, AnyTensor>();
  readonly #gauss: () => number;
  readonly #next: () => number;

  constructor(
    seed: number,
    /** Share of weights that are exactly zero. */
    readonly zeros: number,
  ) {
    this.#gauss = normal(seed);
    this.#next = uniform(seed + 1);
  }

  weights(name: string, shape: Shape, offset = 0): string {
    this.specs.push({ name, shape });
    const draw = (): number => (this.#next() < this.zeros ? 0 : this.#gauss() + offset);
    this.parameters.set(name, { shape, data: fill(size(shape), draw) });
    return name;
  }

  add(op: string, inputs: readonly string[], attrs: GraphNode['attrs'] = {}): string {
    const name = `${op}${this.nodes.length}`;
    this.nodes.push({ name, op, inputs, outputs: [name], attrs });
    return name;
  }

  net(name: string, shape: Shape, target: string, unit: number, chain: boolean, seed: number): PathNet {
    const graph: Graph = { name, inputs: [{ name: 'x', shape }], parameters: this.specs, nodes: this.nodes, outputs: [target] };
    const input = { shape, data: fill(size(shape), normal(seed + 2)) };
    return { name, graph, typed: typeGraph(graph), parameters: this.parameters, input, target, unit, chain };
  }
}

/** Convolutions with stride, padding, dilation and groups, overlapping max-pools, LRN, a full layer. */
export function chainNet(seed: number, zeros = 0): PathNet {
  const b = new Builder(seed, zeros);
  let x = b.add('conv2d', ['x', b.weights('w1', [4, 2, 3, 3])], { stride: [2, 1], pad: [1, 1, 0, 2], dilation: [1, 2] });
  x = b.add('relu', [x]);
  x = b.add('lrn', [x], { size: 3, alpha: 0.5, beta: 0.75, bias: 1 });
  x = b.add('maxpool2d', [x], { kernel: [3, 2], stride: [1, 2], pad: [1, 0, 1, 0], ceilMode: true });
  x = b.add('conv2d', [x, b.weights('w2', [4, 2, 2, 2])], { groups: 2, pad: [0, 1, 1, 0] });
  x = b.add('batchnorm', [x, b.weights('scale', [4]), b.weights('bias', [4]), b.weights('mean', [4]), positive(b, 'variance', 4)]);
  x = b.add('relu', [x]);
  const conv = b.add('conv2d', [x, b.weights('w3', [3, 4, 2, 1])], { stride: [2, 2] });
  return b.net(`chain ${seed}, ${zeros} zeros`, [1, 2, 9, 10], conv, 4, true, seed);
}

/** Branches, a shortcut, averages, and scores of a full layer. */
export function branchNet(seed: number, zeros = 0): PathNet {
  const b = new Builder(seed, zeros);
  const first = b.add('relu', [b.add('conv2d', ['x', b.weights('w1', [3, 1, 3, 3])], { pad: [1, 1, 1, 1] })]);
  const left = b.add('relu', [b.add('conv2d', [first, b.weights('w2', [2, 3, 1, 1])])]);
  const right = b.add('maxpool2d', [first], { kernel: [3, 3], pad: [1, 1, 1, 1] });
  const joined = b.add('concat', [left, right], { axis: 1 });
  const sum = b.add('add', [joined, b.add('relu', [b.add('conv2d', [joined, b.weights('w3', [5, 5, 1, 1])])])]);
  const averaged = b.add('avgpool2d', [sum], { kernel: [2, 2], stride: [2, 2], countIncludePad: false, ceilMode: true });
  const most = b.add('globalmaxpool', [averaged]);
  const mean = b.add('globalavgpool', [averaged]);
  const flat = b.add('flatten', [b.add('concat', [most, mean], { axis: 1 })]);
  const scores = b.add('linear', [b.add('dropout', [flat]), b.weights('w4', [3, 10])]);
  return b.net(`branches ${seed}, ${zeros} zeros`, [1, 1, 5, 4], scores, 1, false, seed);
}

function positive(b: Builder, name: string, n: number): string {
  b.weights(name, [n]);
  b.parameters.set(name, { shape: [n], data: Float32Array.from({ length: n }, (_, i) => 0.5 + i) });
  return name;
}
