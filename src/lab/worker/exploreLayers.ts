/** The network as a table: what each layer holds for one input, lets through and receives, and how long its way up takes. */
import { traitsOf } from '../../gpu/device.ts';
import { Executor } from '../../gpu/executor.ts';
import { Profiler, type ProfiledStep } from '../../gpu/profiler.ts';
import { inspect, type LayerInspection } from '../../inspect/inspect.ts';
import type { TensorStats } from '../../inspect/stats.ts';
import { compile } from '../../plan.ts';
import type { Shape } from '../../tensor.ts';
import type { Asked, Subject, Watch } from './exploreSubject.ts';

/** What a tensor holds, in few numbers. */
export interface Held {
  readonly norm: number;
  /** Share of exact zeros. */
  readonly zeros: number;
  /** Elements that are NaN or infinite. */
  readonly bad: number;
}

export interface LayerRow {
  readonly node: string;
  readonly op: string;
  /** The node's first output. */
  readonly tensor: string;
  readonly shape: Shape;
  /** Where its inputs come from: nodes by name, or the network's input; parameters apart. */
  readonly from: readonly string[];
  /** Null for nodes that hand on the very tensor that they take. */
  readonly value: Held | null;
  /** What arrives here on the way down; null where nothing does. */
  readonly signal: Held | null;
  /** Of a ReLU: its units by the sign of their input, and channels without an open unit. */
  readonly gate: Pick<NonNullable<LayerInspection['gate']>, 'units' | 'active' | 'dead' | 'tied' | 'channels' | 'deadChannels'> | null;
  /** Of a clip: units between its limits, and how many there are. */
  readonly passing: { readonly open: number; readonly units: number } | null;
  /** Of a max-pool: windows, those with several maxima, and those whose maximum is zero. */
  readonly windows: Pick<NonNullable<LayerInspection['windows']>, 'windows' | 'tied' | 'zero'> | null;
}

export interface LayerTable {
  readonly class: number;
  readonly score: number;
  readonly input: { readonly name: string; readonly shape: Shape; readonly value: Held; readonly signal: Held };
  /** In the order of the network. */
  readonly rows: readonly LayerRow[];
}

const held = ({ l2Squared, zeros, elements, nan, infinite }: TensorStats): Held => ({
  norm: Math.sqrt(l2Squared),
  zeros: zeros / elements,
  bad: nan + infinite,
});

/**
 * One row for each node.
 * @throws InputError if there is no such class; GraphError if a rule names no layer of its kind
 */
export async function layerTable(
  { gpu, typed, parameters, input }: Subject,
  { class: target, rule }: Asked,
  { signal, report }: Watch,
): Promise<LayerTable> {
  const inspection = await inspect(gpu, typed.graph, parameters, input, {
    target,
    rule,
    onStop: (done, total) => {
      signal.throwIfAborted();
      report({ done, total });
    },
  });
  const found = new Map(inspection.layers.map((layer) => [layer.node, layer]));
  return {
    class: target,
    score: inspection.value,
    input: {
      name: inspection.input.tensor,
      shape: inspection.input.shape,
      value: held(inspection.input.value),
      signal: held(inspection.input.signal),
    },
    rows: typed.nodes.map(({ name, op, inputs, outputs }): LayerRow => {
      const layer = found.get(name);
      const producers = inputs.flatMap((value) => {
        const made = typed.producer.get(value);
        if (made !== undefined) return typed.nodes[made].name;
        return typed.graph.inputs.some((one) => one.name === value) ? value : [];
      });
      const { gate = null, windows = null, passing = null } = layer ?? {};
      return {
        node: name,
        op,
        tensor: outputs[0],
        shape: typed.values.get(outputs[0])!.shape,
        from: producers,
        value: layer ? held(layer.value) : null,
        signal: layer?.signal ? held(layer.signal) : null,
        gate: gate && picked(gate, ['units', 'active', 'dead', 'tied', 'channels', 'deadChannels']),
        passing: passing === null ? null : { open: passing, units: layer!.value.elements },
        windows: windows && picked(windows, ['windows', 'tied', 'zero']),
      };
    }),
  };
}

const picked = <T extends object, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> =>
  Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;

export interface LayerTimes {
  /** Device time of the way up, ms, by node: the mean of so many runs. Nodes without a step of their own are not there. */
  readonly ms: Readonly<Record<string, number>>;
  readonly runs: number;
  /** The steps, in ms, in which the device's clock is told; null where none show. */
  readonly quantum: number | null;
}

/** Runs are repeated for about this long, so that a clock in coarse steps is right on average. */
const [LONGEST_MS, MOST_RUNS] = [150, 32];

/** Times every node on the device's own clock; null where the device tells no time. */
export async function forwardTimes(
  { gpu, typed, parameters, input }: Subject,
  { signal }: Pick<Watch, 'signal'>,
): Promise<LayerTimes | null> {
  if (!gpu.device.features.has('timestamp-query')) return null;
  // A ReLU has a row, and so a step, of its own.
  const executor = await Executor.create(gpu, compile(typed, { fuse: false, traits: traitsOf(gpu) }), parameters);
  try {
    const run = (): Promise<void> => executor.forward({ [typed.graph.inputs[0].name]: input });
    await run();
    const profiler = await Profiler.attach(gpu);
    try {
      const started = performance.now();
      let runs = 0;
      do {
        signal.throwIfAborted();
        await run();
        runs++;
      } while (performance.now() - started < LONGEST_MS && runs < MOST_RUNS);
      return { ms: meanTimes(profiler.steps, runs), runs, quantum: quantumOf(profiler.steps) };
    } finally {
      profiler.detach();
    }
  } finally {
    executor.dispose();
  }
}

function meanTimes(steps: readonly ProfiledStep[], runs: number): Record<string, number> {
  const ms = new Map<string, number>();
  for (const { node, begin, end } of steps) ms.set(node, (ms.get(node) ?? 0) + (end - begin) / runs);
  return Object.fromEntries(ms);
}

/** The smallest time, if it is no less than a microsecond and all others are multiples of it. */
export function quantumOf(steps: readonly Pick<ProfiledStep, 'begin' | 'end'>[]): number | null {
  const taken = steps.map(({ begin, end }) => end - begin).filter((ms) => ms > 0);
  const least = taken.reduce((a, b) => Math.min(a, b), Infinity);
  if (taken.length < 2 || least < 1e-3) return null;
  return taken.every((ms) => Math.abs(ms / least - Math.round(ms / least)) < 1e-3) ? least : null;
}
