/**
 * What a training run says about itself: rows of JSON, one a line, in the order in which they were written.
 */
import { FormatError } from '../errors.ts';

/** Averages over the batches since the row before. */
export interface TrainingRow {
  /** Epochs done, with their fraction: 1.5 is in the middle of the second one. */
  readonly epoch: number;
  /** Batches done. */
  readonly step: number;
  /** Training images seen, over all epochs. */
  readonly images: number;
  /** Mean cross-entropy in nats, of images as augmented, with dropout. */
  readonly loss: number;
  /** Share of the images whose best class is the true one, 0 to 1. */
  readonly top1: number;
  /** Learning rate. */
  readonly rate: number;
  readonly imagesPerSecond: number;
}

/** A look at the whole validation split, without augmentation and dropout. */
export interface ValidationRow {
  readonly epoch: number;
  readonly step: number;
  readonly validation: {
    readonly loss: number;
    readonly top1: number;
    readonly top5: number;
    readonly images: number;
  };
}

export type MetricsRow = TrainingRow | ValidationRow;

export function isValidation(row: MetricsRow): row is ValidationRow {
  return 'validation' in row;
}

/** A row as its line of the file. */
export function formatMetrics(row: MetricsRow): string {
  return `${JSON.stringify(row)}\n`;
}

const TRAINING = ['epoch', 'step', 'images', 'loss', 'top1', 'rate', 'imagesPerSecond'] as const;
const VALIDATION = ['loss', 'top1', 'top5', 'images'] as const;

/**
 * Reads the rows of a metrics file. A last line without its line end was torn off by a kill and is dropped.
 * @param file for messages
 * @throws FormatError naming the line that is no row, or lacks a number
 */
export function readMetrics(text: string, file = 'metrics.jsonl'): MetricsRow[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .slice(0, -1)
    .map((line, k) => {
      const where = `metrics: line ${k + 1} of "${file}"`;
      const row = parseLine(line, where);
      const { validation } = row;
      if (validation === undefined) requireNumbers(row, TRAINING, where);
      else {
        requireNumbers(row, ['epoch', 'step'], where);
        requireNumbers(isRecord(validation) ? validation : {}, VALIDATION, where);
      }
      return row as unknown as MetricsRow;
    });
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function parseLine(line: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (isRecord(value)) return value;
  } catch {
    // Told below: the reason of JSON.parse names a character, not the line.
  }
  throw new FormatError(`${where}: expected an object of JSON, got ${JSON.stringify(line.slice(0, 40))}. The file is damaged.`);
}

function requireNumbers(row: Record<string, unknown>, names: readonly string[], where: string): void {
  const wrong = names.find((name) => typeof row[name] !== 'number');
  if (wrong === undefined) return;
  const given = JSON.stringify(row[wrong]) ?? 'nothing';
  throw new FormatError(`${where}: expected a number as "${wrong}", got ${given}. The file is damaged, or of another version.`);
}
