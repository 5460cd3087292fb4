/**
 * One unit followed down to the input: what it could depend on, what it does depend on through open gates and taken winners, by how many paths, and
 * what each of the four ReLU rules lets through on the way.
 *
 * Signals are the device's, one pass for each rule. Paths are counted in f64 on the host, on the branch that the device took, of which a byte for
 * each unit and an index for each window are kept.
 */
import { GraphError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Sight } from '../gpu/executor.ts';
import { ParameterStore } from '../gpu/store.ts';
import { ancestorsOf, layerRules, typeGraph, type Graph, type TypedGraph, type TypedNode } from '../graph.ts';
import { RULES, rulePasses, type LayerRules, type Rule, type RuleSpec } from '../rule.ts';
import { formatShape, size, type AnyTensor, type Shape, type Tensor } from '../tensor.ts';
import { decidingTensors, decisionsOf, type Branch, type Decided } from './branch.ts';
import { isMaxPool } from './choose.ts';
import { eachInField, fieldSize, receptiveFields, type Field } from './field.ts';
import { massOf, massWhere, type Mass } from './gates.ts';
import { countPaths, pathTotal, type PathCounts, type PathTotal } from './paths.ts';
import { questionTensor, Scratch, walk, type Question, type Seed } from './walk.ts';

/** A signal at a gate or a window. */
export interface Passage {
  readonly arriving: Mass;
  /** What goes on downwards. */
  readonly passed: Mass;
}

/** What the unit owes to units below it, in the unit's own unit: sums of value times signal under the gradient, by sign. */
export interface Influence {
  readonly positive: number;
  readonly negative: number;
}

export interface TraceLayer {
  readonly node: string;
  readonly op: string;
  readonly tensor: string;
  readonly shape: Shape;
  /** The box of the tensor that the unit can depend on. */
  readonly field: Field;
  readonly fieldUnits: number;
  /** Of a ReLU or clip: units of the field whose gate is open. */
  readonly open: number | null;
  /** Paths from the unit through this layer: through its open gates, or to its winners. */
  readonly paths: PathTotal;
  /** Of a ReLU. */
  readonly influence: Influence | null;
  /** Of a ReLU or max-pool. */
  readonly rules: Readonly<Record<Rule, Passage>> | null;
}

/** A half-open box of pixels of the input. */
export interface PixelBox {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

export interface TraceInput {
  readonly tensor: string;
  readonly shape: Shape;
  /** The theoretical receptive field. */
  readonly field: PixelBox;
  /** Pixels with at least one path from the unit, in any channel; and the smallest box that holds them, null if there are none. */
  readonly openPixels: number;
  readonly openBox: PixelBox | null;
  readonly paths: PathTotal;
  readonly influence: Influence;
  /** The unit's value less both influences: what biases and other constants contribute, where the network is linear between its kinks. */
  readonly rest: number;
  readonly rules: Readonly<Record<Rule, Mass>>;
}

export interface Trace extends Seed {
  readonly input: TraceInput;
  /** Gates and max-pools on the way, in the order of the network. */
  readonly layers: readonly TraceLayer[];
  /** The open receptive field: 1 for each pixel [H * W] that a path reaches. */
  readonly openMask: Uint8Array;
  /** log10 of the number of paths to each pixel, over its channels; -Infinity for none. [H * W] */
  readonly pathMap: Float64Array;
  /** Value times gradient of each pixel, added up over its channels. [H * W] */
  readonly influenceMap: Float64Array;
  /** What reaches the input under each rule, [1, C, H, W]. */
  readonly signals: Readonly<Record<Rule, Tensor>>;
}

export interface TraceOptions extends Question {
  /** The axes beside ReLU's rule, which paths obey too, and what single layers obey in place of them. */
  readonly axes?: Omit<RuleSpec, 'relu'>;
  readonly onStage?: (done: number, total: number, stage: string) => void;
}

/**
 * Follows a unit down to the input.
 * @param input [1, C, H, W]
 * @throws InputError if the unit does not exist; GraphError if a way leads through an op whose links are not known, or the input has no pixels
 */
export async function trace(
  gpu: Gpu,
  graph: Graph,
  parameters: ReadonlyMap<string, AnyTensor>,
  input: Tensor,
  options: TraceOptions = {},
): Promise<Trace> {
  const typed = typeGraph(graph);
  const { axes = {}, onStage = () => {} } = options;
  if (input.shape.length !== 4) throw new GraphError(`trace: expected an input of pixels 1xCxHxW, got ${formatShape(input.shape)}.`);
  const tracer = new Tracer(typed, questionTensor(typed, options), axes);
  const store = new ParameterStore(gpu, parameters);
  onStage(0, RULES.length + 1, 'forward');
  try {
    const { target, neuron, strongest } = options;
    const {
      gradients,
      bufferBytes: _,
      ...seed
    } = await walk(gpu, store, typed, input, {
      target,
      neuron,
      strongest,
      rules: RULES.map((relu) => ({ ...axes, relu })),
      observe: tracer.observed,
      forward: (node, sight) => tracer.decide(node, sight),
      backward: (node, sight, r) => tracer.pass(RULES[r], node, sight),
      onRule: (r) => onStage(r, RULES.length + 1, RULES[r]),
    });
    onStage(RULES.length, RULES.length + 1, 'paths');
    const signals = Object.fromEntries(RULES.map((rule, r) => [rule, gradients[r]])) as Record<Rule, Tensor>;
    const traced = tracer.count(parameters, seed, input, signals);
    onStage(RULES.length + 1, RULES.length + 1, 'paths');
    return { ...seed, ...traced, signals };
  } finally {
    store.dispose();
  }
}

class Tracer {
  readonly observed: readonly string[];
  readonly #scratch = new Scratch();
  readonly #branch = new Map<string, Decided>();
  readonly #passages = new Map<string, Record<Rule, Passage>>();
  readonly #influences = new Map<string, Influence>();
  readonly #rules: (node: string) => LayerRules;
  /** ReLU's rule at a node on the way down under each. */
  readonly #relu: Readonly<Record<Rule, (node: string) => LayerRules>>;

  constructor(
    readonly typed: TypedGraph,
    readonly target: string,
    axes: RuleSpec,
  ) {
    const below = ancestorsOf(typed, [target]);
    const looks = (node: TypedNode): boolean => {
      const { x, y } = decidingTensors(typed, node);
      return x.length > 0 || y;
    };
    this.observed = typed.nodes.filter((node) => below.has(node.outputs[0]) && looks(node)).map(({ name }) => name);
    this.#rules = layerRules(typed, axes);
    this.#relu = Object.fromEntries(RULES.map((relu) => [relu, layerRules(typed, { ...axes, relu })])) as Record<
      Rule,
      (node: string) => LayerRules
    >;
  }

  /** On the way up: takes down what the node decided. */
  async decide(node: TypedNode, sight: Sight): Promise<void> {
    const { moment } = sight;
    const wanted = decidingTensors(this.typed, node);
    const x: (Float32Array | null)[] = node.inputs.map(() => null);
    for (const k of wanted.x) x[k] = await this.#scratch.read(sight, moment.x[k]!, `x${k}`);
    const y = wanted.y ? await this.#scratch.read(sight, moment.y[0]!, 'y') : null;
    const { shape } = this.typed.values.get(node.inputs[0])!;
    const decided = decisionsOf(node, x, y, shape, this.#rules(node.name));
    if (decided) this.#branch.set(node.name, decided);
  }

  /** On the way down: what arrives at a gate or window, and what goes on. */
  async pass(rule: Rule, node: TypedNode, sight: Sight): Promise<void> {
    if (node.op !== 'relu' && !isMaxPool(node)) return;
    const { moment } = sight;
    const arriving = moment.dy[0] && (await this.#scratch.read(sight, moment.dy[0], 'dy'));
    if (!arriving) return;
    const passages = this.#passages.get(node.name) ?? ({} as Record<Rule, Passage>);
    this.#passages.set(node.name, passages);
    if (node.op === 'relu') {
      const gate = await this.#scratch.read(sight, (moment.x[0] ?? moment.y[0])!, 'gate');
      const { relu, zero } = this.#relu[rule](node.name);
      passages[rule] = { arriving: massOf(arriving), passed: massWhere(arriving, (i) => rulePasses(relu, gate[i], arriving[i], zero)) };
      if (rule === 'gradient') this.#influences.set(node.name, influenceOf(gate, arriving));
    } else {
      const sent = moment.dx[0] ? massOf(await this.#scratch.read(sight, moment.dx[0], 'dx')) : massOf(new Float32Array(0));
      passages[rule] = { arriving: massOf(arriving), passed: sent };
    }
  }

  count(
    parameters: ReadonlyMap<string, AnyTensor>,
    seed: Seed,
    input: Tensor,
    signals: Readonly<Record<Rule, Tensor>>,
  ): Pick<Trace, 'input' | 'layers' | 'openMask' | 'pathMap' | 'influenceMap'> {
    const { typed, target } = this;
    const fields = receptiveFields(typed, target, seed.unit, (node) => this.#rules(node).lrn);
    const rows = new Map<string, TraceLayer>();
    const inputName = typed.graph.inputs[0].name;
    let atInput: PathCounts = { data: new Float64Array(size(input.shape)), exponent: 0 };
    const branch: Branch = this.#branch;
    countPaths(typed, parameters, {
      target,
      unit: seed.unit,
      branch,
      visit: (value, counts) => {
        if (value === inputName) atInput = counts;
        const made = typed.producer.get(value);
        const node = made === undefined ? undefined : typed.nodes[made];
        const field = fields.get(value);
        if (node && field && isGate(node)) rows.set(node.name, this.#row(node, field, counts));
      },
    });
    const [, channels, height, width] = input.shape;
    const plane = height * width;
    const openMask = new Uint8Array(plane);
    const pathMap = new Float64Array(plane);
    const influenceMap = new Float64Array(plane);
    for (let i = 0; i < plane; i++) {
      for (let c = 0, at = i; c < channels; c++, at += plane) {
        pathMap[i] += atInput.data[at];
        influenceMap[i] += input.data[at] * signals.gradient.data[at];
      }
      openMask[i] = Number(pathMap[i] > 0);
      pathMap[i] = Math.log10(pathMap[i]) + atInput.exponent * Math.log10(2);
    }
    const [, , [y0, y1], [x0, x1]] = fields.get(inputName) ?? input.shape.map(() => [0, 0] as const);
    const influence = influenceOf(input.data, signals.gradient.data, false);
    return {
      layers: typed.nodes.flatMap(({ name }) => rows.get(name) ?? []),
      openMask,
      pathMap,
      influenceMap,
      input: {
        tensor: inputName,
        shape: input.shape,
        field: { x0, y0, x1, y1 },
        openPixels: openMask.reduce((n, v) => n + v, 0),
        openBox: boxOf(openMask, width),
        paths: pathTotal(atInput),
        influence,
        rest: seed.value - influence.positive - influence.negative,
        rules: Object.fromEntries(RULES.map((rule) => [rule, massOf(signals[rule].data)])) as Record<Rule, Mass>,
      },
    };
  }

  #row(node: TypedNode, field: Field, counts: PathCounts): TraceLayer {
    const { shape } = this.typed.values.get(node.outputs[0])!;
    const decided = this.#branch.get(node.name);
    const gates = decided?.kind === 'gates' ? decided.open : null;
    let open: number | null = null;
    if (gates) {
      let found = 0;
      eachInField(field, shape, (i) => (found += gates[i]));
      open = found;
    }
    return {
      node: node.name,
      op: node.op,
      tensor: node.outputs[0],
      shape,
      field,
      fieldUnits: fieldSize(field),
      open,
      paths: pathTotal(gates ? { ...counts, data: counts.data.map((n, i) => (gates[i] ? n : 0)) } : counts),
      influence: this.#influences.get(node.name) ?? null,
      rules: this.#passages.get(node.name) ?? null,
    };
  }
}

const isGate = (node: TypedNode): boolean => node.op === 'relu' || node.op === 'clip' || isMaxPool(node);

/** Sums of value times signal by sign; of a gate's input the value is max(x, 0). */
function influenceOf(value: Float32Array, signal: Float32Array, rectified = true): Influence {
  let [positive, negative] = [0, 0];
  for (let i = 0; i < value.length; i++) {
    const v = rectified && value[i] < 0 ? 0 : value[i];
    const part = v * signal[i];
    if (part > 0) positive += part;
    else negative += part;
  }
  return { positive, negative };
}

/** The smallest box around a mask [H * W]. */
function boxOf(mask: Uint8Array, width: number): PixelBox | null {
  let [x0, y0, x1, y1] = [Infinity, Infinity, 0, 0];
  mask.forEach((v, i) => {
    if (!v) return;
    const [x, y] = [i % width, Math.floor(i / width)];
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
  });
  return x1 > 0 ? { x0, y0, x1, y1 } : null;
}
