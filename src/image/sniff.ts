/** What an image file is by its first bytes, before anything is decoded; and what is said of files that are none, or are damaged. */
import { FormatError } from '../errors.ts';

/** Larger pictures are refused before any pixel is decoded: 20,000 x 5,000 still passes, a decompression bomb does not. */
export const MAX_PIXELS = 100_000_000;

export type Format = 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff';
const NAMES: Record<Format, string> = { png: 'PNG', jpeg: 'JPEG', webp: 'WebP', gif: 'GIF', tiff: 'TIFF' };

/** First bytes of what is read; the rest of sharp's formats are not photographs (SVG), or depend on how it was built. */
const SIGNATURES: readonly [Format, RegExp][] = [
  ['png', /^\x89PNG\r\n\x1a\n/],
  ['jpeg', /^\xff\xd8\xff/],
  ['webp', /^RIFF[^]{4}WEBP/],
  ['gif', /^GIF8[79]a/],
  ['tiff', /^(II[*+]\0|MM\0[*+])/],
];

/** First bytes of files people try, for a message that names them. */
const OTHERS: readonly [string, RegExp][] = [
  ['a BMP file', /^BM[^]{4}\0\0\0\0/],
  ['a HEIC or AVIF file', /^[^]{4}ftyp(hei|hev|mif|msf|avi)/],
  ['a JPEG 2000 or JPEG XL file', /^(\0\0\0\x0cj(P {2}|XL )|\xff\x0a|\xff\x4f\xff\x51)/],
  ['an SVG or XML file', /^(\xef\xbb\xbf)?\s*<(\?xml|svg|!--)/],
  ['a PDF file', /^%PDF/],
  ['a NumPy file', /^\x93NUMPY/],
];

/**
 * The format of a file.
 * @param readable the formats that can be read, those of {@link Format} unless given
 * @throws FormatError if it is none of these
 */
export function sniff(bytes: Uint8Array, readable: readonly Format[] = Object.keys(NAMES) as Format[]): Format {
  const head = String.fromCharCode(...bytes.subarray(0, 64));
  const found = SIGNATURES.find(([, signature]) => signature.test(head))?.[0];
  if (found && readable.includes(found)) return found;
  const first = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const unknown = first === '' ? 'an empty file' : `one that begins with the bytes ${first}`;
  const other = found
    ? `a ${NAMES[found]} file, which is not read here`
    : (OTHERS.find(([, signature]) => signature.test(head))?.[0] ?? unknown);
  const names = readable.map((format) => NAMES[format]);
  const expected = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  throw new FormatError(`image: expected a ${expected} file, got ${other}. Save the picture as a PNG.`);
}

/** @throws FormatError if there are more than {@link MAX_PIXELS} pixels */
export function checkExtents(width: number, height: number): void {
  if (width * height <= MAX_PIXELS) return;
  throw new FormatError(`image: expected at most ${MAX_PIXELS / 1e6} megapixels, got ${width} x ${height}. Shrink the picture first.`);
}

export function damaged(format: Format, what: string): FormatError {
  return new FormatError(
    `image: expected a whole ${NAMES[format]} file, got a damaged one (${what}).` +
      ' Copy it again from its source, or open it in an image program and save it as a PNG.',
  );
}
