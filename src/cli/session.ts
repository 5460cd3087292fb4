/** What the commands share: a device that is always closed, a model at the shape of its input, and reports. */
import type { Command } from 'commander';
import { InputError } from '../errors.ts';
import { formatAdapter, openDevice, type AdapterOptions, type Gpu } from '../gpu/device.ts';
import type { LoadedGraph, Model } from '../models/model.ts';
import type { Network } from '../network.ts';
import type { Shape, Tensor } from '../tensor.ts';
import type { DeviceArguments } from './arguments.ts';
import { loadInput, type PictureArguments } from './input.ts';
import { openModel } from './model.ts';
import { deviceOptions, planHash } from './planFile.ts';

/** A check that ran and did not pass: exit code 1, with no message but what the check printed. */
export class CheckFailed extends Error {}

/** Opens the device, says which on stderr, and closes it whatever happens. */
export async function withDevice<T>(args: DeviceArguments, work: (gpu: Gpu) => Promise<T>, options: AdapterOptions = {}): Promise<T> {
  const gpu = await openDevice({ ...deviceOptions(args), ...options });
  try {
    console.error(`adapter: ${formatAdapter(gpu.info)}${planWords(gpu)}`);
    return await work(gpu);
  } finally {
    gpu.dispose();
  }
}

/** A model, its graph at the input's shape, and the input. */
export interface Question extends LoadedGraph {
  readonly model: Model;
  readonly input: Tensor;
}

export async function loadQuestion(modelPath: string, inputPath: string, args: PictureArguments): Promise<Question> {
  const model = await openModel(modelPath);
  const input = await loadInput(inputPath, model, args);
  return { model, input, ...model.at({ [model.input.name]: input.shape }) };
}

/** The shape a model declares for its input, open extents filled with `batch` and, for the rest, an error. */
export function declaredShape(model: Model, batch = 1): Shape {
  const { name, dims } = model.input;
  if (!dims) throw new InputError(`model: expected input "${name}" to declare a shape, got none. Give an input.`);
  return dims.map((extent, axis) => {
    if (axis === 0 && (typeof extent !== 'number' || batch !== 1)) return batch;
    if (typeof extent !== 'number')
      throw new InputError(`model: expected input "${name}" to declare axis ${axis}, got ${extent ?? 'an open extent'}. Give an input.`);
    return extent;
  });
}

/** The adapter and what it cost to use it, for `--json`. */
export function costReport(gpu: Gpu, network: Network, startedAt: number): Record<string, unknown> {
  const stats = network.last!.stats;
  return {
    adapter: adapterReport(gpu),
    pipelines: stats.pipelines,
    compileMs: round(stats.compileMs),
    buildMs: round(stats.buildMs),
    runMs: round(stats.runMs),
    hostUsPerDispatch: stats.dispatched === 0 ? undefined : round((1000 * stats.hostMs) / stats.dispatched),
    totalMs: round(performance.now() - startedAt),
    dispatches: stats.dispatches,
    bufferBytes: stats.bufferBytes,
  };
}

/** The adapter and the kernels pinned on it, for reports. */
export function adapterReport({ info, choices }: Pick<Gpu, 'info' | 'choices'>): Record<string, unknown> {
  const { name, backend, driver, software, mode, toggles, dawn } = info;
  return { name, backend, driver, software, mode, toggles, dawn, plan: planHash(choices) };
}

/** `; plan 0123456789abcdef pins 12 shapes`; nothing where none is pinned. */
export function planWords({ choices }: Gpu): string {
  const pinned = Object.keys(choices ?? {}).length;
  return pinned === 0 ? '' : `; plan ${planHash(choices)} pins ${pinned} ${pinned === 1 ? 'shape' : 'shapes'}`;
}

const round = (ms: number): number => Math.round(ms * 10) / 10;

export function printJson(report: unknown): void {
  console.log(JSON.stringify(report, null, 2));
}

/** Rows as aligned columns; numbers to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [header, ...rows.map((row) => row.map(String))];
  const widths = header.map((_, c) => Math.max(...cells.map((row) => row[c].length)));
  const right = header.map((_, c) => rows.length > 0 && rows.every((row) => /^[-\d.,e+%∞]*$/.test(String(row[c]))));
  return cells
    .map((row) =>
      row
        .map((cell, c) => (right[c] ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Says so when a result holds NaN or infinities: a picture of it would show nothing or nonsense. */
export function warnNonFinite(what: string, { data }: Tensor): void {
  let bad = 0;
  for (const v of data) if (!Number.isFinite(v)) bad++;
  if (bad > 0)
    console.error(
      `warning: ${bad} of ${data.length} values of ${what} are not finite. Look for NaN or huge values in the model or the input.`,
    );
}

/** What every command is given when it joins another: errors are thrown for main.ts to print, and --debug may stand behind its name. */
export function withCommonSettings(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .option('--debug', 'print stack traces');
}

/** An example under a command's help. */
export function withExample(command: Command, ...examples: readonly string[]): Command {
  return command.addHelpText('after', `\nExample${examples.length > 1 ? 's' : ''}:\n${examples.map((e) => `  $ ${e}`).join('\n')}`);
}
