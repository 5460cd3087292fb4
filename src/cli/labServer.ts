/**
 * The lab's page, served on the loopback interface to this machine alone: a folder, the registry as this environment has it, and the models of
 * the user's cache.
 */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { InputError } from '../errors.ts';
import { cachedModel } from '../models/fetch.ts';
import type { RegistryEntry } from '../models/registry.ts';
import { readRegistry } from '../models/registryFile.ts';

const HOST = '127.0.0.1';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
};
const BYTES = 'application/octet-stream';
const INDEX = 'index.html';

/**
 * With every answer: nothing is sent elsewhere or framed, and the page is isolated from others, for which browsers give it a finer clock.
 * @see https://owasp.org/www-project-secure-headers
 */
const HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
};

/** What is answered: bytes, or a file of so many bytes. */
interface Body {
  readonly status: number;
  readonly type: string;
  readonly bytes: Uint8Array | { readonly file: string; readonly length: number };
  readonly headers?: Readonly<Record<string, string>>;
}

const say = (status: number, words: string, headers = {}): Body => ({
  status,
  type: 'text/plain; charset=utf-8',
  bytes: Buffer.from(`${words}\n`),
  headers,
});
const NOT_FOUND = say(404, 'not found');

/**
 * Serves a folder with the built page.
 * @param port 0: any free one
 * @throws InputError if the port is taken, or the registry cannot be read
 */
export async function listen(folder: string, port: number): Promise<Server> {
  const registry = await readRegistry();
  const root = path.resolve(folder);
  const server = createServer((request, response) => {
    answer(root, registry, server, request)
      .then((body) => send(request, response, body))
      .catch((error: Error) => {
        console.error(`warning: ${request.url} could not be answered: ${error.message}`);
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new InputError(`--port: expected a free port, got ${port} (${error.code}). Name another, or 0 for any.`)),
    );
    server.listen(port, HOST, resolve);
  });
  return server;
}

export function addressOf(server: Server): string {
  const { port } = server.address() as { port: number };
  return `http://${HOST}:${port}/`;
}

async function answer(root: string, registry: readonly RegistryEntry[], server: Server, request: IncomingMessage): Promise<Body> {
  // A name that leads to 127.0.0.1 makes another site's script this page's own, unless the name is refused.
  const { port } = server.address() as { port: number };
  const hosts = [HOST, 'localhost'].flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]));
  const { host = '', ...headers } = request.headers;
  if (!hosts.includes(host.toLowerCase())) return say(421, `expected the host ${hosts.join(' or ')}`);
  if (request.method !== 'GET' && request.method !== 'HEAD') return say(405, 'expected GET or HEAD', { allow: 'GET, HEAD' });
  let pathname: string;
  try {
    pathname = decodeURIComponent(/^[^?#]*/.exec(request.url ?? '')![0]);
  } catch {
    return say(400, 'expected an address in UTF-8');
  }
  const file = path.join(root, pathname === '/' ? INDEX : pathname);
  if (!pathname.startsWith('/') || pathname.includes('\0') || !file.startsWith(root + path.sep)) return NOT_FOUND;
  if (pathname === '/registry.json') {
    const present = await Promise.all(registry.map((entry) => cachedModel(entry)));
    return json({ models: registry, here: registry.filter((_, i) => present[i] !== undefined).map(({ name }) => name) });
  }
  const entry = registry.find(({ name }) => pathname === `/models/${name}.onnx`);
  const cached = entry && (await cachedModel(entry));
  // It lies on this machine: the browser need not keep another copy.
  if (cached) return { status: 200, type: BYTES, bytes: { file: cached, length: entry.bytes }, headers: { 'cache-control': 'no-store' } };
  return fromFolder(root, file, registry, headers['if-none-match']);
}

const json = (value: unknown): Body => ({ status: 200, type: TYPES['.json'], bytes: Buffer.from(JSON.stringify(value)) });

async function fromFolder(root: string, file: string, registry: readonly RegistryEntry[], known: string | undefined): Promise<Body> {
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) return NOT_FOUND;
  const type = TYPES[path.extname(file)] ?? BYTES;
  const { html, policy } = await page(root, registry);
  const etag = `W/"${found.size.toString(36)}-${Math.round(found.mtimeMs).toString(36)}"`;
  // A worker obeys the policy that its script came with, not the page's.
  const headers = { 'content-security-policy': `${policy}; frame-ancestors 'none'` };
  if (file === path.join(root, INDEX)) return { status: 200, type, bytes: Buffer.from(html), headers };
  if (known?.includes(etag)) return { status: 304, type, bytes: Buffer.alloc(0), headers: { ...headers, etag } };
  return { status: 200, type, bytes: await readFile(file), headers: { ...headers, etag } };
}

/** The page and its policy, with the origins of this registry's models: the built one names those of the built-in registry. */
async function page(root: string, registry: readonly RegistryEntry[]): Promise<{ readonly html: string; readonly policy: string }> {
  const origins = registry.flatMap(({ sources }) => sources.map((source) => new URL(source).origin));
  let policy = '';
  const html = (await readFile(path.join(root, INDEX), 'utf8')).replace(
    /(Content-Security-Policy" content=")([^"]*)/,
    (_, before: string, built: string) => {
      policy = built.replace(/connect-src [^;]*/, (sources) => [...new Set([...sources.split(' '), ...origins])].join(' '));
      return before + policy;
    },
  );
  return { html, policy };
}

const COMPRESS = {
  br: (bytes: Uint8Array) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  gzip: (bytes: Uint8Array) => promisify(gzip)(bytes),
};

/** What pays: text of more than a packet. */
const WORTH = /^(text|application\/json)/;
const LEAST_BYTES = 1400;

async function send(request: IncomingMessage, response: ServerResponse, { status, type, bytes, headers }: Body): Promise<void> {
  const all: Record<string, string | number> = { 'cache-control': 'no-cache', ...HEADERS, ...headers, 'content-type': type };
  const body = request.method !== 'HEAD' && status !== 304;
  if (!(bytes instanceof Uint8Array)) {
    response.writeHead(status, { ...all, 'content-length': bytes.length });
    if (!body) return void response.end();
    await new Promise<void>((resolve, reject) => {
      const file = createReadStream(bytes.file).on('error', reject);
      // A reader that leaves is no failure.
      response.on('close', () => (file.destroy(), resolve()));
      file.pipe(response);
    });
    return;
  }
  let sent = bytes;
  if (WORTH.test(type) && bytes.length > LEAST_BYTES) {
    all.vary = 'accept-encoding';
    const encoding = accepted(request.headers['accept-encoding']);
    if (encoding) {
      all['content-encoding'] = encoding;
      sent = await COMPRESS[encoding](bytes);
    }
  }
  if (status !== 304) all['content-length'] = sent.length;
  response.writeHead(status, all);
  response.end(body ? sent : undefined);
}

/** The best encoding that a browser takes. */
function accepted(header: string | readonly string[] | undefined): keyof typeof COMPRESS | undefined {
  const words = String(header ?? '')
    .split(',')
    .map((word) =>
      word
        .trim()
        .toLowerCase()
        .split(/\s*;\s*/),
    );
  const takes = (name: string): boolean => words.some(([word, q]) => word === name && !/^q=0(\.0*)?$/.test(q ?? ''));
  return takes('br') ? 'br' : takes('gzip') ? 'gzip' : undefined;
}
