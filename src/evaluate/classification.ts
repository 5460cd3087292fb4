/** Classification: is the true class among the best? */
import { InputError } from '../errors.ts';
import type { Preprocess } from '../image/preprocess.ts';
import { ranked, type Network } from '../network.ts';
import type { Tensor } from '../tensor.ts';
import { inBatches, type Item, type LoadedItem } from './batches.ts';
import type { ClassRow } from './rows.ts';

/**
 * The five best classes of every image, in the order of the items. The network's batch is how many go through it at once; it changes no
 * number.
 * @throws InputError if an image's class is not one of the network's, or a picture cannot be had
 */
export async function* evaluateClassification(network: Network, items: readonly Item[], spec: Preprocess): AsyncGenerator<ClassRow> {
  yield* inBatches(
    network,
    items,
    spec,
    () => [],
    (item, { scores }, n) => classRow(item, scores!, n),
  );
}

/** What the scores [N, K] of a batch say about its image n. */
export function classRow({ index, annotation }: LoadedItem, scores: Tensor, n: number): ClassRow {
  const row = scoresOf(scores, n);
  checkClass(annotation.class, row.length, annotation.image);
  const top5 = ranked(row).slice(0, 5);
  // Nine digits tell any f32 from its neighbours.
  return { index, image: annotation.image, class: annotation.class, top5, scores: top5.map((k) => Number(row[k].toPrecision(9))) };
}

/** The scores [K] of image n of a batch [N, K]. */
export function scoresOf({ shape: [, classes], data }: Tensor, n: number): Float32Array {
  return data.subarray(n * classes, (n + 1) * classes);
}

/** @throws InputError if the network has no such class */
export function checkClass(label: number, classes: number, image: string): void {
  if (label >= classes)
    throw new InputError(
      `evaluate: expected classes in [0, ${classes - 1}], got ${label} for "${image}". Give annotations of this network's classes.`,
    );
}
