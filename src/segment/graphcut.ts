/**
 * From a saliency map to an object: colour models fitted to the map's highest and lowest pixels, one exact minimum cut or several, the
 * largest connected component, its box.
 * @see Simonyan, Vedaldi, Zisserman 2013, section 3.2
 */
import { InputError } from '../errors.ts';
import { gaussian } from '../image/gaussian.ts';
import { checkPicture, type Picture } from '../image/picture.ts';
import { resize } from '../image/resize.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import { massBox, maskBox, type Box } from './box.ts';
import { largestComponent } from './components.ts';
import { resampleMap } from './maps.ts';
import type { Cut } from './maxflow.ts';
import { graphCutOptions, type GraphCutOptions, type PresetName } from './presets.ts';
import { cutRounds } from './rounds.ts';
import { BACKGROUND, FOREGROUND, softSeeds } from './seeds.ts';

export interface GraphCutExtras {
  /** Log odds [H, W] that each pixel is object, in nats, added to the unary term; of the picture's extents. */
  readonly prior?: Tensor;
  /** Of the k-means++ start; the same seed gives the same result on every machine. Default 0. */
  readonly seed?: number;
}

export interface GraphCut {
  /** By pixel of the picture, [height * width]: 1 where the cut says object. */
  readonly mask: Uint8Array;
  /** The part of the mask that is taken for the object: its largest connected component. */
  readonly component: Uint8Array;
  /** In the picture's pixels; null where nothing was found, and `reason` says why. */
  readonly box: Box | null;
  readonly reason: string | null;
  /** Of the last cut, in units of 1 / scale nats: flow and capacity are equal, which proves the cut a minimum. Null if nothing was cut. */
  readonly certificate: { readonly flow: number; readonly cut: number } | null;
  /** Height and width at which the picture was cut. */
  readonly size: readonly [number, number];
}

/**
 * Segments the object that a saliency map points at.
 * @param saliency magnitudes [H, W] of the picture's own extents; 0 where the network did not look
 * @param preset a recipe by name, or one of one's own
 * @returns mask, component and box; without a box where the map is all zero or not finite, tells no pixels apart, or the cut leaves no
 *   object
 * @throws InputError if extents differ, a value is negative, or an option is out of range
 */
export function graphCut(
  picture: Picture,
  saliency: Tensor,
  preset: PresetName | GraphCutOptions,
  { prior, seed = 0 }: GraphCutExtras = {},
): GraphCut {
  const options = graphCutOptions(preset);
  checkPicture(picture);
  const given = [picture.height, picture.width] as const;
  checkMap(saliency, given, 'the saliency map');
  if (prior) checkMap(prior, given, 'the prior');
  const size = workingSize(given, options);
  const nothing = (reason: string, mask?: Uint8Array): GraphCut => ({
    mask: mask ?? new Uint8Array(given[0] * given[1]),
    component: new Uint8Array(given[0] * given[1]),
    box: null,
    reason,
    certificate: null,
    size,
  });
  if (!saliency.data.every(Number.isFinite)) return nothing('the saliency map is not finite');
  if (saliency.data.some((m) => m < 0))
    throw new InputError('graphcut: expected a map of magnitudes, got negative values. Reduce without a sign.');
  if (saliency.data.every((m) => m === 0)) return nothing('the saliency map is zero everywhere');
  if (prior && !prior.data.every(Number.isFinite)) return nothing('the prior is not finite');

  const [height, width] = size;
  const map = smoothed(resampleMap(saliency.data, given, size), size, options.smoothing);
  const seeds = softSeeds(map, options.seeds);
  if (!seeds.includes(FOREGROUND)) return nothing('the saliency map tells no pixels apart');
  if (!seeds.includes(BACKGROUND) && options.seeds.background > 0) return nothing('the saliency map has no pixels for the background');

  const colours = coloursAt(picture, size);
  const odds = prior && resampleMap(prior.data, given, size);
  let last: Cut | null = null;
  for (const round of cutRounds({ colours, size, map, seeds, prior: odds }, options, seed)) last = round.cut;
  if (last === null) return nothing('no colours are left for one of the sides');
  const touching = options.component.seeded ? seeds.map((seedOf) => (seedOf === FOREGROUND ? 1 : 0)) : undefined;
  const mask = bringBack(last.source, size, given);
  const component = bringBack(largestComponent(last.source, width, height, options.component.connectivity, touching), size, given);
  const box = options.box === 'extent' ? maskBox(component, given[1], given[0]) : massBox(component, given[1], given[0], options.box.mass);
  return {
    mask,
    component,
    box,
    reason: box === null ? 'the cut leaves no object' : null,
    certificate: { flow: last.flow, cut: last.capacity },
    size,
  };
}

/** Height and width at which to cut. */
function workingSize([height, width]: readonly [number, number], { side, pixels }: GraphCutOptions): readonly [number, number] {
  const wanted = side === null ? 1 : side / Math.min(height, width);
  const factor = Math.min(wanted, Math.sqrt(pixels / (height * width)));
  const extent = (length: number): number => Math.max(1, Math.round(length * factor));
  return [extent(height), extent(width)];
}

function smoothed(map: Float64Array, size: readonly [number, number], sigma: number): Float64Array {
  return sigma === 0 ? map : Float64Array.from(gaussian({ shape: size, data: Float32Array.from(map) }, sigma).data);
}

/** The picture's colours at the size of the cut, [n, 3], 0..255; the bytes themselves where the size is the picture's. */
function coloursAt(picture: Picture, [height, width]: readonly [number, number]): Float64Array {
  if (picture.width === width && picture.height === height) return Float64Array.from(picture.data);
  return resize(
    picture,
    { from: picture.width, to: width, start: 0, length: width },
    { from: picture.height, to: height, start: 0, length: height },
  );
}

/** A mask at other extents: each pixel takes what lies under its centre. */
function bringBack(mask: Uint8Array, [rows, columns]: readonly [number, number], [height, width]: readonly [number, number]): Uint8Array {
  if (rows === height && columns === width) return mask;
  const out = new Uint8Array(height * width);
  for (let y = 0, i = 0; y < height; y++) {
    const line = Math.floor(((y + 0.5) * rows) / height) * columns;
    for (let x = 0; x < width; x++, i++) out[i] = mask[line + Math.floor(((x + 0.5) * columns) / width)];
  }
  return out;
}

function checkMap({ shape }: Tensor, [height, width]: readonly [number, number], what: string): void {
  if (shape.length !== 2 || shape[0] !== height || shape[1] !== width) {
    throw new InputError(`graphcut: expected ${what} to have the picture's ${height}x${width} pixels, got ${formatShape(shape)}.`);
  }
}
