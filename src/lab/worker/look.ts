/** What the network says of the photo, and where it sees it. */
import { colourRange, type Colours, type ColourRange } from '../../image/colour.ts';
import type { Picture } from '../../image/picture.ts';
import { preprocess } from '../../image/preprocess.ts';
import { posterior, ranked } from '../../network.ts';
import { overlayRows, whole } from '../../visualise/draw.ts';
import { saliencyFrames } from '../../visualise/saliency.ts';
import { ruleOf, type View } from '../view.ts';
import type { Session } from './session.ts';

export interface RankedScore {
  readonly class: number;
  readonly score: number;
  readonly posterior: number;
}

/** A saliency map over the photo. */
export interface Overlay {
  readonly class: number;
  readonly picture: Picture;
  readonly range: ColourRange;
  readonly value: number;
  readonly zero: boolean;
}

export type MapKnobs = Pick<View, 'score' | 'views' | 'rules' | 'at' | 'reduce' | 'clip' | 'colours'>;

export function lookMethods(session: Session) {
  return {
    /** The classes from the best on. */
    async classify(): Promise<RankedScore[]> {
      const network = await session.network();
      const { input } = preprocess(session.photo, session.model.spec);
      const { data: scores } = await network.scores(input);
      const posteriors = posterior(scores);
      return ranked(scores).map((k) => ({ class: k, score: scores[k], posterior: posteriors[k] }));
    },

    /** The map of one class over the photo. */
    async overlay({ class: k, knobs }: { readonly class: number; readonly knobs: MapKnobs }): Promise<Overlay> {
      const network = await session.network();
      const { score, views, reduce, clip } = knobs;
      const [frame] = await saliencyFrames(network, session.photo, session.model.spec, {
        classes: [k],
        score,
        views,
        reduce,
        rule: ruleOf(knobs),
      });
      const signed = reduce === 'signed';
      const range = colourRange(frame.frame, { clip, signed });
      const colours: Colours = signed ? 'rdbu' : knobs.colours;
      return {
        class: k,
        picture: whole(overlayRows(frame, { range, colours }, session.photo)),
        range,
        value: frame.value,
        zero: frame.zero,
      };
    },
  };
}
