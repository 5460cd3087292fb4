// Opening, sharing, losing and closing devices; errors as types; the embedded software Vulkan, in processes of their own.
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AdapterError, DeviceLostError, InputError, OutOfMemoryError, ShaderError, ValidationError } from '../../src/errors.ts';
import type { EngineError } from '../../src/errors.ts';
import { adoptDevice, formatAdapter, listAdapters, mappedBytes, openDevice, untilLost, withErrorScopes } from '../../src/gpu/device.ts';
import { BufferUsage, MapMode } from '../../src/gpu/constants.ts';
import type { AdapterSummary, Gpu } from '../../src/gpu/device.ts';

// Run with a role, this file is the program under test: it opens a device in a process of its own and prints what it got.
if (process.env.DEVICE_TEST_ROLE) await playRole(process.env.DEVICE_TEST_ROLE);

async function playRole(role: string): Promise<void> {
  try {
    if (role === 'list') {
      console.log(JSON.stringify(await listAdapters()));
      process.exit(0);
    }
    const gpu = await openDevice();
    console.log(JSON.stringify({ ...gpu.info, variables: [process.env.VK_DRIVER_FILES ?? null, process.env.VK_ICD_FILENAMES ?? null] }));
    if (role === 'uncaught') {
      gpu.device.createBuffer({ label: 'wrong', size: 16, usage: BufferUsage.MAP_READ | BufferUsage.STORAGE });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (role === 'code') process.exit(7);
    gpu.dispose();
    if (role === 'exit') process.exit(0);
    // Otherwise the process ends by itself; uvu must not run here.
    await new Promise<void>((resolve) => process.once('beforeExit', () => resolve(process.exit(0))));
  } catch (error) {
    console.log(String(error));
    process.exit(error instanceof AdapterError ? 2 : 1);
  }
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** This file once more, in a role, with only these variables set differently; killed (code null) if it hangs. */
function play(role: string, variables: Record<string, string | undefined>): Promise<Ended> {
  const env: NodeJS.ProcessEnv = { ...process.env, DEVICE_TEST_ROLE: role, ...variables };
  for (const name of Object.keys(env)) if (env[name] === undefined) delete env[name];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], { env, timeout: 60_000, killSignal: 'SIGKILL' });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Waits for the rejection and returns it. */
async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected a rejection');
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'backlight-device-test-'));
const embedded = process.platform === 'linux' && process.arch === 'x64';
/** No drivers but the embedded one: nothing named in the environment. */
const bare = { BACKLIGHT_ADAPTER: 'software', VK_DRIVER_FILES: undefined, VK_ICD_FILENAMES: undefined, VK_ADD_DRIVER_FILES: undefined };
const ADD_ONE = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) { x[i] = x[i] + 1.0; }`;

/** Adds one to 0, 1, 2, 3 on the device. */
async function addOne(gpu: Gpu): Promise<number[]> {
  const { device } = gpu;
  const x = device.createBuffer({ size: 16, usage: BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST });
  const y = device.createBuffer({ size: 16, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST });
  device.queue.writeBuffer(x, 0, new Float32Array([0, 1, 2, 3]));
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code: ADD_ONE }) } });
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: x } }] });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(x, 0, y, 0, 16);
  device.queue.submit([encoder.finish()]);
  await untilLost(gpu, { label: 'test' }, y.mapAsync(MapMode.READ));
  const result = [...new Float32Array(y.getMappedRange())];
  x.destroy();
  y.destroy();
  return result;
}

const gpu = await openDevice();

test('a device runs and says what it is', async () => {
  const { info, device, owned } = gpu;
  assert.is(owned, true);
  assert.is(info.mode, 'safe');
  assert.equal(info.toggles, []);
  assert.match(info.dawn!, /^\d+\.\d+\.\d+$/);
  assert.ok(info.name && info.driver && info.backend);
  assert.match(formatAdapter(info), info.software ? /, software, / : /, GPU, /);
  assert.ok(info.limits.maxStorageBufferBindingSize > 2 ** 27, 'the adapter\'s limits were asked for, not the default 128 MiB');
  assert.is(info.limits.maxStorageBufferBindingSize, device.limits.maxStorageBufferBindingSize);
  assert.equal([...info.features], [...device.features].sort());
  if (info.architecture === 'swiftshader') {
    assert.ok(info.features.includes('timestamp-query') && info.features.includes('subgroups'));
    assert.equal(info.subgroupSize, [4, 4]);
    assert.is(info.limits.maxComputeInvocationsPerWorkgroup, 256);
  }
  assert.equal(await addOne(gpu), [1, 2, 3, 4]);
  gpu.check();
});

test('every adapter that is listed can be opened by its name', async () => {
  const all = await listAdapters();
  assert.ok(all.length > 0);
  for (const summary of all) {
    const other = await openDevice({ adapter: summary.name });
    try {
      assert.is(other.info.name, summary.name);
      assert.equal(await addOne(other), [1, 2, 3, 4]);
    } finally {
      other.dispose();
    }
  }
});

test('toggles are passed on and told', async () => {
  const native = await openDevice({ mode: 'native', quantizeTimestamps: false, toggles: ['dump_shaders', '-dump_shaders'] });
  try {
    assert.is(native.info.mode, 'native');
    assert.equal(native.info.toggles, [
      '+disable_robustness',
      '+disable_workgroup_init',
      '+disable_polyfills_on_integer_div_and_mod',
      '-timestamp_quantization',
      '+dump_shaders',
      '-dump_shaders',
    ]);
  } finally {
    native.dispose();
  }
  assert.instance(await rejection(openDevice({ mode: 'fast' as 'safe' })), InputError);
});

test('an unknown adapter is an error that lists those there are', async () => {
  const error = await rejection(openDevice({ adapter: 'no such thing' }));
  assert.instance(error, AdapterError);
  assert.match(error.message, 'got "no such thing"');
  for (const { name } of await listAdapters()) assert.ok(error.message.includes(name), `${name} is missing in: ${error.message}`);
});

test('a GPU that is asked for is a GPU or an error', async () => {
  const all = await listAdapters();
  if (all.some(({ software }) => !software)) {
    const real = await openDevice({ adapter: 'gpu' });
    assert.is(real.info.software, false);
    real.dispose();
    assert.is(gpu.info.software, Boolean(process.env.BACKLIGHT_ADAPTER) && gpu.info.software, 'a GPU wins unless the environment chooses');
  } else {
    const error = await rejection(openDevice({ adapter: 'gpu' }));
    assert.instance(error, AdapterError);
    assert.match(error.message, 'expected a GPU');
  }
});

test('a feature the adapter lacks is an error that names it', async () => {
  const error = await rejection(openDevice({ features: ['imaginary-feature' as GPUFeatureName] }));
  assert.instance(error, AdapterError);
  assert.match(error.message, 'imaginary-feature');
});

test('an injected device is not destroyed', async () => {
  const host = await openDevice();
  try {
    const guest = adoptDevice(host.device);
    assert.is(guest.owned, false);
    assert.is(guest.info.architecture, host.info.architecture);
    assert.equal(await addOne(guest), [1, 2, 3, 4]);
    guest.dispose();
    guest.dispose();
    assert.throws(() => guest.check(), (error: Error) => error instanceof DeviceLostError && error.message.includes('disposed'));
    assert.equal(await addOne(host), [1, 2, 3, 4]);
    host.check();
  } finally {
    host.dispose();
  }
});

test('a validation error is typed and names the node', async () => {
  const where = { label: 'conv2d "first"', node: 'first' };
  const wrong = () => gpu.device.createBuffer({ label: 'wrong', size: 16, usage: BufferUsage.MAP_READ | BufferUsage.STORAGE });
  const error = await rejection(withErrorScopes(gpu, where, wrong));
  assert.instance(error, ValidationError);
  assert.is((error as ValidationError).node, 'first');
  assert.match(error.message, /^conv2d "first": .*MapRead/);
  assert.not.match(error.message, /\n|""/);
  gpu.check();
});

test('more than the limits allow is a validation error, all that memory holds not is out of memory', async () => {
  const { maxBufferSize } = gpu.device.limits;
  const where = { label: 'x', node: 'n' };
  const make = (size: number) => withErrorScopes(gpu, where, () => gpu.device.createBuffer({ size, usage: BufferUsage.STORAGE }));
  assert.instance(await rejection(make(maxBufferSize + 4)), ValidationError);
  if (!gpu.info.software) {
    console.log('skipped: out of memory is provoked on the software adapter only');
    return;
  }
  const buffers: GPUBuffer[] = [];
  let error: unknown;
  try {
    // SwiftShader's limit is 1 GiB, and a buffer of 1 GiB is already too much for it; a roomier one runs out a little later.
    while (buffers.length < 64) buffers.push(await make(maxBufferSize));
  } catch (caught) {
    error = caught;
  }
  for (const buffer of buffers) buffer.destroy();
  assert.instance(error, OutOfMemoryError);
  assert.is((error as OutOfMemoryError).node, 'n');
  assert.equal(await addOne(gpu), [1, 2, 3, 4], 'the device serves on');
});

test('a shader that does not compile is a shader error', async () => {
  const { device } = gpu;
  const compile = async (code: string) => {
    const where = { label: 'x.wgsl' };
    const module = await withErrorScopes(gpu, where, () => device.createShaderModule({ code }));
    return untilLost(gpu, where, device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'other' } }));
  };
  const error = await rejection(compile('@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }'));
  assert.instance(error, ValidationError);
  assert.match(error.message, /^x\.wgsl: .*u32/);
  const absent = await rejection(compile(ADD_ONE));
  assert.instance(absent, ShaderError);
  assert.match(absent.message, /^x\.wgsl: .*other/);
});

test('scopes side by side are charged with their own errors only', async () => {
  const make = (label: string, usage: number) => withErrorScopes(gpu, { label }, () => gpu.device.createBuffer({ size: 16, usage }));
  const all = await Promise.allSettled([
    make('a', BufferUsage.STORAGE),
    make('b', BufferUsage.MAP_READ | BufferUsage.STORAGE),
    make('c', BufferUsage.STORAGE),
    make('d', BufferUsage.MAP_READ | BufferUsage.UNIFORM),
  ]);
  assert.equal(
    all.map((one) => (one.status === 'rejected' ? String(one.reason).slice(0, 18) : one.status)),
    ['fulfilled', 'ValidationError: b', 'fulfilled', 'ValidationError: d'],
  );
});

test('what is thrown inside a scope passes unchanged, results are awaited, scopes stay balanced', async () => {
  const mine = new Error('mine');
  const where = { label: 'x' };
  assert.is(await rejection(withErrorScopes(gpu, where, () => { throw mine; })), mine);
  assert.is(await rejection(withErrorScopes(gpu, where, () => Promise.reject(mine))), mine);
  assert.is(await withErrorScopes(gpu, where, () => Promise.resolve(5)), 5);
  assert.is(await rejection(gpu.device.popErrorScope()).then((error) => error.name), 'OperationError');
});

test('an error that nobody caught is kept, or told to those who listen', async () => {
  const wrong = () => gpu.device.createBuffer({ size: 16, usage: BufferUsage.MAP_READ | BufferUsage.STORAGE });
  const settle = async () => {
    await gpu.device.queue.onSubmittedWorkDone();
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  wrong();
  await settle();
  assert.throws(() => gpu.check(), (error: Error) => error instanceof ValidationError);
  gpu.check();
  const heard: EngineError[] = [];
  const unsubscribe = gpu.onUncapturedError((error) => heard.push(error));
  wrong();
  await settle();
  unsubscribe();
  assert.is(heard.length, 1);
  assert.instance(heard[0], ValidationError);
  gpu.check();
});

test('a lost device is an error in all that waits for it and all that comes after', async () => {
  const victim = await openDevice();
  const where = { label: 'relu "r"', node: 'r' };
  const buffer = victim.device.createBuffer({ size: 1 << 20, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST });
  const waiting = [untilLost(victim, where, buffer.mapAsync(MapMode.READ)), untilLost(victim, where, new Promise(() => {}))].map(rejection);
  victim.device.destroy();
  for (const error of await Promise.all(waiting)) {
    assert.instance(error, DeviceLostError);
    assert.match(error.message, /^relu "r": .*destroyed/);
  }
  assert.is((await victim.lost).reason, 'destroyed');
  assert.is(victim.loss?.reason, 'destroyed');
  assert.throws(() => victim.check(), (error: Error) => error instanceof DeviceLostError);
  assert.instance(await rejection(withErrorScopes(victim, where, () => 1)), DeviceLostError);
  let told = 0;
  victim.onLost(() => told++);
  assert.is(told, 1);
  victim.dispose();
});

test('a loss that is told of after what it breaks is still the reason', async () => {
  const where = { label: 'relu "r"', node: 'r' };
  const loss = { reason: 'destroyed', message: 'pulled out' };
  const late = {
    device: gpu.device,
    dozes: false,
    loss: undefined,
    onLost: (listener: (told: typeof loss) => void) => {
      setTimeout(() => listener(loss), 100);
      return () => false;
    },
  };
  for (const name of ['AbortError', 'OperationError']) {
    const broken = Promise.reject(Object.assign(new Error('unmapped'), { name }));
    const error = await rejection(untilLost(late, where, broken));
    assert.instance(error, DeviceLostError);
    assert.match(error.message, /^relu "r": .*pulled out/);
  }
  // Mapped, and taken away before it is read.
  const victim = await openDevice();
  const buffer = victim.device.createBuffer({ size: 16, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST });
  await untilLost(victim, where, buffer.mapAsync(MapMode.READ));
  assert.is((await mappedBytes(victim, where, buffer)).byteLength, 16);
  buffer.unmap();
  await untilLost(victim, where, buffer.mapAsync(MapMode.READ));
  victim.device.destroy();
  assert.instance(await rejection(mappedBytes(victim, where, buffer)), DeviceLostError);
  victim.dispose();
});

test('disposing ends what waits, and is no loss', async () => {
  const victim = await openDevice();
  let lost = false;
  void victim.lost.then(() => (lost = true));
  const waiting = rejection(untilLost(victim, { label: 'x' }, new Promise(() => {})));
  victim.dispose();
  assert.match((await waiting).message, 'disposed');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(lost, false);
  assert.is((await victim.device.lost).reason, 'destroyed');
});

test('other work goes on while a device is waited for', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const dozing = { device: gpu.device, onLost: gpu.onLost, loss: undefined, dozes: true };
  assert.is(await untilLost(dozing, { label: 'x' }, new Promise((resolve) => setTimeout(resolve, 100, 8))), 8);
  clearInterval(timer);
  assert.ok(turns > 10, `${turns} turns of a timer in 100 ms`);
});

test('a process ends by itself after dispose, and with the code it is given', async () => {
  assert.is((await play('dispose', {})).code, 0);
  assert.is((await play('exit', {})).code, 0);
  assert.is((await play('code', {})).code, 7);
});

test('uncaught errors of Dawn stay off stdout', async () => {
  const { code, stdout } = await play('uncaught', {});
  assert.is(code, 0);
  assert.is(stdout.trim().split('\n').length, 1, stdout);
});

test('BACKLIGHT_ADAPTER chooses', async () => {
  const named = await play('exit', { BACKLIGHT_ADAPTER: gpu.info.name.toUpperCase() });
  assert.is(named.code, 0, named.stdout);
  assert.is(JSON.parse(named.stdout).vendor, gpu.info.vendor);
  const unknown = await play('exit', { BACKLIGHT_ADAPTER: 'nonesuch' });
  assert.is(unknown.code, 2);
  assert.match(unknown.stdout, /^AdapterError: .*got "nonesuch"/);
});

const cached = async (role: string, variables: Record<string, string | undefined>) => {
  const ended = await play(role, { ...bare, ...variables });
  assert.is(ended.code, 0, ended.stdout + ended.stderr);
  return JSON.parse(ended.stdout) as AdapterSummary & { variables: (string | null)[] };
};

if (!embedded) {
  console.log('skipped: the embedded software Vulkan is for Linux on x64');
} else {
  test('processes that unpack at once share one whole copy', async () => {
    const cache = path.join(scratch, 'race');
    const all = await Promise.all(Array.from({ length: 4 }, () => cached('exit', { BACKLIGHT_CACHE: cache })));
    const folders = fs.readdirSync(cache);
    assert.is(folders.length, 1, folders.join(' '));
    const folder = path.join(cache, folders[0]);
    for (const info of all) assert.match(info.driver, folder);
    assert.equal(fs.readdirSync(folder).sort(), ['libvk_swiftshader.so', 'libvulkan.so.1', 'unpacked.json', 'vk_swiftshader_icd.json']);
    // The variables that point the loader at the driver do not stay behind.
    assert.equal(all[0].variables, [null, null]);
  });

  test('a damaged copy is unpacked again', async () => {
    const cache = path.join(scratch, 'race');
    const driver = path.join(cache, fs.readdirSync(cache)[0], 'libvk_swiftshader.so');
    const bytes = fs.statSync(driver).size;
    fs.truncateSync(driver, 1000);
    const all = await Promise.all(Array.from({ length: 3 }, () => cached('exit', { BACKLIGHT_CACHE: cache })));
    for (const info of all) assert.is(info.architecture, 'swiftshader');
    assert.is(fs.statSync(driver).size, bytes);
    assert.is(fs.readdirSync(cache).length, 1);
  });

  test('where the cache folder cannot be written, the temporary folder serves; where neither can, an error says so', async () => {
    const file = path.join(scratch, 'file');
    fs.writeFileSync(file, '');
    const temporary = path.join(scratch, 'tmp');
    fs.mkdirSync(temporary);
    const info = await cached('exit', { BACKLIGHT_CACHE: file, TMPDIR: temporary });
    assert.match(info.driver, temporary);
    // A folder others may write to is not one to load programs from.
    fs.chmodSync(path.join(temporary, fs.readdirSync(temporary)[0]), 0o777);
    const { code, stdout } = await play('exit', { ...bare, BACKLIGHT_CACHE: file, TMPDIR: temporary });
    assert.is(code, 2);
    assert.match(stdout, /^AdapterError: .*BACKLIGHT_CACHE/);
  });

  test('drivers of the system are found, also without a loader of the system, and drivers the user names are taken', async () => {
    const cache = path.join(scratch, 'race');
    const driver = path.join(cache, fs.readdirSync(cache)[0], 'libvk_swiftshader.so');
    const share = path.join(scratch, 'share');
    const manifest = path.join(share, 'vulkan/icd.d/imitation.json');
    fs.mkdirSync(path.dirname(manifest), { recursive: true });
    fs.writeFileSync(manifest, JSON.stringify({ file_format_version: '1.0.0', ICD: { library_path: driver, api_version: '1.1.0' } }));

    const { code, stdout } = await play('list', { ...bare, BACKLIGHT_CACHE: cache, XDG_DATA_HOME: share });
    assert.is(code, 0, stdout);
    assert.ok((JSON.parse(stdout) as AdapterSummary[]).some((summary) => summary.driver.includes(manifest)), stdout);

    const chosen = await cached('exit', { BACKLIGHT_CACHE: cache, VK_DRIVER_FILES: manifest });
    assert.match(chosen.driver, `VK_DRIVER_FILES=${manifest}`);
    assert.equal(chosen.variables, [manifest, null]);

    // What the user names but does not exist is no reason to give up.
    const other = await cached('exit', { BACKLIGHT_CACHE: cache, VK_DRIVER_FILES: '/nowhere.json', BACKLIGHT_ADAPTER: undefined });
    assert.match(other.driver, '@sparticuz/chromium');
  });
}

test('the device code bundles for a browser without anything of Node', async () => {
  const { outputFiles, warnings } = await build({
    entryPoints: ['src/gpu/device.ts'],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    write: false,
    logLevel: 'silent',
  });
  assert.equal(warnings, []);
  assert.not.match(outputFiles[0].text, /^import /m);
});

test.after(() => {
  gpu.dispose();
  fs.rmSync(scratch, { recursive: true, force: true });
});
test.run();
