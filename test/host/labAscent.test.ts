// What the class model's tab is made of, without a browser: its curves, its command, its words in the address.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { commandOf } from '../../src/lab/page/classmodel/command.ts';
import { inWords, pointsOf, rangeOf, short } from '../../src/lab/page/classmodel/curve.ts';
import { merged } from '../../src/lab/page/classmodel/useAscent.ts';
import { DEFAULT_VIEW, readView, writeView, type View } from '../../src/lab/view.ts';
import type { AscentRow } from '../../src/lab/worker/ascend.ts';
import { classModelRecipe } from '../../src/visualise/classmodelPresets.ts';
import { demoRecipe } from '../../src/visualise/demo.ts';

test('a curve goes through its values, upwards, from edge to edge', () => {
  assert.equal(pointsOf([1, 3, 2], 4, [1, 3]), '0.00,100.00 25.00,0.00 50.00,50.00');
  assert.equal(rangeOf([2, -1, 5]), [-1, 5]);
  assert.equal(rangeOf([4, 4]), [2, 6]);
  assert.equal(rangeOf([0]), [-0.5, 0.5]);
  // Of many values every peak is kept, and the last one.
  const many = Array.from({ length: 5000 }, (_, t) => (t === 3210 ? 9 : t === 1234 ? -9 : t / 5000));
  const points = pointsOf(many, 4999, [-9, 9])
    .split(' ')
    .map((point) => point.split(',').map(Number));
  assert.ok(points.length < 1000);
  assert.ok(points.some(([, y]) => y === 0) && points.some(([, y]) => y === 100));
  assert.ok(points.every(([x], i) => i === 0 || x >= points[i - 1][0]));
  assert.equal(points[points.length - 1][0], 100);
  assert.is(inWords('score', [1, 5, 2]), 'score from 1 at iteration 0 to 2 at iteration 2, highest 5 at 1');
  assert.is(inWords('score', []), 'score: nothing yet');
  assert.equal([0, 1234.56, 123456, 1.5e-5, -0.25].map(short), ['0', '1235', '1.23e+5', '1.50e-5', '-0.25']);
});

test('a row for an iteration that is there takes its place', () => {
  const row = (iteration: number, score: number) => ({ iteration, score }) as AscentRow;
  const rows = [row(0, 1), row(1, 2), row(2, 3)];
  assert.equal(merged(rows, [row(2, 4), row(3, 5)]), [row(0, 1), row(1, 2), row(2, 4), row(3, 5)]);
  assert.is(merged(rows, []), rows);
});

test('the command has what differs from its preset, and the demo recipe spelt out', () => {
  const usual = classModelRecipe('cs231n');
  const question = { class: 7, preset: 'cs231n', seed: 0 } as const;
  assert.is(
    commandOf('default', question, usual, usual),
    'npx backlight class-model --model default --class 7 --preset cs231n -o class-7.png',
  );
  assert.is(
    commandOf('default', { ...question, preset: 'paper', seed: 4 }, classModelRecipe('paper', { lambda: 1e-5 }), classModelRecipe('paper')),
    'npx backlight class-model --model default --class 7 --lambda 0.00001 --seed 4 -o class-7.png',
  );
  const { preset, ...changes } = demoRecipe([64, 64]);
  const demo = classModelRecipe(preset, changes);
  assert.is(
    commandOf('default', { ...question, preset: 'demo' }, demo, demo),
    'npx backlight class-model --model default --class 7 --preset cs231n --iterations 100 --step 192 --noise 10 --jitter 4 --blur 0.5' +
      ' --blur-every 4 -o class-7.png',
  );
});

test('the address has every knob of the class model and of the bench, and tells what makes no sense', () => {
  const view: View = {
    ...DEFAULT_VIEW,
    tab: 'model',
    preset: 'deepvis',
    iterations: 40,
    lambda: 0,
    rate: 2.5,
    blur: 0,
    jitter: 0,
    seed: 9,
    display: 'stretch',
    bench: 'full',
    cases: 'conv*/dx/b1,lrn',
  };
  assert.equal(readView(writeView(view)), { view, problems: [] });
  assert.is(writeView(DEFAULT_VIEW), '');
  const { problems, view: left } = readView('preset=best&display=3d&blur=-1&jitter=1.5&iterations=&bench=slow');
  assert.is(problems.length, 6);
  assert.equal(left, DEFAULT_VIEW);
});

test.run();
