/** The networks that `bench` and `tune` are given by name. */
import { googlenet, heParameters, squeezenet, vgg16, type BenchNetwork } from '../bench/index.ts';
import { paperNet } from '../models/paper.ts';
import { openModel } from './model.ts';
import { declaredShape } from './session.ts';

const RANDOM: Readonly<Record<string, (batch: number) => BenchNetwork>> = {
  'vgg16-random': vgg16,
  'squeezenet-random': squeezenet,
  'googlenet-random': googlenet,
  'paper-random': (batch) => {
    const graph = paperNet({ batch });
    return { name: 'paper (random weights)', graph, parameters: heParameters(graph.parameters) };
  },
};

/** Networks that nothing is fetched for. */
export const GEOMETRIES: readonly string[] = Object.keys(RANDOM);

/** A network by name or file, for a batch of so many. */
export async function networkOf(name: string, batch: number): Promise<BenchNetwork> {
  if (Object.hasOwn(RANDOM, name)) return RANDOM[name](batch);
  const model = await openModel(name);
  return { name, ...model.at({ [model.input.name]: [batch, ...declaredShape(model).slice(1)] }) };
}
