/** Readers for command-line values. Each says what was expected, what was given, and what to do. */
import type { Command } from 'commander';
import { InputError } from '../errors.ts';
import type { AdapterOptions } from '../gpu/device.ts';
import type { Neuron } from '../network.ts';

/** What every command that opens a device takes. */
export interface DeviceArguments {
  readonly adapter?: string;
  readonly mode?: string;
  readonly plan?: string;
}

export function withDeviceOptions(command: Command): Command {
  return command
    .option('--adapter <name>', "auto, gpu, software, or part of an adapter's name (default: BACKLIGHT_ADAPTER, else auto)")
    .option('--mode <mode>', 'safe (bounds-checked, as browsers run) or native (without checks)', 'safe')
    .option(
      '--plan <file.json>',
      'kernels pinned by "backlight tune", or none (default: BACKLIGHT_PLAN, else what the cache has for this adapter)',
    );
}

export function adapterOptions({ adapter, mode }: DeviceArguments): AdapterOptions {
  return { adapter, mode: mode as AdapterOptions['mode'] };
}

export function parseInteger(text: string, option: string, min = 0): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < min)
    throw new InputError(`${option}: expected an integer of at least ${min}, got "${text}".`);
  return value;
}

export function parsePositive(text: string, option: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0) || value === Infinity)
    throw new InputError(`${option}: expected a number above 0, got "${text}".`);
  return value;
}

export function parseIntegers(text: string, option: string): number[] {
  return text.split(',').map((part) => parseInteger(part, option));
}

/** `K`, `K,K,...` or `top1`. */
export function parseTarget(text: string): number | readonly number[] | 'top1' {
  if (text === 'top1') return 'top1';
  if (!/^\s*\d+\s*(,\s*\d+\s*)*$/.test(text)) {
    throw new InputError(`--target: expected a class number, one for each item separated by commas, or top1, got "${text}".`);
  }
  const list = parseIntegers(text, '--target');
  return list.length === 1 ? list[0] : list;
}

/** `TENSOR:c,y,x` or `TENSOR:k`; the last colon separates, since tensor names may hold colons. */
export function parseNeuron(text: string): Neuron {
  const colon = text.lastIndexOf(':');
  if (colon < 1 || !/^\d+(,\d+)*$/.test(text.slice(colon + 1))) {
    throw new InputError(`--neuron: expected TENSOR:c,y,x or TENSOR:k, got "${text}". "backlight plan MODEL" lists the tensors.`);
  }
  return { tensor: text.slice(0, colon), at: parseIntegers(text.slice(colon + 1), '--neuron') };
}

export function parseChoice<T extends string>(text: string, choices: readonly T[], option: string): T {
  if (!choices.includes(text as T)) throw new InputError(`${option}: expected one of ${choices.join(', ')}, got "${text}".`);
  return text as T;
}

/** Collects an option that may be given several times. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
