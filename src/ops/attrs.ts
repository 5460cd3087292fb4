/**
 * Readers for node attributes: type, length and range are checked where they are read, and what is not read is an error.
 */
import type { Attrs, Fail } from './op.ts';

/** Reads attributes one by one; call `done()` last to reject unknown names. */
export class AttrReader {
  readonly #seen = new Set<string>();

  constructor(
    private readonly given: Attrs,
    private readonly fail: Fail,
  ) {}

  #take(name: string): unknown {
    this.#seen.add(name);
    return this.given[name];
  }

  #show(value: unknown): string {
    return JSON.stringify(value) ?? String(value);
  }

  number(name: string, fallback: number): number {
    const value = this.#take(name) ?? fallback;
    if (typeof value !== 'number' || Number.isNaN(value)) this.fail(`expected attribute ${name} to be a number, got ${this.#show(value)}.`);
    return value as number;
  }

  /** A number that may be absent. */
  optionalNumber(name: string): number | undefined {
    return this.#take(name) === undefined ? undefined : this.number(name, 0);
  }

  integer(name: string, fallback: number | undefined, min = -Infinity): number {
    const value = this.#take(name) ?? fallback;
    if (!Number.isSafeInteger(value) || (value as number) < min) {
      this.fail(`expected attribute ${name} to be an integer${min > -Infinity ? ` >= ${min}` : ''}, got ${this.#show(value)}.`);
    }
    return value as number;
  }

  /** `length` integers, each at least `min`; any length when `length` is undefined. */
  integers(name: string, length: number | undefined, fallback: readonly number[] | undefined, min = -Infinity): number[] {
    const value = this.#take(name) ?? fallback;
    if (
      !Array.isArray(value) ||
      (length !== undefined && value.length !== length) ||
      !value.every((v) => Number.isSafeInteger(v) && v >= min && v <= 0x7fffffff)
    ) {
      const count = length === undefined ? 'integers' : `${length} integers`;
      this.fail(`expected attribute ${name} to be ${count}${min > -Infinity ? ` >= ${min}` : ''}, got ${this.#show(value)}.`);
    }
    return [...(value as number[])];
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#take(name) ?? fallback;
    if (typeof value !== 'boolean') this.fail(`expected attribute ${name} to be true or false, got ${this.#show(value)}.`);
    return value as boolean;
  }

  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.#take(name) ?? fallback;
    if (!choices.includes(value as T))
      this.fail(`expected attribute ${name} to be one of ${choices.join(', ')}, got ${this.#show(value)}.`);
    return value as T;
  }

  done(): void {
    const unknown = Object.keys(this.given).filter((name) => !this.#seen.has(name));
    if (unknown.length > 0) {
      this.fail(`unknown attribute ${unknown.join(', ')}. Known here: ${[...this.#seen].join(', ') || 'none'}.`);
    }
  }
}
