/** Class models as pictures. */
import type { Picture } from '../image/picture.ts';
import { meanAt, toPicture, type PixelSpec } from '../image/preprocess.ts';
import type { Tensor } from '../tensor.ts';
import { levelsPerUnit } from './classmodelPresets.ts';

/**
 * `clip`: the pixels that the network saw, I + mean, those out of range at 0 or 255. `stretch`: the mean plus I times a factor, for images
 * too faint or too strong to be seen.
 */
export type Display = 'clip' | 'stretch';

export const DISPLAYS: readonly Display[] = ['clip', 'stretch'];

/** With `stretch`, this share of the values stays within this many grey levels of the mean. */
const SHARE = 0.99;
const REACH = 64;

export interface ClassModelPicture {
  readonly picture: Picture;
  /** What I was multiplied by before the mean was added. */
  readonly factor: number;
  /** Share of the values that lay out of 0..255 and were clipped. */
  readonly clipped: number;
}

/**
 * The picture of a class model: I times a factor, plus the mean image.
 * @param image I [1, C, H, W], zero-centred, in the network's unit
 * @throws InputError if its channels are not those of the specification, its size not the mean image's, or a value is not a number
 */
export function classModelPicture(image: Tensor, spec: PixelSpec, display: Display = 'clip'): ClassModelPicture {
  const unit = levelsPerUnit(spec);
  let factor = 1;
  if (display === 'stretch') {
    const magnitudes = Float64Array.from(image.data, Math.abs).sort();
    const high = magnitudes[Math.floor(SHARE * (magnitudes.length - 1))] * unit;
    if (high > 0) factor = REACH / high;
  }
  const scaled: Tensor = { shape: image.shape, data: image.data.map((v) => factor * v) };
  const picture = toPicture(scaled, spec);
  const plane = image.data.length / spec.mean.length;
  let out = 0;
  scaled.data.forEach((v, i) => {
    const c = Math.floor(i / plane);
    const pixel = (v * spec.std[c] + meanAt(spec, i, plane)) / spec.scale;
    if (pixel < -0.5 || pixel > 255.5) out++;
  });
  return { picture, factor, clipped: out / image.data.length };
}
