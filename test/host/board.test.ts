/** Boards: widths, bars as long as their numbers, pictures in their proportions, nothing outside; and the perplexity they tell. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { board, type BoardOptions } from '../../src/image/board.ts';
import { Canvas } from '../../src/image/canvas.ts';
import type { Picture } from '../../src/image/picture.ts';
import { perplexity } from '../../src/visualise/demo.ts';
import { failure } from './pictures.ts';

const OPTIONS: BoardOptions = { title: 'Title', subtitle: 'subtitle', footer: 'footer', columns: 4, tile: 100 };
const flat = (width: number, height: number, rgb: readonly number[]): Picture => ({
  width,
  height,
  data: Uint8Array.from({ length: 3 * width * height }, (_, i) => rgb[i % 3]),
});

/** Extents of the pixels of a colour. */
function extents(
  { width, height, data }: Picture,
  [r, g, b]: readonly number[],
): { x0: number; y0: number; x1: number; y1: number; count: number } {
  const found = { x0: width, y0: height, x1: 0, y1: 0, count: 0 };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = 3 * (y * width + x);
      if (data[i] !== r || data[i + 1] !== g || data[i + 2] !== b) continue;
      found.count++;
      [found.x0, found.x1] = [Math.min(found.x0, x), Math.max(found.x1, x + 1)];
      [found.y0, found.y1] = [Math.min(found.y0, y), Math.max(found.y1, y + 1)];
    }
  }
  return found;
}

test('a board is as wide as its columns; pictures fill their tiles in their proportions and stand on one line', async () => {
  const drawn = await board(
    [
      {
        heading: 'Heading',
        tiles: [
          { content: flat(200, 100, [250, 0, 250]), title: 'wide', note: 'shrunk' },
          { content: flat(10, 10, [0, 250, 250]), title: 'small', note: 'enlarged' },
          { content: flat(100, 100, [250, 250, 0]), title: 'two columns', span: 2 },
        ],
      },
    ],
    OPTIONS,
  );
  assert.is(drawn.width, 4 * 100 + 3 * 16 + 2 * 24);
  const [wide, small, third] = [
    [250, 0, 250],
    [0, 250, 250],
    [250, 250, 0],
  ].map((rgb) => extents(drawn, rgb));
  assert.equal([wide.x0, wide.x1 - wide.x0, wide.y1 - wide.y0], [24, 100, 50]);
  assert.equal([small.x0, small.x1 - small.x0, small.y1 - small.y0], [140, 100, 100]);
  assert.is(third.x0, 256);
  assert.is(wide.y1, small.y1);
  assert.is(small.y1, third.y1);
});

test('bars are as long as their shares, the strong one in its own colour', async () => {
  const shares = [1, 0.5, 0.25, 0];
  const bars = shares.map((share, b) => ({ label: 'label', share, numbers: [share.toFixed(3)], strong: b === 0 }));
  const drawn = await board([{ heading: 'Bars', tiles: [{ content: { columns: ['share'], bars }, title: 'bars', span: 4 }] }], OPTIONS);
  const strong = extents(drawn, [200, 72, 48]);
  const weak = extents(drawn, [158, 170, 184]);
  const length = strong.x1 - strong.x0;
  assert.is(strong.count, length * (strong.y1 - strong.y0), 'one whole rectangle');
  assert.is(strong.x0, weak.x0);
  assert.is(weak.x1 - weak.x0, Math.round(length / 2));
  assert.is(weak.count, (Math.round(length / 2) + Math.round(length / 4)) * (strong.y1 - strong.y0));
});

test('long words are shortened and nothing is drawn outside; too many tiles are refused in one line', async () => {
  const long = 'word '.repeat(80);
  const tile = { content: flat(3, 400, [9, 9, 9]), title: long, note: long };
  const options = { ...OPTIONS, title: long, subtitle: long, footer: long };
  const bars = [{ label: long, share: 2, numbers: [] }];
  const drawn = await board([{ heading: long, tiles: [tile, { content: { columns: [], bars }, title: long, span: 3 }] }], options);
  assert.is(drawn.data.length, 3 * drawn.width * drawn.height);
  for (const tiles of [[], [{ ...tile, span: 5 }]]) {
    assert.match(
      (await failure(() => board([{ heading: 'x', tiles }], OPTIONS))).message,
      /^board: expected 1 to 4 columns of tiles in a band, got [05]\.$/,
    );
  }
});

test('a canvas blends text with what lies under it', () => {
  const canvas = new Canvas(3, 1);
  canvas.fill(0, 0, 3, 1, [100, 100, 100]);
  canvas.text({ width: 3, height: 1, data: Uint8Array.of(0, 255, 51) }, 0, 0, [200, 0, 100]);
  assert.equal([...canvas.data], [100, 100, 100, 200, 0, 100, 120, 80, 100]);
});

test('perplexity: 1 for certainty, the number of classes for an even choice, and between them for the rest', () => {
  assert.is(perplexity([0, 1, 0]), 1);
  assert.ok(Math.abs(perplexity([0.25, 0.25, 0.25, 0.25]) - 4) < 1e-12);
  assert.ok(Math.abs(perplexity([0.5, 0.5, 0]) - 2) < 1e-12);
});

test.run();
