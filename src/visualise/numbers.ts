/** Numbers in few characters, for captions and tables. */

/** Three digits, or two that count where those would be zeros. */
export const formatShare = (p: number): string => (p === 0 || p >= 0.0005 ? p.toFixed(3) : p.toExponential(0));

/** One digit; no minus before a zero. */
export const formatScore = (score: number): string => score.toFixed(1).replace(/^-0\.0$/, '0.0');

/** `1.02`, `7.3`, `31`. */
export const formatCount = (n: number): string => (n < 2 ? n.toFixed(2) : n < 10 ? n.toFixed(1) : n.toFixed(0));
