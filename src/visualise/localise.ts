/**
 * Weakly supervised localisation: where an object of a class is, from a network that was never told where any was.
 * @see Simonyan, Vedaldi, Zisserman 2013, section 3.2
 */
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import type { Preprocess } from '../image/preprocess.ts';
import { onCopy, toPhoto } from '../image/project.ts';
import { thumbnail } from '../image/sheet.ts';
import type { Network, ScoreKind } from '../network.ts';
import type { Rule, RuleSpec } from '../rule.ts';
import type { Box } from '../segment/box.ts';
import { graphCut, type GraphCut } from '../segment/graphcut.ts';
import { DEFAULT_PRESET, graphCutOptions, type GraphCutOptions, type PresetName } from '../segment/presets.ts';
import { saliencyFrames, type ClassChoice, type SaliencyFrame } from './saliency.ts';

export interface LocaliseOptions {
  /** One object for each class. Default: top1. `top5` gives the five of the paper's protocol. */
  readonly classes?: readonly ClassChoice[];
  /** A recipe of GraphCut by name, or one's own. Default: {@link DEFAULT_PRESET}. */
  readonly preset?: PresetName | GraphCutOptions;
  readonly rule?: Rule | RuleSpec;
  readonly score?: ScoreKind;
  /** One view, or ten averaged. Default: 1. */
  readonly views?: 1 | 10;
  /** Of the random start of some recipes. Default: 0. */
  readonly seed?: number;
}

/** Where an object of a class is, or why nothing was found. */
export interface Localisation {
  readonly class: number;
  /** Unnormalised score and posterior. */
  readonly score: number;
  readonly posterior: number;
  /** In the photo's own pixels; null where nothing was found. */
  readonly box: Box | null;
  /** Why there is no box. */
  readonly reason: string | null;
  /** Mask, component and certificate; by pixel of the photo, or of a copy of `extents`. */
  readonly cut: GraphCut;
  /** Height and width of the mask: the photo's, unless it is larger than {@link MOST_PIXELS}. */
  readonly extents: readonly [number, number];
  /** The map that pointed there; `toPhoto(frame, geometry, counts)` lays it onto the photo. */
  readonly saliency: SaliencyFrame;
}

/** Photos of more pixels are segmented on a copy of about so many: recipes cut at a fraction of that. */
export const MOST_PIXELS = 2 ** 20;

/**
 * Objects in a photo, one for each class asked for, in the order of {@link saliencyFrames}: the class's saliency map seeds a GraphCut of
 * the photo, and the largest component is the object. All classes share one forward pass.
 * @param network on one photo [1, C, H, W], or on a batch, which then takes that many views at once
 * @param spec how the photo becomes the network's input
 * @throws InputError if a class, rule or preset does not exist, or the photo cannot be made into the input
 * @see the paper, section 3.2
 */
export async function localise(
  network: Network,
  picture: Picture,
  spec: Preprocess,
  options: LocaliseOptions = {},
): Promise<Localisation[]> {
  const { classes = ['top1'], preset = DEFAULT_PRESET, rule, score, views, seed } = options;
  const recipe = graphCutOptions(preset);
  const frames = await saliencyFrames(network, picture, spec, { classes, rule, score, views, map: recipe.map });
  const copy = atMost(picture, MOST_PIXELS);
  const extents = [copy.height, copy.width] as const;
  return frames.map((frame): Localisation => {
    if (frame.class === null || frame.score === null || frame.posterior === null)
      throw new InputError('localise: expected classes, got a neuron.');
    const map = toPhoto(frame.frame, onCopy(frame.geometry, extents), frame.counts);
    const cut = graphCut(copy, map, recipe, { seed });
    return {
      class: frame.class,
      score: frame.score,
      posterior: frame.posterior,
      box: cut.box && scaled(cut.box, extents, picture),
      reason: cut.reason,
      cut,
      extents,
      saliency: frame,
    };
  });
}

/** The picture in its proportions with about `pixels` pixels at most; itself if it has no more. */
export function atMost(picture: Picture, pixels: number): Picture {
  const factor = Math.sqrt(pixels / (picture.width * picture.height));
  if (factor >= 1) return picture;
  const [width, height] = [picture.width, picture.height].map((extent) => Math.max(1, Math.round(extent * factor)));
  return thumbnail(picture, [height, width]);
}

/** A box of a copy as a box of the photo: the photo's pixels whose centres lie in it, so that its edges are whole numbers. */
function scaled({ x0, y0, x1, y1 }: Box, [rows, columns]: readonly [number, number], { width, height }: Picture): Box {
  const edge = (at: number, from: number, to: number): number => Math.min(to, Math.max(0, Math.ceil((at * to) / from - 0.5)));
  return { x0: edge(x0, columns, width), y0: edge(y0, rows, height), x1: edge(x1, columns, width), y1: edge(y1, rows, height) };
}
