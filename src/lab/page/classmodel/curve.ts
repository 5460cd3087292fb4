/** A curve as points of a path, and in words. */

/** Points across; more rows than that are told by the least and the greatest of each stretch. */
const ACROSS = 400;

/** Values from a range: a constant has room on both sides. */
export function rangeOf(values: readonly number[]): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  if (low > high) return [0, 1];
  if (low === high) return [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  return [low, high];
}

/**
 * The curve over 0..`last` in a box of 100 by 100, y upwards; as the `points` of an SVG polyline.
 * @param values value t at t
 */
export function pointsOf(values: readonly number[], last: number, [low, high]: readonly [number, number]): string {
  const x = (t: number): number => (100 * t) / Math.max(1, last);
  const y = (v: number): number => 100 - (100 * (v - low)) / (high - low);
  const stretch = Math.ceil(values.length / ACROSS);
  const points: string[] = [];
  for (let from = 0; from < values.length; from += stretch) {
    const part = values.slice(from, from + stretch);
    const extremes = stretch === 1 ? [0] : [part.indexOf(Math.min(...part)), part.indexOf(Math.max(...part))].sort((a, b) => a - b);
    for (const i of new Set(extremes)) points.push(`${x(from + i).toFixed(2)},${y(part[i]).toFixed(2)}`);
  }
  const end = values.length - 1;
  if (stretch > 1) points.push(`${x(end).toFixed(2)},${y(values[end]).toFixed(2)}`);
  return points.join(' ');
}

/** Four digits that count. */
export const short = (value: number): string =>
  value === 0 ? '0' : Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));

/** What a curve shows, for those who do not see it. */
export function inWords(name: string, values: readonly number[]): string {
  if (values.length === 0) return `${name}: nothing yet`;
  const best = values.reduce((at, v, t) => (v > values[at] ? t : at), 0);
  const last = values.length - 1;
  return `${name} from ${short(values[0])} at iteration 0 to ${short(values[last])} at iteration ${last}, highest ${short(values[best])} at ${best}`;
}
