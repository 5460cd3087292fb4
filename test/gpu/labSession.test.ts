// What the lab's worker says of a device that is lost between two calls.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceLostError, InputError } from '../../src/errors.ts';
import { pictureSpec } from '../../src/image/modelInput.ts';
import { ascentMethods } from '../../src/lab/worker/ascend.ts';
import { Session, type LabEvent } from '../../src/lab/worker/session.ts';
import { loadModel } from '../../src/models/model.ts';

const QUESTION = { class: 3, preset: 'demo', seed: 0 } as const;
const NOW = { knobs: { iterations: 900, lambda: null, rate: null, blur: null, jitter: null }, display: 'clip' } as const;

test('a class model whose device was lost between two slices ends for that reason, and another begins on the next device', async () => {
  const events: LabEvent['kind'][] = [];
  const session = new Session(({ kind }) => events.push(kind));
  const model = await loadModel('weights/paper-mini.json');
  await session.choose('default', model, () => undefined, pictureSpec(model, {}));
  const ascent = ascentMethods(session);
  const goOn = (): Promise<unknown> =>
    ascent.ascentGoOn(NOW).then(
      () => undefined,
      (error: unknown) => error,
    );

  assert.instance(await goOn(), InputError);
  await ascent.ascentBegin({ question: QUESTION, ...NOW });
  assert.is(await goOn(), undefined);
  const gpu = await session.gpu();
  gpu.device.destroy();
  await gpu.lost;
  assert.is(ascent.ascentState(NOW), null);
  const error = await goOn();
  assert.instance(error, DeviceLostError);
  assert.match((error as Error).message, /expected a live one, got one that was lost/);

  await ascent.ascentBegin({ question: QUESTION, ...NOW });
  assert.is(await goOn(), undefined);
  ascent.ascentEnd();
  // Given up by the visitor: no loss.
  const after = await goOn();
  assert.instance(after, InputError);
  assert.equal(events, ['device', 'lost', 'device']);
  (await session.gpu()).dispose();
});

test.run();
