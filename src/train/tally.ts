/** Counting what a classifier gets right. */

/** Sums over some images. */
export interface Scored {
  readonly images: number;
  /** Sum of the images' cross-entropies, in nats. */
  readonly loss: number;
  /** Images whose true class is the best, and among the five best. */
  readonly top1: number;
  readonly top5: number;
}

/**
 * Images whose true class is the best, and among the five best.
 * @param scores [N, K], row-major, at least as many rows as labels; equal scores rank in the order of the classes
 */
export function bestClasses(scores: Float32Array, labels: Int32Array): { top1: number; top5: number } {
  const classes = labels.length === 0 ? 0 : Math.floor(scores.length / labels.length);
  let [top1, top5] = [0, 0];
  labels.forEach((label, n) => {
    const rank = rankOf(scores.subarray(n * classes, (n + 1) * classes), label);
    if (rank < 1) top1++;
    if (rank < 5) top5++;
  });
  return { top1, top5 };
}

/** Place of a class among all by its score, from 0, as `ranked` orders them: by counting, since sorting every row of a batch takes a GPU's time. */
function rankOf(row: Float32Array, label: number): number {
  const key = (k: number): number => (Number.isNaN(row[k]) ? -Infinity : row[k]);
  const own = key(label);
  let rank = 0;
  for (let k = 0; k < row.length; k++) if (key(k) > own || (key(k) === own && k < label)) rank++;
  return rank;
}

/** Running sums of {@link Scored}, and their means. */
export class Tally implements Scored {
  images = 0;
  loss = 0;
  top1 = 0;
  top5 = 0;

  add({ images, loss, top1, top5 }: Scored): void {
    this.images += images;
    this.loss += loss;
    this.top1 += top1;
    this.top5 += top5;
  }

  /** Adds the first `labels.length` rows of scores [N, K]. */
  addScores(scores: Float32Array, labels: Int32Array, rows: number): void {
    const classes = scores.length / rows;
    const used = scores.subarray(0, labels.length * classes);
    let loss = 0;
    labels.forEach((label, n) => {
      const row = used.subarray(n * classes, (n + 1) * classes);
      const high = row.reduce((a, b) => Math.max(a, b), -Infinity);
      let sum = 0;
      for (const s of row) sum += Math.exp(s - high);
      loss += high + Math.log(sum) - row[label];
    });
    this.add({ images: labels.length, loss, ...bestClasses(used, labels) });
  }

  /** Means over the images. */
  means(): { loss: number; top1: number; top5: number; images: number } {
    const { images, loss, top1, top5 } = this;
    return { loss: loss / images, top1: top1 / images, top5: top5 / images, images };
  }
}
