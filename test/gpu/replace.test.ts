// Parameters replaced under plans that are ready: the bits of a network built with them, no memory, and nothing changed by what is refused.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { Network, seedAt } from '../../src/network.ts';
import { RULES } from '../../src/rule.ts';
import type { AnyTensor, Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { randomNet, type RandomNet } from '../nets.ts';

const gpu = await openDevice();
test.after(() => gpu.dispose());

/** Others in place of the f32 parameters whose position `which` chooses; positive ones stay so, since variances must. */
function others({ graph, parameters }: RandomNet, seed: number, which = (_: number): boolean => true): Map<string, Tensor> {
  const gauss = normal(seed);
  return new Map(
    graph.parameters.flatMap(({ name, shape }, k): [string, Tensor][] => {
      const old = parameters.get(name)!.data;
      if (!which(k) || !(old instanceof Float32Array)) return [];
      const factor = fill(old.length, () => 0.5 + Math.abs(gauss()));
      return [[name, { shape, data: old.map((v, i) => v * factor[i]) }]];
    }),
  );
}

/** Everything that a network says of an input: scores, gradients under each rule, of the posterior, and of the parameters. */
async function answers(network: Network, { input }: RandomNet): Promise<Float32Array[]> {
  const out = [(await network.scores(input)).data];
  for (const rule of RULES) out.push((await network.gradient(input, { target: 1, rule })).gradient.data);
  out.push((await network.gradient(input, { target: 1, score: 'posterior' })).gradient.data);
  const { loss, gradients } = await network.parameterGradients(input, new Array<number>(input.shape[0]).fill(0));
  out.push(Float32Array.of(loss), ...[...gradients.values()].map(({ data }) => data));
  return out;
}

async function fresh(net: RandomNet, parameters: ReadonlyMap<string, AnyTensor>): Promise<Float32Array[]> {
  const network = new Network(gpu, net.graph, parameters);
  try {
    return await answers(network, net);
  } finally {
    await network.dispose();
  }
}

for (const seed of [2, 5, 8, 11]) {
  test(`network ${seed}: all parameters, some, and the first ones again are a network built with them, bit for bit`, async () => {
    const net = randomNet(seed);
    // With all plans kept they are renewed; with two kept some have been dropped and are made again.
    for (const plans of [9, 2]) {
      const network = new Network(gpu, net.graph, net.parameters, plans);
      try {
        const first = await answers(network, net);
        const all = others(net, 100);
        await network.setParameters(all);
        const second = await answers(network, net);
        assert.equal(second, await fresh(net, new Map([...net.parameters, ...all])));
        assert.not.equal(second[0], first[0]);
        const some = others(net, 200, (k) => k % 3 === 1);
        await network.setParameters(some);
        assert.equal(await answers(network, net), await fresh(net, new Map([...net.parameters, ...all, ...some])));
        await network.setParameters(net.parameters);
        assert.equal(await answers(network, net), first);
      } finally {
        await network.dispose();
      }
    }
  });
}

test('parameters replaced before the first question, and under an executor of the caller’s own', async () => {
  const net = randomNet(5);
  const all = others(net, 300);
  const network = new Network(gpu, net.graph, net.parameters);
  const { executor, input, scores } = await network.open();
  try {
    await network.setParameters(all);
    const want = await fresh(net, new Map([...net.parameters, ...all]));
    assert.equal(await answers(network, net), want);
    const { shape } = executor.plan.values[executor.plan.target!];
    await executor.run({ [input]: net.input }, seedAt(shape, new Array<number>(shape[0]).fill(1)));
    assert.equal((await executor.readTensor(scores)).data, want[0]);
    assert.equal((await executor.readGradient(input)).data, want[1]);
  } finally {
    executor.dispose();
    await network.dispose();
  }
});

test('the memory in use stays what it is', async () => {
  const net = randomNet(8);
  const { device } = gpu;
  const create = device.createBuffer.bind(device);
  let live = 0;
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    live += descriptor.size;
    buffer.destroy = () => {
      live -= descriptor.size;
      return destroy();
    };
    return buffer;
  };
  try {
    const network = new Network(gpu, net.graph, net.parameters);
    for (const rule of RULES) await network.gradient(net.input, { target: 1, rule });
    const before = live;
    assert.ok(before > 0);
    for (let k = 0; k < 20; k++) {
      await network.setParameters(others(net, k));
      await network.gradient(net.input, { target: 1, rule: RULES[k % 4] });
      assert.is(live, before);
    }
    await network.dispose();
    assert.is(live, 0);
  } finally {
    device.createBuffer = create;
  }
});

test('a name, shape or type that is not a parameter’s is refused, and nothing has changed', async () => {
  const net = randomNet(2);
  const network = new Network(gpu, net.graph, net.parameters);
  try {
    const before = await answers(network, net);
    const good = others(net, 400);
    const [name, { shape, data }] = [...good][0];
    for (const [bad, words] of [
      [['nothing', { shape: [1], data: Float32Array.of(1) }], /expected names of parameters, got "nothing"/],
      [[name, { shape: [...shape, 1], data }], /expected ".*" as Float32Array .*, got Float32Array .*x1 with/],
      [[name, { shape, data: data.slice(1) }], /with \d+ values/],
      [[name, { shape, data: Int32Array.from(data) }], /got Int32Array/],
    ] as [[string, AnyTensor], RegExp][]) {
      // The bad one comes last: those before it must not have been taken either.
      const given = new Map<string, AnyTensor>([...good].filter(([n]) => n !== bad[0]));
      try {
        await network.setParameters(given.set(...bad));
        assert.unreachable(`expected ${words}`);
      } catch (error) {
        assert.instance(error, InputError);
        assert.match((error as Error).message, words);
      }
    }
    assert.equal(await answers(network, net), before);
  } finally {
    await network.dispose();
  }
});

test.run();
