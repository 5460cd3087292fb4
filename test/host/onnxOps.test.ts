/** ONNX ops one by one: what each becomes, in old opsets and new, and what is refused with which words. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError } from '../../src/errors.ts';
import type { ImportedOnnx } from '../../src/formats/onnx/index.ts';
import { tensor } from '../../src/tensor.ts';
import { checkShape, load, one, only, refuses, renamed, scalar, vector, weights, X, type Attributes } from '../onnx-cases.ts';
import { BOOL, FLOAT, floats, INT64, int64s, node, type Proto, tensorProto, valueInfo } from '../onnx-writer.ts';

test('Conv: geometry, groups, bias', () => {
  const plain = one('Conv', { rest: [weights(8, 4, 3, 2)] });
  assert.equal(only(plain), {
    name: 'y',
    op: 'conv2d',
    inputs: ['x', 'c0'],
    outputs: ['y'],
    attrs: { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
  });
  checkShape(plain, [2, 8, 5, 5]);
  const attrs = { strides: [2, 1], pads: [0, 1, 2, 3], dilations: [2, 1], group: 2, kernel_shape: [3, 3] };
  const full = one('Conv', { attrs, rest: [weights(6, 2, 3, 3), weights(6)] });
  assert.equal(only(full).attrs, { stride: [2, 1], pad: [0, 1, 2, 3], dilation: [2, 1], groups: 2 });
  assert.equal(only(full).inputs, ['x', 'c0', 'c1']);
  checkShape(full, [2, 6, 3, 8]);
  const bad = (attributes: Attributes, w: Proto, message: RegExp, x = X): void =>
    refuses(() => one('Conv', { attrs: attributes, x, rest: [w] }), message);
  bad({}, weights(8, 3, 3, 3), /node "y" \(Conv\): expected weights for 4 input channels in 1 group\(s\), got shape 8x3x3x3/);
  bad({ group: 3 }, weights(8, 4, 3, 3), /in 3 group/);
  bad({ group: 0 }, weights(8, 4, 3, 3), /in 0 group/);
  bad({ kernel_shape: [2, 2] }, weights(8, 4, 3, 3), /expected kernel_shape 3x3 as the weights have, got 2x2/);
  bad({ strides: [0, 1] }, weights(8, 4, 3, 3), /positive strides, got \[0, 1\]/);
  bad({ strides: [1] }, weights(8, 4, 3, 3), /strides to hold 2 integers/);
  bad({ pads: [-1, 0, 0, 0] }, weights(8, 4, 3, 3), /pads of zero or more/);
  bad({ pads: [1, 1, 1, 1], auto_pad: 'SAME_UPPER' }, weights(8, 4, 3, 3), /pads or auto_pad/);
  bad({ auto_pad: 'BEST' }, weights(8, 4, 3, 3), /auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER, got "BEST"/);
  bad({ strides: 'two' }, weights(8, 4, 3, 3), /strides to be of type ints, got string/);
  bad({}, weights(8, 4, 9, 9), /padded input of at least 9 rows for the window, got 7/);
  bad({}, weights(8, 4, 3), /expected a 2-D convolution over \[N,C,H,W\], got an input of shape 2x4x7/, [2, 4, 7]);
  bad({}, weights(8, 4, 3, 3, 3), /1-D and 3-D are not supported/, [2, 4, 7, 7, 7]);
  refuses(() => one('Conv', { rest: [weights(8, 4, 3, 3), weights(7)] }), /bias of 8 values, got 7/);
  refuses(() => one('Conv'), /expected 2 to 3 inputs, got 1/);
});

test('auto_pad: SAME covers the input, the odd cell after or before', () => {
  const pads = (attrs: Attributes, kernel: readonly number[]): unknown =>
    (only(one('Conv', { attrs, rest: [weights(4, 4, kernel[0], kernel[1])] })).attrs as { pad: unknown }).pad;
  // Rows: 7 in steps of 2 make 4, which take (4 - 1) * 2 + 2 = 8 rows; columns: 6 make 3, which take 7.
  assert.equal(pads({ auto_pad: 'SAME_UPPER', strides: [2, 2] }, [2, 3]), [0, 0, 1, 1]);
  assert.equal(pads({ auto_pad: 'SAME_LOWER', strides: [2, 2] }, [2, 3]), [1, 1, 0, 0]);
  assert.equal(pads({ auto_pad: 'SAME_UPPER', dilations: [2, 2] }, [3, 3]), [2, 2, 2, 2]);
  assert.equal(pads({ auto_pad: 'VALID' }, [2, 3]), [0, 0, 0, 0]);
  assert.equal(pads({ auto_pad: 'NOTSET', pads: [1, 0, 0, 0] }, [2, 3]), [1, 0, 0, 0]);
  checkShape(one('MaxPool', { attrs: { auto_pad: 'SAME_LOWER', kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 } }), [2, 4, 4, 3]);
  checkShape(one('MaxPool', { attrs: { auto_pad: 'VALID', kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1 } }), [2, 4, 3, 2]);
});

test('pools', () => {
  const attrs = { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 0, 1], ceil_mode: 1 };
  const max = one('MaxPool', { attrs: { ...attrs, dilations: [1, 2] } });
  assert.equal(only(max).attrs, { kernel: [3, 2], stride: [2, 2], pad: [1, 0, 0, 1], dilation: [1, 2], ceilMode: true, indexOrder: 'row' });
  checkShape(max, [2, 4, 4, 3]);
  const average = one('AveragePool', { attrs: { ...attrs, count_include_pad: 1 } });
  assert.equal(only(average).attrs, {
    kernel: [3, 2],
    stride: [2, 2],
    pad: [1, 0, 0, 1],
    dilation: [1, 1],
    ceilMode: true,
    countIncludePad: true,
  });
  const indices = load({
    nodes: [node('MaxPool', ['x'], ['y', 'i'], { kernel_shape: [2, 2], storage_order: 1 })],
    outputs: [valueInfo('y'), valueInfo('i', undefined, INT64)],
  });
  assert.equal(only(indices).outputs, ['y', 'i']);
  assert.is((only(indices).attrs as { indexOrder: string }).indexOrder, 'column');
  assert.equal(only(load({ nodes: [node('MaxPool', ['x'], ['y', 'unread'], { kernel_shape: [2, 2] })] })).outputs, ['y']);
  refuses(() => one('MaxPool'), /expected attribute kernel_shape, got none/);
  refuses(() => one('MaxPool', { attrs: { kernel_shape: [2] } }), /kernel_shape to hold 2 integers/);
  refuses(() => one('MaxPool', { attrs: { kernel_shape: [2, 2], pads: [2, 0, 0, 0] } }), /pads smaller than the window of 2/);
  refuses(() => one('MaxPool', { attrs: { kernel_shape: [2, 2], ceil_mode: 2 } }), /ceil_mode to be 0 or 1, got 2/);
  refuses(() => one('MaxPool', { x: [2, 4, 7], attrs: { kernel_shape: [2] } }), /4 dimensions, got shape 2x4x7\. Only 2-D images/);
  for (const [op, name] of [
    ['GlobalAveragePool', 'globalavgpool'],
    ['GlobalMaxPool', 'globalmaxpool'],
  ]) {
    assert.is(only(one(op)).op, name);
    checkShape(one(op), [2, 4, 1, 1]);
    refuses(() => one(op, { x: [2, 4] }), /at least 3 dimensions/);
  }
});

test('ReduceMean over the image is global average pooling', () => {
  const kept = one('ReduceMean', { attrs: { axes: [2, -1] } });
  assert.is(only(kept).op, 'globalavgpool');
  checkShape(kept, [2, 4, 1, 1]);
  const dropped = one('ReduceMean', { attrs: { axes: [3, 2], keepdims: 0 } });
  assert.equal(
    dropped.graph.nodes.map((node) => node.op),
    ['globalavgpool', 'reshape'],
  );
  checkShape(dropped, [2, 4]);
  refuses(() => one('ReduceMean', { attrs: { axes: [1] } }), /expected axes \[?2, 3\]?, all behind the channel, got \[?1\]?/);
  refuses(() => one('ReduceMean'), /all behind the channel/);
});

test('Gemm and MatMul', () => {
  const gemm = one('Gemm', {
    x: [2, 5],
    attrs: { transB: 1, alpha: { float: 2 }, beta: { float: 0.5 } },
    rest: [weights(3, 5), weights(3)],
  });
  assert.equal(only(gemm).attrs, { transA: false, transB: true, alpha: 2, beta: 0.5 });
  checkShape(gemm, [2, 3]);
  assert.equal(only(one('MatMul', { x: [2, 5], rest: [weights(5, 3)] })).attrs, { transA: false, transB: false, alpha: 1, beta: 1 });
  refuses(() => one('Gemm', { x: [2, 5], rest: [weights(3, 5)] }), /inner extents to agree, got A 2x5 and B 3x5/);
  refuses(() => one('Gemm', { x: [2, 5], rest: [weights(5, 3), weights(2)] }), /C to broadcast to 2x3, got shape 2/);
  refuses(() => one('Gemm', { x: [2, 5], rest: [weights(5, 3), weights(4, 2, 3)] }), /C to broadcast/);
  refuses(() => one('MatMul', { x: [1, 2, 5], rest: [weights(5, 3)] }), /2 dimensions, got shape 1x2x5/);
  refuses(() => one('MatMul', { x: [2, 5], rest: [weights(3, 5)] }), /inner extents/);
  refuses(() => one('Gemm', { x: [2, 5], rest: [int64s('', [1, 2, 3, 4, 5], [5, 1])] }), /to hold floats, got integers/);
});

test('BatchNormalization and LRN', () => {
  const stats = [4, 4, 4, 4].map((c) => weights(c));
  assert.equal(only(one('BatchNormalization', { rest: stats, attrs: { epsilon: { float: 0.25 }, momentum: { float: 0.9 } } })).attrs, {
    epsilon: 0.25,
  });
  assert.is(only(one('BatchNormalization', { rest: stats, attrs: { spatial: 1 }, opset: 7 })).op, 'batchnorm');
  const fresh = (): Proto[] => [4, 4, 4, 4].map((c) => weights(c));
  assert.is(only(one('BatchNormalization', { x: [2, 4], rest: fresh(), attrs: { spatial: 0 }, opset: 7 })).op, 'batchnorm');
  refuses(() => one('BatchNormalization', { rest: fresh(), attrs: { spatial: 0 }, opset: 7 }), /expected spatial 1, got 0/);
  refuses(
    () => one('BatchNormalization', { rest: fresh(), attrs: { training_mode: 1 }, opset: 14 }),
    /training_mode 0, got 1\. Export the model for inference/,
  );
  refuses(
    () => one('BatchNormalization', { rest: [3, 4, 4, 4].map((c) => weights(c)) }),
    /scale to hold one value for each of 4 channels, got shape 3/,
  );
  const outputs = load({
    nodes: [node('BatchNormalization', ['x', 'a', 'a', 'a', 'a'], ['y', 'm', 'v'])],
    initializers: [renamed(weights(4), 'a')],
    outputs: [valueInfo('y')],
  });
  assert.equal(only(outputs).outputs, ['y']);
  refuses(
    () =>
      load({
        nodes: [node('BatchNormalization', ['x', 'a', 'a', 'a', 'a'], ['y', 'm'])],
        initializers: [renamed(weights(4), 'a')],
        outputs: [valueInfo('y'), valueInfo('m')],
      }),
    /got "m" read too: that is training/,
  );
  assert.equal(only(one('LRN', { attrs: { size: 5 } })).attrs, { size: 5, alpha: 1e-4, beta: 0.75, bias: 1 });
  refuses(() => one('LRN'), /attribute size, got none/);
  refuses(() => one('LRN', { attrs: { size: 0 } }), /size to be a positive integer/);
});

test('Add, Mul, Sum, Identity', () => {
  checkShape(one('Add', { x: [4, 1, 3], rest: [weights(5, 1)] }), [4, 5, 3]);
  assert.is(only(one('Mul', { rest: [scalar(2)] })).op, 'mul');
  refuses(() => one('Add', { x: [4, 3], rest: [weights(2)] }), /shapes that broadcast, got 4x3 and 2/);
  refuses(() => one('Add', { x: [1, 1, 1, 1, 1, 1, 1], rest: [weights(2)] }), /at most 6 dimensions, got 7/);
  const three = one('Sum', { x: [4, 3], rest: [weights(4, 1), weights(3)] });
  assert.equal(three.graph.nodes, [
    { name: 'y/1', op: 'add', inputs: ['x', 'c0'], outputs: ['y/1'] },
    { name: 'y', op: 'add', inputs: ['y/1', 'c1'], outputs: ['y'] },
  ]);
  checkShape(three, [4, 3]);
  assert.is(only(one('Sum')).op, 'identity');
  // A shared weight behind an Identity stays one parameter under its own name.
  const shared = load({
    nodes: [node('Identity', ['w'], ['w2']), node('Add', ['x', 'w'], ['a']), node('Add', ['a', 'w2'], ['y'])],
    initializers: [floats('w', [1], [1])],
  });
  assert.equal(
    shared.graph.nodes.map((n) => n.inputs[1]),
    ['w', 'w'],
  );
  assert.is(shared.parameters.size, 1);
});

test('Clip: bounds as attributes and as inputs', () => {
  assert.equal(only(one('Clip', { attrs: { min: { float: 0 }, max: { float: 6 } }, opset: 7 })).attrs, { min: 0, max: 6 });
  assert.equal(only(one('Clip', { rest: [scalar(0), scalar(6)] })).attrs, { min: 0, max: 6 });
  assert.equal(only(one('Clip', { rest: [null, scalar(6)] })).attrs, { max: 6 });
  assert.equal(only(one('Clip', { rest: [scalar(0), scalar(Infinity)] })).attrs, { min: 0 });
  assert.is(only(one('Clip')).attrs, undefined);
  refuses(() => one('Clip', { rest: [scalar(NaN)] }), /min to be a number, got NaN/);
  refuses(() => one('Clip', { rest: [vector([1, 2])] }), /min to be a scalar, got shape 2/);
  const open = { nodes: [node('Clip', ['x', 'lo'], ['y'])], inputs: [valueInfo('x', X), valueInfo('lo', [])] };
  refuses(() => load(open), /min to be a constant, got the computed value "lo"/);
  const fixed = load(open, { constants: { lo: tensor([], [0]) } });
  assert.equal(only(fixed).attrs, { min: 0 });
  assert.equal(
    fixed.graph.inputs.map((i) => i.name),
    ['x'],
  );
  refuses(() => load(open, { constants: { hi: tensor([], [0]) } }), /constants to name graph inputs, got "hi"/, FormatError);
});

test('Dropout: ratio, training_mode, mask', () => {
  assert.equal(only(one('Dropout', { attrs: { ratio: { float: 0.25 } }, opset: 7 })).attrs, { ratio: 0.25 });
  assert.equal(only(one('Dropout', { attrs: { seed: 3 }, rest: [scalar(0.25)] })).attrs, { ratio: 0.25 });
  const mode = (on: boolean): Proto => tensorProto('', [], BOOL, (t) => t.bytes(9, [on ? 1 : 0]));
  assert.equal(only(one('Dropout', { rest: [scalar(0.25), mode(true)] })).attrs, { ratio: 0.25 });
  refuses(() => one('Dropout', { rest: [scalar(1)] }), /ratio from 0 to below 1, got 1/);
  const masked = (ratio: number, on: boolean): ImportedOnnx =>
    load({
      nodes: [node('Dropout', ['x', 'r', 't'], ['y', 'm'])],
      initializers: [renamed(scalar(ratio), 'r'), renamed(mode(on), 't')],
      outputs: [valueInfo('y'), valueInfo('m', undefined, BOOL)],
    });
  for (const imported of [masked(0.5, false), masked(0, true)]) {
    assert.equal([...new Set(imported.parameters.get('m')!.data)], [1]);
    assert.is(imported.parameters.get('m')!.data.length, 2 * 4 * 7 * 6);
  }
  refuses(() => masked(0.5, true), /mask "m" to be unread in training/);
  assert.equal(only(load({ nodes: [node('Dropout', ['x'], ['y', 'unread'])], opset: 7 })).outputs, ['y']);
});

test('Softmax: one axis since opset 13, all that follow before', () => {
  assert.equal(only(one('Softmax')).attrs, { axis: 3 });
  assert.equal(only(one('LogSoftmax', { attrs: { axis: -3 } })).attrs, { axis: 1 });
  assert.equal(only(one('Softmax', { x: [2, 4], opset: 7 })).attrs, { axis: 1 });
  assert.equal(only(one('Softmax', { x: [2, 4, 1, 1], opset: 11 })).attrs, { axis: 1 });
  assert.equal(only(one('Softmax', { x: [2, 1, 1, 4], opset: 11 })).attrs, { axis: 3 });
  const flat = one('Softmax', { opset: 11 });
  assert.equal(
    flat.graph.nodes.map((n) => [n.op, n.outputs[0], n.attrs]),
    [
      ['flatten', 'y/flat', { axis: 1 }],
      ['softmax', 'y/rows', { axis: 1 }],
      ['reshape', 'y', { shape: [0, 4, 7, 6] }],
    ],
  );
  assert.is(flat.graph.nodes[1].name, 'y');
  for (const axis of [0, 1, 2]) checkShape(one('Softmax', { opset: 11, attrs: { axis } }), X);
  refuses(() => one('Softmax', { attrs: { axis: 4 } }), /axis from -4 to 3, got 4/);
  refuses(() => one('Softmax', { x: [] }), /got a scalar/);
});

test('losses: trivial weights and ignore_index pass, others do not', () => {
  const loss = (op: string, attrs: Attributes = {}, rest: readonly Proto[] = [], x = [3, 5], labels = [3], type = INT64): ImportedOnnx =>
    load({
      nodes: [node(op, ['x', 'l', ...rest.map(() => 'w')], ['y'], attrs)],
      inputs: [valueInfo('x', x), valueInfo('l', labels, type)],
      initializers: rest.map((proto) => renamed(proto, 'w')),
    });
  assert.equal(only(loss('SoftmaxCrossEntropyLoss')).attrs, { reduction: 'mean' });
  assert.equal(only(loss('NegativeLogLikelihoodLoss', { reduction: 'none', ignore_index: -100 }, [vector([1, 1, 1, 1, 1])])).attrs, {
    reduction: 'none',
  });
  checkShape(loss('NegativeLogLikelihoodLoss', { reduction: 'none' }), [3]);
  const both = load({
    nodes: [node('SoftmaxCrossEntropyLoss', ['x', 'l'], ['y', 'p'])],
    inputs: [valueInfo('x', [3, 5]), valueInfo('l', [3], INT64)],
    outputs: [valueInfo('y'), valueInfo('p')],
  });
  assert.equal(only(both).outputs, ['y', 'p']);
  assert.is(both.graph.scores, 'x');
  refuses(() => loss('SoftmaxCrossEntropyLoss', {}, [vector([1, 2, 1, 1, 1])]), /expected no class weights/);
  refuses(() => loss('SoftmaxCrossEntropyLoss', { ignore_index: 2 }), /no ignore_index among the 5 classes, got 2/);
  refuses(() => loss('SoftmaxCrossEntropyLoss', { reduction: 'max' }), /reduction mean, sum or none, got "max"/);
  refuses(() => loss('SoftmaxCrossEntropyLoss', {}, [], [3, 5, 2], [3, 2]), /scores \[N,K\], got shape 3x5x2/);
  refuses(() => loss('SoftmaxCrossEntropyLoss', {}, [], [3, 5], [4]), /3 integer labels, got integers of shape 4/);
  refuses(() => loss('SoftmaxCrossEntropyLoss', {}, [], [3, 5], [3], FLOAT), /got floats of shape 3/);
});

test('Momentum for several tensors', () => {
  const domain = 'ai.onnx.preview.training';
  const attrs = { alpha: { float: 0.5 }, beta: { float: 1 }, norm_coefficient: { float: 0.25 }, mode: 'nesterov' };
  const names = ['x1', 'x2', 'g1', 'g2', 'v1', 'v2'];
  const load2 = (inputs: readonly string[], version = 1): ImportedOnnx =>
    load({
      nodes: [node('Momentum', inputs, ['y', 'y2', 'w', 'w2'], attrs, 'step', domain)],
      domains: { [domain]: version },
      inputs: [valueInfo('r', []), valueInfo('t', [], INT64), ...names.map((name) => valueInfo(name, [name.endsWith('1') ? 2 : 3]))],
    });
  const { graph } = load2(['r', 't', ...names]);
  assert.equal(
    graph.nodes.map((n) => [n.name, n.inputs, n.outputs]),
    [
      ['step/0', ['r', 't', 'x1', 'g1', 'v1'], ['y', 'w']],
      ['step/1', ['r', 't', 'x2', 'g2', 'v2'], ['y2', 'w2']],
    ],
  );
  assert.equal(graph.nodes[0].attrs, { alpha: 0.5, beta: 1, normCoefficient: 0.25, mode: 'nesterov' });
  refuses(() => load2(['r', 't', 'x1', 'x2', 'g2', 'g1', 'v1', 'v2']), /X, G and V of one shape, got 2, 3, 2/);
  refuses(() => load2(['r', 't', 'x1', 'g1', 'v1']), /two outputs for each, got 5 inputs and 4 outputs/);
  refuses(() => load2(['r', 't', ...names], 2), /version 1 of ai\.onnx\.preview\.training, got 2/, FormatError);
});

test.run();
