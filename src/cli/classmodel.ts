/** `backlight class-model`: the image that a network takes most for a class. */
import { Command } from 'commander';
import { InputError } from '../errors.ts';
import { writeNpy } from '../formats/index.ts';
import { pictureSpec } from '../image/modelInput.ts';
import { channelCount, describePreprocess } from '../image/preprocess.ts';
import { classTitle, className } from '../models/labels.ts';
import { Network } from '../network.ts';
import { classModel, type ClassModel, type ClassModelRow } from '../visualise/classmodel.ts';
import { classModelPicture, DISPLAYS } from '../visualise/classmodelPicture.ts';
import { CLASS_MODEL_PRESETS, classModelRecipe, type ClassModelPreset, type ClassModelRecipe } from '../visualise/classmodelPresets.ts';
import { parseChoice, parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { classCount, parseClasses } from './classes.ts';
import { pictureFile, sheetFile, stacked, type Search } from './classmodelFiles.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { labelsFor } from './labels.ts';
import { MODEL_HELP, openModel } from './model.ts';
import { checkOutputs, writeTogether, type Content } from './outputs.ts';
import { progress } from './progress.ts';
import { adapterReport, formatTable, printJson, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments, PictureArguments, HashArguments {
  readonly model: string;
  readonly class: string;
  readonly labels?: string;
  readonly preset: string;
  readonly score?: string;
  readonly lambda?: string;
  readonly step?: string;
  readonly iterations?: string;
  readonly momentum?: string;
  readonly normalise?: boolean;
  readonly noise?: string;
  readonly jitter?: string;
  readonly decay?: string;
  readonly blur?: string;
  readonly blurEvery?: string;
  readonly clip?: string;
  readonly keep?: string;
  readonly seed?: string;
  readonly display: string;
  readonly sheet?: boolean;
  readonly output: string;
  readonly raw?: string;
  readonly trace?: string;
  readonly json?: boolean;
}

export function classModelCommand(): Command {
  const presets = Object.keys(CLASS_MODEL_PRESETS);
  const command = new Command('class-model')
    .description(
      'The image that a network takes most for a class: ascent on S_c(I) - lambda ||I||^2 with the weights fixed, the mean image added at' +
        ' the end. Amounts of light are in grey levels (0..255), whatever unit the network takes.',
    )
    .requiredOption('--model <file>', MODEL_HELP)
    .requiredOption('--class <classes>', 'number, name or WordNet id; several separated by commas run as one batch')
    .requiredOption('-o, --output <c.png>', 'the picture; of several classes c-K.png for each class K, or with --sheet one')
    .option('--sheet', 'write --output as a contact sheet, with names and figures')
    .option('--raw <i.npy>', 'the image less the mean, as the network takes it: f32 [N, C, H, W]')
    .option('--trace <t.json>', 'every iteration: score, posterior, norm, objective')
    .option('--labels <file>', "class names, one a line (default: those of the model's card)")
    .option('--preset <name>', `${presets.join(', ')}: where the options below come from`, 'paper')
    .option(
      '--score <kind>',
      'what ascends: scores (unnormalised), or posterior, whose slope is nearly 0 at the start: add --normalise --step 100',
    )
    .option('--lambda <l>', 'weight of ||I||^2, per squared level')
    .option('--step <s>', 'I = I + step * v, in squared levels per score; with --normalise the length of a step, in levels')
    .option('--iterations <n>', 'number of steps')
    .option('--momentum <m>', 'v = momentum * v + (dS/dI - 2 lambda I)')
    .option('--normalise', 'divide dS/dI - 2 lambda I by its norm')
    .option('--no-normalise', 'do not')
    .option('--noise <levels>', 'start from normal noise of this deviation; 0: the zero image')
    .option('--jitter <pixels>', 'before each look roll the image by up to this much, and back afterwards')
    .option('--decay <d>', 'after each step multiply the image by 1 - d')
    .option('--blur <sigma>', 'Gaussian blur, in pixels; 0: none')
    .option('--blur-every <n>', 'blur after every n-th step')
    .option('--clip <when>', 'keep pixels within 0..255: none, step (before the blur) or last (after it)')
    .option('--keep <which>', 'the last image, or the best by objective')
    .option('--seed <n>', 'of noise and jitter')
    .option('--display <how>', 'clip (the pixels that the network saw) or stretch (I times a factor, plus the mean)', 'clip')
    .option('--json', 'print a report as JSON');
  withPictureOptions(withDeviceOptions(withHashOption(command))).action(run);
  return withExample(
    command,
    'backlight class-model --model googlenet.onnx --preprocess caffe --labels synset_words.txt --class goose -o goose.png',
    'backlight class-model --model googlenet.onnx --preprocess caffe --class 99,9,543,945,627 --sheet -o classes.png --trace t.json',
    'backlight class-model --model squeezenet.onnx --preprocess caffe --class 9 --preset cs231n --seed 3 -o ostrich.png',
    'backlight class-model --model squeezenet.onnx --preprocess caffe --class 99 --preset deepvis --step 5000 --iterations 150 -o goose.png',
  );
}

async function run(args: Arguments): Promise<void> {
  const started = performance.now();
  const preset = parseChoice(args.preset, Object.keys(CLASS_MODEL_PRESETS) as ClassModelPreset[], '--preset');
  const recipe = classModelRecipe(preset, changes(args, preset));
  const display = parseChoice(args.display, DISPLAYS, '--display');
  // A trace in the place of the model's card would be taken for one.
  const inputs = [args.model, args.model.replace(/\.[^.]*$/, '.json'), ...(args.labels === undefined ? [] : [args.labels])];
  const outputs = [
    { option: '--output', file: args.output, extensions: ['.png'] },
    { option: '--raw', file: args.raw, extensions: ['.npy'] },
    { option: '--trace', file: args.trace, extensions: ['.json'] },
  ];
  await checkOutputs(outputs, inputs);
  const model = await openModel(args.model);
  const labels = await labelsFor(model, args.labels);
  const spec = pictureSpec(model, args);
  const shape = (batch: number) => ({ [model.input.name]: [batch, channelCount(spec.channels), ...spec.size] });
  const classes = [...new Set(parseClasses(args.class, labels, classCount(model.at(shape(1)).graph)))].map((k) => {
    if (typeof k !== 'number')
      throw new InputError(`--class: expected classes, got ${k}: there is no input here for it to be the best of.`);
    return k;
  });
  const { graph, parameters } = model.at(shape(classes.length));
  const pictures = args.sheet || classes.length === 1 ? [args.output] : classes.map((k) => args.output.replace(/(\.[^.]*)$/, `-${k}$1`));
  await checkOutputs([...pictures.map((file) => ({ ...outputs[0], file })), ...outputs.slice(1)], inputs);

  await withDevice(args, async (gpu) => {
    const network = new Network(gpu, graph, parameters);
    const bar = progress(recipe.iterations, 'class model');
    let models: ClassModel[];
    try {
      models = await classModel(network, { ...recipe, classes, spec, onIteration: (i, rows) => bar.tick(i, fields(rows)) });
    } finally {
      bar.stop();
      await network.dispose();
    }
    const seconds = (performance.now() - started) / 1000;
    const search: Search = { model: args.model, preset, recipe, spec, display, labels };
    const drawn = models.map((found) => ({ ...classModelPicture(found.image, spec, display), found }));
    for (const { class: k, norm } of models) {
      if (norm === 0)
        console.error(`warning: the image of ${classTitle(labels, k)} is zero everywhere: no open path leads from it to the score.`);
    }
    const files: (readonly [string, Content])[] = [];
    if (args.sheet) files.push([args.output, await sheetFile(drawn, search)]);
    else for (const [n, one] of drawn.entries()) files.push([pictures[n], await pictureFile(one, search)]);
    if (args.raw !== undefined) files.push([args.raw, writeNpy(stacked(models))]);
    const report = {
      model: args.model,
      preprocess: describePreprocess(spec),
      preset,
      recipe,
      models: models.map(({ class: k, iteration, score, posterior, norm, objective }) => ({
        class: k,
        name: labels?.[k] === undefined ? undefined : className(labels, k),
        iteration,
        score,
        posterior,
        norm,
        objective,
      })),
    };
    if (args.trace !== undefined) {
      const traced = { ...report, models: report.models.map((m, n) => ({ ...m, trace: models[n].trace })) };
      files.push([args.trace, new TextEncoder().encode(`${JSON.stringify(traced, null, 1)}\n`)]);
    }
    await writeTogether(files);
    const hashes = hashesOf(args, () => models.map(({ class: k, image }) => [`image of ${classTitle(labels, k)}`, image] as const));
    if (args.json) printJson({ ...report, hashes, files: files.map(([file]) => file), seconds, adapter: adapterReport(gpu) });
    else {
      console.log(
        formatTable(
          ['class', 'score', 'posterior', 'norm', 'objective', 'iteration', 'name'],
          report.models.map((m) => [
            m.class,
            m.score.toFixed(3),
            m.posterior.toFixed(5),
            m.norm.toFixed(0),
            m.objective.toFixed(3),
            m.iteration,
            m.name ?? '',
          ]),
        ),
      );
      console.log(`${recipe.iterations} steps in ${seconds.toFixed(1)} s; written: ${files.map(([file]) => file).join(', ')}`);
      printHashes(hashes);
    }
  });
}

/** The options that were typed. */
function changes(args: Arguments, preset: ClassModelPreset): Partial<ClassModelRecipe> {
  const number = (text: string | undefined, option: string): number | undefined => {
    if (text === undefined) return undefined;
    if (text.trim() === '' || !Number.isFinite(Number(text))) throw new InputError(`${option}: expected a number, got "${text}".`);
    return Number(text);
  };
  const integer = (text: string | undefined, option: string, min = 0): number | undefined =>
    text === undefined ? undefined : parseInteger(text, option, min);
  const choice = <T extends string>(text: string | undefined, choices: readonly T[], option: string): T | undefined =>
    text === undefined ? undefined : parseChoice(text, choices, option);
  const { blur } = CLASS_MODEL_PRESETS[preset];
  return {
    score: choice(args.score, ['scores', 'posterior'], '--score'),
    lambda: number(args.lambda, '--lambda'),
    step: number(args.step, '--step'),
    iterations: integer(args.iterations, '--iterations', 1),
    momentum: number(args.momentum, '--momentum'),
    normalise: args.normalise,
    noise: number(args.noise, '--noise'),
    jitter: integer(args.jitter, '--jitter'),
    decay: number(args.decay, '--decay'),
    blur: { sigma: number(args.blur, '--blur') ?? blur.sigma, every: integer(args.blurEvery, '--blur-every', 1) ?? blur.every },
    clip: choice(args.clip, ['none', 'step', 'last'], '--clip'),
    keep: choice(args.keep, ['last', 'best'], '--keep'),
    seed: integer(args.seed, '--seed'),
  };
}

/** What the bar shows beside the iteration. */
function fields(rows: readonly ClassModelRow[]): string {
  const list = (values: readonly number[], digits: number): string =>
    values.length > 5
      ? `${Math.min(...values).toFixed(digits)}..${Math.max(...values).toFixed(digits)}`
      : values.map((v) => v.toFixed(digits)).join(' ');
  return (
    `score ${list(
      rows.map(({ score }) => score),
      1,
    )}  posterior ${list(
      rows.map(({ posterior }) => posterior),
      2,
    )}` +
    `  norm ${list(
      rows.map(({ norm }) => norm),
      0,
    )}  objective ${list(
      rows.map(({ objective }) => objective),
      1,
    )}`
  );
}
