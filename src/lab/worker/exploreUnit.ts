/** One unit followed down to the input: what decides on the way, and who won the windows that it sees. */
import { InputError } from '../../errors.ts';
import { traitsOf } from '../../gpu/device.ts';
import { Executor } from '../../gpu/executor.ts';
import { layerRules } from '../../graph.ts';
import { isMaxPool } from '../../inspect/choose.ts';
import { eachInField, fieldSize, receptiveFields, type Field } from '../../inspect/field.ts';
import { trace, type Trace } from '../../inspect/trace.ts';
import { isTied, isZero, windowReport } from '../../inspect/windows.ts';
import type { MaxPool2dAttrs } from '../../ops/maxpool2d.ts';
import { compile } from '../../plan.ts';
import type { RuleSpec } from '../../rule.ts';
import type { Subject, Watch } from './exploreSubject.ts';

/** A unit of a layer, and what is obeyed on the way down beside ReLU's four rules. */
export interface UnitQuestion {
  /** The node's name. */
  readonly layer: string;
  /** [c, y, x], or [k]. */
  readonly unit: readonly number[];
  readonly rule: RuleSpec;
}

/** Who won the windows of a max-pool inside the unit's field. */
export interface FieldWinners {
  readonly node: string;
  readonly windows: number;
  readonly tied: number;
  readonly zero: number;
  readonly kernel: readonly [number, number];
  /** Windows won by each place of the kernel, row-major. */
  readonly wonBy: readonly number[];
}

export interface UnitTrace {
  readonly layer: string;
  readonly trace: Trace;
  readonly winners: readonly FieldWinners[];
}

/** @throws InputError if there is no such layer or unit; GraphError if a way leads through an op whose links are not known */
export async function traceUnit(
  subject: Subject,
  { layer, unit, rule: { relu: _, ...axes } }: UnitQuestion,
  watch: Watch,
): Promise<UnitTrace> {
  const { gpu, typed, parameters, input } = subject;
  const node = typed.nodes.find(({ name }) => name === layer);
  if (!node) throw new InputError(`layer: expected a layer of the network, got "${layer}". Choose one of the table.`);
  const [tensor] = node.outputs;
  const traced = await trace(gpu, typed.graph, parameters, input, {
    neuron: { tensor, at: unit },
    axes,
    onStage: (done, total) => {
      watch.signal.throwIfAborted();
      watch.report({ done, total: total + 1 });
    },
  });
  const fields = receptiveFields(typed, tensor, traced.unit, (name) => layerRules(typed, axes)(name).lrn);
  return { layer, trace: traced, winners: await fieldWinners(subject, tensor, fields) };
}

/** The winners of every max-pool inside the fields, from one way up. */
async function fieldWinners(
  { gpu, typed, parameters, input }: Subject,
  tensor: string,
  fields: ReadonlyMap<string, Field>,
): Promise<FieldWinners[]> {
  const pools = new Map(typed.nodes.filter((node) => isMaxPool(node) && fields.has(node.outputs[0])).map((node) => [node.name, node]));
  if (pools.size === 0) return [];
  const plan = compile(typed, { keep: [tensor], observe: [...pools.keys()], traits: traitsOf(gpu) });
  const executor = await Executor.create(gpu, plan, parameters);
  const found: FieldWinners[] = [];
  try {
    await executor.forward({ [typed.graph.inputs[0].name]: input }, async ({ moment, read }) => {
      const node = pools.get(moment.node)!;
      const x = moment.x[0]!;
      const attrs = node.op === 'maxpool2d' ? (node.typedAttrs as MaxPool2dAttrs) : null;
      const { counts, switches, flags } = windowReport(await read(x), x.shape, attrs);
      const field = fields.get(node.outputs[0])!;
      const wonBy = counts.wonBy.map(() => 0);
      let [tied, zero] = [0, 0];
      eachInField(field, moment.y[0]!.shape, (o) => {
        if (switches[o] >= 0) wonBy[switches[o]]++;
        tied += Number(isTied(flags[o]));
        zero += Number(isZero(flags[o]));
      });
      found.push({ node: node.name, windows: fieldSize(field), tied, zero, kernel: counts.kernel, wonBy });
    });
  } finally {
    executor.dispose();
  }
  return found;
}
