/** ONNX ops that change shapes, and the shape arithmetic that is folded away. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { typeGraph } from '../../src/graph.ts';
import { checkShape, load, one, only, refuses, renamed, scalar, vector, weights, X } from '../onnx-cases.ts';
import { FLOAT, floats, INT64, int64s, node, type Proto, valueInfo } from '../onnx-writer.ts';

test('Reshape, Flatten, Squeeze, Unsqueeze', () => {
  assert.equal(only(one('Reshape', { rest: [int64s('', [0, -1])] })).attrs, { shape: [0, 168] });
  assert.equal(only(one('Reshape', { attrs: { shape: [2, 168] } })).attrs, { shape: [0, 168] });
  assert.equal(only(one('Reshape', { rest: [int64s('', [-1, 24])] })).attrs, { shape: [-1, 24] });
  assert.equal(only(one('Reshape', { rest: [int64s('', [8, 42])] })).attrs, { shape: [8, 42] });
  refuses(() => one('Reshape', { rest: [int64s('', [5, -1])] }), /target shape of 336 elements for an input of shape 2x4x7x6/);
  refuses(() => one('Reshape', { rest: [int64s('', [-1, -1])] }), /at most one -1/);
  refuses(() => one('Reshape', { rest: [int64s('', [2, -3])] }), /extents, 0 or -1, got \[2, -3\]/);
  refuses(() => one('Reshape', { rest: [int64s('', [1, 1, 1, 1, 0])] }), /extent to copy for the 0 at position 4/);
  refuses(() => one('Reshape', { rest: [int64s('', [0, -1])], attrs: { allowzero: 1 }, opset: 14 }), /336 elements/);
  refuses(() => one('Reshape', { rest: [int64s('', [1e9, 1e9, 1e9])] }), /336 elements/);
  refuses(() => one('Reshape', { rest: [vector([2, 168])] }), /target shape to be a vector of integers, got float/);
  assert.equal(only(one('Flatten', { attrs: { axis: -1 } })).attrs, { axis: 3 });
  checkShape(one('Flatten', { attrs: { axis: 4 } }), [336, 1]);
  checkShape(one('Flatten', { attrs: { axis: 0 } }), [1, 336]);
  const column = [2, 4, 1, 1];
  assert.equal(only(one('Squeeze', { x: column, attrs: { axes: [2, 3] }, opset: 11 })).attrs, { shape: [0, 4] });
  assert.equal(only(one('Squeeze', { x: column, rest: [int64s('', [-1])] })).attrs, { shape: [0, 4, 1] });
  assert.equal(only(one('Squeeze', { x: column })).attrs, { shape: [0, 4] });
  refuses(() => one('Squeeze', { rest: [int64s('', [1])] }), /extent 1 at axis 1, got shape 2x4x7x6/);
  assert.equal(only(one('Unsqueeze', { x: [2, 4], attrs: { axes: [2, -1] }, opset: 11 })).attrs, { shape: [0, 4, 1, 1] });
  checkShape(one('Unsqueeze', { x: [2, 4], rest: [int64s('', [0])] }), [1, 2, 4]);
  refuses(() => one('Unsqueeze', { x: [2, 4], rest: [int64s('', [1, 1])] }), /axes that differ/);
});

test('Concat and Pad', () => {
  const concat = load({ nodes: [node('Concat', ['x', 'w', 'x'], ['y'], { axis: -3 })], initializers: [renamed(weights(2, 3, 7, 6), 'w')] });
  assert.equal(only(concat).attrs, { axis: -3 });
  checkShape(concat, [2, 11, 7, 6]);
  refuses(
    () => load({ nodes: [node('Concat', ['x', 'w'], ['y'], { axis: 1 })], initializers: [renamed(weights(2, 3, 7, 5), 'w')] }),
    /agree but for axis 1/,
  );
  refuses(() => one('Concat'), /attribute axis, got none/);
  const pads = [0, 0, 1, 2, 0, 0, 3, 4];
  const want = { before: [0, 0, 1, 2], after: [0, 0, 3, 4], value: 0.5 };
  assert.equal(only(one('Pad', { attrs: { pads, value: { float: 0.5 } }, opset: 7 })).attrs, want);
  assert.equal(only(one('Pad', { rest: [int64s('', pads), scalar(0.5)] })).attrs, want);
  assert.equal(only(one('Pad', { rest: [int64s('', [1, 2, 3, 4]), scalar(0.5), int64s('', [2, -1])], opset: 18 })).attrs, want);
  assert.is(only(one('Pad', { rest: [int64s('', [0, 0, 0, 0, 0, 0, 0, 0])], attrs: { mode: 'reflect' } })).op, 'identity');
  refuses(() => one('Pad', { rest: [int64s('', pads)], attrs: { mode: 'reflect' } }), /mode constant, got reflect/);
  refuses(() => one('Pad', { rest: [int64s('', [0, 0, -1, 0, 0, 0, 0, 0])] }), /Cropping is not supported/);
  refuses(() => one('Pad', { rest: [int64s('', [1, 2])] }), /two pads for each of 4 axes/);
});

/** Folds a chain of nodes to the constant t, which y = Reshape(x, t) shows. */
function folded(nodes: readonly Proto[], initializers: readonly Proto[], x: readonly number[], opset = 13): unknown {
  const imported = load({ nodes: [...nodes, node('Reshape', ['x', 't'], ['y'])], initializers, inputs: [valueInfo('x', x)], opset });
  assert.is(imported.parameters.size, 0);
  return [...typeGraph(imported.graph).values.get('y')!.shape];
}

test('shape arithmetic is folded', () => {
  const shape = node('Shape', ['x'], ['s']);
  const ends = int64s('big', [Number.MAX_SAFE_INTEGER]);
  assert.equal(
    folded(
      [shape, node('Slice', ['s', 'm2', 'big'], ['e']), node('Concat', ['m1', 'e'], ['t'], { axis: 0 })],
      [int64s('m2', [-2]), int64s('m1', [-1]), ends],
      X,
    ),
    [8, 7, 6],
  );
  assert.equal(
    folded(
      [shape, node('Slice', ['s'], ['e'], { starts: [0], ends: [2] }), node('Concat', ['e', 'm1'], ['t'], { axis: 0 })],
      [int64s('m1', [-1])],
      X,
      9,
    ),
    [2, 4, 42],
  );
  assert.equal(
    folded(
      [shape, node('Slice', ['s', 'm1', 'low', 'zero', 'm1'], ['t'])],
      [int64s('m1', [-1]), int64s('low', [-100]), int64s('zero', [0])],
      X,
    ),
    [6, 7, 4, 2],
  );
  assert.equal(
    folded(
      [node('Shape', ['x'], ['e'], { start: -3, end: 3 }), node('Concat', ['m1', 'e'], ['t'], { axis: 0 })],
      [int64s('m1', [-1])],
      X,
      15,
    ),
    [12, 4, 7],
  );
  // ShuffleNet: [N, C, H, W] -> [N, 2, C / 2, H, W], the channel count divided in floats and back.
  const gather = (i: number, out: string): Proto[] => [
    node('Gather', ['s', `i${i}`], [`${out}0`]),
    node('Unsqueeze', [`${out}0`, 'zero'], [out]),
  ];
  assert.equal(
    folded(
      [
        shape,
        ...gather(0, 'n'),
        ...gather(1, 'c'),
        node('Cast', ['c'], ['cf'], { to: FLOAT }),
        node('Div', ['cf', 'two'], ['half']),
        node('Cast', ['half'], ['hi'], { to: INT64 }),
        node('Constant', [], ['g'], { value_ints: [2] }),
        node('Concat', ['n', 'g', 'hi', 'm1'], ['t'], { axis: 0 }),
      ],
      [int64s('i0', [0], []), int64s('i1', [1], []), int64s('zero', [0]), int64s('m1', [-1]), floats('two', [], [2])],
      X,
    ),
    [2, 2, 2, 42],
  );
  assert.equal(
    folded(
      [
        shape,
        node('ConstantOfShape', ['one'], ['ones'], { value: int64s('', [3]) }),
        node('Mul', ['s', 'ones'], ['m']),
        node('Div', ['m', 'three'], ['d']),
        node('Add', ['d', 'ones'], ['a']),
        node('Sub', ['a', 'ones'], ['t']),
      ],
      [int64s('one', [1]), int64s('three', [3])],
      X,
    ),
    X,
  );
  assert.equal(
    folded(
      [shape, node('Equal', ['s', 'seven'], ['is7']), node('Where', ['is7', 'm1', 's'], ['t'])],
      [int64s('seven', [7]), int64s('m1', [-1])],
      X,
    ),
    X,
  );
  assert.equal(
    folded(
      [node('Range', ['a', 'b', 'c'], ['r']), node('Transpose', ['r'], ['t'])],
      [int64s('a', [6], []), int64s('b', [0], []), int64s('c', [-2], [])],
      [6, 4, 2],
    ),
    [6, 4, 2],
  );
  assert.equal(folded([node('Size', ['x'], ['n']), node('Reshape', ['n', 'one'], ['t'])], [int64s('one', [1])], X), [336]);
});

test('constants that are weights are folded too', () => {
  const w = floats('w', [2, 3], [1, 2, 3, 4, 5, 6]);
  const after = (nodes: Proto[], more: Proto[] = []): number[] => {
    const imported = load({
      nodes: [...nodes, node('MatMul', ['x', 'v'], ['y'])],
      initializers: [w, ...more],
      inputs: [valueInfo('x', [1, 3])],
    });
    return [...imported.parameters.get('v')!.data];
  };
  assert.equal(after([node('Transpose', ['w'], ['v'], { perm: [1, 0] })]), [1, 4, 2, 5, 3, 6]);
  assert.equal(after([node('Reshape', ['w', 's'], ['v'])], [int64s('s', [3, -1])]), [1, 2, 3, 4, 5, 6]);
  assert.equal(
    after([node('Transpose', ['w'], ['u']), node('Mul', ['u', 'k'], ['v'])], [floats('k', [1, 2], [10, -1])]),
    [10, -4, 20, -5, 30, -6],
  );
  assert.equal(after([node('Constant', [], ['v'], { value: floats('', [3, 1], [7, 8, 9]) })]), [7, 8, 9]);
  assert.equal(after([node('Transpose', ['w'], ['u']), node('Gather', ['u', 'i'], ['v'], { axis: 1 })], [int64s('i', [-1])]), [4, 5, 6]);
  assert.equal(
    after(
      [node('Concat', ['w', 'w'], ['d'], { axis: 1 }), node('Slice', ['d', 'a', 'b', 'a'], ['e']), node('Reshape', ['e', 's'], ['v'])],
      [int64s('a', [1]), int64s('b', [4]), int64s('s', [3, -1])],
    ),
    [2, 3, 1, 5, 6, 4],
  );
});

test('folding that cannot be, or that would make too much', () => {
  const bad = (nodes: readonly Proto[], initializers: readonly Proto[], message: RegExp): void =>
    refuses(() => folded(nodes, initializers, X), message);
  const s = int64s('s', [1, 2]);
  bad([node('ConstantOfShape', ['s'], ['t'])], [int64s('s', [1e5, 1e5])], /in proportion to the file, got shape \[100000, 100000\]/);
  bad([node('ConstantOfShape', ['s'], ['t'])], [int64s('s', [-1])], /in proportion/);
  bad([node('Range', ['a', 'b', 'c'], ['t'])], [int64s('a', [0], []), int64s('b', [1e12], []), int64s('c', [1], [])], /in proportion/);
  bad([node('Range', ['a', 'b', 'c'], ['t'])], [int64s('a', [0], []), int64s('b', [5], []), int64s('c', [0], [])], /expected a range/);
  bad([node('Gather', ['s', 'i'], ['t'])], [s, int64s('i', [2])], /indices from -2 to 1, got 2/);
  bad([node('Div', ['s', 'z'], ['t'])], [s, int64s('z', [0])], /expected an integer result, got Infinity/);
  bad([node('Mul', ['s', 's2'], ['t'])], [int64s('s', [2 ** 40]), int64s('s2', [2 ** 40])], /an integer result/);
  bad([node('Add', ['s', 'f'], ['t'])], [s, floats('f', [2], [1, 2])], /two numbers of one type, got int and float/);
  bad([node('Slice', ['s', 'z', 's', 'z', 'z'], ['t'])], [int64s('s', [1]), int64s('z', [0])], /steps other than 0/);
  bad([node('Transpose', ['s'], ['t'], { perm: [1] })], [s], /permutation of 1 axes, got \[1\]/);
  bad([node('Cast', ['f'], ['t'], { to: INT64 })], [floats('f', [1], [NaN])], /finite values to cast/);
  bad([node('Cast', ['s'], ['t'], { to: 8 })], [s], /cast to a number's type, got string/);
  bad([node('Constant', [], ['t'])], [], /expected one attribute, got none/);
  bad([node('Constant', [], ['t'], { value_string: 'a' })], [], /dense constant of numbers, got value_string/);
  // Thirty doublings would be a thousand million elements.
  const doubling = Array.from({ length: 30 }, (_, i) => node('Concat', [`d${i}`, `d${i}`], [i === 29 ? 't' : `d${i + 1}`], { axis: 0 }));
  bad(doubling, [int64s('d0', [1])], /in proportion/);
  // A cast of a computed value is the identity between floats, and refused otherwise.
  assert.is(only(one('Cast', { attrs: { to: 10 } })).op, 'identity');
  refuses(() => one('Cast', { attrs: { to: INT64 } }), /cast between float types of the computed value "x", got a cast to int64/);
});

test.run();
