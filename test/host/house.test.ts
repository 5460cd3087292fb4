// The house: which room may import which, no cycles, shaders that any tool can read and that say what they compute.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { reflect } from '../../src/gpu/kernel.ts';

/** What each room may import besides itself. Files directly under src are rooms of their own. */
const ALLOWED: Record<string, readonly string[]> = {
  errors: [],
  cache: ['errors'],
  tensor: [],
  version: [],
  random: [],
  rule: ['errors'],
  rulePresets: ['rule'],
  ops: ['errors', 'rule', 'tensor'],
  graph: ['errors', 'ops', 'rule', 'tensor'],
  memory: [],
  fusion: ['graph'],
  plan: ['errors', 'fusion', 'graph', 'memory', 'ops', 'rule', 'tensor'],
  explain: ['graph', 'memory', 'plan', 'tensor'],
  reference: ['errors', 'graph', 'ops', 'rule', 'tensor'],
  formats: ['errors', 'graph', 'tensor'],
  image: ['errors', 'tensor'],
  models: ['cache', 'errors', 'formats', 'graph', 'tensor'],
  gpu: ['cache', 'errors', 'plan', 'tensor'],
  stream: [],
  seeds: ['errors', 'tensor'],
  question: ['errors', 'graph', 'rule', 'seeds', 'tensor'],
  network: ['errors', 'gpu', 'graph', 'plan', 'question', 'seeds', 'stream', 'tensor'],
  segment: ['errors', 'image', 'random', 'tensor'],
  visualise: ['errors', 'gpu', 'graph', 'image', 'network', 'plan', 'random', 'rule', 'segment', 'tensor'],
  inspect: ['errors', 'gpu', 'graph', 'image', 'network', 'ops', 'plan', 'reference', 'rule', 'tensor', 'visualise'],
  evaluate: ['errors', 'image', 'network', 'rule', 'segment', 'tensor', 'visualise'],
  data: ['cache', 'errors', 'image', 'tensor'],
  train: ['data', 'errors', 'formats', 'gpu', 'graph', 'image', 'models', 'network', 'plan', 'random', 'stream', 'tensor'],
  verify: ['errors', 'gpu', 'graph', 'ops', 'plan', 'reference', 'rule', 'tensor'],
  bench: ['errors', 'gpu', 'graph', 'ops', 'plan', 'reference', 'rule', 'tensor', 'verify'],
  tune: ['bench', 'errors', 'gpu', 'graph', 'ops', 'plan', 'tensor'],
  lab: [
    'bench',
    'errors',
    'formats',
    'gpu',
    'graph',
    'image',
    'inspect',
    'models',
    'network',
    'ops',
    'plan',
    'reference',
    'rule',
    'rulePresets',
    'segment',
    'tensor',
    'version',
    'visualise',
  ],
  index: [
    'data',
    'errors',
    'evaluate',
    'explain',
    'formats',
    'gpu',
    'graph',
    'image',
    'inspect',
    'models',
    'network',
    'ops',
    'plan',
    'reference',
    'rule',
    'rulePresets',
    'segment',
    'tensor',
    'train',
    'tune',
    'verify',
    'version',
    'visualise',
  ],
  cli: [
    'bench',
    'cache',
    'data',
    'errors',
    'evaluate',
    'explain',
    'formats',
    'gpu',
    'graph',
    'image',
    'inspect',
    'models',
    'network',
    'plan',
    'reference',
    'rule',
    'rulePresets',
    'segment',
    'tensor',
    'train',
    'tune',
    'verify',
    'version',
    'visualise',
  ],
};

const sources = readdirSync('src', { recursive: true })
  .map((file) => path.join('src', String(file)))
  .filter((file) => /\.tsx?$/.test(file) && !file.endsWith('.d.ts'));

const imports = new Map(
  sources.map((file) => {
    const text = readFileSync(file, 'utf8');
    const found = [...text.matchAll(/(?:from|import\()\s*'(\.[^']+\.tsx?)'/g)].map((m) =>
      path.normalize(path.join(path.dirname(file), m[1])),
    );
    return [file, found] as const;
  }),
);

const roomOf = (file: string): string => {
  const parts = file.split(path.sep);
  return parts.length > 2 ? parts[1] : parts[1].replace(/\.ts$/, '');
};

test('rooms import only what lies below them', () => {
  const wrong: string[] = [];
  for (const [file, found] of imports) {
    const room = roomOf(file);
    assert.ok(room in ALLOWED, `expected ${file} in a known room`);
    for (const target of found) {
      const other = roomOf(target);
      if (other !== room && !ALLOWED[room].includes(other)) wrong.push(`${file} imports ${target}`);
    }
  }
  assert.equal(wrong, []);
});

test('no file is imported by itself through others', () => {
  const state = new Map<string, 'open' | 'done'>();
  const visit = (file: string, trail: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    assert.not.equal(state.get(file), 'open', `cycle: ${[...trail.slice(trail.indexOf(file)), file].join(' > ')}`);
    state.set(file, 'open');
    for (const target of imports.get(file) ?? []) visit(target, [...trail, file]);
    state.set(file, 'done');
  };
  for (const file of sources) visit(file, []);
});

test('the library can be bundled for a browser: node modules are imported only where they are used', () => {
  const allowed = /^src[/\\](cli)[/\\]/;
  const wrong = sources.filter(
    (file) => !allowed.test(file) && /^import (?!type).*from '(node:|sharp|webgpu)/m.test(readFileSync(file, 'utf8')),
  );
  assert.equal(wrong, []);
});

for (const file of readdirSync('shaders').filter((name) => name.endsWith('.wgsl'))) {
  test(`shaders/${file} is readable by itself`, () => {
    const source = readFileSync(path.join('shaders', file), 'utf8');
    assert.ok(source.startsWith('// '), 'expected a header that says what it computes');
    const info = reflect(file.replace('.wgsl', ''), source);
    assert.ok(info.entries.size > 0);
    for (const entry of info.entries.values())
      assert.ok(
        entry.bindings.some((b) => b.kind === 'write'),
        `${entry.name} writes nothing`,
      );
    for (const line of source.split('\n')) assert.ok(line.length <= 150, `a line of ${line.length} characters: ${line}`);
  });
}

test.run();
