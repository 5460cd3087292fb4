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

/**
 * A 32-bit hash of whole numbers: a seed for {@link uniform} that is a pure function of what it is for, such as (seed, epoch, image), so that
 * work can be done in any order or taken up anywhere. Each number goes through the finaliser of MurmurHash3, chained.
 */
export function mixSeed(...numbers: readonly number[]): number {
  let h = 0x9e3779b9;
  for (const value of numbers) {
    h = (h ^ (value >>> 0)) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h = (h ^ (h >>> 16)) >>> 0;
    h = (Math.imul(h, 5) + 0xe6546b64) >>> 0;
  }
  return h;
}

/** Pairs of independent standard normal numbers (Box and Muller). */
export function normal(seed: number): () => number {
  const next = uniform(seed);
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
