/**
 * A training run in one safetensors file: parameters `w/NAME`, velocities `v/NAME`, and in its metadata everything that must be the same for the
 * run to go on to the same bits.
 */
import { FormatError, InputError } from '../errors.ts';
import { readSafetensors, writeSafetensors } from '../formats/index.ts';
import { parseJson } from '../formats/json.ts';
import type { AnyTensor, Tensor } from '../tensor.ts';
import type { Scored } from './tally.ts';
import type { TrainingState } from './trainer.ts';

const VERSION = 'backlight-training-1';
const WEIGHT = 'w/';
const VELOCITY = 'v/';

/** What a run is: its recipe, data, network and device, by name. A run may only be taken up where all of it is the same. */
export type RunSettings = Readonly<Record<string, unknown>>;

export interface Checkpoint {
  readonly settings: RunSettings;
  readonly state: TrainingState;
  /** Sums since the last row of metrics. */
  readonly running: Scored;
  /** Seconds that the run has taken so far, over all sittings. */
  readonly seconds: number;
}

export function writeCheckpoint({ settings, state, running, seconds }: Checkpoint): Uint8Array {
  const named = (prefix: string, tensors: ReadonlyMap<string, Tensor>): [string, AnyTensor][] =>
    [...tensors].map(([name, tensor]) => [prefix + name, tensor]);
  const { images, loss, top1, top5 } = running;
  const run = { settings, step: state.step, running: { images, loss, top1, top5 }, seconds };
  return writeSafetensors([...named(WEIGHT, state.parameters), ...named(VELOCITY, state.velocities)], {
    metadata: { format: VERSION, run: JSON.stringify(run) },
  });
}

/**
 * @param file for messages
 * @throws FormatError if it is no checkpoint, or damaged
 */
export function readCheckpoint(bytes: Uint8Array, file: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes);
  if (metadata.format !== VERSION || metadata.run === undefined) {
    throw new FormatError(`checkpoint: expected "${VERSION}" in "${file}", got "${metadata.format ?? 'no format'}". Start the run again.`);
  }
  const run = parseJson(metadata.run, 'checkpoint') as { settings: RunSettings; step: number; running: Scored; seconds: number };
  const parameters = new Map<string, Tensor>();
  const velocities = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const to = name.startsWith(WEIGHT) ? parameters : velocities;
    to.set(name.slice(WEIGHT.length), tensor as Tensor);
  }
  return { settings: run.settings, state: { step: run.step, parameters, velocities }, running: run.running, seconds: run.seconds };
}

/**
 * @throws InputError naming the first setting in which a run differs from its checkpoint
 */
export function checkSameRun(own: RunSettings, checkpoint: RunSettings, file: string): void {
  for (const name of new Set([...Object.keys(checkpoint), ...Object.keys(own)])) {
    const [before, now] = [JSON.stringify(checkpoint[name]), JSON.stringify(own[name])];
    if (before === now) continue;
    throw new InputError(
      `--resume: expected ${name} ${before ?? 'absent'}, as in "${file}", got ${now ?? 'none'}. Give the same options, or start another run.`,
    );
  }
}
