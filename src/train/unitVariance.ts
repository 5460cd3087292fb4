/** Layer-sequential unit variance: what makes one learning rate serve every width. */
import { traitsOf, type Gpu } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import type { ParameterStore } from '../gpu/store.ts';
import type { Graph } from '../graph.ts';
import { compile } from '../plan.ts';
import type { Tensor } from '../tensor.ts';
import type { weightedLayers } from './initial.ts';

/**
 * Divides each of these layers' weights by the standard deviation that the layer's output has on a batch, from the first layer to the last, so
 * that signals neither grow nor fade whatever stands between the layers. What other executors on the store have packed needs `refreshPrepared`.
 * @param graph at the batch's size
 * @param store where the weights are, and stay
 * @param seed of dropout's masks
 * @see Mishkin & Matas 2015, "All you need is a good init"
 */
export async function scaleToUnitVariance(
  gpu: Gpu,
  graph: Graph,
  layers: ReturnType<typeof weightedLayers>,
  store: ParameterStore,
  batch: Readonly<Record<string, Tensor>>,
  seed: number,
): Promise<void> {
  if (layers.length === 0) return;
  const plan = compile(graph, { keep: layers.map(({ value }) => value), training: true, traits: traitsOf(gpu) });
  const executor = await Executor.create(gpu, plan, store);
  try {
    for (const { value, weight } of layers) {
      executor.setRandom(seed, 0);
      await executor.forward(batch);
      const deviation = standardDeviation((await executor.readTensor(value)).data);
      const tensor = await executor.parameter(weight).read();
      // A layer that nothing reaches stays as it is.
      if (deviation > 0) executor.parameter(weight).write({ shape: tensor.shape, data: tensor.data.map((w) => w / deviation) });
      await executor.refreshPrepared();
    }
  } finally {
    executor.dispose();
  }
}

function standardDeviation(data: Float32Array): number {
  let sum = 0;
  let squares = 0;
  for (const v of data) {
    sum += v;
    squares += v * v;
  }
  return Math.sqrt(Math.max(0, squares / data.length - (sum / data.length) ** 2));
}
