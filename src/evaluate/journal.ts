/**
 * The journal of an evaluation, JSON lines: a header with everything that the numbers depend on, then a line for each image in the order of
 * the list. A run that was killed is taken up where its last whole line ends; shards are put together to what one run would have written.
 */
import { FormatError, InputError } from '../errors.ts';
import type { Row } from './rows.ts';

/** What the numbers depend on: plain JSON. Two journals may be put together only if these are equal. */
export type Settings = Readonly<Record<string, unknown>>;

export interface Header {
  readonly backlight: 'evaluation';
  readonly settings: Settings;
  /** SHA-256 of the settings, for the eye. */
  readonly hash: string;
  /** How many images the whole list has, over all shards. */
  readonly images: number;
  /** This part and how many there are: it holds the images whose index is `shard[0] - 1` modulo `shard[1]`. */
  readonly shard: readonly [number, number];
}

export interface Journal {
  readonly header: Header;
  readonly rows: readonly Row[];
  /** How many characters of the text are whole lines; what follows was torn off by a kill. */
  readonly whole: number;
}

const START = '{"backlight":"evaluation"';

export function formatLine(value: Header | Row): string {
  return `${JSON.stringify(value)}\n`;
}

/** Whether an image belongs to part i of n, counted from 1. */
export function inShard(index: number, [part, parts]: readonly [number, number]): boolean {
  return index % parts === part - 1;
}

/**
 * Reads a journal up to its last whole line; null if there is not even a whole header yet.
 * @param file for messages
 * @throws FormatError if it is no journal, or a line within it is damaged or does not belong there
 */
export function parseJournal(text: string, file: string): Journal | null {
  const whole = text.lastIndexOf('\n') + 1;
  if (!(whole > 0 ? text.startsWith(START) : START.startsWith(text.slice(0, START.length)))) {
    const given = JSON.stringify(text.slice(0, 40));
    throw new FormatError(
      `evaluation: expected a journal that begins with ${START}, got "${file}", which begins with ${given}. Give another file.`,
    );
  }
  if (whole === 0) return null;
  const lines = text.slice(0, whole - 1).split('\n');
  const header = parseLine(lines[0], file, 1) as unknown as Header;
  if (typeof header.settings !== 'object' || header.settings === null || !Array.isArray(header.shard) || !Number.isInteger(header.images)) {
    throw new FormatError(`evaluation: expected settings, images and shard on the first line of "${file}". Start with another file.`);
  }
  const seen = new Set<number>();
  const rows = lines.slice(1).map((line, k) => {
    const row = parseLine(line, file, k + 2) as unknown as Row;
    const { index } = row;
    const belongs = Number.isInteger(index) && index >= 0 && index < header.images && inShard(index, header.shard);
    if (!belongs || seen.has(index)) {
      const what = belongs ? 'the image only once' : `an image of part ${header.shard.join(' of ')} of ${header.images}`;
      throw new FormatError(
        `evaluation: expected ${what} on line ${k + 2} of "${file}", got index ${index}. Was it written by two runs at once?`,
      );
    }
    seen.add(index);
    return row;
  });
  return { header, rows, whole };
}

function parseLine(line: string, file: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below: the reason of JSON.parse names a character, not the line.
  }
  throw new FormatError(
    `evaluation: expected an object of JSON on line ${number} of "${file}", got ${JSON.stringify(line.slice(0, 40))}. The file is damaged.`,
  );
}

/** Where two settings differ, for a person: "class: "given" and "top5"; ..."; empty if they are equal. */
export function differences(a: Settings, b: Settings): string {
  const show = (value: unknown): string => {
    const text = JSON.stringify(value) ?? 'nothing';
    return text.length > 100 ? `${text.slice(0, 100)}...` : text;
  };
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]))
    .map((name) => `${name} ${show(a[name])} and ${show(b[name])}`)
    .join('; ');
}

/** Several journals of one evaluation as one. */
export interface Merged extends Pick<Journal, 'header' | 'rows'> {
  /** Indices of images that no journal holds. */
  readonly missing: readonly number[];
}

/**
 * Puts the shards of an evaluation together: rows in the order of the list, as one run would have written them.
 * @throws InputError if the settings differ, or two journals hold the same image
 */
export function merge(journals: readonly { readonly file: string; readonly journal: Journal }[]): Merged {
  const [first, ...others] = journals;
  if (!first) throw new InputError('evaluation: expected at least one journal, got none. Name the files to put together.');
  const { images } = first.journal.header;
  for (const { file, journal } of others) {
    const told = differences({ ...first.journal.header.settings, images }, { ...journal.header.settings, images: journal.header.images });
    if (told !== '')
      throw new InputError(
        `evaluation: expected one evaluation, got "${first.file}" and "${file}" with different settings: ${told}. Merge shards of one run.`,
      );
  }
  const from = new Map<number, string>();
  for (const { file, journal } of journals) {
    for (const { index, image } of journal.rows) {
      const other = from.get(index);
      if (other !== undefined)
        throw new InputError(`evaluation: expected each image once, got "${image}" in "${other}" and in "${file}". Drop one of the files.`);
      from.set(index, file);
    }
  }
  return {
    header: { ...first.journal.header, shard: [1, 1] },
    rows: journals.flatMap(({ journal }) => journal.rows).sort((a, b) => a.index - b.index),
    missing: Array.from({ length: images }, (_, index) => index).filter((index) => !from.has(index)),
  };
}
