// docs/gradients.md: every worked number in f64, every layer and rule there, every row of the table backed.
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { salt } from '../../src/ops/dropout.ts';
import { OPS } from '../../src/ops/index.ts';
import { failFor } from '../../src/ops/op.ts';
import { REFERENCE } from '../../src/reference/index.ts';
import type { F64Tensor } from '../../src/reference/types.ts';
import { DEFAULT_RULES, RULE_AXES, RULES, type LayerRules } from '../../src/rule.ts';
import { RULE_PRESETS, type RulePresetName } from '../../src/rulePresets.ts';
import { conformanceTable, workedExamples, type WrittenTensor } from '../worked.ts';

const examples = workedExamples();
const table = conformanceTable();

const wide = ({ shape, numbers }: WrittenTensor): F64Tensor => ({ shape, data: Float64Array.from(numbers, ({ value }) => value) });

function holds(what: string, got: F64Tensor, { shape, numbers }: WrittenTensor): void {
  assert.equal([...got.shape], [...shape], what);
  numbers.forEach(({ value, slack }, i) => {
    assert.ok(Math.abs(got.data[i] - value) <= slack + 1e-12, `${what}[${i}]: the document says ${value}, f64 ${got.data[i]}`);
  });
}

for (const example of examples) {
  test(example.title, () => {
    const op = OPS[example.op];
    const { training } = example;
    const x = example.inputs.map((name) => wide(example.tensors.get(name)!));
    const call = {
      attrs: op.attrs(example.attrs, failFor(example.op, example.node)),
      x,
      bounds: false,
      ...(training ? { random: { ...training, salt: salt(example.node) } } : {}),
    };
    const y = REFERENCE[example.op].forward(call);
    holds('y', y[0], example.y);
    for (const { input, rule, ...written } of example.signals) {
      const k = example.inputs.indexOf(input);
      assert.ok(k >= 0 && op.differentiable(k), `d${input}`);
      const adjoint = { ...call, y, dy: [wide(example.dy)], rules: { ...DEFAULT_RULES, ...rule } as LayerRules };
      holds(`d${input} ${JSON.stringify(rule)}`, REFERENCE[example.op].adjoint!(adjoint, k), written);
    }
    // No signal is left out.
    for (const [k, name] of example.inputs.entries()) {
      if (op.differentiable(k))
        assert.ok(
          example.signals.some(({ input }) => input === name),
          `expected d${name}`,
        );
    }
  });
}

test('the document goes through every layer that it promises, and every rule', () => {
  const ops = new Set(examples.map(({ op }) => op));
  const promised = [
    'conv2d',
    'linear',
    'relu',
    'maxpool2d',
    'avgpool2d',
    'globalavgpool',
    'lrn',
    'batchnorm',
    'softmax',
    'logsoftmax',
    'crossentropy',
  ];
  for (const op of [...promised, 'add', 'mul', 'concat', 'dropout', 'flatten']) assert.ok(ops.has(op), op);
  const seen = new Set(
    examples.flatMap(({ op, signals }) =>
      (OPS[op].rules ?? []).flatMap((axis) => signals.map(({ rule }) => `${axis}=${{ ...DEFAULT_RULES, ...rule }[axis]}`)),
    ),
  );
  for (const [axis, values] of Object.entries(RULE_AXES))
    for (const value of values) assert.ok(seen.has(`${axis}=${value}`), `${axis}=${value}`);
});

test('the four rules are one formula', () => {
  const document = readFileSync('docs/gradients.md', 'utf8');
  const powers = RULES.map((rule) => new RegExp(`^\\| \`${rule}\` \\| ([01]) \\| ([01]) \\|`, 'm').exec(document)!.slice(1).map(Number));
  const [relu] = examples.filter(({ op }) => op === 'relu');
  const [X, R] = [wide(relu.tensors.get('x')!).data, wide(relu.dy).data];
  RULES.forEach((rule, r) => {
    const [a, b] = powers[r];
    const line = relu.signals.find((signal) => (signal.rule.relu ?? 'gradient') === rule && signal.rule.zero === undefined)!;
    line.numbers.forEach(({ value }, i) => assert.is(R[i] * Number(X[i] > 0) ** a * Number(R[i] > 0) ** b + 0, value));
  });
});

test('every row of the table is backed: presets are the rules it gives, tests are there', () => {
  assert.ok(table.length >= 20);
  for (const { tool, here, rule, preset, test: named, source } of table) {
    assert.ok(source.length > 0, tool);
    if (preset !== null) {
      assert.ok(Object.hasOwn(RULE_PRESETS, preset), `${tool}: preset ${preset}`);
      assert.ok(rule, `${tool}: rules, got ${here}`);
      assert.equal({ ...DEFAULT_RULES, ...rule }, RULE_PRESETS[preset as RulePresetName].rules, tool);
    }
    if (named !== null) {
      assert.ok(existsSync(named.file), `${tool}: ${named.file}`);
      const titles = readFileSync(named.file, 'utf8')
        .split('\n')
        .filter((line) => /^\s*test\(/.test(line));
      assert.ok(
        titles.some((title) => title.includes(named.words)),
        `${tool}: a test "${named.words}" in ${named.file}`,
      );
    }
  }
  // And every preset has its row.
  assert.equal([...new Set(table.flatMap(({ preset }) => preset ?? []))].sort(), Object.keys(RULE_PRESETS).sort());
});

test('files that the document names are there', () => {
  const document = readFileSync('docs/gradients.md', 'utf8');
  for (const [, file] of document.matchAll(/`(test\/[^`]+)`/g)) assert.ok(existsSync(file), file);
});

test.run();
