// Batches put to a device ahead of their answers: order, how many are under way, and that nothing is left behind. No device: answers are let go by
// hand.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pipelined, type Asked } from '../../src/stream.ts';

/** Asks whose answers come when they are told to. */
class Oracle {
  readonly log: string[] = [];
  readonly #open = new Map<number, { answer: (value: number) => void; fail: (error: Error) => void }>();
  most = 0;

  ask = (batch: number): Asked<number> => {
    this.log.push(`ask ${batch}`);
    const answer = new Promise<number>((resolve, reject) => this.#open.set(batch, { answer: resolve, fail: reject }));
    this.most = Math.max(this.most, this.#open.size);
    return { begun: Promise.resolve(), answer };
  };

  get open(): number[] {
    return [...this.#open.keys()];
  }

  answer(batch: number): void {
    if (!this.#open.has(batch)) throw new Error(`expected one of ${this.open} to answer, got ${batch}`);
    this.#open.get(batch)!.answer(10 * batch);
    this.#open.delete(batch);
  }

  fail(batch: number): void {
    this.#open.get(batch)!.fail(new Error(`batch ${batch} failed`));
    this.#open.delete(batch);
  }

  /** Answers everything, as soon as it is asked. */
  soon = (batch: number): Asked<number> => {
    const asked = this.ask(batch);
    setTimeout(() => this.answer(batch), 1);
    return asked;
  };
}

/** All that is under way without a clock has come to its end. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

function numbers(count: number, log: string[] = []): AsyncGenerator<number> {
  return (async function* () {
    try {
      for (let k = 0; k < count; k++) {
        log.push(`pull ${k}`);
        yield k;
      }
    } finally {
      log.push('closed');
    }
  })();
}

async function collect<A>(answers: AsyncIterable<{ batch: number; answer: A }>, into: string[] = []): Promise<string[]> {
  for await (const { batch, answer } of answers) into.push(`${batch}: ${answer}`);
  return into;
}

const thrown = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'nothing',
    (error: Error) => error.message,
  );

for (const most of [1, 2, 3]) {
  test(`${most} under way: in order, no more than that, and that many`, async () => {
    for (const source of [numbers(7), [0, 1, 2, 3, 4, 5, 6]]) {
      const oracle = new Oracle();
      assert.equal(await collect(pipelined(source, oracle.soon, most)), ['0: 0', '1: 10', '2: 20', '3: 30', '4: 40', '5: 50', '6: 60']);
      assert.is(oracle.most, most);
    }
  });
}

test('no batches, no answers', async () => {
  assert.equal(await collect(pipelined(numbers(0), new Oracle().soon, 2)), []);
});

test('two are asked before the first answer, one more is pulled, and nothing is asked for until the consumer comes back', async () => {
  const oracle = new Oracle();
  const answers = pipelined(numbers(9, oracle.log), oracle.ask, 2);
  await settle();
  assert.equal(oracle.log, [], 'not before the consumer wants something');
  const first = answers.next();
  await settle();
  assert.equal(oracle.log, ['pull 0', 'pull 1', 'ask 0', 'pull 2', 'ask 1'].sort(byNumber(oracle.log)));
  oracle.answer(0);
  assert.is((await first).value.answer, 0);
  assert.equal(oracle.open, [1, 2], 'the next one is under way when the consumer is let in');
  oracle.answer(1);
  oracle.answer(2);
  const { length } = oracle.log;
  await settle();
  assert.is(oracle.log.length, length, 'back-pressure');
  assert.is((await answers.next()).value.answer, 10);
  const left = answers.return(undefined);
  for (const batch of oracle.open) oracle.answer(batch);
  await left;
});

/** Pulls and asks may take turns as they like. */
const byNumber =
  (order: readonly string[]) =>
  (a: string, b: string): number =>
    order.indexOf(a) - order.indexOf(b);

test('the consumer is let in once what was asked is queued', async () => {
  const oracle = new Oracle();
  let queued: () => void = () => {};
  const ask = (batch: number): Asked<number> => ({
    ...oracle.ask(batch),
    begun: batch === 2 ? new Promise<void>((resolve) => (queued = resolve)) : Promise.resolve(),
  });
  const answers = pipelined([0, 1, 2], ask, 2);
  let came = false;
  const first = answers.next().then(() => (came = true));
  await settle();
  oracle.answer(0);
  await settle();
  assert.is(came, false);
  queued();
  await first;
  for (const batch of oracle.open) oracle.answer(batch);
  assert.is((await collect(answers)).length, 2);
});

test('an answer does not wait for a slow source', async () => {
  const oracle = new Oracle();
  let go: () => void = () => {};
  const source = (async function* () {
    yield 0;
    await new Promise<void>((resolve) => (go = resolve));
    yield 1;
  })();
  const answers = pipelined(source, oracle.soon, 2);
  assert.is((await answers.next()).value.answer, 0);
  go();
  assert.is((await answers.next()).value.answer, 10);
  assert.is((await answers.next()).done, true);
});

test('answers that come out of order are handed over in order', async () => {
  const oracle = new Oracle();
  const got: string[] = [];
  const all = collect(pipelined([0, 1, 2], oracle.ask, 2), got);
  await settle();
  oracle.answer(1);
  await settle();
  assert.equal(got, []);
  assert.equal(oracle.open, [0, 2], 'its place is free');
  oracle.answer(0);
  oracle.answer(2);
  await all;
  assert.equal(got, ['0: 0', '1: 10', '2: 20']);
});

test('a source that fails is told behind the answers before it', async () => {
  for (const source of [
    (async function* () {
      yield 0;
      yield 1;
      throw new Error('no third');
    })(),
    (function* () {
      yield 0;
      yield 1;
      throw new Error('no third');
    })(),
  ]) {
    const got: string[] = [];
    assert.is(await thrown(collect(pipelined(source, new Oracle().soon, 2), got)), 'no third');
    assert.equal(got, ['0: 0', '1: 10']);
  }
});

test('an answer that fails is told in its place, when what is under way behind it has ended, and the source is closed', async () => {
  const oracle = new Oracle();
  const got: string[] = [];
  let over = false;
  const all = thrown(collect(pipelined(numbers(9, oracle.log), oracle.ask, 2), got)).finally(() => (over = true));
  await settle();
  oracle.fail(1);
  await settle();
  assert.equal(got, []);
  oracle.answer(0);
  await settle();
  assert.equal(got, ['0: 0']);
  assert.equal([over, oracle.open], [false, [2, 3]]);
  oracle.answer(2);
  oracle.answer(3);
  assert.is(await all, 'batch 1 failed');
  assert.is(oracle.log.at(-1), 'closed');
});

test('break waits for what is under way and closes the source', async () => {
  const oracle = new Oracle();
  let under = 0;
  const ask = (batch: number): Asked<number> => {
    under++;
    const asked = oracle.soon(batch);
    const over = (): unknown => under--;
    asked.answer.then(over, over);
    return asked;
  };
  for await (const { batch } of pipelined(numbers(9, oracle.log), ask, 3)) if (batch === 2) break;
  assert.is(under, 0);
  assert.is(oracle.log.at(-1), 'closed');
});

test('a source that fails to close is told to who leaves, and does not hide what went wrong before', async () => {
  let count = 0;
  const source = (): AsyncIterable<number> => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: count++ }),
      return: async () => {
        throw new Error('does not close');
      },
    }),
  });
  const leave = async (): Promise<void> => {
    for await (const _ of pipelined(source(), new Oracle().soon, 2)) break;
  };
  assert.is(await thrown(leave()), 'does not close');
  const failing = (): Asked<number> => ({ begun: Promise.resolve(), answer: Promise.reject(new Error('failed')) });
  assert.is(await thrown(collect(pipelined(source(), failing, 2))), 'failed');
});

test.run();
