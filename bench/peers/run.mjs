// Builds the comparison and runs it. The other engines are not dependencies of the package: they are installed here, once.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
if (!existsSync(path.join(here, 'node_modules', '@tensorflow'))) {
  console.error('The other engines are not installed (about 500 MB). Run: npm ci --ignore-scripts --prefix bench/peers');
  process.exit(2);
}
// TensorFlow.js's modules for bundlers register what its entry for Node leaves out: the derivatives of its ops.
const tensorflow = {
  name: 'tensorflow',
  setup(context) {
    context.onResolve({ filter: /^@tensorflow\// }, ({ path: name }) => {
      const [scope, pack, ...rest] = name.split('/');
      const file = path.join(here, 'node_modules', scope, pack, ...(rest.length > 0 ? rest : ['dist', 'index.js']));
      return { path: existsSync(file) ? file : `${file}.js` };
    });
  },
};
await build({
  plugins: [tensorflow],
  entryPoints: [path.join(here, 'main.ts')],
  outfile: path.join(here, '.build', 'main.mjs'),
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // The rest is bundled, so that the one file runs wherever Node and the package webgpu are.
  external: ['webgpu', 'onnxruntime-node', 'sharp'],
  define: { PEER_VERSIONS: JSON.stringify(versions()) },
  loader: { '.wgsl': 'text' },
  // What is bundled of it asks for node's modules by require.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  logLevel: 'warning',
});
if (process.argv.includes('--build')) process.exit(0);
const { status } = spawnSync(process.execPath, [path.join(here, '.build', 'main.mjs'), ...process.argv.slice(2)], { stdio: 'inherit' });
process.exit(status ?? 1);

/** What is installed here, by name. */
function versions() {
  const names = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgpu', 'onnxruntime-web', 'onnxruntime-node'];
  const about = (name) => JSON.parse(readFileSync(path.join(here, 'node_modules', name, 'package.json'), 'utf8'));
  return Object.fromEntries(names.map((name) => [name, about(name).version]));
}
