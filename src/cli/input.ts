/** The input of a command: a .npy as it is, or a picture made into the network's input as options, preset or card say. */
import type { Command } from 'commander';
import path from 'node:path';
import { InputError } from '../errors.ts';
import { readNpyTensor } from '../formats/index.ts';
import { decodeImage } from '../image/decode.ts';
import { pictureSpec } from '../image/modelInput.ts';
import type { PreprocessOptions } from '../image/options.ts';
import { preprocess } from '../image/preprocess.ts';
import type { Model } from '../models/model.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import { readBytes } from './files.ts';

export type PictureArguments = PreprocessOptions;

export function withPictureOptions(command: Command): Command {
  return command
    .option('--preprocess <preset>', 'for images: caffe (BGR less 104,117,123) or torchvision (RGB, ImageNet mean and deviation)')
    .option('--size <pixels>', "for images: input size, as 224 or 224x320 (default: the model's)")
    .option('--fit <how>', 'for images: crop the middle, or squash')
    .option('--resize <pixels>', 'for images, with crop: length of the shorter side before cropping')
    .option('--cut <row,column>', 'for images, with crop: where the cut begins in the resized picture (default: the middle)')
    .option('--channels <order>', 'for images: rgb, bgr or grey')
    .option('--scale <factor>', 'for images: pixels 0..255 are multiplied by it first, such as 1/255')
    .option('--mean <values>', 'for images: subtracted after scaling, in channel order')
    .option('--std <values>', 'for images: divided by last, in channel order');
}

/**
 * The input tensor for a model. A .npy without the batch axis gets one.
 * @throws InputError, FormatError
 */
export async function loadInput(file: string, model: Model, options: PictureArguments): Promise<Tensor> {
  const bytes = await readBytes(file, '--input');
  if (path.extname(file).toLowerCase() === '.npy') {
    const typed = Object.entries(options).find(([name, value]) => value !== undefined && PICTURE_OPTIONS.has(name));
    if (typed) throw new InputError(`--${typed[0]}: expected an image as --input, got the array "${file}", which is taken as it is.`);
    return withBatchAxis(readNpyTensor(bytes), model);
  }
  return preprocess(await decodeImage(bytes), pictureSpec(model, options)).input;
}

const PICTURE_OPTIONS = new Set(['preprocess', 'size', 'fit', 'resize', 'cut', 'channels', 'scale', 'mean', 'std']);

function withBatchAxis(input: Tensor, model: Model): Tensor {
  const rank = model.input.dims?.length;
  if (rank !== undefined && input.shape.length === rank - 1) return { shape: [1, ...input.shape], data: input.data };
  if (rank !== undefined && input.shape.length !== rank) {
    const wanted = model.input.dims!.map((d) => d ?? '?').join('x');
    throw new InputError(`--input: expected an array ${wanted} for "${model.input.name}", got ${formatShape(input.shape)}.`);
  }
  const channels = model.input.dims?.[1];
  if (typeof channels === 'number' && channels !== input.shape[1]) {
    throw new InputError(
      `--input: expected ${channels} channels for "${model.input.name}", got ${formatShape(input.shape)}. Check the axis order, NCHW.`,
    );
  }
  return input;
}
