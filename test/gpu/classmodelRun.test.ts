// A class model step by step: halted, gone on with, bent on its way and lengthened; the bits are those of a run in one go.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import type { PixelSpec } from '../../src/image/preprocess.ts';
import { Network } from '../../src/network.ts';
import { classModel, type ClassModel } from '../../src/visualise/classmodel.ts';
import { ClassModelRun } from '../../src/visualise/classmodelRun.ts';
import { smallNet } from './classmodelNet.ts';

const gpu = await openDevice();
const LEVELS: PixelSpec = { channels: 'rgb', scale: 1, mean: [100, 120, 140], std: [1, 1, 1] };
const { graph, parameters } = smallNet(2);
const network = new Network(gpu, graph, parameters);

const same = (a: readonly ClassModel[], b: readonly ClassModel[]): void =>
  a.forEach((model, n) => {
    assert.equal(model.image.data, b[n].image.data);
    assert.equal(model.trace, b[n].trace);
    assert.equal({ ...model, recipe: null }, { ...b[n], recipe: null });
  });

async function toTheEnd(run: ClassModelRun): Promise<ClassModel[]> {
  while (!run.done) await run.step();
  return run.models();
}

for (const preset of ['paper', 'cs231n', 'deepvis'] as const) {
  // Steps so long that the best image is not the last.
  const question = {
    preset,
    spec: LEVELS,
    classes: [1, 3],
    iterations: 12,
    seed: 5,
    ...(preset === 'deepvis' ? { step: 400 } : { step: 30 }),
  };

  test(`${preset}: halted between steps, with other questions meanwhile, and lengthened at its end`, async () => {
    const whole = await classModel(network, question);
    const run = await ClassModelRun.create(network, { ...question, iterations: 7 });
    try {
      for (let i = 0; i < 4; i++) {
        await run.step();
        await run.images();
        await network.gradient({ shape: [2, 3, 10, 12], data: new Float32Array(720).fill(i) }, { target: 2 });
      }
      const short = await toTheEnd(run);
      same(short, await classModel(network, { ...question, iterations: 7 }));
      assert.is(run.traces[0].length, 8);
      await assertRejects(run.step(), /iterations to be left/);
      await run.change({ iterations: 12 });
      assert.is(run.done, false);
      same(await toTheEnd(run), whole);
    } finally {
      run.dispose();
    }
  });
}

test('lambda and step change on the way: the image goes on from where it is, and every row has its own objective', async () => {
  const question = { spec: LEVELS, classes: [1, 3], iterations: 10, step: 20, lambda: 1e-4, momentum: 0.5 };
  const run = await ClassModelRun.create(network, question);
  try {
    const lambdas: number[] = [];
    for (let i = 0; i < 10; i++) {
      if (i === 4) {
        const before = await run.images();
        await run.change({ lambda: 5e-3, step: 7 });
        assert.equal((await run.images()).data, before.data);
      }
      lambdas.push(run.recipe.lambda);
      await run.step();
    }
    assert.equal(lambdas, [...Array(4).fill(1e-4), ...Array(6).fill(5e-3)]);
    for (const trace of run.traces) trace.forEach(({ score, norm, objective }, t) => assert.is(objective, score - lambdas[t] * norm ** 2));
    // The first four steps are those of the first recipe, and the fifth row sees the image that they led to.
    const first = await classModel(network, { ...question, iterations: 4 });
    first.forEach(({ trace }, n) => {
      assert.equal(run.traces[n].slice(0, 4), trace.slice(0, 4));
      assert.is(run.traces[n][4].score, trace[4].score);
      assert.not.equal(run.traces[n][4].objective, trace[4].objective);
    });
    // Nothing else of the recipe was touched.
    assert.equal(run.recipe, { ...(await classModel(network, question))[0].recipe, lambda: 5e-3, step: 7 });
    await assertRejects(run.change({ step: 1e6, lambda: 1 }), /overshoot/);
    assert.is(run.recipe.step, 7);
    // Blur and jitter come in, and go again.
    await run.change({ blur: { sigma: 1, every: 1 }, jitter: 2, iterations: 14 });
    for (let i = 0; i < 2; i++) await run.step();
    await run.change({ blur: { sigma: 0, every: 1 }, jitter: 0 });
    const end = await toTheEnd(run);
    assert.is(end[0].iteration, 14);
    assert.ok(end.every(({ image }) => image.data.every(Number.isFinite)));
  } finally {
    run.dispose();
  }
});

test('the best image is held against the objective as it now is', async () => {
  const question = { spec: LEVELS, classes: [1, 3], iterations: 8, step: 60, lambda: 0, momentum: 0.9, keep: 'best' as const };
  const run = await ClassModelRun.create(network, question);
  try {
    for (let i = 0; i < 5; i++) await run.step();
    // So strong a pull that every image so far is worse than the zero image that comes of it.
    await run.change({ lambda: 10, step: 0.05 });
    const models = await toTheEnd(run);
    models.forEach((model, n) => {
      const scored = run.traces[n].map((row, t) => ({ t, value: row.score - 10 * row.norm ** 2 }));
      const kept = scored.slice(4).reduce((a, b) => (b.value > a.value ? b : a));
      assert.is(model.iteration, kept.t);
      assert.ok(Math.abs(model.objective - kept.value) <= 1e-6 * Math.abs(kept.value), `${model.objective}, expected ${kept.value}`);
    });
  } finally {
    run.dispose();
  }
});

async function assertRejects(work: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  assert.match(error?.message ?? 'nothing was thrown', message);
}

test.after(async () => {
  await network.dispose();
  gpu.dispose();
});
test.run();
