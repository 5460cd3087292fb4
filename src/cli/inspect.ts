/** `backlight inspect`: what one image does in every layer, and any tensor, mask, switch map or signal of the network as a file. */
import { Command } from 'commander';
import path from 'node:path';
import { InputError } from '../errors.ts';
import { writeNpy } from '../formats/index.ts';
import { encodePng } from '../image/png.ts';
import { channelSheet } from '../inspect/channelSheet.ts';
import { EXPORT_KINDS, type ExportKind, type ExportRequest } from '../inspect/choose.ts';
import { inspect, type Exported } from '../inspect/inspect.ts';
import { formatShape } from '../tensor.ts';
import { VERSION } from '../version.ts';
import { collect, parseChoice, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments, type ResultHash } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { inspectionTables } from './inspectReport.ts';
import { MODEL_HELP } from './model.ts';
import { checkFolder, checkOutputs, makeFolder, StagedFiles } from './outputs.ts';
import { progress, type Progress } from './progress.ts';
import { peak, questionOf, titleOf, withQuestionOptions, type QuestionArguments } from './question.ts';
import { chosenRules, withRuleOptions, type RuleArguments } from './ruleOptions.ts';
import { adapterReport, loadQuestion, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments, PictureArguments, RuleArguments, QuestionArguments, HashArguments {
  readonly model: string;
  readonly input: string;
  readonly layer: readonly string[];
  readonly export: readonly string[];
  readonly format: string;
  readonly output?: string;
  readonly json?: string;
}

const FORMATS = ['npy', 'png', 'both'] as const;

export function inspectCommand(): Command {
  const command = new Command('inspect')
    .description(
      'What one image does in every layer: values, open and tied gates, winners of windows, and what becomes of a signal on its way down. ' +
        'Exports any tensor, mask, switch map or signal.',
    )
    .requiredOption('--model <file>', MODEL_HELP)
    .requiredOption('--input <file>', "input: .npy of the network's input shape, one item, or an image")
    .option('--layer <name>', 'a node, a tensor, or a pattern with * and ?; may be repeated (default: every layer)', collect, [])
    .option(
      '--export <kind:layer>',
      `what to write: ${EXPORT_KINDS.join(', ')}, of a layer or of all that a pattern reaches; may be repeated`,
      collect,
      [],
    )
    .option('--format <format>', `files of an export: ${FORMATS.join(', ')}`, 'both')
    .option('--output <folder>', 'where exports go: LAYER.KIND.npy and LAYER.KIND.png')
    .option('--json <file>', 'write every number as JSON');
  withPictureOptions(withDeviceOptions(withRuleOptions(withQuestionOptions(withHashOption(command))))).action(run);
  return withExample(
    command,
    'backlight inspect --model googlenet.onnx --input cat.jpg --preprocess caffe --target 282 --json cat.json',
    "backlight inspect --model default --input cat.jpg --layer 'pool*' --export 'switches:pool*' --export signal:conv1 --output cat/",
  );
}

async function run(args: Arguments): Promise<void> {
  const started = performance.now();
  const rules = await chosenRules(args);
  const question = questionOf(args);
  const format = parseChoice(args.format, FORMATS, '--format');
  const requests = args.export.map(parseExport);
  if (requests.length > 0 && args.output === undefined)
    throw new InputError('--export: expected --output with the folder to write to, got none.');
  if (requests.length === 0 && args.hash) throw new InputError('--hash: expected --export with what to hash, got none.');
  if (requests.length === 0 && args.output !== undefined) throw new InputError('--output: expected --export with what to write, got none.');
  await checkOutputs([{ option: '--json', file: args.json, extensions: ['.json'] }], [args.model, args.input]);
  if (args.output !== undefined) await checkFolder('--output', args.output, [args.model, args.input]);
  const { graph, parameters, input } = await loadQuestion(args.model, args.input, args);
  await withDevice(args, async (gpu) => {
    const staged = new StagedFiles();
    const names = new FileNames();
    const hashes: ResultHash[] = [];
    let bar: Progress | undefined;
    try {
      const inspection = await inspect(gpu, graph, parameters, input, {
        ...question,
        rule: rules.spec,
        layers: args.layer.length > 0 ? args.layer : undefined,
        exports: requests,
        onStop: (done, total) => (bar ??= progress(total, 'layers')).tick(done),
        onExport: async (exported) => {
          const { kind, node, tensor, data } = exported;
          hashes.push(...(hashesOf(args, () => [[`${kind} of ${kind === 'value' || kind === 'signal' ? tensor : node}`, data]]) ?? []));
          // Made late: a wrong name leaves no folder behind.
          if (names.all.length === 0) await makeFolder('--output', args.output!);
          for (const [file, bytes] of await filesOf(
            exported,
            format,
            `${path.basename(args.model)}, ${path.basename(args.input)}`,
            rules.words,
          )) {
            await staged.add(path.join(args.output!, names.take(file)), bytes);
          }
        },
      });
      bar?.stop();
      const title = titleOf(inspection);
      if (args.json !== undefined) {
        const report = { model: args.model, input: args.input, rule: rules.spec, adapter: adapterReport(gpu) };
        const cost = { seconds: Math.round(performance.now() - started) / 1000, residentPeakBytes: peak() };
        await staged.add(
          args.json,
          new TextEncoder().encode(
            `${JSON.stringify({ ...report, ...cost, ...inspection, files: names.all, hashes: args.hash ? hashes : undefined }, null, 1)}\n`,
          ),
        );
      }
      await staged.publish();
      console.log(`${rules.words} of ${title}, ${formatShape(input.shape)}\n\n${inspectionTables(inspection)}`);
      printHashes(hashes);
      if (inspection.unreached.length > 0)
        console.error(`warning: nothing to export, no signal comes by: ${inspection.unreached.join(', ')}`);
      const files = [...names.all.map((name) => path.join(args.output!, name)), ...(args.json === undefined ? [] : [args.json])];
      if (files.length > 0)
        console.log(`\nwritten: ${files.slice(0, 8).join(', ')}${files.length > 8 ? ` and ${files.length - 8} more` : ''}`);
    } catch (error) {
      await staged.discard();
      throw error;
    } finally {
      bar?.stop();
    }
  });
}

/** `KIND:LAYER`; the first colon separates, since names may hold colons. */
function parseExport(text: string): ExportRequest {
  const colon = text.indexOf(':');
  const layer = text.slice(colon + 1);
  if (colon < 1 || layer === '')
    throw new InputError(`--export: expected KIND:LAYER with one of ${EXPORT_KINDS.join(', ')}, got "${text}".`);
  return { kind: parseChoice<ExportKind>(text.slice(0, colon), EXPORT_KINDS, '--export'), layer };
}

async function filesOf(
  exported: Exported,
  format: (typeof FORMATS)[number],
  source: string,
  words: string,
): Promise<[string, Uint8Array][]> {
  const { kind, node, tensor, data } = exported;
  const base = `${(kind === 'value' || kind === 'signal' ? tensor : node).replace(/[^A-Za-z0-9._-]+/g, '_')}.${kind}`;
  const files: [string, Uint8Array][] = [];
  if (format !== 'png') files.push([`${base}.npy`, writeNpy(data)]);
  if (format !== 'npy') {
    const what = `${kind} of ${kind === 'value' || kind === 'signal' ? tensor : node}`;
    const rule = kind === 'signal' || kind === 'sent' ? words : undefined;
    const picture = await channelSheet(data, { title: rule === undefined ? what : `${what}, ${rule}`, kind, places: exported.places });
    const text = { Title: what, Software: `backlight ${VERSION}`, Source: source, ...(rule === undefined ? {} : { Rule: rule }) };
    files.push([`${base}.png`, await encodePng(picture, text)]);
  }
  return files;
}

/** Names of files that differ, even where case does not count. */
class FileNames {
  readonly all: string[] = [];
  readonly #taken = new Set<string>();

  /** The name, with a number if another layer's name comes to the same. */
  take(file: string): string {
    let own = file;
    for (let n = 2; this.#taken.has(own.toLowerCase()); n++) own = file.replace(/(\.[a-z]+\.[a-z]+)$/, `-${n}$1`);
    this.#taken.add(own.toLowerCase());
    this.all.push(own);
    return own;
  }
}
