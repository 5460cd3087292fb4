/** Batches of a sequence taken in order, the next ones being made meanwhile: at most `depth` of them are in memory at once. */
import type { Batch } from './batches.ts';

export class Lookahead {
  readonly #coming = new Map<number, Promise<Batch>>();

  /**
   * @param make begins to make a batch by its number; on the caller's thread it may be done when it returns
   * @param end the first number that there is no batch for
   */
  constructor(
    readonly make: (number: number) => Promise<Batch>,
    readonly depth: number,
    readonly end: number,
  ) {}

  /** Begins with batch `number` and those behind it. */
  prepare(number: number): void {
    for (let k = number; k < Math.min(this.end, number + this.depth); k++) {
      if (this.#coming.has(k)) continue;
      const batch = this.make(k);
      // Told where it is taken, if it ever is.
      batch.catch(() => {});
      this.#coming.set(k, batch);
    }
  }

  /** The batch of this number, which is still to be taken. */
  look(number: number): Promise<Batch> {
    this.prepare(number);
    return this.#coming.get(number)!;
  }

  /** The batch of this number; none before it can be had again. */
  take(number: number): Promise<Batch> {
    const batch = this.look(number);
    this.#coming.delete(number);
    return batch;
  }
}
