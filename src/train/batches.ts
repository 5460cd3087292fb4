/**
 * Batches as a pure function of (seed, step): which images, in which order, seen how. A run that is taken up at any step sees what it would
 * have seen.
 */
import { mixSeed, uniform } from '../random.ts';
import { size, type IndexTensor, type Shape, type Tensor } from '../tensor.ts';
import { drawView, viewWriter, wholeView, type Augmentation, type View } from './augment.ts';
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

/** What a batch is made of: images by index, and how each is seen. */
export interface Draw {
  readonly source: ImageSource;
  readonly indices: Int32Array;
  readonly views: readonly View[];
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
    return makeBatch(this.draw(step), this.options);
  }

  /** What the batch of a step is made of. */
  draw(step: number): Draw {
    const { batch, seed, augmentation, mean } = this.options;
    const epoch = Math.floor(step / this.perEpoch);
    if (epoch !== this.#epoch) {
      this.#order = shuffled(this.source.count, uniform(mixSeed(seed, ORDER, epoch)));
      this.#epoch = epoch;
    }
    const [, height, width] = mean.shape;
    const first = (step % this.perEpoch) * batch;
    const indices = this.#order.subarray(first, first + batch);
    const views = Array.from(indices, (index) => drawView(uniform(mixSeed(seed, VIEW, epoch, index)), height, width, augmentation));
    return { source: this.source, indices, views };
  }
}

/** How the pixels of images become inputs. */
export type Units = Pick<BatchOptions, 'mean' | 'unit'>;

/** The images from `first` on as they are, `batch` of them; past the end the last one again. */
export function plainBatch(source: ImageSource, first: number, options: Units & Pick<BatchOptions, 'batch'>): Batch {
  return makeBatch(plainDraw(source, first, options), options);
}

/** What {@link plainBatch} is made of. */
export function plainDraw(source: ImageSource, first: number, { batch, mean }: Pick<BatchOptions, 'batch' | 'mean'>): Draw {
  const [, height, width] = mean.shape;
  const indices = Int32Array.from({ length: batch }, (_, n) => Math.min(first + n, source.count - 1));
  return { source, indices, views: new Array<View>(batch).fill(wholeView(height, width)) };
}

/** The images of a draw, each in its view. */
export function makeBatch(draw: Draw, { mean, unit }: Units): Batch {
  const one = size(mean.shape);
  const data = new Float32Array(draw.indices.length * one);
  const pixels = new Uint8Array(one);
  const write = viewWriter(mean, unit);
  draw.indices.forEach((index, n) => {
    draw.source.read(index, pixels);
    write(pixels, draw.views[n], data, n * one);
  });
  return batchOf(draw, mean.shape, data);
}

/** A batch whose images, each of this shape, have been written. */
export function batchOf({ source, indices }: Draw, shape: Shape, data: Float32Array): Batch {
  return {
    x: { shape: [indices.length, ...shape], data },
    labels: { shape: [indices.length], data: indices.map((i) => source.labels[i]) },
  };
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
