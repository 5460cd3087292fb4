/**
 * Batches as a pure function of (seed, step): which images, in which order, seen how. A run that is taken up at any step sees what it would
 * have seen.
 */
import { mixSeed, uniform } from '../random.ts';
import type { IndexTensor, Tensor } from '../tensor.ts';
import { drawView, wholeView, writeView, type Augmentation } from './augment.ts';
import type { ImageSource } from './images.ts';

/** Distinguish what a seed is used for. */
const ORDER = 1;
const VIEW = 2;

export interface Batch {
  /** [N, 3, H, W], zero-centred. */
  readonly x: Tensor;
  /** [N]. */
  readonly labels: IndexTensor;
}

export interface BatchOptions {
  readonly batch: number;
  readonly seed: number;
  readonly augmentation: Augmentation;
  /** [3, H, W], pixels 0 to 255. */
  readonly mean: Tensor;
  /** Grey levels in one unit of the input. */
  readonly unit: number;
}

/** The batches of one training set. Each epoch has an order of its own, and leaves out what does not fill a batch. */
export class Batches {
  readonly perEpoch: number;
  #epoch = -1;
  #order = new Int32Array();

  constructor(
    readonly source: ImageSource,
    readonly options: BatchOptions,
  ) {
    this.perEpoch = Math.floor(source.count / options.batch);
  }

  /** The batch of a step, counted from 0. */
  at(step: number): Batch {
    const { batch, seed, augmentation, mean, unit } = this.options;
    const epoch = Math.floor(step / this.perEpoch);
    if (epoch !== this.#epoch) {
      this.#order = shuffled(this.source.count, uniform(mixSeed(seed, ORDER, epoch)));
      this.#epoch = epoch;
    }
    const [, height, width] = mean.shape;
    const one = 3 * height * width;
    const data = new Float32Array(batch * one);
    const labels = new Int32Array(batch);
    const pixels = new Uint8Array(one);
    for (let n = 0; n < batch; n++) {
      const index = this.#order[(step % this.perEpoch) * batch + n];
      this.source.read(index, pixels);
      const view = drawView(uniform(mixSeed(seed, VIEW, epoch, index)), height, width, augmentation);
      writeView(pixels, view, mean, unit, data, n * one);
      labels[n] = this.source.labels[index];
    }
    return { x: { shape: [batch, 3, height, width], data }, labels: { shape: [batch], data: labels } };
  }
}

/** The images from `first` on as they are, `batch` of them; past the end the last one again. */
export function plainBatch(
  source: ImageSource,
  first: number,
  { batch, mean, unit }: Pick<BatchOptions, 'batch' | 'mean' | 'unit'>,
): Batch {
  const [, height, width] = mean.shape;
  const one = 3 * height * width;
  const data = new Float32Array(batch * one);
  const labels = new Int32Array(batch);
  const pixels = new Uint8Array(one);
  for (let n = 0; n < batch; n++) {
    const index = Math.min(first + n, source.count - 1);
    source.read(index, pixels);
    writeView(pixels, wholeView(height, width), mean, unit, data, n * one);
    labels[n] = source.labels[index];
  }
  return { x: { shape: [batch, 3, height, width], data }, labels: { shape: [batch], data: labels } };
}

/** 0 to count - 1 in random order (Fisher and Yates). */
function shuffled(count: number, random: () => number): Int32Array<ArrayBuffer> {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
