/**
 * Image-specific class saliency: how much each pixel of a photo moves a class score, w = dS_c/dI, or what a ReLU rule makes of that.
 * @see Simonyan, Vedaldi, Zisserman 2013, section 3
 */
import { InputError } from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import type { PictureToInput, Preprocess } from '../image/preprocess.ts';
import { seenShare, toPhoto } from '../image/project.ts';
import { posterior, ranked, type GradientOptions, type Network, type Neuron, type ScoreKind } from '../network.ts';
import type { Rule, RuleSpec } from '../rule.ts';
import type { MapKind } from '../segment/presets.ts';
import { size, type Tensor } from '../tensor.ts';
import { fusedMaps, fusedQuestions, fusionLayers } from './fused.ts';
import { mapAt, reduceChannels, type Reduce } from './reduce.ts';
import { averageViews, viewsOf } from './views.ts';

/** A class by number, the best one, or the best five. */
export type ClassChoice = number | 'top1' | 'top5';

export interface SaliencyOptions {
  /** One map for each class; a class that is chosen twice counts once. Default: top1. */
  readonly classes?: readonly ClassChoice[];
  /** A unit anywhere in the network, in place of classes. */
  readonly neuron?: Neuron;
  /** Differentiate the unnormalised score (default) or the posterior. */
  readonly score?: ScoreKind;
  readonly rule?: Rule | RuleSpec;
  /** One view, or ten averaged. Default: 1. */
  readonly views?: 1 | 10;
  /** Default: max. */
  readonly reduce?: Reduce;
  /** `fused` averages the map with those of layers inside the network, for segmentation; see fused.ts. Default: saliency. */
  readonly map?: MapKind;
  /** One map for each channel instead of one for all: |w_c|, or w_c where `reduce` is signed. */
  readonly perChannel?: boolean;
}

/** What a map is a map of. */
export interface SaliencySubject {
  /** The class, unless a neuron was asked for. */
  readonly class: number | null;
  readonly neuron: Neuron | null;
  /** The channel of the input in the network's order, where each has a map of its own. */
  readonly channel: number | null;
  /** The differentiated number; for ten views their mean. */
  readonly value: number;
  /** Unnormalised score S_c and posterior exp S_c / sum exp S of the class; for ten views their means. */
  readonly score: number | null;
  readonly posterior: number | null;
}

/** A map as the network's input has it, not yet spread over the photo. */
export interface SaliencyFrame extends SaliencySubject {
  /** [H, W] on the input, or on the frame of ten views; unit: of the score, over that of the input. */
  readonly frame: Tensor;
  /** How many views saw each pixel of the frame; null: one view saw all. */
  readonly counts: Uint8Array | null;
  /** How the frame lies on the photo. */
  readonly geometry: PictureToInput;
  /** Share of the photo's pixels that the network looked at, 0 to 1; the map is 0 on the rest. */
  readonly seen: number;
  /** The map is zero everywhere: no open path leads from the input to the target under the rule. */
  readonly zero: boolean;
}

/** A map on the photo. */
export interface SaliencyMap extends SaliencyFrame {
  /** [h, w], the photo's own size; bilinear between the input's pixels, 0 where the network did not look. */
  readonly map: Tensor;
}

/**
 * Saliency maps of a photo, one for each class asked for, in their order; `top5` gives five, the best first. With one view all classes
 * share one forward pass. Of ten views the best classes are those of the mean posterior.
 *
 *     M_ij = max_c |w_ijc|,  w = dS/dI at this photo
 *
 * @param network on one photo [1, C, H, W], or on a batch, which then takes that many views at once
 * @param spec how the photo becomes the network's input
 * @returns maps at the photo's own size: 4 bytes a pixel and class; {@link saliencyFrames} leaves them small
 * @throws InputError if a class, neuron or rule does not exist, or the photo cannot be made into the input
 * @see the paper, section 3
 */
export async function saliency(
  network: Network,
  picture: Picture,
  spec: Preprocess,
  options: SaliencyOptions = {},
): Promise<SaliencyMap[]> {
  const frames = await saliencyFrames(network, picture, spec, options);
  return frames.map((frame) => ({ ...frame, map: toPhoto(frame.frame, frame.geometry, frame.counts) }));
}

/** {@link saliency} without the last step, for photos whose maps would fill the memory: `toPhoto` or `photoRows` take it from here. */
export async function saliencyFrames(
  network: Network,
  picture: Picture,
  spec: Preprocess,
  options: SaliencyOptions = {},
): Promise<SaliencyFrame[]> {
  const { reduce = 'max', perChannel = false, neuron, map: kind = 'saliency' } = options;
  if (kind === 'fused' && (perChannel || reduce !== 'max'))
    throw new InputError(
      'saliency: expected a fused map of max over all channels, got another reduction. Leave it out, or take map "saliency".',
    );
  if (neuron && options.classes) throw new InputError('saliency: expected classes or a neuron, got both. Leave out one of them.');
  const views = viewsOf(picture, spec, options.views ?? 1);
  const batches = inBatches(views.inputs, network.inputShape[0] ?? 1);
  if (kind === 'fused' && (neuron || (options.score ?? 'scores') !== 'scores'))
    throw new InputError(
      'saliency: expected a class and its score for a fused map, got a neuron, posterior or log odds. Take map "saliency".',
    );
  const fusion = kind === 'fused' ? fusionLayers(network.graph) : null;
  const common = { score: options.score, rule: options.rule };
  const questions: GradientOptions[] = neuron
    ? [{ neuron, ...common }]
    : await targets(network, options.classes ?? ['top1'], batches, common);

  const answers = questions.map(() => ({ maps: [] as Tensor[][], target: null as number | null, value: 0, score: 0, posterior: 0 }));
  const asked = fusion ? questions.flatMap((question) => fusedQuestions(question, fusion)) : questions;
  const each = asked.length / questions.length;
  for await (const { batch, gradients } of network.stream(batches, { questions: asked })) {
    for (const q of questions.keys()) {
      const reply = gradients.slice(q * each, (q + 1) * each);
      const [{ gradient, values, targets, scores }] = reply;
      const answer = answers[q];
      const fused = fusion && fusedMaps(reply, fusion);
      for (let n = 0; n < batch.own; n++) {
        answer.maps.push(fused ? [mapAt(fused, n)] : reduced(gradient, n, reduce, perChannel));
        answer.value += values[n] / views.inputs.length;
        if (targets === null || scores === null) continue;
        const row = scores.data.subarray(n * scores.shape[1], (n + 1) * scores.shape[1]);
        answer.target = targets[n];
        answer.score += row[targets[n]] / views.inputs.length;
        answer.posterior += posterior(row)[targets[n]] / views.inputs.length;
      }
    }
  }

  const seen = new Set<number | null>();
  return answers.flatMap((answer): SaliencyFrame[] => {
    if (seen.has(answer.target) && !neuron) return [];
    seen.add(answer.target);
    return answer.maps[0].map((first, c): SaliencyFrame => {
      const single = views.inputs.length === 1;
      const { map, counts } = single
        ? { map: first, counts: null }
        : averageViews(
            answer.maps.map((channels) => channels[c]),
            views.views,
            views.geometry.input,
          );
      return {
        class: answer.target,
        neuron: neuron ?? null,
        channel: perChannel ? c : null,
        value: answer.value,
        score: neuron ? null : answer.score,
        posterior: neuron ? null : answer.posterior,
        frame: map,
        counts,
        geometry: views.geometry,
        seen: seenShare(views.geometry, counts),
        zero: map.data.every((v) => v === 0),
      };
    });
  });
}

interface Batch {
  /** [N, C, H, W]. */
  readonly x: Tensor;
  /** How many of the N are views; the rest repeats the last one. */
  readonly own: number;
}

function inBatches(inputs: readonly Tensor[], batch: number): Batch[] {
  const each = size(inputs[0].shape);
  return Array.from({ length: Math.ceil(inputs.length / batch) }, (_, b): Batch => {
    const own = inputs.slice(b * batch, (b + 1) * batch);
    const data = new Float32Array(batch * each);
    for (let n = 0; n < batch; n++) data.set(own[Math.min(n, own.length - 1)].data, n * each);
    return { x: { shape: [batch, ...inputs[0].shape.slice(1)], data }, own: own.length };
  });
}

/** The questions to ask. The best classes of one view are left for the network to find, in the pass that serves all questions. */
async function targets(
  network: Network,
  classes: readonly ClassChoice[],
  batches: readonly Batch[],
  common: Pick<GradientOptions, 'score' | 'rule'>,
): Promise<GradientOptions[]> {
  if (classes.length === 0) throw new InputError('saliency: expected at least one class, got none. Choose a number, top1 or top5.');
  const ranks = Array.from({ length: Math.min(5, network.classes) }, (_, rank) => rank);
  const chosen = classes.flatMap((choice): (number | { readonly rank: number })[] => {
    if (typeof choice === 'number') return [choice];
    return choice === 'top1' ? [{ rank: 0 }] : ranks.map((rank) => ({ rank }));
  });
  const many = batches.length > 1 || batches[0].own > 1;
  if (!many || chosen.every((choice) => typeof choice === 'number')) return distinct(chosen).map((target) => ({ target, ...common }));
  const mean = new Float64Array(network.classes);
  for await (const { batch, scores } of network.stream(batches)) {
    const { data } = scores!;
    for (let n = 0; n < batch.own; n++) posterior(data.subarray(n * mean.length, (n + 1) * mean.length)).forEach((p, k) => (mean[k] += p));
  }
  const order = ranked(mean);
  return distinct(chosen.map((choice) => (typeof choice === 'number' ? choice : order[choice.rank]))).map((target) => ({
    target,
    ...common,
  }));
}

const distinct = <T>(list: readonly T[]): T[] => [...new Map(list.map((item) => [JSON.stringify(item), item])).values()];

/** The map of one item of a gradient, or one for each channel; each [H, W]. */
function reduced({ shape, data }: Tensor, n: number, reduce: Reduce, perChannel: boolean): Tensor[] {
  const [, channels, height, width] = shape;
  const plane = height * width;
  const item = data.subarray(n * channels * plane, (n + 1) * channels * plane);
  const parts = perChannel
    ? Array.from({ length: channels }, (_, c): Tensor => ({
        shape: [1, 1, height, width],
        data: item.subarray(c * plane, (c + 1) * plane),
      }))
    : [{ shape: [1, channels, height, width], data: item }];
  return parts.map((part) => ({ shape: [height, width], data: reduceChannels(part, reduce).data }));
}
