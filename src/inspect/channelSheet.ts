/** All channels of one tensor as small maps on one sheet, in one range of colours. Node only, because of the text. */
import { InputError } from '../errors.ts';
import { Canvas } from '../image/canvas.ts';
import { colourise, colourRange, type ColourRange, type Colours } from '../image/colour.ts';
import type { Picture } from '../image/picture.ts';
import { fitInto } from '../image/sheet.ts';
import { drawText } from '../image/text.ts';
import { formatShape, size, type AnyTensor, type Shape, type Tensor } from '../tensor.ts';
import type { ExportKind } from './choose.ts';

export interface ChannelSheetOptions {
  readonly title: string;
  readonly kind: ExportKind;
  /** Of switches: the places of a window. */
  readonly places?: number;
}

/** Colours, what they stand for, and the words for it. */
export interface Look {
  readonly range: ColourRange;
  readonly colours: Colours;
  readonly words: string;
}

const MARGIN = 12;
const GAP = 2;
/** Between maps: a grey that no map ends in. */
const GROUND = [128, 128, 128] as const;
/** Extents of the maps in pixels, width that the sheet aims at, and the most maps that it holds. */
const [LEAST, MOST, WIDTH, MOST_MAPS] = [14, 224, 1280, 16384];

/** Maps of one size, row by row. */
interface Maps {
  readonly count: number;
  readonly columns: number;
  readonly height: number;
  readonly width: number;
  /** What a row is numbered by. */
  readonly perNumber: number;
}

/**
 * Draws a tensor [1, C, H, W], or [1, K] with a cell for each unit; channels run row by row, and the number at the left is that of a row's first.
 * Weights [O, I, H, W] stand in a row for each output, matrices as one map.
 * @throws InputError if the tensor has several items or too many maps
 */
export async function channelSheet(tensor: AnyTensor, { title, kind, places }: ChannelSheetOptions): Promise<Picture> {
  const { shape } = tensor;
  const layout = kind === 'weights' ? layoutOfWeights(shape) : layoutOf(shape);
  const { count, columns, height, width } = layout;
  if (count > MOST_MAPS)
    throw new InputError(`picture: expected at most ${MOST_MAPS} maps, got ${count}. Export it as .npy (--format npy).`);
  const values = tensor.data instanceof Float32Array ? (tensor as Tensor) : asMaps(tensor);
  const look = lookOf(values, kind, places);

  // A map by itself is drawn at its own size, if that is more.
  const most = count === 1 ? Math.max(MOST, height, width) : MOST;
  const side = Math.max(LEAST, Math.min(most, Math.floor(WIDTH / columns)));
  const cell: [number, number] = [
    width >= height ? side : Math.ceil((side * width) / height),
    height >= width ? side : Math.ceil((side * height) / width),
  ];
  const drawn = (c: number): Picture => {
    const data = values.data.subarray(c * height * width, (c + 1) * height * width);
    return fitInto(colourise({ shape: [height, width], data }, look).picture, cell);
  };
  const first = drawn(0);
  const [stepX, stepY] = [first.width + GAP, first.height + GAP];
  const rows = Math.ceil(count / columns);
  const numbers = await Promise.all(
    Array.from({ length: rows }, (_, r) => drawText(String((r * columns) / layout.perNumber), { size: 10 })),
  );
  const left = MARGIN + Math.max(...numbers.map((text) => text.width)) + 6;
  const inner = Math.max(columns * stepX + GAP, 360);
  const heading = await drawText(title, { size: 15, bold: true, width: inner, lines: 2 });
  const note = await drawText(`${formatShape(shape)}. ${look.words}`, { size: 12, width: inner, lines: 3 });
  const top = MARGIN + heading.height + note.height + 8;
  const canvas = new Canvas(left + inner + MARGIN, top + rows * stepY + GAP + MARGIN);
  canvas.text(heading, left, MARGIN);
  canvas.text(note, left, MARGIN + heading.height, 90);
  // The last row may be short.
  for (let r = 0; r < rows; r++) {
    const across = Math.min(columns, count - r * columns);
    canvas.fill(left, top + r * stepY, across * stepX + GAP, stepY + GAP, GROUND);
  }
  for (let c = 0; c < count; c++) {
    const picture = c === 0 ? first : drawn(c);
    canvas.picture(picture, left + GAP + (c % columns) * stepX, top + GAP + Math.floor(c / columns) * stepY);
  }
  // Numbers of rows that stand too close are left out.
  const every = Math.ceil(12 / stepY);
  numbers.forEach((text, r) => {
    const y = top + GAP + r * stepY + Math.max(0, (first.height - text.height) >> 1);
    if (r % every === 0 && y + text.height <= canvas.height) canvas.text(text, left - 6 - text.width, y, 90);
  });
  return canvas;
}

/** Maps of one item's channels, so many to a row that the sheet is about square. */
function layoutOf(shape: Shape): Maps {
  if (shape.length < 2 || shape.length > 4 || shape[0] !== 1) {
    throw new InputError(`picture: expected a tensor 1xCxHxW or 1xK, got ${formatShape(shape)}. Export it as .npy (--format npy).`);
  }
  const [, count, height = 1, width = 1] = shape;
  const columns = count <= 4 ? count : Math.min(count, Math.max(1, Math.round(Math.sqrt((count * height) / width))));
  return { count, columns, height, width, perNumber: 1 };
}

function layoutOfWeights(shape: Shape): Maps {
  // Vectors as the units of a layer; matrices whole; filters in rows.
  if (shape.length < 2) return layoutOf([1, size(shape)]);
  if (shape.length === 2) return { count: 1, columns: 1, height: shape[0], width: shape[1], perNumber: 1 };
  const [outputs, inputs, height, width = 1] = shape;
  // Of few inputs several outputs share a row.
  const perRow = Math.max(1, Math.floor(Math.sqrt((outputs * height) / (inputs * width))));
  return { count: outputs * inputs, columns: inputs * perRow, height, width, perNumber: inputs };
}

/** Masks and switches as f32; no winner is NaN, which has a colour of its own. */
export function asMaps({ shape, data }: AnyTensor): Tensor {
  return { shape, data: Float32Array.from(data, (v) => (v < 0 ? NaN : v)) };
}

/** How maps of a kind are coloured: values from black or, where some are negative, about white. */
export function lookOf(maps: Tensor, kind: ExportKind, places: number | undefined): Look {
  if (kind === 'mask')
    return { range: { low: 0, high: 1, signed: false, zero: false }, colours: 'greys', words: 'White: open; black: shut.' };
  if (kind === 'switches') {
    const high = Math.max(1, (places ?? size(maps.shape)) - 1);
    const words = `The winner's place in its window, row by row: dark 0 (and windows of zeros) to light ${high}; green: no winner.`;
    return { range: { low: 0, high, signed: false, zero: false }, colours: 'viridis', words };
  }
  const signed = kind !== 'value' || maps.data.some((v) => v < 0);
  const range = colourRange(maps, { signed });
  const high = range.high.toPrecision(3);
  const words = range.zero
    ? 'Zero everywhere.'
    : signed
      ? `Blue -${high} through white 0 to red ${high}, one range for all.`
      : `Black 0 to white ${high}, one range for all.`;
  return { range, colours: signed ? 'rdbu' : 'greys', words };
}
