// A web server on the loopback that serves one file as well or as badly as a test wants.
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the next answers are. */
export interface Manner {
  body: Uint8Array;
  etag?: string;
  /** Answers to Range; default true. */
  ranges?: boolean;
  /** Answers to Range whatever If-Range says. */
  heedless?: boolean;
  /** Sends no Content-Length. */
  chunked?: boolean;
  /** An answer stops after so many bytes: `end` closes as if that were all, `reset` breaks the connection, `hang` says no more. */
  cut?: { after: number; how: 'end' | 'reset' | 'hang' };
  /** Bytes of the file that the client has put away: a connection that breaks earlier takes with it what was on its way. */
  arrived?: () => number;
  /** An answer of this status and no file. */
  status?: number;
  /** Sends on to this address. */
  redirect?: string;
  /** Called before each answer with how many came before. */
  before?: (count: number) => void | Promise<void>;
}

export interface TestServer {
  readonly url: string;
  /** Changed by the tests. */
  manner: Manner;
  /** The headers of every request, oldest first. */
  readonly requests: (IncomingHttpHeaders & { readonly path: string })[];
  close(): Promise<void>;
}

export async function serve(manner: Manner): Promise<TestServer> {
  const requests: TestServer['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ ...request.headers, path: request.url! });
    void (async () => {
      await self.manner.before?.(requests.length - 1);
      answer(self.manner, request.url!, request.headers, response);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const self: TestServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    manner,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return self;
}

function answer(manner: Manner, url: string, headers: IncomingHttpHeaders, response: ServerResponse): void {
  const { body, etag, ranges = true, heedless = false, chunked = false, cut, status, redirect } = manner;
  if (redirect !== undefined && !url.startsWith('/moved')) {
    response.writeHead(302, { location: redirect }).end();
    return;
  }
  if (status !== undefined) {
    response.writeHead(status).end('no');
    return;
  }
  const wanted =
    ranges && (heedless || headers['if-range'] === undefined || headers['if-range'] === etag)
      ? /^bytes=(\d+)-$/.exec(headers.range ?? '')
      : null;
  const from = wanted ? Number(wanted[1]) : 0;
  if (wanted && from >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
    return;
  }
  const content = body.subarray(from);
  response.writeHead(wanted ? 206 : 200, {
    ...(chunked ? {} : { 'content-length': content.length }),
    ...(etag === undefined ? {} : { etag }),
    ...(wanted ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {}),
  });
  if (cut === undefined || cut.after >= content.length) {
    response.end(content);
    return;
  }
  response.write(content.subarray(0, cut.after), () => {
    if (cut.how === 'end') response.end();
    if (cut.how !== 'reset') return;
    const timer = setInterval(() => {
      if (manner.arrived && manner.arrived() < from + cut.after) return;
      clearInterval(timer);
      response.socket?.resetAndDestroy();
    }, 10);
    response.on('close', () => clearInterval(timer));
  });
}

/** Bytes that look like nothing, the same at every call. */
export function noise(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state >>> 24;
  }
  return out;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
