/** `backlight saliency`: where a photo holds a class, or what drives any neuron, as maps, pictures and rankings. */
import path from 'node:path';
import { Command } from 'commander';
import { InputError } from '../errors.ts';
import { COLOURS, colourRange, DEFAULT_CLIP, type ColourRange, type Colours } from '../image/colour.ts';
import type { Picture } from '../image/picture.ts';
import { describePreprocess, type Preprocess } from '../image/preprocess.ts';
import { className, shortClassName } from '../models/labels.ts';
import { Network, SCORE_KINDS, type Neuron, type ScoreKind } from '../network.ts';
import { VERSION } from '../version.ts';
import type { MapSheetOptions } from '../visualise/draw.ts';
import { formatShare } from '../visualise/numbers.ts';
import { REDUCTION_FORMULAS, REDUCTIONS, type Reduce } from '../visualise/reduce.ts';
import { saliencyFrames, type SaliencyFrame, type SaliencyOptions } from '../visualise/saliency.ts';
import { parseChoice, parseNeuron, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { classCount, parseClasses } from './classes.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { pictureFile, rankFile, rawFile, type Shown } from './maps.ts';
import { MODEL_HELP } from './model.ts';
import { checkOutputs, writeTogether, type Content } from './outputs.ts';
import type { RuleSpec } from '../rule.ts';
import { chosenRules, withRuleOptions, type RuleArguments } from './ruleOptions.ts';
import { loadPhoto } from './photo.ts';
import { withProfiledDevice, withProfileOption, type ProfileArguments } from './profile.ts';
import { costReport, formatTable, printJson, warnNonFinite, withExample } from './session.ts';

interface Arguments extends DeviceArguments, ProfileArguments, PictureArguments, RuleArguments, HashArguments {
  readonly model: string;
  readonly class?: string;
  readonly labels?: string;
  readonly neuron?: string;
  readonly score: string;
  readonly views: string;
  readonly reduce: string;
  readonly channelsEach?: boolean;
  readonly output?: string;
  readonly overlay?: string;
  readonly raw?: string;
  readonly rank?: string;
  readonly colours?: string;
  readonly clip: string;
  readonly json?: boolean;
}

export function saliencyCommand(): Command {
  const command = new Command('saliency')
    .description(
      'How much each pixel of a photo moves a class score: the gradient of the score, reduced over channels, at the size of the photo.',
    )
    .argument('<photo>', 'PNG, JPEG, WebP, GIF or TIFF')
    .requiredOption('--model <file>', MODEL_HELP)
    .option('--class <classes>', 'number, name, WordNet id, top1 or top5; several separated by commas (default: top1)')
    .option('--labels <file>', "class names, one a line (default: those of the model's card)")
    .option('--neuron <tensor:c,y,x>', 'one unit of any tensor instead of classes; TENSOR:k for a vector')
    .option('--score <kind>', 'scores (unnormalised), posterior, or logodds (of the class against all others)', 'scores')
    .option('--views <n>', '1, or 10: four corners and centre of a larger resize, each also mirrored, averaged', '1')
    .option('--reduce <how>', `over channels: ${REDUCTIONS.map((name) => `${name} (${REDUCTION_FORMULAS[name]})`).join(', ')}`, 'max')
    .option('--channels-each', 'one map for each channel of the input instead of one for all')
    .option('-o, --output <map.png>', 'the map in colours; of several, a labelled sheet')
    .option('--overlay <overlay.png>', 'the map over the photo; of several, a labelled sheet')
    .option('--raw <map.npy>', 'the numbers, f32 of the size of the photo; of several, along a first axis')
    .option('--rank <rank.csv|rank.npy>', 'pixels from the largest value to the smallest: rows rank,y,x,value, or flat places as i32')
    .option('--colours <map>', `${COLOURS.join(', ')} (default: inferno; rdbu for signed maps)`)
    .option('--clip <percentile>', 'colours end at this percentile of the magnitudes that are not zero', String(DEFAULT_CLIP))
    .option('--json', 'print a report as JSON');
  withPictureOptions(withProfileOption(withDeviceOptions(withRuleOptions(withHashOption(command))))).action(run);
  return withExample(
    command,
    'backlight saliency cat_dog.png --model googlenet.onnx --preprocess caffe --labels synset_words.txt --class "bull mastiff" -o map.png',
    'backlight saliency photo.jpg --model googlenet.onnx --preprocess caffe --class top5 --views 10 -o sheet.png --overlay over.png',
    'backlight saliency photo.jpg --model googlenet.onnx --preprocess caffe --neuron inception_4c/output:7,6,6 --rule guided -o unit.png',
  );
}

async function run(photo: string, args: Arguments): Promise<void> {
  const started = performance.now();
  const palette = parsePalette(args);
  const rules = await chosenRules(args);
  const options = parseOptions(args, rules.spec);
  await checkOutputs(
    [
      { option: '--output', file: args.output, extensions: ['.png'] },
      { option: '--overlay', file: args.overlay, extensions: ['.png'] },
      { option: '--raw', file: args.raw, extensions: ['.npy'] },
      { option: '--rank', file: args.rank, extensions: ['.csv', '.npy'] },
    ],
    [args.model, photo, ...(args.labels === undefined ? [] : [args.labels])],
  );
  const { picture, spec, labels, graph, parameters } = await loadPhoto(photo, args);
  const classes = options.neuron ? undefined : parseClasses(args.class ?? 'top1', labels, classCount(graph));
  const many = (classes && (classes.length > 1 || classes[0] === 'top5')) || (options.perChannel && spec.channels !== 'grey');
  if (args.rank !== undefined && many) {
    throw new InputError('--rank: expected one map to rank, got several. Ask for one class, without --channels-each.');
  }
  await withProfiledDevice(args, async (gpu) => {
    const network = new Network(gpu, graph, parameters);
    try {
      const frames = await saliencyFrames(network, picture, spec, { ...options, classes });
      const maps = frames.map((frame): Shown => {
        const name = nameOf(frame, labels, spec);
        warnNonFinite(`the map of ${name}`, frame.frame);
        if (frame.zero) console.error(`warning: the map of ${name} is zero everywhere and drawn flat: ${NO_PATH}`);
        const range = colourRange(frame.frame, { clip: palette.clip, signed: options.reduce === 'signed' });
        const colours = { colours: palette.colours, range };
        return {
          ...frame,
          ...colours,
          caption: captionOf(frame, nameOf(frame, labels, spec, shortClassName)),
          text: metadata(photo, args, rules.words, spec, frame, name, colours),
        };
      });
      await writeTogether(await files(photo, args, rules.words, picture, maps));
      const hashes = hashesOf(args, () => maps.map((map) => [`map of ${nameOf(map, labels, spec)}, on the input`, map.frame] as const));
      const report = {
        model: args.model,
        photo: { file: photo, width: picture.width, height: picture.height },
        preprocess: describePreprocess(spec),
        rule: options.rule,
        score: options.neuron ? undefined : options.score,
        views: options.views,
        reduce: options.reduce,
        ...palette,
        maps: maps.map((map) => mapReport(map, labels)),
        output: args.output,
        overlay: args.overlay,
        raw: args.raw,
        rank: args.rank,
        hashes,
        ...costReport(gpu, network, started),
      };
      if (args.json) printJson(report);
      else {
        print(report.maps, [args.output, args.overlay, args.raw, args.rank]);
        printHashes(hashes);
      }
    } finally {
      await network.dispose();
    }
  });
}

const NO_PATH = 'no open path leads from the input to the target under this rule, or the posterior is 0 or 1 in f32.';

function parsePalette(args: Arguments): { readonly colours: Colours; readonly clip: number } {
  const signed = args.reduce === 'signed';
  const colours = parseChoice(args.colours ?? (signed ? 'rdbu' : 'inferno'), COLOURS, '--colours');
  const clip = Number(args.clip);
  if (!(args.clip.trim() !== '' && clip > 0 && clip <= 100)) {
    throw new InputError(`--clip: expected a percentile above 0 and at most 100, got "${args.clip}".`);
  }
  if (colours === 'rdbu' && !signed) {
    throw new InputError(
      `--colours: expected rdbu with --reduce signed alone, since magnitudes have no sign, got --reduce ${args.reduce}.`,
    );
  }
  return { colours, clip };
}

function parseOptions(
  args: Arguments,
  rule: RuleSpec,
): SaliencyOptions & Required<Pick<SaliencyOptions, 'reduce' | 'views' | 'rule' | 'score'>> {
  if (args.neuron !== undefined && args.class !== undefined)
    throw new InputError('--neuron: expected either --class or --neuron, got both.');
  if (args.neuron !== undefined && args.score !== 'scores')
    throw new InputError('--score: expected classes with it, got --neuron. Leave out one of them.');
  return {
    ...(args.neuron === undefined ? {} : { neuron: parseNeuron(args.neuron) }),
    score: parseChoice(args.score, SCORE_KINDS, '--score'),
    rule,
    views: Number(parseChoice(args.views, ['1', '10'] as const, '--views')) as 1 | 10,
    reduce: parseChoice(args.reduce, REDUCTIONS, '--reduce'),
    perChannel: args.channelsEach ?? false,
  };
}

const CHANNEL_NAMES = { rgb: ['red', 'green', 'blue'], bgr: ['blue', 'green', 'red'], grey: ['grey'] } as const;

/** `class 243, bull mastiff` or `unit conv1:3,5,5`; with its channel where each has a map. */
function nameOf(
  { class: k, neuron, channel }: SaliencyFrame,
  labels: readonly string[] | undefined,
  { channels }: Preprocess,
  called = className,
): string {
  const named = labels?.[k!] === undefined ? '' : `, ${called(labels, k!)}`;
  const what = neuron ? `unit ${neuron.tensor}:${neuron.at.join(',')}` : `class ${k}${named}`;
  return channel === null ? what : `${what}, ${CHANNEL_NAMES[channels][channel]}`;
}

function captionOf({ value, score, posterior, neuron, zero }: SaliencyFrame, name: string): string {
  const numbers = neuron ? `value ${value.toPrecision(4)}` : `score ${score!.toFixed(2)}, posterior ${formatShare(posterior!)}`;
  return `${name}\n${numbers}${zero ? '; zero everywhere' : ''}`;
}

/** What the picture's file says about how it was made. */
function metadata(
  photo: string,
  args: Arguments,
  rule: string,
  spec: Preprocess,
  frame: SaliencyFrame,
  name: string,
  { colours, range }: { readonly colours: Colours; readonly range: ColourRange },
): Record<string, string> {
  const formula =
    frame.channel === null
      ? REDUCTION_FORMULAS[args.reduce as Reduce]
      : args.reduce === 'signed'
        ? 'w of one channel'
        : '|w| of one channel';
  return {
    Title: `Saliency of ${name}`,
    Software: `backlight ${VERSION}`,
    Model: path.basename(args.model),
    Photo: path.basename(photo),
    Target: name,
    ...(frame.neuron
      ? { Value: String(frame.value) }
      : {
          Score: String(frame.score),
          Posterior: String(frame.posterior),
          Differentiated: { scores: 'score', posterior: 'posterior', logodds: 'log odds' }[args.score as ScoreKind],
        }),
    Rule: rule,
    Views: args.views,
    Reduction: formula,
    Preprocess: JSON.stringify(describePreprocess(spec)),
    Colours: colours,
    Clip: `percentile ${args.clip} of the magnitudes that are not zero`,
    Range: range.zero ? 'the map is zero everywhere' : `${range.low} to ${range.high}`,
  };
}

async function files(
  photo: string,
  args: Arguments,
  rule: string,
  picture: Picture,
  maps: readonly Shown[],
): Promise<(readonly [string, Content])[]> {
  const sheet: Omit<MapSheetOptions, 'kind'> = {
    title: `Saliency of ${path.basename(photo)}`,
    photoCaption: `${path.basename(photo)}\n${picture.width} x ${picture.height} pixels`,
    footer:
      `${path.basename(args.model)}, rule ${rule}, ` +
      `${args.views === '1' ? 'one view' : 'ten views averaged'}; ` +
      `${maps[0].text.Reduction}; colours end at percentile ${args.clip} of each map.`,
    ...(args.channelsEach ? { perRow: new Set(maps.map((map) => map.channel)).size } : {}),
  };
  const out: (readonly [string, Content])[] = [];
  if (args.output !== undefined) out.push([args.output, await pictureFile(maps, picture, { ...sheet, kind: 'map' })]);
  if (args.overlay !== undefined) out.push([args.overlay, await pictureFile(maps, picture, { ...sheet, kind: 'overlay' })]);
  if (args.raw !== undefined) out.push([args.raw, rawFile(maps)]);
  if (args.rank !== undefined) out.push([args.rank, rankFile(maps[0], path.extname(args.rank).toLowerCase() as '.csv' | '.npy')]);
  return out;
}

function mapReport(map: Shown, labels: readonly string[] | undefined): Record<string, unknown> {
  const { class: k, neuron, channel, value, score, posterior, zero, seen, range } = map;
  return {
    class: k ?? undefined,
    name: k === null || labels?.[k] === undefined ? undefined : className(labels, k),
    neuron: neuron ?? undefined,
    channel: channel ?? undefined,
    value,
    score: score ?? undefined,
    posterior: posterior ?? undefined,
    zero,
    seen,
    range: [range.low, range.high],
    peak: zero ? undefined : peakOf(map),
  };
}

/** The photo's pixel at which the map is furthest from zero. */
function peakOf({ frame, geometry }: Shown): { readonly x: number; readonly y: number; readonly value: number } {
  let best = 0;
  for (let i = 1; i < frame.data.length; i++) if (Math.abs(frame.data[i]) > Math.abs(frame.data[best])) best = i;
  const place = (i: number, { scale, offset }: { scale: number; offset: number }): number => Math.floor(scale * (i + 0.5) + offset);
  const width = frame.shape[1];
  return { x: place(best % width, geometry.x), y: place(Math.floor(best / width), geometry.y), value: frame.data[best] };
}

function print(maps: readonly Record<string, unknown>[], outputs: readonly (string | undefined)[]): void {
  const of = (value: unknown, digits: number): string => (value === undefined ? '' : (value as number).toFixed(digits));
  const rows = maps.map((map) => {
    const { neuron, peak } = map as { neuron?: Neuron; peak?: { x: number; y: number } };
    const target = neuron ? `${neuron.tensor}:${neuron.at.join(',')}` : String(map.class);
    const [, high] = map.range as [number, number];
    return [
      target,
      of(map.value, 4),
      of(map.posterior, 4),
      peak ? `${peak.x},${peak.y}` : '',
      high.toPrecision(3),
      (map.name as string) ?? '',
    ];
  });
  console.log(formatTable(['target', 'value', 'posterior', 'peak x,y', 'range', 'name'], rows));
  const seen = maps[0].seen as number;
  if (seen < 1) console.log(`the network saw ${(100 * seen).toFixed(1)} % of the photo; the maps are 0 on the rest`);
  const written = outputs.filter((file) => file !== undefined);
  if (written.length > 0) console.log(`written: ${written.join(', ')}`);
}
