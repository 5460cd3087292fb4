// The operator tests of the ONNX standard on the device. Each is held to the rounding bound of the f64 reference, node by node, and to the
// stored outputs at ONNX's own tolerance. Buffers are filled with NaN before every run.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';
import { compile } from '../../src/plan.ts';
import { sayMissing } from '../data.ts';
import { runByLayers } from '../layers.ts';
import { ATOL, loadOnnxNodeTest, ONNX_NODE_TESTS, onnxNodePresent, onnxNodeTests, RTOL } from '../onnx-node.ts';

if (!onnxNodePresent) {
  sayMissing('operator tests of the ONNX standard on the device');
  test.skip('operator tests of the ONNX standard on the device');
} else {
  const gpu = await openDevice();
  const names = onnxNodeTests();

  test('all operator tests are there', () => assert.is(names.length, ONNX_NODE_TESTS));

  for (const name of names) {
    test(name, async () => {
      const { imported, inputs, outputs } = loadOnnxNodeTest(name);
      const { graph, parameters, info } = imported;
      assert.equal(info.warnings, []);
      assert.equal(
        graph.inputs.map((input) => input.name),
        [...inputs.keys()],
      );
      const { values } = await runByLayers(gpu, graph, parameters, inputs);
      outputs.forEach((want, i) => {
        const got = values.get(graph.outputs[i])!;
        assert.equal([...got.shape], [...want.shape]);
        assert.is(got.data.constructor, want.data.constructor, 'element type');
        const exact = want.data instanceof Int32Array;
        want.data.forEach((value, k) => {
          const close = exact ? got.data[k] === value : Math.abs(got.data[k] - value) <= ATOL + RTOL * Math.abs(value);
          assert.ok(close, `${graph.outputs[i]}[${k}]: expected ${value}, got ${got.data[k]}`);
        });
      });

      // The plan as it is used, where only outputs are kept and slots are shared, gives the same bits.
      const executor = await Executor.create(gpu, compile(graph), parameters);
      try {
        executor.poison();
        // A graph may declare inputs that it does not use, as Dropout's ratio at inference; a plan takes only what it uses.
        await executor.forward(Object.fromEntries(executor.plan.inputs.map((input) => [input, inputs.get(input)!])));
        for (const output of graph.outputs) {
          const { data } = await executor.read(output);
          assert.equal(new Uint32Array(data.buffer), new Uint32Array(values.get(output)!.data.slice().buffer), `${output}, slots shared`);
        }
      } finally {
        executor.dispose();
      }
    });
  }

  test.after(() => gpu.dispose());
}
test.run();
