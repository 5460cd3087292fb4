/** The sheet of the cube: a row for each ReLU rule, a column for each max-pool rule. */
import type { Picture } from '../image/picture.ts';
import { onCopy } from '../image/project.ts';
import { fitInto, sheet, thumbnail, type Cell, type Row } from '../image/sheet.ts';
import { POOL_RULES, type CubeCell, type CubeComparison } from './cube.ts';
import { cellSize, thumbnailSize } from './draw.ts';
import { drawSigned, type RuleSheetOptions } from './rulesheet.ts';

export type CubeSheetOptions = Omit<RuleSheetOptions, 'headings'>;

/** Longest side of the pictures, in pixels. */
const CELL = 200;

/**
 * Draws a cube. As on the rule sheet every picture has a range of its own, told under it, since signals under different rules differ by orders of
 * magnitude; r is the correlation with the plain gradient. Pictures whose bits are those of an earlier one say whose.
 */
export async function cubeSheet({ geometry, rows }: CubeComparison, photo: Picture, options: CubeSheetOptions): Promise<Picture> {
  const small = thumbnailSize(photo, CELL);
  const cell = cellSize(small, CELL);
  const shownPhoto = fitInto(thumbnail(photo, small), cell);
  const at = onCopy(geometry, [shownPhoto.height, shownPhoto.width]);
  const drawn = rows.map((row, r): Row => {
    const cells = row.map((one): Cell => {
      const { picture, caption } = drawSigned(one.signal, at, options);
      return {
        picture,
        caption: `${caption}, r ${formatCorrelation(one)}${one.sameBitsAs ? `\nbits of ${nameOf(one.sameBitsAs, one)}` : ''}`,
      };
    });
    return { heading: `ReLU: ${row[0].relu}`, cells: [r === 0 ? { picture: shownPhoto, caption: 'the photo' } : null, ...cells] };
  });
  return sheet(drawn, { title: options.title, columns: ['max-pool:', ...POOL_RULES], footer: options.footer, cell });
}

/** The coefficient to three places, `-` where there is none. */
export function formatCorrelation({ correlation }: Pick<CubeCell, 'correlation'>): string {
  return correlation === null ? '-' : correlation.toFixed(3);
}

/** A cell by its max-pool rule and, if it stands in another row than `from`, its ReLU rule. */
export function nameOf({ relu, maxpool }: Pick<CubeCell, 'relu' | 'maxpool'>, from: Pick<CubeCell, 'relu'>): string {
  return relu === from.relu ? maxpool : `${relu}, ${maxpool}`;
}
