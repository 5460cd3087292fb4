/**
 * TensorFlow.js's own test numbers, as graphs of this engine. A record is a call, or the gradient of a call at a given dy, with NHWC images
 * and HWIO filters; here it becomes a one-op graph on NCHW and OIHW tensors, and a way to bring the answer back into the record's layout.
 */
import { existsSync, readFileSync } from 'node:fs';
import { typeGraph, type Graph, type GraphNode, type ValueSpec } from '../src/graph.ts';
import type { Attrs } from '../src/ops/op.ts';
import { runReference, widen } from '../src/reference/graph.ts';
import { size, type Shape, type Tensor } from '../src/tensor.ts';
import { dataPath } from './data.ts';

const FILES = ['pool', 'conv2d', 'conv2d_transpose', 'lrn', 'softmax', 'matmul', 'concat', 'pad', 'resize_bilinear'];

export const tfjsVectorsPresent = existsSync(dataPath('vectors', 'tfjs'));

/** A tensor (null is NaN), a number, a list, a call, or an input of the differentiated function. */
type Expression = any;

interface Record {
  readonly suite: string;
  readonly name: string;
  readonly op: string;
  readonly args?: readonly Expression[];
  readonly forward?: Expression;
  readonly inputs?: readonly Expression[];
  readonly wrt?: number;
  readonly dy?: Expression;
  readonly expected: readonly Expression[];
}

/** One record as this engine runs it. */
export interface Vector {
  readonly name: string;
  readonly graph: Graph;
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** With a seed there is a backward pass from `target`. */
  readonly back?: { readonly target: string; readonly seed: Tensor; readonly wrt: readonly string[] };
  /** Where the answer is. */
  readonly answer: { readonly value: string } | { readonly gradient: string };
  /** The answer in the record's layout. */
  readonly inTheirLayout: (answer: Tensor) => Tensor;
  /** What TensorFlow.js expects, row-major; null where the record lost it. */
  readonly expected: readonly number[] | null;
}

/** Why a record cannot be run. */
class Unsupported extends Error {}

export interface Reading {
  readonly vectors: readonly Vector[];
  /** Records that cannot be run: how many, by reason. */
  readonly left: ReadonlyMap<string, number>;
  readonly records: number;
}

/** Reads all files. */
export function readTfjsVectors(): Reading {
  const vectors: Vector[] = [];
  const left = new Map<string, number>();
  let records = 0;
  for (const file of FILES) {
    const { cases } = JSON.parse(readFileSync(dataPath('vectors', 'tfjs', `${file}_test.json`), 'utf8')) as { cases: readonly Record[] };
    records += cases.length;
    for (const record of cases) {
      try {
        vectors.push(vectorOf(record));
      } catch (error) {
        if (!(error instanceof Unsupported)) throw error;
        left.set(error.message, (left.get(error.message) ?? 0) + 1);
      }
    }
  }
  return { vectors, left, records };
}

// Layouts

/** A way from the record's layout to ours and back. */
interface Layout {
  readonly ours: (t: Tensor) => Tensor;
  readonly theirs: (t: Tensor) => Tensor;
}

const AS_IT_IS: Layout = { ours: (t) => t, theirs: (t) => t };

/** Axis k of the result is axis order[k] of t. */
function permute(t: Tensor, order: readonly number[]): Tensor {
  const shape = order.map((axis) => t.shape[axis]);
  const strides = t.shape.map((_, axis) => size(t.shape.slice(axis + 1)));
  const data = new Float32Array(t.data.length);
  const at = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = t.data[at.reduce((sum, index, k) => sum + index * strides[order[k]], 0)];
    for (let k = shape.length - 1; k >= 0 && ++at[k] === shape[k]; k--) at[k] = 0;
  }
  return { shape, data };
}

const permuted = (order: readonly number[]): Layout => ({
  ours: (t) => permute(t, order),
  theirs: (t) =>
    permute(
      t,
      order.map((_, axis) => order.indexOf(axis)),
    ),
});

/** Our shape for a tensor whose elements keep their order. */
const shaped = (shapeOf: (shape: Shape) => Shape): Layout => ({
  ours: ({ shape, data }) => ({ shape: shapeOf(shape), data }),
  theirs: (t) => t,
});

const NHWC = permuted([0, 3, 1, 2]);
const HWIO = permuted([3, 2, 0, 1]);
const BATCH_OF_ONE = shaped((shape) => [1, ...shape]);
const ROW = shaped((shape) => [1, ...shape]);
const COLUMN = shaped((shape) => [...shape, 1]);

const after = (first: Layout, second: Layout): Layout => ({
  ours: (t) => second.ours(first.ours(t)),
  theirs: (t) => first.theirs(second.theirs(t)),
});

/** Images of rank 4, or of rank 3 without a batch. */
function imageLayout(rank: number, format: string): Layout {
  const four = format === 'NCHW' ? AS_IT_IS : NHWC;
  return rank === 4 ? four : after(BATCH_OF_ONE, four);
}

// Literals

function tensorOf(e: Expression): Tensor {
  if (typeof e === 'number' || Array.isArray(e)) return checked(shapeOfNested(e), [e].flat(Infinity) as number[]);
  if (e?.op === 'mul') return times(tensorOf(e.args[0]), tensorOf(e.args[1]));
  if (e?.op === 'complex') throw new Unsupported('complex numbers');
  if (!e?.data) throw new Unsupported('arguments that the record lost');
  // Of tensor1d(values, dtype) the record took the type for the shape.
  return checked(typeof e.shape === 'string' ? [e.data.length] : e.shape, e.data);
}

function checked(shape: Shape, data: readonly (number | null)[]): Tensor {
  if (size(shape) === 0) throw new Unsupported('empty tensors');
  if (data.length !== size(shape)) throw new Error(`a record has ${data.length} values for [${shape.join(', ')}]`);
  return { shape, data: Float32Array.from(data, (value) => value ?? NaN) };
}

function shapeOfNested(e: Expression): number[] {
  return Array.isArray(e) ? [e.length, ...shapeOfNested(e[0])] : [];
}

/** a times a scalar. */
function times(a: Tensor, b: Tensor): Tensor {
  if (b.data.length !== 1) throw new Error('expected a product with a scalar');
  return { shape: a.shape, data: a.data.map((v) => v * b.data[0]) };
}

/** Strips the clones that some records wrap around tensors. */
function withoutClones(e: Expression): [inner: Expression, clones: number] {
  let clones = 0;
  for (; e?.op === 'clone'; clones++) e = e.args[0];
  return [e, clones];
}

// Graphs

class Builder {
  readonly nodes: GraphNode[] = [];
  readonly inputs: ValueSpec[] = [];
  readonly parameters: ValueSpec[] = [];
  readonly tensors = new Map<string, Tensor>();
  /** Name and layout of the inputs of a differentiated function. */
  readonly operands: { name: string; layout: Layout }[] = [];

  constructor(readonly given: readonly Expression[]) {}

  /** The tensor that an argument holds. */
  literal(e: Expression): Tensor {
    const [inner] = withoutClones(e);
    return tensorOf(typeof inner?.input === 'number' ? this.given[inner.input] : inner);
  }

  tensor(t: Tensor, layout: Layout, role: 'input' | 'parameter' = 'input'): string {
    const name = `x${this.tensors.size}`;
    const ours = layout.ours(t);
    (role === 'input' ? this.inputs : this.parameters).push({ name, shape: ours.shape });
    this.tensors.set(name, ours);
    return name;
  }

  /** The value of an argument: a tensor, or what another call makes. Clones become identities. */
  operand(e: Expression, layout: Layout, role: 'input' | 'parameter' = 'input'): string {
    const [inner, clones] = withoutClones(e);
    if (inner?.op && inner.op !== 'complex') return this.call(inner).y;
    const name = this.tensor(this.literal(inner), layout, role);
    if (typeof inner?.input === 'number') this.operands[inner.input] = { name, layout };
    return this.clone(name, clones);
  }

  clone(name: string, clones: number): string {
    for (let i = 0; i < clones; i++) name = this.node('identity', [name]);
    return name;
  }

  node(op: string, inputs: readonly string[], attrs: Attrs = {}): string {
    const name = `${op}${this.nodes.length}`;
    this.nodes.push({ name, op, inputs, outputs: [name], attrs });
    return name;
  }

  call(e: Expression): Made {
    if (!Object.hasOwn(CALLS, e.op)) throw new Unsupported(e.op.replace(/^image\./, ''));
    return CALLS[e.op](this, ...e.args);
  }

  graph(name: string, outputs: readonly string[]): Graph {
    return { name, inputs: this.inputs, parameters: this.parameters, nodes: this.nodes, outputs };
  }
}

interface Made {
  readonly y: string;
  readonly layout: Layout;
}

type Call = (b: Builder, ...args: Expression[]) => Made;
type Pair = readonly [number, number];

const pair = (e: Expression): Pair => (Array.isArray(e) ? [e[0], e[1]] : [e ?? 1, e ?? 1]);

/** TensorFlow's padding: a number on every side, none, or as much as makes the output ceil(input / stride), the odd cell at the end. */
function padding(pad: Expression, extent: Pair, kernel: Pair, stride: Pair, dilation: Pair): number[] {
  if (typeof pad === 'number') return [pad, pad, pad, pad];
  if (pad === 'valid') return [0, 0, 0, 0];
  if (pad !== 'same') throw new Error(`padding ${JSON.stringify(pad)}`);
  const total = [0, 1].map((k) => {
    const out = Math.ceil(extent[k] / stride[k]);
    return Math.max(0, (out - 1) * stride[k] + dilation[k] * (kernel[k] - 1) + 1 - extent[k]);
  });
  const before = total.map((n) => Math.floor(n / 2));
  return [...before, total[0] - before[0], total[1] - before[1]];
}

function pool(b: Builder, op: string, x: Expression, kernel: Pair, stride: Pair, pad: Expression, dilation: Pair): Made {
  const { shape } = b.literal(x);
  const layout = imageLayout(shape.length, 'NHWC');
  const extent = shape.slice(-3, -1) as unknown as Pair;
  const attrs = { kernel, stride, dilation, pad: padding(pad, extent, kernel, stride, dilation) };
  return { y: b.node(op, [b.operand(x, layout)], attrs), layout };
}

/** The attributes of a convolution of images of this shape and format. */
function convolution(shape: Shape, w: Tensor, strides: Expression, pad: Expression, format: string, dilations: Expression): Attrs {
  const extent = (format === 'NCHW' ? shape.slice(-2) : shape.slice(-3, -1)) as unknown as Pair;
  const [kernel, stride, dilation] = [w.shape.slice(0, 2) as unknown as Pair, pair(strides), pair(dilations)];
  return { stride, dilation, pad: padding(pad, extent, kernel, stride, dilation) };
}

function concatenate(b: Builder, parts: readonly Expression[], axis: number): Made {
  return {
    y: b.node(
      'concat',
      parts.map((part) => b.operand(part, AS_IT_IS)),
      { axis },
    ),
    layout: AS_IT_IS,
  };
}

function product(b: Builder, x: Expression, xLayout: Layout, w: Expression, wLayout: Layout, transA = false, transB = false): Made {
  const inputs = [b.operand(x, xLayout), b.operand(w, wLayout, 'parameter')];
  return { y: b.node('linear', inputs, { transA, transB }), layout: AS_IT_IS };
}

const pads: Call = (b, x, amounts, value = 0) => {
  const perAxis: readonly Pair[] = Array.isArray(amounts[0]) ? amounts : [amounts];
  const attrs = { before: perAxis.map(([before]) => before), after: perAxis.map(([, end]) => end), value };
  return { y: b.node('pad', [b.operand(x, AS_IT_IS)], attrs), layout: AS_IT_IS };
};

const alongAxis =
  (op: string): Call =>
  (b, x, axis = -1) => ({ y: b.node(op, [b.operand(x, AS_IT_IS)], { axis }), layout: AS_IT_IS });

/** One of TensorFlow.js's functions each, with its order of arguments and its defaults. */
const CALLS: { readonly [op: string]: Call } = {
  maxPool: (b, x, kernel, strides, pad) => pool(b, 'maxpool2d', x, pair(kernel), pair(strides), pad, [1, 1]),
  avgPool: (b, x, kernel, strides, pad) => pool(b, 'avgpool2d', x, pair(kernel), pair(strides), pad, [1, 1]),
  pool: (b, x, kernel, type, pad, dilations, strides) => pool(b, `${type}pool2d`, x, pair(kernel), pair(strides), pad, pair(dilations)),
  conv2d: (b, x, w, strides, pad, format = 'NHWC', dilations = 1) => {
    const { shape } = b.literal(x);
    const layout = imageLayout(shape.length, format);
    const attrs = convolution(shape, b.literal(w), strides, pad, format, dilations);
    return { y: b.node('conv2d', [b.operand(x, layout), b.operand(w, HWIO, 'parameter')], attrs), layout };
  },
  // It does not divide alpha by the window's size, which is given as a radius.
  localResponseNormalization: (b, x, radius = 5, bias = 1, alpha = 1, beta = 0.5) => {
    const layout = imageLayout(b.literal(x).shape.length, 'NHWC');
    const window = 2 * radius + 1;
    return { y: b.node('lrn', [b.operand(x, layout)], { size: window, bias, alpha: alpha * window, beta }), layout };
  },
  softmax: alongAxis('softmax'),
  logSoftmax: alongAxis('logsoftmax'),
  matMul: (b, x, w, transA = false, transB = false) => {
    if (!x.op && b.literal(x).shape.length > 2) throw new Unsupported('matMul of batches');
    return product(b, x, AS_IT_IS, w, AS_IT_IS, transA, transB);
  },
  dot: (b, x, w) => product(b, x, b.literal(x).shape.length === 1 ? ROW : AS_IT_IS, w, b.literal(w).shape.length === 1 ? COLUMN : AS_IT_IS),
  outerProduct: (b, x, w) => product(b, x, COLUMN, w, ROW),
  mul: (b, x, y) => ({ y: b.node('mul', [b.operand(x, AS_IT_IS), b.operand(y, AS_IT_IS)]), layout: AS_IT_IS }),
  // a.concat(others, axis) is recorded with a first.
  concat: (b, first, second, third) =>
    first.data || first.op ? concatenate(b, [first, ...second], third ?? 0) : concatenate(b, first, second ?? 0),
  concat1d: (b, parts) => concatenate(b, parts, 0),
  concat2d: concatenate,
  concat3d: concatenate,
  pad: pads,
  pad1d: pads,
  pad2d: pads,
  pad4d: pads,
};

// Records

function vectorOf(record: Record): Vector {
  const [call, clones] = record.forward ? withoutClones(record.forward) : [record, 0];
  if (call.op === 'conv2dTranspose') return transposed(record, call);
  const name = nameOf(record);
  const b = new Builder(record.inputs ?? []);
  const { y, layout } = b.call(call);
  const end = b.clone(y, clones);
  const common = { name, graph: b.graph(name, [end]), tensors: b.tensors, expected: expectedOf(record) };
  if (record.forward === undefined) return { ...common, answer: { value: end }, inTheirLayout: layout.theirs };
  const wanted = b.operands[record.wrt!];
  const seed = layout.ours(tensorOf(record.dy));
  const back = { target: end, seed, wrt: [wanted.name] };
  return { ...common, back, answer: { gradient: wanted.name }, inTheirLayout: wanted.layout.theirs };
}

/**
 * conv2dTranspose(v, w) is the adjoint of z -> conv2d(z, w) applied to v: the signal at z from the seed v.
 * By <T(v, w), g> = <v, conv2d(g, w)> its own adjoints at g are conv2d(g, w) for v, and conv2d's signal at w from the seed v, with z = g.
 */
function transposed(record: Record, { args: [v, w, shape, strides, pad] }: Expression): Vector {
  const name = nameOf(record);
  const b = new Builder(record.inputs ?? []);
  const layout = imageLayout(shape.length, 'NHWC');
  const filter = b.literal(w);
  const z: Tensor = record.dy ? tensorOf(record.dy) : { shape, data: new Float32Array(size(shape)) };
  const names = [b.tensor(z, layout), b.tensor(filter, HWIO, 'parameter')];
  const y = b.node('conv2d', names, convolution(shape, filter, strides, pad, 'NHWC', 1));
  const common = { name, graph: b.graph(name, [y]), tensors: b.tensors, expected: expectedOf(record) };
  if (record.wrt === 0) return { ...common, answer: { value: y }, inTheirLayout: layout.theirs };
  const k = record.wrt === undefined ? 0 : 1;
  const back = { target: y, seed: layout.ours(b.literal(v)), wrt: [names[k]] };
  return { ...common, back, answer: { gradient: names[k] }, inTheirLayout: k === 0 ? layout.theirs : HWIO.theirs };
}

function nameOf({ suite, name, wrt }: Record): string {
  return `${suite}: ${name}${wrt === undefined ? '' : `, d(${wrt})`}`;
}

/** An expectation that is a call itself, such as a convolution with a filter that has the dilation written out: its value in f64. */
function evaluate(e: Expression): Tensor {
  const b = new Builder([]);
  const { y, layout } = b.call(e);
  const values = new Map([...b.tensors].map(([name, t]) => [name, widen(t)]));
  const { shape, data } = runReference(typeGraph(b.graph('expected', [y])), values).get(y)!;
  return layout.theirs({ shape, data: Float32Array.from(data) });
}

function expectedOf(record: Record): number[] | null {
  const { expected } = record;
  const ref = expected.length === 1 && expected[0]?.ref;
  if (ref) return [...(Object.hasOwn(CALLS, ref.op ?? '') && ref.op !== 'mul' ? evaluate(ref) : tensorOf(ref)).data];
  // Expectations that the source states as expressions came out null. A NaN that is meant comes from a NaN that is given.
  const given = JSON.stringify([record.args ?? 0, record.inputs ?? 0, record.dy ?? 0]);
  const lost = expected.includes(null) && !given.includes('null');
  return lost ? null : expected.map((value) => value ?? NaN);
}
