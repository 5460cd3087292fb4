/**
 * The ways to a box that an evaluation compares: thresholds on the saliency map, GraphCut, and the boxes that look at nothing.
 */
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import type { Box } from '../segment/box.ts';
import { graphCut } from '../segment/graphcut.ts';
import { GRAPHCUT_PRESETS, PRESET_NAMES, type MapKind, type PresetName } from '../segment/presets.ts';
import { thresholdBox, type ThresholdMethod } from '../segment/threshold.ts';
import type { Tensor } from '../tensor.ts';

/** One way to a box, or the pointing game, which asks for the map's maximum instead. */
export type Method =
  | { readonly name: string; readonly kind: 'threshold'; readonly threshold: ThresholdMethod; readonly alpha: number }
  | { readonly name: string; readonly kind: 'graphcut'; readonly preset: PresetName }
  | { readonly name: string; readonly kind: 'centre' }
  | { readonly name: string; readonly kind: 'whole' }
  | { readonly name: string; readonly kind: 'pointing' };

/** What is compared where no alpha is said: around the best published for GoogLeNet's input gradient (Fong & Vedaldi 2017, table 1). */
export const ALPHAS: Readonly<Record<ThresholdMethod, readonly number[]>> = {
  value: [0.2, 0.25, 0.3],
  energy: [0.1, 0.15, 0.2],
  mean: [4, 5, 6],
};

/** The centre box is the middle this much of either side. */
export const CENTRE = 0.7;

const THRESHOLDS = Object.keys(ALPHAS) as ThresholdMethod[];
const BASELINES = ['centre', 'whole'] as const;

/** Everything there is, in the order of the table. */
export const ALL_METHODS: readonly string[] = [...THRESHOLDS, ...PRESET_NAMES, ...BASELINES, 'pointing'];

/**
 * Methods by name: `mean`, `value` or `energy` with the alphas of {@link ALPHAS}, `mean:4.5` with one of one's own; a preset of GraphCut,
 * or `graphcut` for all of them; `centre`, `whole`; `pointing`.
 * @throws InputError naming what is unknown, or given twice
 */
export function parseMethods(names: readonly string[]): Method[] {
  const methods = names.flatMap(parseMethod);
  const twice = methods.find(({ name }, k) => methods.findIndex((other) => other.name === name) !== k);
  if (twice) throw new InputError(`methods: expected each method once, got "${twice.name}" twice. Drop one.`);
  if (methods.length === 0) throw new InputError(`methods: expected at least one of ${ALL_METHODS.join(', ')}, got none.`);
  return methods;
}

function parseMethod(text: string): Method[] {
  const [kind, given, ...more] = text.split(':');
  const threshold = THRESHOLDS.find((name) => name === kind);
  if (threshold && more.length === 0) {
    const alphas = given === undefined ? ALPHAS[threshold] : [parseAlpha(given, threshold, text)];
    return alphas.map((alpha) => ({ name: `${threshold}:${alpha}`, kind: 'threshold', threshold, alpha }));
  }
  if (text === 'graphcut') return PRESET_NAMES.map((preset) => ({ name: preset, kind: 'graphcut', preset }));
  const preset = PRESET_NAMES.find((name) => name === text);
  if (preset) return [{ name: preset, kind: 'graphcut', preset }];
  const baseline = [...BASELINES, 'pointing' as const].find((name) => name === text);
  if (baseline) return [{ name: baseline, kind: baseline }];
  throw new InputError(
    `methods: expected ${ALL_METHODS.join(', ')}, graphcut, or a threshold with its alpha as mean:5, got "${text}". Take one of these.`,
  );
}

function parseAlpha(text: string, threshold: ThresholdMethod, whole: string): number {
  const alpha = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : NaN;
  if (!(alpha > 0) || (threshold !== 'mean' && alpha > 1)) {
    throw new InputError(
      `methods: expected alpha above 0${threshold === 'mean' ? '' : ' and at most 1'}, got "${whole}".` +
        ` Write say ${threshold}:${ALPHAS[threshold][0]}.`,
    );
  }
  return alpha;
}

/** The map that a method is made for; null where it looks at none. */
export function ownMap(method: Method): MapKind | null {
  if (!needsMap(method)) return null;
  return method.kind === 'graphcut' ? GRAPHCUT_PRESETS[method.preset].map : 'saliency';
}

/** Whether the method looks at a saliency map. */
export function needsMap({ kind }: Method): boolean {
  return kind !== 'centre' && kind !== 'whole';
}

/**
 * The box of a method, edges in pixels of the picture; null where there is none, as for a map that is zero everywhere.
 * @param map saliency of the picture's own size [H, W]; null for methods that do not look at it
 */
export function boxOf(method: Method, picture: Picture, map: Tensor | null): Box | null {
  const { width, height } = picture;
  if (method.kind === 'whole') return { x0: 0, y0: 0, x1: width, y1: height };
  if (method.kind === 'centre') {
    const margin = (1 - CENTRE) / 2;
    return { x0: margin * width, y0: margin * height, x1: (1 - margin) * width, y1: (1 - margin) * height };
  }
  if (map === null || method.kind === 'pointing')
    throw new InputError(`methods: expected a method of boxes and its map, got "${method.name}".`);
  if (method.kind === 'threshold') return thresholdBox(map, { method: method.threshold, alpha: method.alpha });
  return graphCut(picture, map, method.preset).box;
}
