/** The worker: the engine, behind the methods that the page calls. */
import { AdapterError, InputError } from '../../errors.ts';
import { serve, type Failure } from '../rpc.ts';
import { ascentMethods } from './ascend.ts';
import { exportMethods } from './export.ts';
import { exploreMethods } from './explore.ts';
import { lookMethods } from './look.ts';
import { benchMethods } from './measure.ts';
import { ASIDE, modelMethods } from './models.ts';
import { photoMethods } from './photo.ts';
import { Seen } from './seen.ts';
import { isLost, Session, type LabEvent } from './session.ts';

const session = new Session((event) => emit(event));
const seen = new Seen(session);

const methods = {
  /** Opens the device. */
  async open(): Promise<void> {
    await session.gpu();
  },
  ...modelMethods(session),
  ...photoMethods(session),
  ...lookMethods(session, seen),
  ...exportMethods(session, seen),
  ...exploreMethods(session),
  ...ascentMethods(session),
  ...benchMethods(session),
};

export type LabMethods = typeof methods;

function failure(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (isLost(error)) return { kind: 'lost', message };
  if (error instanceof AdapterError) return { kind: 'adapter', message };
  return { kind: error instanceof InputError ? 'input' : 'engine', message };
}

const send = serve(self, methods, failure, ASIDE);
const emit = (event: LabEvent): void => send(event);
// What nobody awaited, and so nobody was told of.
addEventListener('unhandledrejection', ({ reason }) => emit({ kind: 'fault', message: failure(reason).message }));
