/** What the page knows, outside of its components: the view, which is the address, and what the worker said. */
import { CallError, Client } from '../rpc.ts';
import { DEFAULT_VIEW, readView, writeView, type View } from '../view.ts';
import type { LabMethods } from '../worker/main.ts';
import type { LabEvent } from '../worker/session.ts';
import { ModelOpening, type ModelPage } from './modelOpening.ts';
import { SAMPLES } from './samples.ts';
import type { LabState, Problem } from './state.ts';

export { chosenClass, shownClass, type LabState, type Problem } from './state.ts';

/** A model, and what may lie beside it: class names, data outside of its file. */
const MODEL_FILE = /\.(onnx|json|safetensors)$/i;
const OF_MODEL = /\.(onnx|json|safetensors|txt|data|bin)$/i;

/** Something under way. */
interface Work {
  readonly words: string;
}

/** The page's one store. Components read it with `useLab`. */
export class Lab implements ModelPage {
  readonly models = new ModelOpening(this);
  client!: Client<LabMethods>;
  readonly #listeners = new Set<() => void>();
  #state: LabState;
  /** What is under way, in words, the latest last. */
  #works: readonly Work[] = [];
  /** How many photos were asked for. */
  #photos = 0;
  /** What another worker would be given again. */
  #photo: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;
  /** When devices were lost, in milliseconds. */
  #losses: number[] = [];

  /** @param makeWorker called again when a worker has stopped */
  constructor(private readonly makeWorker: () => Worker) {
    const { view, problems } = readView(location.hash);
    this.#state = {
      view,
      adapter: null,
      noAdapter: null,
      model: null,
      fetching: null,
      asks: null,
      photo: null,
      ranking: null,
      pointed: null,
      busy: 'opening the device',
      problems: problems.map((message) => ({ where: 'address', message })),
      edition: 0,
    };
    this.#work();
    addEventListener('hashchange', () => this.#follow());
  }

  get state(): LabState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(change: Partial<LabState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  /** Changes the view and with it the address. */
  view(change: Partial<View>): void {
    // An address that was typed meanwhile and has not been heard of yet is not written over.
    this.#follow();
    const view = { ...this.#state.view, ...change };
    history.replaceState(null, '', `#${writeView(view)}`);
    this.set({ view });
  }

  problem(where: Problem['where'], message: string, action?: Problem['action']): void {
    this.set({ problems: [...this.#state.problems.filter((other) => other.where !== where), { where, message, action }] });
  }

  dismiss(where: Problem['where']): void {
    this.set({ problems: this.#state.problems.filter((other) => other.where !== where) });
  }

  /** Opens what the view names, then asks what the photo shows. */
  async start(): Promise<void> {
    const { view } = this.#state;
    const before = this.#photos;
    await this.models.openNamed(view.model);
    // Someone may have been faster with a photo of their own.
    if (this.#photos === before) await this.openSample(view.photo);
  }

  /** Someone typed another address, or went back. */
  #follow(): void {
    const before = this.#state.view;
    const { view, problems } = readView(location.hash);
    if (writeView(before) === writeView(view)) return;
    this.set({ view, problems: problems.map((message) => ({ where: 'address', message })) });
    const model = (of: View): string => writeView({ ...DEFAULT_VIEW, model: of.model, preprocess: of.preprocess, labels: of.labels });
    if (model(view) !== model(before)) void this.models.openNamed(view.model);
    if (view.photo !== before.photo) void this.openSample(view.photo);
  }

  /** A model by name. */
  openModel(name: string): Promise<void> {
    return this.models.open(name);
  }

  /** A model of the visitor's own: an ONNX file, or a Graph JSON, with what belongs to it. */
  openModelFile(...files: readonly File[]): Promise<void> {
    return this.models.openFiles(...files);
  }

  /** One of the photos that lie beside the page. */
  async openSample(name: string): Promise<void> {
    const sample = SAMPLES.find((one) => one.name === name);
    if (!sample)
      return this.problem(
        'photo',
        `This view was made with ${name.replace(/^file:/, '')}, a file of its maker's own. Drop it here to see it.`,
      );
    await this.#take(name, sample.title, async () => {
      const response = await fetch(new URL(sample.file, document.baseURI));
      if (!response.ok) throw new CallError('input', `photo: expected ${sample.file} beside the page, got status ${response.status}.`);
      return response.arrayBuffer();
    });
  }

  /** Files that were dropped, pasted or picked together: by the ends of their names those of one model, and photos. */
  async openFiles(files: readonly File[]): Promise<void> {
    const model = files.some((file) => MODEL_FILE.test(file.name)) ? files.filter((file) => OF_MODEL.test(file.name)) : [];
    if (model.length > 0) await this.openModelFile(...model);
    for (const photo of files.filter((file) => !model.includes(file))) {
      await this.#take(`file:${photo.name}`, photo.name, () => photo.arrayBuffer());
    }
  }

  /** Takes a photo and asks what it shows; where that fails, the earlier one stays. Of photos under way the last one counts. */
  async #take(name: string, title: string, read: () => Promise<ArrayBuffer>): Promise<void> {
    const mine = ++this.#photos;
    await this.task('photo', `opening ${title}`, async () => {
      const bytes = new Uint8Array(await read());
      if (mine !== this.#photos) return;
      const photo = await this.client.call('openPhoto', { name, bytes });
      this.#photo = { name, bytes };
      this.set({ photo, ranking: null, pointed: null, edition: this.#state.edition + 1 });
      this.view({ photo: name });
      await this.classify();
    });
  }

  async classify(): Promise<void> {
    if (!this.#state.model || !this.#state.photo) return;
    this.set({ ranking: await this.#while('asking the network', () => this.client.call('classify', {})) });
  }

  /** Does something that the whole page waits for, and tells what goes wrong. */
  async task(where: Problem['where'], busy: string, work: () => Promise<void>): Promise<void> {
    this.dismiss(where);
    try {
      await this.#while(busy, work);
    } catch (error) {
      this.failed(where, error);
    }
  }

  /** Says what is under way for as long as it is. */
  async #while<T>(words: string, work: () => Promise<T>): Promise<T> {
    const mine = { words };
    const say = (works: readonly Work[]): void => {
      this.#works = works;
      this.set({ busy: works.at(-1)?.words ?? null });
    };
    say([...this.#works, mine]);
    try {
      return await work();
    } finally {
      say(this.#works.filter((other) => other !== mine));
    }
  }

  /** Tells what went wrong, unless it was given up or is told otherwise. */
  failed(where: Problem['where'], error: unknown): void {
    const { kind, message } = error instanceof CallError ? error : { kind: 'engine', message: String(error) };
    if (kind === 'aborted' || kind === 'lost') return;
    if (kind === 'adapter') return this.#noDevice(message);
    this.problem(where, message);
  }

  #noDevice(message: string): void {
    if (this.#losses.length === 0) this.set({ noAdapter: message });
    else {
      this.set({ adapter: null });
      const advice = 'A browser gives up on a GPU after a few crashes: if it stays so, start the browser again.';
      this.problem('device', `The device was lost, and another cannot be had: ${message} ${advice}`, TRY_AGAIN(this));
    }
  }

  #hear(event: LabEvent): void {
    if (event.kind === 'device') {
      this.set({ adapter: event.adapter, noAdapter: null });
      if (this.#losses.length > 0)
        this.problem('device', 'The device was lost. Another one was opened, and all that is shown was asked again.');
    } else if (event.kind === 'fault') this.problem('engine', event.message);
    else this.#lose(event.message || 'the browser gives no reason');
  }

  /** A device is gone. Another is opened at once, unless devices keep dying of what they are asked. */
  #lose(reason: string): void {
    const now = performance.now();
    this.#losses = [...this.#losses.filter((then) => now - then < LOSSES_MS), now];
    this.set({ adapter: null });
    if (this.#losses.length > MOST_LOSSES)
      return this.problem('device', `The device was lost ${this.#losses.length} times in a minute (${reason}).`, TRY_AGAIN(this));
    this.problem('device', `The device was lost (${reason}). Another one is being opened.`);
    void this.reopen();
  }

  /** Opens a device again, and asks again what the page had asked. */
  async reopen(): Promise<void> {
    this.set({ edition: this.#state.edition + 1 });
    await this.task('engine', 'opening the device again', async () => {
      await this.client.call('open', {});
      await this.classify();
    });
  }

  /** Starts the worker. */
  #work(): void {
    const worker = this.makeWorker();
    const client = new Client<LabMethods>(worker, (event) => this.#hear(event as LabEvent));
    this.client = client;
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      worker.terminate();
      client.close(new CallError('lost', 'the worker stopped'));
      this.set({ adapter: null });
      this.problem('engine', `The worker stopped: ${event.message || 'its script could not be loaded'}.`, {
        label: 'start another',
        run: () => void this.restart(),
      });
    });
  }

  /** Another worker in place of one that has stopped, with the same view. */
  async restart(): Promise<void> {
    this.dismiss('engine');
    this.#work();
    const { model, view } = this.#state;
    const photo = this.#photo;
    if (photo) await this.#take(photo.name, 'the photo again', () => Promise.resolve(photo.bytes.buffer));
    await this.models.openNamed(model?.name ?? view.model);
    if (!photo) await this.openSample(view.photo);
  }
}

/** A minute with more losses than this ends in a question. */
const MOST_LOSSES = 4;
const LOSSES_MS = 60_000;

const TRY_AGAIN = (lab: Lab): Problem['action'] => ({ label: 'try again', run: () => void lab.reopen() });
