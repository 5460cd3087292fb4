/**
 * Many images through a network of a fixed batch: the next pictures are decoded while the device works on these, and the answers to the
 * last are scored meanwhile.
 */
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess, type PictureToInput, type Preprocess } from '../image/preprocess.ts';
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
 * @param shape of the network's input, [N, C, H, W]
 * @param ask puts a batch to the device
 * @param score what the answer says about image n of the batch; runs while the device is at the next batch
 * @throws InputError from the preprocessing, or if it does not make inputs of that shape
 */
export async function* inBatches<Answer, Result>(
  items: readonly Item[],
  shape: Shape,
  spec: Preprocess,
  ask: (batch: Batch) => Promise<Answer>,
  score: (item: LoadedItem, answer: Answer, n: number) => Result,
): AsyncGenerator<Result> {
  const [batch] = shape;
  interface Answered {
    readonly batch: Batch;
    readonly answer: Answer;
  }
  const load = (from: number): Promise<Batch> | null => {
    if (from >= items.length) return null;
    const loading = loadBatch(items.slice(from, from + batch), shape, spec);
    // A picture that fails is told when its turn comes; until then nothing awaits it.
    loading.catch(() => {});
    return loading;
  };
  const scored = function* ({ batch: { items: own }, answer }: Answered): Generator<Result> {
    for (const [n, item] of own.entries()) yield score(item, answer, n);
  };
  let next = load(0);
  let before: Answered | null = null;
  try {
    for (let from = 0; next !== null; from += batch) {
      const current: Batch = await next;
      next = load(from + batch);
      const asked = ask(current);
      asked.catch(() => {});
      const last: Answered | null = before;
      before = null;
      if (last) yield* scored(last);
      before = { batch: current, answer: await asked };
    }
  } catch (error) {
    // A later batch failed: what the device has answered before is not lost.
    if (before) yield* scored(before);
    throw error;
  }
  if (before) yield* scored(before);
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
