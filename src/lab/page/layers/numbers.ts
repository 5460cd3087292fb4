/** Numbers in few characters. */

/** Three digits that count. */
export function brief(v: number): string {
  const m = Math.abs(v);
  return v === 0 ? '0' : m >= 1e5 || m < 1e-3 ? v.toExponential(1) : v.toPrecision(3);
}

/** A share in per cent; what is not all is never written as all, nor what is not nothing as nothing. */
export function percent(part: number, whole = 1): string {
  if (whole === 0) return '–';
  const p = (100 * part) / whole;
  if (p > 0 && p < 0.1) return '<0.1 %';
  if (p < 100 && p > 99.9) return '>99.9 %';
  return `${p === 100 || p === 0 ? p : p.toFixed(1)} %`;
}

/** Shapes as messages have them. */
export const extents = (shape: readonly number[]): string => shape.join('×');

/** Where the colours of pictures under several rules end. */
export const RULE_SCALE_WORDS = { shared: 'as for the gradient', own: 'each its own' } as const;
