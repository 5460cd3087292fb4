// The layer explorer's page without a page: its rails, its painting, and its part of the address.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { colourise, colourRange, colourTable } from '../../src/image/colour.ts';
import { brief, percent } from '../../src/lab/page/layers/numbers.ts';
import { highOf, paint } from '../../src/lab/page/layers/paint.ts';
import { layRails } from '../../src/lab/page/layers/rails.ts';
import { DEFAULT_VIEW, readView, writeView } from '../../src/lab/view.ts';

const chain = (text: string) =>
  layRails(
    text
      .trim()
      .split(/\s*;\s*/)
      .map((line) => {
        const [node, ...from] = line.split(/[\s<]+/);
        return { node, from };
      }),
  );

test('a chain is one rail', () => {
  const { lanes, rows } = chain('x; a < x; b < a');
  assert.is(lanes, 1);
  assert.equal(rows, [
    { stop: 0, through: [], into: [], on: true },
    { stop: 0, through: [], into: [0], on: true },
    { stop: 0, through: [], into: [0], on: false },
  ]);
});

test('branches part, pass by each other and join', () => {
  const { lanes, rows } = chain('x; a < x; b < x; c < b; sum < a c');
  assert.is(lanes, 2);
  // x is still needed by b: a leaves it for a lane of its own.
  assert.equal(rows[1], { stop: 1, through: [0], into: [0], on: true });
  assert.equal(rows[2], { stop: 0, through: [1], into: [0], on: true });
  assert.equal(rows[3], { stop: 0, through: [1], into: [0], on: true });
  assert.equal(rows[4], { stop: 0, through: [], into: [0, 1], on: false });
});

test('a shortcut stays beside what it goes round, and what nobody uses ends', () => {
  const { lanes, rows } = chain('x; a < x; dead < a; b < a; add < x b');
  assert.is(lanes, 3);
  assert.equal(rows[2], { stop: 2, through: [0, 1], into: [1], on: false });
  assert.equal(rows[3], { stop: 1, through: [0], into: [1], on: true });
  assert.equal(rows[4], { stop: 0, through: [], into: [0, 1], on: false });
});

test('the page paints as the engine does', () => {
  const data = Float32Array.from({ length: 60 }, (_, i) => Math.sin(i * i) * (i % 7));
  for (const clip of [50, 99.5, 100]) assert.is(highOf(data, clip), colourRange({ data }, { clip, signed: true }).high);
  assert.is(highOf(new Float32Array(4), 90), 0);
  const range = colourRange({ data }, { clip: 90, signed: true });
  const { picture } = colourise({ shape: [6, 10], data }, { range, colours: 'rdbu' });
  const painted = paint(data, [6, 10], range.high, colourTable('rdbu'), true);
  assert.equal([painted.width, painted.height], [10, 6]);
  for (let i = 0; i < 60; i++)
    assert.equal([...painted.data.subarray(4 * i, 4 * i + 4)], [...picture.data.subarray(3 * i, 3 * i + 3), 255], `pixel ${i}`);
  assert.is(paint(Float32Array.of(NaN), [1, 1], 1, colourTable('rdbu'), true).data[3], 0);
});

test('shares are never told as all or nothing where they are not', () => {
  assert.equal(
    [percent(0), percent(1), percent(0.5), percent(1e-9), percent(1 - 1e-9), percent(1, 0)],
    ['0 %', '100 %', '50.0 %', '<0.1 %', '>99.9 %', '–'],
  );
  assert.equal([brief(0), brief(-0.01234), brief(1e-5), brief(123456)], ['0', '-0.0123', '1.0e-5', '1.2e+5']);
});

test('what the explorer shows is in the address', () => {
  const view = {
    ...DEFAULT_VIEW,
    tab: 'layers',
    layer: 'inception_3a/output:24',
    unit: [70, 10, 10],
    maps: 'signal',
    scale: 'own',
    fold: 'norm',
    step: 4,
  } as const;
  const { view: read, problems } = readView(writeView(view));
  assert.equal(problems, []);
  assert.equal(read, view);
  assert.equal(readView('maps=all&scale=2&fold=sum').problems.length, 2);
});

test.run();
