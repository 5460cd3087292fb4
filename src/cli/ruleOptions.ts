/** The options that choose the rules of the backward pass, the same for every command that has one. */
import path from 'node:path';
import type { Command } from 'commander';
import { InputError } from '../errors.ts';
import { isObject } from '../formats/json.ts';
import { describeRules, parseAxis, parseRule, RULE_AXES, RULES, ruleSpec, ruleWords, type LayerRules, type RuleSpec } from '../rule.ts';
import { isRulePreset, RULE_PRESETS } from '../rulePresets.ts';
import { collect } from './arguments.ts';
import { readBytes } from './files.ts';

/** The axes beside ReLU's own rule. */
export interface AxisArguments {
  readonly rulePool?: string;
  readonly ruleLrn?: string;
  readonly ruleZero?: string;
}

export interface RuleArguments extends AxisArguments {
  readonly rule: string;
  readonly ruleAt: readonly string[];
}

/** Rules as asked for: as data, and in words for reports and pictures. */
export interface ChosenRules {
  readonly spec: RuleSpec;
  readonly words: string;
}

export function withRuleOptions(command: Command): Command {
  return withRuleAxes(
    command.option(
      '--rule <rule>',
      `ReLU's rule: ${RULES.join(', ')}; or a preset or a .json file of rules (see "backlight rules")`,
      'gradient',
    ),
  );
}

/** The options but for `--rule`, for commands that go through several of ReLU's rules. */
export function withRuleAxes(command: Command): Command {
  return withAxisOptions(command).option(
    '--rule-at <layer=rule>',
    'another rule for one layer, or for all that a name with * and ? matches; may be repeated',
    collect,
    [],
  );
}

/** Those of the axes beside ReLU's rule alone, for every layer alike. */
export function withAxisOptions(command: Command): Command {
  return command
    .option('--rule-pool <rule>', `max-pooling's rule: ${RULE_AXES.maxpool.join(', ')} (default: switches)`)
    .option('--rule-lrn <rule>', `LRN's rule: ${RULE_AXES.lrn.join(', ')} (default: gradient)`)
    .option('--rule-zero <rule>', `ReLU's gate at an input of exactly zero: ${RULE_AXES.zero.join(', ')} (default: closed)`);
}

/** @throws InputError if a rule does not exist */
export function chosenAxes(args: AxisArguments): Partial<Omit<LayerRules, 'relu'>> {
  return {
    ...(args.rulePool === undefined ? {} : { maxpool: parseAxis('maxpool', args.rulePool, '--rule-pool') }),
    ...(args.ruleLrn === undefined ? {} : { lrn: parseAxis('lrn', args.ruleLrn, '--rule-lrn') }),
    ...(args.ruleZero === undefined ? {} : { zero: parseAxis('zero', args.ruleZero, '--rule-zero') }),
  };
}

/**
 * The rules of the options: those of `--rule`, then those of single axes, then those of single layers.
 * @throws InputError if a rule does not exist or a file holds no rules
 */
export async function chosenRules(args: RuleArguments): Promise<ChosenRules> {
  const { base, name } = await baseRules(args.rule);
  const axes = chosenAxes(args);
  const at = args.ruleAt.map((text): [string, string] => {
    // The last equals sign separates: layer names may hold one.
    const equals = text.lastIndexOf('=');
    if (equals < 1) throw new InputError(`--rule-at: expected LAYER=RULE, got "${text}".`);
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
  const overrides = at.length > 0 || base.at ? { at: { ...base.at, ...Object.fromEntries(at) } } : {};
  const spec = ruleSpec({ ...base, ...axes, ...overrides });
  // What was asked for beside a preset or a file is told even where it is the default: it may undo what those say.
  const words = name === null ? describeRules(spec) : [name, ...ruleWords({ ...axes, at: Object.fromEntries(at) })].join(', ');
  return { spec, words };
}

async function baseRules(text: string): Promise<{ readonly base: RuleSpec; readonly name: string | null }> {
  if (isRulePreset(text)) return { base: RULE_PRESETS[text].rules, name: text };
  if (text.endsWith('.json')) return { base: await readRules(text), name: path.basename(text) };
  if (!(RULES as readonly string[]).includes(text)) {
    throw new InputError(
      `--rule: expected one of ${RULES.join(', ')}, a preset (${Object.keys(RULE_PRESETS).join(', ')}) or a .json file of rules, got "${text}".`,
    );
  }
  return { base: { relu: parseRule(text) }, name: null };
}

/** A file of rules: a RuleSpec in JSON, which may begin with a `preset` that its own fields then change. */
async function readRules(file: string): Promise<RuleSpec> {
  const text = new TextDecoder().decode(await readBytes(file, '--rule'));
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new InputError(`${file}: expected a JSON file of rules, got text that is none.`);
  }
  if (!isObject(content)) {
    throw new InputError(
      `${file}: expected an object of rules, such as {"relu": "deconvnet", "at": {"conv5*": "linear"}}, got something else.`,
    );
  }
  const { preset, ...own } = content;
  if (preset !== undefined && !(typeof preset === 'string' && isRulePreset(preset))) {
    throw new InputError(`${file}: expected a preset among ${Object.keys(RULE_PRESETS).join(', ')}, got ${JSON.stringify(preset)}.`);
  }
  try {
    return ruleSpec({ ...(preset === undefined ? {} : RULE_PRESETS[preset].rules), ...own });
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${file}: ${error.message}`) : error;
  }
}
