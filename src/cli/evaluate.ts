/** `backlight evaluate`: localisation and classification over a set of images, and the sum of several such runs. */
import { Command } from 'commander';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { InputError } from '../errors.ts';
import { checkClass, evaluateClassification } from '../evaluate/classification.ts';
import { formatLine, inShard, merge, parseJournal, type Header, type Settings } from '../evaluate/journal.ts';
import { CLASS_MODES, evaluateLocalisation } from '../evaluate/localisation.ts';
import { ALL_METHODS, parseMethods } from '../evaluate/methods.ts';
import { openRecorder } from '../evaluate/record.ts';
import type { Row } from '../evaluate/rows.ts';
import { IOU } from '../evaluate/score.ts';
import type { Item } from '../evaluate/batches.ts';
import { pictureSpec } from '../image/modelInput.ts';
import { channelCount, describePreprocess, type Preprocess } from '../image/preprocess.ts';
import type { Model } from '../models/model.ts';
import { Network } from '../network.ts';
import { parseRule, RULES } from '../rule.ts';
import { GRAPHCUT_PRESETS, MAP_KINDS } from '../segment/presets.ts';
import { VERSION } from '../version.ts';
import { parseChoice, parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { classCount } from './classes.ts';
import { readBytes } from './files.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { labelsFor } from './labels.ts';
import { MODEL_HELP, openModel } from './model.ts';
import { checkOutput, writeTogether } from './outputs.ts';
import { progress } from './progress.ts';
import { adapterReport, printJson, withCommonSettings, withDevice, withExample } from './session.ts';
import { printSummary, summaryReport } from './summary.ts';
import { findImages, imageSet, readTruth } from './truth.ts';

interface RunArguments extends DeviceArguments, PictureArguments {
  readonly model: string;
  readonly images?: string;
  readonly data?: string;
  readonly limit?: string;
  readonly shard: string;
  readonly batch: string;
  readonly output?: string;
  readonly labels?: string;
  readonly json?: boolean;
}

interface LocalisationArguments extends RunArguments {
  readonly boxes?: string;
  readonly class: string;
  readonly rules: string;
  readonly maps: string;
  readonly methods: string;
  readonly tolerance: string;
}

interface ClassificationArguments extends RunArguments {
  readonly classes?: string;
}

export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('Localisation or classification over a set of images, with tables and intervals.')
    .argument('[task]', 'localisation, classification or merge')
    .action((task?: string) => {
      const given = task === undefined ? 'nothing' : `"${task}"`;
      throw new InputError(`evaluate: expected localisation, classification or merge, got ${given}. See backlight evaluate --help.`);
    });
  for (const sub of [localisationCommand(), classificationCommand(), mergeCommand()]) command.addCommand(withCommonSettings(sub));
  return command;
}

function withRunOptions(command: Command): Command {
  command
    .option('--limit <n>', 'only the first n images of the list')
    .option('--shard <i/n>', 'part i of n, counted from 1: every n-th image, for jobs side by side', '1/1')
    .option('--batch <n>', 'images that go through the network together; changes no number', '4')
    .option('--output <file.jsonl>', 'one line for each image; a file that is there already is taken up where it ends')
    .option('--labels <file>', "class names in the order of the scores, with WordNet ids first (default: those of the model's card)")
    .option('--json', 'print a report as JSON');
  return withPictureOptions(withDeviceOptions(command));
}

function localisationCommand(): Command {
  const command = new Command('localisation')
    .description(
      'Boxes from saliency maps, held against the true ones (right if IoU >= 0.5 with any): thresholds, GraphCut, and fixed boxes.',
    )
    .requiredOption('--model <file>', MODEL_HELP)
    .option('--images <folder>', 'the images, subfolders included')
    .option(
      '--boxes <file|folder>',
      "true boxes: a .csv (image, class_index, orig_w, orig_h, x0, y0, x1, y1), ILSVRC's .xml files, or Tiny ImageNet's .txt",
    )
    .option('--data <folder>', "in place of both: a data set in Tiny ImageNet's layout, of which val is taken")
    .option('--class <which>', 'whose map: given (the true class), top1, or top5 (five maps, of which one must be right)', 'given')
    .option('--rules <list>', `ReLU's rules, separated by commas: ${RULES.join(', ')}`, 'gradient')
    .option('--maps <list>', `what the methods look at: own (what each is made for), or all of them at ${MAP_KINDS.join(', ')}`, 'own')
    .option('--methods <list>', `separated by commas: ${ALL_METHODS.join(', ')}; one alpha as mean:5`, ALL_METHODS.join(','))
    .option(
      '--tolerance <pixels>',
      "of the pointing game: how far from a true box a map's maximum may lie, in the pixels of the image file",
      '15',
    );
  withRunOptions(command).action(localisation);
  return withExample(
    command,
    'backlight evaluate localisation --model googlenet.onnx --preprocess caffe --images val --boxes boxes.csv --output r.jsonl',
    'backlight evaluate localisation --model googlenet.onnx --preprocess caffe --fit crop --resize 227 --cut 1,1 --images val227' +
      ' --boxes boxes.csv --rules gradient,guided --methods mean:5,graphcut,centre --shard 3/16 --output part3.jsonl',
    'backlight evaluate localisation --model default --data tiny-imagenet-200 --class top5 --batch 64 --output r.jsonl',
  );
}

function classificationCommand(): Command {
  const command = new Command('classification')
    .description('Whether the true class is the best one, and among the five best.')
    .requiredOption('--model <file>', MODEL_HELP)
    .option('--images <folder>', 'the images, subfolders included')
    .option('--classes <file|folder>', "true classes: a .csv (image, class), a .csv of boxes, ILSVRC's .xml files, or Tiny ImageNet's .txt")
    .option('--data <folder>', "in place of both: a data set in Tiny ImageNet's layout, of which val is taken");
  withRunOptions(command).action(classification);
  return withExample(
    command,
    'backlight evaluate classification --model googlenet.onnx --preprocess caffe --images val --classes val.csv',
    'backlight evaluate classification --model default --data tiny-imagenet-200 --batch 64',
  );
}

function mergeCommand(): Command {
  const command = new Command('merge')
    .description('The table of journals written with --output: of one run, or of the shards of one, as if they were one.')
    .argument('<files...>', '.jsonl')
    .option('--output <file.jsonl>', 'write the rows of all files, as one run would have')
    .option('--range <i-j>', 'count only images i to j of the list, counted from 1')
    .option('--json', 'print a report as JSON')
    .action(mergeFiles);
  return withExample(command, 'backlight evaluate merge part*.jsonl --output all.jsonl');
}

async function localisation(args: LocalisationArguments): Promise<void> {
  const classes = parseChoice(args.class, CLASS_MODES, '--class');
  const rules = [...new Set(list(args.rules))].map(parseRule);
  if (rules.length === 0) throw new InputError(`--rules: expected at least one of ${RULES.join(', ')}, got none.`);
  const maps = args.maps === 'own' ? args.maps : [...new Set(list(args.maps))].map((name) => parseChoice(name, MAP_KINDS, '--maps'));
  if (maps.length === 0) throw new InputError(`--maps: expected at least one of ${MAP_KINDS.join(', ')}, got none.`);
  const methods = parseMethods(list(args.methods));
  const tolerance = parseInteger(args.tolerance, '--tolerance');
  const settings = {
    class: classes,
    rules,
    maps,
    methods: methods.map(({ name }) => name),
    recipes: Object.fromEntries(
      methods.flatMap((method) => (method.kind === 'graphcut' ? [[method.preset, GRAPHCUT_PRESETS[method.preset]]] : [])),
    ),
    reduce: 'max',
    score: 'scores',
    iou: IOU,
    tolerance,
  };
  await run(args, { task: 'localisation', truth: args.boxes, option: '--boxes', boxes: true, settings }, (network, items, preprocess) =>
    evaluateLocalisation(network, items, { preprocess, classes, rules, maps, methods, tolerance }),
  );
}

async function classification(args: ClassificationArguments): Promise<void> {
  const question = { task: 'classification', truth: args.classes, option: '--classes', boxes: false, settings: {} };
  await run(args, question, evaluateClassification);
}

interface Question {
  readonly task: string;
  readonly truth: string | undefined;
  readonly option: string;
  readonly boxes: boolean;
  /** What the numbers depend on besides model, images and preprocessing. */
  readonly settings: Settings;
}

async function run(
  args: RunArguments,
  { task, truth: named, option, boxes, settings }: Question,
  evaluate: (network: Network, items: readonly Item[], spec: Preprocess) => AsyncIterable<Row>,
): Promise<void> {
  const shard = parseShard(args.shard);
  const wantedBatch = parseInteger(args.batch, '--batch', 1);
  const limit = args.limit === undefined ? Infinity : parseInteger(args.limit, '--limit', 1);
  const { images, truth } = imageSet({ data: args.data, images: args.images, truth: named }, option);
  await checkOutput(args.output, '.jsonl', [args.model, truth]);
  const model = await openModel(args.model);
  const spec = pictureSpec(model, args);
  const from = args.data === undefined ? option : '--data';
  const annotations = await readTruth(truth, { option: from, labels: await labelsFor(model, args.labels), boxes, limit });
  const all = await findImages(images, annotations);
  const header = makeHeader(
    {
      task,
      version: VERSION,
      model: await identify(model.path),
      annotations: sha256(JSON.stringify(annotations)),
      preprocess: describePreprocess(spec),
      ...settings,
    },
    all.length,
    shard,
  );
  const recorder = args.output === undefined ? null : await openRecorder(args.output, header);
  try {
    const rows: Row[] = [...(recorder?.rows ?? [])];
    const done = new Set(rows.map(({ index }) => index));
    const own = all.filter(({ index }) => inShard(index, shard));
    const items = own.filter(({ index }) => !done.has(index));
    if (done.size > 0) console.error(`${args.output}: ${done.size} of ${own.length} images are there already; ${items.length} to go`);
    let adapter: Record<string, unknown> | undefined;
    if (items.length > 0) {
      const batch = Math.min(wantedBatch, items.length);
      const { graph, parameters } = atBatch(model, batch, spec, items);
      await withDevice(args, async (gpu) => {
        adapter = adapterReport(gpu);
        const network = new Network(gpu, graph, parameters);
        const bar = progress(items.length, task);
        try {
          let finished = 0;
          for await (const row of evaluate(network, items, spec)) {
            await recorder?.add(row);
            rows.push(row);
            finished++;
            // The images of a batch end together: told at the first of them, the time left would be that of a whole batch for each.
            if (finished % batch === 0 || finished === items.length) bar.tick(finished);
          }
        } finally {
          bar.stop();
          await network.dispose();
        }
      });
    }
    const report = summaryReport({ header, rows, missing: [] });
    if (args.json) printJson({ ...report, output: args.output, adapter });
    else printSummary(report);
  } finally {
    await recorder?.close();
  }
}

async function mergeFiles(files: readonly string[], args: { output?: string; range?: string; json?: boolean }): Promise<void> {
  await checkOutput(args.output, '.jsonl', files);
  const range = parseRange(args.range);
  const journals = [];
  for (const file of files) {
    const journal = parseJournal(new TextDecoder().decode(await readBytes(file, 'evaluation')), file);
    if (journal === null) throw new InputError(`evaluation: expected a journal with a header, got the empty file "${file}". Leave it out.`);
    journals.push({ file, journal });
  }
  const merged = merge(journals);
  const { header, missing } = merged;
  if (missing.length > 0) {
    const which = missing.slice(0, 5).map((index) => index + 1);
    console.error(
      `warning: ${missing.length} of ${header.images} images are missing: number ${which.join(', ')}${missing.length > 5 ? ', ...' : ''}`,
    );
  }
  if (args.output !== undefined)
    await writeTogether([[args.output, new TextEncoder().encode([header, ...merged.rows].map(formatLine).join(''))]]);
  const inside = (index: number): boolean => index + 1 >= range[0] && index + 1 <= range[1];
  const report = summaryReport({ header, rows: merged.rows.filter(({ index }) => inside(index)), missing: missing.filter(inside) });
  if (args.json) printJson(report);
  else printSummary(report);
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function parseShard(text: string): [number, number] {
  const match = /^\s*(\d{1,6})\s*\/\s*(\d{1,6})\s*$/.exec(text);
  const [part, parts] = match ? [Number(match[1]), Number(match[2])] : [0, 0];
  if (part < 1 || part > parts) throw new InputError(`--shard: expected i/n with i from 1 to n, got "${text}". Write say --shard 3/16.`);
  return [part, parts];
}

function parseRange(text: string | undefined): [number, number] {
  if (text === undefined) return [1, Infinity];
  const match = /^\s*(\d{1,9})\s*-\s*(\d{1,9})\s*$/.exec(text);
  const [from, to] = match ? [Number(match[1]), Number(match[2])] : [0, 0];
  if (from < 1 || to < from) throw new InputError(`--range: expected i-j with 1 <= i <= j, got "${text}". Write say --range 1-150.`);
  return [from, to];
}

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

function makeHeader(settings: Settings, images: number, shard: readonly [number, number]): Header {
  return { backlight: 'evaluation', settings, hash: sha256(JSON.stringify(settings)), images, shard };
}

/** A model by what is in its files, whatever they are called. */
async function identify(file: string): Promise<Record<string, string>> {
  const extension = path.extname(file);
  const weights = extension === '.json' ? [file.slice(0, -extension.length) + '.safetensors'] : [];
  const hash = createHash('sha256');
  for (const part of [file, ...weights]) hash.update(await readBytes(part, 'model'));
  return { file: path.basename(file), sha256: hash.digest('hex') };
}

/** The graph at a batch of inputs; before any work is done, every image's class must be one of its classes. */
function atBatch(model: Model, batch: number, spec: Preprocess, items: readonly Item[]): ReturnType<Model['at']> {
  const loaded = model.at({ [model.input.name]: [batch, channelCount(spec.channels), ...spec.size] });
  const classes = classCount(loaded.graph);
  for (const { annotation } of items) checkClass(annotation.class, classes, annotation.image);
  return loaded;
}
