/** `backlight gradient`: what a seed at a class score or any neuron brings down to the input, or to the parameters. */
import { Command } from 'commander';
import { InputError } from '../errors.ts';
import { writeNpy, writeSafetensors } from '../formats/index.ts';
import { Network, SCORE_KINDS, type GradientOptions } from '../network.ts';
import { formatShape, norm } from '../tensor.ts';
import { parseChoice, parseIntegers, parseNeuron, parseTarget, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { MODEL_HELP } from './model.ts';
import { checkOutput, writeTogether } from './outputs.ts';
import { chosenRules, withRuleOptions, type RuleArguments } from './ruleOptions.ts';
import { withProfiledDevice, withProfileOption, type ProfileArguments } from './profile.ts';
import { costReport, formatTable, loadQuestion, printJson, warnNonFinite, withExample, type Question } from './session.ts';

interface Arguments extends DeviceArguments, ProfileArguments, PictureArguments, RuleArguments, HashArguments {
  readonly model: string;
  readonly input: string;
  readonly output: string;
  readonly target?: string;
  readonly neuron?: string;
  readonly score: string;
  readonly wrt: string;
  readonly labels?: string;
  readonly json?: boolean;
}

export function gradientCommand(): Command {
  const command = new Command('gradient')
    .description(
      'The gradient of a class score or of any neuron with respect to the input, under chosen rules; or of the loss with respect to the parameters.',
    )
    .requiredOption('--model <file>', MODEL_HELP)
    .requiredOption('--input <file>', "input: .npy of the network's input shape, or an image")
    .requiredOption('--output <file>', "where to write: .npy of the input's shape, or .safetensors with --wrt parameters")
    .option('--target <class>', 'a class, one for each item separated by commas, or top1 (default: top1)')
    .option('--neuron <tensor:c,y,x>', 'one unit of any tensor instead of a class; TENSOR:k for a vector')
    .option('--score <kind>', 'scores (unnormalised), posterior, or logodds (of the class against all others)', 'scores')
    .option('--wrt <what>', 'input or parameters', 'input')
    .option('--labels <classes>', 'with --wrt parameters: the true class of each item, separated by commas')
    .option('--json', 'print a report as JSON');
  withPictureOptions(withProfileOption(withDeviceOptions(withRuleOptions(withHashOption(command))))).action(gradient);
  return withExample(
    command,
    'backlight gradient --model googlenet.onnx --input x.npy --target 472 --rule deconvnet --output g.npy',
    'backlight gradient --model googlenet.onnx --input cat.jpg --preprocess caffe --neuron inception_3a/output:7,10,10 --output g.npy',
    'backlight gradient --model googlenet.onnx --input batch.npy --labels 3,17 --wrt parameters --output d.safetensors',
  );
}

async function gradient(args: Arguments): Promise<void> {
  const started = performance.now();
  const wrt = parseChoice(args.wrt, ['input', 'parameters'] as const, '--wrt');
  await checkOutput(args.output, wrt === 'input' ? '.npy' : '.safetensors', [args.model, args.input]);
  if (wrt === 'parameters') {
    if (args.labels === undefined) throw new InputError('--wrt parameters: expected --labels with the true class of each item, got none.');
    if (args.target !== undefined || args.neuron !== undefined)
      throw new InputError('--wrt parameters: expected --labels alone, got --target or --neuron.');
    const labels = parseIntegers(args.labels, '--labels');
    const question = await loadQuestion(args.model, args.input, args);
    await parameterGradients(args, question, labels, started);
  } else {
    if (args.labels !== undefined)
      throw new InputError('--labels: expected --wrt parameters with it, got --wrt input. Use --target for a class.');
    if (args.target !== undefined && args.neuron !== undefined)
      throw new InputError('--neuron: expected either --target or --neuron, got both.');
    if (args.neuron !== undefined && args.score !== 'scores')
      throw new InputError(`--score: expected a class as target with it, got --neuron. Leave out one of them.`);
    const rules = await chosenRules(args);
    const options: GradientOptions = {
      ...(args.neuron === undefined ? { target: parseTarget(args.target ?? 'top1') } : { neuron: parseNeuron(args.neuron) }),
      score: parseChoice(args.score, SCORE_KINDS, '--score'),
      rule: rules.spec,
    };
    const question = await loadQuestion(args.model, args.input, args);
    await inputGradient(args, question, options, rules.words, started);
  }
}

async function inputGradient(
  args: Arguments,
  { graph, parameters, input }: Question,
  options: GradientOptions,
  ruleWords: string,
  started: number,
): Promise<void> {
  await withProfiledDevice(args, async (gpu) => {
    const network = new Network(gpu, graph, parameters);
    try {
      const result = await network.gradient(input, options);
      // The clock began with the process.
      const coldMs = Math.round(performance.now());
      warnNonFinite('the gradient', result.gradient);
      await writeTogether([[args.output, writeNpy(result.gradient)]]);
      const length = norm(result.gradient);
      if (length === 0)
        console.error('warning: the gradient is zero everywhere: no open path leads from the input to the target under this rule.');
      const hashes = hashesOf(args, () => [['gradient', result.gradient], ...(result.scores ? [['scores', result.scores] as const] : [])]);
      const report = {
        model: args.model,
        input: args.input,
        shape: result.gradient.shape,
        targets: result.targets,
        neuron: options.neuron,
        score: options.neuron ? undefined : options.score,
        values: result.values,
        rule: options.rule,
        norm: length,
        output: args.output,
        hashes,
        coldMs,
        ...costReport(gpu, network, started),
      };
      if (args.json) printJson(report);
      else {
        const what = options.neuron
          ? `${options.neuron.tensor}:${options.neuron.at.join(',')}`
          : `class ${[...new Set(result.targets)].join(', ')}`;
        console.log(
          `${ruleWords} of ${what} (${result.values.map((v) => v.toFixed(4)).join(', ')}), ${formatShape(result.gradient.shape)}, norm ${length.toPrecision(6)}, written to ${args.output}`,
        );
        printHashes(hashes);
      }
    } finally {
      await network.dispose();
    }
  });
}

async function parameterGradients(
  args: Arguments,
  { graph, parameters, input }: Question,
  labels: readonly number[],
  started: number,
): Promise<void> {
  await withProfiledDevice(args, async (gpu) => {
    const network = new Network(gpu, graph, parameters);
    try {
      const { loss, gradients } = await network.parameterGradients(input, labels);
      for (const [name, gradient] of gradients) warnNonFinite(`the gradient of "${name}"`, gradient);
      await writeTogether([[args.output, writeSafetensors(gradients)]]);
      const hashes = hashesOf(args, () => [...gradients].map(([name, gradient]) => [`gradient of "${name}"`, gradient] as const));
      const parametersReport = [...gradients].map(([name, { shape, data }]) => ({ name, shape, norm: norm({ shape, data }) }));
      if (args.json) {
        printJson({
          model: args.model,
          input: args.input,
          labels,
          loss,
          parameters: parametersReport,
          output: args.output,
          hashes,
          ...costReport(gpu, network, started),
        });
      } else {
        console.log(
          formatTable(
            ['parameter', 'shape', 'norm'],
            parametersReport.map((p) => [p.name, formatShape(p.shape), p.norm.toPrecision(6)]),
          ),
        );
        console.log(`mean cross-entropy ${loss.toFixed(6)}; ${gradients.size} gradients written to ${args.output}`);
        printHashes(hashes);
      }
    } finally {
      await network.dispose();
    }
  });
}
