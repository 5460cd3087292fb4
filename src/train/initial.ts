/** Weights to begin with. */
import { InputError } from '../errors.ts';
import type { Graph } from '../graph.ts';
import { mixSeed, normal } from '../random.ts';
import { sameShape, size, type AnyTensor, type Tensor } from '../tensor.ts';

const INITIAL = 3;

/**
 * Normal weights of variance 2 / fan-in for layers followed by ReLU (He et al. 2015); biases are zero. The same seed gives the same weights
 * for a parameter whatever the others are called.
 */
export function initialParameters(graph: Graph, seed: number): Map<string, Tensor> {
  return new Map(
    graph.parameters.map(({ name, shape }, k): [string, Tensor] => {
      const data = new Float32Array(size(shape));
      if (shape.length > 1) {
        const draw = normal(mixSeed(seed, INITIAL, k));
        const deviation = Math.sqrt(2 / size(shape.slice(1)));
        for (let i = 0; i < data.length; i++) data[i] = deviation * draw();
      }
      return [name, { shape, data }];
    }),
  );
}

/**
 * Parameters of another network that this one can begin with: those of the same name and shape. A layer is taken whole or not at all, so that no
 * weights stand beside the biases of others.
 * @throws InputError if there are none
 */
export function borrowedParameters(graph: Graph, from: ReadonlyMap<string, AnyTensor>): Map<string, Tensor> {
  const shapes = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
  const fits = (name: string): boolean => {
    const tensor = from.get(name);
    return tensor?.data instanceof Float32Array && sameShape(tensor.shape, shapes.get(name)!);
  };
  const borrowed = new Map<string, Tensor>();
  for (const { inputs } of graph.nodes) {
    const names = inputs.filter((input) => shapes.has(input));
    if (names.every(fits)) for (const name of names) borrowed.set(name, from.get(name) as Tensor);
  }
  if (borrowed.size === 0) {
    throw new InputError(
      `training: expected a network to begin with that has a layer of "${graph.name}" in name and shape, got none. ` +
        'Give one of the same architecture, width and hidden units.',
    );
  }
  return borrowed;
}

/** The layers with weights, in order: the value they make, and the name of their weights. */
export function weightedLayers(graph: Graph): { readonly value: string; readonly weight: string }[] {
  return graph.nodes
    .filter(({ op }) => op === 'conv2d' || op === 'linear')
    .map(({ inputs, outputs }) => ({ value: outputs[0], weight: inputs[1] }));
}
