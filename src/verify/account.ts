/**
 * The account of a score, layer by layer. On the frozen branch every layer is an affine map y = J x + c, and the signal that leaves it is J' times
 * the signal that arrives. So
 *
 *     <signal at y, y> - <signal at x, x> = <signal at y, c>
 *
 * for every layer, and added up from the score to any cut of the network
 *
 *     S = <signal, x> summed over the cut + the shares <signal at y, c> of the layers above it;
 *
 * at the input this is S = <w, I> + b. Nothing here knows what a kernel should have computed: the account uses the numbers that the device left
 * behind, the network's own biases, and scalar products in f64.
 *
 * The bound of a layer is what rounding may do to its two kernels: with |y - (J x + c)| <= e and |signal at x - J' signal at y| <= f, element by
 * element, the difference of the sides is at most <|signal at y|, e> + <|x|, f>. For a convolution both are gamma_K <|signal at y|, |W||x| + |b|>.
 * That is certain and, since all errors are taken to point one way, wide: a bias that matters little to the score may be lost within it. The checks
 * of single layers (adjoints.ts) are the sharper ones.
 */
import type { TypedGraph, TypedNode } from '../graph.ts';
import type { Conv2dAttrs } from '../ops/window.ts';
import { gamma, TINY } from '../reference/bounds.ts';
import { REFERENCE } from '../reference/index.ts';
import type { F64Tensor } from '../reference/types.ts';
import type { LayerRules } from '../rule.ts';
import { Dot, type Residual } from './identity.ts';
import { constantPart, QUOTIENT_ERROR, type ConstantKind, type NodeInputs } from './linearisation.ts';
import type { DeviceRun } from './layers.ts';
import type { SeparateUses } from './uses.ts';

/** One layer's part in S = <w, I> + b. */
export interface Share {
  readonly node: string;
  readonly op: string;
  readonly kind: ConstantKind;
  /** <signal at y, c>, summed over the batch. */
  readonly share: number;
}

export interface Account {
  /** S: the seed times the target, summed over the batch. */
  readonly score: number;
  /** <w, I>. */
  readonly along: number;
  /** The shares of layers with biases and constants, and of smooth layers; S - <w, I> is what all of them should add up to. */
  readonly bias: number;
  readonly remainder: number;
  readonly shares: readonly Share[];
  /** S = <w, I> + b as one row. */
  readonly affine: Residual;
  /** One row for each place in the order of the graph, from the input up. */
  readonly cuts: readonly Residual[];
  readonly layers: readonly Residual[];
}

interface Entry {
  readonly layer: string;
  readonly op: string;
  /** <signal at y, y>, and the same over the inputs. */
  readonly out: number;
  readonly into: number;
  readonly share: number;
  readonly kind: ConstantKind;
  readonly bound: number;
}

/** Draws up the account of a run of a graph whose uses are separate. */
export function drawUpAccount(
  typed: TypedGraph,
  { uses, of }: SeparateUses,
  { values, signals }: DeviceRun,
  { target, seed, input, rules }: { readonly target: string; readonly seed: F64Tensor; readonly input: string; readonly rules: LayerRules },
  onLayer: (done: number, total: number) => void = () => {},
): Account {
  const entries: Entry[] = [];
  const [start, end] = [sum(values.get(input)!, signals.get(input)!), sum(values.get(target)!, seed)];
  const gather = (value: string): void => {
    const names = uses.get(value);
    const parts = (names ?? []).flatMap((name) => signals.get(name) ?? []);
    // Uses that do not lead to the target bring nothing; those of the target itself lie above it.
    if (value !== target && parts.length > 1) entries.push(gathered(value, parts, values.get(value)!, signals.get(value)!));
  };
  gather(input);
  let done = 0;
  for (const node of typed.nodes) {
    onLayer(++done, typed.nodes.length);
    const dy = signals.get(node.outputs[0]);
    const varying = node.inputs.map((name) => signals.has(name));
    // A use by itself is no layer.
    if (of(node.outputs[0]) !== node.outputs[0] || !dy || !varying.includes(true)) continue;
    const x = node.inputs.map((name) => (name === '' ? null : values.get(of(name))!));
    const parts = node.inputs.map((name) => signals.get(name) ?? null);
    entries.push(entryOf(node, { x, varying }, values.get(node.outputs[0])!, dy, parts, rules));
    gather(node.outputs[0]);
  }
  const b = entries.reduce((total, { share }) => total + share, 0);
  const bound = entries.reduce((total, entry) => total + entry.bound, start.error + end.error);
  const cuts: Residual[] = [];
  let [crossing, above, boundAbove] = [start.value, b, bound];
  for (const { layer, op, out, into, share, bound: own } of entries) {
    cuts.push({ layer: `below ${layer}`, op, residual: end.value - crossing - above, bound: boundAbove });
    crossing += out - into;
    above -= share;
    boundAbove -= own;
  }
  const remainder = entries.reduce((total, { kind, share }) => total + (kind === 'remainder' ? share : 0), 0);
  return {
    score: end.value,
    along: start.value,
    bias: b - remainder,
    remainder,
    shares: entries.flatMap(({ layer, op, kind, share }) => (share === 0 ? [] : [{ node: layer, op, kind, share }])),
    affine: { layer: input, op: '', residual: end.value - start.value - b, bound },
    cuts,
    layers: entries.map(({ layer, op, out, into, share, bound: own }) => ({ layer, op, residual: out - into - share, bound: own })),
  };
}

const sum = (value: F64Tensor, signal: F64Tensor): Dot => new Dot().add(value.data, signal.data);

function entryOf(
  node: TypedNode,
  inputs: NodeInputs,
  y: F64Tensor,
  dy: F64Tensor,
  parts: readonly (F64Tensor | null)[],
  rules: LayerRules,
): Entry {
  const { kind, data } = constantPart(node, inputs, y);
  const out = sum(y, dy);
  const into = new Dot();
  inputs.x.forEach((x, k) => inputs.varying[k] && into.add(x!.data, parts[k]!.data));
  const share = data ? new Dot().add(data, dy.data) : new Dot();
  const rounding = kernelBound(node, inputs, y, dy, rules) + (kind === 'remainder' ? QUOTIENT_ERROR * out.magnitude : 0);
  const bound = rounding + out.error + into.error + share.error;
  return { layer: node.name, op: node.op, out: out.value, into: into.value, share: share.value, kind, bound };
}

/** The additions of the signals that come from several uses of a value: below it is the value, above it are the uses. */
function gathered(value: string, parts: readonly F64Tensor[], x: F64Tensor, signal: F64Tensor): Entry {
  const into = sum(x, signal);
  const out = new Dot();
  for (const part of parts) out.add(x.data, part.data);
  const bound = gamma(parts.length - 1) * out.magnitude + out.error + into.error;
  return { layer: value, op: `sum of ${parts.length} signals`, out: out.value, into: into.value, share: 0, kind: 'bias', bound };
}

/** <|dy|, e> + <|x|, f>. */
function kernelBound(node: TypedNode, { x, varying }: NodeInputs, y: F64Tensor, dy: F64Tensor, rules: LayerRules): number {
  const call = { attrs: node.typedAttrs, x, bounds: true };
  if (node.op === 'conv2d' && varying.every((v, k) => v === (k === 0))) {
    const [image, w] = [x[0]!, x[1]!];
    const magnitudes = REFERENCE.conv2d.forward({ ...call, x: x.map((t) => t && absolute(t)), bounds: false })[0];
    const [up, down] = convolutionTerms(w.shape, node.typedAttrs as Conv2dAttrs);
    const underflow = 2 * TINY * (up * norm1(dy) + down * norm1(image));
    return (gamma(up) + gamma(down)) * new Dot().add(magnitudes.data, dy.data).magnitude + underflow;
  }
  const op = REFERENCE[node.op];
  let bound = new Dot().add(op.forward(call)[0].bound!, dy.data).magnitude;
  const adjointCall = { ...call, y: [y], dy: node.outputs.map((_, k) => (k === 0 ? dy : null)), rules };
  x.forEach((t, k) => {
    if (varying[k]) bound += new Dot().add(op.adjoint!(adjointCall, k).bound!, t!.data).magnitude;
  });
  return bound;
}

/** How many roundings one output of a convolution and one element of its adjoint pass through at most. */
export function convolutionTerms([outputs, inputs, height, width]: readonly number[], { groups }: Conv2dAttrs): [number, number] {
  return [inputs * height * width + 1, (outputs / groups) * height * width];
}

const absolute = ({ shape, data }: F64Tensor): F64Tensor => ({ shape, data: data.map(Math.abs) });

const norm1 = ({ data }: F64Tensor): number => data.reduce((total, v) => total + Math.abs(v), 0);
