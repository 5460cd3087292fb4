/**
 * Ten views of a photo, and the way back: the four corners and the centre of a larger resize, each also mirrored, as Krizhevsky's network
 * was tested. Maps of the views are put back where they came from, mirrored ones turned round, and averaged by how often each pixel was
 * seen.
 * @see Krizhevsky, Sutskever, Hinton 2012, section 4.1; Simonyan, Vedaldi, Zisserman 2013, section 3.1
 */
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess, type PictureToInput, type Preprocess } from '../image/preprocess.ts';
import { formatShape, type Tensor } from '../tensor.ts';

/** Where a view begins on the frame, in pixels, and whether it is mirrored from left to right. */
export interface View {
  readonly row: number;
  readonly column: number;
  readonly mirrored: boolean;
}

/** The views of one photo: each an input [1, C, H, W], cut out of one frame. */
export interface Views {
  readonly inputs: readonly Tensor[];
  readonly views: readonly View[];
  /** How the frame, the resized photo, lies on the photo. */
  readonly geometry: PictureToInput;
}

/** Maps of views averaged on their frame. */
export interface FrameMap {
  /** [H, W] of the frame; 0 where no view looked. */
  readonly map: Tensor;
  /** How many views saw each pixel of the frame, [H * W]. */
  readonly counts: Uint8Array;
}

/** Longer sides would make frames of gigabytes, and corners that have nothing to do with each other. */
const MAX_FRAME = 16_384;

/**
 * The photo as one view (what {@link preprocess} makes of it) or ten.
 *
 * For ten, the frame is the photo resized as the specification says, but larger: with fit `crop` its shorter side becomes `resize` (256/224
 * of the input's longer side unless given) and the frame is all of it; with `squash` it becomes 256/224 of the input, each side by itself.
 * Views are in the order top left, top right, bottom left, bottom right, centre, and then the same five mirrored. A mean image is
 * subtracted from every view as it is, mirrored or not: it belongs to the input, not to the photo.
 * @throws InputError as {@link preprocess}; also if the specification names a cut, or if the photo is so long that the frame's longer side
 *   would exceed 16,384 pixels
 */
export function viewsOf(picture: Picture, spec: Preprocess, count: 1 | 10): Views {
  if (count === 1) {
    const { input, geometry } = preprocess(picture, spec);
    return { inputs: [input], views: [{ row: 0, column: 0, mirrored: false }], geometry };
  }
  if (count !== 10) throw new InputError(`views: expected 1 or 10, got ${count}.`);
  if (spec.cut) throw new InputError(`views: expected no cut with ten views, which are cuts of their own, got ${spec.cut.join(',')}.`);
  const [height, width] = spec.size;
  const [frameHeight, frameWidth] = frameSize(picture, spec);
  if (Math.max(frameHeight, frameWidth) > MAX_FRAME) {
    throw new InputError(
      `views: expected a photo whose longer side is at most ${MAX_FRAME} pixels once its shorter side is ` +
        `${Math.min(frameHeight, frameWidth)}, got ${picture.width} x ${picture.height}. Take one view, or cut the photo.`,
    );
  }
  const { resize: _, meanImage, ...rest } = spec;
  const plain = meanImage ? { ...rest, mean: spec.mean.map(() => 0), std: spec.std.map(() => 1) } : rest;
  const { input: frame, geometry } = preprocess(picture, { ...plain, size: [frameHeight, frameWidth], fit: 'squash' });
  const [bottom, right] = [frameHeight - height, frameWidth - width];
  const places = [
    [0, 0],
    [0, right],
    [bottom, 0],
    [bottom, right],
    [bottom >> 1, right >> 1],
  ];
  const views = [false, true].flatMap((mirrored) => places.map(([row, column]): View => ({ row, column, mirrored })));
  const cut = (view: View): Tensor => {
    const input = cutView(frame, view, spec.size);
    return meanImage ? { shape: input.shape, data: centred(input.data, meanImage.data, spec.std) } : input;
  };
  return { inputs: views.map(cut), views, geometry };
}

/** (scaled pixel - mean image) / std, element by element. */
function centred(pixels: Float32Array, mean: Float32Array, std: readonly number[]): Float32Array {
  const plane = pixels.length / std.length;
  return pixels.map((value, i) => (value - mean[i]) / std[Math.floor(i / plane)]);
}

function frameSize(picture: Picture, { size: [height, width], fit, resize }: Preprocess): [number, number] {
  const larger = (extent: number): number => Math.round((extent * 256) / 224);
  if (fit === 'squash') return [larger(height), larger(width)];
  const side = resize ?? larger(Math.max(height, width));
  const shorter = Math.min(picture.width, picture.height);
  const resized = (extent: number): number => (extent === shorter ? side : Math.floor((side * extent) / shorter));
  const frame: [number, number] = [resized(picture.height), resized(picture.width)];
  if (frame[0] < height || frame[1] < width) {
    throw new InputError(
      `views: expected a photo that covers ${height}x${width} once its shorter side is ${side}, got ${frame.join('x')}. Raise --resize.`,
    );
  }
  return frame;
}

/** The window [1, C, height, width] of a frame [1, C, H, W] that a view sees; a mirrored one from right to left. */
export function cutView(frame: Tensor, { row, column, mirrored }: View, [height, width]: readonly [number, number]): Tensor {
  const [, channels, frameHeight, frameWidth] = frame.shape;
  const data = new Float32Array(channels * height * width);
  for (let c = 0, i = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      const from = (c * frameHeight + row + y) * frameWidth + column;
      for (let x = 0; x < width; x++, i++) data[i] = frame.data[from + (mirrored ? width - 1 - x : x)];
    }
  }
  return { shape: [1, channels, height, width], data };
}

/**
 * The maps [H, W] of views, put back on their frame and averaged: each frame pixel is the sum over the views that saw it, in f64, over
 * their number.
 * @param maps one for each of `views`, all of one shape
 * @throws InputError if numbers or shapes do not agree, or a view reaches beyond the frame
 */
export function averageViews(maps: readonly Tensor[], views: readonly View[], frame: readonly [number, number]): FrameMap {
  const [frameHeight, frameWidth] = frame;
  if (maps.length !== views.length) throw new InputError(`views: expected ${views.length} maps, one for each view, got ${maps.length}.`);
  const sums = new Float64Array(frameHeight * frameWidth);
  const counts = new Uint8Array(sums.length);
  maps.forEach((map, v) => {
    const { row, column, mirrored } = views[v];
    const [height, width] = map.shape;
    if (map.shape.length !== 2 || row < 0 || column < 0 || row + height > frameHeight || column + width > frameWidth) {
      throw new InputError(
        `views: expected a map [H, W] inside the frame of ${frameHeight}x${frameWidth}, got ${formatShape(map.shape)} at ${row},${column}.`,
      );
    }
    for (let y = 0, i = 0; y < height; y++) {
      const to = (row + y) * frameWidth + column;
      for (let x = 0; x < width; x++, i++) {
        const at = to + (mirrored ? width - 1 - x : x);
        sums[at] += map.data[i];
        counts[at]++;
      }
    }
  });
  return {
    map: { shape: [frameHeight, frameWidth], data: Float32Array.from(sums, (sum, i) => (counts[i] > 0 ? sum / counts[i] : 0)) },
    counts,
  };
}
