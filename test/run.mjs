// Runs the tests: type check, then every test/**/*.test.ts in a process of its own. Arguments are parts of file names to run only those.
// A file counts only if uvu says that tests ran and all passed: uvu itself exits with 0 when a file forgets to run.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const wanted = process.argv.slice(2);
const LIMIT_MS = 15 * 60_000;

function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    const collect = (chunk) => (output += chunk);
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => {
      output += `\nstopped after ${LIMIT_MS / 1000} s\n`;
      child.kill('SIGKILL');
    }, LIMIT_MS);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? 1, signal, output });
    });
  });
}

const files = readdirSync('test', { recursive: true })
  .map((file) => path.join('test', file))
  .filter((file) => file.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`);
  process.exit(2);
}

const total = { passed: 0, failed: 0, skipped: 0 };
if (wanted.length === 0) {
  // The lab's page has a browser's types, everything else has Node's.
  for (const project of ['tsconfig.json', 'src/lab/tsconfig.json']) {
    const types = await run(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit', '-p', project]);
    if (types.code === 0) total.passed++;
    else total.failed++;
    console.log(`types of ${project}`.padEnd(40), types.code === 0 ? 'ok' : `FAILED\n${types.output}`);
  }
}

// A folder for this run alone: two runs side by side must not take each other's files.
mkdirSync('.build', { recursive: true });
const built = mkdtempSync('.build/test-');
process.on('exit', () => rmSync(built, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
await build({
  entryPoints: files,
  outdir: built,
  outbase: 'test',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: true,
  logLevel: 'warning',
});

// The page that tests of the browser open.
const inBrowser = (file) => file.includes(`${path.sep}browser${path.sep}`);
if (files.some(inBrowser)) {
  const page = await run(process.execPath, ['build.mjs', 'lab', path.join(built, 'lab')]);
  if (page.code !== 0) {
    console.log(`the lab's page does not build\n${page.output}`);
    process.exit(1);
  }
}

async function runFile(file) {
  const started = performance.now();
  const bundle = file.replace(/^test/, built).replace(/\.ts$/, '.mjs');
  const { code, signal, output } = await run(process.execPath, ['--enable-source-maps', bundle], {
    env: { ...process.env, FORCE_COLOR: '0', BACKLIGHT_PLAN: 'none', BACKLIGHT_LAB: path.join(built, 'lab') },
  });
  const count = (word) =>
    [...output.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)`, 'gm'))].reduce((sum, match) => sum + Number(match[1]), 0);
  const [ran, passed, skipped] = [count('Total'), count('Passed'), count('Skipped')];
  const good = code === 0 && ran + skipped > 0 && passed === ran;
  total.passed += passed;
  total.skipped += skipped;
  total.failed += good ? 0 : Math.max(1, ran - passed);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const counts = `${passed} of ${ran}${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  console.log(`${file.padEnd(40)} ${good ? 'ok' : 'FAILED'}  ${counts}  ${seconds} s${signal ? `  ${signal}` : ''}`);
  // What a test prints besides uvu's own lines is said on purpose: skips and measurements.
  const said = [...output.matchAll(/(?:skipped|measured): .*/g)].map(([line]) => line);
  if (said.length > 0) console.log(said.map((line) => `    ${line}`).join('\n'));
  if (!good) console.log(output);
}

// Tests without a device run side by side; those with one run alone, since the software adapter uses every core. A browser mostly waits, and
// the f64 of whole networks is one core's work: these two go together.
const host = files.filter((file) => !file.includes(`${path.sep}gpu${path.sep}`) && !inBrowser(file));
const beside = files.filter((file) => file.endsWith(`${path.sep}golden.test.ts`));
const lane = async (queue) => {
  for (let file = queue.shift(); file; file = queue.shift()) await runFile(file);
};
const queue = [...host];
await Promise.all(Array.from({ length: Math.max(1, cpus().length) }, () => lane(queue)));
await Promise.all([lane(files.filter(inBrowser)), lane([...beside])]);
await lane(files.filter((file) => !host.includes(file) && !inBrowser(file) && !beside.includes(file)));

console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
