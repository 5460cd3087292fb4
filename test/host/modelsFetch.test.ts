// Fetching a model: what a server, a disk or another process may do to it, and what is on the disk afterwards. The server is on loopback.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, InputError } from '../../src/errors.ts';
import { writeAll, type Disk } from '../../src/models/download.ts';
import { cachedModel, fetchModel, removeModel, verifyModel, type FetchOptions } from '../../src/models/fetch.ts';
import { withLock } from '../../src/models/lock.ts';
import type { RegistryEntry } from '../../src/models/registry.ts';
import { noise, serve, sha256, type TestServer } from '../server.ts';

const SIZE = 300_000;
const body = noise(SIZE);
const entry: RegistryEntry = { name: 'tiny', what: 'noise', sources: [], path: 'some/tiny-7.onnx', sha256: sha256(body), bytes: SIZE };

delete process.env.BACKLIGHT_MODELS_URL;

interface Context {
  server: TestServer;
  folder: string;
  file: string;
  part: string;
  /** Fetches with few attempts and short pauses between them. */
  get(options?: FetchOptions): Promise<string>;
}

const test = suite<Context>('fetchModel', {} as Context);

test.before.each(async (c) => {
  c.server = await serve({ body, etag: '"one"', arrived: () => sizeOf(c.part) });
  c.folder = mkdtempSync(path.join(os.tmpdir(), 'backlight-models-'));
  c.file = path.join(c.folder, 'tiny.onnx');
  c.part = `${c.file}.part`;
  c.get = (options) => fetchModel(entry, { folder: c.folder, baseUrl: c.server.url, pauseMs: 5, attempts: 3, ...options });
});

test.after.each(async (c) => {
  await c.server.close();
  rmSync(c.folder, { recursive: true, force: true });
});

/** The promise fails with an error of the kind whose one-line message matches. */
async function refused(promise: Promise<unknown>, kind: new (message: string) => Error, ...words: RegExp[]): Promise<void> {
  const error = await promise.then(
    () => assert.unreachable('expected an error'),
    (e: Error) => e,
  );
  assert.instance(error, kind);
  assert.not.match(error!.message, /\n/);
  for (const word of words) assert.match(error!.message, word);
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
const files = (c: Context): string[] => readdirSync(c.folder).sort();
const ranges = (c: Context): (string | undefined)[] => c.server.requests.map(({ range }) => range);

/** The answer is cut `after` bytes so many times, then whole. */
function cutFirst(c: Context, times: number, after: number, how: 'end' | 'reset' | 'hang'): void {
  c.server.manner.before = (count) => {
    c.server.manner.cut = count < times ? { after, how } : undefined;
  };
}

test('a model arrives whole under its name, is not asked for again, and is verified by reading it', async (c) => {
  const seen: number[] = [];
  assert.is(await c.get({ onProgress: (done, total) => (assert.is(total, SIZE), seen.push(done)) }), c.file);
  assert.equal(new Uint8Array(readFileSync(c.file)), body);
  assert.equal(files(c), ['tiny.onnx']);
  assert.is(c.server.requests[0].path, '/some/tiny-7.onnx');
  assert.is(seen.at(-1), SIZE);
  assert.equal(
    seen,
    [...seen].sort((a, b) => a - b),
  );
  assert.is(await c.get(), c.file);
  assert.is(c.server.requests.length, 1);
  assert.equal(await verifyModel(entry, c.file), { good: true, bytes: SIZE, sha256: entry.sha256 });
  const damaged = body.slice();
  damaged[1000] ^= 1;
  writeFileSync(c.file, damaged);
  assert.is((await verifyModel(entry, c.file)).good, false);
  assert.is(await removeModel(entry, c.folder), true);
  assert.is(await removeModel(entry, c.folder), false);
  assert.equal(files(c), []);
});

test('a cached file of another size counts as none and is replaced', async (c) => {
  writeFileSync(c.file, body.subarray(0, 1000));
  assert.is(await cachedModel(entry, c.folder), undefined);
  await c.get();
  assert.is(await cachedModel(entry, c.folder), c.file);
  assert.equal(new Uint8Array(readFileSync(c.file)), body);
});

test('another sha256: the file is removed, and both are named', async (c) => {
  const other = noise(SIZE, 2);
  c.server.manner.body = other;
  await refused(
    c.get(),
    FormatError,
    new RegExp(sha256(other)),
    new RegExp(entry.sha256),
    /it was removed/,
    /expected tiny \(300000 bytes\)/,
  );
  assert.equal(files(c), []);
  assert.is(c.server.requests.length, 1);
});

test('another size: told before a byte is written, or as soon as there are too many', async (c) => {
  c.server.manner.body = body.subarray(0, 132);
  await refused(c.get(), InputError, /a file of 132 bytes, not of 300000/, /BACKLIGHT_MODELS_URL/);
  c.server.manner.body = noise(SIZE + 10);
  await refused(c.get(), InputError, /a file of 300010 bytes, not of 300000/);
  c.server.manner.chunked = true;
  await refused(c.get(), InputError, /more than the 300000 bytes/);
  assert.equal(files(c), []);
});

for (const how of ['end', 'reset'] as const) {
  test(`an answer that ends early (${how}) is gone on from where it ended`, async (c) => {
    c.server.manner.chunked = how === 'end';
    cutFirst(c, 2, 100_000, how);
    await c.get();
    assert.equal(ranges(c), [undefined, 'bytes=100000-', 'bytes=200000-']);
    assert.equal(
      c.server.requests.map((request) => request['if-range']),
      [undefined, '"one"', '"one"'],
    );
    assert.equal(new Uint8Array(readFileSync(c.file)), body);
    assert.equal(files(c), ['tiny.onnx']);
  });

  test(`one that always ends early (${how}) fails clearly, and a later call goes on`, async (c) => {
    c.server.manner.chunked = how === 'end';
    c.server.manner.ranges = false;
    // A connection that breaks may take bytes with it that were on their way: once is enough to count them.
    const attempts = how === 'end' ? 3 : 1;
    cutFirst(c, attempts, 120_000, how);
    await refused(c.get({ attempts }), InputError, /after 120000 of 300000 bytes/, /it goes on at byte 120000/);
    assert.equal(files(c), ['tiny.onnx.part', 'tiny.onnx.part.json']);
    c.server.manner.ranges = true;
    await c.get();
    assert.is(ranges(c).at(-1), 'bytes=120000-');
    assert.equal(new Uint8Array(readFileSync(c.file)), body);
    assert.equal(files(c), ['tiny.onnx']);
  });
}

test('a server that stalls is given up after the time, and asked again', async (c) => {
  cutFirst(c, 1, 50_000, 'hang');
  const started = performance.now();
  await c.get({ stallMs: 1500 });
  assert.ok(performance.now() - started > 1400);
  assert.equal(ranges(c), [undefined, 'bytes=50000-']);
  cutFirst(c, 100, 50_000, 'hang');
  rmSync(c.file);
  c.server.manner.ranges = false;
  await refused(c.get({ attempts: 1, stallMs: 1500 }), InputError, /no byte within 1.5 s after 50000 of 300000 bytes/);
});

test('a server that says nothing at all is given up, too', async (c) => {
  c.server.manner.before = () => new Promise(() => {});
  await refused(c.get({ attempts: 2, stallMs: 100 }), InputError, /no byte within 0.1 s after 0 of 300000 bytes/);
});

test('a server without ranges sends the whole file again', async (c) => {
  c.server.manner.ranges = false;
  writeFileSync(c.part, body.subarray(0, 1000));
  await c.get();
  assert.equal(ranges(c), ['bytes=1000-']);
  assert.equal(new Uint8Array(readFileSync(c.file)), body);
});

test('a file that changed between two parts is fetched from the start, whoever notices', async (c) => {
  const cases = [
    // The server does: it sends the whole file in answer to If-Range.
    { manner: { etag: '"two"' }, asked: ['bytes=90000-'] },
    // It does not heed If-Range, and sends the rest of the new file: its ETag tells.
    { manner: { etag: '"two"', heedless: true }, asked: ['bytes=90000-', undefined] },
    // It calls both files the same: the sha256 tells.
    { manner: { etag: '"one"' }, asked: ['bytes=90000-', undefined] },
  ];
  for (const { manner, asked } of cases) {
    c.server.manner = { body: noise(SIZE, 3), etag: '"one"', cut: { after: 90_000, how: 'reset' }, arrived: () => sizeOf(c.part) };
    await refused(c.get({ attempts: 1 }), InputError, /after 90000 of 300000 bytes/);
    c.server.manner = { body, ...manner };
    const before = c.server.requests.length;
    await c.get();
    assert.equal(ranges(c).slice(before), asked);
    assert.equal(new Uint8Array(readFileSync(c.file)), body);
    rmSync(c.file);
  }
});

test('a part of another origin is not joined to the file: the sha256 notices', async (c) => {
  writeFileSync(c.part, noise(5000, 9));
  await c.get();
  assert.equal(ranges(c), ['bytes=5000-', undefined]);
  writeFileSync(c.part, noise(SIZE + 5));
  rmSync(c.file);
  await c.get();
  assert.equal(new Uint8Array(readFileSync(c.file)), body);
});

test('404 and 403 are told at once; 500 and 429 are asked again, a few times', async (c) => {
  for (const status of [404, 403]) {
    c.server.manner.status = status;
    const before = c.server.requests.length;
    await refused(c.get(), InputError, new RegExp(`${status} \\w+`), /--url or BACKLIGHT_MODELS_URL/);
    assert.is(c.server.requests.length, before + 1);
  }
  for (const status of [500, 429]) {
    const before = c.server.requests.length;
    c.server.manner.status = status;
    await refused(c.get(), InputError, new RegExp(`${status} `));
    assert.is(c.server.requests.length, before + 3);
    c.server.manner.before = (count) => void (c.server.manner.status = count < before + 4 ? status : undefined);
    await c.get();
    rmSync(c.file);
    c.server.manner.before = undefined;
  }
});

test('sources are tried in turn, and a failure names them all', async (c) => {
  const second = await serve({ body });
  try {
    c.server.manner.status = 404;
    const two = { ...entry, sources: [c.server.url, second.url] };
    assert.is(await fetchModel(two, { folder: c.folder, pauseMs: 5 }), c.file);
    rmSync(c.file);
    second.manner.body = noise(SIZE, 4);
    await refused(fetchModel(two, { folder: c.folder, pauseMs: 5 }), InputError, /404 Not Found; http:.*sha256/);
    // A server that is not there.
    await second.close();
    await refused(fetchModel({ ...entry, sources: [second.url] }, { folder: c.folder }), InputError, /no connection \(ECONNREFUSED\)/);
  } finally {
    await second.close().catch(() => {});
  }
});

test('a redirection is followed, and BACKLIGHT_MODELS_URL replaces the sources; what is no address is refused', async (c) => {
  c.server.manner.redirect = '/moved/here';
  process.env.BACKLIGHT_MODELS_URL = `${c.server.url}mirror`;
  try {
    await fetchModel(entry, { folder: c.folder });
    assert.equal(
      c.server.requests.map(({ path: asked }) => asked),
      ['/mirror/some/tiny-7.onnx', '/moved/here'],
    );
    process.env.BACKLIGHT_MODELS_URL = 'file:///etc';
    rmSync(c.file);
    await refused(fetchModel(entry, { folder: c.folder }), InputError, /expected an address https:\/\/\.\.\. .*, got "file:\/\/\/etc"/);
  } finally {
    delete process.env.BACKLIGHT_MODELS_URL;
  }
});

test('a full disk is told before it is filled, or when it happens; what arrived is kept, and nothing has the name', async (c) => {
  const disk: Disk = { free: async () => 200_000, write: writeAll };
  await refused(c.get({ disk }), InputError, /expected to write .*tiny.onnx.*, got 200000 bytes free of the 300000/, /Free some space/);
  assert.is(c.server.requests.length, 0);
  const full: Disk = {
    free: async () => Infinity,
    async write(handle, bytes, at) {
      if (at + bytes.length > 150_000)
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
      await writeAll(handle, bytes, at);
    },
  };
  await refused(c.get({ disk: full }), InputError, /expected to write .*got ENOSPC/, /BACKLIGHT_CACHE/);
  assert.not(existsSync(c.file));
  const have = statSync(c.part).size;
  assert.ok(have > 0 && have <= 150_000);
  await c.get();
  assert.is(ranges(c).at(-1), `bytes=${have}-`);
  assert.equal(new Uint8Array(readFileSync(c.file)), body);
});

test('a folder that cannot be made or written is told', async (c) => {
  writeFileSync(path.join(c.folder, 'file'), '');
  await refused(c.get({ folder: path.join(c.folder, 'file', 'models') }), InputError, /expected to write .*got (ENOTDIR|EEXIST)/);
});

test('an abort leaves a part that a later call goes on from', async (c) => {
  cutFirst(c, 1, 80_000, 'hang');
  const stop = new AbortController();
  const reason = new Error('stopped by the test');
  const fetching = c.get({ signal: stop.signal, onProgress: (done) => done >= 80_000 && stop.abort(reason) });
  assert.is(await fetching.catch((error: unknown) => error), reason);
  assert.is(statSync(c.part).size, 80_000);
  assert.not(existsSync(`${c.file}.lock`));
  await c.get();
  assert.equal(ranges(c), [undefined, 'bytes=80000-']);
});

test('of several at once one fetches and the others wait; a lock whose owner is gone, or that is old, is taken over', async (c) => {
  const waits: string[] = [];
  c.server.manner.before = () => new Promise((resolve) => setTimeout(resolve, 300));
  const all = await Promise.all(Array.from({ length: 4 }, () => c.get({ onWait: (owner) => waits.push(owner) })));
  assert.equal(all, Array(4).fill(c.file));
  assert.is(c.server.requests.length, 1);
  assert.equal(waits, Array(3).fill(`process ${process.pid}`));
  c.server.manner.before = undefined;
  rmSync(c.file);
  writeFileSync(`${c.file}.lock`, JSON.stringify({ host: os.hostname(), pid: 2 ** 22 + 1, token: 'gone' }));
  await c.get();
  assert.equal(files(c), ['tiny.onnx']);
  const lock = path.join(c.folder, 'old.lock');
  writeFileSync(lock, '');
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.is(await withLock(lock, async () => 'done', { staleMs: 50, pollMs: 10 }), 'done');
  // A lock that is touched is not old, however long its owner works.
  const patience = { staleMs: 1000, pollMs: 10 };
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  let order = '';
  await Promise.all([
    withLock(lock, () => wait(2000).then(() => void (order += 'a')), patience),
    wait(100).then(() => withLock(lock, async () => void (order += 'b'), patience)),
  ]);
  assert.is(order, 'ab');
});

test.run();
