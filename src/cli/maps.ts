/** Saliency maps as files: pictures, numbers, rankings. */
import { InputError } from '../errors.ts';
import { npyHeader, writeNpy } from '../formats/index.ts';
import type { Picture } from '../image/picture.ts';
import { encodePng, encodePngRows } from '../image/png.ts';
import { photoRows, toPhoto } from '../image/project.ts';
import { mapRows, mapSheet, overlayRows, type MapSheetOptions, type SheetMap } from '../visualise/draw.ts';
import { rankPixels } from '../visualise/rank.ts';
import type { SaliencyFrame } from '../visualise/saliency.ts';
import type { Content } from './outputs.ts';

/** A map, its colours, its caption on a sheet, and the text beside its pixels. */
export interface Shown extends SheetMap, SaliencyFrame {
  readonly text: Readonly<Record<string, string>>;
}

/** One map as a PNG of the photo's size; of several, a sheet. */
export async function pictureFile(maps: readonly Shown[], photo: Picture, options: MapSheetOptions): Promise<Content> {
  const [first] = maps;
  if (maps.length === 1)
    return encodePngRows(options.kind === 'map' ? mapRows(first, first) : overlayRows(first, first, photo), first.text);
  const drawn = await mapSheet(maps, photo, options);
  return encodePng(drawn, { ...common(maps), Title: options.title, Maps: maps.map((map) => JSON.stringify(own(map, maps))).join('\n') });
}

/** What all maps say alike, and what only one says. */
const common = (maps: readonly Shown[]): Record<string, string> =>
  Object.fromEntries(Object.entries(maps[0].text).filter(([key, value]) => maps.every((map) => map.text[key] === value)));
const own = (map: Shown, maps: readonly Shown[]): Record<string, string> =>
  Object.fromEntries(Object.entries(map.text).filter(([key]) => !(key in common(maps))));

/** The numbers at the photo's size: [h, w] of one map, [maps, h, w] of several. Written row by row. */
export function* rawFile(maps: readonly Shown[]): Generator<Uint8Array> {
  const [h, w] = maps[0].geometry.picture;
  yield npyHeader(maps.length === 1 ? [h, w] : [maps.length, h, w], 'f32');
  const bytes = new Uint8Array(4 * w);
  const view = new DataView(bytes.buffer);
  for (const { frame, geometry, counts } of maps) {
    for (const row of photoRows(frame, geometry, counts)) {
      row.forEach((v, i) => view.setFloat32(4 * i, v, true));
      yield bytes;
    }
  }
}

/** The ranking of a map's pixels: `.npy`, flat places [h * w] as i32; `.csv`, rows rank,y,x,value from rank 1 on. */
export function rankFile({ frame, geometry, counts }: Shown, kind: '.csv' | '.npy'): Content {
  const map = toPhoto(frame, geometry, counts);
  const order = rankPixels(map);
  if (kind === '.npy') return writeNpy({ shape: [order.length], data: order });
  if (kind !== '.csv') throw new InputError(`--rank: expected a file name ending in .csv or .npy, got ${kind}.`);
  const width = map.shape[1];
  return (function* () {
    const encoder = new TextEncoder();
    let lines = 'rank,y,x,value\n';
    for (let r = 0; r < order.length; r++) {
      const i = order[r];
      // Nine digits tell every f32 from its neighbours.
      lines += `${r + 1},${Math.floor(i / width)},${i % width},${Number(map.data[i].toPrecision(9))}\n`;
      if (lines.length < 2 ** 16) continue;
      yield encoder.encode(lines);
      lines = '';
    }
    yield encoder.encode(lines);
  })();
}
