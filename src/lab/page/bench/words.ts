/** How times were taken, in words. */
import type { Clock } from '../../../bench/clock.ts';
import { formatMs } from '../../../bench/words.ts';

export function clockInWords({ kind, quantumMs, spanMs }: Clock): string {
  if (kind === 'wall')
    return (
      `This browser gives no timestamps of the device. Times are those of the page's own clock, which goes in steps of ${formatMs(quantumMs)},` +
      ` from submitting work until hearing of its end; work is repeated for ${formatMs(spanMs)} at least, so that the way there and back is at most a tenth.`
    );
  const steps = `every sample repeats its work for ${formatMs(spanMs)} at least, so that a step is at most ${(100 * quantumMs) / spanMs < 1 ? 'a hundredth' : `${Math.ceil((100 * quantumMs) / spanMs)} %`} of it`;
  return quantumMs < 1e-3
    ? `Times are the device's own, by timestamps in full resolution; ${steps}.`
    : `Times are the device's own, by timestamps that this browser lets go in steps of ${formatMs(quantumMs)}; ${steps}.`;
}
