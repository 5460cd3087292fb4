/** Files of what is seen: PNG with its story beside the pixels, and npy. */
import { writeNpy } from '../../formats/npy.ts';
import { encodePng, encodePngRows, type PixelRows, type Pixels, type PngText } from '../../image/png.ts';
import { describePreprocess, preprocess } from '../../image/preprocess.ts';
import { toPhoto } from '../../image/project.ts';
import { classTitle } from '../../models/labels.ts';
import { posterior } from '../../network.ts';
import { describeRules, type Rule } from '../../rule.ts';
import { DEFAULT_PRESET } from '../../segment/presets.ts';
import type { AnyTensor } from '../../tensor.ts';
import { VERSION } from '../../version.ts';
import { cutoutRows, framed, maskRows } from '../../visualise/cutout.ts';
import { REDUCTION_FORMULAS } from '../../visualise/reduce.ts';
import { drawSigned } from '../../visualise/rulesheet.ts';
import type { Call } from '../rpc.ts';
import { ruleOf, type Scale, type View } from '../view.ts';
import { drawnRows, paletteOf, type Drawn } from './draw.ts';
import type { MapKnobs } from './look.ts';
import type { Seen, SignalKnobs } from './seen.ts';
import type { Session } from './session.ts';

/** A file's bytes, for the page to hand out. */
export type FileBytes = Uint8Array<ArrayBuffer>;

/** Where the picture was seen: the page's address. */
interface From {
  readonly address: string;
}

/** The numbers that there are of a class: the gradients of all views, the map on the input, the map on the photo; and all scores. */
export type TensorName = 'gradient' | 'map' | 'photo' | 'scores';

export function exportMethods(session: Session, seen: Seen) {
  const named = (k: number): string => classTitle(session.model.labels, k);

  /** What every picture says of where it comes from. */
  const text = (title: string, own: PngText, { address }: From): PngText => ({
    Title: title,
    Software: `backlight ${VERSION}`,
    Model: session.model.name === 'default' ? session.model.model.path : session.model.name,
    Photo: session.photoName.replace(/^file:/, ''),
    ...own,
    Preprocess: JSON.stringify(describePreprocess(session.model.spec)),
    Address: address,
  });

  /** Score and posterior of a class on the photo as it was seen. */
  const scoresOf = async (k: number): Promise<PngText> => {
    const { input } = preprocess(session.photo, session.model.spec);
    const { data } = await (await session.network()).scores(input);
    return { Score: String(data[k]), Posterior: String(posterior(data)[k]) };
  };

  const encode = async (rows: PixelRows, words: PngText, signal: AbortSignal): Promise<FileBytes> => {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const watched = function* (): Generator<Uint8Array> {
      for (const row of rows.rows) {
        signal.throwIfAborted();
        yield row;
      }
    };
    for await (const part of encodePngRows({ ...rows, rows: watched() }, words)) parts.push(new Uint8Array(part));
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  };

  return {
    /** The map of a class at the photo's own size, as `backlight saliency` writes it. */
    async exportMap(
      { class: k, knobs, show, address }: { readonly class: number; readonly knobs: MapKnobs; readonly show: Drawn } & From,
      { signal }: Call,
    ): Promise<FileBytes> {
      const frame = await seen.frame(k, knobs);
      const palette = paletteOf(frame, knobs);
      const { range, colours } = palette;
      const words = text(
        `Saliency of ${named(k)}`,
        {
          Target: named(k),
          Score: String(frame.score),
          Posterior: String(frame.posterior),
          Differentiated: DIFFERENTIATED[knobs.score],
          Rule: describeRules(ruleOf(knobs)),
          Views: String(knobs.views),
          Reduction: REDUCTION_FORMULAS[knobs.reduce],
          Colours: colours,
          Clip: clipWords(knobs),
          Range: range.zero ? 'the map is zero everywhere' : `${range.low} to ${range.high}`,
        },
        { address },
      );
      return encode(drawnRows(frame, palette, show, session.photo), words, signal);
    },

    /** The signal of a class under one of ReLU's rules, in the colours of the input, at the photo's own size. */
    async exportSignal(
      args: { readonly class: number; readonly knobs: SignalKnobs; readonly scale: Scale; readonly rule: Rule } & From,
      { signal }: Call,
    ): Promise<FileBytes> {
      const { class: k, knobs, scale, rule } = args;
      const { signals, geometry } = await seen.signals(k, knobs, scale, signal);
      const { tensor, drawn } = signals.find((one) => one.rule === rule)!;
      const { channels } = session.model.spec;
      const { picture } = drawSigned(tensor, geometry, { channels, signed: 'colour', clip: knobs.clip }, drawn);
      const { rules, at } = knobs;
      return encodePng(
        picture,
        text(
          `Signal of ${named(k)}, rule ${rule}`,
          {
            Target: named(k),
            ...(await scoresOf(k)),
            Differentiated: DIFFERENTIATED[knobs.score],
            Rule: describeRules(ruleOf({ rules: { ...rules, relu: rule }, at })),
            Views: '1',
            Clip: clipWords(knobs),
            Range: drawn.zero ? 'the signal is zero everywhere' : `${drawn.low} to ${drawn.high}, mid-grey for zero`,
          },
          args,
        ),
      ) as Promise<FileBytes>;
    },

    /** The object of a class: framed in the photo, cut out with alpha, or as a mask. */
    async exportCutOut(
      args: { readonly class: number; readonly what: 'framed' | 'object' | 'mask' } & From,
      { signal }: Call,
    ): Promise<FileBytes> {
      const { class: k, what } = args;
      const found = await seen.object(k);
      const { photo } = session;
      const words = text(
        `Cut-out of ${named(k)}`,
        {
          Target: named(k),
          Score: String(found.score),
          Posterior: String(found.posterior),
          Recipe: `GraphCut ${DEFAULT_PRESET}`,
          Box: found.box ? JSON.stringify(found.box) : (found.reason ?? 'none'),
        },
        args,
      );
      if (what === 'framed') return encodePng(framed(found, photo, photo.width * photo.height), words) as Promise<FileBytes>;
      return encode((what === 'object' && cutoutRows(found, photo)) || maskRows(found, photo), words, signal);
    },

    /** Numbers as npy. */
    async exportTensor({ class: k, knobs, what }: { readonly class: number; readonly knobs: MapKnobs; readonly what: TensorName }) {
      return npy(await tensorOf(session, seen, k, knobs, what));
    },

    /** A signal of the rule sheet [1, C, H, W] as npy. */
    async exportSignalTensor(
      { class: k, knobs, rule }: { readonly class: number; readonly knobs: SignalKnobs; readonly rule: Rule },
      { signal }: Call,
    ): Promise<FileBytes> {
      const { signals } = await seen.signals(k, knobs, 'own', signal);
      return npy(signals.find((one) => one.rule === rule)!.tensor);
    },

    /** Any picture as PNG, with its own words beside those of every picture. */
    encodePicture({
      picture,
      title,
      words,
      address,
    }: { readonly picture: Pixels; readonly title: string; readonly words: PngText } & From) {
      return encodePng(picture, text(title, words, { address })) as Promise<FileBytes>;
    },

    /** Any tensor as npy. */
    encodeTensor({ tensor }: { readonly tensor: AnyTensor }): FileBytes {
      return npy(tensor);
    },
  };
}

const npy = (tensor: AnyTensor): FileBytes => writeNpy(tensor) as FileBytes;

async function tensorOf(session: Session, seen: Seen, k: number, knobs: MapKnobs, what: TensorName): Promise<AnyTensor> {
  if (what === 'gradient') return seen.gradient(k, knobs);
  if (what === 'scores') return (await session.network()).scores(preprocess(session.photo, session.model.spec).input);
  const { frame, geometry, counts } = await seen.frame(k, knobs);
  return what === 'map' ? frame : toPhoto(frame, geometry, counts);
}

/** The same words as those of `backlight saliency`. */
const DIFFERENTIATED: Readonly<Record<View['score'], string>> = { scores: 'score', posterior: 'posterior', logodds: 'log odds' };

const clipWords = ({ clip }: Pick<View, 'clip'>): string => `percentile ${clip} of the magnitudes that are not zero`;
