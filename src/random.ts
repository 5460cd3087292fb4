/**
 * Seeded uniform numbers in [0, 1): the same on every machine. A counter stepped by the golden ratio goes through a 32-bit mix of
 * multiplications and shifts (the finaliser of MurmurHash3).
 */
export function uniform(seed: number): () => number {
  let counter = seed >>> 0;
  return () => {
    counter = (counter + 0x9e3779b9) >>> 0;
    let x = counter;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  };
}
