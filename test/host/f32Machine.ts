/**
 * f32 arithmetic as a WGSL device may do it: sums in any order, fused or not, subnormals kept or flushed, and every function off by
 * anything up to what the specification allows. The allowances are written out here anew, in units in the last place, not taken from
 * src/reference/bounds.ts.
 */
import type { Random } from './referenceCases.ts';

export type Order = 'forward' | 'backward' | 'pairwise' | 'shuffled';

export interface MachineOptions {
  readonly order: Order;
  readonly fused: boolean;
  readonly flush: boolean;
  /**
   * Functions are off by their whole allowance, up or down: each at random, or all calls of one function alike, so that errors add up
   * (bits 0 to 3 of a number: div, sqrt, exp, log upwards). Absent: correctly rounded.
   */
  readonly worst?: 'random' | number;
}

type Inexact = 'div' | 'sqrt' | 'exp' | 'log';
const BITS: Readonly<Record<Inexact, number>> = { div: 1, sqrt: 2, exp: 4, log: 8 };

/** Every combination that differs in kind. */
export const MACHINES: readonly MachineOptions[] = [
  { order: 'forward', fused: false, flush: false },
  { order: 'backward', fused: true, flush: true },
  { order: 'pairwise', fused: false, flush: true, worst: 'random' },
  { order: 'shuffled', fused: true, flush: false, worst: 'random' },
  ...Array.from({ length: 16 }, (_, worst): MachineOptions => ({ order: 'forward', fused: false, flush: worst % 2 === 0, worst })),
];

/** The distance between the f32 numbers around v. */
export function ulp(v: number): number {
  return 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(v)))) - 23);
}

export class F32Machine {
  constructor(
    readonly options: MachineOptions,
    private readonly random: Random,
  ) {}

  round(v: number): number {
    const rounded = Math.fround(v);
    return this.options.flush && Math.abs(rounded) < 2 ** -126 ? 0 : rounded;
  }

  /** v, off by up to `error`, half a unit of which is the final rounding; `sense` turns the function's direction around. */
  private inexact(v: number, error: number, of: Inexact, sense = 1): number {
    const { worst } = this.options;
    if (worst === undefined || v === 0 || !Number.isFinite(v)) return this.round(v);
    const up = worst === 'random' ? this.random.uniform() < 0.5 : (worst & BITS[of]) !== 0;
    const slack = Math.max(0, error - 0.5 * ulp(v));
    return this.round(v + (up ? slack : -slack) * sense);
  }

  add = (a: number, b: number): number => this.round(a + b);
  mul = (a: number, b: number): number => this.round(a * b);
  div = (a: number, b: number): number => this.inexact(a / b, 2.5 * ulp(a / b), 'div', Math.sign(a / b));
  exp = (x: number): number => this.inexact(Math.exp(x), (3 + 2 * Math.abs(x)) * ulp(Math.exp(x)), 'exp');
  log = (x: number): number => this.logarithm(Math.log(x), x);

  /** 1 / inverseSqrt(x), both errors in one direction. */
  sqrt(x: number): number {
    const inverse = this.inexact(1 / Math.sqrt(x), 2 * ulp(1 / Math.sqrt(x)), 'sqrt', -1);
    return this.inexact(1 / inverse, 2.5 * ulp(1 / inverse), 'sqrt');
  }

  /** exp2(y * log2(x)) */
  pow(x: number, y: number): number {
    const exponent = this.mul(y, this.logarithm(Math.log2(x), x));
    return this.inexact(2 ** exponent, (3 + 2 * Math.abs(exponent)) * ulp(2 ** exponent), 'exp');
  }

  private logarithm(value: number, x: number): number {
    return this.inexact(value, x >= 0.5 && x <= 2 ? 2 ** -21 : 3 * ulp(value), 'log');
  }

  /** a b + c, fused or not. */
  mulAdd(a: number, b: number, c: number): number {
    return this.options.fused ? this.round(a * b + c) : this.add(this.mul(a, b), c);
  }

  private arranged<T>(terms: readonly T[]): T[] {
    const out = [...terms];
    if (this.options.order === 'backward') out.reverse();
    if (this.options.order === 'shuffled') {
      for (let i = out.length - 1; i > 0; i--) {
        const j = this.random.integer(0, i);
        [out[i], out[j]] = [out[j], out[i]];
      }
    }
    return out;
  }

  sum(terms: readonly number[]): number {
    if (this.options.order !== 'pairwise' || terms.length < 3) return this.arranged(terms).reduce(this.add, 0);
    const half = terms.length >> 1;
    return this.add(this.sum(terms.slice(0, half)), this.sum(terms.slice(half)));
  }

  /** The sum of products. */
  dot(terms: readonly (readonly [number, number])[]): number {
    if (this.options.order === 'pairwise') return this.sum(terms.map(([a, b]) => this.mul(a, b)));
    return this.arranged(terms).reduce((sum, [a, b]) => this.mulAdd(a, b, sum), 0);
  }
}
