// The step of the device's clock, as it is and as browsers have it; and the host's where a device has no timestamps.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { measureClock } from '../../src/bench/clock.ts';
import { RoofKernels } from '../../src/bench/roofKernels.ts';
import { adoptDevice, openDevice, type AdapterOptions, type Gpu } from '../../src/gpu/device.ts';
import { chooseAdapter } from '../../src/gpu/adapter.ts';
import { GpuTimer } from '../../src/gpu/timer.ts';

async function clockOf(gpu: Gpu) {
  const timer = await GpuTimer.create(gpu);
  try {
    return await measureClock(gpu, timer);
  } finally {
    timer.dispose();
  }
}

async function opened(options: AdapterOptions) {
  const gpu = await openDevice(options);
  try {
    return await clockOf(gpu);
  } finally {
    gpu.dispose();
  }
}

test('quantised timestamps go in steps of 65.536 us, others in finer ones', async () => {
  const coarse = await opened({ quantizeTimestamps: true });
  assert.is(coarse.kind, 'timestamps');
  assert.ok(Math.abs(coarse.quantumMs / 0.065536 - Math.round(coarse.quantumMs / 0.065536)) < 1e-9, `${coarse.quantumMs} ms`);
  assert.ok(coarse.quantumMs < 0.14 && coarse.spanMs >= 20 * coarse.quantumMs);
  const fine = await opened({ quantizeTimestamps: false });
  assert.is(fine.kind, 'timestamps');
  assert.ok(fine.quantumMs < 0.0055, `${fine.quantumMs} ms`);
  console.log(`measured: timestamps in steps of ${coarse.quantumMs} ms quantised, ${fine.quantumMs} ms not`);
});

test('without timestamps the host tells the time, and a sample lasts ten submissions', async () => {
  const { adapter } = await chooseAdapter({});
  const device = await adapter.requestDevice();
  const gpu = adoptDevice(device);
  try {
    const clock = await clockOf(gpu);
    assert.is(clock.kind, 'wall');
    assert.ok(clock.quantumMs > 0 && clock.quantumMs < 2 && clock.spanMs >= 2, JSON.stringify(clock));
  } finally {
    gpu.dispose();
    device.destroy();
  }
});

test('a GPU that was idle is kept busy until its clocks are up, one that was not needs nothing, and software has no such clocks', async () => {
  const software = await openDevice();
  const gpu: Gpu = Object.create(software, { info: { value: { ...software.info, software: false } } });
  const kernels = new RoofKernels(gpu);
  try {
    const nothing = await kernels.dispatch('nothing', { word: await kernels.buffer(16) }, {}, 1);
    const rousing = async (of: Gpu, times = 1): Promise<number> => {
      const timer = await GpuTimer.create(of);
      let last = 0;
      for (let k = 0; k < times; k++) {
        const began = performance.now();
        await timer.rouse([nothing]);
        last = performance.now() - began;
      }
      timer.dispose();
      return last;
    };
    const [idle, busy, none] = [await rousing(gpu), await rousing(gpu, 2), await rousing(software)];
    assert.ok(idle >= 600, `${idle} ms`);
    assert.ok(busy < 100 && none < 100, `${busy} and ${none} ms`);
  } finally {
    kernels.dispose();
    software.dispose();
  }
});

test.run();
