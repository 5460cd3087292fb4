/**
 * Models in the browser's own storage: whole files under their SHA-256, which survive a reload and serve every lab of this origin. What is
 * being written there counts only once all of it has come.
 */
import { InputError } from '../../errors.ts';

/** A file that is kept. */
export interface Kept {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

const SHELF = 'backlight-models';
const PLACE = '/backlight-models/';

const addressOf = (sha256: string): string => new URL(PLACE + sha256, location.origin).href;

/** The storage; null where this browser keeps nothing for this page. */
async function open(): Promise<Cache | null> {
  try {
    return await caches.open(SHELF);
  } catch {
    return null;
  }
}

export async function listKept(): Promise<Kept[]> {
  const cache = await open();
  if (!cache) return [];
  const kept: Kept[] = [];
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    const headers = (await cache.match(request))?.headers;
    if (!pathname.startsWith(PLACE) || !headers) continue;
    kept.push({
      name: headers.get('x-name') ?? 'unnamed',
      sha256: pathname.slice(PLACE.length),
      bytes: Number(headers.get('content-length')),
    });
  }
  return kept;
}

/** The bytes as a stream; undefined if they are not there. */
export async function readKept(sha256: string): Promise<ReadableStream<Uint8Array> | undefined> {
  const cache = await open();
  return (await cache?.match(addressOf(sha256)))?.body ?? undefined;
}

/** @throws InputError if the storage does not take it; and what the stream ends with. Then nothing of it is kept */
export async function keep({ name, sha256, bytes }: Kept, stream: ReadableStream<Uint8Array>): Promise<void> {
  const cache = await open();
  if (!cache) throw new InputError('this browser keeps nothing for this page');
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(bytes), 'x-name': name };
  await cache.put(addressOf(sha256), new Response(stream as BodyInit, { headers }));
}

/** Says whether there was one. */
export async function dropKept(sha256: string): Promise<boolean> {
  const cache = await open();
  return (await cache?.delete(addressOf(sha256))) ?? false;
}

/** What this browser lets the page keep, in bytes; undefined where it does not tell. */
export async function room(): Promise<{ readonly used: number; readonly most: number } | undefined> {
  try {
    const { usage, quota } = await navigator.storage.estimate();
    return usage === undefined || quota === undefined ? undefined : { used: usage, most: quota };
  } catch {
    return undefined;
  }
}
