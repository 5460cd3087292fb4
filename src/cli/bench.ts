/** `backlight bench`: every kernel at the sizes of real networks, checked, timed, and held against roofs measured in the same run. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import {
  compareReports,
  firstGradient,
  makeReport,
  measureRoofs,
  rooflineSvg,
  runCase,
  runNetwork,
  selectCases,
  toCsv,
  withDerived,
  BENCH_CASES,
  type BenchReport,
  type CaseResult,
  type NetworkResult,
} from '../bench/index.ts';
import { InputError } from '../errors.ts';
import { formatAdapter, openDevice, type Gpu } from '../gpu/device.ts';
import { GpuTimer } from '../gpu/timer.ts';
import { COMMIT, VERSION } from '../version.ts';
import { collect, parseInteger, parsePositive, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { caseHeader, caseLine, changeLines, networkLines, roofLines } from './benchTable.ts';
import { GEOMETRIES, networkOf } from './benchModels.ts';
import { MODEL_HELP } from './model.ts';
import { checkOutputs, writeTogether, type Content } from './outputs.ts';
import { deviceOptions, planHash } from './planFile.ts';
import { CheckFailed, withExample } from './session.ts';

interface Arguments extends DeviceArguments {
  readonly cases: readonly string[];
  readonly model: readonly string[];
  readonly batch: string;
  readonly samples: string;
  readonly budget: string;
  readonly json?: string;
  readonly csv?: string;
  readonly svg?: string;
  readonly baseline?: string;
  readonly threshold: string;
  readonly list?: boolean;
  readonly cold?: boolean;
}

export function benchCommand(): Command {
  const command = new Command('bench')
    .description(
      'Times every kernel at the sizes of real networks, forward and backward, on this adapter. Each result is checked against f64 before its time is ' +
        'taken; speeds are held against roofs measured in the same run.',
    )
    .option(
      '--cases <glob>',
      'cases by id, such as "conv3x3/*/dx/b1" or "linear"; several times for more (default: all that suit the adapter)',
      collect,
      [],
    )
    .option(
      '--model <m>',
      `whole networks instead of cases, or besides --cases: ${GEOMETRIES.join(', ')}, which fetch nothing, or a ${MODEL_HELP}; several times for more`,
      collect,
      [],
    )
    .option('--batch <n>', 'images at a time, for --model', '1')
    .option('--samples <n>', 'samples of each time', '20')
    .option('--budget <seconds>', 'time for the samples of one case; three are taken whatever they take', '1')
    .option('--json <file.json>', 'write the report')
    .option('--csv <file.csv>', 'write the cases as CSV')
    .option('--svg <file.svg>', 'draw the roofline')
    .option('--baseline <file.json>', 'compare with an earlier report of this adapter; slower cases make the exit code 1')
    .option('--threshold <percent>', 'how much slower or faster counts as a change', '10')
    .addOption(new Option('--cold', 'make one gradient of --model and print the ms since the process began').hideHelp())
    .option('--list', 'print the ids of the cases and do nothing');
  withDeviceOptions(command).action(bench);
  return withExample(
    command,
    'backlight bench --json bench.json --svg roofline.svg',
    'backlight bench --cases "conv*/dx/b1" --mode native',
    'backlight bench --model vgg16-random --batch 8',
  );
}

async function bench(args: Arguments): Promise<void> {
  const started = performance.now();
  const samples = parseInteger(args.samples, '--samples', 1);
  const budget = parsePositive(args.budget, '--budget');
  const threshold = parsePositive(args.threshold, '--threshold') / 100;
  const batch = parseInteger(args.batch, '--batch', 1);
  if (args.list) {
    for (const { id, software } of selectCases(
      args.cases.flatMap((text) => text.split(',')),
      false,
    ))
      console.log(software ? `${id}  (software too)` : id);
    return;
  }
  if (args.cold) return coldStart(args, batch);
  await checkOutputs(
    [
      { option: '--json', file: args.json, extensions: ['.json'] },
      { option: '--csv', file: args.csv, extensions: ['.csv'] },
      { option: '--svg', file: args.svg, extensions: ['.svg'] },
    ],
    args.baseline === undefined ? [] : [args.baseline],
  );
  const baseline = args.baseline === undefined ? undefined : await readReport(args.baseline);
  const patterns = args.cases.flatMap((text) => text.split(','));
  const gpu = await openDevice({ ...deviceOptions(args), quantizeTimestamps: false });
  try {
    const { info } = gpu;
    const all = patterns.length > 0 || args.model.length === 0 ? selectCases(patterns, gpu.info.software) : [];
    if (patterns.length > 0 && all.length === 0) {
      throw new InputError(
        `--cases: expected a pattern that matches one of ${BENCH_CASES.length} cases, got ${patterns.join(', ')}. --list prints them.`,
      );
    }
    const report = await measure(gpu, {
      cases: all,
      models: args.model,
      batch,
      samples,
      budget,
      patterns,
      started,
      cold: ['--mode', info.mode, '--adapter', info.name, ...(args.plan === undefined ? [] : ['--plan', args.plan])],
    });
    const files: (readonly [string, Content])[] = [];
    const text = (content: string): Uint8Array => new TextEncoder().encode(content);
    if (args.json !== undefined) files.push([args.json, text(`${JSON.stringify(report, null, 1)}\n`)]);
    if (args.csv !== undefined) files.push([args.csv, text(toCsv(report))]);
    if (args.svg !== undefined) files.push([args.svg, text(rooflineSvg(report))]);
    await writeTogether(files);
    conclude(report, baseline, threshold);
  } finally {
    gpu.dispose();
  }
}

async function readReport(file: string): Promise<BenchReport> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as BenchReport;
  } catch (error) {
    throw new InputError(
      `--baseline: expected a report written by bench --json, got "${file}" (${error instanceof Error ? error.message : error}).`,
    );
  }
}

interface Wanted {
  readonly cases: ReturnType<typeof selectCases>;
  readonly models: readonly string[];
  readonly batch: number;
  readonly samples: number;
  readonly budget: number;
  readonly patterns: readonly string[];
  readonly started: number;
  /** Options that lead another process to the same device. */
  readonly cold: readonly string[];
}

async function measure(gpu: Gpu, { cases, models, batch, samples, budget, patterns, started, cold }: Wanted): Promise<BenchReport> {
  const options = { samples, budget };
  const timer = await GpuTimer.create(gpu);
  try {
    const { info } = gpu;
    console.log(
      `adapter  ${formatAdapter(info)}\ndriver   ${info.driver}\nmode     ${info.mode}; toggles ${info.toggles.join(' ') || 'none'}\nplan     ${planHash(gpu.choices)}`,
    );
    console.log(
      `clock    ${timer.timestamps ? "the device's, by timestamps around a pass" : "the host's: this adapter has no timestamp-query"}`,
    );
    const before = await measureRoofs(gpu, timer, options);
    console.log(`\n${roofLines(before)}`);
    const results: CaseResult[] = [];
    let kind = '';
    for (const c of cases) {
      if (c.kind !== kind) console.log(`\n${caseHeader((kind = c.kind))}`);
      const result = await runCase(gpu, timer, c, options);
      results.push(result);
      console.log(caseLine(withDerived(result, before)));
    }
    const networks: NetworkResult[] = [];
    for (const name of models) {
      const result = { ...(await runNetwork(gpu, timer, await networkOf(name, batch), options)), coldMs: await coldMs(name, batch, cold) };
      networks.push(result);
      console.log(`\n${networkLines(result)}`);
    }
    const after = await measureRoofs(gpu, timer, options);
    const versions = {
      backlight: VERSION,
      commit: process.env.BACKLIGHT_COMMIT || COMMIT,
      webgpu: info.dawn,
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
    };
    return makeReport(
      {
        adapter: info,
        plan: planHash(gpu.choices),
        versions,
        options: { samples, budgetSeconds: budget, cases: patterns },
        before,
        after,
        cases: results,
        networks,
        seconds: Math.round((performance.now() - started) / 100) / 10,
      },
      new Date(),
    );
  } finally {
    timer.dispose();
  }
}

/** Makes a first gradient as a process of its own, and prints how long after its start that was. */
async function coldStart(args: Arguments, batch: number): Promise<void> {
  const gpu = await openDevice(deviceOptions(args));
  try {
    const { graph, parameters } = await networkOf(args.model[0], batch);
    await firstGradient(gpu, { name: args.model[0], graph, parameters });
    console.log(performance.now());
  } finally {
    gpu.dispose();
  }
}

/** The median of three such processes, in ms; undefined if one fails. */
async function coldMs(name: string, batch: number, cold: readonly string[]): Promise<number | undefined> {
  const all: number[] = [];
  for (let k = 0; k < 3; k++) {
    const args = [process.argv[1], 'bench', '--cold', '--model', name, '--batch', String(batch), ...cold];
    const out = await new Promise<string>((resolve) => execFile(process.execPath, args, (error, stdout) => resolve(error ? '' : stdout)));
    if (!(Number(out) > 0)) return undefined;
    all.push(Number(out));
  }
  return all.sort((a, b) => a - b)[1];
}

/** What the run amounts to; a wrong result, a failure or a regression makes it fail. */
function conclude(report: BenchReport, baseline: BenchReport | undefined, threshold: number): void {
  const wrong = report.cases.filter(
    ({ check, failed, repeats }) => failed !== undefined || check?.passed === false || repeats?.same === false,
  );
  const wrongNetworks = report.networks.filter(({ check, same }) => check?.passed === false || same === false);
  console.log(`\nafter the cases:\n${roofLines(report.roofs.after)}`);
  const timed = report.cases.filter(({ timing }) => timing).length;
  const skipped = report.cases.filter((row) => row.skipped !== undefined).length;
  console.log(
    `\n${timed} cases timed, ${skipped} skipped, ${wrong.length} wrong, in ${report.seconds} s. Every time is of a result checked against f64.`,
  );
  let slower = 0;
  if (baseline) {
    const changes = compareReports(baseline, report, threshold);
    slower = changes.filter(({ verdict }) => verdict === 'slower').length;
    console.log(`\n${changeLines(changes, threshold)}`);
  }
  if (wrong.length + wrongNetworks.length + slower > 0) throw new CheckFailed();
}
