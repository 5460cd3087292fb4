/**
 * A model of the registry, whole and of the right SHA-256, or not at all: from the browser's storage, from beside the page, or from where the
 * registry says it lies. Bytes are counted and hashed as they come, and go to the storage meanwhile.
 */
import { sha256 as hasher } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { FormatError, InputError } from '../../errors.ts';
import type { RegistryEntry } from '../../models/registry.ts';
import { dropKept, keep, readKept, room } from './shelf.ts';

export interface Fetching {
  /** `this browser`, `this page`, or a host. */
  readonly from: string;
  readonly done: number;
  readonly total: number;
}

export interface FetchOptions {
  readonly signal: AbortSignal;
  readonly report: (fetching: Fetching) => void;
  /** It lies beside the page, as `models/NAME.onnx`. */
  readonly here: boolean;
}

export interface FetchedModel {
  readonly bytes: Uint8Array;
  /** Why the browser does not keep it; null: it does, or it need not. */
  readonly unkept: string | null;
}

/**
 * @throws InputError if no place gives the file, or there is no memory for it; FormatError if what came has another SHA-256, naming both; the
 *   signal's reason
 */
export async function fetchModel(entry: RegistryEntry, options: FetchOptions): Promise<FetchedModel> {
  const kept = await readKept(entry.sha256);
  if (kept) return { bytes: await fromShelf(entry, kept, options), unkept: null };
  const places = entry.sources.map((source) => new URL(entry.path, source.endsWith('/') ? source : `${source}/`));
  if (options.here) places.unshift(new URL(`models/${encodeURIComponent(entry.name)}.onnx`, location.href));
  const failures: Error[] = [];
  for (const place of places) {
    try {
      return await fromPlace(entry, place, options);
    } catch (error) {
      if (options.signal.aborted || !(error instanceof SourceError)) throw error;
      failures.push(error);
    }
  }
  const Kind = failures.every((failure) => failure instanceof WrongHash) ? FormatError : InputError;
  throw new Kind(
    `model: expected ${entry.name} (${entry.bytes} bytes, sha256 ${entry.sha256}), got ${failures.map(({ message }) => message).join('; ')}. ` +
      `Try again later, or run "backlight models fetch ${entry.name}" and open the page with "backlight lab".`,
  );
}

async function fromShelf(entry: RegistryEntry, stream: ReadableStream<Uint8Array>, options: FetchOptions): Promise<Uint8Array> {
  const intake = new Intake(entry, 'this browser', stream.getReader(), options);
  try {
    while (await intake.next());
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    await dropKept(entry.sha256);
    throw new FormatError(
      `model: expected ${entry.name}, as this browser keeps it, to have sha256 ${entry.sha256}, got ${error.what}. ` +
        'It was removed; fetch it again.',
    );
  }
  return intake.bytes;
}

async function fromPlace(entry: RegistryEntry, place: URL, options: FetchOptions): Promise<FetchedModel> {
  const from = place.origin === location.origin ? 'this page' : place.host;
  let response: Response;
  try {
    response = await fetch(place, { signal: options.signal, credentials: 'omit', referrerPolicy: 'no-referrer' });
  } catch (error) {
    if (options.signal.aborted) throw error;
    throw new SourceError(from, (error as Error).message);
  }
  if (!response.ok || !response.body) throw new SourceError(from, `status ${response.status}`);
  const intake = new Intake(entry, from, response.body.getReader(), options);
  // What the page's own server forbids to store lies on this machine already.
  const unkept = /no-store/.test(response.headers.get('cache-control') ?? '') ? null : await keepAlongside(entry, intake);
  while (await intake.next());
  return { bytes: intake.bytes, unkept };
}

/** Lets the storage take what comes; a storage that does not want it ends neither the fetching nor the model. */
async function keepAlongside(entry: RegistryEntry, intake: Intake): Promise<string | null> {
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = await intake.next();
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
  });
  try {
    await keep(entry, stream);
    return null;
  } catch (error) {
    if (intake.failure) throw intake.failure;
    const most = (await room())?.most;
    const limit = most === undefined ? '' : ` It lets this page keep ${most} bytes.`;
    return `${entry.name} is not kept in this browser (${(error as Error).message}) and will be fetched again next time.${limit}`;
  }
}

/** What comes, counted, hashed and held. */
class Intake {
  readonly bytes: Uint8Array;
  /** Why it ended before its end. */
  failure: unknown;
  // The browser's own takes only what lies in memory as a whole, and copies it.
  readonly #hash = hasher.create();
  #done = 0;
  #ended = false;
  #turn: Promise<unknown> = Promise.resolve();

  /** @throws InputError if there is no memory for it */
  constructor(
    private readonly entry: RegistryEntry,
    private readonly from: string,
    private readonly reader: ReadableStreamDefaultReader<Uint8Array>,
    private readonly options: FetchOptions,
  ) {
    try {
      this.bytes = new Uint8Array(entry.bytes);
    } catch {
      void reader.cancel();
      throw new InputError(`model: expected memory for the ${entry.bytes} bytes of ${entry.name}, got none. Take a smaller model.`);
    }
    options.report({ from, done: 0, total: entry.bytes });
  }

  /** The next piece; null after the last one. One at a time, whoever asks. */
  next(): Promise<Uint8Array | null> {
    const piece = this.#turn.then(() => this.#next());
    this.#turn = piece.catch(() => {});
    return piece;
  }

  async #next(): Promise<Uint8Array | null> {
    if (this.failure) throw this.failure;
    if (this.#ended) return null;
    try {
      const piece = await this.#read();
      if (!piece) this.#ended = true;
      return piece;
    } catch (error) {
      this.failure = error;
      void this.reader.cancel().catch(() => {});
      throw error;
    }
  }

  async #read(): Promise<Uint8Array | null> {
    const { entry, from, options } = this;
    options.signal.throwIfAborted();
    const { value } = await this.reader.read().catch((error: unknown) => {
      throw options.signal.aborted ? error : new SourceError(from, `${this.#done} bytes, then "${(error as Error).message}"`);
    });
    if (value) {
      if (this.#done + value.length > entry.bytes) throw new SourceError(from, `more than ${entry.bytes} bytes`);
      this.bytes.set(value, this.#done);
      this.#hash.update(value);
      this.#done += value.length;
      options.report({ from, done: this.#done, total: entry.bytes });
      return value;
    }
    const sha256 = bytesToHex(this.#hash.digest());
    if (sha256 !== entry.sha256) throw new WrongHash(from, this.#done, sha256);
    return null;
  }
}

/** One place does not give the file; another may. */
class SourceError extends Error {
  constructor(
    from: string,
    readonly what: string,
  ) {
    super(`from ${from}: ${what}`);
  }
}

class WrongHash extends SourceError {
  constructor(from: string, bytes: number, sha256: string) {
    super(from, `a file of ${bytes} bytes with sha256 ${sha256}`);
  }
}
