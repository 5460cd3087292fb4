// A mean image: subtracted pixel by pixel, stored with the weights, named by the card, and what may not be changed beside it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, InputError } from '../../src/errors.ts';
import { writeGraph, writeSafetensors } from '../../src/formats/index.ts';
import { resolvePreprocess, type PreprocessOptions } from '../../src/image/options.ts';
import { describePreprocess, parsePreprocess, preprocess, toPicture, type Preprocess } from '../../src/image/preprocess.ts';
import { loadModel } from '../../src/models/model.ts';
import { tensor, type Tensor } from '../../src/tensor.ts';
import { fill, uniform } from '../../src/verify/random.ts';
import { classModelPicture } from '../../src/visualise/classmodelPicture.ts';
import { classModelRecipe, stepRecipe } from '../../src/visualise/classmodelPresets.ts';
import { stepGraph } from '../../src/visualise/ascent.ts';
import { viewsOf } from '../../src/visualise/views.ts';
import { smallNet } from '../smallnet.ts';
import { noise } from './pictures.ts';

const [H, W] = [16, 12];
const PLANE = H * W;
const next = uniform(9);
/** As a model stores it: RGB, 0..255. */
const STORED: Tensor = { shape: [3, H, W], data: fill(3 * PLANE, () => 80 + 90 * next()) };
const CARD = { size: [H, W], fit: 'crop', channels: 'rgb', scale: 1, mean: 'image', std: [50, 60, 70] };
const SPEC = parsePreprocess(CARD, 'm.json', STORED);

test('each pixel less its own mean, and back', () => {
  const picture = noise(W, H, 4);
  const { input } = preprocess(picture, SPEC);
  for (const [c, y, x] of [
    [0, 0, 0],
    [1, 7, 3],
    [2, H - 1, W - 1],
  ]) {
    const at = c * PLANE + y * W + x;
    assert.is(input.data[at], Math.fround((picture.data[3 * (y * W + x) + c] - STORED.data[at]) / CARD.std[c]));
  }
  assert.equal(toPicture(input, SPEC), picture);
  // A picture of another size is resampled first.
  const { input: resized } = preprocess(noise(40, 30, 4), SPEC);
  const plain = preprocess(noise(40, 30, 4), { ...SPEC, meanImage: undefined, mean: [0, 0, 0], std: [1, 1, 1] }).input;
  resized.data.forEach((value, i) => {
    assert.ok(Math.abs(value - (plain.data[i] - STORED.data[i]) / CARD.std[Math.floor(i / PLANE)]) < 2e-6);
  });
});

test('a stored mean image is brought into the order and unit of the network', () => {
  const picture = noise(W, H, 5);
  for (const [channels, scale, std] of [
    ['bgr', 1, [1, 1, 1]],
    ['rgb', 1 / 255, [0.5, 0.25, 0.5]],
    ['grey', 1 / 255, [0.5]],
  ] as const) {
    const spec = parsePreprocess({ ...CARD, channels, scale, std }, 'm.json', STORED);
    assert.equal(spec.meanImage!.shape, [std.length, H, W]);
    // The mean's own picture, were it one, would be the zero input: 0 means the mean in every order and unit.
    const zero = toPicture({ shape: [1, std.length, H, W], data: new Float32Array(std.length * PLANE) }, spec);
    const grey = (i: number): number => 0.299 * STORED.data[i] + 0.587 * STORED.data[PLANE + i] + 0.114 * STORED.data[2 * PLANE + i];
    for (let i = 0; i < PLANE; i++) {
      for (let k = 0; k < 3; k++) {
        const want = channels === 'grey' ? grey(i) : STORED.data[k * PLANE + i];
        assert.ok(Math.abs(zero.data[3 * i + k] - want) <= 0.5 + 1e-3);
      }
    }
    const back = toPicture(preprocess(picture, spec).input, spec);
    if (channels !== 'grey') assert.equal(back, picture);
  }
});

test('a specification that cannot be', () => {
  const refused = (json: unknown, image: Tensor | undefined, message: RegExp): void => {
    assert.throws(
      () => parsePreprocess(json, 'm.json', image),
      (error: unknown) => error instanceof FormatError && message.test(error.message),
      String(message),
    );
  };
  refused(
    CARD,
    undefined,
    /expected a mean image for mean "image": a tensor "mean-image" \[3, H, W\].*got none\. Mend preprocess in m\.json/,
  );
  refused({ ...CARD, size: [H, W + 1] }, STORED, /expected a mean image 3x16x13, RGB and of the input's size, got 3x16x12/);
  refused({ ...CARD, std: [1] }, STORED, /expected std to be 3 numbers/);
  refused({ ...CARD, channels: 'hsv' }, STORED, /expected channels/);
  refused({ ...CARD, meanImage: 1 }, STORED, /unknown field "meanImage"/);
  const run = (spec: Partial<Preprocess>): unknown => preprocess(noise(W, H, 1), { ...SPEC, ...spec });
  assert.throws(
    () => run({ meanImage: tensor([3, W, H], STORED.data) }),
    /preprocess: expected the mean image to be a tensor 3x16x12, channels by size, got 3x12x16/,
  );
  assert.throws(() => run({ size: [8, 8] }), /mean image to be a tensor 3x8x8/);
  assert.throws(() => run({ meanImage: tensor([3, H, W], STORED.data.with(5, NaN)) }), /got NaN/);
  assert.throws(() => run({ meanImage: 'image' as never }), /got "image"/);
  assert.throws(() => toPicture(tensor([1, 3, 1, 1], [0, 0, 0]), SPEC), /expected an image of 16x12, the mean image's size, got 1x1/);
});

test('as a card and in reports it is a word, not its numbers', () => {
  const { mean: _, ...rest } = CARD;
  assert.equal(describePreprocess(SPEC), { ...rest, mean: 'image' });
  assert.equal(parsePreprocess(describePreprocess(SPEC), 'again', STORED), SPEC);
  const { meanImage: _image, ...plain } = SPEC;
  assert.equal(describePreprocess(plain), plain);
  SPEC.mean.forEach((mean, c) => {
    const own = STORED.data.subarray(c * PLANE, (c + 1) * PLANE).reduce((sum, v) => sum + v, 0) / PLANE;
    assert.is(mean, own, 'the average by channel');
  });
});

test('options beside a card with a mean image', () => {
  const shape = [1, 3, H, W];
  const resolve = (options: PreprocessOptions): Preprocess => resolvePreprocess(shape, SPEC, options);
  assert.equal(resolve({}), SPEC);
  assert.equal(resolve({ size: '16x12', fit: 'squash', std: '2', channels: 'rgb', scale: '1' }), {
    ...SPEC,
    fit: 'squash',
    std: [2, 2, 2],
  });
  const { meanImage: _, ...plain } = SPEC;
  assert.equal(resolve({ mean: '1,2,3', size: '20' }), { ...plain, mean: [1, 2, 3], size: [20, 20] });
  assert.is(resolve({ preprocess: 'caffe' }).meanImage, undefined);
  assert.equal(resolve({ mean: '3', channels: 'bgr', std: '1' }), { ...plain, channels: 'bgr', mean: [3, 3, 3], std: [1, 1, 1] });
  for (const [options, message] of [
    [{ size: '20' }, /^--size: expected 16x12, as the card's mean image is, got 20x20\. Leave --size out, or give --mean/],
    [{ channels: 'bgr' }, /^--channels: expected rgb, as the card's mean image is, got "bgr"/],
    [{ scale: '1/255' }, /^--scale: expected 1, as the card's mean image is, got 1\/255/],
  ] as const) {
    assert.throws(
      () => resolve(options),
      (error: unknown) => error instanceof InputError && message.test(error.message),
      String(message),
    );
  }
});

const folder = mkdtempSync(path.join(os.tmpdir(), 'backlight-mean-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

test('a model carries its mean image, in half precision too, and no parameter of that name', async () => {
  const { graph, parameters } = smallNet(3);
  writeFileSync(at('m.json'), JSON.stringify({ ...JSON.parse(writeGraph(graph)), card: { preprocess: CARD } }));
  const write = (image: Tensor | { shape: number[]; data: Int32Array }): void =>
    writeFileSync(at('m.safetensors'), writeSafetensors([...parameters, ['mean-image', image]], { half: (name) => name === 'mean-image' }));
  write(STORED);
  const model = await loadModel(at('m.json'));
  assert.equal(model.meanImage!.shape, [3, H, W]);
  // 80 to 170 in F16: steps of 1/16 and 1/8.
  model.meanImage!.data.forEach((v, i) => assert.ok(Math.abs(v - STORED.data[i]) <= 1 / 16));
  const loaded = model.at().parameters;
  assert.equal([...loaded.keys()], [...parameters.keys()]);
  assert.equal(loaded.get('w1')!.data, parameters.get('w1')!.data, 'the others are left in full');
  assert.is(parsePreprocess(model.card.preprocess, 'm.json', model.meanImage).meanImage!.data.length, 3 * PLANE);
  for (const [image, message] of [
    [tensor([3, PLANE], STORED.data), /expected "mean-image" to be finite floats 3xHxW in .*m\.json, got 3x192/],
    [tensor([1, 3 * H, W], STORED.data), /got 1x48x12/],
    [tensor([3, H, W], STORED.data.with(0, NaN)), /got 3x16x12 with NaN or infinity/],
    [{ shape: [3, 1, 1], data: Int32Array.of(1, 2, 3) }, /got integers/],
  ] as const) {
    write(image as Tensor);
    const error = await loadModel(at('m.json')).then(
      () => null,
      (reason: unknown) => reason as Error,
    );
    assert.instance(error, FormatError);
    assert.match(error!.message, message);
  }
  writeFileSync(at('m.safetensors'), writeSafetensors(parameters));
  assert.is((await loadModel(at('m.json'))).meanImage, undefined);
});

test('of ten views each is less the same mean image, mirrored or not', () => {
  const picture = noise(41, 30, 1);
  const spec: Preprocess = { ...SPEC, resize: 20 };
  const { inputs, views, geometry } = viewsOf(picture, spec, 10);
  const bare = viewsOf(picture, { ...spec, meanImage: undefined, mean: [0, 0, 0], std: [1, 1, 1] }, 10);
  assert.equal([views, geometry], [bare.views, bare.geometry]);
  const near = (a: Float32Array, b: (i: number) => number): void =>
    a.forEach((v, i) => assert.ok(Math.abs(v - b(i)) < 1e-6, `${v}, ${b(i)}`));
  for (const [v, { row, column, mirrored }] of views.entries()) {
    near(inputs[v].data, (i) => (bare.inputs[v].data[i] - STORED.data[i]) / spec.std[Math.floor(i / PLANE)]);
    if (!mirrored) {
      const alone = preprocess(picture, { ...spec, cut: [row, column] }).input.data;
      near(inputs[v].data, (i) => alone[i]);
    }
  }
});

test("class models: limits are each pixel's own, and the mean image is added to what is shown", () => {
  const { limits } = stepRecipe(classModelRecipe('deepvis'), SPEC);
  assert.is(limits!.low.length, 3 * PLANE);
  const place = 2 * PLANE + 17;
  assert.is(limits!.low[place], -STORED.data[place] / 70);
  assert.is(limits!.high[place], (255 - STORED.data[place]) / 70);
  const bounds = (spec: Preprocess): unknown =>
    stepGraph([2, 3, H, W], stepRecipe(classModelRecipe('deepvis'), spec), false).graph.parameters.find(({ name }) => name === 'low')!
      .shape;
  assert.equal(bounds(SPEC), [3, H, W]);
  assert.equal(bounds({ ...SPEC, meanImage: undefined }), [3]);
  // At the limits the picture is black and white, and nothing is out of range.
  for (const [bound, level] of [
    [limits!.low, 0],
    [limits!.high, 255],
  ] as const) {
    const { picture, clipped } = classModelPicture(tensor([1, 3, H, W], bound), SPEC);
    assert.ok(picture.data.every((v) => v === level));
    assert.is(clipped, 0);
  }
  const { picture } = classModelPicture(tensor([1, 3, H, W], new Float32Array(3 * PLANE)), SPEC);
  assert.is(picture.data[3 * 17 + 2], Math.round(STORED.data[place]), 'the zero image is the mean image');
});

test.run();
