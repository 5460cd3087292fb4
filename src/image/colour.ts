/**
 * Maps to colours. Magnitudes run from black (0) to the clip; signed maps are symmetric about zero, so that no sign is drawn stronger than
 * it is. Colour maps are those of d3-scale-chromatic, sampled at 256 places.
 */
import {
  interpolateGreys,
  interpolateInferno,
  interpolateMagma,
  interpolateRdBu,
  interpolateTurbo,
  interpolateViridis,
} from 'd3-scale-chromatic';
import { InputError } from '../errors.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import type { Picture } from './picture.ts';

/** From low to high. `greys` runs from black to white, `rdbu` from blue (negative) through white to red (positive). */
const INTERPOLATORS = {
  inferno: interpolateInferno,
  magma: interpolateMagma,
  viridis: interpolateViridis,
  turbo: interpolateTurbo,
  greys: (t: number) => interpolateGreys(1 - t),
  rdbu: (t: number) => interpolateRdBu(1 - t),
} as const;

export type Colours = keyof typeof INTERPOLATORS;

export const COLOURS = Object.keys(INTERPOLATORS) as readonly Colours[];

/** The percentile of magnitudes at which colours saturate, unless another is asked for. */
export const DEFAULT_CLIP = 99.5;

/** What is drawn for NaN: a colour that no map holds. */
const NOT_A_NUMBER = [0, 255, 0] as const;

export interface RangeOptions {
  /** Percentile, 0 (exclusive) to 100, of the magnitudes of the values that are not zero. Default {@link DEFAULT_CLIP}. */
  readonly clip?: number;
  /** True: from -high to high; false: from 0 to high, and negative values are drawn as 0. */
  readonly signed?: boolean;
}

/** What the ends of a colour map stand for, in the map's unit. */
export interface ColourRange {
  readonly low: number;
  readonly high: number;
  /** Zero lies in the middle, not at the low end. */
  readonly signed: boolean;
  /** No finite value differs from zero: there is nothing to see, and the map is drawn in the one colour of zero. */
  readonly zero: boolean;
}

export interface ColourOptions extends RangeOptions {
  /** Default: inferno, or rdbu for signed maps. */
  readonly colours?: Colours;
  /** The range, if it is known: for maps that must be comparable. */
  readonly range?: ColourRange;
}

/**
 * The range of colours for a map of any shape: high is the smallest magnitude that `clip` per cent of the magnitudes other than zero do not
 * exceed. Zeros do not count, so that a map that is zero nearly everywhere is not clipped to nothing; nor do NaN and infinities.
 * @throws InputError if the percentile is not in (0, 100]
 */
export function colourRange({ data }: Pick<Tensor, 'data'>, { clip = DEFAULT_CLIP, signed = false }: RangeOptions = {}): ColourRange {
  if (!(clip > 0 && clip <= 100)) throw new InputError(`clip: expected a percentile above 0 and at most 100, got ${clip}.`);
  const magnitudes = data.filter((v) => Number.isFinite(v) && (signed ? v !== 0 : v > 0)).map(Math.abs);
  if (magnitudes.length === 0) return { low: 0, high: 0, signed, zero: true };
  magnitudes.sort();
  const high = magnitudes[Math.max(0, Math.ceil((clip / 100) * magnitudes.length) - 1)];
  return { low: signed ? -high : 0, high, signed, zero: false };
}

/**
 * A map [H, W] in colours, and the range they stand for. NaN is drawn in pure green, an infinity as the end of its side.
 * @throws InputError if the map does not have two axes, or an option is wrong
 */
export function colourise(map: Tensor, options: ColourOptions = {}): ColourRange & { readonly picture: Picture } {
  if (map.shape.length !== 2) throw new InputError(`colours: expected a map [H, W], got ${formatShape(map.shape)}.`);
  const range = options.range ?? colourRange(map, options);
  const data = new Uint8Array(3 * map.data.length);
  colouriseRow(map.data, range, colourTable(options.colours ?? (options.signed ? 'rdbu' : 'inferno')), data);
  return { picture: { width: map.shape[1], height: map.shape[0], data }, ...range };
}

/** Writes the colours of `values` to `out`, three bytes each; {@link colourise} for a part of a map. */
export function colouriseRow(values: Float32Array, { low, high, signed }: ColourRange, table: Uint8Array, out: Uint8Array): void {
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (Number.isNaN(v)) {
      out.set(NOT_A_NUMBER, 3 * i);
      continue;
    }
    // Without a range there is but the colour of zero: noise is never stretched.
    const t = high > low ? (v - low) / (high - low) : signed ? 0.5 : 0;
    const k = 3 * Math.min(255, Math.max(0, Math.round(255 * t)));
    out[3 * i] = table[k];
    out[3 * i + 1] = table[k + 1];
    out[3 * i + 2] = table[k + 2];
  }
}

/** 256 colours of three bytes, from low to high. */
export function colourTable(colours: Colours): Uint8Array {
  if (!Object.hasOwn(INTERPOLATORS, colours)) {
    throw new InputError(`colours: expected one of ${COLOURS.join(', ')}, got "${colours}".`);
  }
  const known = tables.get(colours);
  if (known) return known;
  const table = new Uint8Array(3 * 256);
  for (let k = 0; k < 256; k++) table.set(parseColour(INTERPOLATORS[colours](k / 255)), 3 * k);
  tables.set(colours, table);
  return table;
}

const tables = new Map<Colours, Uint8Array>();

/** d3 writes `rgb(1, 2, 3)` or `#010203`. */
function parseColour(text: string): number[] {
  const hex = /^#([0-9a-f]{6})$/i.exec(text);
  if (hex) return [16, 8, 0].map((shift) => (parseInt(hex[1], 16) >> shift) & 255);
  return text.match(/\d+/g)!.slice(0, 3).map(Number);
}
