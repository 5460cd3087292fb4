/** Times and speeds in words. */

/** `1.23 ms`, `45.6 us`, `2.34 s` */
export function formatMs(ms: number): string {
  if (ms < 1) return `${(ms * 1000).toPrecision(3)} us`;
  return ms < 1000 ? `${ms.toPrecision(ms < 100 ? 3 : 4)} ms` : `${(ms / 1000).toPrecision(3)} s`;
}

/** Three digits that count, or all before the point. */
export const formatSpeed = (value: number): string => (value < 100 ? value.toPrecision(3) : value.toFixed(0));
