/**
 * Text as pixels. Node only: drawn by sharp (libvips with Pango), in a font that comes along, so that a picture reads the same on every
 * machine, with system fonts or without.
 *
 * Pango's pictures are cut to the ink, which differs from "aaa" to "Åg": every line is therefore drawn behind a strut of the highest and
 * the deepest letter, which is then cut off. Lines have equal heights and their baselines agree.
 */
import { EngineError } from '../errors.ts';

/** Coverage of text, 0 to 255 a pixel, row-major. */
export interface TextPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface TextOptions {
  /** Of the font, in pixels. Default 14. */
  readonly size?: number;
  readonly bold?: boolean;
  /** Lines are broken between words to be no wider than this, in pixels; a longer word ends in an ellipsis. */
  readonly width?: number;
  /** At most so many lines; the last one ends in an ellipsis if there were more. */
  readonly lines?: number;
  readonly align?: 'left' | 'centre';
}

/** From one baseline to the next, in sizes of the font. */
const LEADING = 1.35;

/**
 * Draws text, line breaks included. The picture is as wide as the widest line and holds whole lines, with the room above and below letters
 * that lines of text have.
 * @throws EngineError if sharp or the font are not there
 */
export async function drawText(text: string, options: TextOptions = {}): Promise<TextPixels> {
  const { size = 14, width = Infinity, lines = Infinity, align = 'left' } = options;
  const pen = await Pen.of(size, options.bold ?? false);
  const all: string[] = [];
  for (const paragraph of text.split('\n')) all.push(...(await broken(paragraph, width, pen)));
  const kept = all.slice(0, lines);
  if (all.length > lines) kept[lines - 1] = await shortened(`${kept[lines - 1]} ${all[lines]}`, width, pen);
  const drawn: TextPixels[] = [];
  for (const line of kept) drawn.push(await pen.draw(line));
  const leading = Math.round(LEADING * size);
  const out = { width: Math.max(1, ...drawn.map((line) => line.width)), height: leading * drawn.length };
  const data = new Uint8Array(out.width * out.height);
  for (const [n, line] of drawn.entries()) {
    const left = align === 'centre' ? (out.width - line.width) >> 1 : 0;
    const top = n * leading + Math.max(0, (leading - line.height) >> 1);
    for (let y = 0; y < Math.min(line.height, out.height - top); y++) {
      data.set(line.data.subarray(y * line.width, (y + 1) * line.width), (top + y) * out.width + left);
    }
  }
  return { ...out, data };
}

async function broken(paragraph: string, width: number, pen: Pen): Promise<string[]> {
  const lines: string[] = [];
  let line = '';
  for (const word of paragraph.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line === '' || (await pen.width(longer)) <= width) line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  const fitting: string[] = [];
  for (const l of lines) fitting.push((await pen.width(l)) <= width ? l : await shortened(l, width, pen));
  return fitting;
}

/** The longest beginning that fits with an ellipsis behind it. */
async function shortened(text: string, width: number, pen: Pen): Promise<string> {
  const letters = [...text];
  const cut = (n: number): string => `${letters.slice(0, n).join('').trimEnd()}…`;
  let [fits, long] = [0, letters.length + 1];
  while (long - fits > 1) {
    const middle = (fits + long) >> 1;
    if ((await pen.width(cut(middle))) <= width) fits = middle;
    else long = middle;
  }
  return cut(fits);
}

const STRUT = 'Åg';

/** One font at one size; what it has drawn it keeps. */
class Pen {
  static readonly #pens = new Map<string, Pen>();
  readonly #lines = new Map<string, TextPixels>();

  private constructor(
    readonly size: number,
    readonly bold: boolean,
    readonly file: string,
    readonly sharp: typeof import('sharp').default,
  ) {}

  static async of(size: number, bold: boolean): Promise<Pen> {
    const key = `${size} ${bold}`;
    const known = Pen.#pens.get(key);
    if (known) return known;
    const pen = new Pen(size, bold, await fontFile(bold), await loadSharp());
    Pen.#pens.set(key, pen);
    return pen;
  }

  async width(line: string): Promise<number> {
    return (await this.draw(line)).width;
  }

  /** One line, as high as the strut. */
  async draw(line: string): Promise<TextPixels> {
    const known = this.#lines.get(line);
    if (known) return known;
    // Two em spaces keep the strut's ink from the line's.
    const strut = await this.#ink(STRUT);
    const both = await this.#ink(`${STRUT}\u2003\u2003${line}`);
    let left = strut.width + 1;
    while (left < both.width && isEmpty(both, left)) left++;
    // Spaces and control characters leave no ink.
    if (left >= both.width) return { width: 1, height: strut.height, data: new Uint8Array(strut.height) };
    const width = both.width - left;
    const data = new Uint8Array(width * both.height);
    for (let y = 0; y < both.height; y++) data.set(both.data.subarray(y * both.width + left, (y + 1) * both.width), y * width);
    const drawn = { width, height: both.height, data };
    if (this.#lines.size < 10_000) this.#lines.set(line, drawn);
    return drawn;
  }

  async #ink(text: string): Promise<TextPixels> {
    const image = this.sharp({
      // 72 dots an inch make a point a pixel.
      text: { text: escapeMarkup(text), font: `DejaVu Sans${this.bold ? ' Bold' : ''} ${this.size}`, fontfile: this.file, dpi: 72 },
    });
    const { data, info } = await image.extractChannel(0).raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  }
}

function isEmpty({ width, height, data }: TextPixels, column: number): boolean {
  for (let y = 0; y < height; y++) if (data[y * width + column] !== 0) return false;
  return true;
}

async function loadSharp(): Promise<typeof import('sharp').default> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new EngineError(`text: expected the package sharp, which draws text, got: ${(error as Error).message}. Install it.`);
  }
}

async function fontFile(bold: boolean): Promise<string> {
  const { createRequire } = await import('node:module');
  const file = `dejavu-fonts-ttf/ttf/DejaVuSans${bold ? '-Bold' : ''}.ttf`;
  try {
    return createRequire(import.meta.url).resolve(file);
  } catch {
    throw new EngineError(`text: expected the font ${file}, got no such file. Install the package dejavu-fonts-ttf.`);
  }
}

/** Pango takes text for markup, and control characters have no glyph. */
function escapeMarkup(text: string): string {
  return text
    .replace(/\p{Cc}/gu, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}
