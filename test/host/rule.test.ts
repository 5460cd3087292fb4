// Rules as data: what names and patterns reach, what is refused, and what the options and files of the command line make of it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chosenRules, type RuleArguments } from '../../src/cli/ruleOptions.ts';
import { DEFAULT_RULES, describeRules, resolveRules, RULE_AXES, rulePasses, RULES, ruleSpec, type RuledNode } from '../../src/rule.ts';
import { FORMULAE, RULE_PRESETS } from '../../src/rulePresets.ts';

const relu = (name: string): RuledNode => ({ name, op: 'relu', axes: ['relu', 'zero'] });
const NODES: readonly RuledNode[] = [
  { name: 'conv1', op: 'conv2d', axes: [] },
  relu('relu1'),
  { name: 'pool1', op: 'maxpool2d', axes: ['maxpool'] },
  { name: 'norm1', op: 'lrn', axes: ['lrn'] },
  relu('block/relu2'),
  relu('block/relu3'),
  relu('odd[*]name'),
];

test('an axis holds for every layer, an override for what its name or pattern reaches', () => {
  const rules = resolveRules(NODES, {
    relu: 'guided',
    maxpool: 'last',
    at: { 'block/relu3': 'linear', 'block/*': 'deconvnet', '*': { zero: 'open' }, norm1: 'identity' },
  });
  assert.equal(rules('relu1'), { ...DEFAULT_RULES, relu: 'guided', maxpool: 'last', zero: 'open' });
  assert.is(rules('block/relu2').relu, 'deconvnet');
  assert.is(rules('block/relu3').relu, 'linear', 'an exact name goes before a pattern, wherever it stands');
  assert.is(rules('block/relu3').zero, 'open', 'overrides of different axes add up');
  assert.is(rules('pool1').maxpool, 'last');
  assert.is(rules('norm1').lrn, 'identity');
  assert.is(rules('anything else').relu, 'guided');
  assert.equal(resolveRules(NODES)('relu1'), DEFAULT_RULES);
});

test('of two patterns the later one counts; ? is one character; a name with a star of its own is taken as it is', () => {
  assert.is(resolveRules(NODES, { at: { 'block/*': 'linear', 'block/relu?': 'guided' } })('block/relu2').relu, 'guided');
  assert.is(resolveRules(NODES, { at: { 'relu?': 'linear' } })('block/relu2').relu, 'gradient');
  const odd = resolveRules(NODES, { at: { 'odd[*]name': 'linear' } });
  assert.is(odd('odd[*]name').relu, 'linear');
  assert.is(odd('relu1').relu, 'gradient');
});

test('a short name speaks for the axis of the layer that has it', () => {
  const rules = resolveRules(NODES, { relu: 'deconvnet', lrn: 'identity', at: { '*1': 'gradient' } });
  assert.equal([rules('relu1').relu, rules('norm1').lrn, rules('block/relu2').relu], ['gradient', 'gradient', 'deconvnet']);
});

test('what reaches no layer of the kind is refused, with those there are', () => {
  const refused = (at: Record<string, unknown>, words: RegExp): void => {
    assert.throws(() => resolveRules(NODES, ruleSpec({ at })), words);
  };
  refused({ conv1: 'linear' }, /expected the name of a ReLU, got "conv1", which is conv2d\. ReLUs here: "relu1", "block\/relu2"/);
  refused({ nowhere: 'last' }, /expected the name of a max-pool, got "nowhere"\. max-pools here: "pool1"/);
  refused({ pool1: 'linear' }, /expected the name of a ReLU, got "pool1", which is maxpool2d/);
  refused({ 'conv*': 'guided' }, /expected the name of a ReLU, got "conv\*"/);
  refused({ relu1: { relu: 'linear', lrn: 'identity' } }, /expected the name of a LRN layer, got "relu1"/);
});

test('what is no rule is refused, from JavaScript and from JSON', () => {
  assert.throws(() => ruleSpec('deconv'), /rule: expected one of gradient, deconvnet, guided, linear, got "deconv"/);
  assert.throws(() => ruleSpec({ pool: 'last' }), /rule: expected axes among relu, zero, maxpool, lrn, got "pool"/);
  assert.throws(() => ruleSpec({ maxpool: 'second' }), /rule\.maxpool: expected one of switches, .*, got "second"/);
  assert.throws(() => ruleSpec({ at: { relu1: 'nothing' } }), /rule\.at\["relu1"\]: expected one of .*, got "nothing"/);
  assert.throws(() => ruleSpec({ at: { relu1: { relu: 3 } } }), /rule\.at\["relu1"\]\.relu: expected one of .*, got 3/);
  assert.throws(() => ruleSpec(7), /expected a rule's name or an object/);
  assert.equal(ruleSpec(undefined), {});
  assert.equal(ruleSpec('guided'), { relu: 'guided' });
});

test('an open zero passes zero, and nothing else changes', () => {
  for (const rule of RULES) {
    for (const x of [-1, 1, NaN]) for (const r of [-2, 0, 2]) assert.is(rulePasses(rule, x, r, 'open'), rulePasses(rule, x, r));
    for (const r of [-2, 2]) {
      assert.is(rulePasses(rule, 0, r, 'open'), rule === 'gradient' || rule === 'linear' || r > 0);
      assert.is(rulePasses(rule, -0, r), rule === 'linear' || (rule === 'deconvnet' && r > 0));
    }
  }
});

test('every rule has a formula, every preset a point of the cube, a summary and a source', () => {
  for (const [axis, names] of Object.entries(RULE_AXES)) assert.equal(Object.keys(FORMULAE[axis as 'relu']).sort(), [...names].sort());
  for (const { rules, summary, source } of Object.values(RULE_PRESETS)) {
    assert.equal(ruleSpec(rules), rules);
    assert.equal(Object.keys(rules).sort(), Object.keys(RULE_AXES).sort());
    assert.ok(summary.length > 20 && source.length > 10);
  }
  const points = Object.values(RULE_PRESETS).map(({ rules }) => JSON.stringify(rules));
  assert.is(new Set(points).size, points.length, 'no two presets are the same point');
});

test('options: a rule, a preset or a file, then axes, then layers', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'backlight-rules-'));
  try {
    const given = (more: Partial<RuleArguments>) => chosenRules({ rule: 'gradient', ruleAt: [], ...more });
    assert.equal(await given({}), { spec: { relu: 'gradient' }, words: 'gradient' });
    assert.equal(await given({ rule: 'linear', ruleAt: ['a=b=guided'] }), {
      spec: { relu: 'linear', at: { 'a=b': 'guided' } },
      words: 'linear, a=b=guided',
    });
    const preset = await given({ rule: 'zeiler-fergus', rulePool: 'last' });
    assert.equal(preset, { spec: { ...RULE_PRESETS['zeiler-fergus'].rules, maxpool: 'last' }, words: 'zeiler-fergus, maxpool last' });
    const undone = await given({ rule: 'zeiler-fergus', ruleLrn: 'gradient' });
    assert.is(undone.words, 'zeiler-fergus, lrn gradient', 'what an option undoes is told');
    const file = path.join(folder, 'mine.json');
    writeFileSync(file, JSON.stringify({ preset: 'torchray-guided', lrn: 'identity', at: { r1: 'linear' } }));
    assert.equal((await given({ rule: file, ruleZero: 'closed', ruleAt: ['r2=deconvnet'] })).spec, {
      ...RULE_PRESETS['torchray-guided'].rules,
      zero: 'closed',
      lrn: 'identity',
      at: { r1: 'linear', r2: 'deconvnet' },
    });
    const refused = async (content: string, words: RegExp): Promise<void> => {
      writeFileSync(file, content);
      await given({ rule: file }).then(
        () => assert.unreachable(`expected ${words}`),
        (error: Error) => assert.match(error.message, words),
      );
    };
    await refused('{', /mine\.json: expected a JSON file of rules, got text that is none/);
    await refused('[]', /expected an object of rules/);
    await refused('{"preset": "mine"}', /expected a preset among caffe, .*, got "mine"/);
    await refused('{"relu": "no"}', /mine\.json: rule\.relu: expected one of gradient/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('rules in words', () => {
  assert.is(describeRules({}), 'gradient');
  assert.is(describeRules({ maxpool: 'last', relu: 'gradient' }), 'gradient, maxpool last');
  assert.is(describeRules({ relu: 'guided', zero: 'open', lrn: 'identity' }), 'guided, open at zero, lrn identity');
  assert.is(describeRules({ at: { 'c*': 'linear', p: { maxpool: 'centre' } } }), 'gradient, c*=linear, p=centre');
});

test.run();
