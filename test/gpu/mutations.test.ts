// Damaged models that still import: what the device makes of them is what the reference makes of them, or one clean error.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EngineError, InputError } from '../../src/errors.ts';
import { importOnnx } from '../../src/formats/index.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph, valueInfo } from '../../src/graph.ts';
import { size } from '../../src/tensor.ts';
import { gradcheck } from '../../src/verify/gradcheck.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { MUTATIONS, Random } from '../mutate.ts';
import { floats, int64s, model, node, valueInfo as inputInfo } from '../onnx-writer.ts';

const gpu = await openDevice();
const ROUNDS = 400;
/** A damaged extent may ask for a much larger network; what that takes is not the question here. */
const MOST_ELEMENTS = 2 ** 18;

const values = (count: number, seed: number): number[] => [...fill(count, normal(seed))];
const file = model({
  inputs: [inputInfo('x', [2, 3, 8, 8])],
  outputs: [inputInfo('p', [2, 5])],
  initializers: [
    floats('w', [4, 3, 3, 3], values(108, 1)),
    floats('b', [4], values(4, 2)),
    floats('fc', [5, 16], values(80, 3)),
    int64s('shape', [0, -1]),
  ],
  nodes: [
    node('Conv', ['x', 'w', 'b'], ['c'], { pads: [1, 1, 1, 1], strides: [2, 2] }),
    node('Relu', ['c'], ['r']),
    node('MaxPool', ['r'], ['m'], { kernel_shape: [2, 2], strides: [2, 2] }),
    node('Reshape', ['m', 'shape'], ['f']),
    node('Gemm', ['f', 'fc'], ['s'], { transB: 1 }),
    node('Softmax', ['s'], ['p']),
  ],
});

test(`${ROUNDS} damaged models end in a clean error or in the right numbers`, async () => {
  const r = new Random(11);
  const tally = { errors: 0, results: 0, skipped: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const kind = r.pick(['flip bits', 'flip bits', 'flip one early bit', 'overwrite', 'truncate']);
    const bytes = round === 0 ? file : MUTATIONS[kind](file, r);
    try {
      const { graph, parameters } = importOnnx(bytes);
      const typed = typeGraph(graph);
      const target = graph.scores ?? graph.outputs[0];
      if ([...typed.values.values()].some(({ shape }) => size(shape) > MOST_ELEMENTS)) {
        tally.skipped++;
        continue;
      }
      const inputShape = typed.graph.inputs[0].shape;
      const { shape } = valueInfo(typed, target);
      const seed = { shape, data: fill(size(shape), normal(5)) };
      const report = await gradcheck(
        gpu,
        graph,
        parameters,
        { shape: inputShape, data: fill(size(inputShape), normal(6)) },
        { target, seed, rule: { relu: 'gradient' } },
      );
      const failed = report.layers.filter((layer) => !layer.passed);
      assert.equal(failed, [], `round ${round}, ${kind}: ${JSON.stringify(failed)}`);
      tally.results++;
    } catch (error) {
      assert.ok(error instanceof InputError || error instanceof EngineError, `round ${round}, ${kind}: ${(error as Error).stack}`);
      tally.errors++;
    }
  }
  console.log(`measured: ${tally.errors} clean errors, ${tally.results} right results, ${tally.skipped} too large to run`);
  assert.ok(tally.results > ROUNDS / 10 && tally.errors > ROUNDS / 10);
});

test.after(() => gpu.dispose());
test.run();
