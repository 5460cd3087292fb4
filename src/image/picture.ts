/**
 * A decoded picture: what stands between image files and tensors.
 */
import { InputError } from '../errors.ts';

/** 8-bit sRGB, rows from the top, three bytes a pixel (HWC): `data.length` equals `3 * width * height`. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/**
 * Checks that a picture holds what its extents promise.
 * @throws InputError if an extent is not a positive integer, or the number of bytes does not match.
 */
export function checkPicture({ width, height, data }: Picture): void {
  if (![width, height].every((extent) => Number.isSafeInteger(extent) && extent > 0)) {
    throw new InputError(`picture: expected a width and a height of at least 1, got ${width} x ${height}. Give whole numbers of pixels.`);
  }
  if (data.length !== 3 * width * height) {
    throw new InputError(
      `picture: expected ${3 * width * height} bytes of RGB for ${width} x ${height} pixels, got ${data.length}. Give three bytes a pixel.`,
    );
  }
}
