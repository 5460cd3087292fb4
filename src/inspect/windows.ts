/** Who wins the windows of a max-pool, and where windows have no single winner. */
import { eachWindow, equal, maxShape, type MaxWindows } from '../reference/pool.ts';
import { size, type Shape } from '../tensor.ts';

/** Flags of a window. */
const TIED = 1;
const ZERO = 2;

export interface WindowCounts {
  readonly windows: number;
  /** Windows wholly in padding: they have no winner. */
  readonly empty: number;
  /** Windows whose maximum several cells attain. */
  readonly tied: number;
  /** Windows whose maximum is 0: behind a ReLU, all their units are off. Those of more than one cell are tied too. */
  readonly zero: number;
  /** Windows whose maximum is tied and not 0. */
  readonly tiedAboveZero: number;
  /** Kernel height and width; of a global pool the plane's. */
  readonly kernel: readonly [number, number];
  /** Windows won by each place of the kernel, row-major: the first maximum wins. */
  readonly wonBy: readonly number[];
  /** The same of the windows with a single maximum: where zeros tie, the first place wins by convention alone. */
  readonly wonUntied: readonly number[];
  /** How many inputs win k windows, for k = 0, 1, 2, ... */
  readonly wins: readonly number[];
}

export interface WindowReport {
  readonly counts: WindowCounts;
  /** The winner's place in its window, row-major; -1 for an empty window. */
  readonly switches: Int32Array;
  /** For each window whether it is tied (1), zero (2), both, or neither. */
  readonly flags: Uint8Array;
}

export const isTied = (flag: number): boolean => (flag & TIED) !== 0;
export const isZero = (flag: number): boolean => (flag & ZERO) !== 0;

/**
 * @param x what the pool takes, of `shape`, [N, C, H, W]
 * @param windows the pool's attributes; null for one over each plane
 */
export function windowReport(x: Float32Array, shape: Shape, windows: MaxWindows): WindowReport {
  const [H, W] = [shape[2] ?? 1, size(shape.slice(3))];
  const kernel = windows ? windows.kernel : ([H, W] as const);
  const out = maxShape(shape, windows);
  const y = size(out);
  const switches = new Int32Array(y);
  const flags = new Uint8Array(y);
  const won = new Int32Array(x.length);
  const wonBy = new Array<number>(kernel[0] * kernel[1]).fill(0);
  const wonUntied = wonBy.slice();
  let [empty, tied, zero, tiedAboveZero] = [0, 0, 0, 0];
  eachWindow({ shape }, windows, (o, cells, count) => {
    if (count === 0) {
      switches[o] = -1;
      empty++;
      return;
    }
    let winner = cells[0];
    for (let k = 1; k < count; k++) {
      const [v, best] = [x[cells[k]], x[winner]];
      if (v > best || (v !== v && best === best)) winner = cells[k];
    }
    let attained = 0;
    for (let k = 0; k < count; k++) if (equal(x[cells[k]], x[winner])) attained++;
    const place = windows ? placeOf(winner, o, [H, W], [out[2], out[3]], windows) : winner % (H * W);
    switches[o] = place;
    won[winner]++;
    wonBy[place]++;
    if (attained === 1) wonUntied[place]++;
    else {
      tied++;
      flags[o] |= TIED;
      if (x[winner] !== 0) tiedAboveZero++;
    }
    if (x[winner] === 0) {
      zero++;
      flags[o] |= ZERO;
    }
  });
  const wins: number[] = [];
  for (let i = 0; i < won.length; i++) wins[won[i]] = (wins[won[i]] ?? 0) + 1;
  return {
    counts: { windows: y, empty, tied, zero, tiedAboveZero, kernel, wonBy, wonUntied, wins: Array.from(wins, (n) => n ?? 0) },
    switches,
    flags,
  };
}

/** The place in window o of the flat input index i. */
function placeOf(
  i: number,
  o: number,
  [H, W]: readonly [number, number],
  [OH, OW]: readonly [number, number],
  { stride, pad, dilation, kernel }: NonNullable<MaxWindows>,
): number {
  const [row, column] = [Math.floor(i / W) % H, i % W];
  const [oh, ow] = [Math.floor(o / OW) % OH, o % OW];
  const kh = (row - (oh * stride[0] - pad[0])) / dilation[0];
  const kw = (column - (ow * stride[1] - pad[1])) / dilation[1];
  return kh * kernel[1] + kw;
}
