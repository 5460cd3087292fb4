/**
 * The inspector: for one image, what every layer holds, which of its gates are open and which windows are tied, and what becomes of a signal on
 * its way down. One node is looked at at a time.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Sight } from '../gpu/executor.ts';
import { ParameterStore } from '../gpu/store.ts';
import { layerRules, typeGraph, type Graph, type TypedGraph, type TypedNode } from '../graph.ts';
import type { MaxPool2dAttrs } from '../ops/maxpool2d.ts';
import { clipPasses } from '../reference/elementwise.ts';
import type { RuleSpec } from '../rule.ts';
import type { AnyTensor, Shape, Tensor } from '../tensor.ts';
import { chooseExports, chooseLayers, INPUT, isMaxPool, type ExportKind, type ExportRequest } from './choose.ts';
import { gateSignal, gateUnits, massOf, massWhere, type GateSignal, type GateUnits, type Mass } from './gates.ts';
import { tensorStats, type TensorStats } from './stats.ts';
import { Scratch, walk, type Question, type Walked } from './walk.ts';
import { isTied, isZero, windowReport, type WindowCounts, type WindowReport } from './windows.ts';

/** The signal at a max-pool. */
export interface PoolSignal {
  readonly arriving: Mass;
  /** The part that arrives at windows with several maxima, where conventions send it different ways. */
  readonly atTies: Mass;
  /** The part that arrives at windows whose maximum is 0: behind a ReLU, a gate that asks for X > 0 kills it next. */
  readonly atZeros: Mass;
  /** What the pool sends down. In L1 it is less where windows share a winner and their signals cancel. */
  readonly sent: Mass;
}

export interface LayerInspection {
  readonly node: string;
  readonly op: string;
  /** The node's first output. */
  readonly tensor: string;
  readonly shape: Shape;
  readonly value: TensorStats;
  /** The signal that arrives at the tensor under the chosen rules; null where none does. */
  readonly signal: TensorStats | null;
  /** Of a ReLU. */
  readonly gate: (GateUnits & { readonly signal: (GateSignal & { readonly sent: Mass }) | null }) | null;
  /** Of a clip: units strictly between its limits, which pass the signal. */
  readonly passing: number | null;
  /** Of a max-pool. */
  readonly windows: (WindowCounts & { readonly signal: PoolSignal | null }) | null;
}

export interface Inspection extends Omit<Walked, 'gradients'> {
  /** The network's input, and what reached it. */
  readonly input: { readonly tensor: string; readonly shape: Shape; readonly value: TensorStats; readonly signal: TensorStats };
  /** In the order of the network. */
  readonly layers: readonly LayerInspection[];
  /** Signals that were to be exported, as `KIND:NODE`, but reach no such place from this seed. */
  readonly unreached: readonly string[];
}

/** Something exported. */
export interface Exported {
  readonly kind: ExportKind;
  readonly node: string;
  readonly tensor: string;
  /** f32 values and signals; i32 masks (1: X > 0, else 0) and switches (the winner's place in its window, row-major; -1: none). */
  readonly data: AnyTensor;
  /** Of switches: how many places a window has. */
  readonly places?: number;
}

export interface InspectOptions extends Question {
  readonly rule?: RuleSpec;
  /** Names or patterns of the layers to report on: of nodes or of the tensors they make. Default: all that compute something. */
  readonly layers?: readonly string[];
  readonly exports?: readonly ExportRequest[];
  /** Given each exported thing as the walk comes by; the next reading writes over its data. */
  readonly onExport?: (exported: Exported) => Promise<void> | void;
  /** Told after each stop of `total`, for a progress bar. */
  readonly onStop?: (done: number, total: number) => void;
}

/**
 * Inspects one image.
 * @param input [1, C, H, W]
 * @throws InputError if a layer, class, unit or export names nothing that is there
 */
export async function inspect(
  gpu: Gpu,
  graph: Graph,
  parameters: ReadonlyMap<string, AnyTensor>,
  input: Tensor,
  options: InspectOptions = {},
): Promise<Inspection> {
  const typed = typeGraph(graph);
  const reported = chooseLayers(typed, options.layers);
  const { layers: wanted, parameters: weights } = chooseExports(typed, options.exports ?? []);
  const observe = typed.nodes.filter(({ name }) => reported.has(name) || wanted.has(name)).map(({ name }) => name);
  for (const name of weights) await options.onExport?.({ kind: 'weights', node: name, tensor: name, data: parameters.get(name)! });
  const store = new ParameterStore(gpu, parameters);
  const inspector = new Inspector(typed, reported, wanted, options, 2 * observe.length);
  try {
    const { target, neuron, strongest, rule = {} } = options;
    const {
      gradients: [gradient],
      ...walked
    } = await walk(gpu, store, typed, input, {
      target,
      neuron,
      strongest,
      rules: [rule],
      observe,
      forward: (node, sight) => inspector.up(node, sight),
      backward: (node, sight) => inspector.down(node, sight),
    });
    const tensor = graph.inputs[0].name;
    await inspector.exportInput(tensor, input, gradient);
    return {
      ...walked,
      input: { tensor, shape: input.shape, value: tensorStats(input.data), signal: tensorStats(gradient.data) },
      layers: inspector.layers(),
      unreached: inspector.unreached(),
    };
  } finally {
    store.dispose();
  }
}

type Draft = { -readonly [K in keyof LayerInspection]: LayerInspection[K] };

class Inspector {
  readonly #scratch = new Scratch();
  readonly #drafts = new Map<string, Draft>();
  /** A byte for each window of the max-pools that have been passed on the way up. */
  readonly #flags = new Map<string, Uint8Array>();
  readonly #rules: ReturnType<typeof layerRules>;
  readonly #handed = new Set<string>();
  #stops = 0;

  constructor(
    readonly typed: TypedGraph,
    readonly reported: ReadonlySet<string>,
    readonly wanted: ReadonlyMap<string, ReadonlySet<ExportKind>>,
    readonly options: InspectOptions,
    readonly total: number,
  ) {
    this.#rules = layerRules(typed, options.rule);
  }

  async up(node: TypedNode, sight: Sight): Promise<void> {
    const { moment } = sight;
    const [x, y] = [moment.x[0], moment.y[0]!];
    const wants = this.wanted.get(node.name);
    const report = this.reported.has(node.name);
    if (y.dtype === 'f32' && (report || wants?.has('value'))) {
      const data = await this.#scratch.read(sight, y, 'y');
      if (report) this.#drafts.set(node.name, draft(node, y.shape, data));
      await this.#hand(wants, 'value', node, { shape: y.shape, data });
    }
    const decides = node.op === 'relu' || node.op === 'clip' || isMaxPool(node);
    if (x && decides && (report || wants?.has('mask') || wants?.has('switches'))) {
      const data = await this.#scratch.read(sight, x, 'x');
      const mine = this.#drafts.get(node.name);
      if (node.op === 'relu') {
        if (mine) mine.gate = { ...gateUnits(data, x.shape), signal: null };
        if (wants?.has('mask'))
          await this.#hand(wants, 'mask', node, { shape: x.shape, data: Int32Array.from(data, (v) => Number(v > 0)) });
      } else if (node.op === 'clip') {
        const passes = (v: number): boolean => clipPasses(node.typedAttrs as object, v);
        if (mine) mine.passing = data.reduce((n, v) => n + Number(passes(v)), 0);
        if (wants?.has('mask'))
          await this.#hand(wants, 'mask', node, { shape: x.shape, data: Int32Array.from(data, (v) => Number(passes(v))) });
      } else {
        const found = windowsOf(node, data, x.shape);
        if (mine) {
          mine.windows = { ...found.counts, signal: null };
          this.#flags.set(node.name, found.flags);
        }
        await this.#hand(wants, 'switches', node, { shape: y.shape, data: found.switches }, found.counts.wonBy.length);
      }
    }
    this.options.onStop?.(++this.#stops, this.total);
  }

  async down(node: TypedNode, sight: Sight): Promise<void> {
    const { moment } = sight;
    const wants = this.wanted.get(node.name);
    const mine = this.#drafts.get(node.name);
    const [dy, dx] = [moment.dy[0], moment.dx[0]];
    if (dy && (mine || wants?.has('signal'))) {
      const arriving = await this.#scratch.read(sight, dy, 'dy');
      await this.#hand(wants, 'signal', node, { shape: dy.shape, data: arriving });
      if (mine) {
        mine.signal = tensorStats(arriving);
        if (mine.gate || mine.windows) {
          const sent = dx ? massOf(await this.#scratch.read(sight, dx, 'dx')) : NOTHING;
          if (mine.gate) {
            const gate = await this.#scratch.read(sight, (moment.x[0] ?? moment.y[0])!, 'x');
            mine.gate = { ...mine.gate, signal: { ...gateSignal(gate, arriving, this.#rules(node.name).zero), sent } };
          }
          if (mine.windows) mine.windows = { ...mine.windows, signal: poolSignal(arriving, this.#flags.get(node.name)!, sent) };
        }
      }
    }
    if (dx && wants?.has('sent'))
      await this.#hand(wants, 'sent', node, { shape: dx.shape, data: await this.#scratch.read(sight, dx, 'dx') });
    this.#flags.delete(node.name);
    this.options.onStop?.(++this.#stops, this.total);
  }

  async exportInput(tensor: string, value: Tensor, signal: Tensor): Promise<void> {
    const wants = this.wanted.get(INPUT);
    for (const [kind, data] of [['value', value] as const, ['signal', signal] as const]) {
      if (wants?.has(kind)) await this.options.onExport?.({ kind, node: tensor, tensor, data });
    }
  }

  layers(): LayerInspection[] {
    return this.typed.nodes.flatMap(({ name }) => this.#drafts.get(name) ?? []);
  }

  unreached(): string[] {
    return [...this.wanted].flatMap(([node, kinds]) =>
      node === INPUT ? [] : [...kinds].map((kind) => `${kind}:${node}`).filter((what) => !this.#handed.has(what)),
    );
  }

  async #hand(
    wants: ReadonlySet<ExportKind> | undefined,
    kind: ExportKind,
    node: TypedNode,
    data: AnyTensor,
    places?: number,
  ): Promise<void> {
    if (!wants?.has(kind)) return;
    this.#handed.add(`${kind}:${node.name}`);
    await this.options.onExport?.({ kind, node: node.name, tensor: node.outputs[0], data, places });
  }
}

const NOTHING: Mass = { units: 0, l1: 0, l2Squared: 0 };

function draft(node: TypedNode, shape: Shape, data: Float32Array): Draft {
  const { name, op, outputs } = node;
  return { node: name, op, tensor: outputs[0], shape, value: tensorStats(data), signal: null, gate: null, passing: null, windows: null };
}

function windowsOf(node: TypedNode, x: Float32Array, shape: Shape): WindowReport {
  return windowReport(x, shape, node.op === 'maxpool2d' ? (node.typedAttrs as MaxPool2dAttrs) : null);
}

function poolSignal(arriving: Float32Array, flags: Uint8Array, sent: Mass): PoolSignal {
  return {
    arriving: massOf(arriving),
    atTies: massWhere(arriving, (i) => isTied(flags[i])),
    atZeros: massWhere(arriving, (i) => isZero(flags[i])),
    sent,
  };
}
