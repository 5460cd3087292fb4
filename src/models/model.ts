/**
 * A model on disk: ONNX, or the project's own Graph JSON with its safetensors beside it; and the card that says how its input is made and what
 * its classes are called. Reading from disk is for Node only; what is read is not.
 */
import { FormatError, InputError } from '../errors.ts';
import { checkGraph, importOnnx, readSafetensors } from '../formats/index.ts';
import { parseJson } from '../formats/json.ts';
import { readModel } from '../formats/onnx/model.ts';
import { withInputShapes, type Graph } from '../graph.ts';
import { formatShape, sameShape, type AnyTensor, type Shape, type Tensor } from '../tensor.ts';

/** What a model's card may say; it lies in `M.json` beside `M.onnx`, or in the field `card` of a Graph JSON. */
export interface ModelCard {
  /** How a picture becomes an input; checked by `parsePreprocess` of the image room. */
  readonly preprocess?: unknown;
  /** Class names in the order of the scores. */
  readonly labels?: readonly string[];
  readonly [field: string]: unknown;
}

/** A graph with its numbers. */
export interface LoadedGraph {
  readonly graph: Graph;
  readonly parameters: ReadonlyMap<string, AnyTensor>;
}

/** Name of the mean image among the tensors of a `.safetensors` file; it is no parameter of the graph. */
export const MEAN_IMAGE = 'mean-image';

/** A model file that has been read, ready to be had at any input shape. */
export interface Model {
  readonly path: string;
  readonly card: ModelCard;
  /** The mean of the training pictures [3, H, W], RGB, pixels 0..255, where it lies with the weights as the tensor {@link MEAN_IMAGE}. */
  readonly meanImage?: Tensor;
  /** The first input as the file declares it; null or a name where an extent is open. */
  readonly input: { readonly name: string; readonly dims: readonly (number | string | null)[] | null };
  /**
   * The graph for given input shapes (by name; the declared ones otherwise). The batch follows the first input's first extent.
   * @throws FormatError or GraphError if the model cannot take that shape.
   */
  at(shapes?: Readonly<Record<string, Shape>>): LoadedGraph;
}

/**
 * Reads a model.
 * @throws InputError if there is no such file; FormatError if it is damaged or of no known kind.
 */
export async function loadModel(path: string): Promise<Model> {
  const [{ readFile }, nodePath] = [await import('node:fs/promises'), await import('node:path')];
  const read = async (file: string, what: string): Promise<Uint8Array> => {
    try {
      return await readFile(file);
    } catch (error) {
      throw new InputError(`${what}: expected a readable file, got "${file}" (${(error as NodeJS.ErrnoException).code}). Check the path.`);
    }
  };
  const beside = (file: string, extension: string): string =>
    nodePath.join(nodePath.dirname(file), nodePath.basename(file, nodePath.extname(file)) + extension);
  const kind = nodePath.extname(path).toLowerCase();
  const bytes = await read(path, 'model');
  if (kind === '.json') return graphJsonModel(path, bytes, await read(beside(path, '.safetensors'), 'model weights'));
  if (kind !== '.onnx') throw new InputError(`model: expected a file .onnx or .json, got "${path}". Convert the model to ONNX.`);
  const cardBytes = await readFile(beside(path, '.json')).catch(() => null);
  const card = cardBytes ? checkCard(parseJson(decode(cardBytes), 'card'), beside(path, '.json')) : {};
  const { readFileSync, realpathSync } = await import('node:fs');
  const readExternal = (location: string): Uint8Array => {
    // The importer has made sure that the location does not climb out of the model's folder; a link in it must not either.
    const file = nodePath.join(nodePath.dirname(path), location);
    try {
      const inside = nodePath.relative(realpathSync(nodePath.dirname(path)), realpathSync(file));
      if (inside.startsWith('..') || nodePath.isAbsolute(inside)) {
        throw new FormatError(
          `onnx: expected external data inside the model's folder, got "${location}", a link to elsewhere. Copy the file there.`,
        );
      }
      return readFileSync(file);
    } catch (error) {
      if (error instanceof FormatError) throw error;
      throw new InputError(`onnx: expected external data in "${file}", got ${(error as NodeJS.ErrnoException).code}. Copy the file there.`);
    }
  };
  return onnxModel(path, bytes, card, readExternal);
}

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/**
 * A model from the bytes of an ONNX file.
 * @param path what messages call it
 * @param readExternal gives the bytes of a file that the model refers to, by its place beside the model
 * @throws FormatError
 */
export function onnxModel(path: string, bytes: Uint8Array, card: ModelCard, readExternal: (location: string) => Uint8Array): Model {
  const { graph } = readModel(bytes);
  const initialized = new Set(graph.initializers.map(({ name }) => name));
  const free = graph.inputs.find(({ name }) => !initialized.has(name));
  if (!free) throw new FormatError(`onnx: expected a graph input in ${path}, got none. The file is damaged.`);
  const known = new Map<string, LoadedGraph>();
  let parameters: LoadedGraph['parameters'] | undefined;
  return {
    path,
    card,
    input: { name: free.name, dims: free.dims ?? null },
    at(shapes = {}) {
      const key = JSON.stringify(Object.entries(shapes).sort());
      let loaded = known.get(key);
      if (!loaded) {
        const imported = importOnnx(bytes, { inputShapes: shapes, readExternal });
        // Parameters do not depend on the input's shape: every graph of the model shares one set.
        parameters ??= imported.parameters;
        loaded = { graph: imported.graph, parameters };
        known.set(key, loaded);
      }
      return loaded;
    },
  };
}

/**
 * A model from the bytes of a Graph JSON and of its safetensors.
 * @param path what messages call it
 * @throws FormatError
 */
export function graphJsonModel(path: string, bytes: Uint8Array, weights: Uint8Array): Model {
  const json = parseJson(decode(bytes), 'graph');
  const { card, ...rest } = json as Record<string, unknown>;
  const graph = checkGraph(rest);
  const { tensors } = readSafetensors(weights);
  for (const { name, shape } of graph.parameters) {
    const value = tensors.get(name);
    if (!value) throw new FormatError(`model: expected weights for parameter "${name}", got none in the .safetensors file beside ${path}.`);
    if (!sameShape(value.shape, shape)) {
      throw new FormatError(`model: expected parameter "${name}" of shape ${formatShape(shape)}, got ${formatShape(value.shape)}.`);
    }
  }
  const [input] = graph.inputs;
  const meanImage = takeMeanImage(tensors, graph, path);
  return {
    path,
    card: card === undefined ? {} : checkCard(card, path),
    ...(meanImage === undefined ? {} : { meanImage }),
    input: { name: input.name, dims: input.shape },
    at: (shapes = {}) => ({ graph: withInputShapes(graph, shapes), parameters: tensors }),
  };
}

/** Takes the mean image out of a file's tensors, so that what remains are parameters. */
function takeMeanImage(tensors: Map<string, AnyTensor>, graph: Graph, path: string): Tensor | undefined {
  const value = tensors.get(MEAN_IMAGE);
  if (value === undefined || graph.parameters.some(({ name }) => name === MEAN_IMAGE)) return undefined;
  tensors.delete(MEAN_IMAGE);
  const { shape, data } = value;
  const finite = data.every(Number.isFinite);
  if (data instanceof Int32Array || shape.length !== 3 || shape[0] !== 3 || !finite) {
    const given = data instanceof Int32Array ? 'integers' : `${formatShape(shape)}${finite ? '' : ' with NaN or infinity'}`;
    throw new FormatError(
      `model: expected "${MEAN_IMAGE}" to be finite floats 3xHxW in the .safetensors file beside ${path}, got ${given}. Write it again.`,
    );
  }
  return { shape, data };
}

/** @throws FormatError if the card is no object, or its labels are no list of names */
export function checkCard(value: unknown, where: string): ModelCard {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FormatError(`card: expected a JSON object in ${where}, got ${typeof value}.`);
  const card = value as Record<string, unknown>;
  const { labels } = card;
  if (labels !== undefined && (!Array.isArray(labels) || !labels.every((label) => typeof label === 'string'))) {
    throw new FormatError(`card: expected labels to be a list of names in ${where}.`);
  }
  return card as ModelCard;
}
