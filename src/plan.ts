/**
 * Compiles a graph into a plan: three lists of steps (prepare, forward, backward) and the slots their tensors live in. A plan is plain data;
 * nothing here touches a device.
 */
import { GraphError } from './errors.ts';
import { fusions, type Fusion } from './fusion.ts';
import { ancestorsOf, layerRules, listNames, typeGraph, valueInfo, type Graph, type TypedGraph, type TypedNode } from './graph.ts';
import { planSlots, type Lifetime } from './memory.ts';
import { readsX, RELU, ruleActivation } from './ops/activation.ts';
import { OPS } from './ops/index.ts';
import type { Activation, AdjointContext, EmitContext, ForwardContext, StepSpec, StorageType, TensorRef } from './ops/op.ts';
import { decide, type Choice, type Choices, type DeviceTraits } from './ops/variants.ts';
import type { LayerRules, RuleSpec } from './rule.ts';
import { size, type Shape } from './tensor.ts';

/** One dispatch of a plan; see {@link StepSpec}, with tensors by id and the node it belongs to. */
export interface Step {
  readonly node: string;
  readonly shader: string;
  readonly entry: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly geometry: Readonly<Record<string, number | readonly number[]>>;
  readonly bind: Readonly<Record<string, string>>;
  readonly invocations: number;
}

export type TensorKind =
  'input' | 'seed' | 'random' | 'rate' | 'parameter' | 'prepared' | 'velocity' | 'activation' | 'saved' | 'signal' | 'scratch';

/** A tensor of a plan. Parameters, what is prepared from them and their velocities live in the parameter store and have no slot. */
export interface PlanTensor {
  readonly id: string;
  readonly shape: Shape;
  readonly dtype: StorageType;
  readonly bytes: number;
  readonly kind: TensorKind;
  /** The node that makes it, or '' for what comes from outside. */
  readonly node: string;
  slot: number;
  first: number;
  last: number;
}

/**
 * A point of a pass at which a node can be looked at: its own steps have just run, and what it took and what it made stand on the device
 * together, before later steps take their slots.
 */
export interface Moment {
  readonly node: string;
  /** Steps of the pass that have run by then. */
  readonly after: number;
  /**
   * Values of the node's inputs and outputs in order; null for parameters. On the way down null but for a ReLU's gate: y, or x where its rule is
   * open at zero.
   */
  readonly x: readonly (TensorRef | null)[];
  readonly y: readonly (TensorRef | null)[];
  /** On the way down: all that arrives at each output, and what this node alone sends to each input; null where there is no signal. */
  readonly dy: readonly (TensorRef | null)[];
  readonly dx: readonly (TensorRef | null)[];
}

/** A plan: what to run, and where everything lies. */
export interface Plan {
  readonly name: string;
  readonly tensors: Readonly<Record<string, PlanTensor>>;
  /** Tensor and shape of each value of the graph that the plan leaves or takes; reshapes share a tensor. */
  readonly values: Readonly<Record<string, TensorRef>>;
  readonly slots: readonly number[];
  /** WGSL sources of the steps, by shader name. */
  readonly shaders: Readonly<Record<string, string>>;
  /** Inputs of the graph that a run must be given. */
  readonly inputs: readonly string[];
  /** Inputs of the graph that nothing in this plan reads; a run may be given them. */
  readonly unusedInputs: readonly string[];
  readonly prepare: readonly Step[];
  readonly forward: readonly Step[];
  readonly backward: readonly Step[];
  /** Changes the parameters by the gradients that the backward pass left; empty unless asked for. */
  readonly update: readonly Step[];
  /** The value at which the seed enters, when there is a backward pass. */
  readonly target?: string;
  /** The tensor that holds the seed. */
  readonly seed?: string;
  /** Values that may be read after a forward pass. */
  readonly readable: readonly string[];
  /** Signals that may be read after a backward pass, by the value they belong to: what was asked for in `wrt` and `signals`. */
  readonly gradients: Readonly<Record<string, TensorRef>>;
  /** Where observed nodes can be looked at, in the order of either pass; empty unless asked for. */
  readonly moments: { readonly forward: readonly Moment[]; readonly backward: readonly Moment[] };
  readonly training: boolean;
  /** The velocity of each parameter that `update` changes, by the parameter's name. */
  readonly velocities: Readonly<Record<string, TensorRef>>;
  readonly traits: DeviceTraits;
  /** Where one of several kernels was chosen, once for each key. */
  readonly choices: readonly Choice[];
  /** ReLUs that the kernels of a neighbouring layer compute. What one of them read on the way up is not among the values. */
  readonly fused: readonly Fusion[];
}

/**
 * Stochastic gradient descent with momentum: v <- momentum v + g + weightDecay w, w <- w - rate v, the rate being given with every step.
 * Weights decay, biases (tensors of rank 1) do not, as in Caffe's published recipes.
 */
export interface Descent {
  readonly momentum: number;
  readonly weightDecay: number;
}

export type { Choice, Choices, DeviceTraits, Fusion, TensorRef };

/** Traits that every device has. */
const NO_TRAITS: DeviceTraits = { quads: false, tiles: false };

export interface CompileOptions {
  /** Values that must be readable after a forward pass. Default: the graph's outputs and scores. */
  readonly keep?: readonly string[];
  /** Keep every value: inspectors and gradcheck ask for this. */
  readonly keepAll?: boolean;
  /** The value whose elements seeds address. Without it there is no backward pass. */
  readonly target?: string;
  /** Values to differentiate with respect to. Default: all f32 inputs. */
  readonly wrt?: readonly string[];
  /** What the backward pass obeys. Default: the gradient everywhere. */
  readonly rule?: RuleSpec;
  /** Values whose arriving signal must be readable after a backward pass, or 'all'. */
  readonly signals?: readonly string[] | 'all';
  /**
   * Nodes, by name, to look at as a pass goes by: each stands whole at its own {@link Moment} and no longer, so that memory does not grow with
   * their number as it does with `keep`. What they depend on is computed too.
   */
  readonly observe?: readonly string[];
  /** Dropout draws masks. */
  readonly training?: boolean;
  /** Computes a ReLU along with the layer before it, or its rule with the layer behind, where nobody asks for what lies between. Default: true. */
  readonly fuse?: boolean;
  /** Steps that change the parameters among `wrt`; with `training` only. */
  readonly descent?: Descent;
  /**
   * What the device is known to be good at, and which kernels are pinned there (`traitsOf` tells). Results are the same to the bit with quads, and
   * the same but for rounding with tiles, which split sums to fill a GPU, and with pins, which may split them elsewhere. Default: nothing.
   */
  readonly traits?: DeviceTraits;
}

const BYTES = 4;

/** Bytes of a tensor's buffer: whole 16-byte units, so that vec4 views reach every element. */
function bytesOf(shape: Shape): number {
  return Math.max(16, Math.ceil((size(shape) * BYTES) / 16) * 16);
}

/**
 * Compiles a graph.
 * @throws GraphError if the graph is malformed, a name does not exist, a rule names a layer that has none of the kind, or the target does not depend on `wrt`.
 */
export function compile(graph: Graph | TypedGraph, options: CompileOptions = {}): Plan {
  return new Compiler('graph' in graph ? graph : typeGraph(graph), options).compile();
}

class Compiler {
  readonly #typed: TypedGraph;
  readonly #options: CompileOptions;
  // Tables by name: without a prototype, since a tensor may be called __proto__.
  readonly #tensors: Record<string, PlanTensor> = Object.create(null);
  readonly #values: Record<string, TensorRef> = Object.create(null);
  readonly #saved = new Map<string, TensorRef>();
  readonly #shaders: Record<string, string> = {};
  readonly #prepare: Step[] = [];
  readonly #prepared = new Set<string>();
  readonly #forward: Step[] = [];
  readonly #backward: Step[] = [];
  readonly #update: Step[] = [];
  readonly #velocities: Record<string, TensorRef> = Object.create(null);
  readonly #training: boolean;
  readonly #traits: DeviceTraits;
  readonly #rules: (node: string) => LayerRules;
  readonly #observed: ReadonlySet<string>;
  readonly #choices = new Map<string, Choice>();
  #fused: readonly Fusion[] = [];
  readonly #moments = { forward: [] as Moment[], backward: [] as Moment[] };

  constructor(typed: TypedGraph, options: CompileOptions) {
    this.#typed = typed;
    this.#options = options;
    this.#training = options.training ?? false;
    this.#traits = options.traits ?? NO_TRAITS;
    this.#rules = layerRules(typed, options.rule);
    this.#observed = new Set(options.observe);
  }

  compile(): Plan {
    const { graph, values } = this.#typed;
    const { target } = this.#options;
    const keep = this.#options.keep ?? [...new Set([...graph.outputs, ...(graph.scores !== undefined ? [graph.scores] : [])])];
    for (const name of keep) valueInfo(this.#typed, name);
    if (target !== undefined && valueInfo(this.#typed, target).dtype !== 'f32') {
      throw new GraphError(`target "${target}": expected a tensor of signals, got integers. Choose another target.`);
    }
    const roots = this.#options.keepAll
      ? [...values.keys()]
      : [...keep, ...(target !== undefined ? [target] : []), ...this.#observedOutputs()];
    const needed = ancestorsOf(this.#typed, roots);
    const onPath = target === undefined ? new Set<string>() : ancestorsOf(this.#typed, [target]);
    const wrt = this.#options.wrt ?? graph.inputs.filter((input) => (input.dtype ?? 'f32') === 'f32').map((input) => input.name);
    for (const name of wrt) valueInfo(this.#typed, name);
    const varying = this.#varying(new Set(wrt));
    this.#fused = this.#fusions(needed, new Set([...keep, ...(target !== undefined ? [target] : [])]), wrt, onPath, varying);

    const used = this.#usedSources(needed, roots);
    for (const spec of graph.inputs) if (used.has(spec.name)) this.#source(spec.name, 'input');
    for (const spec of graph.parameters) if (used.has(spec.name)) this.#source(spec.name, 'parameter');

    for (const node of this.#typed.nodes) {
      if (!node.outputs.some((name) => needed.has(name))) continue;
      const differentiated = node.outputs.some((name) => onPath.has(name) && varying.has(name));
      this.#emitForward(node, differentiated);
      if (this.#observed.has(node.name)) {
        const refs = (names: readonly string[]): (TensorRef | null)[] =>
          names.map((name) => (name === '' || this.#tensors[this.#values[name].id].kind === 'parameter' ? null : this.#values[name]));
        this.#moments.forward.push({
          node: node.name,
          after: this.#forward.length,
          x: refs(node.inputs),
          y: refs(node.outputs),
          dy: [],
          dx: [],
        });
      }
    }

    let gradients: Record<string, TensorRef> = Object.create(null);
    let seed: string | undefined;
    if (target !== undefined) {
      if (!varying.has(target))
        throw new GraphError(`target "${target}": expected a tensor that depends on ${listNames(wrt)}, but it does not.`);
      seed = this.#create(`seed(${target})`, this.#values[target].shape, 'f32', 'seed', '').id;
      gradients = this.#emitBackward(target, this.#ref(seed), new Set(wrt), onPath, varying);
    }
    if (this.#options.descent) this.#emitUpdate(this.#options.descent, gradients);
    const readable = this.#options.keepAll ? Object.keys(this.#values) : keep;
    const slots = this.#placeTensors(readable, gradients, seed);
    return {
      name: graph.name,
      tensors: this.#tensors,
      values: this.#values,
      slots,
      shaders: this.#shaders,
      inputs: graph.inputs.map((input) => input.name).filter((name) => used.has(name)),
      unusedInputs: graph.inputs.map((input) => input.name).filter((name) => !used.has(name)),
      prepare: this.#prepare,
      forward: this.#forward,
      backward: this.#backward,
      update: this.#update,
      target,
      seed,
      readable,
      gradients,
      moments: this.#moments,
      training: this.#training,
      velocities: this.#velocities,
      traits: this.#traits,
      choices: [...this.#choices.values()],
      fused: this.#fused,
    };
  }

  #fusions(
    needed: ReadonlySet<string>,
    values: ReadonlySet<string>,
    wrt: readonly string[],
    onPath: ReadonlySet<string>,
    varying: ReadonlySet<string>,
  ): readonly Fusion[] {
    const { fuse = true, keepAll, signals = [], target } = this.#options;
    if (!fuse) return [];
    const wanted = new Set([...wrt, ...(signals === 'all' ? [] : signals), target]);
    return fusions(this.#typed, {
      needed,
      values: keepAll ? needed : values,
      readsX: (relu) => readsX(this.#rules(relu)),
      onPath,
      varying,
      signal: (value) => signals === 'all' || wanted.has(value),
      observed: this.#observed,
    });
  }

  /** The ReLU whose work a node does in a pass along with its own. */
  #joined(pass: Fusion['pass'], node: TypedNode): TypedNode | undefined {
    const fusion = this.#fused.find(({ by, ...rest }) => by === node.name && rest.pass === pass);
    return fusion && this.#typed.nodes.find(({ name }) => name === fusion.relu);
  }

  /** Whether another node does a ReLU's work in a pass. */
  #spared(pass: Fusion['pass'], node: TypedNode): boolean {
    return this.#fused.some(({ relu, ...rest }) => relu === node.name && rest.pass === pass);
  }

  /** Values that a change of `sources` can reach through differentiable inputs. */
  #varying(sources: ReadonlySet<string>): Set<string> {
    const varying = new Set(sources);
    for (const node of this.#typed.nodes) {
      if (node.inputs.some((name, k) => varying.has(name) && node.definition.differentiable(k))) {
        for (const output of node.outputs) if (output !== '') varying.add(output);
      }
    }
    return varying;
  }

  #observedOutputs(): string[] {
    const known = new Set(this.#typed.nodes.map((node) => node.name));
    for (const name of this.#observed) {
      if (!known.has(name))
        throw new GraphError(`observe: expected the name of a node, got "${name}". Nodes here: ${listNames([...known])}.`);
    }
    return this.#typed.nodes.filter((node) => this.#observed.has(node.name)).flatMap((node) => node.outputs.filter((name) => name !== ''));
  }

  #usedSources(needed: ReadonlySet<string>, roots: readonly string[]): Set<string> {
    const used = new Set(roots);
    for (const node of this.#typed.nodes) if (node.outputs.some((name) => needed.has(name))) node.inputs.forEach((name) => used.add(name));
    return used;
  }

  #source(name: string, kind: 'input' | 'parameter'): void {
    const info = this.#typed.values.get(name)!;
    this.#values[name] = this.#create(name, info.shape, info.dtype, kind, '');
  }

  #create(id: string, shape: Shape, dtype: StorageType, kind: TensorKind, node: string): TensorRef {
    // Names inside a network are free; ours must not collide with them.
    while (Object.hasOwn(this.#tensors, id)) id += "'";
    this.#tensors[id] = { id, shape, dtype, bytes: bytesOf(shape), kind, node, slot: -1, first: Infinity, last: -Infinity };
    return { id, shape, dtype };
  }

  #ref(id: string): TensorRef {
    const { shape, dtype } = this.#tensors[id];
    return { id, shape, dtype };
  }

  #step(list: Step[], node: TypedNode, spec: StepSpec): void {
    const sources = node.definition.shaders;
    this.#addStep(list, node.name, sources, spec);
  }

  #addStep(list: Step[], node: string, sources: Readonly<Record<string, string>>, spec: StepSpec): void {
    this.#shaders[spec.shader] ??= sources[spec.shader];
    list.push({
      node,
      shader: spec.shader,
      entry: spec.entry,
      constants: spec.constants ?? {},
      geometry: spec.geometry ?? {},
      bind: Object.fromEntries(Object.entries(spec.bind).map(([variable, ref]) => [variable, ref.id])),
      invocations: spec.invocations,
    });
  }

  #context(node: TypedNode, list: Step[]): EmitContext<unknown> {
    return {
      node: node.name,
      attrs: node.typedAttrs,
      // What a ReLU would read stands nowhere where the layer before writes y.
      x: node.inputs.map((name) => (name === '' ? null : (this.#values[name] ?? null))),
      y: (this.#joined('forward', node) ?? node).outputs.map((name) => this.#values[name]),
      training: this.#training,
      choose: (direction, shapes, table, shape) => {
        const key = `${node.op} ${direction} ${shapes}`;
        const { chosen, ...names } = decide(key, table, shape, this.#traits);
        this.#noteChoice(key, node.op, direction, names);
        return chosen;
      },
      scratch: (name, shape, dtype = 'f32') => this.#create(`${node.name}#${name}`, shape, dtype, 'scratch', node.name),
      random: () => (Object.hasOwn(this.#tensors, '#random') ? this.#ref('#random') : this.#create('#random', [2], 'u32', 'random', '')),
      prepare: (name, k, shape, emit) => {
        const source = node.inputs[k];
        const fromParameter = this.#tensors[this.#values[source].id].kind === 'parameter';
        const id = fromParameter ? `${source}#${name}` : `${node.name}#${name}`;
        if (fromParameter && this.#prepared.has(id)) return this.#ref(id);
        const out = this.#create(id, shape, 'f32', fromParameter ? 'prepared' : 'scratch', node.name);
        if (fromParameter) this.#prepared.add(out.id);
        emit(out, (spec) => this.#step(fromParameter ? this.#prepare : list, node, spec));
        return out;
      },
      step: (spec) => this.#step(list, node, spec),
    };
  }

  #noteChoice(key: string, op: string, direction: string, names: { name: string; fixed: string; candidates: readonly string[] }): void {
    const before = this.#choices.get(key);
    const joined = (a: readonly string[] = [], b: readonly string[]): string[] => [...new Set([...a, ...b])];
    this.#choices.set(key, {
      key,
      op,
      direction,
      chosen: joined(before?.chosen, [names.name]),
      fixed: joined(before?.fixed, [names.fixed]),
      candidates: joined(before?.candidates, names.candidates),
    });
  }

  #emitForward(node: TypedNode, differentiated: boolean): void {
    const { definition } = node;
    if (this.#spared('forward', node)) return;
    const aliased = definition.alias?.(node.typedAttrs, this.#training) ?? false;
    const joined = this.#joined('forward', node);
    const { name: maker, outputs } = joined ?? node;
    outputs.forEach((name, k) => {
      if (name === '') return;
      const info = this.#typed.values.get(name)!;
      this.#values[name] =
        aliased && k === 0
          ? { ...this.#values[node.inputs[0]], shape: info.shape }
          : this.#create(name, info.shape, info.dtype, 'activation', maker);
    });
    if (aliased) return;
    const context: ForwardContext<unknown> = {
      ...this.#context(node, this.#forward),
      activation: joined && RELU,
      differentiated,
      save: (name, shape, dtype) => {
        const ref = this.#create(`${node.name}#${name}`, shape, dtype, 'saved', node.name);
        this.#saved.set(`${node.name}#${name}`, ref);
        return ref;
      },
    };
    definition.forward(context);
  }

  /** Reverse sweep from the target. Contributions to one value are added in the order in which they arise. */
  #emitBackward(
    target: string,
    seed: TensorRef,
    wrt: ReadonlySet<string>,
    onPath: ReadonlySet<string>,
    varying: ReadonlySet<string>,
  ): Record<string, TensorRef> {
    const contributions = new Map<string, TensorRef[]>([[target, [seed]]]);
    const totals: Record<string, TensorRef> = Object.create(null);
    const arriving = (value: string): TensorRef | null => {
      if (Object.hasOwn(totals, value)) return totals[value];
      const parts = contributions.get(value);
      if (parts === undefined) return null;
      let sum = parts[0];
      for (const [i, next] of parts.slice(1).entries()) sum = this.#addSignals(value, i, sum, next);
      return (totals[value] = { ...sum, shape: this.#typed.values.get(value)!.shape });
    };
    const producer = this.#typed.producer;
    for (let i = producer.get(target) ?? -1; i >= 0; i--) {
      const node = this.#typed.nodes[i];
      if (!node.outputs.some((name) => contributions.has(name))) continue;
      const dy = node.outputs.map((name) => (name === '' ? null : arriving(name)));
      const dx: (TensorRef | null)[] = node.inputs.map(() => null);
      node.inputs.forEach((name, k) => {
        if (name === '' || !varying.has(name) || !onPath.has(name) || !node.definition.differentiable(k)) return;
        const signal = this.#spared('backward', node) ? dy[0]! : this.#emitAdjoint(node, name, k, dy);
        dx[k] = signal;
        const parts = contributions.get(name);
        if (parts) parts.push(signal);
        else contributions.set(name, [signal]);
      });
      if (this.#observed.has(node.name))
        this.#moments.backward.push({ ...this.#gateOf(node), node: node.name, after: this.#backward.length, dy, dx });
    }
    const wanted = this.#options.signals === 'all' ? [...contributions.keys()] : [...wrt, ...(this.#options.signals ?? [])];
    const gradients: Record<string, TensorRef> = Object.create(null);
    for (const name of wanted) {
      const total = arriving(name);
      if (total) gradients[name] = total;
    }
    return gradients;
  }

  /** The value whose sign a ReLU's rule asks for. */
  #gateOf(node: TypedNode): Pick<Moment, 'x' | 'y'> {
    const open = node.op === 'relu' && this.#rules(node.name).zero === 'open';
    return {
      x: node.inputs.map((name) => (open ? this.#values[name] : null)),
      y: node.outputs.map((name) => (node.op === 'relu' && !open ? this.#values[name] : null)),
    };
  }

  #emitAdjoint(node: TypedNode, input: string, k: number, dy: readonly (TensorRef | null)[]): TensorRef {
    const { shape } = this.#typed.values.get(input)!;
    const relu = k === 0 ? this.#joined('backward', node) : undefined;
    let dx: TensorRef | undefined;
    const id = relu ? `d(${relu.inputs[0]})@${relu.name}` : `d(${input})@${node.name}`;
    const create = (): TensorRef => (dx ??= this.#create(id, shape, 'f32', 'signal', node.name));
    const context: AdjointContext<unknown> = {
      ...this.#context(node, this.#backward),
      activation: relu && this.#ruleOf(relu),
      dy,
      get dx() {
        return create();
      },
      rules: this.#rules(node.name),
      saved: (name) => {
        const ref = this.#saved.get(`${node.name}#${name}`);
        if (ref === undefined) throw new Error(`${node.op} "${node.name}": the forward pass saved no "${name}".`);
        return ref;
      },
    };
    const passed = node.definition.adjoint!(context, k);
    return passed ? { ...passed, shape } : create();
  }

  #ruleOf(relu: TypedNode): Activation {
    const rules = this.#rules(relu.name);
    return ruleActivation(rules, this.#values[readsX(rules) ? relu.inputs[0] : relu.outputs[0]]);
  }

  #addSignals(value: string, index: number, a: TensorRef, b: TensorRef): TensorRef {
    const y = this.#create(`d(${value})+${index + 1}`, this.#typed.values.get(value)!.shape, 'f32', 'signal', '');
    const count = size(y.shape);
    this.#addStep(this.#backward, value, OPS.add.shaders, {
      shader: 'binary',
      entry: 'add',
      geometry: { count },
      bind: { a, b, y },
      invocations: count,
    });
    return y;
  }

  #emitUpdate({ momentum, weightDecay }: Descent, gradients: Readonly<Record<string, TensorRef>>): void {
    if (!this.#training) throw new GraphError('descent: expected a plan that trains, got one that does not. Compile with training too.');
    const rate = this.#create('#rate', [1], 'f32', 'rate', '');
    for (const { name } of this.#typed.graph.parameters) {
      if (!Object.hasOwn(gradients, name)) continue;
      const parameter = this.#values[name];
      const count = size(parameter.shape);
      const velocity = this.#create(`v(${name})`, parameter.shape, 'f32', 'velocity', '');
      this.#velocities[name] = velocity;
      this.#addStep(this.#update, name, OPS.momentum.shaders, {
        shader: 'momentum',
        entry: 'descend',
        geometry: { count, alpha: momentum, beta: 1, normCoefficient: parameter.shape.length > 1 ? weightDecay : 0, nesterov: 0 },
        bind: { rate, gradient: gradients[name], velocity, parameter },
        invocations: count,
      });
    }
  }

  /**
   * Lifetimes, then slots. A tensor made on the way up and used on the way down stays whole until the end, so that the way down can be walked
   * again with another seed; so does everything readable.
   */
  #placeTensors(readable: readonly string[], gradients: Readonly<Record<string, TensorRef>>, seed: string | undefined): readonly number[] {
    const turn = this.#forward.length;
    const end = turn + this.#backward.length;
    const touch = (id: string, at: number): void => {
      const tensor = this.#tensors[id];
      tensor.first = Math.min(tensor.first, at);
      tensor.last = Math.max(tensor.last, at);
    };
    [...this.#forward, ...this.#backward].forEach((step, at) => {
      for (const id of Object.values(step.bind)) {
        touch(id, at);
        if (at >= turn && this.#tensors[id].first < turn) touch(id, end);
      }
    });
    const { forward, backward } = this.#moments;
    for (const { after, x, y } of forward) for (const ref of [...x, ...y]) if (ref) touch(ref.id, after - 1);
    for (const { after, x, y, dy, dx } of backward) {
      for (const ref of [...x, ...y, ...dy, ...dx]) if (ref) touch(ref.id, this.#tensors[ref.id].first < turn ? end : turn + after - 1);
    }
    for (const name of readable) touch(this.#values[name].id, end);
    for (const ref of Object.values(gradients)) touch(ref.id, end);
    // What comes from outside is written before the first step.
    for (const tensor of Object.values(this.#tensors)) {
      if (tensor.kind === 'input') touch(tensor.id, -1);
      if (tensor.kind === 'random' || tensor.kind === 'rate' || tensor.id === seed) {
        touch(tensor.id, -1);
        touch(tensor.id, end);
      }
    }
    const placed = this.#placed();
    const { slots, slotOf } = planSlots(placed);
    for (const { id } of placed) this.#tensors[id].slot = slotOf.get(id)!;
    return slots;
  }

  #placed(): Lifetime[] {
    return Object.values(this.#tensors).filter(({ kind }) => kind !== 'parameter' && kind !== 'prepared' && kind !== 'velocity');
  }
}
