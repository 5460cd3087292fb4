// TensorFlow.js's own forward and backward test numbers on the device: at TensorFlow.js's own tolerance, and every value within the
// rounding bound of the f64 reference. Buffers are filled with NaN before every run.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import { sayMissing } from '../data.ts';
import { runByLayers } from '../layers.ts';
import { readTfjsVectors, tfjsVectorsPresent, type Vector } from '../tfjs-vectors.ts';

/** TensorFlow.js compares f32 results to 1e-3 absolute, NaN with NaN only. Source: tfjs-core, src/test_util.ts, TEST_EPSILON. */
const TOLERANCE = 1e-3;

/**
 * Records whose expectation is another convention's, with what they expect and what is right here.
 * TF.js's max-pool passes over NaN; here NaN wins, as in PyTorch, so that it cannot vanish.
 * The second product of unlike types has a second factor of booleans, whose type the record lost: here it is a product of numbers.
 */
const OTHERWISE: readonly { readonly name: string; readonly theirs: readonly number[]; readonly ours: readonly number[] }[] = [
  { name: 'maxPool: [x=[3,3,1] f=[2,2] s=1 ignores NaNs', theirs: [5, 6, 7, 9], ours: [5, 6, NaN, NaN] },
  { name: 'matmul: upcasts when dtypes dont match', theirs: [5, 6, 11, 15], ours: [0, 8, -3, 20] },
];

/** Calls and gradients among the records, by the op that answers; those of conv2dTranspose are conv2d's. */
const COUNTS: { readonly [op: string]: readonly [number, number] } = {
  maxpool2d: [14, 19],
  avgpool2d: [13, 5],
  conv2d: [17, 16],
  lrn: [4, 2],
  softmax: [8, 1],
  logsoftmax: [6, 1],
  linear: [19, 8],
  concat: [29, 10],
  pad: [20, 3],
};

const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((v, i) => Object.is(v, b[i]));

/** What this engine should give; null where only the reference can say. */
function expectation({ name, expected }: Vector): readonly number[] | null {
  return OTHERWISE.find((o) => o.name === name && expected !== null && same(o.theirs, expected))?.ours ?? expected;
}

/** Max-pool windows whose maximum occurs twice: there, and only there, tie rules differ. */
function tiedWindows({ graph, tensors }: Vector): number {
  const node = graph.nodes.find(({ op }) => op === 'maxpool2d');
  if (!node) return 0;
  const { kernel, stride, dilation, pad } = node.attrs as Record<'kernel' | 'stride' | 'dilation' | 'pad', readonly number[]>;
  const { shape, data } = tensors.get('x0')!;
  const [planes, h, w] = [shape[0] * shape[1], shape[2], shape[3]];
  const span = [0, 1].map((k) => dilation[k] * (kernel[k] - 1) + 1);
  let ties = 0;
  for (let p = 0; p < planes; p++) {
    for (let top = -pad[0]; top + span[0] <= h + pad[2]; top += stride[0]) {
      for (let left = -pad[1]; left + span[1] <= w + pad[3]; left += stride[1]) {
        const cells: number[] = [];
        for (let i = top; i < top + span[0]; i += dilation[0]) {
          for (let j = left; j < left + span[1]; j += dilation[1]) {
            if (i >= 0 && i < h && j >= 0 && j < w) cells.push(data[(p * h + i) * w + j]);
          }
        }
        const most = Math.max(...cells);
        if (cells.filter((v) => v === most).length > 1) ties++;
      }
    }
  }
  return ties;
}

if (!tfjsVectorsPresent) {
  sayMissing('test numbers of TensorFlow.js on the device');
  test.skip('test numbers of TensorFlow.js on the device');
} else {
  const gpu = await openDevice();
  const { vectors, left, records } = readTfjsVectors();
  const unrecorded = vectors.filter(({ expected }) => expected === null).length;
  const reasons = [...left].sort(([a], [b]) => (a < b ? -1 : 1)).map(([reason, count]) => `${reason} ${count}`);
  const out = [...left.values()].reduce((a, b) => a + b, 0);
  console.log(`skipped: ${out} of ${records} records of TensorFlow.js ask for what is no op here: ${reasons.join(', ')}`);
  console.log(`measured: ${unrecorded} of the ${vectors.length} others have lost their expectation: the f64 reference alone judges them`);

  test('what the engine answers for is all there: so many calls and gradients of each op', () => {
    const count = (op: string, back: boolean): number =>
      vectors.filter((v) => v.graph.nodes.some((node) => node.op === op) && /, d\(\d\)$/.test(v.name) === back).length;
    const counts = Object.keys(COUNTS).map((op) => [op, [count(op, false), count(op, true)]]);
    assert.equal(Object.fromEntries(counts), COUNTS);
  });

  for (const vector of vectors) {
    test(vector.name, async () => {
      const { graph, tensors, back, answer, inTheirLayout } = vector;
      const pick = (specs: typeof graph.inputs) => new Map(specs.map(({ name }) => [name, tensors.get(name)!]));
      const { values, gradients } = await runByLayers(gpu, graph, pick(graph.parameters), pick(graph.inputs), back);
      const found = 'value' in answer ? values.get(answer.value) : gradients.get(answer.gradient);
      const got = inTheirLayout(found as Exclude<typeof found, undefined> & { data: Float32Array }).data;
      const want = expectation(vector);
      if (want === null) return;
      assert.is(got.length, want.length);
      want.forEach((value, i) => {
        const close = Number.isNaN(value) ? Number.isNaN(got[i]) : Math.abs(got[i] - value) <= TOLERANCE;
        assert.ok(close, `[${i}]: expected ${value}, got ${got[i]}`);
      });
    });
  }

  test('other conventions are met where they were', () => {
    for (const { name, theirs } of OTHERWISE) {
      assert.ok(
        vectors.some((v) => v.name === name && v.expected !== null && same(theirs, v.expected)),
        name,
      );
    }
  });

  // TF.js gives a tie to the first in row-major order on a CPU, to the last on WebGL and WebGPU; its records hold for all of them.
  test('no record has a tie, so none tells tie rules apart; here the first of equals gets the signal', async () => {
    assert.equal(
      vectors.filter((v) => tiedWindows(v) > 0).map(({ name }) => name),
      [],
    );
    const node = { name: 'pool', op: 'maxpool2d', inputs: ['x'], outputs: ['y'], attrs: { kernel: [2, 2] } };
    const graph = { name: 'tie', inputs: [{ name: 'x', shape: [1, 1, 3, 3] }], parameters: [], nodes: [node], outputs: ['y'] };
    const x = { shape: [1, 1, 3, 3], data: new Float32Array(9).fill(5) };
    const seed = { shape: [1, 1, 2, 2], data: Float32Array.of(1, 2, 3, 4) };
    const { gradients } = await runByLayers(gpu, graph, new Map(), new Map([['x', x]]), { target: 'y', seed, wrt: ['x'] });
    assert.equal([...gradients.get('x')!.data], [1, 2, 0, 3, 4, 0, 0, 0, 0]);
  });

  test.after(() => gpu.dispose());
}
test.run();
