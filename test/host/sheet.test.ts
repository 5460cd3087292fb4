/** Contact sheets and their text: even margins, nothing cut off, lines broken and shortened, any characters. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Picture } from '../../src/image/picture.ts';
import { fitInto, sheet, thumbnail } from '../../src/image/sheet.ts';
import { drawText } from '../../src/image/text.ts';
import { noise } from './pictures.ts';

const flat = (width: number, height: number, value: number): Picture => ({
  width,
  height,
  data: new Uint8Array(3 * width * height).fill(value),
});
const ink = ({ width, height, data }: { width: number; height: number; data: Uint8Array }, channels: number, paper: number): number[] => {
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[channels * (y * width + x)] === paper) continue;
      [x0, x1, y0, y1] = [Math.min(x0, x), Math.max(x1, x + 1), Math.min(y0, y), Math.max(y1, y + 1)];
    }
  }
  return [x0, y0, x1, y1];
};

test('text: lines of one height whatever their letters, baselines that agree', async () => {
  const [low, high, deep] = await Promise.all(['aaa', 'AÅ', 'gggg'].map((text) => drawText(text)));
  assert.is(low.height, high.height);
  assert.is(low.height, deep.height);
  // "a" and "A" stand on one line; "g" goes below it.
  const bottom = (text: typeof low): number => ink(text, 1, 0)[3];
  assert.ok(Math.abs(bottom(low) - bottom(await drawText('A'))) <= 1);
  assert.ok(bottom(deep) > bottom(low));
  assert.is((await drawText('a\nb')).height, 2 * low.height);
  assert.is((await drawText('')).width, 1);
});

test('text: broken at words, shortened with an ellipsis, never wider than asked for', async () => {
  const text = 'American Staffordshire terrier, Staffordshire terrier, American pit bull terrier, pit bull terrier';
  for (const width of [60, 100, 200, 400]) {
    const drawn = await drawText(text, { width });
    assert.ok(drawn.width <= width, `${drawn.width} of ${width}`);
    const two = await drawText(text, { width, lines: 2 });
    assert.ok(two.width <= width);
    assert.ok(two.height <= (2 * drawn.height) / Math.round(drawn.height / (await drawText('x')).height) + 1);
  }
  const long = await drawText('x'.repeat(200), { width: 80 });
  assert.ok(long.width <= 80 && long.height === (await drawText('x')).height);
});

test('text: markup and odd characters are drawn, not obeyed', async () => {
  const plain = await drawText('<b>a & b</b> "c" ±∂ é');
  assert.ok(plain.width > 100);
  assert.ok((await drawText('\0\t\u0007')).width >= 1);
  assert.ok((await drawText('  ')).width >= 1);
});

test('a sheet has even margins, and holds its pictures unchanged', async () => {
  const cells = [flat(40, 30, 10), flat(40, 30, 20), flat(40, 30, 30)].map((picture) => ({ picture }));
  const drawn = await sheet([{ cells: cells.slice(0, 2) }, { cells: [null, cells[2]] }]);
  const [x0, y0, x1, y1] = ink(drawn, 3, 255);
  assert.equal([x0, y0, drawn.width - x1, drawn.height - y1], [24, 24, 24, 24]);
  const at = (x: number, y: number): number => drawn.data[3 * (y * drawn.width + x)];
  assert.equal([at(24, 24), at(24 + 39, 24 + 29), at(24 + 40 + 12, 24), at(24 + 52, 24 + 30 + 12)], [10, 10, 20, 30]);
  assert.is(at(30, 24 + 45), 255);
});

test('captions, titles and headings stay inside the sheet and clear of the pictures', async () => {
  const cells = [flat(160, 90, 0), flat(160, 90, 0)].map((picture, k) => ({
    picture,
    caption: `class ${k}, a name that is rather long\nscore 1.00`,
  }));
  const rows = [
    { heading: 'first', cells },
    { heading: 'second', cells },
  ];
  const drawn = await sheet(rows, { title: 'A title', columns: ['one', 'two'], footer: 'small print '.repeat(10) });
  const [x0, y0, x1, y1] = ink(drawn, 3, 255);
  assert.ok(
    x0 >= 23 && y0 >= 23 && drawn.width - x1 >= 23 && drawn.height - y1 >= 23,
    `${[x0, y0, x1, y1]} of ${drawn.width} x ${drawn.height}`,
  );
  // Four pictures of 160 x 90 black pixels are there as a whole.
  let rowsOfBlack = 0;
  for (let y = 0; y < drawn.height; y++) {
    let black = 0;
    for (let x = 0; x < drawn.width; x++) if (drawn.data[3 * (y * drawn.width + x)] === 0) black++;
    if (black >= 320) rowsOfBlack++;
  }
  assert.is(rowsOfBlack, 180);
});

test('pictures of other sizes are fitted into their cells', async () => {
  assert.equal([fitInto(noise(10, 5, 1), [30, 30]).width, fitInto(noise(10, 5, 1), [30, 30]).height], [30, 15]);
  const small = noise(2, 1, 1);
  const twice = fitInto(small, [4, 2]);
  for (let y = 0; y < 2; y++) for (let x = 0; x < 4; x++) assert.is(twice.data[3 * (4 * y + x)], small.data[3 * (x >> 1)]);
  const same = noise(10, 5, 1);
  assert.is(fitInto(same, [19, 5]), same);
  assert.equal([fitInto(noise(100, 50, 1), [30, 30]).width, fitInto(noise(100, 50, 1), [30, 30]).height], [30, 15]);
  assert.equal(thumbnail(flat(50, 50, 77), [3, 7]).data, new Uint8Array(63).fill(77));
  const drawn = await sheet([{ cells: [{ picture: flat(500, 20, 0) }] }], { cell: [100, 100] });
  assert.is(drawn.width, 100 + 48);
});

test('a sheet without pictures is refused', async () => {
  try {
    await sheet([]);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /sheet: expected at least one picture, got none/);
  }
});

test.run();
