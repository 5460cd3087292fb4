// `backlight tune` as a user meets it: its files, what runs under them, and which reports say so.
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheFolder } from '../../src/cache.ts';
import { planHash } from '../../src/cli/planFile.ts';
import { writeGraph, writeNpy, writeSafetensors } from '../../src/formats/index.ts';
import { openDevice, traitsOf } from '../../src/gpu/device.ts';
import { compile } from '../../src/plan.ts';
import type { Tensor } from '../../src/tensor.ts';
import { planDevice, PLAN_SCHEMA, type PlanFile, type TunedShape } from '../../src/tune/index.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { buildCommand } from '../command.ts';
import { smallNet } from '../smallnet.ts';

const gpu = await openDevice();
const [OWN, device] = [traitsOf(gpu), await planDevice(gpu.info)];
gpu.dispose();
const { run, at } = await buildCommand();
// A cache of its own for plan files; the unpacked driver is that of every day.
const cache = at('cache');
mkdirSync(cache);
const everyday = path.dirname(await cacheFolder('plans'));
for (const name of readdirSync(everyday)) if (name !== 'plans') symlinkSync(path.join(everyday, name), path.join(cache, name));

/** Runs a command as a user would, with that cache and whatever plan lies there. */
async function withCache<T>(call: () => Promise<T>): Promise<T> {
  const { BACKLIGHT_PLAN, BACKLIGHT_CACHE } = process.env;
  delete process.env.BACKLIGHT_PLAN;
  process.env.BACKLIGHT_CACHE = cache;
  try {
    return await call();
  } finally {
    process.env.BACKLIGHT_PLAN = BACKLIGHT_PLAN ?? 'none';
    if (BACKLIGHT_CACHE === undefined) delete process.env.BACKLIGHT_CACHE;
    else process.env.BACKLIGHT_CACHE = BACKLIGHT_CACHE;
  }
}

const TUNE = ['tune', '--cases', 'linear/googlenet.classifier/*/b1', '--rounds', '5', '--budget', '0.05'];

test('tune measures, writes its plan file, and shows it; a dry run and --plan none write nothing', async () => {
  const listed = await run([...TUNE, '--dry-run', '--plan', 'p.json']);
  assert.is(listed.code, 0, listed.err);
  assert.match(listed.out, /linear dw a 1x1024 b 1000x1024 transB\s+\w+\S*\s+\w/);
  const measured = await run([...TUNE, '--plan', 'none', '--json', 'r.json']);
  assert.is(measured.code, 0, measured.err);
  assert.not.ok(existsSync(at('p.json')));
  const report = JSON.parse(readFileSync(at('r.json'), 'utf8')) as { shapes: TunedShape[] };
  assert.is(report.shapes.length, 3);
  const done = await run([...TUNE, '--plan', 'p.json']);
  assert.is(done.code, 0, done.err);
  const plan = JSON.parse(readFileSync(at('p.json'), 'utf8')) as PlanFile;
  assert.is(plan.shapes.length, 3);
  assert.match(done.out, new RegExp(`plan ${planHash(plan.choices)}, ${Object.keys(plan.choices).length} pinned: p\\.json`));
  const shown = await run(['tune', '--show', '--plan', 'p.json']);
  assert.is(shown.code, 0, shown.err);
  for (const { fixed } of plan.shapes) assert.ok(shown.out.includes(fixed));
  const none = await run(['tune', '--show']);
  assert.match(none.out, /no plan is in force/);
  writeFileSync(at('other.json'), '{"precious": 1}');
  const refused = await run([...TUNE, '--plan', 'other.json']);
  assert.is(refused.code, 2);
  assert.match(refused.err, /plan: expected "schema".* in "other\.json"/);
  assert.is(readFileSync(at('other.json'), 'utf8'), '{"precious": 1}');
});

const net = smallNet(3);
writeFileSync(at('net.json'), writeGraph(net.graph));
writeFileSync(at('net.safetensors'), writeSafetensors(net.parameters as Map<string, Tensor>));
writeFileSync(at('x.npy'), writeNpy({ shape: [1, 3, 16, 12], data: fill(576, normal(8)) }));

/** Other kernels than the static choice for everything in that network, as a plan file would have them. */
const { choices } = compile(net.graph, { target: 's', wrt: net.graph.parameters.map(({ name }) => name), traits: OWN });
const pins = Object.fromEntries(choices.map(({ key, candidates }) => [key, candidates[candidates.length - 1]]));
const shapes = Object.entries(pins).map(([key, pinned]) => ({ key, fixed: 'another', pinned }));
const planText = JSON.stringify({ schema: PLAN_SCHEMA, device, choices: pins, shapes });
const staleText = JSON.stringify({ schema: PLAN_SCHEMA, device: { ...device, kernels: 'of another version' }, choices: pins, shapes });

/** The digests of all parameters' gradients, the plan that the report names, and stderr. */
async function gradients(...args: string[]): Promise<{ plan: string; digests: string; err: string }> {
  const question = [
    'gradient',
    '--model',
    'net.json',
    '--input',
    'x.npy',
    '--wrt',
    'parameters',
    '--labels',
    '1',
    '--output',
    'd.safetensors',
  ];
  const { code, out, err } = await run([...question, '--hash', '--json', ...args]);
  assert.is(code, 0, err);
  const report = JSON.parse(out) as { adapter: { plan: string }; hashes: unknown };
  return { plan: report.adapter.plan, digests: JSON.stringify(report.hashes), err };
}

test('a command runs under the plan that it is given, to the same bits each time, and its report says which', async () => {
  writeFileSync(at('pins.json'), planText);
  const plain = await gradients();
  assert.is(plain.plan, 'none');
  const first = await gradients('--plan', 'pins.json');
  assert.is(first.plan, planHash(pins));
  assert.match(first.err, new RegExp(`plan ${planHash(pins)} pins ${Object.keys(pins).length} shapes`));
  assert.equal(await gradients('--plan', 'pins.json'), first);
  const listed = await run(['doctor', '--json', '--plan', 'pins.json']);
  assert.is(listed.code, 0, listed.err);
  assert.is((JSON.parse(listed.out) as { inUse: { plan: string } }).inUse.plan, planHash(pins));
  const bench = ['bench', '--cases', 'softmax/*/forward/b1', '--samples', '1', '--budget', '0.01', '--json', 'b.json'];
  assert.is((await run([...bench, '--plan', 'pins.json'])).code, 0);
  assert.is((JSON.parse(readFileSync(at('b.json'), 'utf8')) as { plan: string }).plan, planHash(pins));
});

test('a plan of another version, adapter or kind is an error where it was named', async () => {
  writeFileSync(at('stale.json'), staleText);
  writeFileSync(at('broken.json'), '{');
  const question = ['predict', '--model', 'net.json', '--input', 'x.npy', '--plan'];
  for (const [file, words] of [
    ['stale.json', /plan: expected one for this device, got "stale\.json", made for other kernels/],
    ['broken.json', /plan: expected JSON in "broken\.json"/],
    ['absent.json', /--plan: expected a plan file .* got "absent\.json" \(ENOENT\)/],
  ] as const) {
    const { code, err } = await run([...question, file]);
    assert.is(code, 2);
    assert.match(err, words);
  }
});

test("the cache's plan file is in force by default; one that is stale or damaged is not used, and that is said", async () => {
  const plain = await gradients();
  mkdirSync(path.join(cache, 'plans'));
  await withCache(async () => {
    assert.equal(await gradients(), plain);
    await run([...TUNE, '--model', 'net.json']);
    const [name] = readdirSync(path.join(cache, 'plans'));
    const file = path.join(cache, 'plans', name);
    assert.ok((JSON.parse(readFileSync(file, 'utf8')) as PlanFile).shapes.length > 3);
    writeFileSync(file, planText);
    const pinned = await gradients();
    assert.is(pinned.plan, planHash(pins));
    assert.equal((await gradients('--plan', 'none')).digests, plain.digests);
    for (const text of [staleText, '{']) {
      writeFileSync(file, text);
      const without = await gradients();
      assert.is(without.plan, 'none');
      assert.is(without.digests, plain.digests);
      assert.is(without.err.match(/warning: plan: expected .* Its kernels are not used/g)?.length, 1);
    }
  });
});

test('Ctrl-C leaves the earlier plan file as it was', async () => {
  writeFileSync(at('kept.json'), planText);
  const before = readdirSync(path.dirname(at('kept.json'))).sort();
  const { code } = await run(['tune', '--model', 'squeezenet-random', '--plan', 'kept.json'], (child) =>
    child.stderr!.once('data', () => setTimeout(() => child.kill('SIGINT'), 1500)),
  );
  assert.is.not(code, 0);
  assert.is(readFileSync(at('kept.json'), 'utf8'), planText);
  assert.equal(readdirSync(path.dirname(at('kept.json'))).sort(), before);
});

test.run();
