// Saliency maps through the library: against the gradient itself, against a closed form, in batches, of classes, units and channels; and on
// a real photograph, where a dog's map lies on the dog and a cat's on the cat.
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import type { Graph } from '../../src/graph.ts';
import { withBatch } from '../../src/graph.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { preprocess, PRESETS, type Preprocess } from '../../src/image/preprocess.ts';
import { toPhoto } from '../../src/image/project.ts';
import { loadModel } from '../../src/models/model.ts';
import { Network, posterior, ranked } from '../../src/network.ts';
import { RULES } from '../../src/rule.ts';
import type { Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { reduceChannels, REDUCTIONS } from '../../src/visualise/reduce.ts';
import { saliency, saliencyFrames, type ClassChoice, type SaliencyMap } from '../../src/visualise/saliency.ts';
import { viewsOf } from '../../src/visualise/views.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { noise } from '../host/pictures.ts';
import { smallNet } from '../smallnet.ts';

const gpu = await openDevice();

const SPEC: Preprocess = {
  size: [16, 12],
  fit: 'crop',
  resize: 20,
  channels: 'rgb',
  scale: 1 / 255,
  mean: [0.5, 0.4, 0.3],
  std: [0.2, 0.2, 0.2],
};
const photo = noise(37, 29, 4);
const small = smallNet(1);
const network = new Network(gpu, small.graph, small.parameters);

test('one view: the reduced gradient at the size of the photo; classes, scores, posteriors', async () => {
  const { input, geometry } = preprocess(photo, SPEC);
  const row = (await network.scores(input)).data;
  for (const reduce of REDUCTIONS) {
    for (const rule of RULES) {
      const maps = await saliency(network, photo, SPEC, { classes: [4, 1], reduce, rule });
      assert.equal(
        maps.map((map) => map.class),
        [4, 1],
      );
      for (const map of maps) {
        const { gradient } = await network.gradient(input, { target: map.class!, rule });
        const want: Tensor = { shape: [16, 12], data: reduceChannels(gradient, reduce).data };
        assert.equal(map.frame, want);
        assert.equal(map.map, toPhoto(want, geometry));
        assert.equal(map.map.shape, [29, 37]);
        assert.is(map.score, row[map.class!]);
        assert.is(map.value, map.score);
        assert.is(map.posterior, posterior(row)[map.class!]);
        assert.is(map.zero, false);
        assert.is(map.neuron, null);
      }
    }
  }
});

test('top5 in one forward pass, the best first; a class chosen twice counts once', async () => {
  const { input } = preprocess(photo, SPEC);
  const order = ranked((await network.scores(input)).data);
  const classes = async (...choice: ClassChoice[]): Promise<(number | null)[]> =>
    (await saliency(network, photo, SPEC, { classes: choice })).map((map) => map.class);
  assert.equal(await classes('top5'), order.slice(0, 5));
  assert.equal(await classes('top1'), order.slice(0, 1));
  assert.equal(await classes(order[0], 'top5', order[5]), order);
  assert.equal(
    (await saliency(network, photo, SPEC)).map((map) => map.class),
    order.slice(0, 1),
  );
});

test('one map for each channel', async () => {
  const { input } = preprocess(photo, SPEC);
  const { gradient } = await network.gradient(input, { target: 2 });
  for (const reduce of ['max', 'signed'] as const) {
    const maps = await saliencyFrames(network, photo, SPEC, { classes: [2], reduce, perChannel: true });
    assert.equal(
      maps.map((map) => map.channel),
      [0, 1, 2],
    );
    maps.forEach(({ frame }, c) => {
      const plane = gradient.data.slice(c * 192, (c + 1) * 192);
      assert.equal(frame.data, reduce === 'max' ? plane.map(Math.abs) : plane);
    });
  }
});

test('a unit anywhere, under any rule', async () => {
  const { input } = preprocess(photo, SPEC);
  const neuron = { tensor: 'r2', at: [3, 4, 2] };
  const { gradient, values } = await network.gradient(input, { neuron, rule: 'linear' });
  const [map] = await saliency(network, photo, SPEC, { neuron, rule: 'linear' });
  assert.equal(map.frame.data, reduceChannels(gradient, 'max').data);
  assert.equal([map.class, map.score, map.posterior, map.value], [null, null, null, values[0]]);
  assert.equal(map.neuron, neuron);
});

test('ten views: each map put back and averaged, by an independent loop', async () => {
  const { inputs, views, geometry } = viewsOf(photo, SPEC, 10);
  const [fh, fw] = geometry.input;
  for (const reduce of ['max', 'signed'] as const) {
    const [map] = await saliencyFrames(network, photo, SPEC, { classes: [3], views: 10, reduce });
    const sums = new Float64Array(fh * fw);
    const counts = new Uint8Array(fh * fw);
    let [score, chance] = [0, 0];
    for (const [v, input] of inputs.entries()) {
      const { gradient, scores } = await network.gradient(input, { target: 3 });
      score += scores!.data[3];
      chance += posterior(scores!.data)[3];
      const { data } = reduceChannels(gradient, reduce);
      for (let y = 0; y < 16; y++) {
        for (let x = 0; x < 12; x++) {
          const column = views[v].column + (views[v].mirrored ? 11 - x : x);
          sums[(views[v].row + y) * fw + column] += data[12 * y + x];
          counts[(views[v].row + y) * fw + column]++;
        }
      }
    }
    assert.equal(map.counts, counts);
    assert.ok(Math.abs(map.score! - score / 10) < 1e-6 && Math.abs(map.posterior! - chance / 10) < 1e-9);
    map.frame.data.forEach((v, i) => assert.is(v, counts[i] ? Math.fround(sums[i] / counts[i]) : 0));
    assert.ok(
      counts.some((n) => n === 0),
      'this photo has a part that no view sees',
    );
    const [laid] = await saliency(network, photo, SPEC, { classes: [3], views: 10, reduce });
    assert.equal(laid.map, toPhoto(map.frame, geometry, counts));
  }
});

test('ten views of a linear model equal the closed form', async () => {
  const gauss = normal(9);
  const w: Tensor = { shape: [2, 3 * 16 * 12], data: fill(2 * 576, gauss) };
  const linear = new Network(
    gpu,
    {
      name: 'linear model',
      inputs: [{ name: 'x', shape: [1, 3, 16, 12] }],
      parameters: [{ name: 'w', shape: [2, 576] }],
      nodes: [
        { name: 'flat', op: 'flatten', inputs: ['x'], outputs: ['f'] },
        { name: 'fc', op: 'linear', inputs: ['f', 'w'], outputs: ['s'] },
      ],
      outputs: ['s'],
      scores: 's',
    },
    new Map([['w', w]]),
  );
  try {
    const [map] = await saliencyFrames(linear, photo, SPEC, { classes: [1], views: 10 });
    // w itself is the gradient of every view.
    const m = (y: number, x: number): number => Math.max(...[0, 1, 2].map((c) => Math.abs(w.data[576 + 192 * c + 12 * y + x])));
    const [fh, fw] = map.geometry.input;
    const corners = [
      [0, 0],
      [0, fw - 12],
      [fh - 16, 0],
      [fh - 16, fw - 12],
      [(fh - 16) >> 1, (fw - 12) >> 1],
    ];
    for (let r = 0; r < fh; r++) {
      for (let c = 0; c < fw; c++) {
        const terms = corners
          .filter(([top, left]) => r >= top && r < top + 16 && c >= left && c < left + 12)
          .flatMap(([top, left]) => [m(r - top, c - left), m(r - top, 11 - (c - left))]);
        const want = terms.length === 0 ? 0 : terms.reduce((a, b) => a + b, 0) / terms.length;
        assert.ok(Math.abs(map.frame.data[r * fw + c] - want) < 1e-6);
        assert.is(map.counts![r * fw + c], terms.length);
      }
    }
  } finally {
    await linear.dispose();
  }
});

test('a network on a batch takes that many views at once, with the same bits', async () => {
  const want = await saliencyFrames(network, photo, SPEC, { classes: ['top5'], views: 10 });
  for (const batch of [4, 10]) {
    const several = new Network(gpu, withBatch(small.graph, batch), small.parameters);
    try {
      const got = await saliencyFrames(several, photo, SPEC, { classes: ['top5'], views: 10 });
      assert.equal(got, want);
      assert.equal(
        await saliency(several, photo, SPEC, { classes: ['top5', 2] }),
        await saliency(network, photo, SPEC, { classes: ['top5', 2] }),
      );
    } finally {
      await several.dispose();
    }
  }
});

test('an all-zero map is told', async () => {
  const dead = smallNet(2);
  // A bias so low that no unit of the second ReLU opens.
  const graph: Graph = {
    ...dead.graph,
    parameters: [...dead.graph.parameters, { name: 'b2', shape: [8] }],
    nodes: dead.graph.nodes.map((node) => (node.name === 'conv2' ? { ...node, inputs: [...node.inputs, 'b2'] } : node)),
  };
  const shut = new Network(gpu, graph, new Map([...dead.parameters, ['b2', { shape: [8], data: new Float32Array(8).fill(-1e4) }]]));
  try {
    const [map] = await saliency(shut, photo, SPEC);
    assert.is(map.zero, true);
    assert.is((await saliency(shut, photo, SPEC, { rule: 'linear' }))[0].zero, false);
  } finally {
    await shut.dispose();
  }
});

test('what does not exist is refused', async () => {
  const refused = async (words: RegExp, options: Parameters<typeof saliency>[3], spec = SPEC): Promise<void> => {
    try {
      await saliency(network, photo, spec, options);
    } catch (error) {
      assert.instance(error, InputError);
      assert.match((error as Error).message, words);
      return;
    }
    assert.unreachable(`expected ${words}`);
  };
  await refused(/target: expected classes in \[0, 5\], got 6/, { classes: [6] });
  await refused(/expected at least one class, got none/, { classes: [] });
  await refused(/expected classes or a neuron, got both/, { classes: [1], neuron: { tensor: 'r2', at: [0, 0, 0] } });
  await refused(/expected a tensor of the network, got "nope"/, { neuron: { tensor: 'nope', at: [0] } });
  await refused(/neuron "r2": expected 3 coordinates below/, { neuron: { tensor: 'r2', at: [8, 0, 0] } });
  await refused(/expected the name of a ReLU/, { rule: { relu: 'gradient', at: { conv1: 'linear' } } });
  await refused(/input "x": expected shape 1x3x16x12, got 1x3x8x8/, {}, { ...SPEC, size: [8, 8] });
  await refused(/inside the resized picture/, {}, { ...SPEC, cut: [100, 0] });
});

/** The share of a map's mass, 0 to 1, above the line from (0, 150) to (224, 112): the dog sits above it, the cat lies below. */
function shareAbove({ map }: SaliencyMap): number {
  let [above, all] = [0, 0];
  map.data.forEach((v, i) => {
    all += v;
    if (Math.floor(i / 224) < 150 - ((i % 224) * 38) / 224) above += v;
  });
  return above / all;
}

if (!dataPresent) {
  sayMissing('saliency of a dog and a cat');
  test.skip('saliency of a dog and a cat');
} else {
  const model = (await loadModel(dataPath('models', 'googlenet.onnx'))).at();
  const spec: Preprocess = { ...PRESETS.caffe, size: [224, 224] };
  const picture = await decodeImage(readFileSync(dataPath('photos', 'cat_dog.png')));
  for (const views of [1, 10] as const) {
    test(`the dog's map lies on the dog, the cats' on the cat: GoogLeNet, ${views === 1 ? 'one view' : 'ten views'}`, async () => {
      const googlenet = new Network(gpu, model.graph, model.parameters);
      try {
        const maps = await saliency(googlenet, picture, spec, { classes: views === 1 ? [243, 281, 282] : [243, 282], views });
        const [dog, ...cats] = maps.map(shareAbove);
        const said = maps.map((map, k) => `class ${map.class} ${(100 * [dog, ...cats][k]).toFixed(1)} %`).join(', ');
        console.log(`measured: saliency mass on the dog's side of cat_dog.png, ${views} view${views === 1 ? '' : 's'}: ${said}`);
        assert.ok(dog > 0.5, `dog ${dog}`);
        for (const cat of cats) assert.ok(cat < 0.5 && dog - cat > 0.15, `dog ${dog}, cat ${cat}`);
      } finally {
        await googlenet.dispose();
      }
    });
  }
}

test.after(async () => {
  await network.dispose();
  gpu.dispose();
});

test.run();
