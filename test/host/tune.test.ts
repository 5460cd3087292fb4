// Choosing among kernels without a device: one table for the static choice, pins and candidates; what is worth tuning; leads; plan files.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BENCH_CASES, planOf, squeezenet, type BenchCase } from '../../src/bench/index.ts';
import { conclude } from '../../src/cli/tune.ts';
import { planHash } from '../../src/cli/planFile.ts';
import { CheckFailed } from '../../src/cli/session.ts';
import { makeProblem } from '../../src/bench/problem.ts';
import { wanted, wantedAt } from '../../src/bench/wanted.ts';
import { FormatError, InputError } from '../../src/errors.ts';
import type { AdapterSummary } from '../../src/gpu/device.ts';
import type { Choices, DeviceTraits, Plan } from '../../src/plan.ts';
import {
  casesOf,
  choiceOf,
  differenceOf,
  distinct,
  makePlanFile,
  parsePlanFile,
  planDevice,
  type TunedShape,
} from '../../src/tune/index.ts';
import { isClear, leadOf } from '../../src/tune/race.ts';

/** What a call throws, which must be of this kind. */
function thrown(call: () => unknown, kind: new (message?: string) => Error): Error {
  try {
    call();
  } catch (error) {
    assert.instance(error, kind);
    return error as Error;
  }
  return assert.unreachable('expected an error') as never;
}

const TRAITS: readonly DeviceTraits[] = [
  { quads: false, tiles: false },
  { quads: true, tiles: false },
  { quads: false, tiles: true },
];
const TUNED = distinct(BENCH_CASES);
const steps = ({ prepare, forward, backward }: Plan): string => JSON.stringify([prepare, forward, backward]);

test('every candidate, pinned, is what a plan takes; the static choice is the first of them', () => {
  let names = 0;
  for (const traits of TRAITS) {
    for (const c of TUNED) {
      const plan = planOf(c, traits);
      const choice = choiceOf(plan, c)!;
      assert.equal(choice.chosen, choice.fixed);
      assert.is(choice.candidates[0], choice.fixed[0]);
      assert.is(new Set(choice.candidates).size, choice.candidates.length);
      for (const name of choice.candidates) {
        const pinned = planOf(c, { ...traits, choices: { [choice.key]: name } });
        const chosen = choiceOf(pinned, c)!;
        // Where a stride makes phases, one that a kernel cannot compute stays with the static choice, and none is split.
        const phases = c.direction === 'dx' && ((c.attrs.stride as number[] | undefined) ?? []).some((stride) => stride > 1);
        if (phases) assert.ok(chosen.chosen.includes(name), `${choice.key}: ${name}`);
        else assert.equal(chosen.chosen, [name], choice.key);
        assert.equal(chosen.fixed, choice.fixed);
        assert.equal(chosen.candidates, choice.candidates);
        if (choice.fixed.length === 1 && name === choice.fixed[0]) assert.is(steps(pinned), steps(plan));
        names++;
      }
    }
  }
  assert.ok(names > 2000, `${names} candidates`);
});

const CASE: BenchCase = TUNED.find(({ id }) => id === 'conv3x3/googlenet.3a_3x3/forward/b1')!;
const KEY = 'conv2d forward x 1x96x28x28 w 128x96x3x3 pad 1';

test('without pins, or with pins of other shapes, nothing changes', () => {
  const [, quads] = TRAITS;
  const plain = planOf(CASE, quads);
  assert.is(choiceOf(plain, CASE)!.key, KEY);
  for (const choices of [{}, { 'conv2d forward x 1x96x28x28 w 128x96x3x3': 'tile8x4' }] as Choices[]) {
    assert.is(steps(planOf(CASE, { ...quads, choices })), steps(plain));
  }
});

test('a pin that no row of the table answers to, or none that the device can run, is an error that names those that do', () => {
  const pin = (name: string, traits: DeviceTraits): Plan => planOf(CASE, { ...traits, choices: { [KEY]: name } });
  const [plain, quads, tiles] = TRAITS;
  for (const name of ['tile9x9', 'tile8x16/2', 'gemm64x64/0', 'gemm64x64/2/2', '', '__proto__']) {
    assert.match(
      thrown(() => pin(name, tiles), InputError).message,
      /choices: expected for "conv2d forward .* one of .*direct, tile8x4, .*got "/,
    );
  }
  // Quads on a device without them would compute something else.
  assert.match(thrown(() => pin('quad8x16', plain), InputError).message, /got "quad8x16"/);
  assert.match(thrown(() => pin('gemm64x64', quads), InputError).message, /which this device can run/);
  assert.is(pin('gemm64x64/3', tiles).forward[0].geometry.slabs, 3);
  assert.is(pin('gemm64x64', tiles).forward.length, 1);
});

test('a pinned kernel leaves what it cannot compute to the static choice', () => {
  // Of a stride larger than the kernel some phases have no taps.
  const c: BenchCase = { ...CASE, inputs: [[1, 16, 9, 9], [16, 16, 1, 1], [16]], attrs: { stride: [2, 2] }, direction: 'dx' };
  const [, , tiles] = TRAITS;
  const { key } = choiceOf(planOf(c, tiles), c)!;
  const { chosen } = choiceOf(planOf(c, { ...tiles, choices: { [key]: 'gemm32x64/4' } }), c)!;
  assert.equal(chosen, ['gemm32x64', 'tile8x16']);
});

test('a network has each of its shapes once: convolutions in three directions, pools on the way down', () => {
  const cases = casesOf('squeezenet', squeezenet().graph);
  assert.is(cases.length, 3 * 26 + 3);
  const once = distinct([...cases, ...cases]);
  // Fire modules come in pairs, of which the later halves differ from the earlier ones only in what they squeeze.
  assert.is(once.length, 3 * 18 + 3);
  assert.equal([...new Set(once.map(({ direction }) => direction))], ['forward', 'dx', 'dw']);
  assert.is(new Set(once.map((c) => choiceOf(planOf(c, TRAITS[1]), c)!.key)).size, once.length);
});

test('a lead is clear beyond the margin and beyond the noise', () => {
  const fixed = [10, 12, 10, 11, 10, 20, 10, 10];
  assert.ok(isClear(leadOf([8, 10, 8, 9, 8, 15, 8, 8], fixed)));
  assert.not.ok(isClear(leadOf([9.7, 11.7, 9.7, 10.7, 9.7, 19, 9.7, 9.7], fixed)), 'three in a hundred');
  assert.not.ok(isClear(leadOf([5, 13, 5, 12, 5, 21, 5, 11], fixed)), 'faster in half of the rounds');
  assert.equal(leadOf([5, 5, 5], [10, 5, 20]), { ratio: 2, quartile: 1, rounds: 3 });
});

test('one element of a product is that of the whole reference, whatever is transposed and scaled', () => {
  for (const [transA, transB] of [
    [false, true],
    [true, true],
    [false, false],
    [true, false],
  ]) {
    for (const direction of ['forward', 'dx', 'dw'] as const) {
      for (const c of [[3], [5, 3], [5, 1], []]) {
        const inputs = [transA ? [4, 5] : [5, 4], transB ? [3, 4] : [4, 3], c];
        const problem = makeProblem(
          { ...CASE, id: 'l', op: 'linear', attrs: { transA, transB, alpha: -0.5, beta: 2 }, inputs, direction },
          TRAITS[0],
        );
        const whole = wanted(problem);
        const some = wantedAt(problem, Int32Array.from(whole.data.keys()));
        for (let i = 0; i < whole.data.length; i++) {
          assert.ok(Math.abs(some.data[i] - whole.data[i]) < 1e-12, `${transA} ${transB} ${direction} ${i}`);
          assert.ok(some.bound![i] < 4 * whole.bound![i] && some.bound![i] > whole.bound![i] / 4);
        }
      }
    }
  }
});

const INFO: AdapterSummary = {
  name: 'some-gpu',
  vendor: 'v',
  architecture: '',
  device: 'some-gpu',
  description: 'driver 1.2',
  software: false,
  backend: 'vulkan',
  driver: 'SwiftShader of a package in /home/someone/.cache',
  mode: 'safe',
  toggles: [],
  dawn: '0.6.2',
  features: [],
  limits: {},
};

const shape = (key: string, pinned?: string): TunedShape => ({
  key,
  id: key,
  fixed: 'tile8x16',
  candidates: [],
  ...(pinned ? { pinned, ratio: 1.5, sameBits: true } : {}),
});

test('a plan file keeps what was tuned before, is read back, and tells its device from others', async () => {
  const device = await planDevice(INFO);
  assert.equal(device.driver, 'SwiftShader of a package; driver 1.2', 'a folder is no part of the driver');
  assert.match(device.kernels, /^[0-9a-f]{64}$/);
  const first = makePlanFile(device, undefined, [shape('b', 'tile8x4'), shape('a'), shape('c', 'direct')]);
  assert.equal(first.choices, { b: 'tile8x4', c: 'direct' });
  const second = makePlanFile(device, first, [shape('c'), shape('d', 'row')]);
  assert.equal(second.choices, { b: 'tile8x4', d: 'row' });
  assert.equal(
    second.shapes.map(({ key }) => key),
    ['a', 'b', 'c', 'd'],
  );
  assert.equal(parsePlanFile(JSON.stringify(second), 'x.json'), second);
  assert.is(differenceOf(device, await planDevice({ ...INFO, driver: INFO.driver.replace('someone', 'another') })), undefined);
  assert.is(differenceOf(device, { ...device, mode: 'native' }), 'mode "safe" instead of "native"');
  assert.match(differenceOf(device, { ...device, kernels: '0' })!, /other kernels/);
  for (const field of ['adapter', 'driver', 'dawn', 'mode', 'kernels']) assert.ok(differenceOf({ ...device, [field]: 'x' }, device));
});

test('what is no plan file is refused', () => {
  const good = {
    schema: 'backlight-plan/1',
    device: { adapter: '', driver: '', dawn: '', mode: '', kernels: '' },
    choices: {},
    shapes: [],
  };
  parsePlanFile(JSON.stringify(good), 'x.json');
  const bad = [
    { ...good, schema: 'backlight-plan/0' },
    { ...good, device: { ...good.device, mode: 1 } },
    { ...good, choices: { a: 1 } },
    { ...good, choices: [] },
    { ...good, shapes: {} },
    { ...good, shapes: [{ key: 'a' }] },
    { ...good, shapes: [{ key: 'a', fixed: 'b', ratio: '2' }] },
    [],
    null,
  ];
  for (const json of bad) {
    assert.match(
      thrown(() => parsePlanFile(JSON.stringify(json), 'x.json'), FormatError).message,
      /^plan: expected .* in "x\.json"\. Make one/,
    );
  }
  thrown(() => parsePlanFile('{', 'x.json'), FormatError);
});

test('the digest of a plan is that of what is pinned, in any order', () => {
  assert.is(planHash(undefined), 'none');
  assert.is(planHash({}), 'none');
  assert.match(planHash({ a: 'x' }), /^[0-9a-f]{16}$/);
  assert.is(planHash({ a: 'x', b: 'y' }), planHash({ b: 'y', a: 'x' }));
  assert.is.not(planHash({ a: 'x', b: 'y' }), planHash({ a: 'y', b: 'x' }));
});

test('a refused kernel makes the command fail, and is named', async () => {
  const device = await planDevice(INFO);
  const refused: TunedShape = {
    ...shape('conv2d forward s', 'direct'),
    candidates: [{ variant: 'tile8x4', verdict: 'refused', why: 'wrong' }],
  };
  const said: string[] = [];
  const { log } = console;
  console.log = (line: string) => said.push(line);
  try {
    thrown(() => conclude(undefined, makePlanFile(device, undefined, [refused]), [refused], 1), CheckFailed);
    conclude('p.json', makePlanFile(device, undefined, [shape('linear dx s', 'row')]), [shape('linear dx s', 'row')], 1);
  } finally {
    console.log = log;
  }
  assert.match(said.join('\n'), /1 refused:\nREFUSED tile8x4 for conv2d forward s: wrong/);
});

test.run();
