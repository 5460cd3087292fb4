/** Where a seed is put: at a class score or at one unit, for the commands that look inside a network. */
import { InputError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { typeGraph, valueInfo } from '../graph.ts';
import type { LoadedGraph } from '../models/model.ts';
import { argmax, Network, neuronIndex, requireScores } from '../network.ts';
import { size, type Tensor } from '../tensor.ts';
import { parseInteger, parseNeuron } from './arguments.ts';

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
  if (neuron !== undefined) {
    const unit = parseNeuron(neuron);
    const { shape } = valueInfo(typed, unit.tensor);
    return { target: unit.tensor, seed: ones(shape, neuronIndex(unit, shape)), class: null, title: `unit ${neuron}` };
  }
  const scores = requireScores(loaded.graph);
  const { shape } = valueInfo(typed, scores);
  const classes = size(shape) / shape[0];
  const wanted = target === undefined || target === 'top1' ? null : parseInteger(target, '--target');
  if (wanted !== null && wanted >= classes) throw new InputError(`--target: expected a class in [0, ${classes - 1}], got ${wanted}.`);
  const chosen = wanted ?? (await bestClass(gpu, loaded, input));
  return { target: scores, seed: ones(shape, chosen), class: chosen, title: `class ${chosen}` };
}

function ones(shape: readonly number[], at: number): Tensor {
  const data = new Float32Array(size(shape));
  const perItem = data.length / (shape[0] ?? 1);
  for (let i = at; i < data.length; i += perItem) data[i] = 1;
  return { shape, data };
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
