/** The worker: the engine, behind the methods that the page calls. */
import { InputError } from '../../errors.ts';
import { serve, type Failure } from '../rpc.ts';
import { ascentMethods } from './ascend.ts';
import { lookMethods } from './look.ts';
import { benchMethods } from './measure.ts';
import { modelMethods } from './models.ts';
import { photoMethods } from './photo.ts';
import { isLost, Session, type LabEvent } from './session.ts';

const session = new Session((event) => emit(event));

const methods = {
  /** Opens the device. */
  async open(): Promise<void> {
    await session.gpu();
  },
  ...modelMethods(session),
  ...photoMethods(session),
  ...lookMethods(session),
  ...ascentMethods(session),
  ...benchMethods(session),
};

export type LabMethods = typeof methods;

function failure(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (isLost(error)) return { kind: 'lost', message };
  return { kind: error instanceof InputError ? 'input' : 'engine', message };
}

const send = serve(self, methods, failure);
const emit = (event: LabEvent): void => send(event);
