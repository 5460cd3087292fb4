/** What the class-model command writes: pictures that say how they were made, a contact sheet, the numbers. */
import path from 'node:path';
import { encodePng, type PngText } from '../image/png.ts';
import { describePreprocess, type Preprocess } from '../image/preprocess.ts';
import { fitInto, sheet } from '../image/sheet.ts';
import { classTitle, shortClassName } from '../models/labels.ts';
import type { Tensor } from '../tensor.ts';
import { VERSION } from '../version.ts';
import type { ClassModel } from '../visualise/classmodel.ts';
import type { ClassModelPicture, Display } from '../visualise/classmodelPicture.ts';
import type { ClassModelPreset, ClassModelRecipe } from '../visualise/classmodelPresets.ts';

/** How the images were sought and are shown. */
export interface Search {
  /** The model's file. */
  readonly model: string;
  readonly preset: ClassModelPreset;
  readonly recipe: ClassModelRecipe;
  readonly spec: Preprocess;
  readonly display: Display;
  readonly labels: readonly string[] | undefined;
}

/** A class model and its picture. */
export interface Drawn extends ClassModelPicture {
  readonly found: ClassModel;
}

/** Every ingredient in use, on one line. */
function ingredients(preset: ClassModelPreset, recipe: ClassModelRecipe): string {
  const r = recipe;
  const parts = [
    `preset ${preset}`,
    `ascent on the ${r.score === 'scores' ? 'score' : 'posterior'}`,
    `lambda ${shortNumber(r.lambda)}`,
    `step ${shortNumber(r.step)}${r.normalise ? ' (normalised gradient)' : ''}`,
    `momentum ${r.momentum}`,
    `${r.iterations} iterations`,
    ...(r.noise > 0 ? [`noise ${shortNumber(r.noise)}`] : []),
    ...(r.jitter > 0 ? [`jitter ${r.jitter}`] : []),
    ...(r.decay > 0 ? [`decay ${r.decay}`] : []),
    ...(r.blur.sigma > 0 ? [`blur ${r.blur.sigma} every ${r.blur.every}`] : []),
    ...(r.clip === 'none' ? [] : [`clip ${r.clip}`]),
    ...(r.keep === 'best' ? ['best kept'] : []),
    ...(r.noise > 0 || r.jitter > 0 ? [`seed ${r.seed}`] : []),
  ];
  return parts.join(', ');
}

/** `4e-6`, `1441`, `0.0001`: four digits, no row of zeros. */
function shortNumber(v: number): string {
  const rounded = Number(v.toPrecision(4));
  return rounded !== 0 && Math.abs(rounded) < 1e-4 ? rounded.toExponential() : String(rounded);
}

/** What a picture shows of its image. */
function displayed(display: Display, factor: number): string {
  return display === 'clip' ? 'I + mean, clipped to 0..255' : `${shortNumber(factor)} * I + mean, clipped to 0..255`;
}

/** One image as a PNG file that says how it was made, and `more`. */
export function pictureFile({ found, picture, factor, clipped }: Drawn, search: Search, more: PngText = {}): Promise<Uint8Array> {
  const { preset, recipe, labels } = search;
  const name = classTitle(labels, found.class);
  return encodePng(picture, {
    Title: `Class model of ${name}`,
    Software: `backlight ${VERSION}`,
    Model: path.basename(search.model),
    Class: name,
    Score: String(found.score),
    Posterior: String(found.posterior),
    Norm: `${found.norm} grey levels`,
    Objective: String(found.objective),
    Preset: preset,
    Lambda: String(recipe.lambda),
    Step: String(recipe.step),
    Iterations: String(recipe.iterations),
    Momentum: String(recipe.momentum),
    Seed: String(recipe.seed),
    Recipe: ingredients(preset, recipe),
    Iteration: String(found.iteration),
    Preprocess: JSON.stringify(describePreprocess(search.spec)),
    Display: displayed(search.display, factor),
    Clipped: `${(100 * clipped).toFixed(2)} % of the values`,
    ...more,
  });
}

/** The most pictures in a row of the sheet, and how wide each is at least, in pixels: captions need room. */
const COLUMNS = 5;
const WIDTH = 192;

/** All images on one labelled sheet, as a PNG file. */
export async function sheetFile(drawn: readonly Drawn[], search: Search): Promise<Uint8Array> {
  const { preset, recipe, labels, display } = search;
  const { width, height } = drawn[0].picture;
  const times = Math.ceil(WIDTH / width);
  const columns = Math.ceil(drawn.length / Math.ceil(drawn.length / COLUMNS));
  const cells = drawn.map(({ picture, found, factor }) => {
    const name = labels?.[found.class] === undefined ? `class ${found.class}` : `${shortClassName(labels, found.class)} (${found.class})`;
    const numbers = `score ${found.score.toFixed(1)}, posterior ${found.posterior.toFixed(3)}`;
    return {
      picture: fitInto(picture, [times * width, times * height]),
      caption: `${name}\n${numbers}${display === 'stretch' ? `\nI x ${shortNumber(factor)}` : ''}`,
    };
  });
  const rows = Array.from({ length: Math.ceil(cells.length / columns) }, (_, r) => ({
    cells: cells.slice(r * columns, (r + 1) * columns),
  }));
  const shown = display === 'clip' ? displayed(display, 1) : 'I times the factor under it, plus the mean, clipped to 0..255';
  const footer = `${path.basename(search.model)}: ${ingredients(preset, recipe)}. Shown: ${shown}.`;
  return encodePng(await sheet(rows, { title: 'Class models', footer }), {
    Title: 'Class models',
    Software: `backlight ${VERSION}`,
    Model: path.basename(search.model),
    Recipe: ingredients(preset, recipe),
    Preprocess: JSON.stringify(describePreprocess(search.spec)),
    Classes: JSON.stringify(
      drawn.map(({ found, factor, clipped }) => {
        const { class: k, score, posterior, norm, objective } = found;
        return { class: k, name: classTitle(labels, k), score, posterior, norm, objective, factor, clipped };
      }),
    ),
  });
}

/** The images of all classes as one tensor [N, C, H, W]. */
export function stacked(models: readonly ClassModel[]): Tensor {
  const [first] = models;
  const data = new Float32Array(models.length * first.image.data.length);
  models.forEach(({ image }, n) => data.set(image.data, n * image.data.length));
  return { shape: [models.length, ...first.image.shape.slice(1)], data };
}
