/**
 * Image files to pictures by the browser's own decoders, to the same pixels as `decodeImage`; but half-transparent pixels, and those of files
 * with a colour profile, may differ by one.
 */
import { FormatError } from '../../errors.ts';
import { readHeader, type HeaderFormat } from '../../image/header.ts';
import type { Picture } from '../../image/picture.ts';
import { checkExtents, damaged, sniff } from '../../image/sniff.ts';
import { atMost, MOST_PIXELS } from '../../visualise/localise.ts';
import type { Session } from './session.ts';

export interface PhotoSummary {
  readonly name: string;
  /** Extents of the photo. */
  readonly width: number;
  readonly height: number;
  /** The photo, or a copy of about a megapixel of a larger one. */
  readonly picture: Picture;
}

export function photoMethods(session: Session) {
  return {
    /** Takes a photo from the bytes of an image file. */
    async openPhoto({ name, bytes }: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }): Promise<PhotoSummary> {
      const picture = await decode(bytes);
      const { width, height } = picture;
      session.takePhoto(name, picture);
      return { name, width, height, picture: onScreen(picture) };
    },
  };
}

/**
 * The photo as it is shown: of at most about a megapixel, so that what is drawn over it takes milliseconds, whatever the camera. The same
 * copy for the same photo.
 */
export function onScreen(photo: Picture): Picture {
  const known = copies.get(photo);
  if (known) return known;
  const copy = atMost(photo, MOST_PIXELS);
  copies.set(photo, copy);
  return copy;
}

const copies = new WeakMap<Picture, Picture>();

/** What every browser decodes, and `decodeImage` as well. */
const READABLE: readonly HeaderFormat[] = ['png', 'jpeg', 'webp', 'gif'];

/** @throws FormatError if the file is no picture that a browser reads, is damaged or too large */
async function decode(bytes: Uint8Array<ArrayBuffer>): Promise<Picture> {
  const format = sniff(bytes, READABLE) as HeaderFormat;
  const header = readHeader(bytes, format);
  if (header === null) throw damaged(format, 'its header is not valid');
  checkExtents(header.width, header.height);
  if (!header.whole) throw damaged(format, 'it ends before its last part');
  if (header.cmyk)
    throw new FormatError(
      'image: expected grey or RGB, got a CMYK file, which browsers read in ways of their own. Save the picture as a PNG.',
    );
  let bitmap: ImageBitmap;
  try {
    // Without a profile the numbers are taken as sRGB, whatever gamma a file claims: as `decodeImage` does.
    const colorSpaceConversion = header.profile ? 'default' : 'none';
    bitmap = await createImageBitmap(new Blob([bytes]), { imageOrientation: 'from-image', colorSpaceConversion });
  } catch (error) {
    throw damaged(format, String((error as Error).message).replace(/[.:; ]+$/, ''));
  }
  try {
    return pixels(bitmap);
  } finally {
    bitmap.close();
  }
}

/** The pixels over white, band by band: a canvas of the whole photo would need its memory once more. */
function pixels(bitmap: ImageBitmap): Picture {
  const { width, height } = bitmap;
  const band = Math.max(1, Math.min(height, Math.floor(BAND_PIXELS / width)));
  const context = new OffscreenCanvas(width, band).getContext('2d', { willReadFrequently: true });
  if (!context) throw new FormatError(`image: expected a picture that a canvas can hold, got ${width} x ${height}. Shrink it first.`);
  const data = new Uint8Array(3 * width * height);
  let p = 0;
  for (let top = 0; top < height; top += band) {
    const rows = Math.min(band, height - top);
    context.fillStyle = '#ffffff';
    context.fillRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, -top);
    const rgba = context.getImageData(0, 0, width, rows).data;
    for (let i = 0; i < rgba.length; i += 4, p += 3) {
      data[p] = rgba[i];
      data[p + 1] = rgba[i + 1];
      data[p + 2] = rgba[i + 2];
    }
  }
  return { width, height, data };
}

const BAND_PIXELS = 2 ** 22;
