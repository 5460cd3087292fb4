// Class models on the device: the paper's ascent against an f64 run of the reference, the other ingredients against plain loops, bits that
// do not depend on the run or the batch, and ends that come early.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { DeviceTensor } from '../../src/gpu/tensor.ts';
import { typeGraph, withBatch } from '../../src/graph.ts';
import { toPicture, type PixelSpec } from '../../src/image/preprocess.ts';
import { Network, posterior, withPosterior } from '../../src/network.ts';
import { gaussian } from '../../src/ops/blur.ts';
import { backReference, runReference, widen } from '../../src/reference/graph.ts';
import type { F64Tensor } from '../../src/reference/types.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { Ascent } from '../../src/visualise/ascent.ts';
import { classModel, type ClassModel, type ClassModelOptions } from '../../src/visualise/classmodel.ts';
import { smallNet, type Net } from './classmodelNet.ts';
import { randomNet } from '../nets.ts';

const gpu = await openDevice();

/** Pixels of 0..255 around a mean, one to the network's unit. */
const LEVELS: PixelSpec = { channels: 'rgb', scale: 1, mean: [100, 120, 140], std: [1, 1, 1] };
/** The same pixels as the network of a unit of 50 levels would take them. */
const UNITS: PixelSpec = {
  channels: 'rgb',
  scale: 1 / 255,
  mean: [100, 120, 140].map((m) => m / 255),
  std: [50, 50, 50].map((s) => s / 255),
};

async function find({ graph, parameters }: Net, options: ClassModelOptions): Promise<ClassModel[]> {
  const network = new Network(gpu, graph, parameters);
  try {
    return await classModel(network, options);
  } finally {
    await network.dispose();
  }
}

interface F64Step {
  /** Of item 0. */
  readonly score: number;
  readonly posterior: number;
  readonly norm: number;
  readonly x: Float64Array;
}

/** Ascent of one item in f64, with plain loops; `after` is what becomes of the image after each step. */
function ascendF64(
  { graph, parameters }: Net,
  k: number,
  o: { start: Float64Array; step: number; lambda: number; momentum: number; normalise?: boolean; iterations: number; target?: 'posterior' },
  after: (x: Float64Array, iteration: number) => Float64Array = (x) => x,
): F64Step[] {
  const typed = typeGraph(withPosterior(graph));
  const shape = graph.inputs[0].shape;
  const constants = [...parameters].map(([name, value]) => [name, widen(value)] as const);
  const target = o.target === 'posterior' ? '#posterior' : graph.scores!;
  let x = o.start;
  let v = new Float64Array(x.length);
  const steps: F64Step[] = [];
  for (let t = 0; t <= o.iterations; t++) {
    const values = runReference(typed, new Map([...constants, ['x', { shape, data: x } as F64Tensor]]));
    const scores = values.get(graph.scores!)!.data;
    const norm = (data: Float64Array): number => Math.sqrt(data.reduce((sum, e) => sum + e * e, 0));
    steps.push({ score: scores[k], posterior: posterior(scores)[k], norm: norm(x), x });
    const seed = { shape: values.get(target)!.shape, data: Float64Array.from(scores, (_, i) => (i === k ? 1 : 0)) };
    const g = backReference(typed, values, { target, seed, wrt: ['x'], rule: { relu: 'gradient' } }).get('x')!.data;
    let pull = g.map((e, i) => e - 2 * o.lambda * x[i]);
    if (o.normalise) {
      const length = norm(pull);
      pull = pull.map((e) => e / length);
    }
    v = v.map((e, i) => o.momentum * e + pull[i]);
    x = after(
      x.map((e, i) => e + o.step * v[i]),
      t,
    );
  }
  return steps;
}

const off = (got: number, want: number): number => Math.abs(got - want) / Math.abs(want);
const imageOff = (got: Float32Array, want: Float64Array): number => {
  const norm = (data: Float64Array): number => Math.sqrt(data.reduce((sum, e) => sum + e * e, 0));
  return norm(want.map((e, i) => e - got[i])) / norm(want);
};

test('the paper preset follows an f64 run of the reference', async () => {
  let worst = 0;
  const nets: [Net, number][] = [
    [smallNet(1), 3],
    ...[14, 27, 39, 42, 50].map((seed): [Net, number] => [{ ...randomNet(seed), graph: withBatch(randomNet(seed).graph, 1) }, 1]),
  ];
  for (const [net, k] of nets) {
    const o = { lambda: 0.01, step: 0.5, momentum: 0.9, iterations: 10 };
    const want = ascendF64(net, k, { ...o, start: new Float64Array(size(net.graph.inputs[0].shape)) });
    const [found] = await find(net, { classes: [k], ...o });
    assert.is(found.trace.length, 11);
    found.trace.forEach((row, t) => {
      assert.is(row.iteration, t);
      worst = Math.max(worst, off(row.score, want[t].score));
      assert.ok(off(row.score, want[t].score) < 1e-4, `${net.graph.name}, step ${t}: score ${row.score}, f64 ${want[t].score}`);
      assert.ok(off(row.posterior, want[t].posterior) < 1e-4, `posterior ${row.posterior}, f64 ${want[t].posterior}`);
      if (t > 0) assert.ok(off(row.norm, want[t].norm) < 1e-4, `norm ${row.norm}, f64 ${want[t].norm}`);
      assert.ok(Math.abs(row.objective - (row.score - 0.01 * row.norm ** 2)) < 1e-9);
    });
    assert.ok(imageOff(found.image.data, want[10].x) < 1e-4);
    assert.ok(want[10].norm > 0.5, `expected ${net.graph.name} to move, got norm ${want[10].norm}`);
  }
  console.log(
    `measured: class model, paper preset, first ten steps on ${nets.length} nets: scores within ${worst.toExponential(1)} of f64, relative`,
  );
});

test('ascent on the posterior follows f64 too', async () => {
  const net = smallNet(1);
  const o = { lambda: 0.001, step: 0.5, momentum: 0.5, iterations: 10 };
  const want = ascendF64(net, 2, { ...o, target: 'posterior', start: new Float64Array(360) });
  const [found] = await find(net, { classes: [2], score: 'posterior', ...o });
  found.trace.forEach((row, t) => {
    assert.ok(off(row.posterior, want[t].posterior) < 1e-4, `step ${t}: posterior ${row.posterior}, f64 ${want[t].posterior}`);
    assert.ok(Math.abs(row.objective - (row.posterior - 0.001 * row.norm ** 2)) < 1e-9);
  });
  assert.ok(found.posterior > found.trace[0].posterior);
});

/** scipy's gaussian_filter on the planes of [C, H, W], by the two-dimensional kernel at once. */
function blurred(x: Float64Array, [c, h, w]: readonly number[], sigma: number): Float64Array {
  const half = gaussian(sigma);
  const r = half.length - 1;
  const inside = (i: number, n: number): number => (i < 0 ? -1 - i : i >= n ? 2 * n - 1 - i : i);
  const y = new Float64Array(x.length);
  for (let p = 0; p < c; p++)
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++)
        for (let a = -r; a <= r; a++)
          for (let b = -r; b <= r; b++)
            y[(p * h + i) * w + j] += half[Math.abs(a)] * half[Math.abs(b)] * x[(p * h + inside(i + a, h)) * w + inside(j + b, w)];
  return y;
}

const clipped = (x: Float64Array): Float64Array =>
  x.map((v, i) => Math.min(255 - LEVELS.mean[Math.floor(i / 120)], Math.max(-LEVELS.mean[Math.floor(i / 120)], v)));

test('the ingredients of cs231n and deepvis, in their order, against plain f64 loops', async () => {
  const net = smallNet(1);
  // The noise is drawn by the engine: seen in a run of one step that changes next to nothing.
  const noise = async (options: Partial<ClassModelOptions>): Promise<Float64Array> => {
    const still = { step: 1e-30, lambda: 0, iterations: 1, decay: 0, blur: { sigma: 0, every: 1 }, momentum: 0, jitter: 0 };
    const [found] = await find(net, { classes: [1], spec: LEVELS, ...options, ...still });
    return Float64Array.from(found.image.data);
  };
  const deepvis = { preset: 'deepvis' as const, step: 40, iterations: 9, noise: 60, seed: 7 };
  const [a] = await find(net, { classes: [1], spec: LEVELS, ...deepvis });
  const wantA = ascendF64(net, 1, { start: await noise(deepvis), step: 40, lambda: 0, momentum: 0, iterations: 9 }, (x, t) => {
    const decayed = x.map((v) => v * (1 - 1e-4));
    return clipped(t % 4 === 0 ? blurred(decayed, [3, 10, 12], 1) : decayed);
  });
  a.trace.forEach((row, t) => assert.ok(off(row.score, wantA[t].score) < 1e-4, `deepvis, step ${t}: ${row.score}, f64 ${wantA[t].score}`));
  assert.ok(
    wantA[0].x.some((v) => v === -100),
    'the noise is clipped at the start',
  );

  const cs231n = { preset: 'cs231n' as const, jitter: 0, iterations: 12, step: 600, seed: 7 };
  const [b] = await find(net, { classes: [1], spec: LEVELS, ...cs231n });
  const o = {
    start: await noise({ ...cs231n, clip: 'none' }),
    step: 600,
    lambda: b.recipe.lambda,
    momentum: 0,
    normalise: true,
    iterations: 12,
  };
  const wantB = ascendF64(net, 1, o, (x, t) => (t % 10 === 0 ? blurred(clipped(x), [3, 10, 12], 0.5) : clipped(x)));
  b.trace.forEach((row, t) => assert.ok(off(row.score, wantB[t].score) < 1e-4, `cs231n, step ${t}: ${row.score}, f64 ${wantB[t].score}`));
  assert.ok(imageOff(b.image.data, wantB[12].x) < 1e-4);
  const spread = Math.sqrt(o.start.reduce((sum, v) => sum + v * v, 0) / 360);
  assert.ok(Math.abs(spread / b.recipe.noise - 1) < 0.15, `noise of deviation ${spread}, expected ${b.recipe.noise}`);
});

const bits = (t: Tensor): Uint32Array => new Uint32Array(t.data.buffer, t.data.byteOffset, t.data.length);
const sameImage = (a: ClassModel, b: ClassModel, when: string): void => {
  assert.is(
    bits(a.image).findIndex((word, i) => word !== bits(b.image)[i]),
    -1,
    `${when}: the images of class ${a.class} differ`,
  );
  assert.equal(a.trace, b.trace, when);
};

for (const preset of ['paper', 'cs231n', 'deepvis'] as const) {
  const changes = {
    preset,
    spec: LEVELS,
    iterations: 6,
    ...(preset === 'paper' ? { step: 20 } : {}),
    ...(preset === 'cs231n' ? { jitter: 3 } : {}),
  };

  test(`${preset}: a class has the bits in a batch that it has alone, and the same on every run`, async () => {
    const classes = [3, 0, 4];
    const together = await find(smallNet(3), { classes, ...changes });
    const again = await find(smallNet(3), { classes, ...changes });
    for (const [n, k] of classes.entries()) {
      const [alone] = await find(smallNet(1), { classes: [k], ...changes });
      assert.is(together[n].class, k);
      sameImage(together[n], alone, 'alone');
      sameImage(together[n], again[n], 'again');
    }
    assert.ok(together[0].norm > 1 && together.every(({ image }) => image.data.every(Number.isFinite)));
  });
}

test('the seed draws noise and jitter, and only these', async () => {
  const run = async (options: Partial<ClassModelOptions>): Promise<ClassModel> =>
    (await find(smallNet(1), { classes: [2], preset: 'cs231n', spec: LEVELS, iterations: 3, ...options }))[0];
  const first = await run({ seed: 1 });
  assert.not.equal((await run({ seed: 2 })).trace[0].score, first.trace[0].score);
  const still = { noise: 0, jitter: 0 };
  sameImage(await run({ seed: 1, ...still }), await run({ seed: 2, ...still }), 'without noise and jitter');
  const jittered = await run({ seed: 1, noise: 0, jitter: 4 });
  assert.not.equal((await run({ seed: 2, noise: 0, jitter: 4 })).image.data[0], jittered.image.data[0]);
});

test('jitter is undone exactly: the gradient of a shifted image comes back to its place, bit by bit', async () => {
  const shape = [2, 3, 5, 7];
  const t: Tensor = { shape, data: fill(210, normal(5)) };
  const plain = { step: 1, lambda: 0, momentum: 0, normalise: false, decay: 0, sigma: 0, shifts: true };
  for (const offsets of [
    [0, 0],
    [2, 6],
    [16, 3],
    [-4, 9],
  ] as const) {
    const moving = await Ascent.create(gpu, t, plain);
    const resting = await Ascent.create(gpu, { shape, data: new Float32Array(210) }, plain);
    try {
      // Had the network the identity's gradient, it would give back the image that it was shown.
      const shown = await moving.shifted(offsets);
      const [h, w] = [5, 7];
      const moved = (await shown.read()).data;
      assert.is(moved[(((offsets[0] % h) + h) % h) * w + (((offsets[1] % w) + w) % w)], t.data[0]);
      const norms = await resting.step(shown, offsets, false);
      assert.equal((await resting.images.read()).data, t.data);
      assert.ok(Math.abs(norms[1] - Math.hypot(...t.data.subarray(105))) < 1e-5);
    } finally {
      moving.dispose();
      resting.dispose();
    }
  }
});

test('the start is the zero image', async () => {
  const net = smallNet(1);
  const [found] = await find(net, { classes: [4], iterations: 1, step: 1 });
  const network = new Network(gpu, net.graph, net.parameters);
  const zero = { shape: [1, 3, 10, 12], data: new Float32Array(360) };
  const scores = await network.scores(zero);
  const { gradient } = await network.gradient(zero, { target: 4 });
  await network.dispose();
  assert.is(found.trace[0].norm, 0);
  assert.is(found.trace[0].score, scores.data[4]);
  // v = dS/dI, I = step * v: exactly the gradient.
  assert.equal(found.image.data, gradient.data);
});

test('keep: best returns the image of the best objective, last the last one', async () => {
  const net = smallNet(2);
  // Steps too long to improve every time.
  const o: ClassModelOptions = { classes: [1, 2], spec: LEVELS, step: 400, lambda: 1e-3, momentum: 0.9, iterations: 12 };
  const [last, best] = [await find(net, o), await find(net, { ...o, keep: 'best' })];
  const network = new Network(gpu, net.graph, net.parameters);
  const joined = (models: readonly ClassModel[]): Tensor => ({
    shape: [2, 3, 10, 12],
    data: Float32Array.of(...models.flatMap(({ image }) => [...image.data])),
  });
  const scores = [await network.scores(joined(last)), await network.scores(joined(best))];
  await network.dispose();
  for (const n of [0, 1]) {
    assert.equal(last[n].trace, best[n].trace);
    const top = Math.max(...best[n].trace.map(({ objective }) => objective));
    assert.is(best[n].objective, top);
    assert.is(best[n].trace[best[n].iteration].objective, top);
    assert.is(best[n].score, scores[1].data[5 * n + n + 1]);
    assert.is(last[n].iteration, 12);
    assert.is(last[n].score, scores[0].data[5 * n + n + 1]);
  }
  assert.ok(
    best.some(({ iteration }) => iteration < 12),
    'expected a best image that is not the last',
  );
});

test('recipes carry over between units: a network on normalised pixels ascends as the same one on levels does', async () => {
  const normalised = smallNet(1);
  const levels: Net = {
    parameters: new Map([...normalised.parameters, ['1/50', { shape: [], data: Float32Array.of(1 / 50) }]]),
    graph: {
      ...normalised.graph,
      parameters: [...normalised.graph.parameters, { name: '1/50', shape: [] }],
      nodes: [
        { name: 's', op: 'mul', inputs: ['x', '1/50'], outputs: ['s'] },
        ...normalised.graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map((i) => (i === 'x' ? 's' : i)) })),
      ],
    },
  };
  for (const o of [{ step: 500 }, { preset: 'cs231n' }, { preset: 'deepvis' }] as const) {
    const [a] = await find(normalised, { classes: [1], spec: UNITS, iterations: 8, ...o });
    const [b] = await find(levels, { classes: [1], spec: LEVELS, iterations: 8, ...o });
    a.trace.forEach((row, t) => {
      assert.ok(
        Math.abs(row.score - b.trace[t].score) < 1e-4 * (1 + Math.abs(row.score)),
        `${JSON.stringify(o)}, step ${t}: ${row.score} and ${b.trace[t].score}`,
      );
      assert.ok(Math.abs(row.norm - b.trace[t].norm) <= 1e-4 * row.norm);
    });
    assert.equal(toPicture(a.image, UNITS).data.length, toPicture(b.image, LEVELS).data.length);
  }
});

async function rejects(work: Promise<unknown>, message: RegExp, kind: new (...args: never[]) => Error = InputError): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, kind);
  assert.match((error as Error).message, message);
}

test('an ascent that leaves the numbers says so, and what to do', async () => {
  const away = find(smallNet(2), { classes: [1, 2], step: 1e25, lambda: 0, iterations: 10 });
  await rejects(
    away,
    /stay finite, got score .* for class 1 at iteration \d+\. Lower step \(1e\+25\) or momentum \(0\.9\), or raise lambda \(0\)\./,
  );
});

test('questions that cannot be asked', async () => {
  await rejects(find(smallNet(1), { classes: [1, 2] }), /expected 1 classes, one for each image of the network's batch, got 2/);
  await rejects(find(smallNet(1), { classes: [5] }), /classes in \[0, 4\], got 5/);
  await rejects(find(smallNet(1), { classes: [0.5] }), /got 0\.5/);
  await rejects(find(smallNet(1), { classes: [1], preset: 'cs231n' }), /specification of the pixels with clip "step", got none/);
  await rejects(find(smallNet(1), { classes: [1], step: -1 }), /positive/);
  const grey: PixelSpec = { channels: 'grey', scale: 1, mean: [0], std: [1] };
  await rejects(find(smallNet(1), { classes: [1], spec: grey }), /images \[N, 1, H, W\], got 1x3x10x12/);
  const blind = smallNet(1);
  await rejects(find({ ...blind, graph: { ...blind.graph, scores: undefined } }, { classes: [1] }), /classifier with scores/);
});

test('a signal stops the ascent between two iterations, and leaves the network usable', async () => {
  const { graph, parameters } = smallNet(1);
  const network = new Network(gpu, graph, parameters);
  const control = new AbortController();
  const seen: number[] = [];
  const onIteration = (iteration: number): void => {
    seen.push(iteration);
    if (iteration === 2) control.abort(new Error('enough'));
  };
  try {
    await rejects(classModel(network, { classes: [1], step: 1, signal: control.signal, onIteration }), /enough/, Error);
    assert.equal(seen, [0, 1, 2]);
    await classModel(network, { classes: [1], step: 1, iterations: 1 });
  } finally {
    await network.dispose();
  }
});

test('device tensors: shapes are checked, items copied alone', async () => {
  const of = (values: number[], shape: number[]): Promise<DeviceTensor> =>
    DeviceTensor.from(gpu, 'test', { shape, data: Float32Array.from(values) });
  const [a, b, c] = [await of([1, 2, 3, 4, 5, 6], [3, 2]), await of([10, 20, 30, 40, 50, 60], [3, 2]), await of([1, 2], [2])];
  a.copy(b, 1);
  assert.equal([...(await a.read()).data], [1, 2, 30, 40, 5, 6]);
  a.copy(b);
  assert.equal([...(await a.read()).data], [10, 20, 30, 40, 50, 60]);
  assert.throws(() => a.copy(c), /expected shape 3x2, got 2/);
  for (const made of [a, b, c]) made.dispose();
});

test.after(() => gpu.dispose());
test.run();
