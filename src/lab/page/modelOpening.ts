/** How the page gets a model: by name, from the registry, or from the visitor's files. The earlier one stays in use until the next is open. */
import type { PreprocessOptions } from '../../image/options.ts';
import { fitView } from '../fit.ts';
import type { Client } from '../rpc.ts';
import type { View } from '../view.ts';
import type { Fetching } from '../worker/fetchModel.ts';
import type { LabMethods } from '../worker/main.ts';
import type { ModelSummary } from '../worker/models.ts';
import type { LabState, Problem } from './state.ts';

/** What opening a model takes of the store. */
export interface ModelPage {
  readonly client: Client<LabMethods>;
  readonly state: LabState;
  set(change: Partial<LabState>): void;
  view(change: Partial<View>): void;
  problem(where: Problem['where'], message: string, action?: Problem['action']): void;
  dismiss(where: Problem['where']): void;
  failed(where: Problem['where'], error: unknown): void;
  task(where: Problem['where'], busy: string, work: () => Promise<void>): Promise<void>;
  classify(): Promise<void>;
}

export class ModelOpening {
  #fetching: AbortController | undefined;
  /** The files of the model that is in use, if it came from files, and of the one that is asked about. */
  #files: readonly File[] = [];
  #asked: readonly File[] = [];

  constructor(private readonly page: ModelPage) {}

  /** A model that an address names. What would have to come from elsewhere is not fetched unasked. */
  async openNamed(name: string): Promise<void> {
    if (name.startsWith('file:')) {
      if (this.#files.some((file) => name === `file:${file.name}`)) return this.openFiles(...this.#files);
      return this.page.problem(
        'model',
        `This view was made with ${name.slice('file:'.length)}, a model of its maker's own. Drop it here to see it.`,
      );
    }
    if (name === 'default') return this.open(name);
    await this.page.task('model', 'looking for the model', async () => {
      const { models } = await this.page.client.call('listModels', {});
      const away = models.find((model) => model.name === name && model.place === 'away');
      if (!away) return this.open(name);
      const size = `${(away.bytes / 1e6).toFixed(0)} MB from ${away.host}`;
      this.page.problem('model', `This view was made with ${name} (${away.what}; ${size}), which is not on this machine yet.`, {
        label: 'fetch it',
        run: () => void this.open(name),
      });
    });
  }

  /** The shipped model, or one of the registry, which is fetched if need be. The earlier one stays in use until this one is open. */
  async open(name: string): Promise<void> {
    const fetched = name === 'default' ? { unkept: null } : await this.#fetch(name);
    if (!fetched) return;
    await this.page.task('model', `opening the model ${name}`, async () => {
      await this.#useModel(await this.page.client.call('openModel', { name }), { model: name, preprocess: null, labels: null });
      if (fetched.unkept !== null) this.page.problem('model', fetched.unkept);
    });
  }

  /** Brings a model of the registry into the worker's memory; null if it did not come. */
  async #fetch(name: string): Promise<{ readonly unkept: string | null } | null> {
    this.#fetching?.abort();
    const mine = (this.#fetching = new AbortController());
    this.page.dismiss('model');
    this.page.set({ fetching: { name, from: '', done: 0, total: 0 } });
    try {
      const unkept = await this.page.client.call(
        'fetchModel',
        { name },
        { signal: mine.signal, onReport: (report) => this.page.set({ fetching: { ...(report as Fetching), name } }) },
      );
      return { unkept };
    } catch (error) {
      this.page.failed('model', error);
      return null;
    } finally {
      if (this.#fetching === mine) this.page.set({ fetching: null });
    }
  }

  cancelFetch(): void {
    this.#fetching?.abort();
  }

  /**
   * A model of the visitor's own: an ONNX file, or a Graph JSON, with what belongs to it. Where nothing says how a picture becomes its input,
   * the page asks (`asks`), and the earlier model stays in use.
   */
  async openFiles(...files: readonly File[]): Promise<void> {
    const main = files.find((file) => /\.(onnx|safetensors)$/i.test(file.name)) ?? files[0];
    const { view } = this.page.state;
    // What an address says of a file holds for that file alone.
    const known = view.model === `file:${main.name}`;
    await this.#openFiles(files, known ? view.preprocess : null, known ? view.labels : null);
  }

  /** How a picture becomes the input of the model that the page asks about, or of the visitor's file that is in use. */
  async tellPreprocess(preprocess: PreprocessOptions): Promise<void> {
    const { asks, view } = this.page.state;
    await this.#openFiles(asks ? this.#asked : this.#files, preprocess, asks ? null : view.labels);
  }

  /** Leaves the model that the page asks about. */
  dropQuestion(): void {
    this.#asked = [];
    this.page.set({ asks: null });
  }

  async #openFiles(files: readonly File[], preprocess: View['preprocess'], labels: View['labels']): Promise<void> {
    const title = files.map((file) => file.name).join(', ');
    await this.page.task('model', `opening ${title}`, async () => {
      const opened = await this.page.client.call('openModelFiles', { files, preprocess, labels });
      if ('asks' in opened) {
        this.#asked = files;
        return this.page.set({ asks: { ...opened.asks, title } });
      }
      const { model } = opened;
      this.#files = files;
      await this.#useModel(model, { model: model.name, preprocess: model.told ? preprocess : null, labels: model.unnamed ? labels : null });
    });
  }

  /** Shows another model; what it does not have leaves the view. */
  async #useModel(model: ModelSummary, named: Pick<View, 'model' | 'preprocess' | 'labels'>): Promise<void> {
    const { change, words } = fitView(this.page.state.view, model);
    this.#asked = [];
    this.page.set({ model, asks: null, ranking: null, pointed: null, edition: this.page.state.edition + 1 });
    this.page.view({ ...named, ...change });
    if (words.length > 0) this.page.problem('address', words.join(' '));
    await this.page.classify();
  }

  /** Says that the model's classes are those of a list, or takes it back. */
  async nameClasses(labels: View['labels']): Promise<void> {
    await this.page.task('model', 'naming the classes', async () => {
      const names = await this.page.client.call('nameClasses', { labels });
      const { model, edition } = this.page.state;
      this.page.set({ model: model && { ...model, labels: names }, edition: edition + 1 });
      this.page.view({ labels });
    });
  }
}
