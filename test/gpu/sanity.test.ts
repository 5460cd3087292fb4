// The sanity checks: every stage is a network built with exactly those weights, nothing random changes nothing, the seed decides, and the command.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { XMLValidator } from 'fast-xml-parser';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { withBatch } from '../../src/graph.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { encodePng, readPngText } from '../../src/image/png.ts';
import { preprocess, PRESETS, type Preprocess } from '../../src/image/preprocess.ts';
import { loadModel } from '../../src/models/model.ts';
import { Network, type Target } from '../../src/network.ts';
import { RULES, type RuleSpec } from '../../src/rule.ts';
import type { AnyTensor, Tensor } from '../../src/tensor.ts';
import { mapPair } from '../../src/visualise/baselines.ts';
import { drawLayer, weightLayers } from '../../src/visualise/randomise.ts';
import { sanityChecks, shownStages, type Sanity, type SanityOptions } from '../../src/visualise/sanity.ts';
import { sanityCurve } from '../../src/visualise/sanitySheet.ts';
import { conclusions } from '../../src/visualise/sanityWords.ts';
import { buildCommand } from '../command.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { noise } from '../host/pictures.ts';
import { smallNet } from '../smallnet.ts';

const gpu = await openDevice();
const SPEC: Preprocess = { size: [16, 12], fit: 'squash', channels: 'rgb', scale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.2] };
const photo = noise(36, 48, 4);
const small = smallNet(1);
const network = new Network(gpu, small.graph, small.parameters);
const { input } = preprocess(photo, SPEC);

const checks = (options: SanityOptions = {}): Promise<Sanity> => sanityChecks(network, small.parameters, photo, SPEC, options);

/** The magnitudes that a network built with these parameters gives. */
async function built(parameters: ReadonlyMap<string, AnyTensor>, target: Target, rule: RuleSpec): Promise<Tensor> {
  const own = new Network(gpu, small.graph, parameters);
  try {
    return mapPair((await own.gradient(input, { target, rule })).gradient, 'max').absolute;
  } finally {
    await own.dispose();
  }
}

test('the cascade goes from the last layer to the first, and every stage is a network built with those weights, bit for bit', async () => {
  const sanity = await checks({ seed: 5, class: 2, independent: true });
  assert.equal(sanity.layers, ['fc', 'conv2', 'conv1']);
  assert.equal(
    sanity.cascade.map(({ layers, random }) => [layers, random]),
    [
      [['fc'], 1],
      [['conv2'], 2],
      [['conv1'], 3],
    ],
  );
  const layers = weightLayers(small.graph, 's').reverse();
  const mixed = new Map<string, AnyTensor>(small.parameters);
  for (const [k, layer] of layers.entries()) {
    const drawn = drawLayer(layer, small.parameters, 'initial', 5);
    for (const [name, value] of drawn) mixed.set(name, value);
    const alone = new Map<string, AnyTensor>([...small.parameters, ...drawn]);
    for (const [r, relu] of RULES.entries()) {
      assert.equal(sanity.cascade[k].rules[r].map, await built(mixed, 2, { relu }));
      assert.equal(sanity.independent[k].rules[r].map, await built(alone, 2, { relu }));
    }
  }
  for (const [r, relu] of RULES.entries()) assert.equal(sanity.rules[r].map, await built(small.parameters, 2, { relu }));
  // The first stage of either kind is the same network.
  assert.equal(sanity.independent[0], sanity.cascade[0]);
  // And the network is what it was.
  assert.equal(mapPair((await network.gradient(input, { target: 2 })).gradient, 'max').absolute, sanity.rules[0].map);
});

test('the network is what it was when a pass fails', async () => {
  const before = (await network.scores(input)).data;
  let passes = 0;
  const failing = checks({
    onPass: () => {
      if (++passes === 7) throw new Error('enough');
    },
  });
  await failing.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'enough'),
  );
  assert.equal((await network.scores(input)).data, before);
});

test('weights that are drawn as they were leave the maps as they were: correlation 1 at every stage', async () => {
  // Tensors of one value each have but one order.
  const parameters = new Map(
    [...small.parameters].map(([name, t], k) => [
      name,
      { shape: t.shape, data: new Float32Array(t.data.length).fill([0.5, 0.25, 0.125, 1][k]) },
    ]),
  );
  const own = new Network(gpu, small.graph, parameters);
  try {
    for (const draw of ['shuffled', 'matched'] as const) {
      const { rules, cascade } = await sanityChecks(own, parameters, photo, SPEC, { draw, class: 0, others: 0 });
      for (const stage of cascade) {
        stage.rules.forEach((of, r) => {
          assert.equal(of.map, rules[r].map);
          assert.equal([of.likeness.absolute, of.likeness.signed], [1, 1]);
          assert.ok(Math.abs(of.likeness.ssim! - 1) < 1e-12);
        });
      }
    }
  } finally {
    await own.dispose();
  }
});

test('the same seed gives the same bits, another one others', async () => {
  const first = await checks({ seed: 3 });
  assert.equal(await checks({ seed: 3 }), first);
  const other = await checks({ seed: 4 });
  assert.not.equal(other.cascade[0].rules[0].map, first.cascade[0].rules[0].map);
  assert.equal(other.rules[0].map, first.rules[0].map);
});

test('other classes: so many, or these; never the class itself', async () => {
  const best = (await network.gradient(input)).targets![0];
  const drawn = await checks({ others: 3 });
  assert.is(drawn.class, best);
  const classes = drawn.others.map((other) => other.class);
  assert.ok(classes.length === 3 && new Set(classes).size === 3 && !classes.includes(best), String(classes));
  for (const [r, relu] of RULES.entries()) assert.equal(drawn.others[0].rules[r].map, await built(small.parameters, classes[0], { relu }));
  const given = await checks({ others: [best, 5, 0, 5] });
  assert.equal(
    given.others.map((other) => other.class),
    [5, 0].filter((k) => k !== best),
  );
  assert.equal((await checks({ others: 0 })).others, []);
  // All others at most.
  assert.is((await checks({ others: 99 })).others.length, 5);
});

test('steps deal the layers out; passes are told; of many stages some are shown', async () => {
  const told: string[] = [];
  const sanity = await checks({ steps: 2, independent: true, onPass: (done, total) => told.push(`${done}/${total}`) });
  assert.equal(
    sanity.cascade.map(({ layers, random }) => [layers, random]),
    [
      [['fc', 'conv2'], 2],
      [['conv1'], 3],
    ],
  );
  assert.equal([told.length, told.at(-1)], [20, '20/20']);
  assert.equal([...shownStages(26, 8)], [2, 6, 9, 12, 15, 19, 22, 25]);
  assert.equal([...shownStages(3, 8)], [0, 1, 2]);
  const few = await checks({ shown: 1, rules: [{ name: 'guided', spec: { relu: 'guided' } }] });
  assert.equal(
    few.cascade.map(({ rules }) => rules.map(({ map }) => map !== null)),
    [[false], [false], [true]],
  );
});

test('what makes no sense is refused', async () => {
  const refused = async (words: RegExp, run: () => Promise<unknown>): Promise<void> => {
    const error = await run().then(
      () => null,
      (e: Error) => e,
    );
    assert.instance(error, InputError);
    assert.match(error!.message, words);
  };
  await refused(/steps: expected 1 to 3, the number of layers with weights, got 4/, () => checks({ steps: 4 }));
  await refused(/target: expected classes in \[0, 5\], got 6/, () => checks({ class: 6 }));
  await refused(/target: expected classes in \[0, 5\], got 9/, () => checks({ others: [9] }));
  await refused(/expected at least one rule/, () => checks({ rules: [] }));
  const pair = new Network(gpu, withBatch(small.graph, 2), small.parameters);
  await refused(/expected a network on one photo, got one on 2x3x16x12/, () => sanityChecks(pair, small.parameters, photo, SPEC));
  await pair.dispose();
});

test('the sentences are the numbers, and the curve is a picture', async () => {
  const sanity = await checks();
  const of = (stage: number, values: readonly (number | null)[]): Sanity => ({
    ...sanity,
    cascade: sanity.cascade.map((s, k) =>
      k < stage
        ? s
        : {
            ...s,
            rules: s.rules.map((one, r) => ({
              ...one,
              zero: values[r] === null,
              likeness: { absolute: values[r], signed: 0.125, ssim: 0.5 },
            })),
          },
    ),
  });
  const [half, end, others, edges] = conclusions(of(0, [0.1, 0.83, 0.7, null]));
  assert.match(
    half,
    /^With the last 2 of 3 layers random, .*: gradient 0\.10 \(with signs 0\.13\), deconvnet 0\.83 .*, guided 0\.70 .*, linear \(nothing arrives\)\. /,
  );
  assert.match(
    half,
    /Deconvnet and guided: the map hardly depends on the weights of these layers \(0\.7 or more\); gradient: it depends on them \(below 0\.4\)\.$/,
  );
  assert.match(end, /Deconvnet and guided: 0\.4 or more is left/);
  assert.match(others, /^With the weights as trained, the magnitudes of the map of 4 other classes on average correlate: gradient /);
  assert.match(edges, /^The photo's edges alone/);
  assert.match(conclusions(of(0, [0.1, 0.2, 0.3, 0.39]))[1], /No map keeps 0\.4/);
  assert.match(conclusions(of(0, [0.5, 0.5, 0.5, 0.5]))[0], /None lies above 0\.7 or below 0\.4\.$/);
  const svg = sanityCurve(of(1, [-0.25, null, 0.5, 1]), { title: 'A & B', subtitle: '' });
  assert.is(XMLValidator.validate(svg), true);
  assert.not.match(svg, /NaN|Infinity/);
  assert.ok(svg.includes('>-0.25<') && svg.includes('A &amp; B'));
});

if (!dataPresent) {
  sayMissing('sanity checks of SqueezeNet');
  test.skip('sanity checks of SqueezeNet');
} else {
  test('SqueezeNet: DeconvNet’s map stays while half the layers become random, the gradient’s does not; all random is a network built so', async () => {
    const model = await loadModel(dataPath('models', 'squeezenet1.1.onnx'));
    const { graph, parameters } = model.at();
    const spec: Preprocess = { ...PRESETS.caffe, size: [227, 227], fit: 'squash' };
    const animals = await decodeImage(readFileSync(dataPath('photos', 'cat_dog.png')));
    const squeeze = new Network(gpu, graph, parameters);
    const rules = (['gradient', 'deconvnet'] as const).map((relu) => ({ name: relu, spec: { relu } }));
    const { cascade, class: target } = await sanityChecks(squeeze, parameters, animals, spec, { steps: 2, rules, others: 0 });
    await squeeze.dispose();
    assert.equal([cascade[0].random, cascade[1].random], [13, 26]);
    const [gradient, deconvnet] = cascade[0].rules.map(({ likeness }) => likeness.absolute!);
    assert.ok(deconvnet > 0.8 && gradient < 0.5, `deconvnet ${deconvnet}, gradient ${gradient}`);
    const drawn = new Map(weightLayers(graph, graph.scores!).flatMap((layer) => [...drawLayer(layer, parameters, 'initial', 1)]));
    const anew = new Network(gpu, graph, new Map([...parameters, ...drawn]));
    const { gradient: want } = await anew.gradient(preprocess(animals, spec).input, { target, rule: 'deconvnet' });
    await anew.dispose();
    assert.equal(cascade[1].rules[1].map, mapPair(want, 'max').absolute);
  });
}

test.after(async () => {
  await network.dispose();
  gpu.dispose();
});

const command = await buildCommand();

test('the command on the shipped network: guided hardly notices its full layers, the gradient does; files, table and JSON', async () => {
  const { width, height, data } = noise(80, 64, 3);
  // Blobs, so that there is something to see.
  const at = (x: number, y: number, c: number): number =>
    Math.hypot(x - 30, y - 32) < 18 ? 200 - 40 * c : data[3 * (y * width + x) + c] / 4;
  const blob = Uint8Array.from({ length: data.length }, (_, k) => at(Math.floor(k / 3) % width, Math.floor(k / 3 / width), k % 3));
  writeFileSync(command.at('photo.png'), await encodePng({ width, height, data: blob }));
  const args = ['sanity', 'photo.png', '--model', 'default', '--target', '29', '--others', '2', '--output', 'out', '--json', 'r.json'];
  const { code, out, err } = await command.run(args);
  assert.is(code, 0, err);
  assert.match(out, /fc8 .*\n.*fc7 .*\n.*fc6 /);
  const report = JSON.parse(readFileSync(command.at('r.json'), 'utf8'));
  assert.equal(report, JSON.parse(readFileSync(command.at('out', 'report.json'), 'utf8')));
  assert.equal(report.layers, ['fc8', 'fc7', 'fc6', 'conv5', 'conv4', 'conv3', 'conv2', 'conv1']);
  assert.equal([report.class, report.cascade.length, report.others.length, report.cascade[2].layers], [29, 8, 2, ['fc6']]);
  for (const stage of report.cascade.slice(0, 3)) {
    assert.ok(stage.rules.guided.absolute > 0.8 && stage.rules.guided.absolute > stage.rules.gradient.absolute, JSON.stringify(stage));
  }
  for (const line of report.conclusions) assert.ok(out.includes(line));
  const text = readPngText(readFileSync(command.at('out', 'sheet.png')));
  assert.equal([text.Rules, text.Draw], ['gradient, deconvnet, guided, linear', 'initial, seed 1']);
  assert.is(XMLValidator.validate(readFileSync(command.at('out', 'curve.svg'), 'utf8')), true);
});

test('the command: JSON on standard output alone, presets and axes, wrong usage in a line', async () => {
  const base = ['sanity', 'photo.png', '--model', 'default', '--steps', '2'];
  const ok = await command.run([...base, '--rules', 'guided,zeiler-fergus', '--rule-pool', 'last', '--others', '0', '--json', '-']);
  assert.is(ok.code, 0, ok.err);
  const report = JSON.parse(ok.out);
  assert.equal(report.rules.guided, { relu: 'guided', maxpool: 'last' });
  assert.equal(report.rules['zeiler-fergus'], { relu: 'deconvnet', zero: 'closed', maxpool: 'last', lrn: 'identity' });
  for (const [extra, words] of [
    [['--rules', 'guided,guided'], /--rules: expected distinct rules/],
    [['--rules', 'nonsense'], /--rules: expected distinct rules among gradient, .*, got "nonsense"/],
    [['--draw', 'none'], /--draw: expected one of initial, matched, shuffled/],
    [['--reduce', 'signed'], /--reduce: expected one of max, l2, sum/],
    [['--others', 'nobody,x'], /expected/],
    [['--steps', '9'], /steps: expected 1 to 8/],
    [['--json', 'r.txt'], /--json: expected a file name ending in \.json/],
    [['--output', 'photo.png'], /--output: expected a folder/],
  ] as const) {
    const { code, out, err } = await command.run([...base, ...extra]);
    assert.is(code, 2, `${extra}`);
    assert.is(out, '');
    assert.match(err, words);
  }
  assert.not(existsSync(command.at('r.txt')));
});

test.run();
