// The four rules side by side: every number against f64, identities that must hold, the sheet, and what is refused.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph, withBatch } from '../../src/graph.ts';
import { preprocess, type Preprocess } from '../../src/image/preprocess.ts';
import { argmax, Network } from '../../src/network.ts';
import { backReference, runReference, widen } from '../../src/reference/graph.ts';
import { RULES, type Rule } from '../../src/rule.ts';
import { size } from '../../src/tensor.ts';
import { compareRules, RULE_PAIRS, spacedLayers } from '../../src/visualise/compare.ts';
import { ruleSheet } from '../../src/visualise/rulesheet.ts';
import { noise } from '../host/pictures.ts';
import { smallNet } from '../smallnet.ts';

const gpu = await openDevice();
const SPEC: Preprocess = { size: [16, 12], fit: 'squash', channels: 'rgb', scale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.2] };
const photo = noise(36, 48, 4);
const small = smallNet(1);
const network = new Network(gpu, small.graph, small.parameters);
const { input } = preprocess(photo, SPEC);

const close = (got: number, want: number, what: string): void =>
  assert.ok(Math.abs(got - want) <= 1e-5 * Math.max(1, Math.abs(want)), `${what}: expected ${want}, got ${got}`);

test('norms, cosines and shares agree with f64, at every ReLU and at the input', async () => {
  const { seeds } = await compareRules(network, photo, SPEC, { class: 2, layers: ['r2', 'r1'] });
  const typed = typeGraph(small.graph);
  const values = runReference(
    typed,
    new Map([['x', widen(input)], ...[...small.parameters].map(([name, t]) => [name, widen(t)] as const)]),
  );
  assert.equal(
    seeds.map((seed) => [seed.class, seed.neuron?.tensor]),
    [
      [2, undefined],
      [null, 'r2'],
      [null, 'r1'],
    ],
  );
  assert.equal(
    seeds.map((seed) => seed.relus.map((relu) => relu.node)),
    [['relu1', 'relu2'], ['relu1', 'relu2'], ['relu1']],
  );
  for (const { neuron, value, relus, input: atInput } of seeds) {
    const target = neuron?.tensor ?? 's';
    const { shape, data } = values.get(target)!;
    // The strongest unit of the layer is the seed.
    const unit = neuron ? argmax(data) : 2;
    if (neuron)
      assert.is(
        neuron.at.reduce((index, c, d) => index * shape[d + 1] + c, 0),
        unit,
      );
    close(value, data[unit], 'value');
    const seed = { shape, data: Float64Array.from({ length: size(shape) }, (_, i) => (i === unit ? 1 : 0)) };
    const signals = (rule: Rule): Map<string, { data: Float64Array }> =>
      backReference(typed, values, {
        target,
        seed,
        rule: { relu: rule },
        wrt: ['x', 'c1', 'r1', ...(relus.length > 1 ? ['c2', 'r2'] : [])],
      });
    const all = Object.fromEntries(RULES.map((rule) => [rule, signals(rule)])) as Record<Rule, ReturnType<typeof signals>>;
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i], 0);
    const check = (got: (typeof relus)[number] | typeof atInput, name: string): void => {
      for (const rule of RULES) {
        const own = all[rule].get(name)!.data;
        close(got.norm[rule], Math.sqrt(dot(own, own)), `${target} ${name} norm ${rule}`);
      }
      for (const [a, b] of RULE_PAIRS) {
        const [x, y] = [all[a].get(name)!.data, all[b].get(name)!.data];
        const lengths = Math.sqrt(dot(x, x) * dot(y, y));
        if (lengths === 0) assert.is(got.cosine[`${a}-${b}`], null);
        else close(got.cosine[`${a}-${b}`]!, dot(x, y) / lengths, `${target} ${name} cosine ${a}-${b}`);
      }
    };
    check(atInput, 'x');
    for (const relu of relus) {
      // What leaves the ReLU downwards is what reaches its input, which nothing else uses.
      check(relu, relu.node.replace('relu', 'c'));
      const [x, r] = [values.get(relu.node.replace('relu', 'c'))!.data, all.deconvnet.get(relu.tensor)!.data];
      const share = (of: (i: number) => boolean): number => x.reduce((n, _, i) => n + (of(i) ? 1 : 0), 0) / x.length;
      close(
        relu.open,
        share((i) => x[i] > 0),
        'open',
      );
      close(
        relu.positive,
        share((i) => r[i] > 0),
        'positive',
      );
      close(
        relu.differ,
        share((i) => x[i] > 0 !== r[i] > 0),
        'differ',
      );
      close(
        relu.reached,
        share((i) => r[i] !== 0),
        'reached',
      );
      close(relu.differReached!, share((i) => r[i] !== 0 && x[i] > 0 !== r[i] > 0) / share((i) => r[i] !== 0), 'differ of reached');
    }
  }
});

test('identities: the signals are the gradients; cosines lie in [-1, 1]; the seed itself is alike under all rules', async () => {
  const { seeds } = await compareRules(network, photo, SPEC);
  const best = argmax((await network.scores(input)).data);
  assert.is(seeds[0].class, best);
  for (const rule of RULES) assert.equal(seeds[0].signals[rule], (await network.gradient(input, { target: best, rule })).gradient);
  for (const { neuron, relus } of seeds) {
    for (const relu of relus)
      for (const cosine of Object.values(relu.cosine)) if (cosine !== null) assert.ok(Math.abs(cosine) <= 1 + 1e-12);
    if (!neuron) continue;
    const own = relus.at(-1)!;
    assert.is(own.tensor, neuron.tensor);
    assert.equal(Object.values(own.norm), [1, 1, 1, 1]);
    assert.equal(Object.values(own.cosine), [1, 1, 1, 1, 1, 1]);
  }
  // Guided is deconvnet and gradient at once: its signal is never longer than either at the first ReLU from the seed.
  const top = seeds[0].relus.at(-1)!;
  assert.ok(top.norm.guided <= top.norm.gradient && top.norm.guided <= top.norm.deconvnet);
});

test('layers: spaced ones by default, chosen ones, units; passes are told', async () => {
  assert.equal(spacedLayers(small.graph, 1), ['r1']);
  assert.equal(spacedLayers(small.graph, 2), ['r1']);
  assert.equal(spacedLayers(small.graph, 9), ['r1', 'r2']);
  const passes: number[] = [];
  const { seeds } = await compareRules(network, photo, SPEC, {
    neurons: [{ tensor: 'c2', at: [1, 2, 3] }],
    onPass: (done, total) => {
      assert.is(total, 8);
      passes.push(done);
    },
  });
  assert.equal(passes, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(
    seeds.map((seed) => seed.neuron?.tensor),
    [undefined, 'c2'],
  );
});

test('the sheet: a title, and two rows of pictures for each seed', async () => {
  const comparison = await compareRules(network, photo, SPEC);
  const options = { title: 'Four rules', footer: 'small net', headings: ['a', 'b', 'c', 'd'], channels: 'rgb', clip: 99.5 } as const;
  for (const signed of ['colour', 'rdbu'] as const) {
    const sheet = await ruleSheet(comparison, photo, { ...options, signed });
    // 36 x 48 pixels, five times enlarged: five columns of 180 or more.
    assert.ok(sheet.width >= 5 * 180 && sheet.height >= 2 * comparison.seeds.length * 100, `${sheet.width} x ${sheet.height}`);
  }
});

test('what does not exist is refused', async () => {
  const refused = async (words: RegExp, run: () => Promise<unknown>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      assert.instance(error, InputError);
      assert.match((error as Error).message, words);
      return;
    }
    assert.unreachable(`expected ${words}`);
  };
  await refused(/target: expected classes in \[0, 5\], got 6/, () => compareRules(network, photo, SPEC, { class: 6 }));
  await refused(/expected a tensor of the network, got "nope"/, () => compareRules(network, photo, SPEC, { layers: ['nope'] }));
  await refused(/expected 3 coordinates below/, () => compareRules(network, photo, SPEC, { neurons: [{ tensor: 'r1', at: [99, 0, 0] }] }));
  const pair = new Network(gpu, withBatch(small.graph, 2), small.parameters);
  await refused(/expected a network on one photo, got one on 2x3x16x12/, () => compareRules(pair, photo, SPEC));
  await pair.dispose();
});

test.after(async () => {
  await network.dispose();
  gpu.dispose();
});

test.run();
