/** Every kernel that could compute a case, not only those that the static choice takes. */
import { typeGraph } from '../graph.ts';
import { compile, type DeviceTraits } from '../plan.ts';
import type { OpCase } from './cases.ts';
import { caseGraph, differentiableInputs, outputsOf } from './casePlans.ts';

/**
 * A device's traits with the candidates of a case pinned, one after the other, in all its directions at a time: together they reach every candidate.
 * Empty for a case that nothing is chosen for.
 */
export function pinnedTraits(c: OpCase, traits: DeviceTraits): DeviceTraits[] {
  const typed = typeGraph(caseGraph(c, outputsOf(c)));
  const wrt = differentiableInputs(c, typed).map((k) => `x${k}`);
  const { choices } = compile(typed, { target: 'y0', wrt, traits });
  const most = Math.max(0, ...choices.map(({ candidates }) => candidates.length));
  return Array.from({ length: most }, (_, i) => ({
    ...traits,
    choices: Object.fromEntries(choices.map(({ key, candidates }) => [key, candidates[i % candidates.length]])),
  }));
}
