/** `backlight trace`: one unit followed down to the input, under all four rules. */
import { Command } from 'commander';
import path from 'node:path';
import { DEFAULT_CLIP } from '../image/colour.ts';
import { pictureSpec } from '../image/modelInput.ts';
import type { Picture } from '../image/picture.ts';
import { encodePng } from '../image/png.ts';
import { toPicture, type Channels, type Preprocess } from '../image/preprocess.ts';
import { trace, type Trace } from '../inspect/trace.ts';
import { traceSheet } from '../inspect/traceSheet.ts';
import { RULES, ruleWords } from '../rule.ts';
import type { AnyTensor, IndexTensor, Tensor } from '../tensor.ts';
import { VERSION } from '../version.ts';
import { withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments, type ResultHash } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { MODEL_HELP } from './model.ts';
import { checkOutputs, writeTogether, type Content } from './outputs.ts';
import { progress, type Progress } from './progress.ts';
import { peak, questionOf, titleOf, withQuestionOptions, type QuestionArguments } from './question.ts';
import { chosenAxes, withAxisOptions, type AxisArguments } from './ruleOptions.ts';
import { adapterReport, loadQuestion, withDevice, withExample, type Question } from './session.ts';
import { traceTables } from './traceReport.ts';

interface Arguments extends DeviceArguments, PictureArguments, AxisArguments, QuestionArguments, HashArguments {
  readonly model: string;
  readonly input: string;
  readonly output?: string;
  readonly json?: string;
}

export function traceCommand(): Command {
  const command = new Command('trace')
    .description(
      'Follows one unit down to the input: its receptive field in theory and through open gates, the paths in it, and what each of the four ReLU rules passes on the way.',
    )
    .requiredOption('--model <file>', MODEL_HELP)
    .requiredOption('--input <file>', "input: .npy of the network's input shape, one item, or an image")
    .option('-o, --output <file.png>', 'where to draw')
    .option('--json <file>', 'write every number as JSON');
  withPictureOptions(withDeviceOptions(withAxisOptions(withQuestionOptions(withHashOption(command))))).action(run);
  return withExample(
    command,
    'backlight trace --model googlenet.onnx --input cat.jpg --preprocess caffe --neuron inception_3a/output:7,10,10 -o unit.png',
    'backlight trace --model default --input cat.jpg --target 12 --rule-lrn identity --json paths.json',
  );
}

async function run(args: Arguments): Promise<void> {
  const started = performance.now();
  const axes = chosenAxes(args);
  const asked = questionOf(args);
  await checkOutputs(
    [
      { option: '--output', file: args.output, extensions: ['.png'] },
      { option: '--json', file: args.json, extensions: ['.json'] },
    ],
    [args.model, args.input],
  );
  const question = await loadQuestion(args.model, args.input, args);
  await withDevice(args, async (gpu) => {
    let bar: Progress | undefined;
    try {
      const traced = await trace(gpu, question.graph, question.parameters, question.input, {
        ...asked,
        axes,
        onStage: (done, total, stage) => (bar ??= progress(total, 'passes')).tick(done, stage),
      });
      bar?.stop();
      const title = titleOf(traced);
      const hashes = hashesOf(args, () => resultsOf(traced));
      const files: [string, Content][] = [];
      if (args.output !== undefined) files.push([args.output, await draw(traced, question, args, title, axes)]);
      if (args.json !== undefined) files.push([args.json, report(traced, args, axes, adapterReport(gpu), started, hashes)]);
      await writeTogether(files);
      console.log(`${title}\n${traceTables(traced)}`);
      printHashes(hashes);
      if (files.length > 0) console.log(`\nwritten: ${files.map(([file]) => file).join(', ')}`);
    } finally {
      bar?.stop();
    }
  });
}

async function draw(traced: Trace, { input, model }: Question, args: Arguments, title: string, axes: object): Promise<Uint8Array> {
  const { picture, channels } = inputPicture(input, args.input, () => pictureSpec(model, args));
  const [name, photo] = [path.basename(args.model), path.basename(args.input)];
  const footer =
    `${name}, ${photo}. ${title}. Signals: the input's channels about mid-grey, each picture to percentile ${DEFAULT_CLIP} of its magnitudes. ` +
    `Paths: over weights that are not zero, open gates and taken winners.`;
  const drawn = await traceSheet(traced, picture, { title: `Trace of ${title}`, footer, channels, clip: DEFAULT_CLIP });
  const text = {
    Title: `Trace of ${title}`,
    Software: `backlight ${VERSION}`,
    Model: name,
    Input: photo,
    Rules: [...RULES, ...ruleWords(axes)].join(', '),
  };
  return encodePng(drawn, text);
}

/** The input as a picture: as preprocessing says, or, of an array that nothing is known about, from its least to its greatest value. */
function inputPicture(input: Tensor, file: string, spec: () => Preprocess): { picture: Picture; channels: Channels } {
  try {
    const known = spec();
    return { picture: toPicture(input, known), channels: known.channels };
  } catch (error) {
    if (path.extname(file).toLowerCase() !== '.npy') throw error;
    const [, channels, height, width] = input.shape;
    let [low, high] = [Infinity, -Infinity];
    for (const v of input.data) if (Number.isFinite(v)) [low, high] = [Math.min(low, v), Math.max(high, v)];
    const plane = height * width;
    const data = new Uint8Array(3 * plane);
    for (let i = 0; i < plane; i++) {
      for (let k = 0; k < 3; k++)
        data[3 * i + k] = Math.round((255 * (input.data[(channels === 3 ? k : 0) * plane + i] - low)) / (high - low || 1));
    }
    return { picture: { width, height, data }, channels: channels === 3 ? 'rgb' : 'grey' };
  }
}

/** The four signals at the input and the open field, 1 where a path arrives. */
function resultsOf({ signals, openMask, input }: Trace): (readonly [string, AnyTensor])[] {
  const field: IndexTensor = { shape: input.shape.slice(2), data: Int32Array.from(openMask) };
  return [...RULES.map((rule) => [`signal under ${rule}`, signals[rule]] as const), ['open receptive field', field]];
}

function report(
  traced: Trace,
  args: Arguments,
  axes: object,
  adapter: object,
  started: number,
  hashes: readonly ResultHash[] | undefined,
): Uint8Array {
  const { openMask, pathMap, influenceMap: _, signals: __, ...rest } = traced;
  const [height, width] = rest.input.shape.slice(2);
  // Rows of the open field as runs [row, from, to); logarithms of none are null in JSON.
  const openRuns: [number, number, number][] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!openMask[y * width + x]) continue;
      const from = x;
      while (x < width && openMask[y * width + x]) x++;
      openRuns.push([y, from, x]);
    }
  }
  const pathsPerPixel = Array.from(pathMap, (v) => (v === -Infinity ? null : Math.round(v * 1e4) / 1e4));
  const cost = { seconds: Math.round(performance.now() - started) / 1000, residentPeakBytes: peak() };
  const asked = { model: args.model, input: args.input, axes, adapter };
  return new TextEncoder().encode(
    `${JSON.stringify({ asked, ...cost, hashes, trace: { ...rest, openRuns, log10PathsPerPixel: pathsPerPixel } }, null, 1)}\n`,
  );
}
