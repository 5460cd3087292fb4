/** A benchmark under way: roofs, one case after another, roofs again, the report. */
import { BENCH_CASES, QUICK, selectCases, type BenchCase } from '../../bench/cases.ts';
import { measureClock, type Clock } from '../../bench/clock.ts';
import { makeReport, toCsv, withDerived, type BenchReport, type CaseRow } from '../../bench/report.ts';
import { rooflineSvg } from '../../bench/roofline.ts';
import { rooflineFrame, type RooflineFrame } from '../../bench/rooflineFrame.ts';
import { measureRoofs, type Roofs } from '../../bench/roofs.ts';
import { runCase, type CaseResult } from '../../bench/run.ts';
import type { SampleOptions } from '../../bench/samples.ts';
import { InputError } from '../../errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import { GpuTimer } from '../../gpu/timer.ts';
import { COMMIT, VERSION } from '../../version.ts';
import type { View } from '../view.ts';

/** What is to be measured: a set, and of it the cases whose id matches; an empty pattern matches all. */
export type BenchQuestion = Pick<View, 'bench' | 'cases'>;

/** A benchmark as it stands. */
export interface BenchState {
  readonly question: BenchQuestion;
  readonly clock: Clock;
  /** Measured before the cases, by which shares are told until the end. */
  readonly roofs: Roofs;
  readonly rows: readonly CaseRow[];
  /** Ids of the cases that are still to come. */
  readonly left: readonly string[];
  readonly frame: RooflineFrame;
  /** Once it is finished. */
  readonly result: BenchResult | null;
}

export interface BenchResult {
  readonly report: BenchReport;
  readonly csv: string;
  /** The roofline as a document of its own. */
  readonly svg: string;
}

/** Samples of a time, and seconds for those of one case; the full set has the command line's. */
const EFFORT: Readonly<Record<BenchQuestion['bench'], Omit<SampleOptions, 'span'>>> = {
  quick: { samples: 7, budget: 0.2 },
  full: { samples: 20, budget: 1 },
};

/** @throws InputError if no case matches */
export function casesOf({ info }: Gpu, { bench, cases: pattern }: BenchQuestion): BenchCase[] {
  const set = bench === 'quick' ? selectCases(QUICK, info.software) : selectCases([], info.software);
  const words = pattern.split(',').flatMap((word) => word.trim() || []);
  if (words.length === 0) return set;
  const found = selectCases(words, info.software, set);
  if (found.length === 0) {
    const example = set[0]?.id ?? BENCH_CASES[0].id;
    throw new InputError(`bench: expected a pattern that matches one of ${set.length} cases, such as ${example}, got "${pattern}".`);
  }
  return found;
}

type OnRoof = (done: number, total: number) => void;

/** To be disposed of before its device. */
export class Benchmark {
  readonly #started = performance.now();
  readonly #results: CaseResult[] = [];
  #result: BenchResult | null = null;

  private constructor(
    private readonly gpu: Gpu,
    private readonly timer: GpuTimer,
    private readonly question: BenchQuestion,
    private readonly cases: readonly BenchCase[],
    private readonly clock: Clock,
    private readonly before: Roofs,
  ) {}

  static async begin(gpu: Gpu, question: BenchQuestion, onRoof: OnRoof): Promise<Benchmark> {
    const cases = casesOf(gpu, question);
    const timer = await GpuTimer.create(gpu);
    try {
      const clock = await measureClock(gpu, timer);
      const before = await measureRoofs(gpu, timer, { ...EFFORT[question.bench], span: clock.spanMs, onRoof });
      return new Benchmark(gpu, timer, question, cases, clock, before);
    } catch (error) {
      timer.dispose();
      throw error;
    }
  }

  get #options(): SampleOptions {
    return { ...EFFORT[this.question.bench], span: this.clock.spanMs };
  }

  get state(): BenchState {
    const { question, clock, before } = this;
    const roofs = this.#result?.report.roofs.best ?? before;
    const rows = this.#result?.report.cases ?? this.#results.map((row) => withDerived(row, before));
    const left = this.#result ? [] : this.cases.slice(this.#results.length).map(({ id }) => id);
    return { question, clock, roofs, rows, left, frame: rooflineFrame({ cases: rows, roofs: { best: roofs } }), result: this.#result };
  }

  async next(): Promise<void> {
    const c = this.cases[this.#results.length];
    if (!c || this.#result) throw new InputError('bench: expected a case that is left, got none. Finish the report.');
    this.#results.push(await runCase(this.gpu, this.timer, c, this.#options));
  }

  async finish(onRoof: OnRoof): Promise<void> {
    const { gpu, timer, question, clock, before } = this;
    const after = await measureRoofs(gpu, timer, { ...this.#options, onRoof });
    const { samples, budget } = EFFORT[question.bench];
    const report = makeReport(
      {
        adapter: gpu.info,
        // A browser has no plan file.
        plan: 'none',
        versions: { backlight: VERSION, commit: COMMIT, browser: navigator.userAgent },
        options: { samples, budgetSeconds: budget, cases: this.#results.map(({ id }) => id) },
        clock,
        before,
        after,
        cases: this.#results,
        networks: [],
        seconds: Math.round((performance.now() - this.#started) / 100) / 10,
      },
      new Date(),
    );
    this.#result = { report, csv: toCsv(report), svg: rooflineSvg(report) };
  }

  dispose(): void {
    this.timer.dispose();
  }
}
