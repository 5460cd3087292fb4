/** How pictures become inputs of one model: its card and its declared input, under the command line's words. */
import { InputError } from '../errors.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { resolvePreprocess, type PreprocessOptions } from './options.ts';
import { parsePreprocess, type Preprocess } from './preprocess.ts';

/** What counts of a model: a model of the room `models` is one. */
export interface PictureModel {
  readonly path: string;
  readonly card: { readonly preprocess?: unknown };
  readonly meanImage?: Tensor;
  readonly input: { readonly name: string; readonly dims: readonly (number | string | null)[] | null };
}

/**
 * As the options say, a preset, or the model's card.
 * @throws InputError if something is missing or wrong; FormatError if the card is
 */
export function pictureSpec(model: PictureModel, options: PreprocessOptions): Preprocess {
  const { preprocess: said } = model.card;
  const card = said === undefined ? undefined : parsePreprocess(said, `the card of ${model.path}`, model.meanImage);
  return resolvePreprocess(pictureShape(model, options), card, options);
}

/** The model's input [N, C, H, W]; open sides are filled from --size. */
function pictureShape({ input }: PictureModel, { size }: PreprocessOptions): Shape {
  const { name, dims } = input;
  if (dims?.length !== 4)
    throw new InputError(
      `--input: expected a network on images [N, C, H, W] for an image, got "${name}" with ${dims?.length ?? 'unknown'} axes. Give a .npy file.`,
    );
  return dims.map((extent, axis) => {
    if (axis === 0) return 1;
    if (typeof extent === 'number') return extent;
    if (axis === 1) return 3;
    if (size === undefined) throw new InputError(`--size: expected the size of the input, since the model leaves it open, got none.`);
    return 1;
  });
}
