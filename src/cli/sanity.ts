/** `backlight sanity`: what is left of a saliency map once the weights that it should explain are random. */
import path from 'node:path';
import { Command } from 'commander';
import { InputError } from '../errors.ts';
import { DEFAULT_CLIP } from '../image/colour.ts';
import { describePreprocess } from '../image/preprocess.ts';
import { encodePng } from '../image/png.ts';
import { className, findClass, shortClassName } from '../models/labels.ts';
import { Network } from '../network.ts';
import { RULES, ruleSpec } from '../rule.ts';
import { isRulePreset, RULE_PRESETS } from '../rulePresets.ts';
import type { Tensor } from '../tensor.ts';
import { VERSION } from '../version.ts';
import { BASELINES } from '../visualise/baselines.ts';
import { DRAWS } from '../visualise/randomise.ts';
import { REDUCTION_FORMULAS, REDUCTIONS } from '../visualise/reduce.ts';
import { sanityChecks, type Likeness, type NamedRule, type Sanity, type Stage } from '../visualise/sanity.ts';
import { sanityCurve, sanitySheet } from '../visualise/sanitySheet.ts';
import { brief, conclusions } from '../visualise/sanityWords.ts';
import { parseChoice, parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { classCount } from './classes.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { MODEL_HELP } from './model.ts';
import { checkFolder, checkOutputs, makeFolder, writeTogether, type Content } from './outputs.ts';
import { loadPhoto } from './photo.ts';
import { progress } from './progress.ts';
import { chosenRules, withRuleAxes, type RuleArguments } from './ruleOptions.ts';
import { costReport, formatTable, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments, PictureArguments, Omit<RuleArguments, 'rule'>, HashArguments {
  readonly model: string;
  readonly target: string;
  readonly labels?: string;
  readonly rules: string;
  readonly draw: string;
  readonly seed: string;
  readonly steps?: string;
  readonly independent?: boolean;
  readonly others: string;
  readonly reduce: string;
  readonly output?: string;
  readonly json?: string;
}

export function sanityCommand(): Command {
  const command = new Command('sanity')
    .description(
      'Sanity checks of saliency maps (Adebayo et al. 2018): the map under each rule while the weights are drawn at random, layer by layer from the last.',
    )
    .argument('<photo>', 'PNG, JPEG, WebP, GIF or TIFF')
    .requiredOption('--model <file>', MODEL_HELP)
    .option('--target <class>', 'number, name, WordNet id or top1', 'top1')
    .option('--labels <file>', "class names, one a line (default: those of the model's card)")
    .option('--rules <rules>', "ReLU's rules and presets to compare, separated by commas", RULES.join(','))
    .option(
      '--draw <how>',
      'new weights: initial (as before training), matched (mean and deviation of the old), shuffled (the old ones)',
      'initial',
    )
    .option('--seed <n>', 'of everything drawn at random', '1')
    .option('--steps <n>', 'steps of the cascade, layers dealt out evenly (default: one for each layer with weights)')
    .option('--independent', 'also the layers of each step alone, the others as trained')
    .option('--others <n|classes>', 'maps of other classes to compare with: so many drawn at random, or classes as 17,tabby', '4')
    .option('--reduce <how>', 'magnitudes over channels: max, l2 or sum', 'max')
    .option('-o, --output <folder>', 'for sheet.png, curve.svg and report.json')
    .option('--json <file>', 'write the report to this file; - for standard output');
  withPictureOptions(withDeviceOptions(withRuleAxes(withHashOption(command)))).action(run);
  return withExample(
    command,
    'backlight sanity cat.jpg --model squeezenet --output sanity',
    'backlight sanity cat.jpg --model googlenet --target "tiger cat" --steps 10 --rules gradient,guided,torchray-guided --json report.json',
  );
}

async function run(photo: string, args: Arguments): Promise<void> {
  const started = performance.now();
  const draw = parseChoice(args.draw, DRAWS, '--draw');
  const reduce = parseChoice(
    args.reduce,
    REDUCTIONS.filter((how) => how !== 'signed'),
    '--reduce',
  );
  const seed = parseInteger(args.seed, '--seed');
  const rules = await parseRules(args);
  const inputs = [args.model, photo, ...(args.labels === undefined ? [] : [args.labels])];
  if (args.output !== undefined) await checkFolder('--output', args.output, inputs);
  const toStdout = args.json === '-';
  await checkOutputs([{ option: '--json', file: toStdout ? undefined : args.json, extensions: ['.json'] }], inputs);
  const { picture, spec, labels, graph, parameters } = await loadPhoto(photo, args);
  const classes = classCount(graph);
  const named = (text: string): number => findClass(text, labels, classes);
  const name = (k: number): string => (labels?.[k] === undefined ? `class ${k}` : shortClassName(labels, k));
  const options = {
    class: args.target === 'top1' ? ('top1' as const) : named(args.target),
    rules,
    draw,
    seed,
    ...(args.steps === undefined ? {} : { steps: parseInteger(args.steps, '--steps', 1) }),
    independent: args.independent ?? false,
    others: parseOthers(args.others, named),
    reduce,
    clip: DEFAULT_CLIP,
  };
  await withDevice(args, async (gpu) => {
    const network = new Network(gpu, graph, parameters, rules.length);
    let bar: ReturnType<typeof progress> | undefined;
    try {
      const onPass = (done: number, total: number): void => (bar ??= progress(total, 'passes')).tick(done);
      const sanity = await sanityChecks(network, parameters, picture, spec, { ...options, onPass });
      bar?.stop();
      const sentences = conclusions(sanity);
      const what = `${name(sanity.class)}, score ${sanity.score.toFixed(2)}`;
      const hashes = hashesOf(args, () => mapsOf(sanity));
      const report = {
        model: args.model,
        photo,
        preprocess: describePreprocess(spec),
        class: sanity.class,
        name: labels?.[sanity.class] === undefined ? undefined : className(labels, sanity.class),
        score: sanity.score,
        draw,
        seed,
        reduce,
        clip: DEFAULT_CLIP,
        ...numbersOf(sanity),
        conclusions: sentences,
        hashes,
        ...costReport(gpu, network, started),
      };
      const json = new TextEncoder().encode(`${JSON.stringify(report, null, 2)}\n`);
      const files: (readonly [string, Content])[] = [];
      if (args.output !== undefined) {
        const title = `Sanity checks: ${what}, in ${path.basename(photo)}`;
        const drawing =
          `${path.basename(args.model)}; weights drawn anew: ${draw}, seed ${seed}. Maps: ${REDUCTION_FORMULAS[reduce]}, colours end at percentile ` +
          `${DEFAULT_CLIP} of each map. |ρ|: Spearman's rank correlation of these with the original; SSIM: of these as drawn.`;
        const sheet = await sanitySheet(sanity, { title, footer: `${drawing}\n${sentences.join('\n')}`, name, clip: DEFAULT_CLIP });
        const text = {
          Title: title,
          Software: `backlight ${VERSION}`,
          Model: path.basename(args.model),
          Photo: path.basename(photo),
          Rules: rules.map((rule) => rule.name).join(', '),
          Draw: `${draw}, seed ${seed}`,
          Preprocess: JSON.stringify(describePreprocess(spec)),
          Conclusions: sentences.join('\n'),
        };
        const curve = sanityCurve(sanity, { title, subtitle: `${path.basename(args.model)}; weights drawn anew: ${draw}, seed ${seed}` });
        await makeFolder('--output', args.output);
        files.push(
          [path.join(args.output, 'sheet.png'), await encodePng(sheet, text)],
          [path.join(args.output, 'curve.svg'), new TextEncoder().encode(curve)],
          [path.join(args.output, 'report.json'), json],
        );
      }
      if (args.json !== undefined && !toStdout) files.push([args.json, json]);
      await writeTogether(files);
      if (toStdout) process.stdout.write(json);
      else {
        const written = files.map(([file]) => file);
        print(sanity, what, name, sentences, written);
        printHashes(hashes);
      }
    } finally {
      bar?.stop();
      await network.dispose();
    }
  });
}

/** Each rule's map as trained, and the one of the last stage where it was kept. */
function mapsOf({ rules, cascade }: Sanity): (readonly [string, Tensor])[] {
  const last = cascade.at(-1);
  return rules.flatMap(({ name, map }, r) => {
    const random = last?.rules[r].map ?? null;
    const trained = [`map under ${name}, as trained`, map] as const;
    return random === null ? [trained] : [trained, [`map under ${name}, ${last!.random} layers random`, random] as const];
  });
}

/** Rules of ReLU and presets, each with the other axes of the options. */
async function parseRules(args: Arguments): Promise<NamedRule[]> {
  const names = args.rules.split(',').map((name) => name.trim());
  const known = [...RULES, ...Object.keys(RULE_PRESETS)];
  const unknown = names.find((name) => !(RULES as readonly string[]).includes(name) && !isRulePreset(name));
  if (unknown !== undefined || new Set(names).size < names.length) {
    throw new InputError(`--rules: expected distinct rules among ${known.join(', ')}, got "${args.rules}".`);
  }
  const rules: NamedRule[] = [];
  for (const name of names) rules.push({ name, spec: ruleSpec((await chosenRules({ ...args, rule: name })).spec) });
  return rules;
}

/** `4`: so many; `17,`, `17,tabby`: these. A list of one number ends in a comma. */
function parseOthers(text: string, named: (text: string) => number): number | number[] {
  if (/^\s*\d+\s*$/.test(text)) return parseInteger(text, '--others');
  const parts = text.split(',').map((part) => part.trim());
  return parts.filter((part, k) => part !== '' || k < parts.length - 1).map(named);
}

/** The checks without their maps. */
function numbersOf({ layers, rules, cascade, independent, others }: Sanity): Record<string, unknown> {
  const byRule = <T>(of: (r: number) => T): Record<string, T> => Object.fromEntries(rules.map(({ name }, r) => [name, of(r)]));
  const stage = ({ layers, random, rules }: Stage) => ({
    layers,
    random,
    rules: byRule((r) => ({ ...rules[r].likeness, zero: rules[r].zero })),
  });
  return {
    layers,
    rules: byRule((r) => rules[r].spec),
    cascade: cascade.map(stage),
    independent: independent.length > 0 ? independent.map(stage) : undefined,
    others: others.map(({ class: k, rules }) => ({ class: k, rules: byRule((r) => ({ ...rules[r].likeness, zero: rules[r].zero })) })),
    baselines: byRule((r) => rules[r].baselines),
  };
}

const LEGEND =
  "|rho|: Spearman's rank correlation of the magnitudes with those of the original map; rho: of the signed maps, the sum over channels;\n" +
  'SSIM: structural similarity of the magnitudes, 11 x 11 Gaussian window, as they are drawn. - : not defined, as where nothing arrives.';

function print(sanity: Sanity, what: string, name: (k: number) => string, sentences: readonly string[], written: readonly string[]): void {
  const { rules, cascade, independent, others } = sanity;
  const header = (first: string): string[] => [first, '', ...rules.flatMap((rule) => [`${rule.name} |rho|`, 'rho', 'SSIM'])];
  const cells = ({ absolute, signed, ssim }: Likeness): string[] => [brief(absolute), brief(signed), brief(ssim)];
  const stages = (list: readonly Stage[]): string[][] =>
    list.map(({ layers, random, rules }) => [
      String(random),
      layers.length > 1 ? `${layers[0]} to ${layers.at(-1)}` : layers[0],
      ...rules.flatMap(({ likeness }) => cells(likeness)),
    ]);
  console.log(`${what}\n\n${formatTable(header('random'), stages(cascade))}\n`);
  if (independent.length > 0) console.log(`${formatTable(header('alone'), stages(independent))}\n`);
  const rest = [
    ...others.map(({ class: k, rules }) => ['class', name(k), ...rules.flatMap(({ likeness }) => cells(likeness))]),
    ...BASELINES.map((base) => ['base', base, ...rules.flatMap(({ baselines }) => cells(baselines[base].original))]),
  ];
  console.log(`${formatTable(header(''), rest)}\n\n${LEGEND}\n\n${sentences.join('\n')}`);
  if (written.length > 0) console.log(`written: ${written.join(', ')}`);
}
