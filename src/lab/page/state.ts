/** What the page's components see. */
import type { AdapterSummary } from '../../gpu/adapter.ts';
import type { View } from '../view.ts';
import type { Fetching } from '../worker/fetchModel.ts';
import type { RankedScore } from '../worker/look.ts';
import type { ModelQuestion, ModelSummary } from '../worker/models.ts';
import type { PhotoSummary } from '../worker/photo.ts';

/** Something that went wrong, until it is dismissed or mended. */
export interface Problem {
  readonly where: 'device' | 'model' | 'photo' | 'address' | 'engine';
  readonly message: string;
  /** What the visitor can do about it. */
  readonly action?: { readonly label: string; run(): void };
}

export interface LabState {
  readonly view: View;
  readonly adapter: AdapterSummary | null;
  /** Why there has been no device from the beginning. */
  readonly noAdapter: string | null;
  readonly model: ModelSummary | null;
  /** A model on its way from the registry. */
  readonly fetching: (Fetching & { readonly name: string }) | null;
  /** What the visitor has to say of a model's files before they can be used. */
  readonly asks: (ModelQuestion & { readonly title: string }) | null;
  readonly photo: PhotoSummary | null;
  /** Classes from the best on, of this photo by this model. */
  readonly ranking: readonly RankedScore[] | null;
  /** The class under the pointer, which is looked at for as long. */
  readonly pointed: number | null;
  /** What is under way, in words. */
  readonly busy: string | null;
  readonly problems: readonly Problem[];
  /** Rises when everything has to be asked again: another model or photo, or a new device. */
  readonly edition: number;
}

/** The class that is looked at now, of those that the model has; null while there is nothing to look at. */
export function shownClass({ pointed, view, ranking }: LabState): number | null {
  if (!ranking) return null;
  return pointed !== null && pointed < ranking.length ? pointed : chosenClass({ view, ranking });
}

/** The class that was chosen, or else the best one. */
export function chosenClass({ view, ranking }: Pick<LabState, 'view' | 'ranking'>): number | null {
  if (!ranking) return null;
  return view.class !== null && view.class < ranking.length ? view.class : ranking[0].class;
}
