/**
 * The check that every result passes before its time is taken: against f64, within the bound that rounding allows. Small results are compared
 * whole with the reference. Of large ones every element must have been written, and at least 512 are compared: those at the corners and others
 * at random, each computed by itself from the definition.
 */

import { U } from '../reference/bounds.ts';
import type { Bounded } from '../reference/types.ts';
import { formatShape, size, type Shape, type Tensor } from '../tensor.ts';
import { uniform } from '../verify/random.ts';
import { workOf, type Problem } from './problem.ts';
import { wanted, wantedAt } from './wanted.ts';

/** How a result was checked, and how it came out. */
export interface Check {
  /** `whole`: every element against the reference; `sample`: `compared` of them. */
  readonly method: 'whole' | 'sample';
  readonly elements: number;
  readonly compared: number;
  /** The largest |got - want| / bound; at most 1 for a correct result. */
  readonly worst: number;
  /** The Euclidean norm of got - want over that of want, on what was compared. */
  readonly relativeL2: number;
  /** What it may be: of long sums the bound alone is so wide that zeros would pass it. Undefined for ops that add up few terms. */
  readonly relativeLimit?: number;
  readonly passed: boolean;
  /** What is wrong, in words. */
  readonly failure?: string;
}

/** Elements compared where not all are. */
const SAMPLE = 512;

/** Multiply-accumulates up to which a whole result is computed in f64. */
const WHOLE_MACS = 25e6;

/** Elements up to which the result of an op without multiply-accumulates is. */
const WHOLE_ELEMENTS = 2.5e6;

/**
 * Rounding errors of a sum of K products of random numbers add up like a random walk, to about u sqrt(K / 6) of its size in one running sum and to
 * less in any other order. Ten times that is a wrong result.
 */
const RANDOM_WALKS = 4;

export interface CheckOptions {
  /** Compare a sample whatever the size. */
  readonly sample?: boolean;
}

/** Checks what the device made of a problem: y, or the gradient that the case asks for. */
export function checkResult(problem: Problem, got: Tensor, options: CheckOptions = {}): Check {
  return checker(problem, options)(got);
}

/** The check of a problem's results, of which there may be several: f64 computes once, when the first of them comes. */
export function checker(problem: Problem, { sample = false }: CheckOptions = {}): (got: Tensor) => Check {
  const { flop } = workOf(problem);
  const largest = Math.max(...problem.case.inputs.map(size), size(problem.typed.values.get('y')!.shape));
  const whole = !sample && (flop > 0 ? flop <= 2 * WHOLE_MACS : largest <= WHOLE_ELEMENTS);
  let expected: { readonly at: Int32Array | undefined; readonly want: Bounded } | undefined;
  return (got) => {
    const { data } = got;
    const unwritten = data.findIndex((v) => !Number.isFinite(v));
    if (unwritten >= 0) {
      return {
        method: whole ? 'whole' : 'sample',
        elements: data.length,
        compared: 0,
        worst: Infinity,
        relativeL2: Infinity,
        passed: false,
        failure: `element ${unwritten} of ${formatShape(got.shape)}: expected it to be written, got ${data[unwritten]}`,
      };
    }
    if (!expected) {
      const at = whole ? undefined : positions(got.shape, flop > 0);
      expected = { at, want: at ? wantedAt(problem, at) : wanted(problem) };
    }
    return compareWith(expected.want, expected.at, got, flop);
  };
}

/** A result against what it should be, at some positions or everywhere. */
function compareWith(want: Bounded, at: Int32Array | undefined, got: Tensor, flop: number): Check {
  const { data } = got;
  const bound = want.bound!;
  let [worst, where, wrong, all] = [0, -1, 0, 0];
  for (let i = 0; i < want.data.length; i++) {
    const value = data[at ? at[i] : i];
    const error = Math.abs(value - want.data[i]);
    wrong += error * error;
    all += want.data[i] * want.data[i];
    if (error === 0) continue;
    const ratio = bound[i] > 0 ? error / bound[i] : Infinity;
    if (ratio > worst) {
      worst = ratio;
      where = i;
    }
  }
  const relativeL2 = wrong === 0 ? 0 : Math.sqrt(wrong / all);
  const relativeLimit = flop > 0 ? RANDOM_WALKS * U * Math.sqrt(flop / 2 / data.length) : undefined;
  const near = worst <= 1;
  const passed = near && relativeL2 <= (relativeLimit ?? Infinity) && want.data.length > 0;
  const element = at ? at[where] : where;
  const outside = (i: number): string =>
    `element ${i} of ${formatShape(got.shape)}: expected ${want.data[where]} within ${bound[where].toExponential(2)}, got ${data[i]}`;
  return {
    method: at ? 'sample' : 'whole',
    elements: data.length,
    compared: want.data.length,
    worst,
    relativeL2,
    ...(relativeLimit === undefined ? {} : { relativeLimit }),
    passed,
    ...(passed ? {} : { failure: near ? farOff(relativeL2, relativeLimit!) : outside(element) }),
  };
}

const farOff = (relative: number, limit: number): string =>
  `expected a relative error of at most ${limit.toExponential(2)} in the Euclidean norm, got ${relative.toExponential(2)}`;

/** At least so many planes hold the elements that are compared, where a plane must be computed as a whole. */
const PLANES = 40;

/**
 * Where a large result is looked at: the corners of its first and last images and channels, and elements at random; unless
 * `scattered`, these lie together in some random planes.
 */
function positions(shape: Shape, scattered: boolean): Int32Array {
  const corners = shape.reduce<number[]>(
    (all, extent) => all.flatMap((base) => (extent > 1 ? [base * extent, base * extent + extent - 1] : [base * extent])),
    [0],
  );
  const count = size(shape);
  if (count <= 2 * SAMPLE) return Int32Array.from({ length: count }, (_, i) => i);
  const chosen = new Set(corners);
  const next = uniform(count);
  const span = scattered || shape.length < 4 ? 1 : size(shape.slice(2));
  // Enough of them to hold the sample several times over.
  const planes = Array.from({ length: Math.max(PLANES, Math.ceil((4 * SAMPLE) / span)) }, () => Math.floor((next() * count) / span) * span);
  const draw = (): number =>
    span === 1 ? Math.floor(next() * count) : planes[Math.floor(next() * planes.length)] + Math.floor(next() * span);
  while (chosen.size < corners.length + SAMPLE) chosen.add(draw());
  return Int32Array.from(chosen).sort();
}
