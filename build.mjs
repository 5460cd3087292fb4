// Builds dist/: the library, the command line, the lab's page, and the type declarations. With `lab [folder]`, the page alone.
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';
import { buildLab } from './src/lab/build.mjs';

const define = {
  BACKLIGHT_VERSION: JSON.stringify(JSON.parse(readFileSync('package.json', 'utf8')).version),
  BACKLIGHT_COMMIT: JSON.stringify(commit()),
};
if (process.argv[2] === 'lab') {
  await buildLab(process.argv[3] ?? 'dist/lab', define);
  process.exit(0);
}
rmSync('dist', { recursive: true, force: true });
await buildLab('dist/lab', define);
await build({
  entryPoints: { index: 'src/index.ts', cli: 'src/cli/main.ts' },
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  sourcemap: true,
  define,
  logLevel: 'warning',
});
chmodSync('dist/cli.js', 0o755);
const types = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
process.exit(types.status ?? 1);

/** The commit that is built, with a plus where files differ from it; nothing outside a repository. */
function commit() {
  const git = (...args) => spawnSync('git', args, { encoding: 'utf8' });
  const head = git('rev-parse', '--short=12', 'HEAD');
  if (head.status !== 0) return '';
  return head.stdout.trim() + (git('status', '--porcelain', '--untracked-files=no').stdout.trim() === '' ? '' : '+');
}
