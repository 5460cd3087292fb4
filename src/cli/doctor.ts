/** `backlight doctor`: the adapters of this machine, and a self-test of every kernel on the one in use. */
import { Command } from 'commander';
import { formatAdapter, listAdapters, type AdapterSummary } from '../gpu/device.ts';
import { CASES } from '../verify/cases.ts';
import { checkCase, explainFailure, type CaseReport } from '../verify/kernels.ts';
import { VERSION } from '../version.ts';
import { adapterOptions, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { adapterReport, bytes, CheckFailed, formatTable, printJson, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments {
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Limits that decide what fits. */
const LIMITS = ['maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage', 'maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupsPerDimension', 'maxComputeWorkgroupStorageSize'];

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
    if (!args.json) printAdapters(adapters, gpu.info);
    const reports: CaseReport[] = [];
    const failures = new Map<CaseReport, string>();
    for (const c of CASES) {
      if (!args.all && !c.essential) continue;
      const report = await checkCase(gpu, c);
      reports.push(report);
      if (!report.passed) failures.set(report, explainFailure(report));
    }
    const ops = [...new Set(reports.map((r) => r.case.op))].map((op) => {
      const own = reports.filter((r) => r.case.op === op);
      const comparisons = own.flatMap((r) => r.comparisons);
      return { op, cases: own.length, comparisons: comparisons.length, worst: Math.max(...comparisons.map((c) => c.worst)), passed: own.every((r) => r.passed) };
    });
    if (args.json) {
      printJson({ version: VERSION, node: process.version, adapters, inUse: adapterReport(gpu.info), limits: gpu.info.limits, features: gpu.info.features, ops, failures: [...failures.values()] });
    } else {
      console.log(`\nself-test against the f64 reference: largest error over rounding bound, at most 1 for a correct kernel\n`);
      console.log(formatTable(['op', 'cases', 'worst', ''], ops.map((o) => [o.op, o.cases, o.worst.toFixed(3), o.passed ? 'ok' : 'FAILED'])));
      for (const failure of failures.values()) console.log(`FAILED ${failure}`);
      console.log(failures.size === 0 ? `\nall ${reports.length} cases passed` : `\n${failures.size} of ${reports.length} cases failed`);
    }
    if (failures.size > 0) throw new CheckFailed();
  });
}

function printAdapters(adapters: readonly AdapterSummary[], inUse: AdapterSummary): void {
  console.log(`backlight ${VERSION}, node ${process.version}, dawn (webgpu) ${inUse.dawn ?? 'unknown'}\n\nadapters`);
  for (const adapter of adapters) console.log(`  ${formatAdapter(adapter)}`);
  console.log(`\nin use: ${formatAdapter(inUse)}\n  mode ${inUse.mode}; toggles ${inUse.toggles.join(' ') || 'default'}\n  features ${inUse.features.join(', ')}`);
  for (const name of LIMITS) {
    const value = inUse.limits[name];
    if (value !== undefined) console.log(`  ${name} ${/Size$/.test(name) ? bytes(value) : value}`);
  }
}
