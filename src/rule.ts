/**
 * The rules of the backward pass: the cube of conventions in which DeconvNet, guided back-propagation, the gradient and the gradients of other
 * tools differ. Everything outside these axes is the same for all of them.
 *
 * **relu**: the one sign of the paper. With X the ReLU's input on the way up and R the signal coming down, a rule passes R where
 *
 *     gradient    X > 0            dS/dX; ReLU'(0) = 0
 *     deconvnet   R > 0            Zeiler & Fergus 2013
 *     guided      X > 0 and R > 0  Springenberg et al. 2014
 *     linear      always
 *
 * and zero elsewhere. **zero**: whether [X > 0] is `closed` or `open` at exactly X = 0, where it then reads [X >= 0].
 *
 * **maxpool**: where the signal of a window goes.
 *
 *     switches       to the first maximum, as the forward pass noted it
 *     first, last    to the first or last maximum in row-major order, looked for again on the way down
 *     centre         to the middle of the window's cells inside the input (the upper and left one of two), whatever they hold
 *     all-ties       to every maximum, undivided
 *     average-ties   to every maximum, in equal shares
 *
 * **lrn**: `gradient` is the true derivative, `identity` passes the signal unchanged.
 * @see Simonyan, Vedaldi, Zisserman 2013, section 4
 */
import { GraphError, InputError } from './errors.ts';

/** In the order of the shader's `rule` constant. */
export const RULES = ['gradient', 'deconvnet', 'guided', 'linear'] as const;

/** ReLU's rule. */
export type Rule = (typeof RULES)[number];

export const RULE_AXES = {
  relu: RULES,
  zero: ['closed', 'open'],
  maxpool: ['switches', 'centre', 'all-ties', 'average-ties', 'first', 'last'],
  lrn: ['gradient', 'identity'],
} as const;

export type RuleAxis = keyof typeof RULE_AXES;

/** A point of the cube: what one layer obeys. An op reads the axes that it has. */
export type LayerRules = { readonly [A in RuleAxis]: (typeof RULE_AXES)[A][number] };

/** The gradient of Caffe and PyTorch. */
export const DEFAULT_RULES: LayerRules = { relu: 'gradient', zero: 'closed', maxpool: 'switches', lrn: 'gradient' };

/**
 * Rules of a whole network: those of every layer, and others by node name. A name may hold `*` for any characters and `?` for one; exact names
 * go before patterns, and of two patterns the later one counts. What stands there is a point of the cube, or the name of one rule where the
 * layer has but one axis with that name: `{ maxpool: 'last', at: { 'conv5*': 'linear' } }`.
 */
export interface RuleSpec extends Partial<LayerRules> {
  readonly at?: Readonly<Record<string, string | Partial<LayerRules>>>;
}

/** Whether a rule passes the signal r where ReLU's input was x. */
export function rulePasses(rule: Rule, x: number, r: number, zero: LayerRules['zero'] = 'closed'): boolean {
  switch (rule) {
    case 'gradient':
      return indicator(x, zero);
    case 'deconvnet':
      return r > 0;
    case 'guided':
      return indicator(x, zero) && r > 0;
    case 'linear':
      return true;
  }
}

/** ReLU's sign indicator [x > 0], or [x >= 0] where zero is open. */
export const indicator = (x: number, zero: LayerRules['zero']): boolean => x > 0 || (zero === 'open' && x === 0);

/** Whether a ReLU's rule looks at its input at all. */
export function consultsInput({ relu }: Pick<LayerRules, 'relu'>): boolean {
  return relu === 'gradient' || relu === 'guided';
}

/** @throws InputError if `name` is not a ReLU rule. */
export function parseRule(name: string): Rule {
  return parseAxis('relu', name, 'rule');
}

/**
 * A rule of one axis.
 * @param where what the message begins with
 * @throws InputError if the axis has no such rule
 */
export function parseAxis<A extends RuleAxis>(axis: A, name: unknown, where: string = axis): LayerRules[A] {
  const names: readonly string[] = RULE_AXES[axis];
  if (typeof name === 'string' && names.includes(name)) return name as LayerRules[A];
  throw new InputError(`${where}: expected one of ${names.join(', ')}, got ${JSON.stringify(name)}.`);
}

const AXES = Object.keys(RULE_AXES) as RuleAxis[];

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseLayerRules(given: Record<string, unknown>, where: string): Partial<LayerRules> {
  for (const key of Object.keys(given)) {
    if (!AXES.includes(key as RuleAxis)) throw new InputError(`${where}: expected axes among ${AXES.join(', ')}, got "${key}".`);
  }
  return Object.fromEntries(
    AXES.filter((axis) => given[axis] !== undefined).map((axis) => [axis, parseAxis(axis, given[axis], `${where}.${axis}`)]),
  );
}

/**
 * A ReLU rule by name, or rules as data, checked: what comes from JSON or from JavaScript has no types to tell it.
 * @throws InputError if an axis or a rule does not exist
 */
export function ruleSpec(given: unknown): RuleSpec {
  if (given === undefined) return {};
  if (typeof given === 'string') return { relu: parseRule(given) };
  if (!isRecord(given)) throw new InputError(`rule: expected a rule's name or an object of rules, got ${JSON.stringify(given)}.`);
  const { at, ...axes } = given;
  const spec = parseLayerRules(axes, 'rule');
  if (at === undefined) return spec;
  if (!isRecord(at)) throw new InputError(`rule.at: expected an object of rules by node name, got ${JSON.stringify(at)}.`);
  const known: ReadonlySet<string> = new Set(Object.values(RULE_AXES).flat());
  const overrides = Object.entries(at).map(([pattern, value]): [string, string | Partial<LayerRules>] => {
    if (isRecord(value)) return [pattern, parseLayerRules(value, `rule.at["${pattern}"]`)];
    if (typeof value === 'string' && known.has(value)) return [pattern, value];
    throw new InputError(`rule.at["${pattern}"]: expected one of ${[...known].join(', ')}, got ${JSON.stringify(value)}.`);
  });
  return { ...spec, at: Object.fromEntries(overrides) };
}

/** A node as far as rules go: its name, its op, and the axes that the op has. */
export interface RuledNode {
  readonly name: string;
  readonly op: string;
  readonly axes: readonly RuleAxis[];
}

const NOUNS: Readonly<Record<RuleAxis, string>> = { relu: 'ReLU', zero: 'ReLU', maxpool: 'max-pool', lrn: 'LRN layer' };

/** The axes that an override speaks of, for a node that has `axes`. */
function axesOf(value: string | Partial<LayerRules>, axes: readonly RuleAxis[]): Partial<LayerRules> {
  if (typeof value !== 'string') return Object.fromEntries(Object.entries(value).filter(([axis]) => axes.includes(axis as RuleAxis)));
  return Object.fromEntries(axes.filter((axis) => (RULE_AXES[axis] as readonly string[]).includes(value)).map((axis) => [axis, value]));
}

/**
 * What every node obeys, by name.
 * @throws GraphError if an override names no node that has its axis
 */
export function resolveRules(nodes: readonly RuledNode[], spec: RuleSpec = {}): (node: string) => LayerRules {
  const { at = {}, ...given } = spec;
  const common: LayerRules = { ...DEFAULT_RULES, ...given };
  const patterns = Object.entries(at).sort(([a], [b]) => Number(exact(nodes, a)) - Number(exact(nodes, b)));
  const resolved = new Map<string, LayerRules>();
  for (const [pattern, value] of patterns) {
    const matched = exact(nodes, pattern)
      ? nodes.filter(({ name }) => name === pattern)
      : nodes.filter(({ name }) => glob(pattern).test(name));
    const wanted = typeof value === 'string' ? 1 : Object.keys(value).length;
    const reached = new Set<string>();
    for (const { name, axes } of matched) {
      const rules = axesOf(value, axes);
      for (const axis of Object.keys(rules)) reached.add(axis);
      if (Object.keys(rules).length > 0) resolved.set(name, { ...(resolved.get(name) ?? common), ...rules });
    }
    if (reached.size < wanted) refuse(nodes, pattern, value, matched);
  }
  return (node) => resolved.get(node) ?? common;
}

const exact = (nodes: readonly RuledNode[], pattern: string): boolean => nodes.some(({ name }) => name === pattern);

/** Whether a name fits a pattern, in which `*` stands for any characters and `?` for one. */
export function nameMatcher(pattern: string): (name: string) => boolean {
  const expression = glob(pattern);
  return (name) => expression.test(name);
}

function glob(pattern: string): RegExp {
  const source = [...pattern].map((c) => (c === '*' ? '.*' : c === '?' ? '.' : c.replace(/[\\^$.+()[\]{}|/-]/, '\\$&'))).join('');
  return new RegExp(`^${source}$`, 's');
}

function refuse(nodes: readonly RuledNode[], pattern: string, value: string | Partial<LayerRules>, matched: readonly RuledNode[]): never {
  const reached = new Set(matched.flatMap(({ axes }) => Object.keys(axesOf(value, axes))));
  const meant = AXES.filter((axis) =>
    typeof value === 'string' ? (RULE_AXES[axis] as readonly string[]).includes(value) : axis in value && !reached.has(axis),
  );
  const nouns = [...new Set(meant.map((axis) => NOUNS[axis]))];
  const takers = nodes.filter(({ axes }) => axes.some((axis) => meant.includes(axis))).map(({ name }) => `"${name}"`);
  const what = matched.length === 1 && matched[0].name === pattern ? `, which is ${matched[0].op}` : '';
  const some = takers.length > 12 ? `${takers.slice(0, 12).join(', ')} and ${takers.length - 12} more` : takers.join(', ') || 'none';
  throw new GraphError(
    `rule: expected the name of a ${nouns.join(' or ')}, got "${pattern}"${what}. ${nouns.map((noun) => `${noun}s`).join(' and ')} here: ${some}.`,
  );
}

/** Rules in words, one for each axis and override that is there: `guided`, `open at zero`, `maxpool last`, `conv5*=linear`. */
export function ruleWords({ at = {}, ...common }: RuleSpec): string[] {
  const word = (axis: RuleAxis): string =>
    axis === 'relu' ? common[axis]! : axis === 'zero' ? `${common[axis]} at zero` : `${axis} ${common[axis]}`;
  const overrides = Object.entries(at).map(
    ([pattern, value]) => `${pattern}=${typeof value === 'string' ? value : Object.values(value).join(' ')}`,
  );
  return [...AXES.filter((axis) => common[axis] !== undefined).map(word), ...overrides];
}

/** Rules in a line: ReLU's, and where they depart from the gradient the others. */
export function describeRules({ relu = DEFAULT_RULES.relu, at, ...given }: RuleSpec): string {
  const departing = Object.entries(given).filter(([axis, rule]) => rule !== DEFAULT_RULES[axis as RuleAxis]);
  return ruleWords({ relu, ...Object.fromEntries(departing), at }).join(', ');
}
