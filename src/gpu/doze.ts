/**
 * Waiting that leaves the processor to others.
 *
 * While a promise of Dawn is pending under Node, Dawn asks the driver for news in every turn of the event loop and so keeps one core busy.
 * A software adapter computes on those same cores: where there are two, a dispatch was measured to take twice as long. Hence short sleeps
 * between the turns.
 */

/** Waits in progress; one loop of sleeps serves all. */
let waiting = 0;
let napping = false;
let since = 0;
let cell: Int32Array | undefined;

/** Sleeps are 5 % of what has passed since the last wait began, within these bounds (ms): news is heard late by no more than that. */
const SHORTEST = 0.05;
const LONGEST = 1;

/** Awaits a promise of WebGPU while the main thread mostly sleeps; other work goes on, one turn of the event loop per sleep. For Node. */
export async function doze<T>(promise: Promise<T>): Promise<T> {
  waiting++;
  since = performance.now();
  if (!napping) {
    napping = true;
    setImmediate(nap);
  }
  try {
    return await promise;
  } finally {
    waiting--;
  }
}

function nap(): void {
  if (waiting === 0) {
    napping = false;
    return;
  }
  cell ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(cell, 0, 0, Math.min(LONGEST, Math.max(SHORTEST, 0.05 * (performance.now() - since))));
  setImmediate(nap);
}
