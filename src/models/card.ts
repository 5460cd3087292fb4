/** What stands for a model's card: an entry of the registry, and the lists of class names that cards refer to. */
import type { Model } from './model.ts';
import { labelSet, type RegistryEntry } from './registry.ts';

/** The class names of a model in the order of its scores: its card's, or the list that its card refers to. */
export async function modelLabels({ card }: Pick<Model, 'card'>): Promise<readonly string[] | undefined> {
  return card.labels ?? (card.labelSet === 'ilsvrc2012' ? labelSet(card.labelSet) : undefined);
}

/** An entry as a card. A list of names that the entry only refers to is not loaded: see {@link modelLabels}. */
export function cardOf({ name, what, preprocess, labels, published, licence, note }: RegistryEntry): Model['card'] {
  return {
    name,
    what,
    ...(preprocess === undefined ? {} : { preprocess }),
    ...(labels === undefined ? {} : typeof labels === 'string' ? { labelSet: labels } : { labels }),
    ...(published === undefined ? {} : { published }),
    ...(licence === undefined ? {} : { licence }),
    ...(note === undefined ? {} : { note }),
  };
}
