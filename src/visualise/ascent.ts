/**
 * Gradient ascent on images that stay on the device. One step is a small graph of the engine's own ops, compiled and run like any other;
 * what it leaves is copied to where the next step begins, on the device.
 */
import type { Gpu } from '../gpu/device.ts';
import { traitsOf } from '../gpu/device.ts';
import { Executor } from '../gpu/executor.ts';
import { DeviceTensor } from '../gpu/tensor.ts';
import type { Graph, GraphNode, ValueSpec } from '../graph.ts';
import { compile } from '../plan.ts';
import { zeros, type AnyTensor, type Shape, type Tensor } from '../tensor.ts';

/** One step of ascent, in the units of the network's input. In order: pull and momentum, decay, limits, blur, limits again. */
export interface StepRecipe {
  readonly step: number;
  readonly lambda: number;
  readonly momentum: number;
  /** Divide the gradient of the objective, item by item, by its Euclidean norm. */
  readonly normalise: boolean;
  /** The images are multiplied by 1 - decay after the step. */
  readonly decay: number;
  /** Standard deviation in pixels of the blur that a step may end with; 0: none. */
  readonly sigma: number;
  /** Lowest and highest value of each channel, or of each element of an image, and whether they are enforced before the blur or after it. */
  readonly limits?: { readonly low: readonly number[]; readonly high: readonly number[]; readonly when: 'step' | 'last' };
  /** The gradient comes from shifted images and is shifted back. */
  readonly shifts: boolean;
}

/**
 * One step as a graph: x, g = dS/dx, v [N, C, H, W] and, with shifts, `offsets` to `x'`, `v'` and `norm` [N] = ||x'||_2:
 *
 *     v' = momentum * v + (g - 2 lambda x)      x' = x + step * v'
 *
 * with g - 2 lambda x divided by its norm if `normalise` says so, and x' then decayed, limited and blurred as the recipe has it. The update
 * is the op `momentum`, whose rate is -step and whose norm coefficient is -2 lambda.
 */
export function stepGraph(shape: Shape, recipe: StepRecipe, blurred: boolean): { graph: Graph; parameters: Map<string, AnyTensor> } {
  const nodes: GraphNode[] = [];
  const specs: ValueSpec[] = [];
  const parameters = new Map<string, AnyTensor>();
  const parameter = (name: string, value: AnyTensor): string => {
    specs.push({ name, shape: value.shape, dtype: value.data instanceof Int32Array ? 'i32' : 'f32' });
    parameters.set(name, value);
    return name;
  };
  const scalar = (name: string, value: number): string => parameter(name, { shape: [], data: Float32Array.of(value) });
  const add = (op: string, inputs: readonly string[], outputs: readonly string[], attrs: GraphNode['attrs'] = {}): string => {
    nodes.push({ name: outputs[0], op, inputs, outputs, attrs });
    return outputs[0];
  };

  const { lambda, normalise, decay, limits, sigma } = recipe;
  let pull = recipe.shifts ? add('roll', ['g', 'offsets'], ['g unshifted'], { inverse: true }) : 'g';
  if (normalise) {
    if (lambda !== 0) pull = add('add', [pull, add('mul', ['x', scalar('-2 lambda', -2 * lambda)], ['shrink'])], ['slope']);
    add('l2norm', [pull], ['slope norm', 'direction']);
    pull = 'direction';
  }
  add(
    'momentum',
    [scalar('rate', -recipe.step), parameter('count', { shape: [], data: Int32Array.of(1) }), 'x', pull, 'v'],
    ['stepped', "v'"],
    { alpha: recipe.momentum, beta: 1, normCoefficient: normalise ? 0 : -2 * lambda },
  );
  let x = 'stepped';
  if (decay !== 0) x = add('mul', [x, scalar('1 - decay', 1 - decay)], ['decayed']);
  const limit = (when: 'step' | 'last'): void => {
    if (limits?.when !== when) return;
    const bound = (name: string, values: readonly number[]): string =>
      parameter(name, { shape: values.length === shape[1] ? [shape[1]] : shape.slice(1), data: Float32Array.from(values) });
    x = add('limit', [x, bound('low', limits.low), bound('high', limits.high)], ['limited']);
  };
  limit('step');
  if (blurred) x = add('blur', [x], ['blurred'], { sigma });
  limit('last');
  add('identity', [x], ["x'"]);
  add('l2norm', ["x'"], ['norm']);
  const inputs = [...['x', 'g', 'v'].map((name): ValueSpec => ({ name, shape })), ...(recipe.shifts ? [OFFSETS] : [])];
  return { graph: { name: 'ascent', inputs, parameters: specs, nodes, outputs: ["x'", "v'", 'norm'] }, parameters };
}

const OFFSETS: ValueSpec = { name: 'offsets', shape: [2], dtype: 'i32' };

/** Shifted images, for the network to look at. */
const shiftGraph = (shape: Shape): Graph => ({
  name: 'shift',
  inputs: [{ name: 'x', shape }, OFFSETS],
  parameters: [],
  nodes: [{ name: 'shift', op: 'roll', inputs: ['x', 'offsets'], outputs: ['shifted'] }],
  outputs: ['shifted'],
});

/** What takes the steps of a recipe: all that has to be made anew when the recipe changes. */
interface Stepper {
  readonly plain: Executor;
  readonly blurred: Executor;
  readonly shift: Executor | undefined;
  dispose(): void;
}

async function stepper(gpu: Gpu, shape: Shape, recipe: StepRecipe): Promise<Stepper> {
  const own: Executor[] = [];
  const dispose = (): void => {
    for (const made of own) made.dispose();
  };
  const executor = async (graph: Graph, parameters: ReadonlyMap<string, AnyTensor>): Promise<Executor> => {
    const made = await Executor.create(gpu, compile(graph, { traits: traitsOf(gpu) }), parameters);
    own.push(made);
    return made;
  };
  const step = (blurred: boolean): Promise<Executor> => {
    const { graph, parameters } = stepGraph(shape, recipe, blurred);
    return executor(graph, parameters);
  };
  try {
    const plain = await step(false);
    const blurred = recipe.sigma > 0 ? await step(true) : plain;
    const shift = recipe.shifts ? await executor(shiftGraph(shape), new Map()) : undefined;
    return { plain, blurred, shift, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Images [N, C, H, W] on their way up, with their velocities. */
export class Ascent {
  readonly #gpu: Gpu;
  readonly #own: { dispose(): void }[] = [];
  #images!: DeviceTensor;
  #velocity!: DeviceTensor;
  #stepper!: Stepper;

  private constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Begins at the given images, at rest. To be disposed of. */
  static async create(gpu: Gpu, start: Tensor, recipe: StepRecipe): Promise<Ascent> {
    const ascent = new Ascent(gpu);
    const keep = <T extends { dispose(): void }>(made: T): T => {
      ascent.#own.push(made);
      return made;
    };
    try {
      ascent.#images = keep(await DeviceTensor.from(gpu, 'images', start));
      ascent.#velocity = keep(await DeviceTensor.from(gpu, 'velocity', zeros(start.shape)));
      await ascent.change(recipe);
      return ascent;
    } catch (error) {
      ascent.dispose();
      throw error;
    }
  }

  /** Goes on from the same images at the same speed by another recipe. Its kernels are compiled already, unless it brings new ones. */
  async change(recipe: StepRecipe): Promise<void> {
    const next = await stepper(this.#gpu, this.#images.shape, recipe);
    this.#stepper?.dispose();
    this.#stepper = next;
  }

  /** The images as they are now; the next step changes them. */
  get images(): DeviceTensor {
    return this.#images;
  }

  /** The images moved by [rows, columns], circularly, until the next call. */
  async shifted(offsets: readonly [number, number]): Promise<DeviceTensor> {
    const { shift } = this.#stepper;
    if (!shift) return this.#images;
    await shift.forward({ x: this.#images, offsets: indices(offsets) });
    return shift.deviceTensor('shifted');
  }

  /**
   * Takes one step.
   * @param gradient dS/dx at the images as {@link shifted} by `offsets`
   * @param blurred whether the step ends with the recipe's blur
   * @returns ||x_n||_2 of each new image
   */
  async step(gradient: DeviceTensor, offsets: readonly [number, number], blurred: boolean): Promise<Float32Array> {
    const step = blurred ? this.#stepper.blurred : this.#stepper.plain;
    const inputs = { x: this.#images, g: gradient, v: this.#velocity };
    await step.forward(this.#stepper.shift ? { ...inputs, offsets: indices(offsets) } : inputs);
    this.#images.copy(step.deviceTensor("x'"));
    this.#velocity.copy(step.deviceTensor("v'"));
    return (await step.readTensor('norm')).data;
  }

  dispose(): void {
    this.#stepper?.dispose();
    for (const made of this.#own.splice(0)) made.dispose();
  }
}

const indices = (offsets: readonly [number, number]): AnyTensor => ({ shape: [2], data: Int32Array.from(offsets) });
