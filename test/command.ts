// The command line as a user meets it: built into a folder of its own, run as a process in another, both gone at the end.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly ms: number;
}

export interface BuiltCommand {
  /** The program that node runs. */
  readonly program: string;
  /** Where it runs, empty at first. */
  readonly folder: string;
  /** A file in that folder. */
  at(...parts: string[]): string;
  /** Runs to the end; a run that hangs is killed after two minutes. `watch` is given the process as soon as it lives. */
  run(args: readonly string[], watch?: (child: ChildProcess) => void): Promise<Outcome>;
}

export async function buildCommand(): Promise<BuiltCommand> {
  mkdirSync('.build', { recursive: true });
  const built = path.resolve(mkdtempSync('.build/command-'));
  const folder = mkdtempSync(path.join(os.tmpdir(), 'backlight-'));
  process.on('exit', () => [built, folder].forEach((dir) => rmSync(dir, { recursive: true, force: true })));
  await build({
    entryPoints: { cli: 'src/cli/main.ts' },
    outdir: built,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    splitting: true,
  });
  const program = path.join(built, 'cli.js');
  return {
    program,
    folder,
    at: (...parts) => path.join(folder, ...parts),
    run: (args, watch) =>
      new Promise((resolve) => {
        const started = performance.now();
        const child = spawn(process.execPath, [program, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
        let [out, err] = ['', ''];
        child.stdout.on('data', (chunk) => (out += chunk));
        child.stderr.on('data', (chunk) => (err += chunk));
        const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
        child.on('close', (code) => {
          clearTimeout(timer);
          resolve({ code, out, err, ms: performance.now() - started });
        });
        watch?.(child);
      }),
  };
}
