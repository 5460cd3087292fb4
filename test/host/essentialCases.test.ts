// The short list that `doctor` runs reaches every entry point of every shader, and each of them in more than one row of workgroups.
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { reflect } from '../../src/gpu/kernel.ts';
import { OPS } from '../../src/ops/index.ts';
import { CASES, describeCase } from '../../src/verify/cases.ts';
import { casePlans } from '../../src/verify/casePlans.ts';
import { FOLD_AT } from '../../src/verify/kernels.ts';

// The roofs' kernels belong to no op: the benchmark checks them each time it runs them.
const shaders = readdirSync('shaders')
  .filter((file) => file.endsWith('.wgsl') && file !== 'roof.wgsl')
  .map((file) => reflect(file.slice(0, -'.wgsl'.length), readFileSync(`shaders/${file}`, 'utf8')));

/** Every entry point, with the most workgroups that an essential case gives it. Kernels for quads and for GPUs count too. */
const reached = new Map<string, number>();
/** Entry points that compute a ReLU too. */
const finishing = new Set<string>();
for (const c of CASES.filter(({ essential }) => essential)) {
  for (const { plan } of casePlans(c, [
    { quads: true, tiles: false },
    { quads: false, tiles: true },
  ])) {
    for (const { shader, entry, invocations, geometry } of [...plan.prepare, ...plan.forward, ...plan.backward, ...plan.update]) {
      const size = shaders.find(({ name }) => name === shader)!.entries.get(entry)!.workgroupSize;
      const key = `${shader}.${entry}`;
      if (geometry.activation !== undefined && geometry.activation !== 0) finishing.add(key);
      reached.set(key, Math.max(reached.get(key) ?? 0, Math.ceil(invocations / size)));
    }
  }
}

/** One invocation makes its whole result. */
const SINGLE = new Set(['softmax.total']);

for (const { name, entries } of shaders) {
  for (const entry of entries.keys()) {
    test(`${name}.${entry} is reached by an essential case`, () => {
      const groups = reached.get(`${name}.${entry}`);
      assert.ok(groups !== undefined, 'expected an essential case in src/verify/cases.ts that runs it');
      if (!SINGLE.has(`${name}.${entry}`)) {
        assert.ok(groups > FOLD_AT, `expected more than ${FOLD_AT} workgroups in some essential case, got ${groups}: enlarge one`);
      }
    });
  }
}

for (const { name, entries } of shaders) {
  for (const { name: entry, bindings } of entries.values()) {
    if (name === 'relu' || !bindings.some((binding) => binding.name === 'gate')) continue;
    test(`${name}.${entry} computes a ReLU in an essential case`, () => assert.ok(finishing.has(`${name}.${entry}`)));
  }
}

test('between ReLUs, both are computed by the kernels of what lies between', () => {
  for (const c of CASES.filter(({ relus }) => relus)) {
    for (const { plan } of casePlans(c, [])) {
      const passes = plan.fused.map(({ pass, by }) => `${pass} ${by}`);
      assert.equal(passes, [`backward ${c.op}`, `forward ${c.op}`], describeCase(c));
    }
  }
});

test('every op that runs a kernel has an essential case', () => {
  const missing = Object.values(OPS).filter(
    ({ name, shaders }) => Object.keys(shaders).length > 0 && !CASES.some((c) => c.essential && c.op === name),
  );
  assert.equal(
    missing.map(({ name }) => name),
    [],
  );
});

test.run();
