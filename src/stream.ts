/** A sequence of batches put to a device, so that it never waits for the host: the next ones are asked before the answer to the last is there. */

/** What was asked, and when its answer comes. */
export interface Asked<A> {
  /** Settles once nothing the device has to do for it is still to be queued. */
  readonly begun: Promise<unknown>;
  readonly answer: Promise<A>;
}

interface Running<B, A> {
  readonly batch: B;
  readonly answer: Promise<A>;
  /** Settles with the answer; never rejects. */
  readonly done: Promise<void>;
  settled: boolean;
}

/**
 * The answers to batches, in their order. While `most` of them are under way, the source is asked for the next one and for no more; while the
 * consumer is busy with an answer nothing new is begun. So at most `most` + 1 answers and one batch more are in memory, the consumer's own apart.
 *
 * A failure, of the source or of an answer, is told in its place, behind all answers before it. However this ends (an error, or the consumer's
 * `break`), what is under way has come to its end by then, and the source has been told to close.
 * @param ask begins with a batch; tells of a failure in its answer
 * @param most under way at once, at least 1
 */
export async function* pipelined<B, A>(
  source: Iterable<B> | AsyncIterable<B>,
  ask: (batch: B) => Asked<A>,
  most: number,
): AsyncGenerator<{ readonly batch: B; readonly answer: A }> {
  const batches = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  /** Begun and not handed over, in order. */
  const running: Running<B, A>[] = [];
  let arrived: PromiseSettledResult<IteratorResult<B>> | undefined;
  let coming: Promise<unknown> | undefined;
  const pull = (): void => {
    coming = Promise.allSettled([(async () => batches.next())()]).then(([result]) => (arrived = result));
  };
  const begin = async (batch: B): Promise<void> => {
    const { begun, answer } = ask(batch);
    const one: Running<B, A> = { batch, answer, settled: false, done: Promise.allSettled([answer]).then(() => void (one.settled = true)) };
    running.push(one);
    // Only then may the consumer be let in, who may keep this thread to itself for long.
    await Promise.allSettled([begun]);
  };
  let ended = false;
  let sound = true;
  try {
    pull();
    for (;;) {
      const open = running.filter(({ settled }) => !settled);
      if (arrived?.status === 'rejected' || arrived?.value.done) ended = true;
      else if (arrived && open.length < most && running.length <= most) {
        const batch = arrived.value.value as B;
        arrived = undefined;
        pull();
        await begin(batch);
        if (!running[0].settled) continue;
      }
      const [first] = running;
      if (first?.settled) {
        const answer = await first.answer;
        running.shift();
        yield { batch: first.batch, answer };
      } else if (first || !ended) await Promise.race([...open.map(({ done }) => done), ...(arrived ? [] : [coming])]);
      else if (arrived?.status === 'rejected') throw arrived.reason;
      else return;
    }
  } catch (error) {
    sound = false;
    throw error;
  } finally {
    await Promise.all(running.map(({ done }) => done));
    if (!ended) {
      // Told to a source that is at its next batch, this waits for that batch.
      const closed = await Promise.allSettled([(async () => batches.return?.())()]);
      if (sound && closed[0].status === 'rejected') throw closed[0].reason;
    }
  }
}
