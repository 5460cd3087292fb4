/** Models in the browser: the shipped one, which lies beside the page. */
import { InputError } from '../../errors.ts';
import { pictureSpec } from '../../image/modelInput.ts';
import { modelLabels } from '../../models/card.ts';
import { graphJsonModel, type Model } from '../../models/model.ts';
import { formatShape, size } from '../../tensor.ts';
import type { Call } from '../rpc.ts';
import type { OpenModel, Session } from './session.ts';

/** A model as the page shows it. */
export interface ModelSummary {
  readonly name: string;
  readonly classes: number;
  readonly labels: readonly string[] | null;
  /** The input, `1x3x64x64`. */
  readonly input: string;
  readonly nodes: number;
  readonly parameters: number;
}

export function modelMethods(session: Session) {
  return {
    /** Takes a model by name: `default`, or one of the registry. */
    async openModel({ name }: { readonly name: string }, { signal }: Call): Promise<ModelSummary> {
      if (name !== 'default') throw new InputError(`model: expected "default", got "${name}".`);
      const model = await shipped(signal);
      return summary(await session.choose(name, model, await modelLabels(model), pictureSpec(model, {})));
    },
  };
}

function summary({ name, graph, labels, typed, parameters }: OpenModel): ModelSummary {
  const scores = typed.values.get(graph.scores!)!.shape;
  return {
    name,
    classes: size(scores) / scores[0],
    labels: labels ?? null,
    input: formatShape(graph.inputs[0].shape),
    nodes: graph.nodes.length,
    parameters: [...parameters.values()].reduce((n, { shape }) => n + size(shape), 0),
  };
}

const SHIPPED = 'paper-mini';

async function shipped(signal: AbortSignal): Promise<Model> {
  const [graph, weights] = await Promise.all(
    ['json', 'safetensors'].map(async (extension) => {
      const address = new URL(`weights/${SHIPPED}.${extension}`, import.meta.url);
      const response = await fetch(address, { signal });
      if (!response.ok) throw new InputError(`model: expected ${address.pathname} beside the page, got status ${response.status}.`);
      return new Uint8Array(await response.arrayBuffer());
    }),
  );
  return graphJsonModel(`${SHIPPED}.json`, graph, weights);
}
