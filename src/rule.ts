/**
 * The rule that ReLU's backward obeys: the one sign in which DeconvNet, guided back-propagation and the gradient differ.
 *
 * With X the ReLU's input on the way up and R the signal coming down, a rule passes R where
 *
 *     gradient    X > 0            dS/dX; ReLU'(0) = 0
 *     deconvnet   R > 0            Zeiler & Fergus 2013
 *     guided      X > 0 and R > 0  Springenberg et al. 2014
 *     linear      always
 *
 * and zero elsewhere. Everything else in the backward pass is the same for all four.
 * @see Simonyan, Vedaldi, Zisserman 2013, section 4
 */
import { InputError } from './errors.ts';

/** In the order of the shader's `rule` constant. */
export const RULES = ['gradient', 'deconvnet', 'guided', 'linear'] as const;

export type Rule = (typeof RULES)[number];

/** A default rule and overrides by ReLU node name (exact names; every name must exist and be a ReLU). */
export interface RuleSpec {
  readonly default: Rule;
  readonly at?: Readonly<Record<string, Rule>>;
}

/** Whether a rule passes the signal r where ReLU's input was x. */
export function rulePasses(rule: Rule, x: number, r: number): boolean {
  switch (rule) {
    case 'gradient':
      return x > 0;
    case 'deconvnet':
      return r > 0;
    case 'guided':
      return x > 0 && r > 0;
    case 'linear':
      return true;
  }
}

/** @throws InputError if `name` is not a rule. */
export function parseRule(name: string): Rule {
  if ((RULES as readonly string[]).includes(name)) return name as Rule;
  throw new InputError(`rule: expected one of ${RULES.join(', ')}, got "${name}".`);
}
