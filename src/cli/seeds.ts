/** Where a seed is put: at a class score or at one unit, for the commands that look inside a network. */
import { InputError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { typeGraph, valueInfo } from '../graph.ts';
import type { LoadedGraph } from '../models/model.ts';
import { argmax, Network, neuronIndex, requireScores, seedAt } from '../network.ts';
import type { Tensor } from '../tensor.ts';
import { parseInteger, parseNeuron } from './arguments.ts';
import { classCount } from './classes.ts';

export interface SeedArguments {
  /** A class number or top1. */
  readonly target?: string;
  /** TENSOR:c,y,x */
  readonly neuron?: string;
}

/** A seed of ones, one for each item of the batch. */
export interface Seed {
  /** The tensor it lies in. */
  readonly target: string;
  readonly seed: Tensor;
  /** The class, unless a unit was asked for. */
  readonly class: number | null;
  /** `class 282` or the unit. */
  readonly title: string;
}

/** @throws InputError if both are given, or one names nothing that is there */
export async function seedFor(gpu: Gpu, loaded: LoadedGraph, input: Tensor, { target, neuron }: SeedArguments): Promise<Seed> {
  if (target !== undefined && neuron !== undefined) throw new InputError('--neuron: expected either --target or --neuron, got both.');
  const typed = typeGraph(loaded.graph);
  const everywhere = (unit: number): number[] => new Array<number>(input.shape[0]).fill(unit);
  if (neuron !== undefined) {
    const unit = parseNeuron(neuron);
    const { shape } = valueInfo(typed, unit.tensor);
    return { target: unit.tensor, seed: seedAt(shape, everywhere(neuronIndex(unit, shape))), class: null, title: `unit ${neuron}` };
  }
  const scores = requireScores(loaded.graph);
  const classes = classCount(loaded.graph);
  const wanted = target === undefined || target === 'top1' ? null : parseInteger(target, '--target');
  if (wanted !== null && wanted >= classes) throw new InputError(`--target: expected a class in [0, ${classes - 1}], got ${wanted}.`);
  const chosen = wanted ?? (await bestClass(gpu, loaded, input));
  return { target: scores, seed: seedAt(valueInfo(typed, scores).shape, everywhere(chosen)), class: chosen, title: `class ${chosen}` };
}

/** The class with the highest score of the first item. */
async function bestClass(gpu: Gpu, { graph, parameters }: LoadedGraph, input: Tensor): Promise<number> {
  const network = new Network(gpu, graph, parameters);
  try {
    const { shape, data } = await network.scores(input);
    return argmax(data.subarray(0, shape[1]));
  } finally {
    await network.dispose();
  }
}
