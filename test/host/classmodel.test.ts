// Class models without a device: the objective's gradient in f64, the ingredients, the units, the options.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { typeGraph } from '../../src/graph.ts';
import { PRESETS } from '../../src/image/preprocess.ts';
import { gaussian } from '../../src/ops/blur.ts';
import { backReference, runReference, widen } from '../../src/reference/graph.ts';
import { excess } from '../../src/reference/bounds.ts';
import { REFERENCE } from '../../src/reference/index.ts';
import type { Bounded, F64Tensor } from '../../src/reference/types.ts';
import { formatSeconds, progress } from '../../src/cli/progress.ts';
import { stepGraph } from '../../src/visualise/ascent.ts';
import { classModelPicture } from '../../src/visualise/classmodelPicture.ts';
import {
  CLASS_MODEL_PRESETS,
  classModelRecipe,
  levelsPerUnit,
  stepRecipe,
  type ClassModelRecipe,
} from '../../src/visualise/classmodelPresets.ts';
import { randomNet } from '../nets.ts';
import { F32Machine, MACHINES } from './f32Machine.ts';
import { Random } from './referenceCases.ts';

const { caffe, torchvision } = PRESETS;

test('the velocity of the first step is the gradient of S_c - lambda ||I||^2, by central differences', () => {
  const lambda = 0.037;
  for (const seed of [1, 2, 5]) {
    // Without ReLUs there are no kinks to avoid; max-pools are left out with them.
    const { graph, parameters, input } = randomNet(seed, { relu: false });
    const typed = typeGraph(graph);
    const scores = graph.scores!;
    const constants = new Map([...parameters].map(([name, value]) => [name, widen(value)]));
    const item = input.data.length / input.shape[0];
    const at = (x: F64Tensor) => runReference(typed, new Map([...constants, ['x', x]]));
    // Every item its own class, the last one.
    const classes = at(widen(input)).get(scores)!.shape[1];
    const seedOf = (shape: readonly number[]): F64Tensor => ({
      shape,
      data: Float64Array.from({ length: shape[0] * classes }, (_, i) => (i % classes === classes - 1 ? 1 : 0)),
    });
    const objective = (x: F64Tensor): number => {
      const s = at(x).get(scores)!.data;
      const sum = s.reduce((total, v, i) => total + (i % classes === classes - 1 ? v : 0), 0);
      return sum - lambda * x.data.reduce((total, v) => total + v * v, 0);
    };
    const x = widen(input);
    const values = at(x);
    const g = backReference(typed, values, {
      target: scores,
      seed: seedOf(values.get(scores)!.shape),
      wrt: ['x'],
      rule: { relu: 'gradient' },
    });
    const recipe = stepRecipe(classModelRecipe('paper', { lambda, step: 1, momentum: 0.9 }), undefined);
    const step = stepGraph(input.shape, recipe, false);
    const inputs = { x, g: g.get('x')!, v: { shape: input.shape, data: new Float64Array(input.data.length) } };
    const stepped = runReference(
      typeGraph(step.graph),
      new Map([...Object.entries(inputs), ...[...step.parameters].map(([name, value]) => [name, widen(value)] as const)]),
    );
    const velocity = stepped.get("v'")!.data;
    for (const i of [0, 7, item >> 1, item - 1, input.data.length - 1]) {
      const h = 1e-5;
      const moved = (by: number): F64Tensor => ({ shape: x.shape, data: x.data.map((v, j) => (j === i ? v + by : v)) });
      const difference = (objective(moved(h)) - objective(moved(-h))) / (2 * h);
      assert.ok(
        Math.abs(difference - velocity[i]) <= 1e-7 * (1 + Math.abs(velocity[i])),
        `net ${seed}, ${i}: ${difference} and ${velocity[i]}`,
      );
      // One step from rest: x' = x + step * v'.
      assert.is(stepped.get("x'")!.data[i], x.data[i] + velocity[i]);
    }
  }
});

test('the paper preset is one update and nothing else', () => {
  const { graph } = stepGraph([1, 3, 4, 4], stepRecipe(classModelRecipe('paper'), caffe), false);
  assert.equal(
    graph.nodes.map(({ op }) => op),
    ['momentum', 'identity', 'l2norm'],
  );
  assert.equal(graph.nodes.at(-1)!.outputs, ['norm'], 'the norm is only read');
});

test('the order of the other ingredients', () => {
  const ops = (preset: 'cs231n' | 'deepvis', blurred: boolean): string[] =>
    stepGraph([1, 3, 4, 4], stepRecipe(classModelRecipe(preset), caffe), blurred).graph.nodes.map(({ op }) => op);
  assert.equal(ops('cs231n', true), ['roll', 'mul', 'add', 'l2norm', 'momentum', 'limit', 'blur', 'identity', 'l2norm']);
  assert.equal(ops('cs231n', false), ['roll', 'mul', 'add', 'l2norm', 'momentum', 'limit', 'identity', 'l2norm']);
  assert.equal(ops('deepvis', true), ['momentum', 'mul', 'blur', 'limit', 'identity', 'l2norm']);
});

test("presets have their authors' numbers in their authors' units", () => {
  const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-12 * Math.abs(b), `${a}, expected ${b}`);
  const cs231n = stepRecipe(classModelRecipe('cs231n'), torchvision);
  near(cs231n.step, 25);
  near(cs231n.lambda, 1e-3);
  near(CLASS_MODEL_PRESETS.cs231n.noise / levelsPerUnit(torchvision), 1);
  // The valid range of torchvision's input: (0 - mean) / std to (1 - mean) / std.
  near(cs231n.limits!.low[0], -0.485 / 0.229);
  near(cs231n.limits!.high[2], (1 - 0.406) / 0.225);
  const deepvis = stepRecipe(classModelRecipe('deepvis'), caffe);
  assert.is(deepvis.step, 100);
  assert.is(deepvis.lambda, 0);
  assert.equal(deepvis.limits, { low: [-104, -117, -123], high: [151, 138, 132], when: 'last' });
  assert.is(CLASS_MODEL_PRESETS.deepvis.noise, 10);
});

test('a change of unit u takes the step by 1/u^2, lambda by u^2, their product not at all', () => {
  const recipe = classModelRecipe('paper');
  const [levels, units] = [stepRecipe(recipe, caffe), stepRecipe(recipe, torchvision)];
  const u = levelsPerUnit(torchvision);
  assert.is(levelsPerUnit(caffe), 1);
  assert.ok(Math.abs(u - 255 * Math.cbrt(0.229 * 0.224 * 0.225)) < 1e-9);
  assert.ok(Math.abs(units.step * u * u - levels.step) < 1e-9 * levels.step);
  assert.ok(Math.abs(units.lambda * units.step - levels.lambda * levels.step) < 1e-12);
});

test("the blur's weights sum to 1, fall off, and reach four deviations", () => {
  for (const sigma of [0.1, 0.3, 0.5, 1, 2.5, 15.75]) {
    const half = gaussian(sigma);
    const sum = half[0] + 2 * half.slice(1).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(sum - 1) < 1e-15 * half.length, `sigma ${sigma}: ${sum}`);
    assert.is(half.length, Math.floor(4 * sigma + 0.5) + 1);
    half.forEach((w, k) => assert.ok(k === 0 || w < half[k - 1]));
    const f32 = half.map(Math.fround);
    const rounded = f32[0] + 2 * f32.slice(1).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(rounded - 1) < 1e-7, `as f32: ${rounded}`);
  }
});

/** The reference of one op on x, as a graph. */
function reference(op: string, attrs: object, inputs: readonly F64Tensor[]): Float64Array {
  const names = inputs.map((_, k) => `x${k}`);
  const specs = inputs.map(({ shape }, k) => ({
    name: names[k],
    shape,
    dtype: op === 'roll' && k === 1 ? ('i32' as const) : ('f32' as const),
  }));
  const node = { name: op, op, inputs: names, outputs: ['y'], attrs: attrs as Record<string, unknown> };
  const typed = typeGraph({ name: op, inputs: specs, parameters: [], nodes: [node], outputs: ['y'] });
  return runReference(typed, new Map(inputs.map((value, k) => [names[k], value]))).get('y')!.data;
}

test('the reference blur: a point becomes the kernel, a flat image stays, edges are reflected', () => {
  const half = gaussian(1);
  const point: F64Tensor = { shape: [1, 1, 11, 11], data: new Float64Array(121) };
  point.data[60] = 1;
  const y = reference('blur', { sigma: 1 }, [point]);
  for (const [dy, dx] of [
    [0, 0],
    [1, 0],
    [-2, 3],
    [4, -4],
    [5, 0],
  ]) {
    const want = (half[Math.abs(dy)] ?? 0) * (half[Math.abs(dx)] ?? 0);
    assert.ok(Math.abs(y[60 + 11 * dy + dx] - want) < 1e-15, `${dy}, ${dx}`);
  }
  const flat = reference('blur', { sigma: 2.5 }, [{ shape: [1, 1, 3, 5], data: new Float64Array(15).fill(7) }]);
  for (const v of flat) assert.ok(Math.abs(v - 7) < 1e-13);
  // At the edge the neighbour outside is the edge itself.
  const line = reference('blur', { sigma: 0.3 }, [{ shape: [1, 3], data: Float64Array.of(1, 0, 0) }]);
  const w = gaussian(0.3);
  assert.ok(Math.abs(line[0] - (w[0] + w[1])) < 1e-15);
});

test('roll is numpy.roll, and its inverse undoes it', () => {
  const x: F64Tensor = { shape: [1, 2, 3], data: Float64Array.of(1, 2, 3, 4, 5, 6) };
  const offsets = (rows: number, columns: number): F64Tensor => ({ shape: [2], data: Float64Array.of(rows, columns) });
  assert.equal([...reference('roll', {}, [x, offsets(0, 1)])], [3, 1, 2, 6, 4, 5]);
  assert.equal([...reference('roll', {}, [x, offsets(1, -1)])], [5, 6, 4, 2, 3, 1]);
  const moved = reference('roll', {}, [x, offsets(-5, 7)]);
  assert.equal([...reference('roll', { inverse: true }, [{ shape: x.shape, data: moved }, offsets(-5, 7)])], [...x.data]);
});

test('l2norm and limit by hand', () => {
  const x: F64Tensor = { shape: [3, 2], data: Float64Array.of(3, -4, 0, 0, 1, NaN) };
  assert.equal([...reference('l2norm', {}, [x])].slice(0, 2), [5, 0]);
  const pixels: F64Tensor = { shape: [1, 2, 3], data: Float64Array.of(-2, 0, 2, -2, 0, NaN) };
  const bound = (...data: number[]): F64Tensor => ({ shape: [2], data: Float64Array.from(data) });
  assert.equal([...reference('limit', {}, [pixels, bound(-1, -3), bound(1, -1)])], [-1, 0, 1, -2, -1, NaN]);
});

/** Every f32 machine stays within the bounds, and the worst comes near enough to them to show that they are no wider than they need be. */
function bounded(what: string, tight: number, want: Bounded, evaluate: (m: F32Machine) => number[]): void {
  let worst = 0;
  MACHINES.forEach((options, i) => {
    const { ratio, index, count } = excess(evaluate(new F32Machine(options, new Random(100 + i))), want);
    assert.is(count, 0, `${what}, ${JSON.stringify(options)}: worst ${ratio} at ${index}`);
    worst = Math.max(worst, ratio);
  });
  assert.ok(worst >= tight, `${what}: the bound is loose, no result uses more than ${worst} of it`);
}

test('norms and blurs of f32 machines of every kind stay within the bounds', () => {
  const r = new Random(9);
  const x = r.tensor([2, 5, 6]);
  const [norm, y] = REFERENCE.l2norm.forward({ attrs: {}, x: [x], bounds: true });
  const norms = (m: F32Machine): number[] => [0, 30].map((n) => m.sqrt(m.dot([...x.data.subarray(n, n + 30)].map((v) => [v, v]))));
  bounded('norm', 0.1, norm, norms);
  bounded('x / norm', 0.1, y, (m) => {
    const n = norms(m);
    return [...x.data].map((v, i) => m.div(v, n[Math.floor(i / 30)]));
  });
  const sigma = 0.8;
  const half = gaussian(sigma);
  const reflected = (i: number, n: number): number => (i < 0 ? -1 - i : i >= n ? 2 * n - 1 - i : i);
  const [blurred] = REFERENCE.blur.forward({ attrs: { sigma }, x: [x], bounds: true });
  bounded('blur', 0.1, blurred, (m) => {
    const line = (data: readonly number[], at: (k: number) => number): number =>
      m.dot(half.map((w, k) => [m.round(w), k === 0 ? data[at(0)] : m.add(data[at(-k)], data[at(k)])]));
    const rows = [...x.data].map((_, i) => line([...x.data], (k) => i - (i % 6) + reflected((i % 6) + k, 6)));
    return rows.map((_, i) => line(rows, (k) => i - 6 * (Math.floor(i / 6) % 5) + 6 * reflected((Math.floor(i / 6) % 5) + k, 5)));
  });
});

test('options are checked', () => {
  const refused = (changes: Partial<ClassModelRecipe>, message: RegExp): void => {
    assert.throws(
      () => classModelRecipe('paper', changes),
      (error: unknown) => error instanceof InputError && message.test(error.message),
    );
  };
  refused({ lambda: -1 }, /expected lambda to be a number of at least 0, got -1/);
  refused({ step: 0 }, /expected step to be a positive number, got 0/);
  refused({ step: NaN }, /step/);
  refused({ momentum: 1 }, /expected momentum to be in \[0, 1\), got 1/);
  refused({ decay: -0.1 }, /decay/);
  refused({ iterations: 0 }, /whole number from 1/);
  refused({ iterations: 2.5 }, /2\.5/);
  refused({ jitter: -1 }, /jitter/);
  refused({ seed: 2 ** 32 }, /seed/);
  refused({ blur: { sigma: 16, every: 1 } }, /sigma/);
  refused({ blur: { sigma: 1, every: 0 } }, /every/);
  refused({ keep: 'first' as 'last' }, /one of last, best, got "first"/);
  refused({ step: 1e6, lambda: 1e-3 }, /overshoot.*Lower step or lambda/s);
  assert.throws(() => classModelRecipe('nobody' as 'paper'), /preset among paper, cs231n, deepvis, got "nobody"/);
  assert.is(classModelRecipe('paper', { lambda: undefined }).lambda, CLASS_MODEL_PRESETS.paper.lambda);
  for (const preset of ['paper', 'cs231n', 'deepvis'] as const) assert.equal(classModelRecipe(preset), CLASS_MODEL_PRESETS[preset]);
});

test('a picture is I plus the mean; stretched, I times what makes it visible', () => {
  const r = new Random(3);
  const faint = { shape: [1, 3, 20, 20], data: Float32Array.from(r.tensor([1200], -1, 1).data) };
  const plain = classModelPicture(faint, caffe);
  assert.is(plain.factor, 1);
  assert.is(plain.clipped, 0);
  // BGR channels to RGB pixels.
  assert.is(plain.picture.data[0], Math.round(faint.data[800] + 123));
  const stretched = classModelPicture(faint, caffe, 'stretch');
  assert.ok(stretched.factor > 60 && stretched.factor < 70, String(stretched.factor));
  const strong = { shape: faint.shape, data: faint.data.map((v) => 1000 * v) };
  assert.ok(classModelPicture(strong, caffe).clipped > 0.8);
  assert.ok(classModelPicture(strong, caffe, 'stretch').clipped < 0.02);
  const zero = classModelPicture({ shape: faint.shape, data: new Float32Array(1200) }, caffe, 'stretch');
  assert.equal([...zero.picture.data.subarray(0, 3)], [123, 117, 104]);
});

/** A stream that keeps what is written. */
function sink(isTTY: boolean): NodeJS.WritableStream & { isTTY: boolean; text: string } {
  const stream = { isTTY, text: '', columns: 120, write: (chunk: string) => ((stream.text += chunk), true) };
  return stream as unknown as NodeJS.WritableStream & { isTTY: boolean; text: string };
}

test('progress without a terminal: a line now and then, the last one always, with the time left', () => {
  let now = 0;
  const stream = sink(false);
  const shown = progress(100, 'work', { stream, now: () => now });
  for (let done = 1; done <= 100; done++) {
    now += 500;
    shown.tick(done, `at ${done}`);
  }
  shown.stop();
  shown.tick(100);
  const lines = stream.text.trim().split('\n');
  assert.is(lines.length, 10);
  assert.is(lines[0], 'work 10/100  at 10  45 s left');
  assert.is(lines.at(-1), 'work 100/100  at 100');
  assert.equal([9.4, 61, 3600 * 2 + 330].map(formatSeconds), ['9 s', '1 min 1 s', '2 h 5 min']);
});

test('progress on a terminal is one line that is taken away', () => {
  const stream = sink(true);
  const shown = progress(4, 'work', { stream });
  shown.tick(1, 'score 2');
  shown.stop();
  shown.stop();
  assert.match(stream.text, /work .*1\/4 {2}score 2/);
  assert.not.match(stream.text, /\n/);
});

test.run();
