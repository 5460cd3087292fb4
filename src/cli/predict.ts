/** `backlight predict`: class scores of an input, or any tensor of the network. */
import { Command } from 'commander';
import { writeNpy } from '../formats/index.ts';
import { Network, posterior, ranked, requireScores } from '../network.ts';
import type { Tensor } from '../tensor.ts';
import { parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { labelsFor } from './labels.ts';
import { MODEL_HELP } from './model.ts';
import { checkOutput, writeTogether } from './outputs.ts';
import { withProfiledDevice, withProfileOption, type ProfileArguments } from './profile.ts';
import { costReport, formatTable, loadQuestion, printJson, warnNonFinite, withExample } from './session.ts';

interface Arguments extends DeviceArguments, ProfileArguments, PictureArguments, HashArguments {
  readonly model: string;
  readonly input: string;
  readonly output?: string;
  readonly top: string;
  readonly labels?: string;
  readonly tensor?: string;
  readonly json?: boolean;
}

export function predictCommand(): Command {
  const command = new Command('predict')
    .description('Class scores of an input: the unnormalised scores, with their posteriors. With --tensor, any tensor of the network.')
    .requiredOption('--model <file>', MODEL_HELP)
    .requiredOption('--input <file>', "input: .npy of the network's input shape, or an image")
    .option('--output <file.npy>', 'write the raw scores [N, K], or the tensor as it is')
    .option('--top <n>', 'how many classes to print', '5')
    .option('--labels <file>', "class names, one a line (default: those of the model's card)")
    .option('--tensor <name>', 'a tensor of the network instead of the scores')
    .option('--json', 'print a report as JSON');
  withPictureOptions(withProfileOption(withDeviceOptions(withHashOption(command)))).action(predict);
  return withExample(command, 'backlight predict --model googlenet.onnx --input cat.jpg --preprocess caffe --labels synset_words.txt');
}

async function predict(args: Arguments): Promise<void> {
  const started = performance.now();
  const top = parseInteger(args.top, '--top', 1);
  await checkOutput(args.output, '.npy', [args.model, args.input]);
  const { model, graph, parameters, input } = await loadQuestion(args.model, args.input, args);
  const labels = await labelsFor(model, args.labels);
  await withProfiledDevice(args, async (gpu) => {
    const network = new Network(gpu, graph, parameters);
    try {
      const name = args.tensor ?? requireScores(graph);
      const value = (await network.forward(input, [name])).get(name)!;
      const items = value.shape[0] ?? 1;
      const output = args.tensor === undefined ? { shape: [items, value.data.length / items], data: value.data as Float32Array } : value;
      if (!(output.data instanceof Int32Array)) warnNonFinite(`"${name}"`, output as Tensor);
      if (args.output !== undefined) await writeTogether([[args.output, writeNpy(output)]]);
      const hashes = hashesOf(args, () => [[args.tensor === undefined ? 'scores' : `"${name}"`, output]]);
      const report = {
        model: args.model,
        input: args.input,
        inputShape: input.shape,
        tensor: name,
        shape: output.shape,
        output: args.output,
        hashes,
      };
      if (args.tensor !== undefined) {
        if (args.json) printJson({ ...report, ...costReport(gpu, network, started) });
        else {
          console.log(`"${name}" ${output.shape.join('x')}${args.output === undefined ? '' : ` written to ${args.output}`}`);
          printHashes(hashes);
        }
        return;
      }
      const predictions = topClasses(output as Tensor, top, labels);
      if (args.json) printJson({ ...report, predictions, ...costReport(gpu, network, started) });
      else {
        printPredictions(predictions, labels !== undefined);
        printHashes(hashes);
      }
    } finally {
      await network.dispose();
    }
  });
}

interface Prediction {
  readonly class: number;
  readonly score: number;
  readonly posterior: number;
  readonly label?: string;
}

function topClasses(scores: Tensor, top: number, labels: readonly string[] | undefined): Prediction[][] {
  const [items, classes] = scores.shape;
  return Array.from({ length: items }, (_, n) => {
    const row = scores.data.subarray(n * classes, (n + 1) * classes);
    const p = posterior(row);
    return ranked(row)
      .slice(0, top)
      .map((k) => ({ class: k, score: row[k], posterior: p[k], label: labels?.[k] }));
  });
}

function printPredictions(items: readonly (readonly Prediction[])[], named: boolean): void {
  items.forEach((predictions, n) => {
    if (items.length > 1) console.log(`${n > 0 ? '\n' : ''}item ${n}`);
    const header = ['class', 'score', 'posterior', ...(named ? ['label'] : [])];
    const rows = predictions.map((p) => [p.class, p.score.toFixed(4), p.posterior.toFixed(4), ...(named ? [p.label ?? ''] : [])]);
    console.log(formatTable(header, rows));
  });
}
