/** `backlight lab`: the page that runs the same kernels in a browser, served from this machine to this machine alone. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Command } from 'commander';
import { InputError } from '../errors.ts';
import { parseInteger } from './arguments.ts';
import { addressOf, listen } from './labServer.ts';
import { withExample } from './session.ts';

export { listen } from './labServer.ts';

interface Arguments {
  readonly port: string;
  readonly open?: boolean;
}

const MOST_PORT = 65_535;

export function labCommand(): Command {
  const command = new Command('lab')
    .description(
      'A page in your browser that runs the same kernels there: look at photos, layers, units, class models. Nothing leaves your machine. ' +
        'Models fetched by "backlight models fetch" are at hand there, too. Ctrl+C ends it.',
    )
    .option('--port <number>', 'where it listens, on 127.0.0.1 alone; 0: any free port', '4873')
    .option('--open', 'open it in your browser')
    .action(run);
  return withExample(command, 'backlight lab --open');
}

async function run(args: Arguments): Promise<void> {
  const port = parseInteger(args.port, '--port', 0);
  if (port > MOST_PORT)
    throw new InputError(`--port: expected a number of at most ${MOST_PORT}, got "${args.port}". Name another, or 0 for any.`);
  const server = await listen(labFolder(), port);
  const ended = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
  const address = addressOf(server);
  console.log(`The lab is at ${address} (Ctrl+C ends it)`);
  if (args.open) openInBrowser(address);
  await ended;
  server.close();
  server.closeAllConnections();
}

/**
 * The folder with the built page.
 * @throws InputError if there is none
 */
function labFolder(): string {
  const root = path.dirname(createRequire(import.meta.url).resolve('backlight/package.json'));
  const folder = path.join(root, 'dist', 'lab');
  if (existsSync(path.join(folder, 'index.html'))) return folder;
  throw new InputError(`lab: expected the built page in "${folder}", found none. Run "npm run build" there, or install the package again.`);
}

/** By the system's own command, without a shell. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

function openInBrowser(address: string): void {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const warn = (why: string): void => console.error(`warning: no browser opened (${command}: ${why}). Open ${address} yourself.`);
  const child = spawn(command, [...args, address], { stdio: 'ignore', detached: true });
  child.on('error', (error) => warn(error.message));
  child.on('exit', (code) => code && warn(`exit code ${code}`));
  child.unref();
}
