/** Which layers to report on and what of them to export: names and patterns to nodes. */
import { InputError } from '../errors.ts';
import { listNames, type TypedGraph, type TypedNode } from '../graph.ts';
import { nameMatcher } from '../rule.ts';

/** What there is to export of a layer. */
export const EXPORT_KINDS = ['value', 'mask', 'switches', 'signal', 'sent', 'weights'] as const;

export type ExportKind = (typeof EXPORT_KINDS)[number];

/** One thing of one layer to hand out whole. */
export interface ExportRequest {
  readonly kind: ExportKind;
  /** A node's name, that of a tensor it makes, or a pattern with * and ?; for values and signals also the input's name; for weights a parameter's. */
  readonly layer: string;
}

export const isMaxPool = ({ op }: { readonly op: string }): boolean => op === 'maxpool2d' || op === 'globalmaxpool';

/** Where the exports of the network's input are kept; no node is called so. */
export const INPUT = '';

/** Nodes that make a tensor of their own, of f32. */
const computes = (typed: TypedGraph, node: TypedNode): boolean =>
  !node.definition.alias?.(node.typedAttrs, false) && typed.values.get(node.outputs[0])?.dtype === 'f32';

/** The nodes to report on: those that the names or patterns reach, or all that compute something. */
export function chooseLayers(typed: TypedGraph, layers: readonly string[] | undefined): Set<string> {
  if (layers === undefined) return new Set(typed.nodes.filter((node) => computes(typed, node)).map(({ name }) => name));
  return new Set(layers.flatMap((layer) => matching(typed, layer, '--layer', () => true).map(({ name }) => name)));
}

/** The nodes that a name or pattern reaches: by their own names or those of the tensors they make. */
function matching(typed: TypedGraph, layer: string, where: string, suits: (node: TypedNode) => boolean): TypedNode[] {
  const exact = typed.nodes.filter((node) => node.name === layer || node.outputs.includes(layer));
  const matches = nameMatcher(layer);
  const named =
    exact.length > 0
      ? exact
      : typed.nodes.filter((node) => matches(node.name) || node.outputs.some((name) => name !== '' && matches(name)));
  const found = named.filter(suits);
  if (found.length > 0) return found;
  const fitting = typed.nodes.filter(suits);
  const like = fitting.filter(({ name, outputs }) => [name, ...outputs].some((own) => own.toLowerCase().includes(layer.toLowerCase())));
  const near = (like.length > 0 ? like : fitting).map(({ name, outputs: [tensor] }) =>
    name === tensor ? `"${name}"` : `"${name}" (${tensor})`,
  );
  const list = near.length > 12 ? `${near.slice(0, 12).join(', ')} and ${near.length - 12} more` : near.join(', ') || 'none';
  throw new InputError(
    `${where}: expected a layer's name or a pattern that fits one, got "${layer}". ${like.length > 0 ? 'Similar' : 'There are'}: ${list}.`,
  );
}

/** Exports of layers, by node, and the parameters to export. */
export interface ChosenExports {
  readonly layers: ReadonlyMap<string, ReadonlySet<ExportKind>>;
  readonly parameters: readonly string[];
}

/** @throws InputError if a name or pattern reaches nothing of its kind */
export function chooseExports(typed: TypedGraph, requests: readonly ExportRequest[]): ChosenExports {
  const layers = new Map<string, Set<ExportKind>>();
  const parameters = new Set<string>();
  const want = (node: string, kind: ExportKind): void => void layers.set(node, (layers.get(node) ?? new Set()).add(kind));
  const suits: Readonly<Record<Exclude<ExportKind, 'weights'>, (node: TypedNode) => boolean>> = {
    value: (node) => typed.values.get(node.outputs[0])?.dtype === 'f32',
    signal: () => true,
    sent: () => true,
    mask: ({ op }) => op === 'relu' || op === 'clip',
    switches: isMaxPool,
  };
  for (const { kind, layer } of requests) {
    if (kind === 'weights') for (const name of matchingParameters(typed, layer)) parameters.add(name);
    else if (layer === typed.graph.inputs[0].name && (kind === 'value' || kind === 'signal')) want(INPUT, kind);
    else for (const node of matching(typed, layer, `--export ${kind}`, suits[kind])) want(node.name, kind);
  }
  return { layers, parameters: [...parameters] };
}

/** Parameters of f32 that a name or pattern fits, or that the layers take which it fits. */
function matchingParameters(typed: TypedGraph, layer: string): string[] {
  const all = typed.graph.parameters.filter(({ dtype }) => (dtype ?? 'f32') === 'f32').map(({ name }) => name);
  const fits = nameMatcher(layer);
  const taken = new Set(typed.nodes.filter(({ name }) => name === layer || fits(name)).flatMap(({ inputs }) => inputs));
  const found = all.includes(layer) ? [layer] : all.filter((name) => fits(name) || taken.has(name));
  if (found.length > 0) return found;
  throw new InputError(
    `--export weights: expected a parameter's name, a pattern that fits one, or a layer that has some, got "${layer}". There are: ${listNames(all)}.`,
  );
}
