/** Sizes for people. */

/** `9.5 KiB`, `527.8 MiB`. */
export function bytes(n: number): string {
  return n < 2 ** 20 ? `${(n / 2 ** 10).toFixed(1)} KiB` : `${(n / 2 ** 20).toFixed(1)} MiB`;
}
