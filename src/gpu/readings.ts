/** What of a plan can be read on the device, and after which pass. */
import { InputError } from '../errors.ts';
import type { Plan, TensorRef } from '../plan.ts';
import type { Reading } from './submissions.ts';

export type Pass = 'nothing' | 'forward' | 'backward';

export class Readings {
  /** The last pass that has run, or been queued. */
  after: Pass = 'nothing';

  constructor(
    readonly plan: Plan,
    /** The buffer of a tensor, by its id. */
    private readonly buffer: (id: string) => GPUBuffer,
  ) {}

  /** A value of the forward pass. @throws InputError if the plan does not keep it, or no forward pass has run */
  value(name: string, after: Pass = this.after): Reading {
    const { plan } = this;
    if (!plan.readable.includes(name)) {
      throw new InputError(
        `read: expected one of the values kept by the plan (${plan.readable.slice(0, 8).join(', ')}), got "${name}". Compile with keep: ["${name}"].`,
      );
    }
    if (after === 'nothing') throw new InputError('read: expected a forward pass before it. Call forward() first.');
    return this.of(plan.values[name]);
  }

  /** The signal at a value. @throws InputError if the plan does not bring it down, or no backward pass has run */
  gradient(name: string, after: Pass = this.after): Reading {
    const { plan } = this;
    if (!Object.hasOwn(plan.gradients, name)) {
      throw new InputError(
        `gradient: expected one of ${Object.keys(plan.gradients).slice(0, 8).join(', ') || 'none'}, got "${name}". Compile with wrt or signals.`,
      );
    }
    if (after !== 'backward') throw new InputError('gradient: expected a backward pass before it. Call backward() first.');
    return this.of(plan.gradients[name]);
  }

  /** A tensor where it lies. */
  of(ref: TensorRef): Reading {
    return { ref, buffer: this.buffer(ref.id) };
  }
}
