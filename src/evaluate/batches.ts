/**
 * Many images through a network of a fixed batch: the next pictures are decoded and on their way to the device while it works on these, and the
 * answers to the last are scored meanwhile.
 */
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess, type PictureToInput, type Preprocess } from '../image/preprocess.ts';
import type { GradientOptions, Network, StreamAnswer } from '../network.ts';
import { formatShape, sameShape, size, type Shape, type Tensor } from '../tensor.ts';
import type { Annotation } from './annotation.ts';

/** An image of a set: what is true of it, and how to get at its pixels. */
export interface Item {
  /** Place in the list of images, from 0. */
  readonly index: number;
  readonly annotation: Annotation;
  /** Decodes the picture. */
  load(): Promise<Picture>;
}

/** An image that has been decoded and made into an input. */
export interface LoadedItem extends Item {
  readonly picture: Picture;
  readonly geometry: PictureToInput;
}

/** Images that go through the network together; `x` is [N, C, H, W] with the last image repeated where there are fewer than N. */
export interface Batch {
  readonly items: readonly LoadedItem[];
  readonly x: Tensor;
}

/**
 * The results of `score`, image by image in the order of the items.
 * @param questions what to ask about a batch
 * @param score what the answer says about image n of the batch; runs while the device is at the batches behind
 * @throws InputError from the preprocessing, or if it does not make inputs of the network's shape
 */
export async function* inBatches<Result>(
  network: Network,
  items: readonly Item[],
  spec: Preprocess,
  questions: (batch: Batch) => readonly GradientOptions[],
  score: (item: LoadedItem, answer: StreamAnswer<Batch>, n: number) => Result,
): AsyncGenerator<Result> {
  for await (const answer of network.stream(loadedBatches(items, network.inputShape, spec), { questions }))
    for (const [n, item] of answer.batch.items.entries()) yield score(item, answer, n);
}

/** Each batch is being decoded while the one before it is in use. */
async function* loadedBatches(items: readonly Item[], shape: Shape, spec: Preprocess): AsyncGenerator<Batch> {
  const [batch] = shape;
  const load = (from: number): Promise<Batch> | null => {
    if (from >= items.length) return null;
    const loading = loadBatch(items.slice(from, from + batch), shape, spec);
    // A picture that fails is told when its turn comes; until then nothing awaits it.
    loading.catch(() => {});
    return loading;
  };
  let next = load(0);
  for (let from = batch; next !== null; from += batch) {
    const current: Batch = await next;
    next = load(from);
    yield current;
  }
}

async function loadBatch(items: readonly Item[], shape: Shape, spec: Preprocess): Promise<Batch> {
  const data = new Float32Array(size(shape));
  const perItem = data.length / shape[0];
  const loaded: LoadedItem[] = [];
  // Decoded side by side; one that fails is told when its turn comes.
  const pictures = items.map((item) => item.load());
  for (const picture of pictures) picture.catch(() => {});
  for (const [n, item] of items.entries()) {
    const picture = await pictures[n];
    const { input, geometry } = preprocess(picture, spec);
    if (!sameShape(input.shape.slice(1), shape.slice(1))) {
      const given = formatShape(input.shape.slice(1));
      throw new InputError(`evaluate: expected inputs of ${formatShape(shape.slice(1))}, got ${given}. Give the network's own size.`);
    }
    data.set(input.data, loaded.length * perItem);
    loaded.push({ ...item, picture, geometry });
  }
  for (let n = loaded.length; n < shape[0]; n++) data.copyWithin(n * perItem, (loaded.length - 1) * perItem, loaded.length * perItem);
  return { items: loaded, x: { shape, data } };
}
