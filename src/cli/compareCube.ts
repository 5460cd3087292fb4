/** `backlight compare --cube`: one seed under every pair of a ReLU rule and a max-pool rule. */
import path from 'node:path';
import { InputError } from '../errors.ts';
import { DEFAULT_CLIP } from '../image/colour.ts';
import { encodePng } from '../image/png.ts';
import { describePreprocess } from '../image/preprocess.ts';
import { classTitle } from '../models/labels.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Network, Neuron } from '../network.ts';
import { RULES } from '../rule.ts';
import { VERSION } from '../version.ts';
import { compareCube, POOL_RULES, type CubeCell, type CubeComparison } from '../visualise/cube.ts';
import { cubeSheet, formatCorrelation, nameOf } from '../visualise/cubesheet.ts';
import type { SignedStyle } from '../visualise/rulesheet.ts';
import { hashesOf, printHashes, type HashArguments } from './hashes.ts';
import { writeTogether } from './outputs.ts';
import type { PhotoQuestion } from './photo.ts';
import { progress } from './progress.ts';
import { costReport, formatTable, printJson } from './session.ts';

export interface CubeArguments extends HashArguments {
  readonly model: string;
  readonly layers?: string;
  readonly class?: string;
  readonly output?: string;
  readonly json?: boolean;
}

/** @throws InputError if the options ask for more than one seed */
export function checkCubeArguments({ layers, class: wanted }: CubeArguments, neurons: readonly Neuron[]): void {
  if (layers !== undefined) throw new InputError('--layers: expected one seed with --cube, a class or one --neuron, got layers.');
  if (neurons.length > 1) throw new InputError(`--neuron: expected one seed with --cube, got ${neurons.length} units.`);
  if (neurons.length === 1 && wanted !== undefined && wanted !== 'top1')
    throw new InputError('--neuron: expected one seed with --cube, got a class and a unit.');
}

/** What `compare --cube` was asked: the photo and its model, the seed, how signed pictures are drawn. */
export interface CubeQuestion extends Pick<PhotoQuestion, 'picture' | 'spec' | 'labels' | 'graph'> {
  readonly photo: string;
  readonly class: number | 'top1';
  readonly neuron: Neuron | undefined;
  readonly signed: SignedStyle;
  readonly started: number;
}

export async function runCube(gpu: Gpu, network: Network, args: CubeArguments, question: CubeQuestion): Promise<CubeComparison> {
  const { photo, picture, spec, labels, neuron, signed } = question;
  if (!question.graph.nodes.some(({ op }) => op === 'maxpool2d' || op === 'globalmaxpool'))
    console.error('warning: the network has no max-pooling: its rules cannot differ.');
  let bar: ReturnType<typeof progress> | undefined;
  const onPass = (done: number, total: number): void => (bar ??= progress(total, 'passes')).tick(done);
  let cube: CubeComparison;
  try {
    cube = await compareCube(network, picture, spec, { class: question.class, neuron, onPass });
  } finally {
    bar?.stop();
  }
  const seed = cube.neuron
    ? `unit ${cube.neuron.tensor}:${cube.neuron.at.join(',')}, value ${cube.value.toPrecision(4)}`
    : `${classTitle(labels, cube.class!)}, score ${cube.value.toFixed(2)}`;
  if (args.output !== undefined) {
    const title = `ReLU and max-pool rules: ${path.basename(photo)}, ${seed}`;
    const footer =
      `${path.basename(args.model)}. Signed: ${signed === 'colour' ? "the input's channels about mid-grey" : 'sum over channels'}. Every picture has ` +
      `its own range, which ends at percentile ${DEFAULT_CLIP}. r: correlation with the plain gradient, over all elements of the input.`;
    const sheet = await cubeSheet(cube, picture, { title, footer, channels: spec.channels, signed, clip: DEFAULT_CLIP });
    const text = {
      Title: title,
      Software: `backlight ${VERSION}`,
      Model: path.basename(args.model),
      Photo: path.basename(photo),
      Rules: `ReLU: ${RULES.join(', ')}; max-pool: ${POOL_RULES.join(', ')}`,
      Seeds: seed,
      Preprocess: JSON.stringify(describePreprocess(spec)),
      Signed: signed,
      Clip: `percentile ${DEFAULT_CLIP} of the magnitudes that are not zero, each picture by itself`,
    };
    await writeTogether([[args.output, await encodePng(sheet, text)]]);
  }
  const hashes = hashesOf(args, () =>
    cube.rows.flat().map(({ relu, maxpool, signal }) => [`${relu}, ${maxpool} of ${seed}`, signal] as const),
  );
  if (args.json) {
    const { class: k, neuron: unit, value, rows } = cube;
    const cells = rows.flat().map(({ signal: _, ...cell }) => cell);
    const asked = { model: args.model, photo, preprocess: describePreprocess(spec) };
    printJson({
      ...asked,
      class: k,
      neuron: unit,
      value,
      cells,
      output: args.output,
      hashes,
      ...costReport(gpu, network, question.started),
    });
  } else {
    print(cube, seed);
    if (args.output !== undefined) console.log(`written: ${args.output}`);
    printHashes(hashes);
  }
  return cube;
}

function print({ rows }: CubeComparison, seed: string): void {
  const cell = (one: CubeCell): string => `${formatCorrelation(one)}${one.sameBitsAs ? '=' : ''}`;
  console.log(`${seed}: correlation with the plain gradient\n`);
  console.log(
    formatTable(
      ['ReLU', ...POOL_RULES],
      rows.map((row) => [row[0].relu, ...row.map(cell)]),
    ),
  );
  console.log('\nnorm\n');
  console.log(
    formatTable(
      ['ReLU', ...POOL_RULES],
      rows.map((row) => [row[0].relu, ...row.map(({ norm }) => norm.toPrecision(4))]),
    ),
  );
  const same = rows.flat().flatMap((one) => (one.sameBitsAs ? [`${one.relu}, ${one.maxpool} = ${nameOf(one.sameBitsAs, one)}`] : []));
  console.log(`\n=: the same bits as an earlier cell${same.length > 0 ? `\n${same.join('\n')}` : ': none'}`);
}
