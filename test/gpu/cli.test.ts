// The command line as a user meets it: a process, its exit code, what it prints where, what it leaves behind. And the time from a cold start.
import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readNpyTensor, readSafetensors, writeGraph, writeNpy, writeSafetensors } from '../../src/formats/index.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { Network } from '../../src/network.ts';
import type { Tensor } from '../../src/tensor.ts';
import { buildCommand, type Outcome } from '../command.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { randomNet } from '../nets.ts';
import { encode, scene } from '../host/pictures.ts';

const command = await buildCommand();
const { at, folder } = command;

const backlight = (...args: string[]): Promise<Outcome> => command.run(args);

// A network of the project's own format, on pictures.
const net = randomNet(1);
const [N, C, H, W] = net.input.shape;
writeFileSync(at('net.json'), writeGraph(net.graph));
writeFileSync(at('net.safetensors'), writeSafetensors(net.parameters as Map<string, Tensor>));
writeFileSync(at('x.npy'), writeNpy(net.input));
writeFileSync(at('labels.txt'), Array.from({ length: 9 }, (_, k) => `class number ${k}`).join('\n'));
const before = readdirSync(folder).sort();

/** Usage and input errors: exit code 2, one line on stderr besides the adapter's, no output, nothing left behind. */
async function refused(message: RegExp, ...args: string[]): Promise<void> {
  const { code, out, err } = await backlight(...args);
  const lines = err
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('adapter: '));
  assert.is(code, 2, `${args.join(' ')}: exit code ${code}: ${err}`);
  assert.is(lines.length, 1, `expected one line, got:\n${err}`);
  assert.match(lines[0], message);
  assert.is(out, '');
  assert.equal(readdirSync(folder).sort(), before, 'a file was left behind');
}

test('predict prints the best classes, and writes raw scores', async () => {
  const { code, out, err } = await backlight(
    'predict',
    '--model',
    'net.json',
    '--input',
    'x.npy',
    '--output',
    'y.npy',
    '--top',
    '2',
    '--labels',
    'labels.txt',
  );
  assert.is(code, 0, err);
  assert.match(err, /^adapter: \S+/);
  assert.match(out, /class +score +posterior +label/);
  assert.match(out, /class number \d/);
  const scores = readNpyTensor(readFileSync(at('y.npy')));
  assert.is(scores.shape[0], N);
  rmSync(at('y.npy'));
});

test('predict --json and --tensor', async () => {
  const { code, out } = await backlight('predict', '--model', 'net.json', '--input', 'x.npy', '--json');
  assert.is(code, 0);
  const report = JSON.parse(out);
  assert.is(report.predictions.length, N);
  assert.ok(report.pipelines > 0 && report.compileMs > 0 && report.runMs > 0 && report.totalMs > 0);
  assert.ok(report.adapter.name);
  const tensor = await backlight('predict', '--model', 'net.json', '--input', 'x.npy', '--tensor', 'relu1', '--output', 't.npy');
  assert.is(tensor.code, 0, tensor.err);
  assert.is(readNpyTensor(readFileSync(at('t.npy'))).shape.length, 4);
  rmSync(at('t.npy'));
});

test('gradient writes what the library computes, under rules and overrides', async () => {
  const gpu = await openDevice();
  const network = new Network(gpu, net.graph, net.parameters);
  try {
    const common = ['gradient', '--model', 'net.json', '--input', 'x.npy', '--output', 'g.npy'];
    const cases: [string[], Parameters<Network['gradient']>[1]][] = [
      [['--target', '1'], { target: 1 }],
      [['--rule', 'deconvnet'], { target: 'top1', rule: 'deconvnet' }],
      [
        ['--target', '0', '--rule', 'guided', '--rule-at', 'relu1=linear'],
        { target: 0, rule: { relu: 'guided', at: { relu1: 'linear' } } },
      ],
      [['--neuron', 'relu1:0,1,2'], { neuron: { tensor: 'relu1', at: [0, 1, 2] } }],
      [['--score', 'posterior', '--target', '1'], { target: 1, score: 'posterior' }],
    ];
    for (const [args, options] of cases) {
      const { code, err } = await backlight(...common, ...args);
      assert.is(code, 0, err);
      const got = readNpyTensor(readFileSync(at('g.npy')));
      assert.equal(got.shape, net.input.shape);
      assert.equal(got.data, (await network.gradient(net.input, options)).gradient.data);
      rmSync(at('g.npy'));
    }
    const { code, out } = await backlight(...common, '--json');
    assert.is(code, 0);
    const report = JSON.parse(out);
    assert.is(report.targets.length, N);
    assert.ok(report.pipelines > 0 && report.norm > 0);
    rmSync(at('g.npy'));

    const parameters = await backlight(
      'gradient',
      '--model',
      'net.json',
      '--input',
      'x.npy',
      '--wrt',
      'parameters',
      '--labels',
      Array(N).fill(1).join(','),
      '--output',
      'd.safetensors',
    );
    assert.is(parameters.code, 0, parameters.err);
    const { tensors } = readSafetensors(readFileSync(at('d.safetensors')));
    const want = await network.parameterGradients(net.input, Array(N).fill(1));
    assert.equal([...tensors.keys()].sort(), [...want.gradients.keys()].sort());
    for (const [name, gradient] of want.gradients) assert.equal(tensors.get(name)!.data, gradient.data, name);
    rmSync(at('d.safetensors'));
  } finally {
    await network.dispose();
    gpu.dispose();
  }
});

test('a picture is made into the input', async () => {
  writeFileSync(at('p.png'), await encode(scene(W, H)).png().toBuffer());
  const options = C === 3 ? ['--channels', 'rgb', '--mean', '0'] : C === 1 ? ['--channels', 'grey', '--mean', '0'] : null;
  if (options && N === 1) {
    const { code, err } = await backlight('predict', '--model', 'net.json', '--input', 'p.png', '--scale', '1/255', ...options);
    assert.is(code, 0, err);
  } else {
    const { code, err } = await backlight('predict', '--model', 'net.json', '--input', 'p.png', '--preprocess', 'caffe');
    if (C !== 3) {
      assert.is(code, 2);
      assert.match(err, /channels/);
    }
  }
  rmSync(at('p.png'));
});

test('plan, gradcheck and doctor', async () => {
  const plan = await backlight('plan', 'net.json');
  assert.is(plan.code, 0, plan.err);
  assert.match(plan.out, /MMAC/);
  assert.match(plan.out, /slots, \d+ % of all its tensors together/);
  assert.match(plan.out, /ReLUs +\d+, of which the layer before computes \d+ on the way up, the layer behind \d+ on the way down/);
  const json = JSON.parse((await backlight('plan', 'net.json', '--json')).out);
  assert.ok(json.memory.slots <= json.memory.sum);
  assert.ok(json.plan.forward.length > 0);
  const check = await backlight('gradcheck', 'net.json', '--rule', 'guided');
  assert.is(check.code, 0, check.err + check.out);
  assert.match(check.out, /every layer lies within its bound/);
  assert.is(JSON.parse((await backlight('gradcheck', 'net.json', '--input', 'x.npy', '--json')).out).passed, true);
  const doctor = await backlight('doctor');
  assert.is(doctor.code, 0, doctor.err + doctor.out);
  assert.match(doctor.out, /all \d+ cases passed/);
  const report = JSON.parse((await backlight('doctor', '--json')).out);
  assert.equal(report.failures, []);
  assert.ok(report.adapters.length > 0 && report.ops.length >= 20);
});

test('help everywhere, with an example', async () => {
  assert.is((await backlight()).code, 0);
  for (const command of ['predict', 'gradient', 'plan', 'gradcheck', 'doctor']) {
    const { code, out, err } = await backlight(command, '--help');
    assert.is(code, 0);
    assert.is(err, '');
    assert.match(out, /Example/);
    assert.match(out, /--adapter/);
  }
  assert.match((await backlight('--version')).out, /^(\d+\.\d+\.\d+|development)\n$/);
});

test('bad usage and bad input: exit code 2 and one line', async () => {
  const gradient = ['gradient', '--model', 'net.json', '--input', 'x.npy'];
  await refused(/unknown command 'saliencies'/, 'saliencies');
  await refused(/required option '--model <file>'/, 'predict');
  await refused(/unknown option '--ruel'/, ...gradient, '--output', 'g.npy', '--ruel', 'guided');
  await refused(/model: expected a readable file, got "nope.onnx" \(ENOENT\)/, 'predict', '--model', 'nope.onnx', '--input', 'x.npy');
  await refused(/--input: expected a readable file, got "nope.npy"/, 'predict', '--model', 'net.json', '--input', 'nope.npy');
  await refused(
    /--rule: expected one of gradient, deconvnet, guided, linear, a preset \(.*zeiler-fergus.*\) or a \.json file of rules, got "deconv"/,
    ...gradient,
    '--output',
    'g.npy',
    '--rule',
    'deconv',
  );
  await refused(/expected the name of a ReLU, got "conv2d0"/, ...gradient, '--output', 'g.npy', '--rule-at', 'conv2d0=guided');
  await refused(/--rule-at: expected LAYER=RULE, got "relu1"/, ...gradient, '--output', 'g.npy', '--rule-at', 'relu1');
  await refused(/target: expected classes in \[0, \d+\], got 4096/, ...gradient, '--output', 'g.npy', '--target', '4096');
  await refused(/--target: expected a class number, .* got "dog"/, ...gradient, '--output', 'g.npy', '--target', 'dog');
  await refused(/expected a tensor of the network, got "nowhere"/, ...gradient, '--output', 'g.npy', '--neuron', 'nowhere:1');
  await refused(/neuron "relu1": expected 3 coordinates below/, ...gradient, '--output', 'g.npy', '--neuron', 'relu1:99,0,0');
  await refused(/--neuron: expected TENSOR:c,y,x/, ...gradient, '--output', 'g.npy', '--neuron', 'relu1');
  await refused(/expected either --target or --neuron/, ...gradient, '--output', 'g.npy', '--neuron', 'relu1:0', '--target', '1');
  await refused(
    /--score: expected a class as target with it, got --neuron/,
    ...gradient,
    '--output',
    'g.npy',
    '--neuron',
    'relu1:0',
    '--score',
    'posterior',
  );
  await refused(/--target: expected a class in \[0, \d+\], got 4096/, 'gradcheck', 'net.json', '--target', '4096');
  await refused(/--output: expected a file name ending in \.npy/, ...gradient, '--output', 'g.png');
  await refused(/--output: expected a file of its own, got "x\.npy", which is read here/, ...gradient, '--output', 'x.npy');
  await refused(/expected tensors of at most 2147483647 elements/, 'plan', 'net.json', '--batch', '1e12');
  await refused(/--output: expected an existing folder/, ...gradient, '--output', 'no/such/folder/g.npy');
  await refused(/--wrt parameters: expected --labels/, ...gradient, '--output', 'd.safetensors', '--wrt', 'parameters');
  await refused(
    /labels: expected classes/,
    ...gradient,
    '--output',
    'd.safetensors',
    '--wrt',
    'parameters',
    '--labels',
    Array(N).fill(77).join(','),
  );
  await refused(/adapter/, ...gradient, '--output', 'g.npy', '--adapter', 'Voodoo 2');
  await refused(/mode/, ...gradient, '--output', 'g.npy', '--mode', 'fast');
  await refused(/--size: expected an image as --input/, ...gradient, '--output', 'g.npy', '--size', '10');
  await refused(
    /expected a tensor of the network, got "relu"\. Similar: "relu/,
    'predict',
    '--model',
    'net.json',
    '--input',
    'x.npy',
    '--tensor',
    'relu',
  );
  await refused(/expected a file \.onnx or \.json/, 'predict', '--model', 'x.npy', '--input', 'x.npy');
});

if (existsSync('/dev/full')) {
  test('standard output that takes nothing more is a failure, not a success', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [command.program, 'plan', 'net.json'], {
      cwd: folder,
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    assert.is(status, 1);
    assert.match(stderr, /expected to write to standard output, got ENOSPC/);
  });
}

test('wrong and damaged files: one line', async () => {
  before.push('bad.npy', 'bad.onnx', 'bad.json', 'bad.safetensors', 'bad.png');
  before.sort();
  writeFileSync(at('bad.npy'), readFileSync(at('x.npy')).subarray(0, 200));
  writeFileSync(at('bad.onnx'), Buffer.from('not a model'));
  writeFileSync(at('bad.png'), Buffer.from('not a picture'));
  writeFileSync(at('bad.json'), readFileSync(at('net.json')));
  writeFileSync(at('bad.safetensors'), readFileSync(at('net.safetensors')).subarray(0, 500));
  await refused(/npy/, 'predict', '--model', 'net.json', '--input', 'bad.npy');
  await refused(/onnx/, 'predict', '--model', 'bad.onnx', '--input', 'x.npy');
  await refused(/safetensors/, 'predict', '--model', 'bad.json', '--input', 'x.npy');
  await refused(/image|preprocess|channels/, 'predict', '--model', 'net.json', '--input', 'bad.png', '--preprocess', 'caffe');
  writeFileSync(at('bad.npy'), writeNpy({ shape: [N, C + 1, H, W], data: new Float32Array(N * (C + 1) * H * W) }));
  await refused(/--input: expected \d+ channels/, 'predict', '--model', 'net.json', '--input', 'bad.npy');
  writeFileSync(at('bad.npy'), writeNpy({ shape: [4], data: new Float32Array(4) }));
  await refused(/--input: expected an array/, 'predict', '--model', 'net.json', '--input', 'bad.npy');
});

test('an output that is there survives a failure, and a gradient of NaN is told', async () => {
  copyFileSync(at('x.npy'), at('g.npy'));
  const kept = readFileSync(at('g.npy'));
  assert.is((await backlight('gradient', '--model', 'net.json', '--input', 'x.npy', '--target', '4096', '--output', 'g.npy')).code, 2);
  assert.equal(readFileSync(at('g.npy')), kept);
  const data = net.input.data.slice();
  data[3] = NaN;
  writeFileSync(at('nan.npy'), writeNpy({ shape: net.input.shape, data }));
  const { code, err } = await backlight('predict', '--model', 'net.json', '--input', 'nan.npy');
  assert.is(code, 0);
  assert.match(err, /warning: \d+ of \d+ values of ".+" are not finite/);
});

if (!dataPresent) {
  sayMissing('cold start of real networks');
  test.skip('cold start of real networks');
} else {
  for (const [file, limit] of [
    ['squeezenet1.1.onnx', 6000],
    ['googlenet.onnx', 20_000],
  ] as const) {
    test(`cold start: ${file}, from process start to the written gradient, under ${limit} ms`, async () => {
      const model = dataPath('models', file);
      const picture = dataPath('photos', 'cat.jpg');
      const { code, out, err, ms } = await backlight(
        'gradient',
        '--model',
        model,
        '--input',
        picture,
        '--preprocess',
        'caffe',
        '--target',
        '282',
        '--output',
        'g.npy',
        '--json',
      );
      assert.is(code, 0, err);
      assert.ok(existsSync(at('g.npy')));
      const { pipelines, compileMs, runMs, coldMs } = JSON.parse(out);
      assert.ok(coldMs > runMs && coldMs < ms, `first gradient after ${coldMs} of ${ms} ms`);
      console.log(
        `measured: ${file}: ${ms.toFixed(0)} ms from process start to the written gradient; ${pipelines} pipelines in ${compileMs} ms, run ${runMs} ms`,
      );
      assert.ok(ms < limit, `${ms} ms`);
    });
  }
}

test.run();
