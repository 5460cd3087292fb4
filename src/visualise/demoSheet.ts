/** A demonstration on one page. Node only, because of the text. */
import { board, type Band, type Tile } from '../image/board.ts';
import { colourRange, DEFAULT_CLIP } from '../image/colour.ts';
import type { Picture } from '../image/picture.ts';
import type { Preprocess } from '../image/preprocess.ts';
import { onCopy } from '../image/project.ts';
import { fitInto, thumbnail } from '../image/sheet.ts';
import { RULES } from '../rule.ts';
import { classModelPicture } from './classmodelPicture.ts';
import { framed, onPhoto } from './cutout.ts';
import { TOP, type Demonstration, type Look, type RankedClass } from './demo.ts';
import { overlayRows, whole } from './draw.ts';
import type { Localisation } from './localise.ts';
import { formatCount, formatScore, formatShare } from './numbers.ts';
import { drawSigned } from './rulesheet.ts';
import type { SaliencyFrame } from './saliency.ts';

/** A photo that the network has no class for. */
export interface Stranger {
  readonly look: Look;
  /** What the photo shows, `an aeroplane from above`, and where it is from. */
  readonly title: string;
  readonly note: string;
}

export interface DemoSheetOptions {
  readonly title: string;
  readonly subtitle: string;
  /** What the photo is called. */
  readonly photo: string;
  readonly spec: Preprocess;
  /** What a class is called in a caption. */
  readonly name: (k: number) => string;
  readonly stranger?: Stranger;
}

/** Four columns make the page about as wide as a README. */
const COLUMNS = 4;
const TILE = 216;

/**
 * Draws a demonstration: what the network says, where it sees it, the four rules, and a photo that it has no class for.
 * @throws EngineError if text cannot be drawn
 */
export function demoSheet(demo: Demonstration, options: DemoSheetOptions): Promise<Picture> {
  const { spec, name, photo, stranger } = options;
  const { chosen, rival, maps, signals, object, model } = demo;
  const bands: Band[] = [
    {
      heading: 'What the network says',
      tiles: [
        { content: demo.photo, title: 'The photo', note: `${photo}, ${demo.photo.width} x ${demo.photo.height} pixels` },
        {
          content: pixelated(demo.seen),
          title: 'What the network sees of it',
          note: `${demo.seen.width} x ${demo.seen.height} pixels${seenShare(demo, ', ', ' of the photo')}`,
        },
        bars(demo, name),
      ],
    },
    {
      heading:
        chosen.rank === 1
          ? 'Where it sees that, and what it looks for'
          : `What speaks for ${name(chosen.class)}, and what the network looks for`,
      tiles: [
        { content: mapOver(demo.photo, maps[0]), title: `Saliency of ${name(chosen.class)}`, note: mapNote(maps[0]) },
        { content: mapOver(demo.photo, maps[1]), title: `Saliency of ${name(rival.class)}`, note: mapNote(maps[1]) },
        { content: objectIn(demo.photo, object), title: `Cut out as ${name(chosen.class)}`, note: objectNote(object) },
        {
          content: classModelPicture(model.image, spec).picture,
          title: `Class model of ${name(chosen.class)}`,
          note: `score ${formatScore(model.score)}, posterior ${formatShare(model.posterior)}`,
        },
      ],
    },
    {
      heading: `The score of ${name(chosen.class)}, sent back to the photo under four rules for ReLU`,
      tiles: RULES.map((rule): Tile => {
        const size = tileSize(demo.photo);
        const { picture, caption } = drawSigned(signals[rule], onCopy(demo.geometry, size), {
          channels: spec.channels,
          signed: 'colour',
          clip: DEFAULT_CLIP,
        });
        return { content: picture, title: `${rule}: ${RULE_NOTES[rule]}`, note: caption };
      }),
    },
  ];
  if (stranger) {
    const { look } = stranger;
    const [best] = look.ranking;
    bands.push({
      heading: 'A photo of something that is none of its classes',
      tiles: [
        { content: look.photo, title: stranger.title, note: `${stranger.note}${seenShare(look, '; ', ' is seen')}` },
        bars(look, name),
        {
          content: mapOver(look.photo, look.maps[0]),
          title: `Saliency of ${name(best.class)}`,
          note: mapNote(look.maps[0]),
        },
      ],
    });
  }
  return board(bands, { ...options, footer: FOOTER, columns: COLUMNS, tile: TILE });
}

/** Where R, the signal that arrives at a ReLU from above, passes; X is what the ReLU was given on the way up. */
const RULE_NOTES = {
  gradient: 'X > 0',
  deconvnet: 'R > 0',
  guided: 'X > 0, R > 0',
  linear: 'always',
} as const;

const FOOTER =
  'Saliency: max over channels of |dS/dI|, S the score before the softmax; laid over the photo between pixels; colours end at percentile ' +
  `${DEFAULT_CLIP}, each map by itself. Four rules: the signal at the input in colour, mid-grey for zero, ± the end of its own range; ` +
  'X is a ReLU’s input on the way up, R the signal that arrives on the way down.';

/** The five best and, behind them, the class that was asked for. */
function bars({ ranking, chosen, classes, perplexity }: Look, name: (k: number) => string): Tile {
  return {
    span: 2,
    title: `The ${Math.min(ranking.length, TOP)} best of ${classes} classes${chosen.rank > TOP ? `, and ${name(chosen.class)}` : ''}`,
    note: `perplexity ${formatCount(perplexity)}: as unsure as an even choice among so many`,
    content: {
      columns: ['posterior', 'score'],
      bars: ranking.map((one: RankedClass) => ({
        label: one.rank > TOP ? `${one.rank}. ${name(one.class)}` : name(one.class),
        share: one.posterior,
        numbers: [formatShare(one.posterior), formatScore(one.score)],
        strong: one.class === chosen.class,
      })),
    },
  };
}

/** The map over a copy of its photo, of a tile's size: between the map's pixels, not between those of a copy. */
function mapOver(photo: Picture, frame: SaliencyFrame): Picture {
  const size = tileSize(photo);
  const range = colourRange(frame.frame, { clip: DEFAULT_CLIP });
  const copy = { ...frame, geometry: onCopy(frame.geometry, size) };
  return whole(overlayRows(copy, { range, colours: 'inferno' }, thumbnail(photo, size)));
}

/** Height and width of a picture that fills a tile. */
function tileSize({ width, height }: Picture): [number, number] {
  const factor = TILE / Math.max(width, height);
  return [Math.max(1, Math.round(height * factor)), Math.max(1, Math.round(width * factor))];
}

/** The object framed in a copy of its photo of a tile's size. */
function objectIn(photo: Picture, object: Localisation): Picture {
  const [height, width] = tileSize(photo);
  return framed(onPhoto(object, photo, { width, height }), thumbnail(photo, [height, width]), width * height);
}

/** Shown with its pixels as squares: enlarged by whole numbers beyond a tile, and shrunk into it by the board. */
const pixelated = (picture: Picture): Picture => {
  const times = Math.ceil(TILE / Math.max(picture.width, picture.height));
  return times > 1 ? fitInto(picture, [times * picture.width, times * picture.height]) : picture;
};

const mapNote = ({ score, posterior, zero }: SaliencyFrame): string =>
  zero ? 'zero everywhere' : `score ${formatScore(score!)}, posterior ${formatShare(posterior!)}`;

/** How much of a photo is seen, if it is not all. */
const seenShare = ({ maps: [{ seen }] }: Look, before: string, after: string): string =>
  seen < 0.995 ? `${before}${Math.round(100 * seen)} %${after}` : '';

function objectNote({ box, reason, cut }: Localisation): string {
  if (box === null) return reason ?? 'nothing was found';
  const area = cut.component.reduce((sum, side) => sum + side, 0) / cut.component.length;
  return `${Math.round(100 * area)} % of the photo`;
}
