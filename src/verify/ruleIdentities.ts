/**
 * What must hold between whole backward passes: linearity in the seed, and the cases in which rules cannot differ. Most are equalities of bits.
 */
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import { ParameterStore } from '../gpu/store.ts';
import { typeGraph, type Graph, type TypedGraph } from '../graph.ts';
import type { Conv2dAttrs } from '../ops/window.ts';
import { compile, type Plan } from '../plan.ts';
import { U } from '../reference/bounds.ts';
import { RULES, rulePasses, type Rule } from '../rule.ts';
import { size, type AnyTensor, type Tensor } from '../tensor.ts';
import { convolutionTerms } from './account.ts';
import { differingBits, type Residual } from './identity.ts';
import { fill, normal } from './random.ts';

/** A network, a question to it, and how its plans are made. */
export interface RuleQuestion {
  readonly gpu: Gpu;
  readonly graph: Graph;
  readonly store: ParameterStore;
  readonly input: Tensor;
  readonly target: string;
  readonly seed: Tensor;
  readonly draw: number;
  readonly change: (plan: Plan) => Plan;
}

/** An executor for one question, on poisoned buffers, disposed of whatever happens. */
async function withExecutor<T>(
  { gpu, store, change }: Pick<RuleQuestion, 'gpu' | 'store' | 'change'>,
  graph: Graph | TypedGraph,
  options: Parameters<typeof compile>[1],
  work: (executor: Executor) => Promise<T>,
): Promise<T> {
  const executor = await Executor.create(gpu, change(compile(graph, { ...options, traits: traitsOf(gpu) })), store);
  try {
    executor.poison();
    return await work(executor);
  } finally {
    executor.dispose();
  }
}

const inputOf = ({ graph }: Pick<RuleQuestion, 'graph'>): string => graph.inputs[0].name;

/** Rounding of sums of K random terms behaves like the root of K; this many times that is allowed. */
const SPREAD = 8;

/** The factors of the seeds: powers of two, so that the seed of the sum is exact in f32. */
const [A, B] = [2, -0.5];

/**
 * gradient(a s + b t) = a gradient(s) + b gradient(t), for the rules that are linear in the seed: gradient and linear. At every tensor that the signal
 * passes, in the Euclidean norm.
 *
 * The bound is a model of rounding and no theorem: each layer on the way adds a relative error of about sqrt(K) u, K being the length of its sums,
 * and the errors of layers add up like the sides of a right angle.
 */
export async function checkLinearity(question: RuleQuestion, rule: Rule, other: Tensor): Promise<Residual[]> {
  const { graph, input, target, seed } = question;
  const typed = typeGraph(graph);
  const name = inputOf(question);
  const terms = termsAbove(typed);
  return withExecutor(question, typed, { keep: [target], target, wrt: [name], rule: { relu: rule }, signals: 'all' }, async (executor) => {
    const names = Object.keys(executor.plan.gradients);
    const all = async (): Promise<Map<string, Float32Array>> => {
      const read = new Map<string, Float32Array>();
      for (const value of names) read.set(value, (await executor.readGradient(value)).data);
      return read;
    };
    await executor.run({ [name]: input }, seed);
    const first = await all();
    await executor.backward(other);
    const second = await all();
    await executor.backward({ shape: seed.shape, data: seed.data.map((s, i) => A * s + B * other.data[i]) });
    const rows: Residual[] = [];
    for (const value of names) {
      const [g, s, t] = [(await executor.readGradient(value)).data, first.get(value)!, second.get(value)!];
      let [residual, ofS, ofT] = [0, 0, 0];
      for (let i = 0; i < g.length; i++) {
        residual += (g[i] - A * s[i] - B * t[i]) ** 2;
        ofS += (A * s[i]) ** 2;
        ofT += (B * t[i]) ** 2;
      }
      const scale = Math.sqrt(ofS) + Math.sqrt(ofT);
      rows.push({
        layer: `${rule} at ${value}`,
        op: typed.nodes[typed.producer.get(value) ?? -1]?.op ?? 'input',
        residual: Math.sqrt(residual),
        bound: SPREAD * U * Math.sqrt(1 + terms(value)) * scale + Number.MIN_VALUE,
      });
    }
    return rows;
  });
}

/** How many products make up a signal on its way down to a value: the lengths of the sums of all layers above it, added up. */
function termsAbove(typed: TypedGraph): (value: string) => number {
  const lengths = typed.nodes.map((node) => {
    const shapes = node.inputs.map((name) => (name === '' ? [] : typed.values.get(name)!.shape));
    if (node.op === 'conv2d') return convolutionTerms(shapes[1], node.typedAttrs as Conv2dAttrs)[1];
    if (node.op === 'linear') return size(shapes[1]) / shapes[1][1] + 1;
    if (node.op === 'softmax' || node.op === 'logsoftmax' || node.op === 'lrn') return shapes[0][1] ?? 1;
    return 4;
  });
  return (value) => lengths.slice((typed.producer.get(value) ?? -1) + 1).reduce((sum, n) => sum + n, 0);
}

/** r(4 s) = 4 r(s) to the bit, for DeconvNet and guided: they look at the sign of the signal, and so are homogeneous but not additive. */
export async function checkHomogeneity(question: RuleQuestion, rule: Rule): Promise<Residual> {
  const { graph, input, target, seed } = question;
  const name = inputOf(question);
  return withExecutor(question, graph, { keep: [target], target, wrt: [name], rule: { relu: rule } }, async (executor) => {
    await executor.run({ [name]: input }, seed);
    const once = (await executor.readGradient(name)).data;
    await executor.backward({ shape: seed.shape, data: seed.data.map((v) => 4 * v) });
    const fourfold = (await executor.readGradient(name)).data;
    const wanted = once.map((v) => 4 * v);
    return { layer: `${rule}, 4 times the seed`, op: '', residual: differingBits(fourfold, wanted), bound: 0 };
  });
}

/** The signal at the input under one rule, and whatever `more` reads. */
async function under<T = undefined>(
  question: RuleQuestion,
  graph: Graph,
  relu: Rule,
  inputs: Record<string, AnyTensor>,
  keep: readonly string[] = [],
  more?: (executor: Executor) => Promise<T>,
): Promise<{ readonly signal: Float32Array; readonly more: T | undefined }> {
  const name = inputOf(question);
  const { target, seed } = question;
  return withExecutor(question, graph, { keep: [...new Set([target, ...keep])], target, wrt: [name], rule: { relu } }, async (executor) => {
    await executor.run(inputs, seed);
    return { signal: (await executor.readGradient(name)).data, more: await more?.(executor) };
  });
}

/** The largest of what `of` makes of the elements of some values; infinite if one is NaN. */
async function largest(executor: Executor, names: readonly string[], of: (v: number) => number): Promise<number> {
  let found = -Infinity;
  for (const name of names) {
    for (const v of (await executor.readTensor(name)).data) found = Math.max(found, Number.isNaN(v) ? Infinity : of(v));
  }
  return found;
}

/** The graph with an identity in the place of every ReLU. */
export function withoutRelu(graph: Graph): Graph {
  return { ...graph, nodes: graph.nodes.map((node) => (node.op === 'relu' ? { ...node, op: 'identity', attrs: {} } : node)) };
}

/** A network without its ReLUs. */
export interface WithoutRelu {
  readonly rows: readonly Residual[];
  /** Its gradient, and the largest magnitude where ReLUs had been. */
  readonly gradient: Float32Array;
  readonly largest: number;
}

/**
 * Without ReLU there is nothing in which the rules differ: the same bits from all four. Two of them are run; the others only if their plan is another
 * than the gradient's, for one plan run twice is what those two are.
 */
export async function checkWithoutRelu(question: RuleQuestion): Promise<WithoutRelu> {
  const { graph, target, input } = question;
  const bare = withoutRelu(graph);
  const inputs = { [inputOf(question)]: input };
  const entering = [...new Set(graph.nodes.flatMap((node) => (node.op === 'relu' ? [node.inputs[0]] : [])))];
  const first = await under(question, bare, 'gradient', inputs, entering, (executor) => largest(executor, entering, Math.abs));
  const stepsOf = (relu: Rule): string => {
    const { forward, backward } = compile(bare, { keep: [target], target, wrt: [inputOf(question)], rule: { relu } });
    return JSON.stringify([forward, backward]);
  };
  const rows: Residual[] = [];
  for (const relu of RULES.filter((rule) => rule !== 'gradient')) {
    const run = relu === 'guided' || stepsOf(relu) !== stepsOf('gradient');
    const residual = run ? differingBits(first.signal, (await under(question, bare, relu, inputs)).signal) : 0;
    rows.push({ layer: `gradient, ${relu}${run ? '' : ' (one plan)'}`, op: '', residual, bound: 0 });
  }
  return { rows, gradient: first.signal, largest: first.more! };
}

/** What the check of a network with open ReLUs found beside its rows. */
export interface OpenRelus {
  readonly rows: readonly Residual[];
  /** What was added before each ReLU, and taken off after it. */
  readonly shift: number;
  /** The smallest input of a ReLU in the copy. */
  readonly smallest: number;
  /** How far guided is from the gradient there, ||guided - gradient|| / ||gradient||: 0 would mean that no signal had a sign to stop at. */
  readonly apart: number;
}

/**
 * A copy of the network in which every ReLU is open: M is added to what enters it and taken off what leaves it, so that it passes everything and what
 * follows sees the same numbers as without ReLU, but for rounding. M is the power of two above twice the largest magnitude that a ReLU meets then.
 * There [X > 0] is true everywhere, and guided is deconvnet to the bit.
 */
export async function checkOpenRelu(question: RuleQuestion, bare: WithoutRelu): Promise<OpenRelus> {
  const { graph, input } = question;
  const shift = 2 ** (Math.floor(Math.log2(Math.max(bare.largest, 2 ** -20))) + 2);
  const [up, down] = ['#shift', '#shift back'];
  const opened: Graph = {
    ...graph,
    inputs: [...graph.inputs, { name: up, shape: [1] }, { name: down, shape: [1] }],
    nodes: graph.nodes.flatMap((node) => {
      if (node.op !== 'relu') return [node];
      const [raised, passed] = [`${node.name}#raised`, `${node.name}#passed`];
      return [
        { name: raised, op: 'add', inputs: [node.inputs[0], up], outputs: [raised] },
        { ...node, inputs: [raised], outputs: [passed] },
        { name: `${node.name}#lowered`, op: 'add', inputs: [passed, down], outputs: node.outputs },
      ];
    }),
  };
  const one = (v: number): Tensor => ({ shape: [1], data: Float32Array.of(v) });
  const inputs = { [inputOf(question)]: input, [up]: one(shift), [down]: one(-shift) };
  const raised = opened.nodes.flatMap((node) => (node.op === 'relu' ? [node.inputs[0]] : []));
  const guided = await under(question, opened, 'guided', inputs, raised, (executor) => largest(executor, raised, (v) => -v));
  const deconvnet = await under(question, opened, 'deconvnet', inputs);
  const smallest = -guided.more!;
  let [difference, length] = [0, 0];
  guided.signal.forEach((v, i) => {
    difference += (v - bare.gradient[i]) ** 2;
    length += bare.gradient[i] ** 2;
  });
  const rows = [
    { layer: 'guided, deconvnet', op: '', residual: differingBits(guided.signal, deconvnet.signal), bound: 0 },
    // The premise: without it the equality is no claim.
    { layer: 'every ReLU is open', op: '', residual: smallest > 0 ? 0 : 1, bound: 0 },
  ];
  return { rows, shift, smallest, apart: length > 0 ? Math.sqrt(difference / length) : 0 };
}

/**
 * One ReLU under each rule against the rule's definition, to the bit: x as the network had it there, but on a coarse grid, so that some of it is
 * exactly zero; a signal of either sign, with zeros too.
 */
export async function checkReluLayer(
  question: Pick<RuleQuestion, 'gpu' | 'store' | 'change' | 'draw'>,
  name: string,
  x: Tensor,
): Promise<Residual[]> {
  const draw = normal(question.draw);
  const signal: Tensor = { shape: x.shape, data: fill(x.data.length, () => Math.round(2 * draw()) / 2) };
  const graph: Graph = {
    name,
    inputs: [{ name: 'x', shape: x.shape }],
    parameters: [],
    nodes: [{ name, op: 'relu', inputs: ['x'], outputs: ['y'] }],
    outputs: ['y'],
  };
  const rows: Residual[] = [];
  for (const relu of RULES) {
    const got = await withExecutor(question, graph, { target: 'y', wrt: ['x'], rule: { relu } }, async (executor) => {
      await executor.run({ x }, signal);
      return (await executor.readGradient('x')).data;
    });
    // Zeros of either sign are equal.
    const residual = got.reduce((n, v, i) => n + (v === (rulePasses(relu, x.data[i], signal.data[i]) ? signal.data[i] : 0) ? 0 : 1), 0);
    rows.push({ layer: `${name}, ${relu}`, op: 'relu', residual, bound: 0 });
  }
  return rows;
}

/** Far above what rounding, and a decision of a ReLU that it turns, do to a gradient; far below what a lost item does. */
const SPLIT_DISTANCE = 1e-3;

/** ||a - b|| / ||b||; 0 where both are zero. */
function relativeDistance(a: Float32Array, b: Float32Array): number {
  let [apart, length] = [0, 0];
  for (let i = 0; i < b.length; i++) [apart, length] = [apart + (a[i] - b[i]) ** 2, length + b[i] ** 2];
  return apart === 0 ? 0 : Math.sqrt(apart / length);
}

/** One item of a batch, or a batch of two. */
const item = ({ shape, data }: Tensor, n: number): Tensor => {
  const length = data.length / shape[0];
  return { shape: [1, ...shape.slice(1)], data: data.slice(n * length, (n + 1) * length) };
};
const pair = (a: Tensor, b: Tensor): Tensor => {
  const data = new Float32Array(2 * a.data.length);
  data.set(a.data);
  data.set(b.data, a.data.length);
  return { shape: [2, ...a.shape.slice(1)], data };
};

/**
 * Every item of a batch alone against its share of the batch. An input of one item becomes the second of two, behind itself back to front: a kernel
 * that looks at the first item only would be right about that one. To the bit; on a GPU, and where kernels are pinned,
 * to a thousandth in the Euclidean norm.
 * @param other the graph for a batch of two, or of one for a question of several items
 * @param known the question's gradient, where it is at hand
 */
export async function checkBatch(question: RuleQuestion, other: Graph, known?: Tensor): Promise<Residual[]> {
  const name = inputOf(question);
  const signalOf = async (graph: Graph, input: Tensor, seed: Tensor): Promise<Tensor> => {
    const { signal } = await under({ ...question, seed }, graph, 'gradient', { [name]: input });
    return { shape: input.shape, data: signal };
  };
  const { graph, input, seed } = question;
  const whole = known ?? (await signalOf(graph, input, seed));
  // A GPU's kernels split long sums by how many pixels there are, and pinned ones may for one batch and not for another: they round otherwise then.
  const { tiles, choices } = traitsOf(question.gpu);
  const splits = tiles || choices !== undefined;
  const row = (n: number, got: Tensor, want: Tensor): Residual => ({
    layer: `item ${n}`,
    op: '',
    residual: splits ? relativeDistance(got.data, want.data) : differingBits(got.data, want.data),
    bound: splits ? SPLIT_DISTANCE : 0,
  });
  if (input.shape[0] === 1) {
    const both = pair({ shape: input.shape, data: input.data.slice().reverse() }, input);
    return [row(1, item(await signalOf(other, both, pair(seed, seed)), 1), whole)];
  }
  const rows: Residual[] = [];
  for (let n = 0; n < input.shape[0]; n++) rows.push(row(n, item(whole, n), await signalOf(other, item(input, n), item(seed, n))));
  return rows;
}
