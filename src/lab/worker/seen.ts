/** What the network was asked about the photo, kept: maps, signals and objects. What is drawn or written is made of these. */
import { colourRange, type ColourRange } from '../../image/colour.ts';
import { preprocess, type PictureToInput } from '../../image/preprocess.ts';
import { RULES, type Rule } from '../../rule.ts';
import type { Tensor } from '../../tensor.ts';
import { localise, type Localisation } from '../../visualise/localise.ts';
import { saliencyFrames, type SaliencyFrame } from '../../visualise/saliency.ts';
import { viewsOf } from '../../visualise/views.ts';
import { ruleOf, type Scale, type View } from '../view.ts';
import { Kept } from './kept.ts';
import type { Session } from './session.ts';

/** What a gradient is taken of, and how. */
export type Question = Pick<View, 'score' | 'views' | 'rules' | 'at'>;

/** What the signals of a rule sheet depend on: ReLU's rule among `rules` is not looked at, since all four are tried. */
export type SignalKnobs = Pick<View, 'score' | 'rules' | 'at' | 'clip'>;

/** A signal at the input [1, C, H, W] under one of ReLU's rules. */
export interface Signal {
  readonly rule: Rule;
  readonly tensor: Tensor;
  /** Its own range, and that in whose colours it is drawn. */
  readonly own: ColourRange;
  readonly drawn: ColourRange;
}

export class Seen {
  readonly #frames: Kept<SaliencyFrame>;
  readonly #signals: Kept<Tensor>;
  readonly #objects: Kept<Localisation>;

  constructor(private readonly session: Session) {
    const edition = (): number => session.edition;
    this.#frames = new Kept(edition, 48);
    this.#signals = new Kept(edition, 24);
    this.#objects = new Kept(edition, 8);
  }

  /** The map of a class on the input, or on the frame of ten views. */
  frame(k: number, { score, views, rules, at, reduce }: Question & Pick<View, 'reduce'>): Promise<SaliencyFrame> {
    return this.#frames.get([k, score, views, rules, at, reduce], async () => {
      const { photo, model } = this.session;
      const options = { classes: [k], score, views, reduce, rule: ruleOf({ rules, at }) };
      const [frame] = await saliencyFrames(await this.session.network(), photo, model.spec, options);
      return frame;
    });
  }

  /**
   * What a class sends back to the input of one view under each of ReLU's rules, the other rules as they are.
   * @param scale `shared`: all in the gradient's range, or if that is zero everywhere in the widest; `linear` alone exceeds it a hundredfold
   * @param signal looked at between rules
   */
  async signals(
    k: number,
    { score, rules, at, clip }: SignalKnobs,
    scale: Scale,
    signal?: AbortSignal,
  ): Promise<{ readonly signals: readonly Signal[]; readonly geometry: PictureToInput }> {
    const { input, geometry } = preprocess(this.session.photo, this.session.model.spec);
    const found: Omit<Signal, 'drawn'>[] = [];
    for (const rule of RULES) {
      signal?.throwIfAborted();
      const own = { ...rules, relu: rule };
      const tensor = await this.#signals.get([k, score, own, at], async () => {
        const network = await this.session.network();
        return (await network.gradient(input, { target: k, score, rule: ruleOf({ rules: own, at }) })).gradient;
      });
      found.push({ rule, tensor, own: colourRange(tensor, { clip, signed: true }) });
    }
    const ranges = found.map(({ own }) => own);
    const common = ranges[0].zero ? ranges.reduce((a, b) => (b.high > a.high ? b : a)) : ranges[0];
    return { signals: found.map((one) => ({ ...one, drawn: scale === 'shared' ? common : one.own })), geometry };
  }

  /** The gradients of all views, [N, C, H, W]. */
  async gradient(k: number, { score, views, rules, at }: Question): Promise<Tensor> {
    const network = await this.session.network();
    const { inputs } = viewsOf(this.session.photo, this.session.model.spec, views);
    const parts: Tensor[] = [];
    for (const input of inputs) parts.push((await network.gradient(input, { target: k, score, rule: ruleOf({ rules, at }) })).gradient);
    const each = parts[0].data.length;
    const data = new Float32Array(parts.length * each);
    parts.forEach((part, n) => data.set(part.data, n * each));
    return { shape: [parts.length, ...parts[0].shape.slice(1)], data };
  }

  /** The object of a class, by the default recipe on the map that the recipe is made for. */
  object(k: number): Promise<Localisation> {
    return this.#objects.get(k, async () => {
      const { photo, model } = this.session;
      const [found] = await localise(await this.session.network(), photo, model.spec, { classes: [k] });
      return found;
    });
  }
}
