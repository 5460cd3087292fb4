/** Answers that are kept for as long as they hold: the last few, of this model on this photo. */

export class Kept<T> {
  /** Least recently used first. */
  readonly #answers = new Map<string, T>();
  #edition = NaN;

  /**
   * @param edition rises when all answers are void
   * @param most how many are kept
   */
  constructor(
    private readonly edition: () => number,
    private readonly most: number,
  ) {}

  /** The answer to a question, from what is kept or made anew. */
  async get(question: unknown, make: () => Promise<T>): Promise<T> {
    const edition = this.edition();
    if (edition !== this.#edition) this.#answers.clear();
    this.#edition = edition;
    const key = JSON.stringify(question);
    const known = this.#answers.get(key);
    // Makes room first, so that never more than so many are held.
    if (known === undefined && this.#answers.size >= this.most) this.#answers.delete(this.#answers.keys().next().value!);
    const answer = known ?? (await make());
    // What was made while the photo changed is of neither.
    if (this.edition() !== edition) return answer;
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    return answer;
  }
}
