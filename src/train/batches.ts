/**
 * Batches as a pure function of (seed, step): which images, in which order, seen how. A run that is taken up at any step sees what it would
 * have seen.
 */
import { mixSeed, uniform } from '../random.ts';
import { size, type IndexTensor, type Tensor } from '../tensor.ts';
import { drawView, wholeView, writeView, type Augmentation, type View } from './augment.ts';
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
    const { batch, seed, augmentation, mean } = this.options;
    const epoch = Math.floor(step / this.perEpoch);
    if (epoch !== this.#epoch) {
      this.#order = shuffled(this.source.count, uniform(mixSeed(seed, ORDER, epoch)));
      this.#epoch = epoch;
    }
    const [, height, width] = mean.shape;
    const first = (step % this.perEpoch) * batch;
    const view = (index: number): View => drawView(uniform(mixSeed(seed, VIEW, epoch, index)), height, width, augmentation);
    return makeBatch(this.source, this.#order.subarray(first, first + batch), view, this.options);
  }
}

/** How the pixels of images become inputs. */
type Units = Pick<BatchOptions, 'batch' | 'mean' | 'unit'>;

/** The images from `first` on as they are, `batch` of them; past the end the last one again. */
export function plainBatch(source: ImageSource, first: number, options: Units): Batch {
  const [, height, width] = options.mean.shape;
  const indices = Int32Array.from({ length: options.batch }, (_, n) => Math.min(first + n, source.count - 1));
  return makeBatch(source, indices, () => wholeView(height, width), options);
}

/** The images of these indices, each in its view. */
function makeBatch(source: ImageSource, indices: Int32Array, viewOf: (index: number) => View, { mean, unit }: Units): Batch {
  const one = size(mean.shape);
  const data = new Float32Array(indices.length * one);
  const labels = new Int32Array(indices.length);
  const pixels = new Uint8Array(one);
  indices.forEach((index, n) => {
    source.read(index, pixels);
    writeView(pixels, viewOf(index), mean, unit, data, n * one);
    labels[n] = source.labels[index];
  });
  return { x: { shape: [indices.length, ...mean.shape], data }, labels: { shape: [indices.length], data: labels } };
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
