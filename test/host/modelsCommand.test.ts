// backlight models, and models by name, as a user meets them: processes, a server on the loopback, a cache folder of their own.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildCommand, type Outcome } from '../command.ts';
import { model, node, valueInfo } from '../onnx-writer.ts';
import { noise, serve, sha256 } from '../server.ts';

const command = await buildCommand();
const big = noise(3_000_000);
const onnx = model({
  nodes: [node('GlobalAveragePool', ['x'], ['p']), node('Flatten', ['p'], ['y'])],
  inputs: [valueInfo('x', [1, 3, 4, 4])],
  outputs: [valueInfo('y', [1, 3])],
});
const server = await serve({ body: big, etag: '"one"' });
const entries = [
  { name: 'big', what: 'noise', path: 'big.onnx', sha256: sha256(big), bytes: big.length },
  { name: 'average', what: 'means of the channels', path: 'average.onnx', sha256: sha256(onnx), bytes: onnx.length },
];
writeFileSync(command.at('own.json'), JSON.stringify({ sources: [server.url], models: entries }));
const cache = command.at('cache');
const models = path.join(cache, 'models');
process.env.BACKLIGHT_CACHE = cache;
process.env.BACKLIGHT_REGISTRY = command.at('own.json');
delete process.env.BACKLIGHT_MODELS_URL;

test.before.each(() => {
  rmSync(cache, { recursive: true, force: true });
  server.manner = { body: big, etag: '"one"' };
  server.requests.length = 0;
});
test.after(() => server.close());

const backlight = (...args: string[]): Promise<Outcome> => command.run(args);
const left = (): string[] => (existsSync(models) ? readdirSync(models).sort() : []);

/** Exit code 2 and one line on stderr. */
async function refused(message: RegExp, ...args: string[]): Promise<void> {
  const { code, out, err } = await backlight(...args);
  assert.is(code, 2, err);
  assert.match(err.trim().split('\n').at(-1)!, message);
  assert.is(out, '');
}

test('the list: the shipped network first, what is cached, everything as JSON', async () => {
  const { code, out, err } = await backlight('models');
  assert.is(code, 0, err);
  const lines = out.split('\n');
  assert.match(lines[0], /^name +size +input +classes +top-1 % +what$/);
  assert.match(lines[1], /^default .*trained by Backlight itself/);
  assert.match(out, /^vgg16 +527\.8 MiB +224x224 +1000 +72\.4 +VGG-16/m);
  assert.match(out, /^big +2\.9 MiB +noise$/m);
  await backlight('models', 'fetch', 'big');
  assert.match((await backlight('models')).out, /^big +2\.9 MiB +cached +noise$/m);
  const { models: listed } = JSON.parse((await backlight('models', '--json')).out) as { models: { name: string; cached: string | null }[] };
  assert.is(listed.length, 12);
  assert.is(listed.find(({ name }) => name === 'big')!.cached, path.join(models, 'big.onnx'));
  assert.is(listed.find(({ name }) => name === 'average')!.cached, null);
});

test('fetch, path, verify, remove', async () => {
  await refused(/expected big in the cache, found none\. Run "backlight models fetch big"/, 'models', 'path', 'big');
  const fetched = await backlight('models', 'fetch', 'BIG');
  assert.is(fetched.code, 0, fetched.err);
  assert.match(fetched.out, /^big 2\.9 MiB .*models.big\.onnx\n$/);
  assert.match(fetched.err, /^big: fetching from http:\/\/127\.0\.0\.1:\d+\/big\.onnx\n/);
  assert.equal(left(), ['big.onnx']);
  assert.is((await backlight('models', 'path', 'big')).out, `${path.join(models, 'big.onnx')}\n`);
  assert.match((await backlight('models', 'verify')).out, /^big +good/);
  const damaged = Uint8Array.from(big);
  damaged[5] ^= 1;
  writeFileSync(path.join(models, 'big.onnx'), damaged);
  const { code, out } = await backlight('models', 'verify', 'big');
  assert.is(code, 1);
  assert.match(out, new RegExp(`big +WRONG +3000000 bytes, sha256 ${sha256(damaged)}`));
  assert.is((await backlight('models', 'remove', 'big')).out, 'big: removed\n');
  assert.equal(left(), []);
  assert.is((await backlight('models', 'remove', 'big')).out, 'big: was not there\n');
  assert.is((await backlight('models', 'verify')).out, 'no fetched models\n');
  // Another cache, named before or behind.
  const elsewhere = await backlight('models', '--cache', 'other', 'fetch', 'big', '--url', `${server.url}mirror`);
  assert.is(elsewhere.code, 0, elsewhere.err);
  assert.is(server.requests.at(-1)!.path, '/mirror/big.onnx');
  assert.match((await backlight('models', 'path', 'big', '--cache', 'other')).out, /other.models.big\.onnx\n$/);
  rmSync(command.at('other'), { recursive: true });
});

test('what is wrong is told in one line', async () => {
  await refused(/expected fetch, path, verify, remove or nothing, got "fetsch"/, 'models', 'fetsch');
  await refused(/expected a name of the registry, got "bgi"/, 'models', 'fetch', 'average', 'bgi');
  await refused(/part of the package/, 'models', 'remove', 'default');
  await refused(/missing required argument/, 'models', 'fetch');
  assert.is(server.requests.length, 0, 'a name is looked up before anything is fetched');
  server.manner.status = 404;
  await refused(/expected big \(3000000 bytes\), got http:.*: 404 Not Found\. Give another address/, 'models', 'fetch', 'big');
  server.manner = { body: noise(big.length, 7) };
  await refused(/sha256 [0-9a-f]{64}, not [0-9a-f]{64}; it was removed/, 'models', 'fetch', 'big');
  assert.equal(left(), []);
});

test('two processes at once both succeed, and one of them fetches', async () => {
  // The server answers the one when the other has said that it waits.
  let waits = (): void => {};
  const waiting = new Promise<void>((resolve) => (waits = resolve));
  server.manner.before = () => waiting;
  const watch = (child: ChildProcess): void => void child.stderr!.on('data', (text) => String(text).includes('waiting') && waits());
  const both = await Promise.all([command.run(['models', 'fetch', 'big'], watch), command.run(['models', 'fetch', 'big'], watch)]);
  for (const { code, out, err } of both) {
    assert.is(code, 0, err);
    assert.match(out, /^big 2\.9 MiB/);
  }
  assert.is(server.requests.length, 1);
  assert.is(both.filter(({ err }) => /big: waiting for process \d+, which is fetching it/.test(err)).length, 1);
  assert.equal(new Uint8Array(readFileSync(path.join(models, 'big.onnx'))), big);
  assert.equal(left(), ['big.onnx']);
});

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`stopped by ${signal}, the next run goes on where it stopped, without waiting`, async () => {
    server.manner.cut = { after: 1_000_000, how: 'hang' };
    const part = path.join(models, 'big.onnx.part');
    const stopped = await command.run(['models', 'fetch', 'big'], (child) => {
      const timer = setInterval(() => {
        if (!existsSync(part) || statSync(part).size < 1_000_000) return;
        clearInterval(timer);
        child.kill(signal);
      }, 20);
      child.on('close', () => clearInterval(timer));
    });
    assert.is.not(stopped.code, 0);
    assert.not(existsSync(path.join(models, 'big.onnx')));
    server.manner.cut = undefined;
    const { code, err, ms } = await backlight('models', 'fetch', 'big');
    assert.is(code, 0, err);
    assert.match(err, /big: going on at 976\.6 KiB from/);
    assert.is(server.requests.at(-1)!.range, 'bytes=1000000-');
    // Nobody waits a minute for a lock whose owner is gone.
    assert.ok(ms < 50_000, `${ms} ms`);
    assert.equal(left(), ['big.onnx']);
  });
}

test('--model takes a name: the model is fetched when it is first used, and its card is the registry', async () => {
  server.manner = { body: onnx };
  const { code, out, err } = await backlight('plan', 'average', '--forward-only');
  assert.is(code, 0, err);
  assert.match(err, /^average: fetching from /);
  assert.match(out, /GlobalAveragePool|globalpool|p /i);
  assert.is((await backlight('plan', 'average', '--forward-only')).err, '');
  assert.is(server.requests.length, 1);
  await refused(/expected a file \.onnx or \.json, or a name, got "averag"\. The nearest names are average/, 'plan', 'averag');
});

// A limit on the size of files stands for a full disk: the write itself fails. A shell sets it; in blocks of 512 or 1024 bytes.
const limited = process.platform !== 'win32' && spawnSync('sh', ['-c', 'ulimit -f 1000']).status === 0;
(limited ? test : test.skip)('a disk that takes no more is told, and nothing has the name of the model', async () => {
  const script = `ulimit -f 1000; exec "${process.execPath}" "${command.program}" models fetch big`;
  const outcome = await new Promise<{ code: number | null; err: string }>((resolve) => {
    const child = spawn('sh', ['-c', script], { cwd: command.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk) => (err += chunk));
    child.on('close', (code) => resolve({ code, err }));
  });
  assert.is(outcome.code, 2, outcome.err);
  assert.match(outcome.err, /expected to write ".*big\.onnx.*", got EFBIG\. Free some space/);
  assert.equal(left(), ['big.onnx.part', 'big.onnx.part.json']);
  assert.is((await backlight('models', 'fetch', 'big')).code, 0);
  assert.equal(left(), ['big.onnx']);
});

test('a file put there by hand is used', async () => {
  mkdirSync(models, { recursive: true });
  writeFileSync(path.join(models, 'average.onnx'), onnx);
  assert.is((await backlight('plan', 'average', '--forward-only')).code, 0);
  assert.is(server.requests.length, 0);
});

test.run();
