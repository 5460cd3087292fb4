/**
 * What image files say of themselves before a pixel is decoded. For decoders that answer a damaged file with half a picture, or a huge one
 * with all the memory there is.
 */
import { pngIsWhole } from './png.ts';
import type { Format } from './sniff.ts';

export interface FileHeader {
  /** As stored: EXIF may turn them. */
  readonly width: number;
  readonly height: number;
  /** The file runs to its own end. */
  readonly whole: boolean;
  /** It carries a colour profile. */
  readonly profile: boolean;
  /** Its channels are inks: what colours these are is for a profile to say, and decoders guess differently. */
  readonly cmyk: boolean;
}

/** The formats that {@link readHeader} knows. */
export type HeaderFormat = Exclude<Format, 'tiff'>;

/** The header of a file of the format; null where it is cut off or makes no sense. */
export function readHeader(bytes: Uint8Array, format: HeaderFormat): FileHeader | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const header = READERS[format](bytes, view);
    return header.width > 0 && header.height > 0 ? header : null;
  } catch (error) {
    // Beyond the end of the view.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

const READERS: Readonly<Record<HeaderFormat, (bytes: Uint8Array, view: DataView) => FileHeader>> = {
  png: (bytes, view) => ({
    width: view.getUint32(16),
    height: view.getUint32(20),
    whole: pngIsWhole(bytes),
    profile: pngHasProfile(view),
    cmyk: false,
  }),
  jpeg,
  gif: (bytes, view) => ({
    width: view.getUint16(6, true),
    height: view.getUint16(8, true),
    whole: gifIsWhole(bytes, view),
    profile: false,
    cmyk: false,
  }),
  webp,
};

/** Whether an iCCP chunk stands before the first of the pixels. */
function pngHasProfile(view: DataView): boolean {
  for (let at = 8; at + 8 <= view.byteLength; at += 12 + view.getUint32(at)) {
    const type = view.getUint32(at + 4);
    if (type === ICCP) return true;
    if (type === IDAT) return false;
  }
  return false;
}

const [ICCP, IDAT] = [0x69434350, 0x49444154];

/** Segments from SOI on; what follows a scan's header are its bits, up to a marker that is neither stuffing nor a restart. */
function jpeg(bytes: Uint8Array, view: DataView): FileHeader {
  let [width, height, whole, profile, cmyk] = [0, 0, false, false, false];
  for (let at = bytes.indexOf(0xff, 2); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[at + 1];
    if (marker === 0xd9) {
      whole = true;
      break;
    }
    if (marker === 0xff) at += 1;
    else if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else {
      if (at + 4 > bytes.length) break;
      if (isFrame(marker)) [height, width, cmyk] = [view.getUint16(at + 5), view.getUint16(at + 7), view.getUint8(at + 9) === 4];
      if (marker === 0xe2 && String.fromCharCode(...bytes.subarray(at + 4, at + 15)) === 'ICC_PROFILE') profile = true;
      at += 2 + view.getUint16(at + 2);
    }
  }
  return { width, height, whole, profile, cmyk };
}

/** SOF0 to SOF15, without the tables and the extension among them. */
const isFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** Blocks up to the trailer. */
function gifIsWhole(bytes: Uint8Array, view: DataView): boolean {
  const table = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + table(view.getUint8(10));
  for (;;) {
    const block = view.getUint8(at);
    if (block === 0x3b) return true;
    if (block === 0x2c) at += 11 + table(view.getUint8(at + 9));
    else if (block === 0x21) at += 2;
    else return false;
    while (at < bytes.length && bytes[at] !== 0) at += 1 + bytes[at];
    at += 1;
    if (at >= bytes.length) return false;
  }
}

/** The first chunk is VP8 (lossy), VP8L (lossless) or VP8X, which goes before others. */
function webp(bytes: Uint8Array, view: DataView): FileHeader {
  const whole = 8 + view.getUint32(4, true) <= bytes.length;
  const kind = String.fromCharCode(...bytes.subarray(12, 16));
  if (kind === 'VP8X') {
    const extent = (at: number): number => 1 + view.getUint16(at, true) + 2 ** 16 * view.getUint8(at + 2);
    return { width: extent(24), height: extent(27), whole, profile: (view.getUint8(20) & 0x20) !== 0, cmyk: false };
  }
  if (kind === 'VP8L') {
    const bits = view.getUint32(21, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff), whole, profile: false, cmyk: false };
  }
  return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff, whole, profile: false, cmyk: false };
}
