/**
 * Calls from the page to the worker and back: `{id, method, args}` one way, `{id, result}`, `{id, error}` or `{id, report}` the other; and
 * events, which nobody asked for. Calls are taken one after the other, in the order in which they were made, so that methods need not
 * expect each other. One that is given up before its turn is never begun. Methods that wait for the network take no turn: nobody waits for them.
 */

/** What a method sees of the call that it serves. */
export interface Call {
  /** Aborted when the page no longer wants the answer. */
  readonly signal: AbortSignal;
  /** Tells the page how far it is. */
  report(report: unknown): void;
}

export type Methods = Readonly<Record<string, (args: never, call: Call) => unknown>>;

/** What goes wrong, as it crosses over: classes do not. */
export interface Failure {
  /**
   * `input`: the caller's to mend; `engine`: ours or the device's; `lost`: the device is gone; `adapter`: there is none to be had;
   * `aborted`: given up.
   */
  readonly kind: 'input' | 'engine' | 'lost' | 'adapter' | 'aborted';
  readonly message: string;
}

interface Request {
  readonly id: number;
  readonly method?: string;
  readonly args?: unknown;
  /** Gives up the call of this id. */
  readonly abort?: true;
}

type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: Failure }
  | { readonly id: number; readonly report: unknown }
  | { readonly event: unknown };

/** One end of a channel: a worker for the page, the global scope for the worker. */
interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
}

/**
 * Serves methods on a port.
 * @param failure what an error is to the page
 * @param aside names of methods that are begun at once and hold up nobody
 * @returns a way to send events
 */
export function serve(
  port: Port,
  methods: Methods,
  failure: (error: unknown) => Failure,
  aside: ReadonlySet<string> = new Set(),
): (event: unknown) => void {
  const waiting = new Map<number, AbortController>();
  let turn: Promise<void> = Promise.resolve();
  const answer = async ({ id, method, args }: Request, controller: AbortController): Promise<void> => {
    const { signal } = controller;
    try {
      signal.throwIfAborted();
      const call: Call = { signal, report: (report) => port.postMessage({ id, report } satisfies Reply) };
      const result = await (methods[method!] as (args: unknown, call: Call) => unknown)(args, call);
      signal.throwIfAborted();
      port.postMessage({ id, result } satisfies Reply);
    } catch (error) {
      const aborted: Failure = { kind: 'aborted', message: 'given up' };
      port.postMessage({ id, error: signal.aborted ? aborted : failure(error) } satisfies Reply);
    } finally {
      waiting.delete(id);
    }
  };
  port.addEventListener('message', ({ data }) => {
    const request = data as Request;
    if (request.abort) {
      waiting.get(request.id)?.abort();
      return;
    }
    const controller = new AbortController();
    waiting.set(request.id, controller);
    if (aside.has(request.method!)) void answer(request, controller);
    else turn = turn.then(() => answer(request, controller));
  });
  return (event) => port.postMessage({ event } satisfies Reply);
}

/** Why a call has no answer. */
export class CallError extends Error {
  override name = 'CallError';
  constructor(
    readonly kind: Failure['kind'],
    message: string,
  ) {
    super(message);
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onReport?: (report: unknown) => void;
}

/** The argument and the answer of a method. */
export type Argument<M> = M extends (args: infer A, ...rest: never[]) => unknown ? A : never;
export type Answer<M> = M extends (...args: never[]) => infer R ? Awaited<R> : never;

/** The page's end: `call` a method and await its answer. */
export class Client<M extends Methods> {
  readonly #open = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void; report(report: unknown): void }>();
  #next = 1;
  #closed: CallError | undefined;

  constructor(
    private readonly port: Port,
    onEvent: (event: unknown) => void,
  ) {
    port.addEventListener('message', ({ data }) => {
      const reply = data as Reply;
      if ('event' in reply) return onEvent(reply.event);
      const call = this.#open.get(reply.id);
      if (!call) return;
      if ('report' in reply) return call.report(reply.report);
      this.#open.delete(reply.id);
      if ('error' in reply) call.reject(new CallError(reply.error.kind, reply.error.message));
      else call.resolve(reply.result);
    });
  }

  /** The other end is gone: all that was asked, and all that will be, ends with this error. */
  close(error: CallError): void {
    this.#closed ??= error;
    for (const call of this.#open.values()) call.reject(this.#closed);
    this.#open.clear();
  }

  /** @throws CallError; of kind `aborted` if the signal was */
  call<K extends keyof M & string>(method: K, args: Argument<M[K]>, { signal, onReport }: CallOptions = {}): Promise<Answer<M[K]>> {
    const id = this.#next++;
    return new Promise<unknown>((resolve, reject) => {
      const giveUp = (): void => {
        if (!this.#open.delete(id)) return;
        this.port.postMessage({ id, abort: true } satisfies Request);
        reject(new CallError('aborted', 'given up'));
      };
      if (signal?.aborted) return reject(new CallError('aborted', 'given up'));
      if (this.#closed) return reject(this.#closed);
      signal?.addEventListener('abort', giveUp, { once: true });
      const settled = (): void => signal?.removeEventListener('abort', giveUp);
      this.#open.set(id, {
        resolve: (value) => (settled(), resolve(value)),
        reject: (error) => (settled(), reject(error)),
        report: (report) => onReport?.(report),
      });
      this.port.postMessage({ id, method, args } satisfies Request);
    }) as Promise<Answer<M[K]>>;
  }
}
