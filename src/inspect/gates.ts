/**
 * What a ReLU does on either way: which of its units are on, and how much of the signal that arrives each of the four rules would kill there.
 *
 * With X the input on the way up and R the signal that arrives, a rule passes R where `rulePasses` says so. Mass is what R amounts to: the sum of
 * its magnitudes, and of its squares.
 */
import { rulePasses, RULES, type LayerRules, type Rule } from '../rule.ts';
import type { Shape } from '../tensor.ts';

/** What a signal amounts to. */
export interface Mass {
  /** Elements that are not zero. */
  readonly units: number;
  /** Sum of magnitudes. */
  readonly l1: number;
  /** Sum of squares. */
  readonly l2Squared: number;
}

export function massOf(signal: Float32Array): Mass {
  return massWhere(signal, () => true);
}

/** The mass of the elements that `taken` takes, by their index. */
export function massWhere(signal: Float32Array, taken: (i: number) => boolean): Mass {
  let [units, l1, l2Squared] = [0, 0, 0];
  for (let i = 0; i < signal.length; i++) {
    const r = signal[i];
    if (r === 0 || !taken(i)) continue;
    units++;
    l1 += Math.abs(r);
    l2Squared += r * r;
  }
  return { units, l1, l2Squared };
}

/** part / whole for units, L1 and L2 squared; null where the whole is zero. */
export function massShare(part: Mass, whole: Mass): { readonly [K in keyof Mass]: number | null } {
  const share = (key: keyof Mass): number | null => (whole[key] > 0 ? part[key] / whole[key] : null);
  return { units: share('units'), l1: share('l1'), l2Squared: share('l2Squared') };
}

/** A ReLU's units by the sign of their input. */
export interface GateUnits {
  readonly units: number;
  /** X > 0. */
  readonly active: number;
  /** X <= 0: the output is zero. */
  readonly dead: number;
  /** X = 0 exactly, where conventions differ; among the dead. */
  readonly tied: number;
  /** X is NaN. */
  readonly nan: number;
  /** Channels, of `channels`, without an active unit. */
  readonly channels: number;
  readonly deadChannels: number;
  /** Active units of each channel. */
  readonly activeByChannel: readonly number[];
}

/** @param shape [1, C, ...] */
export function gateUnits(x: Float32Array, shape: Shape): GateUnits {
  const channels = shape[1] ?? 1;
  const plane = x.length / channels;
  let [active, tied, nan] = [0, 0, 0];
  const activeByChannel: number[] = [];
  for (let c = 0, i = 0; c < channels; c++) {
    const before = active;
    for (const end = i + plane; i < end; i++) {
      if (x[i] > 0) active++;
      else if (x[i] === 0) tied++;
      else if (x[i] !== x[i]) nan++;
    }
    activeByChannel.push(active - before);
  }
  const deadChannels = activeByChannel.filter((n) => n === 0).length;
  return { units: x.length, active, dead: x.length - active - nan, tied, nan, channels, deadChannels, activeByChannel };
}

/** The signal at a ReLU, and what each rule would pass of it. */
export interface GateSignal {
  readonly arriving: Mass;
  readonly passed: Readonly<Record<Rule, Mass>>;
  /** Shares of the arriving mass that the rule stops; null where nothing arrives. */
  readonly killed: Readonly<Record<Rule, { readonly [K in keyof Mass]: number | null }>>;
}

/**
 * @param gate the ReLU's input, or, where zero is closed, its output (y > 0 exactly where x > 0)
 * @param arriving the signal at its output
 */
export function gateSignal(gate: Float32Array, arriving: Float32Array, zero: LayerRules['zero']): GateSignal {
  const whole = massOf(arriving);
  const passed = {} as Record<Rule, Mass>;
  const killed = {} as Record<Rule, ReturnType<typeof massShare>>;
  for (const rule of RULES) {
    passed[rule] = massWhere(arriving, (i) => rulePasses(rule, gate[i], arriving[i], zero));
    killed[rule] = massShare(
      massWhere(arriving, (i) => !rulePasses(rule, gate[i], arriving[i], zero)),
      whole,
    );
  }
  return { arriving: whole, passed, killed };
}
