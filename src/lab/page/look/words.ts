/** What the knobs' values are called. */
import type { ScoreKind } from '../../../network.ts';
import type { RuleAxis } from '../../../rule.ts';
import type { Reduce } from '../../../visualise/reduce.ts';

export const SCORE_WORDS: Readonly<Record<ScoreKind, string>> = { scores: 'score', posterior: 'posterior', logodds: 'log odds' };

export const REDUCE_WORDS: Readonly<Record<Reduce, string>> = {
  max: 'largest |w|',
  l2: 'root of Σ w²',
  sum: 'Σ |w|',
  signed: 'Σ w, signed',
};

/** Layers that have an axis of rules, and the axis. */
export const AXIS_WORDS: Readonly<Record<RuleAxis, string>> = { relu: 'ReLU', zero: 'ReLU at zero', maxpool: 'max-pool', lrn: 'LRN' };
