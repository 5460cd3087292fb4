/** Looking inside a pass as it goes by: what stands at an observed node's moment, and no longer. */
import { InputError } from '../errors.ts';
import type { Moment, TensorRef } from '../plan.ts';

/** What can be read at a moment of a pass, and only then: the steps that follow write over it. */
export interface Sight {
  readonly moment: Moment;
  /**
   * The elements of one of the moment's f32 tensors.
   * @param into where to copy them, at least as long; what is returned is a view of its beginning. Default: memory of their own.
   * @throws InputError if the tensor is not one of the moment, or not of f32
   */
  read(ref: TensorRef, into?: Float32Array): Promise<Float32Array>;
}

/** Looks at an observed node. The pass goes on when what it returns is done. */
export type Visit = (sight: Sight) => Promise<void> | void;

/** Shows a moment to its visitor, and nothing of it afterwards. */
export async function show(moment: Moment, visit: Visit, fetch: Sight['read']): Promise<void> {
  const refs = [...moment.x, ...moment.y, ...moment.dy, ...moment.dx];
  let passed = false;
  const read: Sight['read'] = async (ref, into) => {
    if (passed || !refs.includes(ref)) throw new InputError(`sight: expected a tensor of the moment of "${moment.node}", got "${ref.id}".`);
    if (ref.dtype !== 'f32') throw new InputError(`sight: expected a tensor of f32, got "${ref.id}" of ${ref.dtype}.`);
    return fetch(ref, into);
  };
  await visit({ moment, read });
  passed = true;
}
