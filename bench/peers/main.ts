/**
 * Backlight beside TensorFlow.js and ONNX Runtime: the same work on the same adapter, on one device with one set of toggles, in one process, in
 * turns. See bench/README.md. `--help` lists the options.
 */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { selectCases } from '../../src/bench/cases.ts';
import { googlenet, squeezenet, vgg16 } from '../../src/bench/geometry.ts';
import type { BenchNetwork } from '../../src/bench/networks.ts';
import { makeProblem, randomTensor } from '../../src/bench/problem.ts';
import { formatAdapter, openDevice, traitsOf, type Mode } from '../../src/gpu/device.ts';
import { openModel } from '../../src/models/resolve.ts';
import { size, type Shape, type Tensor } from '../../src/tensor.ts';
import { backlightCase, backlightNetwork } from './backlight.ts';
import { Unavailable, type Contender } from './contender.ts';
import { actAsBrowser } from './environment.ts';
import { onnxCase, openOrtCpu, openOrtWeb, ortCpu, ortWeb, readModel, type Ort } from './ort.ts';
import { race, type Lane, type RaceOptions } from './race.ts';
import { openTfjs, tfjsCase } from './tfjs.ts';
import { tfjsNetwork } from './tfjsNetwork.ts';

/** Versions of the other engines, written in by the build. */
declare const PEER_VERSIONS: Readonly<Record<string, string>>;

const HELP = `node bench/peers/run.mjs [options]
  --adapter NAME      auto, gpu, software, or part of a name
  --mode MODE         safe or native: the one device's, and so everyone's
  --cases GLOB        ids as "backlight bench --list" prints them; several times for more
  --network FILE      an ONNX file or squeezenet-random, googlenet-random, vgg16-random: its forward pass everywhere, its input gradient on Backlight and TensorFlow.js; several times for more
  --forward           no gradients of networks
  --batch N           images at a time of the networks by geometry (default 1)
  --only NAMES        of backlight, tfjs, ort-web, ort-cpu, separated by commas
  --rounds N          rounds of each case (default 20)
  --budget SECONDS    for the rounds of one case (default 2); two are run whatever they take
  --tolerance X       relative difference in the Euclidean norm up to which two results count as the same (default 1e-5 for cases; ten times that
                      for networks)
  --json FILE         write the report
  --build             only build bench/peers/.build/main.mjs`;

/** What a software adapter is given by default: the other engines take seconds for much larger ones there. */
const SOFTWARE = [
  'conv1x1/squeezenet.fire2_squeeze/*/b1',
  'conv1x1/googlenet.4a_1x1/*/b1',
  'conv3x3/squeezenet.fire2_expand3/*/b1',
  'conv3x3/googlenet.3a_3x3/*/b1',
  'conv3x3s2/squeezenet.conv1/forward/b1',
  'conv5x5/googlenet.3a_5x5/*/b1',
  'depthwise/mobilenet.dw8/*/b1',
  'linear/googlenet.classifier/*/b1',
  'linear/googlenet.classifier/*/b32',
  'maxpool/squeezenet.pool1/forward/b1',
  'maxpool/squeezenet.pool1/dx/b1',
  'avgpool/googlenet.pool5/*/b1',
  'lrn/paper.norm1/forward/b1',
  'lrn/paper.norm1/dx/b1',
  'relu/squeezenet.relu1/forward/b1',
  'relu/squeezenet.relu1/dx-gradient/b1',
  'softmax/googlenet.prob/forward/b1',
  'concat/squeezenet.fire2/forward/b1',
];

const { values: args } = parseArgs({
  options: {
    adapter: { type: 'string' },
    mode: { type: 'string', default: 'safe' },
    cases: { type: 'string', multiple: true, default: [] },
    network: { type: 'string', multiple: true, default: [] },
    batch: { type: 'string', default: '1' },
    forward: { type: 'boolean', default: false },
    only: { type: 'string', default: 'backlight,tfjs,ort-web,ort-cpu' },
    rounds: { type: 'string', default: '20' },
    budget: { type: 'string', default: '2' },
    tolerance: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean' },
    build: { type: 'boolean' },
  },
});
if (args.help) {
  console.log(HELP);
  process.exit(0);
}

/** Networks by geometry, with random weights; ONNX Runtime takes files alone. */
const GEOMETRIES: Readonly<Record<string, (batch: number) => BenchNetwork>> = {
  'squeezenet-random': squeezenet,
  'googlenet-random': googlenet,
  'vgg16-random': vgg16,
};

const only = new Set(args.only.split(','));
const gpu = await openDevice({ adapter: args.adapter, mode: args.mode as Mode, quantizeTimestamps: false });
console.log(
  `adapter  ${formatAdapter(gpu.info)}\nmode     ${gpu.info.mode}; toggles ${gpu.info.toggles.join(' ')}; one device for everyone but ort-cpu`,
);
await actAsBrowser(gpu);
const versions: Record<string, string | undefined> = { node: process.version, webgpu: gpu.info.dawn, ...PEER_VERSIONS };
console.log(
  `versions ${Object.entries(versions)
    .map(([name, v]) => `${name} ${v}`)
    .join(', ')}\n`,
);

const engines = {
  tfjs: only.has('tfjs') ? await attempt('tfjs', () => openTfjs(gpu)) : undefined,
  ortWeb: only.has('ort-web') ? await attempt('ort-web', () => openOrtWeb(gpu)) : undefined,
  ortCpu: only.has('ort-cpu') ? await attempt('ort-cpu', () => openOrtCpu()) : undefined,
};
const options = (tolerance: number): RaceOptions => ({
  rounds: Number(args.rounds),
  budget: Number(args.budget),
  tolerance: args.tolerance === undefined ? tolerance : Number(args.tolerance),
});

interface Row {
  readonly id: string;
  readonly lanes: readonly Lane[];
}

const rows: Row[] = [];
const patterns = args.cases.length > 0 ? args.cases : args.network.length > 0 ? [] : gpu.info.software ? SOFTWARE : ['*'];
if (patterns.length > 0)
  for (const c of selectCases(patterns, gpu.info.software)) await compare(c.id, () => caseContenders(c.id), options(1e-5));
for (const file of args.network) await compareNetwork(file);
summarise();
gpu.dispose();
process.exit(0);

async function attempt<T>(name: string, open: () => Promise<T>): Promise<T | undefined> {
  try {
    return await open();
  } catch (error) {
    console.log(`${name} did not start: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
    return undefined;
  }
}

/** Contenders that could be set up, and why others could not. */
interface Field {
  readonly contenders: Contender[];
  readonly absent: Lane[];
}

async function join(field: Field, name: string, make: () => Contender | Contender[] | Promise<Contender>): Promise<void> {
  try {
    field.contenders.push(...[await make()].flat());
  } catch (error) {
    if (!(error instanceof Unavailable)) console.log(`${name}: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
    field.absent.push({ name, reason: error instanceof Error ? error.message.split('\n')[0] : String(error) });
  }
}

async function caseContenders(id: string): Promise<Field> {
  const [c] = selectCases([id], false).filter((one) => one.id === id);
  const problem = makeProblem(c, traitsOf(gpu));
  const field: Field = { contenders: [await backlightCase(gpu, problem)], absent: [] };
  const { tfjs, ortWeb: web, ortCpu: cpu } = engines;
  if (tfjs) await join(field, 'tfjs', () => tfjsCase(tfjs, problem));
  await joinOrt(field, web, cpu, () => {
    const { bytes, inputs, shape } = onnxCase(problem);
    return { bytes, inputs, output: 'y', shape };
  });
  return field;
}

interface OnnxWork {
  readonly bytes: Uint8Array;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly output: string;
  readonly shape: Shape;
}

async function joinOrt(field: Field, web: Ort | undefined, cpu: Ort | undefined, work: () => OnnxWork): Promise<void> {
  if (web) {
    await join(field, 'ort-web', () => {
      const { bytes, inputs, output, shape } = work();
      return ortWeb(web, gpu, bytes, inputs, output, shape);
    });
  }
  if (cpu) {
    await join(field, 'ort-cpu', () => {
      const { bytes, inputs, output } = work();
      return ortCpu(cpu, bytes, inputs, output);
    });
  }
}

async function compare(id: string, open: () => Promise<Field>, opts: RaceOptions): Promise<void> {
  const { contenders, absent } = await open();
  try {
    const lanes = [...(await race(gpu, contenders, opts)), ...absent];
    rows.push({ id, lanes });
    console.log(line(id, lanes));
    writeReport();
  } finally {
    for (const contender of contenders) await contender.dispose();
  }
}

/** After each row, so that a run cut short leaves what it had. */
function writeReport(): void {
  if (args.json === undefined) return;
  const { features: _, limits: __, driver: ___, ...adapter } = gpu.info;
  const report = {
    schema: 'backlight-peers/1',
    date: new Date().toISOString(),
    adapter,
    plan: 'none',
    versions,
    options: options(1e-5),
    rows,
  };
  writeFileSync(args.json, `${JSON.stringify(report, null, 1)}\n`);
}

function line(id: string, lanes: readonly Lane[]): string {
  const cells = lanes.map(({ name, times, ratio, leastRatio, reason }, k) => {
    if (!times) return `${name}: ${reason}`;
    const ms = `${times.median.toPrecision(3)} ms (${times.samples})`;
    return k === 0 ? ms : `${name} ${ms} = ${ratio!.toPrecision(3)}x (least ${leastRatio!.toPrecision(3)}x)`;
  });
  return `${id.padEnd(46)} ${cells.join(' | ')}`;
}

async function compareNetwork(file: string): Promise<void> {
  const random = Object.hasOwn(GEOMETRIES, file);
  if (!random && !existsSync(file))
    throw new Error(`--network: expected an ONNX file or one of ${Object.keys(GEOMETRIES).join(', ')}, got "${file}".`);
  const network: BenchNetwork = random ? GEOMETRIES[file](Number(args.batch)) : await load(file);
  const { graph } = network;
  const [{ name: input, shape }] = graph.inputs;
  const target = graph.scores ?? graph.outputs[0];
  const x = randomTensor(shape, 7);
  const { tfjs, ortWeb: web, ortCpu: cpu } = engines;
  const name = path.basename(file, '.onnx');
  await compare(
    `network/${name}/forward/b${shape[0]}`,
    async () => {
      // What ONNX Runtime gives is the file's own output; the others compute up to the same value.
      const output = graph.outputs[0];
      const field: Field = { contenders: [await backlightNetwork(gpu, network, output, x)], absent: [] };
      if (tfjs) await join(field, 'tfjs', () => tfjsNetwork(tfjs, network, output, x));
      if (!random) {
        const result = await field.contenders[0].read();
        await joinOrt(field, web, cpu, () => ({ bytes: readModel(file), inputs: { [input]: x }, output, shape: result.shape }));
      }
      return field;
    },
    options(1e-4),
  );
  if (args.forward) return;
  await compare(
    `network/${name}/input gradient/b${shape[0]}`,
    async () => {
      const seed = await seedFor(network, target, x);
      const field: Field = { contenders: [await backlightNetwork(gpu, network, target, x, seed)], absent: [] };
      if (tfjs) await join(field, 'tfjs', () => tfjsNetwork(tfjs, network, target, x, seed));
      return field;
    },
    options(1e-4),
  );
}

async function load(file: string): Promise<BenchNetwork> {
  const model = await openModel(file);
  const shape = model.input.dims!.map((extent) => (typeof extent === 'number' ? extent : 1));
  return { name: file, ...model.at({ [model.input.name]: shape }) };
}

/** The score of class 3. */
async function seedFor(network: BenchNetwork, target: string, x: Tensor): Promise<Tensor> {
  const contender = await backlightNetwork(gpu, network, target, x);
  const { shape } = await contender.read();
  await contender.dispose();
  const data = new Float32Array(size(shape));
  data[3] = 1;
  return { shape, data };
}

/** The geometric mean of the ratios, by engine and kind of work. */
function summarise(): void {
  const groups = new Map<string, number[]>();
  for (const { id, lanes } of rows) {
    for (const { name, ratio } of lanes.slice(1)) {
      if (ratio === undefined) continue;
      const parts = id.split('/');
      const what = parts[0] === 'network' ? 'networks' : /dx|dw/.test(parts[2]) ? 'backward' : 'forward';
      const key = `${what}, ${name}`;
      groups.set(key, [...(groups.get(key) ?? []), ratio]);
    }
  }
  console.log("\ntime over Backlight's, geometric mean of the ratios of medians (least to most):");
  for (const [key, ratios] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const mean = Math.exp(ratios.reduce((sum, r) => sum + Math.log(r), 0) / ratios.length);
    console.log(
      `  ${key.padEnd(34)} ${mean.toPrecision(3)}  (${Math.min(...ratios).toPrecision(3)} to ${Math.max(...ratios).toPrecision(3)}, ${ratios.length})`,
    );
  }
}
