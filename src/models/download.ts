/**
 * One file from one address, in as many attempts as it takes: what has arrived is kept and gone on from. Node only.
 */
import { InputError } from '../errors.ts';

/** An address that did not give the file; another one may. */
export class SourceError extends InputError {
  override name = 'SourceError';
  constructor(
    readonly url: string,
    /** What came instead, such as `404 Not Found`. */
    readonly got: string,
    /** The address may give the rest another time. */
    readonly resumable = false,
  ) {
    super(`${url}: ${got}`);
  }
}

/** The disk as the download uses it; another one in tests. */
export interface Disk {
  write(handle: import('node:fs/promises').FileHandle, bytes: Uint8Array, at: number): Promise<void>;
  /** Bytes that this user may still write in the folder. */
  free(folder: string): Promise<number>;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  /** No byte for so many ms ends an attempt. */
  readonly stallMs?: number;
  /** Attempts in a row that bring less than a MiB. */
  readonly attempts?: number;
  /** Before the second attempt, in ms; doubled before each one after it, up to 15 s. */
  readonly pauseMs?: number;
  readonly disk?: Pick<Disk, 'write'>;
}

/** An attempt ended early, and another may go on. */
class Interrupted extends Error {
  constructor(
    message: string,
    readonly waitMs = 0,
  ) {
    super(message);
  }
}

/** What a part on disk is of: lies beside it, so that a later process asks the server whether the file is still the same. */
interface Origin {
  readonly url: string;
  /** The strong ETag, else the date. */
  readonly validator: string;
}

const originFile = (part: string): string => `${part}.json`;

/** Removes a part and what is known of it. */
export async function discard(part: string): Promise<void> {
  const { rm } = await import('node:fs/promises');
  await Promise.all([part, originFile(part)].map((file) => rm(file, { force: true })));
}

/** The bytes of a file that are there already. */
export async function sizeOf(file: string): Promise<number> {
  const { stat } = await import('node:fs/promises');
  return (await stat(file).catch(() => null))?.size ?? 0;
}

/**
 * Brings the file `part` to `bytes` bytes from the address, going on where it stops. The content is not checked here. Bytes are written
 * where they belong: two processes that write the same part write the same bytes.
 * @throws SourceError if the address does not give the file; InputError if the disk does not take it; the signal's reason. The part stays.
 */
export async function download(url: string, part: string, bytes: number, options: DownloadOptions = {}): Promise<void> {
  const { attempts = 5, pauseMs = 1000, signal } = options;
  const { setTimeout: sleep } = await import('node:timers/promises');
  let failures = 0;
  let best = await sizeOf(part);
  for (;;) {
    signal?.throwIfAborted();
    const have = await sizeOf(part);
    if (have === bytes) return;
    if (have > bytes) await discard(part);
    try {
      await attempt(url, part, bytes, options);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      const now = await sizeOf(part);
      if (now >= best + 2 ** 20) failures = 0;
      best = Math.max(best, now);
      if (++failures >= attempts) throw new SourceError(url, `${error.message} after ${now} of ${bytes} bytes`, true);
      const pause = Math.max(error.waitMs, Math.min(pauseMs * 2 ** (failures - 1), 15_000));
      await sleep(pause, undefined, { signal }).catch(() => {});
    }
  }
}

/** One request and its answer, written to the part as it comes. */
async function attempt(url: string, part: string, bytes: number, options: DownloadOptions): Promise<void> {
  const { signal, onProgress, stallMs = 30_000, disk = { write: writeAll } } = options;
  const { open, readFile, writeFile } = await import('node:fs/promises');
  const have = await sizeOf(part);
  const origin = await readFile(originFile(part), 'utf8').then(
    (text) => JSON.parse(text) as Origin,
    () => null,
  );
  const known = have > 0 && origin?.url === url ? origin.validator : undefined;
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), stallMs);
  const told = (error: unknown): unknown => {
    if (signal?.aborted) return signal.reason;
    if (stalled.signal.aborted) return new Interrupted(`no byte within ${stallMs / 1000} s`);
    return error;
  };
  try {
    let response: Response;
    try {
      response = await fetch(url, {
        signal: signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal,
        headers: {
          // Lengths and ranges are to be those of the file, not of a compressed form of it.
          'accept-encoding': 'identity',
          ...(have > 0 ? { range: `bytes=${have}-` } : {}),
          ...(known === undefined ? {} : { 'if-range': known }),
        },
      });
    } catch (error) {
      throw told(unreachable(url, error));
    }
    const from = await start(url, response, part, have, bytes, known);
    const validator = validatorOf(response);
    if (validator) await writeFile(originFile(part), JSON.stringify({ url, validator } satisfies Origin)).catch(() => {});
    const handle = await writing(part, () => open(part, from > 0 ? 'r+' : 'w'));
    const body = response.body![Symbol.asyncIterator]();
    let at = from;
    try {
      onProgress?.(at, bytes);
      for (;;) {
        let next: IteratorResult<Uint8Array>;
        try {
          next = await body.next();
        } catch (error) {
          throw told(new Interrupted(`the connection ended (${codeOf(error)})`));
        }
        if (next.done) break;
        if (at + next.value.length > bytes) {
          await discard(part);
          throw new SourceError(url, `more than the ${bytes} bytes the file should have`);
        }
        await writing(part, () => disk.write(handle, next.value, at));
        at += next.value.length;
        timer.refresh();
        onProgress?.(at, bytes);
      }
      // A file of the right size after a power cut must not be one without its content.
      if (at === bytes) await writing(part, () => handle.sync());
    } finally {
      await handle.close();
      // What is not read must not keep the connection.
      await body.return?.().catch(() => {});
    }
    if (at < bytes) throw new Interrupted('the answer ended');
  } finally {
    clearTimeout(timer);
  }
}

/** Where the answer's first byte belongs: at the part's end, or at 0 if the server sends the whole file. */
async function start(
  url: string,
  response: Response,
  part: string,
  have: number,
  bytes: number,
  known: string | undefined,
): Promise<number> {
  const { status, headers } = response;
  const refuse = async (error: Error): Promise<never> => {
    await response.body?.cancel().catch(() => {});
    throw error;
  };
  if (status === 206) {
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
    const changed = known !== undefined && validatorOf(response) !== undefined && validatorOf(response) !== known;
    if (Number(first) !== have || changed) {
      await discard(part);
      return refuse(new Interrupted('the file changed meanwhile'));
    }
    if (total !== '*' && Number(total) !== bytes) {
      await discard(part);
      return refuse(wrongSize(url, Number(total), bytes));
    }
    return have;
  }
  if (status === 200) {
    const length = headers.get('content-encoding') === null ? headers.get('content-length') : null;
    if (length !== null && Number(length) !== bytes) return refuse(wrongSize(url, Number(length), bytes));
    if (response.body === null) return refuse(new Interrupted('an answer without content'));
    return 0;
  }
  const said = `${status} ${response.statusText}`.trim();
  if (status === 416) {
    await discard(part);
    return refuse(new Interrupted(said));
  }
  if ([408, 425, 429, 500, 502, 503, 504].includes(status)) {
    const seconds = Number(headers.get('retry-after'));
    return refuse(new Interrupted(said, seconds > 0 ? Math.min(seconds, 60) * 1000 : 0));
  }
  return refuse(new SourceError(url, said));
}

const wrongSize = (url: string, got: number, bytes: number): SourceError => new SourceError(url, `a file of ${got} bytes, not of ${bytes}`);

/** What `If-Range` takes: an ETag unless it is weak, else the date of the last change. */
function validatorOf({ headers }: Response): string | undefined {
  const tag = headers.get('etag');
  return tag !== null && !tag.startsWith('W/') ? tag : (headers.get('last-modified') ?? undefined);
}

/** Failures of the connection that pass by themselves. */
const PASSING = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
]);

function unreachable(url: string, error: unknown): Error {
  const code = codeOf(error);
  return PASSING.has(code) ? new Interrupted(`no connection (${code})`) : new SourceError(url, `no connection (${code})`);
}

/** fetch wraps the reason of a failure, once or twice. */
function codeOf(error: unknown): string {
  for (let e = error; e instanceof Error; e = e.cause) {
    const { code } = e as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
  }
  return error instanceof Error ? error.message : String(error);
}

/** What fails here is the disk, whatever the address. */
async function writing<T>(part: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(part, codeOf(error));
  }
}

export function diskError(file: string, got: string): InputError {
  return new InputError(
    `models: expected to write "${file}", got ${got}. ` +
      'Free some space, or set BACKLIGHT_CACHE to a folder with more; what has arrived is kept.',
  );
}

/** Writes all of the bytes: one call may take only some. */
export async function writeAll(handle: import('node:fs/promises').FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}
