/** `backlight verify`: the engine's identities on a given network, on the adapter in use. */
import { Command } from 'commander';
import type { Model } from '../models/model.ts';
import { InputError } from '../errors.ts';
import { formatShape, size, type Tensor } from '../tensor.ts';
import { ratio, type IdentityReport, type Residual } from '../verify/identity.ts';
import { fill, normal } from '../verify/random.ts';
import { verify, type Verification } from '../verify/verify.ts';
import { parseInteger, withDeviceOptions, type DeviceArguments } from './arguments.ts';
import { hashesOf, printHashes, withHashOption, type HashArguments } from './hashes.ts';
import { loadInput, withPictureOptions, type PictureArguments } from './input.ts';
import { MODEL_HELP, openModel } from './model.ts';
import { checkOutputs, writeTogether } from './outputs.ts';
import { seedFor } from './seeds.ts';
import { adapterReport, CheckFailed, declaredShape, formatTable, withDevice, withExample } from './session.ts';

interface Arguments extends DeviceArguments, PictureArguments, HashArguments {
  readonly input?: string;
  readonly target?: string;
  readonly neuron?: string;
  readonly batch: string;
  readonly seed: string;
  readonly verbose?: boolean;
  readonly json?: string;
}

export function verifyCommand(): Command {
  const command = new Command('verify')
    .description(
      "Checks the engine's identities on a network: the score is <w, I> + b, adjoints are adjoint, what must be equal is equal to the bit. Each residual with its bound.",
    )
    .argument('<model>', MODEL_HELP)
    .option('--input <file>', 'input: .npy or an image (default: seeded standard normal numbers)')
    .option('--target <class>', 'class of the score, or top1 (default: top1)')
    .option('--neuron <tensor:c,y,x>', 'one unit of any tensor instead of a class; TENSOR:k for a vector')
    .option('--batch <n>', 'items; those beyond the input are the input back to front, at falling size', '1')
    .option('--seed <n>', 'seed of what is drawn at random', '1')
    .option('--verbose', "print every layer's part in the account S = <w, I> + b, too")
    .option('--json <file>', 'write every residual and the account there');
  withPictureOptions(withDeviceOptions(withHashOption(command))).action(run);
  return withExample(
    command,
    'backlight verify default',
    'backlight verify googlenet.onnx --input cat.jpg --preprocess caffe --json v.json',
  );
}

async function run(modelPath: string, args: Arguments): Promise<void> {
  const started = performance.now();
  const [draw, batch] = [parseInteger(args.seed, '--seed'), parseInteger(args.batch, '--batch', 1)];
  await checkOutputs([{ option: '--json', file: args.json, extensions: ['.json'] }], [modelPath, ...(args.input ? [args.input] : [])]);
  const model = await openModel(modelPath);
  const input = await inputFor(model, args, draw, batch);
  const at = (items: number) => model.at({ [model.input.name]: [items, ...input.shape.slice(1)] });
  const loaded = at(input.shape[0]);
  await withDevice(args, async (gpu) => {
    const { title, class: chosen, ...question } = await seedFor(gpu, loaded, input, args);
    const result = await verify(gpu, loaded.graph, loaded.parameters, input, {
      ...question,
      draw,
      graphAt: (items) => at(items).graph,
      onStage: stages(),
    });
    const hashes = hashesOf(args, () => [['gradient', result.gradient]]);
    if (args.json !== undefined) {
      const asked = {
        model: modelPath,
        input: args.input ?? `normal, seed ${draw}`,
        shape: input.shape,
        class: chosen,
        neuron: args.neuron,
      };
      const text = JSON.stringify({ adapter: adapterReport(gpu), ...asked, ...asJson(result), hashes }, null, 2);
      await writeTogether([[args.json, new TextEncoder().encode(`${text}\n`)]]);
    }
    print(result, `${title}, ${formatShape(input.shape)}`, args.verbose ?? false);
    printHashes(hashes);
    console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);
    if (!result.passed) throw new CheckFailed();
  });
}

async function inputFor(model: Model, args: Arguments, draw: number, batch: number): Promise<Tensor> {
  if (args.input === undefined) {
    const shape = declaredShape(model, batch);
    return { shape, data: fill(size(shape), normal(draw)) };
  }
  const input = await loadInput(args.input, model, args);
  if (batch === 1) return input;
  if (input.shape[0] !== 1) {
    throw new InputError(`--batch: expected an input of one item with it, got "${args.input}" ${formatShape(input.shape)}. Leave it out.`);
  }
  const { data } = input;
  const items = new Float32Array(batch * data.length);
  for (let n = 0; n < batch; n++) {
    const item = n % 2 === 0 ? data : data.slice().reverse();
    items.set(
      item.map((v) => v / 2 ** Math.floor((n + 1) / 2)),
      n * data.length,
    );
  }
  return { shape: [batch, ...input.shape.slice(1)], data: items };
}

/** What is being done, on a terminal's stderr. */
function stages(): ((stage: string, done: number, total: number) => void) | undefined {
  if (!process.stderr.isTTY) return undefined;
  return (stage, done, total) =>
    process.stderr.write(`\r\x1b[K${stage === 'done' ? '' : `${stage}${total > 1 ? ` ${done} of ${total}` : ''}`}`);
}

/** JSON has no infinity: a ratio that is none is a string. */
const finite = (v: number): number | string => (Number.isFinite(v) ? v : String(v));

const rowJson = (row: Residual): Record<string, unknown> => ({
  ...row,
  residual: finite(row.residual),
  bound: finite(row.bound),
  ratio: finite(ratio(row)),
});

function asJson({ passed, identities, account }: Verification): Record<string, unknown> {
  const { score, along, bias, remainder, shares } = account;
  return {
    passed,
    account: { score, along, bias, remainder, shares },
    identities: identities.map(({ name, statement, verdict, worst, rows, note }) => ({
      name,
      statement,
      verdict,
      note,
      worst: worst && rowJson(worst),
      rows: rows.map(rowJson),
    })),
  };
}

const number = (v: number): string => (v === 0 ? '0' : Number.isInteger(v) && Math.abs(v) < 1e6 ? String(v) : v.toExponential(2));

const named = ({ layer, op }: Residual): string => (op === '' ? layer : `${layer} (${op})`);

function print({ passed, identities, account }: Verification, title: string, verbose: boolean): void {
  const { score, along, bias, remainder, shares } = account;
  console.log(title);
  console.log(
    `S = <w, I> + b: ${score.toPrecision(8)} = ${along.toPrecision(8)} + ${(bias + remainder).toPrecision(8)}` +
      (remainder === 0 ? '' : ` (biases ${bias.toPrecision(8)}, remainder of smooth layers ${remainder.toPrecision(8)})`) +
      '\n',
  );
  if (verbose && shares.length > 0) {
    const rows = shares.map((s) => [s.node, s.op, s.kind, s.share.toPrecision(8)]);
    console.log(`${formatTable(['layer', 'op', '', 'share of b'], rows)}\n`);
  }
  const row = ({ name, verdict, worst, rows }: IdentityReport): string[] =>
    worst === null
      ? [name, '0', '', '', '', 'none', '']
      : [
          name,
          String(rows.length),
          number(Math.abs(worst.residual)),
          number(worst.bound),
          worst.bound === 0 ? '' : ratio(worst).toPrecision(2),
          verdict,
          named(worst),
        ];
  console.log(formatTable(['identity', 'checked', 'residual', 'bound', 'ratio', '', 'worst'], identities.map(row)));
  console.log('');
  for (const { name, statement, note } of identities) console.log(`${name}: ${statement}${note === undefined ? '' : `; ${note}`}`);
  console.log('');
  const failing = identities.filter(({ verdict }) => verdict === 'fails');
  for (const { name, failing: rows } of failing) {
    const most = [...rows].sort((a, b) => ratio(b) - ratio(a)).slice(0, 6);
    console.log(
      `FAILED ${name}: ${most.map(named).join(', ')}${rows.length > most.length ? ` and ${rows.length - most.length} more` : ''}`,
    );
  }
  if (passed) console.log('every identity holds');
}
