// Streams of batches: the numbers of one call at a time, runs queued behind each other, memory that does not grow, and ends that leave nothing behind.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceLostError, InputError } from '../../src/errors.ts';
import { adoptDevice, openDevice, type Gpu } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { Profiler } from '../../src/gpu/profiler.ts';
import { withInputShapes } from '../../src/graph.ts';
import { argmax, logOdds, Network, seedAt, type GradientOptions, type InputGradient, type StreamAnswer } from '../../src/network.ts';
import { compile } from '../../src/plan.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { smallNet } from '../smallnet.ts';

const owner = await openDevice();

/** What happens on the device's queue and to its memory. */
const seen = { submissions: 0, mapped: 0, most: 0, made: 0, buffers: 0, bytes: 0 };

/** Runs that were submitted and whose results are not there yet. */
const underWay = (): number => seen.submissions - seen.mapped;

function watched({ device }: Gpu): Gpu {
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    seen.made++;
    seen.buffers++;
    seen.bytes += descriptor.size;
    const [destroy, map] = [buffer.destroy.bind(buffer), buffer.mapAsync.bind(buffer)];
    let alive = true;
    buffer.destroy = () => {
      if (alive) [seen.buffers, seen.bytes] = [seen.buffers - 1, seen.bytes - descriptor.size];
      alive = false;
      return destroy();
    };
    // Every queued run maps one buffer, right behind its submission.
    buffer.mapAsync = (...args) => {
      seen.submissions++;
      seen.most = Math.max(seen.most, underWay());
      return map(...args).finally(() => seen.mapped++);
    };
    return buffer;
  };
  return adoptDevice(device);
}

const gpu = watched(owner);
const BATCH = 3;
const { graph: single, parameters } = smallNet(4);
const graph = withInputShapes(single, { x: [BATCH, 3, 16, 12] });
const SHAPE = [BATCH, 3, 16, 12] as const;
const CLASSES = 6;

const inputs = (count: number, seed = 1): Tensor[] => {
  const gauss = normal(seed);
  return Array.from({ length: count }, () => ({ shape: SHAPE, data: fill(size(SHAPE), gauss) }));
};

async function withNetwork<T>(work: (network: Network) => Promise<T>, plans?: number): Promise<T> {
  const network = new Network(gpu, graph, parameters, plans);
  try {
    return await work(network);
  } finally {
    await network.dispose();
    assert.equal([seen.buffers, seen.bytes, underWay()], [0, 0, 0], 'nothing is left on the device');
  }
}

const collect = async <T>(all: AsyncIterable<T>, into: T[] = []): Promise<T[]> => {
  for await (const one of all) into.push(one);
  return into;
};

const thrown = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Scores and the gradient of one unit of each item (by the scores), from an executor that does one thing at a time. */
async function alone(
  xs: readonly Tensor[],
  rule: 'gradient' | 'guided',
  seedOf: (scores: Tensor) => Tensor,
): Promise<{ scores: Float32Array; gradient: Float32Array }[]> {
  const executor = await Executor.create(gpu, compile(graph, { keep: ['s'], target: 's', wrt: ['x'], rule: { relu: rule } }), parameters);
  const all = [];
  for (const x of xs) {
    await executor.forward({ x });
    const scores = await executor.readTensor('s');
    await executor.backward(seedOf(scores));
    all.push({ scores: scores.data, gradient: (await executor.readGradient('x')).data });
  }
  executor.dispose();
  return all;
}

const rows = ({ data }: Tensor): Float32Array[] => Array.from({ length: BATCH }, (_, n) => data.subarray(n * CLASSES, (n + 1) * CLASSES));
const best = (scores: Tensor): number[] => rows(scores).map(argmax);
const oddsSeed = (scores: Tensor): Tensor => ({
  shape: [BATCH, CLASSES],
  data: Float32Array.from(best(scores).flatMap((c, n) => [...logOdds(scores.data, n * CLASSES, CLASSES, c).seed])),
});

for (const inFlight of [1, 2, 3]) {
  test(`${inFlight} in flight: scores and gradients have the bits of one call at a time, in order`, async () => {
    const xs = inputs(7);
    const asked: readonly [GradientOptions, 'gradient' | 'guided', (scores: Tensor) => Tensor][] = [
      [{ target: [4, 0, 5] }, 'gradient', () => seedAt([BATCH, CLASSES], [4, 0, 5])],
      [{ target: 'top1' }, 'gradient', (scores) => seedAt([BATCH, CLASSES], best(scores))],
      [{ target: 2, rule: 'guided' }, 'guided', () => seedAt([BATCH, CLASSES], [2, 2, 2])],
      [{ target: 'top1', score: 'logodds' }, 'gradient', oddsSeed],
    ];
    const want: Awaited<ReturnType<typeof alone>>[] = [];
    for (const [, rule, seedOf] of asked) want.push(await alone(xs, rule, seedOf));
    await withNetwork(async (network) => {
      const check = (answers: readonly StreamAnswer<Tensor>[], which: readonly number[]): void => {
        assert.is(answers.length, xs.length);
        for (const [k, { batch, scores, gradients }] of answers.entries()) {
          assert.is(batch, xs[k]);
          assert.equal(scores!.data, want[0][k].scores);
          assert.is(gradients.length, which.length);
          for (const [i, q] of which.entries()) assert.equal(gradients[i].gradient.data, want[q][k].gradient, `batch ${k}, question ${q}`);
        }
      };
      check(await collect(network.stream(xs, { inFlight })), []);
      for (const which of [[0], [1], [3, 0, 1], [0, 2, 1]])
        check(await collect(network.stream(xs, { inFlight, questions: which.map((q) => asked[q][0]) })), which);
    });
  });
}

test('what an answer says besides is what gradient() says, for neurons and tensors on the way too', async () => {
  const xs = inputs(3);
  const question: GradientOptions = { neuron: { tensor: 'c2', at: [3, 2, 1] }, through: ['p1'] };
  await withNetwork(async (network) => {
    const answers = await collect(network.stream(xs, { questions: [question] }));
    for (const [k, { scores, gradients }] of answers.entries()) {
      const want: InputGradient = await network.gradient(xs[k], question);
      assert.is(scores, null);
      assert.equal(gradients, [want]);
      const { data } = (await network.forward(xs[k], ['c2'])).get('c2')!;
      assert.equal(
        want.values,
        [0, 1, 2].map((n) => data[((n * 8 + 3) * 8 + 2) * 6 + 1]),
      );
      assert.equal(want.layers.get('p1')!.signal.shape, [BATCH, 8, 8, 6]);
    }
  });
});

test('each batch may have questions of its own, and comes back with its answer', async () => {
  const batches = inputs(4).map((x, k) => ({ x, labels: Array.from({ length: BATCH }, (_, n) => (n + k) % CLASSES) }));
  await withNetwork(async (network) => {
    for await (const { batch, gradients } of network.stream(batches, { questions: ({ labels }) => [{ target: labels }] })) {
      assert.equal(gradients[0].targets, batch.labels);
      assert.equal(gradients[0].gradient.data, (await network.gradient(batch.x, { target: batch.labels })).gradient.data);
    }
  });
});

test('the next run is queued before the last answer is there, and never more than two', async () => {
  for (const questions of [[], [{ target: 1 }]]) {
    await withNetwork(async (network) => {
      // The plan is made before, so that all that is counted are runs.
      await collect(network.stream(inputs(1), { questions }));
      const before = { ...seen };
      seen.most = 0;
      let got = 0;
      for await (const _ of network.stream(inputs(8), { questions })) {
        got++;
        assert.ok(seen.submissions - before.submissions >= Math.min(8, got + 1), `answer ${got} came when only ${got} runs were queued`);
      }
      assert.equal([seen.submissions - before.submissions, seen.most], [8, 2], 'one submission a batch');
    });
  }
});

test('calls that overlap share the queue, two at a time, and answer as they were called', async () => {
  const xs = inputs(9);
  await withNetwork(async (network) => {
    const want: Float32Array[] = [];
    for (const x of xs) want.push((await network.scores(x)).data);
    const { made } = seen;
    seen.most = 0;
    const order: number[] = [];
    const all = await Promise.all(xs.map((x, k) => network.scores(x).finally(() => order.push(k))));
    assert.equal(
      all.map(({ data }) => data),
      want,
    );
    assert.equal(order, [...xs.keys()]);
    assert.is(seen.most, 2);
    assert.is(seen.made - made, 1, 'a second buffer to read through');
  });
});

test('memory does not grow over 200 batches', async () => {
  await withNetwork(async (network) => {
    const questions: GradientOptions[] = [{ target: 3 }];
    const few = inputs(3);
    await collect(network.stream(few, { questions }));
    const before = { made: seen.made, bytes: seen.bytes };
    const many = function* (): Generator<Tensor> {
      for (let k = 0; k < 200; k++) yield few[k % 3];
    };
    let count = 0;
    for await (const { gradients } of network.stream(many(), { questions })) count += gradients.length;
    assert.is(count, 200);
    assert.equal({ made: seen.made, bytes: seen.bytes }, before);
  });
});

test('more kinds of question than plans are kept: those that make way are done first', async () => {
  const xs = inputs(4);
  const questions: GradientOptions[] = [{ target: 1 }, { target: 1, rule: 'guided' }];
  const want = [
    await alone(xs, 'gradient', () => seedAt([BATCH, CLASSES], [1, 1, 1])),
    await alone(xs, 'guided', () => seedAt([BATCH, CLASSES], [1, 1, 1])),
  ];
  await withNetwork(async (network) => {
    const answers = await collect(network.stream(xs, { questions }));
    for (const [k, { gradients }] of answers.entries())
      for (const q of [0, 1]) assert.equal(gradients[q].gradient.data, want[q][k].gradient);
  }, 1);
});

test('parameters replaced on the way hold for what is asked later', async () => {
  const [x] = inputs(1);
  const changed = new Map([['b3', { shape: [6], data: Float32Array.of(1, 2, 3, 4, 5, 6) }]]);
  await withNetwork(async (network) => {
    const [before, , after] = await Promise.all([network.scores(x), network.setParameters(changed), network.scores(x)]);
    const old = parameters.get('b3')!.data;
    assert.ok(after.data.some((v, i) => v !== before.data[i]));
    for (let i = 0; i < CLASSES; i++) assert.ok(Math.abs(after.data[i] - before.data[i] - (i + 1 - old[i])) < 1e-4);
  });
});

test('break leaves no run under way, closes the source, and the network goes on', async () => {
  const xs = inputs(6);
  await withNetwork(async (network) => {
    let closed = false;
    const source = async function* (): AsyncGenerator<Tensor> {
      try {
        yield* xs;
      } finally {
        closed = true;
      }
    };
    for await (const { scores } of network.stream(source(), { inFlight: 3 })) {
      assert.ok(scores);
      break;
    }
    assert.equal([closed, underWay()], [true, 0]);
    const [first] = await collect(network.stream(xs.slice(0, 1)));
    assert.equal(first.scores!.data, (await network.scores(xs[0])).data);
  });
});

test('a failing source, and a batch of another shape, are told behind the answers before them', async () => {
  const xs = inputs(2);
  await withNetwork(async (network) => {
    const failing = async function* (): AsyncGenerator<Tensor> {
      yield* xs;
      throw new Error('no such photo');
    };
    let got: unknown[] = [];
    assert.is(((await thrown(collect(network.stream(failing()), got))) as Error).message, 'no such photo');
    assert.is(got.length, 2);
    got = [];
    const wrong: Tensor = { shape: [1, 3, 16, 12], data: new Float32Array(576) };
    const error = await thrown(collect(network.stream([...xs, wrong, ...xs]), got));
    assert.instance(error, InputError);
    assert.match((error as Error).message, /input "x": expected shape 3x3x16x12, got 1x3x16x12/);
    assert.is(got.length, 2);
    assert.is(underWay(), 0);
    const none = await thrown(collect(network.stream(xs, { questions: [{ target: 9 }] })));
    assert.match((none as Error).message, /target: expected classes in \[0, 5\], got 9/);
    assert.throws(() => network.stream(xs, { inFlight: 0 }), /expected inFlight to be at least 1, got 0/);
    assert.is((await collect(network.stream(xs))).length, 2);
  });
});

test('a device that is lost on the way ends the stream, and nothing waits for it', async () => {
  for (const questions of [[], [{ target: 1 }], [{ target: 'top1' as const }]]) {
    const lost = await openDevice();
    const network = new Network(lost, graph, parameters);
    let closed = false;
    const source = async function* (): AsyncGenerator<Tensor> {
      try {
        for (let k = 0; ; k++) {
          if (k === 4) lost.device.destroy();
          yield* inputs(1, k);
        }
      } finally {
        closed = true;
      }
    };
    const got: unknown[] = [];
    assert.instance(await thrown(collect(network.stream(source(), { questions }), got)), DeviceLostError);
    assert.ok(got.length <= 4);
    assert.is(closed, true);
    await network.dispose();
    lost.dispose();
  }
});

test('under a profiler every run is timed, and the bits are the same', async () => {
  const xs = inputs(3);
  const questions: GradientOptions[] = [{ target: 'top1' }, { target: 0 }];
  await withNetwork(async (network) => {
    const want = await collect(network.stream(xs, { questions }));
    const before = seen.buffers;
    const profiler = await Profiler.attach(gpu);
    try {
      assert.equal(await collect(network.stream(xs, { questions })), want);
      assert.equal(
        profiler.runs.map(({ run }) => run),
        xs.flatMap(() => ['forward', 'backward', 'backward']),
      );
    } finally {
      profiler.detach();
    }
    assert.is(seen.buffers, before);
  });
});

test.after(() => owner.dispose());
test.run();
