/** `backlight tune`: the fastest kernel for every shape of some networks on this adapter, pinned in a file that later commands run under. */
import path from 'node:path';
import { Command } from 'commander';
import { BENCH_CASES, planOf, selectCases, type BenchCase } from '../bench/index.ts';
import { InputError } from '../errors.ts';
import { formatAdapter, openDevice, type Gpu } from '../gpu/device.ts';
import { GpuTimer } from '../gpu/timer.ts';
import { DEFAULT_MODEL } from '../models/resolve.ts';
import {
  casesOf,
  choiceOf,
  distinct,
  makePlanFile,
  planDevice,
  staticTraits,
  tuneCase,
  type PlanFile,
  type TunedShape,
} from '../tune/index.ts';
import { VERSION } from '../version.ts';
import { adapterOptions, collect, parseInteger, parsePositive, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { GEOMETRIES, networkOf } from './benchModels.ts';
import { MODEL_HELP } from './model.ts';
import { checkOutputs, writeTogether, type Content } from './outputs.ts';
import { earlierPlan, namedPlan, planHash, planInForce, planPath } from './planFile.ts';
import { progress } from './progress.ts';
import { adapterReport, CheckFailed, formatTable, withExample } from './session.ts';
import { planTable, refusalLines, summaryLine } from './tuneTable.ts';

interface Arguments extends DeviceArguments {
  readonly model: readonly string[];
  readonly cases: readonly string[];
  readonly batch: string;
  readonly rounds: string;
  readonly budget: string;
  readonly json?: string;
  readonly dryRun?: boolean;
  readonly show?: boolean;
}

/** Too large to be tuned on a processor unasked, as for the benchmark. */
const LARGE = ['vgg16-random'];

export function tuneCommand(): Command {
  const command = new Command('tune')
    .description(
      'Measures the kernels that could compute each convolution, full layer and max-pool of some networks, forward, to the input and to the weights, on this ' +
        "adapter. Each is checked against f64 first; one that beats the static choice clearly is pinned in this adapter's plan file, which every command " +
        'then runs under.',
    )
    .option(
      '--model <m>',
      `networks to tune for: ${GEOMETRIES.join(', ')}, which fetch nothing, or a ${MODEL_HELP}; several times for more (default: the shipped network and, ` +
        `of the former, all, on a software adapter all but ${LARGE.join(', ')})`,
      collect,
      [],
    )
    .option('--cases <glob>', 'cases of the benchmark, such as "conv3x3/*/b32", instead of networks or besides --model', collect, [])
    .option('--batch <n>', 'images at a time, for networks: what is pinned for one batch says nothing of another', '1')
    .option('--rounds <n>', 'rounds of a race, at least five', '9')
    .option('--budget <seconds>', 'time for a race; five rounds are run whatever they take', '2')
    .option('--json <file.json>', 'write what was measured, candidate by candidate')
    .option('--dry-run', 'list the shapes and their candidates; measure and write nothing')
    .option('--show', 'print the plan file in force as a table; measure nothing');
  withDeviceOptions(command).action(tune);
  return withExample(
    command,
    'backlight tune --model squeezenet.onnx',
    'backlight tune --mode native --plan fast.json && backlight gradient ... --mode native --plan fast.json',
    'backlight tune --show',
  );
}

async function tune(args: Arguments): Promise<void> {
  const batch = parseInteger(args.batch, '--batch', 1);
  const rounds = parseInteger(args.rounds, '--rounds', 5);
  const budget = parsePositive(args.budget, '--budget');
  const named = namedPlan(args);
  await checkOutputs(
    [
      { option: '--json', file: args.json, extensions: ['.json'] },
      { option: '--plan', file: args.show || named === 'none' ? undefined : named, extensions: ['.json'] },
    ],
    [],
  );
  const gpu = await openDevice({ ...adapterOptions(args), quantizeTimestamps: false });
  try {
    console.error(`adapter: ${formatAdapter(gpu.info)}, mode ${gpu.info.mode}`);
    if (args.show) return await show(args, gpu);
    const cases = await casesFor(args, gpu, batch);
    if (args.dryRun) return list(gpu, cases);
    // Before the work: a file that is no plan is not written over.
    const file = await planPath(args, gpu.info);
    const earlier = file === undefined ? undefined : await earlierPlan(args, file, gpu.info);
    const started = performance.now();
    const tuned = await measure(gpu, cases, { rounds, budget });
    const plan = makePlanFile(await planDevice(gpu.info), earlier, tuned);
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    await write(args, gpu, file, plan, tuned, seconds);
    conclude(file, plan, tuned, seconds);
  } finally {
    gpu.dispose();
  }
}

async function show(args: Arguments, { info }: Gpu): Promise<void> {
  const found = await planInForce(args, info);
  if (!found) return console.log('no plan is in force: the static choice everywhere. Run "backlight tune".');
  const { file, plan } = found;
  console.log(`${file}\nplan ${planHash(plan.choices)}: ${Object.keys(plan.choices).length} of ${plan.shapes.length} shapes pinned\n`);
  console.log(planTable(plan.shapes));
}

async function casesFor(args: Arguments, { info }: Gpu, batch: number): Promise<BenchCase[]> {
  const patterns = args.cases.flatMap((text) => text.split(','));
  const usual = [DEFAULT_MODEL, ...GEOMETRIES.filter((name) => !info.software || !LARGE.includes(name))];
  const names = args.model.length > 0 ? args.model : patterns.length > 0 ? [] : usual;
  const networks: BenchCase[] = [];
  for (const name of names) networks.push(...casesOf(path.parse(name).name, (await networkOf(name, batch)).graph));
  const selected = patterns.length > 0 ? selectCases(patterns, info.software) : [];
  const cases = distinct([...networks, ...selected]);
  if (cases.length === 0) {
    const given = [...args.model, ...patterns].join(', ');
    throw new InputError(
      `tune: expected a network, or one of the benchmark's ${BENCH_CASES.length} cases, with convolutions, full layers or max-pools, got ${given}.`,
    );
  }
  return cases;
}

function list(gpu: Gpu, cases: readonly BenchCase[]): void {
  const traits = staticTraits(gpu);
  const rows = cases.flatMap((c) => {
    const choice = choiceOf(planOf(c, traits), c);
    return choice
      ? [[choice.key, choice.fixed.join(' + '), choice.candidates.filter((name) => !choice.fixed.includes(name)).join(' ')]]
      : [];
  });
  console.log(formatTable(['shape', 'static choice', 'others to measure'], rows));
}

async function measure(gpu: Gpu, cases: readonly BenchCase[], options: { rounds: number; budget: number }): Promise<TunedShape[]> {
  const timer = await GpuTimer.create(gpu);
  const bar = progress(cases.length, 'shapes');
  try {
    const tuned: TunedShape[] = [];
    for (const [done, c] of cases.entries()) {
      const shape = await tuneCase(gpu, timer, c, options);
      if (shape) tuned.push(shape);
      for (const line of shape ? refusalLines(shape) : []) console.error(line);
      bar.tick(done + 1, shape?.pinned === undefined ? c.id : `${c.id}  ${shape.fixed} > ${shape.pinned}`);
    }
    return tuned;
  } finally {
    bar.stop();
    timer.dispose();
  }
}

async function write(
  args: Arguments,
  gpu: Gpu,
  file: string | undefined,
  plan: PlanFile,
  tuned: readonly TunedShape[],
  seconds: number,
): Promise<void> {
  const text = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
  const report = {
    schema: 'backlight-tune/1',
    version: VERSION,
    node: process.version,
    adapter: adapterReport({ info: gpu.info, choices: plan.choices }),
    shapes: tuned,
    seconds,
  };
  const files: (readonly [string, Content])[] = [];
  if (file !== undefined) files.push([file, text(plan)]);
  if (args.json !== undefined) files.push([args.json, text(report)]);
  await writeTogether(files);
}

/** What the run amounts to; a kernel that failed its check makes it fail, however good the rest. */
export function conclude(file: string | undefined, plan: PlanFile, tuned: readonly TunedShape[], seconds: number): void {
  console.log(planTable(tuned));
  console.log(`\n${summaryLine(tuned)} in ${seconds} s`);
  if (file !== undefined) console.log(`plan ${planHash(plan.choices)}, ${Object.keys(plan.choices).length} pinned: ${file}`);
  const refused = tuned.flatMap(refusalLines);
  if (refused.length === 0) return;
  console.log(`\n${refused.length} refused:\n${refused.join('\n')}`);
  throw new CheckFailed();
}
