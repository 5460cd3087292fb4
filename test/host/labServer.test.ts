// The lab's server: this machine alone, this folder alone, under a policy; and the command that runs it.
import { spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { request, type IncomingHttpHeaders } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/lab.ts';
import { InputError } from '../../src/errors.ts';
import { buildCommand, type Outcome } from '../command.ts';

const temporary = mkdtempSync(path.join(os.tmpdir(), 'backlight-lab-'));
const folder = path.join(temporary, 'lab');
const cache = path.join(temporary, 'cache');
mkdirSync(path.join(folder, 'chunks'), { recursive: true });
mkdirSync(path.join(cache, 'models'), { recursive: true });
const script = `export const text = '${'light '.repeat(2000)}';\n`;
const html =
  "<!doctype html><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; connect-src 'self' https://a.example; form-action 'none'\" />";
writeFileSync(path.join(folder, 'index.html'), html);
writeFileSync(path.join(folder, 'page.js'), script);
writeFileSync(path.join(folder, 'chunks', 'one.js'), 'export {};');
writeFileSync(path.join(temporary, 'secret.txt'), 'secret');
mkdirSync(path.join(temporary, 'lab-beside'));
writeFileSync(path.join(temporary, 'lab-beside', 'secret.txt'), 'secret');

const bytes = Buffer.from('not really a network');
const entry = (name: string) => ({
  name,
  path: `${name}.onnx`,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  bytes: bytes.length,
  sources: ['https://models.example/deep/'],
});
writeFileSync(path.join(temporary, 'own.json'), JSON.stringify({ models: [entry('mine'), entry('absent')] }));
writeFileSync(path.join(cache, 'models', 'mine.onnx'), bytes);
process.env.BACKLIGHT_REGISTRY = path.join(temporary, 'own.json');
process.env.BACKLIGHT_CACHE = cache;

const server = await listen(folder, 0);
const { port } = server.address() as { port: number };
test.after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(temporary, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A request whose path goes out as it is written. */
function ask(
  target: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: target, method, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }));
    })
      .on('error', reject)
      .end();
  });
}

test('the page, under a policy of its own and of this registry, in the page and before it', async () => {
  const { status, headers, body } = await ask('/');
  assert.is(status, 200);
  assert.is(headers['content-type'], 'text/html; charset=utf-8');
  const policy = "default-src 'none'; connect-src 'self' https://a.example";
  assert.ok(String(headers['content-security-policy']).startsWith(policy));
  const own = /connect-src ([^;]*)/.exec(String(headers['content-security-policy']))![1].split(' ');
  assert.ok(own.includes('https://models.example'), 'the registry of this environment');
  assert.match(String(headers['content-security-policy']), /; frame-ancestors 'none'$/);
  const said = /content="([^"]*)"/.exec(body.toString())![1];
  assert.is(`${said}; frame-ancestors 'none'`, headers['content-security-policy'], 'both hold at once, so both must say it');
  assert.is(headers['x-content-type-options'], 'nosniff');
  assert.is(headers['referrer-policy'], 'no-referrer');
  assert.is(headers['cross-origin-opener-policy'], 'same-origin');
  assert.is(headers['cross-origin-embedder-policy'], 'require-corp');
});

test('files with their types, compressed as the browser takes them, and not sent again', async () => {
  const plain = await ask('/page.js');
  assert.is(plain.headers['content-type'], 'text/javascript; charset=utf-8');
  assert.is(plain.headers['content-encoding'], undefined);
  assert.match(
    String(plain.headers['content-security-policy']),
    /^default-src 'none'; connect-src .*https:\/\/models\.example/,
    'as workers take it',
  );
  assert.is(plain.body.toString(), script);
  for (const [accept, encoding, unpack] of [
    ['gzip, deflate, br', 'br', brotliDecompressSync],
    ['gzip', 'gzip', gunzipSync],
    ['br;q=0, gzip;q=0.5', 'gzip', gunzipSync],
  ] as const) {
    const packed = await ask('/page.js', { headers: { 'accept-encoding': accept } });
    assert.is(packed.headers['content-encoding'], encoding);
    assert.ok(packed.body.length < script.length / 10);
    assert.is(packed.headers['content-length'], String(packed.body.length));
    assert.is(unpack(packed.body).toString(), script);
  }
  const again = await ask('/page.js', { headers: { 'if-none-match': String(plain.headers.etag) } });
  assert.is(again.status, 304);
  assert.is(again.body.length, 0);
  const head = await ask('/page.js', { method: 'HEAD' });
  assert.is(head.status, 200);
  assert.is(head.headers['content-length'], String(script.length));
  assert.is(head.body.length, 0);
  assert.is((await ask('/chunks/one.js?x=1')).status, 200);
  assert.is((await ask('/chunks')).status, 404);
  assert.is((await ask('/nothing.js')).status, 404);
});

test('nothing outside the folder, however it is written', async () => {
  for (const target of [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/chunks/../../secret.txt',
    '/chunks/%2e%2e%2f%2e%2e%2fsecret.txt',
    '/..%5csecret.txt',
    '/../lab-beside/secret.txt',
    '/%2e%2e/lab-beside/secret.txt',
    '//../secret.txt',
    `/${encodeURIComponent(path.join(temporary, 'secret.txt'))}`,
    '/page.js%00.html',
    '/models/../../secret.txt',
    '/models/..%2f..%2fcache/models/mine.onnx',
  ]) {
    const { status, body } = await ask(target);
    assert.is(status, 404, target);
    assert.not.match(body.toString(), /secret|network/, target);
  }
  assert.is((await ask('/%ff')).status, 400);
  assert.is((await ask('http://elsewhere.example/../secret.txt')).status, 404);
});

test('only to names of this machine, only to be read', async () => {
  for (const host of [`evil.example:${port}`, 'evil.example', '127.0.0.1', `127.0.0.1:${port + 1}`, `127.0.0.1.evil.example:${port}`])
    assert.is((await ask('/', { headers: { host } })).status, 421, host);
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`])
    assert.is((await ask('/', { headers: { host } })).status, 200, host);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const { status, headers } = await ask('/', { method });
    assert.is(status, 405);
    assert.is(headers.allow, 'GET, HEAD');
    assert.is(headers['access-control-allow-origin'], undefined);
  }
  assert.is((server.address() as { address: string }).address, '127.0.0.1');
});

test('nonsense on the wire ends with the connection, not with the server', async () => {
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end('NONSENSE\r\n\r\n'));
    socket
      .on('close', () => resolve())
      .on('error', () => resolve())
      .resume();
  });
  assert.is((await ask('/')).status, 200);
});

test("the registry of this environment, and the models of the user's cache", async () => {
  const listed = JSON.parse((await ask('/registry.json')).body.toString()) as { models: { name: string }[]; here: string[] };
  assert.equal(
    listed.models.slice(-2).map(({ name }) => name),
    ['mine', 'absent'],
  );
  assert.ok(listed.models.some(({ name }) => name === 'squeezenet1.1'));
  assert.equal(listed.here, ['mine']);
  const { status, headers, body } = await ask('/models/mine.onnx');
  assert.is(status, 200);
  assert.ok(body.equals(bytes));
  assert.is(headers['cache-control'], 'no-store');
  assert.is(headers['content-length'], String(bytes.length));
  assert.is((await ask('/models/absent.onnx')).status, 404);
  // What is not as long as it should be is not the model.
  writeFileSync(path.join(cache, 'models', 'absent.onnx'), 'half');
  assert.is((await ask('/models/absent.onnx')).status, 404);
  assert.equal((JSON.parse((await ask('/registry.json')).body.toString()) as { here: string[] }).here, ['mine']);
});

test('a port that is taken', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const taken = (other.address() as { port: number }).port;
  try {
    await listen(folder, taken);
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof InputError);
    assert.is((error as Error).message, `--port: expected a free port, got ${taken} (EADDRINUSE). Name another, or 0 for any.`);
  }
  other.close();
});

const command = await buildCommand();

/** Runs the command until it says where it is, does something, and ends it. */
async function running(args: readonly string[], signal: NodeJS.Signals, meanwhile: (address: string) => Promise<void>): Promise<Outcome> {
  return command.run(['lab', ...args], (child: ChildProcess) => {
    let out = '';
    child.stdout!.on('data', (chunk) => {
      const before = out;
      out += String(chunk);
      const address = /^The lab is at (http:\/\/127\.0\.0\.1:\d+\/) \(Ctrl\+C ends it\)$/m;
      if (address.test(before) || !address.test(out)) return;
      void meanwhile(address.exec(out)![1]).finally(() => child.kill(signal));
    });
  });
}

// The command serves the package's own page.
if (!existsSync('dist/lab/index.html')) spawnSync(process.execPath, ['build.mjs', 'lab'], { stdio: 'inherit' });

test('the command: says where, serves, and ends cleanly', async () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    let status = 0;
    const { code, err } = await running(['--port', '0'], signal, async (address) => {
      // A connection that is kept alive does not keep the server.
      status = (await fetch(address)).status;
    });
    assert.is(status, 200);
    assert.is(code, 0, err);
    assert.is(err, '');
  }
});

test('--open runs the system’s own command with the address, and fails softly', async () => {
  if (process.platform !== 'linux') return console.log(`skipped: --open, whose command is another on ${process.platform}`);
  const bin = command.at('bin');
  const before = process.env.PATH;
  mkdirSync(bin);
  const opened = command.at('opened');
  const wait = async (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 700));
  try {
    writeFileSync(path.join(bin, 'xdg-open'), `#!/bin/sh\nprintf %s "$*" > ${opened}\n`);
    chmodSync(path.join(bin, 'xdg-open'), 0o755);
    process.env.PATH = `${bin}:${before}`;
    let address = '';
    const good = await running(['--port', '0', '--open'], 'SIGINT', async (at) => {
      address = at;
      await wait();
    });
    assert.is(good.code, 0);
    assert.is(good.err, '');
    assert.is(readFileSync(opened, 'utf8'), address);
    process.env.PATH = bin;
    rmSync(path.join(bin, 'xdg-open'));
    const bad = await running(['--port', '0', '--open'], 'SIGINT', wait);
    assert.is(bad.code, 0);
    assert.match(bad.err, /^warning: no browser opened \(xdg-open: .*ENOENT\)\. Open http:\/\/127\.0\.0\.1:\d+\/ yourself\.\n$/);
  } finally {
    process.env.PATH = before;
  }
});

test('wrong ports', async () => {
  for (const [given, message] of [
    ['no', /error: --port: expected an integer of at least 0, got "no"\./],
    ['70000', /error: --port: expected a number of at most 65535, got "70000"\./],
    [String(port), /error: --port: expected a free port, got \d+ \(EADDRINUSE\)/],
  ] as const) {
    const { code, err } = await command.run(['lab', '--port', given]);
    assert.is(code, 2, err);
    assert.match(err, message);
  }
});

test('without the built page', () => {
  const pack = path.join(temporary, 'package');
  mkdirSync(pack);
  writeFileSync(
    path.join(pack, 'package.json'),
    JSON.stringify({ name: 'backlight', type: 'module', exports: { './package.json': './package.json' } }),
  );
  symlinkSync(path.resolve('node_modules'), path.join(pack, 'node_modules'), 'junction');
  cpSync(path.dirname(command.program), path.join(pack, 'dist'), { recursive: true });
  const { status, stderr } = spawnSync(process.execPath, [path.join(pack, 'dist', 'cli.js'), 'lab', '--port', '0'], { encoding: 'utf8' });
  assert.is(status, 2);
  assert.match(stderr, /^error: lab: expected the built page in ".*package.dist.lab", found none\. Run "npm run build" there/);
});

test('help names the port', () => {
  const { stdout } = spawnSync(process.execPath, [command.program, 'lab', '--help'], { encoding: 'utf8' });
  assert.match(stdout, /--port <number> .*127\.0\.0\.1 alone/);
  assert.match(stdout, /--open/);
});

test.run();
