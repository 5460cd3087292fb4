/** What the page knows, outside of its components: the view, which is the address, and what the worker said. */
import type { AdapterSummary } from '../../gpu/adapter.ts';
import { CallError, Client } from '../rpc.ts';
import { readView, writeView, type View } from '../view.ts';
import type { RankedScore } from '../worker/look.ts';
import type { LabMethods } from '../worker/main.ts';
import type { ModelSummary } from '../worker/models.ts';
import type { PhotoSummary } from '../worker/photo.ts';
import type { LabEvent } from '../worker/session.ts';
import { SAMPLES } from './samples.ts';

/** Something that went wrong, until it is dismissed or mended. */
export interface Problem {
  readonly where: 'device' | 'model' | 'photo' | 'address' | 'engine';
  readonly message: string;
}

export interface LabState {
  readonly view: View;
  readonly adapter: AdapterSummary | null;
  readonly model: ModelSummary | null;
  readonly photo: PhotoSummary | null;
  /** Classes from the best on, of this photo by this model. */
  readonly ranking: readonly RankedScore[] | null;
  /** The class under the pointer, which is looked at for as long. */
  readonly pointed: number | null;
  /** What is under way, in words. */
  readonly busy: string | null;
  readonly problems: readonly Problem[];
  /** Rises when everything has to be asked again: another model or photo, or a new device. */
  readonly edition: number;
}

/** The class that is looked at now, of those that the model has; null while there is nothing to look at. */
export function shownClass({ pointed, view, ranking }: LabState): number | null {
  if (!ranking) return null;
  return pointed !== null && pointed < ranking.length ? pointed : chosenClass({ view, ranking });
}

/** The class that was chosen, or else the best one. */
export function chosenClass({ view, ranking }: Pick<LabState, 'view' | 'ranking'>): number | null {
  if (!ranking) return null;
  return view.class !== null && view.class < ranking.length ? view.class : ranking[0].class;
}

/** The page's one store. Components read it with `useLab`. */
export class Lab {
  readonly client: Client<LabMethods>;
  readonly #listeners = new Set<() => void>();
  #state: LabState;
  #opening: AbortController | undefined;
  /** How many photos were asked for. */
  #photos = 0;

  constructor(worker: Worker) {
    this.client = new Client<LabMethods>(worker, (event) => this.#hear(event as LabEvent));
    const { view, problems } = readView(location.hash);
    this.#state = {
      view,
      adapter: null,
      model: null,
      photo: null,
      ranking: null,
      pointed: null,
      busy: 'opening the device',
      problems: problems.map((message) => ({ where: 'address', message })),
      edition: 0,
    };
    worker.addEventListener('error', (event) =>
      this.problem('engine', `The worker stopped: ${event.message || 'its script could not be loaded'}. Reload the page.`),
    );
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
    const view = { ...this.#state.view, ...change };
    history.replaceState(null, '', `#${writeView(view)}`);
    this.set({ view });
  }

  problem(where: Problem['where'], message: string): void {
    this.set({ problems: [...this.#state.problems.filter((other) => other.where !== where), { where, message }] });
  }

  dismiss(where: Problem['where']): void {
    this.set({ problems: this.#state.problems.filter((other) => other.where !== where) });
  }

  /** Opens what the view names, then asks what the photo shows. */
  async start(): Promise<void> {
    const { view } = this.#state;
    const before = this.#photos;
    await this.openModel(view.model);
    // Someone may have been faster with a photo of their own.
    if (this.#photos === before) await this.openSample(view.photo);
  }

  /** Someone typed another address, or went back. */
  #follow(): void {
    const before = this.#state.view;
    const { view, problems } = readView(location.hash);
    if (writeView(before) === writeView(view)) return;
    this.set({ view, problems: problems.map((message) => ({ where: 'address', message })) });
    if (view.model !== before.model) void this.openModel(view.model);
    if (view.photo !== before.photo) void this.openSample(view.photo);
  }

  async openModel(name: string): Promise<void> {
    await this.#task('model', `opening the model ${name}`, async () => {
      const model = await this.client.call('openModel', { name });
      this.set({ model, ranking: null, edition: this.#state.edition + 1 });
      this.view({ model: name });
      await this.#classify();
    });
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

  /** Takes a model file of the visitor's own. */
  openModelFile?: (file: File) => Promise<void>;

  /** A file that was dropped, pasted or picked: a model by the end of its name, else a photo. */
  async openFile(file: File): Promise<void> {
    if (/\.onnx$/i.test(file.name) && this.openModelFile) return this.openModelFile(file);
    return this.openPhotoFile(file);
  }

  async openPhotoFile(file: File): Promise<void> {
    await this.#take(`file:${file.name}`, file.name, () => file.arrayBuffer());
  }

  /** Takes a photo and asks what it shows; where that fails, the earlier one stays. Of photos under way the last one counts. */
  async #take(name: string, title: string, read: () => Promise<ArrayBuffer>): Promise<void> {
    const mine = ++this.#photos;
    await this.#task('photo', `opening ${title}`, async () => {
      const bytes = new Uint8Array(await read());
      if (mine !== this.#photos) return;
      const photo = await this.client.call('openPhoto', { name, bytes });
      this.set({ photo, ranking: null, pointed: null, edition: this.#state.edition + 1 });
      this.view({ photo: name });
      await this.#classify();
    });
  }

  async #classify(): Promise<void> {
    if (!this.#state.model || !this.#state.photo) return;
    this.set({ busy: 'asking the network' });
    this.set({ ranking: await this.client.call('classify', {}) });
  }

  /** Does something that the whole page waits for; what goes wrong is told, and a later task ends an earlier one's word. */
  async #task(where: Problem['where'], busy: string, work: () => Promise<void>): Promise<void> {
    this.#opening?.abort();
    const mine = (this.#opening = new AbortController());
    this.dismiss(where);
    this.set({ busy });
    try {
      await work();
    } catch (error) {
      this.failed(where, error);
    } finally {
      if (this.#opening === mine) this.set({ busy: null });
    }
  }

  /** Tells what went wrong, unless it was given up or is told otherwise. */
  failed(where: Problem['where'], error: unknown): void {
    const { kind, message } = error instanceof CallError ? error : { kind: 'engine', message: String(error) };
    if (kind === 'aborted' || kind === 'lost') return;
    this.problem(where, message);
  }

  #hear(event: LabEvent): void {
    if (event.kind === 'device') this.set({ adapter: event.adapter });
    else {
      this.problem(
        'device',
        `The device was lost (${event.message || 'without a reason'}). The lab opens it again and asks what it had asked.`,
      );
      this.set({ edition: this.#state.edition + 1 });
      void this.#task('engine', 'opening the device again', () => this.#classify());
    }
  }
}
