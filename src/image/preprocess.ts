/**
 * From a picture to a network's input and back: the only place that knows mean, scale and channel order.
 */
import { FormatError, InputError } from '../errors.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { formatShape, sameShape, size as sizeOf, tensor } from '../tensor.ts';
import type { Picture } from './picture.ts';
import { checkPicture } from './picture.ts';
import type { Span } from './resize.ts';
import { resize } from './resize.ts';

export type Channels = 'rgb' | 'bgr' | 'grey';
export type Fit = 'crop' | 'squash';

/**
 * How a picture becomes an input: value = (pixel * scale - mean[c]) / std[c], pixels 0..255, c in the network's channel order; with a mean
 * image, value = (pixel * scale - meanImage[c, y, x]) / std[c]. `mean` and `std` are listed in that order. Grey is
 * 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
 */
export interface Preprocess {
  /** Height and width of the input. */
  readonly size: readonly [number, number];
  /** `crop`: keep the proportions, cut the middle out. `squash`: the whole picture, each side to its length. */
  readonly fit: Fit;
  /** With `crop`: the shorter side before the cut; 256/224 of the input's longer side unless given. */
  readonly resize?: number;
  /** With `crop`: row and column of the resized picture where the cut begins; the middle unless given. */
  readonly cut?: readonly [number, number];
  readonly channels: Channels;
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /**
   * The mean of the training pictures, pixel by pixel: [C, H, W] of the input's size, in the unit and channel order of `mean`, in place of
   * which it is subtracted. `mean` is then its average by channel, and is not looked at.
   */
  readonly meanImage?: Tensor;
}

/** The part of {@link Preprocess} that a training framework settles; size and cut belong to the model. */
export type Preset = Omit<Preprocess, 'size' | 'resize' | 'cut' | 'meanImage'>;

/**
 * `caffe`: BGR, 0..255 less the mean of ImageNet by channel; its networks were trained on squashed pictures.
 * `torchvision`: RGB, 0..1 less mean, over standard deviation; the shorter side to 256, the middle 224 cut out.
 * @see https://github.com/BVLC/caffe/tree/master/models (mean_value), https://pytorch.org/vision/stable/models.html
 */
export const PRESETS: Readonly<Record<'caffe' | 'torchvision', Preset>> = {
  caffe: { fit: 'squash', channels: 'bgr', scale: 1, mean: [104, 117, 123], std: [1, 1, 1] },
  torchvision: { fit: 'crop', channels: 'rgb', scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
};

/** One axis of {@link PictureToInput}: picture = scale * input + offset, both measured from the near edge, pixel i covering i to i + 1. */
export interface AxisMap {
  readonly scale: number;
  readonly offset: number;
}

/** Where the input's pixels lie on the picture: pixel i is centred at scale * (i + 1/2) + offset and covers `scale` picture pixels. */
export interface PictureToInput {
  readonly x: AxisMap;
  readonly y: AxisMap;
  /** Height and width of the picture and of the input. */
  readonly picture: readonly [number, number];
  readonly input: readonly [number, number];
}

/** An input and where it was taken from. */
export interface PreprocessedPicture {
  /** [1, C, H, W]; C is 1 for grey, otherwise 3. */
  readonly input: Tensor;
  readonly geometry: PictureToInput;
}

/** The number of channels of an input. */
export function channelCount(channels: Channels): number {
  return channels === 'grey' ? 1 : 3;
}

/** Weights of R, G, B for each of the network's channels, in its order. */
const MIX: Readonly<Record<Channels, readonly (readonly number[])[]>> = {
  rgb: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  bgr: [
    [0, 0, 1],
    [0, 1, 0],
    [1, 0, 0],
  ],
  grey: [[0.299, 0.587, 0.114]],
};

/**
 * A picture as a network's input, [1, C, H, W], and the geometry of it.
 *
 * A picture that has the wanted size already is taken as it is: neither resized nor cut, its bytes exact. Otherwise it is resampled in f64
 * (see resize.ts) and not rounded to bytes. `crop` follows torchvision: the shorter side becomes `resize`, the longer one
 * floor(resize * longer / shorter), and the cut starts at (extent - size) / 2, halves rounded to even, unless `cut` says where.
 * @throws InputError if the specification is not valid, a resized picture is smaller than the cut, or the cut reaches beyond it.
 */
export function preprocess(picture: Picture, spec: Preprocess): PreprocessedPicture {
  checkPicture(picture);
  checkPreprocess(spec, (message) => {
    throw new InputError(`preprocess: ${message}`);
  });
  const [height, width] = spec.size;
  const same = picture.width === width && picture.height === height;
  const [x, y] = same || spec.fit === 'squash' ? squash(picture, spec) : crop(picture, spec);
  const pixels = same ? picture.data : resize(picture, x, y);
  const plane = height * width;
  const data = new Float32Array(channelCount(spec.channels) * plane);
  MIX[spec.channels].forEach(([red, green, blue], c) => {
    const { scale, meanImage } = spec;
    const mean = spec.mean[c];
    const std = spec.std[c];
    for (let i = 0, from = 0, to = c * plane; i < plane; i++, from += 3, to++) {
      const pixel = red * pixels[from] + green * pixels[from + 1] + blue * pixels[from + 2];
      data[to] = (pixel * scale - (meanImage ? meanImage.data[to] : mean)) / std;
    }
  });
  return {
    input: tensor([1, channelCount(spec.channels), height, width], data),
    geometry: { x: axisMap(x), y: axisMap(y), picture: [picture.height, picture.width], input: [height, width] },
  };
}

/** The part of a {@link Preprocess} that turns an input back into pixels. */
export type PixelSpec = Pick<Preprocess, 'channels' | 'scale' | 'mean' | 'std' | 'meanImage'>;

/** What is subtracted from element i = (c * H + y) * W + x of an input [1, C, H, W] whose channels hold `plane` elements each. */
export function meanAt({ mean, meanImage }: Pick<Preprocess, 'mean' | 'meanImage'>, i: number, plane: number): number {
  return meanImage ? meanImage.data[i] : mean[Math.floor(i / plane)];
}

/**
 * The inverse of {@link preprocess} for one input [1, C, H, W]: pixel = (value * std[c] + mean[c]) / scale, or with the mean image in place
 * of mean[c], rounded and clipped to 0..255. An input made from a picture of its own size gives that picture back. Grey becomes three equal
 * channels.
 * @throws InputError if the shape is not that of one input, or not the mean image's, or a value is not a number.
 */
export function toPicture(input: Tensor, spec: PixelSpec): Picture {
  const channels = channelCount(spec.channels);
  const [n, c, height, width] = input.shape;
  if (input.shape.length !== 4 || n !== 1 || c !== channels) {
    const given = formatShape(input.shape);
    throw new InputError(`picture: expected an input of 1x${channels}xHxW for ${spec.channels}, got ${given}. Take one of the batch.`);
  }
  checkMeanShape(spec, [height, width], 'picture');
  const plane = height * width;
  const data = new Uint8Array(3 * plane);
  // Colour k of the picture is the channel that is made of that colour alone; grey serves all three.
  for (let k = 0; k < 3; k++) {
    const from = channels === 1 ? 0 : MIX[spec.channels].findIndex((mix) => mix[k] === 1);
    for (let i = 0; i < plane; i++) {
      const at = from * plane + i;
      const value = input.data[at];
      if (Number.isNaN(value)) {
        throw new InputError(`picture: expected numbers, got NaN at channel ${from}, pixel ${i}. Check what made this input.`);
      }
      data[3 * i + k] = Math.min(255, Math.max(0, Math.round((value * spec.std[from] + meanAt(spec, at, plane)) / spec.scale)));
    }
  }
  return { width, height, data };
}

/** @throws InputError if there is a mean image, and it is not of the given height and width */
export function checkMeanShape({ meanImage }: PixelSpec, [height, width]: readonly [number, number], what: string): void {
  if (!meanImage) return;
  const [, h, w] = meanImage.shape;
  if (h === height && w === width) return;
  const given = `${height}x${width}`;
  throw new InputError(`${what}: expected an image of ${h}x${w}, the mean image's size, got ${given}. Take the model at that size.`);
}

/** A specification as its card says it: plain JSON, with "image" for the mean where there is a mean image. */
export function describePreprocess({ meanImage, ...spec }: Preprocess): Readonly<Record<string, unknown>> {
  return meanImage ? { ...spec, mean: 'image' } : spec;
}

/**
 * Reads the specification from a model's card: an object with the fields of {@link Preprocess} except `meanImage`, of which `resize` and
 * `cut` may be absent. `where` names the card's file in messages.
 * @param meanImage what `"mean": "image"` stands for: [3, H, W] in RGB, pixels 0..255, as it is stored with the model. It is brought into
 *   the network's channel order and multiplied by `scale`, as the pixels are.
 * @throws FormatError naming the field that is missing, unknown or wrong.
 */
export function parsePreprocess(json: unknown, where: string, meanImage?: Tensor): Preprocess {
  const fail = (message: string): never => {
    throw new FormatError(`card: ${message} Mend preprocess in ${where}.`);
  };
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return fail(`expected an object, got ${show(json)}.`);
  const fields = ['size', 'fit', 'resize', 'cut', 'channels', 'scale', 'mean', 'std'];
  const unknown = Object.keys(json).filter((name) => !fields.includes(name));
  if (unknown.length > 0) fail(`expected the fields ${fields.join(', ')}, got the unknown field ${unknown.map(show).join(', ')}.`);
  const missing = fields.filter((name) => name !== 'resize' && name !== 'cut' && !Object.hasOwn(json, name));
  if (missing.length > 0) {
    fail(`expected the fields ${fields.join(', ')} (only resize and cut may be absent), got no ${missing.join(', ')}.`);
  }
  const card = json as Record<string, unknown>;
  if (card.mean !== 'image') return checkPreprocess(card, fail);
  if (!meanImage) {
    return fail('expected a mean image for mean "image": a tensor "mean-image" [3, H, W] in the model\'s .safetensors, got none.');
  }
  // All but the mean is checked before it is used; what stands in for it is good.
  const { channels, scale, size } = checkPreprocess({ ...card, mean: card.channels === 'grey' ? [0] : [0, 0, 0] }, fail);
  const stored = [3, ...size];
  if (!sameShape(meanImage.shape, stored)) {
    fail(`expected a mean image ${formatShape(stored)}, RGB and of the input's size, got ${formatShape(meanImage.shape)}.`);
  }
  const image = mixed(meanImage, channels, scale);
  return checkPreprocess({ ...card, mean: channelMeans(image), meanImage: image }, fail);
}

/** An RGB image [3, H, W] of pixels in the network's channels and unit, [C, H, W]. */
function mixed({ shape: [, height, width], data }: Tensor, channels: Channels, scale: number): Tensor {
  const plane = height * width;
  const out = new Float32Array(channelCount(channels) * plane);
  MIX[channels].forEach(([red, green, blue], c) => {
    for (let i = 0; i < plane; i++) {
      out[c * plane + i] = (red * data[i] + green * data[plane + i] + blue * data[2 * plane + i]) * scale;
    }
  });
  return { shape: [channelCount(channels), height, width], data: out };
}

/** The average of each channel of an image [C, H, W]. */
function channelMeans({ shape: [channels], data }: Tensor): number[] {
  const plane = data.length / channels;
  return Array.from({ length: channels }, (_, c) => data.subarray(c * plane, (c + 1) * plane).reduce((sum, v) => sum + v, 0) / plane);
}

type Fail = (message: string) => never;

/** Inputs beyond this are a mistake, and would ask for gigabytes. */
const MAX_SIDE = 16_384;

/** The checks behind {@link parsePreprocess} and {@link preprocess}: types, lengths, ranges, and that a cut fits. Returns a copy. */
export function checkPreprocess(given: { readonly [K in keyof Preprocess]?: unknown }, fail: Fail): Preprocess {
  const { size, fit, resize: side, cut, channels, scale, mean, std, meanImage } = given;
  const isSide = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_SIDE;
  if (!Array.isArray(size) || size.length !== 2 || !size.every(isSide)) {
    fail(`expected size to be [height, width], whole numbers from 1 to ${MAX_SIDE}, got ${show(size)}.`);
  }
  if (fit !== 'crop' && fit !== 'squash') return fail(`expected fit to be "crop" or "squash", got ${show(fit)}.`);
  const [height, width] = size as number[];
  if (side !== undefined) {
    if (fit === 'squash') fail(`expected no resize with fit "squash", got ${show(side)}.`);
    if (!isSide(side) || side < Math.min(height, width)) {
      const least = Math.min(height, width);
      fail(`expected resize to be a whole number from ${least} (the shorter side of size) to ${MAX_SIDE}, got ${show(side)}.`);
    }
  }
  if (cut !== undefined) {
    if (fit === 'squash') fail(`expected no cut with fit "squash", got ${show(cut)}.`);
    if (!Array.isArray(cut) || cut.length !== 2 || !cut.every((start) => start === 0 || isSide(start))) {
      fail(`expected cut to be [row, column], whole numbers from 0 to ${MAX_SIDE}, got ${show(cut)}.`);
    }
  }
  if (channels !== 'rgb' && channels !== 'bgr' && channels !== 'grey') {
    return fail(`expected channels to be "rgb", "bgr" or "grey", got ${show(channels)}.`);
  }
  const positive = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value > 0;
  if (!positive(scale)) return fail(`expected scale to be a number above 0, got ${show(scale)}.`);
  const count = channelCount(channels);
  const list = (name: string, value: unknown, what: string, good: (entry: unknown) => boolean): number[] => {
    if (!Array.isArray(value) || value.length !== count || !value.every(good)) {
      fail(`expected ${name} to be ${count} ${what}, one for each channel of ${channels} in that order, got ${show(value)}.`);
    }
    return [...(value as number[])];
  };
  return {
    size: [height, width],
    fit,
    ...(side === undefined ? {} : { resize: side as number }),
    ...(cut === undefined ? {} : { cut: [...(cut as [number, number])] as [number, number] }),
    channels,
    scale,
    mean: list('mean', mean, count === 1 ? 'number' : 'numbers', Number.isFinite),
    std: list('std', std, count === 1 ? 'number above 0' : 'numbers above 0', positive),
    ...(meanImage === undefined ? {} : { meanImage: checkMeanImage(meanImage, [count, height, width], fail) }),
  };
}

function checkMeanImage(given: unknown, wanted: Shape, fail: Fail): Tensor {
  const { shape, data } = (typeof given === 'object' && given !== null ? given : {}) as Partial<Tensor>;
  if (!Array.isArray(shape) || !(data instanceof Float32Array) || !sameShape(shape, wanted) || data.length !== sizeOf(wanted)) {
    const got = Array.isArray(shape) ? formatShape(shape) : show(given);
    fail(`expected the mean image to be a tensor ${formatShape(wanted)}, channels by size, got ${got}.`);
  }
  if (!data!.every(Number.isFinite)) fail('expected the mean image to be of numbers, got NaN or infinity.');
  return given as Tensor;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

function squash(picture: Picture, { size: [height, width] }: Preprocess): [Span, Span] {
  return [
    { from: picture.width, to: width, start: 0, length: width },
    { from: picture.height, to: height, start: 0, length: height },
  ];
}

function crop(picture: Picture, { size: [height, width], resize: given, cut }: Preprocess): [Span, Span] {
  const side = given ?? Math.round((Math.max(height, width) * 256) / 224);
  const shorter = Math.min(picture.width, picture.height);
  const resized = (extent: number): number => (extent === shorter ? side : Math.floor((side * extent) / shorter));
  const [toWidth, toHeight] = [resized(picture.width), resized(picture.height)];
  if (toWidth < width || toHeight < height) {
    throw new InputError(
      `preprocess: expected a picture that covers ${height}x${width} once its shorter side is ${side}, got ${toHeight}x${toWidth}.` +
        ` Raise resize to ${Math.max(height, width)}, or squash.`,
    );
  }
  const [top, left] = cut ?? [halfEven(toHeight - height), halfEven(toWidth - width)];
  if (top > toHeight - height || left > toWidth - width) {
    throw new InputError(
      `preprocess: expected a cut of ${height}x${width} inside the resized picture of ${toHeight}x${toWidth}, got one that begins at` +
        ` ${top},${left}. Begin at most at ${toHeight - height},${toWidth - width}.`,
    );
  }
  const span = (from: number, to: number, start: number, length: number): Span => ({ from, to, start, length });
  return [span(picture.width, toWidth, left, width), span(picture.height, toHeight, top, height)];
}

/** n / 2, halves rounded to even. */
function halfEven(n: number): number {
  const half = Math.floor(n / 2);
  return n % 2 === 0 ? half : half + (half % 2);
}

function axisMap({ from, to, start }: Span): AxisMap {
  return { scale: from / to, offset: (start * from) / to };
}

/** What the input's shape says about its size: height and width of [N, C, H, W]. */
export function inputSize(shape: Shape): readonly [number, number] {
  if (shape.length !== 4) {
    throw new InputError(`preprocess: expected a model whose input is an image [N, C, H, W], got ${formatShape(shape)}. Give a .npy file.`);
  }
  return [shape[2], shape[3]];
}
