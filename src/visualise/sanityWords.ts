/** What the sanity checks say, in sentences made of their numbers alone. */
import type { Likeness, Sanity, StageOf } from './sanity.ts';

/**
 * From which rank correlation of magnitudes on a map counts as unchanged, and below which as another one. These two are conventions of the sentences;
 * the numbers stand beside them.
 */
export const UNCHANGED = 0.7;
export const ANOTHER = 0.4;

/** `0.83`, or `-` where there is none. */
export const brief = (v: number | null): string => (v === null ? '-' : v.toFixed(2).replace('-0.00', '0.00'));

/** The first stage of the cascade in which at least half of the layers are random. */
export function halfway({ cascade, layers }: Pick<Sanity, 'cascade' | 'layers'>): number {
  return cascade.findIndex(({ random }) => 2 * random >= layers.length);
}

/** The mean over the other classes of a number that each rule has; null where one of them has none. */
export function meanOfOthers({ others }: Pick<Sanity, 'others'>, rule: number, of: keyof Likeness): number | null {
  const values = others.map(({ rules }) => rules[rule].likeness[of]);
  return values.length === 0 || values.includes(null) ? null : values.reduce<number>((sum, v) => sum + v!, 0) / values.length;
}

/**
 * Lines of sentences: what is left of each rule's map when the upper half of the layers is random and when all are, which rules ask for another
 * class in vain, and which maps the photo's edges explain.
 */
export function conclusions(sanity: Sanity): string[] {
  const { rules, cascade, layers, others } = sanity;
  const half = cascade[halfway(sanity)];
  const end = cascade.at(-1)!;
  const names = rules.map(({ name }) => name);
  const list = (of: (r: number) => string): string => names.map((name, r) => `${name} ${of(r)}`).join(', ');
  const sentences = [
    `With the last ${half.random} of ${layers.length} layers random, the magnitudes of the map still correlate with the original's: ` +
      `${list((r) => left(half.rules[r]))}. ${verdict(
        names,
        half.rules.map(({ likeness }) => likeness.absolute),
        'hardly depends on the weights of these layers',
        'depends on them',
      )}`,
    `With every layer random: ${list((r) => left(end.rules[r]))}. ${redrawing(sanity)}`,
  ];
  if (others.length > 0) {
    const means = names.map((_, r) => meanOfOthers(sanity, r, 'absolute'));
    const what = others.length === 1 ? 'another class' : `${others.length} other classes on average`;
    sentences.push(
      `With the weights as trained, the magnitudes of the map of ${what} correlate: ${list((r) => brief(means[r]))}. ` +
        verdict(names, means, 'hardly depends on the class', 'depends on it'),
    );
  }
  const edges = rules.map(({ baselines }) => baselines.edges.original.absolute);
  sentences.push(`The photo's edges alone, which know no network, correlate with the original: ${list((r) => brief(edges[r]))}.`);
  return sentences;
}

const left = ({ likeness, zero }: StageOf): string =>
  zero ? '(nothing arrives)' : `${brief(likeness.absolute)} (with signs ${brief(likeness.signed)})`;

/** `deconvnet and guided: the map hardly depends on ...; gradient: it depends on ...`; what lies between is said of nobody. */
function verdict(names: readonly string[], values: readonly (number | null)[], unchanged: string, changed: string): string {
  const which = (holds: (v: number) => boolean): string => joined(names.filter((_, r) => values[r] !== null && holds(values[r]!)));
  const still = which((v) => v >= UNCHANGED);
  const other = which((v) => v < ANOTHER);
  const parts = [
    ...(still ? [`${still}: the map ${unchanged} (${UNCHANGED} or more)`] : []),
    ...(other ? [`${other}: it ${changed} (below ${ANOTHER})`] : []),
  ];
  return parts.length > 0 ? `${capital(parts.join('; '))}.` : `None lies above ${UNCHANGED} or below ${ANOTHER}.`;
}

/** Where much of the map is left without any weight of the network: what draws it is then the image, through gates and switches, and the architecture. */
function redrawing({ rules, cascade }: Sanity): string {
  const last = cascade.at(-1)!.rules;
  const which = joined(rules.filter((_, r) => (last[r].likeness.absolute ?? 0) >= ANOTHER).map(({ name }) => name));
  return which
    ? `${capital(which)}: ${ANOTHER} or more is left, and what draws it is the image and the architecture, not what was learnt.`
    : `No map keeps ${ANOTHER}: none is drawn by the image and the architecture alone.`;
}

const joined = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
