/**
 * The fastest kernel for a shape on this adapter: every candidate is held to f64, those that pass and are not far behind race, and the static
 * choice stays unless another beats it clearly, and does so again in a race between these two alone.
 */
import { timesOf, type BenchCase } from '../bench/index.ts';
import type { Gpu } from '../gpu/device.ts';
import type { GpuTimer } from '../gpu/timer.ts';
import type { Plan } from '../plan.ts';
import { Contender, Contest } from './contender.ts';
import { isClear, leadOf, race, warmUp, type Lead, type RaceOptions, type Runner } from './race.ts';

/** What became of one candidate. */
export interface Candidate {
  readonly variant: string;
  /** `slow`: too far behind to race. */
  readonly verdict: 'raced' | 'slow' | 'refused' | 'skipped';
  /** Why it was refused or skipped. */
  readonly why?: string;
  /** The largest error over its bound. */
  readonly worst?: number;
  /** Whether its result has the bits of the static choice's. */
  readonly sameBits?: boolean;
  /** The median of the race, or the quickest of the first samples, in ms. */
  readonly ms?: number;
  /** Against the static choice, in the race. */
  readonly lead?: Lead;
}

/** What was found for one shape. */
export interface TunedShape {
  /** What a choice is pinned by: op, direction, shapes. */
  readonly key: string;
  /** The case that stood for it. */
  readonly id: string;
  /** The static choice: several kernels where phases of a stride differ. */
  readonly fixed: string;
  /** What is to be pinned; undefined where the static choice stays. */
  readonly pinned?: string;
  /** The static choice's time over that of what is pinned, in the race of these two. */
  readonly ratio?: number;
  /** Whether what is pinned has the static choice's bits. */
  readonly sameBits?: boolean;
  readonly candidates: readonly Candidate[];
}

export interface TuneOptions extends RaceOptions {
  /** Applied to every plan before it runs: tests plant faults with it. */
  readonly change?: (plan: Plan) => Plan;
}

/** A candidate slower than the quickest by more than this has no part in the race; of the others, these many have. */
const BEHIND = 1.6;
const FINALISTS = 5;

/** A verified candidate with what it did so far. */
interface Racer extends Runner {
  readonly contender: Contender;
  readonly worst: number;
  readonly quickMs: number;
}

const isFixed = ({ contender }: Racer): boolean => contender.variant === undefined;

/** Those who race, and what became of the others. */
class Field {
  readonly out: Candidate[] = [];
  racers: readonly Racer[] = [];

  constructor(
    readonly contest: Contest,
    readonly timer: GpuTimer,
  ) {}

  nameOf(variant: string | undefined): string {
    return variant ?? this.contest.choice.fixed.join(' + ');
  }

  /** Verifies a candidate and takes its first times; who is too far behind then leaves. */
  async enter(variant: string | undefined, plan: Plan): Promise<void> {
    const entry = await Contender.enter(this.contest, variant, plan);
    if (entry.verdict !== 'passed') {
      const { verdict, why } = entry;
      this.out.push({ variant: this.nameOf(variant), verdict, why });
      return;
    }
    const { contender, check } = entry;
    const runner = { dispatches: contender.dispatches, repeats: 1 };
    try {
      const quickMs = await warmUp(this.timer, runner);
      this.racers = [...this.racers, { ...runner, contender, worst: check.worst, quickMs }];
    } catch (error) {
      contender.dispose();
      throw error;
    }
    for (const racer of behindOf(this.racers)) {
      this.out.push({ variant: this.nameOf(racer.contender.variant), verdict: 'slow', worst: racer.worst, ms: racer.quickMs });
      this.racers = this.racers.filter((one) => one !== racer);
      racer.contender.dispose();
    }
    this.contest.store.releaseUnused();
  }

  /** Tells how the race went for one of those in it; false if its timed runs gave other bits than the checked one. */
  async report(racer: Racer, ms: number, lead: Lead | undefined): Promise<boolean> {
    const fixed = this.racers.find(isFixed);
    const said = {
      variant: this.nameOf(racer.contender.variant),
      worst: racer.worst,
      ms,
      ...(fixed ? { sameBits: racer.contender.sameBits(fixed.contender) } : {}),
      ...(lead ? { lead } : {}),
    };
    const same = await racer.contender.unchanged();
    const why = 'expected the timed runs to give the bits of the checked one, got others';
    this.out.push(same ? { ...said, verdict: 'raced' } : { ...said, verdict: 'refused', why });
    return same;
  }

  dispose(): void {
    for (const { contender } of this.racers) contender.dispose();
    this.contest.dispose();
  }
}

/**
 * Tunes one case.
 * @returns undefined if its kernels are not chosen among several, or nothing is left to compute
 * @throws DeviceLostError
 */
export async function tuneCase(gpu: Gpu, timer: GpuTimer, c: BenchCase, options: TuneOptions = {}): Promise<TunedShape | undefined> {
  const contest = Contest.of(gpu, c, options.change);
  if (!contest) return undefined;
  const field = new Field(contest, timer);
  try {
    for (const [variant, plan] of plansOf(contest)) await field.enter(variant, plan);
    const { racers } = field;
    const { winner, ratio, medians, leads } = await decideRace(timer, racers, options);
    let sound = true;
    for (const [i, racer] of racers.entries()) {
      const same = await field.report(racer, medians[i], leads[i]);
      sound &&= same || racer !== winner;
    }
    const said = { key: contest.choice.key, id: c.id, fixed: field.nameOf(undefined), candidates: field.out };
    const pinned = sound ? winner?.contender.variant : undefined;
    if (pinned === undefined) return said;
    const fixed = racers.find(isFixed);
    return {
      ...said,
      pinned,
      ...(ratio === undefined ? {} : { ratio }),
      ...(fixed ? { sameBits: winner!.contender.sameBits(fixed.contender) } : {}),
    };
  } finally {
    field.dispose();
  }
}

/** The static choice, then every candidate whose steps no other has. */
function plansOf(contest: Contest): (readonly [variant: string | undefined, plan: Plan])[] {
  const seen = new Set<string>();
  return [undefined, ...contest.choice.candidates].flatMap((variant) => {
    const plan = contest.plan(variant);
    const steps = JSON.stringify([plan.prepare, plan.forward, plan.backward]);
    if (seen.has(steps)) return [];
    seen.add(steps);
    return [[variant, plan] as const];
  });
}

/** Who need not race: far behind the quickest, or behind enough others. Never the static choice. */
function behindOf(racers: readonly Racer[]): Racer[] {
  const others = racers.filter((racer) => !isFixed(racer)).sort((a, b) => a.quickMs - b.quickMs);
  const quickest = Math.min(...racers.map(({ quickMs }) => quickMs));
  return others.filter(({ quickMs }, place) => quickMs > BEHIND * quickest || place >= FINALISTS);
}

interface Outcome {
  /** Undefined: the static choice. */
  readonly winner: Racer | undefined;
  readonly ratio?: number;
  readonly medians: readonly number[];
  readonly leads: readonly (Lead | undefined)[];
}

async function decideRace(timer: GpuTimer, racers: readonly Racer[], options: RaceOptions): Promise<Outcome> {
  const times = racers.length > 1 ? await race(timer, racers, options) : racers.map(({ quickMs }) => [quickMs]);
  const medians = times.map((all) => timesOf(all).median);
  const at = racers.findIndex(isFixed);
  const first = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));
  // A static choice that fails its check gives way to the quickest that does not, whatever that takes.
  if (racers.length === 0) return { winner: undefined, medians, leads: [] };
  if (at < 0) return { winner: racers[first(medians.map((ms) => -ms))], medians, leads: [] };
  const leads = times.map((all, i) => (i === at ? undefined : leadOf(all, times[at])));
  const best = first(leads.map((lead) => (lead && isClear(lead) ? lead.ratio : 0)));
  if (!leads[best] || !isClear(leads[best])) return { winner: undefined, medians, leads };
  // The first of many looks faster than it is: what counts is that it wins again.
  const [again, fixed] = await race(timer, [racers[best], racers[at]], options);
  const lead = leadOf(again, fixed);
  return { winner: isClear(lead) ? racers[best] : undefined, ratio: lead.ratio, medians, leads };
}
