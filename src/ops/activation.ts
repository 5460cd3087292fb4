/**
 * A ReLU computed by the kernels of a neighbouring layer as they store: conv2d.wgsl says what the bits mean.
 */
import { consultsInput, type LayerRules } from '../rule.ts';
import type { Activation, TensorRef } from './op.ts';

const ABOVE_ZERO = 1;
const NAN_TOO = 2;
const GATED = 4;
const OPEN_AT_ZERO = 8;

/** y = max(x, 0). */
export const RELU: Activation = { bits: ABOVE_ZERO | NAN_TOO, gate: null };

/** What a ReLU's rule lets pass downwards. @param gate y, or x where the rule asks for the sign of x at zero too ({@link readsX}) */
export function ruleActivation(rules: LayerRules, gate: TensorRef): Activation {
  const sign = rules.relu === 'deconvnet' || rules.relu === 'guided' ? ABOVE_ZERO : 0;
  const gated = consultsInput(rules) ? GATED : 0;
  return { bits: sign | gated | (readsX(rules) ? OPEN_AT_ZERO : 0), gate };
}

/** Whether a ReLU's backward takes x for its gate: y > 0 exactly where x > 0, but y = 0 does not tell x = 0 from x < 0. */
export function readsX(rules: LayerRules): boolean {
  return rules.zero === 'open' && consultsInput(rules);
}

/** Fields and bindings of a kernel that stores so. @param any what is bound where there is no gate */
export function finishing(activation: Activation | undefined, any: TensorRef): { activation: number; gate: TensorRef } {
  return { activation: activation?.bits ?? 0, gate: activation?.gate ?? any };
}
