/**
 * One seed under every pair of a ReLU rule and a max-pool rule: what reaches the photo under each, how it goes together with the plain gradient, and
 * which of the signals are the same to the bit.
 */
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess, type PictureToInput, type Preprocess } from '../image/preprocess.ts';
import type { Network, Neuron } from '../network.ts';
import { RULE_AXES, RULES, type LayerRules, type Rule } from '../rule.ts';
import { formatShape, type Tensor } from '../tensor.ts';

export type PoolRule = LayerRules['maxpool'];

/** In the order of the sheet's columns. */
export const POOL_RULES = RULE_AXES.maxpool;

/** One point of the cube. */
export interface CubeCell {
  readonly relu: Rule;
  readonly maxpool: PoolRule;
  /** What reaches the input, [1, C, H, W]. */
  readonly signal: Tensor;
  /** Its Euclidean norm. */
  readonly norm: number;
  /** Pearson's coefficient between its elements and those of the plain gradient, -1 to 1, in f64; null where one of them is constant. */
  readonly correlation: number | null;
  /** The first cell, in the order of rows and columns, whose signal has the same bits; null if none before this one has. */
  readonly sameBitsAs: Pick<CubeCell, 'relu' | 'maxpool'> | null;
}

export interface CubeComparison {
  readonly geometry: PictureToInput;
  /** The class whose score is the seed, or the unit. */
  readonly class: number | null;
  readonly neuron: Neuron | null;
  readonly value: number;
  /** A row for each ReLU rule, in it a cell for each max-pool rule. */
  readonly rows: readonly (readonly CubeCell[])[];
}

export interface CubeOptions {
  /** Default: the best one. */
  readonly class?: number | 'top1';
  /** A unit in place of a class. */
  readonly neuron?: Neuron;
  /** Told before each of `total` passes, for a progress bar. */
  readonly onPass?: (done: number, total: number) => void;
}

/**
 * Brings one seed down under all pairs of rules.
 * @param network on one photo [1, C, H, W]
 * @throws InputError if the class or the unit does not exist, or the network takes several photos at once
 */
export async function compareCube(
  network: Network,
  picture: Picture,
  spec: Preprocess,
  { class: wanted = 'top1', neuron, onPass = () => {} }: CubeOptions = {},
): Promise<CubeComparison> {
  const { input, geometry } = preprocess(picture, spec);
  if (network.inputShape[0] !== 1) {
    throw new InputError(
      `cube: expected a network on one photo, got one on ${formatShape(network.inputShape)}. Load it with a batch of 1.`,
    );
  }
  const total = RULES.length * POOL_RULES.length;
  const before: CubeCell[] = [];
  const rows: CubeCell[][] = [];
  let [target, value] = [wanted, 0];
  for (const relu of RULES) {
    const row: CubeCell[] = [];
    for (const maxpool of POOL_RULES) {
      onPass(before.length, total);
      const answer = await network.gradient(input, { ...(neuron ? { neuron } : { target }), rule: { relu, maxpool } });
      [value] = answer.values;
      if (answer.targets) [target] = answer.targets;
      const signal = answer.gradient;
      const same = before.find((cell) => cell.sameBitsAs === null && sameBits(cell.signal.data, signal.data));
      const cell: CubeCell = {
        relu,
        maxpool,
        // One copy of each signal is enough.
        signal: same?.signal ?? signal,
        norm: Math.sqrt(signal.data.reduce((sum, v) => sum + v * v, 0)),
        correlation: pearson(before[0]?.signal.data ?? signal.data, signal.data),
        sameBitsAs: same ? { relu: same.relu, maxpool: same.maxpool } : null,
      };
      before.push(cell);
      row.push(cell);
    }
    rows.push(row);
  }
  onPass(total, total);
  return { geometry, class: neuron ? null : (target as number), neuron: neuron ?? null, value, rows };
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  const [p, q] = [a, b].map((t) => new Uint32Array(t.buffer, t.byteOffset, t.length));
  return p.every((bits, i) => bits === q[i]);
}

/** Pearson's coefficient of two lists of numbers in f64; null where one of them is constant. */
export function pearson(a: Float32Array, b: Float32Array): number | null {
  const mean = (t: Float32Array): number => t.reduce((sum, v) => sum + v, 0) / t.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] - ma, b[i] - mb];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : null;
}
