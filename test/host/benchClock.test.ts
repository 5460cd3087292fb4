// How spans are chosen: the step of a clock, how long a sample must last for it, and that samples do.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clockOf, stepOf } from '../../src/bench/clock.ts';
import { rooflineFrame } from '../../src/bench/rooflineFrame.ts';
import { timeDispatches } from '../../src/bench/samples.ts';
import type { GpuTimer, Span } from '../../src/gpu/timer.ts';
import { clockInWords } from '../../src/lab/page/bench/words.ts';

test('the step of a clock is what all spans are multiples of', () => {
  const step = 0.065536;
  assert.ok(Math.abs(stepOf([3, 5, 8].map((n) => n * step)) - step) < 1e-12);
  assert.ok(Math.abs(stepOf([0.1, 0.3, 0.7]) - 0.1) < 1e-12);
  assert.ok(Math.abs(stepOf([1.000001, 2.000003]) - 1e-6) < 1e-12);
});

test('a sample lasts twenty steps of its clock, and ten empty submissions where only the host tells the time', () => {
  assert.is(clockOf('timestamps', 1e-6, 0).spanMs, 2);
  assert.is(clockOf('timestamps', 0.065536, 0).spanMs, 2);
  assert.is(clockOf('timestamps', 1, 0).spanMs, 20);
  assert.is(clockOf('wall', 0.1, 1.5).spanMs, 15);
  assert.match(clockInWords(clockOf('timestamps', 0.1, 0)), /in steps of 100 us; .* 2\.00 ms at least, so that a step is at most 5 %/);
  assert.match(clockInWords(clockOf('wall', 0.1, 1.5)), /no timestamps.* steps of 100 us.* 15\.0 ms at least/);
});

/** A device on which one run of anything takes so long, by a clock of so coarse a step. */
function fake(eachMs: number, stepMs: number, timestamps: boolean): { timer: GpuTimer; spans: number[] } {
  const spans: number[] = [];
  const measure = (_: unknown, repeats = 1): Promise<Span> => {
    const ms = eachMs * repeats;
    spans.push(ms);
    const coarse = Math.floor(ms / stepMs) * stepMs;
    return Promise.resolve({ wallMs: ms, ...(timestamps && coarse > 0 ? { deviceMs: coarse } : {}) });
  };
  return { timer: { rouse: () => Promise.resolve(), timestamps, measure } as unknown as GpuTimer, spans };
}

test('work is repeated until its span is long enough for the clock, and the time of one run comes out', async () => {
  for (const [step, timestamps] of [
    [0.1, true],
    [1, true],
    [0.1, false],
  ] as const) {
    const span = clockOf(timestamps ? 'timestamps' : 'wall', step, 0).spanMs;
    const { timer, spans } = fake(0.013, step, timestamps);
    const timing = await timeDispatches(timer, [], { samples: 5, budget: 0.02, span });
    assert.is(timing.clock, timestamps ? 'timestamps' : 'wall');
    assert.ok(
      spans.slice(-5).every((ms) => ms >= 0.99 * span),
      `${spans.slice(-5)} ms, expected ${span}`,
    );
    assert.ok(Math.abs(timing.device.median / 0.013 - 1) <= 0.05, `${timing.device.median} ms, expected 0.013`);
  }
});

test('a roofline before any case has its roofs', () => {
  const timing = { clock: 'wall', repeats: 1 } as never;
  const streams = [4, 32].map((mib, i) => ({ kind: 'read' as const, bytes: mib * 2 ** 20, gbs: 200 / (1 + i), timing }));
  const frame = rooflineFrame({
    cases: [],
    roofs: { best: { fma: [{ entry: 'fmaVector', gflops: 1000, timing }], streams, dispatchMs: 1, submitMs: 1 } },
  });
  assert.equal([frame.peak, frame.points, frame.kinds], [1000, [], []]);
  assert.equal(
    frame.slopes.map(({ gbs }) => gbs),
    [200, 100],
  );
  // The ridge, at 10 FLOP per byte, and all of both roofs' ends lie within.
  assert.ok(frame.intensities[0] < 10 && frame.intensities[1] > 10 && frame.speeds[1] >= 1000 && frame.speeds[0] > 0);
});

test.run();
