/**
 * What a labelling of a picture costs, and its network: E(mask) = sum_i cost of i's side + sum over neighbours on different sides of their
 * weight. The object is the source's side.
 */
import { flowNetwork, forwardNeighbours, gridEdges, type FlowNetwork } from './flownetwork.ts';
import { logDensities, type Mixture } from './gmm.ts';
import type { GraphCutOptions } from './presets.ts';
import { BACKGROUND, FOREGROUND, UNDECIDED } from './seeds.ts';

/** Neighbouring pixels and what it costs to part them, in nats. */
export interface Contrast {
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly weights: Float64Array;
}

/**
 * weight * exp(-sharpness * d / mean d) / distance for all neighbours, with d = |c_i - c_j|^2 and its mean over all of them. A picture of
 * one colour has all weights at their most.
 * @param colours [height * width, 3]
 */
export function contrast(colours: Float64Array, width: number, height: number, pairwise: GraphCutOptions['pairwise']): Contrast {
  const { weight, sharpness, connectivity } = pairwise;
  const { from, to } = gridEdges(width, height, connectivity);
  const weights = new Float64Array(from.length);
  let sum = 0;
  for (let e = 0; e < from.length; e++) {
    const [i, j] = [3 * from[e], 3 * to[e]];
    const [r, g, b] = [colours[i] - colours[j], colours[i + 1] - colours[j + 1], colours[i + 2] - colours[j + 2]];
    weights[e] = r * r + g * g + b * b;
    sum += weights[e];
  }
  const beta = sum > 0 ? (sharpness * from.length) / sum : 0;
  let e = 0;
  for (const [dx, dy] of forwardNeighbours(connectivity)) {
    const distance = Math.sqrt(dx * dx + dy * dy);
    const end = e + Math.max(0, width - Math.abs(dx)) * Math.max(0, height - dy);
    for (; e < end; e++) weights[e] = (weight * Math.exp(-beta * weights[e])) / distance;
  }
  return { from, to, weights };
}

/** Density of the uniform distribution over the colours 0..255. */
const UNIFORM = -3 * Math.log(255);

/**
 * The log odds that colours give to object over background, [n]: log L_f / L_b, L = uniform / 255^3 + (1 - uniform) p(c).
 *
 * With equal chances beforehand the posterior of object is L_f / (L_f + L_b). Costs of -log posterior, or of -log likelihood, differ
 * between the two sides by these log odds alone, and a cut depends on nothing else.
 */
export function colourOdds(colours: Float64Array, foreground: Mixture, background: Mixture, uniform: number): Float64Array {
  const logLikelihoods = (mixture: Mixture): Float64Array => {
    const logs = logDensities(mixture, colours);
    if (uniform === 0) return logs;
    const [flat, rest] = [Math.log(uniform) + UNIFORM, Math.log(1 - uniform)];
    return logs.map((log) => {
      const density = rest + log;
      const most = Math.max(flat, density);
      return most + Math.log(Math.exp(flat - most) + Math.exp(density - most));
    });
  };
  const odds = logLikelihoods(foreground);
  const other = logLikelihoods(background);
  for (let i = 0; i < odds.length; i++) odds[i] -= other[i];
  return odds;
}

/**
 * The network of a picture: log odds u as costs -log sigmoid(u) of object and -log sigmoid(-u) of background, at most `cap`; clamped pixels
 * pay `strength` for the other side and nothing for their own; everything times `scale`, rounded.
 * @param clamps of seeds.ts, or null
 */
export function cutNetwork(
  odds: Float64Array,
  clamps: Uint8Array | null,
  { from, to, weights }: Contrast,
  options: GraphCutOptions,
): FlowNetwork {
  const { cap, scale } = options;
  const strength = Math.round(scale * (options.clamps?.strength ?? 0));
  const n = odds.length;
  // What background costs is cut with the arc from the source, what object costs with the arc to the sink.
  const [fromSource, toSink] = [new Float64Array(n), new Float64Array(n)];
  for (let i = 0; i < n; i++) {
    const clamp = clamps === null ? UNDECIDED : clamps[i];
    if (clamp === UNDECIDED) {
      fromSource[i] = Math.round(scale * Math.min(cap, softplus(odds[i])));
      toSink[i] = Math.round(scale * Math.min(cap, softplus(-odds[i])));
    } else {
      fromSource[i] = clamp === FOREGROUND ? strength : 0;
      toSink[i] = clamp === BACKGROUND ? strength : 0;
    }
  }
  const capacities = weights.map((weight) => Math.round(scale * weight));
  return flowNetwork(fromSource, toSink, { from, to, forward: capacities, backward: capacities });
}

/** log(1 + e^u) = -log sigmoid(-u). */
function softplus(u: number): number {
  return u > 0 ? u + Math.log1p(Math.exp(-u)) : Math.log1p(Math.exp(u));
}
