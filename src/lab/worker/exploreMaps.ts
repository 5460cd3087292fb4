/** One layer's tensor, and its channels as tiles of one picture. */
import { InputError } from '../../errors.ts';
import { colouriseRow, colourTable } from '../../image/colour.ts';
import type { Picture } from '../../image/picture.ts';
import { asMaps, lookOf, type Look } from '../../inspect/channelSheet.ts';
import { inspect } from '../../inspect/inspect.ts';
import { unitAt } from '../../inspect/walk.ts';
import { argmax } from '../../network.ts';
import type { AnyTensor, Tensor } from '../../tensor.ts';
import type { View } from '../view.ts';
import type { Asked, Subject, Watch } from './exploreSubject.ts';

export type MapKind = View['maps'];

export interface LayerTensor {
  readonly layer: string;
  readonly kind: MapKind;
  readonly tensor: AnyTensor;
  /** Of switches: how many places a window has. */
  readonly places?: number;
}

/**
 * What a layer holds, receives or decided: activation, signal, mask (1: open) or switches (the winner's place in its window, -1 for none).
 * @param layer the node's name
 * @throws InputError if there is no such layer, it decides nothing of the kind, or no signal comes by
 */
export async function layerTensor(
  { gpu, typed, parameters, input }: Subject,
  { layer, kind, class: target, rule }: Asked & { readonly layer: string; readonly kind: MapKind },
  { signal }: Pick<Watch, 'signal'>,
): Promise<LayerTensor> {
  if (!typed.nodes.some(({ name }) => name === layer))
    throw new InputError(`layer: expected a layer of the network, got "${layer}". Choose one of the table.`);
  let found: LayerTensor | undefined;
  await inspect(gpu, typed.graph, parameters, input, {
    target,
    rule,
    layers: [layer],
    exports: [{ kind, layer }],
    onStop: () => signal.throwIfAborted(),
    onExport: ({ node, data, places }) => {
      if (node === layer) found = { layer, kind, tensor: { shape: data.shape, data: data.data.slice() } as AnyTensor, places };
    },
  });
  if (!found)
    throw new InputError(`${kind}: expected a layer that the signal of this class comes by, got "${layer}". Choose one below the scores.`);
  return found;
}

/** Channels side by side. Tiles lie row by row, `gap` pixels of nothing between them. */
export interface Tiles {
  readonly layer: string;
  readonly kind: MapKind;
  readonly picture: Picture;
  /** Channels there are, and of these the first so many are drawn. */
  readonly channels: number;
  readonly shown: number;
  readonly columns: number;
  /** Height and width of one. */
  readonly tile: readonly [number, number];
  readonly gap: number;
  /** What the colours stand for. */
  readonly words: string;
  /** The unit of the largest value, [c, y, x] or [k]. */
  readonly strongest: readonly number[];
}

/** Tiles drawn at first, and with each asking for more; of single cells. */
const [TILES, CELLS] = [64, 1024];

/**
 * Draws a layer's channels.
 * @param pages how many times as many as at first
 * @throws InputError if the tensor is not [1, C, ...] of at most four axes
 */
export function drawTiles(
  { layer, kind, tensor, places }: LayerTensor,
  { scale, pages }: { readonly scale: View['scale']; readonly pages: number },
): Tiles {
  const { shape } = tensor;
  if (shape.length < 2 || shape.length > 4 || shape[0] !== 1)
    throw new InputError(`maps: expected a layer of channels [1, C, H, W] or units [1, K], got ${shape.join('x')}. Choose another layer.`);
  const [, channels, height = 1, width = 1] = shape;
  const maps: Tensor = tensor.data instanceof Float32Array ? (tensor as Tensor) : asMaps(tensor);
  const cells = height * width === 1;
  const shown = Math.min(channels, pages * (cells ? CELLS : TILES));
  const columns = Math.min(shown, Math.max(1, Math.ceil(Math.sqrt((shown * height) / width))));
  const gap = cells ? 0 : 1;
  const rows = Math.ceil(shown / columns);
  const [stepX, stepY] = [width + gap, height + gap];
  const picture: Picture = { width: columns * stepX - gap, height: rows * stepY - gap, data: new Uint8Array(0) };
  const data = new Uint8Array(4 * picture.width * picture.height);
  // Masks and switches mean the same everywhere.
  const each = scale === 'own' && !cells && (kind === 'value' || kind === 'signal');
  const common = lookOf(maps, kind, places);
  const line = new Uint8Array(3 * width);
  for (let c = 0; c < shown; c++) {
    const own = { shape: [height, width], data: maps.data.subarray(c * height * width, (c + 1) * height * width) };
    const look: Look = each ? { ...common, range: lookOf(own, common.range.signed ? 'signal' : 'value', places).range } : common;
    const table = colourTable(look.colours);
    for (let y = 0; y < height; y++) {
      colouriseRow(own.data.subarray(y * width, (y + 1) * width), look.range, table, line);
      let to = 4 * ((Math.floor(c / columns) * stepY + y) * picture.width + (c % columns) * stepX);
      for (let x = 0; x < width; x++, to += 4) {
        data.set(line.subarray(3 * x, 3 * x + 3), to);
        data[to + 3] = 255;
      }
    }
  }
  return {
    layer,
    kind,
    picture: { ...picture, data },
    channels,
    shown,
    columns,
    tile: [height, width],
    gap,
    words: each
      ? `Each map in a range of its own, ${common.range.signed ? 'blue below zero, red above' : 'black 0 to white'}.`
      : common.words,
    strongest: unitAt(shape, argmax(maps.data)),
  };
}
