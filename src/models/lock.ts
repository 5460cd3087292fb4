/**
 * One process at a time: a file that exists while its owner works. It spares the others the work. Two processes that take over one
 * abandoned lock at the same instant may both hold it: what it guards must bear that. Node only.
 */

/** How often and how long; for tests. */
export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Told once if another process holds the lock. */
  readonly onWait?: (owner: string) => void;
  /** A lock not touched for so many ms is abandoned, whoever holds it. */
  readonly staleMs?: number;
  /** Between two looks, in ms. */
  readonly pollMs?: number;
}

interface Owner {
  readonly host: string;
  readonly pid: number;
  /** Tells this lock from a later one of the same process. */
  readonly token: string;
}

/**
 * Does the work while holding the lock, after whoever holds it. A lock is abandoned if its process is gone from this machine (so after a
 * kill -9 nobody waits), or if it has not been touched for `staleMs` (another machine on a shared disk).
 * @throws whatever the work throws; the signal's reason; an Error of the file system if the lock cannot be written
 */
export async function withLock<T>(file: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const { signal, onWait, staleMs = 60_000, pollMs = 250 } = options;
  const [fs, os, crypto, timers] = await Promise.all([
    import('node:fs/promises'),
    import('node:os'),
    import('node:crypto'),
    import('node:timers/promises'),
  ]);
  const own: Owner = { host: os.hostname(), pid: process.pid, token: crypto.randomUUID() };
  const read = async (): Promise<Owner | null> => {
    try {
      return JSON.parse(await fs.readFile(file, 'utf8')) as Owner;
    } catch {
      // Gone, or made but not yet written.
      return null;
    }
  };
  const abandoned = async (): Promise<boolean> => {
    const info = await fs.stat(file).catch(() => null);
    if (info === null) return false;
    if (Date.now() - info.mtimeMs > staleMs) return true;
    const owner = await read();
    return owner !== null && owner.host === own.host && owner.pid !== own.pid && !alive(owner.pid);
  };
  let [told, looked] = [false, false];
  for (;;) {
    signal?.throwIfAborted();
    try {
      await fs.writeFile(file, JSON.stringify(own), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (await abandoned()) {
      await fs.rm(file, { force: true });
      continue;
    }
    if (!told) {
      const owner = await read();
      // A lock that is made but not yet written is looked at once more.
      told = owner !== null || looked;
      looked = true;
      if (told) onWait?.(`process ${owner?.pid ?? 'unknown'}`);
    }
    await timers.setTimeout(pollMs, undefined, { signal }).catch(() => {});
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    fs.utimes(file, now, now).catch(() => {});
  }, staleMs / 6);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if ((await read())?.token === own.token) await fs.rm(file, { force: true });
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // There, but another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
