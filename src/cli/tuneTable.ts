/** What was tuned, as text. */
import type { PlanShape, TunedShape } from '../tune/index.ts';
import { formatTable } from './session.ts';

/** A row for each shape: the direction, the static choice, what is pinned instead and by how much it is faster, and whether the bits are the same. */
export function planTable(shapes: readonly PlanShape[]): string {
  return formatTable(
    ['op', 'direction', 'shape', 'static choice', 'tuned choice', 'ratio', 'bits'],
    shapes.map(({ key, fixed, pinned, ratio, sameBits }) => {
      const [op, direction, ...shape] = key.split(' ');
      return [
        op,
        direction,
        shape.join(' '),
        fixed,
        pinned ?? 'the same',
        ratio === undefined ? '' : ratio.toFixed(2),
        sameBits === undefined ? '' : sameBits ? 'same' : 'others',
      ];
    }),
  );
}

/** A line for each kernel that failed its check. */
export function refusalLines({ key, candidates }: TunedShape): string[] {
  return candidates.filter(({ verdict }) => verdict === 'refused').map(({ variant, why }) => `REFUSED ${variant} for ${key}: ${why}`);
}

/** `12 of 60 shapes have a faster kernel than the static choice, by 1.31 in the geometric mean and 2.40 at most;` */
export function summaryLine(shapes: readonly TunedShape[]): string {
  const ratios = shapes.flatMap(({ ratio, pinned }) => (pinned !== undefined && ratio !== undefined ? [ratio] : []));
  const head = `${ratios.length} of ${shapes.length} shapes have a kernel faster than the static choice`;
  if (ratios.length === 0) return head;
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  return `${head}, by ${mean.toFixed(2)} in the geometric mean, ${Math.max(...ratios).toFixed(2)} at most,`;
}
