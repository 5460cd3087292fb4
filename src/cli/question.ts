/** What the commands that look inside are asked about: a class score, a unit, or the strongest unit of a tensor. */
import type { Command } from 'commander';
import { InputError } from '../errors.ts';
import { unitAt, type Question, type Seed } from '../inspect/walk.ts';
import { parseInteger, parseNeuron } from './arguments.ts';
import type { SeedArguments } from './seeds.ts';

/** Where the seed lies, as the options say. */
export interface QuestionArguments extends SeedArguments {
  readonly strongest?: string;
}

export function withQuestionOptions(command: Command): Command {
  return command
    .option('--target <class>', 'class of the score that the signal starts from, or top1 (default: top1)')
    .option('--neuron <tensor:c,y,x>', 'one unit of any tensor instead of a class; TENSOR:k for a vector')
    .option('--strongest <tensor>', 'the unit of the largest value of a tensor instead of a class');
}

export function questionOf({ target, neuron, strongest }: QuestionArguments): Question {
  const given = Object.entries({ target, neuron, strongest }).filter(([, value]) => value !== undefined);
  if (given.length > 1)
    throw new InputError(`--${given[1][0]}: expected one of --target, --neuron and --strongest, got --${given[0][0]} too.`);
  if (strongest !== undefined) return { strongest };
  if (neuron !== undefined) return { neuron: parseNeuron(neuron) };
  return { target: target === undefined || target === 'top1' ? 'top1' : parseInteger(target, '--target') };
}

/** What was asked, in words, with its value. */
export function titleOf({ tensor, shape, unit, class: k, value }: Seed): string {
  if (k !== null) return `class ${k}, score ${value.toPrecision(5)}`;
  return `unit ${tensor}:${unitAt(shape, unit).join(',')}, value ${value.toPrecision(5)}`;
}

/** The most memory that the process has held, in bytes. */
export const peak = (): number => process.resourceUsage().maxRSS * 1024;
