/** The loop of a training run: steps, rows of metrics, looks at the validation images, checkpoints. What is done with these is the caller's. */
import type { ImageSource } from './images.ts';
import type { MetricsRow } from './metrics.ts';
import { Tally, type Scored } from './tally.ts';
import { DivergenceError, type StepReport, type Trainer, type TrainingState } from './trainer.ts';

export interface RunOptions {
  /** Looked at after every so many epochs, and at the end; null for never. */
  readonly validation: ImageSource | null;
  readonly validateEvery: number;
  /** Steps between rows of metrics; an epoch's end has one too. */
  readonly logEvery: number;
  /** Steps between checkpoints; an epoch's end has one too. Default: whatever a minute holds. */
  readonly checkpointEvery?: number;
  /** Sums since the last row, where a run is taken up. */
  readonly running?: Scored;
  /** Seconds that the run had taken before. */
  readonly seconds?: number;
  readonly onStep?: (report: StepReport, running: Tally, imagesPerSecond: number) => void;
  readonly onRow: (row: MetricsRow) => Promise<void>;
  readonly onCheckpoint: (state: TrainingState, running: Scored, seconds: number) => Promise<void>;
  /** Asked before every step: true ends the run after it, with a checkpoint. */
  readonly stopped?: () => boolean;
}

/** Time between checkpoints unless told otherwise, in ms. */
const CHECKPOINT_MS = 60_000;

/**
 * Trains to the end of the recipe.
 * @returns whether the end was reached, and how many seconds all sittings took
 * @throws DivergenceError, the last checkpoint standing
 */
export async function runTraining(trainer: Trainer, options: RunOptions): Promise<{ finished: boolean; seconds: number }> {
  const started = performance.now();
  const before = options.seconds ?? 0;
  const seconds = (): number => before + (performance.now() - started) / 1000;
  let running = new Tally();
  if (options.running) running.add(options.running);
  let [since, sinceImages] = [performance.now(), 0];
  let [saved, savedAt] = [trainer.step, performance.now()];
  /** Whether the device has to rest after a step, for its weights to be read. */
  const rests = (step: number): boolean =>
    step % trainer.stepsPerEpoch === 0 ||
    (options.stopped?.() ?? false) ||
    (options.checkpointEvery === undefined ? performance.now() - savedAt > CHECKPOINT_MS : step % options.checkpointEvery === 0);
  try {
    while (trainer.step < trainer.steps) {
      const resting = rests(trainer.step + 1);
      const report = await trainer.advance(!resting);
      running.add(report);
      sinceImages += report.images;
      const perSecond = sinceImages / ((performance.now() - since) / 1000);
      options.onStep?.(report, running, perSecond);
      const { step } = report;
      const epoch = step / trainer.stepsPerEpoch;
      const ends = step % trainer.stepsPerEpoch === 0;
      const rowDue = ends || step % options.logEvery === 0;
      if (rowDue) {
        const { loss, top1 } = running.means();
        const images = step * report.images;
        await options.onRow({ epoch, step, images, loss, top1, rate: report.rate, imagesPerSecond: perSecond });
        running = new Tally();
      }
      const last = step === trainer.steps;
      if (options.validation && ends && (last || epoch % options.validateEvery === 0)) {
        await options.onRow({ epoch, step, validation: (await trainer.validate(options.validation)).means() });
      }
      if (rowDue) [since, sinceImages] = [performance.now(), 0];
      if (!resting) continue;
      await options.onCheckpoint(await trainer.state(), running, seconds());
      [saved, savedAt] = [step, performance.now()];
      if (!last && options.stopped?.()) return { finished: false, seconds: seconds() };
    }
  } catch (error) {
    if (!(error instanceof DivergenceError)) throw error;
    throw new DivergenceError(`${error.message} The last checkpoint, after step ${saved}, is as it was.`);
  }
  return { finished: true, seconds: seconds() };
}
