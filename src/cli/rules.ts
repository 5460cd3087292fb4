/** `backlight rules`: the cube of backward rules, and the presets that name points of it. */
import { Command } from 'commander';
import { DEFAULT_RULES, RULE_AXES, type RuleAxis } from '../rule.ts';
import { FORMULAE, RULE_PRESETS, type RulePreset } from '../rulePresets.ts';
import { printJson, withExample } from './session.ts';

export function rulesCommand(): Command {
  const command = new Command('rules')
    .description(
      'The rules that a backward pass can obey, with their formulae, and presets that do what other tools do, with their sources.',
    )
    .option('--json', 'print them as JSON: the rules of a preset are what a file for --rule may hold')
    .action(run);
  return withExample(
    command,
    'backlight rules',
    "backlight saliency photo.jpg --rule zeiler-fergus --rule-at 'inception_5*=linear' -o map.png",
  );
}

const AXIS_TITLES: Readonly<Record<RuleAxis, string>> = {
  relu: 'ReLU (--rule)',
  zero: 'ReLU at exactly zero (--rule-zero)',
  maxpool: 'max-pooling (--rule-pool)',
  lrn: 'local response normalisation (--rule-lrn)',
};

function run({ json }: { readonly json?: boolean }): void {
  const axes = Object.keys(RULE_AXES) as RuleAxis[];
  if (json) {
    printJson({ default: DEFAULT_RULES, formulae: FORMULAE, presets: RULE_PRESETS });
    return;
  }
  const formula = (axis: RuleAxis, rule: string): string => (FORMULAE[axis] as Record<string, string>)[rule];
  console.log('x, y: input and output of a layer; R: the signal that arrives from above; d: the one that leaves downwards.\n');
  for (const axis of axes) {
    console.log(AXIS_TITLES[axis]);
    for (const rule of RULE_AXES[axis]) {
      console.log(`  ${rule.padEnd(13)} ${formula(axis, rule)}${rule === DEFAULT_RULES[axis] ? '   (default)' : ''}`);
    }
  }
  console.log('\nPresets (--rule NAME)');
  for (const [name, { rules, summary, source }] of Object.entries<RulePreset>(RULE_PRESETS)) {
    console.log(`\n  ${name}\n    ${summary}`);
    for (const axis of axes) console.log(`    ${axis.padEnd(8)} ${rules[axis].padEnd(13)} ${formula(axis, rules[axis])}`);
    console.log(`    source   ${source}`);
  }
  console.log(
    '\nA file for --rule: {"preset": "zeiler-fergus", "maxpool": "last", "at": {"conv5*": "linear", "pool1": {"maxpool": "centre"}}}.\n' +
      'Overrides name layers, exactly or with * and ?; exact names go first, and of two patterns the later one counts.',
  );
}
