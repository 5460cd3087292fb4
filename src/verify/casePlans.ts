/**
 * A row of the table of cases as a graph, the numbers to run it on, and the plans that check it.
 */
import { typeGraph, type Graph, type GraphNode, type TypedGraph, type TypedNode } from '../graph.ts';
import { OPS } from '../ops/index.ts';
import { compile, type DeviceTraits, type Plan } from '../plan.ts';
import { DEFAULT_RULES, RULE_AXES, type LayerRules, type RuleAxis, type RuleSpec } from '../rule.ts';
import { size, type AnyTensor } from '../tensor.ts';
import { describeCase, type Filling, type OpCase } from './cases.ts';
import { fill, normal, uniform } from './random.ts';

/** Numbers of a kind. */
export function generate(shape: readonly number[], filling: Filling, seed: number): AnyTensor {
  const count = size(shape);
  if (filling === 'normal') return { shape, data: fill(count, normal(seed)) };
  const next = uniform(seed);
  if (filling === 'positive') return { shape, data: fill(count, () => 0.5 + next()) };
  if (filling === 'ties') return { shape, data: fill(count, () => Math.floor(next() * 3) - 1) };
  if (filling === 'gaps') return { shape, data: fill(count, () => (next() < 0.1 ? NaN : Math.floor(next() * 3) - 1)) };
  if ('scale' in filling) {
    const draw = normal(seed);
    return { shape, data: fill(count, () => filling.scale * draw()) };
  }
  if ('constant' in filling) return { shape, data: new Float32Array(count).fill(filling.constant) };
  if ('labels' in filling) return { shape, data: Int32Array.from({ length: count }, (_, i) => filling.labels[i % filling.labels.length]) };
  return { shape, data: Int32Array.from({ length: count }, () => Math.floor(next() * filling.classes)) };
}

const holdsIntegers = (filling: Filling | undefined): boolean =>
  typeof filling === 'object' && ('classes' in filling || 'labels' in filling);

/** The ReLUs of a case that has them: of x0 before the op and of y0 behind it. */
const [BELOW, ABOVE] = ['below', 'above'];

/** The graph of one op, whose inputs are x0, x1, ... and whose outputs y0, y1, ... The op's node bears the op's name. */
export function caseGraph(c: OpCase, outputs: number): Graph {
  const spec = (shape: readonly number[], k: number) => ({
    name: `x${k}`,
    shape,
    dtype: holdsIntegers(c.fill?.[k]) ? ('i32' as const) : ('f32' as const),
  });
  const specs = c.inputs.map(spec);
  const isParameter = (k: number): boolean => c.parameters?.includes(k) ?? false;
  const names = Array.from({ length: outputs }, (_, k) => `y${k}`);
  const node: GraphNode = { name: c.op, op: c.op, inputs: specs.map((s) => s.name), outputs: names, attrs: c.attrs };
  return {
    name: describeCase(c),
    inputs: specs.filter((_, k) => !isParameter(k)),
    parameters: specs.filter((_, k) => isParameter(k)),
    nodes: c.relus ? betweenRelus(node) : [node],
    outputs: names,
  };
}

function betweenRelus(node: GraphNode): GraphNode[] {
  const [[x, ...parameters], [y]] = [node.inputs, node.outputs];
  return [
    { name: BELOW, op: 'relu', inputs: [x], outputs: ['#x'] },
    { ...node, inputs: ['#x', ...parameters], outputs: ['#y'] },
    { name: ABOVE, op: 'relu', inputs: ['#y'], outputs: [y] },
  ];
}

/** The node of a case's op. */
export function caseNode(c: OpCase, typed: TypedGraph): TypedNode {
  return typed.nodes.find(({ name }) => name === c.op)!;
}

/** A plan that checks a case. */
export interface CasePlan {
  readonly plan: Plan;
  /** What its backward pass obeys; undefined where the op has no adjoint. */
  readonly rules: LayerRules | undefined;
}

/** Every point of the cube along the axes that an op has. */
function rulesOf(axes: readonly RuleAxis[] = []): LayerRules[] {
  return axes.reduce<LayerRules[]>(
    (all, axis) => all.flatMap((rules) => RULE_AXES[axis].map((name) => ({ ...rules, [axis]: name }))),
    [DEFAULT_RULES],
  );
}

/** The axes of the rule cube that a case is checked along. */
const axesOf = (c: OpCase): readonly RuleAxis[] => (c.relus ? OPS.relu : OPS[c.op]).rules ?? [];

/** The rules of a case in words, for a report: ` guided open`; nothing for an op that has none. */
export function ruleWords(c: OpCase, rules: LayerRules): string {
  const axes = axesOf(c);
  return axes.map((axis) => (rules[axis] === 'closed' ? '' : ` ${rules[axis]}`)).join('');
}

/**
 * The plans that check a case: one for each point of the rule cube that its op tells from the others, made for a device of which nothing is
 * known and, where that changes them, for devices with the given traits.
 */
export function casePlans(c: OpCase, traits: readonly DeviceTraits[]): CasePlan[] {
  const typed = typeGraph(caseGraph(c, outputsOf(c)));
  const wrt = c.forwardOnly ? [] : differentiableInputs(c, typed);
  const cube = wrt.length === 0 ? [undefined] : rulesOf(axesOf(c));
  const seen = new Set<string>();
  return cube.flatMap((rules) => {
    const options = {
      ...(rules ? { target: 'y0', wrt: wrt.map((k) => `x${k}`), rule: c.relus ? { ...rules, at: PASSING } : rules } : {}),
      training: c.training ?? c.descent !== undefined,
      descent: c.descent,
    };
    const plans = [compile(typed, options), ...traits.map((special) => compile(typed, { ...options, traits: special }))];
    const steps = ({ forward, backward, update }: Plan): string => JSON.stringify([forward, backward, update]);
    return plans.flatMap((plan) => {
      const key = steps(plan);
      if (seen.has(key)) return [];
      seen.add(key);
      return [{ plan, rules }];
    });
  });
}

/** The sign of what the op makes is open where rounding is larger: what comes back must not depend on it. */
const PASSING: RuleSpec['at'] = { [ABOVE]: { relu: 'linear', zero: 'closed' } };

/** Indices of the inputs that have an adjoint; between ReLUs only that which meets one. */
export function differentiableInputs(c: OpCase, typed: TypedGraph): number[] {
  if (c.relus) return [0];
  const node = caseNode(c, typed);
  return node.inputs.flatMap((name, k) => (node.definition.differentiable(k) && typed.values.get(name)!.dtype === 'f32' ? [k] : []));
}

/** How many outputs a case asks for: all that f32 and i32 outputs the op can make, but cross-entropy's log-probabilities. */
export function outputsOf(c: OpCase): number {
  return (c.op === 'maxpool2d' && !c.forwardOnly) || c.op === 'momentum' || c.op === 'l2norm' ? 2 : 1;
}
