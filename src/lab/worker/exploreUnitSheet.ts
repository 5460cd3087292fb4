/** A traced unit in pictures: its field on the photo, the open part of it, and what the four rules bring down there. */
import { colourRange, type ColourRange } from '../../image/colour.ts';
import { dimOutside, drawBox } from '../../image/overlay.ts';
import type { Picture } from '../../image/picture.ts';
import { toPicture, type Channels, type PictureToInput, type Preprocess } from '../../image/preprocess.ts';
import { thumbnail } from '../../image/sheet.ts';
import type { Mass } from '../../inspect/gates.ts';
import type { PixelBox, TraceLayer } from '../../inspect/trace.ts';
import { cut, cutMap, cutTensor, viewOf } from '../../inspect/traceSheet.ts';
import { unitAt } from '../../inspect/walk.ts';
import { RULES, type Rule } from '../../rule.ts';
import type { Tensor } from '../../tensor.ts';
import { thumbnailSize } from '../../visualise/draw.ts';
import type { View } from '../view.ts';
import type { FieldWinners, UnitTrace } from './exploreUnit.ts';

/** A signal at the input under one rule, as a picture of the pixels that are shown. */
export interface RulePicture {
  readonly rule: Rule;
  readonly picture: Picture;
  /** What full colour stands for. */
  readonly high: number;
  readonly mass: Mass;
}

export interface UnitSheet {
  readonly layer: string;
  readonly at: readonly number[];
  readonly value: number;
  /** The theoretical receptive field, in pixels of the input and of the photo. */
  readonly field: PixelBox;
  readonly photoField: PixelBox;
  /** Pixels of the field that an open path reaches, and how many the field has. */
  readonly open: { readonly pixels: number; readonly of: number; readonly log10Paths: number };
  /** Parts of the value that bright and dark pixels speak for and against, and what biases add. */
  readonly influence: { readonly positive: number; readonly negative: number; readonly rest: number };
  /** The photo, small, with the field as a box. */
  readonly photo: Picture;
  /** The part of the input that the other pictures show; what no open path reaches is dimmed. */
  readonly seen: Picture;
  readonly rules: readonly RulePicture[];
  readonly layers: readonly TraceLayer[];
  readonly winners: readonly FieldWinners[];
}

/** Longest side of the photo's copy. */
const COPY = 480;

const FIELD = [255, 206, 0] as const;

/** Draws a unit's trace. */
export function drawUnit(
  { layer, trace: traced, winners }: UnitTrace,
  input: Tensor,
  { photo, geometry, spec }: { readonly photo: Picture; readonly geometry: PictureToInput; readonly spec: Preprocess },
  { scale, clip }: Pick<View, 'scale' | 'clip'>,
): UnitSheet {
  const { shape, unit, value, input: at, signals, openMask, layers } = traced;
  const picture = toPicture(input, spec);
  const view = viewOf(at.field, picture);
  const parts = RULES.map((rule) => cutTensor(signals[rule], view));
  const own = parts.map((part) => colourRange(part, { clip, signed: true }));
  const common = scale === 'shared' ? sharedRange(own) : null;
  const photoField = onPhoto(at.field, geometry);
  const [height, width] = thumbnailSize(photo, COPY);
  const small = thumbnail(photo, [height, width]);
  const [fx, fy] = [width / photo.width, height / photo.height];
  const box = { x0: photoField.x0 * fx, x1: photoField.x1 * fx, y0: photoField.y0 * fy, y1: photoField.y1 * fy };
  return {
    layer,
    at: unitAt(shape, unit),
    value,
    field: at.field,
    photoField,
    open: { pixels: at.openPixels, of: (at.field.x1 - at.field.x0) * (at.field.y1 - at.field.y0), log10Paths: at.paths.log10 },
    influence: { ...at.influence, rest: at.rest },
    photo: drawBox(small, box, FIELD),
    seen: dimOutside(cut(picture, view), cutMap(openMask, picture.width, view)),
    rules: RULES.map((rule, r): RulePicture => {
      const range = common ?? own[r];
      return { rule, picture: inColours(parts[r], range, spec.channels), high: range.high, mass: at.rules[rule] };
    }),
    layers,
    winners,
  };
}

/** The gradient's range, or where that is zero everywhere the widest: `linear` alone exceeds the others a hundredfold. */
function sharedRange(ranges: readonly ColourRange[]): ColourRange {
  return ranges[0].zero ? ranges.reduce((a, b) => (b.high > a.high ? b : a)) : ranges[0];
}

/** A signal [1, C, H, W] in the input's own colours about mid-grey, as the rule sheet draws it. */
export function inColours({ shape: [, channels, height, width], data }: Tensor, range: ColourRange, order: Channels): Picture {
  const plane = height * width;
  const planes = channels === 1 ? [0, 0, 0] : order === 'bgr' ? [2, 1, 0] : [0, 1, 2];
  const out = new Uint8Array(3 * plane);
  planes.forEach((from, k) => {
    for (let i = 0; i < plane; i++) {
      const v = range.zero ? 0 : data[from * plane + i] / range.high;
      out[3 * i + k] = Math.round(127.5 + 127.5 * Math.min(1, Math.max(-1, v)));
    }
  });
  return { width, height, data: out };
}

/** A box of the input on the photo, no further than the photo reaches. */
export function onPhoto({ x0, y0, x1, y1 }: PixelBox, { x, y, picture: [height, width] }: PictureToInput): PixelBox {
  const along = (v: number, { scale, offset }: PictureToInput['x'], extent: number): number =>
    Math.min(extent, Math.max(0, scale * v + offset));
  return { x0: along(x0, x, width), x1: along(x1, x, width), y0: along(y0, y, height), y1: along(y1, y, height) };
}
