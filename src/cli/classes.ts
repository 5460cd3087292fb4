/** Classes as the commands take them: numbers, names, top1 and top5, separated by commas. */
import { InputError } from '../errors.ts';
import { typeGraph, valueInfo, type Graph } from '../graph.ts';
import { findClass } from '../models/labels.ts';
import { requireScores } from '../network.ts';
import { size } from '../tensor.ts';
import type { ClassChoice } from '../visualise/saliency.ts';

/** The number of classes of a graph. */
export function classCount(graph: Graph): number {
  const { shape } = valueInfo(typeGraph(graph), requireScores(graph));
  return size(shape) / shape[0];
}

/**
 * `243,tabby,top1` as classes. Names may hold commas themselves: where the whole text names a class, it is that one.
 * @throws InputError if a part names no class, or several
 */
export function parseClasses(text: string, labels: readonly string[] | undefined, count: number): ClassChoice[] {
  const choice = (part: string): ClassChoice =>
    part.trim() === 'top1' || part.trim() === 'top5' ? (part.trim() as ClassChoice) : findClass(part, labels, count);
  const parts = text.split(',');
  if (parts.length === 1) return [choice(text)];
  try {
    return parts.map(choice);
  } catch (error) {
    try {
      return [findClass(text, labels, count)];
    } catch {
      throw error instanceof InputError ? error : new InputError(`--class: expected classes, got "${text}".`);
    }
  }
}
