/**
 * Progress on stderr, with the time left: a bar on a terminal, a line now and then elsewhere. Results go to stdout and are not disturbed.
 */
import { SingleBar } from 'cli-progress';

/** The progress of one piece of work. */
export interface Progress {
  /** Tells how much is done, of the total, and what else there is to say, such as `score 12.3  norm 456`. */
  tick(done: number, fields?: string): void;
  /** Takes the bar away. To be called however the work ended; twice is once. */
  stop(): void;
}

/** Where to, how often, and in which words. */
export interface ProgressOptions {
  /** Default: stderr. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** The time in ms. */
  readonly now?: () => number;
  /** Units that were done before this piece of work: the time left is not reckoned from them. Default: 0. */
  readonly from?: number;
  /** How numbers of units are written. Default: as they are. */
  readonly show?: (units: number) => string;
}

/** Without a terminal: no line within SHORTEST ms of the last, none before a SHARE of the total is done, but one after LONGEST ms. */
const SHORTEST = 5_000;
const LONGEST = 60_000;
const SHARE = 0.05;

/**
 * Shows the progress of `total` units of work (images, iterations). The time left is what the units done so far took on average, times
 * those to go.
 * @param label what is being done, in a word or two
 */
export function progress(total: number, label: string, options: ProgressOptions = {}): Progress {
  const { stream = process.stderr, now = () => performance.now(), from = 0, show = String } = options;
  const started = now();
  const timeLeft = (done: number): string =>
    done > from && done < total ? formatSeconds((((now() - started) / (done - from)) * (total - done)) / 1000) : '';
  return stream.isTTY ? bar(total, label, stream, show, timeLeft) : lines(total, label, stream, show, now, timeLeft);
}

function bar(
  total: number,
  label: string,
  stream: NodeJS.WritableStream,
  show: (units: number) => string,
  timeLeft: (done: number) => string,
): Progress {
  const shown = new SingleBar({
    stream,
    format: '{label} {bar} {done}/{all}{fields}{left}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 20,
    clearOnComplete: true,
    // Hiding the cursor would need handlers that bring it back, and those of the package take Ctrl-C from the command and leave it running.
    hideCursor: null,
    gracefulExit: false,
  });
  const text = (done: number, fields: string | undefined, left: string) => ({
    label,
    done: show(done),
    all: show(total),
    fields: fields ? `  ${fields}` : '',
    left: left && `  ${left} left`,
  });
  shown.start(total, 0, text(0, undefined, ''));
  return {
    tick: (done, fields) => shown.update(done, text(done, fields, timeLeft(done))),
    stop: () => shown.stop(),
  };
}

function lines(
  total: number,
  label: string,
  stream: NodeJS.WritableStream,
  show: (units: number) => string,
  now: () => number,
  timeLeft: (done: number) => string,
): Progress {
  let last = { at: now(), done: 0 };
  let stopped = false;
  return {
    tick(done, fields) {
      const silence = now() - last.at;
      const due = done >= total || silence >= LONGEST || (silence >= SHORTEST && done - last.done >= SHARE * total);
      if (stopped || !due || done === last.done) return;
      last = { at: now(), done };
      const left = timeLeft(done);
      stream.write(`${label} ${show(done)}/${show(total)}${fields ? `  ${fields}` : ''}${left && `  ${left} left`}\n`);
    },
    stop() {
      stopped = true;
    },
  };
}

/** `9 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
