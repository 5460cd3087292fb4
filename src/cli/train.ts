/** `backlight train`: a classifier trained by the engine's own backward kernels. */
import { Command } from 'commander';
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { openDataset, type Dataset } from '../data/dataset.ts';
import { InputError } from '../errors.ts';
import type { Graph } from '../graph.ts';
import { findClass } from '../models/labels.ts';
import { paperNet } from '../models/paper.ts';
import { checkSameRun, readCheckpoint, type RunSettings } from '../train/checkpoint.ts';
import { firstImages, ofClasses } from '../train/images.ts';
import { borrowedParameters, weightedLayers } from '../train/initial.ts';
import { SCHEDULES } from '../train/schedule.ts';
import type { TrainingRecipe } from '../train/trainer.ts';
import type { Tensor } from '../tensor.ts';
import { parseChoice, parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { MODEL_HELP, openModel } from './model.ts';
import { makeFolder } from './outputs.ts';
import { progress } from './progress.ts';
import { withDevice, withExample } from './session.ts';
import { filesOf, trainOn } from './trainRun.ts';

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
  readonly dropout?: string;
  readonly crop: string;
  readonly flip: string;
  readonly erase: string;
  readonly eraseSide: string;
  readonly seed: string;
  readonly checkpointEvery?: string;
  readonly logEvery: string;
  readonly validateEvery: string;
  readonly initial?: string;
  readonly workers?: string;
  readonly resume?: boolean;
  readonly cache?: string;
  readonly json?: boolean;
}

/** The networks that can be trained, by name, and their defaults. */
interface Architecture {
  readonly input: number;
  readonly width: number;
  readonly hidden: number;
  readonly dropout: number;
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  'paper-mini': { input: 64, width: 48, hidden: 512, dropout: 0.2 },
  paper: { input: 224, width: 256, hidden: 4096, dropout: 0.5 },
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
    .option('--width <n>', 'channels of the second to fifth convolution (default: 48 or 256)')
    .option('--hidden <n>', 'units of the two hidden full layers (default: 512 or 4096)')
    .option('--classes <which>', 'the first n classes, or names and WordNet ids separated by commas (default: all)')
    .option('--limit <n>', 'at most n training images, as many of each class')
    .option('--epochs <n>', 'passes over the training images', '12')
    .option('--batch <n>', 'images in a step', '16')
    .option('--lr <rate>', 'full learning rate', '0.01')
    .option('--schedule <name>', `how the rate falls: ${SCHEDULES.join(', ')}`, 'cosine')
    .option('--warmup <epochs>', 'epochs over which the rate rises to the full one', '0.5')
    .option('--momentum <m>', 'share of the velocity that is kept', '0.9')
    .option('--weight-decay <d>', 'pull of weights towards zero; biases have none', '5e-4')
    .option('--dropout <share>', 'share of the hidden units of the full layers that a step drops (default: 0.2 or 0.5)')
    .option('--crop <share>', 'shortest side of a random crop, of the image', '0.8')
    .option('--flip <chance>', 'chance of a mirror image', '0.5')
    .option('--erase <chance>', 'chance that a random part of the image is set to zero', '0.3')
    .option('--erase-side <share>', 'longest side of that part, of the image', '0.4')
    .option('--seed <n>', 'of everything drawn at random', '1')
    .option('--checkpoint-every <steps>', 'steps between checkpoints (default: whatever a minute holds); an epoch ends with one too')
    .option('--log-every <steps>', 'steps between rows of metrics', '100')
    .option('--validate-every <epochs>', 'epochs between looks at the validation images', '1')
    .option('--initial <model>', `network to begin with instead of random weights: its layers of the same name and shape; ${MODEL_HELP}`)
    .option(
      '--workers <n>',
      'threads that make batches; the bits are the same (default: 0 on a software adapter, else the cores but two, at most 8)',
    )
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
    rate: number(args.lr, '--lr', 0, 1e9),
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

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => null)) !== null;

async function train(args: Arguments): Promise<void> {
  const architecture = Object.hasOwn(ARCHITECTURES, args.arch) ? ARCHITECTURES[args.arch] : undefined;
  if (!architecture) throw new InputError(`--arch: expected one of ${Object.keys(ARCHITECTURES).join(', ')}, got "${args.arch}".`);
  const { input } = architecture;
  const width = args.width === undefined ? architecture.width : parseInteger(args.width, '--width', 4);
  const hidden = args.hidden === undefined ? architecture.hidden : parseInteger(args.hidden, '--hidden', 1);
  const dropout = args.dropout === undefined ? architecture.dropout : number(args.dropout, '--dropout', 0, 0.99);
  const recipe = recipeOf(args, unitOf(input));
  const every = {
    checkpointEvery: args.checkpointEvery === undefined ? undefined : parseInteger(args.checkpointEvery, '--checkpoint-every', 1),
    logEvery: parseInteger(args.logEvery, '--log-every', 1),
    validateEvery: parseInteger(args.validateEvery, '--validate-every', 1),
  };
  const workers = args.workers === undefined ? undefined : parseInteger(args.workers, '--workers');
  if (workers !== undefined && workers > 256) throw new InputError(`--workers: expected at most 256 threads, got ${workers}.`);
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
  await makeFolder('--output', path.dirname(args.output));

  const data = await readData(args, input);
  try {
    const chosen = chooseClasses(data.classes, args.classes);
    const images = firstImages(ofClasses(data.train, chosen), limit);
    const validation = data.val && ofClasses(data.val, chosen);
    const graph = paperNet({ width, hidden, input, classes: chosen.length, dropout });
    const initial = args.initial === undefined ? undefined : await readInitial(args.initial, graph);
    const settings: RunSettings = {
      data: data.sha256,
      classes: chosen,
      images: images.count,
      arch: args.arch,
      width,
      hidden,
      dropout,
      ...(initial && { initial: initial.origin }),
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
      trainOn(gpu, {
        json: args.json ?? false,
        graph,
        recipe,
        settings,
        images,
        validation,
        data,
        chosen,
        files,
        every,
        checkpoint,
        workers,
        borrowed: initial?.borrowed,
      }),
    );
  } finally {
    data.close();
  }
}

/** Layers that another network lends, and where they come from: with its own training, where its card tells it. */
async function readInitial(
  model: string,
  graph: Graph,
): Promise<{ borrowed: Map<string, Tensor>; origin: Readonly<Record<string, unknown>> }> {
  const opened = await openModel(model);
  const borrowed = borrowedParameters(graph, opened.at().parameters);
  const all = weightedLayers(graph);
  const layers = all.filter(({ weight }) => borrowed.has(weight)).length;
  if (layers < all.length) console.error(`--initial: ${layers} of ${all.length} layers come from ${model}; the others begin at random`);
  const sha256 = createHash('sha256');
  for (const [name, { data }] of borrowed) sha256.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return { borrowed, origin: { model, layers, sha256: sha256.digest('hex'), training: opened.card.training ?? null } };
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
    try {
      return findClass(name, classes, classes.length);
    } catch (error) {
      throw new InputError(`--classes: expected a class of the data set, got "${name}" (${(error as Error).message})`);
    }
  });
}
