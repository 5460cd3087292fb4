/** `backlight demo`: everything at once, on a photo that comes along or on one of yours, with the network that comes along. */
import path from 'node:path';
import { Command } from 'commander';
import { formatAdapter } from '../gpu/device.ts';
import { decodeImage, type Picture } from '../image/decode.ts';
import { pictureSpec } from '../image/modelInput.ts';
import { channelCount } from '../image/preprocess.ts';
import type { Graph } from '../graph.ts';
import { findClass, shortClassName } from '../models/labels.ts';
import { Network } from '../network.ts';
import { size } from '../tensor.ts';
import { demonstrate, demoRecipe, look, type Demonstration } from '../visualise/demo.ts';
import { demoSheet, type Stranger } from '../visualise/demoSheet.ts';
import { withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { classCount } from './classes.ts';
import { demoFiles, type Shown } from './demoFiles.ts';
import { AEROPLANE, MANDRILL, type PackagedPhoto } from './demoPhotos.ts';
import { demoReport, printDemo } from './demoReport.ts';
import { readBytes } from './files.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { labelsFor } from './labels.ts';
import { MODEL_HELP, openModel } from './model.ts';
import { checkFolder, makeFolder, writeTogether } from './outputs.ts';
import { progress } from './progress.ts';
import { adapterReport, printJson, warnNonFinite, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments, PictureArguments {
  readonly model: string;
  readonly class?: string;
  readonly labels?: string;
  readonly output: string;
  readonly json?: boolean;
}

/** For the photo, of which the class model takes what is left: the whole demo is to take less than a minute. */
const SECONDS = 40;

export function demoCommand(): Command {
  const command = new Command('demo')
    .description(
      'Everything at once, on one page: what the network sees in a photo and where, the four ReLU rules, the object, a class model.',
    )
    .argument('[photo]', 'PNG, JPEG, WebP, GIF or TIFF (default: a mandrill, and an aeroplane that is none of the classes)')
    .option('-o, --output <folder>', 'where the pictures go; it is made if need be', 'backlight-demo')
    .option('--model <model>', MODEL_HELP, 'default')
    .option('--class <class>', 'what to look for: number, name, WordNet id or top1 (default: top1; in the mandrill its own class)')
    .option('--labels <file>', "class names, one a line (default: those of the model's card)")
    .option('--json', 'print a report as JSON');
  withPictureOptions(withDeviceOptions(command)).action(run);
  return withExample(
    command,
    'backlight demo',
    'backlight demo cat.jpg --class "Persian cat" --output cat',
    'backlight demo cat.jpg --model googlenet.onnx --preprocess caffe --labels synset_words.txt',
  );
}

async function run(file: string | undefined, args: Arguments): Promise<void> {
  const started = performance.now();
  const model = await openModel(args.model);
  const labels = await labelsFor(model, args.labels);
  const spec = pictureSpec(model, args);
  const { graph, parameters } = model.at({ [model.input.name]: [1, channelCount(spec.channels), ...spec.size] });
  const count = classCount(graph);
  const shows = file === undefined ? classOf(MANDRILL, labels) : undefined;
  const wanted = args.class === undefined ? (shows ?? 'top1') : args.class === 'top1' ? 'top1' : findClass(args.class, labels, count);
  const photo = file === undefined ? await MANDRILL.bytes() : await readBytes(file, 'photo');
  const picture = await decodeImage(photo);
  const inputs = [model.path, ...[file, args.labels].filter((one) => one !== undefined)];
  await checkFolder('--output', args.output, inputs);
  // Of a network that may know aeroplanes it cannot be said that this one is none of its classes.
  const known = labels === undefined || labels.some((label) => AEROPLANE.classes.test(label));
  const strange = file === undefined && !known ? await decodeImage(await AEROPLANE.bytes()) : undefined;
  const name = (k: number): string => shortClassName(labels, k);

  await withDevice(args, async (gpu) => {
    const network = new Network(gpu, graph, parameters);
    let bar: ReturnType<typeof progress> | undefined;
    try {
      const onStage = (stage: string, done: number, total: number): void => (bar ??= progress(total, 'demo')).tick(done, stage);
      const demo = await demonstrate(network, picture, spec, { class: wanted, seconds: SECONDS, onStage });
      const stranger = strange && (await strangerOf(network, strange, spec));
      bar?.stop();
      warn(demo, name, demoRecipe(spec.size).iterations);
      const shown: Shown = {
        demo,
        stranger,
        photo: file === undefined ? MANDRILL.file : path.basename(file),
        model: path.basename(model.path, path.extname(model.path)),
        spec,
        labels,
      };
      const sheet = await demoSheet(demo, {
        title: `What ${shown.model} sees in ${file === undefined ? MANDRILL.shows : shown.photo}`,
        subtitle: `${shown.model}: ${describeNetwork(graph)}, ${spec.size.join(' x ')} pixels in, ${count} classes out.`,
        photo: shown.photo,
        spec,
        name,
        stranger,
      });
      const files = await demoFiles(shown, sheet, args.output);
      await makeFolder('--output', args.output);
      await writeTogether(files.map(({ file: to, content }) => [to, content] as const));
      const seconds = (performance.now() - started) / 1000;
      if (args.json) {
        const cost = { seconds, adapter: adapterReport(gpu) };
        printJson({ model: args.model, photo: file ?? MANDRILL.file, shows, ...demoReport(shown, files), ...cost });
      } else {
        printDemo(shown, files, file === undefined ? MANDRILL.credit : undefined, shows);
        console.log(`\n${seconds.toFixed(1)} s on ${formatAdapter(gpu.info)}. Next${file === undefined ? ', with a photo of yours' : ''}:`);
        for (const next of furtherCommands(file, args)) console.log(`  npx backlight ${next}`);
      }
    } finally {
      bar?.stop();
      await network.dispose();
    }
  });
}

/** The one class of a network that says what a photo shows. */
function classOf({ classes }: PackagedPhoto, labels: readonly string[] = []): number | undefined {
  const found = [...labels.keys()].filter((k) => classes.test(labels[k]));
  return found.length === 1 ? found[0] : undefined;
}

async function strangerOf(network: Network, photo: Picture, spec: Shown['spec']): Promise<Stranger> {
  const shows = `${AEROPLANE.shows[0].toUpperCase()}${AEROPLANE.shows.slice(1)}`;
  return { look: await look(network, photo, spec), title: shows, note: `by ${AEROPLANE.by}` };
}

/** `8 weight layers, 1.9 million weights`. */
function describeNetwork({ nodes, parameters }: Graph): string {
  const layers = nodes.filter(({ op }) => op === 'conv2d' || op === 'linear').length;
  const weights = parameters.reduce((sum, { shape }) => sum + size(shape), 0);
  const many = weights < 1e6 ? `${Math.round(weights / 1e3)} thousand` : `${(weights / 1e6).toFixed(1)} million`;
  return `${layers} weight layers, ${many} weights`;
}

function warn({ maps, object, chosen, model }: Demonstration, name: (k: number) => string, wanted: number): void {
  for (const map of maps) {
    warnNonFinite(`the map of ${name(map.class!)}`, map.frame);
    if (map.zero)
      console.error(`warning: the map of ${name(map.class!)} is zero everywhere and drawn flat: no open path leads to its score.`);
  }
  if (object.reason !== null)
    console.error(`warning: no object was found for ${name(chosen.class)}: ${object.reason}. No cut-out is written.`);
  const { iterations } = model.recipe;
  if (iterations < wanted) console.error(`warning: the class model took ${iterations} iterations in place of ${wanted}, for time.`);
}

/** What to try next, on the same photo or on one that is made up, with the options as they were typed. */
function furtherCommands(file: string | undefined, args: Arguments): string[] {
  const names = ['labels', 'preprocess', 'size', 'fit', 'resize', 'cut', 'channels', 'scale', 'mean', 'std'] as const;
  const typed = names.flatMap((option) => (args[option] === undefined ? [] : [`--${option} ${quoted(args[option])}`]));
  const given = [`--model ${quoted(args.model)}`, ...typed].join(' ');
  const photo = quoted(file ?? 'cat.jpg');
  return [
    file === undefined ? `demo ${photo}${given === '--model default' ? '' : ` ${given}`}` : `compare ${photo} ${given} --output rules.png`,
    `saliency ${photo} ${given} --class top5 --overlay maps.png`,
    `localise ${photo} ${given} --cutout object.png`,
  ];
}

/** As a shell takes it. */
const quoted = (text: string): string => (/^[\w./,:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
