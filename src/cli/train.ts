/** `backlight train`: a classifier trained by the engine's own backward kernels. */
import { Command } from 'commander';
import { createHash } from 'node:crypto';
import { appendFile, mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { openDataset, type Dataset } from '../data/dataset.ts';
import { InputError } from '../errors.ts';
import { formatAdapter, type Gpu } from '../gpu/device.ts';
import type { Graph } from '../graph.ts';
import { paperNet } from '../models/paper.ts';
import { cardPreprocess, modelFile, storedParameters, weightsFile } from '../train/card.ts';
import { checkSameRun, readCheckpoint, writeCheckpoint, type Checkpoint, type RunSettings } from '../train/checkpoint.ts';
import { trainingCurve } from '../train/curve.ts';
import { firstImages, meanImage, ofClasses, type ImageSource } from '../train/images.ts';
import { formatMetrics, isValidation, readMetrics, type MetricsRow, type ValidationRow } from '../train/metrics.ts';
import { runTraining } from '../train/run.ts';
import { SCHEDULES } from '../train/schedule.ts';
import { Trainer, type TrainingRecipe } from '../train/trainer.ts';
import { VERSION } from '../version.ts';
import { parseChoice, parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { writeTogether } from './outputs.ts';
import { progress } from './progress.ts';
import { printJson, withDevice, withExample } from './session.ts';
import { bytes } from './sizes.ts';

interface Arguments extends DeviceArguments {
  readonly data: string;
  readonly arch: string;
  readonly output: string;
  readonly width?: string;
  readonly hidden?: string;
  readonly classes?: string;
  readonly limit?: string;
  readonly epochs: string;
  readonly batch: string;
  readonly lr: string;
  readonly schedule: string;
  readonly warmup: string;
  readonly momentum: string;
  readonly weightDecay: string;
  readonly dropout: string;
  readonly crop: string;
  readonly flip: string;
  readonly erase: string;
  readonly eraseSide: string;
  readonly seed: string;
  readonly checkpointEvery: string;
  readonly logEvery: string;
  readonly validateEvery: string;
  readonly resume?: boolean;
  readonly cache?: string;
  readonly json?: boolean;
}

/** The networks that can be trained, by name: input size and default width. */
const ARCHITECTURES: Readonly<Record<string, { readonly input: number; readonly width: number }>> = {
  'paper-mini': { input: 64, width: 64 },
  paper: { input: 224, width: 256 },
};

/** Grey levels in one unit of the input, by architecture: the paper's own network takes pixels as they are. */
const unitOf = (input: number): number => (input < 160 ? 64 : 1);

export function trainCommand(): Command {
  const command = new Command('train')
    .description('Trains a classifier on a folder of images with the engine itself: SGD with momentum, every update on the device.')
    .requiredOption(
      '--data <path>',
      "data set: Tiny ImageNet's layout, CIFAR-10's binary one, or a folder for each class; folder, .zip or .tar.gz",
    )
    .requiredOption('--output <name>', "path and name of what is written: NAME.json, NAME.safetensors, and the run's own files beside them")
    .option(
      '--arch <name>',
      `network: ${Object.keys(ARCHITECTURES).join(' or ')}, the eight weight layers of the paper at 64 or 224 pixels`,
      'paper-mini',
    )
    .option('--width <n>', 'channels of the second to fifth convolution (default: 64 or 256)')
    .option('--hidden <n>', 'units of the two hidden full layers (default: 16 times the width)')
    .option('--classes <which>', 'the first n classes, or names and WordNet ids separated by commas (default: all)')
    .option('--limit <n>', 'at most n training images, as many of each class')
    .option('--epochs <n>', 'passes over the training images', '30')
    .option('--batch <n>', 'images in a step', '64')
    .option('--lr <rate>', 'full learning rate', '0.02')
    .option('--schedule <name>', `how the rate falls: ${SCHEDULES.join(', ')}`, 'cosine')
    .option('--warmup <epochs>', 'epochs over which the rate rises to the full one', '0.5')
    .option('--momentum <m>', 'share of the velocity that is kept', '0.9')
    .option('--weight-decay <d>', 'pull of weights towards zero; biases have none', '5e-4')
    .option('--dropout <share>', 'share of the hidden units of the full layers that a step drops', '0.5')
    .option('--crop <share>', 'shortest side of a random crop, of the image', '0.75')
    .option('--flip <chance>', 'chance of a mirror image', '0.5')
    .option('--erase <chance>', 'chance that a random part of the image is set to zero', '0.5')
    .option('--erase-side <share>', 'longest side of that part, of the image', '0.5')
    .option('--seed <n>', 'of everything drawn at random', '1')
    .option('--checkpoint-every <steps>', 'steps between checkpoints; an epoch ends with one too', '200')
    .option('--log-every <steps>', 'steps between rows of metrics', '50')
    .option('--validate-every <epochs>', 'epochs between looks at the validation images', '1')
    .option('--resume', 'go on from the checkpoint, to the same bits')
    .option('--cache <folder>', 'where decoded images are kept')
    .option('--json', 'print a report as JSON');
  withDeviceOptions(command).action(train);
  return withExample(
    command,
    'backlight train --data tiny-imagenet-200.zip --classes 10 --epochs 5 --mode native --output runs/ten',
    'backlight train --data tiny-imagenet-200.zip --classes 10 --epochs 5 --mode native --output runs/ten --resume',
  );
}

function number(text: string, option: string, low: number, high: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= low && value <= high)) {
    throw new InputError(`${option}: expected a number from ${low} to ${high}, got "${text}".`);
  }
  return value;
}

function recipeOf(args: Arguments, unit: number): TrainingRecipe {
  return {
    epochs: parseInteger(args.epochs, '--epochs', 1),
    batch: parseInteger(args.batch, '--batch', 1),
    rate: number(args.lr, '--lr', 0, 1e3),
    schedule: parseChoice(args.schedule, SCHEDULES, '--schedule'),
    warmup: number(args.warmup, '--warmup', 0, 1e3),
    momentum: number(args.momentum, '--momentum', 0, 0.9999),
    weightDecay: number(args.weightDecay, '--weight-decay', 0, 1),
    seed: parseInteger(args.seed, '--seed'),
    augmentation: {
      crop: number(args.crop, '--crop', 0.05, 1),
      flip: number(args.flip, '--flip', 0, 1),
      erase: number(args.erase, '--erase', 0, 1),
      eraseSide: number(args.eraseSide, '--erase-side', 0, 1),
    },
    unit,
  };
}

/** Files of a run, by what they hold. */
function filesOf(output: string): Record<'model' | 'weights' | 'checkpoint' | 'metrics' | 'curve', string> {
  return {
    model: `${output}.json`,
    weights: `${output}.safetensors`,
    checkpoint: `${output}.checkpoint.safetensors`,
    metrics: `${output}.metrics.jsonl`,
    curve: `${output}.svg`,
  };
}

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => null)) !== null;

async function train(args: Arguments): Promise<void> {
  const architecture = Object.hasOwn(ARCHITECTURES, args.arch) ? ARCHITECTURES[args.arch] : undefined;
  if (!architecture) throw new InputError(`--arch: expected one of ${Object.keys(ARCHITECTURES).join(', ')}, got "${args.arch}".`);
  const { input } = architecture;
  const width = args.width === undefined ? architecture.width : parseInteger(args.width, '--width', 4);
  const hidden = args.hidden === undefined ? 16 * width : parseInteger(args.hidden, '--hidden', 1);
  const dropout = number(args.dropout, '--dropout', 0, 0.99);
  const recipe = recipeOf(args, unitOf(input));
  const every = {
    checkpointEvery: parseInteger(args.checkpointEvery, '--checkpoint-every', 1),
    logEvery: parseInteger(args.logEvery, '--log-every', 1),
    validateEvery: parseInteger(args.validateEvery, '--validate-every', 1),
  };
  const limit = args.limit === undefined ? Infinity : parseInteger(args.limit, '--limit', 1);
  const files = filesOf(args.output);
  const found = await exists(files.checkpoint);
  if (args.resume && !found)
    throw new InputError(`--resume: expected a checkpoint "${files.checkpoint}", got none. Leave --resume out to begin.`);
  if (!args.resume && found) {
    throw new InputError(
      `--output: expected a new run, got the checkpoint "${files.checkpoint}". Give --resume to go on, or another name.`,
    );
  }
  await mkdir(path.dirname(path.resolve(args.output)), { recursive: true });

  const data = await readData(args, input);
  try {
    const chosen = chooseClasses(data.classes, args.classes);
    const images = firstImages(ofClasses(data.train, chosen), limit);
    const validation = data.val && ofClasses(data.val, chosen);
    const graph = paperNet({ width, hidden, input, classes: chosen.length, dropout });
    const settings: RunSettings = {
      data: data.sha256,
      classes: chosen,
      images: images.count,
      arch: args.arch,
      width,
      hidden,
      dropout,
      logEvery: every.logEvery,
      ...recipe,
    };
    const checkpoint = args.resume ? readCheckpoint(await readFile(files.checkpoint), files.checkpoint) : undefined;
    if (checkpoint) {
      // Another adapter is no error: the run goes on, to other bits.
      const { adapter: _, ...before } = checkpoint.settings;
      checkSameRun(settings, before, files.checkpoint);
    }
    await withDevice(args, (gpu) =>
      trainOn(gpu, { args, graph, recipe, settings, images, validation, data, chosen, files, every, checkpoint }),
    );
  } finally {
    data.close();
  }
}

async function readData(args: Arguments, input: number): Promise<Dataset> {
  let bar: ReturnType<typeof progress> | undefined;
  try {
    return await openDataset(args.data, {
      size: [input, input],
      cache: args.cache,
      onProgress: (done, total) => (bar ??= progress(total, 'decoding images')).tick(done),
    });
  } finally {
    bar?.stop();
  }
}

/** Indices of the classes that are asked for. */
function chooseClasses(classes: readonly string[], which: string | undefined): number[] {
  const all = classes.map((_, k) => k);
  if (which === undefined) return all;
  if (/^\d+$/.test(which)) {
    const count = parseInteger(which, '--classes', 2);
    if (count > classes.length) throw new InputError(`--classes: expected at most ${classes.length} classes, got ${count}.`);
    return all.slice(0, count);
  }
  return which.split(',').map((name) => {
    const wanted = name.trim().toLowerCase();
    const names = (label: string): string[] =>
      [label, label.split(' ')[0], ...label.replace(/^n\d{8} /, '').split(', ')].map((s) => s.toLowerCase());
    const k = classes.findIndex((label) => names(label).includes(wanted));
    if (k < 0)
      throw new InputError(
        `--classes: expected a class of the data set, got "${name}". It has ${classes.slice(0, 5).join('; ')} and others.`,
      );
    return k;
  });
}

interface Run {
  readonly args: Arguments;
  readonly graph: Graph;
  readonly recipe: TrainingRecipe;
  readonly settings: RunSettings;
  readonly images: ImageSource;
  readonly validation: ImageSource | null;
  readonly data: Dataset;
  readonly chosen: readonly number[];
  readonly files: ReturnType<typeof filesOf>;
  readonly every: { readonly checkpointEvery: number; readonly logEvery: number; readonly validateEvery: number };
  readonly checkpoint: Checkpoint | undefined;
}

async function trainOn(gpu: Gpu, run: Run): Promise<void> {
  const { graph, recipe, settings, images, validation, data, files, checkpoint } = run;
  const mean = meanImage(images, data.height, data.width);
  const adapter = formatAdapter(gpu.info);
  const before = checkpoint?.settings.adapter;
  if (before !== undefined && before !== adapter) console.error(`warning: the run began on ${String(before)}; its bits will differ here.`);
  const trainer = await Trainer.create(gpu, graph, images, mean, recipe, checkpoint?.state);
  const rows = await openMetrics(files.metrics, checkpoint);
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(130);
    stopping = true;
    console.error('stopping after this step; once more to stop at once');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const bar = progress(trainer.steps, 'training', { from: trainer.step });
  try {
    const { finished, seconds } = await runTraining(trainer, {
      ...run.every,
      validation,
      running: checkpoint?.running,
      seconds: checkpoint?.seconds,
      stopped: () => stopping,
      onStep: ({ step }, running, perSecond) => {
        const { loss, top1 } = running.means();
        const epoch = `epoch ${Math.ceil(step / trainer.stepsPerEpoch)}/${recipe.epochs}`;
        bar.tick(step, `${epoch}  loss ${loss.toFixed(3)}  top-1 ${(100 * top1).toFixed(1)} %  ${perSecond.toFixed(0)} images/s`);
      },
      onRow: async (row) => {
        rows.push(row);
        await appendFile(files.metrics, formatMetrics(row));
        if (isValidation(row)) console.error(formatValidation(row));
      },
      onCheckpoint: async (state, running, seconds) =>
        writeTogether([[files.checkpoint, writeCheckpoint({ settings: { ...settings, adapter }, state, running, seconds })]]),
    });
    bar.stop();
    if (!finished) {
      console.error(`stopped after step ${trainer.step} of ${trainer.steps}. Go on with --resume.`);
      return;
    }
    await finish(trainer, run, rows, adapter, seconds);
  } finally {
    bar.stop();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    trainer.dispose();
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function formatValidation({ epoch, validation: { loss, top1, top5, images } }: ValidationRow): string {
  return `epoch ${epoch}: validation loss ${loss.toFixed(3)}, top-1 ${percent(top1)}, top-5 ${percent(top5)} of ${images} images`;
}

/** The rows so far; those after the checkpoint will be made again. */
async function openMetrics(file: string, checkpoint: Checkpoint | undefined): Promise<MetricsRow[]> {
  const text = checkpoint ? await readFile(file, 'utf8').catch(() => '') : '';
  const rows = readMetrics(text, file).filter(({ step }) => step <= checkpoint!.state.step);
  await writeTogether([[file, new TextEncoder().encode(rows.map(formatMetrics).join(''))]]);
  return rows;
}

/** Stores the network, as rounded, and what it is worth. */
async function finish(trainer: Trainer, run: Run, rows: readonly MetricsRow[], adapter: string, seconds: number): Promise<void> {
  const { args, graph, recipe, settings, images, validation, data, chosen, files } = run;
  const weights = weightsFile((await trainer.state()).parameters, trainer.mean);
  await trainer.setParameters(storedParameters(weights));
  const result = validation ? (await trainer.validate(validation)).means() : null;
  const { gpu } = trainer;
  const card = {
    preprocess: cardPreprocess(data.height, data.width, recipe.unit),
    labels: chosen.map((k) => data.classes[k]),
    validation: result,
    training: {
      data: path.basename(args.data),
      dataSha256: data.sha256,
      images: images.count,
      ...Object.fromEntries(Object.entries(settings).filter(([name]) => !['data', 'classes', 'images'].includes(name))),
      steps: trainer.steps,
      seconds: Math.round(seconds),
      adapter,
      mode: gpu.info.mode,
      engine: `backlight ${VERSION}`,
    },
    weights: { file: path.basename(files.weights), bytes: weights.length, sha256: createHash('sha256').update(weights).digest('hex') },
  };
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  await writeTogether([
    [files.weights, weights],
    [files.model, encode(modelFile(graph, card))],
    [files.curve, encode(trainingCurve(rows))],
  ]);
  if (args.json) return printJson({ files, card });
  console.log(`${files.model}, ${files.weights} (${bytes(weights.length)}), ${files.metrics}, ${files.curve}`);
  if (result) console.log(`as stored: top-1 ${percent(result.top1)}, top-5 ${percent(result.top5)} of ${result.images} validation images`);
}
