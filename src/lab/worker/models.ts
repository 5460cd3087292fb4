/** Which network is asked: the shipped one, one of the registry, or one of the visitor's own. */
import { InputError } from '../../errors.ts';
import { pictureSpec } from '../../image/modelInput.ts';
import type { PreprocessOptions } from '../../image/options.ts';
import type { Preprocess } from '../../image/preprocess.ts';
import { cardOf, modelLabels } from '../../models/card.ts';
import { graphJsonModel, onnxModel, type Model } from '../../models/model.ts';
import { labelSet, type RegistryEntry } from '../../models/registry.ts';
import { formatShape, size, type Shape } from '../../tensor.ts';
import type { Call } from '../rpc.ts';
import { fetchModel, type Fetching } from './fetchModel.ts';
import { readModelFiles } from './modelFiles.ts';
import { entryOf, readRegistry } from './registry.ts';
import type { OpenModel, Session } from './session.ts';
import { dropKept, listKept, room } from './shelf.ts';

/** A model as the page shows it. */
export interface ModelSummary {
  /** `default`, a name of the registry, or `file:NAME`. */
  readonly name: string;
  /** What a person calls it. */
  readonly title: string;
  readonly classes: number;
  readonly labels: readonly string[] | null;
  /** The input, `1x3x64x64`. */
  readonly input: string;
  readonly nodes: number;
  readonly parameters: number;
  /** Every node and the shape of what it puts out. */
  readonly layers: readonly { readonly name: string; readonly shape: Shape }[];
  /** Nobody but the visitor says how a picture becomes its input. */
  readonly told: boolean;
  /** Nobody but the visitor says what its classes are called. */
  readonly unnamed: boolean;
}

/** A model of which nobody says how a picture becomes its input. */
export interface ModelQuestion {
  /** Of the input as the file declares it, `Nx3x?x?`. */
  readonly input: string;
  /** Whether its size has to be told, too. */
  readonly open: boolean;
  /** What was wrong with what the visitor said last. */
  readonly problem: string | null;
}

export type OpenedFiles = { readonly model: ModelSummary } | { readonly asks: ModelQuestion };

/** A model that can be had. */
export interface ListedModel {
  readonly name: string;
  readonly what: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly top1: number | null;
  readonly licence: string | null;
  readonly note: string | null;
  /** `kept` in the browser; `here` beside the page; or to be fetched from `host`. */
  readonly place: 'kept' | 'here' | 'away';
  readonly host: string;
}

export interface ModelList {
  readonly models: readonly ListedModel[];
  /** What the browser keeps that is no longer in the list. */
  readonly strays: readonly { readonly name: string; readonly sha256: string; readonly bytes: number }[];
  readonly room: { readonly used: number; readonly most: number } | null;
}

const SHIPPED = 'paper-mini';

/** Progress is told this often, in milliseconds. */
const EVERY_MS = 100;

export function modelMethods(session: Session) {
  /** What was fetched for the next call. */
  let fetched: { readonly entry: RegistryEntry; readonly bytes: Uint8Array } | undefined;
  const takeFetched = (name: string): Model => {
    if (fetched?.entry.name !== name) throw new InputError(`model: expected ${name} to be fetched first, got none.`);
    const { entry, bytes } = fetched;
    fetched = undefined;
    return onnxModel(`${name}.onnx`, bytes, cardOf(entry), () => {
      throw new InputError(`onnx: expected all of ${name} in one file, got a reference to another.`);
    });
  };
  return {
    /** Takes a model by name: `default`, or one of the registry that {@link fetchModel} has fetched. */
    async openModel({ name }: { readonly name: string }, { signal }: Call): Promise<ModelSummary> {
      const model = name === 'default' ? await shipped(signal) : takeFetched(name);
      const labels = await modelLabels(model);
      return summary(await session.choose(name, model, () => labels, pictureSpec(model, {})), name === 'default' ? SHIPPED : name);
    },

    /** Brings a model of the registry into memory; says why the browser does not keep it, if it does not. Takes no turn. */
    async fetchModel({ name }: { readonly name: string }, { signal, report }: Call): Promise<string | null> {
      fetched = undefined;
      const registry = await readRegistry(signal);
      const entry = entryOf(name, registry);
      const { bytes, unkept } = await fetchModel(entry, {
        signal,
        here: registry.here.includes(name),
        report: atMostEvery(EVERY_MS, report),
      });
      signal.throwIfAborted();
      fetched = { entry, bytes };
      return unkept;
    },

    /** Takes no turn. */
    async listModels(_: object, { signal }: Call): Promise<ModelList> {
      const [{ models, here }, kept, space] = await Promise.all([readRegistry(signal), listKept(), room()]);
      return {
        models: models.map(({ name, what, sha256, bytes, published, licence, note, sources }) => ({
          name,
          what,
          sha256,
          bytes,
          top1: published?.top1 ?? null,
          licence: licence ?? null,
          note: note ?? null,
          place: kept.some((one) => one.sha256 === sha256) ? 'kept' : here.includes(name) ? 'here' : 'away',
          host: new URL(sources[0]).host,
        })),
        strays: kept.filter((one) => !models.some(({ sha256 }) => sha256 === one.sha256)),
        room: space ?? null,
      };
    },

    /** Takes a model out of the browser's storage. Takes no turn. */
    dropModel: ({ sha256 }: { readonly sha256: string }): Promise<boolean> => dropKept(sha256),

    /** Takes a model from files; asks how a picture becomes its input where neither a card nor `preprocess` says it well. */
    async openModelFiles({
      files,
      preprocess,
      labels,
    }: {
      readonly files: readonly File[];
      readonly preprocess: PreprocessOptions | null;
      readonly labels: 'ilsvrc2012' | null;
    }): Promise<OpenedFiles> {
      const { model, labels: own } = await readModelFiles(files);
      const told = model.card.preprocess === undefined;
      const spec = told ? specOrQuestion(model, preprocess) : pictureSpec(model, {});
      if ('asks' in spec) return spec;
      const name = `file:${files.find((file) => /\.(onnx|safetensors)$/i.test(file.name))!.name}`;
      const [carded, chosen] = [await modelLabels(model), labels === null ? undefined : await labelSet(labels)];
      const namesFor = (classes: number): readonly string[] | undefined => {
        if (own && own.length !== classes)
          throw new InputError(`labels: expected ${classes} lines, a class name each, got ${own.length}. Give the names of this model.`);
        return own ?? carded ?? (chosen?.length === classes ? chosen : undefined);
      };
      const opened = await session.choose(name, model, namesFor, spec);
      return { model: { ...summary(opened, name.slice('file:'.length)), told, unnamed: !own && !carded } };
    },

    /** Names the classes as a list has them that the visitor says is theirs. */
    async nameClasses({ labels }: { readonly labels: 'ilsvrc2012' | null }): Promise<readonly string[] | null> {
      return session.name(labels === null ? undefined : await labelSet(labels)).labels ?? null;
    },
  };
}

/** Tells at most so often, in milliseconds, and always the last. */
function atMostEvery(ms: number, report: (fetching: Fetching) => void): (fetching: Fetching) => void {
  let latest: Fetching | undefined;
  return (fetching) => {
    if (!latest) {
      setTimeout(() => {
        report(latest!);
        latest = undefined;
      }, ms);
    }
    latest = fetching;
  };
}

/** Methods of {@link modelMethods} that wait for the network or the disk, and need neither device nor model. */
export const ASIDE: ReadonlySet<string> = new Set(['fetchModel', 'listModels', 'dropModel']);

/** @throws InputError if it takes no pictures at all */
function specOrQuestion(model: Model, options: PreprocessOptions | null): Preprocess | { readonly asks: ModelQuestion } {
  const { dims } = model.input;
  // What is no network on images, or cannot be imported, is told before anything is asked.
  if (dims?.length !== 4) return pictureSpec(model, {});
  if (dims.slice(1).every((extent) => typeof extent === 'number')) model.at({ [model.input.name]: [1, ...(dims.slice(1) as number[])] });
  let problem: string | null = null;
  if (options) {
    try {
      return pictureSpec(model, options);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problem = error.message;
    }
  }
  const open = dims.slice(2).some((extent) => typeof extent !== 'number');
  return { asks: { input: dims.map((extent, axis) => extent ?? (axis === 0 ? 'N' : '?')).join('x'), open, problem } };
}

function summary({ name, graph, labels, typed, parameters }: OpenModel, title: string): ModelSummary {
  const scores = typed.values.get(graph.scores!)!.shape;
  return {
    name,
    title,
    classes: size(scores) / scores[0],
    labels: labels ?? null,
    input: formatShape(graph.inputs[0].shape),
    nodes: graph.nodes.length,
    parameters: [...parameters.values()].reduce((n, { shape }) => n + size(shape), 0),
    layers: graph.nodes.map((node) => ({ name: node.name, shape: typed.values.get(node.outputs[0])!.shape })),
    told: false,
    unnamed: false,
  };
}

async function shipped(signal: AbortSignal): Promise<Model> {
  const [graph, weights] = await Promise.all(
    ['json', 'safetensors'].map(async (extension) => {
      const address = new URL(`weights/${SHIPPED}.${extension}`, location.href);
      const response = await fetch(address, { signal });
      if (!response.ok) throw new InputError(`model: expected ${address.pathname} beside the page, got status ${response.status}.`);
      return new Uint8Array(await response.arrayBuffer());
    }),
  );
  return graphJsonModel(`${SHIPPED}.json`, graph, weights);
}
