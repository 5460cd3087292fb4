/**
 * What an identity is to `verify`: rows of residuals, each with the bound within which a correct engine stays.
 */

/** In the order in which they are checked. */
export const IDENTITIES = {
  affine: 'S = <w, I> + b on the frozen branch, b summed layer by layer',
  completeness: 'at every cut <signal, x> + b of what lies above = S',
  layers: 'of every layer <signal out, y> - <signal in, x> = its share of b',
  adjoint: "<J u, v> = <u, J' v> for random u, v in {-1, 1}",
  constant: 'y(0) of every affine layer is what the network holds there: its bias, or zero',
  transposed: 'the adjoint of a convolution is the convolution of the spread signal with the flipped kernel',
  relu: 'each ReLU passes what the definition of each rule says',
  seed: 'a signal is linear in its seed; under deconvnet and guided, which ask for its sign, homogeneous to the bit',
  'no relu': 'without ReLU all four rules give the same bits',
  'open relu': 'where every ReLU is open, guided is deconvnet to the bit',
  batch: 'every item of a batch gets the bits that it gets alone (on a GPU: up to rounding)',
} as const;

export type IdentityName = keyof typeof IDENTITIES;

/** One layer, cut or rule for which an identity was checked. */
export interface Residual {
  /** Node, tensor or rule. */
  readonly layer: string;
  /** The node's op; '' for what is no node. */
  readonly op: string;
  /** How far the two sides are apart; for equality of bits, how many elements differ. */
  readonly residual: number;
  /** How far rounding may bring them apart; 0 for equality of bits. */
  readonly bound: number;
}

export interface IdentityReport {
  readonly name: IdentityName;
  readonly statement: string;
  /** `none` where the model has nothing to check it on; `note` says why. */
  readonly verdict: 'holds' | 'fails' | 'none';
  /** The row with the largest residual over bound; null if there are no rows. */
  readonly worst: Residual | null;
  readonly failing: readonly Residual[];
  readonly rows: readonly Residual[];
  readonly note?: string;
}

/** Residual over bound: at most 1 where the identity holds. Infinite for NaN, and for a bound that allows everything. */
export function ratio({ residual, bound }: Residual): number {
  if (!Number.isFinite(bound) || Number.isNaN(residual)) return Infinity;
  return residual === 0 ? 0 : Math.abs(residual) / bound;
}

export function report(name: IdentityName, rows: readonly Residual[], note?: string): IdentityReport {
  const failing = rows.filter((row) => ratio(row) > 1);
  const worst = rows.reduce<Residual | null>((a, b) => (a && ratio(a) >= ratio(b) ? a : b), null);
  const verdict = rows.length === 0 ? 'none' : failing.length === 0 ? 'holds' : 'fails';
  return { name, statement: IDENTITIES[name], verdict, worst, failing, rows, ...(note === undefined ? {} : { note }) };
}

/** A sum of products in f64 beside the sum of their magnitudes and their number, from which its own rounding is bounded. */
export class Dot {
  value = 0;
  magnitude = 0;
  #terms = 0;

  /** Adds the scalar product of a and b. */
  add(a: ArrayLike<number>, b: ArrayLike<number>): this {
    let [value, magnitude] = [0, 0];
    for (let i = 0; i < a.length; i++) {
      const term = a[i] * b[i];
      value += term;
      magnitude += Math.abs(term);
    }
    this.value += value;
    this.magnitude += magnitude;
    this.#terms += a.length;
    return this;
  }

  /** How far `value` may lie from the exact sum: gamma_n of f64 times the magnitudes. */
  get error(): number {
    return (this.#terms + 4) * 2 ** -53 * this.magnitude + Number.MIN_VALUE;
  }
}

/** How many elements of two tensors differ in their bits; all of them if the lengths differ. */
export function differingBits(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Math.max(a.length, b.length);
  const [p, q] = [a, b].map((t) => new Uint32Array(t.buffer, t.byteOffset, t.length));
  let count = 0;
  for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) count++;
  return count;
}
