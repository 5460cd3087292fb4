/** `backlight gradcheck`: the GPU's f32 against f64, layer by layer and end to end. */
import { Command } from 'commander';
import type { LoadedGraph } from '../models/model.ts';
import { size, type Tensor } from '../tensor.ts';
import { gradcheck, type GradcheckReport } from '../verify/gradcheck.ts';
import type { Comparison } from '../verify/kernels.ts';
import { fill, normal } from '../verify/random.ts';
import { parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { MODEL_HELP, openModel } from './model.ts';
import { chosenRules, withRuleOptions, type RuleArguments } from './ruleOptions.ts';
import { seedFor } from './seeds.ts';
import { adapterReport, CheckFailed, declaredShape, formatTable, loadQuestion, printJson, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments, PictureArguments, RuleArguments, HashArguments {
  readonly input?: string;
  readonly target?: string;
  readonly seed: string;
  readonly json?: boolean;
}

export function gradcheckCommand(): Command {
  const command = new Command('gradcheck')
    .description('Compares the GPU in f32 with the reference in f64: every layer within its rounding bound, and the gradient end to end.')
    .argument('<model>', MODEL_HELP)
    .option('--input <file>', 'input: .npy or an image (default: seeded standard normal numbers)')
    .option('--target <class>', 'class of the score to differentiate (default: the best one)')
    .option('--seed <n>', 'seed of the random input', '1')
    .option('--json', 'print the report as JSON');
  withPictureOptions(withDeviceOptions(withRuleOptions(withHashOption(command)))).action(run);
  return withExample(command, 'backlight gradcheck squeezenet1.1.onnx --rule guided');
}

async function run(modelPath: string, args: Arguments): Promise<void> {
  const { spec: rule } = await chosenRules(args);
  const { input, graph, parameters } =
    args.input === undefined
      ? await randomQuestion(modelPath, parseInteger(args.seed, '--seed'))
      : await loadQuestion(modelPath, args.input, args);
  await withDevice(args, async (gpu) => {
    const { target, seed, class: best } = await seedFor(gpu, { graph, parameters }, input, args);
    const report = await gradcheck(gpu, graph, parameters, input, { target, seed, rule, onLayer: progress(args.json) });
    const hashes = hashesOf(args, () => report.gradients.map(({ gradient }) => ['gradient', gradient] as const));
    if (args.json) printJson({ adapter: adapterReport(gpu), model: modelPath, target: best, rule, ...summary(report), hashes });
    else {
      print(report, best!);
      printHashes(hashes);
    }
    if (!report.passed) throw new CheckFailed();
  });
}

async function randomQuestion(modelPath: string, seed: number): Promise<LoadedGraph & { input: Tensor }> {
  const model = await openModel(modelPath);
  const shape = declaredShape(model);
  return { input: { shape, data: fill(size(shape), normal(seed)) }, ...model.at({ [model.input.name]: shape }) };
}

/** A counter on a terminal's stderr. */
function progress(quiet: boolean | undefined): ((done: number, total: number) => void) | undefined {
  if (quiet || !process.stderr.isTTY) return undefined;
  return (done, total) => process.stderr.write(`\rlayer ${done} of ${total}${done === total ? '\n' : ''}`);
}

const short = (c: Comparison | null): Record<string, unknown> | null =>
  c && { worst: c.worst, what: c.what, at: c.at, got: c.got, want: c.want, bound: c.bound };

function summary(report: GradcheckReport): Record<string, unknown> {
  const { layers, gradients, ...rest } = report;
  return {
    ...rest,
    gradients: gradients.map(({ gradient: _, ...errors }) => errors),
    layers: layers.map((l) => ({ ...l, forward: short(l.forward), backward: short(l.backward) })),
  };
}

function print(report: GradcheckReport, target: number): void {
  const ratio = (c: Comparison | null): string => (c ? c.worst.toFixed(3) : '');
  console.log(
    formatTable(
      ['layer', 'op', 'forward', 'backward', ''],
      report.layers.map((l) => [l.node, l.op, ratio(l.forward), ratio(l.backward), l.passed ? '' : 'FAILED']),
    ),
  );
  const { decisions } = report;
  const [{ endToEnd, takenBranch }] = report.gradients;
  const differing = decisions.nodes.filter((n) => n.differing > 0).map((n) => `${n.node} ${n.differing} of ${n.units}`);
  console.log(`
forward and backward: largest error over rounding bound, at most 1 for a correct kernel
class ${target}, gradient against f64                 relative L2 ${endToEnd.relativeL2.toExponential(2)}, largest ${endToEnd.maxAbs.toExponential(2)}
gradient against f64 on the branch the GPU took  relative L2 ${takenBranch.relativeL2.toExponential(2)}, largest ${takenBranch.maxAbs.toExponential(2)}
signs and switches that differ from f64          ${decisions.differing}${differing.length > 0 ? ` (${differing.slice(0, 6).join('; ')}${differing.length > 6 ? '; ...' : ''})` : ''}
${report.passed ? 'every layer lies within its bound' : 'FAILED: a layer lies outside its bound'}`);
}
