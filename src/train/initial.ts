/** Weights to begin with. */
import type { Graph } from '../graph.ts';
import { mixSeed, uniform } from '../random.ts';
import { size, type Tensor } from '../tensor.ts';

const INITIAL = 3;

/** Pairs of independent standard normal numbers (Box and Muller). */
function normal(seed: number): () => number {
  const next = uniform(seed);
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

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

/** The layers with weights, in order: the value they make, and the name of their weights. */
export function weightedLayers(graph: Graph): { readonly value: string; readonly weight: string }[] {
  return graph.nodes
    .filter(({ op }) => op === 'conv2d' || op === 'linear')
    .map(({ inputs, outputs }) => ({ value: outputs[0], weight: inputs[1] }));
}
