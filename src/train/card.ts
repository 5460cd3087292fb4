/** What lies in `weights/` for a trained network: the graph with its card, and the numbers. */
import { readSafetensors, writeGraph, writeSafetensors } from '../formats/index.ts';
import type { Graph } from '../graph.ts';
import { MEAN_IMAGE } from '../models/model.ts';
import type { Tensor } from '../tensor.ts';

/** The largest finite number of F16. */
const LARGEST_HALF = 65504;

/** Parameters in F16, those that do not fit it and the mean image in F32. */
export function weightsFile(parameters: ReadonlyMap<string, Tensor>, mean: Tensor): Uint8Array {
  const half = (name: string): boolean => parameters.get(name)?.data.every((w) => Math.abs(w) <= LARGEST_HALF) ?? false;
  return writeSafetensors([...parameters, [MEAN_IMAGE, mean]], { half });
}

/** The parameters as a file of {@link weightsFile} holds them, rounded to F16: what a card must tell the accuracy of. */
export function storedParameters(file: Uint8Array): Map<string, Tensor> {
  const { tensors } = readSafetensors(file);
  tensors.delete(MEAN_IMAGE);
  return tensors as Map<string, Tensor>;
}

/** Graph JSON with a card as its last field. */
export function modelFile(graph: Graph, card: Readonly<Record<string, unknown>>): string {
  const text = writeGraph(graph);
  const json = JSON.stringify(card, null, 2).replaceAll('\n', '\n  ');
  return `${text.slice(0, text.lastIndexOf('\n}'))},\n  "card": ${json}\n}\n`;
}

/** How a picture becomes the input of a network trained here: the middle of it at the input's size, less the mean image, over the unit. */
export function cardPreprocess(height: number, width: number, unit: number): Readonly<Record<string, unknown>> {
  return {
    size: [height, width],
    fit: 'crop',
    resize: Math.min(height, width),
    channels: 'rgb',
    scale: 1,
    mean: 'image',
    std: [unit, unit, unit],
  };
}
