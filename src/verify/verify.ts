/**
 * The engine's identities on a given network, on the adapter in use. None needs to know what a kernel should have computed: they hold between
 * numbers that the device itself has made.
 */
import { InputError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { ParameterStore } from '../gpu/store.ts';
import { typeGraph, type Graph, type TypedGraph } from '../graph.ts';
import type { Plan } from '../plan.ts';
import { decides } from '../reference/decisions.ts';
import { widen } from '../reference/graph.ts';
import type { F64Tensor } from '../reference/types.ts';
import { DEFAULT_RULES } from '../rule.ts';
import { size, type AnyTensor, type Tensor } from '../tensor.ts';
import { drawUpAccount, type Account } from './account.ts';
import { checkAdjoint, checkTransposed, type LayerAt, type LayerContext } from './adjoints.ts';
import { report, type IdentityReport, type Residual } from './identity.ts';
import { runOnDevice } from './layers.ts';
import { fill, normal } from './random.ts';
import {
  checkBatch,
  checkHomogeneity,
  checkLinearity,
  checkOpenRelu,
  checkReluLayer,
  checkWithoutRelu,
  type RuleQuestion,
} from './ruleIdentities.ts';
import { separateUses } from './uses.ts';

export interface Verification {
  /** Every identity holds, but those that the network has nothing to check on. */
  readonly passed: boolean;
  readonly identities: readonly IdentityReport[];
  readonly account: Account;
  /** The gradient of the account. */
  readonly gradient: Tensor;
}

export interface VerifyOptions {
  /** The value in which the seed lies, and the seed. */
  readonly target: string;
  readonly seed: Tensor;
  /** The graph for another batch, for the identity of batches; without it, or where it throws, that is left out. */
  readonly graphAt?: (batch: number) => Graph;
  /** Seed of what is drawn at random. Default: 1. */
  readonly draw?: number;
  readonly onStage?: (stage: string, done: number, total: number) => void;
  /** Applied to every plan before it runs: tests plant faults with it. */
  readonly change?: (plan: Plan) => Plan;
}

/**
 * Checks all identities with respect to the first input.
 * @param input of the graph's first input's shape
 * @throws what {@link Executor} and the reference throw
 */
export async function verify(
  gpu: Gpu,
  graph: Graph,
  parameters: ReadonlyMap<string, AnyTensor>,
  input: Tensor,
  { target, seed, graphAt, draw = 1, onStage = () => {}, change = (plan) => plan }: VerifyOptions,
): Promise<Verification> {
  const { account, gradient, values } = await accountOf(gpu, graph, parameters, input, { target, seed, onStage, change });
  const store = new ParameterStore(gpu, parameters);
  try {
    const layers = await checkLayersAlone({ gpu, store, rules: DEFAULT_RULES, draw, change }, typeGraph(graph), values, onStage);
    const question: RuleQuestion = { gpu, graph, store, input, target, seed, draw, change };
    const passes = await checkPasses(question, gradient, graphAt, onStage);
    const smooth =
      account.remainder === 0 ? undefined : 'layers that are smooth but not piecewise linear enter with their remainder y - J x';
    const identities = [
      report('affine', [account.affine], smooth),
      report('completeness', account.cuts),
      report('layers', account.layers),
      ...layers,
      ...passes,
    ];
    onStage('done', 1, 1);
    return { passed: identities.every(({ verdict }) => verdict !== 'fails'), identities, account, gradient };
  } finally {
    store.dispose();
  }
}

/** The run whose account is drawn up. It is the largest thing here, in f64: what outlives it is its gradient, and its values in f32. */
async function accountOf(
  gpu: Gpu,
  graph: Graph,
  parameters: ReadonlyMap<string, AnyTensor>,
  input: Tensor,
  { target, seed, onStage, change }: Required<Pick<VerifyOptions, 'target' | 'seed' | 'onStage' | 'change'>>,
): Promise<{ readonly account: Account; readonly gradient: Tensor; readonly values: ReadonlyMap<string, AnyTensor> }> {
  const [{ name }] = graph.inputs;
  const separate = separateUses(graph);
  const typed = typeGraph(separate.graph);
  onStage('the network', 0, 1);
  const run = await runOnDevice(gpu, typed, parameters, input, { target, seed, rule: DEFAULT_RULES, wrt: [name], change });
  const at = { target, seed: widen(seed), input: name, rules: DEFAULT_RULES };
  const account = drawUpAccount(typed, separate, run, at, (done, total) => onStage('the account', done, total));
  const narrow = ({ shape, data }: F64Tensor): Tensor => ({ shape, data: Float32Array.from(data) });
  const values = new Map<string, AnyTensor>(parameters);
  for (const [value, tensor] of run.values) if (!values.has(value) && separate.of(value) === value) values.set(value, narrow(tensor));
  return { account, gradient: narrow(run.signals.get(name)!), values };
}

/** What single layers have to satisfy. */
async function checkLayersAlone(
  context: LayerContext,
  typed: TypedGraph,
  values: ReadonlyMap<string, AnyTensor>,
  onStage: NonNullable<VerifyOptions['onStage']>,
): Promise<IdentityReport[]> {
  const { graph } = typed;
  const parameters = new Set(graph.parameters.map((p) => p.name));
  const dependent = new Set([graph.inputs[0].name]);
  const adjoints: Residual[] = [];
  const constants: Residual[] = [];
  const transposed: Residual[] = [];
  const relus: Residual[] = [];
  const seen = new Set<number>();
  for (const [i, node] of typed.nodes.entries()) {
    onStage('layers', i, typed.nodes.length);
    const varying = node.inputs.map((input, k) => dependent.has(input) && node.definition.differentiable(k));
    if (!varying.includes(true)) continue;
    for (const output of node.outputs) if (output !== '') dependent.add(output);
    if (node.definition.alias?.(node.typedAttrs, false)) continue;
    const x = node.inputs.map((input) => (input === '' ? null : widen(values.get(input)!)));
    const layer: LayerAt = { node, x, varying, isParameter: (input) => parameters.has(input) };
    const own = { ...context, draw: context.draw + 1000 * (i + 1) };
    const { residual, v, dx, constant } = await checkAdjoint(own, layer);
    adjoints.push(residual);
    if (constant) constants.push(constant);
    if (node.op === 'conv2d' && varying.every((vary, k) => vary === (k === 0))) transposed.push(await checkTransposed(own, layer, v, dx));
    if (!decides(node)) continue;
    const onGrid = coarse(x[0]!);
    if (node.op === 'relu') {
      // The kernel knows nothing but the number of elements.
      const { shape, data } = onGrid;
      if (seen.has(data.length)) continue;
      seen.add(data.length);
      relus.push(...(await checkReluLayer(own, node.name, { shape, data: Float32Array.from(data) })));
    } else {
      const again = await checkAdjoint(own, { ...layer, x: [onGrid] });
      adjoints.push({ ...again.residual, layer: `${node.name}, on a grid` });
    }
  }
  return [
    report('adjoint', adjoints, adjoints.length > 0 ? undefined : 'no layer computes anything'),
    report('constant', constants, constants.length > 0 ? undefined : 'no layer is affine'),
    report('transposed', transposed, transposed.length > 0 ? undefined : 'the network has no convolution'),
    report('relu', relus, relus.length > 0 ? undefined : 'the network has no ReLU'),
  ];
}

/** x in whole multiples of half its root mean square: with zeros, and with maxima that tie. */
function coarse({ shape, data }: F64Tensor): F64Tensor {
  const finite = data.filter(Number.isFinite);
  const unit = Math.fround(Math.sqrt(finite.reduce((sum, v) => sum + v * v, 0) / Math.max(1, finite.length)) / 2) || 1;
  return { shape, data: data.map((v) => Math.fround(Math.round(v / unit) * unit)) };
}

/** What whole passes have to satisfy. */
async function checkPasses(
  question: RuleQuestion,
  gradient: Tensor,
  graphAt: VerifyOptions['graphAt'],
  onStage: NonNullable<VerifyOptions['onStage']>,
): Promise<IdentityReport[]> {
  const { shape } = question.seed;
  const other: Tensor = { shape, data: fill(size(shape), normal(question.draw + 5)).map((v) => Math.round(8 * v) / 8) };
  const relus = question.graph.nodes.some(({ op }) => op === 'relu');
  const rows: Residual[] = [];
  onStage('seeds', 0, 4);
  for (const [i, rule] of (['gradient', 'linear'] as const).entries()) {
    rows.push(...(await checkLinearity(question, rule, other)));
    onStage('seeds', i + 1, 4);
  }
  for (const [i, rule] of (['deconvnet', 'guided'] as const).entries()) {
    rows.push(await checkHomogeneity(question, rule));
    onStage('seeds', i + 3, 4);
  }
  const seeds = report('seed', rows, 'the bound is a model of rounding');
  onStage('without ReLU', 0, 1);
  const bare = await checkWithoutRelu(question);
  const noRelu = report('no relu', bare.rows);
  onStage('open ReLUs', 0, 1);
  const open = relus ? await checkOpenRelu(question, bare) : null;
  const openRelu = open
    ? report(
        'open relu',
        open.rows,
        `${open.shift} is added before each ReLU and taken off after it; the smallest input of one is ${open.smallest.toPrecision(3)}, ` +
          `and guided departs from the gradient by ${open.apart.toPrecision(2)} of its length`,
      )
    : report('open relu', [], 'the network has no ReLU');
  onStage('batch', 0, 1);
  return [seeds, noRelu, openRelu, await batches(question, gradient, graphAt)];
}

async function batches(question: RuleQuestion, gradient: Tensor, graphAt: VerifyOptions['graphAt']): Promise<IdentityReport> {
  if (!graphAt) return report('batch', [], 'the network is known for one batch alone');
  let other: Graph;
  try {
    other = graphAt(question.input.shape[0] === 1 ? 2 : 1);
    typeGraph(other);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return report('batch', [], `the network cannot take another batch: ${error.message}`);
  }
  const note =
    question.input.shape[0] === 1 ? 'here the second of two; a batch of two (--batch 2) checks every layer on two items' : undefined;
  return report('batch', await checkBatch(question, other, gradient), note);
}
