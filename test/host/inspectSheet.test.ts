// Sheets of channels and pictures of traces: every map in its place, in its colours.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import type { Picture } from '../../src/image/picture.ts';
import { channelSheet } from '../../src/inspect/channelSheet.ts';
import type { Trace } from '../../src/inspect/trace.ts';
import { traceSheet } from '../../src/inspect/traceSheet.ts';
import { indexTensor, tensor, zeros } from '../../src/tensor.ts';

const key = (picture: Picture, i: number): string => picture.data.slice(3 * i, 3 * i + 3).join(',');

/** How many pixels are exactly of each colour. */
function colours(picture: Picture): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i < picture.width * picture.height; i++) found.set(key(picture, i), (found.get(key(picture, i)) ?? 0) + 1);
  return found;
}

/** Left, top, right and bottom of the pixels of a colour. */
function extentOf(picture: Picture, rgb: string): number[] {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -1, -1];
  for (let i = 0; i < picture.width * picture.height; i++) {
    if (key(picture, i) !== rgb) continue;
    const [x, y] = [i % picture.width, Math.floor(i / picture.width)];
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
  }
  return [x0, y0, x1, y1];
}

test('a value and its negative are a red and a blue of equal share, zero between them is white', async () => {
  const picture = await channelSheet(tensor([1, 3, 1, 1], [-2, 0, 2]), { title: 't', kind: 'signal' });
  const side = 224;
  const red = '103,0,31';
  const blue = '5,48,97';
  const found = colours(picture);
  assert.is(found.get(red), side * side);
  assert.is(found.get(blue), side * side);
  const [left, top] = extentOf(picture, blue);
  assert.equal(extentOf(picture, red).slice(0, 2), [left + 2 * (side + 2), top]);
});

test('channels run row by row; a mask is white and black; no winner is green', async () => {
  const mask = new Int32Array(9 * 4);
  mask[4 * 5] = 1;
  const shown = await channelSheet(indexTensor([1, 9, 2, 2], mask), { title: 'mask', kind: 'mask' });
  // Three by three maps of 224 pixels, two between and around them, twelve at the sheet's edges; the white cell is the first of the sixth map.
  const [left, top] = [shown.width - 12 - 680, shown.height - 12 - 680];
  const at = (row: number, column: number, y: number, x: number): string =>
    key(shown, (top + 2 + 226 * row + y) * shown.width + left + 2 + 226 * column + x);
  assert.is(at(1, 2, 0, 0), '255,255,255');
  assert.is(at(1, 2, 111, 111), '255,255,255');
  assert.is(at(1, 2, 111, 112), '0,0,0');
  assert.is(at(1, 2, 112, 111), '0,0,0');
  assert.is(at(1, 2, 0, -1), '128,128,128');
  assert.is(colours(shown).get('0,0,0')! >= 9 * 224 * 224 - 112 * 112, true);
  const switches = await channelSheet(indexTensor([1, 1, 1, 2], [-1, 3]), { title: 's', kind: 'switches', places: 4 });
  assert.is(colours(switches).get('0,255,0'), 112 * 112);
});

test('zero is drawn flat, many units fit, what is no tensor of channels is refused', async () => {
  const flat = await channelSheet(zeros([1, 6, 3, 3]), { title: 'nothing', kind: 'value' });
  assert.is(colours(flat).has('255,0,0'), false);
  const many = await channelSheet(zeros([1, 4096]), { title: 'many', kind: 'value' });
  assert.ok(many.width < 1500 && many.height < 1500, `${many.width}x${many.height}`);
  for (const shape of [[2, 3, 4, 4], [5]] as const) {
    const told = await channelSheet(zeros(shape), { title: '', kind: 'value' }).then(
      () => null,
      (error) => error,
    );
    assert.instance(told, InputError);
  }
});

test('a trace draws the field in yellow around the open field in cyan', async () => {
  const [height, width] = [20, 24];
  const openMask = new Uint8Array(height * width);
  const pathMap = new Float64Array(height * width).fill(-Infinity);
  for (let y = 6; y < 10; y++) for (let x = 8; x < 13; x++) [openMask[y * width + x], pathMap[y * width + x]] = [1, 2 + 0.1 * x];
  const signal = zeros([1, 3, height, width]);
  const mass = { units: 0, l1: 0, l2Squared: 0 };
  const trace: Trace = {
    tensor: 'r',
    shape: [1, 1, 1, 1],
    unit: 0,
    class: null,
    value: 1,
    layers: [],
    openMask,
    pathMap,
    influenceMap: new Float64Array(height * width),
    signals: { gradient: signal, deconvnet: signal, guided: signal, linear: signal },
    input: {
      tensor: 'x',
      shape: signal.shape,
      field: { x0: 7, y0: 5, x1: 14, y1: 11 },
      openPixels: 20,
      openBox: { x0: 8, y0: 6, x1: 13, y1: 10 },
      paths: { count: 20, log10: Math.log10(20), exact: true, units: 20 },
      influence: { positive: 1, negative: 0 },
      rest: 0,
      rules: { gradient: mass, deconvnet: mass, guided: mass, linear: mass },
    },
  };
  const picture: Picture = { width, height, data: new Uint8Array(3 * width * height).fill(90) };
  const drawn = await traceSheet(trace, picture, { title: 'T', footer: 'F', channels: 'rgb', clip: 99.5 });
  const times = 12;
  // The first picture stands at the left margin; its corner is the input's grey.
  const left = 24;
  let top = 0;
  while (!Array.from({ length: 20 }, (_, x) => key(drawn, top * drawn.width + left + x)).every((rgb) => rgb === '90,90,90')) top++;
  // The box reaches two pixels beyond the field, an input's pixel is twelve wide.
  const at = (x: number, y: number): string => key(drawn, (top + y) * drawn.width + left + x);
  assert.is(at(7 * times - 1, 8 * times), '255,206,0');
  assert.is(at(14 * times, 8 * times), '255,206,0');
  assert.is(at(7 * times + 1, 8 * times), '90,90,90');
  assert.is(at(8 * times, 8 * times), '0,220,230');
  assert.is(at(13 * times - 1, 8 * times), '0,220,230');
  assert.is(at(13 * times + 1, 8 * times), '90,90,90');
});

test.run();
