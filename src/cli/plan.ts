/** `backlight plan`: what running a model takes, without running it. No device is opened. */
import { Command } from 'commander';
import { explain, type PlanReport } from '../explain.ts';
import { typeGraph } from '../graph.ts';
import { compile } from '../plan.ts';
import { formatShape } from '../tensor.ts';
import { parseInteger, parseIntegers } from './arguments.ts';
import { MODEL_HELP, openModel } from './model.ts';
import { declaredShape, formatTable, printJson, withExample } from './session.ts';
import { bytes } from './sizes.ts';

interface Arguments {
  readonly batch: string;
  readonly shape?: string;
  readonly forwardOnly?: boolean;
  readonly adapter?: string;
  readonly json?: boolean;
}

export function planCommand(): Command {
  const command = new Command('plan')
    .description(
      'Shapes, multiply-accumulates, parameters, bytes and slots of a model, for the scores and the gradient of a score with respect to the input.',
    )
    .argument('<model>', MODEL_HELP)
    .option('--batch <n>', 'batch size', '1')
    .option('--shape <n,c,h,w>', 'input shape, where the model leaves it open')
    .option('--forward-only', 'plan the forward pass alone')
    .option('--adapter <name>', 'accepted for uniformity; a plan is the same on every adapter')
    .option('--json', 'print the plan as JSON, steps included')
    .action(plan);
  return withExample(command, 'backlight plan googlenet.onnx');
}

async function plan(modelPath: string, args: Arguments): Promise<void> {
  const model = await openModel(modelPath);
  const shape =
    args.shape === undefined ? declaredShape(model, parseInteger(args.batch, '--batch', 1)) : parseIntegers(args.shape, '--shape');
  const { graph } = model.at({ [model.input.name]: shape });
  const typed = typeGraph(graph);
  const compiled = compile(typed, args.forwardOnly || graph.scores === undefined ? {} : { target: graph.scores, wrt: [model.input.name] });
  const report = explain(typed, compiled);
  if (args.json) {
    const { prepare, forward, backward } = compiled;
    printJson({
      ...report,
      input: { name: model.input.name, shape },
      scores: graph.scores,
      plan: { prepare, forward, backward, tensors: compiled.tensors },
    });
  } else print(report, graph.scores, model.input.name, formatShape(shape));
}

function print(report: PlanReport, scores: string | undefined, input: string, shape: string): void {
  const rows = report.rows.map((row) => [
    row.node === row.tensor ? row.tensor : `${row.node} > ${row.tensor}`,
    row.op,
    formatShape(row.shape),
    row.macs > 0 ? (row.macs / 1e6).toFixed(1) : '',
    row.parameters > 0 ? row.parameters : '',
    row.bytes,
    row.slot ?? '',
    `${row.forwardSteps}+${row.backwardSteps}`,
    [row.fused.forward && `up ${row.fused.forward}`, row.fused.backward && `down ${row.fused.backward}`].filter(Boolean).join(', '),
  ]);
  console.log(formatTable(['node > tensor', 'op', 'shape', 'MMAC', 'parameters', 'bytes', 'slot', 'steps', 'computed by'], rows));
  const { memory, steps } = report;
  const relus = report.rows.filter(({ op }) => op === 'relu').length;
  const fused = (pass: 'forward' | 'backward'): number => report.rows.filter((row) => row.fused[pass] !== null).length;
  console.log(`
input       ${input} ${shape}
scores      ${scores ?? 'none found'}
work        ${(report.macs / 1e6).toFixed(1)} MMAC forward, ${report.parameters} parameters
steps       ${steps.prepare} prepare (once), ${steps.forward} forward, ${steps.backward} backward, ${report.pipelines} pipelines
ReLUs       ${relus}, of which the layer before computes ${fused('forward')} on the way up, the layer behind ${fused('backward')} on the way down
memory      ${bytes(memory.slots)} in ${report.slots.length} slots, ${((100 * memory.slots) / memory.sum).toFixed(0)} % of all its tensors together (${bytes(memory.sum)}); least possible ${bytes(memory.lowerBound)}
parameters  ${bytes(memory.parameters)} as stored, ${bytes(memory.prepared)} packed for the kernels`);
}
