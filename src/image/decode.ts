/**
 * Image files to pictures. Node only: the decoders are those of sharp (libvips), loaded when first needed so that the library bundles
 * without them.
 */
import type { SharpOptions } from 'sharp';
import { EngineError, FormatError } from '../errors.ts';
import type { Picture } from './picture.ts';
import { pngIsWhole } from './png.ts';
import { checkExtents, damaged, MAX_PIXELS, sniff } from './sniff.ts';

export type { Picture } from './picture.ts';

/** A file that takes longer is refused: a progressive file can ask for the work of its whole picture thousands of times over. */
const MAX_SECONDS = 60;

/**
 * What decoders complain of although the picture is whole. Cameras write the first: padding before a header segment or before the end of
 * the file. Between the scans of a file, or with any other complaint, the data is damaged and what would be decoded is not the photograph.
 */
const HARMLESS = [
  /extraneous bytes before marker 0x(d9|db|c[012]|e[0-9a-f]|fe)$/,
  /Unknown Adobe color transform code \d+$/,
  /unknown JFIF revision number [\d.]+$/,
  /Invalid SOS parameters for sequential JPEG$/,
  /^(iCCP|gAMA|cHRM|sRGB|pHYs|tIME|sBIT|bKGD|eXIf|[tzi]TXt): (?!CRC)/,
  /tags are not sorted in ascending order$/,
  /^Unknown field with tag \d+/,
];

/**
 * Decodes a PNG, JPEG, WebP, GIF (first frame) or TIFF (first page) file to 8-bit sRGB, upright.
 *
 * - Rotation and mirroring of the EXIF orientation are applied.
 * - Transparent pixels are composited over **white**, the paper that pictures with an alpha channel are mostly drawn for.
 * - Grey becomes three equal channels; 16-bit values keep their upper byte; palettes are resolved; CMYK and embedded colour profiles are
 *   converted to sRGB.
 * - At most {@link MAX_PIXELS} pixels. Files of 32-bit or floating-point channels are refused: their range is not known.
 *
 * Damaged files are refused wherever the format lets damage be seen. Only PNG carries check sums: in the others a flipped bit may decode to
 * another picture.
 * @throws FormatError if the file is none of these, truncated, corrupt or too large.
 * @throws EngineError if sharp cannot be loaded.
 */
export async function decodeImage(bytes: Uint8Array): Promise<Picture> {
  const format = sniff(bytes);
  if (format === 'png' && !pngIsWhole(bytes)) throw damaged(format, 'it ends before its last chunk');
  const sharp = await loadSharp();
  let meta;
  try {
    // The limit is checked below, where the message can name the extents; nothing is decoded here.
    meta = await sharp(bytes, { failOn: 'none', limitInputPixels: false }).metadata();
  } catch (error) {
    throw damaged(format, reason(error));
  }
  if (meta.format !== format) throw damaged(format, `it reads as ${meta.format}`);
  const { width, height } = meta;
  checkExtents(width, height);
  if (meta.depth !== 'uchar' && meta.depth !== 'ushort') {
    throw new FormatError(`image: expected 8 or 16 bits a channel, got ${meta.depth}. Save the picture as an 8-bit PNG.`);
  }
  // In 16 bits sharp works in Display P3 when a profile is embedded, and leaves it at that unless an output profile is asked for.
  const viaP3 = meta.space === 'rgb16' && meta.hasProfile;

  const decode = async (failOn: SharpOptions['failOn']): Promise<Picture> => {
    let pipeline = sharp(bytes, { failOn, autoOrient: true, limitInputPixels: MAX_PIXELS })
      .timeout({ seconds: MAX_SECONDS })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb');
    if (viaP3) pipeline = pipeline.withIccProfile('srgb');
    const { data, info } = await pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (info.channels !== 3 || data.length !== 3 * info.width * info.height) {
      throw new EngineError(`image: expected the decoder to give 3 channels, got ${info.channels}. Save the picture as an 8-bit RGB PNG.`);
    }
    return { width: info.width, height: info.height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  };
  // Strictly first: only at this level does sharp report data that makes no sense. Then once more past what is known to be harmless.
  try {
    return await decode('warning');
  } catch (error) {
    if (error instanceof EngineError) throw error;
    if (!isHarmless(error)) throw damaged(format, reason(error));
  }
  try {
    return await decode('truncated');
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw damaged(format, reason(error));
  }
}

async function loadSharp(): Promise<typeof import('sharp').default> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new EngineError(`image: expected the package sharp, the decoder, got: ${reason(error)}. Install it, or give a .npy file.`);
  }
}

/** The decoder's own words, each once, without the names of its parts. */
function complaints(error: unknown): string[] {
  const frame = /^Warning treated as error.*|Input buffer has corrupt header:|\b(VipsJpeg|vipspng|tiff2vips|webp2vips|gifload_buffer):/g;
  const message = error instanceof Error ? error.message : String(error);
  const lines = message.split('\n').map((line) =>
    line
      .replace(frame, '')
      .replace(/[\s\p{Cc}]+/gu, ' ')
      .trim(),
  );
  return [...new Set(lines)].filter((line) => line !== '');
}

function isHarmless(error: unknown): boolean {
  const lines = complaints(error);
  return lines.length > 0 && lines.every((line) => HARMLESS.some((pattern) => pattern.test(line)));
}

function reason(error: unknown): string {
  const said = complaints(error)
    .slice(0, 2)
    .join('; ')
    .slice(0, 200)
    .replace(/[.:; ]+$/, '');
  return said || 'its header is not valid';
}
