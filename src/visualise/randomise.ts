/**
 * The layers of a network that hold weights, and weights drawn anew for them.
 */
import { InputError } from '../errors.ts';
import { ancestorsOf, type Graph, type GraphNode } from '../graph.ts';
import { mixSeed, normal, uniform } from '../random.ts';
import { size, type AnyTensor, type Shape, type Tensor } from '../tensor.ts';

/**
 * Where new weights come from; every element is drawn independently.
 *
 *     initial    what a network begins with: weights normal with mean 0 and variance 2 / fan-in, biases 0, batch normalisation the identity
 *                (scale 1, bias 0, mean 0, variance 1). Nothing that was learnt is left, not even a scale
 *     matched    normal with the mean and the standard deviation of the tensor's own values; of a variance, the magnitude of that
 *     shuffled   the tensor's own values in another order
 *
 * `initial` is how training here draws them (He et al. 2015), before it scales each layer on its first images.
 */
export const DRAWS = ['initial', 'matched', 'shuffled'] as const;

export type Draw = (typeof DRAWS)[number];

/** What a parameter does in its layer. */
type Role = 'weight' | 'bias' | 'scale' | 'mean' | 'variance';

interface LayerParameter {
  readonly name: string;
  readonly shape: Shape;
  readonly role: Role;
  /** Inputs that one output sums over; of weights alone. */
  readonly fanIn: number;
  /** Its place in the graph: draws depend on it and on nothing else of the graph. */
  readonly place: number;
}

/** A layer with weights. */
export interface WeightLayer {
  /** The node: a convolution, a matrix product or a batch normalisation. */
  readonly name: string;
  readonly op: string;
  readonly parameters: readonly LayerParameter[];
}

/**
 * The layers with weights that a value depends on, from the first to the last: convolutions, matrix products, batch normalisations; sums and products
 * with a parameter belong to the layer whose output they take. A parameter that several layers share belongs to the last of them.
 * @throws InputError if there is none
 */
export function weightLayers(graph: Graph, value: string): WeightLayer[] {
  const needed = ancestorsOf(graph, [value]);
  const places = new Map(graph.parameters.map(({ name }, k) => [name, k]));
  const layers: { node: GraphNode; parameters: LayerParameter[] }[] = [];
  /** By value: the layer whose output it is, for sums and products that follow. */
  const owner = new Map<string, { node: GraphNode; parameters: LayerParameter[] }>();
  for (const node of graph.nodes) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    const roles = rolesOf(node);
    let layer = roles.affine ? node.inputs.map((name) => owner.get(name)).find((found) => found !== undefined) : undefined;
    const own = node.inputs.flatMap((name, k): LayerParameter[] => {
      const place = places.get(name);
      const role = roles.of[k];
      if (place === undefined || role === undefined) return [];
      const { shape, dtype } = graph.parameters[place];
      return dtype === 'i32' ? [] : [{ name, shape, role, fanIn: fanIn(node, k, shape), place }];
    });
    if (own.length === 0 || (roles.affine && layer === undefined)) continue;
    if (layer === undefined) layers.push((layer = { node, parameters: [] }));
    layer.parameters.push(...own);
    owner.set(node.outputs[0], layer);
  }
  const taken = new Set<string>();
  const distinct = layers.toReversed().map(({ node: { name, op }, parameters }): WeightLayer => {
    const own = parameters.filter((parameter) => !taken.has(parameter.name));
    for (const parameter of own) taken.add(parameter.name);
    return { name, op, parameters: own };
  });
  const found = distinct.filter(({ parameters }) => parameters.length > 0).reverse();
  if (found.length === 0) throw new InputError(`layers: expected layers with weights below "${value}", got none in graph "${graph.name}".`);
  return found;
}

/** Roles of a node's inputs, and whether it only scales or shifts what a layer before it has made. */
function rolesOf({ op }: GraphNode): { readonly of: readonly (Role | undefined)[]; readonly affine: boolean } {
  switch (op) {
    case 'conv2d':
      return { of: [undefined, 'weight', 'bias'], affine: false };
    case 'linear':
      return { of: ['weight', 'weight', 'bias'], affine: false };
    case 'batchnorm':
      return { of: [undefined, 'scale', 'bias', 'mean', 'variance'], affine: false };
    case 'add':
      return { of: ['bias', 'bias'], affine: true };
    case 'mul':
      return { of: ['scale', 'scale'], affine: true };
    default:
      return { of: [], affine: false };
  }
}

/** Of input k, a weight of the given shape. */
function fanIn({ op, attrs }: GraphNode, k: number, shape: Shape): number {
  if (op !== 'linear') return size(shape.slice(1));
  // y = op(a) op(b): sums run over the columns of op(a) and the rows of op(b).
  const transposed = k === 0 ? attrs?.transA === true : attrs?.transB !== false;
  return (k === 0) === transposed ? shape[0] : shape[1];
}

/**
 * New values for the parameters of one layer: a pure function of the seed, the places of the parameters in the graph, and, but for `initial`, their
 * values.
 */
export function drawLayer(
  { parameters }: WeightLayer,
  values: ReadonlyMap<string, AnyTensor>,
  draw: Draw,
  seed: number,
): Map<string, Tensor> {
  return new Map(
    parameters.map((parameter): [string, Tensor] => {
      const { name, shape, place } = parameter;
      return [name, { shape, data: DRAWN[draw](parameter, values.get(name)!.data as Float32Array, mixSeed(seed, WEIGHTS, place)) }];
    }),
  );
}

/** Keeps these draws apart from others of the same seed. */
const WEIGHTS = 0x5a17;

const START: Readonly<Record<Exclude<Role, 'weight'>, number>> = { bias: 0, scale: 1, mean: 0, variance: 1 };

const DRAWN: Readonly<Record<Draw, (parameter: LayerParameter, old: Float32Array, seed: number) => Float32Array>> = {
  initial({ role, fanIn }, old, seed) {
    if (role !== 'weight') return new Float32Array(old.length).fill(START[role]);
    const next = normal(seed);
    const deviation = Math.sqrt(2 / fanIn);
    return old.map(() => deviation * next());
  },
  matched({ role }, old, seed) {
    const next = normal(seed);
    const mean = old.reduce((sum, v) => sum + v, 0) / old.length;
    const deviation = Math.sqrt(old.reduce((sum, v) => sum + (v - mean) ** 2, 0) / old.length);
    const drawn = old.map(() => mean + deviation * next());
    return role === 'variance' ? drawn.map(Math.abs) : drawn;
  },
  shuffled(_, old, seed) {
    const next = uniform(seed);
    const drawn = old.slice();
    for (let i = drawn.length - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1));
      [drawn[i], drawn[j]] = [drawn[j], drawn[i]];
    }
    return drawn;
  },
};
