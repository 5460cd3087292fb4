// Tensors on the way: their values and the signals that reach them, beside the gradient at the input.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph } from '../../src/graph.ts';
import { Network } from '../../src/network.ts';
import { backReference, runReference, widen } from '../../src/reference/graph.ts';
import { norm, size, type Tensor } from '../../src/tensor.ts';
import { randomNet } from '../nets.ts';

const gpu = await openDevice();

test('values and signals of layers are those of the f64 reference, and the gradient is the same to the bit', async () => {
  const net = randomNet(4);
  const network = new Network(gpu, net.graph, net.parameters);
  const typed = typeGraph(net.graph);
  const through = net.graph.nodes.filter(({ op }) => op === 'relu').slice(0, 3).map(({ outputs }) => outputs[0]);
  assert.ok(through.length >= 2);
  const plain = await network.gradient(net.input, { target: 1 });
  const answers = await network.gradients(net.input, [
    { target: 1, through },
    { target: 0, through },
  ]);
  assert.equal([...answers[0].gradient.data], [...plain.gradient.data]);
  assert.is(plain.layers.size, 0);

  const given = new Map([['x', net.input], ...net.parameters].map(([name, value]) => [name as string, widen(value as Tensor)]));
  const values = runReference(typed, given);
  for (const [q, target] of [1, 0].entries()) {
    const { shape } = typed.values.get(net.graph.scores!)!;
    const seed = { shape, data: new Float64Array(size(shape)) };
    for (let n = 0; n < shape[0]; n++) seed.data[(n * size(shape)) / shape[0] + target] = 1;
    const signals = backReference(typed, values, { target: net.graph.scores!, seed, wrt: through, rule: { relu: 'gradient' } });
    for (const name of through) {
      const { value, signal } = answers[q].layers.get(name)!;
      const far = (got: Tensor, want: { readonly data: Float64Array }): number =>
        Math.hypot(...got.data.map((v, i) => v - want.data[i])) / (norm(got) || 1);
      assert.ok(far(value, values.get(name)!) < 1e-6, name);
      assert.ok(far(signal, signals.get(name)!) < 1e-5, `${name}: ${far(signal, signals.get(name)!)}`);
    }
  }
  let told: unknown;
  await network.gradients(net.input, [{ target: 1, through }, { target: 0 }]).catch((error) => (told = error));
  assert.instance(told, InputError);
  await network.dispose();
});

test('the gradient of the log odds is that of the posterior over P (1 - P), and may be asked for beside that of the score', async () => {
  const net = randomNet(2);
  const network = new Network(gpu, net.graph, net.parameters);
  const classes = (await network.scores(net.input)).shape[1];
  assert.ok(classes > 1);
  const target = classes - 1;
  const [score, odds] = await network.gradients(net.input, [{ target }, { target, score: 'logodds' }]);
  const alone = await network.gradient(net.input, { target, score: 'logodds' });
  assert.equal([...alone.gradient.data], [...odds.gradient.data]);
  assert.equal([...(await network.gradient(net.input, { target })).gradient.data], [...score.gradient.data]);
  const { gradient } = await network.gradient(net.input, { target, score: 'posterior' });
  const perItem = gradient.data.length / odds.values.length;
  for (const [n, value] of odds.values.entries()) {
    const p = 1 / (1 + Math.exp(-value));
    const item = (t: Tensor): Tensor => ({ shape: [perItem], data: t.data.subarray(n * perItem, (n + 1) * perItem) });
    const difference = item(gradient).data.map((v, i) => v - p * (1 - p) * item(odds.gradient).data[i]);
    assert.ok(norm({ shape: [perItem], data: difference }) <= 2e-5 * norm(item(gradient)), `item ${n}`);
  }
  await network.dispose();
});

test.after(() => gpu.dispose());
test.run();
