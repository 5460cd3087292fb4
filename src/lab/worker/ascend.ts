/**
 * A class model in the making. The page asks for slices of it, one call each, and whatever else it asks comes between them; so halting is not
 * asking. There is one run at a time; it ends with its model, with the device, and when another begins.
 */
import type { Picture } from '../../image/picture.ts';
import type { Tensor } from '../../tensor.ts';
import { classModelPicture, type Display } from '../../visualise/classmodelPicture.ts';
import { classModelRecipe, type ClassModelRecipe } from '../../visualise/classmodelPresets.ts';
import { ClassModelRun, type ClassModelRow } from '../../visualise/classmodelRun.ts';
import { demoRecipe } from '../../visualise/demo.ts';
import type { View } from '../view.ts';
import { Tenancy, type OpenModel, type Session } from './session.ts';

/** What a run is begun with, and what cannot change on its way. */
export interface AscentQuestion {
  readonly class: number;
  readonly preset: View['preset'];
  readonly seed: number;
}

/** What can change on the way; null: as the preset has it. */
export type AscentKnobs = Pick<View, 'iterations' | 'lambda' | 'rate' | 'blur' | 'jitter'>;

/** A row, and the numbers under which it was computed. */
export interface AscentRow extends ClassModelRow {
  readonly lambda: number;
  readonly step: number;
}

/** The image as it is after so many steps; at the end, the one that the recipe keeps. */
export interface AscentImage {
  readonly iteration: number;
  readonly display: Display;
  readonly picture: Picture;
  /** With `stretch`, what I was multiplied by. */
  readonly factor: number;
  /** Share of the values out of 0..255. */
  readonly clipped: number;
}

/** What a slice of iterations came to. */
export interface AscentSlice {
  /** From the first row that is new, or that stands in for an earlier look at the same image, on. */
  readonly rows: readonly AscentRow[];
  readonly recipe: ClassModelRecipe;
  readonly done: boolean;
  readonly image: AscentImage;
}

/** A run as it stands, for a page that comes back to it. */
export interface AscentState extends AscentSlice {
  readonly question: AscentQuestion;
}

/** For export. */
export interface AscentResult extends AscentState {
  /** I [1, C, H, W], zero-centred, in the network's unit. */
  readonly tensor: Tensor;
}

/** A call takes about so long, and one iteration at least. */
const SLICE_MS = 100;

export function ascentMethods(session: Session) {
  const ascents = new Tenancy<Live>(session, 'class model: expected one in the making, got none. Start it anew.');
  return {
    /** A recipe with all its ingredients, as the preset has them for this model. */
    ascentRecipe({ preset }: Pick<AscentQuestion, 'preset'>): ClassModelRecipe {
      return recipeOf(session.model, preset);
    },

    /** Begins at iteration 0. No step is taken yet. */
    async ascentBegin({ question, knobs, display }: Begin): Promise<AscentState> {
      ascents.end();
      const network = await session.network();
      const { spec } = session.model;
      const base = recipeOf(session.model, question.preset);
      const recipe = { ...changed(base, knobs), seed: question.seed };
      const run = await ClassModelRun.create(network, { ...recipe, classes: [question.class], spec });
      const made = { question, base, model: session.model, run, rows: [], dispose: () => run.dispose() };
      return state(ascents.begin(made), display);
    },

    /** Takes some iterations under these numbers, from the image as it is. */
    async ascentGoOn({ knobs, display }: Omit<Begin, 'question'>): Promise<AscentSlice> {
      const ascent = ascents.live;
      const { run, rows, base } = ascent;
      const started = performance.now();
      const { iterations, lambda, step, blur, jitter } = changed(base, knobs);
      await run.change({ iterations, lambda, step, blur, jitter });
      rows.length = run.traces[0].length;
      const from = rows.length;
      try {
        while (!run.done && (rows.length === from || performance.now() - started < SLICE_MS)) {
          const [row] = await run.step();
          rows.push({ ...row, lambda, step });
        }
      } catch (error) {
        // An image that has left the numbers leads nowhere.
        ascents.end();
        throw error;
      }
      const { question: _, ...slice } = await state(ascent, display);
      return { ...slice, rows: rows.slice(from) };
    },

    /** The run as it stands; null if there is none. */
    ascentState({ display }: { readonly display: Display }): Promise<AscentState> | null {
      return ascents.current ? state(ascents.current, display) : null;
    },

    /** The run as it stands, with its numbers. */
    async ascentResult({ display }: { readonly display: Display }): Promise<AscentResult> {
      const ascent = ascents.live;
      return { ...(await state(ascent, display)), tensor: (await imageOf(ascent.run)).image };
    },

    /** Gives the run up, and frees what it holds. */
    ascentEnd(): void {
      ascents.end();
    },
  };
}

interface Begin {
  readonly question: AscentQuestion;
  readonly knobs: AscentKnobs;
  readonly display: Display;
}

interface Live {
  readonly question: AscentQuestion;
  /** Before what the visitor changed. */
  readonly base: ClassModelRecipe;
  readonly model: OpenModel;
  readonly run: ClassModelRun;
  readonly rows: AscentRow[];
  dispose(): void;
}

function recipeOf({ spec }: OpenModel, preset: View['preset']): ClassModelRecipe {
  if (preset !== 'demo') return classModelRecipe(preset);
  const { preset: base, ...changes } = demoRecipe(spec.size);
  return classModelRecipe(base, changes);
}

const changed = (base: ClassModelRecipe, { iterations, lambda, rate, blur, jitter }: AscentKnobs): ClassModelRecipe =>
  classModelRecipe('paper', {
    ...base,
    iterations: iterations ?? base.iterations,
    lambda: lambda ?? base.lambda,
    step: rate ?? base.step,
    blur: { ...base.blur, sigma: blur ?? base.blur.sigma },
    jitter: jitter ?? base.jitter,
  });

async function imageOf(run: ClassModelRun): Promise<{ image: Tensor; iteration: number }> {
  if (run.done) return (await run.models())[0];
  return { image: await run.images(), iteration: run.traces[0].length };
}

async function state({ question, model, run, rows }: Live, display: Display): Promise<AscentState> {
  const { image, iteration } = await imageOf(run);
  const drawn = classModelPicture(image, model.spec, display);
  return { question, rows: [...rows], recipe: run.recipe, done: run.done, image: { iteration, display, ...drawn } };
}
