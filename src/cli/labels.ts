/** Class names for the commands: from a file, one a line, or from the model's card. */
import { InputError } from '../errors.ts';
import type { Model } from '../models/model.ts';
import { modelLabels } from '../models/card.ts';
import { readBytes } from './files.ts';

/** @throws InputError if the file cannot be read, or is empty */
export async function readLabels(file: string): Promise<string[]> {
  const lines = new TextDecoder().decode(await readBytes(file, '--labels')).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) throw new InputError(`--labels: expected one class name a line, got an empty file "${file}".`);
  return lines;
}

/** The names in the order of the scores: those of the file if one is given, else those of the card if it has any. */
export async function labelsFor(model: Model, file: string | undefined): Promise<readonly string[] | undefined> {
  return file === undefined ? modelLabels(model) : readLabels(file);
}
