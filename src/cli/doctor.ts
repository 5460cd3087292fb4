/** `backlight doctor`: the adapters of this machine, and a self-test of every kernel on the one in use. */
import { Command } from 'commander';
import { EngineError, LimitError } from '../errors.ts';
import { formatAdapter, listAdapters, type AdapterSummary, type Gpu } from '../gpu/device.ts';
import { CASES, describeCase, type OpCase } from '../verify/cases.ts';
import { checkCase, explainFailure, type CaseReport } from '../verify/kernels.ts';
import { VERSION } from '../version.ts';
import { adapterOptions, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { planHash } from './planFile.ts';
import { adapterReport, CheckFailed, formatTable, printJson, withDevice, withExample } from './session.ts';
import { bytes } from './sizes.ts';

interface Arguments extends DeviceArguments {
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Limits that decide what fits. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeWorkgroupStorageSize',
];

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('Lists adapters, limits, features and toggles, and checks every kernel against the f64 reference on the adapter in use.')
    .option('--all', 'check the whole case table, not the short list that reaches every kernel')
    .option('--json', 'print a report as JSON');
  withDeviceOptions(command).action(doctor);
  return withExample(command, 'backlight doctor --adapter software');
}

async function doctor(args: Arguments): Promise<void> {
  const adapters = await listAdapters(adapterOptions(args));
  await withDevice(args, async (gpu) => {
    if (!args.json) printAdapters(adapters, gpu);
    const cases = CASES.filter((c) => args.all || c.essential);
    const reports = await inLanes(cases, (c) => withinTime(c, checkCase(gpu, c)).catch((error: unknown) => failedCase(gpu, c, error)));
    const failures = reports
      .filter((report) => !report.passed)
      .map((report) => ('error' in report ? `${report.name}: ${report.error}` : explainFailure(report)));
    const ops = [...new Set(reports.map((r) => r.case.op))].map((op) => {
      const own = reports.filter((r) => r.case.op === op);
      const comparisons = own.flatMap((r) => r.comparisons);
      return {
        op,
        cases: own.length,
        comparisons: comparisons.length,
        worst: Math.max(0, ...comparisons.map((c) => c.worst)),
        passed: own.every((r) => r.passed),
      };
    });
    if (args.json) {
      printJson({
        version: VERSION,
        node: process.version,
        adapters,
        inUse: adapterReport(gpu),
        limits: gpu.info.limits,
        features: gpu.info.features,
        ops,
        failures,
      });
    } else {
      console.log(`\nself-test against the f64 reference: largest error over rounding bound, at most 1 for a correct kernel\n`);
      console.log(
        formatTable(
          ['op', 'cases', 'worst', ''],
          ops.map((o) => [o.op, o.cases, o.worst.toFixed(3), o.passed ? 'ok' : 'FAILED']),
        ),
      );
      for (const failure of failures) console.log(`FAILED ${failure}`);
      console.log(
        failures.length === 0 ? `\nall ${reports.length} cases passed` : `\n${failures.length} of ${reports.length} cases failed`,
      );
    }
    if (failures.length > 0) throw new CheckFailed();
  });
}

/** Cases under way at once: while one waits for its kernels to be compiled, others run. */
const LANES = 4;

/** The results of `work` in the order of the items. */
async function inLanes<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at]);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}

/** A kernel that never ends cannot be stopped, and nothing runs behind it: the command then ends at once, naming the case. */
async function withinTime<T>(c: OpCase, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${describeCase(c)}: expected the kernels to end within ${CASE_SECONDS} s, but they did not.`)),
      CASE_SECONDS * 1000,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A case takes milliseconds. */
const CASE_SECONDS = 120;

/** A case whose kernels do not even compile or run counts as failed, and the others still get their turn; without a device there is none. */
function failedCase(gpu: Gpu, c: OpCase, error: unknown): CaseReport & { readonly error: string } {
  if (gpu.loss || !(error instanceof EngineError || error instanceof LimitError)) throw error;
  return { case: c, name: describeCase(c), comparisons: [], passed: false, error: error.message };
}

function printAdapters(adapters: readonly AdapterSummary[], gpu: Gpu): void {
  const inUse = gpu.info;
  console.log(`backlight ${VERSION}, node ${process.version}, dawn (webgpu) ${inUse.dawn ?? 'unknown'}\n\nadapters`);
  for (const adapter of adapters) console.log(`  ${formatAdapter(adapter)}`);
  console.log(
    `\nin use: ${formatAdapter(inUse)}\n  mode ${inUse.mode}; toggles ${inUse.toggles.join(' ') || 'default'}\n  plan ${planHash(gpu.choices)}\n  features ${inUse.features.join(', ')}`,
  );
  for (const name of LIMITS) {
    const value = inUse.limits[name];
    if (value !== undefined) console.log(`  ${name} ${/Size$/.test(name) ? bytes(value) : value}`);
  }
}
