/** `backlight compare`: the same seeds under gradient, deconvnet, guided and linear, in one picture, and where the rules part. */
import path from 'node:path';
import { Command } from 'commander';
import { InputError } from '../errors.ts';
import { DEFAULT_CLIP } from '../image/colour.ts';
import { describePreprocess } from '../image/preprocess.ts';
import { encodePng } from '../image/png.ts';
import { classTitle, findClass } from '../models/labels.ts';
import { Network } from '../network.ts';
import { RULES } from '../rule.ts';
import { formatShape } from '../tensor.ts';
import { VERSION } from '../version.ts';
import { compareRules, type CompareOptions, type RulePair, type SeedComparison } from '../visualise/compare.ts';
import { ruleSheet, SIGNED_STYLES } from '../visualise/rulesheet.ts';
import { collect, parseChoice, parseNeuron, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { classCount } from './classes.ts';
import { checkCubeArguments, runCube } from './compareCube.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { MODEL_HELP } from './model.ts';
import { checkOutputs, writeTogether } from './outputs.ts';
import { loadPhoto } from './photo.ts';
import { progress } from './progress.ts';
import { costReport, formatTable, printJson, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments, PictureArguments, HashArguments {
  readonly model: string;
  readonly class?: string;
  readonly labels?: string;
  readonly layers?: string;
  readonly neuron: readonly string[];
  readonly signed: string;
  readonly cube?: boolean;
  readonly output?: string;
  readonly json?: boolean;
}

export function compareCommand(): Command {
  const command = new Command('compare')
    .description(
      'One seed under the four ReLU rules: what reaches the photo under each, from a class score and from layers; where they part.',
    )
    .argument('<photo>', 'PNG, JPEG, WebP, GIF or TIFF')
    .requiredOption('--model <file>', MODEL_HELP)
    .option('--class <class>', 'number, name, WordNet id or top1', 'top1')
    .option('--labels <file>', "class names, one a line (default: those of the model's card)")
    .option(
      '--layers <tensors>',
      'tensors to seed from at their strongest unit, separated by commas; none for the score alone (default: three ReLUs)',
    )
    .option('--neuron <tensor:c,y,x>', 'one unit of any tensor to seed from; may be repeated', collect, [])
    .option('--signed <style>', "signed pictures: colour (the input's channels about mid-grey) or rdbu (their sum, blue to red)", 'colour')
    .option('--cube', 'one seed under every pair of a ReLU rule and a max-pool rule instead')
    .option('-o, --output <sheet.png>', 'where to draw')
    .option('--json', 'print the numbers as JSON');
  withPictureOptions(withDeviceOptions(withHashOption(command))).action(run);
  return withExample(
    command,
    'backlight compare cat.jpg --model googlenet.onnx --preprocess caffe --labels synset_words.txt -o rules.png',
    'backlight compare cat.jpg --model googlenet.onnx --preprocess caffe --layers inception_3b/output,inception_5a/output -o r.png',
    'backlight compare cat.jpg --model default --cube -o cube.png',
  );
}

async function run(photo: string, args: Arguments): Promise<void> {
  const started = performance.now();
  const signed = parseChoice(args.signed, SIGNED_STYLES, '--signed');
  const neurons = args.neuron.map(parseNeuron);
  if (args.cube) checkCubeArguments(args, neurons);
  await checkOutputs(
    [{ option: '--output', file: args.output, extensions: ['.png'] }],
    [args.model, photo, ...(args.labels ? [args.labels] : [])],
  );
  const { picture, spec, labels, graph, parameters } = await loadPhoto(photo, args);
  const options: CompareOptions = {
    class: args.class === undefined || args.class === 'top1' ? 'top1' : findClass(args.class, labels, classCount(graph)),
    ...(args.layers === undefined ? {} : { layers: parseLayers(args.layers) }),
    neurons,
  };
  await withDevice(args, async (gpu) => {
    const network = new Network(gpu, graph, parameters);
    let bar: ReturnType<typeof progress> | undefined;
    try {
      if (args.cube) {
        const wanted = options.class ?? 'top1';
        await runCube(gpu, network, args, { photo, picture, spec, labels, graph, class: wanted, neuron: neurons[0], signed, started });
        return;
      }
      const onPass = (done: number, total: number): void => (bar ??= progress(total, 'passes')).tick(done);
      const comparison = await compareRules(network, picture, spec, { ...options, onPass });
      bar?.stop();
      const headings = comparison.seeds.map((seed) => headingOf(seed, labels));
      for (const [s, seed] of comparison.seeds.entries()) {
        const zero = RULES.filter((rule) => seed.input.norm[rule] === 0);
        if (zero.length > 0) console.error(`warning: from ${headings[s]} nothing reaches the input under ${zero.join(', ')}; drawn flat.`);
      }
      if (args.output !== undefined) {
        const sheet = await ruleSheet(comparison, picture, {
          title: `Four rules: ${path.basename(photo)}`,
          footer:
            `${path.basename(args.model)}. Upper rows: signed, ` +
            `${signed === 'colour' ? "the input's channels about mid-grey" : 'sum over channels'}; ` +
            `lower rows: max over channels of the magnitude. Every picture has its own range, which ends at percentile ${DEFAULT_CLIP}.`,
          headings,
          channels: spec.channels,
          signed,
          clip: DEFAULT_CLIP,
        });
        const text = {
          Title: `Four rules: ${path.basename(photo)}`,
          Software: `backlight ${VERSION}`,
          Model: path.basename(args.model),
          Photo: path.basename(photo),
          Rules: RULES.join(', '),
          Seeds: headings.join('\n'),
          Preprocess: JSON.stringify(describePreprocess(spec)),
          Signed: signed,
          Clip: `percentile ${DEFAULT_CLIP} of the magnitudes that are not zero, each picture by itself`,
        };
        await writeTogether([[args.output, await encodePng(sheet, text)]]);
      }
      const hashes = hashesOf(args, () =>
        comparison.seeds.flatMap((seed, s) => RULES.map((rule) => [`${rule} of ${headings[s]}`, seed.signals[rule]] as const)),
      );
      if (args.json) {
        const seeds = comparison.seeds.map(({ signals: _, ...seed }) => seed);
        const asked = { model: args.model, photo, preprocess: describePreprocess(spec) };
        printJson({ ...asked, seeds, output: args.output, hashes, ...costReport(gpu, network, started) });
      } else {
        comparison.seeds.forEach((seed, s) => printSeed(seed, headings[s]));
        console.log(LEGEND);
        if (args.output !== undefined) console.log(`written: ${args.output}`);
        printHashes(hashes);
      }
    } finally {
      bar?.stop();
      await network.dispose();
    }
  });
}

function parseLayers(text: string): string[] {
  if (text.trim() === 'none') return [];
  const layers = text.split(',').map((name) => name.trim());
  if (layers.includes('')) throw new InputError(`--layers: expected names of tensors separated by commas, got "${text}".`);
  return layers;
}

function headingOf({ class: k, neuron, value }: SeedComparison, labels: readonly string[] | undefined): string {
  if (neuron) return `unit ${neuron.tensor}:${neuron.at.join(',')}, value ${value.toPrecision(4)}`;
  return `${classTitle(labels, k!)}, score ${value.toFixed(2)}`;
}

const PAIRS: readonly [string, RulePair][] = [
  ['g-d', 'gradient-deconvnet'],
  ['g-gu', 'gradient-guided'],
  ['g-l', 'gradient-linear'],
  ['d-gu', 'deconvnet-guided'],
  ['d-l', 'deconvnet-linear'],
  ['gu-l', 'guided-linear'],
];

const LEGEND =
  'X>0, R>0: share of units, in %, that pass under the sign indicators of gradient and deconvnet; differ: at which the two differ;\n' +
  'reached: of those that a signal reaches. norm: of the signal that leaves the ReLU downwards; cos: between the rules g gradient,\n' +
  'd deconvnet, gu guided, l linear.';

function printSeed({ relus, input }: SeedComparison, heading: string): void {
  const percent = (share: number | null): string => (share === null ? '-' : (100 * share).toFixed(1));
  const cosines = (cosine: SeedComparison['input']['cosine']): string[] => PAIRS.map(([, pair]) => cosine[pair]?.toFixed(3) ?? '-');
  const norms = (norm: SeedComparison['input']['norm']): string[] => RULES.map((rule) => norm[rule].toPrecision(3));
  const rows = relus.map((relu) => [
    relu.node,
    formatShape(relu.shape),
    percent(relu.open),
    percent(relu.positive),
    percent(relu.differ),
    percent(relu.differReached),
    ...norms(relu.norm),
    ...cosines(relu.cosine),
  ]);
  // From the seed down, as the signal goes.
  rows.reverse();
  rows.push(['(input)', '', '', '', '', '', ...norms(input.norm), ...cosines(input.cosine)]);
  const header = [
    'relu',
    'shape',
    'X>0',
    'R>0',
    'differ',
    'reached',
    ...RULES.map((rule) => `norm ${rule}`),
    ...PAIRS.map(([pair]) => `cos ${pair}`),
  ];
  console.log(`${heading}\n\n${formatTable(header, rows)}\n`);
}
