/** ONNX files as wholes: the standard's own operator tests, real models, names, batches, scores, damaged structure. */
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GraphError } from '../../src/errors.ts';
import { importOnnx, type ImportedOnnx, type OnnxOptions } from '../../src/formats/onnx/index.ts';
import { typeGraph } from '../../src/graph.ts';
import { runReference } from '../../src/reference/graph.ts';
import { size, type AnyTensor } from '../../src/tensor.ts';
import { rejects } from '../onnx-cases.ts';
import { ATOL, loadOnnxNodeTest, ONNX_NODE_TESTS, onnxNodeTests, RTOL } from '../onnx-node.ts';
import { BOOL, floats, INT64, int64s, model, node, Proto, valueInfo, type ModelParts } from '../onnx-writer.ts';

const DATA = '../shared/data';
const NODE_TESTS = `${DATA}/onnx-node`;
const MODELS = `${DATA}/models`;

function withData(path: string, name: string, body: () => void): void {
  if (existsSync(path)) {
    test(name, body);
  } else {
    console.log(`skipped: ${name}: there is no ${path}`);
    test.skip(name, body);
  }
}

/** Runs the imported graph in f64 and returns its outputs. */
function evaluate(
  { graph, parameters }: ImportedOnnx,
  inputs: ReadonlyMap<string, AnyTensor>,
): { shape: readonly number[]; data: Float64Array }[] {
  const values = new Map([...parameters, ...inputs].map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]));
  const all = runReference(typeGraph(graph), values);
  return graph.outputs.map((name) => all.get(name)!);
}

withData(NODE_TESTS, 'every operator test of the ONNX standard imports and computes what it should', () => {
  const names = onnxNodeTests();
  assert.is(names.length, ONNX_NODE_TESTS);
  for (const name of names) {
    const { imported, inputs, outputs } = loadOnnxNodeTest(name);
    assert.equal(imported.info.warnings, [], name);
    assert.equal(
      imported.graph.inputs.map((input) => input.name),
      [...inputs.keys()],
      name,
    );
    evaluate(imported, inputs).forEach(({ shape, data }, i) => {
      const want = outputs[i];
      assert.equal([...shape], [...want.shape], name);
      want.data.forEach((value, k) =>
        assert.ok(Math.abs(data[k] - value) <= ATOL + RTOL * Math.abs(value), `${name}: ${data[k]} is not ${value}`),
      );
    });
  }
});

const count = (imported: ImportedOnnx, op: string): number => imported.graph.nodes.filter((n) => n.op === op).length;

withData(MODELS, 'SqueezeNet 1.1 imports whole', () => {
  const imported = importOnnx(readFileSync(`${MODELS}/squeezenet1.1.onnx`));
  const { graph, parameters } = imported;
  assert.is(count(imported, 'conv2d'), 26);
  assert.is(count(imported, 'maxpool2d'), 3);
  assert.is(count(imported, 'concat'), 8);
  assert.is(parameters.size, 52);
  assert.is(
    [...parameters.values()].reduce((sum, { shape }) => sum + size(shape), 0),
    1235496,
  );
  assert.equal(graph.inputs, [{ name: 'data', shape: [1, 3, 227, 227] }]);
  assert.equal(graph.outputs, ['pool10:65', 'prob:66']);
  assert.is(graph.scores, 'pool10:65');
  const { values } = typeGraph(graph);
  assert.equal([...values.get('pool1:3')!.shape], [1, 64, 56, 56]);
  assert.equal([...values.get('fire9/concat:61')!.shape], [1, 512, 14, 14]);
  assert.equal([...values.get('prob:66')!.shape], [1, 1000, 1, 1]);
});

withData(MODELS, 'GoogLeNet imports whole, and for any batch', () => {
  const bytes = readFileSync(`${MODELS}/googlenet.onnx`);
  const imported = importOnnx(bytes);
  const { graph, parameters } = imported;
  assert.is(count(imported, 'conv2d'), 57);
  assert.is(count(imported, 'lrn'), 2);
  assert.is(count(imported, 'concat'), 9);
  assert.is(count(imported, 'linear'), 1);
  assert.is(parameters.size, 116);
  assert.is(
    [...parameters.values()].reduce((sum, { shape }) => sum + size(shape), 0),
    6998552,
  );
  assert.is(graph.scores, 'loss3/classifier:141');
  assert.is(graph.nodes[0].name, 'conv1/7x7_s2:1');
  assert.equal([...typeGraph(graph).values.get('pool5/7x7_s1:139')!.shape], [1, 1024, 1, 1]);
  for (const options of [{ batch: 3 }, { inputShapes: { data: [3, 3, 224, 224] } }]) {
    const { values } = typeGraph(importOnnx(bytes, options).graph);
    assert.equal([...values.get('loss3/classifier:141')!.shape], [3, 1000]);
  }
});

const X = valueInfo('x', [1, 2, 3, 3]);

/** Imports a model of x [1,2,3,3]. */
function load(parts: Partial<ModelParts> & { nodes: readonly Proto[] }, options?: OnnxOptions): ImportedOnnx {
  return importOnnx(model({ inputs: [X], outputs: [valueInfo('y')], ...parts }), options);
}

test('names: nodes keep theirs where they can, initializers listed as inputs are parameters, unused ones are not', () => {
  const { graph, parameters } = load({
    nodes: [
      node('Relu', ['x'], ['a'], {}, 'first'),
      node('Relu', ['a'], ['b'], {}, 'twice'),
      node('Relu', ['b'], ['c'], {}, 'twice'),
      node('Mul', ['c', 'w'], ['y']),
    ],
    inputs: [X, valueInfo('w', [1])],
    initializers: [floats('w', [1], [2]), floats('unused', [1], [3])],
  });
  assert.equal(
    graph.nodes.map((n) => n.name),
    ['first', 'b', 'c', 'y'],
  );
  assert.equal(
    graph.inputs.map((i) => i.name),
    ['x'],
  );
  assert.equal([...parameters.keys()], ['w']);
  assert.equal(graph.parameters, [{ name: 'w', shape: [1] }]);
});

test('nodes in any order; cycles and missing makers are errors', () => {
  const { graph } = load({ nodes: [node('Relu', ['b'], ['y']), node('Relu', ['x'], ['a']), node('Relu', ['a'], ['b'])] });
  assert.equal(
    graph.nodes.map((n) => n.outputs[0]),
    ['a', 'b', 'y'],
  );
  rejects(
    () => load({ nodes: [node('Add', ['x', 'b'], ['y']), node('Relu', ['y'], ['b'])] }),
    /without cycles, got one through node "y" \(Add\)/,
  );
  rejects(() => load({ nodes: [node('Relu', ['q'], ['y'])] }), /node "y" \(Relu\): expected input "q" to be made/);
  rejects(() => load({ nodes: [node('Relu', ['x'], ['a'])] }), /output "y" to be made/);
  rejects(() => load({ nodes: [node('Relu', ['x'], ['y']), node('Relu', ['x'], ['y'])] }), /one maker, got "y" twice/);
});

test('structure that no model has', () => {
  const relu = [node('Relu', ['x'], ['y'])];
  rejects(() => importOnnx(new Uint8Array(0)), /empty file/);
  rejects(() => importOnnx(new TextEncoder().encode('<!DOCTYPE html><html>')), /model: .* not an ONNX file/);
  rejects(() => importOnnx(Uint8Array.from(new Proto().int(1, 8).out)), /expected a graph, got none/);
  rejects(() => load({ nodes: relu, opset: 6 }), /expected opset 7 to 25, got opset 6/);
  rejects(() => load({ nodes: relu, opset: 99 }), /got opset 99/);
  rejects(() => load({ nodes: relu, outputs: [] }), /at least one graph output/);
  rejects(
    () => load({ nodes: relu, initializers: [floats('w', [1], [1]), floats('w', [1], [1])] }),
    /initializer names to differ, got "w" twice/,
  );
  rejects(
    () => load({ nodes: [node('Foo', ['x'], ['y'], {}, 'odd')] }),
    /node "odd" \(Foo\): expected a supported op, got Foo\. Supported: Add, .*on constants also /,
    GraphError,
  );
  rejects(() => load({ nodes: [node('Relu', ['x'], ['y'], {}, '', 'com.acme')] }), /got com\.acme\.Relu/, GraphError);
  rejects(() => load({ nodes: [node('constructor', ['x'], ['y'])] }), /got constructor/, GraphError);
  rejects(() => load({ nodes: [node('Relu', ['x'], ['y'], { slope: 1 })] }), /expected attributes among none, got "slope"/, GraphError);
  rejects(
    () => load({ nodes: [node('Transpose', ['x'], ['y'])] }),
    /expected input 0 to be a constant, got the computed value "x"/,
    GraphError,
  );
  const sparse = new Proto().int(1, 8).message(7, new Proto().message(15, new Proto()));
  rejects(() => importOnnx(Uint8Array.from(sparse.out)), /dense initializers, got a sparse one/);
});

test('open and symbolic extents', () => {
  const nodes = [node('Relu', ['x'], ['y'])];
  const shapeFor = (dims: readonly (number | string | null)[] | undefined, options?: OnnxOptions): number[] => [
    ...load({ nodes, inputs: [valueInfo('x', dims)] }, options).graph.inputs[0].shape,
  ];
  assert.equal(shapeFor(['N', 3, 8, 8]), [1, 3, 8, 8]);
  assert.equal(shapeFor([null, 3, 8, 8]), [1, 3, 8, 8]);
  assert.equal(shapeFor([-1, 3, 8, 8]), [1, 3, 8, 8]);
  assert.equal(shapeFor(['N', 3, 8, 8], { batch: 4 }), [4, 3, 8, 8]);
  assert.equal(shapeFor([1, 3, 8, 8], { batch: 4 }), [4, 3, 8, 8]);
  assert.equal(shapeFor(['N', 3, 'H', 'W'], { inputShapes: { x: [2, 3, 5, 7] } }), [2, 3, 5, 7]);
  assert.equal(shapeFor(undefined, { inputShapes: { x: [2, 3] } }), [2, 3]);
  rejects(
    () => shapeFor(['N', 3, 'H', 8]),
    /input "x": expected a known extent at axis 2, got the symbol "H"\. Give its shape with inputShapes/,
  );
  rejects(() => shapeFor(undefined), /expected a shape, got none in the file/);
  rejects(() => shapeFor(['N', 3], { inputShapes: { x: [1, 2, 3] } }), /2 dimensions as the file has, got 1x2x3/);
  rejects(() => shapeFor(['N', 3], { inputShapes: { z: [1] } }), /expected inputShapes for "x", got "z"/);
  rejects(() => shapeFor(['N', 3], { inputShapes: { x: [1, 0] } }), /positive integers/);
  rejects(() => shapeFor(['N', 3], { batch: 0 }), /batch to be a positive integer, got 0/);
  rejects(() => shapeFor(['N', 3], { batch: 2, inputShapes: { x: [1, 3] } }), /expected batch 2, got inputShapes with 1/);
  rejects(() => shapeFor([1e9, 1e9]), /at most 2147483647 elements/);
  rejects(() => load({ nodes, inputs: [valueInfo('x', [1], BOOL)] }), /expected floats or integers, got bool/);
  const two = load(
    { nodes: [node('Add', ['x', 'z'], ['y'])], inputs: [valueInfo('x', ['N', 'C']), valueInfo('z', ['N', 'C'])] },
    { inputShapes: { x: [2, 3] } },
  );
  assert.equal(
    two.graph.inputs.map((i) => [...i.shape]),
    [
      [2, 3],
      [2, 3],
    ],
  );
});

test('a fixed batch can be another: reshapes follow it', () => {
  const target = int64s('target', [1, 18]);
  const nodes = [node('Relu', ['x'], ['a']), node('Reshape', ['a', 'target'], ['y'])];
  for (const batch of [1, 4]) {
    const { graph } = load({ nodes, initializers: [target] }, { batch });
    assert.equal(graph.nodes[1], { name: 'y', op: 'reshape', inputs: ['a'], outputs: ['y'], attrs: { shape: [0, 18] } });
    assert.equal([...typeGraph(graph).values.get('y')!.shape], [batch, 18]);
  }
  // The same through shape arithmetic: Shape -> Gather -> Concat with -1.
  const computed = load(
    {
      nodes: [
        node('Shape', ['x'], ['s']),
        node('Gather', ['s', 'zero'], ['n']),
        node('Unsqueeze', ['n', 'axes'], ['n1']),
        node('Concat', ['n1', 'rest'], ['t'], { axis: 0 }),
        node('Reshape', ['x', 't'], ['y']),
      ],
      initializers: [int64s('zero', [0], []), int64s('axes', [0]), int64s('rest', [-1])],
    },
    { batch: 4 },
  );
  assert.equal(
    computed.graph.nodes.map((n) => [n.op, n.attrs]),
    [['reshape', { shape: [0, 18] }]],
  );
  assert.is(computed.parameters.size, 0);
  rejects(() => load({ nodes, initializers: [int64s('target', [18])] }, { batch: 4 }), /may fix the batch at 1/, GraphError);
  const labels = {
    nodes: [node('SoftmaxCrossEntropyLoss', ['x', 'l'], ['y'])],
    inputs: [valueInfo('x', [1, 5]), valueInfo('l', [1], INT64)],
  };
  assert.equal(load(labels, { batch: 4 }).graph.inputs, [
    { name: 'x', shape: [4, 5] },
    { name: 'l', shape: [4], dtype: 'i32' },
  ]);
});

test('scores are what goes into the softmax', () => {
  const scoresOf = (nodes: Proto[], inputs: Proto[], outputs: string[], opset = 13): string | undefined =>
    load({ nodes, inputs, outputs: outputs.map((name) => valueInfo(name)), opset }).graph.scores;
  const flat = [valueInfo('x', [2, 5])];
  const image = [valueInfo('x', [2, 5, 1, 1])];
  const relu = node('Relu', ['x'], ['s']);
  assert.is(scoresOf([relu, node('Softmax', ['s'], ['p'])], flat, ['p']), 's');
  assert.is(scoresOf([relu, node('LogSoftmax', ['s'], ['p'])], flat, ['p']), 's');
  assert.is(scoresOf([relu, node('Softmax', ['s'], ['p']), node('Relu', ['s'], ['a'])], flat, ['a', 'p']), 's');
  assert.is(
    scoresOf([relu, node('Softmax', ['s'], ['p'], { axis: 1 }), node('Flatten', ['p'], ['q']), node('Identity', ['q'], ['r'])], image, [
      'r',
    ]),
    's',
  );
  assert.is(
    scoresOf([relu, node('Flatten', ['s'], ['f']), node('Dropout', ['f'], ['d']), node('Softmax', ['d'], ['p'])], image, ['p']),
    'd',
  );
  assert.is(scoresOf([relu, node('Softmax', ['s'], ['p'])], image, ['p'], 12), 's');
  assert.is(scoresOf([relu], flat, ['s']), 's');
  assert.is(scoresOf([relu], image, ['s']), 's');
  assert.is(scoresOf([relu], [valueInfo('x', [2, 5, 3, 3])], ['s']), undefined);
  assert.is(scoresOf([relu, node('Softmax', ['s'], ['p'], { axis: 1 })], [valueInfo('x', [2, 5, 3, 3])], ['p']), undefined);
});

test('a wrong declared output shape is a warning', () => {
  const parts = { nodes: [node('Relu', ['x'], ['y'])], outputs: [valueInfo('y', [1, 2])] };
  assert.equal(load(parts).info.warnings, ['output "y" is declared 1x2 but computes to 1x2x3x3']);
});

test.run();
