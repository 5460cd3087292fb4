// Seeded damage to files: truncations, bit flips, overwrites, splices and lies.

/** A small generator of integers, the same on every machine. */
export class Random {
  constructor(private state: number) {}

  /** An integer from 0 to below n. */
  below(n: number): number {
    // mulberry32
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
}

export type Mutation = (bytes: Uint8Array, r: Random) => Uint8Array;

const NUMBERS = ['0', '-1', '1e9', '4294967296', '2147483647', '9007199254740993', '99999999999999999999', '1.5', 'NaN', '""', '[]'];

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  truncate: (bytes, r) => bytes.slice(0, r.below(bytes.length)),
  'flip bits': (bytes, r) => {
    const out = bytes.slice();
    for (let n = 1 + r.below(8); n > 0; n--) out[r.below(out.length)] ^= 1 << r.below(8);
    return out;
  },
  'flip one early bit': (bytes, r) => {
    const out = bytes.slice();
    out[r.below(Math.min(out.length, 200))] ^= 1 << r.below(8);
    return out;
  },
  overwrite: (bytes, r) => {
    const at = r.below(bytes.length);
    return bytes.slice().fill(r.pick([0, 0x7f, 0x80, 0xff]), at, at + 1 + r.below(10));
  },
  splice: (bytes, r) => {
    const [from, to, at] = [r.below(bytes.length), r.below(bytes.length), r.below(bytes.length)];
    return Uint8Array.from([...bytes.slice(0, at), ...bytes.slice(from, Math.min(to, from + 64)), ...bytes.slice(at + r.below(16))]);
  },
  // Text headers: some number says something else.
  'lie in a number': (bytes, r) => {
    const text = Buffer.from(bytes.subarray(0, 4096)).toString('latin1');
    const numbers = [...text.matchAll(/\d+/g)];
    if (numbers.length === 0) return bytes.slice(1);
    const { 0: number, index } = r.pick(numbers);
    const lie = Buffer.from(r.pick(NUMBERS), 'latin1');
    return Uint8Array.from([...bytes.slice(0, index), ...lie, ...bytes.slice(index + number.length)]);
  },
};
