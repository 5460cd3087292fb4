/**
 * Class model visualisation: an image that the network scores highly as a class, found by ascent on the image with the weights fixed.
 *
 *     I* = argmax over I of S_c(I) - lambda * ||I||_2^2
 *
 * @see Simonyan, Vedaldi, Zisserman 2013, section 2
 */
import type { Network } from '../network.ts';
import { ClassModelRun, type ClassModel, type ClassModelRow } from './classmodelRun.ts';
import type { ClassModelQuestion } from './classmodelStart.ts';

export type { ClassModel, ClassModelRow } from './classmodelRun.ts';

export interface ClassModelOptions extends ClassModelQuestion {
  /** Hears of every iteration, with one row for each class. */
  readonly onIteration?: (iteration: number, rows: readonly ClassModelRow[]) => void;
  /** Stops the ascent between two iterations, with the signal's own reason. */
  readonly signal?: AbortSignal;
}

/**
 * Models of several classes, sought in one batch: each has the bits that it would have alone. The same options give the same bits on every
 * run. {@link ClassModelRun.step} says what an iteration is. The image never leaves the device until the end.
 * @param network on a batch of as many images as there are classes, its input zero-centred pixels [N, C, H, W]
 * @throws InputError if an option is out of range, the batch is another, or scores or image stop being finite numbers: the step was too
 *   long
 * @see the paper, section 2; {@link ClassModelRecipe} for units
 */
export async function classModel(network: Network, { onIteration, signal, ...question }: ClassModelOptions): Promise<ClassModel[]> {
  const run = await ClassModelRun.create(network, question);
  try {
    for (let iteration = 0; !run.done; iteration++) {
      if (iteration < run.recipe.iterations) signal?.throwIfAborted();
      const rows = await run.step();
      onIteration?.(iteration, rows);
    }
    return await run.models();
  } finally {
    run.dispose();
  }
}
