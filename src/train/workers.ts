/**
 * Batches made by worker threads, for devices that are done with a step before one thread has made the next batch. A thread is told which
 * images of a file to see how, and answers with their inputs; the same numbers as {@link makeBatch} gives, since it runs the same function.
 * Node only.
 */
import type { Worker } from 'node:worker_threads';
import { EngineError } from '../errors.ts';
import { size, type Tensor } from '../tensor.ts';
import { viewWriter, type View } from './augment.ts';
import { batchOf, makeBatch, type Batch, type Draw, type Units } from './batches.ts';
import type { ImageSource } from './images.ts';

/** What a thread is told. */
interface Order {
  readonly id: number;
  readonly file: string;
  /**
   * Of each image: where it begins in the file, in bytes, and its view, as {@link encoded}. Numbers, since they are handed over, where objects would
   * have to be copied by the thread that feeds the device.
   */
  readonly images: Float64Array<ArrayBuffer>;
  /** Where to write; handed over, and handed back by the answer. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** What it answers; `failed` in words where the images could not be had. */
interface Answer {
  readonly id: number;
  readonly data: Float32Array<ArrayBuffer>;
  readonly failed?: string;
}

/** Numbers of an image in an order. */
const FIELDS = 10;

function encoded({ source, indices, views }: Draw): Float64Array<ArrayBuffer> {
  const images = new Float64Array(FIELDS * views.length);
  views.forEach(({ top, left, height, width, mirrored, hole }, n) => {
    images.set([source.stored!.position(indices[n]), top, left, height, width, Number(mirrored), ...hole], FIELDS * n);
  });
  return images;
}

/**
 * A thread's work. Self-contained, as its source text is what the thread runs: there is then no file of its own to be found, however the
 * program is bundled.
 */
function serve(
  { parentPort, workerData }: typeof import('node:worker_threads'),
  fs: typeof import('node:fs'),
  writerOf: typeof viewWriter,
): void {
  const { mean, unit, fields } = workerData as { mean: Tensor; unit: number; fields: number };
  const write = writerOf(mean, unit);
  const pixels = new Uint8Array(mean.data.length);
  const open = new Map<string, number>();
  parentPort!.on('message', ({ id, file, images, data }: Order) => {
    let failed: string | undefined;
    try {
      let fd = open.get(file);
      if (fd === undefined) open.set(file, (fd = fs.openSync(file, 'r')));
      for (let n = 0; n < images.length / fields; n++) {
        const [position, top, left, height, width, mirrored, y0, x0, y1, x1] = images.subarray(n * fields, (n + 1) * fields);
        for (let done = 0; done < pixels.length;) {
          const got = fs.readSync(fd, pixels, done, pixels.length - done, position + done);
          if (got === 0) throw new Error(`expected ${pixels.length} bytes at ${position} of "${file}", got ${done}`);
          done += got;
        }
        const view = { top, left, height, width, mirrored: mirrored === 1, hole: [y0, x0, y1, x1] } satisfies View;
        write(pixels, view, data, n * pixels.length);
      }
    } catch (error) {
      failed = error instanceof Error ? error.message : String(error);
    }
    parentPort!.postMessage({ id, data, failed } satisfies Answer, [data.buffer]);
  });
}

const PROGRAM = `(${serve})(require('node:worker_threads'), require('node:fs'), ${viewWriter});`;

/** A thread and the orders it has not answered, by id. Undefined is an answer too: what it cannot do is done here. */
interface Thread {
  readonly worker: Worker;
  readonly open: Map<number, (data: Float32Array<ArrayBuffer> | undefined) => void>;
}

/** Batches that are being made ahead take at most so many bytes, two batches always. */
const AHEAD_BYTES = 2 ** 29;

/** Threads that make batches, and the caller's own thread where there are none. */
export class BatchWorkers {
  readonly #threads: Thread[] = [];
  /** Arrays to be written again, by their length. */
  readonly #spare: Float32Array<ArrayBuffer>[] = [];
  #next = 0;
  #closed = false;
  /** Batches made so far: by threads, and by the caller's own thread. */
  readonly made = { threads: 0, here: 0 };
  /** The first thing that went wrong in a thread. */
  failure: string | undefined;

  private constructor(private readonly units: Units) {}

  /** Starts threads; 0 of them for none. They never keep the process alive, but where one is waited for. */
  static async start(count: number, units: Units): Promise<BatchWorkers> {
    const workers = new BatchWorkers(units);
    if (count === 0) return workers;
    const { Worker } = await import('node:worker_threads');
    for (let i = 0; i < count; i++)
      workers.#add(new Worker(PROGRAM, { eval: true, workerData: { mean: units.mean, unit: units.unit, fields: FIELDS } }));
    return workers;
  }

  /** How many batches of so many images are to be made at once: one where the caller's own thread makes them. */
  depth(source: ImageSource, batch: number): number {
    if (!source.stored || this.#threads.length === 0) return 1;
    const bytes = 4 * batch * size(this.units.mean.shape);
    return Math.min(2 * this.#threads.length, Math.max(2, Math.floor(AHEAD_BYTES / bytes)));
  }

  #add(worker: Worker): void {
    const thread: Thread = { worker, open: new Map() };
    this.#threads.push(thread);
    worker.on('message', ({ id, data, failed }: Answer) => {
      const answer = thread.open.get(id)!;
      thread.open.delete(id);
      // One that is being ended holds the process until it has, so that close() comes to its end.
      if (thread.open.size === 0 && !this.#closed) worker.unref();
      if (failed !== undefined) this.failure ??= failed;
      answer(failed === undefined ? data : undefined);
    });
    // A thread that ends, for want of memory or by close(), leaves its orders to the caller's thread.
    worker.on('error', (error) => (this.failure ??= error.message));
    worker.on('exit', () => {
      const at = this.#threads.indexOf(thread);
      if (at >= 0) this.#threads.splice(at, 1);
      if (!this.#closed) this.failure ??= 'a thread ended';
      for (const answer of thread.open.values()) answer(undefined);
      thread.open.clear();
    });
    // After the listeners: each of them would hold the process again.
    worker.unref();
  }

  /**
   * The batch of a draw: by the thread with the least to do, or here, where there is none, the images are in no file, or a thread could not do
   * it. So whatever is wrong with the images is told by the source's own errors.
   * @throws EngineError after close()
   */
  async make(draw: Draw): Promise<Batch> {
    const { stored } = draw.source;
    let data: Float32Array<ArrayBuffer> | undefined;
    if (stored && this.#threads.length > 0) {
      const thread = this.#threads.reduce((least, other) => (other.open.size < least.open.size ? other : least));
      const length = draw.indices.length * size(this.units.mean.shape);
      const at = this.#spare.findIndex((spare) => spare.length === length);
      const order: Order = {
        id: this.#next++,
        file: stored.file,
        images: encoded(draw),
        data: at >= 0 ? this.#spare.splice(at, 1)[0] : new Float32Array(length),
      };
      const answer = new Promise<typeof data>((resolve) => thread.open.set(order.id, resolve));
      thread.worker.ref();
      thread.worker.postMessage(order, [order.images.buffer, order.data.buffer]);
      data = await answer;
    }
    if (this.#closed) throw new EngineError('batches: expected live workers, got some that have been closed.');
    if (data === undefined) {
      this.made.here++;
      return makeBatch(draw, this.units);
    }
    this.made.threads++;
    return batchOf(draw, this.units.mean.shape, data);
  }

  /** Takes back the memory of a batch that is no longer looked at. */
  recycle({ x }: Batch): void {
    if (this.#threads.length > 0 && this.#spare.length < 2 * this.#threads.length) this.#spare.push(x.data as Float32Array<ArrayBuffer>);
  }

  /** Ends the threads, and with them what they are making. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#spare.length = 0;
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()));
  }
}
