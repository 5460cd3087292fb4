/** `backlight certify`: one gradient, with every deviation from f64 traced to rounding or to a decision that rounding leaves open. */
import { Command } from 'commander';
import { formatShape } from '../tensor.ts';
import type { OpenDecision } from '../reference/ambiguity.ts';
import { typeGraph, valueInfo, type Graph } from '../graph.ts';
import { certify, type Certificate } from '../verify/certify.ts';
import type { GradientError } from '../verify/gradcheck.ts';
import { parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { withPictureOptions, type PictureArguments } from './input.ts';
import { MODEL_HELP } from './model.ts';
import { chosenRules, withRuleOptions, type RuleArguments } from './ruleOptions.ts';
import { seedFor, type SeedArguments } from './seeds.ts';
import { adapterReport, CheckFailed, formatTable, loadQuestion, printJson, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments, PictureArguments, RuleArguments, SeedArguments, HashArguments {
  readonly model: string;
  readonly input: string;
  readonly list: string;
  readonly json?: boolean;
}

export function certifyCommand(): Command {
  const command = new Command('certify')
    .description(
      'Certifies one gradient: f32 on the device against f64, the decisions (signs of ReLU, winners of windows) in which they differ, and what those do.',
    )
    .requiredOption('--model <file>', MODEL_HELP)
    .requiredOption('--input <file>', "input: .npy of the network's input shape, or an image")
    .option('--target <class>', 'class of the score to differentiate, or top1 (default: top1)')
    .option('--neuron <tensor:c,y,x>', 'one unit of any tensor instead of a class; TENSOR:k for a vector')
    .option('--list <n>', 'how many decisions to list, those that differ first', '12')
    .option('--json', 'print the certificate as JSON');
  withPictureOptions(withDeviceOptions(withRuleOptions(withHashOption(command)))).action(run);
  return withExample(
    command,
    'backlight certify --model googlenet.onnx --input cat.jpg --preprocess caffe --target 282',
    'backlight certify --model default --input mandrill.png --rule zeiler-fergus --json',
  );
}

async function run(args: Arguments): Promise<void> {
  const rules = await chosenRules(args);
  const limit = parseInteger(args.list, '--list');
  const { input, graph, parameters } = await loadQuestion(args.model, args.input, args);
  await withDevice(args, async (gpu) => {
    const question = await seedFor(gpu, { graph, parameters }, input, args);
    const { target, seed } = question;
    const certificate = await certify(gpu, graph, parameters, input, { target, seed, rule: rules.spec, limit, onStage: stages(args.json) });
    const hashes = hashesOf(args, () => [['gradient', certificate.gradient]]);
    if (args.json) {
      const { layers, gradient: _, ...rest } = certificate;
      const checked = layers.map(({ node, op, forward, backward, passed }) => ({
        node,
        op,
        forward: forward?.worst ?? null,
        backward: backward?.worst ?? null,
        passed,
      }));
      const asked = { model: args.model, input: args.input, tensor: target, class: question.class, neuron: args.neuron, rule: rules.spec };
      printJson({ adapter: adapterReport(gpu), ...asked, ...rest, layers: checked, hashes });
    } else {
      print(certificate, graph, `${rules.words} of ${question.title}`);
      printHashes(hashes);
    }
    if (!certificate.certified) throw new CheckFailed();
  });
}

/** What is being done, on a terminal's stderr. */
function stages(quiet: boolean | undefined): ((stage: string, done: number, total: number) => void) | undefined {
  if (quiet || !process.stderr.isTTY) return undefined;
  return (stage, done, total) =>
    process.stderr.write(`\r\x1b[K${stage}${total > 1 ? ` ${done} of ${total}` : ''}${done === total ? '\r\x1b[K' : ''}`);
}

function print(c: Certificate, graph: Graph, what: string): void {
  const row = (name: string, cause: string, { relativeL2, maxAbs }: GradientError): string[] => [
    name,
    relativeL2.toExponential(2),
    maxAbs.toExponential(2),
    cause,
  ];
  console.log(`${what}, ${formatShape(valueInfo(typeGraph(graph), graph.inputs[0].name).shape)}, norm ${c.endToEnd.norm.toPrecision(6)}\n`);
  console.log(
    formatTable(
      ['gradient', 'relative L2', 'largest', 'cause'],
      [
        row('device, from f64 on its branch', 'rounding', c.takenBranch),
        row(
          "f64 on the device's branch, from f64",
          `${c.decisions.differing} decision${c.decisions.differing === 1 ? '' : 's'}`,
          c.byDecisions,
        ),
        row('device, from f64', 'both', c.endToEnd),
      ],
    ),
  );
  if (c.explained !== null) console.log(`\nthe decisions account for ${(100 * c.explained).toFixed(4)} % of the squared deviation`);
  // Every layer has open units; those that differ are few.
  const shown = c.decisions.nodes.filter((n) => n.differing > 0);
  if (shown.length > 0) {
    const effect = new Map(c.effects.map((e) => [e.node, e.relativeL2.toExponential(2)]));
    console.log(
      `\n${formatTable(
        ['layer', 'op', 'units', 'open', 'differ', 'moves the gradient by'],
        shown.map((n) => [n.node, n.op, n.units, n.open, n.differing, effect.get(n.node) ?? '']),
      )}`,
    );
  }
  if (c.decisions.list.length > 0) {
    const shapes = typeGraph(graph);
    console.log(
      `\n${formatTable(
        ['layer', 'unit', 'f64', 'device', 'margin', 'ulp', 'allowance', ''],
        c.decisions.list.map((d) => listed(d, unitOf(shapes, d))),
      )}`,
    );
    const rest = c.decisions.open - c.decisions.list.length;
    if (rest > 0) console.log(`and ${rest} more (--list)`);
  }
  const units = c.decisions.nodes.reduce((sum, n) => sum + n.units, 0);
  const worst = Math.max(...c.layers.flatMap((l) => [l.forward?.worst ?? 0, l.backward?.worst ?? 0]));
  console.log(
    `\nopen: the margin to deciding otherwise is within the allowance, what rounding so far may amount to at that unit;` +
      `\nulp: the margin in units in the last place of the layer's root mean square.` +
      `\n${units} decisions, ${c.decisions.open} open, ${c.decisions.differing} differ; largest error over rounding bound in ${c.layers.length} layers: ${worst.toFixed(3)}` +
      `\n${c.certified ? 'certified' : `NOT certified: ${c.reasons.join('; ')}`}`,
  );
}

function listed(d: OpenDecision, unit: string): string[] {
  return [
    d.node,
    unit,
    number(d.exact),
    number(d.device),
    d.margin.toExponential(1),
    d.marginUlp < 100 ? d.marginUlp.toFixed(1) : d.marginUlp.toExponential(1),
    d.allowance.toExponential(1),
    d.differs ? 'differs' : '',
  ];
}

const number = (v: number): string => (v !== 0 && Math.abs(v) < 1e-2 ? v.toExponential(5) : v.toPrecision(7));

/** The unit as coordinates of its tensor, without the batch where there is one item. */
function unitOf(typed: ReturnType<typeof typeGraph>, { node, index }: OpenDecision): string {
  const [name] = typed.nodes.find((n) => n.name === node)!.outputs;
  const shape = typed.values.get(name)!.shape;
  const at = [...shape]
    .reverse()
    .reduce<{ rest: number; at: number[] }>(({ rest, at }, extent) => ({ rest: Math.floor(rest / extent), at: [rest % extent, ...at] }), {
      rest: index,
      at: [],
    }).at;
  return (shape[0] === 1 && at.length > 1 ? at.slice(1) : at).join(',');
}
