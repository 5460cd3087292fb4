// Training on the device: parameter gradients of the paper's network against f64, the update against its formula, the same bits from any
// checkpoint, a network that learns its images by heart, and one that runs away.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice, traitsOf } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import type { Graph } from '../../src/graph.ts';
import { paperNet } from '../../src/models/paper.ts';
import { LOSS_INPUT, LOSS_VALUE, Network, withLoss } from '../../src/network.ts';
import { compile } from '../../src/plan.ts';
import { excess, sumBounds } from '../../src/reference/bounds.ts';
import { uniform } from '../../src/random.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { NO_AUGMENTATION } from '../../src/train/augment.ts';
import { plainBatch } from '../../src/train/batches.ts';
import { firstImages, meanImage, type ImageSource } from '../../src/train/images.ts';
import { initialParameters } from '../../src/train/initial.ts';
import { DivergenceError, Trainer, type TrainingRecipe } from '../../src/train/trainer.ts';
import { gradcheck } from '../../src/verify/gradcheck.ts';
import { fill, normal } from '../../src/verify/random.ts';

const gpu = await openDevice();
const SIZE = 64;

/** Pictures of coloured noise in large squares, each its own; class i mod `classes`. */
function pictures(count: number, classes: number): ImageSource {
  return {
    count,
    labels: Int32Array.from({ length: count }, (_, i) => i % classes),
    read(i, into) {
      const draw = uniform(i + 1);
      const cells = fill(8 * 8 * 3, () => Math.floor(256 * draw()));
      for (let y = 0; y < SIZE; y++)
        for (let x = 0; x < SIZE; x++) for (let c = 0; c < 3; c++) into[3 * (y * SIZE + x) + c] = cells[3 * (8 * (y >> 3) + (x >> 3)) + c];
    },
  };
}

const RECIPE: TrainingRecipe = {
  epochs: 3,
  batch: 4,
  rate: 0.01,
  schedule: 'cosine',
  warmup: 0.5,
  momentum: 0.9,
  weightDecay: 5e-4,
  seed: 5,
  augmentation: { crop: 0.7, flip: 0.5, erase: 0.5, eraseSide: 0.5 },
  unit: 64,
};

const net = (width: number, classes: number, hidden = 32): Graph => paperNet({ width, hidden, input: SIZE, classes, dropout: 0.5 });

const meanOf = (images: ImageSource): Tensor => meanImage(images, SIZE, SIZE);

test('every layer of the mini network: values, signals and parameter gradients of a batch within the rounding bound of f64', async () => {
  const graph = paperNet({ width: 48, hidden: 512, input: SIZE, classes: 10, batch: 2 });
  const parameters = initialParameters(graph, 1);
  for (const [name, { data }] of parameters)
    if (name.endsWith('.bias')) data.set(fill(data.length, normal(name.length)).map((v) => 0.1 * v));
  const draw = normal(9);
  const input: Tensor = { shape: [2, 3, SIZE, SIZE], data: fill(2 * 3 * SIZE * SIZE, draw) };
  const wrt = graph.parameters.map(({ name }) => name);
  const seed: Tensor = { shape: [2, 10], data: fill(20, draw) };
  const report = await gradcheck(gpu, graph, parameters, input, { target: 'fc8', seed, rule: { relu: 'gradient' }, wrt });
  const layers = report.layers.filter(({ op }) => op === 'conv2d' || op === 'linear');
  assert.is(layers.length, 8);
  let worst = { ratio: 0, where: '' };
  for (const layer of report.layers) {
    for (const part of [layer.forward, layer.backward]) {
      assert.ok(!part || part.worst <= 1, `${layer.op} "${layer.node}": ${JSON.stringify(part)}`);
      if (part && part.worst > worst.ratio) worst = { ratio: part.worst, where: `${layer.node} ${part.what}` };
    }
  }
  assert.is(report.gradients.length, 16);
  for (const { name, takenBranch } of report.gradients)
    assert.ok(takenBranch.relativeL2 <= 1e-5, `${name}: ${JSON.stringify(takenBranch)}`);
  console.log(`measured: mini network, worst error over bound ${worst.ratio.toFixed(3)} (${worst.where})`);
});

test('one update is v <- m v + g + d w, w <- w - r v, with decay for weights alone', async () => {
  const images = pictures(4, 3);
  const graph = net(4, 3, 8);
  const parameters = initialParameters(graph, 2);
  const one = paperNet({ width: 4, hidden: 8, input: SIZE, classes: 3, batch: 4 });
  const wrt = graph.parameters.map(({ name }) => name);
  const [momentum, weightDecay, rate] = [0.8, 0.01, 0.05];
  const options = { keep: [LOSS_VALUE], target: LOSS_VALUE, wrt, training: true, traits: traitsOf(gpu) } as const;
  const plan = compile(withLoss(one), { ...options, descent: { momentum, weightDecay } });
  const executor = await Executor.create(gpu, plan, parameters);
  try {
    const pixels = new Uint8Array(3 * SIZE * SIZE);
    const x = new Float32Array(4 * pixels.length);
    for (let n = 0; n < 4; n++) {
      images.read(n, pixels);
      pixels.forEach((v, i) => (x[n * pixels.length + i] = v / 64 - 2));
    }
    const inputs = { data: { shape: [4, 3, SIZE, SIZE], data: x }, [LOSS_INPUT]: { shape: [4], data: Int32Array.of(0, 1, 2, 0) } };
    const before = new Map<string, { w: Tensor; v: Tensor }>();
    for (let step = 0; step < 2; step++) {
      for (const name of wrt) before.set(name, { w: await executor.parameter(name).read(), v: await executor.velocity(name).read() });
      executor.setRandom(1, step);
      await executor.train(inputs, { shape: [], data: Float32Array.of(1) }, rate);
      for (const name of wrt) {
        const { w, v } = before.get(name)!;
        const g = await executor.readGradient(name);
        const decay = w.shape.length > 1 ? weightDecay : 0;
        const wantV = Float64Array.from(v.data, (vi, i) => momentum * vi + g.data[i] + decay * w.data[i]);
        const sumV = Float64Array.from(v.data, (vi, i) => momentum * Math.abs(vi) + Math.abs(g.data[i]) + decay * Math.abs(w.data[i]));
        const wantW = Float64Array.from(w.data, (wi, i) => wi - Math.fround(rate) * wantV[i]);
        const sumW = Float64Array.from(w.data, (wi, i) => Math.abs(wi) + rate * sumV[i]);
        const gotV = (await executor.velocity(name).read()).data;
        const gotW = (await executor.parameter(name).read()).data;
        assert.ok(excess(gotV, { shape: v.shape, data: wantV, bound: sumBounds(6, sumV) }).ratio <= 1, `velocity of ${name}`);
        assert.ok(excess(gotW, { shape: w.shape, data: wantW, bound: sumBounds(8, sumW) }).ratio <= 1, name);
        assert.ok(step === 0 || v.data.some((value) => value !== 0), `${name} has a velocity`);
      }
    }
  } finally {
    executor.dispose();
  }
});

test('queued steps are taken in order, each with its own inputs, rate and masks; nothing else may come between', async () => {
  const images = pictures(12, 3);
  const one = paperNet({ width: 4, hidden: 8, input: SIZE, classes: 3, batch: 4, dropout: 0.5 });
  const wrt = one.parameters.map(({ name }) => name);
  const options = { keep: [LOSS_VALUE, 'fc8'], target: LOSS_VALUE, wrt, training: true, traits: traitsOf(gpu) } as const;
  const plan = compile(withLoss(one), { ...options, descent: { momentum: 0.9, weightDecay: 0 } });
  const seed: Tensor = { shape: [], data: Float32Array.of(1) };
  const batches = [0, 4, 8].map((first) => plainBatch(images, first, { batch: 4, mean: meanOf(images), unit: 64 }));
  const inputs = batches.map(({ x, labels }) => ({ data: x, [LOSS_INPUT]: labels }));
  const [single, queue] = [
    await Executor.create(gpu, plan, initialParameters(one, 2)),
    await Executor.create(gpu, plan, initialParameters(one, 2)),
  ];
  try {
    const want: Tensor[][] = [];
    for (const [i, input] of inputs.entries()) {
      single.setRandom(3, i);
      await single.train(input, seed, 0.1 / (i + 1));
      want.push([await single.readTensor(LOSS_VALUE), await single.readTensor('fc8')]);
    }
    const queued = inputs.map((input, i) => {
      queue.setRandom(3, i);
      return queue.queueTraining(input, seed, 0.1 / (i + 1), [LOSS_VALUE, 'fc8']);
    });
    for (const call of [queue.readTensor('fc8'), queue.forward(inputs[0]), queue.refreshPrepared()]) {
      assert.match(await call.then(String, String), /expected one call at a time/);
    }
    assert.equal(await Promise.all(queued), want);
    for (const name of wrt) assert.equal(await queue.parameter(name).read(), await single.parameter(name).read(), name);
    assert.match(await queue.queueTraining(inputs[0], seed, 1, ['conv1']).then(String, String), /expected one of the values kept/);
    await queue.forward(inputs[0]);
  } finally {
    single.dispose();
    queue.dispose();
  }
});

async function bits(trainer: Trainer): Promise<string> {
  const { parameters, velocities } = await trainer.state();
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256');
  for (const map of [parameters, velocities]) for (const { data } of map.values()) hash.update(new Uint8Array(data.buffer));
  return hash.digest('hex');
}

test('the same seed gives the same bits, another seed others, and a run goes on from any state to the same bits', async () => {
  const images = pictures(13, 3);
  const graph = net(8, 3);
  const mean = meanOf(images);
  const whole = await Trainer.create(gpu, graph, images, mean, RECIPE);
  assert.is(whole.steps, 9);
  let middle;
  const losses: number[] = [];
  while (whole.step < whole.steps) {
    losses.push((await whole.advance()).loss);
    if (whole.step === 4) middle = await whole.state();
  }
  const end = await bits(whole);
  whole.dispose();

  const resumed = await Trainer.create(gpu, graph, images, mean, RECIPE, { state: middle });
  const again: number[] = [];
  while (resumed.step < resumed.steps) again.push((await resumed.advance()).loss);
  assert.equal(again, losses.slice(4));
  assert.is(await bits(resumed), end);
  resumed.dispose();

  // With each step queued behind the one before it, which is then the only thing that may follow.
  const queued = await Trainer.create(gpu, graph, images, mean, RECIPE, { state: middle });
  const ahead: number[] = [];
  while (queued.step < queued.steps) {
    ahead.push((await queued.advance(queued.step !== 6)).loss);
    if (queued.step !== 7 && queued.step < queued.steps) {
      const refused = await Promise.all([queued.state(), queued.validate(images)].map((call) => call.then(String, String)));
      assert.ok(
        refused.every((words) => /expected no step under way/.test(words)),
        `${refused}`,
      );
    }
  }
  assert.equal(ahead, losses.slice(4));
  assert.is(await bits(queued), end);
  queued.dispose();

  const other = await Trainer.create(gpu, graph, images, mean, { ...RECIPE, seed: 6 });
  await other.advance();
  assert.not.equal((await other.state()).parameters, middle!.parameters);
  other.dispose();
});

test('32 images are learnt by heart', async () => {
  const images = firstImages(pictures(40, 8), 32);
  const graph = paperNet({ width: 16, hidden: 64, input: SIZE, classes: 8, dropout: 0 });
  const recipe: TrainingRecipe = {
    ...RECIPE,
    epochs: 60,
    batch: 32,
    rate: 0.01,
    schedule: 'constant',
    warmup: 5,
    weightDecay: 0,
    augmentation: NO_AUGMENTATION,
  };
  const trainer = await Trainer.create(gpu, graph, images, meanOf(images), recipe);
  let right = 0;
  while (right < 32 && trainer.step < trainer.steps) {
    await trainer.advance();
    right = trainer.step % 5 === 0 ? (await trainer.validate(images)).top1 : 0;
  }
  assert.is(right, 32, `after ${trainer.step} steps`);
  console.log(`measured: 32 images of noise in 8 classes learnt by heart in ${trainer.step} steps`);
  trainer.dispose();
});

test('a rate that is far too high ends in words, and no state with NaN can be had', async () => {
  const images = pictures(8, 3);
  const messages: string[] = [];
  for (const ahead of [false, true]) {
    const recipe: TrainingRecipe = { ...RECIPE, epochs: 50, rate: 1e6, schedule: 'constant', warmup: 0 };
    const trainer = await Trainer.create(gpu, net(4, 3), images, meanOf(images), recipe);
    try {
      while (trainer.step < trainer.steps) await trainer.advance(ahead);
    } catch (error) {
      assert.instance(error, DivergenceError);
      messages.push((error as Error).message);
    }
    let refused = false;
    await trainer.state().catch((error) => (refused = error instanceof DivergenceError));
    assert.ok(refused);
    trainer.dispose();
  }
  assert.match(messages[0], /^training: expected a finite loss, got (NaN|-?Infinity) in step \d+\. Start again with a lower --lr\.$/);
  assert.is(messages[1], messages[0], 'the same step, with the one behind it queued already');
});

test('the first layers start at unit variance whatever stands between them', async () => {
  const images = pictures(16, 3);
  const graph = net(8, 3);
  const trainer = await Trainer.create(gpu, graph, images, meanOf(images), { ...RECIPE, batch: 16, epochs: 1 });
  const { parameters } = await trainer.state();
  const norm = (name: string): number => Math.hypot(...parameters.get(name)!.data);
  const drawn = initialParameters(graph, RECIPE.seed);
  for (const name of ['conv1.weight', 'conv3.weight', 'fc7.weight']) {
    const factor = norm(name) / Math.hypot(...drawn.get(name)!.data);
    // Scaled, not drawn anew.
    const [a, b] = [parameters.get(name)!.data[3], drawn.get(name)!.data[3]];
    assert.ok(Math.abs(a / b / factor - 1) < 1e-5 && factor !== 1, `${name}: ${factor}`);
  }
  trainer.dispose();
});

test('the network of the paper at full size: scores, input gradient and parameter gradients at batch 1', async () => {
  const graph = paperNet();
  const parameters = initialParameters(graph, 4);
  const network = new Network(gpu, graph, parameters);
  try {
    const x: Tensor = { shape: [1, 3, 224, 224], data: fill(3 * 224 * 224, normal(3)).map((v) => 60 * v) };
    const started = performance.now();
    const { gradient, scores, targets } = await network.gradient(x);
    const between = performance.now();
    assert.is(scores!.data.length, 1000);
    assert.ok(gradient.data.every(Number.isFinite) && gradient.data.some((v) => v !== 0));
    // Scores are piecewise linear but for the normalisation: a small step along the gradient raises the class's score by its squared length.
    const { loss, gradients } = await network.parameterGradients(x, [targets![0]]);
    const ended = performance.now();
    assert.ok(Number.isFinite(loss));
    assert.equal([...gradients.keys()].sort(), graph.parameters.map(({ name }) => name).sort());
    for (const { name, shape } of graph.parameters) {
      const { data } = gradients.get(name)!;
      assert.is(data.length, size(shape));
      assert.ok(data.every(Number.isFinite) && data.some((v) => v !== 0), name);
    }
    // d loss / d fc8.bias is the posterior less the class's indicator.
    const high = Math.max(...scores!.data);
    const total = scores!.data.reduce((sum, s) => sum + Math.exp(s - high), 0);
    const bias = gradients.get('fc8.bias')!.data;
    scores!.data.forEach((s, k) => assert.ok(Math.abs(bias[k] - (Math.exp(s - high) / total - Number(k === targets![0]))) < 1e-6));
    const s = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
    console.log(`measured: full size, cold: scores and input gradient ${s(between - started)}, parameter gradients ${s(ended - between)}`);
  } finally {
    await network.dispose();
  }
});

test('validation sees the weights as they are where its batch has them packed in its own way', async () => {
  // As on a GPU, where the tile, and with it the packed form, depends on how many pixels there are.
  const asGpu = Object.create(gpu, { info: { value: { ...gpu.info, software: false } } }) as typeof gpu;
  const graph: Graph = {
    name: 'wide',
    inputs: [{ name: 'data', shape: [1, 3, SIZE, SIZE] }],
    parameters: [
      { name: 'conv.weight', shape: [70, 3, 1, 1] },
      { name: 'fc.weight', shape: [3, 70] },
    ],
    nodes: [
      { name: 'conv', op: 'conv2d', inputs: ['data', 'conv.weight'], outputs: ['conv'], attrs: { stride: [4, 4] } },
      { name: 'relu', op: 'relu', inputs: ['conv'], outputs: ['relu'] },
      { name: 'pool', op: 'globalavgpool', inputs: ['relu'], outputs: ['pool'] },
      { name: 'flat', op: 'flatten', inputs: ['pool'], outputs: ['flat'] },
      { name: 'fc', op: 'linear', inputs: ['flat', 'fc.weight'], outputs: ['fc'] },
    ],
    outputs: ['fc'],
    scores: 'fc',
  };
  const images = pictures(100, 3);
  const mean = meanOf(images);
  const trainer = await Trainer.create(asGpu, graph, images, mean, RECIPE);
  const before = await trainer.validate(images);
  for (let k = 0; k < 4; k++) await trainer.advance();
  const after = await trainer.validate(images);
  const again = await Trainer.create(asGpu, graph, images, mean, RECIPE, { state: await trainer.state() });
  assert.equal(after, await again.validate(images));
  assert.not.equal(after, before);
  again.dispose();
  trainer.dispose();
});

test.after(() => gpu.dispose());
test.run();
