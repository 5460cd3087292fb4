// Calls between page and worker: turns, those that take none, giving up, errors, the end of a worker.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CallError, Client, serve, type Call, type Failure, type Methods } from '../../src/lab/rpc.ts';

type Listener = (event: { readonly data: unknown }) => void;

/** Two ends that hear each other, later, and clone what they send, as a worker's do. */
function channel() {
  const ends = [0, 1].map(() => [] as Listener[]);
  const port = (own: number) => ({
    postMessage(message: unknown) {
      const data = structuredClone(message);
      setTimeout(() => ends[1 - own].forEach((listener) => listener({ data })), 0);
    },
    addEventListener: (_: 'message', listener: Listener) => void ends[own].push(listener),
  });
  return [port(0), port(1)] as const;
}

const failure = (error: unknown): Failure => ({ kind: 'input', message: (error as Error).message });

function pair<M extends Methods>(methods: M, aside?: ReadonlySet<string>) {
  const [page, worker] = channel();
  const events: unknown[] = [];
  const client = new Client<M>(page, (event) => events.push(event));
  return { client, events, emit: serve(worker, methods, failure, aside) };
}

const pause = (ms = 5): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const rejects = async (promise: Promise<unknown>, kind: string, message: RegExp): Promise<void> => {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, CallError);
    assert.is((error as CallError).kind, kind);
    assert.match((error as CallError).message, message);
    return;
  }
  assert.unreachable('expected a rejection');
};

test('one after the other, in the order in which they were called', async () => {
  const log: string[] = [];
  const { client } = pair({
    async work({ name, ms }: { name: string; ms: number }) {
      log.push(`${name} begins`);
      await pause(ms);
      log.push(`${name} ends`);
      return name.toUpperCase();
    },
  });
  const answers = await Promise.all([client.call('work', { name: 'a', ms: 20 }), client.call('work', { name: 'b', ms: 1 })]);
  assert.equal(answers, ['A', 'B']);
  assert.equal(log, ['a begins', 'a ends', 'b begins', 'b ends']);
});

test('what takes no turn is begun at once, and holds up nobody', async () => {
  const log: string[] = [];
  const { client } = pair(
    {
      async slow({ ms }: { ms: number }) {
        await pause(ms);
        log.push('slow');
      },
      async fetching({ ms }: { ms: number }) {
        log.push('fetching begins');
        await pause(ms);
        log.push('fetched');
      },
    },
    new Set(['fetching']),
  );
  await Promise.all([client.call('slow', { ms: 30 }), client.call('fetching', { ms: 60 }), client.call('slow', { ms: 1 })]);
  assert.equal(log, ['fetching begins', 'slow', 'slow', 'fetched']);
});

test('an error ends its call alone, however it is thrown', async () => {
  const { client } = pair({
    thrown() {
      throw new Error('at once');
    },
    async rejected() {
      await pause();
      throw new Error('later');
    },
    uncloneable: () => () => 1,
    good: () => 7,
  });
  await rejects(client.call('thrown', undefined as never), 'input', /^at once$/);
  await rejects(client.call('rejected', undefined as never), 'input', /^later$/);
  await rejects(client.call('uncloneable', undefined as never), 'input', /could not be cloned/);
  await rejects(client.call('absent' as 'good', undefined as never), 'input', /not a function/);
  assert.is(await client.call('good', undefined as never), 7);
});

test('given up before its turn: never begun. Given up under way: its signal says so, and no answer comes', async () => {
  const begun: string[] = [];
  let seen = false;
  const { client } = pair({
    async work({ name }: { name: string }, { signal }: Call) {
      begun.push(name);
      await pause(20);
      seen ||= signal.aborted;
      return name;
    },
  });
  const [first, second] = [new AbortController(), new AbortController()];
  const a = client.call('work', { name: 'a' }, { signal: first.signal });
  const b = client.call('work', { name: 'b' }, { signal: second.signal });
  const c = client.call('work', { name: 'c' });
  await pause();
  second.abort();
  first.abort();
  await rejects(a, 'aborted', /given up/);
  await rejects(b, 'aborted', /given up/);
  assert.is(await c, 'c');
  assert.equal(begun, ['a', 'c']);
  assert.ok(seen);
  await rejects(client.call('work', { name: 'd' }, { signal: first.signal }), 'aborted', /given up/);
  assert.equal(begun, ['a', 'c']);
});

test('reports come to the call they belong to, before its answer; none after it is given up', async () => {
  const { client } = pair({
    async count({ to }: { to: number }, { report }: Call) {
      for (let i = 1; i <= to; i++) {
        report(i);
        await pause(2);
      }
      return to;
    },
  });
  const heard: unknown[] = [];
  const other: unknown[] = [];
  const controller = new AbortController();
  const given = client.call(
    'count',
    { to: 100 },
    { signal: controller.signal, onReport: (n) => (other.push(n), n === 2 && controller.abort()) },
  );
  await rejects(given, 'aborted', /given up/);
  await client.call('count', { to: 3 }, { onReport: (n) => heard.push(n) });
  assert.equal(heard, [1, 2, 3]);
  assert.equal(other, [1, 2]);
});

test('a worker that has stopped: what was asked ends, and so does what is asked later', async () => {
  const { client } = pair({ work: () => pause(1000) });
  const asked = client.call('work', undefined as never);
  client.close(new CallError('lost', 'the worker stopped'));
  await rejects(asked, 'lost', /the worker stopped/);
  await rejects(client.call('work', undefined as never), 'lost', /the worker stopped/);
});

test('events come without being asked for', async () => {
  const { emit, events } = pair({});
  emit({ kind: 'lost' });
  await pause();
  assert.equal(events, [{ kind: 'lost' }]);
});

test.run();
