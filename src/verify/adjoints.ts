/**
 * Every layer of a network by itself, with its real weights and shapes: <J u, v> = <u, J' v>; y(0) = c where it is affine; and for convolutions J' v
 * against a convolution of another kind.
 *
 * u and v are drawn from {-1, 1}. For an affine layer J u is the device's own y(u) less the layer's constant part, so that a lost bias shows too; for
 * a layer that decides (ReLU, max-pool, clip) or is smooth (LRN, softmax) it is worked out in f64 on the branch, or at the point, that the network
 * was at. J' v is the device's in either case.
 *
 * The bound is one of probability, over the check's own draw and over nothing else: with e the errors of J u, which do not depend on v, Hoeffding's
 * inequality gives |<e, v>| <= {@link DEVIATIONS} ||e|| but with probability 2 exp(-DEVIATIONS^2 / 2), whatever the errors are; and the same for
 * J' v. ||e|| is bounded by the rounding bounds of its elements. It grows as the root of the number of elements and not as their number, which is
 * what lets a fault in a few of them show.
 */
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import type { ParameterStore } from '../gpu/store.ts';
import { typeGraph, type Graph, type TypedNode } from '../graph.ts';
import type { Conv2dAttrs } from '../ops/window.ts';
import { compile, type Plan } from '../plan.ts';
import { sumBound } from '../reference/bounds.ts';
import { decides } from '../reference/decisions.ts';
import { widen } from '../reference/graph.ts';
import { REFERENCE } from '../reference/index.ts';
import type { F64Tensor } from '../reference/types.ts';
import type { LayerRules } from '../rule.ts';
import { size, type AnyTensor, type Shape, type Tensor } from '../tensor.ts';
import { convolutionTerms } from './account.ts';
import { Dot, ratio, type Residual } from './identity.ts';
import { constantPart, isAffine, jacobianTimes, QUOTIENT_ERROR, type NodeInputs } from './linearisation.ts';
import { fill, uniform } from './random.ts';

/** Deviations allowed: beyond them lies a probability of 2 exp(-32), 3e-14, for each side of each layer. */
const DEVIATIONS = 8;

export interface LayerContext {
  readonly gpu: Gpu;
  /** The network's parameters on the device. */
  readonly store: ParameterStore;
  readonly rules: LayerRules;
  /** Seed of u and v. */
  readonly draw: number;
  /** Applied to every plan before it runs: tests plant faults with it. */
  readonly change: (plan: Plan) => Plan;
}

/** A node, its inputs on the way up (f32 numbers in f64) and those of them that are parameters. */
export interface LayerAt extends NodeInputs {
  readonly node: TypedNode;
  readonly isParameter: (name: string) => boolean;
}

/** -1 or 1 by the toss of a coin. */
function signs(shape: Shape, seed: number): Tensor {
  const next = uniform(seed);
  return { shape, data: fill(size(shape), () => (next() < 0.5 ? -1 : 1)) };
}

/** The graph of one node: what varies are inputs, parameters keep their names and so their packed forms, other constants are inputs too. */
function layerGraph({ node, x, isParameter }: LayerAt): { readonly graph: Graph; readonly names: readonly string[] } {
  const names = node.inputs.map((name, k) => (name === '' || isParameter(name) ? name : `#x${k}`));
  const spec = (name: string, k: number) => ({
    name,
    shape: x[k]!.shape,
    dtype: node.op === 'roll' && k === 1 ? ('i32' as const) : undefined,
  });
  const specs = names.flatMap((name, k) => (name === '' ? [] : [{ given: isParameter(node.inputs[k]), spec: spec(name, k) }]));
  return {
    names,
    graph: {
      name: node.name,
      inputs: specs.flatMap(({ given, spec }) => (given ? [] : [spec])),
      parameters: [...new Map(specs.flatMap(({ given, spec }) => (given ? [[spec.name, spec] as const] : []))).values()],
      nodes: [{ name: node.name, op: node.op, inputs: names, outputs: ['#y'], attrs: node.attrs }],
      outputs: ['#y'],
    },
  };
}

/** Runs a graph once on poisoned buffers: its value #y, what `seed` there brings to each of `wrt`, and #y for the inputs `zero`. */
async function runOnce(
  { gpu, change, rules }: LayerContext,
  parameters: ParameterStore | ReadonlyMap<string, AnyTensor>,
  graph: Graph,
  inputs: Readonly<Record<string, AnyTensor>>,
  wrt: readonly string[],
  seed?: Tensor,
  zero?: Readonly<Record<string, AnyTensor>>,
): Promise<{ readonly y: Tensor; readonly d: readonly Tensor[]; readonly atZero: Tensor | null }> {
  const options = seed ? { target: '#y', wrt, rule: rules } : {};
  const plan = change(compile(graph, { keep: ['#y'], ...options, traits: traitsOf(gpu) }));
  const executor = await Executor.create(gpu, plan, parameters);
  try {
    executor.poison();
    if (seed) await executor.run(inputs, seed);
    else await executor.forward(inputs);
    const d: Tensor[] = [];
    if (seed) for (const name of wrt) d.push(await executor.readGradient(name));
    const y = await executor.readTensor('#y');
    if (!zero) return { y, d, atZero: null };
    await executor.forward(zero);
    return { y, d, atZero: await executor.readTensor('#y') };
  } finally {
    executor.dispose();
  }
}

/** A layer's J' v, and what stands against it. */
export interface LayerAdjoint {
  readonly residual: Residual;
  readonly v: Tensor;
  /** J' v at the first input. */
  readonly dx: Tensor;
  /** y(0) of an affine layer against its constant part; null for a layer that is none. */
  readonly constant: Residual | null;
}

/** <J u, v> = <u, J' v> for one layer. */
export async function checkAdjoint(context: LayerContext, layer: LayerAt): Promise<LayerAdjoint> {
  const { node, x, varying } = layer;
  const { graph, names } = layerGraph(layer);
  const affine = isAffine(node.op, varying) && !decides(node);
  const u = x.map((t, k) => (t && varying[k] ? signs(t.shape, context.draw + 17 * k) : null));
  const wide = u.map((t) => t && widen(t));
  const inputs = Object.fromEntries(
    names.flatMap((name, k): [string, AnyTensor][] => {
      if (name === '' || layer.isParameter(node.inputs[k])) return [];
      const value = (affine && u[k]) || x[k]!;
      const integers = graph.inputs.find((spec) => spec.name === name)?.dtype === 'i32';
      return [[name, { shape: value.shape, data: integers ? Int32Array.from(value.data) : Float32Array.from(value.data) } as AnyTensor]];
    }),
  );
  const wrt = names.filter((_, k) => varying[k]);
  const { shape } = typeGraph(graph).values.get('#y')!;
  const v = signs(shape, context.draw + 7);
  const zero = Object.fromEntries(
    Object.entries(inputs).map(([name, t]) => [name, wrt.includes(name) ? { shape: t.shape, data: new Float32Array(t.data.length) } : t]),
  );
  const { y, d, atZero } = await runOnce(context, context.store, graph, inputs, wrt, v, affine ? zero : undefined);

  const at: NodeInputs = { x: affine ? x.map((t, k) => wide[k] ?? t) : x, varying };
  const left = new Dot();
  let slack = 0;
  let constant: Residual | null = null;
  if (affine) {
    const { data: c } = constantPart(node, at, widen(y));
    constant = checkConstant(layer, atZero!, c);
    left.add(y.data, v.data);
    if (c)
      left.add(
        c,
        v.data.map((s) => -s),
      );
  } else {
    left.add(jacobianTimes(node, at, wide), v.data);
    if (!decides(node)) slack = QUOTIENT_ERROR * left.magnitude;
  }
  const right = new Dot();
  let k = 0;
  for (const t of u) if (t) right.add(t.data, d[k++].data);
  const bound = DEVIATIONS * roundingNorm(layer, at, affine, widen(y), widen(v), context.rules) + slack + left.error + right.error;
  return { residual: { layer: node.name, op: node.op, residual: left.value - right.value, bound }, v, dx: d[0], constant };
}

/** y(0) = c, element by element: a bias too small to show beside J u shows here. */
function checkConstant({ node, x, varying }: LayerAt, y: Tensor, c: Float64Array | null): Residual {
  // A convolution of zeros leaves the bias as it is; what others do to a constant the reference knows.
  const empty = x.map((t, k) => t && (varying[k] ? { shape: t.shape, data: new Float64Array(t.data.length) } : t));
  const bounds = node.op === 'conv2d' ? null : REFERENCE[node.op].forward({ attrs: node.typedAttrs, x: empty, bounds: true })[0].bound!;
  let worst: Residual = { layer: node.name, op: node.op, residual: 0, bound: 0 };
  for (let i = 0; i < y.data.length; i++) {
    const want = c?.[i] ?? 0;
    const row = { ...worst, residual: Math.abs(y.data[i] - want), bound: bounds?.[i] ?? sumBound(1, Math.abs(want)) };
    if (y.data[i] !== want && !(ratio(row) <= ratio(worst))) worst = row;
  }
  return worst;
}

/** ||e|| + ||f||: the rounding bounds of all elements of y(u), where the device made it, and of J' v. */
function roundingNorm(
  { node, varying }: LayerAt,
  { x }: NodeInputs,
  affine: boolean,
  y: F64Tensor,
  v: F64Tensor,
  rules: LayerRules,
): number {
  if (node.op === 'conv2d' && varying.every((vary, k) => vary === (k === 0))) {
    const [up, down] = convolutionTerms(x[1]!.shape, node.typedAttrs as Conv2dAttrs);
    const { outputs, inputs } = weightSums(x[1]!, node.typedAttrs as Conv2dAttrs);
    const b = x[2]?.data;
    const rows = outputs.map((sum, o) => sumBound(up, sum + Math.abs(b?.[o] ?? 0)));
    const columns = inputs.map((sum) => sumBound(down, sum));
    return Math.sqrt((y.data.length / rows.length) * squares(rows)) + Math.sqrt((x[0]!.data.length / columns.length) * squares(columns));
  }
  const call = { attrs: node.typedAttrs, x, bounds: true };
  let norm = affine ? Math.sqrt(squares(REFERENCE[node.op].forward(call)[0].bound!)) : 0;
  x.forEach((_, k) => {
    if (varying[k]) norm += Math.sqrt(squares(REFERENCE[node.op].adjoint!({ ...call, y: [y], dy: [v], rules }, k).bound!));
  });
  return norm;
}

const squares = (a: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * a[i];
  return sum;
};

/** Sums of |w| over what each output channel reads, and over what reads each input channel. */
function weightSums(
  { shape, data }: F64Tensor,
  { groups }: Conv2dAttrs,
): { readonly outputs: Float64Array; readonly inputs: Float64Array } {
  const [out, perGroup, kh, kw] = shape;
  const outputs = new Float64Array(out);
  const inputs = new Float64Array(perGroup * groups);
  for (let o = 0, i = 0; o < out; o++) {
    const first = Math.floor((o * groups) / out) * perGroup;
    for (let c = 0; c < perGroup; c++) {
      let sum = 0;
      for (let t = 0; t < kh * kw; t++) sum += Math.abs(data[i++]);
      outputs[o] += sum;
      inputs[first + c] += sum;
    }
  }
  return { outputs, inputs };
}

/**
 * J' v of a convolution, computed as a convolution forward: v is spread with zeros between its elements as the stride says, and the kernel is turned
 * around in both directions and transposed within its groups. Stride 1, the padding written out, no adjoint anywhere.
 * @returns the largest difference to `dx` over its bound, as one row
 */
export async function checkTransposed(context: LayerContext, layer: LayerAt, v: Tensor, dx: Tensor): Promise<Residual> {
  const { node, x } = layer;
  const attrs = node.typedAttrs as Conv2dAttrs;
  const w = x[1]!;
  const turned = turnedKernel(w, attrs.groups);
  const spread = spreadSignal(v, dx.shape, w.shape, attrs);
  const graph: Graph = {
    name: `${node.name}, transposed`,
    inputs: [{ name: '#x', shape: spread.shape }],
    parameters: [{ name: '#w', shape: turned.shape }],
    nodes: [
      { name: node.name, op: 'conv2d', inputs: ['#x', '#w'], outputs: ['#y'], attrs: { dilation: attrs.dilation, groups: attrs.groups } },
    ],
    outputs: ['#y'],
  };
  const { y } = await runOnce(context, new Map([['#w', turned]]), graph, { '#x': spread }, []);
  const [, down] = convolutionTerms(w.shape, attrs);
  const bounds = weightSums(w, attrs).inputs.map((sum) => 2 * sumBound(down, sum));
  const plane = dx.shape[2] * dx.shape[3];
  let worst: Residual = { layer: node.name, op: node.op, residual: 0, bound: Math.max(...bounds) };
  let most = 0;
  for (let i = 0; i < dx.data.length; i++) {
    const residual = Math.abs(dx.data[i] - y.data[i]);
    const bound = bounds[Math.floor(i / plane) % bounds.length];
    if (residual / bound <= most) continue;
    most = residual / bound;
    worst = { ...worst, residual, bound };
    if (Number.isNaN(most)) break;
  }
  return worst;
}

/** w [O, C/g, kh, kw] as [C, O/g, kh, kw], each kernel turned by half a turn. */
function turnedKernel({ shape: [out, perGroup, kh, kw], data }: F64Tensor, groups: number): Tensor {
  const outPerGroup = out / groups;
  const taps = kh * kw;
  const turned = new Float32Array(data.length);
  for (let o = 0; o < out; o++) {
    const [group, inGroup] = [Math.floor(o / outPerGroup), o % outPerGroup];
    for (let c = 0; c < perGroup; c++) {
      const to = ((group * perGroup + c) * outPerGroup + inGroup) * taps;
      const from = (o * perGroup + c) * taps;
      for (let t = 0; t < taps; t++) turned[to + taps - 1 - t] = data[from + t];
    }
  }
  return { shape: [perGroup * groups, outPerGroup, kh, kw], data: turned };
}

/** v with zeros between its elements, and as many around it as make a convolution of it as large as dx. */
function spreadSignal(v: Tensor, dx: Shape, [, , kh, kw]: Shape, { stride, dilation, pad }: Conv2dAttrs): Tensor {
  const [n, out, oh, ow] = v.shape;
  const reach = [dilation[0] * (kh - 1), dilation[1] * (kw - 1)];
  const [height, width] = [dx[2] + reach[0], dx[3] + reach[1]];
  const data = new Float32Array(n * out * height * width);
  for (let plane = 0; plane < n * out; plane++) {
    for (let i = 0; i < oh; i++) {
      const row = i * stride[0] - pad[0] + reach[0];
      if (row < 0 || row >= height) continue;
      for (let j = 0; j < ow; j++) {
        const column = j * stride[1] - pad[1] + reach[1];
        if (column >= 0 && column < width) data[(plane * height + row) * width + column] = v.data[(plane * oh + i) * ow + j];
      }
    }
  }
  return { shape: [n, out, height, width], data };
}
