/** `backlight lab`: the page that runs the same kernels in a browser, served from this machine to this machine alone. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { InputError } from '../errors.ts';
import { parseInteger } from './arguments.ts';
import { withExample } from './session.ts';

interface Arguments {
  readonly port: string;
  readonly open?: boolean;
}

export function labCommand(): Command {
  const command = new Command('lab')
    .description(
      'A page in your browser that runs the same kernels there: look at photos, layers, units, class models. Nothing leaves your machine.',
    )
    .option('--port <number>', 'where it listens, on 127.0.0.1 alone; 0: any free port', '4873')
    .option('--open', 'open it in your browser')
    .action(run);
  return withExample(command, 'backlight lab --open');
}

async function run(args: Arguments): Promise<void> {
  const port = parseInteger(args.port, '--port', 0);
  const server = await listen(labFolder(), port);
  const { port: chosen } = server.address() as { port: number };
  console.log(`The lab is at http://127.0.0.1:${chosen}/ (Ctrl+C ends it)`);
  await new Promise((resolve) => server.on('close', resolve));
}

/** The folder with the built page: beside the command line's own file. */
export const labFolder = (): string => fileURLToPath(new URL('lab', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.safetensors': 'application/octet-stream',
  '.onnx': 'application/octet-stream',
};

/** Serves a folder on the loopback interface. @throws InputError if the port is taken */
export async function listen(folder: string, port: number): Promise<Server> {
  const server = createServer((request, response) => void answer(folder, request.method ?? '', request.url ?? '/', response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new InputError(`--port: expected a free port, got ${port} (${error.code}). Name another, or 0 for any.`)),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

async function answer(folder: string, method: string, url: string, response: ServerResponse): Promise<void> {
  const end = (status: number, body: string | Uint8Array, type = 'text/plain; charset=utf-8'): void => {
    response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' });
    response.end(method === 'HEAD' ? undefined : body);
  };
  if (method !== 'GET' && method !== 'HEAD') return end(405, 'only GET');
  const { pathname } = new URL(url, 'http://127.0.0.1');
  const file = path.join(folder, pathname === '/' ? 'index.html' : decodeURIComponent(pathname));
  if (!file.startsWith(folder + path.sep)) return end(404, 'not found');
  try {
    end(200, await readFile(file), TYPES[path.extname(file)] ?? 'application/octet-stream');
  } catch {
    end(404, 'not found');
  }
}
