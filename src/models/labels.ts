/** Class names: from what a person types to a class, and from a class to what a person reads. */
import { InputError } from '../errors.ts';

/**
 * The class that a text names: its number; its WordNet id (`n02123045`); one of its names, where a label lists synonyms separated by commas
 * (`tabby, tabby cat`); or a part of one label alone, whole words before parts of words. Case does not matter.
 * @param labels class names in the order of the scores, if there are any; a leading WordNet id is no part of the name
 * @param count the number of classes
 * @throws InputError if no class is meant, naming the nearest, or if several are, naming them
 */
export function findClass(text: string, labels: readonly string[] | undefined, count: number): number {
  const wanted = text.trim().toLowerCase();
  if (/^[+-]?\d+$/.test(wanted)) {
    const k = Number(wanted);
    if (k >= 0 && k < count) return k;
    throw new InputError(`class: expected a number in [0, ${count - 1}], got ${text.trim()}.`);
  }
  if (labels === undefined) {
    throw new InputError(
      `class: expected a number in [0, ${count - 1}], since this model's classes have no names, got "${text}". Give --labels.`,
    );
  }
  const classes = labels
    .slice(0, count)
    .map((label, k) => ({ k, wnid: wnid(label), names: names(label), whole: name(label).toLowerCase() }));
  const word = new RegExp(`(?<![\\p{L}\\d])${wanted.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}(?![\\p{L}\\d])`, 'iu');
  const readings: readonly ((c: (typeof classes)[number]) => boolean)[] =
    wanted === ''
      ? []
      : [
          (c) => c.wnid === wanted,
          (c) => c.whole === wanted,
          (c) => c.names.includes(wanted),
          (c) => word.test(c.whole),
          (c) => c.whole.includes(wanted),
        ];
  for (const reads of readings) {
    const found = classes.filter(reads);
    if (found.length === 1) return found[0].k;
    if (found.length > 1)
      throw new InputError(`class: expected one class, got "${text}", which may be ${list(found, labels)}. Give the number.`);
  }
  const near = classes
    .map((c) => ({
      k: c.k,
      distance: Math.min(...c.names.map((other) => editDistance(wanted, other) / Math.max(wanted.length, other.length))),
    }))
    .sort((a, b) => a.distance - b.distance || a.k - b.k);
  throw new InputError(`class: expected a class of this model, got "${text}". The nearest are ${list(near.slice(0, 4), labels)}.`);
}

/** The label of a class without its WordNet id, `tabby, tabby cat`; `class 281` where it has none. */
export function className(labels: readonly string[] | undefined, k: number): string {
  return labels?.[k] === undefined || name(labels[k]) === '' ? `class ${k}` : name(labels[k]);
}

/** `class 243, bull mastiff`, or `class 243` where it has no name. */
export function classTitle(labels: readonly string[] | undefined, k: number): string {
  return labels?.[k] === undefined ? `class ${k}` : `class ${k}, ${className(labels, k)}`;
}

/** The first of a class's names, `tabby`, for captions. */
export function shortClassName(labels: readonly string[] | undefined, k: number): string {
  return className(labels, k).split(', ')[0];
}

const WNID = /^(n\d{8})\s+/;

const wnid = (label: string): string | undefined => WNID.exec(label)?.[1] ?? (/^n\d{8}$/.test(label) ? label : undefined);

const name = (label: string): string => label.replace(WNID, '').trim();

const names = (label: string): string[] =>
  name(label)
    .toLowerCase()
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

function list(found: readonly { readonly k: number }[], labels: readonly string[]): string {
  const shown = found.slice(0, 6).map(({ k }) => `${k} (${className(labels, k)})`);
  return found.length > 6 ? `${shown.join(', ')} or ${found.length - 6} more` : shown.join(', ');
}

/** Levenshtein's: the fewest insertions, deletions and replacements of a character that make `b` of `a`. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}
