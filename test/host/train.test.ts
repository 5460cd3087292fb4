// Training's host side: schedules, views, batches as pure functions of (seed, step), sums, checkpoints, the paper's network as a plan.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { typeGraph, valueInfo } from '../../src/graph.ts';
import { paperNet } from '../../src/models/paper.ts';
import { LOSS_VALUE, ranked, withLoss } from '../../src/network.ts';
import { compile } from '../../src/plan.ts';
import { uniform } from '../../src/random.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { drawView, NO_AUGMENTATION, wholeView, viewWriter, type Augmentation } from '../../src/train/augment.ts';
import { Batches, plainBatch } from '../../src/train/batches.ts';
import { modelFile, storedParameters, weightsFile } from '../../src/train/card.ts';
import { checkSameRun, readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.ts';
import { firstImages, meanImage, ofClasses, type ImageSource } from '../../src/train/images.ts';
import { borrowedParameters, initialParameters, weightedLayers } from '../../src/train/initial.ts';
import { rateAt } from '../../src/train/schedule.ts';
import { bestClasses, Tally } from '../../src/train/tally.ts';

const [H, W] = [6, 8];

/** Image i is made of the byte 10 i + c in channel c, and of a gradient to the right; its class is i mod 3. */
const images = (count: number): ImageSource => ({
  count,
  labels: Int32Array.from({ length: count }, (_, i) => i % 3),
  read(i, into) {
    for (let p = 0; p < H * W; p++) for (let c = 0; c < 3; c++) into[3 * p + c] = (10 * i + c + (p % W)) % 256;
  },
});

const zeroMean: Tensor = { shape: [3, H, W], data: new Float32Array(3 * H * W) };

test('the rate rises, and falls as the schedule says', () => {
  const o = { rate: 0.1, warmup: 10, steps: 110 } as const;
  assert.is(rateAt(0, { ...o, schedule: 'cosine' }), 0.1 / 10);
  assert.is(rateAt(9, { ...o, schedule: 'constant' }), 0.1);
  assert.is(rateAt(10, { ...o, schedule: 'cosine' }), 0.1);
  assert.ok(Math.abs(rateAt(60, { ...o, schedule: 'cosine' }) - 0.05) < 1e-12);
  assert.ok(rateAt(109, { ...o, schedule: 'cosine' }) > 0 && rateAt(109, { ...o, schedule: 'cosine' }) < 1e-4);
  const at = [59, 60, 85, 109].map((step) => rateAt(step, { ...o, schedule: 'step' }));
  assert.ok([0.1, 0.01, 0.001, 0.001].every((want, i) => Math.abs(at[i] - want) < 1e-12));
  assert.is(rateAt(0, { rate: 1, warmup: 0, steps: 1, schedule: 'cosine' }), 1);
});

test('the whole view is the image itself, to the bit', () => {
  const pixels = Uint8Array.from({ length: 3 * H * W }, (_, i) => (37 * i) % 256);
  const mean: Tensor = { shape: [3, H, W], data: Float32Array.from({ length: 3 * H * W }, (_, i) => i / 7) };
  const out = new Float32Array(3 * H * W + 2);
  viewWriter(mean, 64)(pixels, wholeView(H, W), out, 1);
  for (let c = 0; c < 3; c++)
    for (let p = 0; p < H * W; p++) assert.is(out[1 + c * H * W + p], Math.fround((pixels[3 * p + c] - mean.data[c * H * W + p]) / 64));
  assert.equal([out[0], out.at(-1)], [0, 0]);
});

test('a mirrored view is the mirror image, and what is erased is zero', () => {
  const pixels = new Uint8Array(3 * H * W);
  images(2).read(1, pixels);
  const out = new Float32Array(3 * H * W);
  viewWriter(zeroMean, 1)(pixels, { ...wholeView(H, W), mirrored: true, hole: [1, 2, 3, 5] }, out, 0);
  for (let y = 0; y < H; y++)
    for (let x = 0; x < W; x++) {
      const erased = y >= 1 && y < 3 && x >= 2 && x < 5;
      assert.is(out[y * W + x], erased ? 0 : pixels[3 * (y * W + (W - 1 - x))]);
    }
});

test('a crop is the bilinear enlargement of its part', () => {
  const pixels = new Uint8Array(3 * H * W);
  images(1).read(0, pixels);
  const out = new Float32Array(3 * H * W);
  viewWriter(zeroMean, 1)(pixels, { top: 1, left: 2, height: 3, width: 4, mirrored: false, hole: [0, 0, 0, 0] }, out, 0);
  // The image is x to the right, so the crop is 2 + (i + 1/2) / 2 - 1/2.
  for (let x = 0; x < W; x++) assert.is(out[x], 2 + (x + 0.5) / 2 - 0.5);
});

test('views lie inside the image, and one ingredient does not change what the others draw', () => {
  const some: Augmentation = { crop: 0.5, flip: 0.5, erase: 0.5, eraseSide: 0.6 };
  let [mirrored, erased] = [0, 0];
  for (let seed = 0; seed < 400; seed++) {
    const view = drawView(uniform(seed), H, W, some);
    assert.ok(view.height >= 0.5 * H && view.width >= 0.5 * W && view.top >= 0 && view.left >= 0);
    assert.ok(view.top + view.height <= H + 1e-9 && view.left + view.width <= W + 1e-9);
    const [y0, x0, y1, x1] = view.hole;
    assert.ok(y0 >= 0 && x0 >= 0 && y1 <= H && x1 <= W && y1 >= y0 && x1 >= x0);
    mirrored += Number(view.mirrored);
    erased += Number(y1 > y0 && x1 > x0);
    const without = drawView(uniform(seed), H, W, { ...some, erase: 0 });
    assert.equal({ ...without, hole: view.hole }, view);
  }
  assert.ok(mirrored > 150 && mirrored < 250, `${mirrored}`);
  assert.ok(erased > 100 && erased < 220, `${erased}`);
});

test('batches are a function of seed and step alone, and an epoch has every image once', () => {
  const options = { batch: 4, seed: 7, augmentation: { crop: 0.7, flip: 0.5, erase: 0.5, eraseSide: 0.5 }, mean: zeroMean, unit: 1 };
  const one = new Batches(images(14), options);
  assert.is(one.perEpoch, 3);
  const inOrder = Array.from({ length: 9 }, (_, step) => one.at(step));
  for (const step of [8, 0, 5]) assert.equal(new Batches(images(14), options).at(step), inOrder[step]);
  assert.not.equal(new Batches(images(14), { ...options, seed: 8 }).at(0), inOrder[0]);

  const plain = new Batches(images(12), { ...options, augmentation: NO_AUGMENTATION });
  const firsts = [0, 1, 2].flatMap((step) => Array.from({ length: 4 }, (_, n) => plain.at(step).x.data[n * 3 * H * W]));
  assert.equal(
    [...firsts].sort((a, b) => a - b),
    Array.from({ length: 12 }, (_, i) => 10 * i),
  );
  assert.not.equal(plain.at(0), plain.at(3), 'each epoch has an order of its own');
});

test('plain batches end with the last image again', () => {
  const { x, labels } = plainBatch(images(5), 4, { batch: 3, mean: zeroMean, unit: 2 });
  assert.equal([...labels.data], [1, 1, 1]);
  assert.is(x.data[0], 20);
  assert.is(x.data[2 * 3 * H * W], 20);
});

test('mean image, classes, and first images', () => {
  const mean = meanImage(images(3), H, W);
  assert.is(mean.data[0], 10);
  assert.is(mean.data[H * W + 1], 12);
  assert.throws(() => meanImage(images(0), H, W), /expected at least one image/);
  const two = ofClasses(images(9), [2, 0]);
  assert.equal([two.count, [...(two.labels as Int32Array)]], [6, [1, 0, 1, 0, 1, 0]]);
  const pixels = new Uint8Array(3 * H * W);
  two.read(1, pixels);
  assert.is(pixels[0], 20);
  // Nine images in order of class: the first four are not all of one class.
  const sorted = ofClasses({ ...images(9), labels: [0, 0, 0, 1, 1, 1, 2, 2, 2] }, [0, 1, 2]);
  assert.equal([...(firstImages(sorted, 4).labels as Int32Array)], [0, 0, 1, 1]);
  assert.equal([...(firstImages(sorted, 3).labels as Int32Array)], [0, 1, 2]);
  assert.is(firstImages(sorted, 99), sorted);
});

test('tallies: ties rank in the order of the classes', () => {
  const scores = Float32Array.of(1, 1, 0, 0, 0, 0, 0, 9, 8, 7, 6, 5, 4, 3);
  assert.equal(bestClasses(scores, Int32Array.of(1, 5)), { top1: 0, top5: 1 });
  assert.equal(bestClasses(scores, Int32Array.of(0, 0)), { top1: 2, top5: 2 });
  const draw = uniform(8);
  for (let i = 0; i < 200; i++) {
    const row = Float32Array.from({ length: 9 }, () => [NaN, -Infinity, Infinity][Math.floor(12 * draw())] ?? Math.floor(4 * draw()));
    const label = Math.floor(9 * draw());
    const rank = ranked(row).indexOf(label);
    assert.equal(bestClasses(row, Int32Array.of(label)), { top1: Number(rank < 1), top5: Number(rank < 5) }, `${row}, ${label}`);
  }
  const tally = new Tally();
  tally.addScores(Float32Array.of(0, 0, 0, 0), Int32Array.of(1), 2);
  const { loss, top1, images: seen } = tally.means();
  assert.ok(Math.abs(loss - Math.LN2) < 1e-12);
  assert.equal([top1, seen], [0, 1]);
});

test('checkpoints come back to the bit, and name what differs', () => {
  const tensor = (...data: number[]): Tensor => ({ shape: [data.length], data: Float32Array.from(data) });
  const state = { step: 12, parameters: new Map([['a.weight', tensor(1e-40, 3)]]), velocities: new Map([['a.weight', tensor(-0, 1 / 3)]]) };
  const running = { images: 4, loss: 1.25, top1: 2, top5: 3 };
  const settings = { data: 'x', rate: 0.1, classes: [1, 2] };
  const read = readCheckpoint(writeCheckpoint({ settings, state, running, seconds: 3.5 }), 'f');
  assert.equal({ ...read, state: { ...read.state } }, { settings, state, running, seconds: 3.5 });
  assert.ok(Object.is(read.state.velocities.get('a.weight')!.data[0], -0));
  checkSameRun(settings, read.settings, 'f');
  assert.throws(() => checkSameRun({ ...settings, rate: 0.2 }, read.settings, 'f'), /expected rate 0.1, as in "f", got 0.2/);
  assert.throws(() => readCheckpoint(weightsFile(new Map(), tensor(1)), 'f'), /expected "backlight-training-1" in "f"/);
});

test('stored weights are rounded, the mean image is not, and the graph carries its card', () => {
  const value: Tensor = { shape: [2], data: Float32Array.of(1 / 3, 70.03) };
  const file = weightsFile(new Map([['w', value]]), value);
  const stored = storedParameters(file);
  assert.equal([...stored.keys()], ['w']);
  const large: Tensor = { shape: [1], data: Float32Array.of(1e6) };
  assert.equal(storedParameters(weightsFile(new Map([['w', large]]), value)).get('w'), large, 'what does not fit F16 stays F32');
  assert.not.equal(stored.get('w'), value);
  const json = JSON.parse(modelFile(paperNet({ width: 4, input: 64, classes: 2 }), { labels: ['a', 'b'] }));
  assert.equal(json.card.labels, ['a', 'b']);
  assert.is(json.scores, 'fc8');
});

test('initial weights: variance 2 / fan-in, biases zero, by seed', () => {
  const graph = paperNet({ width: 32, input: 64, classes: 10 });
  const parameters = initialParameters(graph, 3);
  const { data } = parameters.get('conv3.weight')!;
  const variance = data.reduce((sum, w) => sum + w * w, 0) / data.length;
  assert.ok(Math.abs(variance / (2 / (32 * 9)) - 1) < 0.05, `${variance}`);
  assert.ok(parameters.get('fc6.bias')!.data.every((b) => b === 0));
  assert.equal(initialParameters(graph, 3), parameters);
  assert.not.equal(initialParameters(graph, 4), parameters);
  assert.equal(
    weightedLayers(graph).map(({ value }) => value),
    ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8'],
  );
});

test('a network lends the layers that fit, whole or not at all', () => {
  const graph = (width: number, classes: number) => paperNet({ width, hidden: 6, input: 64, classes });
  const from = initialParameters(graph(8, 5), 3);
  assert.is(borrowedParameters(graph(8, 5), from).size, 16);
  const borrowed = borrowedParameters(graph(8, 4), from);
  assert.is(borrowed.size, 14);
  assert.not.ok(borrowed.has('fc8.bias') || borrowed.has('fc8.weight'));
  assert.is(borrowed.get('conv1.weight'), from.get('conv1.weight'));
  const halves = new Map(from);
  halves.delete('conv2.bias');
  assert.not.ok(borrowedParameters(graph(8, 5), halves).has('conv2.weight'));
  assert.throws(() => borrowedParameters(graph(8, 5), new Map()), /expected a network to begin with that has a layer of "paper-8-64"/);
});

test('the network of the paper, at full size: shapes, parameters, multiply-accumulates', () => {
  const graph = paperNet();
  const typed = typeGraph(graph);
  const shapes = ['conv1', 'pool1', 'conv2', 'pool2', 'conv3', 'conv4', 'conv5', 'pool5', 'fc6', 'fc7', 'fc8'].map((name) =>
    valueInfo(typed, name).shape.slice(1).join('x'),
  );
  // Chatfield et al. 2014, table 1: 54 after stride 4 without padding, then 27, 13 and 6 by pooling.
  assert.equal(shapes, [
    '64x54x54',
    '64x27x27',
    '256x27x27',
    '256x13x13',
    '256x13x13',
    '256x13x13',
    '256x13x13',
    '256x6x6',
    '4096',
    '4096',
    '1000',
  ]);
  const count = graph.parameters.reduce((sum, { shape }) => sum + size(shape), 0);
  const convolutions = 64 * 3 * 121 + 256 * 64 * 25 + 3 * 256 * 256 * 9;
  assert.is(count, convolutions + 64 + 4 * 256 + 4096 * 9216 + 4096 * 4096 + 1000 * 4096 + 2 * 4096 + 1000);
  assert.throws(() => paperNet({ width: 30 }), /multiple of 4/);
  assert.throws(() => paperNet({ input: 8 }), /large enough for three poolings/);
  assert.throws(() => paperNet({ classes: 0 }), /classes to be a positive integer/);
});

test('its training plan: what runs, in order', () => {
  const graph = withLoss(paperNet());
  const wrt = graph.parameters.map(({ name }) => name);
  const options = { keep: [LOSS_VALUE], target: LOSS_VALUE, wrt, training: true } as const;
  const plan = compile(graph, { ...options, descent: { momentum: 0.9, weightDecay: 5e-4 } });
  const told = (steps: readonly { node: string; entry: string }[]): string[] => steps.map(({ node, entry }) => `${node}.${entry}`);
  // prettier-ignore
  assert.equal(told(plan.forward), [
    'conv1.flat8x16', 'norm1.forward', 'pool1.forwardSwitches', 'conv2.tile8x16', 'norm2.forward', 'pool2.forwardSwitches', 'conv3.tile8x16',
    'conv4.tile8x16', 'conv5.tile8x16', 'pool5.forwardSwitches', 'fc6.row', 'relu6.forward4', 'drop6.apply', 'fc7.row', 'relu7.forward4',
    'drop7.apply', 'fc8.row',
    '#loss.logSoftmax', '#loss.pick', '#loss.total',
  ]);
  assert.is(plan.update.length, 16);
  assert.ok(plan.update.every(({ entry }) => entry === 'descend'));
  const decayed = plan.update.filter(({ geometry }) => geometry.normCoefficient !== 0).map(({ node }) => node);
  assert.equal(
    decayed,
    wrt.filter((name) => name.endsWith('.weight')),
  );
  assert.equal(Object.keys(plan.velocities), wrt);
  assert.is(plan.tensors[plan.velocities['fc6.weight'].id].slot, -1, 'velocities live with the parameters');
  assert.throws(
    () => compile(graph, { ...options, training: false, descent: { momentum: 0, weightDecay: 0 } }),
    /expected a plan that trains/,
  );
});

test.run();
