/** What a data set consists of, once its layout is known. */
import type { Picture } from '../image/picture.ts';
import type { Source } from './files.ts';

/** Images of one purpose: what each is called, relative to the data set's root, and its class. */
export interface Part {
  readonly names: readonly string[];
  readonly labels: Int32Array;
}

/** An image whose pixels are decoded when asked for; several may be asked for at once. */
export interface Piece {
  /** Place among the training images, or behind them among the validation images. */
  readonly slot: number;
  readonly name: string;
  /** @throws FormatError if the image is damaged */
  picture(): Promise<Picture>;
}

/** A data set as its files describe it. */
export interface Layout {
  readonly classes: readonly string[];
  readonly train: Part;
  readonly val: Part | null;
  /** All images, each once, in the order in which the source comes by them cheaply. */
  pieces(): AsyncIterable<Piece>;
}

/** Strings in the order of their UTF-16 code units, which is the same on every machine. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The text files of a source by name, in UTF-8; those that are not there are left out. */
export async function readTexts(source: Source, names: readonly string[]): Promise<Map<string, string>> {
  const { files } = await source.list();
  const texts = new Map<string, string>();
  for await (const file of source.read(new Set(names.filter((name) => files.has(name))))) {
    texts.set(file.name, new TextDecoder().decode(await file.bytes()));
  }
  return texts;
}

/** The lines of a text that hold something, with their numbers from 1. */
export function linesOf(text: string): { line: string; number: number }[] {
  return text
    .split(/\r?\n/)
    .map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => line.trim() !== '');
}
