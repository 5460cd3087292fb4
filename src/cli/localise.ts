/**
 * `backlight localise`: where a photo holds an object of a class, cut out of it, from a classifier that was never told where anything is.
 */
import path from 'node:path';
import { Command } from 'commander';
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import { encodePng, encodePngRows } from '../image/png.ts';
import { describePreprocess, type Preprocess } from '../image/preprocess.ts';
import { sheet, type Cell, type Row } from '../image/sheet.ts';
import { classTitle, className } from '../models/labels.ts';
import { Network } from '../network.ts';
import { DEFAULT_PRESET, GRAPHCUT_PRESETS, parsePreset, PRESET_NAMES } from '../segment/presets.ts';
import { VERSION } from '../version.ts';
import { cutoutRows, framed, maskRows } from '../visualise/cutout.ts';
import { atMost, localise, type Localisation } from '../visualise/localise.ts';
import { parseChoice, parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { classCount, parseClasses } from './classes.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { MODEL_HELP } from './model.ts';
import { checkOutputs, writeTogether, type Content } from './outputs.ts';
import { chosenRules, withRuleOptions, type RuleArguments } from './ruleOptions.ts';
import { loadPhoto } from './photo.ts';
import { costReport, formatTable, printJson, warnNonFinite, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments, PictureArguments, RuleArguments, HashArguments {
  readonly model: string;
  readonly class?: string;
  readonly top?: string;
  readonly labels?: string;
  readonly preset: string;
  readonly views: string;
  readonly seed: string;
  readonly mask?: string;
  readonly cutout?: string;
  readonly overlay?: string;
  readonly json?: boolean;
}

/** The framed photo is drawn with at most so many pixels, those of a sheet with as many as fill a cell. */
const OVERLAY_PIXELS = 2 ** 22;
const CELL_PIXELS = 320 * 320;

export function localiseCommand(): Command {
  const command = new Command('localise')
    .description(
      "Where a photo holds an object of a class: the class's saliency map seeds a minimum cut, and the largest component is the object.",
    )
    .argument('<photo>', 'PNG, JPEG, WebP, GIF or TIFF')
    .requiredOption('--model <file>', MODEL_HELP)
    .option('--class <classes>', 'number, name, WordNet id, top1 or top5; several separated by commas (default: top1)')
    .option('--top <n>', 'in place of --class: 1, or 5 for the best five')
    .option('--labels <file>', "class names, one a line (default: those of the model's card)")
    .option('--preset <name>', `recipe of the cut: ${PRESET_NAMES.join(', ')}`, DEFAULT_PRESET)
    .option('--views <n>', '1, or 10: four corners and centre of a larger resize, each also mirrored, averaged', '1')
    .option('--seed <n>', 'of the random start that some presets have', '0')
    .option('--mask <mask.png>', "the object in white on black, at the photo's size; of several classes one file each, mask.CLASS.png")
    .option('--cutout <cutout.png>', 'the object with transparency around it, cropped to its extent; of several classes one file each')
    .option('--overlay <overlay.png>', 'the object, its contour and its box in the dimmed photo; of several classes a labelled sheet')
    .option('--json', 'print a report as JSON');
  withPictureOptions(withDeviceOptions(withRuleOptions(withHashOption(command)))).action(run);
  return withExample(
    command,
    'backlight localise swan.jpg --model googlenet.onnx --preprocess caffe --cutout swan.png',
    'backlight localise cat_dog.png --model googlenet.onnx --preprocess caffe --labels synset_words.txt --class "bull mastiff" --overlay dog.png',
    'backlight localise photo.jpg --model googlenet.onnx --preprocess caffe --top 5 --preset grabcut --overlay sheet.png --json',
  );
}

async function run(photo: string, args: Arguments): Promise<void> {
  const started = performance.now();
  if (args.top !== undefined && args.class !== undefined) throw new InputError('--top: expected either --class or --top, got both.');
  const wanted = args.top === undefined ? (args.class ?? 'top1') : `top${parseChoice(args.top, ['1', '5'] as const, '--top')}`;
  const rules = await chosenRules(args);
  const options = {
    preset: parsePreset(args.preset),
    rule: rules.spec,
    views: Number(parseChoice(args.views, ['1', '10'] as const, '--views')) as 1 | 10,
    seed: parseInteger(args.seed, '--seed'),
  };
  const outputs = [
    { option: '--mask', file: args.mask, extensions: ['.png'] },
    { option: '--cutout', file: args.cutout, extensions: ['.png'] },
    { option: '--overlay', file: args.overlay, extensions: ['.png'] },
  ];
  const inputs = [args.model, photo, ...(args.labels === undefined ? [] : [args.labels])];
  await checkOutputs(outputs, inputs);
  const { picture, spec, labels, graph, parameters } = await loadPhoto(photo, args);
  const classes = parseClasses(wanted, labels, classCount(graph));

  await withDevice(args, async (gpu) => {
    const network = new Network(gpu, graph, parameters);
    try {
      const found = await localise(network, picture, spec, { ...options, classes });
      const named = found.map((one): Named => ({ ...one, name: classTitle(labels, one.class) }));
      for (const { name, saliency, reason } of named) {
        warnNonFinite(`the map of ${name}`, saliency.frame);
        if (reason !== null) console.error(`warning: nothing was found for ${name}: ${reason}.`);
      }
      const files = outputFiles(named, picture, args, (one) => metadata(photo, args, rules.words, spec, one));
      // The names of several classes' files are known only now.
      await checkOutputs(
        files.map(({ option, file }) => ({ option, file, extensions: ['.png'] })),
        inputs,
      );
      const drawn =
        args.overlay === undefined ? [] : [[args.overlay, await overlayFile(photo, args, rules.words, named, picture, spec)] as const];
      await writeTogether([...files.map(({ file, content }) => [file, content] as const), ...drawn]);
      const hashes = hashesOf(args, () =>
        named.flatMap(({ name, saliency, cut, extents }) => [
          [`map of ${name}, on the input`, saliency.frame] as const,
          [`component of ${name}, 1 inside`, { shape: extents, data: Int32Array.from(cut.component) }] as const,
        ]),
      );
      const report = {
        model: args.model,
        photo: { file: photo, width: picture.width, height: picture.height },
        preprocess: describePreprocess(spec),
        ...options,
        objects: named.map((one) => objectReport(one, labels)),
        outputs: [...files.map(({ file }) => file), ...drawn.map(([file]) => file)],
        hashes,
        ...costReport(gpu, network, started),
      };
      if (args.json) printJson(report);
      else {
        print(named, labels, report.outputs);
        printHashes(hashes);
      }
    } finally {
      await network.dispose();
    }
  });
}

/** A localisation and what to call its class. */
interface Named extends Localisation {
  readonly name: string;
}

/** Masks and cut-outs: of one class under the name that was given, of several with the class before the extension. */
function outputFiles(
  found: readonly Named[],
  picture: Picture,
  args: Arguments,
  text: (one: Named) => Record<string, string>,
): { readonly option: string; readonly file: string; readonly content: Content | AsyncIterable<Uint8Array> }[] {
  const nameFor = (file: string, { class: k }: Named): string =>
    found.length === 1 ? file : `${file.slice(0, -path.extname(file).length)}.${k}${path.extname(file)}`;
  return found.flatMap((one) => {
    const files = [];
    if (args.mask !== undefined)
      files.push({ option: '--mask', file: nameFor(args.mask, one), content: encodePngRows(maskRows(one, picture), text(one)) });
    const cutout = args.cutout === undefined ? null : cutoutRows(one, picture);
    if (args.cutout !== undefined && cutout === null)
      console.error(`warning: no cut-out of ${one.name} is written, since nothing was found.`);
    if (cutout !== null) {
      const { x0, y0, x1, y1 } = cutout.crop;
      const content = encodePngRows(cutout, { ...text(one), Crop: [x0, y0, x1, y1].join(',') });
      files.push({ option: '--cutout', file: nameFor(args.cutout!, one), content });
    }
    return files;
  });
}

async function overlayFile(
  photo: string,
  args: Arguments,
  rule: string,
  found: readonly Named[],
  picture: Picture,
  spec: Preprocess,
): Promise<Uint8Array> {
  if (found.length === 1) return encodePng(framed(found[0], picture, OVERLAY_PIXELS), metadata(photo, args, rule, spec, found[0]));
  const cells: Cell[] = [
    { picture: atMost(picture, CELL_PIXELS), caption: `${path.basename(photo)}\n${picture.width} x ${picture.height} pixels` },
    ...found.map((one): Cell => ({ picture: framed(one, picture, CELL_PIXELS), caption: captionOf(one) })),
  ];
  const across = cells.length <= 4 ? cells.length : Math.ceil(cells.length / Math.ceil(cells.length / 4));
  const rows: Row[] = [];
  for (let i = 0; i < cells.length; i += across) rows.push({ cells: cells.slice(i, i + across) });
  const drawn = await sheet(rows, {
    title: `Objects in ${path.basename(photo)}`,
    footer: `${path.basename(args.model)}, rule ${rule}, ${args.views === '1' ? 'one view' : 'ten views averaged'}; GraphCut preset ${args.preset}.`,
    cell: [Math.max(160, ...cells.map((cell) => cell.picture.width)), Math.max(...cells.map((cell) => cell.picture.height))],
  });
  return encodePng(drawn, {
    Title: `Objects in ${path.basename(photo)}`,
    Objects: found.map((one) => JSON.stringify(metadata(photo, args, rule, spec, one))).join('\n'),
  });
}

function captionOf({ name, score, posterior, reason }: Named): string {
  return `${name}\nscore ${score.toFixed(2)}, posterior ${posterior.toFixed(3)}${reason === null ? '' : `; ${reason}`}`;
}

/** What a picture's file says about how it was made. */
function metadata(
  photo: string,
  args: Arguments,
  rule: string,
  spec: Preprocess,
  { name, score, posterior, box, reason, cut }: Named,
): Record<string, string> {
  return {
    Title: `Object of ${name}`,
    Software: `backlight ${VERSION}`,
    Model: path.basename(args.model),
    Photo: path.basename(photo),
    Target: name,
    Score: String(score),
    Posterior: String(posterior),
    Rule: rule,
    Views: args.views,
    Preset: args.preset,
    Map: GRAPHCUT_PRESETS[parsePreset(args.preset)].map,
    Seed: args.seed,
    Preprocess: JSON.stringify(describePreprocess(spec)),
    Box: box === null ? `none: ${reason}` : [box.x0, box.y0, box.x1, box.y1].join(','),
    ...(cut.certificate === null ? {} : { Cut: `flow ${cut.certificate.flow}, capacity ${cut.certificate.cut}` }),
  };
}

function objectReport(
  { class: k, score, posterior, box, reason, cut, extents, saliency }: Named,
  labels: readonly string[] | undefined,
): Record<string, unknown> {
  return {
    class: k,
    name: labels?.[k] === undefined ? undefined : className(labels, k),
    score,
    posterior,
    box,
    reason: reason ?? undefined,
    area: shareOf(cut.component),
    maskArea: shareOf(cut.mask),
    seen: saliency.seen,
    cutAt: cut.size,
    maskAt: extents,
    certificate: cut.certificate,
  };
}

const shareOf = (mask: Uint8Array): number => mask.reduce((sum, side) => sum + side, 0) / mask.length;

function print(found: readonly Named[], labels: readonly string[] | undefined, written: readonly string[]): void {
  const rows = found.map(({ class: k, score, posterior, box, cut }) => [
    k,
    score.toFixed(4),
    posterior.toFixed(4),
    box === null ? 'none' : [box.x0, box.y0, box.x1, box.y1].join(','),
    `${(100 * shareOf(cut.component)).toFixed(1)}%`,
    ...(labels === undefined ? [] : [className(labels, k)]),
  ]);
  console.log(formatTable(['class', 'score', 'posterior', 'box x0,y0,x1,y1', 'area', ...(labels === undefined ? [] : ['name'])], rows));
  if (written.length > 0) console.log(`written: ${written.join(', ')}`);
}
