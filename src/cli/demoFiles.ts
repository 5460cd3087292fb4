/** The pictures of the demo as files, each with a sentence on what it shows and with text beside its pixels on how it was made. */
import path from 'node:path';
import { colourRange, DEFAULT_CLIP } from '../image/colour.ts';
import type { Picture } from '../image/picture.ts';
import { encodePng, encodePngRows, type PngText } from '../image/png.ts';
import { describePreprocess, type Preprocess } from '../image/preprocess.ts';
import { onCopy } from '../image/project.ts';
import { fitInto, thumbnail } from '../image/sheet.ts';
import { classTitle, shortClassName } from '../models/labels.ts';
import { RULES } from '../rule.ts';
import { DEFAULT_PRESET } from '../segment/presets.ts';
import { VERSION } from '../version.ts';
import { classModelPicture } from '../visualise/classmodelPicture.ts';
import { cutoutRows, framed, onPhoto } from '../visualise/cutout.ts';
import { demoRecipe, type Demonstration, type Look } from '../visualise/demo.ts';
import type { Stranger } from '../visualise/demoSheet.ts';
import { formatScore, formatShare } from '../visualise/numbers.ts';
import { overlayRows } from '../visualise/draw.ts';
import { REDUCTION_FORMULAS } from '../visualise/reduce.ts';
import { ruleSheet } from '../visualise/rulesheet.ts';
import { pictureFile } from './classmodelFiles.ts';
import { AEROPLANE } from './demoPhotos.ts';
import type { Content } from './outputs.ts';

/** What was found, and what things are called. */
export interface Shown {
  readonly demo: Demonstration;
  readonly stranger: Stranger | undefined;
  readonly photo: string;
  readonly model: string;
  readonly spec: Preprocess;
  readonly labels: readonly string[] | undefined;
}

export interface DemoFile {
  readonly file: string;
  /** A sentence. */
  readonly shows: string;
  readonly content: Content;
}

/** Pictures are drawn with a longer side in these bounds: a photo of 128 pixels would be a stamp, one of 8,000 a burden. */
const [SMALL, LARGE] = [512, 1280];

/** Class models and other pictures of the input's size are enlarged to about so many pixels, whole pixels repeated. */
const ENLARGED = 512;

export async function demoFiles(shown: Shown, sheet: Picture, folder: string): Promise<DemoFile[]> {
  const { demo, stranger, photo, spec, labels } = shown;
  const { chosen, signals, object, model } = demo;
  const called = shortClassName(labels, chosen.class);
  const title = classTitle(labels, chosen.class);
  const copy = drawingCopy(demo.photo);
  const found = onPhoto(object, demo.photo, copy);
  const about = (own: PngText): PngText => ({
    ...own,
    Software: `backlight ${VERSION}`,
    Model: shown.model,
    Preprocess: JSON.stringify(describePreprocess(spec)),
  });
  const ofPhoto = { Photo: photo, Target: title, Score: String(chosen.score), Posterior: String(chosen.posterior) };
  const files: DemoFile[] = [];
  const add = (name: string, shows: string, content: Content): void => void files.push({ file: path.join(folder, name), shows, content });

  add(
    'sheet.png',
    'all of it on one page',
    await encodePng(sheet, about({ Title: `Demo: ${photo}`, ...ofPhoto, ...(stranger && { Stranger: AEROPLANE.file }) })),
  );
  add(
    'saliency.png',
    `where a small change of a pixel moves the score of ${called} most: max over channels of |dS/dI|`,
    overlayFile(demo, copy, (own) => about({ ...ofPhoto, ...own }), title),
  );
  add(
    'rules.png',
    'what that score sends back to the photo under the four rules for ReLU: signed, and below it the magnitude',
    await encodePng(
      await ruleSheet({ geometry: demo.geometry, seeds: [{ neuron: null, signals }] }, copy, {
        title: `Four rules: ${photo}`,
        footer: `${shown.model}. Every picture has its own range, which ends at percentile ${DEFAULT_CLIP}.`,
        headings: [`${title}, score ${chosen.score.toFixed(2)}`],
        channels: spec.channels,
        signed: 'colour',
        clip: DEFAULT_CLIP,
      }),
      about({ Title: `Four rules: ${photo}`, ...ofPhoto, Rules: RULES.join(', '), Clip: CLIP }),
    ),
  );
  const box = object.box === null ? `none: ${object.reason}` : Object.values(object.box).join(',');
  const cut = about({ Title: `Object of ${title}`, ...ofPhoto, Preset: DEFAULT_PRESET, Box: box });
  add(
    'object.png',
    `the ${called} in its photo, found by GraphCut from such maps: the network was never told where anything is`,
    await encodePng(framed(found, copy, copy.width * copy.height), cut),
  );
  const rows = cutoutRows(found, copy);
  if (rows)
    add(
      'cutout.png',
      `the same ${called} with transparency around it`,
      encodePngRows(rows, { ...cut, Crop: Object.values(rows.crop).join(',') }),
    );
  const drawn = classModelPicture(model.image, spec);
  const times = Math.max(1, Math.floor(ENLARGED / Math.max(...spec.size)));
  const picture = fitInto(drawn.picture, [times * drawn.picture.width, times * drawn.picture.height]);
  add(
    'class-model.png',
    `no photo: where ${model.recipe.iterations} steps uphill on the score of ${called} end: ${formatScore(model.score)}, ` +
      `posterior ${formatShare(model.posterior)}`,
    await pictureFile(
      { ...drawn, picture, found: model },
      { model: shown.model, preset: demoRecipe(spec.size).preset, recipe: model.recipe, spec, display: 'clip', labels },
      { Enlarged: `${times} times, pixels repeated` },
    ),
  );
  if (stranger) {
    const [best] = stranger.look.ranking;
    const name = classTitle(labels, best.class);
    const text = (own: PngText): PngText =>
      about({ Photo: AEROPLANE.file, Target: name, Score: String(best.score), Posterior: String(best.posterior), ...own });
    add(
      'stranger.png',
      `${AEROPLANE.shows}, and where the network sees ${shortClassName(labels, best.class)} in it, for want of a better class`,
      overlayFile(stranger.look, drawingCopy(stranger.look.photo), text, name),
    );
  }
  return files;
}

const CLIP = `percentile ${DEFAULT_CLIP} of the magnitudes that are not zero, each picture by itself`;

/** The first map of a look over a copy of its photo. */
function overlayFile({ maps: [map] }: Look, copy: Picture, text: (own: PngText) => PngText, title: string): Content {
  const range = colourRange(map.frame, { clip: DEFAULT_CLIP });
  const rows = overlayRows({ ...map, geometry: onCopy(map.geometry, [copy.height, copy.width]) }, { range, colours: 'inferno' }, copy);
  return encodePngRows(
    rows,
    text({
      Title: `Saliency of ${title}`,
      Rule: 'gradient',
      Views: '1',
      Reduction: REDUCTION_FORMULAS.max,
      Colours: 'inferno',
      Clip: CLIP,
      Range: range.zero ? 'the map is zero everywhere' : `${range.low} to ${range.high}`,
    }),
  );
}

/** The photo itself, or a copy with a longer side in bounds. */
export function drawingCopy(photo: Picture): Picture {
  const longer = Math.max(photo.width, photo.height);
  const factor = Math.min(Math.max(longer, SMALL), LARGE) / longer;
  const extent = (length: number): number => Math.max(1, Math.round(length * factor));
  return factor === 1 ? photo : thumbnail(photo, [extent(photo.height), extent(photo.width)]);
}
