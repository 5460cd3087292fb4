/** `--profile`: where the device's time goes, layer by layer, as a table and as a trace that browsers draw. */
import { Option, type Command } from 'commander';
import type { Gpu } from '../gpu/device.ts';
import { Profiler, type ProfiledStep } from '../gpu/profiler.ts';
import type { DeviceArguments } from './arguments.ts';
import { formatMs } from '../bench/words.ts';
import { checkOutputs, writeTogether } from './outputs.ts';
import { formatTable, withDevice } from './session.ts';

export interface ProfileArguments {
  readonly profile?: string;
}

export function withProfileOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--profile <file.json>',
      "write a trace of the device's time, step by step (open it in chrome://tracing or ui.perfetto.dev), and print it by layer",
    ),
  );
}

/** `withDevice`; with `--profile`, under a profiler: the table goes to stderr, the trace to its file. */
export async function withProfiledDevice<T>(args: DeviceArguments & ProfileArguments, work: (gpu: Gpu) => Promise<T>): Promise<T> {
  const file = args.profile;
  if (file === undefined) return withDevice(args, work);
  await checkOutputs([{ option: '--profile', file, extensions: ['.json'] }], []);
  return withDevice(args, (gpu) => profiled(gpu, file, work), { quantizeTimestamps: false });
}

async function profiled<T>(gpu: Gpu, file: string, work: (gpu: Gpu) => Promise<T>): Promise<T> {
  const profiler = await Profiler.attach(gpu);
  try {
    const result = await work(gpu);
    await writeTogether([[file, new TextEncoder().encode(`${JSON.stringify(chromeTrace(profiler, gpu))}\n`)]]);
    console.error(`${layerTable(profiler.steps)}\ntrace written to ${file}`);
    return result;
  } finally {
    profiler.detach();
  }
}

/** Rows of the table that are shown; the rest is added up. */
const SHOWN = 40;

/** Time by run and node, the longest first. */
export function layerTable(steps: readonly ProfiledStep[]): string {
  const total = steps.reduce((sum, { begin, end }) => sum + end - begin, 0);
  const layers = new Map<string, { run: string; node: string; ms: number; count: number; kernels: Set<string> }>();
  for (const { run, node, shader, entry, begin, end } of steps) {
    const key = JSON.stringify([run, node]);
    const layer = layers.get(key) ?? { run, node, ms: 0, count: 0, kernels: new Set<string>() };
    layer.ms += end - begin;
    layer.count++;
    layer.kernels.add(`${shader}.${entry}`);
    layers.set(key, layer);
  }
  const sorted = [...layers.values()].sort((a, b) => b.ms - a.ms);
  const rest = sorted.slice(SHOWN);
  const share = (ms: number): string => `${((100 * ms) / (total || 1)).toFixed(1)} %`;
  const rows = sorted
    .slice(0, SHOWN)
    .map(({ run, node, ms, count, kernels }) => [run, node, formatMs(ms), share(ms), count, [...kernels].join(', ')]);
  const restMs = rest.reduce((sum, { ms }) => sum + ms, 0);
  if (rest.length > 0)
    rows.push(['', `${rest.length} more`, formatMs(restMs), share(restMs), rest.reduce((sum, { count }) => sum + count, 0), '']);
  rows.push(['', 'all', formatMs(total), share(total), steps.length, '']);
  return formatTable(['run', 'layer', 'device time', 'share', 'steps', 'kernels'], rows);
}

/**
 * The trace in Chrome's format (times in us): on one line the submissions as the host saw them, on the other the steps on the device's clock, set off
 * from the moment of submission.
 */
export function chromeTrace({ runs, steps }: Pick<Profiler, 'runs' | 'steps'>, { info }: Pick<Gpu, 'info'>): object {
  const name = (tid: number, text: string): object => ({ ph: 'M', pid: 1, tid, name: 'thread_name', args: { name: text } });
  return {
    displayTimeUnit: 'ms',
    otherData: { adapter: info.name, mode: info.mode, toggles: info.toggles.join(' ') },
    traceEvents: [
      { ph: 'M', pid: 1, name: 'process_name', args: { name: 'backlight' } },
      name(1, 'host: submissions'),
      name(2, `device: ${info.name}`),
      ...runs.map(({ run, graph, start, wallMs }) => ({
        ph: 'X',
        pid: 1,
        tid: 1,
        cat: 'run',
        name: run,
        ts: 1000 * start,
        dur: 1000 * wallMs,
        args: { graph },
      })),
      ...steps.map(({ run, submission, node, shader, entry, workgroups, begin, end }) => ({
        ph: 'X',
        pid: 1,
        tid: 2,
        cat: run,
        name: node,
        ts: 1000 * (runs[submission].start + begin),
        dur: 1000 * (end - begin),
        args: { kernel: `${shader}.${entry}`, workgroups, run },
      })),
    ],
  };
}
