/** A run of training with its files: checkpoint, metrics and curve as it goes, network and card at its end. */
import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Dataset } from '../data/dataset.ts';
import { formatAdapter, type Gpu } from '../gpu/device.ts';
import type { Graph } from '../graph.ts';
import { cardPreprocess, modelFile, storedParameters, weightsFile } from '../train/card.ts';
import { writeCheckpoint, type Checkpoint, type RunSettings } from '../train/checkpoint.ts';
import { trainingCurve } from '../train/curve.ts';
import { meanImage, type ImageSource } from '../train/images.ts';
import { formatMetrics, isValidation, readMetrics, type MetricsRow, type ValidationRow } from '../train/metrics.ts';
import { runTraining } from '../train/run.ts';
import { Trainer, type TrainingRecipe } from '../train/trainer.ts';
import type { Tensor } from '../tensor.ts';
import { VERSION } from '../version.ts';
import { writeTogether } from './outputs.ts';
import { progress } from './progress.ts';
import { planWords, printJson } from './session.ts';
import { bytes } from './sizes.ts';

/** Files of a run, by what they hold. */
export function filesOf(output: string): Record<'model' | 'weights' | 'checkpoint' | 'metrics' | 'curve', string> {
  return {
    model: `${output}.json`,
    weights: `${output}.safetensors`,
    checkpoint: `${output}.checkpoint.safetensors`,
    metrics: `${output}.metrics.jsonl`,
    curve: `${output}.svg`,
  };
}

/** Most threads that are started unasked. */
const MOST_WORKERS = 8;

/** A software adapter computes on the processor's own cores; a GPU is fed by all but two, which the run itself and the driver take. */
function suitableWorkers({ info }: Gpu): number {
  return info.software ? 0 : Math.max(0, Math.min(MOST_WORKERS, availableParallelism() - 2));
}

/** Everything that a run is. */
export interface Run {
  /** Print a report as JSON. */
  readonly json: boolean;
  readonly graph: Graph;
  readonly recipe: TrainingRecipe;
  readonly settings: RunSettings;
  readonly images: ImageSource;
  readonly validation: ImageSource | null;
  readonly data: Dataset;
  readonly chosen: readonly number[];
  readonly files: ReturnType<typeof filesOf>;
  readonly every: { readonly checkpointEvery: number | undefined; readonly logEvery: number; readonly validateEvery: number };
  readonly checkpoint: Checkpoint | undefined;
  /** Threads that make batches; undefined for as many as suit the device. */
  readonly workers: number | undefined;
  /** Layers of another network to begin with. */
  readonly borrowed: ReadonlyMap<string, Tensor> | undefined;
}

/** Trains from the start or the checkpoint to the end, or until Ctrl-C; then stores the network. */
export async function trainOn(gpu: Gpu, run: Run): Promise<void> {
  const { graph, recipe, settings, images, validation, data, files, checkpoint } = run;
  const mean = meanImage(images, data.height, data.width);
  const adapter = formatAdapter(gpu.info) + planWords(gpu);
  const before = checkpoint?.settings.adapter;
  if (before !== undefined && before !== adapter) console.error(`warning: the run began on ${String(before)}; its bits will differ here.`);
  const trainer = await Trainer.create(gpu, graph, images, mean, recipe, {
    state: checkpoint?.state,
    parameters: run.borrowed,
    workers: run.workers ?? suitableWorkers(gpu),
  });
  const rows = await openMetrics(files.metrics, checkpoint);
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(130);
    stopping = true;
    console.error('stopping after this step; once more to stop at once');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  let warned = false;
  const bar = progress(trainer.steps, 'training', { from: trainer.step });
  try {
    const { finished, seconds } = await runTraining(trainer, {
      ...run.every,
      validation,
      running: checkpoint?.running,
      seconds: checkpoint?.seconds,
      stopped: () => stopping,
      onStep: ({ step }, running, perSecond) => {
        if (!warned && trainer.workerFailure !== undefined) {
          console.error(`warning: a worker failed (${trainer.workerFailure}); its batches are made on the main thread`);
          warned = true;
        }
        const { loss, top1 } = running.means();
        const epoch = `epoch ${Math.ceil(step / trainer.stepsPerEpoch)}/${recipe.epochs}`;
        bar.tick(step, `${epoch}  loss ${loss.toFixed(3)}  top-1 ${(100 * top1).toFixed(1)} %  ${perSecond.toFixed(0)} images/s`);
      },
      onRow: async (row) => {
        rows.push(row);
        await appendFile(files.metrics, formatMetrics(row));
        if (isValidation(row)) console.error(formatValidation(row));
      },
      onCheckpoint: async (state, running, seconds) =>
        writeTogether([[files.checkpoint, writeCheckpoint({ settings: { ...settings, adapter }, state, running, seconds })]]),
    });
    bar.stop();
    if (!finished) {
      console.error(`stopped after step ${trainer.step} of ${trainer.steps}. Go on with --resume.`);
      return;
    }
    await finish(trainer, run, rows, adapter, seconds);
  } finally {
    bar.stop();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    trainer.dispose();
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function formatValidation({ epoch, validation: { loss, top1, top5, images } }: ValidationRow): string {
  return `epoch ${epoch}: validation loss ${loss.toFixed(3)}, top-1 ${percent(top1)}, top-5 ${percent(top5)} of ${images} images`;
}

/** The rows so far; those after the checkpoint will be made again. */
async function openMetrics(file: string, checkpoint: Checkpoint | undefined): Promise<MetricsRow[]> {
  const text = checkpoint ? await readFile(file, 'utf8').catch(() => '') : '';
  const rows = readMetrics(text, file).filter(({ step }) => step <= checkpoint!.state.step);
  await writeTogether([[file, new TextEncoder().encode(rows.map(formatMetrics).join(''))]]);
  return rows;
}

/** Stores the network, as rounded, and what it is worth. */
async function finish(trainer: Trainer, run: Run, rows: readonly MetricsRow[], adapter: string, seconds: number): Promise<void> {
  const { graph, recipe, settings, images, validation, data, chosen, files } = run;
  const weights = weightsFile((await trainer.state()).parameters, trainer.mean);
  await trainer.setParameters(storedParameters(weights));
  const result = validation ? (await trainer.validate(validation)).means() : null;
  const { gpu } = trainer;
  const card = {
    preprocess: cardPreprocess(data.height, data.width, recipe.unit),
    labels: chosen.map((k) => data.classes[k]),
    validation: result,
    training: {
      data: path.basename(data.source),
      dataSha256: data.sha256,
      images: images.count,
      ...Object.fromEntries(Object.entries(settings).filter(([name]) => !['data', 'classes', 'images'].includes(name))),
      steps: trainer.steps,
      seconds: Math.round(seconds),
      adapter,
      mode: gpu.info.mode,
      engine: `backlight ${VERSION}`,
    },
    weights: { file: path.basename(files.weights), bytes: weights.length, sha256: createHash('sha256').update(weights).digest('hex') },
  };
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  await writeTogether([
    [files.weights, weights],
    [files.model, encode(modelFile(graph, card))],
    [files.curve, encode(trainingCurve(rows))],
  ]);
  if (run.json) return printJson({ files, card });
  console.log(`${files.model}, ${files.weights} (${bytes(weights.length)}), ${files.metrics}, ${files.curve}`);
  if (result) console.log(`as stored: top-1 ${percent(result.top1)}, top-5 ${percent(result.top5)} of ${result.images} validation images`);
}
