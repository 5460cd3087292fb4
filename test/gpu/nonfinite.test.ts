// What is no number stays visible: with one NaN or infinity in any input of any op, the device gives NaN and infinity where f64 does,
// forward and backward. WGSL leaves what exp, log, pow and max make of a NaN to the device.
import { test } from 'uvu';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph, valueInfo, type Graph, type ValueSpec } from '../../src/graph.ts';
import { size, type AnyTensor } from '../../src/tensor.ts';
import { CASES, describeCase, type OpCase } from '../../src/verify/cases.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { runByLayers } from '../layers.ts';

const gpu = await openDevice();

/** Dropout's masks are drawn, momentum is no part of a network, and between ReLUs the op is the same. */
const tried = CASES.filter(({ op, relus }) => op !== 'dropout' && op !== 'momentum' && !relus);

/** How many classes an input of labels has; undefined for floats. */
function classesOf({ fill: fillings }: OpCase, k: number): number | undefined {
  const filling = fillings?.[k];
  if (typeof filling !== 'object') return undefined;
  return 'classes' in filling ? filling.classes : 'labels' in filling ? Math.max(...filling.labels) + 1 : undefined;
}

function make(c: OpCase, k: number): AnyTensor {
  const shape = c.inputs[k];
  const classes = classesOf(c, k);
  if (classes !== undefined) return { shape, data: Int32Array.from({ length: size(shape) }, (_, i) => (3 * i) % classes) };
  const data = fill(size(shape), normal(k + 3));
  return { shape, data: c.fill?.[k] === 'positive' ? data.map((v) => 0.5 + Math.abs(v)) : data };
}

for (const c of tried) {
  test(describeCase(c), async () => {
    const specs = c.inputs.map((shape, k): ValueSpec => ({ name: `x${k}`, shape, dtype: classesOf(c, k) === undefined ? 'f32' : 'i32' }));
    const node = { name: c.op, op: c.op, inputs: specs.map(({ name }) => name), outputs: ['y'], attrs: c.attrs };
    const graph: Graph = { name: c.op, inputs: specs, parameters: [], nodes: [node], outputs: ['y'] };
    const typed = typeGraph(graph);
    const { shape } = valueInfo(typed, 'y');
    const seed = { shape, data: fill(size(shape), normal(99)) };
    const floats = specs.flatMap(({ dtype }, k) => (dtype === 'f32' ? [k] : []));
    const wrt = floats.filter((k) => typed.nodes[0].definition.differentiable(k)).map((k) => `x${k}`);
    for (const k of floats) {
      for (const odd of [NaN, Infinity, -Infinity]) {
        const inputs = new Map(specs.map(({ name }, j) => [name, make(c, j)]));
        const { data } = inputs.get(`x${k}`)!;
        data[data.length >> 1] = odd;
        await runByLayers(gpu, graph, new Map(), inputs, wrt.length > 0 ? { target: 'y', seed, wrt } : undefined);
      }
    }
  });
}

test.after(() => gpu.dispose());
test.run();
