/** A view for another model: what the model does not have is left out of it, in so many words. */
import { nameMatcher } from '../rule.ts';
import type { View } from './view.ts';

/** What a view can name of a model. */
export interface Nameable {
  readonly title: string;
  readonly classes: number;
  readonly layers: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/** What has to change in the view, and why. */
export function fitView(
  view: View,
  { title, classes, layers }: Nameable,
): { readonly change: Partial<View>; readonly words: readonly string[] } {
  const change: { -readonly [K in keyof View]?: View[K] } = {};
  const words: string[] = [];
  if (view.class !== null && view.class >= classes) {
    change.class = null;
    words.push(`${title} has ${classes} classes and no class ${view.class}: its best one is shown.`);
  }
  const layer = view.layer === null ? undefined : layers.find(({ name }) => name === view.layer);
  if (view.layer !== null && !layer) {
    change.layer = null;
    words.push(`${title} has no layer "${view.layer}".`);
  }
  if (view.unit !== null && (change.layer === null || (layer && !holds(layer.shape, view.unit)))) {
    change.unit = null;
    if (layer)
      words.push(`The layer "${layer.name}" of ${title} is ${layer.shape.slice(1).join('x')} and has no unit ${view.unit.join(',')}.`);
  }
  const at = Object.entries(view.at).filter(([pattern]) => {
    const fits = nameMatcher(pattern);
    return layers.some(({ name }) => name === pattern || fits(name));
  });
  const gone = Object.keys(view.at).filter((pattern) => !at.some(([kept]) => kept === pattern));
  if (gone.length > 0) {
    change.at = Object.fromEntries(at);
    words.push(`${title} has no layer ${gone.map((pattern) => `"${pattern}"`).join(', ')}: the rule for it is dropped.`);
  }
  return { change, words };
}

/** Whether a tensor of one image has a unit at these coordinates. */
const holds = ([, ...extents]: readonly number[], unit: readonly number[]): boolean =>
  unit.length === extents.length && unit.every((at, axis) => at < extents[axis]);
