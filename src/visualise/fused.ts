/**
 * A saliency map made for segmentation: the gradient at the input, which is sharp and noisy, averaged with what three tensors inside the network
 * say, which are coarser and calmer.
 *
 * The paper linearises the score around the photo's pixels, S_c(I) ~ <w, I> + b. The same holds around any tensor A of the network that the
 * score depends on, S_c(A) ~ <dS_c/dA, A> + b, and each place's share of that sum says how much of the score is there:
 *
 *     E_ij = sum_k max(0, A_kij) max(0, dS_c/dA_kij)
 *
 * Two tensors are taken where the network sees an eighth of the input's rows, its stage's first and last. One is taken at a sixteenth, and
 * there the log odds of the class against its rivals are differentiated in place of its score: what speaks for every animal in the photo alike
 * cancels, and what remains tells one animal from the other.
 *
 * @see Simonyan, Vedaldi, Zisserman 2013, section 3; Jiang et al. 2021, LayerCAM (E, of one layer or several)
 */
import { InputError } from '../errors.ts';
import { ancestorsOf, typeGraph, type Graph, type TypedGraph } from '../graph.ts';
import { gaussian } from '../image/gaussian.ts';
import type { GradientOptions, InputGradient, LayerSignal } from '../network.ts';
import { resampleMap } from '../segment/maps.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import { mapAt, reduceChannels } from './reduce.ts';

/** Finer stages are as noisy as the input, coarser ones too blunt. */
const FINE = 8;
const COARSE = 16;

/** Standard deviation of the smoothing, as a share of the input's height: 4 pixels of 224. */
const SIGMA = 4 / 224;

/** Tensors to take maps from, by name; a network without a stage near the wanted size has none there. */
export interface FusionLayers {
  /** Under the class score. */
  readonly fine: readonly string[];
  /** Under the log odds of the class. */
  readonly coarse: readonly string[];
}

/**
 * The tensors whose maps are averaged with the input's. A stage is all tensors of one height on the path to the scores; of stages, the ones
 * nearest (as a ratio) to an eighth and to a sixteenth of the input's height are taken, if there are two, and if they are within a factor of
 * sqrt 2 of that. "Last" is what the next stage is computed from.
 */
export function fusionLayers(graph: Graph | TypedGraph): FusionLayers {
  const typed = 'graph' in graph ? graph : typeGraph(graph);
  const input = typed.graph.inputs.map(({ name }) => typed.values.get(name)!.shape).find((shape) => shape.length === 4);
  if (!input) return { fine: [], coarse: [] };
  const heightOf = (name: string): number => {
    const info = typed.values.get(name);
    return info?.shape.length === 4 && info.dtype === 'f32' ? info.shape[2] : 0;
  };
  // From the scores down: a tensor beside the path to them has no signal.
  const onPath = ancestorsOf(typed.graph, [typed.graph.scores ?? typed.graph.outputs].flat());
  const made = typed.graph.nodes.flatMap(({ outputs }) => outputs.slice(0, 1)).filter((name) => onPath.has(name) && heightOf(name) > 1);
  const stageAt = (stride: number): { first: string; last: string } | null => {
    const far = (name: string): number => Math.abs(Math.log((heightOf(name) * stride) / input[2]));
    const nearest = Math.min(...made.map(far));
    if (!(nearest <= Math.log(2) / 2)) return null;
    const stage = made.filter((name) => far(name) === nearest);
    const height = heightOf(stage[0]);
    const leaving = typed.graph.nodes.filter(({ outputs }) => onPath.has(outputs[0]) && heightOf(outputs[0]) !== height);
    const last = stage.filter((name) => leaving.some(({ inputs }) => inputs.includes(name))).at(-1) ?? stage.at(-1)!;
    return { first: stage[0], last };
  };
  const fine = stageAt(FINE);
  const coarse = stageAt(COARSE);
  return {
    fine: fine ? [...new Set([fine.first, fine.last])] : [],
    coarse: coarse && coarse.last !== fine?.last ? [coarse.last] : [],
  };
}

/** What to ask the network for {@link fusedMaps} of one target: its score, and its log odds where there is a coarse layer. One forward pass. */
export function fusedQuestions(question: Pick<GradientOptions, 'target' | 'rule'>, { fine, coarse }: FusionLayers): GradientOptions[] {
  const asked = { ...question, through: [...fine, ...coarse] };
  return coarse.length === 0 ? [asked] : [asked, { ...asked, score: 'logodds' }];
}

/**
 * E of the header for a layer, [N, h, w], summed in f64.
 * @param layer value and signal, both [N, K, h, w]
 * @throws InputError if they do not have four axes
 */
export function layerMap({ value, signal }: LayerSignal): Tensor {
  if (value.shape.length !== 4) throw new InputError(`fused map: expected a layer [N, K, H, W], got ${formatShape(value.shape)}.`);
  const [items, channels, height, width] = value.shape;
  const plane = height * width;
  const data = new Float32Array(items * plane);
  for (let n = 0; n < items; n++) {
    for (let i = 0; i < plane; i++) {
      let sum = 0;
      for (let k = 0, at = n * channels * plane + i; k < channels; k++, at += plane) {
        if (value.data[at] > 0 && signal.data[at] > 0) sum += value.data[at] * signal.data[at];
      }
      data[n * plane + i] = sum;
    }
  }
  return { shape: [items, height, width], data };
}

/**
 * The maps max_c |dS/dI_c| of the input and E of each layer, each divided by its mean, laid onto the input (bilinear) and averaged; the input's
 * is smoothed before, the average again. [N, H, W], without a unit, mean about 1; zero where every part is.
 * @param answers to {@link fusedQuestions}
 */
export function fusedMaps(answers: readonly InputGradient[], { fine, coarse }: FusionLayers): Tensor {
  const [score, odds] = answers;
  const layers = [...fine.map((name) => score.layers.get(name)!), ...coarse.map((name) => odds.layers.get(name)!)];
  return averaged([reduceChannels(score.gradient, 'max'), ...layers.map(layerMap)]);
}

/** Maps [N, h, w] averaged on the grid of the first, which is the input's. */
export function averaged(parts: readonly Tensor[]): Tensor {
  const [items, height, width] = parts[0].shape;
  const data = new Float32Array(items * height * width);
  for (let n = 0; n < items; n++) {
    const sum = new Float32Array(height * width);
    parts.forEach((part, p) => {
      const map = mapAt(part, n);
      const [h, w] = map.shape;
      const spread = p === 0 ? gaussian(map, SIGMA * height).data : resampleMap(map.data, [h, w], [height, width]);
      let total = 0;
      for (const v of spread) total += v;
      if (total > 0) spread.forEach((v, i) => (sum[i] += (v / total) * (sum.length / parts.length)));
    });
    data.set(gaussian({ shape: [height, width], data: sum }, SIGMA * height).data, n * sum.length);
  }
  return { shape: [items, height, width], data };
}
