/** What the explorer's functions look into; they know no session and no browser, and run under Node just as well. */
import type { Gpu } from '../../gpu/device.ts';
import type { TypedGraph } from '../../graph.ts';
import type { RuleSpec } from '../../rule.ts';
import type { AnyTensor, Tensor } from '../../tensor.ts';

/** One input of one network on one device. */
export interface Subject {
  readonly gpu: Gpu;
  readonly typed: TypedGraph;
  readonly parameters: ReadonlyMap<string, AnyTensor>;
  /** [1, C, H, W] */
  readonly input: Tensor;
}

/** Whose score is followed down, and under which rules. */
export interface Asked {
  readonly class: number;
  readonly rule: RuleSpec;
}

/** How far a method is. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

/** How a method is watched: what `Call` offers it. */
export interface Watch {
  /** Aborted when nobody waits any more; looked at between layers. */
  readonly signal: AbortSignal;
  report(progress: Progress): void;
}
