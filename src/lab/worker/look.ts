/** What the network says of the photo, and where it sees it. */
import type { ColourRange } from '../../image/colour.ts';
import type { Picture } from '../../image/picture.ts';
import type { Pixels } from '../../image/png.ts';
import { preprocess } from '../../image/preprocess.ts';
import { onCopy } from '../../image/project.ts';
import { posterior, ranked } from '../../network.ts';
import { resolveRules, ruleSpec, type Rule, type RuleAxis } from '../../rule.ts';
import type { Box } from '../../segment/box.ts';
import { DEFAULT_PRESET } from '../../segment/presets.ts';
import { cutoutRows, framed, onPhoto } from '../../visualise/cutout.ts';
import { thumbnailSize, whole } from '../../visualise/draw.ts';
import { drawSigned } from '../../visualise/rulesheet.ts';
import type { Call } from '../rpc.ts';
import type { Scale, View } from '../view.ts';
import { drawnRows, legendOf, paletteOf, pixelsOf, unitOf, type Drawn } from './draw.ts';
import { onScreen } from './photo.ts';
import type { Seen, SignalKnobs } from './seen.ts';
import type { Session } from './session.ts';

export interface RankedScore {
  readonly class: number;
  readonly score: number;
  readonly posterior: number;
}

export type MapKnobs = Pick<View, 'score' | 'views' | 'rules' | 'at' | 'reduce' | 'clip' | 'colours'>;

/** A saliency map over the photo, or by itself. */
export interface Overlay {
  readonly class: number;
  readonly picture: Picture;
  /** One row from the low end of the colours to the high one, as they are drawn. */
  readonly legend: Picture;
  readonly range: ColourRange;
  /** What was differentiated; of ten views the mean, as are score and posterior. */
  readonly value: number;
  readonly score: number;
  readonly posterior: number;
  readonly zero: boolean;
  /** Share of the photo that the network looked at. */
  readonly seen: number;
  /** What the map's numbers are per, `grey level` or `unit of the input`. */
  readonly per: string;
}

/** A signal at the input under one rule. */
export interface RuleSignal {
  readonly rule: Rule;
  readonly picture: Picture;
  /** The end of the signal's own range, and of the colours that it is drawn in. */
  readonly own: number;
  readonly drawn: number;
  readonly zero: boolean;
}

/** An object that the network was never told the place of. */
export interface CutOut {
  readonly class: number;
  readonly preset: string;
  /** The photo with box and outline, all else dimmed. */
  readonly framed: Picture;
  /** The object alone, RGBA; null where nothing was found, and `reason` says why. */
  readonly object: Pixels | null;
  readonly reason: string | null;
  /** In the photo's pixels. */
  readonly box: Box | null;
  /** Share of the photo's area, 0 to 1. */
  readonly share: number;
}

/** A layer that obeys rules. */
export interface RuledLayer {
  readonly name: string;
  readonly op: string;
  readonly axes: readonly RuleAxis[];
}

/** The longest side of the pictures of a rule sheet on the screen. */
const SIGNAL_SIDE = 360;

export function lookMethods(session: Session, seen: Seen) {
  return {
    /** The classes from the best on. */
    async classify(): Promise<RankedScore[]> {
      const network = await session.network();
      const { input } = preprocess(session.photo, session.model.spec);
      const { data: scores } = await network.scores(input);
      const posteriors = posterior(scores);
      return ranked(scores).map((k) => ({ class: k, score: scores[k], posterior: posteriors[k] }));
    },

    /** The layers that obey rules, for those that are to obey others than the rest. */
    ruledLayers(_: object): RuledLayer[] {
      return ruledNodes(session).filter(({ axes }) => axes.length > 0);
    },

    /** @throws InputError if rules of single layers name no layer, or none that the layer has */
    checkRules({ at }: Pick<View, 'at'>): void {
      resolveRules(ruledNodes(session), ruleSpec({ at }));
    },

    /** The map of one class. */
    async overlay({ class: k, knobs, show }: { readonly class: number; readonly knobs: MapKnobs; readonly show: Drawn }): Promise<Overlay> {
      const frame = await seen.frame(k, knobs);
      const palette = paletteOf(frame, knobs);
      const photo = onScreen(session.photo);
      const copy = { ...frame, geometry: onCopy(frame.geometry, [photo.height, photo.width]) };
      return {
        class: k,
        picture: whole(drawnRows(copy, palette, show, photo)),
        legend: legendOf(palette, show),
        range: palette.range,
        value: frame.value,
        score: frame.score!,
        posterior: frame.posterior!,
        zero: frame.zero,
        seen: frame.seen,
        per: unitOf(session.model.spec),
      };
    },

    /** What a class sends back to the input under each of ReLU's rules, the other rules as they are; one view. */
    async ruleSheet(
      { class: k, knobs, scale }: { readonly class: number; readonly knobs: SignalKnobs; readonly scale: Scale },
      { signal }: Call,
    ): Promise<RuleSignal[]> {
      const { spec } = session.model;
      const size = thumbnailSize(session.photo, SIGNAL_SIDE);
      const { signals, geometry } = await seen.signals(k, knobs, scale, signal);
      return signals.map(({ rule, tensor, own, drawn }) => {
        const options = { channels: spec.channels, signed: 'colour', clip: knobs.clip } as const;
        const { picture } = drawSigned(tensor, onCopy(geometry, size), options, drawn);
        return { rule, picture, own: own.high, drawn: drawn.high, zero: own.zero };
      });
    },

    /** The object of a class, cut out of the photo. */
    async cutOut({ class: k }: { readonly class: number }): Promise<CutOut> {
      const found = await seen.object(k);
      const photo = onScreen(session.photo);
      const copy = onPhoto(found, session.photo, photo);
      const rows = cutoutRows(copy, photo);
      const { component } = found.cut;
      return {
        class: k,
        preset: DEFAULT_PRESET,
        framed: framed(copy, photo, photo.width * photo.height),
        object: rows && pixelsOf(rows),
        reason: found.reason,
        box: found.box,
        share: component.reduce((sum, side) => sum + side, 0) / component.length,
      };
    },
  };
}

const ruledNodes = ({ model }: Session): RuledLayer[] =>
  model.typed.nodes.map(({ name, op, definition }) => ({ name, op, axes: definition.rules ?? [] }));
