/** The layer explorer's methods: the session's photo and model, put to the functions that look into them. */
import { colourTable } from '../../image/colour.ts';
import { preprocess, type PictureToInput } from '../../image/preprocess.ts';
import type { Rule } from '../../rule.ts';
import type { AnyTensor, Tensor } from '../../tensor.ts';
import type { Call } from '../rpc.ts';
import { ruleOf, type View } from '../view.ts';
import { forwardTimes, layerTable, type LayerTable, type LayerTimes } from './exploreLayers.ts';
import { drawTiles, layerTensor, type LayerTensor, type MapKind, type Tiles } from './exploreMaps.ts';
import type { Asked, Subject } from './exploreSubject.ts';
import { traceUnit, type UnitTrace } from './exploreUnit.ts';
import { drawUnit, type UnitSheet } from './exploreUnitSheet.ts';
import { descend, type Descent } from './exploreWalk.ts';
import { Kept } from './kept.ts';
import type { Session } from './session.ts';

/** Rules as the view has them. */
export type ViewRules = Pick<View, 'rules' | 'at'>;

interface Question extends ViewRules {
  readonly class: number;
}

export interface LayerQuestion extends Question {
  readonly layer: string;
  readonly kind: MapKind;
}

export interface UnitOfLayer extends ViewRules {
  readonly layer: string;
  readonly unit: readonly number[];
}

export function exploreMethods(session: Session) {
  // Large, and asked for again only as it is drawn otherwise: one tensor and one trace, and no more.
  const tensors = new Kept<LayerTensor>(() => session.edition, 1);
  const traces = new Kept<UnitTrace>(() => session.edition, 1);

  const subject = async (): Promise<Subject & { readonly geometry: PictureToInput }> => {
    const { typed, parameters, spec } = session.model;
    return { gpu: await session.gpu(), typed, parameters, ...preprocess(session.photo, spec) };
  };
  const asked = (question: Question): Asked => ({ class: question.class, rule: ruleOf(question) });

  const tensorOf = (question: LayerQuestion, call: Call): Promise<LayerTensor> => {
    const { layer, kind } = question;
    // What there is on the way up does not depend on what comes down.
    const down = kind === 'signal' ? asked(question) : { class: 0, rule: {} };
    return tensors.get([layer, kind, down], async () => layerTensor(await subject(), { layer, kind, ...down }, call));
  };
  const traceOf = ({ layer, unit, rules, at }: UnitOfLayer, call: Call): Promise<UnitTrace> => {
    const question = { layer, unit, rule: ruleOf({ rules, at }) };
    const { relu: _, ...axes } = question.rule;
    return traces.get([layer, unit, axes], async () => traceUnit(await subject(), question, call));
  };

  return {
    /** Every layer with what it holds, lets through and receives. */
    async layers(question: Question, call: Call): Promise<LayerTable> {
      return layerTable(await subject(), asked(question), call);
    },

    /** How long each layer's way up takes; null where the device tells no time. */
    async layerTimes(_: object, call: Call): Promise<LayerTimes | null> {
      return forwardTimes(await subject(), call);
    },

    /** A layer's channels as tiles of one picture. */
    async layerMaps(question: LayerQuestion & { readonly scale: View['scale']; readonly pages: number }, call: Call): Promise<Tiles> {
      return drawTiles(await tensorOf(question, call), question);
    },

    /** A layer's activation, arriving signal, mask or switches, whole. */
    async layerTensor(question: LayerQuestion, call: Call): Promise<AnyTensor> {
      return (await tensorOf(question, call)).tensor;
    },

    /** One unit: its field, gates, winners, and its signal at the input under each rule. */
    async unit(question: UnitOfLayer & Pick<View, 'scale' | 'clip'>, call: Call): Promise<UnitSheet> {
      const { input, geometry } = await subject();
      return drawUnit(await traceOf(question, call), input, { photo: session.photo, geometry, spec: session.model.spec }, question);
    },

    /** What reaches the input from a unit under each rule, [1, C, H, W]. */
    async unitSignals(question: UnitOfLayer, call: Call): Promise<Readonly<Record<Rule, Tensor>>> {
      return (await traceOf(question, call)).trace.signals;
    },

    /** The way down of a class's signal, under the gradient and another rule. */
    async descent(question: Question & { readonly against: Rule }, call: Call): Promise<Descent> {
      return descend(await subject(), { ...asked(question), against: question.against }, call);
    },

    /** 256 colours of three bytes from blue through white to red, and from black: what the page paints signals with. */
    async signalColours(): Promise<{ readonly signed: Uint8Array; readonly magnitude: Uint8Array }> {
      return { signed: colourTable('rdbu'), magnitude: colourTable('inferno') };
    },
  };
}
