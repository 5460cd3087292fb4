/** What a command on one photo starts from: the photo, the model at the shape of its input, and the names of its classes. */
import { decodeImage, type Picture } from '../image/decode.ts';
import { pictureSpec } from '../image/modelInput.ts';
import { channelCount, type Preprocess } from '../image/preprocess.ts';
import type { LoadedGraph, Model } from '../models/model.ts';
import { readBytes } from './files.ts';
import { type PictureArguments } from './input.ts';
import { labelsFor } from './labels.ts';
import { openModel } from './model.ts';

export interface PhotoQuestion extends LoadedGraph {
  readonly model: Model;
  readonly picture: Picture;
  /** How the photo becomes the network's input. */
  readonly spec: Preprocess;
  readonly labels: readonly string[] | undefined;
}

/**
 * @param batch photos the network takes at once
 * @throws InputError, FormatError
 */
export async function loadPhoto(
  photo: string,
  args: PictureArguments & { readonly model: string; readonly labels?: string },
  batch = 1,
): Promise<PhotoQuestion> {
  const model = await openModel(args.model);
  const labels = await labelsFor(model, args.labels);
  const picture = await decodeImage(await readBytes(photo, 'photo'));
  const spec = pictureSpec(model, args);
  return { model, picture, spec, labels, ...model.at({ [model.input.name]: [batch, channelCount(spec.channels), ...spec.size] }) };
}
